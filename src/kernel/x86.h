/* SPDX-License-Identifier: Apache-2.0 */
/* What the files for x86 share. */
#ifndef LENS_KERNEL_X86_H
#define LENS_KERNEL_X86_H

#include "kernel/variants.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,f16c")))
#define FMA __attribute__((target("avx2,f16c,fma")))

/* The kernels that move bytes, for a CPU with AVX2. */
void lens_kernels_init_moves(struct lens_kernels *k);
/* Those of codes of 4 bits. */
void lens_kernels_init_nibbles(struct lens_kernels *k);
/* Those that quantize. */
void lens_kernels_init_quantize(struct lens_kernels *k);

/* Where the vector after the one at @i begins, of @step elements out of @n. */
static inline size_t next(size_t i, size_t n, size_t step)
{
	i += step;
	return i < n && n - i < step ? n - step : i;
}

AVX2 static inline __m256i load(const void *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

AVX2 static inline void store(void *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)p, v);
}

AVX2 static inline __m128i load128(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

AVX2 static inline void store128(void *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

#endif

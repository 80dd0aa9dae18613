/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_x86.c - number formats with AVX2 and F16C.
 *
 * E4M3 has 8 mantissas and 8 subnormal numbers, and scaling by a power of two
 * rounds nothing while all stays normal: so a line of codes to BF16 is a table
 * of 16 products, made for its scale, and an addition to the exponent.
 *
 * Elsewhere it is widened by way of binary16, whose conversion is a single
 * instruction that has no slow path for subnormal numbers: the code's bits
 * shifted into place are the value times 2^-8, and the 2^8 goes into the scale,
 * exactly.
 *
 * What these two can't do (scales that are extreme or no numbers, lines shorter
 * than a vector) goes the scalar way.  The end of a line is done by a vector
 * that overlaps the one before: source and target are never the same.
 */
#include "kernel/variants.h"

#if defined(__x86_64__)

#include "kernel/x86.h"

#include <cpuid.h>
#include <math.h>

unsigned lens_cpu_x86(void)
{
	unsigned a, b, c, d, lo, hi;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) ||
	    !(c & bit_AVX) || !(c & bit_F16C) || !(c & bit_FMA))
		return 0;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	if ((lo & 6) != 6)
		return 0;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
		return 0;
	return LENS_CPU_AVX2;
}

/* The upper halves, rounded to nearest even, in the lower halves; no NaN. */
AVX2 static inline __m256i round_bf16(__m256 v)
{
	__m256i u = _mm256_castps_si256(v);
	__m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16),
				       _mm256_set1_epi32(1));

	u = _mm256_add_epi32(u,
			     _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
	return _mm256_srli_epi32(u, 16);
}

/* Two vectors of 8 narrow values as one of 16. */
AVX2 static inline __m256i pack(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}

/* Lower and upper bytes of 16 BF16 numbers, in both halves of each. */
struct products {
	__m256i lo, hi;
};

/* The 8 numbers with an exponent of 1, less that exponent; the 8 subnormal
 * ones. */
AVX2 static inline struct products make_products(float scale)
{
	const __m256 s = _mm256_set1_ps(scale);
	const __m256 normal =
			     _mm256_setr_ps(0x8p-9f, 0x9p-9f, 0xap-9f, 0xbp-9f,
					    0xcp-9f, 0xdp-9f, 0xep-9f, 0xfp-9f),
		     subnormal =
			     _mm256_setr_ps(0, 0x1p-9f, 0x2p-9f, 0x3p-9f,
					    0x4p-9f, 0x5p-9f, 0x6p-9f, 0x7p-9f);
	__m256i a = _mm256_sub_epi32(round_bf16(_mm256_mul_ps(normal, s)),
				     _mm256_set1_epi32(1 << 7));
	__m256i v = pack(a, round_bf16(_mm256_mul_ps(subnormal, s)));

	v = _mm256_packus_epi16(_mm256_and_si256(v, _mm256_set1_epi16(0xff)),
				_mm256_srli_epi16(v, 8));
	v = _mm256_permute4x64_epi64(v, 0xd8);
	return (struct products){ _mm256_permute4x64_epi64(v, 0x44),
				  _mm256_permute4x64_epi64(v, 0xee) };
}

/* Sign and exponent of codes in the upper bytes, in BF16's places. */
AVX2 static inline __m256i upper_bits(__m256i codes)
{
	return _mm256_and_si256(_mm256_srai_epi16(codes, 4),
				_mm256_set1_epi16((short)0x8780));
}

/* 32 codes, so that the halves' lower halves are elements 0-7 and 8-15. */
AVX2 static inline __m256i codes(const uint8_t *src)
{
	return _mm256_permute4x64_epi64(load(src), 0xd8);
}

/* 32 products of codes; what comes of NaN is no product.  Which are NaN. */
AVX2 static inline __m256i multiply(uint16_t *dst, const uint8_t *src,
				    const struct products *p)
{
	const __m256i zero = _mm256_setzero_si256(), c = codes(src);
	__m256i small = _mm256_cmpeq_epi8(
		_mm256_and_si256(c, _mm256_set1_epi8(0x78)), zero);
	__m256i i =
		_mm256_or_si256(_mm256_and_si256(c, _mm256_set1_epi8(7)),
				_mm256_and_si256(small, _mm256_set1_epi8(8)));
	__m256i lo = _mm256_shuffle_epi8(p->lo, i),
		hi = _mm256_shuffle_epi8(p->hi, i);

	store(dst, _mm256_add_epi16(_mm256_unpacklo_epi8(lo, hi),
				    upper_bits(_mm256_unpacklo_epi8(zero, c))));
	store(dst + 16,
	      _mm256_add_epi16(_mm256_unpackhi_epi8(lo, hi),
			       upper_bits(_mm256_unpackhi_epi8(zero, c))));
	return _mm256_cmpeq_epi8(
		_mm256_or_si256(c, _mm256_set1_epi8((char)0x80)),
		_mm256_set1_epi8(-1));
}

/* Put the canonical NaN where the codes are one. */
AVX2 static inline void put_nan(uint16_t *dst, __m256i nan)
{
	const __m256i v = _mm256_set1_epi16(0x7fc0);

	store(dst,
	      _mm256_blendv_epi8(load(dst), v, _mm256_unpacklo_epi8(nan, nan)));
	store(dst + 16, _mm256_blendv_epi8(load(dst + 16), v,
					   _mm256_unpackhi_epi8(nan, nan)));
}

AVX2 static void e4m3_bf16_avx2(uint16_t *dst, const uint8_t *src, size_t n,
				float scale)
{
	const float s = fabsf(scale);
	struct products p;
	size_t i = 0;

	/* 2^-6 to 448 times it must be normal numbers; false for NaN, too. */
	if (n < 32 || !(s >= 0x1p-120f && s < 0x1p119f)) {
		lens_kernels_scalar.e4m3_bf16(dst, src, n, scale);
		return;
	}
	p = make_products(scale);
	for (; n - i >= 64; i += 64) {
		__m256i a = multiply(dst + i, src + i, &p),
			b = multiply(dst + i + 32, src + i + 32, &p),
			any = _mm256_or_si256(a, b);

		if (!_mm256_testz_si256(any, any)) {
			put_nan(dst + i, a);
			put_nan(dst + i + 32, b);
		}
	}
	for (i = next(i - 32, n, 32); i < n; i = next(i, n, 32))
		put_nan(dst + i, multiply(dst + i, src + i, &p));
}

/* 16 codes as binary16 numbers times 2^-8, canonical NaN. */
AVX2 static inline __m256i halves(const uint8_t *src)
{
	const __m256i m = _mm256_set1_epi16(0x7f);
	__m256i x = _mm256_cvtepu8_epi16(load128(src));
	__m256i mag = _mm256_and_si256(x, m);
	__m256i sign = _mm256_slli_epi16(_mm256_xor_si256(x, mag), 8);

	return _mm256_blendv_epi8(
		_mm256_or_si256(_mm256_slli_epi16(mag, 7), sign),
		_mm256_set1_epi16(0x7e00), _mm256_cmpeq_epi16(mag, m));
}

AVX2 static inline __m256 low(__m256i h)
{
	return _mm256_cvtph_ps(_mm256_castsi256_si128(h));
}

AVX2 static inline __m256 high(__m256i h)
{
	return _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1));
}

/* Does 2^8 fit into it?  A number times a canonical NaN is that. */
static inline bool plain(float scale)
{
	return fabsf(scale) < 0x1p119f;
}

AVX2 static void e4m3_f16_avx2(uint16_t *dst, const uint8_t *src, size_t n,
			       float scale)
{
	const __m256 s = _mm256_set1_ps(scale * 256.0f);

	if (n < 16 || !plain(scale)) {
		lens_kernels_scalar.e4m3_f16(dst, src, n, scale);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 16)) {
		__m256i h = halves(src + i);

		store128(dst + i, _mm256_cvtps_ph(_mm256_mul_ps(low(h), s), 0));
		store128(dst + i + 8,
			 _mm256_cvtps_ph(_mm256_mul_ps(high(h), s), 0));
	}
}

AVX2 static void e4m3_f32_avx2(float *dst, const uint8_t *src, size_t n,
			       float scale)
{
	const __m256 s = _mm256_set1_ps(scale * 256.0f);

	if (n < 16 || !plain(scale)) {
		lens_kernels_scalar.e4m3_f32(dst, src, n, scale);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 16)) {
		__m256i h = halves(src + i);

		_mm256_storeu_ps(dst + i, _mm256_mul_ps(low(h), s));
		_mm256_storeu_ps(dst + i + 8, _mm256_mul_ps(high(h), s));
	}
}

/* NaN lanes of @v become the canonical NaN. */
AVX2 static inline __m256 canonical(__m256 v)
{
	const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));

	return _mm256_blendv_ps(v, nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
}

AVX2 static void bf16_f32_avx2(float *dst, const uint16_t *src, size_t n)
{
	if (n < 8) {
		lens_kernels_scalar.bf16_f32(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 8)) {
		__m256i u = _mm256_slli_epi32(
			_mm256_cvtepu16_epi32(load128(src + i)), 16);

		_mm256_storeu_ps(dst + i, canonical(_mm256_castsi256_ps(u)));
	}
}

/* NaN is looked for before it is widened: clang takes a comparison behind that
 * apart into halves, one by one. */
AVX2 static void f16_f32_avx2(float *dst, const uint16_t *src, size_t n)
{
	const __m128i inf = _mm_set1_epi16(0x7c00),
		      nan = _mm_set1_epi16(0x7e00), m = _mm_set1_epi16(0x7fff);

	if (n < 8) {
		lens_kernels_scalar.f16_f32(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 8)) {
		__m128i h = load128(src + i);

		h = _mm_blendv_epi8(h, nan,
				    _mm_cmpgt_epi16(_mm_and_si128(h, m), inf));
		_mm256_storeu_ps(dst + i, _mm256_cvtph_ps(h));
	}
}

/* The canonical NaN is its own rounding: what is added stays below it. */
AVX2 static void f32_bf16_avx2(uint16_t *dst, const float *src, size_t n)
{
	if (n < 16) {
		lens_kernels_scalar.f32_bf16(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 16))
		store(dst + i,
		      pack(round_bf16(canonical(_mm256_loadu_ps(src + i))),
			   round_bf16(
				   canonical(_mm256_loadu_ps(src + i + 8)))));
}

AVX2 static void f32_f16_avx2(uint16_t *dst, const float *src, size_t n)
{
	if (n < 8) {
		lens_kernels_scalar.f32_f16(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 8))
		store128(dst + i,
			 _mm256_cvtps_ph(canonical(_mm256_loadu_ps(src + i)),
					 0));
}

/* In place, too: so no vector overlaps another. */
AVX2 static void scale_f32_avx2(float *dst, const float *src, size_t n,
				float scale)
{
	const __m256 s = _mm256_set1_ps(scale);
	size_t i = 0;

	for (; n - i >= 8; i += 8)
		_mm256_storeu_ps(
			dst + i,
			canonical(_mm256_mul_ps(_mm256_loadu_ps(src + i), s)));
	lens_kernels_scalar.scale_f32(dst + i, src + i, n - i, scale);
}

void lens_kernels_init_x86(struct lens_kernels *k, unsigned cpu)
{
	if (!(cpu & LENS_CPU_AVX2))
		return;
	k->name = "avx2";
	k->e4m3_bf16 = e4m3_bf16_avx2;
	k->e4m3_f16 = e4m3_f16_avx2;
	k->e4m3_f32 = e4m3_f32_avx2;
	k->bf16_f32 = bf16_f32_avx2;
	k->f16_f32 = f16_f32_avx2;
	k->f32_bf16 = f32_bf16_avx2;
	k->f32_f16 = f32_f16_avx2;
	k->scale_f32 = scale_f32_avx2;
	lens_kernels_init_quantize(k);
	lens_kernels_init_moves(k);
	lens_kernels_init_nibbles(k);
}

#endif

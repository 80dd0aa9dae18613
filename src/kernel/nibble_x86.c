/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nibble_x86.c - codes of 4 bits with AVX2.
 *
 * A group's 16 products are made and rounded at once; its elements are looked
 * up in their lower and upper bytes.  Groups of 16 go in pairs, one in each
 * half of the vectors.
 */
#include "kernel/variants.h"

#if defined(__x86_64__)

#include "kernel/x86.h"

AVX2 static void unpack4_avx2(uint8_t *dst, const uint8_t *src, size_t n)
{
	const __m256i m = _mm256_set1_epi8(15);
	size_t i = 0;

	for (; n - i >= 64; i += 64) {
		__m256i v = _mm256_permute4x64_epi64(load(src + i / 2), 0xd8);
		__m256i lo = _mm256_and_si256(v, m),
			hi = _mm256_and_si256(_mm256_srli_epi16(v, 4), m);

		store(dst + i, _mm256_unpacklo_epi8(lo, hi));
		store(dst + i + 32, _mm256_unpackhi_epi8(lo, hi));
	}
	lens_kernels_scalar.unpack4(dst + i, src + i / 2, n - i);
}

/* Half of a table: products rounded to the upper halves; NaN canonical, which
 * is its own rounding. */
AVX2 static inline __m256i products(const float *values, __m256 scale,
				    __m256 zero)
{
	const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
	__m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(values), zero),
				 scale);
	__m256i u = _mm256_castps_si256(
		_mm256_blendv_ps(v, nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
	__m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16),
				       _mm256_set1_epi32(1));

	u = _mm256_add_epi32(u,
			     _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
	return _mm256_srli_epi32(u, 16);
}

/* Lower bytes of the 16 products in the lower half, upper bytes in the upper.
 */
AVX2 static inline __m256i table(const float *values, float scale, float zero)
{
	const __m256 s = _mm256_set1_ps(scale), z = _mm256_set1_ps(zero);
	/* In two halves, as packing leaves them: 0-3 8-11, 4-7 12-15. */
	__m256i v = _mm256_packus_epi32(products(values, s, z),
					products(values + 8, s, z));

	v = _mm256_permute4x64_epi64(v, 0xd8);
	v = _mm256_packus_epi16(_mm256_and_si256(v, _mm256_set1_epi16(0xff)),
				_mm256_srli_epi16(v, 8));
	return _mm256_permute4x64_epi64(v, 0xd8);
}

AVX2 static inline void look_up16(uint16_t *dst, const uint8_t *src, __m128i lo,
				  __m128i hi)
{
	const __m128i c = load128(src);
	const __m128i a = _mm_shuffle_epi8(lo, c), b = _mm_shuffle_epi8(hi, c);

	store128(dst, _mm_unpacklo_epi8(a, b));
	store128(dst + 8, _mm_unpackhi_epi8(a, b));
}

/* A group of 16 codes or more; the last vector overlaps the one before. */
AVX2 static void look_up(uint16_t *dst, const uint8_t *src, size_t n, __m256i t)
{
	const __m128i lo = _mm256_castsi256_si128(t),
		      hi = _mm256_extracti128_si256(t, 1);
	const __m256i lo2 = _mm256_broadcastsi128_si256(lo),
		      hi2 = _mm256_broadcastsi128_si256(hi);
	size_t i = 0;

	for (; n - i >= 32; i += 32) {
		__m256i c = _mm256_permute4x64_epi64(load(src + i), 0xd8);
		__m256i a = _mm256_shuffle_epi8(lo2, c),
			b = _mm256_shuffle_epi8(hi2, c);

		store(dst + i, _mm256_unpacklo_epi8(a, b));
		store(dst + i + 16, _mm256_unpackhi_epi8(a, b));
	}
	for (; n - i >= 16; i += 16)
		look_up16(dst + i, src + i, lo, hi);
	if (i < n)
		look_up16(dst + n - 16, src + n - 16, lo, hi);
}

/* Two groups of 16. */
AVX2 static inline void look_up_pair(uint16_t *dst, const uint8_t *src,
				     __m256i t, __m256i u)
{
	const __m256i c = load(src);
	__m256i lo = _mm256_permute2x128_si256(t, u, 0x20),
		hi = _mm256_permute2x128_si256(t, u, 0x31);
	__m256i a, b;

	lo = _mm256_shuffle_epi8(lo, c);
	hi = _mm256_shuffle_epi8(hi, c);
	a = _mm256_unpacklo_epi8(lo, hi);
	b = _mm256_unpackhi_epi8(lo, hi);
	store(dst, _mm256_permute2x128_si256(a, b, 0x20));
	store(dst + 16, _mm256_permute2x128_si256(a, b, 0x31));
}

AVX2 static void code4_bf16_avx2(uint16_t *dst, const uint8_t *src,
				 size_t groups, size_t group,
				 const float *values, const float *scale,
				 const float *zero)
{
	size_t g = 0;

	if (group < 16) {
		lens_kernels_scalar.code4_bf16(dst, src, groups, group, values,
					       scale, zero);
		return;
	}
	for (; group == 16 && groups - g >= 2; g += 2)
		look_up_pair(dst + g * 16, src + g * 16,
			     table(values, scale[g], zero[g]),
			     table(values, scale[g + 1], zero[g + 1]));
	for (; g < groups; g++)
		look_up(dst + g * group, src + g * group, group,
			table(values, scale[g], zero[g]));
}

void lens_kernels_init_nibbles(struct lens_kernels *k)
{
	k->unpack4 = unpack4_avx2;
	k->code4_bf16 = code4_bf16_avx2;
}

#endif

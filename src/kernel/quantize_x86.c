/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_x86.c - to FP8, and what a scale is made of, with AVX2.
 *
 * The end of a line is done by a vector that overlaps the one before: source
 * and target are never the same, and a largest number may be seen twice.
 */
#include "kernel/variants.h"

#if defined(__x86_64__)

#include "kernel/x86.h"

#include <math.h>

/* What round_e4m3() gives, more than the code. */
#define ABOVE (8 * 121)

/*
 * Numbers from 0 on to codes, each in 32 bits and ABOVE more: to nearest even,
 * what is beyond 448 (or no number) is 448.  Adding 2^20 times the power of two
 * below a number, but no less than 2^-6, leaves of it how many steps of its
 * code it is; the power of two itself is 8 codes each.
 */
AVX2 static inline __m256i round_e4m3(__m256 v)
{
	/* Of a NaN and a number this takes the number. */
	const __m256 most = _mm256_min_ps(v, _mm256_set1_ps(448.0f));
	const __m256i power = _mm256_max_epi32(
		_mm256_and_si256(_mm256_castps_si256(most),
				 _mm256_set1_epi32(0x7f800000)),
		_mm256_set1_epi32(121 << 23));
	const __m256i add =
		_mm256_add_epi32(power, _mm256_set1_epi32(20 << 23));
	const __m256i steps =
		_mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(
					 most, _mm256_castsi256_ps(add))),
				 add);

	return _mm256_add_epi32(steps, _mm256_srli_epi32(power, 20));
}

AVX2 static inline __m256i codes_e4m3(__m256 v)
{
	const __m256i bits = _mm256_castps_si256(v),
		      sign = _mm256_and_si256(_mm256_srli_epi32(bits, 24),
					      _mm256_set1_epi32(0x80)),
		      nan = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cmp_ps(
						      v, v, _CMP_UNORD_Q)),
					      31);
	const __m256i code = _mm256_sub_epi32(
		round_e4m3(_mm256_castsi256_ps(
			_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)))),
		_mm256_set1_epi32(ABOVE));

	/* NaN is one more than 448. */
	return _mm256_or_si256(_mm256_or_si256(code, nan), sign);
}

/* 4 times 8 of them to bytes. */
AVX2 static inline void put_codes(uint8_t *dst, const __m256i v[4])
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i a = _mm256_packus_epi32(v[0], v[1]);
	__m256i b = _mm256_packus_epi32(v[2], v[3]);

	store(dst,
	      _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order));
}

AVX2 static void f32_e4m3_avx2(uint8_t *dst, const float *src, size_t n)
{
	if (n < 32) {
		lens_kernels_scalar.f32_e4m3(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 32)) {
		__m256i v[4];

		for (unsigned k = 0; k < 4; k++)
			v[k] = codes_e4m3(_mm256_loadu_ps(src + i + 8 * k));
		put_codes(dst + i, v);
	}
}

AVX2 static void f32_e4m3_by_avx2(uint8_t *dst, const float *src, size_t n,
				  float scale)
{
	const __m256 s = _mm256_set1_ps(scale);

	if (n < 32) {
		lens_kernels_scalar.f32_e4m3_by(dst, src, n, scale);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 32)) {
		__m256i v[4];

		for (unsigned k = 0; k < 4; k++)
			v[k] = codes_e4m3(_mm256_div_ps(
				_mm256_loadu_ps(src + i + 8 * k), s));
		put_codes(dst + i, v);
	}
}

/*
 * A quotient without dividing: the product with the reciprocal, and once more
 * with what is left over.  That this is the quotient rounded to nearest has
 * been tried for all 128 mantissas of BF16 and all 2^23 of a scale
 * (tests/long/quotients.c); exponents change nothing as long as nothing
 * underflows, which values that become 0 anyway may.  What overflows becomes
 * infinity or NaN, and either the largest code.  All are positive.
 */
FMA static inline __m256i quotient_codes(__m256i bits, __m256 s, __m256 y)
{
	const __m256 w = _mm256_castsi256_ps(bits), q = _mm256_mul_ps(w, y),
		     rest = _mm256_fnmadd_ps(q, s, w);

	return round_e4m3(_mm256_fmadd_ps(rest, y, q));
}

/* 16 magnitudes to codes, each in 16 bits. */
FMA static inline __m256i quotients(__m256i v, __m256 s, __m256 y)
{
	const __m256i zero = _mm256_setzero_si256();

	v = _mm256_and_si256(v, _mm256_set1_epi16(0x7fff));
	v = _mm256_packus_epi32(
		quotient_codes(_mm256_unpacklo_epi16(zero, v), s, y),
		quotient_codes(_mm256_unpackhi_epi16(zero, v), s, y));
	return _mm256_sub_epi16(v, _mm256_set1_epi16(ABOVE));
}

FMA static void bf16_e4m3_by_avx2(uint8_t *dst, const uint16_t *src, size_t n,
				  float scale)
{
	const float most = fabsf(scale);
	const __m256 s = _mm256_set1_ps(most), y = _mm256_set1_ps(1.0f / most);
	const __m256i bit = _mm256_set1_epi16(0x80),
		      flip = _mm256_set1_epi8(scale < 0 ? (char)0x80 : 0);

	if (n < 32 || !(most > 0x1p-60f && most < 0x1p60f)) {
		lens_kernels_scalar.bf16_e4m3_by(dst, src, n, scale);
		return;
	}
	for (size_t i = 0; i < n; i = next(i, n, 32)) {
		const __m256i a = load(src + i), b = load(src + i + 16);
		const __m256i sign = _mm256_packus_epi16(
			_mm256_and_si256(_mm256_srli_epi16(a, 8), bit),
			_mm256_and_si256(_mm256_srli_epi16(b, 8), bit));
		const __m256i code = _mm256_packus_epi16(quotients(a, s, y),
							 quotients(b, s, y));

		/* Packing leaves the halves of a and b in turn. */
		store(dst + i,
		      _mm256_permute4x64_epi64(
			      _mm256_xor_si256(_mm256_or_si256(code, sign),
					       flip),
			      0xd8));
	}
}

/* What the vectors below keep of lens_steps, each half the same. */
struct steps {
	__m256i code, last, low, lower, under, within[4], flip;
};

/* A code's exponent counts from UNDER below the scale's, where none is normal,
 * so that no byte is negative. */
#define UNDER 8
#define LEAST 48 /* the code of half the scale: steps begin at it or above */
#define SHIFT (8 * UNDER - LEAST) /* what this makes of code 0 */

AVX2 static inline __m256i both_halves(const uint8_t *p)
{
	return _mm256_broadcastsi128_si256(load128(p));
}

AVX2 static inline struct steps steps_of(const struct lens_steps *p)
{
	struct steps s = {
		.code = _mm256_sub_epi8(both_halves(p->code),
					_mm256_set1_epi8(LEAST)),
		.last = both_halves(p->last),
		.low = _mm256_set1_epi8((char)(p->exponent - UNDER)),
		.lower = _mm256_set1_epi8(
			(char)(p->exponent - LENS_STEPS_UNDER)),
		.under = both_halves(p->under),
		.flip = _mm256_set1_epi8((char)p->flip),
	};

	for (unsigned k = 0; k < 4; k++)
		s.within[k] = both_halves(p->within[k]);
	return s;
}

/* Codes by exponents and mantissas, where they are subnormal. */
AVX2 static inline __m256i small_codes(__m256i e, __m256i m,
				       const struct steps *s)
{
	const __m256i at = _mm256_min_epu8(_mm256_subs_epu8(e, s->lower),
					   _mm256_set1_epi8(15));
	__m256i code = _mm256_shuffle_epi8(s->under, at);

	_Pragma("GCC unroll 4") for (unsigned k = 0; k < 4; k++)
	{
		code = _mm256_sub_epi8(
			code, _mm256_cmpgt_epi8(m, _mm256_shuffle_epi8(
							   s->within[k], at)));
	}
	return code;
}

/* 32 values to codes; packing leaves the halves of a and b in turn. */
AVX2 static inline __m256i step_codes(__m256i a, __m256i b,
				      const struct steps *s)
{
	const __m256i low = _mm256_set1_epi16(0x7f);
	const __m256i m = _mm256_packus_epi16(_mm256_and_si256(a, low),
					      _mm256_and_si256(b, low)),
		      e = _mm256_packus_epi16(
			      _mm256_srli_epi16(_mm256_slli_epi16(a, 1), 8),
			      _mm256_srli_epi16(_mm256_slli_epi16(b, 1), 8));
	const __m256i eighth = _mm256_and_si256(_mm256_srli_epi16(m, 3),
						_mm256_set1_epi8(0x0f));
	/* 20 of them are more than there are codes. */
	const __m256i up = _mm256_min_epu8(_mm256_subs_epu8(e, s->low),
					   _mm256_set1_epi8(20));
	const __m256i sum = _mm256_sub_epi8(
		_mm256_add_epi8(_mm256_slli_epi16(up, 3),
				_mm256_shuffle_epi8(s->code, eighth)),
		_mm256_cmpgt_epi8(m, _mm256_shuffle_epi8(s->last, eighth)));
	__m256i code = _mm256_subs_epu8(
		_mm256_min_epu8(sum, _mm256_set1_epi8((char)(0x7e + SHIFT))),
		_mm256_set1_epi8(SHIFT));
	const __m256i small = _mm256_cmpgt_epi8(_mm256_set1_epi8(8), code);

	if (!_mm256_testz_si256(small, small))
		code = _mm256_blendv_epi8(code, small_codes(e, m, s), small);
	return _mm256_or_si256(code,
			       _mm256_and_si256(_mm256_packs_epi16(a, b),
						_mm256_set1_epi8((char)0x80)));
}

AVX2 static void bf16_e4m3_steps_avx2(uint8_t *dst, size_t ds,
				      const uint16_t *src, size_t ss,
				      size_t lines, size_t n,
				      const struct lens_steps *steps)
{
	const struct steps s = steps_of(steps);

	if (n < 32) {
		lens_steps_scalar(dst, ds, src, ss, lines, n, steps);
		return;
	}
	for (; lines; lines--, dst += ds, src += ss)
		for (size_t i = 0; i < n; i = next(i, n, 32)) {
			const __m256i code = step_codes(load(src + i),
							load(src + i + 16), &s);

			store(dst + i,
			      _mm256_permute4x64_epi64(
				      _mm256_xor_si256(code, s.flip), 0xd8));
		}
}

AVX2 static uint16_t most16_avx2(const uint16_t *src, size_t n)
{
	const __m256i mask = _mm256_set1_epi16(0x7fff);
	__m256i most = _mm256_setzero_si256();
	uint16_t lanes[16];

	if (n < 16)
		return lens_kernels_scalar.most16(src, n);
	for (size_t i = 0; i < n; i = next(i, n, 16))
		most = _mm256_max_epu16(most,
					_mm256_and_si256(load(src + i), mask));
	store(lanes, most);
	return lens_kernels_scalar.most16(lanes, 16);
}

AVX2 static uint32_t most32_avx2(const float *src, size_t n)
{
	const __m256i mask = _mm256_set1_epi32(0x7fffffff);
	__m256i most = _mm256_setzero_si256();
	float lanes[8];

	if (n < 8)
		return lens_kernels_scalar.most32(src, n);
	for (size_t i = 0; i < n; i = next(i, n, 8))
		most = _mm256_max_epu32(most,
					_mm256_and_si256(load(src + i), mask));
	store(lanes, most);
	return lens_kernels_scalar.most32(lanes, 8);
}

void lens_kernels_init_quantize(struct lens_kernels *k)
{
	k->f32_e4m3 = f32_e4m3_avx2;
	k->f32_e4m3_by = f32_e4m3_by_avx2;
	k->bf16_e4m3_by = bf16_e4m3_by_avx2;
	k->bf16_e4m3_steps = bf16_e4m3_steps_avx2;
	k->most16 = most16_avx2;
	k->most32 = most32_avx2;
}

#endif

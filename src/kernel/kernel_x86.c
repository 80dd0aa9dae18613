/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_x86.c - AVX2 with F16C.
 *
 * E4M3 is widened by way of binary16, whose conversion is a single
 * instruction that has no slow path for subnormal numbers: the code's bits
 * shifted into place are the value times 2^-8, and the 2^8 goes into the scale,
 * exactly.  Codes that are NaN, and scales that 2^8 would overflow or that are
 * no numbers, take the scalar way.
 */
#include "kernel/variants.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <math.h>

#define AVX2 __attribute__((target("avx2,f16c")))

unsigned lens_cpu_x86(void)
{
	unsigned a, b, c, d, lo, hi;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) ||
	    !(c & bit_AVX) || !(c & bit_F16C))
		return 0;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	if ((lo & 6) != 6)
		return 0;
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
		return 0;
	return LENS_CPU_AVX2;
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

/* 16 codes as binary16 values times 2^-8. */
AVX2 static inline __m256i halves(__m128i codes)
{
	__m256i x = _mm256_cvtepu8_epi16(codes);
	__m256i mag = _mm256_slli_epi16(
		_mm256_and_si256(x, _mm256_set1_epi16(0x7f)), 7);
	__m256i sign = _mm256_slli_epi16(
		_mm256_and_si256(x, _mm256_set1_epi16(0x80)), 8);

	return _mm256_or_si256(mag, sign);
}

AVX2 static inline bool has_nan(__m256i codes)
{
	__m256i mag = _mm256_or_si256(codes, _mm256_set1_epi8((char)0x80));

	return !_mm256_testz_si256(_mm256_cmpeq_epi8(mag, _mm256_set1_epi8(-1)),
				   _mm256_set1_epi8(-1));
}

AVX2 static inline __m256 low(__m256i h)
{
	return _mm256_cvtph_ps(_mm256_castsi256_si128(h));
}

AVX2 static inline __m256 high(__m256i h)
{
	return _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1));
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

static bool plain_scale(float scale)
{
	return fabsf(scale) < 0x1p119f; /* false for NaN */
}

AVX2 static void e4m3_bf16_avx2(uint16_t *dst, const uint8_t *src, size_t n,
				float scale)
{
	const __m256 s = _mm256_set1_ps(scale * 256.0f);
	size_t i = 0;

	for (; plain_scale(scale) && i + 32 <= n; i += 32) {
		__m256i c = load(src + i);

		if (has_nan(c)) {
			for (size_t k = i; k < i + 32; k++)
				lens_put16(
					dst, k,
					lens_f32_to_bf16(lens_e4m3_f32(src[k]) *
							 scale));
			continue;
		}
		for (unsigned k = 0; k < 2; k++) {
			__m256i h = halves(k ? _mm256_extracti128_si256(c, 1) :
					       _mm256_castsi256_si128(c));
			__m256i a = round_bf16(_mm256_mul_ps(low(h), s)),
				b = round_bf16(_mm256_mul_ps(high(h), s));

			store(dst + i + 16 * k, pack(a, b));
		}
	}
	for (; i < n; i++)
		lens_put16(dst, i,
			   lens_f32_to_bf16(lens_e4m3_f32(src[i]) * scale));
}

AVX2 static void e4m3_f16_avx2(uint16_t *dst, const uint8_t *src, size_t n,
			       float scale)
{
	const __m256 s = _mm256_set1_ps(scale * 256.0f);
	size_t i = 0;

	for (; plain_scale(scale) && i + 32 <= n; i += 32) {
		__m256i c = load(src + i);

		if (has_nan(c)) {
			for (size_t k = i; k < i + 32; k++)
				lens_put16(
					dst, k,
					lens_f32_to_f16(lens_e4m3_f32(src[k]) *
							scale));
			continue;
		}
		for (unsigned k = 0; k < 2; k++) {
			__m256i h = halves(k ? _mm256_extracti128_si256(c, 1) :
					       _mm256_castsi256_si128(c));
			__m128i a =
				_mm256_cvtps_ph(_mm256_mul_ps(low(h), s), 0);
			__m128i b =
				_mm256_cvtps_ph(_mm256_mul_ps(high(h), s), 0);

			store(dst + i + 16 * k, _mm256_set_m128i(b, a));
		}
	}
	for (; i < n; i++)
		lens_put16(dst, i,
			   lens_f32_to_f16(lens_e4m3_f32(src[i]) * scale));
}

AVX2 static void e4m3_f32_avx2(float *dst, const uint8_t *src, size_t n,
			       float scale)
{
	const __m256 s = _mm256_set1_ps(scale * 256.0f);
	size_t i = 0;

	for (; plain_scale(scale) && i + 32 <= n; i += 32) {
		__m256i c = load(src + i);

		if (has_nan(c))
			break;
		for (unsigned k = 0; k < 2; k++) {
			__m256i h = halves(k ? _mm256_extracti128_si256(c, 1) :
					       _mm256_castsi256_si128(c));

			store(dst + i + 16 * k,
			      _mm256_castps_si256(_mm256_mul_ps(low(h), s)));
			store(dst + i + 16 * k + 8,
			      _mm256_castps_si256(_mm256_mul_ps(high(h), s)));
		}
	}
	for (; i < n; i++) {
		float v = lens_e4m3_f32(src[i]) * scale;

		if (v != v)
			v = lens_unbits(0x7fc00000);
		lens_putf(dst, i, v);
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
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i u = _mm256_slli_epi32(
			_mm256_cvtepu16_epi32(load128(src + i)), 16);

		store(dst + i,
		      _mm256_castps_si256(canonical(_mm256_castsi256_ps(u))));
	}
	for (; i < n; i++)
		lens_putf(dst, i, lens_bf16_to_f32(lens_get16(src, i)));
}

AVX2 static void f16_f32_avx2(float *dst, const uint16_t *src, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		store(dst + i, _mm256_castps_si256(canonical(
				       _mm256_cvtph_ps(load128(src + i)))));
	for (; i < n; i++)
		lens_putf(dst, i, lens_f16_to_f32(lens_get16(src, i)));
}

AVX2 static void f32_bf16_avx2(uint16_t *dst, const float *src, size_t n)
{
	const __m256i nan = _mm256_set1_epi32(0x7fc0);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256 a = _mm256_loadu_ps(src + i),
		       b = _mm256_loadu_ps(src + i + 8);
		__m256i x =
			_mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
		__m256i y =
			_mm256_castps_si256(_mm256_cmp_ps(b, b, _CMP_UNORD_Q));

		x = _mm256_blendv_epi8(round_bf16(a), nan, x);
		y = _mm256_blendv_epi8(round_bf16(b), nan, y);
		store(dst + i, pack(x, y));
	}
	for (; i < n; i++)
		lens_put16(dst, i, lens_f32_to_bf16(lens_getf(src, i)));
}

AVX2 static void f32_f16_avx2(uint16_t *dst, const float *src, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256 v = canonical(_mm256_loadu_ps(src + i));

		_mm_storeu_si128((__m128i *)(void *)(dst + i),
				 _mm256_cvtps_ph(v, 0));
	}
	for (; i < n; i++)
		lens_put16(dst, i, lens_f32_to_f16(lens_getf(src, i)));
}

AVX2 static void scale_f32_avx2(float *dst, const float *src, size_t n,
				float scale)
{
	const __m256 s = _mm256_set1_ps(scale);
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(
			dst + i,
			canonical(_mm256_mul_ps(_mm256_loadu_ps(src + i), s)));
	for (; i < n; i++) {
		float v = lens_getf(src, i) * scale;

		lens_putf(dst, i, v == v ? v : lens_unbits(0x7fc00000));
	}
}

/*
 * Transposes work on tiles of 64 bytes by 64 bytes: each line of the source is
 * read once and whole, each of the target written once and whole, whatever the
 * strides; what lies between stays in the first-level cache.
 */
#define LINE 64
#define STREAM \
	(256u << 10) /* bytes from which a target is written past the cache */

/* One round of interleaving registers i and i + n/2; log2(n) of them transpose.
 */
#define ROUND(n, unit)                                                         \
	do {                                                                   \
		__m128i t_[n];                                                 \
		_Pragma("GCC unroll 16") for (unsigned i_ = 0; i_ < (n) / 2;   \
					      i_++)                            \
		{                                                              \
			t_[2 * i_] =                                           \
				_mm_unpacklo_##unit(v[i_], v[i_ + (n) / 2]);   \
			t_[2 * i_ + 1] =                                       \
				_mm_unpackhi_##unit(v[i_], v[i_ + (n) / 2]);   \
		}                                                              \
		_Pragma("GCC unroll 16") for (unsigned i_ = 0; i_ < (n); i_++) \
			v[i_] = t_[i_];                                        \
	} while (0)
#define ROUNDS_1(n, unit) ROUND(n, unit)
#define ROUNDS_2(n, unit) \
	ROUND(n, unit);   \
	ROUND(n, unit)
#define ROUNDS_3(n, unit)  \
	ROUNDS_2(n, unit); \
	ROUND(n, unit)
#define ROUNDS_4(n, unit)  \
	ROUNDS_3(n, unit); \
	ROUND(n, unit)

/* 16x16 bytes, 8x8 pairs, 4x4 quads, 2x2 octets, in lines of 64 bytes. */
#define BLOCK(size, n, unit, rounds)                                          \
	AVX2 static inline void block##size(uint8_t *dst, const uint8_t *src) \
	{                                                                     \
		__m128i v[n];                                                 \
                                                                              \
		_Pragma("GCC unroll 16") for (unsigned i = 0; i < (n); i++)   \
			v[i] = load128(src + i * LINE);                       \
		ROUNDS_##rounds(n, unit);                                     \
		_Pragma("GCC unroll 16") for (unsigned i = 0; i < (n); i++)   \
			_mm_storeu_si128((__m128i *)(void *)(dst + i * LINE), \
					 v[i]);                               \
	}

BLOCK(1, 16, epi8, 4)
BLOCK(2, 8, epi16, 3)
BLOCK(4, 4, epi32, 2)
BLOCK(8, 2, epi64, 1)

/* @n lines of 64 bytes; the ones that come next are asked for. */
AVX2 static inline void read_lines(uint8_t *dst, const uint8_t *src, size_t ss,
				   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		__m256i a = load(src + i * ss), b = load(src + i * ss + 32);

		_mm_prefetch((const char *)src + i * ss + LINE, _MM_HINT_T0);
		store(dst + i * LINE, a);
		store(dst + i * LINE + 32, b);
	}
}

/* Past the cache where whole lines can be written: each is written once. */
AVX2 static inline void write_lines(uint8_t *dst, size_t ds, const uint8_t *src,
				    size_t n, bool stream)
{
	for (size_t i = 0; i < n; i++) {
		__m256i a = load(src + i * LINE), b = load(src + i * LINE + 32);

		if (stream) {
			_mm256_stream_si256((__m256i *)(void *)(dst + i * ds),
					    a);
			_mm256_stream_si256(
				(__m256i *)(void *)(dst + i * ds + 32), b);
		} else {
			store(dst + i * ds, a);
			store(dst + i * ds + 32, b);
		}
	}
}

/* Is the target large, and made of whole lines? */
static bool streams(const void *dst, size_t ds, size_t bytes)
{
	return bytes >= STREAM && (uintptr_t)dst % LINE == 0 && ds % LINE == 0;
}

/* Elements that fill no tile. */
static void rest(unsigned size, uint8_t *dst, size_t ds, const uint8_t *src,
		 size_t ss, size_t rows, size_t cols)
{
	for (size_t c = 0; c < cols; c++)
		for (size_t r = 0; r < rows; r++)
			memcpy(dst + c * ds + r * size, src + r * ss + c * size,
			       size);
}

/* Tile by tile; what fills none is left to rest(). */
#define TRANSPOSE(size)                                                        \
	AVX2 static void transpose##size##_avx2(void *dst, size_t ds,          \
						const void *src, size_t ss,    \
						size_t rows, size_t cols)      \
	{                                                                      \
		enum { T = LINE / (size), B = 16 / (size) };                   \
		const size_t r1 = rows / T * T, c1 = cols / T * T;             \
		const bool stream = streams(dst, ds, rows * cols * (size));    \
		uint8_t a[T * LINE], b[T * LINE], *d = dst;                    \
		const uint8_t *s = src;                                        \
                                                                               \
		for (size_t r = 0; r < r1; r += T)                             \
			for (size_t c = 0; c < c1; c += T) {                   \
				read_lines(a, s + r * ss + c * (size), ss, T); \
				for (unsigned i = 0; i < T; i += B)            \
					for (unsigned k = 0; k < T; k += B)    \
						block##size(                   \
							b + k * LINE +         \
								i * (size),    \
							a + i * LINE +         \
								k * (size));   \
				write_lines(d + c * ds + r * (size), ds, b, T, \
					    stream);                           \
			}                                                      \
		if (stream)                                                    \
			_mm_sfence();                                          \
		rest(size, d + c1 * ds, ds, s + c1 * (size), ss, r1,           \
		     cols - c1);                                               \
		rest(size, d + r1 * (size), ds, s + r1 * ss, ss, rows - r1,    \
		     cols);                                                    \
	}

TRANSPOSE(1)
TRANSPOSE(2)
TRANSPOSE(4)
TRANSPOSE(8)

static void shuffle_tail(uint8_t *dst, const uint8_t *src, size_t from,
			 size_t n, unsigned size)
{
	for (unsigned k = 0; k < size; k++)
		for (size_t i = from; i < n; i++)
			dst[k * n + i] = src[i * size + k];
}

static void unshuffle_tail(uint8_t *dst, const uint8_t *src, size_t from,
			   size_t n, unsigned size)
{
	for (unsigned k = 0; k < size; k++)
		for (size_t i = from; i < n; i++)
			dst[i * size + k] = src[k * n + i];
}

AVX2 static void shuffle_avx2(uint8_t *dst, const uint8_t *src, size_t n,
			      unsigned size)
{
	const __m256i mask = _mm256_set1_epi16(0xff);
	size_t i = 0;

	for (; size == 2 && i + 32 <= n; i += 32) {
		__m256i a = load(src + 2 * i), b = load(src + 2 * i + 32);
		__m256i lo = _mm256_packus_epi16(_mm256_and_si256(a, mask),
						 _mm256_and_si256(b, mask));
		__m256i hi = _mm256_packus_epi16(_mm256_srli_epi16(a, 8),
						 _mm256_srli_epi16(b, 8));

		store(dst + i, _mm256_permute4x64_epi64(lo, 0xd8));
		store(dst + n + i, _mm256_permute4x64_epi64(hi, 0xd8));
	}
	shuffle_tail(dst, src, i, n, size);
}

AVX2 static void unshuffle_avx2(uint8_t *dst, const uint8_t *src, size_t n,
				unsigned size)
{
	size_t i = 0;

	for (; size == 2 && i + 32 <= n; i += 32) {
		__m256i lo = _mm256_permute4x64_epi64(load(src + i), 0xd8);
		__m256i hi = _mm256_permute4x64_epi64(load(src + n + i), 0xd8);

		store(dst + 2 * i, _mm256_unpacklo_epi8(lo, hi));
		store(dst + 2 * i + 32, _mm256_unpackhi_epi8(lo, hi));
	}
	unshuffle_tail(dst, src, i, n, size);
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
	k->transpose1 = transpose1_avx2;
	k->transpose2 = transpose2_avx2;
	k->transpose4 = transpose4_avx2;
	k->transpose8 = transpose8_avx2;
	k->shuffle = shuffle_avx2;
	k->unshuffle = unshuffle_avx2;
}

#endif

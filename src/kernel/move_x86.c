/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move_x86.c - transposes and byte shuffles with AVX2.
 *
 * A transpose goes through columns of the source, 64 bytes wide and as tall as
 * 256 bytes of the target are long: each line of the source is read once and
 * whole, and the target is written in runs, whatever the strides.  What lies
 * between stays in the first-level cache.  Rows of 4096 bytes all fall into one
 * set of it, so no line may be needed twice; and their lines lie in pages, and
 * in rows of memory, of their own, so four in a row cost hardly more than one.
 */
#include "kernel/variants.h"

#if defined(__x86_64__)

#include "kernel/x86.h"

#define LINE 64u
#define RUN 256u
/* Bytes from which a target is written past the cache, where it is made of
 * whole lines: those need not be read first. */
#define STREAM ((size_t)512 << 10)

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

/* 16x16 bytes, 8x8 pairs, 4x4 quads, 2x2 octets: from lines to runs. */
#define BLOCK(size, n, unit, rounds)                                          \
	AVX2 static inline void block##size(uint8_t *dst, const uint8_t *src) \
	{                                                                     \
		__m128i v[n];                                                 \
                                                                              \
		_Pragma("GCC unroll 16") for (unsigned i = 0; i < (n); i++)   \
			v[i] = load128(src + i * LINE);                       \
		ROUNDS_##rounds(n, unit);                                     \
		_Pragma("GCC unroll 16") for (unsigned i = 0; i < (n); i++)   \
			store128(dst + i * RUN, v[i]);                        \
	}

BLOCK(1, 16, epi8, 4)
BLOCK(2, 8, epi16, 3)
BLOCK(4, 4, epi32, 2)
BLOCK(8, 2, epi64, 1)

/* @n lines of the source, @bytes of each; the ones right of them are asked for.
 */
AVX2 static inline void gather(uint8_t *dst, const uint8_t *src, size_t ss,
			       size_t n, size_t bytes)
{
	if (bytes < LINE) {
		for (size_t i = 0; i < n; i++)
			memcpy(dst + i * LINE, src + i * ss, bytes);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		__m256i a = load(src + i * ss), b = load(src + i * ss + 32);

		_mm_prefetch((const char *)src + i * ss + LINE, _MM_HINT_T0);
		store(dst + i * LINE, a);
		store(dst + i * LINE + 32, b);
	}
}

AVX2 static inline void put(uint8_t *dst, const uint8_t *src, size_t n,
			    bool stream)
{
	size_t i = 0;

	for (; n - i >= LINE; i += LINE) {
		__m256i a = load(src + i), b = load(src + i + 32);

		if (stream) {
			_mm256_stream_si256((__m256i *)(void *)(dst + i), a);
			_mm256_stream_si256((__m256i *)(void *)(dst + i + 32),
					    b);
		} else {
			store(dst + i, a);
			store(dst + i + 32, b);
		}
	}
	memcpy(dst + i, src + i, n - i);
}

static inline size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Is the target large, or its lines far apart in a large one, and is it made of
 * whole lines? */
static bool streams(const void *dst, size_t ds, size_t lines, size_t bytes)
{
	return (bytes >= STREAM || lines * ds >= 8 * STREAM) &&
	       (uintptr_t)dst % LINE == 0 && ds % LINE == 0;
}

/*
 * At the edges a column is narrower or shorter: bytes of a beyond it are
 * undefined, and go where nothing is taken from b.
 */
#define TRANSPOSE(size)                                                        \
	AVX2 static void column##size(uint8_t *dst, size_t ds,                 \
				      const uint8_t *src, size_t ss,           \
				      size_t rows, size_t cols, bool stream)   \
	{                                                                      \
		enum { T = LINE / (size), B = 16 / (size) };                   \
		_Alignas(LINE) uint8_t a[B * LINE], b[T * RUN];                \
                                                                               \
		for (size_t r = 0; r < rows; r += B) {                         \
			gather(a, src + r * ss, ss, least(rows - r, B),        \
			       cols * (size));                                 \
			for (size_t c = 0; c < cols; c += B)                   \
				block##size(b + c * RUN + r * (size),          \
					    a + c * (size));                   \
		}                                                              \
		for (size_t c = 0; c < cols; c++)                              \
			put(dst + c * ds, b + c * RUN, rows * (size), stream); \
	}                                                                      \
                                                                               \
	AVX2 static void transpose##size##_avx2(void *dst, size_t ds,          \
						const void *src, size_t ss,    \
						size_t rows, size_t cols)      \
	{                                                                      \
		enum { T = LINE / (size), H = RUN / (size) };                  \
		const bool stream =                                            \
			streams(dst, ds, cols, rows * cols * (size));          \
		const uint8_t *s = src;                                        \
		uint8_t *d = dst;                                              \
                                                                               \
		for (size_t r = 0; r < rows; r += H)                           \
			for (size_t c = 0; c < cols; c += T)                   \
				column##size(d + c * ds + r * (size), ds,      \
					     s + r * ss + c * (size), ss,      \
					     least(rows - r, H),               \
					     least(cols - c, T), stream);      \
		if (stream)                                                    \
			_mm_sfence();                                          \
	}

TRANSPOSE(1)
TRANSPOSE(2)
TRANSPOSE(4)
TRANSPOSE(8)

/* 32 elements of 2 bytes: two vectors in, one a plane out. */
AVX2 static inline void split2(uint8_t *dst, size_t n, const uint8_t *src)
{
	const __m256i mask = _mm256_set1_epi16(0xff);
	__m256i a = load(src), b = load(src + 32);
	__m256i lo = _mm256_packus_epi16(_mm256_and_si256(a, mask),
					 _mm256_and_si256(b, mask));
	__m256i hi = _mm256_packus_epi16(_mm256_srli_epi16(a, 8),
					 _mm256_srli_epi16(b, 8));

	store(dst, _mm256_permute4x64_epi64(lo, 0xd8));
	store(dst + n, _mm256_permute4x64_epi64(hi, 0xd8));
}

AVX2 static inline void join2(uint8_t *dst, const uint8_t *src, size_t n)
{
	__m256i lo = _mm256_permute4x64_epi64(load(src), 0xd8);
	__m256i hi = _mm256_permute4x64_epi64(load(src + n), 0xd8);

	store(dst, _mm256_unpacklo_epi8(lo, hi));
	store(dst + 32, _mm256_unpackhi_epi8(lo, hi));
}

/*
 * 32 elements of 4 bytes. In each half of a vector the bytes are put beside
 * their like, four of each; two rounds of interleaving quads bring together
 * those of one plane, out of order by quads.
 */
AVX2 static inline void split4(uint8_t *dst, size_t n, const uint8_t *src)
{
	const __m256i alike = _mm256_setr_epi8(
		0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8,
		12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i v[4], t[4];

	for (unsigned i = 0; i < 4; i++)
		v[i] = _mm256_shuffle_epi8(load(src + 32 * i), alike);
	t[0] = _mm256_unpacklo_epi32(v[0], v[1]); /* planes 0 and 1 */
	t[1] = _mm256_unpacklo_epi32(v[2], v[3]);
	t[2] = _mm256_unpackhi_epi32(v[0], v[1]); /* planes 2 and 3 */
	t[3] = _mm256_unpackhi_epi32(v[2], v[3]);
	for (unsigned i = 0; i < 4; i++) {
		__m256i a = t[i & 2], b = t[(i & 2) + 1];
		__m256i plane = i & 1 ? _mm256_unpackhi_epi64(a, b) :
					_mm256_unpacklo_epi64(a, b);

		store(dst + i * n, _mm256_permutevar8x32_epi32(plane, order));
	}
}

AVX2 static inline void join4(uint8_t *dst, const uint8_t *src, size_t n)
{
	__m256i p[4], a[2], b[2];

	for (unsigned i = 0; i < 4; i++)
		p[i] = load(src + i * n);
	/* Pairs of planes, then quads: elements 0-3, 4-7, 8-11, 12-15 of each
	 * half. */
	a[0] = _mm256_unpacklo_epi8(p[0], p[1]);
	a[1] = _mm256_unpackhi_epi8(p[0], p[1]);
	b[0] = _mm256_unpacklo_epi8(p[2], p[3]);
	b[1] = _mm256_unpackhi_epi8(p[2], p[3]);
	for (unsigned i = 0; i < 2; i++) {
		__m256i lo = _mm256_unpacklo_epi16(a[i], b[i]);
		__m256i hi = _mm256_unpackhi_epi16(a[i], b[i]);

		store128(dst + 32 * i, _mm256_castsi256_si128(lo));
		store128(dst + 32 * i + 16, _mm256_castsi256_si128(hi));
		store128(dst + 64 + 32 * i, _mm256_extracti128_si256(lo, 1));
		store128(dst + 64 + 32 * i + 16,
			 _mm256_extracti128_si256(hi, 1));
	}
}

/* The planes' ends, from element @i on. */
static void split_rest(uint8_t *dst, const uint8_t *src, size_t i, size_t n,
		       unsigned size)
{
	for (unsigned k = 0; k < size; k++)
		for (size_t e = i; e < n; e++)
			dst[k * n + e] = src[e * size + k];
}

static void join_rest(uint8_t *dst, const uint8_t *src, size_t i, size_t n,
		      unsigned size)
{
	for (unsigned k = 0; k < size; k++)
		for (size_t e = i; e < n; e++)
			dst[e * size + k] = src[k * n + e];
}

AVX2 static void shuffle_avx2(uint8_t *dst, const uint8_t *src, size_t n,
			      unsigned size)
{
	size_t i = 0;

	if (size == 1) {
		memcpy(dst, src, n);
		return;
	}
	for (; size == 2 && n - i >= 32; i += 32)
		split2(dst + i, n, src + 2 * i);
	for (; size == 4 && n - i >= 32; i += 32)
		split4(dst + i, n, src + 4 * i);
	split_rest(dst, src, i, n, size);
}

AVX2 static void unshuffle_avx2(uint8_t *dst, const uint8_t *src, size_t n,
				unsigned size)
{
	size_t i = 0;

	if (size == 1) {
		memcpy(dst, src, n);
		return;
	}
	for (; size == 2 && n - i >= 32; i += 32)
		join2(dst + 2 * i, src + i, n);
	for (; size == 4 && n - i >= 32; i += 32)
		join4(dst + 4 * i, src + i, n);
	join_rest(dst, src, i, n, size);
}

void lens_kernels_init_moves(struct lens_kernels *k)
{
	k->transpose1 = transpose1_avx2;
	k->transpose2 = transpose2_avx2;
	k->transpose4 = transpose4_avx2;
	k->transpose8 = transpose8_avx2;
	k->shuffle = shuffle_avx2;
	k->unshuffle = unshuffle_avx2;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - codes of less than a byte, or not in their order, to a byte each.
 *
 * Along the last dimension a row is a stream of bits in its bytes; along
 * another each column is a stream in its words, which lie a row apart.
 */
#include "codec/codecs.h"

/* Elements in words of 32 bits that begin and end with one. */
static void word_range(const struct lens_packing *p, uint64_t first, uint64_t n,
		       uint64_t *word, uint64_t *words)
{
	uint64_t lo, hi;

	/* bits times an index: the index is at most 2^61, and in bytes of a
	 * tensor that exists. */
	lo = first * p->bits / 32;
	hi = ((first + n) * p->bits + 31) / 32;
	if (p->interleaved) {
		lo = first / 8;
		hi = (first + n + 7) / 8;
	}
	*word = lo;
	*words = n ? hi - lo : 0;
}

uint64_t lens_packed_box(const struct lens_packing *p, unsigned rank,
			 const uint64_t *origin, const uint64_t *count,
			 uint64_t *ret_origin, uint64_t *ret_count)
{
	const unsigned d = p->dim;
	uint64_t size = d + 1 == rank ? 1 : 4;

	for (unsigned k = 0; k < rank; k++) {
		ret_origin[k] = origin[k];
		ret_count[k] = count[k];
	}
	if (d + 1 < rank || p->interleaved) {
		word_range(p, origin[d], count[d], &ret_origin[d],
			   &ret_count[d]);
		if (d + 1 == rank) { /* words, counted in bytes */
			ret_origin[d] *= 4;
			ret_count[d] *= 4;
		}
	} else {
		ret_origin[d] = origin[d] * p->bits / 8;
		ret_count[d] = ((origin[d] + count[d]) * p->bits + 7) / 8 -
			       ret_origin[d];
	}
	for (unsigned k = 0; k < rank; k++)
		size *= ret_count[k];
	return size;
}

/* @n codes of a stream of bits that begins @skip bits into @src. */
static void unpack_row(unsigned bits, const uint8_t *src, unsigned skip,
		       size_t n, uint8_t *dst)
{
	const unsigned mask = (1u << bits) - 1;
	unsigned have = 8 - skip, pool = (unsigned)*src++ >> skip;

	if (bits == 4 && n) {
		if (skip) {
			*dst++ = (uint8_t)pool;
			n--;
		} else {
			src--;
		}
		lens_kernels()->unpack4(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (have < bits) {
			pool |= (unsigned)*src++ << have;
			have += 8;
		}
		dst[i] = (uint8_t)(pool & mask);
		pool >>= bits;
		have -= bits;
	}
}

/* Words of 8 codes each, in the order 0 2 4 6 1 3 5 7 from the lowest bits on;
 * element @skip is the first. */
static void unpack_interleaved(const uint8_t *src, unsigned skip, size_t n,
			       uint8_t *dst)
{
	for (size_t i = 0, m; i < n; i += m, skip = 0, src += 4) {
		uint8_t word[8]; /* elements 2 k are the lower 16 bits */

		for (unsigned k = 0; k < 4; k++) {
			word[2 * k] = (uint8_t)(src[k / 2] >> (k % 2 * 4) & 15);
			word[2 * k + 1] =
				(uint8_t)(src[2 + k / 2] >> (k % 2 * 4) & 15);
		}
		m = 8 - skip < n - i ? 8 - skip : n - i;
		if (m == 8)
			memcpy(dst + i, word, 8);
		else
			memcpy(dst + i, word + skip, m);
	}
}

/* @n rows of @width codes out of the words of their columns; the first one
 * begins @skip bits into them. */
static void unpack_columns(unsigned bits, const uint8_t *src, unsigned skip,
			   size_t n, size_t width, uint8_t *dst)
{
	const unsigned mask = (1u << bits) - 1;

	for (size_t r = 0; r < n; r++) {
		const size_t at = skip + r * bits;
		const unsigned byte = at / 8 % 4, shift = at % 8;
		const uint8_t *lo = src + at / 32 * width * 4 + byte;
		/* The next byte, in the next word if this is the last of its.
		 */
		const uint8_t *hi = byte < 3 ? lo + 1 : lo - 3 + width * 4;
		const bool split = shift + bits > 8;

		for (size_t c = 0; c < width; c++) {
			unsigned v = lo[c * 4];

			if (split)
				v |= (unsigned)hi[c * 4] << 8;
			dst[r * width + c] = (uint8_t)(v >> shift & mask);
		}
	}
}

void lens_unpack(const struct lens_packing *p, unsigned rank,
		 const uint64_t *origin, const uint64_t *count,
		 const void *packed, uint8_t *dst)
{
	uint64_t at[LENS_DIMS], n[LENS_DIMS];
	const unsigned d = p->dim;
	const uint8_t *src = packed;
	size_t rows = 1, width = 1;

	(void)lens_packed_box(p, rank, origin, count, at, n);
	for (unsigned k = 0; k < d; k++)
		rows *= (size_t)count[k];
	for (unsigned k = d + 1; k < rank; k++)
		width *= (size_t)count[k];
	for (size_t r = 0; r < rows; r++) {
		uint8_t *to = dst + r * (size_t)count[d] * width;

		if (d + 1 < rank)
			unpack_columns(p->bits,
				       src + r * (size_t)n[d] * width * 4,
				       origin[d] * p->bits % 32,
				       (size_t)count[d], width, to);
		else if (p->interleaved)
			unpack_interleaved(src + r * (size_t)n[d],
					   origin[d] % 8, (size_t)count[d], to);
		else
			unpack_row(p->bits, src + r * (size_t)n[d],
				   origin[d] * p->bits % 8, (size_t)count[d],
				   to);
	}
}

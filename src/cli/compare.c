/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.c - how the values of two tensors differ.
 */
#include "cli/compare.h"
#include "lens/kernel.h"

#include <math.h>

/* So much is skipped at once where all is equal. */
#define STRIDE 65536u

static double magnitude(const void *p)
{
	float v[2];

	memcpy(v, p, sizeof(v));
	return hypot((double)v[0], (double)v[1]);
}

static double whole(const void *p, unsigned bits, bool is_signed)
{
	const unsigned spare = 64 - bits;
	uint64_t u = 0;

	memcpy(&u, p, bits / 8);
	if (!is_signed)
		return (double)u;
	return (double)((int64_t)(u << spare) >> spare);
}

/* The element at @p; false where a dtype has no values of its own. */
static bool value(enum lens_dtype d, const void *p, double *ret)
{
	const unsigned bits = lens_dtype_bits(d);
	float v;

	switch (d) {
	case LENS_BOOL:
	case LENS_U8:
	case LENS_U16:
	case LENS_U32:
	case LENS_U64:
		*ret = whole(p, bits, false);
		return true;
	case LENS_I8:
	case LENS_I16:
	case LENS_I32:
	case LENS_I64:
		*ret = whole(p, bits, true);
		return true;
	case LENS_F64:
		memcpy(ret, p, sizeof(*ret));
		return true;
	case LENS_C64:
		*ret = magnitude(p);
		return true;
	default:
		if (!lens_to_f32(d, &v, p, 1))
			return false;
		*ret = (double)v;
		return true;
	}
}

/* How far apart; of complex numbers it is the distance that counts. */
static double distance(enum lens_dtype d, const void *want, const void *got,
		       double a, double b)
{
	float x[2], y[2];

	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b) ? 0 : INFINITY;
	if (d == LENS_C64) {
		memcpy(x, want, sizeof(x));
		memcpy(y, got, sizeof(y));
		return hypot((double)x[0] - (double)y[0],
			     (double)x[1] - (double)y[1]);
	}
	return a < b || a > b ? fabs(a - b) : 0;
}

static void one(struct lens_diff *diff, enum lens_dtype d, const void *want,
		const void *got, uint64_t at)
{
	struct lens_diff this = { .count = 1, .first = at };

	this.valued = value(d, want, &this.want) && value(d, got, &this.got);
	if (this.valued) {
		this.max_absolute = distance(d, want, got, this.want, this.got);
		this.max_relative =
			this.max_absolute > 0 && isfinite(this.want) ?
				this.max_absolute / fabs(this.want) :
				this.max_absolute;
	}
	lens_diff_merge(diff, &this);
}

unsigned lens_diff_unit(enum lens_dtype d)
{
	const unsigned bits = lens_dtype_bits(d);

	return bits < 8 ? 1 : bits / 8;
}

void lens_diff_add(struct lens_diff *diff, enum lens_dtype d, const void *want,
		   const void *got, size_t n, uint64_t at)
{
	const unsigned unit = lens_diff_unit(d);
	const char *a = want, *b = got;

	while (n) {
		const size_t part = n < STRIDE ? n : STRIDE;

		if (memcmp(a, b, part) != 0)
			for (size_t i = 0; i < part; i += unit)
				if (memcmp(a + i, b + i, unit) != 0)
					one(diff, d, a + i, b + i,
					    at + i / unit);
		at += part / unit;
		a += part;
		b += part;
		n -= part;
	}
}

void lens_diff_merge(struct lens_diff *diff, const struct lens_diff *other)
{
	if (!other->count)
		return;
	if (!diff->count) {
		*diff = *other;
		return;
	}
	if (other->first < diff->first) {
		diff->first = other->first;
		diff->want = other->want;
		diff->got = other->got;
	}
	diff->count += other->count;
	if (other->max_absolute > diff->max_absolute)
		diff->max_absolute = other->max_absolute;
	if (other->max_relative > diff->max_relative)
		diff->max_relative = other->max_relative;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text.c - one value of a tensor as text.
 */
#include "cli/value_text.h"
#include "lens/kernel.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Significant digits that tell one value from the next; 0: a whole number. */
static int precision(enum lens_dtype d)
{
	switch (d) {
	case LENS_F64:
		return 17;
	case LENS_F32:
	case LENS_C64:
		return 9;
	case LENS_F16:
		return 5;
	case LENS_BF16:
		return 4;
	case LENS_F8_E4M3:
	case LENS_F8_E4M3FNUZ:
	case LENS_F8_E5M2:
	case LENS_F8_E5M2FNUZ:
	case LENS_F8_E8M0:
		return 3;
	default:
		return 0;
	}
}

bool lens_value_has_text(enum lens_dtype d)
{
	return lens_dtype_bits(d) >= 8;
}

static const char *real(char *buf, size_t size, int digits, double v)
{
	/* Not "-nan": the sign of a NaN says nothing. */
	if (isnan(v))
		return "nan";
	(void)snprintf(buf, size, "%.*g", digits, v);
	return buf;
}

static void whole(struct lens_buf *b, enum lens_dtype d, const void *p)
{
	const unsigned bits = lens_dtype_bits(d), spare = 64 - bits;
	uint64_t u = 0;

	memcpy(&u, p, bits / 8);
	if (d == LENS_I8 || d == LENS_I16 || d == LENS_I32 || d == LENS_I64)
		lens_buf_printf(b, "%" PRId64 "\n",
				(int64_t)(u << spare) >> spare);
	else
		lens_buf_printf(b, "%" PRIu64 "\n", u);
}

void lens_value_text(struct lens_buf *b, enum lens_dtype d, const void *p)
{
	const int digits = precision(d);
	char one[40], two[40];
	float v[2];
	double wide;

	if (!digits) {
		whole(b, d, p);
	} else if (d == LENS_F64) {
		memcpy(&wide, p, sizeof(wide));
		lens_buf_printf(b, "%s\n",
				real(one, sizeof(one), digits, wide));
	} else if (d == LENS_C64) {
		memcpy(v, p, sizeof(v));
		lens_buf_printf(b, "%s %s\n",
				real(one, sizeof(one), digits, (double)v[0]),
				real(two, sizeof(two), digits, (double)v[1]));
	} else if (lens_to_f32(d, v, p, 1)) {
		lens_buf_printf(b, "%s\n",
				real(one, sizeof(one), digits, (double)v[0]));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * values.c - the values of any dtype, as wider ones.
 */
#include "lens/kernel.h"
#include "tree/summary.h"

#include <assert.h>

bool lens_values_known(enum lens_dtype d)
{
	return d != LENS_F6_E2M3 && d != LENS_F6_E3M2;
}

uint64_t lens_values_count(enum lens_dtype d, uint64_t size)
{
	return d == LENS_F4  ? size * 2 :
	       d == LENS_C64 ? size / sizeof(float) :
			       size / (lens_dtype_bits(d) / 8);
}

/* E2M1, the low half of a byte first, as torch has two of them. */
static void f4_to_f32(float *dst, const uint8_t *src, size_t n)
{
	static const float values[16] = { 0,  0.5f, 1,     1.5f,  2,  3,
					  4,  6,    -0.0f, -0.5f, -1, -1.5f,
					  -2, -3,   -4,    -6 };

	assert(n % 2 == 0);
	for (size_t i = 0; i < n; i += 2) {
		dst[i] = values[src[i / 2] & 15];
		dst[i + 1] = values[src[i / 2] >> 4];
	}
}

bool lens_values_f32(enum lens_dtype d, float *dst, const void *src, size_t n)
{
	if (d == LENS_F4) {
		f4_to_f32(dst, src, n);
		return true;
	}
	return lens_dtype_bits(d) >= 8 && lens_to_f32(d == LENS_C64 ? LENS_F32 :
						      d == LENS_BOOL ? LENS_U8 :
								       d,
						      dst, src, n);
}

#define EACH(type, value)                                                 \
	for (size_t i = 0; i < n; i++) {                                  \
		type x;                                                   \
                                                                          \
		memcpy(&x, (const char *)src + i * sizeof(x), sizeof(x)); \
		dst[i] = (double)(value);                                 \
	}                                                                 \
	break

/* Less the bits that would be rounded off, so that a number stays in its
 * binade. */
static uint64_t whole(uint64_t magnitude)
{
	return magnitude >> 53 ? magnitude & ~(uint64_t)0x7ff : magnitude;
}

static double signed_whole(int64_t x)
{
	return x < 0 ? -(double)whole(-(uint64_t)x) :
		       (double)whole((uint64_t)x);
}

void lens_values_f64(enum lens_dtype d, double *dst, const void *src, size_t n)
{
	float narrow[LENS_VALUES];

	assert(n <= LENS_VALUES && lens_values_known(d));
	switch (d) {
	case LENS_F64:
		memcpy(dst, src, n * sizeof(*dst));
		break;
	case LENS_I64:
		EACH(int64_t, signed_whole(x));
	case LENS_U64:
		EACH(uint64_t, whole(x));
	case LENS_I32:
		EACH(int32_t, x);
	case LENS_U32:
		EACH(uint32_t, x);
	default:
		(void)lens_values_f32(d, narrow, src, n);
		for (size_t i = 0; i < n; i++)
			dst[i] = (double)narrow[i];
	}
}

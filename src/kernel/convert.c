/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert.c - from any number format to another by way of f32, the fastest way
 * there is.
 */
#include "kernel/variants.h"

#define AT_ONCE 512 /* elements, on the stack */

#define EACH(type, convert)                                               \
	for (size_t i = 0; i < n; i++) {                                  \
		type v;                                                   \
		float r;                                                  \
                                                                          \
		memcpy(&v, (const char *)src + i * sizeof(v), sizeof(v)); \
		r = convert;                                              \
		memcpy((char *)dst + i * sizeof(r), &r, sizeof(r));       \
	}                                                                 \
	return true

/* The variants without infinities and with one NaN, 0x80: @bias exponent, @m
 * mantissa bits. */
static float fnuz(uint8_t code, int m, int bias)
{
	const int mag = code & 0x7f, e = mag >> m, f = mag & ((1 << m) - 1);
	float v;

	if (code == 0x80)
		return lens_unbits(0x7fc00000);
	v = e ? (float)(f + (1 << m)) : (float)f;
	for (int k = (e ? e : 1) - bias - m; k < 0; k++)
		v *= 0.5f;
	for (int k = (e ? e : 1) - bias - m; k > 0; k--)
		v *= 2.0f;
	return code & 0x80 ? -v : v;
}

static float of_f64(double v)
{
	return v == v ? (float)v : lens_unbits(0x7fc00000);
}

/*
 * Down to the 53 bits that a double holds, the last one set if any below it
 * was: so that the only rounding is that to float, also where the machine
 * (valgrind's is one) converts by way of a double.
 */
static float of_u64(uint64_t v)
{
	if (v >> 53 == 0)
		return (float)(double)v;
	return (float)(double)(v >> 11 | ((v & 0x7ff) != 0)) * 2048.0f;
}

static float of_i64(int64_t v)
{
	return v < 0 ? -of_u64(-(uint64_t)v) : of_u64((uint64_t)v);
}

static bool wide_to_f32(enum lens_dtype from, float *dst, const void *src,
			size_t n)
{
	switch (from) {
	case LENS_F64:
		EACH(double, of_f64(v));
	case LENS_I64:
		EACH(int64_t, of_i64(v));
	case LENS_U64:
		EACH(uint64_t, of_u64(v));
	case LENS_I32:
		EACH(int32_t, (float)v);
	case LENS_U32:
		EACH(uint32_t, (float)v);
	default:
		return false;
	}
}

bool lens_to_f32(enum lens_dtype from, float *dst, const void *src, size_t n)
{
	switch (from) {
	case LENS_F32:
		lens_kernels()->scale_f32(dst, src, n, 1.0f);
		return true;
	case LENS_BF16:
		lens_kernels()->bf16_f32(dst, src, n);
		return true;
	case LENS_F16:
		lens_kernels()->f16_f32(dst, src, n);
		return true;
	case LENS_F8_E4M3:
		lens_kernels()->e4m3_f32(dst, src, n, 1.0f);
		return true;
	case LENS_F8_E5M2:
		EACH(uint8_t, lens_e5m2_f32(v));
	case LENS_F8_E8M0:
		EACH(uint8_t, lens_e8m0_f32(v));
	case LENS_F8_E4M3FNUZ:
		EACH(uint8_t, fnuz(v, 3, 8));
	case LENS_F8_E5M2FNUZ:
		EACH(uint8_t, fnuz(v, 2, 16));
	case LENS_U8:
		EACH(uint8_t, (float)v);
	case LENS_I8:
		EACH(int8_t, (float)v);
	case LENS_I16:
		EACH(int16_t, (float)v);
	case LENS_U16:
		EACH(uint16_t, (float)v);
	default:
		return wide_to_f32(from, dst, src, n);
	}
}

bool lens_from_f32(enum lens_dtype to, void *dst, const float *src, size_t n)
{
	switch (to) {
	case LENS_F32:
		lens_kernels()->scale_f32(dst, src, n, 1.0f);
		return true;
	case LENS_BF16:
		lens_kernels()->f32_bf16(dst, src, n);
		return true;
	case LENS_F16:
		lens_kernels()->f32_f16(dst, src, n);
		return true;
	case LENS_F8_E4M3:
		lens_kernels()->f32_e4m3(dst, src, n);
		return true;
	default:
		return false;
	}
}

/* E4M3 to what there is a kernel for. */
static bool decode_e4m3(enum lens_dtype to, void *dst, const void *src,
			size_t n, float scale)
{
	switch (to) {
	case LENS_BF16:
		lens_kernels()->e4m3_bf16(dst, src, n, scale);
		return true;
	case LENS_F16:
		lens_kernels()->e4m3_f16(dst, src, n, scale);
		return true;
	case LENS_F32:
		lens_kernels()->e4m3_f32(dst, src, n, scale);
		return true;
	default:
		return false;
	}
}

bool lens_decode(enum lens_dtype to, void *dst, enum lens_dtype from,
		 const void *src, size_t n, float scale)
{
	const size_t in = lens_dtype_bits(from) / 8,
		     out = lens_dtype_bits(to) / 8;
	const bool scaled = scale != 1.0f;
	float tmp[AT_ONCE];

	if (from == LENS_F8_E4M3 && decode_e4m3(to, dst, src, n, scale))
		return true;
	if (!lens_to_f32(from, tmp, src, 0) || !lens_from_f32(to, dst, tmp, 0))
		return false;
	/* To E4M3 a NaN would keep its sign. */
	if (from == LENS_F32 && !scaled && to != LENS_F8_E4M3)
		return lens_from_f32(to, dst, src, n);
	for (size_t i = 0, m; i < n; i += m) {
		void *d = (char *)dst + i * out,
		     *f = to == LENS_F32 ? d : (void *)tmp;

		m = n - i < AT_ONCE ? n - i : AT_ONCE;
		(void)lens_to_f32(from, f, (const char *)src + i * in, m);
		if (scaled)
			lens_kernels()->scale_f32(f, f, m, scale);
		if (f != d)
			(void)lens_from_f32(to, d, f, m);
	}
	return true;
}

void lens_transpose(unsigned size, void *dst, size_t ds, const void *src,
		    size_t ss, size_t rows, size_t cols)
{
	const struct lens_kernels *k = lens_kernels();

	switch (size) {
	case 1:
		k->transpose1(dst, ds, src, ss, rows, cols);
		break;
	case 2:
		k->transpose2(dst, ds, src, ss, rows, cols);
		break;
	case 4:
		k->transpose4(dst, ds, src, ss, rows, cols);
		break;
	default:
		k->transpose8(dst, ds, src, ss, rows, cols);
		break;
	}
}

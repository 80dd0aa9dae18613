/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/kernel.h - the loops that touch every byte.
 *
 * A table of functions, complete in scalar code and then overwritten by what
 * the CPU does better.  Every variant gives the same bits: each product and
 * each narrowing rounds once, to nearest even, nothing is contracted or
 * flushed, and a NaN that is computed is the canonical one (0x7FC0, 0x7E00,
 * 0x7FC00000).  No kernel reads or writes a byte outside its n elements;
 * pointers need no alignment.  dst and src do not overlap.
 */
#ifndef LENS_KERNEL_H
#define LENS_KERNEL_H

#include "lens/base.h"
#include "lens/st.h"

enum lens_cpu {
	LENS_CPU_AVX2 = 1, /* with F16C and FMA */
	LENS_CPU_AVX512 = 2,
	LENS_CPU_NEON = 4,
};

/*
 * BF16 by one scale to E4M3, ready for many values.  A magnitude has exponent e
 * and mantissa m, of 7 bits, and x is how far e is above @exponent.  Its code
 * is code[m / 8], one more if m > last[m / 8], and 8 for each of x; 0x7e at
 * most.  If that is below 8, which is where codes are subnormal, it is
 * instead under[x + 11] and one more for each of within[][x + 11] that m is
 * greater than; 0 where x + 11 is negative.
 */
struct lens_steps {
	float scale;
	uint8_t code[16], last[16];
	uint8_t under[16], within[4][16];
	uint8_t exponent;
	uint8_t flip; /* the sign bit of codes, if the scale is negative */
};
/* Takes as long as some thousand values.  false, and nothing done, for a scale
 * that is 0, no number, or beyond 2^60 or 2^-60. */
bool lens_steps_make(struct lens_steps *ret, float scale);

struct lens_kernels {
	const char *name; /* of the strongest variant in it: "scalar", "avx2" */

	/* dst[i] = T(f32(e4m3(src[i])) * scale): the product rounded to f32,
	 * then to T.  n elements. E4M3 is the FN variant: no infinity, 0x7F
	 * and 0xFF are NaN. */
	void (*e4m3_bf16)(uint16_t *dst, const uint8_t *src, size_t n,
			  float scale);
	void (*e4m3_f16)(uint16_t *dst, const uint8_t *src, size_t n,
			 float scale);
	void (*e4m3_f32)(float *dst, const uint8_t *src, size_t n, float scale);

	/* Nibbles to a byte each, the low one first: n of them, 2 i and 2 i + 1
	 * in src[i]. */
	void (*unpack4)(uint8_t *dst, const uint8_t *src, size_t n);
	/* Groups of codes below 16, a byte each: element i of group g is
	 * bf16(f32((values[code] - zero[g]) * scale[g])). */
	void (*code4_bf16)(uint16_t *dst, const uint8_t *src, size_t groups,
			   size_t group, const float *values,
			   const float *scale, const float *zero);

	/* Casts. Widening is exact; narrowing rounds to nearest even,
	 * overflow is infinity. */
	void (*bf16_f32)(float *dst, const uint16_t *src, size_t n);
	void (*f16_f32)(float *dst, const uint16_t *src, size_t n);
	void (*f32_bf16)(uint16_t *dst, const float *src, size_t n);
	void (*f32_f16)(uint16_t *dst, const float *src, size_t n);
	/* As lens_f32_to_e4m3() below. */
	void (*f32_e4m3)(uint8_t *dst, const float *src, size_t n);
	/* dst[i] = src[i] * scale in f32; dst == src is allowed. */
	void (*scale_f32)(float *dst, const float *src, size_t n, float scale);

	/* Quantizing. dst[i] = e4m3(src[i] / scale): the quotient rounded to
	 * f32, then as lens_f32_to_e4m3() below.  Of BF16 all must be finite,
	 * and the scale not 0. */
	void (*f32_e4m3_by)(uint8_t *dst, const float *src, size_t n,
			    float scale);
	void (*bf16_e4m3_by)(uint8_t *dst, const uint16_t *src, size_t n,
			     float scale);
	/* The same codes, by way of the scale's steps: @lines of n elements
	 * each; strides are in elements, between lines. */
	void (*bf16_e4m3_steps)(uint8_t *dst, size_t dst_stride,
				const uint16_t *src, size_t src_stride,
				size_t lines, size_t n,
				const struct lens_steps *steps);
	/* The largest of all bit patterns without their sign: of the number
	 * farthest from 0, or of an infinity, or of a NaN, if there is one.
	 * BF16 and F16; F32. 0 of none. */
	uint16_t (*most16)(const uint16_t *src, size_t n);
	uint32_t (*most32)(const float *src, size_t n);

	/*
	 * dst[c][r] = src[r][c] for r < rows, c < cols, elements of 1, 2, 4, 8
	 * bytes. Strides are in bytes, between rows of src and rows of dst.
	 */
	void (*transpose1)(void *dst, size_t dst_stride, const void *src,
			   size_t src_stride, size_t rows, size_t cols);
	void (*transpose2)(void *dst, size_t dst_stride, const void *src,
			   size_t src_stride, size_t rows, size_t cols);
	void (*transpose4)(void *dst, size_t dst_stride, const void *src,
			   size_t src_stride, size_t rows, size_t cols);
	void (*transpose8)(void *dst, size_t dst_stride, const void *src,
			   size_t src_stride, size_t rows, size_t cols);

	/* Byte k of element i goes to dst[k * n + i] (and back): n elements of
	 * @size bytes, size 1..8. What LZ4 compresses better. */
	void (*shuffle)(uint8_t *dst, const uint8_t *src, size_t n,
			unsigned size);
	void (*unshuffle)(uint8_t *dst, const uint8_t *src, size_t n,
			  unsigned size);
};

/* What this CPU has, and the system lets us use; less what the environment
 * variable LENS_CPU_MASK (a number, bits of enum lens_cpu) leaves out. */
unsigned lens_cpu(void);
/* Fill @k for the CPU features in @cpu: 0 is scalar, whole. */
void lens_kernels_init(struct lens_kernels *k, unsigned cpu);
/* Those for this machine; made once. */
const struct lens_kernels *lens_kernels(void);

/* One element, scalar; what the tables are tested against. */
float lens_e4m3_f32(uint8_t code);
float lens_e5m2_f32(uint8_t code);
float lens_e8m0_f32(uint8_t code); /* 2^(code - 127); 0 is 2^-127, 255 NaN */
float lens_bf16_to_f32(uint16_t v);
float lens_f16_to_f32(uint16_t v);
uint16_t lens_f32_to_bf16(float v);
uint16_t lens_f32_to_f16(float v);
/* Nearest even, as torch does it since 2.13: what is too large, infinity
 * included, becomes 448 (before: NaN); NaN is 0x7F; each with the sign. */
uint8_t lens_f32_to_e4m3(float v);

/*
 * Any number dtype to f32, exactly or rounded once (integers beyond 2^24, F64:
 * to nearest even). false, and nothing done, for the sub-byte dtypes, C64 and
 * BOOL.  @n elements.
 */
bool lens_to_f32(enum lens_dtype from, float *dst, const void *src, size_t n);
/* f32 to F32, BF16, F16 or F8_E4M3; false for any other. */
bool lens_from_f32(enum lens_dtype to, void *dst, const float *src, size_t n);
/* dst[i] = to(f32(src[i]) * scale), the fastest way there is; false if one of
 * the two above would refuse.  NaN becomes canonical. */
bool lens_decode(enum lens_dtype to, void *dst, enum lens_dtype from,
		 const void *src, size_t n, float scale);
/* Transpose by element size 1, 2, 4 or 8. */
void lens_transpose(unsigned size, void *dst, size_t dst_stride,
		    const void *src, size_t src_stride, size_t rows,
		    size_t cols);

#endif

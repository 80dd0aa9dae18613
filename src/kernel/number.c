/* SPDX-License-Identifier: Apache-2.0 */
/*
 * number.c - one number of each format.
 *
 * Formats: OCP 8-bit floating point (E4M3, E5M2), OCP MX (E8M0), IEEE 754
 * (binary16, binary32), bfloat16.  f32 to E4M3 goes as the cast of torch 2.13
 * does: to nearest even, at most 448.
 */
#include "kernel/variants.h"

float lens_bf16_to_f32(uint16_t v)
{
	return (v & 0x7fff) > 0x7f80 ? lens_unbits(0x7fc00000) :
				       lens_unbits((uint32_t)v << 16);
}

float lens_f16_to_f32(uint16_t v)
{
	const uint32_t sign = (uint32_t)(v & 0x8000) << 16, mag = v & 0x7fff;

	if (mag > 0x7c00)
		return lens_unbits(0x7fc00000);
	if (mag == 0x7c00)
		return lens_unbits(sign | 0x7f800000);
	if (mag < 0x400) /* subnormal: a multiple of 2^-24 */
		return sign ? -((float)mag * 0x1p-24f) : (float)mag * 0x1p-24f;
	return lens_unbits(sign | ((mag << 13) + (112u << 23)));
}

float lens_e4m3_f32(uint8_t code)
{
	const uint32_t sign = (uint32_t)(code & 0x80) << 24, mag = code & 0x7f;

	if (mag == 0x7f)
		return lens_unbits(0x7fc00000);
	if (mag < 8)
		return sign ? -((float)mag * 0x1p-9f) : (float)mag * 0x1p-9f;
	return lens_unbits(sign | ((mag << 20) + (120u << 23)));
}

float lens_e5m2_f32(uint8_t code)
{
	return lens_f16_to_f32((uint16_t)(code << 8));
}

float lens_e8m0_f32(uint8_t code)
{
	if (code == 255)
		return lens_unbits(0x7fc00000);
	return code ? lens_unbits((uint32_t)code << 23) : 0x1p-127f;
}

uint16_t lens_f32_to_bf16(float v)
{
	const uint32_t u = lens_bits(v);

	if ((u & 0x7fffffff) > 0x7f800000)
		return 0x7fc0;
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

uint16_t lens_f32_to_f16(float v)
{
	const uint32_t u = lens_bits(v), mag = u & 0x7fffffff;
	const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
	uint32_t r;

	if (mag > 0x7f800000)
		return 0x7e00;
	if (mag >= 0x477ff000) /* 65520, the midpoint behind the largest */
		return sign | 0x7c00;
	if (mag < 0x38800000) { /* below 2^-14: adding 2^-1 rounds to multiples
				   of 2^-24 */
		r = lens_bits(lens_unbits(mag) + 0.5f) - lens_bits(0.5f);
		return (uint16_t)(sign | r);
	}
	r = mag - (112u << 23);
	return (uint16_t)(sign | (r + 0xfff + (r >> 13 & 1)) >> 13);
}

uint8_t lens_f32_to_e4m3(float v)
{
	const uint32_t u = lens_bits(v), mag = u & 0x7fffffff;
	const uint8_t sign = (uint8_t)(u >> 24 & 0x80);
	uint32_t r;

	if (mag > 0x7f800000)
		return sign | 0x7f;
	if (mag >= 0x43e80000) /* 464, the midpoint behind the largest */
		return sign | 0x7e;
	if (mag < 0x3c800000) { /* below 2^-6: adding 2^14 rounds to multiples
				   of 2^-9 */
		r = lens_bits(lens_unbits(mag) + 0x1p14f) - lens_bits(0x1p14f);
		return (uint8_t)(sign | r);
	}
	r = mag - (120u << 23);
	return (uint8_t)(sign | (r + 0x7ffff + (r >> 20 & 1)) >> 20);
}

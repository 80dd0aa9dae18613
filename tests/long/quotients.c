/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quotients.c - is w * (1/s), corrected once by what is left over, the quotient
 * w / s rounded to nearest, for every mantissa of BF16 and of a scale in f32?
 * What the vectors that quantize rest on.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static float of(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

int main(void)
{
	unsigned long wrong = 0, corrected = 0;

	for (uint32_t m = 0; m < 1u << 23; m++) {
		const float s = of(0x3f800000u | m), y = 1.0f / s;

		for (uint32_t k = 0; k < 128; k++) {
			const float w = of(0x3f800000u | k << 16), q = w * y,
				    r = fmaf(-q, s, w), once = fmaf(r, y, q);

			wrong += once != w / s;
			corrected += q != w / s;
		}
	}
	printf("ok 1 - %lu of 2^30 quotients are wrong; %lu were corrected\n"
	       "1..1\n",
	       wrong, corrected);
	return wrong || !corrected;
}

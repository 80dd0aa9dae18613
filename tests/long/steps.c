/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.c - are the steps of a scale its quotients' codes, for every mantissa
 * of a scale in f32 and of BF16, at every exponent from where all becomes 0 to
 * where all is the largest code?  Quotients as the vectors make them, which
 * quotients.c is about.
 */
#include "lens/kernel.h"

#include <stdio.h>

#define SCALES (1u << 23)
#define LEAST (127 - 12)
#define MOST (127 + 11)
#define N (128u * (MOST - LEAST))

int main(void)
{
	static uint16_t src[N];
	static uint8_t got[N], want[N];
	const struct lens_kernels *k = lens_kernels();
	unsigned long wrong = 0, refused = 0, zeros = 0, largest = 0;

	for (unsigned i = 0; i < N; i++)
		src[i] = (uint16_t)(LEAST * 128 + i);
	for (unsigned m = 0; m < SCALES; m++) {
		const uint32_t bits = 0x3f800000u | m;
		struct lens_steps steps;
		float scale;

		memcpy(&scale, &bits, sizeof(scale));
		if (!lens_steps_make(&steps, scale)) {
			refused++;
			continue;
		}
		k->bf16_e4m3_steps(got, N, src, N, 1, N, &steps);
		k->bf16_e4m3_by(want, src, N, scale);
		wrong += memcmp(got, want, N) != 0;
		zeros += got[127] == 0;
		largest += got[N - 128] == 0x7e;
	}
	printf("%s 1 - %s: of 2^23 scales %lu are wrong, %lu refused\n",
	       wrong || refused ? "not ok" : "ok", k->name, wrong, refused);
	printf("%s 2 - from nothing but 0 to nothing but the largest code\n",
	       zeros == SCALES && largest == SCALES ? "ok" : "not ok");
	printf("1..2\n");
	return wrong || refused || zeros != SCALES || largest != SCALES;
}

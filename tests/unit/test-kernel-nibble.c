/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kernel-nibble - codes of 4 bits: every variant against one element at a
 * time, in any length, between pages that can't be touched.
 */
#include "kernels.h"

#include <math.h>

START_TEST(nibbles_are_unpacked)
{
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (size_t n = 0; n < 400; n++)
		for (enum place p = 0; p < N_PLACES; p++) {
			uint8_t *src = guarded(0, (n + 1) / 2, p),
				*dst = guarded(1, n, p);
			size_t wrong = 0;

			fill(src, (n + 1) / 2);
			k.unpack4(dst, src, n);
			for (size_t i = 0; i < n; i++)
				wrong += dst[i] != (i % 2 ? src[i / 2] >> 4 :
							    src[i / 2] % 16);
			ck_assert_msg(!wrong, "%zu of %zu", wrong, n);
		}
}
END_TEST

/* Values, scales and zeros of which some products are exactly between two BF16
 * numbers, are subnormal, overflow or are no numbers. */
static float number(unsigned i)
{
	static const float odd[] = { 0.0f, -0.0f,     INFINITY,  -INFINITY,
				     NAN,  0x1p-126f, 0x1p-149f, 0x1.fep127f,
				     1.0f, 3.0f,      0x1.02p0f, 0x1.01p5f };
	const uint32_t u = rnd();
	float v;

	if (i % 3 == 0)
		return odd[u % LENS_ARRAY_SIZE(odd)];
	memcpy(&v, &u, sizeof(v));
	return i % 3 == 1 ? v : (float)(int)(u % 31) - 15.0f;
}

START_TEST(groups_are_decoded)
{
	static const size_t sizes[] = { 1,  7,  15, 16,  17,  31, 32,
					33, 47, 48, 128, 129, 300 };
	const size_t group = sizes[_i % LENS_ARRAY_SIZE(sizes)];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i / (int)LENS_ARRAY_SIZE(sizes)]);
	for (size_t groups = 0; groups < 9; groups++)
		for (enum place p = 0; p < N_PLACES; p++) {
			const size_t n = groups * group;
			uint8_t *src = guarded(0, n, p);
			uint16_t *dst = guarded(1, 2 * n, p);
			float values[16], scale[9], zero[9];
			size_t wrong = 0;

			for (unsigned i = 0; i < 16; i++)
				values[i] = number(i);
			for (unsigned i = 0; i < 9; i++) {
				scale[i] = number(i + 1);
				zero[i] = i % 2 ? number(i) : 0;
			}
			for (size_t i = 0; i < n; i++)
				src[i] = (uint8_t)(rnd() % 16);
			k.code4_bf16(dst, src, groups, group, values, scale,
				     zero);
			for (size_t i = 0; i < n; i++) {
				const float d =
					values[src[i]] - zero[i / group];
				const float v = d * scale[i / group];
				const uint16_t want = lens_f32_to_bf16(v);

				wrong += memcmp((char *)dst + 2 * i, &want,
						2) != 0;
			}
			ck_assert_msg(!wrong, "%zu of %zu x %zu", wrong, groups,
				      group);
		}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("nibble");

	find_masks();
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nibbles_are_unpacked, 0, n_masks);
	tcase_add_loop_test(tc, groups_are_decoded, 0, n_masks * 13);
	return run("kernel-nibble", tc);
}

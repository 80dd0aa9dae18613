/* SPDX-License-Identifier: Apache-2.0 */
/* test-kernel-move - transposes and shuffles, against their definitions. */
#include "kernels.h"

struct shape {
	unsigned size;
	size_t rows, cols, src_pad, dst_pad; /* pads in bytes */
	enum place place;
};

typedef void transpose_fn(void *dst, size_t ds, const void *src, size_t ss,
			  size_t rows, size_t cols);

static transpose_fn *transpose_of(const struct lens_kernels *k, unsigned size)
{
	return size == 1 ? k->transpose1 :
	       size == 2 ? k->transpose2 :
	       size == 4 ? k->transpose4 :
			   k->transpose8;
}

/* What must be in the target's @n bytes, which were 0x55 before. */
static uint8_t *turned(const struct shape *h, const uint8_t *src, size_t n)
{
	const size_t ss = h->cols * h->size + h->src_pad,
		     ds = h->rows * h->size + h->dst_pad;
	uint8_t *want = malloc(n + 1);

	ck_assert_ptr_nonnull(want);
	memset(want, 0x55, n);
	for (size_t c = 0; c < h->cols; c++)
		for (size_t r = 0; r < h->rows; r++)
			for (unsigned b = 0; b < h->size; b++)
				want[c * ds + r * h->size + b] =
					src[r * ss + c * h->size + b];
	return want;
}

static void transpose_once(transpose_fn *fn, const struct shape *h)
{
	const size_t ss = h->cols * h->size + h->src_pad,
		     ds = h->rows * h->size + h->dst_pad,
		     n_src = h->rows && h->cols ? h->rows * ss - h->src_pad : 0,
		     n_dst = h->rows && h->cols ? h->cols * ds - h->dst_pad : 0;
	uint8_t *src = guarded(0, n_src, h->place),
		*dst = guarded(1, n_dst, h->place), *want;

	fill(src, n_src);
	memset(dst, 0x55, n_dst);
	want = turned(h, src, n_dst);
	fn(dst, ds, src, ss, h->rows, h->cols);
	if (memcmp(dst, want, n_dst) != 0)
		ck_abort_msg("%zu x %zu of %u bytes, pads %zu and %zu, at %d",
			     h->rows, h->cols, h->size, h->src_pad, h->dst_pad,
			     (int)h->place);
	free(want);
}

START_TEST(every_small_shape_transposes)
{
	struct lens_kernels k;
	unsigned n = 0;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (size_t r = 0; r <= 70; r++)
			for (size_t c = 0; c <= 70; c++, n++)
				transpose_once(transpose_of(&k, size),
					       &(struct shape){ size, r, c,
								n % 3 * 5,
								n % 5 * 3,
								n % N_PLACES });
}
END_TEST

/* Around the edges of lines, blocks and runs. */
START_TEST(larger_shapes_transpose)
{
	static const size_t edges[] = { 1,   16,  64,  100, 127, 128, 129,
					200, 255, 256, 257, 300, 512, 515 };
	struct lens_kernels k;
	unsigned n = 0;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (size_t r = 0; r < LENS_ARRAY_SIZE(edges); r++)
			for (size_t c = 0; c < LENS_ARRAY_SIZE(edges); c++, n++)
				transpose_once(transpose_of(&k, size),
					       &(struct shape){ size, edges[r],
								edges[c], n % 7,
								n % 11,
								n % N_PLACES });
}
END_TEST

/* Targets large enough to be written past the cache, and those that look so but
 * are not made of whole lines. */
START_TEST(large_shapes_transpose)
{
	static const struct shape shapes[] = {
		{ 1, 1024, 1024, 0, 0, AT_BEGIN },
		{ 1, 1000, 1030, 3, 24, AT_BEGIN },
		{ 1, 2048, 700, 0, 64, AT_END },
		{ 1, 1024, 1024, 0, 0, ODD },
		{ 1, 1024, 1024, 0, 1, AT_BEGIN },
		{ 1, 256, 2100, 0, 768, AT_BEGIN },
		{ 2, 520, 640, 0, 48, AT_BEGIN },
		{ 2, 1000, 500, 2, 48, AT_BEGIN },
		{ 4, 400, 401, 0, 0, AT_BEGIN },
		{ 8, 300, 303, 0, 32, AT_BEGIN },
	};
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(shapes); i++)
		transpose_once(transpose_of(&k, shapes[i].size), &shapes[i]);
}
END_TEST

/* Elements of each size whose bytes tell where they came from. */
START_TEST(transpose_goes_by_size)
{
	for (unsigned size = 1; size <= 8; size *= 2) {
		uint8_t src[6 * 8], dst[6 * 8];

		for (unsigned i = 0; i < 6 * size; i++)
			src[i] = (uint8_t)i;
		lens_transpose(size, dst, 2 * size, src, 3 * size, 2, 3);
		for (unsigned i = 0; i < 6; i++)
			for (unsigned b = 0; b < size; b++)
				ck_assert_uint_eq(dst[i * size + b],
						  (i % 2 * 3 + i / 2) * size +
							  b);
	}
}
END_TEST

static void shuffle_once(const struct lens_kernels *k, size_t n, unsigned size,
			 enum place place)
{
	uint8_t *src = guarded(0, n * size, place),
		*dst = guarded(1, n * size, place), kept[300 * 8],
		want[300 * 8];

	fill(src, n * size);
	memcpy(kept, src, n * size);
	for (size_t i = 0; i < n; i++)
		for (unsigned b = 0; b < size; b++)
			want[b * n + i] = src[i * size + b];
	k->shuffle(dst, src, n, size);
	if (memcmp(dst, want, n * size) != 0)
		ck_abort_msg("shuffle: %zu of %u bytes", n, size);
	memset(src, 0, n * size);
	k->unshuffle(src, dst, n, size);
	if (memcmp(src, kept, n * size) != 0)
		ck_abort_msg("unshuffle: %zu of %u bytes", n, size);
}

START_TEST(shuffles_come_back)
{
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned size = 1; size <= 8; size++)
		for (size_t n = 0; n < 300; n++)
			for (int place = 0; place < N_PLACES; place++)
				shuffle_once(&k, n, size, place);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("kernel-move");

	find_masks();
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_small_shape_transposes, 0, n_masks);
	tcase_add_loop_test(tc, larger_shapes_transpose, 0, n_masks);
	tcase_add_loop_test(tc, large_shapes_transpose, 0, n_masks);
	tcase_add_test(tc, transpose_goes_by_size);
	tcase_add_loop_test(tc, shuffles_come_back, 0, n_masks);
	return run("kernel-move", tc);
}

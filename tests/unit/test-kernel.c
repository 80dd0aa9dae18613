/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kernel - every variant of every kernel against scalar code, and scalar
 * code against what the formats say.
 */
#include "lens/kernel.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALL 65536

/* The subsets of what this machine has: what the loop tests go through. */
static unsigned masks[64];
static int n_masks;

static const float scales[] = {
	1.0f,     0.5f,       1.5f,        -2.75f,         0.007f,
	3e-5f,    1e-38f,     1e-41f,      0x1p118f,       0x1p119f,
	0x1p120f, 0x1p127f,   -0x1.8p126f, 0.0f,           -0.0f,
	INFINITY, -INFINITY,  NAN,         0x1.fffffep-1f, 0x1.000002p0f,
	448.0f,   1.0f / 448, 0x1p-126f,   0x1p-149f,
};
#define N_SCALES ((int)LENS_ARRAY_SIZE(scales))

static uint64_t state = 88172645463325252u;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* E4M3 by its definition: sign, 4 bits of exponent (bias 7), 3 of mantissa. */
static double e4m3_value(unsigned code)
{
	const int e = code >> 3 & 15, m = code & 7;
	double v = e ? ldexp(8 + m, e - 10) : ldexp(m, -9);

	if ((code & 0x7f) == 0x7f)
		return NAN;
	return code & 0x80 ? -v : v;
}

START_TEST(e4m3_is_what_the_format_says)
{
	for (unsigned c = 0; c < 256; c++) {
		double want = e4m3_value(c);
		float got = lens_e4m3_f32((uint8_t)c);

		if (isnan(want))
			ck_assert(isnan(got));
		else
			ck_assert_double_eq(got, want);
		ck_assert(isnan(want) || !!signbit(got) == (c >= 128));
	}
	ck_assert_float_eq(lens_e8m0_f32(0), 0x1p-127f);
	ck_assert_float_eq(lens_e8m0_f32(127), 1.0f);
	ck_assert_float_eq(lens_e8m0_f32(254), 0x1p127f);
	ck_assert(isnan(lens_e8m0_f32(255)));
	ck_assert_float_eq(lens_e5m2_f32(0x7b), 57344.0f);
	ck_assert(isinf(lens_e5m2_f32(0x7c)));
	ck_assert_float_eq(lens_e5m2_f32(1), 0x1p-16f);
}
END_TEST

/* Each code of E4M3 and the numbers half-way between two: nearest, ties to
 * even. */
START_TEST(f32_to_e4m3_rounds_to_nearest_even)
{
	for (unsigned c = 0; c < 0x7e; c++) {
		const float a = (float)e4m3_value(c),
			    b = (float)e4m3_value(c + 1), mid = (a + b) / 2;

		ck_assert_uint_eq(lens_f32_to_e4m3(a), c);
		ck_assert_uint_eq(lens_f32_to_e4m3(-a), c | 0x80);
		ck_assert_uint_eq(lens_f32_to_e4m3(mid), c + (c & 1));
		ck_assert_uint_eq(lens_f32_to_e4m3(nextafterf(mid, 0)), c);
		ck_assert_uint_eq(lens_f32_to_e4m3(nextafterf(mid, 1e9f)),
				  c + 1);
	}
	ck_assert_uint_eq(lens_f32_to_e4m3(448.0f), 0x7e);
	ck_assert_uint_eq(lens_f32_to_e4m3(464.0f), 0x7e);
	ck_assert_uint_eq(lens_f32_to_e4m3(nextafterf(464.0f, 1e9f)), 0x7f);
	ck_assert_uint_eq(lens_f32_to_e4m3(INFINITY), 0x7f);
	ck_assert_uint_eq(lens_f32_to_e4m3(NAN) & 0x7f, 0x7f);
}
END_TEST

/* Widening is exact: the value by the definition of each format. */
START_TEST(every_half_widens_exactly)
{
	for (unsigned v = 0; v < ALL; v++) {
		const int e = v >> 10 & 31, m = v & 1023;
		double want = e == 31 ? (m ? NAN : INFINITY) :
			      e       ? ldexp(1024 + m, e - 25) :
					ldexp(m, -24);
		float got = lens_f16_to_f32((uint16_t)v);

		if (isnan(want)) {
			ck_assert(isnan(got));
			continue;
		}
		ck_assert_double_eq(got, v & 0x8000 ? -want : want);
		ck_assert(!!signbit(got) == !!(v & 0x8000));
		ck_assert_uint_eq(lens_f32_to_f16(got), v);
	}
}
END_TEST

/* Narrowing: the two neighbours, and which is nearer. */
START_TEST(narrowing_rounds_to_nearest_even)
{
	for (unsigned v = 0; v < 0x7bff; v++) {
		const double a = lens_f16_to_f32((uint16_t)v),
			     b = lens_f16_to_f32((uint16_t)(v + 1)),
			     mid = (a + b) / 2;

		ck_assert_uint_eq(lens_f32_to_f16((float)mid), v + (v & 1));
		ck_assert_uint_eq(lens_f32_to_f16(nextafterf((float)mid, 0)),
				  v);
		ck_assert_uint_eq(lens_f32_to_f16(nextafterf((float)mid, 1e9f)),
				  v + 1);
	}
	ck_assert_uint_eq(lens_f32_to_f16(65519.99f), 0x7bff);
	ck_assert_uint_eq(lens_f32_to_f16(65520.0f), 0x7c00);
	for (unsigned v = 0; v < 0x7f7f; v++) {
		const float a = lens_bf16_to_f32((uint16_t)v),
			    b = lens_bf16_to_f32((uint16_t)(v + 1));
		const float mid = a + (b - a) / 2;

		ck_assert_uint_eq(lens_f32_to_bf16(mid), v + (v & 1));
		ck_assert_uint_eq(lens_f32_to_bf16(nextafterf(mid, 0)), v);
	}
	ck_assert_uint_eq(lens_f32_to_bf16(NAN), 0x7fc0);
	ck_assert_uint_eq(lens_f32_to_f16(-NAN), 0x7e00);
}
END_TEST

/* The product is rounded to f32 before it is rounded again. */
START_TEST(products_round_twice)
{
	uint8_t code = 0xf7; /* -240 */
	const float scale = 1e-5f;
	struct lens_kernels k;
	uint16_t got;

	lens_kernels_init(&k, masks[_i]);
	k.e4m3_bf16(&got, &code, 1, scale);
	ck_assert_uint_eq(got,
			  lens_f32_to_bf16((float)(-240.0 * (double)scale)));
}
END_TEST

START_TEST(every_code_and_scale)
{
	const float scale = scales[_i % N_SCALES];
	static uint8_t src[256 * 9];
	static uint16_t a[sizeof(src)], b[sizeof(src)];
	static float fa[sizeof(src)], fb[sizeof(src)];
	struct lens_kernels c, k;

	lens_kernels_init(&c, 0);
	lens_kernels_init(&k, masks[_i / N_SCALES]);
	/* Each code in each place of a vector; the last rounds without NaN. */
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i + i / 256 * 7);
	for (size_t i = 0; i < sizeof(src); i++)
		if (i >= 256 * 5 && (src[i] & 0x7f) == 0x7f)
			src[i] = 0x3c;
	c.e4m3_bf16(a, src, sizeof(src), scale);
	k.e4m3_bf16(b, src, sizeof(src), scale);
	ck_assert_mem_eq(a, b, sizeof(a));
	c.e4m3_f16(a, src, sizeof(src), scale);
	k.e4m3_f16(b, src, sizeof(src), scale);
	ck_assert_mem_eq(a, b, sizeof(a));
	c.e4m3_f32(fa, src, sizeof(src), scale);
	k.e4m3_f32(fb, src, sizeof(src), scale);
	ck_assert_mem_eq(fa, fb, sizeof(fa));
	for (size_t i = 0; i < sizeof(src); i++) {
		const float want = (float)e4m3_value(src[i]) * scale;

		ck_assert(isnan(want) ? isnan(fa[i]) : fa[i] == want);
	}
}
END_TEST

START_TEST(every_half)
{
	static uint16_t src[ALL];
	static float want[ALL], got[ALL];
	struct lens_kernels c, k;

	lens_kernels_init(&c, 0);
	lens_kernels_init(&k, masks[_i]);
	for (unsigned v = 0; v < ALL; v++)
		src[v] = (uint16_t)v;
	c.f16_f32(want, src, ALL);
	k.f16_f32(got, src, ALL);
	ck_assert_mem_eq(got, want, sizeof(want));
	c.bf16_f32(want, src, ALL);
	k.bf16_f32(got, src, ALL);
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

START_TEST(random_floats)
{
	static float src[ALL], fa[ALL], fb[ALL];
	static uint16_t a[ALL], b[ALL];
	struct lens_kernels c, k;

	lens_kernels_init(&c, 0);
	lens_kernels_init(&k, masks[_i]);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < ALL; i++) {
			uint32_t u = rnd();

			/* Half of them where rounding is decided. */
			if (i % 4 == 0)
				u = (u & 0xffff0000) | 0x8000;
			if (i % 4 == 1)
				u = (u & 0xffffe000) | 0x1000;
			memcpy(&src[i], &u, sizeof(u));
		}
		c.f32_bf16(a, src, ALL);
		k.f32_bf16(b, src, ALL);
		ck_assert_mem_eq(a, b, sizeof(a));
		c.f32_f16(a, src, ALL);
		k.f32_f16(b, src, ALL);
		ck_assert_mem_eq(a, b, sizeof(a));
		c.scale_f32(fa, src, ALL, scales[round]);
		k.scale_f32(fb, src, ALL, scales[round]);
		ck_assert_mem_eq(fa, fb, sizeof(fa));
		k.scale_f32(src, src, ALL, scales[round]); /* in place */
		ck_assert_mem_eq(src, fa, sizeof(fa));
	}
}
END_TEST

/* @n bytes that end, or begin, where a page that can't be touched does. */
static char *guarded(unsigned slot, size_t n, bool at_end)
{
	static const size_t room = 1 << 20;
	static char *region[4];
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!region[slot]) {
		region[slot] = mmap(NULL, room + 2 * page, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(region[slot], MAP_FAILED);
		ck_assert_int_eq(mprotect(region[slot] + page, room,
					  PROT_READ | PROT_WRITE),
				 0);
	}
	ck_assert_uint_le(n, room);
	return at_end ? region[slot] + page + room - n : region[slot] + page;
}

static void one_length(const struct lens_kernels *c,
		       const struct lens_kernels *k, size_t n, bool end)
{
	char *src = guarded(0, n * 4, end), *dst = guarded(1, n * 4, end);
	char *half = guarded(2, n * 2, end), *byte = guarded(3, n, end);
	float want[304], *f = (float *)(void *)want;
	uint16_t *h = (uint16_t *)(void *)want;

	for (size_t i = 0; i < n * 4; i++)
		src[i] = (char)rnd();
	memcpy(half, src, n * 2);
	memcpy(byte, src, n);
	c->e4m3_bf16(h, (uint8_t *)byte, n, 0.3f);
	k->e4m3_bf16((uint16_t *)(void *)half, (uint8_t *)byte, n, 0.3f);
	ck_assert(memcmp(half, h, n * 2) == 0);
	c->e4m3_f16(h, (uint8_t *)byte, n, 0.3f);
	k->e4m3_f16((uint16_t *)(void *)half, (uint8_t *)byte, n, 0.3f);
	ck_assert(memcmp(half, h, n * 2) == 0);
	c->e4m3_f32(f, (uint8_t *)byte, n, 0.3f);
	k->e4m3_f32((float *)(void *)dst, (uint8_t *)byte, n, 0.3f);
	ck_assert(memcmp(dst, f, n * 4) == 0);
	c->bf16_f32(f, (uint16_t *)(void *)half, n);
	k->bf16_f32((float *)(void *)dst, (uint16_t *)(void *)half, n);
	ck_assert(memcmp(dst, f, n * 4) == 0);
	c->f16_f32(f, (uint16_t *)(void *)half, n);
	k->f16_f32((float *)(void *)dst, (uint16_t *)(void *)half, n);
	ck_assert(memcmp(dst, f, n * 4) == 0);
	c->f32_bf16(h, (float *)(void *)src, n);
	k->f32_bf16((uint16_t *)(void *)half, (float *)(void *)src, n);
	ck_assert(memcmp(half, h, n * 2) == 0);
	c->f32_f16(h, (float *)(void *)src, n);
	k->f32_f16((uint16_t *)(void *)half, (float *)(void *)src, n);
	ck_assert(memcmp(half, h, n * 2) == 0);
	c->scale_f32(f, (float *)(void *)src, n, -1.7f);
	k->scale_f32((float *)(void *)dst, (float *)(void *)src, n, -1.7f);
	ck_assert(memcmp(dst, f, n * 4) == 0);
}

START_TEST(every_length)
{
	struct lens_kernels c, k;

	lens_kernels_init(&c, 0);
	lens_kernels_init(&k, masks[_i]);
	for (size_t n = 1; n < 300; n++) {
		one_length(&c, &k, n, true);
		one_length(&c, &k, n, false);
	}
}
END_TEST

static void transpose_once(const struct lens_kernels *k, unsigned size,
			   size_t rows, size_t cols, size_t pad)
{
	void (*const fn[])(void *, size_t, const void *, size_t, size_t,
			   size_t) = { k->transpose1, k->transpose2,
				       k->transpose4, k->transpose8 };
	const size_t ss = cols * size + pad, ds = rows * size + pad;
	char *src = guarded(0, (rows - 1) * ss + cols * size, true),
	     *dst = guarded(1, (cols - 1) * ds + rows * size, true);

	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < cols * size; i++)
			src[r * ss + i] = (char)rnd();
	memset(dst, 0x55, (cols - 1) * ds + rows * size);
	fn[size == 1 ? 0 :
	   size == 2 ? 1 :
	   size == 4 ? 2 :
		       3](dst, ds, src, ss, rows, cols);
	for (size_t c = 0; c < cols; c++) {
		for (size_t r = 0; r < rows; r++)
			ck_assert(memcmp(dst + c * ds + r * size,
					 src + r * ss + c * size, size) == 0);
		for (size_t i = 0; c + 1 < cols && i < pad; i++)
			ck_assert_int_eq(dst[c * ds + rows * size + i], 0x55);
	}
}

START_TEST(every_shape_transposes)
{
	static const size_t edges[] = { 1,  2,  3,  7,  8,   15,  16,  17, 31,
					33, 63, 64, 65, 100, 128, 130, 200 };
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (size_t r = 0; r < LENS_ARRAY_SIZE(edges); r++)
			for (size_t c = 0; c < LENS_ARRAY_SIZE(edges); c++)
				transpose_once(&k, size, edges[r], edges[c],
					       r % 3 * 5);
	/* Large enough to be written past the cache. */
	transpose_once(&k, 1, 1024, 512, 0);
	transpose_once(&k, 2, 520, 640, 64);
}
END_TEST

START_TEST(shuffles_come_back)
{
	static uint8_t src[2400], dst[2400], back[2400];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)rnd();
	for (unsigned size = 1; size <= 8; size++)
		for (size_t n = 0; n < 300; n++) {
			k.shuffle(dst, src, n, size);
			for (size_t i = 0; i < n; i++)
				for (unsigned b = 0; b < size; b++)
					ck_assert_uint_eq(dst[b * n + i],
							  src[i * size + b]);
			k.unshuffle(back, dst, n, size);
			ck_assert(memcmp(back, src, n * size) == 0);
		}
}
END_TEST

START_TEST(conversions_choose_by_dtype)
{
	const int64_t big = (1ll << 53) + 1;
	const double d = 0.1;
	float f[4];
	uint16_t h;

	ck_assert(lens_to_f32(LENS_I64, f, &big, 1) &&
		  f[0] == 9007199254740992.0f);
	ck_assert(lens_to_f32(LENS_F64, f, &d, 1) && f[0] == 0.1f);
	ck_assert(lens_to_f32(LENS_I8, f, "\x80", 1) && f[0] == -128.0f);
	ck_assert(lens_to_f32(LENS_F8_E4M3FNUZ, f, "\x7f\x80\x01", 3) &&
		  f[0] == 240.0f && isnan(f[1]) && f[2] == 0x1p-10f);
	ck_assert(lens_to_f32(LENS_F8_E5M2FNUZ, f, "\x7f\x01", 2) &&
		  f[0] == 57344.0f && f[1] == 0x1p-17f);
	ck_assert(!lens_to_f32(LENS_F4, f, "", 0) &&
		  !lens_to_f32(LENS_C64, f, "", 0) &&
		  !lens_to_f32(LENS_BOOL, f, "", 0));
	ck_assert(lens_decode(LENS_BF16, &h, LENS_F8_E5M2, "\x3c", 1, 3.0f) &&
		  h == 0x4040);
	ck_assert(!lens_from_f32(LENS_I8, &h, f, 1));
}
END_TEST

/* CI says which variant a runner is there for, so that none goes untested. */
START_TEST(the_expected_variant_is_here)
{
	const char *expected = getenv("LENS_EXPECT_CPU");

	if (expected)
		ck_assert_str_eq(lens_kernels()->name, expected);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kernel");
	TCase *tc = tcase_create("kernel");
	const unsigned cpu = lens_cpu();
	unsigned m = cpu;
	SRunner *sr;
	int failed;

	do
		masks[n_masks++] = m;
	while ((m = (m - 1) & cpu) != cpu);
	for (int i = 0; i < n_masks; i++) {
		struct lens_kernels k;

		lens_kernels_init(&k, masks[i]);
		fprintf(stderr, "# variant %s\n", k.name);
	}
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, e4m3_is_what_the_format_says);
	tcase_add_test(tc, f32_to_e4m3_rounds_to_nearest_even);
	tcase_add_test(tc, every_half_widens_exactly);
	tcase_add_test(tc, narrowing_rounds_to_nearest_even);
	tcase_add_loop_test(tc, products_round_twice, 0, n_masks);
	tcase_add_loop_test(tc, every_code_and_scale, 0, n_masks * N_SCALES);
	tcase_add_loop_test(tc, every_half, 0, n_masks);
	tcase_add_loop_test(tc, random_floats, 0, n_masks);
	tcase_add_loop_test(tc, every_length, 0, n_masks);
	tcase_add_loop_test(tc, every_shape_transposes, 0, n_masks);
	tcase_add_loop_test(tc, shuffles_come_back, 0, n_masks);
	tcase_add_test(tc, conversions_choose_by_dtype);
	tcase_add_test(tc, the_expected_variant_is_here);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-compare.c - how values of two tensors differ, and how that is told.
 */
#include "cli/compare.c"
#include "cli/findings.c"
#include "cli/text.c"

#include <check.h>

/* Two elements, as bytes, and what is said of them. */
static const struct {
	enum lens_dtype d;
	const char *want, *got;
	double a, b, absolute, relative;
} pairs[] = {
	{ LENS_BOOL, "\1", "\0", 1, 0, 1, 1 },
	{ LENS_U8, "\xff", "\xfd", 255, 253, 2, 2.0 / 255 },
	{ LENS_I8, "\xff", "\x7f", -1, 127, 128, 128 },
	{ LENS_I16, "\x00\x80", "\xff\x7f", -32768, 32767, 65535,
	  65535.0 / 32768 },
	{ LENS_U16, "\x00\x80", "\xff\x7f", 32768, 32767, 1, 1.0 / 32768 },
	{ LENS_I32, "\xfe\xff\xff\xff", "\1\0\0\0", -2, 1, 3, 1.5 },
	{ LENS_U32, "\xfe\xff\xff\xff", "\xff\xff\xff\xff", 4294967294.0,
	  4294967295.0, 1, 1 / 4294967294.0 },
	{ LENS_I64, "\xfe\xff\xff\xff\xff\xff\xff\xff", "\0\0\0\0\0\0\0\0", -2,
	  0, 2, 1 },
	{ LENS_U64, "\1\0\0\0\0\0\0\0", "\0\0\0\0\1\0\0\0", 1, 4294967296.0,
	  4294967295.0, 4294967295.0 },
	{ LENS_F8_E4M3, "\x38", "\x3c", 1, 1.5, 0.5, 0.5 },
	{ LENS_F8_E5M2, "\x3c", "\xbc", 1, -1, 2, 2 },
	{ LENS_F8_E8M0, "\x7f", "\x81", 1, 4, 3, 3 },
	{ LENS_F16, "\x00\x3c", "\x01\x3c", 1, 1.0009765625, 0.0009765625,
	  0.0009765625 },
	{ LENS_BF16, "\x80\x3f", "\x80\xbf", 1, -1, 2, 2 },
	{ LENS_F32, "\0\0\x80\x3f", "\0\0\0\x3f", 1, 0.5, 0.5, 0.5 },
	{ LENS_F64, "\0\0\0\0\0\0\xf0\x3f", "\0\0\0\0\0\0\0\x40", 1, 2, 1, 1 },
	/* 3 + 4i and 0 + 0i */
	{ LENS_C64, "\0\0\x40\x40\0\0\x80\x40", "\0\0\0\0\0\0\0\0", 5, 0, 5,
	  1 },
	/* -i and i: as large, and not the same */
	{ LENS_C64, "\0\0\0\0\0\0\x80\xbf", "\0\0\0\0\0\0\x80\x3f", 1, 1, 2,
	  2 },
	/* 0 and -0 differ by nothing, 0 and 1 by any multiple. */
	{ LENS_BF16, "\0\0", "\0\x80", 0, 0, 0, 0 },
	{ LENS_BF16, "\0\0", "\x80\x3f", 0, 1, 1, INFINITY },
	{ LENS_BF16, "\x80\x7f", "\x80\x3f", INFINITY, 1, INFINITY, INFINITY },
	{ LENS_BF16, "\x80\x3f", "\xc0\x7f", 1, NAN, INFINITY, INFINITY },
	{ LENS_BF16, "\xc1\x7f", "\xc0\x7f", NAN, NAN, 0, 0 },
};

static bool alike(double a, double b)
{
	return isnan(a) ? isnan(b) : !(a < b || a > b);
}

START_TEST(pairs_of_values)
{
	struct lens_diff diff = { 0 };
	const unsigned n = lens_diff_unit(pairs[_i].d);

	lens_diff_add(&diff, pairs[_i].d, pairs[_i].want, pairs[_i].want, n, 7);
	ck_assert_uint_eq(diff.count, 0);
	lens_diff_add(&diff, pairs[_i].d, pairs[_i].want, pairs[_i].got, n, 7);
	ck_assert_uint_eq(diff.count, 1);
	ck_assert_uint_eq(diff.first, 7);
	ck_assert(diff.valued);
	ck_assert_msg(alike(diff.want, pairs[_i].a), "%g", diff.want);
	ck_assert_msg(alike(diff.got, pairs[_i].b), "%g", diff.got);
	ck_assert_msg(alike(diff.max_absolute, pairs[_i].absolute), "%g",
		      diff.max_absolute);
	ck_assert_msg(alike(diff.max_relative, pairs[_i].relative), "%g",
		      diff.max_relative);
}
END_TEST

/* Differences at these elements of many, in parts of this size. */
static const struct {
	size_t part, at[3];
} many[] = {
	{ 300000, { 0, 150000, 299999 } },  { 300000, { 65535, 65536, 65537 } },
	{ 1000, { 999, 1000, 299999 } },    { 100000, { 3, 4, 5 } },
	{ 64, { 200000, 200001, 299999 } },
};

START_TEST(parts_in_any_order)
{
	const size_t n = 300000, part = many[_i].part;
	lens_autofree uint8_t *want = calloc(n, 1), *got = calloc(n, 1);
	struct lens_diff up = { 0 }, down = { 0 };

	for (unsigned k = 0; k < 3; k++)
		got[many[_i].at[k]] = (uint8_t)(1 + k);
	for (size_t off = 0; off < n; off += part) {
		struct lens_diff one_up = { 0 }, one_down = { 0 };
		const size_t end = n - off, begin = end < part ? 0 : end - part;

		lens_diff_add(&one_up, LENS_U8, want + off, got + off,
			      n - off < part ? n - off : part, off);
		lens_diff_merge(&up, &one_up);
		lens_diff_add(&one_down, LENS_U8, want + begin, got + begin,
			      end - begin, begin);
		lens_diff_merge(&down, &one_down);
	}
	ck_assert_uint_eq(up.count, 3);
	ck_assert_uint_eq(up.first, many[_i].at[0]);
	ck_assert(alike(up.got, 1) && alike(up.max_absolute, 3));
	ck_assert_uint_eq(down.count, 3);
	ck_assert_uint_eq(down.first, many[_i].at[0]);
	ck_assert(alike(down.got, 1) && alike(down.max_absolute, 3));
}
END_TEST

static const struct {
	enum lens_dtype d;
	struct lens_diff diff;
	const char *text;
} told[] = {
	{ LENS_F32,
	  { 1, 23, true, 0.5, 0.25, 0.25, 0.5 },
	  "a\\x0ab: differs first at [1,2,3] (0.25 instead of 0.5), in 1 of 24 "
	  "elements; largest error 0.25 absolute, 0.5 relative\n" },
	{ LENS_F4,
	  { .count = 2, .first = 2 },
	  "a\\x0ab: differs first at [0,1,0], in 2 of 12 bytes\n" },
};

START_TEST(in_words)
{
	static const uint64_t shape[] = { 2, 3, 4 };
	const struct lens_tensor t = { .name = "a\nb",
				       .dtype = told[_i].d,
				       .rank = 3,
				       .shape = shape,
				       .size = 3 *
					       lens_dtype_bits(told[_i].d) };
	LENS_CLEANUP(lens_findings_fini) struct lens_findings f = { 0 };
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	struct lens_finding *x =
		lens_finding_add(&f, LENS_FINDING_VALUES, t.name);

	ck_assert_ptr_nonnull(x);
	x->t = &t;
	x->diff = told[_i].diff;
	lens_findings_text(&f, &b);
	ck_assert_str_eq(b.data, told[_i].text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compare");
	TCase *tc = tcase_create("compare");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, pairs_of_values, 0, LENS_ARRAY_SIZE(pairs));
	tcase_add_loop_test(tc, parts_in_any_order, 0, LENS_ARRAY_SIZE(many));
	tcase_add_loop_test(tc, in_words, 0, LENS_ARRAY_SIZE(told));
	srunner_run_all(sr, CK_ENV);
	srunner_free(sr);
	return 0;
}

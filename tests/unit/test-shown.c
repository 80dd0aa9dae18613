/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-shown.c - keys as a tree, and values as text.
 */
#include "cli/shape_tree.c"
#include "cli/value_text.c"

#include <check.h>
#include <stdio.h>

#define MOST 16

/* Keys with blanks between, "*" behind those of another shape; the lines:
 * depth, times, tensors, bytes, label. */
static const struct {
	const char *keys, *lines;
} trees[] = {
	{ "", "" },
	{ "a", "0 1x1 4 a=\n" },
	{ "a.b.c", "0 1x1 4 a.b.c=\n" },
	{ "a b", "0 1x1 4 a=\n0 1x1 4 b=\n" },
	{ "a.b a.c", "0 1x2 8 a\n1 1x1 4 b=\n1 1x1 4 c=\n" },
	{ "a a.b", "0 1x1 4 a=\n0 1x1 4 a.b=\n" },
	{ "m.0.w m.1.w m.2.w", "0 3x3 12 m.{0..2}.w=\n" },
	{ "0 1 2", "0 3x3 12 {0..2}=\n" },
	{ "m.0.w m.1.w m.3.w",
	  "0 1x3 12 m\n1 2x2 8 {0..1}.w=\n1 1x1 4 3.w=\n" },
	/* Another shape, another name, or one more. */
	{ "m.0.w m.1.w* m.2.w*",
	  "0 1x3 20 m\n1 1x1 4 0.w=\n1 2x2 16 {1..2}.w=\n" },
	{ "m.0.v m.1.w", "0 1x2 8 m\n1 1x1 4 0.v=\n1 1x1 4 1.w=\n" },
	{ "m.0.v m.1.v m.1.w",
	  "0 1x3 12 m\n1 1x1 4 0.v=\n1 1x2 8 1\n2 1x1 4 v=\n2 1x1 4 w=\n" },
	/* Runs within runs multiply. */
	{ "l.0.e.0 l.0.e.1 l.0.n l.1.e.0 l.1.e.1 l.1.n",
	  "0 2x6 24 l.{0..1}\n1 4x4 16 e.{0..1}=\n1 2x2 8 n=\n" },
	/* What is no number as one writes it stays by itself. */
	{ "m.00 m.01", "0 1x2 8 m\n1 1x1 4 00=\n1 1x1 4 01=\n" },
	{ "m.9 m.10", "0 2x2 8 m.{9..10}=\n" },
	{ "m.0 m.0.w m.1 m.1.w",
	  "0 1x4 16 m\n1 1x1 4 0=\n1 1x1 4 0.w=\n1 1x1 4 1=\n1 1x1 4 1.w=\n" },
	{ "lay.a layer.a layer.b",
	  "0 1x1 4 lay.a=\n0 1x2 8 layer\n1 1x1 4 a=\n1 1x1 4 b=\n" },
};

START_TEST(keys_as_a_tree)
{
	static const uint64_t shapes[] = { 1, 2 };
	struct lens_tensor t[MOST];
	const struct lens_tensor *at[MOST];
	LENS_CLEANUP(lens_tree_lines_fini) struct lens_tree_lines tree;
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	char copy[256];
	size_t n = 0;

	strcpy(copy, trees[_i].keys);
	for (char *k = strtok(copy, " "); k; k = strtok(NULL, " "), n++) {
		const bool other = k[strlen(k) - 1] == '*';

		k[strlen(k) - other] = 0;
		t[n] = (struct lens_tensor){ .name = k,
					     .dtype = LENS_F32,
					     .rank = 1,
					     .shape = &shapes[other],
					     .size = 4 * shapes[other] };
		at[n] = &t[n];
	}
	ck_assert_int_eq(lens_tree_lines_make(at, n, &tree), 0);
	lens_buf_puts(&b, "");
	for (size_t i = 0; i < tree.n; i++)
		lens_buf_printf(&b, "%u %llux%llu %llu %s%s\n", tree.v[i].depth,
				(unsigned long long)tree.v[i].times,
				(unsigned long long)tree.v[i].tensors,
				(unsigned long long)tree.v[i].bytes,
				tree.v[i].label, tree.v[i].t ? "=" : "");
	ck_assert_str_eq(b.n ? b.data : "", trees[_i].lines);
	ck_assert_uint_eq(tree.tensors, n);
}
END_TEST

/* Whatever the keys, each line of the tree can be counted on. */
START_TEST(any_keys)
{
	enum { N = 60 };
	static const uint64_t shape[] = { 1 };
	char names[N][12];
	struct lens_tensor t[N];
	const struct lens_tensor *at[N];
	LENS_CLEANUP(lens_tree_lines_fini) struct lens_tree_lines tree;
	uint64_t leaves = 0;
	unsigned seed = (unsigned)_i + 1;

	for (unsigned i = 0; i < N; i++) {
		unsigned n = 0;

		while (n < 10 && (n < 2 || rand_r(&seed) % 5))
			names[i][n++] = "a.10..2b"[rand_r(&seed) % 8];
		names[i][n] = 0;
		t[i] = (struct lens_tensor){ .name = names[i],
					     .dtype = LENS_F32,
					     .rank = 1,
					     .shape = shape,
					     .size = 4 };
		at[i] = &t[i];
		for (unsigned k = i;
		     k && lens_natural_cmp(at[k - 1]->name, at[k]->name) > 0;
		     k--) {
			const struct lens_tensor *swap = at[k];

			at[k] = at[k - 1];
			at[k - 1] = swap;
		}
	}
	ck_assert_int_eq(lens_tree_lines_make(at, N, &tree), 0);
	for (size_t i = 0; i < tree.n; i++)
		leaves += tree.v[i].t ? tree.v[i].tensors : 0;
	ck_assert_uint_eq(leaves, N);
}
END_TEST

static const struct {
	enum lens_dtype d;
	const char *bytes, *text;
} values[] = {
	{ LENS_BOOL, "\1", "1\n" },
	{ LENS_U8, "\xff", "255\n" },
	{ LENS_I8, "\xff", "-1\n" },
	{ LENS_I16, "\x00\x80", "-32768\n" },
	{ LENS_U16, "\x00\x80", "32768\n" },
	{ LENS_I32, "\xff\xff\xff\xff", "-1\n" },
	{ LENS_U32, "\xff\xff\xff\xff", "4294967295\n" },
	{ LENS_I64, "\0\0\0\0\0\0\0\x80", "-9223372036854775808\n" },
	{ LENS_U64, "\xff\xff\xff\xff\xff\xff\xff\xff",
	  "18446744073709551615\n" },
	{ LENS_F8_E4M3, "\x7e", "448\n" },
	{ LENS_F8_E4M3, "\x01", "0.00195\n" },
	{ LENS_F8_E5M2, "\x7c", "inf\n" },
	{ LENS_F8_E8M0, "\x7e", "0.5\n" },
	{ LENS_F16, "\x66\x2e", "0.099976\n" },
	{ LENS_BF16, "\xcd\x3d", "0.1001\n" },
	{ LENS_BF16, "\x00\x80", "-0\n" },
	{ LENS_BF16, "\xc0\xff", "nan\n" },
	{ LENS_F32, "\xcd\xcc\xcc\x3d", "0.100000001\n" },
	{ LENS_F64, "\x9a\x99\x99\x99\x99\x99\xb9\x3f",
	  "0.10000000000000001\n" },
	{ LENS_C64, "\0\0\x80\x3f\0\0\x00\xc0", "1 -2\n" },
};

START_TEST(values_as_text)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	ck_assert(lens_value_has_text(values[_i].d));
	lens_value_text(&b, values[_i].d, values[_i].bytes);
	ck_assert_str_eq(b.data, values[_i].text);
}
END_TEST

/* Read back, every 16-bit value is itself. */
START_TEST(text_reads_back)
{
	static const enum lens_dtype dtypes[] = { LENS_BF16, LENS_F16 };

	for (unsigned k = 0; k < 2; k++)
		for (unsigned u = 0; u < 65536; u++) {
			LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
			const uint16_t v = (uint16_t)u;
			uint16_t back;
			float f;

			lens_value_text(&b, dtypes[k], &v);
			f = strtof(b.data, NULL);
			if (strcmp(b.data, "nan\n") == 0)
				continue;
			ck_assert(lens_from_f32(dtypes[k], &back, &f, 1));
			ck_assert_msg(back == v, "%04x is %s", u, b.data);
		}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shown");
	TCase *tc = tcase_create("shown");
	SRunner *sr = srunner_create(s);

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, keys_as_a_tree, 0, LENS_ARRAY_SIZE(trees));
	tcase_add_loop_test(tc, any_keys, 0, 200);
	tcase_add_loop_test(tc, values_as_text, 0, LENS_ARRAY_SIZE(values));
	tcase_add_test(tc, text_reads_back);
	srunner_run_all(sr, CK_ENV);
	srunner_free(sr);
	return 0;
}

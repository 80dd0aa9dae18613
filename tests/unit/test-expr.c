/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-expr - whole-number expressions: what they are worth, and what is
 * refused when they are read or worked out.
 */
#include "lens/expr.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

/* a is 7, b is -3, list is 4 5 6; nothing else has a value. */
static int value(const void *ctx, const char *name, const int64_t *index,
		 int64_t *ret, struct lens_err *err)
{
	(void)ctx;
	if (strcmp(name, "a") == 0) {
		*ret = 7;
		return 0;
	}
	if (strcmp(name, "b.c_1") == 0) {
		*ret = -3;
		return 0;
	}
	if (strcmp(name, "list") == 0 && index && *index >= 0 && *index < 3) {
		*ret = 4 + *index;
		return 0;
	}
	return lens_fail(err, EINVAL, "no value for %s", name);
}

static const struct {
	const char *text;
	int64_t worth;
} good[] = {
	{ "0", 0 },
	{ "42", 42 },
	{ " a ", 7 },
	{ "a+a", 14 },
	{ "1 - 2 - 3", -4 },
	{ "2 * 3 + 4 * 5", 26 },
	{ "2 * (3 + 4) * 5", 70 },
	{ "b.c_1 * a", -21 },
	{ "12 / 3 / 2", 2 },
	{ "12 / (3 * 2)", 2 },
	{ "ceil(a / 2)", 4 },
	{ "floor(a / 2)", 3 },
	{ "ceil(b.c_1 / 2)", -1 },
	{ "floor(b.c_1 / 2)", -2 },
	{ "ceil(6 / 2)", 3 },
	{ "floor(floor(a / 2) / 2)", 1 },
	{ "ceil(96 / 128) * 128", 128 },
	{ "min(a, b.c_1)", -3 },
	{ "max(1, floor(2 / 4))", 1 },
	{ "list[0]", 4 },
	{ "list[a - 5] * 2", 12 },
	{ "find(list, 5)", 1 },
	{ "list[find(list, 6)]", 6 },
	{ "9007199254740992", 9007199254740992 },
};

START_TEST(they_are_worth)
{
	const struct lens_expr_env env = { .value = value };
	struct lens_arena arena = { 0 };
	struct lens_expr *e;
	struct lens_err err;
	int64_t got;

	ck_assert_msg(lens_expr_parse(good[_i].text, &arena, &e, &err) == 0,
		      "%s", err.msg);
	ck_assert_str_eq(lens_expr_text(e), good[_i].text);
	ck_assert_msg(lens_expr_eval(e, &env, &got, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(got, good[_i].worth);
	lens_arena_fini(&arena);
}
END_TEST

static const struct {
	const char *text, *why;
} unread[] = {
	{ "", "byte 1: a number or a name is wanted" },
	{ "1 +", "byte 4" },
	{ "1 2", "byte 3: the expression should end here" },
	{ "(1", "a ')' is wanted" },
	{ "a[1", "a ']' is wanted" },
	{ "a[]", "a number or a name is wanted" },
	{ "ceil(a)", "a division is wanted" },
	{ "ceil(a + 1)", "a division is wanted" },
	{ "floor((1 / 2))", "a division is wanted" },
	{ "min(1)", "two values are wanted" },
	{ "find(1, 2)", "the name of a list" },
	{ "log(1)", "no function is called so" },
	{ "9007199254740993", "too large" },
	{ "-1", "a number or a name is wanted" },
	{ "a & b", "should end here" },
};

START_TEST(what_is_no_expression)
{
	struct lens_arena arena = { 0 };
	struct lens_expr *e = NULL;
	struct lens_err err;

	ck_assert_int_eq(lens_expr_parse(unread[_i].text, &arena, &e, &err),
			 -EBADMSG);
	ck_assert_ptr_null(e);
	ck_assert_msg(strstr(err.msg, unread[_i].why), "'%s'", err.msg);
	lens_arena_fini(&arena);
}
END_TEST

static const struct {
	const char *text, *why;
} worthless[] = {
	{ "1 / 0", "a division by 0" },
	{ "floor(1 / (a - 7))", "a division by 0" },
	{ "7 / 2", "7 / 2 leaves a remainder" },
	{ "x", "no value for x" },
	{ "1 + x", "'1 + x': no value for x" },
	{ "list", "no value for list" },
	{ "list[3]", "no value for list" },
	{ "find(list, 7)", "7 is not in 'list'" },
	{ "9007199254740992 + 1", "beyond 2^53" },
	{ "9007199254740992 * 9007199254740992", "beyond 2^53" },
};

START_TEST(what_has_no_worth)
{
	const struct lens_expr_env env = { .value = value };
	struct lens_arena arena = { 0 };
	struct lens_expr *e;
	struct lens_err err;
	int64_t got = 99;

	ck_assert_int_eq(lens_expr_parse(worthless[_i].text, &arena, &e, &err),
			 0);
	ck_assert_int_eq(lens_expr_eval(e, &env, &got, &err), -EINVAL);
	ck_assert_int_eq(got, 99);
	ck_assert_msg(strstr(err.msg, worthless[_i].why), "'%s'", err.msg);
	lens_arena_fini(&arena);
}
END_TEST

static bool count(void *ctx, const char *name)
{
	++*(int *)ctx;
	return strcmp(name, "stop") != 0;
}

START_TEST(names_are_told)
{
	struct lens_arena arena = { 0 };
	struct lens_expr *e;
	struct lens_err err;
	int n = 0;

	ck_assert_int_eq(
		lens_expr_parse("a * b[c] + find(d, e) - 1", &arena, &e, &err),
		0);
	ck_assert(lens_expr_names(e, count, &n));
	ck_assert_int_eq(n, 5);
	ck_assert_int_eq(lens_expr_parse("stop + a", &arena, &e, &err), 0);
	n = 0;
	ck_assert(!lens_expr_names(e, count, &n));
	ck_assert_int_eq(n, 1);
	lens_arena_fini(&arena);
}
END_TEST

/* As deep as the longest text allows. */
START_TEST(depth_is_bounded)
{
	struct lens_arena arena = { 0 };
	struct lens_expr *e;
	struct lens_err err;
	char text[300];

	memset(text, '(', 199);
	text[199] = 0;
	ck_assert_int_eq(lens_expr_parse(text, &arena, &e, &err), -EBADMSG);
	memset(text, '(', 201);
	text[201] = 0;
	ck_assert_int_eq(lens_expr_parse(text, &arena, &e, &err), -EBADMSG);
	ck_assert(strstr(err.msg, "at most 200 bytes"));
	lens_arena_fini(&arena);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("expr");
	TCase *tc = tcase_create("expr");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, they_are_worth, 0, LENS_ARRAY_SIZE(good));
	tcase_add_loop_test(tc, what_is_no_expression, 0,
			    LENS_ARRAY_SIZE(unread));
	tcase_add_loop_test(tc, what_has_no_worth, 0,
			    LENS_ARRAY_SIZE(worthless));
	tcase_add_test(tc, names_are_told);
	tcase_add_test(tc, depth_is_bounded);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

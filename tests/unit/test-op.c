/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-op - each op on small tensors: where every element comes from, that the
 * inverse brings it back, and what is refused.
 *
 * Element i of input k is number 100 k + i.
 */
#include "lens/op.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#define MOST 16 /* tensors at once */

static const struct {
	const char *op;
	size_t n;          /* inputs */
	const char *shape; /* of each */
	const char *want;  /* "shape: elements | ..." */
	const char *back;  /* of the inverse; NULL: the inputs */
} good[] = {
	{ "{\"transpose\": [0, 1]}", 1, "2 3", "3 2: 0 3 1 4 2 5", NULL },
	{ "{\"transpose\": [-1, 0]}", 1, "2 1 3", "3 1 2: 0 3 1 4 2 5", NULL },
	{ "{\"concat\": 0}", 2, "1 2", "2 2: 0 1 100 101", NULL },
	{ "{\"concat\": -1}", 2, "2 2", "2 4: 0 1 100 101 2 3 102 103", NULL },
	{ "{\"concat\": {\"dim\": 0, \"sizes\": [2, \"1 + 1\"]}}", 2, "2",
	  "4: 0 1 100 101", NULL },
	{ "{\"split\": {\"dim\": 0, \"parts\": 2}}", 1, "4 1",
	  "2 1: 0 1 | 2 1: 2 3", NULL },
	{ "{\"split\": {\"dim\": 1, \"sizes\": [1, 2]}}", 1, "2 3",
	  "2 1: 0 3 | 2 2: 1 2 4 5", NULL },
	{ "{\"order\": [2, 0, 1]}", 3, "1", "1: 200 | 1: 0 | 1: 100", NULL },
	{ "{\"deal\": {\"dim\": 0, \"ranks\": 2, \"sizes\": [2, 1]}}", 1, "6",
	  "4: 0 1 3 4 | 2: 2 5", NULL },
	{ "{\"deal\": {\"dim\": 0, \"ranks\": 1, \"sizes\": [1, 2]}}", 1, "3 2",
	  "1 2: 0 1 | 2 2: 2 3 4 5", NULL },
	{ "{\"squeeze\": 0}", 1, "1 3", "3: 0 1 2", NULL },
	{ "{\"squeeze\": 1}", 1, "2 1 2", "2 2: 0 1 2 3", NULL },
	{ "{\"unsqueeze\": -1}", 1, "3", "3 1: 0 1 2", NULL },
	{ "{\"slice\": {\"dim\": 0, \"count\": 2, \"back\": 3}}", 1, "3",
	  "2: 0 1", "3: 0 1 z" },
	{ "{\"slice\": {\"dim\": 0, \"count\": 3, \"back\": 3}}", 1, "3",
	  "3: 0 1 2", NULL },
	{ "{\"pad\": {\"dim\": 1, \"count\": 3, \"back\": 2}}", 1, "2 2",
	  "2 3: 0 1 z 2 3 z", NULL },
	{ "{\"interleave\": 0}", 1, "6", "6: 0 3 1 4 2 5", NULL },
	{ "{\"interleave\": 1}", 1, "2 4", "2 4: 0 2 1 3 4 6 5 7", NULL },
	{ "{\"deinterleave\": 0}", 1, "6", "6: 0 2 4 1 3 5", NULL },
	{ "{\"stack\": {\"E\": 3}}", 3, "2", "3 2: 0 1 100 101 200 201", NULL },
};

static int no_value(const void *ctx, const char *name, const int64_t *index,
		    int64_t *ret, struct lens_err *err)
{
	(void)ctx;
	(void)index;
	(void)ret;
	return lens_fail(err, EINVAL, "no value for %s", name);
}

static void resolve(struct lens_op_args *args)
{
	const struct lens_expr_env env = { .value = no_value };
	struct lens_err err;

	for (unsigned i = 0; i < args->n_values; i++) {
		int64_t v;

		ck_assert_msg(lens_expr_eval(args->expr[i], &env, &v, &err) ==
				      0,
			      "%s", err.msg);
		args->value[i] = (uint64_t)v;
	}
}

/* Input @k. */
static void input(struct lens_arena *arena, size_t k, const char *shape,
		  enum lens_dtype dtype, struct lens_virtual *ret)
{
	struct lens_producer *q = lens_arena_alloc(arena, sizeof(*q));
	uint64_t *dims = lens_arena_alloc(arena, 8 * sizeof(*dims));
	char *end;

	for (const char *s = shape; *s; s = end)
		dims[q->stored.rank++] = strtoull(s, &end, 10);
	q->kind = LENS_STORED;
	q->dtype = dtype;
	q->stored.shape = dims;
	q->stored.key = "input";
	q->fill = (double)k; /* which one, for element() */
	lens_virtual_init(ret, q);
}

/* The number of the element at @at: the one piece that covers it says it. */
static void element(const struct lens_virtual *v, const struct lens_piece *p,
		    size_t n, const uint64_t *at, char *ret, size_t room)
{
	unsigned covered = 0;

	for (size_t i = 0; i < n; i++) {
		const struct lens_stored *s = &p[i].from->stored;
		uint64_t index = 0, k[LENS_DIMS] = { 0 };
		bool inside = true;

		for (unsigned d = 0; d < v->rank; d++) {
			inside &= at[d] >= p[i].origin[d] &&
				  (at[d] - p[i].origin[d]) % p[i].step[d] == 0;
			if (inside)
				k[d] = (at[d] - p[i].origin[d]) / p[i].step[d];
			inside &= k[d] < p[i].count[d];
		}
		if (!inside)
			continue;
		covered++;
		for (unsigned j = 0; j < s->rank; j++) {
			uint64_t x = p[i].src_origin[j];

			if (p[i].by[j] >= 0)
				x += p[i].src_step[j] * k[p[i].by[j]];
			index = index * s->shape[j] + x;
		}
		if (p[i].from->kind == LENS_FILL)
			(void)snprintf(ret, room, "z");
		else
			(void)snprintf(ret, room, "%d",
				       (int)p[i].from->fill * 100 + (int)index);
	}
	ck_assert_uint_eq(covered, 1);
}

/* "2 3: 0 1 2 3 4 5" */
static void tell(struct lens_arena *arena, const struct lens_virtual *v,
		 struct lens_buf *b)
{
	const struct lens_piece *p;
	uint64_t at[LENS_DIMS] = { 0 };
	struct lens_err err;
	size_t n;

	ck_assert_int_eq(lens_virtual_pieces(v, arena, &p, &n, &err), 0);
	for (unsigned d = 0; d < v->rank; d++)
		lens_buf_printf(b, d ? " %d" : "%d", (int)v->shape[d]);
	lens_buf_puts(b, ":");
	for (;;) {
		unsigned d = v->rank;
		char text[32] = "";

		element(v, p, n, at, text, sizeof(text));
		lens_buf_printf(b, " %s", text);
		while (d-- > 0 && ++at[d] == v->shape[d])
			at[d] = 0;
		if (d == UINT32_MAX)
			return;
	}
}

static void tell_all(struct lens_arena *arena, const struct lens_virtual *v,
		     size_t n, struct lens_buf *b)
{
	for (size_t i = 0; i < n; i++) {
		lens_buf_puts(b, i ? " | " : "");
		tell(arena, &v[i], b);
	}
}

/* Run @op over @n of v; how many there are then. */
static size_t apply(const struct lens_op *op, struct lens_op_args *args,
		    struct lens_virtual *v, size_t n, struct lens_arena *arena)
{
	struct lens_virtual out[MOST];
	struct lens_err err;
	size_t made = op->takes == LENS_OP_JOIN ? 1 :
		      op->takes == LENS_OP_PART ? args->parts :
						  n;

	resolve(args);
	if (op->takes == LENS_OP_PART && args->by)
		args->parts = made = (size_t)v->shape[0];
	ck_assert_msg(op->map(args, v, n, arena, out, &err) == 0, "%s: %s",
		      op->name ? op->name : "inverse", err.msg);
	memcpy(v, out, made * sizeof(*v));
	return made;
}

static const struct lens_op *parse(const char *text, struct lens_arena *arena,
				   struct lens_op_args *args)
{
	cJSON *json = cJSON_Parse(text);
	const struct lens_op *op = lens_op_find(json->child->string);
	struct lens_err err;

	ck_assert_ptr_nonnull(op);
	*args = (struct lens_op_args){ 0 };
	ck_assert_msg(op->parse(json->child, arena, args, &err) == 0, "%s",
		      err.msg);
	cJSON_Delete(json);
	return op;
}

START_TEST(elements_go_where_they_should)
{
	struct lens_buf before = { 0 }, after = { 0 }, back = { 0 };
	const struct lens_op *op, *inverse = NULL;
	struct lens_op_args args, inverse_args;
	struct lens_arena arena = { 0 };
	struct lens_virtual v[MOST];
	struct lens_err err;
	size_t n = good[_i].n;

	for (size_t k = 0; k < n; k++)
		input(&arena, k, good[_i].shape, LENS_BF16, &v[k]);
	tell_all(&arena, v, n, &before);
	op = parse(good[_i].op, &arena, &args);
	n = apply(op, &args, v, n, &arena);
	tell_all(&arena, v, n, &after);
	ck_assert_str_eq(after.data, good[_i].want);
	ck_assert_msg(lens_op_inverse(op, &args, good[_i].n, &inverse,
				      &inverse_args, &err) == 0,
		      "%s", err.msg);
	n = apply(inverse, &inverse_args, v, n, &arena);
	ck_assert_uint_eq(n, good[_i].n);
	tell_all(&arena, v, n, &back);
	ck_assert_str_eq(back.data,
			 good[_i].back ? good[_i].back : before.data);
	lens_buf_fini(&before);
	lens_buf_fini(&after);
	lens_buf_fini(&back);
	lens_arena_fini(&arena);
}
END_TEST

static const struct {
	const char *op;
	size_t n;
	const char *shape;
	const char *why;
} refused[] = {
	{ "{\"transpose\": [0, 2]}", 1, "2 3", "no dimension 2" },
	{ "{\"concat\": 1}", 1, "2", "no dimension 1" },
	{ "{\"concat\": {\"dim\": 0, \"sizes\": [1, 3]}}", 2, "2",
	  "has 2, not 1, in dimension 0" },
	{ "{\"split\": {\"dim\": 0, \"parts\": 2}}", 1, "3",
	  "can't be split into 2 equal parts" },
	{ "{\"split\": {\"dim\": 0, \"sizes\": [1, 1]}}", 1, "3",
	  "is 3, but its parts are 2 together" },
	{ "{\"deal\": {\"dim\": 0, \"ranks\": 2, \"sizes\": [1, 1]}}", 1, "5",
	  "is 5, but 2 ranks of 2 are wanted" },
	{ "{\"squeeze\": 0}", 1, "2 1", "only one of 1 can be left out" },
	{ "{\"slice\": {\"dim\": 0, \"count\": 4}}", 1, "3",
	  "is 3, and 4 are wanted" },
	{ "{\"pad\": {\"dim\": 0, \"count\": 2}}", 1, "3",
	  "is 3, more than 2" },
	{ "{\"pad\": {\"dim\": 0, \"count\": 9, \"back\": 2}}", 1, "3",
	  "is 3, not 2" },
	{ "{\"interleave\": 0}", 1, "3", "is 3 and has no halves" },
	{ "{\"fold-scale\": 0}", 2, "2", "can't be multiplied" },
	{ "{\"unsqueeze\": 0}", 1, "1 1 1 1 1 1 1 1", "9 dimensions" },
};

START_TEST(misfits_are_refused)
{
	struct lens_arena arena = { 0 };
	struct lens_virtual v[MOST], out[MOST];
	struct lens_op_args args;
	const struct lens_op *op = parse(refused[_i].op, &arena, &args);
	struct lens_err err;

	for (size_t k = 0; k < refused[_i].n; k++)
		input(&arena, k, refused[_i].shape, k ? LENS_I32 : LENS_BF16,
		      &v[k]);
	if (op->takes == LENS_OP_JOIN && strcmp(op->name, "concat") == 0)
		for (size_t k = 1; k < refused[_i].n; k++)
			input(&arena, k, refused[_i].shape, LENS_BF16, &v[k]);
	resolve(&args);
	ck_assert_int_lt(op->map(&args, v, refused[_i].n, &arena, out, &err),
			 0);
	ck_assert_msg(strstr(err.msg, refused[_i].why), "'%s'", err.msg);
	lens_arena_fini(&arena);
}
END_TEST

static const struct {
	const char *op, *why;
} unread[] = {
	{ "{\"concat\": \"x\"}", "a dimension is wanted" },
	{ "{\"concat\": {\"dim\": 0}}", "'sizes' is an array" },
	{ "{\"concat\": {\"dim\": 0, \"over\": \"I\"}}", "go together" },
	{ "{\"split\": {\"dim\": 0, \"parts\": 1}}", "from 2 to 64" },
	{ "{\"split\": {\"dim\": 0, \"sizes\": [1]}}", "two or more" },
	{ "{\"split\": {\"dim\": 0, \"sizes\": [1, -1]}}", "whole number" },
	{ "{\"split\": {\"dim\": 0, \"size\": [1, 1]}}",
	  "no member is called 'size'" },
	{ "{\"order\": [0, 0]}", "once" },
	{ "{\"order\": [0, 2]}", "once" },
	{ "{\"deal\": {\"dim\": 0, \"sizes\": [1, 1]}}", "ranks" },
	{ "{\"slice\": {\"dim\": 0}}", "count" },
	{ "{\"slice\": {\"count\": 0}}", "dim" },
	{ "{\"stack\": {}}", "one capture" },
	{ "{\"cast\": 1}", "a dtype or a parameter" },
};

START_TEST(bad_arguments_are_refused)
{
	cJSON *json = cJSON_Parse(unread[_i].op);
	const struct lens_op *op = lens_op_find(json->child->string);
	struct lens_arena arena = { 0 };
	struct lens_op_args args = { 0 };
	struct lens_err err;

	ck_assert_int_eq(op->parse(json->child, &arena, &args, &err), -EBADMSG);
	ck_assert_msg(strstr(err.msg, unread[_i].why), "'%s'", err.msg);
	cJSON_Delete(json);
	lens_arena_fini(&arena);
}
END_TEST

/* What can't be undone says so. */
START_TEST(some_have_no_inverse)
{
	static const char *const ops[] = {
		"{\"fold-scale\": 0}", "{\"slice\": {\"dim\": 0, \"count\": 1}}"
	};
	struct lens_arena arena = { 0 };

	for (size_t i = 0; i < LENS_ARRAY_SIZE(ops); i++) {
		struct lens_op_args args, inverse_args;
		const struct lens_op *op = parse(ops[i], &arena, &args),
				     *inverse;
		struct lens_err err;

		ck_assert_int_eq(lens_op_inverse(op, &args, 1, &inverse,
						 &inverse_args, &err),
				 -EOPNOTSUPP);
		ck_assert(strstr(err.msg, "lost"));
		ck_assert_ptr_nonnull(op->loses);
	}
	lens_arena_fini(&arena);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("op");
	TCase *tc = tcase_create("op");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, elements_go_where_they_should, 0,
			    LENS_ARRAY_SIZE(good));
	tcase_add_loop_test(tc, misfits_are_refused, 0,
			    LENS_ARRAY_SIZE(refused));
	tcase_add_loop_test(tc, bad_arguments_are_refused, 0,
			    LENS_ARRAY_SIZE(unread));
	tcase_add_test(tc, some_have_no_inverse);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

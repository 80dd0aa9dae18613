/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.c - the list of ops, and what they share.  A new op is a file and a line
 * here.
 */
#include "op/ops.h"

#include <errno.h>
#include <stdio.h>

static const struct lens_op *const ops[] = {
	&lens_op_transpose,    &lens_op_cast,    &lens_op_stack,
	&lens_op_concat,       &lens_op_split,   &lens_op_order,
	&lens_op_deal,         &lens_op_squeeze, &lens_op_unsqueeze,
	&lens_op_slice,        &lens_op_pad,     &lens_op_interleave,
	&lens_op_deinterleave, &lens_op_fold,
};

size_t lens_op_count(void)
{
	return LENS_ARRAY_SIZE(ops);
}

const struct lens_op *lens_op_at(size_t i)
{
	return ops[i];
}

const struct lens_op *lens_op_find(const char *name)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(ops); i++)
		if (strcmp(ops[i]->name, name) == 0)
			return ops[i];
	return NULL;
}

int lens_op_inverse(const struct lens_op *op, const struct lens_op_args *args,
		    size_t n, const struct lens_op **ret,
		    struct lens_op_args *ret_args, struct lens_err *err)
{
	if (!op->undone_by)
		return op->inverse(args, n, ret, ret_args, err);
	*ret = op->undone_by;
	*ret_args = *args;
	return 0;
}

int lens_op_dim(int64_t dim, unsigned rank, unsigned *ret, struct lens_err *err)
{
	int64_t d = dim < 0 ? dim + (int64_t)rank : dim;

	if (d < 0 || d >= (int64_t)rank)
		return lens_fail(err, EINVAL,
				 "there is no dimension %lld in a tensor of %u",
				 (long long)dim, rank);
	*ret = (unsigned)d;
	return 0;
}

int lens_op_parse_int(const cJSON *item, int64_t *ret, struct lens_err *err)
{
	double v = cJSON_IsNumber(item) ? item->valuedouble : 0.5;

	if (!(v >= -1e9 && v <= 1e9) || v != (double)(int64_t)v)
		return lens_fail(err, EBADMSG, "a whole number is wanted");
	*ret = (int64_t)v;
	return 0;
}

int lens_op_parse_one_dim(const cJSON *value, struct lens_arena *arena,
			  struct lens_op_args *ret, struct lens_err *err)
{
	(void)arena;
	if (lens_op_parse_int(value, &ret->dim[0], err) < 0)
		return lens_fail(err, EBADMSG,
				 "a dimension is wanted, as in 0 or -1");
	return 0;
}

int lens_op_parse_value(const cJSON *item, struct lens_arena *arena,
			struct lens_op_args *args, unsigned i,
			struct lens_err *err)
{
	const char *text = cJSON_GetStringValue(item);
	struct lens_expr *e;
	char number[32];
	uint64_t v;

	if (!text && lens_json_u64(item, &v) == 0) {
		(void)snprintf(number, sizeof(number), "%llu",
			       (unsigned long long)v);
		text = number;
	}
	if (!text)
		return lens_fail(err, EBADMSG,
				 "a whole number or an expression is wanted");
	if (i >= LENS_OP_VALUES)
		return lens_fail(err, EBADMSG, "at most %d numbers are taken",
				 LENS_OP_VALUES);
	if (lens_expr_parse(text, arena, &e, err) < 0)
		return -err->code;
	args->expr[i] = e;
	if (args->n_values <= i)
		args->n_values = i + 1;
	return 0;
}

int lens_op_parse_dim(const cJSON *value, const char *const *members,
		      struct lens_op_args *args, struct lens_err *err)
{
	const cJSON *m;

	if (!cJSON_IsObject(value))
		return lens_fail(err, EBADMSG, "an object is wanted");
	cJSON_ArrayForEach (m, value) {
		size_t i = 0;

		while (members[i] && strcmp(members[i], m->string) != 0)
			i++;
		if (!members[i])
			return lens_fail(err, EBADMSG,
					 "no member is called '%s' here",
					 LENS_SHOW(m->string));
	}
	if (lens_op_parse_int(cJSON_GetObjectItemCaseSensitive(value, "dim"),
			      &args->dim[0], err) < 0)
		return lens_wrap(err, "dim");
	return 0;
}

int lens_op_parse_sizes(const cJSON *value, struct lens_arena *arena,
			struct lens_op_args *args, unsigned first,
			struct lens_err *err)
{
	const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(value, "sizes"),
		    *e;

	if (!cJSON_IsArray(sizes) || cJSON_GetArraySize(sizes) < 2)
		return lens_fail(err, EBADMSG,
				 "'sizes' is an array of two or more");
	cJSON_ArrayForEach (e, sizes)
		if (lens_op_parse_value(e, arena, args, first++, err) < 0)
			return lens_wrap(err, "sizes");
	return 0;
}

int lens_op_check_alike(const struct lens_virtual *in, size_t n, int dim,
			const char *what, struct lens_err *err)
{
	for (size_t i = 1; i < n; i++) {
		bool same =
			in[i].dtype == in[0].dtype && in[i].rank == in[0].rank;

		for (unsigned d = 0; same && d < in[0].rank; d++)
			same = (int)d == dim ||
			       in[i].shape[d] == in[0].shape[d];
		if (!same)
			return lens_fail(err, EINVAL,
					 "'%s' and '%s' can't be %s: they "
					 "differ in dtype or shape",
					 LENS_SHOW(in[0].key),
					 LENS_SHOW(in[i].key), what);
	}
	return 0;
}

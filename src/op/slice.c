/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice.c - the first indexes of a dimension; and zeros behind them.
 */
#include "op/ops.h"

#include <errno.h>

enum { COUNT, BACK };

/* {"dim": 0, "count": N}, of slice also "back": N, what it was before. */
static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	static const char *const members[] = { "dim", "count", "back", NULL };
	const cJSON *back = cJSON_GetObjectItemCaseSensitive(value, "back");

	if (lens_op_parse_dim(value, members, ret, err) < 0)
		return -err->code;
	if (lens_op_parse_value(
		    cJSON_GetObjectItemCaseSensitive(value, "count"), arena,
		    ret, COUNT, err) < 0)
		return lens_wrap(err, "count");
	if (back && lens_op_parse_value(back, arena, ret, BACK, err) < 0)
		return lens_wrap(err, "back");
	return 0;
}

static int slice(const struct lens_op_args *args, const struct lens_virtual *in,
		 size_t n, struct lens_arena *arena, struct lens_virtual *out,
		 struct lens_err *err)
{
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0)
		return -err->code;
	if (in->shape[d] < args->value[COUNT])
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu, and %llu are wanted", d,
				 (unsigned long long)in->shape[d],
				 (unsigned long long)args->value[COUNT]);
	if (in->shape[d] == args->value[COUNT]) {
		*out = *in;
		return 0;
	}
	return lens_virtual_cut(in, d, 0, args->value[COUNT], arena, out, err);
}

static int pad(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	struct lens_virtual both[2] = { *in };
	uint64_t shape[LENS_DIMS];
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0)
		return -err->code;
	if (in->shape[d] > args->value[COUNT] || in->rank > LENS_DIMS)
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu, more than %llu", d,
				 (unsigned long long)in->shape[d],
				 (unsigned long long)args->value[COUNT]);
	if (in->shape[d] == args->value[COUNT]) {
		*out = *in;
		return 0;
	}
	if (args->n_values > BACK && in->shape[d] != args->value[BACK])
		return lens_fail(err, EINVAL, "dimension %u is %llu, not %llu",
				 d, (unsigned long long)in->shape[d],
				 (unsigned long long)args->value[BACK]);
	for (unsigned i = 0; i < in->rank; i++)
		shape[i] = in->shape[i];
	shape[d] = args->value[COUNT] - in->shape[d];
	if (lens_virtual_fill(in, 0, shape, in->rank, arena, &both[1], err) < 0)
		return -err->code;
	return lens_virtual_join(both, 2, d, arena, out, err);
}

static int slice_inverse(const struct lens_op_args *args, size_t n,
			 const struct lens_op **ret,
			 struct lens_op_args *ret_args, struct lens_err *err)
{
	(void)n;
	if (args->n_values <= BACK)
		return lens_fail(err, EOPNOTSUPP,
				 "what was cut off is lost, and 'back' does "
				 "not say how much it was");
	*ret = &lens_op_pad;
	*ret_args = *args;
	ret_args->expr[COUNT] = args->expr[BACK];
	ret_args->expr[BACK] = args->expr[COUNT];
	return 0;
}

static int pad_inverse(const struct lens_op_args *args, size_t n,
		       const struct lens_op **ret,
		       struct lens_op_args *ret_args, struct lens_err *err)
{
	(void)n;
	if (args->n_values <= BACK)
		return lens_fail(err, EOPNOTSUPP,
				 "'back' does not say how long it was");
	*ret = &lens_op_slice;
	*ret_args = *args;
	ret_args->expr[COUNT] = args->expr[BACK];
	ret_args->expr[BACK] = args->expr[COUNT];
	return 0;
}

const struct lens_op lens_op_slice = {
	.name = "slice",
	.summary = "the first indexes of a dimension",
	.takes = LENS_OP_EACH,
	.loses = "what is cut off",
	.parse = parse,
	.map = slice,
	.inverse = slice_inverse,
};

const struct lens_op lens_op_pad = {
	.name = "pad",
	.summary = "zeros behind a dimension's indexes",
	.takes = LENS_OP_EACH,
	.parse = parse,
	.map = pad,
	.inverse = pad_inverse,
};

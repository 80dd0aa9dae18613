/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.c - the tensors that a rule has at hand in another order.
 */
#include "op/ops.h"

#include <errno.h>

/* [1, 0]: the first is what was number 1. */
static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	const int n = cJSON_GetArraySize(value);
	const cJSON *e;
	unsigned seen = 0;

	(void)arena;
	if (!cJSON_IsArray(value) || n < 2 || n > LENS_OP_VALUES)
		return lens_fail(err, EBADMSG,
				 "an array of two to %d numbers is wanted",
				 LENS_OP_VALUES);
	cJSON_ArrayForEach (e, value) {
		int64_t i;

		if (lens_op_parse_int(e, &i, err) < 0 || i < 0 || i >= n ||
		    seen >> i & 1)
			return lens_fail(err, EBADMSG,
					 "each number below %d is wanted once",
					 n);
		seen |= 1u << i;
		ret->order[ret->parts++] = (size_t)i;
	}
	return 0;
}

static int map(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	(void)arena;
	if (n != args->parts)
		return lens_fail(err, EINVAL, "%zu tensors, not %zu", n,
				 args->parts);
	for (size_t i = 0; i < n; i++)
		out[i] = in[args->order[i]];
	return 0;
}

static int inverse(const struct lens_op_args *args, size_t n,
		   const struct lens_op **ret, struct lens_op_args *ret_args,
		   struct lens_err *err)
{
	(void)n;
	(void)err;
	*ret = &lens_op_order;
	*ret_args = *args;
	for (size_t i = 0; i < args->parts; i++)
		ret_args->order[args->order[i]] = i;
	return 0;
}

const struct lens_op lens_op_order = {
	.name = "order",
	.summary = "the tensors at hand in another order",
	.takes = LENS_OP_SHUFFLE,
	.parse = parse,
	.map = map,
	.inverse = inverse,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concat.c - tensors one behind the other along a dimension, in the order of
 * the rule's patterns or of a captured index; and back, in equal parts or in
 * the sizes that the recipe says.
 */
#include "op/ops.h"

#include <errno.h>

/* -1, {"dim": 0, "sizes": [...]} or {"dim": 0, "over": "I", "count": N} */
static int parse_concat(const cJSON *value, struct lens_arena *arena,
			struct lens_op_args *ret, struct lens_err *err)
{
	static const char *const members[] = { "dim", "sizes", "over", "count",
					       NULL };
	const cJSON *over, *count;

	if (!cJSON_IsObject(value))
		return lens_op_parse_one_dim(value, arena, ret, err);
	if (lens_op_parse_dim(value, members, ret, err) < 0)
		return -err->code;
	over = cJSON_GetObjectItemCaseSensitive(value, "over");
	count = cJSON_GetObjectItemCaseSensitive(value, "count");
	if (!over && !count)
		return lens_op_parse_sizes(value, arena, ret, 0, err);
	if (!cJSON_IsString(over) || !count ||
	    cJSON_GetObjectItemCaseSensitive(value, "sizes"))
		return lens_fail(err, EBADMSG,
				 "'over', a capture, and 'count', how many it "
				 "has, go together");
	ret->by = lens_arena_strndup(arena, over->valuestring,
				     strlen(over->valuestring));
	if (!ret->by)
		return lens_fail(err, ENOMEM, "no memory for a name");
	return lens_op_parse_value(count, arena, ret, 0, err);
}

/* {"dim": 0, "parts": 2} or {"dim": 0, "sizes": [...]} */
static int parse_split(const cJSON *value, struct lens_arena *arena,
		       struct lens_op_args *ret, struct lens_err *err)
{
	static const char *const members[] = { "dim", "sizes", "parts", NULL };
	const cJSON *parts = cJSON_GetObjectItemCaseSensitive(value, "parts");
	int64_t n;

	if (lens_op_parse_dim(value, members, ret, err) < 0)
		return -err->code;
	if (!parts) {
		if (lens_op_parse_sizes(value, arena, ret, 0, err) < 0)
			return -err->code;
		ret->parts = ret->n_values;
		return 0;
	}
	if (lens_op_parse_int(parts, &n, err) < 0 || n < 2 || n > 64 ||
	    cJSON_GetObjectItemCaseSensitive(value, "sizes"))
		return lens_fail(err, EBADMSG,
				 "'parts', from 2 to 64, or 'sizes' is wanted");
	ret->parts = (size_t)n;
	return 0;
}

static int concat(const struct lens_op_args *args,
		  const struct lens_virtual *in, size_t n,
		  struct lens_arena *arena, struct lens_virtual *out,
		  struct lens_err *err)
{
	unsigned d;

	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    lens_op_check_alike(in, n, (int)d, "joined", err) < 0)
		return -err->code;
	for (size_t i = 0; !args->by && i < n && i < args->n_values; i++)
		if (in[i].shape[d] != args->value[i])
			return lens_fail(err, EINVAL,
					 "'%s' has %llu, not %llu, in "
					 "dimension %u",
					 LENS_SHOW(in[i].key),
					 (unsigned long long)in[i].shape[d],
					 (unsigned long long)args->value[i], d);
	/* What is taken apart again has equal parts. */
	if (args->by && lens_op_check_alike(in, n, -1, "joined", err) < 0)
		return -err->code;
	return lens_virtual_join(in, n, d, arena, out, err);
}

/* Sizes of the parts of @in, which must come out even. */
static int check_sizes(const struct lens_op_args *args,
		       const struct lens_virtual *in, unsigned d,
		       struct lens_err *err)
{
	uint64_t sum = 0;

	if (args->by || !args->n_values) {
		if (args->parts && in->shape[d] % args->parts == 0)
			return 0;
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu and can't be split into "
				 "%zu equal parts",
				 d, (unsigned long long)in->shape[d],
				 args->parts);
	}
	for (unsigned i = 0; i < args->n_values; i++)
		sum += args->value[i]; /* each at most 2^53 */
	if (sum == in->shape[d])
		return 0;
	return lens_fail(err, EINVAL,
			 "dimension %u is %llu, but its parts are %llu "
			 "together",
			 d, (unsigned long long)in->shape[d],
			 (unsigned long long)sum);
}

static int split(const struct lens_op_args *args, const struct lens_virtual *in,
		 size_t n, struct lens_arena *arena, struct lens_virtual *out,
		 struct lens_err *err)
{
	const bool sized = !args->by && args->n_values;
	uint64_t from = 0;
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    check_sizes(args, in, d, err) < 0)
		return -err->code;
	for (size_t i = 0; i < args->parts; i++) {
		const uint64_t size =
			sized ? args->value[i] : in->shape[d] / args->parts;

		if (lens_virtual_cut(in, d, from, from + size, arena, &out[i],
				     err) < 0)
			return -err->code;
		from += size;
	}
	return 0;
}

static int concat_inverse(const struct lens_op_args *args, size_t n,
			  const struct lens_op **ret,
			  struct lens_op_args *ret_args, struct lens_err *err)
{
	(void)err;
	*ret = &lens_op_split;
	*ret_args = *args;
	ret_args->parts = n;
	return 0;
}

const struct lens_op lens_op_concat = {
	.name = "concat",
	.summary = "tensors one behind the other along a dimension",
	.takes = LENS_OP_JOIN,
	.parse = parse_concat,
	.map = concat,
	.inverse = concat_inverse,
};

const struct lens_op lens_op_split = {
	.name = "split",
	.summary = "parts of a dimension, equal ones or of sizes",
	.takes = LENS_OP_PART,
	.parse = parse_split,
	.map = split,
	.undone_by = &lens_op_concat,
};

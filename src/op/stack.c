/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - tensors of one shape become one with a dimension more in front,
 * in the order of a captured index; and back.
 */
#include "op/ops.h"

#include <errno.h>

/* {"E": N}: the capture, and how many it has; null: as many as there are. */
static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	const cJSON *count = cJSON_IsObject(value) ? value->child : NULL;

	if (!count || count->next)
		return lens_fail(err, EBADMSG,
				 "one capture and how many it has are wanted, "
				 "as in {\"E\": \"experts\"}");
	ret->by =
		lens_arena_strndup(arena, count->string, strlen(count->string));
	if (!ret->by)
		return lens_fail(err, ENOMEM, "no memory for a name");
	if (cJSON_IsNull(count))
		return 0;
	return lens_op_parse_value(count, arena, ret, 0, err);
}

static int map(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	size_t count;

	(void)args;
	if (lens_op_check_alike(in, n, -1, "stacked", err) < 0 ||
	    lens_op_start(in, in->rank + 1, lens_op_count_pieces(in, n), arena,
			  out, &pieces, &shape, err) < 0)
		return -err->code;
	for (unsigned d = 0; d < in->rank; d++)
		shape[d + 1] = in->shape[d];
	shape[0] = n;
	for (size_t i = 0; i < n; i++) {
		if (lens_virtual_pieces(&in[i], arena, &from, &count, err) < 0)
			return -err->code;
		for (size_t k = 0; k < count; k++)
			lens_piece_push(&from[k], 0, i, pieces++);
	}
	return 0;
}

static int unstack(const struct lens_op_args *args,
		   const struct lens_virtual *in, size_t n,
		   struct lens_arena *arena, struct lens_virtual *out,
		   struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces, cut;
	uint64_t *shape;
	size_t count;

	(void)n;
	if (!in->rank)
		return lens_fail(err, EINVAL, "a scalar can't be unstacked");
	if (in->shape[0] != args->parts)
		return lens_fail(err, EINVAL,
				 "its first dimension is %llu, not %zu",
				 (unsigned long long)in->shape[0], args->parts);
	if (lens_virtual_pieces(in, arena, &from, &count, err) < 0)
		return -err->code;
	for (size_t i = 0; i < args->parts; i++) {
		size_t k = 0;

		for (size_t j = 0; j < count; j++)
			k += lens_piece_cut(&from[j], 0, i, i + 1, &cut);
		if (lens_op_start(in, in->rank - 1, k, arena, &out[i], &pieces,
				  &shape, err) < 0)
			return -err->code;
		for (unsigned d = 0; d + 1 < in->rank; d++)
			shape[d] = in->shape[d + 1];
		for (size_t j = 0; j < count; j++)
			if (lens_piece_cut(&from[j], 0, i, i + 1, &cut))
				lens_piece_pop(&cut, 0, pieces++);
	}
	return 0;
}

const struct lens_op lens_op_stack = {
	.name = "stack",
	.summary = "tensors numbered by a capture become one, with a dimension "
		   "more in front",
	.takes = LENS_OP_JOIN,
	.parse = parse,
	.map = map,
	.undone_by = &lens_op_unstack,
};

const struct lens_op lens_op_unstack = {
	.summary = "a tensor for each index of the first dimension",
	.takes = LENS_OP_PART,
	.map = unstack,
};

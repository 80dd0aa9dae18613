/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - tensors of one shape become one with a dimension more in front,
 * in the order of a captured index; and back.
 */
#include "op/ops.h"

#include <errno.h>

static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	const cJSON *count = cJSON_IsObject(value) ? value->child : NULL;

	if (!count || count->next ||
	    !(cJSON_IsString(count) || cJSON_IsNull(count)))
		return lens_fail(err, EBADMSG,
				 "one capture and the parameter that counts it "
				 "are wanted, as in {\"E\": \"experts\"}");
	ret->by =
		lens_arena_strndup(arena, count->string, strlen(count->string));
	if (count->valuestring)
		ret->count = lens_arena_strndup(arena, count->valuestring,
						strlen(count->valuestring));
	if (!ret->by || (count->valuestring && !ret->count))
		return lens_fail(err, ENOMEM, "no memory for a name");
	return 0;
}

static int check_alike(const struct lens_virtual *in, size_t n,
		       struct lens_err *err)
{
	for (size_t i = 1; i < n; i++)
		if (in[i].dtype != in[0].dtype || in[i].rank != in[0].rank ||
		    memcmp(in[i].shape, in[0].shape,
			   in[0].rank * sizeof(*in[0].shape)) != 0)
			return lens_fail(err, EINVAL,
					 "'%s' and '%s' can't be stacked: they "
					 "differ in dtype or shape",
					 LENS_SHOW(in[0].key),
					 LENS_SHOW(in[i].key));
	return 0;
}

/* @p one dimension down, as number @at of the new first one. */
static void push(const struct lens_piece *p, uint64_t at,
		 struct lens_piece *ret)
{
	*ret = *p;
	for (unsigned d = LENS_DIMS - 1; d > 0; d--) {
		ret->origin[d] = p->origin[d - 1];
		ret->step[d] = p->step[d - 1];
		ret->count[d] = p->count[d - 1];
	}
	ret->origin[0] = at;
	ret->step[0] = 1;
	ret->count[0] = 1;
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] >= 0)
			ret->by[j]++;
}

static int map(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	size_t total = 0, count;

	(void)args;
	if (check_alike(in, n, err) < 0)
		return -err->code;
	for (size_t i = 0; i < n; i++)
		total += in[i].whole ? 1 : in[i].n_pieces;
	if (lens_op_start(in, in->rank + 1, total, arena, out, &pieces, &shape,
			  err) < 0)
		return -err->code;
	for (unsigned d = 0; d < in->rank; d++)
		shape[d + 1] = in->shape[d];
	shape[0] = n;
	for (size_t i = 0; i < n; i++) {
		if (lens_virtual_pieces(&in[i], arena, &from, &count, err) < 0)
			return -err->code;
		for (size_t k = 0; k < count; k++)
			push(&from[k], i, pieces++);
	}
	return 0;
}

static int inverse(const struct lens_op_args *args, size_t n,
		   const struct lens_op **ret, struct lens_op_args *ret_args,
		   struct lens_err *err)
{
	(void)n;
	(void)err;
	*ret = &lens_op_unstack;
	*ret_args = *args;
	return 0;
}

/* @p without its first dimension, at index @at of it. */
static void pop(const struct lens_piece *p, struct lens_piece *ret)
{
	*ret = *p;
	for (unsigned d = 0; d + 1 < LENS_DIMS; d++) {
		ret->origin[d] = p->origin[d + 1];
		ret->step[d] = p->step[d + 1];
		ret->count[d] = p->count[d + 1];
	}
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] >= 0)
			ret->by[j]--; /* 0 becomes -1: the origin alone */
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
				pop(&cut, pieces++);
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
	.inverse = inverse,
};

const struct lens_op lens_op_unstack = {
	.summary = "a tensor for each index of the first dimension",
	.takes = LENS_OP_PART,
	.map = unstack,
};

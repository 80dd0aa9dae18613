/* SPDX-License-Identifier: Apache-2.0 */
/*
 * squeeze.c - a dimension of one index goes, or comes.
 */
#include "op/ops.h"

#include <errno.h>

static int squeeze(const struct lens_op_args *args,
		   const struct lens_virtual *in, size_t n,
		   struct lens_arena *arena, struct lens_virtual *out,
		   struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	size_t count;
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0)
		return -err->code;
	if (in->shape[d] != 1)
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu, and only one of 1 can "
				 "be left out",
				 d, (unsigned long long)in->shape[d]);
	if (lens_virtual_pieces(in, arena, &from, &count, err) < 0 ||
	    lens_op_start(in, in->rank - 1, count, arena, out, &pieces, &shape,
			  err) < 0)
		return -err->code;
	for (unsigned i = d; i + 1 < in->rank; i++)
		shape[i] = in->shape[i + 1];
	for (size_t i = 0; i < count; i++)
		lens_piece_pop(&from[i], d, &pieces[i]);
	return 0;
}

static int unsqueeze(const struct lens_op_args *args,
		     const struct lens_virtual *in, size_t n,
		     struct lens_arena *arena, struct lens_virtual *out,
		     struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	size_t count;
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank + 1, &d, err) < 0 ||
	    lens_virtual_pieces(in, arena, &from, &count, err) < 0 ||
	    lens_op_start(in, in->rank + 1, count, arena, out, &pieces, &shape,
			  err) < 0)
		return -err->code;
	for (unsigned i = in->rank; i > d; i--)
		shape[i] = in->shape[i - 1];
	shape[d] = 1;
	for (size_t i = 0; i < count; i++)
		lens_piece_push(&from[i], d, 0, &pieces[i]);
	return 0;
}

const struct lens_op lens_op_squeeze = {
	.name = "squeeze",
	.summary = "without a dimension of one index",
	.takes = LENS_OP_EACH,
	.parse = lens_op_parse_one_dim,
	.map = squeeze,
	.undone_by = &lens_op_unsqueeze,
};

const struct lens_op lens_op_unsqueeze = {
	.name = "unsqueeze",
	.summary = "with one more dimension, of one index",
	.takes = LENS_OP_EACH,
	.parse = lens_op_parse_one_dim,
	.map = unsqueeze,
	.undone_by = &lens_op_squeeze,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transpose.c - two dimensions change places.
 */
#include "op/ops.h"

#include <errno.h>

static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	(void)arena;
	if (cJSON_GetArraySize(value) != 2 ||
	    lens_op_parse_int(cJSON_GetArrayItem(value, 0), &ret->dim[0], err) <
		    0 ||
	    lens_op_parse_int(cJSON_GetArrayItem(value, 1), &ret->dim[1], err) <
		    0)
		return lens_fail(err, EBADMSG,
				 "two dimensions are wanted, as in [1, 2]");
	return 0;
}

#define SWAP(a, b)                      \
	do {                            \
		__typeof__(a) t_ = (a); \
		(a) = (b);              \
		(b) = t_;               \
	} while (0)

static void turn(struct lens_piece *p, unsigned a, unsigned b)
{
	SWAP(p->origin[a], p->origin[b]);
	SWAP(p->step[a], p->step[b]);
	SWAP(p->count[a], p->count[b]);
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] == (int8_t)a)
			p->by[j] = (int8_t)b;
		else if (p->by[j] == (int8_t)b)
			p->by[j] = (int8_t)a;
}

static int map(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	unsigned a, b;
	size_t count;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &a, err) < 0 ||
	    lens_op_dim(args->dim[1], in->rank, &b, err) < 0 ||
	    lens_virtual_pieces(in, arena, &from, &count, err) < 0 ||
	    lens_op_start(in, in->rank, count, arena, out, &pieces, &shape,
			  err) < 0)
		return -err->code;
	SWAP(shape[a], shape[b]);
	for (size_t i = 0; i < count; i++) {
		pieces[i] = from[i];
		if (a != b)
			turn(&pieces[i], a, b);
	}
	return 0;
}

const struct lens_op lens_op_transpose = {
	.name = "transpose",
	.summary = "two dimensions change places",
	.takes = LENS_OP_EACH,
	.parse = parse,
	.map = map,
	.undone_by = &lens_op_transpose,
};

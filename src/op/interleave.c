/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interleave.c - the two halves of a dimension become its even and its odd
 * indexes; and back.
 */
#include "op/ops.h"

#include <errno.h>

static int check(const struct lens_op_args *args, const struct lens_virtual *in,
		 unsigned *d, struct lens_err *err)
{
	if (lens_op_dim(args->dim[0], in->rank, d, err) < 0)
		return -err->code;
	if (in->shape[*d] % 2)
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu and has no halves", *d,
				 (unsigned long long)in->shape[*d]);
	return 0;
}

/* The part of @p in half @h, at every second index. */
static bool spread(const struct lens_piece *p, unsigned d, uint64_t half,
		   unsigned h, struct lens_piece *ret)
{
	if (!lens_piece_cut(p, d, h * half, (h + 1) * half, ret))
		return false;
	ret->origin[d] = ret->origin[d] * 2 + h;
	ret->step[d] *= 2;
	return true;
}

/* The part of @p at indexes of parity @h, in half @h. */
static bool collect(const struct lens_piece *p, unsigned d, uint64_t half,
		    unsigned h, struct lens_piece *ret)
{
	const uint64_t o = p->origin[d], s = p->step[d];
	const uint64_t first = o % 2 == h ? 0 : 1;

	*ret = *p;
	if (s % 2 == 0) {
		ret->origin[d] = o / 2 + h * half;
		ret->step[d] = s / 2;
		return !first;
	}
	if (first >= p->count[d])
		return false;
	ret->count[d] = (p->count[d] - first + 1) / 2;
	ret->origin[d] = (o + s * first) / 2 + h * half;
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] == (int)d) {
			ret->src_origin[j] += p->src_step[j] * first;
			ret->src_step[j] *= 2;
		}
	return true;
}

typedef bool part_of(const struct lens_piece *p, unsigned d, uint64_t half,
		     unsigned h, struct lens_piece *ret);

static int both(const struct lens_op_args *args, const struct lens_virtual *in,
		part_of *part, struct lens_arena *arena,
		struct lens_virtual *out, struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape, half;
	size_t count, n = 0;
	unsigned d;

	if (check(args, in, &d, err) < 0 ||
	    lens_virtual_pieces(in, arena, &from, &count, err) < 0 ||
	    lens_op_start(in, in->rank, count * 2, arena, out, &pieces, &shape,
			  err) < 0)
		return -err->code;
	half = in->shape[d] / 2;
	for (size_t i = 0; i < count; i++)
		for (unsigned h = 0; h < 2; h++)
			n += part(&from[i], d, half, h, &pieces[n]);
	out->n_pieces = n;
	return 0;
}

static int interleave(const struct lens_op_args *args,
		      const struct lens_virtual *in, size_t n,
		      struct lens_arena *arena, struct lens_virtual *out,
		      struct lens_err *err)
{
	(void)n;
	return both(args, in, spread, arena, out, err);
}

static int deinterleave(const struct lens_op_args *args,
			const struct lens_virtual *in, size_t n,
			struct lens_arena *arena, struct lens_virtual *out,
			struct lens_err *err)
{
	(void)n;
	return both(args, in, collect, arena, out, err);
}

const struct lens_op lens_op_interleave = {
	.name = "interleave",
	.summary = "a dimension's halves become its even and odd indexes",
	.takes = LENS_OP_EACH,
	.parse = lens_op_parse_one_dim,
	.map = interleave,
	.undone_by = &lens_op_deinterleave,
};

const struct lens_op lens_op_deinterleave = {
	.name = "deinterleave",
	.summary = "a dimension's even and odd indexes become its halves",
	.takes = LENS_OP_EACH,
	.parse = lens_op_parse_one_dim,
	.map = deinterleave,
	.undone_by = &lens_op_interleave,
};

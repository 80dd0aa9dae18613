/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concat.c - tensors one behind the other along a dimension, in the order of
 * the rule's patterns; and back, in equal parts.
 */
#include "op/ops.h"

#include <errno.h>

static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	(void)arena;
	if (lens_op_parse_int(value, &ret->dim[0], err) < 0)
		return lens_fail(err, EBADMSG,
				 "a dimension is wanted, as in -1");
	return 0;
}

static int check_alike(const struct lens_virtual *in, size_t n, unsigned dim,
		       struct lens_err *err)
{
	for (size_t i = 1; i < n; i++) {
		bool same =
			in[i].dtype == in[0].dtype && in[i].rank == in[0].rank;

		for (unsigned d = 0; same && d < in[0].rank; d++)
			same = d == dim || in[i].shape[d] == in[0].shape[d];
		if (!same)
			return lens_fail(err, EINVAL,
					 "'%s' and '%s' can't be joined: they "
					 "differ in dtype or shape beyond "
					 "dimension %u",
					 LENS_SHOW(in[0].key),
					 LENS_SHOW(in[i].key), dim);
	}
	return 0;
}

static int map(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	size_t total = 0, count;
	unsigned d;

	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    check_alike(in, n, d, err) < 0)
		return -err->code;
	for (size_t i = 0; i < n; i++)
		total += in[i].whole ? 1 : in[i].n_pieces;
	if (lens_op_start(in, in->rank, total, arena, out, &pieces, &shape,
			  err) < 0)
		return -err->code;
	shape[d] = 0;
	for (size_t i = 0; i < n; i++) {
		if (lens_virtual_pieces(&in[i], arena, &from, &count, err) < 0)
			return -err->code;
		for (size_t k = 0; k < count; k++, pieces++) {
			*pieces = from[k];
			pieces->origin[d] += shape[d];
		}
		if (__builtin_add_overflow(shape[d], in[i].shape[d], &shape[d]))
			return lens_fail(err, EOVERFLOW,
					 "dimension %u overflows 64 bits", d);
	}
	return 0;
}

static int inverse(const struct lens_op_args *args, size_t n,
		   const struct lens_op **ret, struct lens_op_args *ret_args,
		   struct lens_err *err)
{
	(void)err;
	*ret = &lens_op_split;
	*ret_args = *args;
	ret_args->parts = n;
	return 0;
}

static int split(const struct lens_op_args *args, const struct lens_virtual *in,
		 size_t n, struct lens_arena *arena, struct lens_virtual *out,
		 struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces, cut;
	uint64_t *shape, part;
	size_t count;
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    lens_virtual_pieces(in, arena, &from, &count, err) < 0)
		return -err->code;
	if (in->shape[d] % args->parts)
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu and can't be split into "
				 "%zu equal parts",
				 d, (unsigned long long)in->shape[d],
				 args->parts);
	part = in->shape[d] / args->parts;
	for (size_t i = 0; i < args->parts; i++) {
		size_t k = 0;

		for (size_t j = 0; j < count; j++)
			k += lens_piece_cut(&from[j], d, i * part,
					    (i + 1) * part, &cut);
		if (lens_op_start(in, in->rank, k, arena, &out[i], &pieces,
				  &shape, err) < 0)
			return -err->code;
		shape[d] = part;
		for (size_t j = 0; j < count; j++)
			if (lens_piece_cut(&from[j], d, i * part,
					   (i + 1) * part, &cut))
				*pieces++ = cut;
	}
	return 0;
}

const struct lens_op lens_op_concat = {
	.name = "concat",
	.summary = "tensors one behind the other along a dimension",
	.takes = LENS_OP_JOIN,
	.parse = parse,
	.map = map,
	.inverse = inverse,
};

const struct lens_op lens_op_split = {
	.summary = "equal parts of a dimension",
	.takes = LENS_OP_PART,
	.map = split,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.c - the list of ops, and what they share.  A new op is a file and a line
 * here.
 */
#include "op/ops.h"

#include <errno.h>

static const struct lens_op *const ops[] = {
	&lens_op_transpose,
	&lens_op_cast,
	&lens_op_stack,
	&lens_op_concat,
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

enum lens_dtype lens_producer_dtype(const struct lens_producer *p)
{
	return p->n_steps ? p->step[p->n_steps - 1] : p->dtype;
}

void lens_virtual_init(struct lens_virtual *v, const struct lens_producer *from)
{
	*v = (struct lens_virtual){
		.key = from->stored.key,
		.dtype = lens_producer_dtype(from),
		.rank = from->stored.rank,
		.shape = from->stored.shape,
		.whole = from,
	};
}

int lens_virtual_pieces(const struct lens_virtual *v, struct lens_arena *arena,
			const struct lens_piece **ret, size_t *n,
			struct lens_err *err)
{
	struct lens_piece *p;

	if (!v->whole) {
		*ret = v->pieces;
		*n = v->n_pieces;
		return 0;
	}
	if (v->rank > LENS_DIMS)
		return lens_fail(
			err, EOPNOTSUPP,
			"it has %u dimensions; up to %d can be rearranged",
			v->rank, LENS_DIMS);
	p = lens_arena_alloc(arena, sizeof(*p));
	if (!p)
		return lens_fail(err, ENOMEM, "no memory for a piece");
	p->from = v->whole;
	memset(p->by, -1, sizeof(p->by));
	for (unsigned d = 0; d < v->rank; d++) {
		p->count[d] = v->shape[d];
		p->step[d] = 1;
		p->src_step[d] = 1;
		p->by[d] = (int8_t)d;
	}
	*ret = p;
	*n = 1;
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

int lens_op_start(const struct lens_virtual *v, unsigned rank, size_t n_pieces,
		  struct lens_arena *arena, struct lens_virtual *ret,
		  struct lens_piece **pieces, uint64_t **shape,
		  struct lens_err *err)
{
	if (rank > LENS_DIMS)
		return lens_fail(
			err, EOPNOTSUPP,
			"it would have %u dimensions; at most %d can be made",
			rank, LENS_DIMS);
	*pieces = lens_arena_alloc(arena, (n_pieces ? n_pieces : 1) *
						  sizeof(**pieces));
	*shape = lens_arena_alloc(arena, (rank ? rank : 1) * sizeof(**shape));
	if (!*pieces || !*shape)
		return lens_fail(err, ENOMEM, "no memory for %zu pieces",
				 n_pieces);
	for (unsigned d = 0; d < rank && d < v->rank; d++)
		(*shape)[d] = v->shape[d];
	*ret = (struct lens_virtual){
		.key = v->key,
		.dtype = v->dtype,
		.rank = rank,
		.shape = *shape,
		.n_pieces = n_pieces,
		.pieces = *pieces,
	};
	return 0;
}

bool lens_piece_cut(const struct lens_piece *p, unsigned d, uint64_t lo,
		    uint64_t hi, struct lens_piece *ret)
{
	const uint64_t o = p->origin[d], s = p->step[d];
	uint64_t first = o >= lo ? 0 : (lo - o + s - 1) / s;
	uint64_t end = o >= hi ? 0 : (hi - o + s - 1) / s;

	if (end > p->count[d])
		end = p->count[d];
	if (first >= end)
		return false;
	*ret = *p;
	ret->origin[d] = o + first * s - lo;
	ret->count[d] = end - first;
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] == (int8_t)d)
			ret->src_origin[j] += first * p->src_step[j];
	return true;
}

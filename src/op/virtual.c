/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtual.c - tensors on their way and the pieces that cover them: what ops
 * are made of.
 */
#include "op/ops.h"

#include <errno.h>

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

void lens_piece_push(const struct lens_piece *p, unsigned d, uint64_t at,
		     struct lens_piece *ret)
{
	*ret = *p;
	for (unsigned i = LENS_DIMS - 1; i > d; i--) {
		ret->origin[i] = p->origin[i - 1];
		ret->step[i] = p->step[i - 1];
		ret->count[i] = p->count[i - 1];
	}
	ret->origin[d] = at;
	ret->step[d] = 1;
	ret->count[d] = 1;
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] >= (int)d)
			ret->by[j]++;
}

void lens_piece_pop(const struct lens_piece *p, unsigned d,
		    struct lens_piece *ret)
{
	*ret = *p;
	for (unsigned i = d; i + 1 < LENS_DIMS; i++) {
		ret->origin[i] = p->origin[i + 1];
		ret->step[i] = p->step[i + 1];
		ret->count[i] = p->count[i + 1];
	}
	for (unsigned j = 0; j < LENS_DIMS; j++)
		if (p->by[j] == (int)d)
			ret->by[j] = -1; /* the origin alone */
		else if (p->by[j] > (int)d)
			ret->by[j]--;
}

size_t lens_op_count_pieces(const struct lens_virtual *in, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += in[i].whole ? 1 : in[i].n_pieces;
	return total;
}

int lens_virtual_cut(const struct lens_virtual *v, unsigned d, uint64_t lo,
		     uint64_t hi, struct lens_arena *arena,
		     struct lens_virtual *ret, struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces, cut;
	uint64_t *shape;
	size_t count, k = 0;

	if (lens_virtual_pieces(v, arena, &from, &count, err) < 0)
		return -err->code;
	for (size_t j = 0; j < count; j++)
		k += lens_piece_cut(&from[j], d, lo, hi, &cut);
	if (lens_op_start(v, v->rank, k, arena, ret, &pieces, &shape, err) < 0)
		return -err->code;
	shape[d] = hi - lo;
	for (size_t j = 0; j < count; j++)
		if (lens_piece_cut(&from[j], d, lo, hi, &cut))
			*pieces++ = cut;
	return 0;
}

int lens_virtual_fill(const struct lens_virtual *v, double value,
		      const uint64_t *shape, unsigned rank,
		      struct lens_arena *arena, struct lens_virtual *ret,
		      struct lens_err *err)
{
	struct lens_producer *q = lens_arena_alloc(arena, sizeof(*q));
	uint64_t *copy =
		lens_arena_alloc(arena, (rank ? rank : 1) * sizeof(*copy));

	if (!q || !copy)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	for (unsigned d = 0; d < rank; d++)
		copy[d] = shape[d];
	q->kind = LENS_FILL;
	q->fill = value;
	q->dtype = v->dtype;
	q->stored.key = v->key;
	q->stored.rank = rank;
	q->stored.shape = copy;
	lens_virtual_init(ret, q);
	return 0;
}

int lens_virtual_join(const struct lens_virtual *in, size_t n, unsigned d,
		      struct lens_arena *arena, struct lens_virtual *out,
		      struct lens_err *err)
{
	const struct lens_piece *from;
	struct lens_piece *pieces;
	uint64_t *shape;
	size_t count;

	if (lens_op_start(in, in->rank, lens_op_count_pieces(in, n), arena, out,
			  &pieces, &shape, err) < 0)
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops.h - the ops, each in the file of its name, and what they share.
 */
#ifndef LENS_OP_OPS_H
#define LENS_OP_OPS_H

#include "lens/op.h"

extern const struct lens_op lens_op_transpose;
extern const struct lens_op lens_op_cast;
extern const struct lens_op lens_op_stack, lens_op_unstack;
extern const struct lens_op lens_op_concat, lens_op_split;

/* -1 of rank 3 is 2. Refuses what is outside. */
int lens_op_dim(int64_t dim, unsigned rank, unsigned *ret,
		struct lens_err *err);
/* A whole number, possibly negative, of a recipe. */
int lens_op_parse_int(const cJSON *item, int64_t *ret, struct lens_err *err);

/* A copy of @v with @n_pieces writable pieces and a writable shape of @rank. */
int lens_op_start(const struct lens_virtual *v, unsigned rank, size_t n_pieces,
		  struct lens_arena *arena, struct lens_virtual *ret,
		  struct lens_piece **pieces, uint64_t **shape,
		  struct lens_err *err);

/*
 * The part of @p whose index in dimension @d is in [lo, hi), counted from lo.
 * false if there is none.
 */
bool lens_piece_cut(const struct lens_piece *p, unsigned d, uint64_t lo,
		    uint64_t hi, struct lens_piece *ret);

#endif

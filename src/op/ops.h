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
extern const struct lens_op lens_op_order;
extern const struct lens_op lens_op_deal, lens_op_undeal;
extern const struct lens_op lens_op_squeeze, lens_op_unsqueeze;
extern const struct lens_op lens_op_slice, lens_op_pad;
extern const struct lens_op lens_op_interleave, lens_op_deinterleave;
extern const struct lens_op lens_op_fold;

/* -1 of rank 3 is 2. Refuses what is outside. */
int lens_op_dim(int64_t dim, unsigned rank, unsigned *ret,
		struct lens_err *err);
/* A whole number, possibly negative, of a recipe. */
int lens_op_parse_int(const cJSON *item, int64_t *ret, struct lens_err *err);

/* parse() of an op whose argument is a dimension. */
int lens_op_parse_one_dim(const cJSON *value, struct lens_arena *arena,
			  struct lens_op_args *ret, struct lens_err *err);
/* The number of a recipe, or the expression, that is to be argument @i. */
int lens_op_parse_value(const cJSON *item, struct lens_arena *arena,
			struct lens_op_args *args, unsigned i,
			struct lens_err *err);
/* An object with these members alone (NULL at the end), and "dim" first. */
int lens_op_parse_dim(const cJSON *value, const char *const *members,
		      struct lens_op_args *args, struct lens_err *err);
/* Member "sizes", an array, as the arguments from @first on. */
int lens_op_parse_sizes(const cJSON *value, struct lens_arena *arena,
			struct lens_op_args *args, unsigned first,
			struct lens_err *err);
/* All alike in dtype, rank and shape, but for dimension @dim (-1: none). */
int lens_op_check_alike(const struct lens_virtual *in, size_t n, int dim,
			const char *what, struct lens_err *err);
/* Pieces of all inputs together. */
size_t lens_op_count_pieces(const struct lens_virtual *in, size_t n);

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
/* @p with a dimension more, number @d, of which it is at index @at; and
 * without dimension @d, of which it has one index. */
void lens_piece_push(const struct lens_piece *p, unsigned d, uint64_t at,
		     struct lens_piece *ret);
void lens_piece_pop(const struct lens_piece *p, unsigned d,
		    struct lens_piece *ret);
/* Indexes [lo, hi) of dimension @d of @v, counted from lo, as a tensor. */
int lens_virtual_cut(const struct lens_virtual *v, unsigned d, uint64_t lo,
		     uint64_t hi, struct lens_arena *arena,
		     struct lens_virtual *ret, struct lens_err *err);
/* A constant of @v's dtype in the shape of @v. */
int lens_virtual_fill(const struct lens_virtual *v, double value,
		      const uint64_t *shape, unsigned rank,
		      struct lens_arena *arena, struct lens_virtual *ret,
		      struct lens_err *err);
/* @n tensors one behind the other in dimension @d. */
int lens_virtual_join(const struct lens_virtual *in, size_t n, unsigned d,
		      struct lens_arena *arena, struct lens_virtual *out,
		      struct lens_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/op.h - changes of layout, and the pieces they leave.
 *
 * An op works on descriptions, never on bytes: it runs when a recipe is
 * compiled and may refuse with a reason.  What read(2) executes are the pieces
 * that all ops of a chain together have left.
 */
#ifndef LENS_OP_H
#define LENS_OP_H

#include "lens/codec.h"
#include "lens/expr.h"

/* Value steps: each rounds once, to its dtype. */
#define LENS_STEPS 4

struct lens_encoder; /* plan's: codes of values, and their scales */

/* What makes a piece's values. Immutable; shared by pieces. */
struct lens_producer {
	enum lens_producer_kind {
		LENS_STORED, /* a tensor of the source, decoded */
		LENS_FILL,   /* one value everywhere */
		LENS_SCALES, /* the scales of @scales, F32; whole tensors only
			      */
	} kind;
	struct lens_stored stored;
	double fill;
	const struct lens_encoder *scales;
	enum lens_dtype dtype; /* before the steps */
	unsigned n_steps;
	enum lens_dtype step[LENS_STEPS]; /* casts, in order */
};

/* The dtype that comes out of a producer. */
enum lens_dtype lens_producer_dtype(const struct lens_producer *p);

/*
 * A box of an output tensor and where its elements come from.  The box is
 * { origin[d] + step[d] * k : k < count[d] } in each output dimension d.  The
 * source's index in its dimension j is src_origin[j] + src_step[j] * k of
 * output dimension by[j], or src_origin[j] alone where by[j] is -1.
 */
struct lens_piece {
	const struct lens_producer *from;
	uint64_t origin[LENS_DIMS], step[LENS_DIMS], count[LENS_DIMS];
	uint64_t src_origin[LENS_DIMS], src_step[LENS_DIMS];
	int8_t by[LENS_DIMS];
};

/*
 * A tensor on its way: its shape, and the pieces that cover it exactly.  With
 * n_pieces 0, @whole gives every byte unchanged (any rank, any dtype).
 */
struct lens_virtual {
	const char *key; /* a name for messages: a source key it is made of */
	enum lens_dtype dtype;
	unsigned rank;
	const uint64_t *shape;
	const struct lens_producer *whole;
	size_t n_pieces;
	const struct lens_piece *pieces;
};

/* A virtual tensor of all of @from. */
void lens_virtual_init(struct lens_virtual *v,
		       const struct lens_producer *from);
/* Its pieces, also for a whole one. EOPNOTSUPP for more than LENS_DIMS
 * dimensions. */
int lens_virtual_pieces(const struct lens_virtual *v, struct lens_arena *arena,
			const struct lens_piece **ret, size_t *n,
			struct lens_err *err) LENS_MUST_CHECK;

#define LENS_OP_VALUES 8

/* The arguments of an op, checked when the recipe was parsed. */
struct lens_op_args {
	int64_t dim[2]; /* may be negative: from the end */
	const char *by; /* the capture it runs over; NULL: the patterns */
	enum lens_dtype dtype;
	const char *param; /* cast: the parameter that says the dtype */
	size_t parts;      /* how many come out of LENS_OP_PART */
	/* Numbers, known when a plan is made. */
	unsigned n_values;
	const struct lens_expr *expr[LENS_OP_VALUES];
	uint64_t value[LENS_OP_VALUES];
	size_t order[LENS_OP_VALUES]; /* order: which becomes number i */
};

struct lens_op {
	const char *name;    /* as a recipe spells it; NULL: only an inverse */
	const char *summary; /* one line, for the manual and `lensfs recipes
				--ops` */
	enum lens_op_shape {
		LENS_OP_EACH, /* one in, one out */
		LENS_OP_JOIN, /* all in, one out */
		LENS_OP_PART, /* one in, args->parts out; of a capture as many
				 as value[0] or else the dimension says */
		LENS_OP_SHUFFLE, /* all in, as many out */
	} takes;
	/* What its inverse can't bring back, in a word ("rounding"); NULL:
	 * nothing is lost. */
	const char *loses;

	/* From a recipe. */
	int (*parse)(const cJSON *value, struct lens_arena *arena,
		     struct lens_op_args *ret, struct lens_err *err);
	/* Make the outputs' descriptions of the inputs'; all checks are here.
	 */
	int (*map)(const struct lens_op_args *args,
		   const struct lens_virtual *in, size_t n,
		   struct lens_arena *arena, struct lens_virtual *out,
		   struct lens_err *err);
	/* The op that undoes this one, with the same arguments; NULL: see
	 * inverse(). */
	const struct lens_op *undone_by;
	/* The op that undoes this one of @n inputs (*ret NULL: nothing need be
	 * done), or a refusal that says why none does. */
	int (*inverse)(const struct lens_op_args *args, size_t n,
		       const struct lens_op **ret,
		       struct lens_op_args *ret_args, struct lens_err *err);
};

size_t lens_op_count(void);
const struct lens_op *lens_op_at(size_t i);
const struct lens_op *lens_op_find(const char *name);
/* The op that undoes @op of @n inputs; *ret NULL: nothing need be done.
 * EOPNOTSUPP: none does. */
int lens_op_inverse(const struct lens_op *op, const struct lens_op_args *args,
		    size_t n, const struct lens_op **ret,
		    struct lens_op_args *ret_args,
		    struct lens_err *err) LENS_MUST_CHECK;

#endif

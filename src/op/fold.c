/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold.c - a tensor times another that has one number for each index of a
 * dimension.  The product is rounded in the wider of their dtypes.
 */
#include "op/ops.h"

#include <errno.h>

/* Decodes nothing by itself: what is multiplied so is told by its name. */
static const struct lens_codec product = { .name = "product" };

static bool is_plain(const struct lens_virtual *v)
{
	return v->whole && v->whole->kind == LENS_STORED &&
	       !v->whole->stored.codec && !v->whole->n_steps &&
	       (v->dtype == LENS_F32 || v->dtype == LENS_BF16 ||
		v->dtype == LENS_F16);
}

static int check(const struct lens_virtual *in, size_t n, unsigned d,
		 struct lens_err *err)
{
	if (n != 2)
		return lens_fail(err, EINVAL,
				 "a tensor and its factors are wanted, not %zu "
				 "tensors",
				 n);
	if (!is_plain(&in[0]) || !is_plain(&in[1]))
		return lens_fail(err, EOPNOTSUPP,
				 "'%s' and '%s' can't be multiplied: BF16, F16 "
				 "or F32 as they are stored are wanted",
				 LENS_SHOW(in[0].key), LENS_SHOW(in[1].key));
	if (in[1].rank != 1 || in[1].shape[0] != in[0].shape[d] ||
	    in[0].rank > LENS_DIMS)
		return lens_fail(err, EINVAL,
				 "'%s' does not have %llu factors, one for "
				 "each index of dimension %u of '%s'",
				 LENS_SHOW(in[1].key),
				 (unsigned long long)in[0].shape[d], d,
				 LENS_SHOW(in[0].key));
	return 0;
}

static int fold(const struct lens_op_args *args, const struct lens_virtual *in,
		size_t n, struct lens_arena *arena, struct lens_virtual *out,
		struct lens_err *err)
{
	struct lens_producer *q;
	struct lens_stored *s;
	unsigned d;

	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    check(in, n, d, err) < 0)
		return -err->code;
	q = lens_arena_alloc(arena, sizeof(*q));
	if (!q)
		return lens_fail(err, ENOMEM, "no memory for a product");
	*q = *in[0].whole;
	s = &q->stored;
	s->codec = &product;
	s->dtype = in[0].dtype == in[1].dtype ? in[0].dtype : LENS_F32;
	s->n_companions = 1;
	lens_companion_init(&s->companion[0], in[1].whole->stored.read,
			    LENS_SCALE);
	s->companion[0].dim[0] = (int8_t)d;
	q->dtype = s->dtype;
	lens_virtual_init(out, q);
	return 0;
}

static int inverse(const struct lens_op_args *args, size_t n,
		   const struct lens_op **ret, struct lens_op_args *ret_args,
		   struct lens_err *err)
{
	(void)args;
	(void)n;
	(void)ret;
	(void)ret_args;
	return lens_fail(err, EOPNOTSUPP, "the factors are lost");
}

const struct lens_op lens_op_fold = {
	.name = "fold-scale",
	.summary = "a tensor times the factors of a dimension's indexes",
	.takes = LENS_OP_JOIN,
	.loses = "the factors",
	.parse = lens_op_parse_one_dim,
	.map = fold,
	.inverse = inverse,
};

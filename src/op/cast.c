/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cast.c - values in another dtype, rounded to nearest even.
 *
 * The argument is a dtype ("f32") or the name of a parameter that holds one;
 * the parameter is resolved when a plan is compiled.
 */
#include "op/ops.h"

#include <errno.h>

static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	const char *s = cJSON_GetStringValue(value);

	if (!s)
		return lens_fail(err, EBADMSG,
				 "a dtype or a parameter is wanted");
	ret->dtype = lens_dtype_parse(s);
	if (ret->dtype != LENS_DTYPE_INVALID)
		return 0;
	ret->param = lens_arena_strndup(arena, s, strlen(s));
	return ret->param ? 0 : lens_fail(err, ENOMEM, "no memory for a name");
}

/*
 * Cast goes through f32: only what f32 holds exactly may come in.  FP8 never
 * does: where a cast meets it, its scale is missing, and codes are no values.
 */
static bool castable(enum lens_dtype from, enum lens_dtype to)
{
	bool out = to == LENS_F32 || to == LENS_BF16 || to == LENS_F16 ||
		   to == LENS_F8_E4M3;

	return out &&
	       (from == LENS_F32 || from == LENS_BF16 || from == LENS_F16);
}

static int refuse(const struct lens_virtual *in, enum lens_dtype to,
		  struct lens_err *err)
{
	if (in->dtype == LENS_F8_E4M3 || in->dtype == LENS_F8_E5M2)
		return lens_fail(err, EINVAL,
				 "it is %s and has no scale, so that its codes "
				 "are no values",
				 lens_dtype_name(in->dtype));
	return lens_fail(err, EOPNOTSUPP, "a cast from %s to %s is not done",
			 lens_dtype_name(in->dtype), lens_dtype_name(to));
}

/* @p with one step more; the last one made is used again. */
static const struct lens_producer *stepped(const struct lens_producer *p,
					   enum lens_dtype to,
					   const struct lens_producer *last[2],
					   struct lens_arena *arena)
{
	struct lens_producer *q;

	if (last[0] == p)
		return last[1];
	if (p->n_steps == LENS_STEPS)
		return NULL;
	q = lens_arena_alloc(arena, sizeof(*q));
	if (!q)
		return NULL;
	*q = *p;
	q->step[q->n_steps++] = to;
	last[0] = p;
	last[1] = q;
	return q;
}

static int map(const struct lens_op_args *args, const struct lens_virtual *in,
	       size_t n, struct lens_arena *arena, struct lens_virtual *out,
	       struct lens_err *err)
{
	const struct lens_producer *last[2] = { NULL, NULL };
	struct lens_piece *pieces;
	uint64_t *shape;

	(void)n;
	if (in->dtype == args->dtype) {
		*out = *in;
		return 0;
	}
	if (!castable(in->dtype, args->dtype))
		return refuse(in, args->dtype, err);
	if (in->whole) {
		*out = *in;
		out->whole = stepped(in->whole, args->dtype, last, arena);
		if (!out->whole)
			return lens_fail(
				err, ENOMEM,
				"more than %d casts in a row, or no memory",
				LENS_STEPS);
	} else {
		if (lens_op_start(in, in->rank, in->n_pieces, arena, out,
				  &pieces, &shape, err) < 0)
			return -err->code;
		for (size_t i = 0; i < in->n_pieces; i++) {
			pieces[i] = in->pieces[i];
			pieces[i].from = stepped(in->pieces[i].from,
						 args->dtype, last, arena);
			if (!pieces[i].from)
				return lens_fail(err, ENOMEM,
						 "more than %d casts in a row, "
						 "or no memory",
						 LENS_STEPS);
		}
	}
	out->dtype = args->dtype;
	return 0;
}

/* The dtype that was before is not known; what came out stays. */
static int inverse(const struct lens_op_args *args, size_t n,
		   const struct lens_op **ret, struct lens_op_args *ret_args,
		   struct lens_err *err)
{
	(void)args;
	(void)n;
	(void)ret_args;
	(void)err;
	*ret = NULL;
	return 0;
}

const struct lens_op lens_op_cast = {
	.name = "cast",
	.summary = "values in another dtype, rounded to nearest even",
	.takes = LENS_OP_EACH,
	.loses = "rounding",
	.parse = parse,
	.map = map,
	.inverse = inverse,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made.c - tensors that the view has and the source lacks: constants, tables,
 * and others under one more name.
 */
#include "plan/state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define MOST_TABLE 65536u /* elements of a computed table */

static int eval_shape(struct lens_plan *p, const struct lens_fill_rule *f,
		      const struct lens_captures *caps, uint64_t *shape,
		      struct lens_err *err)
{
	const struct lens_about a = { .p = p, .caps = caps };

	for (unsigned d = 0; d < f->rank; d++) {
		if (lens_plan_eval(&a, f->dims[d], &shape[d], err) < 0)
			return -err->code;
		if (shape[d] > (1ull << 40))
			return lens_fail(err, EINVAL,
					 "%s is %llu, too many for a dimension",
					 lens_expr_text(f->dims[d]),
					 (unsigned long long)shape[d]);
	}
	return 0;
}

static struct lens_producer *constant(struct lens_plan *p, const char *key,
				      enum lens_dtype dtype, double value,
				      unsigned rank, const uint64_t *shape)
{
	struct lens_producer *q = lens_arena_alloc(&p->arena, sizeof(*q));

	if (!q)
		return NULL;
	q->kind = LENS_FILL;
	q->fill = value;
	q->dtype = dtype;
	q->stored.key = key;
	q->stored.rank = rank;
	q->stored.shape = shape;
	return q;
}

static int make_constant(struct lens_plan *p, const struct lens_fill_rule *f,
			 const struct lens_captures *caps, const char *key,
			 struct lens_virtual *ret, struct lens_err *err)
{
	uint64_t *shape = lens_arena_alloc(&p->arena, (f->rank ? f->rank : 1) *
							      sizeof(*shape));
	enum lens_dtype dtype = f->dtype;
	struct lens_producer *q;

	if (!shape)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	if (eval_shape(p, f, caps, shape, err) < 0 ||
	    (f->dtype_param &&
	     lens_plan_param_dtype(p, f->dtype_param, &dtype, err) < 0))
		return -err->code;
	q = constant(p, key, dtype, f->value, f->rank, shape);
	if (!q)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	lens_virtual_init(ret, q);
	return 0;
}

/*
 * 1 / theta^(2i / n), i < n / 2, each of the three steps rounded to f32: so it
 * is where such tables come from.
 */
static float frequency(float theta, uint64_t i, uint64_t n)
{
	const float exponent = (float)(2 * i) / (float)n;

	return 1.0f / (float)pow((double)theta, (double)exponent);
}

/* A table is as many constants. */
static int make_rotary(struct lens_plan *p, const struct lens_fill_rule *f,
		       const struct lens_captures *caps, const char *key,
		       struct lens_virtual *ret, struct lens_err *err)
{
	const char *text = lens_plan_param(p, f->theta);
	char *end = NULL;
	const double theta = text ? strtod(text, &end) : 0;
	uint64_t n, *shape = lens_arena_alloc(&p->arena, 2 * sizeof(*shape));
	struct lens_piece *pieces;

	if (eval_shape(p, f, caps, &n, err) < 0)
		return -err->code;
	if (!text || !end || *end || !(theta > 0))
		return lens_fail(
			err, EINVAL,
			"parameter '%s' of recipe %s is '%s', which is "
			"no number over 0",
			f->theta, p->recipe->name,
			LENS_SHOW(text ? text : "(nothing)"));
	if (n > 2 * MOST_TABLE)
		return lens_fail(err, EINVAL, "%llu is too long for a table",
				 (unsigned long long)n);
	n = (n + 1) / 2;
	pieces = lens_arena_alloc(&p->arena, (n ? n : 1) * sizeof(*pieces));
	if (!shape || !pieces)
		return lens_fail(err, ENOMEM, "no memory for a table");
	shape[0] = n;
	shape[1] = 1;
	if (eval_shape(p, f, caps, &n, err) < 0)
		return -err->code;
	for (uint64_t i = 0; i < shape[0]; i++) {
		pieces[i].from = constant(p, key, f->dtype,
					  (double)frequency((float)theta, i, n),
					  1, &shape[1]);
		if (!pieces[i].from)
			return lens_fail(err, ENOMEM, "no memory for a table");
		pieces[i].origin[0] = i;
		pieces[i].step[0] = 1;
		pieces[i].count[0] = 1;
		memset(pieces[i].by, -1, sizeof(pieces[i].by));
	}
	*ret = (struct lens_virtual){ .key = key,
				      .dtype = f->dtype,
				      .rank = 1,
				      .shape = shape,
				      .n_pieces = shape[0],
				      .pieces = pieces };
	return 0;
}

/* A tensor made by @f as @key, beside items[of] if it is beside any. */
static int make(struct lens_plan *p, const struct lens_fill_rule *f,
		const struct lens_captures *caps, const char *key,
		const struct lens_item *of, struct lens_items *items,
		struct lens_err *err)
{
	struct lens_item item = { .key = key };
	int r = 0;

	switch (f->kind) {
	case LENS_CONSTANT:
		r = make_constant(p, f, caps, key, &item.v, err);
		break;
	case LENS_ROTARY:
		r = make_rotary(p, f, caps, key, &item.v, err);
		break;
	case LENS_ALIAS:
		item = *of;
		item.key = key;
		break;
	}
	if (r < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(key));
	return lens_items_add(items, &item, err);
}

/* Is @f of this side, and do its conditions hold? */
static int counts(const struct lens_plan *p, const struct lens_fill_rule *f,
		  enum lens_side side, const struct lens_captures *caps,
		  bool late, struct lens_err *err)
{
	const struct lens_about a = { .p = p, .caps = caps };
	int r;

	if (f->side != side)
		return 0;
	r = lens_plan_when(&a, &f->when, late, err);
	return r < 0 ? lens_wrap(err, "recipe %s, line %u", f->recipe,
				 f->line) :
		       r;
}

static int make_beside(struct lens_plan *p, const struct lens_fill_rule *f,
		       size_t n, const struct lens_map *keys,
		       struct lens_items *items, struct lens_err *err)
{
	bool found = !f->required;

	for (size_t i = 0; i < n; i++) {
		const struct lens_item of = items->v[i];
		struct lens_captures caps = { 0 };
		const char *key;
		int r;

		if (!lens_pattern_match(f->beside, of.key, &caps))
			continue;
		found = true;
		r = counts(p, f, p->out, &caps, true, err);
		if (r < 0)
			return r;
		key = r ? lens_pattern_make(f->key, &caps, &p->arena) : NULL;
		if (r && !key)
			return lens_fail(err, ENOMEM, "no memory for a key");
		if (key && lens_map_find(keys, key) == LENS_NONE &&
		    make(p, f, &caps, key, &of, items, err) < 0)
			return -err->code;
	}
	if (found)
		return 0;
	return lens_fail(err, EINVAL,
			 "tensor '%s' is missing; '%s' is made of it",
			 LENS_SHOW(lens_pattern_text(f->beside)),
			 LENS_SHOW(lens_pattern_text(f->key)));
}

int lens_plan_made(struct lens_plan *p, struct lens_items *items,
		   struct lens_err *err)
{
	LENS_CLEANUP(lens_map_fini) struct lens_map keys = { 0 };
	const struct lens_captures none = { 0 };
	const size_t n = items->n;

	for (size_t i = 0; p->recipe->n_fills && i < n; i++)
		if (lens_map_add(&keys, items->v[i].key, (uint32_t)i) < 0)
			return lens_fail(err, ENOMEM, "no memory for keys");
	for (size_t k = 0; k < p->recipe->n_fills; k++) {
		const struct lens_fill_rule *f = &p->recipe->fills[k];
		const char *key = lens_pattern_text(f->key);
		int r = counts(p, f, p->out, NULL, false, err);

		if (r < 0)
			return r;
		if (!r)
			continue;
		if (f->beside)
			r = make_beside(p, f, n, &keys, items, err);
		else if (lens_map_find(&keys, key) == LENS_NONE)
			r = make(p, f, &none, key, NULL, items, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int lens_plan_is_made(struct lens_plan *p, const char *key,
		      struct lens_err *err)
{
	for (size_t k = 0; k < p->recipe->n_fills; k++) {
		const struct lens_fill_rule *f = &p->recipe->fills[k];
		struct lens_captures caps = { 0 };
		int r;

		if (f->kind == LENS_CONSTANT ||
		    !lens_pattern_match(f->key, key, &caps))
			continue;
		r = counts(p, f, p->in, &caps, false, err);
		if (r > 0)
			r = counts(p, f, p->in, &caps, true, err);
		if (r)
			return r;
	}
	return 0;
}

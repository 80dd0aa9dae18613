/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match.c - which rules count, and which of them a key fits: patterns, then
 * captures that are computed, then conditions.
 *
 * Rules of the other direction, and those whose conditions on parameters do
 * not hold, are left out once, when the plan is made.  The literal parts of a
 * pattern are looked for first, so a key that does not fit costs little.
 */
#include "plan/state.h"

#include <errno.h>
#include <stdio.h>

static int capture(const struct lens_captures *caps, const char *name)
{
	for (unsigned i = 0; caps && i < caps->n; i++)
		if (strcmp(caps->name[i], name) == 0)
			return (int)i;
	return -1;
}

/* Captured text as a number. */
static int captured_number(const struct lens_captures *caps, int c,
			   int64_t *ret, struct lens_err *err)
{
	int64_t v = 0;

	for (size_t i = 0; i < caps->len[c]; i++) {
		const char digit = caps->text[c][i];

		if (digit < '0' || digit > '9' || v > (1ll << 53))
			return lens_fail(err, EINVAL,
					 "what '%s' captured is no number that "
					 "can be counted with",
					 caps->name[c]);
		v = v * 10 + (digit - '0');
	}
	*ret = v;
	return 0;
}

static int shape_at(const struct lens_virtual *v, const int64_t *index,
		    int64_t *ret, struct lens_err *err)
{
	unsigned d;

	if (!index)
		return lens_fail(err, EINVAL,
				 "tensor.shape is wanted with a dimension");
	if (*index >= (int64_t)v->rank || *index < 0)
		return lens_fail(err, EINVAL,
				 "there is no dimension %lld in a tensor of %u",
				 (long long)*index, v->rank);
	d = (unsigned)*index;
	*ret = v->shape[d] <= (1ull << 53) ? (int64_t)v->shape[d] : 1ll << 53;
	return 0;
}

static int name_value(const void *ctx, const char *name, const int64_t *index,
		      int64_t *ret, struct lens_err *err)
{
	const struct lens_about *a = ctx;
	const int c = capture(a->caps, name);

	if (c >= 0 && !index)
		return captured_number(a->caps, c, ret, err);
	if (strncmp(name, "tensor.", 7) != 0)
		return lens_plan_param_int(a->p, name, index, ret, err);
	if (!a->v)
		return lens_fail(err, EINVAL, "%s: no tensor is known here",
				 name);
	if (strcmp(name, "tensor.shape") == 0)
		return shape_at(a->v, index, ret, err);
	*ret = a->v->rank;
	return 0;
}

static int eval(const struct lens_about *a, const struct lens_expr *e,
		int64_t *ret, struct lens_err *err)
{
	const struct lens_expr_env env = { .value = name_value, .ctx = a };

	return lens_expr_eval(e, &env, ret, err);
}

int lens_plan_eval(const struct lens_about *a, const struct lens_expr *e,
		   uint64_t *ret, struct lens_err *err)
{
	int64_t v;

	if (eval(a, e, &v, err) < 0)
		return -err->code;
	if (v < 0)
		return lens_fail(err, EINVAL, "'%s' is %lld",
				 LENS_SHOW(lens_expr_text(e)), (long long)v);
	*ret = (uint64_t)v;
	return 0;
}

/* What a text condition is about; NULL: it has no value. */
static const char *subject(const struct lens_about *a,
			   const struct lens_condition *c)
{
	const struct lens_producer *q;

	if (c->of == LENS_OF_PARAM)
		return lens_plan_param(a->p, c->param);
	if (!a->v)
		return NULL;
	if (c->of == LENS_OF_DTYPE)
		return lens_dtype_name(a->v->dtype);
	q = a->v->whole    ? a->v->whole :
	    a->v->n_pieces ? a->v->pieces[0].from :
			     NULL;
	return q && q->stored.codec ? q->stored.codec->name : "none";
}

static bool text_holds(const struct lens_about *a,
		       const struct lens_condition *c)
{
	const char *s = subject(a, c);
	bool found = c->unset && !s;

	for (size_t i = 0; s && i < c->n; i++)
		found |= strcmp(c->text[i], s) == 0;
	return found != c->negate;
}

static int number_holds(const struct lens_about *a,
			const struct lens_condition *c, struct lens_err *err)
{
	int64_t v, other;
	bool found = false;

	if (eval(a, c->expr, &v, err) < 0)
		return -err->code;
	if (c->least) {
		if (eval(a, c->least, &other, err) < 0)
			return -err->code;
		if (v < other)
			return 0;
	}
	if (c->below) {
		if (eval(a, c->below, &other, err) < 0)
			return -err->code;
		return v < other;
	}
	if (c->least)
		return 1;
	for (size_t i = 0; i < c->n_numbers; i++) {
		if (eval(a, c->number[i], &other, err) < 0)
			return -err->code;
		found |= v == other;
	}
	return found != c->negate;
}

int lens_plan_when(const struct lens_about *a, const struct lens_when *when,
		   bool late, struct lens_err *err)
{
	for (size_t i = 0; i < when->n; i++) {
		const struct lens_condition *c = &when->all[i];
		int r;

		if (c->late != late)
			continue;
		r = c->of == LENS_OF_VALUE ? number_holds(a, c, err) :
					     text_holds(a, c);
		if (r <= 0)
			return r;
	}
	return 1;
}

/* Captures that are computed; those that were captured must agree. 0: one
 * would be negative. */
static int add_lets(struct lens_plan *p, const struct lens_rule *r,
		    struct lens_captures *caps, struct lens_err *err)
{
	const struct lens_about a = { .p = p, .caps = caps };
	const unsigned from = caps->n;

	for (size_t i = 0; i < r->n_lets; i++) {
		char number[24];
		int64_t v;

		if (capture(caps, r->lets[i].name) >= 0)
			continue;
		if (eval(&a, r->lets[i].expr, &v, err) < 0)
			return -err->code;
		if (v < 0)
			return 0;
		if (caps->n == LENS_CAPTURES)
			return lens_fail(err, EINVAL, "too many captures");
		(void)snprintf(number, sizeof(number), "%lld", (long long)v);
		caps->name[caps->n] = r->lets[i].name;
		caps->text[caps->n] =
			lens_arena_strndup(&p->arena, number, strlen(number));
		if (!caps->text[caps->n])
			return lens_fail(err, ENOMEM, "no memory for a key");
		caps->len[caps->n++] = strlen(number);
	}
	for (size_t i = 0; i < r->n_lets; i++) {
		const int c = capture(caps, r->lets[i].name);
		int64_t v, got = 0;

		if ((unsigned)c >= from)
			continue;
		if (eval(&a, r->lets[i].expr, &v, err) < 0 ||
		    captured_number(caps, c, &got, err) < 0)
			return -err->code;
		if (v != got)
			return lens_fail(
				err, EINVAL, "'%s' would come back as %lld",
				LENS_SHOW(r->lets[i].name), (long long)v);
	}
	return 1;
}

static bool is_excepted(const struct lens_rule *r, const char *key)
{
	for (size_t i = 0; i < r->n_except; i++) {
		struct lens_captures caps = { 0 };

		if (lens_pattern_match(r->except[i], key, &caps))
			return true;
	}
	return false;
}

int lens_plan_fits(struct lens_plan *p, const struct lens_rule *r,
		   const struct lens_pattern *pattern, const char *key,
		   const struct lens_virtual *v, struct lens_captures *caps,
		   struct lens_err *err)
{
	const struct lens_about a = { .p = p, .caps = caps, .v = v };
	int fits;

	caps->n = 0;
	if (!lens_pattern_match(pattern, key, caps) || is_excepted(r, key))
		return 0;
	fits = add_lets(p, r, caps, err);
	if (fits > 0)
		fits = lens_plan_when(&a, &r->when, true, err);
	if (fits < 0)
		return lens_wrap(err, "tensor '%s': recipe %s, line %u",
				 LENS_SHOW(key), r->recipe, r->line);
	return fits;
}

int lens_plan_find_rule(struct lens_plan *p, const struct lens_live *live,
			const char *key, const struct lens_virtual *v,
			struct lens_captures *caps,
			const struct lens_rule **ret, struct lens_err *err)
{
	*ret = NULL;
	for (size_t i = 0; i < live->n; i++) {
		const struct lens_rule *r = live->v[i];

		for (size_t k = 0; k < r->n[p->in]; k++) {
			const int fits = lens_plan_fits(p, r, r->side[p->in][k],
							key, v, caps, err);

			if (fits < 0)
				return fits;
			if (!fits)
				continue;
			*ret = r;
			return 0;
		}
	}
	return 0;
}

static int choose(struct lens_plan *p, const struct lens_rule *rules, size_t n,
		  struct lens_live *live, struct lens_err *err)
{
	const struct lens_about a = { .p = p };

	live->v = lens_arena_alloc(&p->arena, (n ? n : 1) * sizeof(*live->v));
	if (!live->v)
		return lens_fail(err, ENOMEM, "no memory for rules");
	for (size_t i = 0; i < n; i++) {
		int r;

		if (rules[i].one_way[p->out])
			continue;
		r = lens_plan_when(&a, &rules[i].when, false, err);
		if (r < 0)
			return lens_wrap(err, "recipe %s, line %u",
					 rules[i].recipe, rules[i].line);
		if (r)
			live->v[live->n++] = &rules[i];
	}
	return 0;
}

int lens_plan_live(struct lens_plan *p, struct lens_err *err)
{
	const struct lens_recipe *r = p->recipe;

	if (choose(p, r->drops, r->n_drops, &p->drops, err) < 0 ||
	    choose(p, r->refuses, r->n_refuses, &p->refuses, err) < 0 ||
	    choose(p, r->names, r->n_names, &p->names, err) < 0 ||
	    choose(p, r->rules, r->n_rules, &p->rules, err) < 0 ||
	    choose(p, r->casts, r->n_casts, &p->casts, err) < 0)
		return -err->code;
	return 0;
}

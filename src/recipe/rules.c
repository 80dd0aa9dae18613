/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.c - the sections of a recipe that match keys: drop, refuse, names,
 * rules, casts.
 */
#include "recipe/parts.h"

#include <errno.h>
#include <stdio.h>

static const char *const side_names[] = {
	[LENS_HF] = "hf", [LENS_NATIVE] = "native"
};

static int parse_one_way(struct parser *p, const cJSON *item,
			 struct lens_rule *r, struct lens_err *err)
{
	static const char *const words[] = {
		[LENS_HF] = "forward", [LENS_NATIVE] = "back"
	};
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(item, "one-way");
	const char *way;

	if (!m)
		return 0;
	if (lens_parser_string(p, m, &way, err) < 0)
		return -err->code;
	for (unsigned side = 0; side < 2; side++)
		r->one_way[side] = strcmp(way, words[side]) == 0;
	if (r->one_way[0] || r->one_way[1])
		return 0;
	return lens_fail(err, EBADMSG, "'one-way' is \"forward\" or \"back\"");
}

/* What the sections share: patterns, and when they count. @prefix: of either
 * side's. */
static int parse_rule(struct parser *p, const cJSON *item,
		      const char *const *allowed, const char *const prefix[2],
		      struct lens_rule *r, struct lens_err *err)
{
	const char *front;

	if (lens_parser_object(p, item, allowed, err) < 0)
		return -err->code;
	for (unsigned side = 0; side < 2; side++)
		if (lens_parse_patterns(p, item, side_names[side], prefix[side],
					&r->n[side], &r->side[side], err) < 0)
			return -err->code;
	if (!r->n[LENS_HF] && !r->n[LENS_NATIVE])
		return lens_fail(err, EBADMSG,
				 "neither 'hf' nor 'native' is here");
	front = prefix[r->n[LENS_HF] ? LENS_HF : LENS_NATIVE];
	if (lens_parse_patterns(p, item, "except", front, &r->n_except,
				&r->except, err) < 0 ||
	    lens_parse_when(p, cJSON_GetObjectItemCaseSensitive(item, "when"),
			    &r->when, err) < 0 ||
	    parse_one_way(p, item, r, err) < 0 ||
	    lens_parse_let(p, cJSON_GetObjectItemCaseSensitive(item, "let"), r,
			   err) < 0)
		return -err->code;
	r->text = lens_pattern_text(
		r->side[r->n[LENS_HF] ? LENS_HF : LENS_NATIVE][0]);
	r->recipe = p->name;
	r->line = lens_parser_line(p);
	return 0;
}

static int need_both(const struct lens_rule *r, struct lens_err *err)
{
	if (r->n[LENS_HF] && r->n[LENS_NATIVE])
		return 0;
	return lens_fail(err, EBADMSG, "'%s' is missing",
			 side_names[r->n[LENS_HF] ? LENS_NATIVE : LENS_HF]);
}

/* The capture that the rule's ops run over; NULL: none. */
static const char *run_over(const struct lens_rule *r)
{
	for (size_t i = 0; i < r->n_ops; i++)
		if (r->ops[i].args.by)
			return r->ops[i].args.by;
	return NULL;
}

static bool is_let(const struct lens_rule *r, const char *name)
{
	for (size_t i = 0; i < r->n_lets; i++)
		if (strcmp(r->lets[i].name, name) == 0)
			return true;
	return false;
}

/* Where a key of @side is made, each of its captures must be known from every
 * pattern of the other side, be computed, or be what is stacked. */
static int check_captures(const struct lens_rule *r, enum lens_side side,
			  struct lens_err *err)
{
	const enum lens_side other = side == LENS_HF ? LENS_NATIVE : LENS_HF;
	const char *over = side == LENS_HF ? run_over(r) : NULL;
	const char *names[LENS_CAPTURES];

	for (size_t i = 0; !r->one_way[side] && i < r->n[side]; i++) {
		size_t n = lens_pattern_captures(r->side[side][i], names,
						 LENS_CAPTURES);

		for (size_t k = 0; k < n; k++)
			for (size_t j = 0; j < r->n[other]; j++)
				if (!lens_pattern_has(r->side[other][j],
						      names[k]) &&
				    !is_let(r, names[k]) &&
				    !(over && strcmp(over, names[k]) == 0))
					return lens_fail(
						err, EBADMSG,
						"capture '%s' is in '%s' and "
						"not in '%s'",
						names[k],
						LENS_SHOW(lens_pattern_text(
							r->side[side][i])),
						LENS_SHOW(lens_pattern_text(
							r->side[other][j])));
	}
	return 0;
}

/* What ops run over must number the tensors of hf, and be gone in native. */
static int check_over(const struct lens_rule *r, struct lens_err *err)
{
	const char *by = run_over(r);

	for (size_t k = 0; by && k < r->n[LENS_HF]; k++)
		if (!lens_pattern_has(r->side[LENS_HF][k], by))
			return lens_fail(err, EBADMSG,
					 "stack: '%s' has no capture '%s'",
					 LENS_SHOW(lens_pattern_text(
						 r->side[LENS_HF][k])),
					 by);
	for (size_t k = 0; by && k < r->n[LENS_NATIVE]; k++)
		if (lens_pattern_has(r->side[LENS_NATIVE][k], by))
			return lens_fail(err, EBADMSG,
					 "stack: capture '%s' is also in '%s'",
					 LENS_SHOW(by),
					 LENS_SHOW(lens_pattern_text(
						 r->side[LENS_NATIVE][k])));
	for (size_t i = 0; i < r->n_ops + r->n_back; i++) {
		const char *other = i < r->n_ops ?
					    r->ops[i].args.by :
					    r->back[i - r->n_ops].args.by;

		if (other && (i >= r->n_ops || strcmp(other, by) != 0))
			return lens_fail(err, EBADMSG,
					 "a rule runs over one capture, in "
					 "'ops'");
	}
	return 0;
}

/* What one side captures must be what the other does, or a key that is made
 * would not be one that comes back. */
static int check_alike(const struct lens_pattern *hf,
		       const struct lens_pattern *native, struct lens_err *err)
{
	const char *name = lens_pattern_unlike(hf, native);

	if (!name)
		return 0;
	return lens_fail(err, EBADMSG,
			 "capture '%s' takes other texts in '%s' than in '%s': "
			 "not all would come back, which needs 'one-way'",
			 name, LENS_SHOW(lens_pattern_text(hf)),
			 LENS_SHOW(lens_pattern_text(native)));
}

static int check_rule(const struct parser *p, struct lens_rule *r,
		      struct lens_err *err)
{
	const bool both = !r->one_way[LENS_HF] && !r->one_way[LENS_NATIVE];

	if (check_over(r, err) < 0 || check_captures(r, LENS_HF, err) < 0 ||
	    check_captures(r, LENS_NATIVE, err) < 0 ||
	    lens_check_names(p, r, err) < 0)
		return -err->code;
	for (size_t i = 0; i < r->n[LENS_HF]; i++)
		for (size_t k = 0; k < r->n[LENS_NATIVE]; k++) {
			lens_pattern_inherit(r->side[LENS_NATIVE][k],
					     r->side[LENS_HF][i]);
			lens_pattern_inherit(r->side[LENS_HF][i],
					     r->side[LENS_NATIVE][k]);
			if (both &&
			    check_alike(r->side[LENS_HF][i],
					r->side[LENS_NATIVE][k], err) < 0)
				return -err->code;
		}
	return 0;
}

/* drop and refuse: of the source's keys, of one side or of each. */
static int source_rule(struct parser *p, const cJSON *item,
		       const char *const *allowed, struct lens_rule *r,
		       struct lens_err *err)
{
	if (parse_rule(p, item, allowed, (const char *const *)p->prefix, r,
		       err) < 0)
		return -err->code;
	return lens_check_names(p, r, err);
}

static int one_drop(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when", "hf", "native", "except",
					       NULL };
	struct lens_rule r = { 0 };

	(void)i;
	if (source_rule(p, item, allowed, &r, err) < 0)
		return -err->code;
	p->r->drops[p->r->n_drops++] = r;
	return 0;
}

static int one_refuse(struct parser *p, const cJSON *item, size_t i,
		      struct lens_err *err)
{
	static const char *const allowed[] = { "when",   "hf",  "native",
					       "except", "why", NULL };
	struct lens_rule r = { 0 };

	(void)i;
	if (source_rule(p, item, allowed, &r, err) < 0)
		return -err->code;
	if (!cJSON_GetObjectItemCaseSensitive(item, "why"))
		return lens_fail(err, EBADMSG, "'why' is missing");
	if (lens_parser_string(p, cJSON_GetObjectItemCaseSensitive(item, "why"),
			       &r.why, err) < 0)
		return -err->code;
	p->r->refuses[p->r->n_refuses++] = r;
	return 0;
}

static int one_name(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when",    "hf",  "native",
					       "one-way", "let", NULL };
	struct lens_rule r = { 0 };

	(void)i;
	if (parse_rule(p, item, allowed, (const char *const *)p->prefix, &r,
		       err) < 0 ||
	    need_both(&r, err) < 0)
		return -err->code;
	if (r.n[LENS_HF] != 1 || r.n[LENS_NATIVE] != 1)
		return lens_fail(err, EBADMSG,
				 "a rename has one pattern a side");
	if (check_rule(p, &r, err) < 0)
		return -err->code;
	p->r->names[p->r->n_names++] = r;
	return 0;
}

int lens_parse_scope_names(struct parser *p, struct lens_err *err)
{
	struct lens_rule r = { .when = p->when, .n = { 1, 1 } };

	if (strcmp(p->prefix[LENS_HF], p->prefix[LENS_NATIVE]) == 0)
		return 0;
	for (unsigned side = 0; side < 2; side++) {
		struct lens_pattern **v =
			lens_parser_alloc(p, 1, sizeof(*v), err);
		lens_autofree char *text = NULL;

		if (!v)
			return -err->code;
		if (asprintf(&text, "%s{rest*}", p->prefix[side]) < 0) {
			text = NULL;
			return lens_fail(err, ENOMEM, "no memory for a recipe");
		}
		if (lens_pattern_parse(text, &p->r->arena, v, err) < 0)
			return -err->code;
		r.side[side] = v;
	}
	r.text = lens_pattern_text(r.side[LENS_HF][0]);
	r.recipe = p->name;
	r.line = lens_parser_line(p);
	if (check_rule(p, &r, err) < 0 ||
	    LENS_GROW(p, names, n_names, NULL, err) < 0)
		return -err->code;
	p->r->names[p->r->n_names++] = r;
	return 0;
}

/* How many tensors a chain takes must fit how many patterns there are. */
static int check_counts(const struct lens_rule *r, size_t n, bool joined,
			struct lens_err *err)
{
	if (n == r->n[LENS_NATIVE])
		return 0;
	if (joined)
		return lens_fail(err, EBADMSG,
				 "the ops leave %zu tensors, and 'native' has "
				 "%zu patterns",
				 n, r->n[LENS_NATIVE]);
	return lens_fail(err, EBADMSG,
			 "%zu names on one side, %zu on the other, and no op "
			 "that joins them",
			 r->n[LENS_HF], r->n[LENS_NATIVE]);
}

static int parse_chains(struct parser *p, const cJSON *item,
			struct lens_rule *r, struct lens_err *err)
{
	const cJSON *back = cJSON_GetObjectItemCaseSensitive(item, "back");
	size_t n;

	if (lens_parse_ops(p, cJSON_GetObjectItemCaseSensitive(item, "ops"),
			   "ops", r->n[LENS_HF], &r->n_ops, &r->ops, &n,
			   err) < 0 ||
	    (!r->one_way[LENS_NATIVE] &&
	     check_counts(r, n, n != r->n[LENS_HF], err) < 0))
		return -err->code;
	if (!back)
		return 0;
	if (lens_parse_ops(p, back, "back", r->n[LENS_NATIVE], &r->n_back,
			   &r->back, &n, err) < 0)
		return -err->code;
	if (n == r->n[LENS_HF])
		return 0;
	return lens_fail(err, EBADMSG,
			 "back: the ops leave %zu tensors, and 'hf' has %zu "
			 "patterns",
			 n, r->n[LENS_HF]);
}

static int one_rule(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when", "hf",         "native",
					       "let",  "one-way",    "ops",
					       "back", "incomplete", NULL };
	const cJSON *half =
		cJSON_GetObjectItemCaseSensitive(item, "incomplete");
	/* Rules see keys as the names stage left them. */
	const char *const prefix[2] = { p->prefix[LENS_NATIVE],
					p->prefix[LENS_NATIVE] };
	struct lens_rule r = { 0 };

	(void)i;
	if (parse_rule(p, item, allowed, prefix, &r, err) < 0 ||
	    need_both(&r, err) < 0 || parse_chains(p, item, &r, err) < 0 ||
	    check_rule(p, &r, err) < 0)
		return -err->code;
	if (half &&
	    (!cJSON_IsString(half) || strcmp(half->valuestring, "next") != 0))
		return lens_fail(err, EBADMSG, "'incomplete' is \"next\"");
	r.next = half != NULL;
	p->r->rules[p->r->n_rules++] = r;
	return 0;
}

static int one_cast(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when",   "hf",    "native",
					       "except", "dtype", NULL };
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
	struct lens_op_use *use = lens_parser_alloc(p, 1, sizeof(*use), err);
	struct lens_rule r = { 0 };

	(void)i;
	if (!use || parse_rule(p, item, allowed, (const char *const *)p->prefix,
			       &r, err) < 0)
		return -err->code;
	use->op = lens_op_find("cast");
	use->n_in = 1;
	if (use->op->parse(dtype, &p->r->arena, &use->args, err) < 0)
		return lens_wrap(err, "dtype");
	if (use->args.param && !lens_parser_is_param(p, use->args.param))
		return lens_fail(err, EBADMSG,
				 "'%s' is neither a dtype nor a parameter",
				 LENS_SHOW(use->args.param));
	r.ops = use;
	r.n_ops = 1;
	if (lens_check_names(p, &r, err) < 0)
		return -err->code;
	p->r->casts[p->r->n_casts++] = r;
	return 0;
}

/* Room for a section, then each of its elements. */
#define SECTION(fn, name, field, one)                                     \
	int fn(struct parser *p, const cJSON *item, struct lens_err *err) \
	{                                                                 \
		if (LENS_GROW(p, field, n_##field, item, err) < 0)        \
			return -err->code;                                \
		return lens_parser_each(p, item, name, one, err);         \
	}

SECTION(lens_parse_drops, "drop", drops, one_drop)
SECTION(lens_parse_refuses, "refuse", refuses, one_refuse)
SECTION(lens_parse_names, "names", names, one_name)
SECTION(lens_parse_rules, "rules", rules, one_rule)
SECTION(lens_parse_casts, "casts", casts, one_cast)

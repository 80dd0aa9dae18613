/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.c - the rules stage: tensors that one rule turns into others are
 * gathered by their captures, and what comes of each group gets its names.
 */
#include "plan/group.h"

#include <errno.h>
#include <stdio.h>

struct stage {
	struct lens_plan *p;
	struct lens_items *out;
	struct lens_map by_name;
	struct group *groups;
	size_t n, room;
};

int lens_members_add(struct members *m, const struct member *one,
		     struct lens_err *err)
{
	if (m->n == m->room) {
		size_t room = m->room ? m->room * 2 : 4;
		struct member *v = realloc(m->v, room * sizeof(*v));

		if (!v)
			return lens_fail(err, ENOMEM, "no memory for a group");
		m->v = v;
		m->room = room;
	}
	m->v[m->n++] = *one;
	return 0;
}

/* The capture that @r stacks over; NULL if it stacks nothing. */
static const char *stacked_by(const struct lens_rule *r)
{
	for (size_t i = 0; i < r->n_ops; i++)
		if (r->ops[i].args.by)
			return r->ops[i].args.by;
	return NULL;
}

static int capture(const struct lens_captures *caps, const char *name)
{
	for (unsigned i = 0; i < caps->n; i++)
		if (strcmp(caps->name[i], name) == 0)
			return (int)i;
	return -1;
}

/* What all members of a group have in common, as text: the rule and the
 * captures of the other side. */
static const char *group_name(struct stage *s, const struct lens_rule *r,
			      const struct lens_captures *caps)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	const char *by = stacked_by(r);

	lens_buf_printf(&b, "%zu", (size_t)(r - s->p->recipe->rules));
	for (unsigned i = 0; i < caps->n; i++) {
		if (by && s->p->in == LENS_HF && strcmp(caps->name[i], by) == 0)
			continue;
		lens_buf_printf(&b, "\x1f%s\x1f", caps->name[i]);
		lens_buf_add(&b, caps->text[i], caps->len[i]);
	}
	return b.failed ? NULL : lens_arena_strndup(&s->p->arena, b.data, b.n);
}

static struct group *group_of(struct stage *s, size_t place,
			      const struct lens_captures *caps,
			      struct lens_err *err)
{
	const struct lens_rule *r = s->p->rules.v[place];
	const char *name = group_name(s, r, caps);
	uint32_t i = name ? lens_map_find(&s->by_name, name) : LENS_NONE;

	if (i != LENS_NONE)
		return &s->groups[i];
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct group *g = realloc(s->groups, room * sizeof(*g));

		if (g) {
			s->groups = g;
			s->room = room;
		}
	}
	if (!name || s->n == s->room ||
	    lens_map_add(&s->by_name, name, (uint32_t)s->n) < 0) {
		(void)lens_fail(err, ENOMEM, "no memory for a group");
		return NULL;
	}
	s->groups[s->n] =
		(struct group){ .rule = r, .place = place, .caps = *caps };
	return &s->groups[s->n++];
}

/* The captured index of a stack, as a number. */
static int stack_index(const struct lens_captures *caps, const char *by,
		       const char *key, uint64_t *ret, struct lens_err *err)
{
	int c = capture(caps, by);

	*ret = 0;
	for (size_t i = 0; i < caps->len[c] && *ret < LENS_STACKED_MAX; i++)
		*ret = *ret * 10 + (uint64_t)(caps->text[c][i] - '0');
	if (*ret >= LENS_STACKED_MAX)
		return lens_fail(err, EINVAL,
				 "tensor '%s': index %.*s is beyond %u",
				 LENS_SHOW(key),
				 (int)(caps->len[c] < 40 ? caps->len[c] : 40),
				 caps->text[c], LENS_STACKED_MAX - 1);
	return 0;
}

/* @item becomes pattern @slot of rule @place's group. */
static int join_group(struct stage *s, size_t place, unsigned slot,
		      const struct lens_item *item,
		      const struct lens_captures *caps, struct lens_err *err)
{
	const struct lens_rule *r = s->p->rules.v[place];
	const char *by = s->p->in == LENS_HF ? stacked_by(r) : NULL;
	struct member m = {
		.slot = slot, .key = item->v.key, .v = item->v, .item = item
	};
	struct group *g;
	uint32_t *src;

	if (by && stack_index(caps, by, item->v.key, &m.index, err) < 0)
		return -err->code;
	g = group_of(s, place, caps, err);
	if (!g || lens_members_add(&g->members, &m, err) < 0)
		return -err->code;
	src = realloc(g->src, (g->n_src + item->n_src) * sizeof(*src));
	if (!src)
		return lens_fail(err, ENOMEM, "no memory for a group");
	g->src = src;
	memcpy(src + g->n_src, item->src, item->n_src * sizeof(*src));
	g->n_src += item->n_src;
	return 0;
}

/* The first rule from @place on that @item fits takes it: 1; none: 0. */
static int gather(struct stage *s, size_t place, const struct lens_item *item,
		  struct lens_err *err)
{
	struct lens_plan *p = s->p;

	for (; place < p->rules.n; place++) {
		const struct lens_rule *r = p->rules.v[place];

		for (unsigned k = 0; k < r->n[p->in]; k++) {
			struct lens_captures caps;
			const int fits =
				lens_plan_fits(p, r, r->side[p->in][k],
					       item->key, &item->v, &caps, err);

			if (fits < 0)
				return fits;
			if (fits)
				return join_group(s, place, k, item, &caps,
						  err) < 0 ?
					       -err->code :
					       1;
		}
	}
	return 0;
}

/* A name for what is missing at (slot, index). */
static const char *missing_key(struct stage *s, const struct group *g,
			       unsigned slot, uint64_t index)
{
	const char *by = stacked_by(g->rule);
	struct lens_captures caps = g->caps;
	static _Thread_local char number[24];
	int c = by ? capture(&caps, by) : -1;
	const char *key;

	if (c >= 0) {
		(void)snprintf(number, sizeof(number), "%llu",
			       (unsigned long long)index);
		caps.text[c] = number;
		caps.len[c] = strlen(number);
	}
	key = lens_pattern_make(g->rule->side[s->p->in][slot], &caps,
				&s->p->arena);
	return key ? key : "";
}

/* How many indexes the group must have, and what says so (NULL: nothing). */
static int count_wanted(struct stage *s, const struct group *g, uint64_t *want,
			const char **says, struct lens_err *err)
{
	const struct lens_rule *r = g->rule;
	const struct lens_about a = { .p = s->p, .caps = &g->caps };

	*want = 1;
	*says = NULL;
	for (size_t i = 0; i < r->n_ops && s->p->in == LENS_HF; i++) {
		const struct lens_op_args *args = &r->ops[i].args;

		if (!args->by)
			continue;
		*want = g->members.v[g->members.n - 1].index + 1;
		if (!args->n_values)
			continue;
		*says = lens_expr_text(args->expr[0]);
		if (lens_plan_eval(&a, args->expr[0], want, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(g->members.v[0].key));
	}
	return 0;
}

/* Every slot of every index is there once, without a gap, and as many as the
 * config says.  0: it is; 1: half of it is there, which is all right. */
static int check_whole(struct stage *s, struct group *g, struct lens_err *err)
{
	const unsigned slots = (unsigned)g->rule->n[s->p->in];
	const char *says;
	uint64_t want;
	size_t i = 0;

	qsort(g->members.v, g->members.n, sizeof(*g->members.v),
	      lens_member_by_place);
	if (count_wanted(s, g, &want, &says, err) < 0)
		return -err->code;
	for (; i < g->members.n; i++) {
		const struct member *m = &g->members.v[i];

		if (says && m->index >= want)
			return lens_fail(err, EINVAL,
					 "tensor '%s': '%s' is %llu, so this "
					 "index is one too many",
					 LENS_SHOW(m->key), says,
					 (unsigned long long)want);
		if (m->slot != i % slots || m->index != i / slots)
			break;
	}
	if (i == g->members.n && i == want * slots)
		return 0;
	if (g->rule->next)
		return 1;
	return lens_fail(
		err, EINVAL, "tensor '%s' is missing; '%s' needs it",
		LENS_SHOW(missing_key(s, g, (unsigned)(i % slots), i / slots)),
		LENS_SHOW(g->members.v[i < g->members.n ? i : 0].key));
}

/* "transpose[1,2] stack(E)", for people. */
static const char *ops_text(struct stage *s, const struct lens_rule *r)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	for (size_t i = 0; i < r->n_ops; i++) {
		const struct lens_op_args *a = &r->ops[i].args;
		const char *name = r->ops[i].op->name;

		lens_buf_puts(&b, i ? " " : "");
		if (strcmp(name, "transpose") == 0)
			lens_buf_printf(&b, "transpose[%lld,%lld]",
					(long long)a->dim[0],
					(long long)a->dim[1]);
		else if (a->by)
			lens_buf_printf(&b, "%s(%s)", name, a->by);
		else if (r->ops[i].op->takes == LENS_OP_JOIN)
			lens_buf_printf(&b, "%s(%lld)", name,
					(long long)a->dim[0]);
		else
			lens_buf_puts(&b, name);
	}
	if (!b.n || b.failed)
		return NULL;
	return lens_arena_strndup(&s->p->arena, b.data, b.n);
}

/* The members that are left become items under their new names. */
static int name_members(struct stage *s, struct group *g, struct lens_err *err)
{
	const char *by = s->p->in == LENS_NATIVE ? stacked_by(g->rule) : NULL;
	struct lens_item item = { .ops = ops_text(s, g->rule),
				  .n_src = g->n_src };

	item.src = lens_arena_alloc(&s->p->arena, g->n_src * sizeof(*item.src));
	if (!item.src)
		return lens_fail(err, ENOMEM, "no memory for a group");
	memcpy(item.src, g->src, g->n_src * sizeof(*item.src));
	for (size_t i = 0; i < g->members.n; i++) {
		const struct member *m = &g->members.v[i];
		struct lens_captures caps = g->caps;
		char number[24];

		if (by) {
			(void)snprintf(number, sizeof(number), "%llu",
				       (unsigned long long)m->index);
			if (caps.n == LENS_CAPTURES)
				return lens_fail(err, EINVAL,
						 "too many captures");
			caps.name[caps.n] = by;
			caps.text[caps.n] = number;
			caps.len[caps.n++] = strlen(number);
		}
		item.key = lens_pattern_make(g->rule->side[s->p->out][m->slot],
					     &caps, &s->p->arena);
		item.v = m->v;
		if (!item.key)
			return lens_fail(err, ENOMEM, "no memory for a key");
		if (lens_items_add(s->out, &item, err) < 0)
			return -err->code;
	}
	return 0;
}

static void stage_fini(struct stage *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->groups[i].members.v);
		free(s->groups[i].src);
	}
	free(s->groups);
	lens_map_fini(&s->by_name);
}

/* Half of @g is there: its members go on to the rules behind. */
static int hand_on(struct stage *s, size_t i, struct lens_err *err)
{
	const struct members m = s->groups[i].members;
	const size_t place = s->groups[i].place + 1;
	int r = 0;

	s->groups[i].members = (struct members){ 0 };
	for (size_t k = 0; k < m.n && r >= 0; k++) {
		r = gather(s, place, m.v[k].item, err);
		if (!r)
			r = lens_items_add(s->out, m.v[k].item, err);
	}
	free(m.v);
	return r < 0 ? -err->code : 0;
}

static int finish_group(struct stage *s, size_t i, struct lens_err *err)
{
	struct group *g = &s->groups[i];
	const int whole = check_whole(s, g, err);

	if (whole < 0)
		return whole;
	if (whole)
		return hand_on(s, i, err);
	for (size_t k = 0; k < g->n_src; k++) {
		s->p->fates[g->src[k]].fate = LENS_FATE_MAPPED;
		s->p->fates[g->src[k]].rule = g->rule->text;
	}
	if (lens_group_run(s->p, g, err) < 0)
		return -err->code;
	return name_members(s, g, err);
}

int lens_plan_rules(struct lens_plan *p, const struct lens_items *in,
		    struct lens_items *out, struct lens_err *err)
{
	LENS_CLEANUP(stage_fini) struct stage s = { .p = p, .out = out };

	for (size_t i = 0; i < in->n; i++) {
		int r = gather(&s, 0, &in->v[i], err);

		if (r < 0 || (!r && lens_items_add(out, &in->v[i], err) < 0))
			return -err->code;
	}
	/* Groups that are not whole may add others behind. */
	for (size_t i = 0; i < s.n; i++)
		if (finish_group(&s, i, err) < 0)
			return -err->code;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - the stages up to the renames: what is dropped unread, and what
 * tensors are called on the other side.
 */
#include "plan/state.h"

#include <errno.h>

/* Keys of a training framework's own state, which no export holds. */
#define EXTRA_STATE "_extra_state"

int lens_items_add(struct lens_items *items, const struct lens_item *item,
		   struct lens_err *err)
{
	if (items->n == items->room) {
		size_t room = items->room ? items->room * 2 : 256;
		struct lens_item *v = realloc(items->v, room * sizeof(*v));

		if (!v)
			return lens_fail(err, ENOMEM,
					 "no memory for %zu tensors", room);
		items->v = v;
		items->room = room;
	}
	items->v[items->n++] = *item;
	return 0;
}

static void items_fini(struct lens_items *items)
{
	free(items->v);
}

static int index_sources(struct lens_plan *p, struct lens_err *err)
{
	size_t n = lens_ckpt_count(p->ckpt);

	p->fates = lens_arena_alloc(&p->arena, (n ? n : 1) * sizeof(*p->fates));
	if (!p->fates)
		return lens_fail(err, ENOMEM, "no memory for %zu tensors", n);
	for (size_t i = 0; i < n; i++) {
		p->fates[i].t = lens_ckpt_at(p->ckpt, i);
		p->fates[i].fate = LENS_FATE_PASSED;
	}
	return 0;
}

/* A tensor as it is in the source, for conditions. */
static struct lens_virtual as_stored(const struct lens_tensor *t)
{
	return (struct lens_virtual){ .key = t->name,
				      .dtype = t->dtype,
				      .rank = t->rank,
				      .shape = t->shape };
}

/* What drops source key @i: a pattern, or what else it is; NULL: nothing. */
static int drop_reason(struct lens_plan *p, size_t i, const char **ret,
		       struct lens_err *err)
{
	const struct lens_tensor *t = p->fates[i].t;
	const struct lens_virtual v = as_stored(t);
	struct lens_captures caps;
	const struct lens_rule *r;
	int made;

	*ret = NULL;
	if (lens_plan_find_rule(p, &p->drops, t->name, &v, &caps, &r, err) < 0)
		return -err->code;
	if (r)
		*ret = r->text;
	if (r || p->in != LENS_NATIVE || p->recipe->keeps_config)
		return 0;
	made = lens_plan_is_made(p, t->name, err);
	if (made < 0)
		return made;
	if (made)
		*ret = "made of others";
	else if (strstr(t->name, EXTRA_STATE))
		*ret = EXTRA_STATE;
	return 0;
}

static int drop_early(struct lens_plan *p, struct lens_err *err)
{
	for (size_t i = 0; i < lens_ckpt_count(p->ckpt); i++) {
		const char *reason;

		if (drop_reason(p, i, &reason, err) < 0)
			return -err->code;
		if (!reason)
			continue;
		p->fates[i].fate = LENS_FATE_DROPPED;
		p->fates[i].rule = reason;
	}
	return 0;
}

/* What the recipe knows to be wrong. */
static int refuse(struct lens_plan *p, const struct lens_items *items,
		  struct lens_err *err)
{
	for (size_t i = 0; i < items->n && p->refuses.n; i++) {
		const char *name = p->fates[items->v[i].src[0]].t->name;
		struct lens_captures caps;
		const struct lens_rule *r;

		if (lens_plan_find_rule(p, &p->refuses, name, &items->v[i].v,
					&caps, &r, err) < 0)
			return -err->code;
		if (r)
			return lens_fail(err, EINVAL, "tensor '%s': %s",
					 LENS_SHOW(name), r->why);
	}
	return 0;
}

int lens_plan_rename(struct lens_plan *p, const char *key,
		     const struct lens_virtual *v, const char **ret,
		     struct lens_err *err)
{
	struct lens_captures caps;
	const struct lens_rule *r;

	if (lens_plan_find_rule(p, &p->names, key, v, &caps, &r, err) < 0)
		return -err->code;
	*ret = key;
	if (!r)
		return 0;
	*ret = lens_pattern_make(r->side[p->out][0], &caps, &p->arena);
	return *ret ? 0 : lens_fail(err, ENOMEM, "no memory for a key");
}

static int rename_all(struct lens_plan *p, struct lens_items *items,
		      struct lens_err *err)
{
	for (size_t i = 0; i < items->n; i++) {
		struct lens_key_fate *f = &p->fates[items->v[i].src[0]];
		const char *key;

		if (lens_plan_rename(p, items->v[i].key, &items->v[i].v, &key,
				     err) < 0)
			return -err->code;
		if (key != items->v[i].key && f->fate == LENS_FATE_PASSED)
			f->fate = LENS_FATE_MAPPED;
		items->v[i].key = key;
	}
	return 0;
}

/* Is a tensor there that @key is a companion of, by its name? */
static bool has_owner(const struct lens_plan *p, const char *key)
{
	lens_autofree char *cut = strdup(key);

	for (size_t n = cut ? strlen(cut) : 0; n-- > 1;) {
		const bool border = cut[n] == '_' || cut[n] == '.';

		cut[n] = 0;
		if (border && lens_ckpt_index(p->ckpt, cut) != LENS_NONE)
			return true;
	}
	return false;
}

static int index_keys(const struct lens_items *items, struct lens_map *keys,
		      struct lens_err *err)
{
	for (size_t i = 0; i < items->n; i++)
		if (lens_map_add(keys, items->v[i].key, (uint32_t)i) < 0)
			return lens_fail(err, ENOMEM, "no memory for keys");
	return 0;
}

/*
 * A companion that was dropped as alone must not belong to a tensor under its
 * other name: the reference would have used it.
 */
static int check_lone(struct lens_plan *p, const struct lens_items *items,
		      struct lens_err *err)
{
	LENS_CLEANUP(lens_map_fini) struct lens_map keys = { 0 };

	for (size_t i = 0; p->in == LENS_HF && i < lens_ckpt_count(p->ckpt);
	     i++) {
		const struct lens_key_fate *f = &p->fates[i];
		const struct lens_codec *codec;
		struct lens_virtual v;
		const char *key;
		char *cut;

		if (f->fate != LENS_FATE_DROPPED || !f->rule)
			continue;
		codec = lens_codec_find(f->rule);
		if (!codec || !codec->bind || has_owner(p, f->t->name))
			continue;
		v = as_stored(f->t);
		if ((!keys.n && index_keys(items, &keys, err) < 0) ||
		    lens_plan_rename(p, f->t->name, &v, &key, err) < 0)
			return -err->code;
		cut = lens_arena_strndup(&p->arena, key, strlen(key));
		if (!cut)
			return lens_fail(err, ENOMEM, "no memory for a key");
		for (size_t n = strlen(cut); n-- > 1;) {
			bool border = cut[n] == '_' || cut[n] == '.';
			uint32_t k;

			cut[n] = 0;
			k = border ? lens_map_find(&keys, cut) : LENS_NONE;
			if (k != LENS_NONE)
				return lens_fail(
					err, EINVAL,
					"tensor '%s' belongs to '%s', but only "
					"under other names: one of "
					"the two has a prefix that the other "
					"lacks",
					LENS_SHOW(f->t->name),
					LENS_SHOW(p->fates[items->v[k].src[0]]
							  .t->name));
		}
	}
	return 0;
}

/* Drop what is dropped unread, and pair tensors with their companions: what is
 * left is added to @items. */
static int pair(struct lens_plan *p, const struct lens_plan_opts *opts,
		struct lens_items *items, struct lens_err *err)
{
	if (lens_plan_params(p, opts, err) < 0 || lens_plan_live(p, err) < 0 ||
	    lens_plan_quant(p, err) < 0 || lens_plan_codecs(p, err) < 0 ||
	    index_sources(p, err) < 0 || drop_early(p, err) < 0 ||
	    lens_plan_bind(p, items, err) < 0)
		return -err->code;
	return refuse(p, items, err);
}

/* What the options mean together. */
static int check_opts(struct lens_plan *p, const struct lens_plan_opts *opts,
		      struct lens_err *err)
{
	p->quantize = opts->quantize;
	p->block = opts->block;
	if ((opts->quantize || opts->like) && !opts->reverse)
		return lens_fail(err, EINVAL, "%s: only with --reverse",
				 opts->quantize ? "--quantize" : "--like");
	if (!opts->quantize)
		return 0;
	if (!p->recipe->quantize)
		return lens_fail(err, EOPNOTSUPP,
				 "--quantize: recipe %s does not say which "
				 "tensors are quantized",
				 p->recipe->name);
	if ((opts->quantize == LENS_SCALES_LIKE) != (opts->like != NULL))
		return lens_fail(err, EINVAL,
				 "--scales like and --like DIR go together "
				 "when quantizing");
	if (opts->block && opts->quantize != LENS_SCALES_AMAX)
		return lens_fail(err, EINVAL, "--block: only of --scales amax");
	p->maker = lens_maker_new(opts->jobs);
	return p->maker ? 0 : lens_fail(err, ENOMEM, "no memory for scales");
}

/* The checkpoint to come out looking like, as the forward direction sees it:
 * what belongs to what. */
static int open_like(struct lens_plan *p, const struct lens_plan_opts *opts,
		     struct lens_items *items, struct lens_err *err)
{
	const struct lens_plan_opts forward = { .n_set = opts->n_set,
						.set = opts->set,
						.dtype = LENS_DTYPE_INVALID };

	if (!opts->like)
		return 0;
	p->like = calloc(1, sizeof(*p->like));
	if (!p->like)
		return lens_fail(err, ENOMEM, "no memory for a plan");
	p->like->ckpt = opts->like;
	p->like->recipe = p->recipe;
	p->like->in = LENS_HF;
	p->like->out = LENS_NATIVE;
	if (pair(p->like, &forward, items, err) < 0)
		return lens_wrap(err, "--like '%s'",
				 LENS_SHOW(lens_ckpt_path(opts->like)));
	return 0;
}

static int compile(struct lens_plan *p, const struct lens_plan_opts *opts,
		   struct lens_notes *notes, struct lens_err *err)
{
	LENS_CLEANUP(items_fini)
	struct lens_items items = { 0 }, made = { 0 }, like = { 0 };

	if (check_opts(p, opts, err) < 0 ||
	    open_like(p, opts, &like, err) < 0 ||
	    pair(p, opts, &items, err) < 0)
		return -err->code;
	if (p->in == LENS_HF &&
	    (rename_all(p, &items, err) < 0 || check_lone(p, &items, err) < 0 ||
	     lens_plan_rules(p, &items, &made, err) < 0))
		return -err->code;
	if (p->in == LENS_NATIVE &&
	    (lens_plan_rules(p, &items, &made, err) < 0 ||
	     rename_all(p, &made, err) < 0))
		return -err->code;
	return lens_plan_finish(p, &made, &like, opts, notes, err);
}

int lens_plan_compile(const struct lens_ckpt *ckpt,
		      const struct lens_recipe *recipe,
		      const struct lens_plan_opts *opts,
		      struct lens_notes *notes, struct lens_plan **ret,
		      struct lens_err *err)
{
	LENS_CLEANUP(lens_plan_freep)
	struct lens_plan *p = calloc(1, sizeof(*p));

	if (!p)
		return lens_fail(err, ENOMEM, "no memory for a plan");
	p->ckpt = ckpt;
	p->recipe = recipe;
	p->in = opts->reverse ? LENS_NATIVE : LENS_HF;
	p->out = opts->reverse ? LENS_HF : LENS_NATIVE;
	if (compile(p, opts, notes, err) < 0)
		return -err->code;
	*ret = lens_steal(&p);
	return 0;
}

void lens_plan_free(struct lens_plan *p)
{
	if (!p)
		return;
	lens_plan_free(p->like);
	lens_maker_free(p->maker);
	free(p->outs);
	free(p->ways);
	cJSON_Delete(p->quant_json);
	lens_map_fini(&p->by_key);
	lens_arena_fini(&p->arena);
	free(p);
}

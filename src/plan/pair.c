/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.c - which tensors belong together: codecs take their codes and
 * companions, and what is left is a tensor of its own, dropped or refused.
 */
#include "plan/state.h"

#include <errno.h>

int lens_plan_codecs(struct lens_plan *p, struct lens_err *err)
{
	const struct lens_recipe *r = p->recipe;

	p->codec = lens_arena_alloc(&p->arena, (r->n_codecs ? r->n_codecs : 1) *
						       sizeof(*p->codec));
	p->codec_out =
		lens_arena_alloc(&p->arena, (r->n_codecs ? r->n_codecs : 1) *
						    sizeof(*p->codec_out));
	if (!p->codec || !p->codec_out)
		return lens_fail(err, ENOMEM, "no memory for codecs");
	for (size_t i = 0; i < r->n_codecs; i++) {
		const struct lens_codec *c = r->codecs[i].codec;

		p->codec_out[i] = LENS_DTYPE_INVALID;
		if (c->parse(r->codecs[i].options, &p->arena, &p->codec[i],
			     err) < 0)
			return lens_wrap(err, "codec %s", c->name);
		if (c->configure && p->quant.config &&
		    c->configure(p->codec[i], &p->quant, &p->arena, err) < 0)
			return -err->code;
	}
	return 0;
}

/* "out" of a codec's options, looked up once it is needed. */
static int codec_out(struct lens_plan *p, size_t i, enum lens_dtype *ret,
		     struct lens_err *err)
{
	const char *out;

	*ret = p->codec_out[i];
	if (*ret != LENS_DTYPE_INVALID)
		return 0;
	out = cJSON_GetObjectItemCaseSensitive(p->recipe->codecs[i].options,
					       "out")
		      ->valuestring;
	*ret = lens_dtype_parse(out);
	if (*ret == LENS_DTYPE_INVALID &&
	    lens_plan_param_dtype(p, out, ret, err) < 0)
		return -err->code;
	p->codec_out[i] = *ret;
	return 0;
}

static bool any_matches(size_t n, struct lens_pattern *const *v,
			const char *key)
{
	for (size_t i = 0; i < n; i++) {
		struct lens_captures caps = { 0 };

		if (lens_pattern_match(v[i], key, &caps))
			return true;
	}
	return false;
}

/* Is codec @i there for this key? */
static bool is_for(const struct lens_plan *p, size_t i, const char *key)
{
	const struct lens_codec_use *use = &p->recipe->codecs[i];

	return p->in == LENS_HF &&
	       (!use->n[0] || any_matches(use->n[0], use->keys[0], key)) &&
	       !any_matches(use->n[1], use->keys[1], key);
}

static int param(const void *ctx, const char *name, uint64_t *ret,
		 struct lens_err *err)
{
	return lens_plan_param_u64(ctx, name, ret, err);
}

static struct lens_codec_site site_of(struct lens_plan *p)
{
	return (struct lens_codec_site){
		.ckpt = p->ckpt,
		.quant = p->quant,
		.arena = &p->arena,
		.param = param,
		.ctx = p,
	};
}

/* @t belongs to @s, and to nothing else. */
static int claim(struct lens_plan *p, const struct lens_stored *s,
		 const struct lens_tensor *t, struct lens_err *err)
{
	struct lens_key_fate *f = &p->fates[lens_ckpt_index(p->ckpt, t->name)];

	if (f->fate == LENS_FATE_DROPPED)
		return lens_fail(err, EINVAL,
				 "tensor '%s' needs '%s', which the recipe "
				 "drops",
				 LENS_SHOW(s->weight->name),
				 LENS_SHOW(t->name));
	f->fate = LENS_FATE_COMPANION;
	f->rule = s->codec->name;
	f->into = s->weight->name; /* the output's key later */
	return 0;
}

static int claim_all(struct lens_plan *p, size_t i, const struct lens_stored *s,
		     struct lens_err *err)
{
	p->fates[i].rule = s->codec->name;
	p->fates[i].fate = LENS_FATE_MAPPED;
	for (unsigned j = 0; j < s->n_companions; j++)
		if (claim(p, s, s->companion[j].tensor, err) < 0)
			return -err->code;
	for (unsigned j = 0; j < LENS_ARRAY_SIZE(s->aside); j++)
		if (s->aside[j] && claim(p, s, s->aside[j], err) < 0)
			return -err->code;
	return 0;
}

/* Bind tensor @i to the first codec that takes it; 1 if one did. */
static int bind_one(struct lens_plan *p, size_t i, struct lens_producer *ret,
		    struct lens_err *err)
{
	struct lens_codec_site site = site_of(p);
	const struct lens_tensor *t = p->fates[i].t;

	for (size_t k = 0; k < p->recipe->n_codecs; k++) {
		const struct lens_codec *c = p->recipe->codecs[k].codec;
		int r;

		if (!c->bind || !is_for(p, k, t->name))
			continue;
		if (codec_out(p, k, &site.out, err) < 0)
			return -err->code;
		r = c->bind(p->codec[k], &site, t, &ret->stored, err);
		if (r < 0)
			return lens_wrap(err, "%s", c->name);
		if (!r)
			continue;
		ret->dtype = ret->stored.dtype;
		return claim_all(p, i, &ret->stored, err) < 0 ? -err->code : 1;
	}
	return 0;
}

static struct lens_producer *plain(struct lens_plan *p,
				   const struct lens_tensor *t)
{
	struct lens_producer *q = lens_arena_alloc(&p->arena, sizeof(*q));

	if (q) {
		q->kind = LENS_STORED;
		q->dtype = t->dtype;
		lens_stored_plain(&q->stored, t);
	}
	return q;
}

/* What is packed is read in boxes, and may be turned: as pieces. */
static int as_pieces(struct lens_plan *p, struct lens_virtual *v,
		     struct lens_err *err)
{
	const struct lens_stored *s = &v->whole->stored;
	struct lens_virtual in = *v;

	if (s->turned) {
		const struct lens_op *op = lens_op_find("transpose");
		const struct lens_op_args last_two = { .dim = { -2, -1 } };

		return op->map(&last_two, &in, 1, &p->arena, v, err);
	}
	if (s->packing.bits) {
		if (lens_virtual_pieces(&in, &p->arena, &v->pieces,
					&v->n_pieces, err) < 0)
			return -err->code;
		v->whole = NULL;
	}
	return 0;
}

static int pair_all(struct lens_plan *p, struct lens_items *items,
		    struct lens_err *err)
{
	for (size_t i = 0; i < lens_ckpt_count(p->ckpt); i++) {
		struct lens_item item = { 0 };
		struct lens_producer *q;

		if (p->fates[i].fate == LENS_FATE_DROPPED ||
		    p->fates[i].fate == LENS_FATE_COMPANION)
			continue;
		q = plain(p, p->fates[i].t);
		item.src = lens_arena_alloc(&p->arena, sizeof(*item.src));
		if (!q || !item.src)
			return lens_fail(err, ENOMEM, "no memory for a tensor");
		if (bind_one(p, i, q, err) < 0)
			return -err->code;
		*item.src = (uint32_t)i;
		item.n_src = 1;
		item.key = q->stored.key;
		lens_virtual_init(&item.v, q);
		if (as_pieces(p, &item.v, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(p->fates[i].t->name));
		if (lens_items_add(items, &item, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Those that turned out to be companions go; what lacks its other half is
 * dropped, passed or refused. */
static int sort_out(struct lens_plan *p, struct lens_items *items,
		    struct lens_err *err)
{
	struct lens_codec_site site = site_of(p);
	size_t kept = 0;

	for (size_t i = 0; i < items->n; i++) {
		struct lens_key_fate *f = &p->fates[items->v[i].src[0]];
		int gone = f->fate == LENS_FATE_COMPANION;

		for (size_t k = 0; !gone && f->fate == LENS_FATE_PASSED &&
				   k < p->recipe->n_codecs;
		     k++) {
			const struct lens_codec *c = p->recipe->codecs[k].codec;

			if (!c->left || !is_for(p, k, f->t->name))
				continue;
			gone = c->left(p->codec[k], &site, f->t, err);
			if (gone < 0)
				return lens_wrap(err, "%s", c->name);
			if (!gone)
				continue;
			f->fate = LENS_FATE_DROPPED;
			f->rule = c->name;
		}
		if (!gone)
			items->v[kept++] = items->v[i];
	}
	items->n = kept;
	return 0;
}

int lens_plan_bind(struct lens_plan *p, struct lens_items *items,
		   struct lens_err *err)
{
	if (pair_all(p, items, err) < 0)
		return -err->code;
	return sort_out(p, items, err);
}

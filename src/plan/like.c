/* SPDX-License-Identifier: Apache-2.0 */
/*
 * like.c - --like DIR: the view gets DIR's keys and dtypes, the source only
 * the values; and, where weights are quantized, DIR's scales, so that weights
 * nobody changed come back as the very bytes they were.
 */
#include "plan/state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define NAMED 5 /* keys that a message lists */

struct liken {
	struct lens_plan *p;
	const struct lens_plan_opts *opts;
	struct lens_items *items, out;
	struct lens_map by_key;  /* of @items */
	struct lens_map by_name; /* the same, as the names stage has them: where
				    DIR lacks a prefix, say */
	bool *used;              /* each of @items */
	struct lens_map theirs;  /* DIR's keys that are no companions */
	const struct lens_items *like;
	struct lens_excluder *exclude;
	struct lens_buf missing;
	size_t n_missing, n_cast;
	const char *first_cast;
};

static void liken_fini(struct liken *k)
{
	free(k->used);
	free(k->out.v);
	lens_map_fini(&k->by_key);
	lens_map_fini(&k->by_name);
	lens_map_fini(&k->theirs);
	lens_excluder_free(k->exclude);
	lens_buf_fini(&k->missing);
}

static int start(struct liken *k, const struct lens_plan_opts *opts,
		 struct lens_err *err)
{
	k->used = calloc(k->items->n + 1, sizeof(*k->used));
	if (!k->used)
		return lens_fail(err, ENOMEM, "no memory for keys");
	for (size_t i = 0; i < k->items->n; i++) {
		const struct lens_item *item = &k->items->v[i];
		const char *name;

		if (lens_plan_rename(k->p->like, item->key, &item->v, &name,
				     err) < 0)
			return -err->code;
		if (lens_map_add(&k->by_key, item->key, (uint32_t)i) < 0 ||
		    lens_map_add(&k->by_name, name, (uint32_t)i) < 0)
			return lens_fail(err, ENOMEM, "no memory for keys");
	}
	for (size_t i = 0; i < k->like->n; i++)
		if (lens_map_add(&k->theirs, k->like->v[i].key, (uint32_t)i) <
		    0)
			return lens_fail(err, ENOMEM, "no memory for keys");
	return lens_excluder_new(opts->exclude, &k->exclude, err);
}

/* The tensor as DIR has it. */
static int from_dir(struct liken *k, const struct lens_tensor *t,
		    struct lens_err *err)
{
	struct lens_producer *q = lens_arena_alloc(&k->p->arena, sizeof(*q));
	struct lens_item item = { .key = t->name };

	if (!q)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	q->kind = LENS_STORED;
	q->dtype = t->dtype;
	lens_stored_plain(&q->stored, t);
	q->stored.ckpt = k->opts->like;
	lens_virtual_init(&item.v, q);
	return lens_items_add(&k->out, &item, err);
}

/* DIR's scales of @s, as f32; those that are used must be numbers to divide
 * by. */
static int scales_of(struct liken *k, const struct lens_item *item,
		     const struct lens_stored *s,
		     const struct lens_encoder **ret, struct lens_err *err)
{
	const struct lens_companion *c = &s->companion[0];
	const struct lens_tensor *t = c->tensor;
	const size_t es = lens_dtype_bits(t->dtype) / 8;
	const size_t n = (size_t)(t->size / es);
	lens_autofree void *raw = malloc((size_t)t->size + 1);
	struct lens_encoder *e = lens_encoder_new(k->p, &item->v, n);
	uint64_t stride = 1;

	if (!raw || !e)
		return lens_fail(err, ENOMEM, "no memory for scales");
	if (lens_ckpt_read(k->opts->like, t, 0, (size_t)t->size, raw, err) < 0)
		return -err->code;
	(void)lens_to_f32(t->dtype, e->scale, raw, n);
	for (unsigned d = t->rank; d-- > 0; stride *= t->shape[d])
		if (c->dim[d] >= 0) {
			e->stride[c->dim[d]] = stride;
			e->div[c->dim[d]] = c->div[d];
		}
	for (size_t i = 0; i < n; i++) {
		size_t rest = i;
		bool used = true;

		for (unsigned d = t->rank; d-- > 0; rest /= t->shape[d])
			used &= c->dim[d] < 0 ||
				rest % t->shape[d] * c->div[d] <
					s->shape[c->dim[d]];
		if (used && (!isfinite(e->scale[i]) || e->scale[i] == 0))
			return lens_fail(err, EINVAL,
					 "--like: tensor '%s': scale %zu is "
					 "%g, and can't be divided by",
					 LENS_SHOW(t->name), i,
					 (double)e->scale[i]);
	}
	*ret = e;
	return 0;
}

/* Is there a grid of scales that begins anew at some row? */
static bool restarts(const struct lens_stored *s)
{
	for (unsigned d = 0; d < s->companion[0].rank; d++)
		if (s->companion[0].period[d])
			return true;
	return false;
}

/* FP8 with a scale in DIR. */
static int encode_as(struct liken *k, struct lens_item *item,
		     const struct lens_stored *s, struct lens_err *err)
{
	const struct lens_encoder *e = NULL;

	if (!k->p->quantize)
		return lens_fail(err, EINVAL,
				 "tensor '%s' is %s with scales there: "
				 "--quantize fp8 --scales like makes it so",
				 LENS_SHOW(item->key),
				 lens_dtype_name(s->weight->dtype));
	if (s->codec != lens_codec_find("fp8") || s->n_companions != 1 ||
	    s->weight->dtype != LENS_F8_E4M3 || s->weight->name != s->key ||
	    s->companion[0].dtype == LENS_F8_E8M0 || restarts(s))
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' is stored there as %s of %s, "
				 "which is not made",
				 LENS_SHOW(item->key), s->codec->name,
				 lens_dtype_name(s->weight->dtype));
	if (scales_of(k, item, s, &e, err) < 0)
		return -err->code;
	return lens_quantize_item(k->p, item, e, err);
}

/* Does every value of @from fit @to? */
static bool widens(enum lens_dtype from, enum lens_dtype to)
{
	const bool fp8 = from == LENS_F8_E4M3 || from == LENS_F8_E5M2;

	return to == LENS_F32 || (fp8 && (to == LENS_BF16 || to == LENS_F16));
}

static int cast_as(struct liken *k, struct lens_item *item, enum lens_dtype to,
		   struct lens_err *err)
{
	const struct lens_op_args args = { .dtype = to };
	struct lens_virtual *before, out;

	if (item->v.dtype == to)
		return 0;
	if (lens_op_find("cast")->map(&args, &item->v, 1, &k->p->arena, &out,
				      err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(item->key));
	if (!widens(item->v.dtype, to) && k->opts->cast && !k->n_cast++)
		k->first_cast = item->key;
	if (!widens(item->v.dtype, to) && !k->opts->cast) {
		before = lens_arena_alloc(&k->p->arena, sizeof(*before));
		if (!before)
			return lens_fail(err, ENOMEM, "no memory for a tensor");
		*before = item->v;
		item->exact = before;
	}
	item->v = out;
	return 0;
}

static bool same_shape(const struct lens_virtual *v,
		       const struct lens_stored *s)
{
	if (v->rank != s->rank)
		return false;
	for (unsigned d = 0; d < v->rank; d++)
		if (v->shape[d] != s->shape[d])
			return false;
	return true;
}

static void put_shape(struct lens_buf *b, unsigned rank, const uint64_t *shape)
{
	for (unsigned d = 0; d < rank; d++)
		lens_buf_printf(b, d ? ", %llu" : "%llu",
				(unsigned long long)shape[d]);
}

static int bad_shape(const struct lens_item *item, const struct lens_stored *s,
		     struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	put_shape(&b, item->v.rank, item->v.shape);
	lens_buf_puts(&b, "], and [");
	put_shape(&b, s->rank, s->shape);
	return lens_fail(err, EINVAL, "tensor '%s' is [%s] there",
			 LENS_SHOW(item->key), b.data ? b.data : "");
}

/* Which of the source's tensors goes by DIR's @s; LENS_NONE. */
static int find_item(struct liken *k, const struct lens_stored *s,
		     uint32_t *ret, struct lens_err *err)
{
	const struct lens_virtual v = { .key = s->key,
					.dtype = s->dtype,
					.rank = s->rank,
					.shape = s->shape };
	const char *name;

	*ret = lens_map_find(&k->by_key, s->key);
	if (*ret != LENS_NONE)
		return 0;
	if (lens_plan_rename(k->p->like, s->key, &v, &name, err) < 0)
		return -err->code;
	*ret = lens_map_find(&k->by_name, name);
	if (*ret != LENS_NONE && k->used[*ret])
		*ret = LENS_NONE;
	return 0;
}

/* A tensor of DIR that is no companion. */
static int one_tensor(struct liken *k, const struct lens_tensor *t,
		      const struct lens_stored *s, struct lens_err *err)
{
	struct lens_item *item;
	uint32_t at;

	if (find_item(k, s, &at, err) < 0)
		return -err->code;
	if (at == LENS_NONE && k->opts->allow_missing)
		return from_dir(k, t, err);
	if (at == LENS_NONE) {
		if (k->n_missing++ < NAMED)
			lens_buf_printf(&k->missing, "%s'%s'",
					k->n_missing > 1 ? ", " : "",
					LENS_SHOW(t->name));
		return 0;
	}
	k->used[at] = true;
	item = &k->items->v[at];
	if (!same_shape(&item->v, s))
		return bad_shape(item, s, err);
	if ((s->codec ? encode_as(k, item, s, err) :
			cast_as(k, item, t->dtype, err)) < 0)
		return -err->code;
	item->key = s->key;
	return lens_items_add(&k->out, item, err);
}

/* Is @key, or the weight whose companion it is, left out by --exclude?  As
 * with all that is quantized, the expression sees weights alone. */
static int is_excluded(struct liken *k, const struct lens_key_fate *f,
		       struct lens_err *err)
{
	const struct lens_quantize_rule *q = k->p->recipe->quantize;
	int r;

	if (!k->exclude)
		return 0;
	if (f->fate == LENS_FATE_COMPANION)
		return lens_excludes(k->exclude, f->into, err);
	if (f->fate != LENS_FATE_DROPPED)
		return lens_excludes(k->exclude, f->t->name, err);
	for (size_t i = 0; q && i < q->n; i++) {
		struct lens_captures caps = { 0 };
		const char *weight;

		if (!q->weights[i].activation ||
		    !lens_pattern_match(q->weights[i].activation, f->t->name,
					&caps))
			continue;
		weight = lens_pattern_make(q->weights[i].weight, &caps,
					   &k->p->arena);
		if (!weight)
			return lens_fail(err, ENOMEM, "no memory for a key");
		r = lens_excludes(k->exclude, weight, err);
		if (r)
			return r;
	}
	return 0;
}

/* What DIR has, key by key. */
static int follow(struct liken *k, struct lens_err *err)
{
	const struct lens_plan *l = k->p->like;

	for (size_t i = 0; i < lens_plan_keys(l); i++) {
		const struct lens_key_fate *f = lens_plan_key(l, i);
		const int gone = is_excluded(k, f, err);
		uint32_t at;

		if (gone < 0)
			return gone;
		if (gone)
			continue;
		if (f->fate == LENS_FATE_DROPPED ||
		    f->fate == LENS_FATE_COMPANION) {
			if (from_dir(k, f->t, err) < 0)
				return -err->code;
			continue;
		}
		at = lens_map_find(&k->theirs, f->t->name);
		if (at == LENS_NONE || !k->like->v[at].v.whole)
			return lens_fail(err, EOPNOTSUPP,
					 "tensor '%s' is stored there as %s, "
					 "which is not made",
					 LENS_SHOW(f->t->name), f->rule);
		if (one_tensor(k, f->t, &k->like->v[at].v.whole->stored, err) <
		    0)
			return -err->code;
	}
	return 0;
}

/* What the source has and DIR does not. */
static int leave_out(struct liken *k, struct lens_notes *notes,
		     struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	const char *why;

	/* It stays, as what became of the keys. */
	lens_buf_printf(&text, "'%s'",
			LENS_SHOW(lens_ckpt_path(k->opts->like)));
	why = text.failed ? NULL :
			    lens_arena_strndup(&k->p->arena, text.data, text.n);
	if (!why)
		return lens_fail(err, ENOMEM, "no memory for a name");
	for (size_t i = 0; i < k->items->n; i++) {
		const struct lens_item *item = &k->items->v[i];

		if (!k->used[i] &&
		    lens_leave_out(k->p, item, why, notes, err) < 0)
			return -err->code;
	}
	return 0;
}

int lens_plan_liken(struct lens_plan *p, struct lens_items *items,
		    const struct lens_items *like,
		    const struct lens_plan_opts *opts, struct lens_notes *notes,
		    struct lens_err *err)
{
	LENS_CLEANUP(liken_fini)
	struct liken k = { .p = p, .opts = opts, .items = items, .like = like };

	if (start(&k, opts, err) < 0)
		return -err->code;
	if (follow(&k, err) < 0)
		return lens_wrap(err, "--like '%s'",
				 LENS_SHOW(lens_ckpt_path(opts->like)));
	if (k.n_missing)
		return lens_fail(err, EINVAL,
				 "--like '%s' has %zu tensor%s that the source "
				 "lacks: %s%s (--allow-missing shows them from "
				 "there)",
				 LENS_SHOW(lens_ckpt_path(opts->like)),
				 k.n_missing, k.n_missing == 1 ? "" : "s",
				 k.missing.data,
				 k.n_missing > NAMED ? ", ..." : "");
	if (leave_out(&k, notes, err) < 0)
		return -err->code;
	if (k.n_cast)
		lens_note(notes, "--cast: %zu tensor%s narrowed: '%s'%s",
			  k.n_cast, k.n_cast == 1 ? " is" : "s are",
			  LENS_SHOW(k.first_cast),
			  k.n_cast == 1 ? "" : ", ...");
	free(items->v);
	*items = k.out;
	k.out = (struct lens_items){ 0 };
	return 0;
}

struct check {
	const struct lens_plan *p;
	const struct lens_items *items;
};

#define LOOK (64u << 10) /* values compared at once */

/* Output @i, which was narrowed, against what it was made of. */
static int check_one(void *ctx, size_t i, struct lens_err *err)
{
	const struct check *c = ctx;
	const struct lens_item *item = &c->items->v[i];
	const struct lens_out *o = &c->p->outs[i];
	struct lens_out wide = { .t = o->t };
	const unsigned es = lens_dtype_bits(o->v.dtype) / 8;
	lens_autofree unsigned char *a = NULL, *b = NULL;
	lens_autofree float *x = NULL, *y = NULL;
	unsigned ws;

	if (!item->exact)
		return 0;
	wide.v = *item->exact;
	ws = lens_dtype_bits(wide.v.dtype) / 8;
	a = malloc(LOOK * es);
	b = malloc(LOOK * ws);
	x = malloc(LOOK * sizeof(*x));
	y = malloc(LOOK * sizeof(*y));
	if (!a || !b || !x || !y)
		return lens_fail(err, ENOMEM, "no memory to compare values");
	for (uint64_t e = 0, n, all = o->t.size / es; e < all; e += n) {
		n = all - e < LOOK ? all - e : LOOK;
		if (lens_out_read(c->p, o, e * es, (size_t)n * es, a, err) <
			    0 ||
		    lens_out_read(c->p, &wide, e * ws, (size_t)n * ws, b, err) <
			    0)
			return -err->code;
		(void)lens_to_f32(o->v.dtype, x, a, (size_t)n);
		(void)lens_to_f32(wide.v.dtype, y, b, (size_t)n);
		for (uint64_t k = 0; k < n; k++)
			if (memcmp(&x[k], &y[k], sizeof(*x)) != 0 &&
			    !(isnan(x[k]) && isnan(y[k])))
				return lens_fail(
					err, EINVAL,
					"--like: tensor '%s' is %s there, and "
					"element %llu, %.9g, would become %.9g "
					"(--cast narrows nevertheless)",
					LENS_SHOW(o->t.name),
					lens_dtype_name(o->v.dtype),
					(unsigned long long)(e + k),
					(double)y[k], (double)x[k]);
	}
	return 0;
}

int lens_plan_check_exact(const struct lens_plan *p,
			  const struct lens_items *items,
			  const struct lens_plan_opts *opts,
			  struct lens_err *err)
{
	struct check c = { .p = p, .items = items };

	return p->like ? lens_parallel(p->n, opts->jobs, check_one, &c, err) :
			 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish.c - the last stages: casts, fill, what is left out by --exclude; then
 * the outputs get their order, and names that collide are refused.
 */
#include "plan/state.h"

#include <errno.h>
#include <stdio.h>

/* The first cast that @item fits. */
static int cast_one(struct lens_plan *p, struct lens_item *item,
		    struct lens_err *err)
{
	for (size_t k = 0; k < p->casts.n; k++) {
		const struct lens_rule *r = p->casts.v[k];
		struct lens_op_args args = r->ops[0].args;
		struct lens_captures caps;
		struct lens_virtual out;
		int fits = 0;

		for (size_t j = 0; j < r->n[p->out] && !fits; j++)
			fits = lens_plan_fits(p, r, r->side[p->out][j],
					      item->key, &item->v, &caps, err);
		if (fits < 0)
			return fits;
		if (!fits)
			continue;
		if (args.param &&
		    lens_plan_param_dtype(p, args.param, &args.dtype, err) < 0)
			return -err->code;
		if (r->ops[0].op->map(&args, &item->v, 1, &p->arena, &out,
				      err) < 0)
			return lens_wrap(err, "tensor '%s': cast",
					 LENS_SHOW(item->v.key));
		item->v = out;
		return 0;
	}
	return 0;
}

static int cast_all(struct lens_plan *p, struct lens_items *items,
		    struct lens_err *err)
{
	for (size_t i = 0; i < items->n; i++)
		if (cast_one(p, &items->v[i], err) < 0)
			return -err->code;
	return 0;
}

static bool ordinary(enum lens_dtype d)
{
	return d == LENS_F32 || d == LENS_BF16 || d == LENS_F16;
}

/* A save remembers the dtypes it began with: ordinary floats go back to them.
 */
static int restore_dtypes(struct lens_plan *p, struct lens_items *items,
			  struct lens_notes *notes, struct lens_err *err)
{
	const char *first = NULL;
	size_t narrowed = 0;

	for (size_t i = 0; i < items->n; i++) {
		struct lens_item *item = &items->v[i];
		const struct lens_op_args args = {
			.dtype = lens_ckpt_mapped_dtype(p->ckpt, item->key)
		};
		struct lens_virtual out;

		if (!ordinary(args.dtype) || !ordinary(item->v.dtype) ||
		    args.dtype == item->v.dtype)
			continue;
		if (item->v.dtype != LENS_BF16 &&
		    (item->v.dtype == LENS_F32 || args.dtype == LENS_BF16) &&
		    !narrowed++)
			first = item->key;
		if (lens_op_find("cast")->map(&args, &item->v, 1, &p->arena,
					      &out, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(item->v.key));
		item->v = out;
	}
	if (narrowed)
		lens_note(notes,
			  "%zu tensor%s narrowed to the dtype that "
			  ".hf_metadata says: '%s'%s",
			  narrowed, narrowed == 1 ? " is" : "s are",
			  LENS_SHOW(first), narrowed == 1 ? "" : ", ...");
	return 0;
}

/* Is @key a companion (a scale, say) of a tensor that is there? */
static bool is_companion(const struct lens_plan *p, const char *key)
{
	lens_autofree char *cut = strdup(key);

	for (size_t n = cut ? strlen(cut) : 0; n-- > 1;) {
		const bool border = cut[n] == '_' || cut[n] == '.';
		char weight[512];

		cut[n] = 0;
		if (!border)
			continue;
		(void)snprintf(weight, sizeof(weight), "%s.weight", cut);
		if (lens_map_find(&p->by_key, cut) != LENS_NONE ||
		    lens_map_find(&p->by_key, weight) != LENS_NONE)
			return true;
	}
	return false;
}

/* A key that the save should have, and no shard has, is the only trace of a
 * lost shard. */
static int check_mapped(const struct lens_plan *p,
			const struct lens_plan_opts *opts,
			struct lens_notes *notes, struct lens_err *err)
{
	const bool look = !opts->exclude && !p->like;

	for (size_t i = 0; look && i < lens_ckpt_mapped(p->ckpt); i++) {
		const char *key = lens_ckpt_mapped_key(p->ckpt, i);

		if (lens_map_find(&p->by_key, key) != LENS_NONE ||
		    is_companion(p, key))
			continue;
		if (!opts->allow_missing)
			return lens_fail(
				err, EINVAL,
				"tensor '%s' is in .hf_metadata's mapping and "
				"in no shard: a shard may be lost "
				"(--allow-missing leaves it out)",
				LENS_SHOW(key));
		lens_note(notes,
			  "tensor '%s' is in .hf_metadata's mapping and in no "
			  "shard; it is left out",
			  LENS_SHOW(key));
	}
	return 0;
}

/* Keys of the view that --exclude matches at their start are left out. */
static int exclude(struct lens_items *items, const char *text,
		   struct lens_err *err)
{
	LENS_CLEANUP(lens_excluder_freep) struct lens_excluder *x = NULL;
	size_t kept = 0;

	if (lens_excluder_new(text, &x, err) < 0)
		return -err->code;
	for (size_t i = 0; i < items->n; i++) {
		const int r = lens_excludes(x, items->v[i].key, err);

		if (r < 0)
			return r;
		if (!r)
			items->v[kept++] = items->v[i];
	}
	items->n = kept;
	return 0;
}

static int by_natural_key(const void *a, const void *b)
{
	const struct lens_item *x = a, *y = b;

	return lens_natural_cmp(x->key, y->key);
}

/* Bytes of a tensor; a shape that overflows is refused. */
static int size_of(const struct lens_virtual *v, uint64_t *ret,
		   struct lens_err *err)
{
	uint64_t n = lens_dtype_bits(v->dtype);

	for (unsigned d = 0; d < v->rank; d++)
		if (__builtin_mul_overflow(n, v->shape[d], &n))
			return lens_fail(err, EOVERFLOW,
					 "its size overflows 64 bits");
	*ret = n / 8;
	return 0;
}

/* What can be rearranged or decoded: whole bytes, and a code of 1, 2, 4 or 8 of
 * them. */
static int check_pieces(const struct lens_virtual *v, struct lens_err *err)
{
	if (v->whole && (v->whole->kind != LENS_STORED ||
			 (!v->whole->stored.codec && !v->whole->n_steps)))
		return 0;
	if (v->rank > LENS_DIMS)
		return lens_fail(
			err, EOPNOTSUPP,
			"it has %u dimensions; up to %d can be worked on",
			v->rank, LENS_DIMS);
	for (size_t i = 0; i < (v->whole ? 1 : v->n_pieces); i++) {
		const struct lens_producer *q =
			v->whole ? v->whole : v->pieces[i].from;

		if (q->kind == LENS_STORED && !q->stored.packing.bits &&
		    lens_dtype_bits(q->stored.weight->dtype) % 8)
			return lens_fail(
				err, EOPNOTSUPP,
				"%s can't be rearranged: its elements are no "
				"whole bytes",
				lens_dtype_name(q->stored.weight->dtype));
	}
	return 0;
}

/* How panels of @v are made, if it has any. */
static void choose_way(const struct lens_out *o, struct lens_way *w)
{
	const struct lens_virtual *v = &o->v;
	const unsigned es = lens_dtype_bits(v->dtype) / 8;
	unsigned code = 0;
	bool coded = !o->encoder;

	w->elem = es;
	if (v->whole || v->rank < 2)
		return;
	for (size_t i = 0; i < v->n_pieces; i++) {
		const struct lens_piece *q = &v->pieces[i];
		unsigned size;

		if (q->from->kind != LENS_STORED) {
			coded = false;
			continue;
		}
		if (lens_tile_turned(q, v->rank))
			w->paneled = true;
		size = lens_stored_code_size(&q->from->stored);
		if (!q->from->stored.codec || q->from->n_steps || size >= es ||
		    (code && code != size) || q->step[v->rank - 1] != 1 ||
		    !lens_tile_runs(q, v->rank))
			coded = false;
		code = size;
	}
	w->coded = w->paneled && coded;
	if (w->coded)
		w->elem = code;
}

static int add_output(struct lens_plan *p, const struct lens_item *item,
		      struct lens_err *err)
{
	struct lens_out *o = &p->outs[p->n];
	int r = lens_map_add(&p->by_key, item->key, (uint32_t)p->n);

	if (r < 0)
		return lens_fail(err, ENOMEM, "no memory for keys");
	if (!r) {
		const struct lens_out *other =
			&p->outs[lens_map_find(&p->by_key, item->key)];

		return lens_fail(err, EINVAL,
				 "two tensors would be called '%s': one of "
				 "'%s' and one of '%s'",
				 LENS_SHOW(item->key), LENS_SHOW(other->v.key),
				 LENS_SHOW(item->v.key));
	}
	*o = (struct lens_out){
		.t = { .name = item->key,
		       .dtype = item->v.dtype,
		       .rank = item->v.rank,
		       .shape = item->v.shape },
		.v = item->v,
		.encoder = item->encoder,
	};
	if (size_of(&item->v, &o->t.size, err) < 0 ||
	    check_pieces(&item->v, err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(item->v.key));
	p->ways[p->n].ops = item->ops;
	choose_way(o, &p->ways[p->n]);
	p->n++;
	for (size_t i = 0; i < item->n_src; i++)
		if (!p->fates[item->src[i]].into)
			p->fates[item->src[i]].into = item->key;
	return 0;
}

/* Keys that went nowhere were left out; companions go where their tensor goes.
 */
static void settle_fates(struct lens_plan *p)
{
	for (size_t i = 0; i < lens_ckpt_count(p->ckpt); i++) {
		struct lens_key_fate *f = &p->fates[i];
		uint32_t k;

		if (f->fate == LENS_FATE_COMPANION) {
			k = lens_ckpt_index(p->ckpt, f->into);
			f->into = k == LENS_NONE ? NULL : p->fates[k].into;
		}
		if (f->fate != LENS_FATE_DROPPED && !f->into)
			f->fate = LENS_FATE_EXCLUDED;
	}
}

/* FP8 tensors that stay in a view whose config no longer says so. */
static void warn(const struct lens_plan *p, struct lens_notes *notes)
{
	const char *first = NULL;
	size_t n = 0;

	for (size_t i = 0;
	     lens_plan_dequantizes(p) && !p->quantize && !p->like && i < p->n;
	     i++)
		if (p->outs[i].t.dtype == LENS_F8_E4M3) {
			if (!n++)
				first = p->outs[i].t.name;
		}
	if (n)
		lens_note(notes,
			  "%zu tensor%s F8_E4M3, having no scale, and "
			  "config.json will not say so: '%s'%s",
			  n, n == 1 ? " stays" : "s stay", LENS_SHOW(first),
			  n == 1 ? "" : ", ...");
	if (lens_plan_dequantizes(p) &&
	    lens_json_at(lens_ckpt_config(p->ckpt), "expert_dtype"))
		lens_note(notes, "config.json: 'expert_dtype' still speaks of "
				 "a quantized part");
}

int lens_plan_finish(struct lens_plan *p, struct lens_items *items,
		     const struct lens_items *like,
		     const struct lens_plan_opts *opts,
		     struct lens_notes *notes, struct lens_err *err)
{
	if (cast_all(p, items, err) < 0 || lens_plan_made(p, items, err) < 0 ||
	    restore_dtypes(p, items, notes, err) < 0 ||
	    exclude(items, opts->exclude, err) < 0 ||
	    (p->like     ? lens_plan_liken(p, items, like, opts, notes, err) :
	     p->quantize ? lens_plan_quantize(p, items, opts, notes, err) :
			   0) < 0)
		return -err->code;
	if (lens_sort(items->v, items->n, sizeof(*items->v), by_natural_key) <
		    0 ||
	    lens_map_reserve(&p->by_key, items->n) < 0)
		return lens_fail(err, ENOMEM, "no memory for %zu tensors",
				 items->n);
	p->outs = calloc(items->n ? items->n : 1, sizeof(*p->outs));
	p->ways = calloc(items->n ? items->n : 1, sizeof(*p->ways));
	if (!p->outs || !p->ways)
		return lens_fail(err, ENOMEM, "no memory for %zu tensors",
				 items->n);
	for (size_t i = 0; i < items->n; i++)
		if (add_output(p, &items->v[i], err) < 0)
			return -err->code;
	if (check_mapped(p, opts, notes, err) < 0 ||
	    lens_plan_check_exact(p, items, opts, err) < 0)
		return -err->code;
	settle_fates(p);
	warn(p, notes);
	if (opts->strict && notes->n)
		return lens_fail(err, EINVAL, "--strict: %s", notes->v[0]);
	return 0;
}

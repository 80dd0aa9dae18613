/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.c - weights become FP8 codes and scales, where the recipe says that
 * a quantized checkpoint of its family has them; and what such a checkpoint
 * does not have is left out.
 */
#include "plan/state.h"

#include <errno.h>
#include <stdio.h>

static const struct lens_quantized *quantized(const struct lens_plan *p,
					      const char *key,
					      struct lens_captures *caps)
{
	const struct lens_quantize_rule *q = p->recipe->quantize;

	for (size_t i = 0; i < q->n_never; i++) {
		struct lens_captures none = { 0 };

		if (lens_pattern_match(q->never[i], key, &none))
			return NULL;
	}
	for (size_t i = 0; i < q->n; i++) {
		*caps = (struct lens_captures){ 0 };
		if (lens_pattern_match(q->weights[i].weight, key, caps))
			return &q->weights[i];
	}
	return NULL;
}

static bool is_absent(const struct lens_plan *p, const char *key)
{
	const struct lens_quantize_rule *q = p->recipe->quantize;

	for (size_t i = 0; i < q->n_absent; i++) {
		struct lens_captures caps = { 0 };

		if (lens_pattern_match(q->absent[i], key, &caps))
			return true;
	}
	return false;
}

/* The constant that reading the view forward would fill @item in with; false:
 * it would not. */
static bool filled_in(const struct lens_plan *p, const struct lens_item *item,
		      double *value)
{
	const char *key =
		item->n_src ? p->fates[item->src[0]].t->name : item->key;

	for (size_t i = 0; i < p->recipe->n_fills; i++) {
		const struct lens_fill_rule *f = &p->recipe->fills[i];
		const struct lens_about a = { .p = p };
		struct lens_captures caps = { 0 };
		struct lens_err none;

		if (f->kind != LENS_CONSTANT || f->side != p->in ||
		    lens_plan_when(&a, &f->when, false, &none) <= 0 ||
		    !lens_pattern_match(f->key, key, &caps))
			continue;
		*value = f->value;
		return true;
	}
	return false;
}

/* Is every value of @item @value? */
static int holds_only(const struct lens_plan *p, const struct lens_item *item,
		      double value, bool *ret, struct lens_err *err)
{
	const size_t es = lens_dtype_bits(item->v.dtype) / 8;
	struct lens_out o = { .t = { .name = item->key }, .v = item->v };
	unsigned char bytes[4096];
	float f[LENS_ARRAY_SIZE(bytes)];
	uint64_t size = es;

	for (unsigned d = 0; d < item->v.rank; d++)
		size *= item->v.shape[d];
	*ret = lens_to_f32(item->v.dtype, f, bytes, 0);
	for (uint64_t off = 0, n; *ret && off < size; off += n) {
		n = size - off < sizeof(bytes) ? size - off : sizeof(bytes);
		if (lens_out_read(p, &o, off, (size_t)n, bytes, err) < 0)
			return -err->code;
		(void)lens_to_f32(item->v.dtype, f, bytes, (size_t)n / es);
		for (size_t i = 0; i < n / es; i++)
			*ret &= f[i] == (float)value;
	}
	return 0;
}

int lens_leave_out(struct lens_plan *p, const struct lens_item *item,
		   const char *why, struct lens_notes *notes,
		   struct lens_err *err)
{
	double value;
	bool same = false;

	if (filled_in(p, item, &value) &&
	    holds_only(p, item, value, &same, err) < 0)
		return -err->code;
	if (!same)
		lens_note(notes,
			  "tensor '%s' is left out, being none that %s has; "
			  "its values are lost",
			  LENS_SHOW(item->key), why);
	for (size_t i = 0; i < item->n_src; i++) {
		p->fates[item->src[i]].fate = LENS_FATE_DROPPED;
		p->fates[item->src[i]].rule = why;
	}
	return 0;
}

static bool is_float(enum lens_dtype d)
{
	return d == LENS_F32 || d == LENS_BF16 || d == LENS_F16 ||
	       d == LENS_F8_E4M3 || d == LENS_F8_E5M2;
}

int lens_quantize_item(struct lens_plan *p, struct lens_item *item,
		       const struct lens_encoder *encoder, struct lens_err *err)
{
	struct lens_virtual v = item->v;

	if (!v.rank || v.rank > LENS_DIMS)
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' has %u dimensions, and is not "
				 "quantized",
				 LENS_SHOW(item->key), v.rank);
	if (lens_virtual_pieces(&item->v, &p->arena, &v.pieces, &v.n_pieces,
				err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(item->key));
	v.whole = NULL;
	v.dtype = LENS_F8_E4M3;
	item->v = v;
	item->encoder = encoder;
	return 0;
}

/* @v as its source has it best: its last two dimensions changed for one
 * another where they are turned. */
static int as_stored(struct lens_plan *p, const struct lens_virtual *v,
		     struct lens_virtual *ret, bool *turned,
		     struct lens_err *err)
{
	const unsigned a = v->rank - 2, b = v->rank - 1;
	struct lens_piece *pieces;
	uint64_t *shape;

	*ret = *v;
	*turned = false;
	for (size_t i = 0; v->rank >= 2 && i < v->n_pieces; i++)
		*turned |= lens_tile_turned(&v->pieces[i], v->rank);
	if (!*turned)
		return 0;
	pieces = lens_arena_alloc(&p->arena, v->n_pieces * sizeof(*pieces));
	shape = lens_arena_alloc(&p->arena, v->rank * sizeof(*shape));
	if (!pieces || !shape)
		return lens_fail(err, ENOMEM, "no memory for pieces");
	memcpy(shape, v->shape, v->rank * sizeof(*shape));
	shape[a] = v->shape[b];
	shape[b] = v->shape[a];
	for (size_t i = 0; i < v->n_pieces; i++) {
		const struct lens_piece *from = &v->pieces[i];
		struct lens_piece *to = &pieces[i];

		*to = *from;
		to->origin[a] = from->origin[b];
		to->origin[b] = from->origin[a];
		to->step[a] = from->step[b];
		to->step[b] = from->step[a];
		to->count[a] = from->count[b];
		to->count[b] = from->count[a];
		for (unsigned j = 0; j < LENS_DIMS; j++)
			if (to->by[j] == (int)a || to->by[j] == (int)b)
				to->by[j] =
					(int8_t)(a + b - (unsigned)to->by[j]);
	}
	ret->shape = shape;
	ret->pieces = pieces;
	return 0;
}

/* The shape of @v's scales: rank and dimensions. */
static unsigned scale_shape(const struct lens_plan *p,
			    const struct lens_virtual *v, uint64_t shape[3])
{
	const uint64_t block = p->block;
	const unsigned rank = v->rank;

	if (block && (rank == 2 || rank == 3)) {
		shape[0] = v->shape[0];
		for (unsigned d = rank - 2; d < rank; d++)
			shape[d] = (v->shape[d] + block - 1) / block;
		return rank;
	}
	shape[0] = rank == 3 ? v->shape[0] : 1;
	shape[1] = shape[2] = 1;
	return rank == 3 ? 3 : 0;
}

/* Scales of @v, its values, to be made when they are needed. */
static int reduce(struct lens_plan *p, const struct lens_virtual *v,
		  const uint64_t shape[3], const struct lens_encoder **ret,
		  struct lens_err *err)
{
	const unsigned rank = v->rank;
	const bool blocks = p->block && (rank == 2 || rank == 3);
	const size_t units = rank == 3 ? (size_t)v->shape[0] : 1;
	size_t n = units;
	struct lens_reduction *r = lens_arena_alloc(&p->arena, sizeof(*r));
	struct lens_encoder *e;

	if (blocks)
		n = units * (size_t)(shape[rank - 2] * shape[rank - 1]);
	e = lens_encoder_new(p, v, n);
	if (!r || !e)
		return lens_fail(err, ENOMEM, "no memory for scales");
	r->values.v = *v;
	if (as_stored(p, v, &r->values.v, &r->turned, err) < 0)
		return -err->code;
	r->values.t.name = v->key;
	r->units = units ? units : 1;
	r->rows = rank >= 2 ? r->values.v.shape[rank - 2] : 1;
	r->cols = r->values.v.shape[rank - 1];
	r->matrices = 1;
	for (unsigned d = 0; d + 2 < rank; d++)
		r->matrices *= (size_t)v->shape[d];
	if (rank == 3)
		e->stride[0] = n / r->units;
	if (blocks) {
		r->block = p->block;
		r->grid[0] = (r->rows + p->block - 1) / p->block;
		r->grid[1] = (r->cols + p->block - 1) / p->block;
		e->div[rank - 2] = e->div[rank - 1] = p->block;
		e->stride[rank - 2] = shape[rank - 1];
		e->stride[rank - 1] = 1;
	}
	r->state = lens_arena_alloc(&p->arena, r->units * sizeof(*r->state));
	if (!r->state)
		return lens_fail(err, ENOMEM, "no memory for scales");
	e->made_by = r;
	*ret = e;
	return 0;
}

/* A tensor of F32 under @key: ones, or @scales. */
static int add_scales(struct lens_plan *p, struct lens_items *out,
		      const struct lens_item *of, const char *key,
		      unsigned rank, const uint64_t *dims,
		      const struct lens_encoder *scales, struct lens_err *err)
{
	struct lens_producer *q = lens_arena_alloc(&p->arena, sizeof(*q));
	uint64_t *shape = lens_arena_alloc(&p->arena, 3 * sizeof(*shape));
	struct lens_item item = { .key = key };

	if (!q || !shape || !key)
		return lens_fail(err, ENOMEM, "no memory for scales");
	memcpy(shape, dims, rank * sizeof(*shape));
	q->kind = scales ? LENS_SCALES : LENS_FILL;
	q->fill = 1;
	q->scales = scales;
	q->dtype = LENS_F32;
	q->stored.key = of->v.key;
	q->stored.rank = rank;
	q->stored.shape = shape;
	lens_virtual_init(&item.v, q);
	return lens_items_add(out, &item, err);
}

/* One weight: its codes, its scales. */
static int quantize_one(struct lens_plan *p, struct lens_item *item,
			const struct lens_quantized *q,
			const struct lens_captures *caps,
			struct lens_items *out, struct lens_err *err)
{
	const struct lens_op_args to_fp8 = { .dtype = LENS_F8_E4M3 };
	const bool unit = p->quantize == LENS_SCALES_UNIT;
	const char *scale = lens_pattern_make(q->scale, caps, &p->arena);
	const struct lens_encoder *e = NULL;
	const struct lens_item of = *item;
	struct lens_virtual v;
	uint64_t shape[3];
	unsigned rank;

	if (!is_float(item->v.dtype))
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' is %s, and can't be quantized",
				 LENS_SHOW(item->key),
				 lens_dtype_name(item->v.dtype));
	rank = scale_shape(p, &item->v, shape);
	if (unit) {
		if (lens_op_find("cast")->map(&to_fp8, &item->v, 1, &p->arena,
					      &v, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(item->key));
		item->v = v;
	} else {
		enum lens_dtype from = item->v.dtype;

		if (lens_quantize_item(p, item, NULL, err) < 0)
			return -err->code;
		v = item->v;
		v.dtype = from;
		if (reduce(p, &v, shape, &e, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(item->key));
		item->encoder = e;
	}
	if (lens_items_add(out, item, err) < 0 ||
	    add_scales(p, out, &of, scale, rank, shape, e, err) < 0)
		return -err->code;
	if (!unit || !q->activation)
		return 0;
	return add_scales(p, out, &of,
			  lens_pattern_make(q->activation, caps, &p->arena),
			  rank == 3, shape, NULL, err);
}

int lens_plan_quantize(struct lens_plan *p, struct lens_items *items,
		       const struct lens_plan_opts *opts,
		       struct lens_notes *notes, struct lens_err *err)
{
	struct lens_items out = { 0 };

	for (size_t i = 0; i < items->n; i++) {
		struct lens_item *item = &items->v[i];
		struct lens_captures caps;
		const struct lens_quantized *q = quantized(p, item->key, &caps);
		int r;

		if (is_absent(p, item->key))
			r = lens_leave_out(p, item, "a quantized checkpoint",
					   notes, err);
		else if (q)
			r = quantize_one(p, item, q, &caps, &out, err);
		else
			r = lens_items_add(&out, item, err);
		if (r < 0) {
			free(out.v);
			return r;
		}
	}
	(void)opts;
	free(items->v);
	*items = out;
	return 0;
}

bool lens_plan_quantization(const struct lens_plan *p, unsigned indent,
			    struct lens_buf *out)
{
	const struct lens_quantize_rule *q = p->recipe->quantize;
	const int in = (int)indent + 2;

	if (!p->quantize || p->quantize == LENS_SCALES_LIKE)
		return false;
	if (!out)
		return true;
	lens_buf_printf(out,
			"{\n%*s\"quant_method\": \"fp8\",\n"
			"%*s\"activation_scheme\": \"%s\",\n"
			"%*s\"weight_block_size\": ",
			in, "", in, "",
			p->quantize == LENS_SCALES_UNIT ? "static" : "dynamic",
			in, "");
	if (p->block)
		lens_buf_printf(out, "[\n%*s%llu,\n%*s%llu\n%*s]", in + 2, "",
				(unsigned long long)p->block, in + 2, "",
				(unsigned long long)p->block, in, "");
	else
		lens_buf_puts(out, "null");
	lens_buf_printf(out,
			",\n%*s\"dequantize\": false,\n"
			"%*s\"modules_to_not_convert\": [",
			in, "", in, "");
	for (size_t i = 0; i < q->n_modules; i++) {
		lens_buf_printf(out, "%s\n%*s", i ? "," : "", in + 2, "");
		lens_json_quote(out, q->modules[i], true);
	}
	if (q->n_modules)
		lens_buf_printf(out, "\n%*s", in, "");
	lens_buf_printf(out, "]\n%*s}", (int)indent, "");
	return true;
}

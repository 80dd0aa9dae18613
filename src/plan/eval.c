/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval.c - any bytes of an output, made from the source.
 */
#include "plan/state.h"

#include <errno.h>

int lens_by_elements(unsigned es, uint64_t off, size_t n, void *buf,
		     int (*make)(void *ctx, uint64_t e0, uint64_t e1, void *dst,
				 struct lens_err *err),
		     void *ctx, struct lens_err *err)
{
	unsigned char one[8], *dst = buf;
	const unsigned head = (unsigned)(off % es);
	uint64_t e = off / es;
	size_t whole;

	if (head && n) {
		size_t k = es - head < n ? es - head : n;

		if (make(ctx, e, e + 1, one, err) < 0)
			return -err->code;
		memcpy(dst, one + head, k);
		dst += k;
		n -= k;
		e++;
	}
	whole = n / es;
	if (whole && make(ctx, e, e + whole, dst, err) < 0)
		return -err->code;
	n -= whole * es;
	if (!n)
		return 0;
	if (make(ctx, e + whole, e + whole + 1, one, err) < 0)
		return -err->code;
	memcpy(dst + whole * es, one, n);
	return 0;
}

struct job {
	const struct lens_plan *p;
	const struct lens_out *o;
	unsigned char *dst;
	unsigned es;
};

static int make_slab(void *ctx, const struct lens_slab *slab, uint64_t first,
		     struct lens_err *err)
{
	const struct job *j = ctx;

	return lens_slab_make(j->p, j->o, slab, j->dst + first * j->es,
			      slab->n_cols * j->es, false, err);
}

/* Pieces: rectangle by rectangle. */
static int make_pieces(void *ctx, uint64_t e0, uint64_t e1, void *dst,
		       struct lens_err *err)
{
	struct job j = *(const struct job *)ctx;

	j.dst = dst;
	return lens_slabs(j.o, e0, e1, make_slab, &j, err);
}

static int make_fill(void *ctx, uint64_t e0, uint64_t e1, void *dst,
		     struct lens_err *err)
{
	const struct job *j = ctx;
	const struct lens_producer *q = j->o->v.whole;
	const float v = (float)q->fill;
	enum lens_dtype d = q->dtype;
	unsigned char a[8], b[8];

	(void)err;
	(void)lens_from_f32(d, a, &v, 1);
	for (unsigned k = 0; k < q->n_steps; k++) {
		(void)lens_decode(q->step[k], b, d, a, 1, 1.0f);
		d = q->step[k];
		memcpy(a, b, sizeof(a));
	}
	for (uint64_t e = 0; e < e1 - e0; e++)
		memcpy((char *)dst + e * j->es, a, j->es);
	return 0;
}

static int make_scales(void *ctx, uint64_t e0, uint64_t e1, void *dst,
		       struct lens_err *err)
{
	const struct job *j = ctx;

	return lens_scales_read(j->p, j->o->v.whole->scales, e0, e1, dst, err);
}

/* How many of the first dimensions a companion of @s depends on. */
static unsigned scaled_dims(const struct lens_stored *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_companions; i++)
		for (unsigned k = 0; k < s->companion[i].rank; k++)
			if (s->companion[i].dim[k] >= (int)n)
				n = (unsigned)s->companion[i].dim[k] + 1;
	return n;
}

/* The box that holds elements [e0, e1): what differs first, then everything. */
static struct lens_box box_of(const struct lens_virtual *v, uint64_t e0,
			      uint64_t e1)
{
	struct lens_box box = { 0 };
	uint64_t size[LENS_DIMS + 1];
	bool same = true;

	size[v->rank] = 1;
	for (unsigned d = v->rank; d-- > 0;)
		size[d] = size[d + 1] * v->shape[d];
	for (unsigned d = 0; d < v->rank; d++) {
		uint64_t first = e0 / size[d + 1] % v->shape[d],
			 last = (e1 - 1) / size[d + 1] % v->shape[d];

		box.origin[d] = same ? first : 0;
		box.count[d] = same ? last - first + 1 : v->shape[d];
		same = same && first == last;
	}
	return box;
}

/* Decode elements [e0, e1) whose codes are in the scratch, in lines that share
 * all but their last index. */
static void decode_lines(const struct job *j, const struct lens_window *w,
			 uint64_t e0, uint64_t e1, void *dst,
			 struct lens_scratch *x)
{
	const struct lens_virtual *v = &j->o->v;
	const unsigned code = lens_stored_code_size(&v->whole->stored),
		       n = scaled_dims(&v->whole->stored);
	const unsigned dim = n ? n - 1 : 0;
	/* If the last dimension is scaled, a line runs along it; else one
	 * covers all that has the same scale. */
	const bool along = n && n == v->rank;
	uint64_t size = 1;

	for (unsigned d = along ? n - 1 : n; d < v->rank; d++)
		size *= v->shape[d];
	for (uint64_t e = e0, m; e < e1; e += m) {
		uint64_t at[LENS_DIMS] = { 0 }, rest = e;

		m = size - e % size < e1 - e ? size - e % size : e1 - e;
		for (unsigned d = v->rank; d-- > 0;) {
			at[d] = rest % v->shape[d];
			rest /= v->shape[d];
		}
		lens_line(v->whole, w, x->codes + (e - e0) * code, at,
			  along   ? dim :
			  v->rank ? v->rank - 1 :
				    0,
			  along, (size_t)m, (char *)dst + (e - e0) * j->es, x);
	}
}

/* A whole tensor that is decoded or cast in its own order. */
static int make_whole(void *ctx, uint64_t e0, uint64_t e1, void *dst,
		      struct lens_err *err)
{
	const struct job *j = ctx;
	const struct lens_stored *s = &j->o->v.whole->stored;
	const unsigned code = lens_stored_code_size(s);
	struct lens_scratch *x = lens_plan_scratch(err);
	struct lens_window w[LENS_COMPANIONS];

	if (!x)
		return -err->code;
	for (uint64_t e = e0, n; e < e1; e += n) {
		struct lens_box box;

		n = e1 - e < LENS_CODES / code ? e1 - e : LENS_CODES / code;
		for (box = box_of(&j->o->v, e, e + n);
		     n > 1 && lens_window_size(s, &box) > LENS_WINDOW;) {
			n /= 2;
			box = box_of(&j->o->v, e, e + n);
		}
		if (lens_ckpt_read(lens_stored_ckpt(j->p, s), s->weight,
				   e * code, (size_t)(n * code), x->codes,
				   err) < 0 ||
		    lens_window_load(j->p, s, &box, x, w, err) < 0)
			return -err->code;
		decode_lines(j, w, e, e + n, (char *)dst + (e - e0) * j->es, x);
	}
	return 0;
}

int lens_out_read(const struct lens_plan *p, const struct lens_out *o,
		  uint64_t off, size_t n, void *buf, struct lens_err *err)
{
	const struct lens_producer *q = o->v.whole;
	struct job j = { .p = p,
			 .o = o,
			 .es = lens_dtype_bits(o->v.dtype) / 8 };
	int r;

	if (!n)
		return 0;
	if (q && q->kind == LENS_STORED && !q->stored.codec && !q->n_steps)
		r = lens_ckpt_read(lens_stored_ckpt(p, &q->stored),
				   q->stored.weight, off, n, buf, err);
	else
		r = lens_by_elements(j.es, off, n, buf,
				     !q                     ? make_pieces :
				     q->kind == LENS_FILL   ? make_fill :
				     q->kind == LENS_SCALES ? make_scales :
							      make_whole,
				     &j, err);
	return r < 0 ? lens_wrap(err, "tensor '%s'", LENS_SHOW(o->t.name)) : 0;
}

int lens_plan_read(const struct lens_plan *p, size_t i, uint64_t off, size_t n,
		   void *buf, struct lens_err *err)
{
	return lens_out_read(p, &p->outs[i], off, n, buf, err);
}

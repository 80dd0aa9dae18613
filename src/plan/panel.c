/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panel.c - parts of turned tensors that are made at once.
 *
 * A panel is rows of one matrix, all columns: the whole matrix, or, if that is
 * too large, a multiple of 128 rows.  It is made in strips of columns, which
 * are contiguous rows of the source.
 */
#include "plan/state.h"

#include <errno.h>

#define STRIP (1u << 20)   /* bytes of a strip in memory, about */
#define WORTH (256u << 10) /* a smaller matrix is read at once anyway */

/* The cut of output @i into panels of at most @max bytes. */
struct cut {
	uint64_t rows, cols; /* of a matrix */
	uint64_t part;       /* rows of a panel */
	uint64_t parts;      /* panels of a matrix */
};

static bool cut_of(const struct lens_plan *p, size_t i, size_t max,
		   struct cut *ret)
{
	const struct lens_virtual *v = &p->outs[i].v;
	const struct lens_way *w = &p->ways[i];
	uint64_t row;

	if (!w->paneled)
		return false;
	ret->rows = v->shape[v->rank - 2];
	ret->cols = v->shape[v->rank - 1];
	row = ret->cols * w->elem;
	if (!ret->rows || !row || ret->rows * row < WORTH)
		return false;
	ret->part = ret->rows;
	if (ret->rows * row > max)
		ret->part = max / row / 128 * 128;
	if (!ret->part)
		return false;
	ret->parts = (ret->rows + ret->part - 1) / ret->part;
	return true;
}

/* The panel's rectangle, of columns [col, col + n). */
static struct lens_slab slab_of(const struct lens_plan *p,
				const struct lens_panel *panel, uint64_t col,
				uint64_t n)
{
	const struct lens_virtual *v = &p->outs[panel->out].v;
	const uint64_t cols = v->shape[v->rank - 1],
		       rows = v->shape[v->rank - 2];
	const uint64_t line =
		panel->off / (lens_dtype_bits(v->dtype) / 8) / cols;
	struct lens_slab slab = { .row = line % rows,
				  .n_rows = panel->size / panel->elem / cols,
				  .col = col,
				  .n_cols = n };
	uint64_t rest = line / rows;

	for (unsigned d = v->rank - 2; d-- > 0;) {
		slab.outer[d] = rest % v->shape[d];
		rest /= v->shape[d];
	}
	return slab;
}

/* Columns of a strip: whole blocks, so that threads don't share cache lines or
 * scales. */
static uint64_t strip_cols(const struct lens_virtual *v,
			   const struct lens_panel *panel)
{
	uint64_t cols = v->shape[v->rank - 1];
	uint64_t rows = panel->size / panel->elem / cols;
	uint64_t n = STRIP / (rows * panel->elem) / 128 * 128;

	return n ? n : 128;
}

bool lens_plan_panel(const struct lens_plan *p, size_t i, uint64_t off,
		     size_t max, struct lens_panel *ret)
{
	const struct lens_virtual *v = &p->outs[i].v;
	const unsigned es = lens_dtype_bits(v->dtype) / 8;
	uint64_t line, matrix, part, rows, per;
	struct cut c;

	if (!cut_of(p, i, max, &c))
		return false;
	line = off / es / c.cols;
	matrix = line / c.rows;
	part = line % c.rows / c.part;
	rows = c.rows - part * c.part < c.part ? c.rows - part * c.part :
						 c.part;
	*ret = (struct lens_panel){
		.out = (uint32_t)i,
		.index = (uint32_t)(matrix * c.parts + part),
		.off = (matrix * c.rows + part * c.part) * c.cols * es,
		.n = rows * c.cols * es,
		.size = (size_t)(rows * c.cols * p->ways[i].elem),
		.elem = p->ways[i].elem,
	};
	per = strip_cols(v, ret);
	ret->n_strips = (unsigned)((c.cols + per - 1) / per);
	return true;
}

int lens_plan_fill(const struct lens_plan *p, const struct lens_panel *panel,
		   unsigned strip, void *mem, struct lens_err *err)
{
	const struct lens_out *o = &p->outs[panel->out];
	const uint64_t cols = o->v.shape[o->v.rank - 1],
		       per = strip_cols(&o->v, panel);
	const uint64_t col = strip * per,
		       n = cols - col < per ? cols - col : per;
	const struct lens_slab slab = slab_of(p, panel, col, n);

	if (lens_slab_make(p, o, &slab, (char *)mem + col * panel->elem,
			   cols * panel->elem, p->ways[panel->out].coded,
			   err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(o->t.name));
	return 0;
}

struct take {
	const struct lens_plan *p;
	const struct lens_panel *panel;
	const struct lens_out *o;
	const unsigned char *mem; /* where element 0 of the output would be */
	unsigned char *dst;
	uint64_t first; /* element of the output at dst */
	unsigned es;
};

/* Decode the rows of one tile, its codes where they stand in the panel. */
static int take_tile(const struct take *k, const struct lens_tile *t,
		     const struct lens_slab *slab, unsigned char *dst,
		     struct lens_scratch *x, struct lens_err *err)
{
	const struct lens_virtual *v = &k->o->v;
	const struct lens_piece *q = t->piece;
	const unsigned b = v->rank - 1, a = b - 1;
	const struct lens_box box = lens_tile_box(t);
	struct lens_window w[LENS_COMPANIONS];
	uint64_t at[LENS_DIMS], matrix = 0;
	unsigned dim = 0, rowdim = LENS_DIMS;

	if (lens_window_size(&q->from->stored, &box) > LENS_WINDOW &&
	    t->kn[a] > 1) {
		struct lens_tile half = *t;

		half.kn[a] /= 2;
		if (take_tile(k, &half, slab, dst, x, err) < 0)
			return -err->code;
		half.k0[a] += half.kn[a];
		half.kn[a] = t->kn[a] - half.kn[a];
		return take_tile(k, &half, slab, dst, x, err);
	}
	if (lens_window_load(k->p, &q->from->stored, &box, x, w, err) < 0)
		return -err->code;
	for (unsigned j = 0; j < q->from->stored.rank; j++) {
		dim = q->by[j] == (int)b ? j : dim;
		rowdim = q->by[j] == (int)a ? j : rowdim;
	}
	for (unsigned d = 0; d < a; d++)
		matrix = matrix * v->shape[d] + slab->outer[d];
	memcpy(at, box.origin, sizeof(at));
	for (uint64_t r = 0; r < t->kn[a]; r++) {
		const uint64_t row = q->origin[a] + q->step[a] * (t->k0[a] + r),
			       col = q->origin[b] + t->k0[b];
		const uint64_t e =
			(matrix * v->shape[a] + row) * v->shape[b] + col;

		if (rowdim < LENS_DIMS)
			at[rowdim] =
				box.origin[rowdim] + r * q->src_step[rowdim];
		lens_line(q->from, w, k->mem + e * k->panel->elem, at, dim,
			  q->src_step[dim], (size_t)t->kn[b],
			  dst + ((row - slab->row) * slab->n_cols + col -
				 slab->col) *
					  k->es,
			  x);
	}
	return 0;
}

static int take_slab(void *ctx, const struct lens_slab *slab, uint64_t first,
		     struct lens_err *err)
{
	const struct take *k = ctx;
	struct lens_scratch *x = lens_plan_scratch(err);

	if (!x)
		return -err->code;
	for (size_t i = 0; i < k->o->v.n_pieces; i++) {
		struct lens_tile t;

		if (lens_tile_cut(&k->o->v.pieces[i], k->o->v.rank, slab, &t) &&
		    take_tile(k, &t, slab, k->dst + first * k->es, x, err) < 0)
			return -err->code;
	}
	return 0;
}

static int take_elements(void *ctx, uint64_t e0, uint64_t e1, void *dst,
			 struct lens_err *err)
{
	struct take k = *(const struct take *)ctx;

	k.dst = dst;
	return lens_slabs(k.o, e0, e1, take_slab, &k, err);
}

const void *lens_plan_peek(const struct lens_plan *p,
			   const struct lens_panel *panel, const void *mem,
			   uint64_t off)
{
	return p->ways[panel->out].coded ?
		       NULL :
		       (const char *)mem + (off - panel->off);
}

int lens_plan_take(const struct lens_plan *p, const struct lens_panel *panel,
		   const void *mem, uint64_t off, size_t n, void *buf,
		   struct lens_err *err)
{
	const struct lens_out *o = &p->outs[panel->out];
	struct take k = { .p = p,
			  .panel = panel,
			  .o = o,
			  .es = lens_dtype_bits(o->v.dtype) / 8 };

	const void *there = lens_plan_peek(p, panel, mem, off);

	if (there) {
		memcpy(buf, there, n);
		return 0;
	}
	k.mem = (const unsigned char *)((uintptr_t)mem -
					panel->off / k.es * panel->elem);
	if (lens_by_elements(k.es, off, n, buf, take_elements, &k, err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(o->t.name));
	return 0;
}

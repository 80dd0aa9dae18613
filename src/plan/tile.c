/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tile.c - rectangles of an output made from pieces: the codes of a part are
 * read at once, turned where the piece turns them, and decoded line by line.
 *
 * Rows and columns are the output's last two dimensions, a and b; everything
 * before them is one index a rectangle.  An output of one dimension is a
 * matrix of one row.
 */
#include "plan/tile.h"

#include <errno.h>

/* Index range of piece dimension @d inside [lo, hi): first and how many. */
static bool cut_dim(const struct lens_piece *q, unsigned d, uint64_t lo,
		    uint64_t hi, uint64_t *k0, uint64_t *kn)
{
	const uint64_t o = q->origin[d], s = q->step[d];
	uint64_t first = o >= lo ? 0 : (lo - o + s - 1) / s;
	uint64_t end = o >= hi ? 0 : (hi - o + s - 1) / s;

	if (end > q->count[d])
		end = q->count[d];
	*k0 = first;
	*kn = first < end ? end - first : 0;
	return first < end;
}

bool lens_tile_cut(const struct lens_piece *q, unsigned rank,
		   const struct lens_slab *slab, struct lens_tile *t)
{
	*t = (struct lens_tile){ .piece = q };
	for (unsigned d = 0; d < rank; d++) {
		uint64_t lo = slab->outer[d], hi = lo + 1;

		if (d + 1 == rank) {
			lo = slab->col;
			hi = lo + slab->n_cols;
		} else if (d + 2 == rank) {
			lo = slab->row;
			hi = lo + slab->n_rows;
		}
		if (!cut_dim(q, d, lo, hi, &t->k0[d], &t->kn[d]))
			return false;
	}
	return true;
}

struct lens_box lens_tile_box(const struct lens_tile *t)
{
	const struct lens_piece *q = t->piece;
	struct lens_box box = { 0 };

	for (unsigned j = 0; j < q->from->stored.rank; j++) {
		box.origin[j] = q->src_origin[j];
		box.count[j] = 1;
		if (q->by[j] < 0)
			continue;
		box.origin[j] += q->src_step[j] * t->k0[q->by[j]];
		box.count[j] = (t->kn[q->by[j]] - 1) * q->src_step[j] + 1;
	}
	return box;
}

/* The source dimension that output dimension @d drives; -1 if none. */
int lens_tile_driven(const struct lens_piece *q, int d)
{
	for (unsigned j = 0; j < q->from->stored.rank && d >= 0; j++)
		if (q->by[j] == d)
			return (int)j;
	return -1;
}

bool lens_tile_turned(const struct lens_piece *q, unsigned rank)
{
	int a = lens_tile_driven(q, (int)rank - 2),
	    b = lens_tile_driven(q, (int)rank - 1);

	return q->from->kind == LENS_STORED && a > b &&
	       q->count[rank - 2] > 1 && q->count[rank - 1] > 1;
}

bool lens_tile_runs(const struct lens_piece *q, unsigned rank)
{
	const int jb = lens_tile_driven(q, (int)rank - 1);

	return !q->from->stored.codec || jb < 0 ||
	       lens_stored_runs(&q->from->stored, (unsigned)jb);
}

void lens_line(const struct lens_producer *from, const struct lens_window *w,
	       const void *codes, const uint64_t *at, unsigned dim,
	       uint64_t step, size_t n, void *dst, struct lens_scratch *x)
{
	const struct lens_stored *s = &from->stored;
	const unsigned code = lens_stored_code_size(s),
		       es = lens_dtype_bits(lens_producer_dtype(from)) / 8;
	uint64_t here[LENS_DIMS];

	if (!from->n_steps && s->codec) {
		lens_stored_decode(s, w, codes, at, dim, step, n, dst);
		return;
	}
	if (!from->n_steps) {
		memcpy(dst, codes, n * code);
		return;
	}
	memcpy(here, at, sizeof(here));
	for (size_t i = 0, m; i < n; i += m) {
		const void *v = (const char *)codes + i * code;
		enum lens_dtype d = from->dtype;

		m = n - i < LENS_LINE ? n - i : LENS_LINE;
		if (s->rank)
			here[dim] = at[dim] + i * step;
		if (s->codec) {
			lens_stored_decode(s, w, v, here, dim, step, m,
					   x->line[0]);
			v = x->line[0];
		}
		for (unsigned k = 0; k < from->n_steps; k++) {
			void *to = k + 1 == from->n_steps ?
					   (char *)dst + i * es :
					   (void *)x->line[(k + 1) % 2];

			(void)lens_decode(from->step[k], to, d, v, m, 1.0f);
			d = from->step[k];
			v = to;
		}
	}
}

/* Where the element (a, b) of a tile goes. */
unsigned char *lens_work_place(const struct lens_work *w,
			       const struct lens_tile *t, uint64_t ka,
			       uint64_t kb)
{
	const struct lens_piece *q = t->piece;
	const unsigned rank = w->o->v.rank, b = rank - 1;
	uint64_t row = 0, col = q->origin[b] + q->step[b] * (t->k0[b] + kb) -
				w->slab->col;

	if (rank >= 2)
		row = q->origin[b - 1] + q->step[b - 1] * (t->k0[b - 1] + ka) -
		      w->slab->row;
	return w->dst + row * w->stride + col * w->es;
}

static void fill_tile(const struct lens_work *w, const struct lens_tile *t)
{
	const unsigned rank = w->o->v.rank;
	const float v = (float)t->piece->from->fill;
	unsigned char one[8];
	uint64_t rows = rank >= 2 ? t->kn[rank - 2] : 1, cols = t->kn[rank - 1];

	(void)lens_from_f32(t->piece->from->dtype, one, &v, 1);
	for (unsigned k = 0; k < t->piece->from->n_steps; k++) {
		unsigned char other[8];

		(void)lens_decode(t->piece->from->step[k], other,
				  k ? t->piece->from->step[k - 1] :
				      t->piece->from->dtype,
				  one, 1, 1.0f);
		memcpy(one, other, sizeof(one));
	}
	for (uint64_t r = 0; r < rows; r++)
		for (uint64_t c = 0; c < cols; c++)
			if (w->o->encoder)
				lens_work_encode(w, t, r, c, rank - 1, one, 1,
						 lens_work_place(w, t, r, c));
			else
				memcpy(lens_work_place(w, t, r, c), one, w->es);
}

/* Read the tile's codes densely: only its own, also where the source is stepped
 * over. */
int lens_work_fetch(const struct lens_work *w, const struct lens_tile *t,
		    const struct lens_box *box, unsigned char *codes,
		    struct lens_err *err)
{
	const struct lens_piece *q = t->piece;
	const struct lens_stored *s = &q->from->stored;
	const unsigned code = lens_stored_code_size(s);
	struct lens_box one = *box;
	size_t done = 0;
	bool stepped = false;
	uint64_t n[LENS_DIMS], k[LENS_DIMS] = { 0 };

	for (unsigned j = 0; j < s->rank; j++) {
		n[j] = q->by[j] < 0 ? 1 : t->kn[q->by[j]];
		stepped |= n[j] > 1 && q->src_step[j] != 1;
	}
	if (!stepped)
		return lens_codes_load(w->p, s, box, codes, w->x, err);
	/* Element by element; nothing that is in wide use comes here. */
	for (;;) {
		unsigned j = s->rank;

		for (unsigned i = 0; i < s->rank; i++) {
			one.origin[i] =
				box->origin[i] +
				k[i] * (q->by[i] < 0 ? 0 : q->src_step[i]);
			one.count[i] = 1;
		}
		if (lens_codes_load(w->p, s, &one, codes + done, w->x, err) < 0)
			return -err->code;
		done += code;
		while (j-- > 0 && ++k[j] == n[j])
			k[j] = 0;
		if (j == UINT32_MAX)
			return 0;
	}
}

/* Values of one row out of its dense codes, to where they go. */
static void put_row(const struct lens_work *w, const struct lens_tile *t,
		    const struct lens_window *win, const void *codes,
		    const uint64_t *at, int dim, uint64_t ka)
{
	const struct lens_piece *q = t->piece;
	const unsigned b = w->o->v.rank - 1,
		       code = lens_stored_code_size(&q->from->stored);
	const uint64_t step = dim < 0 ? 0 : q->src_step[dim];
	const unsigned d = dim < 0 ? 0 : (unsigned)dim;
	const size_t n = (size_t)t->kn[b];
	uint64_t here[LENS_DIMS];

	if (w->o->encoder) {
		lens_work_encode_row(w, t, win, codes, at, dim, ka);
		return;
	}
	if (q->step[b] == 1) {
		lens_line(q->from, win, codes, at, d, step, n,
			  lens_work_place(w, t, ka, 0), w->x);
		return;
	}
	memcpy(here, at, sizeof(here));
	for (size_t i = 0; i < n; i++) {
		here[d] = at[d] + i * step;
		lens_line(q->from, win, (const char *)codes + i * code, here, d,
			  step, 1, lens_work_place(w, t, ka, i), w->x);
	}
}

/* Decode along the source's rows, then turn the values: where a line of the
 * output would meet another scale at each step. */
static void turn_values(const struct lens_work *w, const struct lens_tile *t,
			const struct lens_window *win,
			const struct lens_box *box, int ja, int jb)
{
	const struct lens_piece *q = t->piece;
	const unsigned b = w->o->v.rank - 1,
		       code = lens_stored_code_size(&q->from->stored);
	const uint64_t rows = t->kn[b - 1], cols = t->kn[b];
	uint64_t at[LENS_DIMS];

	memcpy(at, box->origin, sizeof(at));
	for (uint64_t c = 0; c < cols; c++) {
		at[jb] = box->origin[jb] + c * q->src_step[jb];
		lens_line(q->from, win, w->x->codes + c * rows * code, at,
			  (unsigned)ja, q->src_step[ja], (size_t)rows,
			  w->x->moved + c * rows * w->es, w->x);
	}
	if (q->step[b] == 1 && q->step[b - 1] == 1) {
		lens_transpose(w->es, lens_work_place(w, t, 0, 0), w->stride,
			       w->x->moved, rows * w->es, cols, rows);
		return;
	}
	for (uint64_t r = 0; r < rows; r++)
		for (uint64_t c = 0; c < cols; c++)
			memcpy(lens_work_place(w, t, r, c),
			       w->x->moved + (c * rows + r) * w->es, w->es);
}

/* A tile that fits the scratch. */
static int make_tile(const struct lens_work *w, const struct lens_tile *t,
		     struct lens_err *err)
{
	const struct lens_piece *q = t->piece;
	const unsigned rank = w->o->v.rank,
		       code = lens_stored_code_size(&q->from->stored);
	const int ja = lens_tile_driven(q, (int)rank - 2),
		  jb = lens_tile_driven(q, (int)rank - 1);
	const uint64_t rows = rank >= 2 ? t->kn[rank - 2] : 1,
		       cols = t->kn[rank - 1];
	const bool plain =
		!q->from->stored.codec && !q->from->n_steps && !w->o->encoder;
	const bool turned = lens_tile_turned(q, rank) && rows > 1 && cols > 1;
	const struct lens_box box = lens_tile_box(t);
	struct lens_window win[LENS_COMPANIONS];
	const unsigned char *codes = w->x->codes;
	uint64_t at[LENS_DIMS];

	/* Rows that follow one another are read to where they go. */
	if (plain && !turned && !w->coded && q->step[rank - 1] == 1 &&
	    (rows == 1 || (q->step[rank - 2] == 1 && w->stride == cols * code)))
		return lens_work_fetch(w, t, &box, lens_work_place(w, t, 0, 0),
				       err);
	if (lens_work_fetch(w, t, &box, w->x->codes, err) < 0)
		return -err->code;
	if (turned && (plain || w->coded) && q->step[rank - 1] == 1 &&
	    q->step[rank - 2] == 1) {
		lens_transpose(code, lens_work_place(w, t, 0, 0), w->stride,
			       codes, rows * code, cols, rows);
		return 0;
	}
	if (!w->coded &&
	    lens_window_load(w->p, &q->from->stored, &box, w->x, win, err) < 0)
		return -err->code;
	if (turned && !w->coded && !w->o->encoder && !lens_tile_runs(q, rank)) {
		turn_values(w, t, win, &box, ja, jb);
		return 0;
	}
	if (turned) {
		lens_transpose(code, w->x->moved, cols * code, codes,
			       rows * code, cols, rows);
		codes = w->x->moved;
	}
	memcpy(at, box.origin, sizeof(at));
	for (uint64_t r = 0; r < rows; r++) {
		if (ja >= 0)
			at[ja] = box.origin[ja] + r * q->src_step[ja];
		if (w->coded)
			memcpy(lens_work_place(w, t, r, 0),
			       codes + r * cols * code, cols * code);
		else
			put_row(w, t, win, codes + r * cols * code, at, jb, r);
	}
	return 0;
}

/* Does it fit: its codes, when turned its copy, and its companions? */
static bool fits(const struct lens_work *w, const struct lens_tile *t,
		 bool turned)
{
	const struct lens_producer *from = t->piece->from;
	const bool direct = w->coded || (!from->stored.codec &&
					 !from->n_steps && !w->o->encoder);
	const uint64_t code = lens_stored_code_size(&from->stored);
	const struct lens_box box = lens_tile_box(t);
	uint64_t n = 1, copy = code;

	for (unsigned d = 0; d < w->o->v.rank; d++)
		n *= t->kn[d]; /* at most rows x columns of one matrix */
	if (!w->o->encoder && !lens_tile_runs(t->piece, w->o->v.rank))
		copy = w->es; /* it is decoded, then turned */
	if (n * code > LENS_CODES ||
	    (turned && !direct && n * copy > LENS_MOVED) ||
	    lens_packed_size(&from->stored, &box) > LENS_MOVED)
		return false;
	return w->coded || lens_window_size(&from->stored, &box) <= LENS_WINDOW;
}

/* Companion elements of the half of @t in dimension @d. */
static uint64_t half_window(const struct lens_tile *t, unsigned d)
{
	struct lens_tile half = *t;
	struct lens_box box;

	half.kn[d] = (t->kn[d] + 1) / 2;
	box = lens_tile_box(&half);
	return lens_window_size(&t->piece->from->stored, &box);
}

/*
 * The dimension that @t is halved in: where the source is contiguous it stays
 * whole longest.  But where groups are looked up, all of them are needed
 * however few indexes there are, and halving those would not help.
 */
static unsigned split_dim(const struct lens_work *w, const struct lens_tile *t,
			  bool turned)
{
	const unsigned b = w->o->v.rank - 1, a = b - 1;
	unsigned d = b, other;
	struct lens_box box;

	if (!b)
		return b;
	if (turned ? t->kn[b] == 1 : t->kn[a] > 1)
		d = a;
	other = a + b - d;
	box = lens_tile_box(t);
	if (!w->coded && t->kn[other] > 1 &&
	    lens_window_size(&t->piece->from->stored, &box) > LENS_WINDOW &&
	    half_window(t, other) < half_window(t, d))
		d = other;
	return d;
}

/* Halve the tile until it fits. */
static int split_tile(const struct lens_work *w, const struct lens_tile *t,
		      struct lens_err *err)
{
	const unsigned rank = w->o->v.rank;
	const bool turned = lens_tile_turned(t->piece, rank);
	struct lens_tile half = *t;
	unsigned d;

	if (t->piece->from->kind == LENS_FILL) {
		fill_tile(w, t);
		return 0;
	}
	if (turned && w->o->encoder && lens_work_encodes(w, t))
		return lens_work_encode_turned(w, t, err);
	if (fits(w, t, turned))
		return make_tile(w, t, err);
	d = split_dim(w, t, turned);
	half.kn[d] = t->kn[d] / 2;
	/* Whole blocks of cache lines and of scales, where there is a choice.
	 */
	if (half.kn[d] > 128)
		half.kn[d] &= ~(uint64_t)127;
	if (split_tile(w, &half, err) < 0)
		return -err->code;
	half.k0[d] += half.kn[d];
	half.kn[d] = t->kn[d] - half.kn[d];
	return split_tile(w, &half, err);
}

int lens_slab_make(const struct lens_plan *p, const struct lens_out *o,
		   const struct lens_slab *slab, void *dst, size_t stride,
		   bool coded, struct lens_err *err)
{
	bool unfit = false;
	struct lens_work w = {
		.p = p,
		.o = o,
		.slab = slab,
		.dst = dst,
		.stride = stride,
		.es = lens_dtype_bits(o->v.dtype) / 8,
		.coded = coded,
		.x = lens_plan_scratch(err),
		.unfit = &unfit,
	};

	if (!w.x || (o->encoder && lens_scales_for(p, o, slab->outer, err) < 0))
		return -err->code;
	if (coded)
		w.es = lens_stored_code_size(&o->v.pieces[0].from->stored);
	for (size_t i = 0; i < o->v.n_pieces; i++) {
		struct lens_tile t;

		if (lens_tile_cut(&o->v.pieces[i], o->v.rank, slab, &t) &&
		    split_tile(&w, &t, err) < 0)
			return -err->code;
	}
	if (unfit)
		return lens_fail(err, EDOM,
				 "it holds NaN or infinity, and FP8 with a "
				 "scale can't");
	return 0;
}

int lens_slabs(const struct lens_out *o, uint64_t e0, uint64_t e1,
	       int (*fn)(void *ctx, const struct lens_slab *slab,
			 uint64_t first, struct lens_err *err),
	       void *ctx, struct lens_err *err)
{
	const unsigned rank = o->v.rank;
	const uint64_t cols = o->v.shape[rank - 1],
		       rows = rank >= 2 ? o->v.shape[rank - 2] : 1;

	for (uint64_t e = e0; e < e1;) {
		uint64_t line = e / cols, rest = line / rows;
		struct lens_slab slab = { .row = line % rows,
					  .n_rows = 1,
					  .col = e % cols };

		slab.n_cols =
			cols - slab.col < e1 - e ? cols - slab.col : e1 - e;
		if (slab.n_cols == cols) {
			slab.n_rows = (e1 - e) / cols;
			if (slab.n_rows > rows - slab.row)
				slab.n_rows = rows - slab.row;
		}
		for (unsigned d = rank >= 2 ? rank - 2 : 0; d-- > 0;) {
			slab.outer[d] = rest % o->v.shape[d];
			rest /= o->v.shape[d];
		}
		if (fn(ctx, &slab, e - e0, err) < 0)
			return -err->code;
		e += slab.n_rows * slab.n_cols;
	}
	return 0;
}

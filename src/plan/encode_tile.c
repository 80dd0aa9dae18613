/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_tile.c - the part of a rectangle that becomes codes once more, on its
 * way to its place.
 *
 * A line has one scale along the source's rows as well as along the output's;
 * so what is turned is encoded as the source has it, and turned as codes, which
 * are fewer bytes.
 */
#include "plan/tile.h"

/* Where element (ka, kb) of a tile is in the output. */
static void place_of(const struct lens_work *w, const struct lens_tile *t,
		     uint64_t ka, uint64_t kb, uint64_t *at)
{
	const struct lens_piece *q = t->piece;
	const unsigned b = w->o->v.rank - 1;

	memcpy(at, w->slab->outer, sizeof(w->slab->outer));
	if (b)
		at[b - 1] =
			q->origin[b - 1] + q->step[b - 1] * (t->k0[b - 1] + ka);
	at[b] = q->origin[b] + q->step[b] * (t->k0[b] + kb);
}

void lens_work_encode(const struct lens_work *w, const struct lens_tile *t,
		      uint64_t ka, uint64_t kb, unsigned dim,
		      const void *values, size_t n, uint8_t *dst)
{
	const struct lens_encoder *e = w->o->encoder;
	const uint64_t step = t->piece->step[dim];
	const size_t es = lens_dtype_bits(e->from) / 8, run = step == 1 ? n : 1;
	struct lens_uncoded u = {
		.dim = dim, .n = run, .lines = 1, .values = values, .dst = dst
	};

	place_of(w, t, ka, kb, u.at);
	for (size_t i = 0; i < n; i += run) {
		if (!lens_encode(e, &u, w->x->stepped))
			*w->unfit = true;
		u.at[dim] += step;
		u.values += run * es;
		u.dst += run;
	}
}

/* A line of the source's codes to values, and to codes of the output: it runs
 * along dimension @dim of the output, from (ka, kb). */
static void encode_line(const struct lens_work *w, const struct lens_tile *t,
			const struct lens_window *win, const void *codes,
			const uint64_t *at, int src, uint64_t ka, uint64_t kb,
			unsigned dim, size_t n, uint8_t *dst)
{
	const struct lens_piece *q = t->piece;
	const unsigned code = lens_stored_code_size(&q->from->stored);
	const uint64_t step = src < 0 ? 0 : q->src_step[src];
	const unsigned d = src < 0 ? 0 : (unsigned)src;
	const bool rows = dim + 1 != w->o->v.rank;
	uint64_t here[LENS_DIMS];

	memcpy(here, at, sizeof(here));
	for (size_t i = 0, m; i < n; i += m) {
		const void *values = (const char *)codes + i * code;

		m = n - i < LENS_LINE ? n - i : LENS_LINE;
		here[d] = at[d] + i * step;
		if (q->from->stored.codec || q->from->n_steps) {
			lens_line(q->from, win, values, here, d, step, m,
				  w->x->values, w->x);
			values = w->x->values;
		}
		lens_work_encode(w, t, rows ? ka + i : ka, rows ? kb : kb + i,
				 dim, values, m, dst + i);
	}
}

void lens_work_encode_row(const struct lens_work *w, const struct lens_tile *t,
			  const struct lens_window *win, const void *codes,
			  const uint64_t *at, int src, uint64_t ka)
{
	const unsigned b = w->o->v.rank - 1;
	const struct lens_piece *q = t->piece;
	const unsigned code = lens_stored_code_size(&q->from->stored);
	const size_t n = (size_t)t->kn[b], run = q->step[b] == 1 ? n : 1;
	uint64_t here[LENS_DIMS];

	memcpy(here, at, sizeof(here));
	for (size_t i = 0; i < n; i += run) {
		if (src >= 0)
			here[src] = at[src] + i * q->src_step[src];
		encode_line(w, t, win, (const char *)codes + i * code, here,
			    src, ka, i, b, run, lens_work_place(w, t, ka, i));
	}
}

/* Source rows that are read at once: their codes, and their scales, must fit.
 */
static uint64_t columns_at_once(const struct lens_work *w,
				const struct lens_tile *t)
{
	const struct lens_stored *s = &t->piece->from->stored;
	const unsigned b = w->o->v.rank - 1;
	const uint64_t row = t->kn[b - 1] * lens_stored_code_size(s);
	struct lens_tile part = *t;
	struct lens_box box;

	for (uint64_t n = LENS_CODES / row; n; n /= 2) {
		part.kn[b] = n < t->kn[b] ? n : t->kn[b];
		box = lens_tile_box(&part);
		if (lens_window_size(s, &box) <= LENS_WINDOW &&
		    lens_packed_size(s, &box) <= LENS_MOVED)
			return part.kn[b];
	}
	return 0;
}

bool lens_work_encodes(const struct lens_work *w, const struct lens_tile *t)
{
	const unsigned b = w->o->v.rank - 1;

	return t->piece->step[b] == 1 && t->piece->step[b - 1] == 1 &&
	       t->kn[b] * t->kn[b - 1] <= LENS_PART && columns_at_once(w, t);
}

/* Columns of the output whose values are there, @stride bytes apart, all at
 * once. */
static void encode_lines(const struct lens_work *w, const struct lens_tile *t,
			 const void *values, size_t stride, unsigned char *dst)
{
	const unsigned b = w->o->v.rank - 1;
	struct lens_uncoded u = { .dim = b - 1,
				  .across = b,
				  .n = (size_t)t->kn[b - 1],
				  .lines = (size_t)t->kn[b],
				  .values = values,
				  .dst = dst,
				  .stride = stride,
				  .dst_stride = (size_t)t->kn[b - 1] };

	place_of(w, t, 0, 0, u.at);
	if (!lens_encode(w->o->encoder, &u, w->x->stepped))
		*w->unfit = true;
}

/* Columns of the output, rows of the source, to codes one after another. */
static int encode_columns(const struct lens_work *w, const struct lens_tile *t,
			  unsigned char *dst, struct lens_err *err)
{
	const struct lens_piece *q = t->piece;
	const struct lens_stored *s = &q->from->stored;
	const unsigned b = w->o->v.rank - 1, code = lens_stored_code_size(s);
	const int ja = lens_tile_driven(q, (int)b - 1),
		  jb = lens_tile_driven(q, (int)b);
	const struct lens_box box = lens_tile_box(t);
	const uint64_t rows = t->kn[b - 1];
	struct lens_window win[LENS_COMPANIONS];
	uint64_t at[LENS_DIMS];

	if (lens_work_fetch(w, t, &box, w->x->codes, err) < 0 ||
	    lens_window_load(w->p, s, &box, w->x, win, err) < 0)
		return -err->code;
	if (!s->codec && !q->from->n_steps) {
		encode_lines(w, t, w->x->codes, (size_t)rows * code, dst);
		return 0;
	}
	memcpy(at, box.origin, sizeof(at));
	for (uint64_t c = 0; c < t->kn[b]; c++) {
		at[jb] = box.origin[jb] + c * q->src_step[jb];
		encode_line(w, t, win, w->x->codes + c * rows * code, at, ja, 0,
			    c, b - 1, (size_t)rows, dst + c * rows);
	}
	return 0;
}

/* What lies far apart in a large target is best written in long runs: as many
 * columns as the thread's buffer holds are turned together. */
int lens_work_encode_turned(const struct lens_work *w,
			    const struct lens_tile *t, struct lens_err *err)
{
	const unsigned b = w->o->v.rank - 1;
	const uint64_t rows = t->kn[b - 1], at_once = columns_at_once(w, t);
	unsigned char *all = lens_part_take(err);
	struct lens_tile part = *t;
	int r = 0;

	if (!all)
		return -err->code;
	for (uint64_t c = 0; r == 0 && c < t->kn[b]; c += part.kn[b]) {
		part.k0[b] = t->k0[b] + c;
		part.kn[b] = t->kn[b] - c < at_once ? t->kn[b] - c : at_once;
		r = encode_columns(w, &part, all + c * rows, err);
	}
	if (r == 0)
		lens_transpose(1, lens_work_place(w, t, 0, 0), w->stride, all,
			       rows, t->kn[b], rows);
	lens_part_give(all);
	return r;
}

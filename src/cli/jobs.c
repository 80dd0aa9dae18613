/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.c - files to jobs that end where tensors and panels do.
 */
#include "cli/jobs.h"

#include <errno.h>

static int add_job(struct lens_jobs *j, size_t file, uint64_t off, uint64_t n,
		   struct lens_err *err)
{
	if (j->n == j->room) {
		size_t room = j->room ? 2 * j->room : 256;
		struct lens_job *v = reallocarray(j->v, room, sizeof(*v));

		if (!v)
			return lens_fail(err, ENOMEM, "no memory for jobs");
		j->v = v;
		j->room = room;
	}
	j->v[j->n++] = (struct lens_job){ .file = (uint32_t)file,
					  .n = (uint32_t)n,
					  .off = off };
	atomic_fetch_add(&j->dest->file[file].left, 1);
	return 0;
}

/* [*begin, end) of @file as jobs, but for a rest too small to be one. */
static int cut(struct lens_jobs *j, size_t file, uint64_t *begin, uint64_t end,
	       bool all, struct lens_err *err)
{
	const uint64_t most = j->pool->size;

	while (end - *begin >= most || (all && end > *begin)) {
		uint64_t n = end - *begin < most ? end - *begin : most;

		if (add_job(j, file, *begin, n, err) < 0)
			return -err->code;
		*begin += n;
	}
	return 0;
}

/* Output tensor @i of @file; *begin is where no job has been cut yet. */
static int cut_tensor(struct lens_jobs *j, size_t file, size_t i,
		      uint64_t *begin, struct lens_err *err)
{
	const struct lens_plan *p = lens_view_plan(j->view);
	uint64_t at = lens_view_place(j->view, i).off, off = 0,
		 size = lens_plan_at(p, i)->t.size;
	struct lens_panel panel;

	while (j->panel_max && off < size &&
	       lens_plan_panel(p, i, off, j->panel_max, &panel)) {
		if (cut(j, file, begin, at + off, true, err) < 0)
			return -err->code;
		off = panel.off + panel.n;
		if (cut(j, file, begin, at + off, true, err) < 0)
			return -err->code;
	}
	return cut(j, file, begin, at + size, false, err);
}

static int by_place(const void *a, const void *b, void *ctx)
{
	const struct lens_view *v = ctx;
	const uint32_t *x = a, *y = b;
	struct lens_place p = lens_view_place(v, *x),
			  q = lens_view_place(v, *y);

	if (p.file != q.file)
		return p.file < q.file ? -1 : 1;
	/* A tensor without bytes lies where the next one begins. */
	return p.off != q.off ? (p.off < q.off ? -1 : 1) : 0;
}

/* All tensors in the order of the files. */
static uint32_t *in_order(struct lens_jobs *j, size_t n)
{
	uint32_t *order = calloc(n + 1, sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = (uint32_t)i;
	if (order)
		qsort_r(order, n, sizeof(*order), by_place,
			(void *)(uintptr_t)j->view);
	return order;
}

/* The jobs of file @file, in its order; none of them is of no file. */
static int cut_file(struct lens_jobs *j, size_t file, const uint32_t *order,
		    size_t n, struct lens_err *err)
{
	const struct lens_target *t = &j->dest->file[file];
	size_t lo = 0, hi = n;
	uint64_t begin = 0;

	while (t->weights != LENS_NONE && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (lens_view_place(j->view, order[mid]).file < t->weights)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; t->weights != LENS_NONE && lo < n &&
	       lens_view_place(j->view, order[lo]).file == t->weights;
	     lo++)
		if (cut_tensor(j, file, order[lo], &begin, err) < 0)
			return -err->code;
	if (!t->size)
		return add_job(j, file, 0, 0, err);
	return cut(j, file, &begin, t->size, true, err);
}

/* How many files are written at once: a filesystem takes one write to a file
 * after the other.  The panels of all of them must have room. */
static size_t lanes(const struct lens_jobs *j)
{
	struct lens_cache_stats s;
	size_t n;

	lens_cache_stats(lens_view_cache(j->view), &s);
	n = j->panel_max ? (size_t)(s.budget / j->panel_max / 2) :
			   j->pool->threads;
	n = n < j->pool->threads ? n : j->pool->threads;
	return n ? n : 1;
}

/* The job behind @i of the same file; j->n: none. */
static size_t job_behind(const struct lens_jobs *j, size_t i)
{
	return i + 1 < j->n && j->v[i + 1].file == j->v[i].file ? i + 1 : j->n;
}

/* Jobs lie file by file: take one of each of the first files in turn, and the
 * next file when one is at its end. */
static int interleave(struct lens_jobs *j, struct lens_err *err)
{
	const size_t width = lanes(j);
	struct lens_job *out = calloc(j->n + 1, sizeof(*out));
	lens_autofree size_t *at = calloc(width, sizeof(*at));
	size_t next = 0;

	if (!out || !at) {
		free(out);
		return lens_fail(err, ENOMEM, "no memory for jobs");
	}
	for (size_t i = 0; i < width; i++)
		at[i] = j->n;
	for (size_t lane = 0, n = 0; n < j->n; lane = (lane + 1) % width) {
		size_t *p = &at[lane];

		for (*p = *p == j->n ? next : *p;
		     next < j->n && *p < j->n &&
		     j->v[next].file == j->v[*p].file;)
			next++;
		if (*p == j->n)
			continue;
		out[n++] = j->v[*p];
		*p = job_behind(j, *p);
	}
	free(j->v);
	j->v = out;
	j->room = j->n;
	return 0;
}

int lens_jobs_make(struct lens_jobs *j, enum lens_rank first,
		   enum lens_rank last, struct lens_err *err)
{
	size_t n = lens_plan_count(lens_view_plan(j->view));
	lens_autofree uint32_t *order = in_order(j, n);

	if (!order)
		return lens_fail(err, ENOMEM, "no memory for jobs");
	j->n = 0;
	for (size_t i = 0; i < j->dest->n; i++)
		if (j->dest->file[i].rank >= first &&
		    j->dest->file[i].rank <= last &&
		    lens_dest_wants(j->dest, i) &&
		    cut_file(j, i, order, n, err) < 0)
			return -err->code;
	return last == LENS_RANK_WEIGHTS ? interleave(j, err) : 0;
}

void lens_jobs_fini(struct lens_jobs *j)
{
	free(j->v);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_convert.c - lensfs convert: write the view to a directory.
 *
 * The files are cut into jobs of a few MiB, which the threads take in order: so
 * all of them work on the same file, on the same panel even, and help each
 * other make it, as readers of a mount do.  Jobs end where tensors and panels
 * do.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/dest.h"
#include "cli/pool.h"
#include "lens/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct job {
	uint32_t file; /* of the destination */
	uint32_t n;
	uint64_t off;
};

struct converting {
	const struct lens_view *v;
	struct lens_dest dest;
	struct lens_pool pool;
	size_t panel_max;
	size_t n, room;
	struct job *job;
	struct lens_bar bar;
};

static volatile sig_atomic_t stops; /* signals that asked for an end */

static void on_signal(int sig)
{
	(void)sig;
	if (stops++)
		_exit(LENS_EXIT_KILLED);
}

static int add_job(struct converting *c, size_t file, uint64_t off, uint64_t n,
		   struct lens_err *err)
{
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 256;
		struct job *j = reallocarray(c->job, room, sizeof(*j));

		if (!j)
			return lens_fail(err, ENOMEM, "no memory for jobs");
		c->job = j;
		c->room = room;
	}
	c->job[c->n++] = (struct job){ .file = (uint32_t)file,
				       .n = (uint32_t)n,
				       .off = off };
	atomic_fetch_add(&c->dest.file[file].left, 1);
	return 0;
}

/* [*begin, end) of @file as jobs, but for a rest too small to be one. */
static int cut(struct converting *c, size_t file, uint64_t *begin, uint64_t end,
	       bool all, struct lens_err *err)
{
	const uint64_t most = c->pool.size;

	while (end - *begin >= most || (all && end > *begin)) {
		uint64_t n = end - *begin < most ? end - *begin : most;

		if (add_job(c, file, *begin, n, err) < 0)
			return -err->code;
		*begin += n;
	}
	return 0;
}

/* Output tensor @i of @file; *begin is where no job has been cut yet. */
static int cut_tensor(struct converting *c, size_t file, size_t i,
		      uint64_t *begin, struct lens_err *err)
{
	const struct lens_plan *p = lens_view_plan(c->v);
	uint64_t at = lens_view_place(c->v, i).off, off = 0,
		 size = lens_plan_at(p, i)->t.size;
	struct lens_panel panel;

	while (c->panel_max && off < size &&
	       lens_plan_panel(p, i, off, c->panel_max, &panel)) {
		if (cut(c, file, begin, at + off, true, err) < 0)
			return -err->code;
		off = panel.off + panel.n;
		if (cut(c, file, begin, at + off, true, err) < 0)
			return -err->code;
	}
	return cut(c, file, begin, at + size, false, err);
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
static uint32_t *in_order(struct converting *c, size_t n)
{
	uint32_t *order = calloc(n + 1, sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = (uint32_t)i;
	if (order)
		qsort_r(order, n, sizeof(*order), by_place,
			(void *)(uintptr_t)c->v);
	return order;
}

/* The jobs of file @file, in its order; none of them is of no file. */
static int cut_file(struct converting *c, size_t file, const uint32_t *order,
		    size_t n, struct lens_err *err)
{
	const struct lens_target *t = &c->dest.file[file];
	size_t lo = 0, hi = n;
	uint64_t begin = 0;

	while (t->weights != LENS_NONE && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (lens_view_place(c->v, order[mid]).file < t->weights)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; t->weights != LENS_NONE && lo < n &&
	       lens_view_place(c->v, order[lo]).file == t->weights;
	     lo++)
		if (cut_tensor(c, file, order[lo], &begin, err) < 0)
			return -err->code;
	if (!t->size)
		return add_job(c, file, 0, 0, err);
	return cut(c, file, &begin, t->size, true, err);
}

/* Nothing but zeros: a hole in the file says as much. */
static bool is_zero(const char *buf, size_t n)
{
	return n && !buf[0] && memcmp(buf, buf + 1, n - 1) == 0;
}

static int put(const struct converting *c, const struct job *j, int fd,
	       const char *buf, struct lens_err *err)
{
	size_t n = is_zero(buf, j->n) ? j->n : 0;

	while (n < j->n) {
		ssize_t k = pwrite(fd, buf + n, j->n - n, (off_t)(j->off + n));

		if (k < 0 && errno == EINTR && !stops)
			continue;
		if (k < 0)
			return lens_fail(err, errno, "'%s/%s': write: %s",
					 LENS_SHOW(c->dest.path),
					 LENS_SHOW(c->dest.file[j->file].path),
					 strerror(errno));
		n += (size_t)k;
	}
	return 0;
}

static bool stopped(void)
{
	return stops != 0;
}

static bool stopping(void *ctx)
{
	(void)ctx;
	return stops != 0;
}

static int work(struct converting *c, const struct job *j, void *buf,
		struct lens_err *err)
{
	const struct lens_target *t = &c->dest.file[j->file];
	size_t got = 0;
	int fd;

	if (stops)
		return lens_fail(err, EINTR, "interrupted");
	lens_cancel_set(stopping, NULL);
	if (lens_dest_open(&c->dest, j->file, &fd, err) < 0)
		return -err->code;
	if (fd < 0)
		return 0;
	if (j->n && lens_tree_is_hole(c->v, t->ino, j->off, j->n))
		return 0; /* the file is as long as it should be at its end */
	if (j->n && lens_tree_read(c->v, t->ino, j->off, j->n, buf, &got,
				   (uint64_t)j->file + 1, err) < 0)
		return lens_wrap(err, "'%s'", LENS_SHOW(t->path));
	if (got != j->n)
		return lens_fail(err, EIO, "'%s': it ends at byte %llu",
				 LENS_SHOW(t->path),
				 (unsigned long long)(j->off + got));
	return put(c, j, fd, buf, err);
}

struct phase {
	struct converting *c;
	size_t first;
};

static int one(void *ctx, size_t i, struct lens_err *err)
{
	const struct phase *ph = ctx;
	struct converting *c = ph->c;
	const struct job *j = &c->job[ph->first + i];
	void *buf = lens_pool_take(&c->pool);
	int n;

	if (!buf)
		return lens_fail(err, ENOMEM, "no memory for a buffer");
	n = work(c, j, buf, err);
	lens_pool_give(&c->pool, buf);
	if (n < 0)
		return n;
	atomic_fetch_add(&c->bar.done, j->n);
	if (atomic_fetch_sub(&c->dest.file[j->file].left, 1) > 1)
		return 0;
	return lens_dest_close(&c->dest, j->file, err);
}

/* How many files are written at once: a filesystem takes one write to a file
 * after the other.  The panels of all of them must have room. */
static size_t lanes(const struct converting *c)
{
	struct lens_cache_stats s;
	size_t n;

	lens_cache_stats(lens_view_cache(c->v), &s);
	n = c->panel_max ? (size_t)(s.budget / c->panel_max / 2) :
			   c->pool.threads;
	n = n < c->pool.threads ? n : c->pool.threads;
	return n ? n : 1;
}

/* The job behind @i of the same file; c->n: none. */
static size_t job_behind(const struct converting *c, size_t i)
{
	return i + 1 < c->n && c->job[i + 1].file == c->job[i].file ? i + 1 :
								      c->n;
}

/* Jobs lie file by file: take one of each of the first files in turn, and the
 * next file when one is at its end. */
static int interleave(struct converting *c, struct lens_err *err)
{
	const size_t width = lanes(c);
	struct job *out = calloc(c->n + 1, sizeof(*out));
	lens_autofree size_t *at = calloc(width, sizeof(*at));
	size_t next = 0;

	if (!out || !at) {
		free(out);
		return lens_fail(err, ENOMEM, "no memory for jobs");
	}
	for (size_t i = 0; i < width; i++)
		at[i] = c->n;
	for (size_t lane = 0, n = 0; n < c->n; lane = (lane + 1) % width) {
		size_t *p = &at[lane];

		for (*p = *p == c->n ? next : *p;
		     next < c->n && *p < c->n &&
		     c->job[next].file == c->job[*p].file;)
			next++;
		if (*p == c->n)
			continue;
		out[n++] = c->job[*p];
		*p = job_behind(c, *p);
	}
	free(c->job);
	c->job = out;
	c->room = c->n;
	return 0;
}

/* The jobs of what is wanted here of the files from @first on, up to rank
 * @last. */
static int make_jobs(struct converting *c, enum lens_rank first,
		     enum lens_rank last, struct lens_err *err)
{
	size_t n = lens_plan_count(lens_view_plan(c->v));
	lens_autofree uint32_t *order = in_order(c, n);

	if (!order)
		return lens_fail(err, ENOMEM, "no memory for jobs");
	c->n = 0;
	for (size_t i = 0; i < c->dest.n; i++)
		if (c->dest.file[i].rank >= first &&
		    c->dest.file[i].rank <= last &&
		    lens_dest_wants(&c->dest, i) &&
		    cut_file(c, i, order, n, err) < 0)
			return -err->code;
	return 0;
}

/* Everything of one rank before anything of the next. */
static int write_jobs(struct converting *c, struct lens_err *err)
{
	for (size_t i = 0, end; i < c->n; i = end) {
		enum lens_rank rank = c->dest.file[c->job[i].file].rank;
		struct phase ph = { .c = c, .first = i };

		end = i;
		while (end < c->n &&
		       c->dest.file[c->job[end].file].rank == rank)
			end++;
		if (lens_parallel(end - i, c->pool.threads, one, &ph, err) < 0)
			return -err->code;
	}
	return lens_dest_sync(&c->dest, err);
}

/* Files of ranks @first to @last; again those that were taken away from us. */
static int write_ranks(struct converting *c, enum lens_rank first,
		       enum lens_rank last, struct lens_err *err)
{
	do {
		if (make_jobs(c, first, last, err) < 0 ||
		    (last == LENS_RANK_WEIGHTS && interleave(c, err) < 0) ||
		    write_jobs(c, err) < 0)
			return -err->code;
	} while (lens_dest_lost(&c->dest));
	return 0;
}

/*
 * The weights, and, once those of all parts are there, the rest: whoever comes
 * last writes it, and two who come last write the same.  @missing: weight files
 * of others that are not there.
 */
static int write_all(struct converting *c, size_t *missing,
		     struct lens_err *err)
{
	if (write_ranks(c, LENS_RANK_WEIGHTS, LENS_RANK_WEIGHTS, err) < 0)
		return -err->code;
	*missing = lens_dest_missing(&c->dest);
	if (*missing && !c->dest.parts)
		return lens_fail(
			err, EIO,
			"'%s': %zu of its files went away or were "
			"written to; the same command makes them again",
			LENS_SHOW(c->dest.path), *missing);
	if (*missing)
		return 0;
	if (write_ranks(c, LENS_RANK_OTHER, LENS_RANK_INDEX, err) < 0)
		return -err->code;
	lens_dest_end(&c->dest);
	return 0;
}

static void catch_signals(void)
{
	/* No SA_RESTART: a write that waits is to come back. */
	struct sigaction act = { .sa_handler = on_signal },
			 ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	/* Too large a file is an error like another. */
	(void)sigaction(SIGXFSZ, &ignore, NULL);
}

static void fini(struct converting *c)
{
	lens_pool_fini(&c->pool);
	free(c->job);
	lens_dest_fini(&c->dest);
}

static void summary(const struct converting *c, double seconds, size_t missing)
{
	char text[LENS_LAST_WORD], part[64] = "";
	uint64_t bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->dest.n; i++)
		if (c->dest.file[i].ours) {
			bytes += c->dest.file[i].size;
			n++;
		}
	if (c->dest.parts)
		(void)snprintf(part, sizeof(part), "part %u/%u: ", c->dest.part,
			       c->dest.parts);
	lens_log(LENS_LOG_INFO, "convert: '%s': %s%zu file%s, %s",
		 LENS_SHOW(c->dest.path), part, n, n == 1 ? "" : "s",
		 lens_cli_last_word(text, bytes, seconds));
	if (missing)
		lens_log(LENS_LOG_INFO,
			 "convert: '%s': %zu file%s of other parts %s missing; "
			 "the last to end writes the rest",
			 LENS_SHOW(c->dest.path), missing,
			 missing == 1 ? "" : "s", missing == 1 ? "is" : "are");
}

/* What stays of a conversion that failed. */
static void leave(struct converting *c)
{
	const size_t done = lens_dest_leave(&c->dest);

	if (done)
		lens_log(LENS_LOG_INFO,
			 "convert: '%s': %zu of %zu files are whole and stay; "
			 "the same command goes on from there",
			 LENS_SHOW(c->dest.path), done, c->dest.n);
}

/* Can what is written last be read?  Better asked before hours of weights; the
 * shards were opened with the view. */
static int try_rest(const struct converting *c, struct lens_err *err)
{
	for (size_t i = 0; i < c->dest.n; i++) {
		const struct lens_target *t = &c->dest.file[i];
		size_t got;
		char byte;

		if (t->rank != LENS_RANK_WEIGHTS && t->size &&
		    lens_tree_read(c->v, t->ino, 0, 1, &byte, &got, 0, err) < 0)
			return lens_wrap(err, "'%s'", LENS_SHOW(t->path));
	}
	return 0;
}

static int convert(struct converting *c, const struct lens_args *a,
		   struct lens_err *err)
{
	double begin = lens_cli_now();
	size_t missing = 0;
	int n;

	lens_pool_init(&c->pool, a->jobs);
	c->panel_max = lens_view_panel_max(c->v);
	c->dest.options = a->given.data;
	c->dest.stopped = stopped;
	c->dest.threads = c->pool.threads;
	if (lens_dest_init(&c->dest, a->operand[1], c->v, a->part, a->parts,
			   err) < 0 ||
	    try_rest(c, err) < 0)
		return -err->code;
	catch_signals();
	n = lens_dest_begin(&c->dest, c->v, err);
	if (n == 1) {
		lens_log(LENS_LOG_INFO, "convert: '%s': it is there already",
			 LENS_SHOW(c->dest.path));
		return 0;
	}
	if (n >= 0) {
		lens_cli_bar_start(&c->bar, "convert", c->dest.size, a->quiet);
		n = write_all(c, &missing, err);
		lens_cli_bar_stop(&c->bar);
	}
	if (n < 0)
		leave(c);
	else
		summary(c, lens_cli_now() - begin, missing);
	return n;
}

int lens_cli_convert(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	struct converting c = { .dest = { .dir = -1,
					  .work = -1,
					  .lock = PTHREAD_MUTEX_INITIALIZER } };
	int n;

	if (lens_dest_check(a->operand[1], a->operand[0], a->parts != 0, err) <
		    0 ||
	    lens_cli_open(a, a->operand[0], &v, err) < 0 ||
	    /* A run's step may lie elsewhere. */
	    lens_dest_check(a->operand[1], lens_view_source(v), a->parts != 0,
			    err) < 0)
		return -err->code;
	c.v = v;
	n = convert(&c, a, err);
	fini(&c);
	return n;
}

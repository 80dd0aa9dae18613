/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_convert.c - lensfs convert: write the view to a directory.
 *
 * Threads take the jobs that the files are cut into; the weights come first,
 * and then what says what is in them.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/jobs.h"
#include "cli/pool.h"
#include "lens/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct converting {
	const struct lens_view *v;
	struct lens_dest dest;
	struct lens_pool pool;
	struct lens_jobs jobs;
	struct lens_bar bar;
};

static volatile sig_atomic_t stops; /* signals that asked for an end */

static void on_signal(int sig)
{
	(void)sig;
	if (stops++)
		_exit(LENS_EXIT_KILLED);
}

/* Nothing but zeros: a hole in the file says as much. */
static bool is_zero(const char *buf, size_t n)
{
	return n && !buf[0] && memcmp(buf, buf + 1, n - 1) == 0;
}

static int put(const struct converting *c, const struct lens_job *j, int fd,
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

static int work(struct converting *c, const struct lens_job *j, void *buf,
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
	const struct lens_job *j = &c->jobs.v[ph->first + i];
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

/* Everything of one rank before anything of the next. */
static int write_jobs(struct converting *c, struct lens_err *err)
{
	for (size_t i = 0, end; i < c->jobs.n; i = end) {
		enum lens_rank rank = c->dest.file[c->jobs.v[i].file].rank;
		struct phase ph = { .c = c, .first = i };

		end = i;
		while (end < c->jobs.n &&
		       c->dest.file[c->jobs.v[end].file].rank == rank)
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
		if (lens_jobs_make(&c->jobs, first, last, err) < 0 ||
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
	lens_jobs_fini(&c->jobs);
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
	c->jobs = (struct lens_jobs){ .view = c->v,
				      .dest = &c->dest,
				      .pool = &c->pool,
				      .panel_max = lens_view_panel_max(c->v) };
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar.c - the thread that redraws a line of progress.
 */
#include "cli/bar.h"
#include "cli/term.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define REDRAW 0.1
/* The rate shown is that of the last few seconds. */
#define MEMORY 5.0

double lens_cli_now(void)
{
	return 1e-9 * (double)lens_now();
}

static void draw(struct lens_bar *b, double rate)
{
	char line[LENS_BAR_MAX], out[LENS_BAR_MAX + 8];
	unsigned columns = lens_term_columns(STDERR_FILENO);
	int n;

	b->look.width = columns ? columns - 1 : 79;
	(void)lens_cli_bar_line(line, &b->look, atomic_load(&b->done), b->total,
				rate);
	n = snprintf(out, sizeof(out), "\r%s\033[K", line);
	(void)!write(STDERR_FILENO, out, (size_t)n);
}

/* True when it is over. */
static bool pause_until(struct lens_bar *b, double t)
{
	struct timespec until = { .tv_sec = (time_t)t };
	bool over;

	until.tv_nsec = (long)((t - (double)until.tv_sec) * 1e9);
	(void)pthread_mutex_lock(&b->lock);
	while (!b->stopped &&
	       pthread_cond_timedwait(&b->stop, &b->lock, &until) == 0)
		;
	over = b->stopped;
	(void)pthread_mutex_unlock(&b->lock);
	return over;
}

static void *redraw(void *arg)
{
	struct lens_bar *b = arg;
	double begin = lens_cli_now(), last = begin, rate = 0;
	uint64_t before = 0;

	while (!pause_until(b, last + REDRAW)) {
		double t = lens_cli_now(), dt = t - last, w;
		uint64_t done = atomic_load(&b->done);

		/* A mean that forgets; over all there is, to begin with. */
		w = t - begin < MEMORY ? dt / (t - begin) : dt / MEMORY;
		rate += ((double)(done - before) / dt - rate) * w;
		before = done;
		last = t;
		draw(b, t - begin < 0.5 ? 0 : rate);
	}
	return NULL;
}

void lens_cli_bar_start(struct lens_bar *b, const char *what, uint64_t total,
			bool quiet)
{
	pthread_condattr_t attr;

	*b = (struct lens_bar){ .look = { .what = what,
					  .utf8 = lens_term_utf8(),
					  .colour = lens_term_colours(
						  STDERR_FILENO) },
				.total = total,
				.lock = PTHREAD_MUTEX_INITIALIZER };
	if (quiet || !lens_term_is(STDERR_FILENO))
		return;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&b->stop, &attr);
	(void)pthread_condattr_destroy(&attr);
	b->on = pthread_create(&b->thread, NULL, redraw, b) == 0;
}

void lens_cli_bar_stop(struct lens_bar *b)
{
	if (!b->on)
		return;
	(void)pthread_mutex_lock(&b->lock);
	b->stopped = true;
	(void)pthread_cond_signal(&b->stop);
	(void)pthread_mutex_unlock(&b->lock);
	(void)pthread_join(b->thread, NULL);
	(void)pthread_cond_destroy(&b->stop);
	(void)!write(STDERR_FILENO, "\r\033[K", 4);
	b->on = false;
}

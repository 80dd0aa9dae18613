/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_stat.c - lensfs stat: a mount's counters, once or live.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/mounted.h"
#include "cli/term.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void on_signal(int sig)
{
	(void)sig;
	over = 1;
}

/* The screen from its top left corner on; what is left of the last one goes. */
static int draw(const struct lens_args *a, const struct lens_counts *now,
		const struct lens_counts *before, double seconds,
		struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf out = { 0 };

	lens_buf_puts(&out, "\033[H\033[J");
	lens_cli_show(&out, a->operand[0]);
	lens_buf_puts(&out, "\n\n");
	lens_counts_show(now, before, seconds, lens_term_colours(STDOUT_FILENO),
			 &out);
	return lens_cli_print(&out, err);
}

static int live(const struct lens_args *a, int dir, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	/* No SA_RESTART: the pause is to end. */
	const struct sigaction act = { .sa_handler = on_signal };
	const struct timespec second = { .tv_sec = 1 };
	struct lens_counts now, before;
	bool first = true;
	double last = 0;

	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	while (!over) {
		const double t = lens_cli_now();

		if (lens_mounted_stats(dir, &text, err) < 0)
			return -err->code;
		lens_counts_parse(&now, text.data);
		if (draw(a, &now, first ? NULL : &before, t - last, err) < 0)
			return -err->code;
		before = now;
		last = t;
		first = false;
		(void)nanosleep(&second, NULL);
	}
	return 0;
}

static int once(int dir, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 }, out = { 0 };
	struct lens_counts now;

	if (lens_mounted_stats(dir, &text, err) < 0)
		return -err->code;
	lens_counts_parse(&now, text.data);
	lens_counts_show(&now, NULL, 0, lens_term_colours(STDOUT_FILENO), &out);
	return lens_cli_print(&out, err);
}

int lens_cli_stat(struct lens_args *a, struct lens_err *err)
{
	int dir, n;

	if (lens_mounted_open(a->operand[0], &dir, err) < 0)
		return -err->code;
	n = a->once || !lens_term_is(STDOUT_FILENO) ? once(dir, err) :
						      live(a, dir, err);
	(void)close(dir);
	return n < 0 ? lens_wrap(err, "'%s'", LENS_SHOW(a->operand[0])) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar.h - progress, on a terminal: percent, bytes, rate, time left.
 */
#ifndef LENS_CLI_BAR_H
#define LENS_CLI_BAR_H

#include "lens/base.h"

#include <pthread.h>
#include <stdatomic.h>

/* bar_text.c, pure: what a line is made of, and the line. */
struct lens_bar_look {
	const char *what; /* "convert" */
	unsigned width;   /* columns at most */
	bool utf8, colour;
};
#define LENS_BAR_MAX 1024
/* @rate in bytes a second, 0: not known yet. @buf has LENS_BAR_MAX bytes. */
const char *lens_cli_bar_line(char *buf, const struct lens_bar_look *look,
			      uint64_t done, uint64_t total, double rate);
/* "1:02:03", "0:07". @buf of 32 bytes, returned. */
const char *lens_cli_clock(char *buf, double seconds);

/* "3.2 GB in 0:04 (800.0 MB/s)". @buf of LENS_LAST_WORD bytes, returned. */
#define LENS_LAST_WORD 128
const char *lens_cli_last_word(char *buf, uint64_t bytes, double seconds);

/* bar.c: redrawn ten times a second by a thread of its own. */
struct lens_bar {
	struct lens_bar_look look;
	uint64_t total;
	_Atomic uint64_t done; /* any thread adds to it */
	bool on;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopped; /* under lock */
};
/* Shown only if standard error is a terminal that can, and not @quiet. */
void lens_cli_bar_start(struct lens_bar *b, const char *what, uint64_t total,
			bool quiet);
/* Takes the line away. */
void lens_cli_bar_stop(struct lens_bar *b);
double lens_cli_now(void); /* seconds, from some point on */

#endif

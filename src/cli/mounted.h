/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounted.h - a mount of ours, seen from outside, and what its counters say.
 */
#ifndef LENS_CLI_MOUNTED_H
#define LENS_CLI_MOUNTED_H

#include "lens/base.h"

/* Open the root of a mount of lensfs; refuses what is none. */
int lens_mounted_open(const char *path, int *ret,
		      struct lens_err *err) LENS_MUST_CHECK;
/* Its .lens/stats. */
int lens_mounted_stats(int dir, struct lens_buf *out,
		       struct lens_err *err) LENS_MUST_CHECK;

/* The counters that are shown, from that text. Pure. */
struct lens_counts {
	double served, made, source;
	double reads[5]; /* by size, the smallest first */
	double p50, p99, longest;
	double hit, miss, bypass, cold, help, wait, evicted;
	double hot, packed, budget;
	double lz4_in, lz4_out;
	double scales, summaries, cancelled;
	double errors[4]; /* by kind */
};
void lens_counts_parse(struct lens_counts *c, const char *text);
/* A screen of them; rates over @seconds since @before, where that is not NULL;
 * heads in bold with @colours. */
void lens_counts_show(const struct lens_counts *c,
		      const struct lens_counts *before, double seconds,
		      bool colours, struct lens_buf *out);

#endif

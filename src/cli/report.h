/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what there is to say of a plan: as text (cmd_plan.c), as JSON
 * (plan_json.c) and as a page to look at (plan_page.c).
 */
#ifndef LENS_CLI_REPORT_H
#define LENS_CLI_REPORT_H

#include "lens/tree.h"

/* Tensors and bytes of one dtype. */
struct lens_tally {
	size_t n;
	uint64_t bytes;
};

struct lens_report {
	const struct lens_view *v;
	const struct lens_plan *p;
	const struct lens_ckpt *ckpt;
	const struct lens_notes *notes;
	/* The total is behind the dtypes. */
	struct lens_tally in[LENS_DTYPE_MAX + 1], out[LENS_DTYPE_MAX + 1];
	size_t fate[LENS_FATE_MAX];
};

void lens_report_take(struct lens_report *r, const struct lens_view *v,
		      const struct lens_notes *notes);
/* What that means, for people. */
const char *lens_fate_help(enum lens_fate fate);
/* One object. */
int lens_report_json(const struct lens_report *r, struct lens_buf *out,
		     struct lens_err *err) LENS_MUST_CHECK;
/* A file of HTML that needs no other. */
int lens_report_page(const struct lens_report *r, struct lens_buf *out,
		     struct lens_err *err) LENS_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_hash.c - lensfs hash: SHA-256 of every tensor of the view.
 */
#include "cli/bar.h"
#include "cli/sums.h"
#include "lens/log.h"

int lens_cli_hash(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	LENS_CLEANUP(lens_sums_fini) struct lens_sums sums = { 0 };
	LENS_CLEANUP(lens_buf_fini) struct lens_buf out = { 0 };
	struct lens_tensors ts = { 0 };
	double begin = lens_cli_now();
	char text[LENS_LAST_WORD];

	if (lens_cli_open(a, a->operand[0], &v, err) < 0)
		return -err->code;
	ts.view = v;
	if (lens_sums_make(&sums, &ts, a, "hash", err) < 0)
		return -err->code;
	if (a->json)
		lens_sums_json(&sums, &ts, &out);
	else
		lens_sums_text(&sums, &out);
	if (lens_cli_print(&out, err) < 0)
		return -err->code;
	lens_log(LENS_LOG_INFO, "hash: '%s': %zu tensors, %s",
		 LENS_SHOW(a->operand[0]), sums.n,
		 lens_cli_last_word(text, sums.bytes, lens_cli_now() - begin));
	return 0;
}

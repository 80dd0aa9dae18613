/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - open a source as the options say, and tell its warnings.
 */
#include "cli/cli.h"
#include "lens/log.h"

#include <errno.h>

void lens_cli_tell(const struct lens_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		lens_log(LENS_LOG_WARNING, "warning: %s", notes->v[i]);
}

void lens_cli_tell_step(const struct lens_args *a, const struct lens_ckpt *ck)
{
	if (lens_ckpt_step(ck))
		lens_log(LENS_LOG_INFO, "%s: '%s': reading its %s",
			 a->command->name, LENS_SHOW(a->operand[0]),
			 lens_ckpt_step(ck));
}

int lens_cli_open(const struct lens_args *a, const char *source,
		  struct lens_view **ret, struct lens_err *err)
{
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	int n = lens_view_open(source, &a->view, &notes, &v, err);

	lens_cli_tell(&notes);
	if (n < 0)
		return n;
	if (a->view.plan.strict && notes.n)
		return lens_fail(err, EINVAL, "--strict: refused: %s",
				 notes.v[0]);
	lens_cli_tell_step(a, lens_view_ckpt(v));
	*ret = lens_steal(&v);
	return 0;
}

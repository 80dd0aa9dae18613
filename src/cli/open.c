/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - open a source as the options say, and tell its warnings.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "lens/kernel.h"
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

static uint64_t source_bytes(const struct lens_ckpt *ck)
{
	uint64_t n = 0;

	for (size_t i = 0; i < lens_ckpt_count(ck); i++)
		n += lens_ckpt_at(ck, i)->size;
	return n;
}

static uint64_t view_bytes(const struct lens_plan *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < lens_plan_count(p); i++)
		n += lens_plan_at(p, i)->t.size;
	return n;
}

void lens_cli_describe(const struct lens_view *v, double seconds)
{
	const struct lens_ckpt *ck = lens_view_ckpt(v);
	const struct lens_plan *p = lens_view_plan(v);
	struct lens_cache_stats cache;
	char size[32];

	lens_cache_stats(lens_view_cache(v), &cache);
	lens_log(LENS_LOG_INFO, "recipe: %s", lens_view_why(v));
	lens_log(LENS_LOG_INFO, "source: %zu tensors, %s in %zu files",
		 lens_ckpt_count(ck), lens_format_size(size, source_bytes(ck)),
		 lens_ckpt_files(ck));
	lens_log(LENS_LOG_INFO, "view: %zu tensors, %s in %zu files",
		 lens_plan_count(p), lens_format_size(size, view_bytes(p)),
		 lens_view_weight_files(v));
	lens_log(LENS_LOG_INFO, "opened in %.3f s, kernels %s, cache %s",
		 seconds, lens_kernels()->name,
		 lens_format_size(size, cache.budget));
}

int lens_cli_open(const struct lens_args *a, const char *source,
		  struct lens_view **ret, struct lens_err *err)
{
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	const double begin = lens_cli_now();
	int n = lens_view_open(source, &a->view, &notes, &v, err);

	lens_cli_tell(&notes);
	if (n < 0)
		return n;
	if (a->view.plan.strict && notes.n)
		return lens_fail(err, EINVAL, "--strict: refused: %s",
				 notes.v[0]);
	lens_cli_tell_step(a, lens_view_ckpt(v));
	if (a->verbose)
		lens_cli_describe(v, lens_cli_now() - begin);
	*ret = lens_steal(&v);
	return 0;
}

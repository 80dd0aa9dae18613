/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - the figures of a plan.
 */
#include "cli/report.h"

const char *lens_fate_help(enum lens_fate fate)
{
	static const char *const help[LENS_FATE_MAX] = {
		[LENS_FATE_MAPPED] =
			"made into others by a rule, a name or a codec",
		[LENS_FATE_PASSED] = "no rule matches: shown as they are",
		[LENS_FATE_COMPANION] = "used to decode others",
		[LENS_FATE_DROPPED] = "left out by a rule",
		[LENS_FATE_EXCLUDED] = "left out by --exclude",
	};

	return help[fate];
}

static void add(struct lens_tally *of, const struct lens_tensor *t)
{
	of[t->dtype].n++;
	of[t->dtype].bytes += t->size;
	of[LENS_DTYPE_MAX].n++;
	of[LENS_DTYPE_MAX].bytes += t->size;
}

void lens_report_take(struct lens_report *r, const struct lens_view *v,
		      const struct lens_notes *notes)
{
	*r = (struct lens_report){ .v = v,
				   .p = lens_view_plan(v),
				   .ckpt = lens_view_ckpt(v),
				   .notes = notes };
	for (size_t i = 0; i < lens_ckpt_count(r->ckpt); i++)
		add(r->in, lens_ckpt_at(r->ckpt, i));
	for (size_t i = 0; i < lens_plan_count(r->p); i++)
		add(r->out, &lens_plan_at(r->p, i)->t);
	for (size_t i = 0; i < lens_plan_keys(r->p); i++)
		r->fate[lens_plan_key(r->p, i)->fate]++;
}

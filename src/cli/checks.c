/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks.c - do options and operands go together, and what do they say?
 */
#include "cli/cli.h"

#include <errno.h>

static int check_operands(const struct lens_args *a, struct lens_err *err)
{
	const struct lens_command *c = a->command;

	if (a->n < c->min)
		return lens_fail(err, EINVAL, "an operand is missing: %s %s",
				 c->name, c->operands);
	if (a->n > c->max)
		return lens_fail(err, EINVAL, "'%s' is one too many: %s %s",
				 LENS_SHOW(a->operand[c->max]), c->name,
				 c->operands);
	return 0;
}

/* Is every option one of the command's, and do they go together? */
static int check(const struct lens_args *a, struct lens_err *err)
{
	unsigned bit = LENS_OF(a->command - lens_cli_commands);

	for (size_t i = 0; i < lens_cli_options(); i++) {
		const struct lens_option *o = lens_cli_option(i);
		char letter[2] = { o->letter, 0 };

		if ((a->seen >> i & 1) && !(o->of & bit))
			return lens_fail(
				err, EINVAL, "-%s%s: not an option of %s",
				o->name ? "-" : "", o->name ? o->name : letter,
				a->command->name);
	}
	if (a->view.to_hf && a->view.recipe &&
	    strcmp(a->view.recipe, "dequant") != 0)
		return lens_fail(err, EINVAL,
				 "--to hf: its recipe is always 'dequant', not "
				 "'%s'",
				 LENS_SHOW(a->view.recipe));
	if (a->ops + a->codecs + a->table + (a->n != 0) > 1)
		return lens_fail(
			err, EINVAL,
			"--ops, --codecs, --table and NAME: one at a time");
	if (a->source && a->view.to_hf)
		return lens_fail(err, EINVAL,
				 "--source lists what is there: no --to");
	if (a->tree && (a->json || a->detail))
		return lens_fail(err, EINVAL,
				 "--tree: neither with -l nor with --json");
	if (a->html && (a->json || a->detail))
		return lens_fail(err, EINVAL,
				 "--html: neither with -l nor with --json");
	return check_operands(a, err);
}

/* --head is for people, unless it is said otherwise. */
static int heading(struct lens_args *a, struct lens_err *err)
{
	if (a->head && !a->as_given)
		a->as = LENS_AS_TEXT;
	if (a->head && a->as != LENS_AS_TEXT && a->as != LENS_AS_RAW)
		return lens_fail(err, EINVAL, "--head: only as text or raw");
	return 0;
}

/* What --quantize, --scales, --block and --like say together. */
static int quantizing(struct lens_args *a, struct lens_err *err)
{
	struct lens_plan_opts *p = &a->view.plan;
	const char *without = a->scales ? "--scales" :
			      p->block  ? "--block" :
					  NULL;

	if (!a->quantize && without)
		return lens_fail(err, EINVAL, "%s: only with --quantize",
				 without);
	if (p->cast && !a->view.like)
		return lens_fail(err, EINVAL, "--cast: only with --like");
	if ((a->quantize || a->view.like) && !p->reverse)
		return lens_fail(err, EINVAL, "%s: only with --reverse",
				 a->quantize ? "--quantize" : "--like");
	if (!a->quantize)
		return 0;
	p->quantize = a->scales    ? a->scales :
		      a->view.like ? LENS_SCALES_LIKE :
				     LENS_SCALES_AMAX;
	if ((p->quantize == LENS_SCALES_LIKE) != (a->view.like != NULL))
		return lens_fail(err, EINVAL,
				 a->view.like ?
					 "--like: its scales are taken, so "
					 "--scales can only be like" :
					 "--scales like: of which directory? "
					 "--like says it");
	if (p->block && p->quantize != LENS_SCALES_AMAX)
		return lens_fail(err, EINVAL, "--block: only of --scales amax");
	return 0;
}

/* --hashes takes DIR as it is: no source, no view. */
static int hashing(const struct lens_args *a, struct lens_err *err)
{
	const unsigned view = LENS_OF(LENS_CMD_CONVERT) | LENS_OF(LENS_CMD_LS) |
			      LENS_OF(LENS_CMD_VERIFY);

	if (a->command != &lens_cli_commands[LENS_CMD_VERIFY])
		return 0;
	if (a->n != (a->hashes ? 1 : 2))
		return lens_fail(err, EINVAL,
				 a->hashes ? "--hashes: without SOURCE" :
					     "an operand is missing: verify "
					     "SOURCE DIR");
	for (size_t i = 0; a->hashes && i < lens_cli_options(); i++) {
		const struct lens_option *o = lens_cli_option(i);

		if ((a->seen >> i & 1) && o->fs && (o->of & view) == view &&
		    o->flag != offsetof(struct lens_args, view.follow_links))
			return lens_fail(err, EINVAL,
					 "--hashes: it takes DIR as it is, "
					 "without --%s",
					 o->name);
	}
	if (a->hashes && a->sample)
		return lens_fail(err, EINVAL,
				 "--hashes and --sample: one at a time");
	return 0;
}

int lens_cli_check(struct lens_args *a, struct lens_err *err)
{
	if (check(a, err) < 0 || quantizing(a, err) < 0 || heading(a, err) < 0)
		return -err->code;
	return hashing(a, err);
}

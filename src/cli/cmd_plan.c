/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_plan.c - lensfs plan: a page about what would be shown, why, and what
 * became of every key; with -l or --json all of it, with --html to look at.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "cli/term.h"
#include "cli/whole.h"
#include "lens/log.h"

#include <errno.h>
#include <unistd.h>

static void put_tally(struct lens_buf *b, const struct lens_tally *t)
{
	char size[32];

	if (t->n)
		lens_buf_printf(b, " %9zu %10s", t->n,
				lens_format_size(size, t->bytes));
	else
		lens_buf_printf(b, " %9s %10s", "-", "-");
}

static void put_dtypes(const struct lens_report *r, struct lens_buf *b)
{
	lens_buf_puts(b, "               source                 view\n"
			 "  dtype     tensors      bytes   tensors      "
			 "bytes\n");
	for (unsigned d = 0; d <= LENS_DTYPE_MAX; d++) {
		if (!r->in[d].n && !r->out[d].n && d < LENS_DTYPE_MAX)
			continue;
		lens_buf_printf(b, "  %-7s",
				d < LENS_DTYPE_MAX ?
					lens_dtype_name((enum lens_dtype)d) :
					"all");
		put_tally(b, &r->in[d]);
		put_tally(b, &r->out[d]);
		lens_buf_puts(b, "\n");
	}
}

/* How many keys each rule dropped, rules in the order of their first key. */
static int put_rules(const struct lens_report *r, struct lens_buf *b,
		     struct lens_err *err)
{
	LENS_CLEANUP(lens_map_fini) struct lens_map seen = { 0 };
	size_t n = lens_plan_keys(r->p), n_rules = 0;
	lens_autofree size_t *count = calloc(n + 1, sizeof(*count));
	lens_autofree const char **rule = calloc(n + 1, sizeof(*rule));

	if (!count || !rule)
		return lens_fail(err, ENOMEM, "no memory for a report");
	for (size_t i = 0; i < n; i++) {
		const struct lens_key_fate *k = lens_plan_key(r->p, i);
		const char *name = k->rule ? k->rule : "a rule";
		int new;

		if (k->fate != LENS_FATE_DROPPED)
			continue;
		new = lens_map_add(&seen, name, (uint32_t)n_rules);
		if (new < 0)
			return lens_fail(err, ENOMEM, "no memory for a report");
		if (new)
			rule[n_rules++] = name;
		count[lens_map_find(&seen, name)]++;
	}
	for (size_t i = 0; i < n_rules; i++) {
		lens_buf_printf(b, "  %21zu by ", count[i]);
		lens_cli_show(b, rule[i]);
		lens_buf_puts(b, "\n");
	}
	return 0;
}

static int put_keys(const struct lens_report *r, struct lens_buf *b,
		    struct lens_err *err)
{
	lens_buf_puts(b, "\nkeys of the source\n");
	for (unsigned f = 0; f < LENS_FATE_MAX; f++) {
		if (!r->fate[f])
			continue;
		lens_buf_printf(b, "  %-9s %9zu  %s\n",
				lens_fate_name((enum lens_fate)f), r->fate[f],
				lens_fate_help((enum lens_fate)f));
		if (f == LENS_FATE_DROPPED && put_rules(r, b, err) < 0)
			return -err->code;
	}
	return 0;
}

static void put_warnings(const struct lens_report *r, struct lens_buf *b)
{
	lens_buf_printf(b, "\nwarnings%s\n", r->notes->n ? "" : ": none");
	for (size_t i = 0; i < r->notes->n; i++) {
		lens_buf_puts(b, "  ");
		lens_cli_words(b, r->notes->v[i], 2,
			       lens_term_width(STDOUT_FILENO));
		lens_buf_puts(b, "\n");
	}
}

/* -l: a line an output, a line a source key, tab-separated. */
static void put_all(const struct lens_report *r, struct lens_buf *b)
{
	lens_buf_puts(b, "\ntensors of the view\n");
	lens_plan_dump(r->p, b);
	lens_buf_puts(b, "\nkeys of the source, one by one\n");
	for (size_t i = 0; i < lens_plan_keys(r->p); i++) {
		const struct lens_key_fate *k = lens_plan_key(r->p, i);

		lens_cli_show(b, k->t->name);
		lens_buf_printf(b, "\t%s\t", lens_fate_name(k->fate));
		lens_cli_show(b, k->into ? k->into : "-");
		lens_buf_puts(b, "\t");
		lens_cli_show(b, k->rule ? k->rule : "-");
		lens_buf_puts(b, "\n");
	}
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static int put_text(const struct lens_report *r, bool detail,
		    struct lens_buf *b, struct lens_err *err)
{
	const struct lens_recipe *recipe = lens_plan_recipe(r->p);
	char in[32], out[32];

	lens_buf_puts(b, "source   ");
	lens_cli_show(b, lens_ckpt_path(r->ckpt));
	lens_buf_printf(b,
			"\n         %zu tensors, %s in %zu file%s\n"
			"recipe   %s\n         ",
			r->in[LENS_DTYPE_MAX].n,
			lens_format_size(in, r->in[LENS_DTYPE_MAX].bytes),
			lens_ckpt_files(r->ckpt),
			plural(lens_ckpt_files(r->ckpt)), lens_view_why(r->v));
	lens_cli_show(b, recipe->summary);
	lens_buf_printf(b, "\nview     %zu tensors, %s in %zu file%s\n\n",
			r->out[LENS_DTYPE_MAX].n,
			lens_format_size(out, r->out[LENS_DTYPE_MAX].bytes),
			lens_view_weight_files(r->v),
			plural(lens_view_weight_files(r->v)));
	put_dtypes(r, b);
	if (put_keys(r, b, err) < 0)
		return -err->code;
	put_warnings(r, b);
	if (detail)
		put_all(r, b);
	return 0;
}

/* --html: a file, and for who does not open it what it says first. */
static int write_page(const struct lens_args *a, const struct lens_report *r,
		      struct lens_buf *b, struct lens_err *err)
{
	char size[32];

	if (lens_report_page(r, b, err) < 0)
		return -err->code;
	if (strcmp(a->html, "-") == 0)
		return lens_cli_print(b, err);
	if (lens_whole_write(a->html, lens_view_source(r->v), b, err) < 0)
		return lens_wrap(err, "--html");
	lens_log(LENS_LOG_INFO, "plan: '%s': %s, for a browser",
		 LENS_SHOW(a->html), lens_format_size(size, b->n));
	return 0;
}

static int tell(const struct lens_args *a, const struct lens_report *r,
		struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	int n;

	if (a->html)
		return write_page(a, r, &b, err);
	n = a->json ? lens_report_json(r, &b, err) :
		      put_text(r, a->detail, &b, err);
	return n < 0 ? n : lens_cli_print(&b, err);
}

int lens_cli_plan(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	const double begin = lens_cli_now();
	struct lens_report r;
	int n = lens_view_open(a->operand[0], &a->view, &notes, &v, err);

	if (n < 0 || a->html)
		lens_cli_tell(&notes);
	if (n < 0)
		return n;
	if (a->verbose)
		lens_cli_describe(v, lens_cli_now() - begin);
	lens_report_take(&r, v, &notes);
	n = tell(a, &r, err);
	if (n >= 0 && a->view.plan.strict && notes.n)
		return lens_fail(err, EINVAL, "--strict: refused: %s",
				 notes.v[0]);
	return n;
}

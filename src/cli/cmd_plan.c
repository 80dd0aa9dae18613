/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_plan.c - lensfs plan: a page about what would be shown, why, and what
 * became of every key; with -l or --json all of it.
 */
#include "cli/cli.h"

#include <errno.h>

static const char *const fates[] = {
	[LENS_FATE_MAPPED] = "mapped",       [LENS_FATE_PASSED] = "passed",
	[LENS_FATE_COMPANION] = "companion", [LENS_FATE_DROPPED] = "dropped",
	[LENS_FATE_EXCLUDED] = "excluded",
};
#define N_FATES LENS_ARRAY_SIZE(fates)

static const char *const fate_help[N_FATES] = {
	[LENS_FATE_MAPPED] = "made into others by a rule, a name or a codec",
	[LENS_FATE_PASSED] = "no rule matches: shown as they are",
	[LENS_FATE_COMPANION] = "used to decode others",
	[LENS_FATE_DROPPED] = "left out by a rule",
	[LENS_FATE_EXCLUDED] = "left out by --exclude",
};

/* Tensors and bytes of one dtype. */
struct tally {
	size_t n;
	uint64_t bytes;
};

struct report {
	const struct lens_args *a;
	const struct lens_view *v;
	const struct lens_plan *p;
	const struct lens_ckpt *ckpt;
	const struct lens_notes *notes;
	struct tally in[LENS_DTYPE_MAX + 1], out[LENS_DTYPE_MAX + 1];
	size_t fate[N_FATES];
	struct lens_buf b;
};

/* The total is behind the dtypes. */
static void add(struct tally *of, const struct lens_tensor *t)
{
	of[t->dtype].n++;
	of[t->dtype].bytes += t->size;
	of[LENS_DTYPE_MAX].n++;
	of[LENS_DTYPE_MAX].bytes += t->size;
}

static void take_stock(struct report *r)
{
	for (size_t i = 0; i < lens_ckpt_count(r->ckpt); i++)
		add(r->in, lens_ckpt_at(r->ckpt, i));
	for (size_t i = 0; i < lens_plan_count(r->p); i++)
		add(r->out, &lens_plan_at(r->p, i)->t);
	for (size_t i = 0; i < lens_plan_keys(r->p); i++)
		r->fate[lens_plan_key(r->p, i)->fate]++;
}

static void put_tally(struct lens_buf *b, const struct tally *t)
{
	char size[32];

	if (t->n)
		lens_buf_printf(b, " %9zu %10s", t->n,
				lens_format_size(size, t->bytes));
	else
		lens_buf_printf(b, " %9s %10s", "-", "-");
}

static void put_dtypes(struct report *r)
{
	lens_buf_puts(&r->b, "               source                 view\n"
			     "  dtype     tensors      bytes   tensors      "
			     "bytes\n");
	for (unsigned d = 0; d <= LENS_DTYPE_MAX; d++) {
		if (!r->in[d].n && !r->out[d].n && d < LENS_DTYPE_MAX)
			continue;
		lens_buf_printf(&r->b, "  %-7s",
				d < LENS_DTYPE_MAX ?
					lens_dtype_name((enum lens_dtype)d) :
					"all");
		put_tally(&r->b, &r->in[d]);
		put_tally(&r->b, &r->out[d]);
		lens_buf_puts(&r->b, "\n");
	}
}

/* How many keys each rule dropped, rules in the order of their first key. */
static int put_rules(struct report *r, struct lens_err *err)
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
		lens_buf_printf(&r->b, "  %21zu by ", count[i]);
		lens_cli_show(&r->b, rule[i]);
		lens_buf_puts(&r->b, "\n");
	}
	return 0;
}

static int put_keys(struct report *r, struct lens_err *err)
{
	lens_buf_puts(&r->b, "\nkeys of the source\n");
	for (size_t f = 0; f < N_FATES; f++) {
		if (!r->fate[f])
			continue;
		lens_buf_printf(&r->b, "  %-9s %9zu  %s\n", fates[f],
				r->fate[f], fate_help[f]);
		if (f == LENS_FATE_DROPPED && put_rules(r, err) < 0)
			return -err->code;
	}
	return 0;
}

static void put_warnings(struct report *r)
{
	lens_buf_printf(&r->b, "\nwarnings%s\n", r->notes->n ? "" : ": none");
	for (size_t i = 0; i < r->notes->n; i++)
		lens_buf_printf(&r->b, "  %s\n", r->notes->v[i]);
}

/* -l: a line an output, a line a source key, tab-separated. */
static void put_all(struct report *r)
{
	lens_buf_puts(&r->b, "\ntensors of the view\n");
	lens_plan_dump(r->p, &r->b);
	lens_buf_puts(&r->b, "\nkeys of the source, one by one\n");
	for (size_t i = 0; i < lens_plan_keys(r->p); i++) {
		const struct lens_key_fate *k = lens_plan_key(r->p, i);

		lens_cli_show(&r->b, k->t->name);
		lens_buf_printf(&r->b, "\t%s\t", fates[k->fate]);
		lens_cli_show(&r->b, k->into ? k->into : "-");
		lens_buf_puts(&r->b, "\t");
		lens_cli_show(&r->b, k->rule ? k->rule : "-");
		lens_buf_puts(&r->b, "\n");
	}
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static int put_page(struct report *r, struct lens_err *err)
{
	const struct lens_recipe *recipe = lens_plan_recipe(r->p);
	char in[32], out[32];

	lens_buf_puts(&r->b, "source   ");
	lens_cli_show(&r->b, lens_ckpt_path(r->ckpt));
	lens_buf_printf(&r->b,
			"\n         %zu tensors, %s in %zu file%s\n"
			"recipe   %s\n         ",
			r->in[LENS_DTYPE_MAX].n,
			lens_format_size(in, r->in[LENS_DTYPE_MAX].bytes),
			lens_ckpt_files(r->ckpt),
			plural(lens_ckpt_files(r->ckpt)), lens_view_why(r->v));
	lens_cli_show(&r->b, recipe->summary);
	lens_buf_printf(&r->b, "\nview     %zu tensors, %s in %zu file%s\n\n",
			r->out[LENS_DTYPE_MAX].n,
			lens_format_size(out, r->out[LENS_DTYPE_MAX].bytes),
			lens_view_weight_files(r->v),
			plural(lens_view_weight_files(r->v)));
	put_dtypes(r);
	if (put_keys(r, err) < 0)
		return -err->code;
	put_warnings(r);
	if (r->a->detail)
		put_all(r);
	return lens_cli_print(&r->b, err);
}

static void member(struct lens_buf *b, const char *name, const char *value)
{
	lens_buf_printf(b, "\"%s\": ", name);
	if (value)
		lens_json_quote(b, value, true);
	else
		lens_buf_puts(b, "null");
}

static void json_output(struct report *r, size_t i)
{
	const struct lens_tensor *t = &lens_plan_at(r->p, i)->t;
	struct lens_place place = lens_view_place(r->v, i);
	LENS_CLEANUP(lens_buf_fini) struct lens_buf made = { 0 };
	struct lens_buf *b = &r->b;

	lens_plan_describe(r->p, i, &made);
	lens_buf_puts(b, i ? ",\n  {" : "\n  {");
	member(b, "key", t->name);
	lens_buf_puts(b, ", ");
	member(b, "dtype", lens_dtype_name(t->dtype));
	lens_buf_puts(b, ", \"shape\": ");
	lens_cli_shape(b, t);
	lens_buf_printf(b, ", \"bytes\": %llu, ", (unsigned long long)t->size);
	member(b, "file", lens_view_weight_name(r->v, place.file));
	lens_buf_printf(b, ", \"offset\": %llu, ",
			(unsigned long long)place.off);
	member(b, "made", made.data ? made.data : "");
	lens_buf_puts(b, "}");
	b->failed |= made.failed;
}

static void json_key(struct report *r, size_t i)
{
	const struct lens_key_fate *k = lens_plan_key(r->p, i);

	lens_buf_puts(&r->b, i ? ",\n  {" : "\n  {");
	member(&r->b, "key", k->t->name);
	lens_buf_puts(&r->b, ", ");
	member(&r->b, "fate", fates[k->fate]);
	lens_buf_puts(&r->b, ", ");
	member(&r->b, "into", k->into);
	lens_buf_puts(&r->b, ", ");
	member(&r->b, "rule", k->rule);
	lens_buf_puts(&r->b, "}");
}

static int put_json(struct report *r, struct lens_err *err)
{
	struct lens_buf *b = &r->b;

	lens_buf_puts(b, "{\"recipe\": ");
	lens_plan_recipe_json(r->p, b);
	lens_buf_puts(b, ",\n ");
	member(b, "why", lens_view_why(r->v));
	lens_buf_puts(b, ",\n \"tensors\": [");
	for (size_t i = 0; i < lens_plan_count(r->p); i++)
		json_output(r, i);
	lens_buf_puts(b, "],\n \"keys\": [");
	for (size_t i = 0; i < lens_plan_keys(r->p); i++)
		json_key(r, i);
	lens_buf_puts(b, "],\n \"warnings\": [");
	for (size_t i = 0; i < r->notes->n; i++) {
		lens_buf_puts(b, i ? ",\n  " : "\n  ");
		lens_json_quote(b, r->notes->v[i], true);
	}
	lens_buf_puts(b, "]}\n");
	return lens_cli_print(b, err);
}

int lens_cli_plan(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	struct report r = { .a = a, .notes = &notes };
	int n = lens_view_open(a->operand[0], &a->view, &notes, &v, err);

	if (n < 0) {
		lens_cli_tell(&notes);
		return n;
	}
	r.v = v;
	r.p = lens_view_plan(v);
	r.ckpt = lens_view_ckpt(v);
	take_stock(&r);
	n = a->json ? put_json(&r, err) : put_page(&r, err);
	lens_buf_fini(&r.b);
	if (n >= 0 && a->view.plan.strict && notes.n)
		return lens_fail(err, EINVAL, "--strict: refused: %s",
				 notes.v[0]);
	return n;
}

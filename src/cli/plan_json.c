/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_json.c - plan --json: all there is to say of a plan, for programs.
 */
#include "cli/cli.h"
#include "cli/report.h"

static void member(struct lens_buf *b, const char *name, const char *value)
{
	lens_buf_printf(b, "\"%s\": ", name);
	if (value)
		lens_json_quote(b, value, true);
	else
		lens_buf_puts(b, "null");
}

/* What @say says of output @i. */
static void said(const struct lens_report *r, const char *name,
		 void (*say)(const struct lens_plan *p, size_t i,
			     struct lens_buf *out),
		 size_t i, struct lens_buf *b)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };

	say(r->p, i, &text);
	lens_buf_puts(b, ", ");
	member(b, name, text.data ? text.data : "");
	b->failed |= text.failed;
}

static int put_sources(const struct lens_report *r, size_t i,
		       struct lens_sources *s, struct lens_buf *b,
		       struct lens_err *err)
{
	if (lens_plan_sources(r->p, i, s, err) < 0)
		return -err->code;
	lens_buf_puts(b, ", \"sources\": [");
	for (size_t k = 0; k < s->n; k++) {
		lens_buf_puts(b, k ? ", " : "");
		lens_json_quote(b, lens_plan_key(r->p, s->key[k])->t->name,
				true);
	}
	lens_buf_puts(b, "]}");
	return 0;
}

static int put_output(const struct lens_report *r, size_t i,
		      struct lens_sources *s, struct lens_buf *b,
		      struct lens_err *err)
{
	const struct lens_tensor *t = &lens_plan_at(r->p, i)->t;
	const struct lens_place place = lens_view_place(r->v, i);

	lens_buf_puts(b, i ? ",\n  {" : "\n  {");
	member(b, "key", t->name);
	lens_buf_puts(b, ", ");
	member(b, "dtype", lens_dtype_name(t->dtype));
	lens_buf_puts(b, ", \"shape\": ");
	lens_cli_shape(b, t);
	lens_buf_printf(b, ", \"bytes\": %llu, ", (unsigned long long)t->size);
	member(b, "file", lens_view_weight_name(r->v, place.file));
	lens_buf_printf(b, ", \"offset\": %llu", (unsigned long long)place.off);
	said(r, "made", lens_plan_describe, i, b);
	said(r, "ops", lens_plan_ops, i, b);
	said(r, "codec", lens_plan_codec, i, b);
	return put_sources(r, i, s, b, err);
}

static void put_key(const struct lens_report *r, size_t i, struct lens_buf *b)
{
	const struct lens_key_fate *k = lens_plan_key(r->p, i);

	lens_buf_puts(b, i ? ",\n  {" : "\n  {");
	member(b, "key", k->t->name);
	lens_buf_puts(b, ", ");
	member(b, "fate", lens_fate_name(k->fate));
	lens_buf_puts(b, ", ");
	member(b, "into", k->into);
	lens_buf_puts(b, ", ");
	member(b, "rule", k->rule);
	lens_buf_puts(b, "}");
}

int lens_report_json(const struct lens_report *r, struct lens_buf *b,
		     struct lens_err *err)
{
	LENS_CLEANUP(lens_sources_fini) struct lens_sources s = { 0 };

	lens_buf_puts(b, "{\"recipe\": ");
	lens_plan_recipe_json(r->p, b);
	lens_buf_puts(b, ",\n ");
	member(b, "why", lens_view_why(r->v));
	lens_buf_puts(b, ",\n \"tensors\": [");
	for (size_t i = 0; i < lens_plan_count(r->p); i++)
		if (put_output(r, i, &s, b, err) < 0)
			return -err->code;
	lens_buf_puts(b, "],\n \"keys\": [");
	for (size_t i = 0; i < lens_plan_keys(r->p); i++)
		put_key(r, i, b);
	lens_buf_puts(b, "],\n \"warnings\": [");
	for (size_t i = 0; i < r->notes->n; i++) {
		lens_buf_puts(b, i ? ",\n  " : "\n  ");
		lens_json_quote(b, r->notes->v[i], true);
	}
	lens_buf_puts(b, "]}\n");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_recipes.c - lensfs recipes: what is built in.
 */
#include "cli/cli.h"

#include <errno.h>

/* A name and a line about it. */
struct entry {
	const char *name, *summary;
};

static void put(struct lens_buf *b, const struct entry *e, bool json,
		bool first)
{
	if (!json) {
		lens_buf_printf(b, "%-20s  %s\n", e->name, e->summary);
		return;
	}
	lens_buf_printf(b, "%s\n{\"name\": ", first ? "" : ",");
	lens_json_quote(b, e->name, true);
	lens_buf_puts(b, ", \"summary\": ");
	lens_json_quote(b, e->summary, true);
	lens_buf_puts(b, "}");
}

static int list_recipes(struct lens_buf *b, bool json, struct lens_err *err)
{
	for (size_t i = 0; i < lens_recipe_builtins(); i++) {
		LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *r = NULL;

		if (lens_recipe_open(lens_recipe_builtin_name(i), &r, err) < 0)
			return -err->code;
		put(b, &(struct entry){ r->name, r->summary }, json, !i);
	}
	return 0;
}

static void list_ops(struct lens_buf *b, bool json)
{
	bool first = true;

	for (size_t i = 0; i < lens_op_count(); i++) {
		const struct lens_op *o = lens_op_at(i);

		if (!o->name)
			continue; /* only ever an inverse */
		put(b, &(struct entry){ o->name, o->summary }, json, first);
		first = false;
	}
}

static void list_codecs(struct lens_buf *b, bool json)
{
	for (size_t i = 0; i < lens_codec_count(); i++) {
		const struct lens_codec *c = lens_codec_at(i);

		put(b, &(struct entry){ c->name, c->summary }, json, !i);
	}
}

static int print_one(const char *name, struct lens_buf *b, struct lens_err *err)
{
	LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *r = NULL;

	if (lens_recipe_open(name, &r, err) < 0)
		return -err->code;
	lens_buf_puts(b, r->text);
	if (!b->failed && b->n && b->data[b->n - 1] != '\n')
		lens_buf_puts(b, "\n");
	return lens_cli_print(b, err);
}

int lens_cli_recipes(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };
	const char *what = a->ops ? "ops" : a->codecs ? "codecs" : "recipes";

	if (a->n)
		return print_one(a->operand[0], &b, err);
	if (a->json)
		lens_buf_printf(&b, "{\"%s\": [", what);
	if (a->ops)
		list_ops(&b, a->json);
	else if (a->codecs)
		list_codecs(&b, a->json);
	else if (list_recipes(&b, a->json, err) < 0)
		return -err->code;
	if (a->json)
		lens_buf_puts(&b, "\n]}\n");
	return lens_cli_print(&b, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_recipes.c - lensfs recipes: what is built in.
 */
#include "cli/cli.h"
#include "cli/term.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* A name and a line about it. */
struct entry {
	const char *name, *summary;
};

static void put(struct lens_buf *b, const struct entry *e, bool json,
		bool first)
{
	if (!json) {
		lens_buf_printf(b, "%-20s  ", e->name);
		lens_cli_words(b, e->summary, 22,
			       lens_term_width(STDOUT_FILENO));
		lens_buf_puts(b, "\n");
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

/* @text in a cell, whose border is '|'. */
static void put_cell(struct lens_buf *b, const char *text)
{
	for (; *text; text++)
		lens_buf_printf(b, *text == '|' ? "\\%c" : "%c", *text);
}

/* What a codec of a recipe is called, with its block. */
static void name_codec(const struct lens_codec_use *use, char *text, size_t n)
{
	const cJSON *block =
		cJSON_GetObjectItemCaseSensitive(use->options, "block");

	(void)snprintf(text, n, "%s", use->codec->name);
	if (cJSON_GetArraySize(block) == 2)
		(void)snprintf(text, n, "%s %dx%d", use->codec->name,
			       cJSON_GetArrayItem(block, 0)->valueint,
			       cJSON_GetArrayItem(block, 1)->valueint);
}

/* The codecs of @r, each once. */
static void put_codecs(struct lens_buf *b, const struct lens_recipe *r)
{
	for (size_t i = 0; i < r->n_codecs; i++) {
		char text[96], other[96];
		bool known = !r->codecs[i].codec->bind;

		name_codec(&r->codecs[i], text, sizeof(text));
		for (size_t k = 0; k < i && !known; k++) {
			name_codec(&r->codecs[k], other, sizeof(other));
			known = strcmp(text, other) == 0;
		}
		if (!known)
			lens_buf_printf(b, "%s%s", b->n ? ", " : "", text);
	}
}

static void put_refusals(struct lens_buf *b, const struct lens_recipe *r)
{
	for (size_t i = 0; i < r->n_refuses; i++) {
		const char *why = r->refuses[i].why;

		if (b->data && strstr(b->data, why))
			continue;
		lens_buf_puts(b, b->n ? "; " : "");
		put_cell(b, why);
	}
}

/* Markdown: the README has it, and the manual's is made of it. */
static void put_row(struct lens_buf *b, const struct lens_recipe *r)
{
	LENS_CLEANUP(lens_buf_fini)
	struct lens_buf codecs = { 0 }, refused = { 0 };
	const struct lens_support s = lens_recipe_support(r);

	put_codecs(&codecs, r);
	put_refusals(&refused, r);
	lens_buf_printf(b, "| `%s` | ", r->name);
	put_cell(b, r->summary);
	lens_buf_printf(b, " | %s%s%s | %s | %s |\n", s.back ? "yes" : "no",
			s.back && s.lost ? ", but for " : "",
			s.back && s.lost ? s.lost : "",
			codecs.n ? codecs.data : "no",
			refused.n ? refused.data : "-");
}

static int put_table(struct lens_buf *b, struct lens_err *err)
{
	lens_buf_puts(b, "| recipe | hf -> native | and back | quantized "
			 "sources | refused besides what is incomplete |\n"
			 "|---|---|---|---|---|\n");
	for (size_t i = 0; i < lens_recipe_builtins(); i++) {
		LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *r = NULL;

		if (lens_recipe_open(lens_recipe_builtin_name(i), &r, err) < 0)
			return -err->code;
		put_row(b, r);
	}
	return 0;
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
	if (a->table)
		return put_table(&b, err) < 0 ? -err->code :
						lens_cli_print(&b, err);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page_data.c - what plan --html shows, as JSON that is small for 100,000
 * tensors: columns of numbers, and tables of what is there many times.  A key
 * is what it shares with the one before, a part, and a word for the rest.
 */
#include "cli/cli.h"
#include "cli/page.h"
#include "cli/version.h"

#include <errno.h>

/* Texts, each once and numbered; @json has them as they came. */
struct words {
	struct lens_map map;
	struct lens_arena store;
	struct lens_buf json;
	uint32_t n;
};

enum column {
	SAME,
	PART,
	REST, /* a word */
	FORM,
	FILE_,
	OFFSET,
	OPS,     /* of an output, as the next two */
	CODEC,   /* a word */
	SOURCES, /* arrays of keys' numbers */
	FATE,    /* of a source key, as the next two */
	RULE,    /* a word */
	INTO,    /* an output's number, or -1 */
	COLUMNS,
};
static const char *const names[COLUMNS] = {
	[SAME] = "same", [PART] = "part",       [REST] = "rest",
	[FORM] = "form", [FILE_] = "file",      [OFFSET] = "offset",
	[OPS] = "ops",   [CODEC] = "codec",     [RULE] = "rule",
	[FATE] = "fate", [SOURCES] = "sources", [INTO] = "into",
};

/* The tensors of one side. */
struct side {
	const char *last; /* key */
	struct lens_buf column[COLUMNS];
};

struct data {
	const struct lens_report *r;
	struct words forms, words;
	struct side out, in;
	struct lens_sources sources;
	bool failed;
};

static void number(struct lens_buf *b, uint64_t n)
{
	lens_buf_printf(b, b->n ? ",%llu" : "%llu", (unsigned long long)n);
}

/* The number of @text into @column; what is new is @json in the table. */
static void word(struct data *d, struct words *w, const char *text,
		 const char *json, struct lens_buf *column)
{
	uint32_t i = lens_map_find(&w->map, text);

	if (i == LENS_NONE) {
		const char *copy =
			lens_arena_strndup(&w->store, text, strlen(text));

		i = w->n++;
		if (!copy || lens_map_add(&w->map, copy, i) < 0)
			d->failed = true;
		lens_buf_puts(&w->json, i ? ",\n" : "");
		if (json)
			lens_buf_puts(&w->json, json);
		else
			lens_json_quote(&w->json, text, true);
	}
	number(column, i);
}

/* What is shared is ASCII: a script counts other characters differently. */
static void key(struct data *d, struct side *s, const char *name)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf part = { 0 };
	struct lens_buf *parts = &s->column[PART];
	size_t same = 0, n;

	while (s->last && name[same] && name[same] == s->last[same] &&
	       !(name[same] & 0x80))
		same++;
	s->last = name;
	number(&s->column[SAME], same);
	name += same;
	n = strcspn(name, ".");
	lens_buf_add(&part, name, n);
	d->failed |= part.failed;
	lens_buf_puts(parts, parts->n ? "," : "");
	lens_json_quote(parts, part.data ? part.data : "", true);
	word(d, &d->words, name + n, NULL, &s->column[REST]);
}

static void tensor(struct data *d, struct side *s, const struct lens_tensor *t)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf form = { 0 };

	key(d, s, t->name);
	lens_buf_printf(&form, "[\"%s\",", lens_dtype_name(t->dtype));
	lens_cli_shape(&form, t);
	lens_buf_printf(&form, ",%llu]", (unsigned long long)t->size);
	d->failed |= form.failed;
	word(d, &d->forms, form.data ? form.data : "", form.data,
	     &s->column[FORM]);
}

/* What @say says of output @i. */
static void said(struct data *d, size_t i, enum column column,
		 void (*say)(const struct lens_plan *p, size_t i,
			     struct lens_buf *out))
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };

	say(d->r->p, i, &text);
	d->failed |= text.failed;
	word(d, &d->words, text.data ? text.data : "", NULL,
	     &d->out.column[column]);
}

static int output(struct data *d, size_t i, struct lens_err *err)
{
	const struct lens_place place = lens_view_place(d->r->v, i);
	struct lens_buf *to = &d->out.column[SOURCES];

	tensor(d, &d->out, &lens_plan_at(d->r->p, i)->t);
	number(&d->out.column[FILE_], place.file);
	number(&d->out.column[OFFSET], place.off);
	said(d, i, OPS, lens_plan_ops);
	said(d, i, CODEC, lens_plan_codec);
	if (lens_plan_sources(d->r->p, i, &d->sources, err) < 0)
		return -err->code;
	lens_buf_puts(to, i ? ",[" : "[");
	for (size_t k = 0; k < d->sources.n; k++)
		lens_buf_printf(to, k ? ",%u" : "%u", d->sources.key[k]);
	lens_buf_puts(to, "]");
	return 0;
}

static void source_key(struct data *d, size_t i)
{
	const struct lens_key_fate *k = lens_plan_key(d->r->p, i);
	struct lens_buf *into = &d->in.column[INTO];

	tensor(d, &d->in, k->t);
	number(&d->in.column[FILE_], k->t->n_chunks ? k->t->chunks[0].file : 0);
	number(&d->in.column[OFFSET], k->t->n_chunks ? k->t->chunks[0].off : 0);
	number(&d->in.column[FATE], k->fate);
	word(d, &d->words, k->rule ? k->rule : "", NULL, &d->in.column[RULE]);
	if (k->into)
		number(into, lens_plan_find(d->r->p, k->into));
	else
		lens_buf_puts(into, into->n ? ",-1" : "-1");
}

static void member(struct lens_buf *b, const char *name, const char *value)
{
	lens_buf_printf(b, "\"%s\": ", name);
	lens_json_quote(b, value, true);
	lens_buf_puts(b, ",\n");
}

static void put_side(struct data *d, const char *name, struct side *s,
		     struct lens_buf *b)
{
	lens_buf_printf(b, ",\n\"%s\": {", name);
	for (size_t c = 0; c < COLUMNS; c++) {
		const struct lens_buf *column = &s->column[c];

		d->failed |= column->failed;
		lens_buf_printf(b, "%s\"%s\": [", c ? ",\n" : "", names[c]);
		lens_buf_add(b, column->data, column->n);
		lens_buf_puts(b, "]");
	}
	lens_buf_puts(b, "}");
}

static void put_words(struct data *d, const char *name, const struct words *w,
		      struct lens_buf *b)
{
	d->failed |= w->json.failed;
	lens_buf_printf(b, ",\n\"%s\": [", name);
	lens_buf_add(b, w->json.data, w->json.n);
	lens_buf_puts(b, "]");
}

/* Strings @at(0) ... @at(n - 1). */
static void put_list(const struct data *d, const char *name, size_t n,
		     const char *(*at)(const struct lens_report *r, size_t i),
		     struct lens_buf *b)
{
	lens_buf_printf(b, ",\n\"%s\": [", name);
	for (size_t i = 0; i < n; i++) {
		lens_buf_puts(b, i ? "," : "");
		lens_json_quote(b, at(d->r, i), true);
	}
	lens_buf_puts(b, "]");
}

static const char *warning(const struct lens_report *r, size_t i)
{
	return r->notes->v[i];
}

static const char *view_file(const struct lens_report *r, size_t i)
{
	return lens_view_weight_name(r->v, i);
}

static const char *source_file(const struct lens_report *r, size_t i)
{
	return lens_ckpt_file(r->ckpt, i)->name;
}

static const char *fate(const struct lens_report *r, size_t i)
{
	(void)r;
	return lens_fate_name((enum lens_fate)i);
}

static const char *fate_help(const struct lens_report *r, size_t i)
{
	(void)r;
	return lens_fate_help((enum lens_fate)i);
}

static void put_all(struct data *d, struct lens_buf *b)
{
	const struct lens_report *r = d->r;
	LENS_CLEANUP(lens_buf_fini) struct lens_buf path = { 0 };

	lens_cli_show(&path, lens_ckpt_path(r->ckpt));
	d->failed |= path.failed;
	lens_buf_puts(b, "{");
	member(b, "lensfs", LENS_VERSION);
	member(b, "source", path.data ? path.data : "");
	member(b, "why", lens_view_why(r->v));
	lens_buf_puts(b, "\"plan\": ");
	lens_plan_recipe_json(r->p, b);
	put_list(d, "warnings", r->notes->n, warning, b);
	put_list(d, "view-files", lens_view_weight_files(r->v), view_file, b);
	put_list(d, "source-files", lens_ckpt_files(r->ckpt), source_file, b);
	put_list(d, "fates", LENS_FATE_MAX, fate, b);
	put_list(d, "fate-help", LENS_FATE_MAX, fate_help, b);
	put_words(d, "forms", &d->forms, b);
	put_words(d, "words", &d->words, b);
	put_side(d, "tensors", &d->out, b);
	put_side(d, "keys", &d->in, b);
	lens_buf_puts(b, "}");
}

static void fini(struct data *d)
{
	struct words *const w[] = { &d->forms, &d->words };

	for (size_t i = 0; i < LENS_ARRAY_SIZE(w); i++) {
		lens_map_fini(&w[i]->map);
		lens_arena_fini(&w[i]->store);
		lens_buf_fini(&w[i]->json);
	}
	for (size_t c = 0; c < COLUMNS; c++) {
		lens_buf_fini(&d->out.column[c]);
		lens_buf_fini(&d->in.column[c]);
	}
	lens_sources_fini(&d->sources);
}

int lens_page_data(const struct lens_report *r, struct lens_buf *out,
		   struct lens_err *err)
{
	LENS_CLEANUP(fini) struct data d = { .r = r };

	for (size_t i = 0; i < lens_plan_count(r->p); i++)
		if (output(&d, i, err) < 0)
			return -err->code;
	for (size_t i = 0; i < lens_plan_keys(r->p); i++)
		source_key(&d, i);
	put_all(&d, out);
	if (d.failed || out->failed)
		return lens_fail(err, ENOMEM, "no memory for a page");
	return 0;
}

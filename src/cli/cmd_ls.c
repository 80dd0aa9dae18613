/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_ls.c - lensfs ls: the tensors of the view, or of the source, from headers
 * alone.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

/* Print once so much has gathered. */
#define FLUSH (64u << 10)

/* A line of the list. */
struct row {
	const struct lens_tensor *t;
	const char *file; /* NULL: a tensor of the source without bytes */
	uint64_t off;     /* from the start of the file */
};

/* What is listed: a view, or a checkpoint alone. */
struct listing {
	const struct lens_args *a;
	const struct lens_view *v;
	const struct lens_ckpt *ckpt;
	const char *pattern;
	int shape, bytes, file, off; /* widths of columns */
	struct lens_buf out;
};

static size_t count(const struct listing *l)
{
	return l->v ? lens_plan_count(lens_view_plan(l->v)) :
		      lens_ckpt_count(l->ckpt);
}

static struct row row_at(const struct listing *l, size_t i)
{
	struct row r = { 0 };

	if (l->v) {
		struct lens_place p = lens_view_place(l->v, i);

		r.t = &lens_plan_at(lens_view_plan(l->v), i)->t;
		r.file = lens_view_weight_name(l->v, p.file);
		r.off = p.off;
		return r;
	}
	r.t = lens_ckpt_at(l->ckpt, i);
	if (r.t->n_chunks) {
		r.file = lens_ckpt_file(l->ckpt, r.t->chunks[0].file)->name;
		r.off = r.t->chunks[0].off;
	}
	return r;
}

static bool wanted(const struct listing *l, const struct row *r)
{
	return !l->pattern || fnmatch(l->pattern, r->t->name, 0) == 0;
}

static void put_json(struct listing *l, const struct row *r, bool first)
{
	struct lens_buf *b = &l->out;

	lens_buf_printf(b, "%s\n{\"key\": ", first ? "" : ",");
	lens_json_quote(b, r->t->name, true);
	lens_buf_printf(b, ", \"dtype\": \"%s\", \"shape\": ",
			lens_dtype_name(r->t->dtype));
	lens_cli_shape(b, r->t);
	lens_buf_printf(b, ", \"bytes\": %llu, \"file\": ",
			(unsigned long long)r->t->size);
	if (!r->file) {
		lens_buf_puts(b, "null, \"offset\": null}");
		return;
	}
	lens_json_quote(b, r->file, true);
	lens_buf_printf(b, ", \"offset\": %llu}", (unsigned long long)r->off);
}

static void put_text(struct listing *l, const struct row *r)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf shape = { 0 };
	struct lens_buf *b = &l->out;

	lens_cli_shape(&shape, r->t);
	lens_buf_printf(b, "%-8s  %-*s  %*llu  ", lens_dtype_name(r->t->dtype),
			l->shape, shape.failed ? "" : shape.data, l->bytes,
			(unsigned long long)r->t->size);
	if (l->a->detail)
		lens_buf_printf(b, "%-*s  %*llu  ", l->file,
				r->file ? LENS_SHOW(r->file) : "-", l->off,
				(unsigned long long)r->off);
	lens_cli_show(b, r->t->name);
	lens_buf_puts(b, "\n");
}

static int digits(uint64_t n)
{
	return snprintf(NULL, 0, "%llu", (unsigned long long)n);
}

static void widen(int *width, int n)
{
	if (*width < n)
		*width = n;
}

static void measure(struct listing *l)
{
	for (size_t i = 0; i < count(l); i++) {
		struct row r = row_at(l, i);
		int shape = r.t->rank ? (int)r.t->rank + 1 : 2;

		if (!wanted(l, &r))
			continue;
		for (unsigned d = 0; d < r.t->rank; d++)
			shape += digits(r.t->shape[d]);
		widen(&l->shape, shape);
		widen(&l->bytes, digits(r.t->size));
		widen(&l->file, r.file ? (int)strlen(LENS_SHOW(r.file)) : 1);
		widen(&l->off, digits(r.off));
	}
}

static int print(struct listing *l, struct lens_err *err)
{
	bool json = l->a->json, first = true;

	if (json)
		lens_buf_puts(&l->out, "{\"tensors\": [");
	else
		measure(l);
	for (size_t i = 0; i < count(l); i++) {
		struct row r = row_at(l, i);

		if (!wanted(l, &r))
			continue;
		if (json)
			put_json(l, &r, first);
		else
			put_text(l, &r);
		first = false;
		if (l->out.n >= FLUSH && lens_cli_print(&l->out, err) < 0)
			return -err->code;
	}
	if (json)
		lens_buf_puts(&l->out, "\n]}\n");
	if (lens_cli_print(&l->out, err) < 0)
		return -err->code;
	if (first && l->pattern)
		return lens_fail(err, ENOENT, "'%s': no key matches",
				 LENS_SHOW(l->pattern));
	return 0;
}

/* --source: no recipe is needed, but a wrong one is still told. */
static int open_source(const struct lens_args *a, struct lens_ckpt **ret,
		       struct lens_err *err)
{
	LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *recipe = NULL;
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	const struct lens_ckpt_opts opts = { .follow_links =
						     a->view.follow_links };
	int n;

	if (a->view.recipe &&
	    lens_recipe_open(a->view.recipe, &recipe, err) < 0)
		return -err->code;
	n = lens_ckpt_open(a->operand[0], &opts, &notes, ret, err);
	lens_cli_tell(&notes);
	return n;
}

int lens_cli_ls(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	LENS_CLEANUP(lens_ckpt_closep) struct lens_ckpt *ckpt = NULL;
	struct listing l = { .a = a,
			     .pattern = a->n > 1 ? a->operand[1] : NULL };
	int n;

	n = a->source ? open_source(a, &ckpt, err) :
			lens_cli_open(a, a->operand[0], &v, err);
	if (n < 0)
		return n;
	l.v = v;
	l.ckpt = ckpt;
	n = print(&l, err);
	lens_buf_fini(&l.out);
	return n;
}

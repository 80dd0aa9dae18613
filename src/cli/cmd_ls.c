/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_ls.c - lensfs ls: the tensors of the view, or of the source, from headers
 * alone.
 */
#include "cli/shape_tree.h"
#include "cli/tensors.h"
#include "cli/term.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <unistd.h>

/* Print once so much has gathered. */
#define FLUSH (64u << 10)

/* What is listed. */
struct listing {
	const struct lens_args *a;
	struct lens_tensors ts;
	size_t n;
	uint32_t *at; /* which of them */
	bool colours;
	size_t columns;              /* of the terminal; 0: it is none */
	int shape, bytes, file, off; /* widths of columns */
	struct lens_buf out;
};

static int choose(struct listing *l, const char *pattern, struct lens_err *err)
{
	const size_t n = lens_tensors_count(&l->ts);

	l->at = calloc(n + 1, sizeof(*l->at));
	if (!l->at)
		return lens_fail(err, ENOMEM, "no memory for a list");
	for (size_t i = 0; i < n; i++)
		if (!pattern ||
		    fnmatch(pattern, lens_tensors_at(&l->ts, i)->name, 0) == 0)
			l->at[l->n++] = (uint32_t)i;
	if (!l->n && pattern)
		return lens_fail(err, ENOENT, "'%s': no key matches",
				 LENS_SHOW(pattern));
	return 0;
}

static void put_json(struct listing *l, size_t i, bool first)
{
	const struct lens_tensor *t = lens_tensors_at(&l->ts, i);
	struct lens_buf *b = &l->out;
	uint64_t off;
	const char *file = lens_tensors_file(&l->ts, i, &off);

	lens_buf_printf(b, "%s\n{\"key\": ", first ? "" : ",");
	lens_json_quote(b, t->name, true);
	lens_buf_printf(b, ", \"dtype\": \"%s\", \"shape\": ",
			lens_dtype_name(t->dtype));
	lens_cli_shape(b, t);
	lens_buf_printf(b, ", \"bytes\": %llu, \"file\": ",
			(unsigned long long)t->size);
	if (!file) {
		lens_buf_puts(b, "null, \"offset\": null}");
		return;
	}
	lens_json_quote(b, file, true);
	lens_buf_printf(b, ", \"offset\": %llu}", (unsigned long long)off);
}

static int digits(uint64_t n)
{
	int width = 1;

	while (n > 9) {
		n /= 10;
		width++;
	}
	return width;
}

static void widen(int *width, int n)
{
	if (*width < n)
		*width = n;
}

static int shape_width(const struct lens_tensor *t)
{
	int width = t->rank ? (int)t->rank + 1 : 2;

	for (unsigned d = 0; d < t->rank; d++)
		width += digits(t->shape[d]);
	return width;
}

static void pad(struct lens_buf *b, size_t begin, int width)
{
	static const char blanks[] = "                                ";
	size_t n = b->n - begin, want = (size_t)width;

	while (n < want) {
		const size_t k = want - n < sizeof(blanks) - 1 ?
					 want - n :
					 sizeof(blanks) - 1;

		lens_buf_add(b, blanks, k);
		n += k;
	}
}

static void put_dtype(struct listing *l, const char *name)
{
	const size_t begin = l->out.n + (l->colours && *name ? 5 : 0);

	lens_buf_puts(&l->out, l->colours && *name ? "\033[36m" : "");
	lens_buf_puts(&l->out, name);
	pad(&l->out, begin, 8);
	lens_buf_puts(&l->out, l->colours && *name ? "\033[0m  " : "  ");
}

static void put_number(struct lens_buf *b, uint64_t n, int width)
{
	pad(b, b->n, width - digits(n));
	lens_buf_u64(b, n);
	lens_buf_puts(b, "  ");
}

/* A name behind @used columns: on a terminal it does not leave the line. */
static void put_name(struct listing *l, const char *name, int used)
{
	const size_t columns = (size_t)used;

	if (l->columns > columns + 8)
		lens_cli_show_in(&l->out, name, l->columns - columns);
	else
		lens_cli_show(&l->out, name);
}

static void put_text(struct listing *l, size_t i)
{
	const struct lens_tensor *t = lens_tensors_at(&l->ts, i);
	struct lens_buf *b = &l->out;
	uint64_t off;
	const char *file = lens_tensors_file(&l->ts, i, &off);
	size_t begin;

	put_dtype(l, lens_dtype_name(t->dtype));
	begin = b->n;
	lens_cli_shape(b, t);
	pad(b, begin, l->shape + 2);
	put_number(b, t->size, l->bytes);
	if (l->a->detail) {
		lens_buf_printf(b, "%-*s  ", l->file,
				file ? LENS_SHOW(file) : "-");
		put_number(b, off, l->off);
	}
	put_name(l, t->name,
		 8 + 2 + l->shape + 2 + l->bytes + 2 +
			 (l->a->detail ? l->file + 2 + l->off + 2 : 0));
	lens_buf_puts(b, "\n");
}

static void measure(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct lens_tensor *t = lens_tensors_at(&l->ts, l->at[i]);
		uint64_t off;
		const char *file = lens_tensors_file(&l->ts, l->at[i], &off);

		widen(&l->shape, shape_width(t));
		widen(&l->bytes, digits(t->size));
		if (!l->a->detail)
			continue;
		widen(&l->file, file ? (int)strlen(LENS_SHOW(file)) : 1);
		widen(&l->off, digits(off));
	}
}

static int print(struct listing *l, struct lens_err *err)
{
	const bool json = l->a->json;

	if (json)
		lens_buf_puts(&l->out, "{\"tensors\": [");
	else
		measure(l);
	for (size_t i = 0; i < l->n; i++) {
		if (json)
			put_json(l, l->at[i], !i);
		else
			put_text(l, l->at[i]);
		if (l->out.n >= FLUSH && lens_cli_print(&l->out, err) < 0)
			return -err->code;
	}
	if (json)
		lens_buf_puts(&l->out, "\n]}\n");
	return lens_cli_print(&l->out, err);
}

/* The second column of a tree: "61 x [2,3]", "1234 tensors". */
static void put_count(struct lens_buf *b, const struct lens_tree_line *x)
{
	if (x->t && x->times > 1)
		lens_buf_printf(b, "%llu x ", (unsigned long long)x->times);
	if (x->t)
		lens_cli_shape(b, x->t);
	else
		lens_buf_printf(b, "%llu tensor%s",
				(unsigned long long)x->tensors,
				x->tensors == 1 ? "" : "s");
}

static void put_line(struct listing *l, const struct lens_tree_line *x)
{
	struct lens_buf *b = &l->out;
	const bool bold = l->colours && !x->t;
	size_t begin;

	put_dtype(l, x->t ? lens_dtype_name(x->t->dtype) : "");
	begin = b->n;
	put_count(b, x);
	pad(b, begin, l->shape + 2);
	put_number(b, x->bytes, l->bytes);
	pad(b, b->n, 2 * (int)x->depth);
	lens_buf_puts(b, bold ? "\033[1m" : "");
	put_name(l, x->label,
		 8 + 2 + l->shape + 2 + l->bytes + 2 + 2 * (int)x->depth);
	lens_buf_puts(b, bold ? "\033[0m\n" : "\n");
}

static void measure_tree(struct listing *l, const struct lens_tree_lines *tree)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	for (size_t i = 0; i < tree->n; i++) {
		b.n = 0;
		put_count(&b, &tree->v[i]);
		widen(&l->shape, (int)b.n);
		widen(&l->bytes, digits(tree->v[i].bytes));
	}
}

static int print_tree(struct listing *l, struct lens_err *err)
{
	LENS_CLEANUP(lens_tree_lines_fini) struct lens_tree_lines tree = { 0 };
	lens_autofree const struct lens_tensor **t =
		calloc(l->n + 1, sizeof(const struct lens_tensor *));
	struct lens_tree_line total = { .label = (char[]){ "in all" } };

	for (size_t i = 0; t && i < l->n; i++)
		t[i] = lens_tensors_at(&l->ts, l->at[i]);
	if (!t || lens_tree_lines_make(t, l->n, &tree) < 0)
		return lens_fail(err, ENOMEM, "no memory for a tree");
	total.tensors = tree.tensors;
	total.bytes = tree.bytes;
	widen(&l->bytes, digits(total.bytes));
	measure_tree(l, &tree);
	for (size_t i = 0; i < tree.n; i++) {
		put_line(l, &tree.v[i]);
		if (l->out.n >= FLUSH && lens_cli_print(&l->out, err) < 0)
			return -err->code;
	}
	put_line(l, &total);
	return lens_cli_print(&l->out, err);
}

/* --source: no recipe is needed, but a wrong one is still told. */
static int open_source(const struct lens_args *a, struct lens_ckpt **ret,
		       struct lens_err *err)
{
	LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *recipe = NULL;
	LENS_CLEANUP(lens_notes_fini) struct lens_notes notes = { 0 };
	const struct lens_ckpt_opts opts = {
		.follow_links = a->view.follow_links,
		.saves = a->view.plan.reverse,
	};
	int n;

	if (a->view.recipe &&
	    lens_recipe_open(a->view.recipe, &recipe, err) < 0)
		return -err->code;
	n = lens_ckpt_open(a->operand[0], &opts, &notes, ret, err);
	lens_cli_tell(&notes);
	if (n >= 0)
		lens_cli_tell_step(a, *ret);
	return n;
}

int lens_cli_ls(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	LENS_CLEANUP(lens_ckpt_closep) struct lens_ckpt *ckpt = NULL;
	struct listing l = { .a = a,
			     .colours = lens_term_colours(STDOUT_FILENO),
			     .columns = lens_term_width(STDOUT_FILENO) };
	int n;

	n = a->source ? open_source(a, &ckpt, err) :
			lens_cli_open(a, a->operand[0], &v, err);
	if (n < 0)
		return n;
	l.ts = (struct lens_tensors){ v, ckpt };
	n = choose(&l, a->n > 1 ? a->operand[1] : NULL, err);
	if (n >= 0)
		n = a->tree ? print_tree(&l, err) : print(&l, err);
	lens_buf_fini(&l.out);
	free(l.at);
	return n;
}

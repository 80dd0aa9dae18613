/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_cat.c - lensfs cat: a tensor, or a file of the view, to standard output.
 */
#include "cli/cli.h"
#include "cli/value_text.h"

#include <errno.h>
#include <unistd.h>

/* Bytes at once; about what a mount's READ has. */
#define PIECE (1u << 20)

/* Where bytes come from: a file of the view, or one of its tensors. */
struct stream {
	const struct lens_view *v;
	uint64_t ino; /* 0: tensor @i */
	size_t i;
	uint64_t size; /* of the tensor */
};

/* Up to PIECE bytes from @off; *n is 0 at the end. */
static int fetch(const struct stream *s, uint64_t off, char *buf, size_t *n,
		 struct lens_err *err)
{
	if (s->ino)
		return lens_tree_read(s->v, s->ino, off, PIECE, buf, n, 1, err);
	*n = s->size - off < PIECE ? (size_t)(s->size - off) : PIECE;
	return *n ? lens_view_tensor_read(s->v, s->i, off, *n, buf, 1, err) : 0;
}

static int copy(const struct stream *s, struct lens_err *err)
{
	lens_autofree char *buf = malloc(PIECE);
	uint64_t off = 0;
	size_t n;

	if (!buf)
		return lens_fail(err, ENOMEM, "no memory for a buffer");
	do {
		if (fetch(s, off, buf, &n, err) < 0 ||
		    lens_cli_write(STDOUT_FILENO, LENS_STDOUT, buf, n, err) < 0)
			return -err->code;
		off += n;
	} while (n);
	return 0;
}

/* A value a line. */
static int copy_text(const struct stream *s, enum lens_dtype d,
		     struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf out = { 0 };
	lens_autofree char *buf = malloc(PIECE);
	const unsigned unit = lens_dtype_bits(d) / 8;
	uint64_t off = 0;
	size_t n;

	if (!buf)
		return lens_fail(err, ENOMEM, "no memory for a buffer");
	do {
		if (fetch(s, off, buf, &n, err) < 0)
			return -err->code;
		for (size_t i = 0; i < n; i += unit)
			lens_value_text(&out, d, buf + i);
		if (lens_cli_print(&out, err) < 0)
			return -err->code;
		off += n;
	} while (n);
	return 0;
}

/* A safetensors file of one tensor. */
static int header_of(const struct lens_tensor *t, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf header = { 0 };
	uint32_t order = 0;
	uint64_t begin;

	if (lens_header_write(&t, 1, &order, &begin, &header, err) < 0)
		return -err->code;
	return lens_cli_print(&header, err);
}

/* How much of it --head wants. */
static uint64_t head_size(const struct lens_tensor *t, uint64_t head)
{
	const unsigned bits = lens_dtype_bits(t->dtype);

	/* The last byte of dtypes below one may hold more. */
	return head && head < t->size * 8 / bits ? (head * bits + 7) / 8 :
						   t->size;
}

static int cat_tensor(const struct lens_view *v, size_t i,
		      const struct lens_args *a, struct lens_err *err)
{
	const enum lens_cli_as as = a->as;
	const struct lens_tensor *t = &lens_plan_at(lens_view_plan(v), i)->t;
	struct stream s = { .v = v, .i = i, .size = head_size(t, a->head) };
	struct lens_attr attr;

	if (as == LENS_AS_TEXT && !lens_value_has_text(t->dtype))
		return lens_fail(err, EOPNOTSUPP, "%s is not shown as text",
				 lens_dtype_name(t->dtype));
	if (as == LENS_AS_TEXT)
		return copy_text(&s, t->dtype, err);
	if (as == LENS_AS_SAFETENSORS && header_of(t, err) < 0)
		return -err->code;
	if (as == LENS_AS_NPY) {
		if (lens_tree_tensor(v, i, "data.npy", &attr) < 0)
			return lens_fail(err, EOPNOTSUPP,
					 "numpy has no dtype for %s",
					 lens_dtype_name(t->dtype));
		s.ino = attr.ino;
	}
	return copy(&s, err);
}

static int cat_file(const struct lens_view *v, const char *path,
		    struct lens_err *err)
{
	struct stream s = { .v = v };
	struct lens_attr attr;

	if (lens_tree_find(v, path, &attr) < 0)
		return lens_fail(err, ENOENT,
				 "no tensor and no file of the "
				 "view is called that");
	if (attr.folder)
		return lens_fail(err, EISDIR, "it is a directory");
	s.ino = attr.ino;
	return copy(&s, err);
}

int lens_cli_cat(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep) struct lens_view *v = NULL;
	const char *what = a->operand[1];
	uint32_t i;
	int n;

	if (lens_cli_open(a, a->operand[0], &v, err) < 0)
		return -err->code;
	i = lens_plan_find(lens_view_plan(v), what);
	if (i != LENS_NONE)
		n = cat_tensor(v, i, a, err);
	else if (a->as != LENS_AS_RAW || a->head)
		n = lens_fail(err, ENOENT,
			      "no tensor of the view is called "
			      "that");
	else
		n = cat_file(v, what, err);
	return n < 0 ? lens_wrap(err, "'%s'", LENS_SHOW(what)) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content.c - what the files of .lens hold.
 */
#include "tree/tree.h"

#include <errno.h>

size_t lens_content_part(const struct lens_buf *text, uint64_t off, size_t n,
			 void *buf)
{
	if (off >= text->n)
		return 0;
	if (n > text->n - (size_t)off)
		n = text->n - (size_t)off;
	memcpy(buf, text->data + off, n);
	return n;
}

/* The texts that are made anew each time. */
static void make_text(const struct lens_view *v, const struct lens_spot *s,
		      struct lens_buf *out)
{
	if (s->top == LENS_AT_STATS)
		lens_view_stats(v, out);
	else
		lens_text_info(v, s->out, out);
}

static int size_of_tensor(const struct lens_view *v, const struct lens_spot *s,
			  uint64_t *ret)
{
	const struct lens_tensor *t = &lens_plan_at(v->plan, s->out)->t;

	*ret = t->size;
	if (s->file == LENS_AT_SUMMARY)
		*ret = lens_summary_size(v, s->out);
	else if (s->file == LENS_AT_NPY && !lens_npy_size(t, ret))
		return -ENOMEM;
	return *ret || !t->size ? 0 : -ENOMEM;
}

int lens_content_size(const struct lens_view *v, const struct lens_spot *s,
		      uint64_t *ret)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	struct lens_inspect *x = v->inspect;
	struct lens_err err;

	switch (s->top) {
	case LENS_AT_README:
		*ret = x->readme.n;
		return 0;
	case LENS_AT_RECIPE:
		*ret = x->recipe.n;
		return 0;
	case LENS_AT_PLAN:
		return lens_lines_size(v, &x->plan, ret, &err);
	case LENS_AT_KEYS:
		return lens_lines_size(v, &x->keys, ret, &err);
	default:
		break;
	}
	if (s->top == LENS_AT_TENSORS && s->file != LENS_AT_INFO)
		return size_of_tensor(v, s, ret);
	make_text(v, s, &text);
	*ret = text.n;
	return text.failed ? -ENOMEM : 0;
}

static int read_tensor(const struct lens_view *v, const struct lens_spot *s,
		       uint64_t off, size_t n, void *buf, size_t *ret_n,
		       uint64_t reader, struct lens_err *err)
{
	uint64_t size;

	(void)size_of_tensor(v, s, &size);
	if (off >= size)
		n = 0;
	else if (n > size - off)
		n = (size_t)(size - off);
	*ret_n = n;
	if (s->file == LENS_AT_NPY)
		return lens_npy_read(v, s->out, off, n, buf, reader, err);
	return lens_view_tensor_read(v, s->out, off, n, buf, reader, err);
}

int lens_content_read(const struct lens_view *v, uint64_t ino, uint64_t off,
		      size_t n, void *buf, size_t *ret_n, uint64_t reader,
		      struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	struct lens_inspect *x = v->inspect;
	struct lens_spot s;
	int r = lens_inspect_spot(v, ino, &s);

	if (r < 0)
		return lens_fail(err, -r, ".lens: there is no such file");
	switch (s.top) {
	case LENS_AT_README:
		*ret_n = lens_content_part(&x->readme, off, n, buf);
		return 0;
	case LENS_AT_RECIPE:
		*ret_n = lens_content_part(&x->recipe, off, n, buf);
		return 0;
	case LENS_AT_PLAN:
		return lens_lines_read(v, &x->plan, off, n, buf, ret_n, err);
	case LENS_AT_KEYS:
		return lens_lines_read(v, &x->keys, off, n, buf, ret_n, err);
	default:
		break;
	}
	if (s.top == LENS_AT_TOP ||
	    (s.top == LENS_AT_TENSORS && s.file == LENS_AT_FOLDER))
		return lens_fail(err, EISDIR, ".lens: it is a folder");
	if (s.file == LENS_AT_SUMMARY)
		return lens_summary_read(v, s.out, off, n, buf, ret_n, err);
	if (s.top == LENS_AT_TENSORS && s.file != LENS_AT_INFO)
		return read_tensor(v, &s, off, n, buf, ret_n, reader, err);
	make_text(v, &s, &text);
	if (text.failed)
		return lens_fail(err, ENOMEM, "no memory for a text");
	*ret_n = lens_content_part(&text, off, n, buf);
	return 0;
}

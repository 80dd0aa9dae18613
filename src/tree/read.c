/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - any bytes of any file of a view.
 */
#include "tree/tree.h"

#include <errno.h>

/* What a reader wants of a tensor: bytes [off, off + n), all in @panel. */
struct wish {
	const struct lens_plan *plan;
	struct lens_panel panel;
	uint64_t off;
	size_t n;
	void *buf;
	struct lens_sender *sender; /* for all that was asked for; NULL: none */
};

static int fill(void *ctx, unsigned strip, void *mem, struct lens_err *err)
{
	const struct wish *w = ctx;

	return lens_plan_fill(w->plan, &w->panel, strip, mem, err);
}

static int use(void *ctx, const void *mem, struct lens_err *err)
{
	const struct wish *w = ctx;
	const void *there =
		w->sender ? lens_plan_peek(w->plan, &w->panel, mem, w->off) :
			    NULL;

	if (there) {
		w->sender->send(w->sender->ctx, there, w->n);
		w->sender->sent = true;
		return 0;
	}
	return lens_plan_take(w->plan, &w->panel, mem, w->off, w->n, w->buf,
			      err);
}

static int without(void *ctx, struct lens_err *err)
{
	const struct wish *w = ctx;

	return lens_plan_read(w->plan, w->panel.out, w->off, w->n, w->buf, err);
}

static int read_by_panel(const struct lens_view *v, struct wish *w,
			 size_t request, uint64_t reader, struct lens_err *err)
{
	const struct lens_panel *p = &w->panel;
	/* In the panel's own bytes, which may be fewer than the output's. */
	const uint64_t begin = (w->off - p->off) * p->size / p->n,
		       end = ((w->off - p->off + w->n) * p->size + p->n - 1) /
			     p->n;
	const struct lens_cache_ask ask = {
		.block = { .id = (uint64_t)p->out << 32 | p->index,
			   .group = p->out,
			   .size = p->size,
			   .elem = p->elem,
			   .n_strips = p->n_strips },
		.off = begin,
		.n = end - begin,
		.request = request,
		.reader = reader,
		.fill = fill,
		.use = use,
		.without = without,
		.ctx = w,
	};

	return lens_cache_read(v->cache, &ask, err);
}

/* @request: what was asked for in all, this being a part of it. */
static int read_tensor(const struct lens_view *v, size_t i, uint64_t off,
		       size_t n, void *buf, size_t request, uint64_t reader,
		       struct lens_sender *sender, struct lens_err *err)
{
	struct wish w = { .plan = v->plan, .off = off, .buf = buf };

	atomic_fetch_add_explicit(&v->counters->tensors, n,
				  memory_order_relaxed);
	while (n) {
		uint64_t left;

		if (!v->panel_max ||
		    !lens_plan_panel(v->plan, i, w.off, v->panel_max, &w.panel))
			return lens_plan_read(v->plan, i, w.off, n, w.buf, err);
		left = w.panel.off + w.panel.n - w.off;
		w.n = n < left ? n : (size_t)left;
		w.sender = w.n == request ? sender : NULL;
		if (read_by_panel(v, &w, request, reader, err) < 0)
			return -err->code;
		w.buf = (char *)w.buf + w.n;
		w.off += w.n;
		n -= w.n;
	}
	return 0;
}

int lens_view_tensor_read(const struct lens_view *v, size_t i, uint64_t off,
			  size_t n, void *buf, uint64_t reader,
			  struct lens_err *err)
{
	return read_tensor(v, i, off, n, buf, n, reader, NULL, err);
}

/* The last tensor of @w that begins at or before byte @at of its data. */
static size_t tensor_at(const struct lens_weight *w, uint64_t at)
{
	size_t low = 0, high = w->n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (w->begin[mid] <= at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* Bytes [off, off + n) of a weight file, which it has. */
static int read_weights(const struct lens_view *v, const struct lens_weight *w,
			uint64_t off, size_t n, unsigned char *buf,
			uint64_t reader, struct lens_sender *sender,
			struct lens_err *err)
{
	const size_t request = n;
	size_t part;

	if (off < w->head.n) {
		part = w->head.n - (size_t)off < n ? w->head.n - (size_t)off :
						     n;
		memcpy(buf, w->head.data + off, part);
		buf += part;
		off += part;
		n -= part;
	}
	if (!n)
		return 0;
	off -= w->head.n;
	for (size_t k = tensor_at(w, off); n; k++) {
		const uint32_t i = w->order[k];
		const uint64_t skip = off - w->begin[k],
			       left = lens_plan_at(v->plan, i)->t.size - skip;

		part = n < left ? n : (size_t)left;
		if (part && read_tensor(v, i, skip, part, buf, request, reader,
					sender, err) < 0)
			return -err->code;
		buf += part;
		off += part;
		n -= part;
	}
	return 0;
}

static int read_node(const struct lens_view *v, const struct lens_node *node,
		     uint64_t off, size_t n, void *buf, size_t *ret_n,
		     uint64_t reader, struct lens_sender *sender,
		     struct lens_err *err)
{
	const struct lens_weight *w;

	switch (node->kind) {
	case LENS_NODE_WEIGHTS:
		w = &v->layout.files[node->index];
		if (off >= w->size)
			n = 0;
		else if (n > w->size - off)
			n = (size_t)(w->size - off);
		*ret_n = n;
		return n ? read_weights(v, w, off, n, buf, reader, sender,
					err) :
			   0;
	case LENS_NODE_INDEX:
		*ret_n = lens_content_part(&v->layout.index, off, n, buf);
		return 0;
	case LENS_NODE_CONFIG:
		*ret_n = lens_content_part(&v->config, off, n, buf);
		return 0;
	case LENS_NODE_EXTRA:
		return lens_ckpt_read_extra(
			lens_view_dress(v),
			lens_ckpt_extra(lens_view_dress(v), node->index), off,
			n, buf, ret_n, err);
	case LENS_NODE_FOLDER:
		break;
	}
	return lens_fail(err, EISDIR, "'%s': it is a folder",
			 LENS_SHOW(node->path));
}

int lens_tree_send(const struct lens_view *v, uint64_t ino, uint64_t off,
		   size_t n, void *buf, size_t *ret_n, uint64_t reader,
		   struct lens_sender *sender, struct lens_err *err)
{
	const uint64_t began = lens_now();
	size_t got = 0;
	int r;

	if (ino - 1 < v->nodes.n)
		r = read_node(v, &v->nodes.v[ino - 1], off, n, buf, &got,
			      reader, sender, err);
	else
		r = lens_content_read(v, ino, off, n, buf, &got, reader, err);
	lens_count_read(v->counters, began, n, got, r);
	if (r >= 0)
		*ret_n = got;
	return r;
}

int lens_tree_read(const struct lens_view *v, uint64_t ino, uint64_t off,
		   size_t n, void *buf, size_t *ret_n, uint64_t reader,
		   struct lens_err *err)
{
	return lens_tree_send(v, ino, off, n, buf, ret_n, reader, NULL, err);
}

bool lens_tree_is_hole(const struct lens_view *v, uint64_t ino, uint64_t off,
		       uint64_t n)
{
	const struct lens_node *node;

	if (ino < LENS_ROOT || ino - LENS_ROOT >= v->nodes.n)
		return false;
	node = &v->nodes.v[ino - LENS_ROOT];
	return node->kind == LENS_NODE_EXTRA &&
	       lens_ckpt_extra_is_hole(
		       lens_view_dress(v),
		       lens_ckpt_extra(lens_view_dress(v), node->index), off,
		       n);
}

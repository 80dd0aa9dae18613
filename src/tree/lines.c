/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.c - texts of many lines, of which only the part that is read is made.
 *
 * The first who asks makes every line once, to know where each begins; nothing
 * but a mark for each LENS_LINES_STEP of them is kept.
 */
#include "tree/tree.h"

#include <errno.h>

static int measure(const struct lens_view *v, struct lens_lines *l)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf line = { 0 };

	l->mark = calloc(l->n / LENS_LINES_STEP + 1, sizeof(*l->mark));
	l->size = 0;
	for (size_t i = 0; i < l->n && l->mark && !line.failed; i++) {
		if (i % LENS_LINES_STEP == 0)
			l->mark[i / LENS_LINES_STEP] = l->size;
		line.n = 0;
		l->line(v, i, &line);
		l->size += line.n;
	}
	if (l->mark && !line.failed)
		return 0;
	free(l->mark);
	l->mark = NULL;
	return -ENOMEM;
}

int lens_lines_size(const struct lens_view *v, struct lens_lines *l,
		    uint64_t *ret, struct lens_err *err)
{
	int r = 0;

	if (!atomic_load_explicit(&l->made, memory_order_acquire)) {
		(void)pthread_mutex_lock(&l->lock);
		if (!atomic_load_explicit(&l->made, memory_order_relaxed))
			r = measure(v, l);
		atomic_store_explicit(&l->made, r == 0, memory_order_release);
		(void)pthread_mutex_unlock(&l->lock);
	}
	if (r < 0)
		return lens_fail(err, ENOMEM, "no memory for a text");
	*ret = l->size;
	return 0;
}

/* The last mark that is not behind byte @off. */
static size_t mark_of(const struct lens_lines *l, uint64_t off)
{
	size_t low = 0, high = (l->n + LENS_LINES_STEP - 1) / LENS_LINES_STEP;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (l->mark[mid] <= off)
			low = mid;
		else
			high = mid;
	}
	return low;
}

int lens_lines_read(const struct lens_view *v, struct lens_lines *l,
		    uint64_t off, size_t n, void *buf, size_t *ret_n,
		    struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf line = { 0 };
	uint64_t size, at;
	size_t mark, got = 0;

	if (lens_lines_size(v, l, &size, err) < 0)
		return -err->code;
	*ret_n = 0;
	if (off >= size)
		return 0;
	mark = mark_of(l, off);
	at = l->mark[mark];
	for (size_t i = mark * LENS_LINES_STEP; i < l->n && got < n; i++) {
		line.n = 0;
		l->line(v, i, &line);
		if (line.failed)
			return lens_fail(err, ENOMEM, "no memory for a text");
		if (at + line.n > off + got) {
			size_t skip = (size_t)(off + got - at);
			size_t part = line.n - skip;

			if (part > n - got)
				part = n - got;
			memcpy((char *)buf + got, line.data + skip, part);
			got += part;
		}
		at += line.n;
	}
	*ret_n = got;
	return 0;
}

void lens_lines_fini(struct lens_lines *l)
{
	free(l->mark);
	l->mark = NULL;
}

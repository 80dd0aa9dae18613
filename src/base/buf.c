/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - text that grows.
 */
#include "lens/base.h"

#include <stdarg.h>
#include <stdio.h>

/* Room for @n bytes more and a NUL. */
static bool reserve(struct lens_buf *b, size_t n)
{
	size_t need = b->n + n + 1;
	size_t room = b->room ? b->room : 256;
	char *data;

	if (b->failed || need < n) {
		b->failed = true;
		return false;
	}
	if (need <= b->room)
		return true;
	while (room < need)
		room += room / 2;
	data = realloc(b->data, room);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->room = room;
	return true;
}

void lens_buf_add(struct lens_buf *b, const void *data, size_t n)
{
	if (!reserve(b, n))
		return;
	if (n)
		memcpy(b->data + b->n, data, n);
	b->n += n;
	b->data[b->n] = 0;
}

void lens_buf_puts(struct lens_buf *b, const char *s)
{
	lens_buf_add(b, s, strlen(s));
}

void lens_buf_u64(struct lens_buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	lens_buf_add(b, digits + at, sizeof(digits) - at);
}

void lens_buf_printf(struct lens_buf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	/* Nearly always there is room, and to write it once is enough. */
	if (!reserve(b, 64))
		return;
	room = b->room - b->n;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->n, room, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	if ((size_t)n >= room) {
		va_start(ap, fmt);
		(void)vsnprintf(b->data + b->n, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->n += (size_t)n;
}

void lens_buf_fini(struct lens_buf *b)
{
	free(b->data);
	*b = (struct lens_buf){ 0 };
}

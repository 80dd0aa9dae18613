/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - what several commands print.
 */
#include "cli/cli.h"

#include <errno.h>
#include <unistd.h>

/* So many bytes of a name at once: escaped they still fit lens_show(). */
#define PART 96

/* As nearly all are. */
static bool is_plain(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] == 0x7F || name[i] == '\\')
			return false;
	return true;
}

void lens_cli_show(struct lens_buf *b, const char *name)
{
	size_t n = strlen(name);
	char part[PART + 1];

	if (is_plain(name, n)) {
		lens_buf_add(b, name, n);
		return;
	}

	while (n) {
		size_t k = n < PART ? n : PART;

		/* Not through a character. */
		while (k > 1 && k < n &&
		       ((unsigned char)name[k] & 0xC0) == 0x80 && k > PART - 4)
			k--;
		memcpy(part, name, k);
		part[k] = 0;
		lens_buf_puts(b, LENS_SHOW(part));
		name += k;
		n -= k;
	}
}

/* Columns that the character at @s takes, and its bytes: ideographs take two.
 */
static unsigned character(const char *s, size_t *bytes)
{
	const unsigned char c = (unsigned char)*s;

	for (*bytes = 1; ((unsigned char)s[*bytes] & 0xC0) == 0x80;)
		++*bytes;
	return c < 0xE1 ? 1 : 2;
}

/* As much from the beginning of @s as takes up to @room columns: bytes. */
static size_t fitting(const char *s, size_t room, size_t *columns)
{
	size_t at = 0, bytes;

	for (*columns = 0; s[at]; at += bytes) {
		const unsigned width = character(s + at, &bytes);

		if (*columns + width > room)
			break;
		*columns += width;
	}
	return at;
}

void lens_cli_show_in(struct lens_buf *b, const char *name, size_t room)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf whole = { 0 };
	size_t columns, left, taken;
	const char *tail;

	lens_cli_show(&whole, name);
	if (whole.failed || !whole.n || room < 8 ||
	    !whole.data[fitting(whole.data, room, &columns)]) {
		lens_buf_add(b, whole.data, whole.n);
		b->failed |= whole.failed;
		return;
	}
	/* A third of what there is before the gap: keys differ at their end. */
	lens_buf_add(b, whole.data, fitting(whole.data, (room - 3) / 3, &left));
	lens_buf_puts(b, "...");
	tail = whole.data;
	while (tail[fitting(tail, room - 3 - left, &columns)]) {
		(void)character(tail, &taken);
		tail += taken;
	}
	lens_buf_puts(b, tail);
}

void lens_cli_words(struct lens_buf *b, const char *text, size_t indent,
		    size_t columns)
{
	size_t at = indent;

	while (*text) {
		const size_t n = strcspn(text, " ");
		const bool first = at == indent;

		if (!first && columns && at + 1 + n > columns) {
			lens_buf_printf(b, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			lens_buf_puts(b, " ");
			at++;
		}
		lens_buf_add(b, text, n);
		at += n;
		text += n + (text[n] == ' ');
	}
}

void lens_cli_shape(struct lens_buf *b, const struct lens_tensor *t)
{
	lens_buf_puts(b, "[");
	for (unsigned i = 0; i < t->rank; i++) {
		lens_buf_puts(b, i ? "," : "");
		lens_buf_u64(b, t->shape[i]);
	}
	lens_buf_puts(b, "]");
}

int lens_cli_write(int fd, const char *name, const void *buf, size_t n,
		   struct lens_err *err)
{
	const char *p = buf;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return lens_fail(err, errno, "%s: %s", name,
					 strerror(errno));
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int lens_cli_print(struct lens_buf *b, struct lens_err *err)
{
	if (b->failed)
		return lens_fail(err, ENOMEM, "no memory for the output");
	if (b->n &&
	    lens_cli_write(STDOUT_FILENO, LENS_STDOUT, b->data, b->n, err) < 0)
		return -err->code;
	b->n = 0;
	return 0;
}

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

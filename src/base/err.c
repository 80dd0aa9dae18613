/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - failures as sentences, warnings, and text from outside made fit to
 * be shown.
 */
#include "lens/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int lens_fail(struct lens_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	err->code = code;
	return -code;
}

/* Copy @text, at most @room - 1 bytes of it, without its middle if need be. */
static size_t put_cut(char *dst, size_t room, const char *text)
{
	size_t n = strlen(text);
	size_t half;

	if (n < room) {
		memcpy(dst, text, n + 1);
		return n;
	}
	if (room < 8) {
		dst[0] = 0;
		return 0;
	}
	half = (room - 4) / 2;
	memcpy(dst, text, half);
	memcpy(dst + half, "...", 3);
	memcpy(dst + half + 3, text + n - half, half + 1);
	return 2 * half + 3;
}

int lens_wrap(struct lens_err *err, const char *fmt, ...)
{
	char name[sizeof(err->msg)], old[sizeof(err->msg)];
	size_t n, room;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, sizeof(old));
	n = strlen(old);
	/* The reason stays whole as long as it leaves the name some room. */
	room = n + 3 < sizeof(err->msg) - 64 ? sizeof(err->msg) - n - 2 : 64;
	n = put_cut(err->msg, room, name);
	memcpy(err->msg + n, ": ", 3);
	n += 2;
	(void)put_cut(err->msg + n, sizeof(err->msg) - n, old);
	return -err->code;
}

/* Length of the UTF-8 character at @s that is fit to be shown as it is; 0 if
 * none. */
static unsigned shown(const unsigned char *s)
{
	unsigned v, n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f && s[0] != '\\';
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	v = s[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s[i] & 0x3f);
	}
	if (v < 0xa0 || (v >= 0xd800 && v < 0xe000) || v > 0x10ffff)
		return 0;
	if ((n == 3 && v < 0x800) || (n == 4 && v < 0x10000))
		return 0;
	return n;
}

/* Bytes the character at @s takes when shown, and those it is (*in). */
static unsigned width(const unsigned char *s, unsigned *in)
{
	unsigned n = shown(s);

	*in = n ? n : 1;
	return n ? n : *s == '\\' ? 2 : 4;
}

static size_t put_shown(char *dst, const unsigned char *s, unsigned *in)
{
	unsigned out = width(s, in);

	if (out == *in)
		memcpy(dst, s, out);
	else if (out == 2)
		memcpy(dst, "\\\\", 2);
	else
		(void)snprintf(dst, 5, "\\x%02x", *s);
	return out;
}

const char *lens_show(char *buf, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	const size_t half = (LENS_SHOW_MAX - 4) / 2;
	size_t total = 0, n = 0, skip;
	unsigned in;

	for (const unsigned char *p = s; *p; p += in)
		total += width(p, &in);
	skip = total < LENS_SHOW_MAX ? 0 : total - 2 * half;
	for (size_t at = 0; *s;) {
		if (skip && at + width(s, &in) > half) {
			memcpy(buf + n, "...", 3);
			n += 3;
			for (size_t gone = 0; *s && gone < skip; s += in)
				gone += width(s, &in);
			skip = 0;
			continue;
		}
		at += put_shown(buf + n, s, &in);
		n += width(s, &in);
		s += in;
	}
	buf[n] = 0;
	return buf;
}

void lens_note(struct lens_notes *notes, const char *fmt, ...)
{
	char **v = realloc(notes->v, (notes->n + 1) * sizeof(*v));
	char line[2048];
	va_list ap;

	if (!v)
		return;
	notes->v = v;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	v[notes->n] = strdup(line);
	if (v[notes->n])
		notes->n++;
}

void lens_notes_fini(struct lens_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		free(notes->v[i]);
	free(notes->v);
	*notes = (struct lens_notes){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - checked text to trees, and finding places in it.
 */
#include "base/json_scan.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

/* Behind the string that begins at @at. */
static size_t behind_string(const char *s, size_t n, size_t at)
{
	const char *end = memchr(s + at + 1, '"', n - at - 1);

	if (end && !memchr(s + at + 1, '\\', (size_t)(end - s) - at - 1))
		return (size_t)(end - s) + 1;
	for (at++; at < n && s[at] != '"'; at++)
		at += s[at] == '\\';
	return at < n ? at + 1 : n;
}

static bool ends_value(char c)
{
	return c == ',' || c == ']' || c == '}' || c == ':' || c == ' ' ||
	       c == '\t' || c == '\r' || c == '\n';
}

size_t lens_json_behind(const char *s, size_t n, size_t at)
{
	unsigned depth = 0;

	while (at < n) {
		const char c = s[at];

		if (c == '"') {
			at = behind_string(s, n, at);
		} else if (c == '{' || c == '[') {
			depth++;
			at++;
			continue;
		} else if (c == '}' || c == ']') {
			if (!depth)
				return at;
			depth--;
			at++;
		} else if (depth) {
			at++;
			continue;
		} else {
			/* A number or a word: up to what ends it. */
			while (at < n && !ends_value(s[at]))
				at++;
			return at;
		}
		if (!depth)
			return at;
	}
	return n;
}

/* A number that begins at @s, of @n bytes, in a form that cJSON takes. */
static void soften_number(char *s, size_t n)
{
	char text[400], shorter[32];
	size_t m = n < sizeof(text) - 1 ? n : sizeof(text) - 1;
	double v;
	int k;

	memcpy(text, s, m);
	text[m] = 0;
	v = strtod(text, NULL);
	k = snprintf(shorter, sizeof(shorter), "%.17g",
		     isfinite(v) ? v :
		     v < 0       ? -1e308 :
				   1e308);
	memset(s, ' ', n);
	memcpy(s, shorter, (size_t)k);
}

/* Make a checked text fit for cJSON, in place and without changing its length:
 * NaN and infinities become 0, numbers longer than its buffer are shortened. */
static void soften(char *s, size_t n)
{
	for (size_t at = 0; at < n; at++) {
		size_t end;

		if (s[at] == '"') {
			for (at++; at < n && s[at] != '"'; at++)
				at += s[at] == '\\';
			continue;
		}
		if (s[at] != '-' && !isdigit((unsigned char)s[at]) &&
		    s[at] != 'N' && s[at] != 'I')
			continue;
		for (end = at; end < n && !strchr(",]} \t\r\n", s[end]); end++)
			;
		if (s[at] == 'N' || s[at] == 'I' ||
		    (end - at > 1 && s[at + 1] == 'I')) {
			memset(s + at, ' ', end - at);
			s[at] = '0';
		} else if (end - at > 60) {
			soften_number(s + at, end - at);
		}
		at = end - 1;
	}
}

cJSON *lens_json_tree(struct lens_json_part part)
{
	lens_autofree char *copy = malloc(part.n + 1);

	if (!copy)
		return NULL;
	memcpy(copy, part.text, part.n);
	copy[part.n] = 0;
	soften(copy, part.n);
	return cJSON_ParseWithLength(copy, part.n + 1);
}

char *lens_json_string(struct lens_json_part part, struct lens_arena *arena)
{
	cJSON *tree;
	char *s;

	if (part.n < 2 || part.text[0] != '"')
		return NULL;
	if (!memchr(part.text, '\\', part.n))
		return lens_arena_strndup(arena, part.text + 1, part.n - 2);
	tree = lens_json_tree(part);
	s = tree ? tree->valuestring : NULL;
	s = s ? lens_arena_strndup(arena, s, strlen(s)) : NULL;
	cJSON_Delete(tree);
	return s;
}

int lens_json_parse(const char *text, size_t n, unsigned flags, cJSON **ret,
		    struct lens_err *err)
{
	if (lens_json_check(text, n, flags, err) < 0)
		return -err->code;
	*ret = lens_json_tree((struct lens_json_part){ text, n });
	return *ret ? 0 :
		      lens_fail(err, ENOMEM, "no memory for %zu bytes of JSON",
				n);
}

int lens_json_members(struct lens_json_part object,
		      int (*fn)(void *ctx, struct lens_json_part name,
				struct lens_json_part value,
				struct lens_err *err),
		      void *ctx, struct lens_err *err)
{
	const char *text = object.text;
	const size_t n = object.n;
	size_t at = lens_json_skip(text, n, 0);

	if (text[at] != '{')
		return lens_fail(err, EBADMSG, "it is not a JSON object");
	for (at = lens_json_skip(text, n, at + 1); text[at] != '}';
	     at = lens_json_skip(text, n, at)) {
		const size_t name = at, behind = lens_json_behind(text, n, at);
		size_t value, end;
		int r;

		value = lens_json_skip(text, n,
				       lens_json_skip(text, n, behind) + 1);
		end = lens_json_behind(text, n, value);
		r = fn(ctx,
		       (struct lens_json_part){ text + name, behind - name },
		       (struct lens_json_part){ text + value, end - value },
		       err);
		if (r < 0)
			return r;
		at = lens_json_skip(text, n, end);
		if (text[at] == ',')
			at++;
	}
	return 0;
}

/* What lens_json_each() was asked for. */
struct each {
	int (*fn)(void *ctx, const char *name, const cJSON *value,
		  struct lens_err *err);
	void *ctx;
};

static int one_tree(void *ctx, struct lens_json_part name,
		    struct lens_json_part value, struct lens_err *err)
{
	const struct each *e = ctx;
	cJSON *n = lens_json_tree(name), *v = lens_json_tree(value);
	int r = n && v ? e->fn(e->ctx, n->valuestring, v, err) :
			 lens_fail(err, ENOMEM, "no memory for JSON");

	cJSON_Delete(n);
	cJSON_Delete(v);
	return r;
}

int lens_json_each(const char *text, size_t n, unsigned flags,
		   int (*fn)(void *ctx, const char *name, const cJSON *value,
			     struct lens_err *err),
		   void *ctx, struct lens_err *err)
{
	struct each e = { .fn = fn, .ctx = ctx };

	if (lens_json_check(text, n, flags, err) < 0)
		return -err->code;
	return lens_json_members((struct lens_json_part){ text, n }, one_tree,
				 &e, err);
}

/* Member @name (n bytes) of the object, or element of the array, at @at: its
 * beginning (name included) and its value's. */
static int step(const char *s, size_t n, size_t at, const char *name,
		size_t len, size_t *begin, size_t *value)
{
	const bool object = s[at] == '{';
	unsigned long want = strtoul(name, NULL, 10), i = 0;

	if (!object && s[at] != '[')
		return -ENOENT;
	for (at = lens_json_skip(s, n, at + 1);
	     at < n && s[at] != '}' && s[at] != ']'; i++) {
		size_t end = lens_json_behind(s, n, at);
		bool hit = object ? end - at == len + 2 &&
					    memcmp(s + at + 1, name, len) == 0 :
				    i == want;

		*begin = *value = at;
		if (object) {
			*value = lens_json_skip(s, n,
						lens_json_skip(s, n, end) + 1);
			end = lens_json_behind(s, n, *value);
		}
		if (hit)
			return 0;
		at = lens_json_skip(s, n, end);
		if (at < n && s[at] == ',')
			at = lens_json_skip(s, n, at + 1);
	}
	return -ENOENT;
}

int lens_json_span(const char *text, size_t n, const char *path, size_t *begin,
		   size_t *end)
{
	size_t at = lens_json_skip(text, n, 0), from = at;

	while (*path) {
		size_t len = strcspn(path, ".");

		if (at >= n || step(text, n, at, path, len, &from, &at) < 0)
			return -ENOENT;
		path += len + (path[len] == '.');
	}
	*begin = from;
	*end = lens_json_behind(text, n, at);
	return 0;
}

void lens_json_where(const char *text, size_t at, unsigned *line,
		     unsigned *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			++*line;
			*column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			++*column;
		}
	}
}

const cJSON *lens_json_at(const cJSON *root, const char *path)
{
	while (root && *path) {
		size_t n = strcspn(path, ".");
		const cJSON *e = cJSON_IsObject(root) ? root->child : NULL;

		while (e && (strlen(e->string) != n ||
			     memcmp(e->string, path, n) != 0))
			e = e->next;
		root = e;
		path += n + (path[n] == '.');
	}
	return root;
}

int lens_json_u64(const cJSON *item, uint64_t *ret)
{
	double d = cJSON_IsNumber(item) ? item->valuedouble : -1;

	if (!(d >= 0 && d <= 9007199254740992.0) || d != (double)(uint64_t)d)
		return -EBADMSG;
	*ret = (uint64_t)d;
	return 0;
}

/* The code point of the (valid) UTF-8 character at @s, and its length. */
static unsigned point(const unsigned char *s, unsigned *n)
{
	unsigned v = *s;

	*n = v < 0x80 ? 1 : v < 0xe0 ? 2 : v < 0xf0 ? 3 : 4;
	if (*n > 1)
		v &= 0x7fu >> *n;
	for (unsigned i = 1; i < *n; i++)
		v = v << 6 | (s[i] & 63);
	return v;
}

/* How many characters of @s mean themselves. */
static unsigned as_it_is(const unsigned char *s)
{
	unsigned n = 0;

	while (s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

void lens_json_quote(struct lens_buf *b, const char *text, bool ascii)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const unsigned char *s = (const unsigned char *)text;
	unsigned n;

	lens_buf_add(b, "\"", 1);
	for (; *s; s += n) {
		const char *p;
		unsigned v;

		n = as_it_is(s);
		if (n) {
			lens_buf_add(b, s, n);
			continue;
		}
		v = point(s, &n);
		p = v < 0x80 ? strchr(plain, (int)v) : NULL;
		if (p)
			lens_buf_printf(b, "\\%c", letter[p - plain]);
		else if (v < 0x20 || (ascii && v > 0x7e && v < 0x10000))
			lens_buf_printf(b, "\\u%04x", v);
		else if (ascii && v >= 0x10000)
			lens_buf_printf(b, "\\u%04x\\u%04x",
					0xd800 + ((v - 0x10000) >> 10),
					0xdc00 + (v & 0x3ff));
		else
			lens_buf_add(b, s, n);
	}
	lens_buf_add(b, "\"", 1);
}

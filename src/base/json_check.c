/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_check.c - the strict gate: RFC 8259 and nothing else.
 *
 * One pass, no memory but for the names of the objects that are open.  Names
 * are compared by a 64-bit hash of what they mean (escapes undone): two names
 * that collide are refused as one, which only a forged text can bring about.
 */
#include "base/json_scan.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define DEPTH 128 /* containers within one another, less one */
#define FEW 8
#define HASH_START 0xcbf29ce484222325u

struct gate {
	const unsigned char *s;
	size_t n, at;
	unsigned flags;
	unsigned depth;
	bool whole;      /* in an array of whole numbers */
	uint64_t *names; /* hashes of the names of all open objects */
	size_t n_names, room;
	struct lens_err *err;
};

static int value(struct gate *g);

static int bad(struct gate *g, size_t at, const char *why)
{
	unsigned line, column;

	lens_json_where((const char *)g->s, at, &line, &column);
	return lens_fail(g->err, EBADMSG, "line %u, column %u: %s", line,
			 column, why);
}

static void skip(struct gate *g)
{
	g->at = lens_json_skip((const char *)g->s, g->n, g->at);
}

/* The next byte; -1 at the end. */
static int peek(const struct gate *g)
{
	return g->at < g->n ? g->s[g->at] : -1;
}

static int hex4(const struct gate *g, size_t at)
{
	int v = 0;

	for (size_t i = at; i < at + 4; i++) {
		int c = i < g->n ? g->s[i] : 0;
		int d = c >= '0' && c <= '9' ? c - '0' :
			c >= 'a' && c <= 'f' ? c - 'a' + 10 :
			c >= 'A' && c <= 'F' ? c - 'A' + 10 :
					       -1;

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* A byte that stands for itself in a string, as nearly all do. */
static bool is_simple(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static uint64_t mix(uint64_t h, unsigned c)
{
	return (h ^ c) * 0x100000001b3u;
}

/* Add the UTF-8 bytes of code point @v. */
static uint64_t mix_point(uint64_t h, unsigned v)
{
	if (v < 0x80)
		return mix(h, v);
	if (v < 0x800)
		return mix(mix(h, 0xc0 | v >> 6), 0x80 | (v & 63));
	if (v < 0x10000)
		return mix(mix(mix(h, 0xe0 | v >> 12), 0x80 | (v >> 6 & 63)),
			   0x80 | (v & 63));
	return mix(mix(mix(mix(h, 0xf0 | v >> 18), 0x80 | (v >> 12 & 63)),
		       0x80 | (v >> 6 & 63)),
		   0x80 | (v & 63));
}

/* Behind the backslash. */
static int escape(struct gate *g, uint64_t *h)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p;
	int v, low;

	if (peek(g) != 'u') {
		p = peek(g) > 0 ? strchr(from, peek(g)) : NULL;
		if (!p)
			return bad(g, g->at, "no escape of JSON");
		*h = mix(*h, (unsigned char)to[p - from]);
		g->at++;
		return 0;
	}
	v = hex4(g, g->at + 1);
	if (v < 0)
		return bad(g, g->at, "\\u needs four hexadecimal digits");
	if (v == 0)
		return bad(g, g->at, "a NUL in a string");
	g->at += 5;
	if (v >= 0xdc00 && v < 0xe000)
		return bad(g, g->at - 5, "half of a surrogate pair");
	if (v >= 0xd800 && v < 0xdc00) {
		low = g->at + 1 < g->n && g->s[g->at] == '\\' &&
				      g->s[g->at + 1] == 'u' ?
			      hex4(g, g->at + 2) :
			      -1;
		if (low < 0xdc00 || low > 0xdfff)
			return bad(g, g->at - 5, "half of a surrogate pair");
		v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
		g->at += 6;
	}
	*h = mix_point(*h, (unsigned)v);
	return 0;
}

/* The UTF-8 character at g->at: its length; 0 if it is none. */
static unsigned utf8(const struct gate *g)
{
	const unsigned char *s = g->s + g->at;
	unsigned n = s[0] < 0x80 ? 1 :
		     s[0] < 0xc2 ? 0 :
		     s[0] < 0xe0 ? 2 :
		     s[0] < 0xf0 ? 3 :
		     s[0] < 0xf5 ? 4 :
				   0;

	if (!n || n > g->n - g->at)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* A string; *h hashes what it means. */
static int string(struct gate *g, uint64_t *h)
{
	*h = HASH_START;
	for (g->at++;;) {
		unsigned n;
		int c;

		for (; g->at < g->n && is_simple(g->s[g->at]); g->at++)
			*h = mix(*h, g->s[g->at]);
		c = peek(g);
		if (c < 0)
			return bad(g, g->at, "the text ends in a string");
		if (c < 0x20)
			return bad(g, g->at,
				   c ? "a raw control character in a string" :
				       "a NUL in a string");
		if (c == '"') {
			g->at++;
			return 0;
		}
		if (c == '\\') {
			g->at++;
			if (escape(g, h) < 0)
				return -1;
			continue;
		}
		n = utf8(g);
		if (!n)
			return bad(g, g->at, "the bytes are not UTF-8");
		while (n--)
			*h = mix(*h, g->s[g->at++]);
	}
}

static bool digit(const struct gate *g)
{
	return peek(g) >= '0' && peek(g) <= '9';
}

static int digits(struct gate *g)
{
	if (!digit(g))
		return bad(g, g->at, "a digit is missing");
	while (digit(g))
		g->at++;
	return 0;
}

static int check_whole(struct gate *g, size_t from)
{
	uint64_t v = 0;

	for (size_t i = from; i < g->at; i++) {
		if (g->s[i] < '0' || g->s[i] > '9')
			return bad(g, from, "not a whole number");
		v = v * 10 + (g->s[i] - '0');
		if (v > (1ull << 53))
			return bad(g, from, "a number beyond 2^53");
	}
	return 0;
}

static int number(struct gate *g)
{
	const size_t from = g->at;

	if (peek(g) == '-')
		g->at++;
	if (peek(g) == '0')
		g->at++;
	else if (digits(g) < 0)
		return -1;
	if (peek(g) == '.') {
		g->at++;
		if (digits(g) < 0)
			return -1;
	}
	if (peek(g) == 'e' || peek(g) == 'E') {
		g->at++;
		if (peek(g) == '+' || peek(g) == '-')
			g->at++;
		if (digits(g) < 0)
			return -1;
	}
	return g->whole ? check_whole(g, from) : 0;
}

/* 0 is no name's. */
static uint64_t named(uint64_t h)
{
	return h ? h : 1;
}

/* Say which name of the object at @at hashes to @hash. */
static int name_twice(const struct gate *g, size_t at, uint64_t hash)
{
	struct gate look = *g;
	char name[200], why[LENS_SHOW_MAX + 40];
	uint64_t h = 0;
	size_t from = at;

	for (look.at = at + 1;;) {
		skip(&look);
		from = look.at;
		if (string(&look, &h) < 0 || named(h) == hash)
			break;
		skip(&look);
		look.at++;
		skip(&look);
		look.at = lens_json_behind((const char *)g->s, g->n, look.at);
		skip(&look);
		look.at++;
	}
	(void)snprintf(name, sizeof(name), "%.*s",
		       (int)(look.at - from < 190 ? look.at - from : 190),
		       g->s + from);
	(void)snprintf(why, sizeof(why), "name %s is twice in its object",
		       LENS_SHOW(name));
	return bad(&look, from, why);
}

/* Which of a few is there twice; 0: none is. */
static uint64_t twice_of_few(const uint64_t *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (v[k] == v[i])
				return v[i];
	return 0;
}

/* Which of many, by way of @room slots.  No text may know beforehand which of
 * its names meet there: it could make them all meet. */
static uint64_t twice_of_many(const uint64_t *v, size_t n, uint64_t *slots,
			      size_t room)
{
	uint64_t secret = (uintptr_t)slots;

	(void)getentropy(&secret, sizeof(secret));
	for (size_t i = 0; i < n; i++) {
		const uint64_t h = v[i] * (secret | 1);
		size_t at = (size_t)(h >> 32 ^ h >> 8) & (room - 1);

		while (slots[at] && slots[at] != v[i])
			at = (at + 1) & (room - 1);
		if (slots[at])
			return v[i];
		slots[at] = v[i];
	}
	return 0;
}

/* No name twice among those from @mark on, of the object at @at. */
static int check_names(struct gate *g, size_t mark, size_t at)
{
	const size_t n = g->n_names - mark;
	lens_autofree uint64_t *slots = NULL;
	size_t room = 64;
	uint64_t twice;

	if (n < 2)
		return 0; /* perhaps there are no names at all, and no memory */
	if (n <= FEW) {
		twice = twice_of_few(g->names + mark, n);
	} else {
		while (room < 2 * n)
			room *= 2;
		slots = calloc(room, sizeof(*slots));
		if (!slots)
			return lens_fail(g->err, ENOMEM,
					 "no memory for %zu names", n);
		twice = twice_of_many(g->names + mark, n, slots, room);
	}
	return twice ? name_twice(g, at, twice) : 0;
}

static int add_name(struct gate *g, uint64_t h)
{
	if (g->n_names == g->room) {
		size_t room = g->room ? g->room * 2 : 256;
		uint64_t *v = realloc(g->names, room * sizeof(*v));

		if (!v)
			return lens_fail(g->err, ENOMEM,
					 "no memory for %zu names", room);
		g->names = v;
		g->room = room;
	}
	g->names[g->n_names++] = named(h);
	return 0;
}

/* The hash that string() gives the plain name @s. */
static uint64_t hash_of(const char *s)
{
	uint64_t h = HASH_START;

	while (*s)
		h = mix(h, (unsigned char)*s++);
	return h;
}

/* Is the member whose name means @hash, however it is spelt, an array of
 * sizes? */
static bool of_sizes(const struct gate *g, uint64_t hash)
{
	return g->depth == 2 && (g->flags & LENS_JSON_WHOLE) &&
	       (hash == hash_of("shape") || hash == hash_of("data_offsets"));
}

static int member(struct gate *g)
{
	bool whole = g->whole;
	uint64_t h;
	int r;

	if (peek(g) != '"')
		return bad(g, g->at, "a name in quotes is wanted");
	if (string(g, &h) < 0 || add_name(g, h) < 0)
		return -1;
	g->whole = whole || of_sizes(g, h);
	skip(g);
	if (peek(g) != ':')
		return bad(g, g->at, "a ':' is wanted");
	g->at++;
	r = value(g);
	g->whole = whole;
	return r;
}

static int container(struct gate *g, char end, int (*item)(struct gate *g))
{
	const size_t mark = g->n_names, from = g->at;

	if (++g->depth >= DEPTH)
		return bad(g, g->at, "nested too deep");
	g->at++;
	skip(g);
	if (peek(g) == end) {
		g->at++;
		g->depth--;
		return 0;
	}
	for (;;) {
		skip(g);
		if (item(g) < 0)
			return -1;
		skip(g);
		if (peek(g) == end)
			break;
		if (peek(g) != ',')
			return bad(g, g->at,
				   end == '}' ? "a ',' or a '}' is wanted" :
						"a ',' or a ']' is wanted");
		g->at++;
	}
	g->at++;
	if ((g->depth <= 2 || !(g->flags & LENS_JSON_DUP_DEEP)) &&
	    check_names(g, mark, from) < 0)
		return -1;
	g->n_names = mark;
	g->depth--;
	return 0;
}

static bool word(struct gate *g, const char *w)
{
	size_t n = strlen(w);

	if (g->n - g->at < n || memcmp(g->s + g->at, w, n) != 0)
		return false;
	g->at += n;
	return true;
}

static int value(struct gate *g)
{
	uint64_t h;
	int c;

	skip(g);
	c = peek(g);
	if (c == '{')
		return container(g, '}', member);
	if (c == '[')
		return container(g, ']', value);
	if (c == '"')
		return string(g, &h);
	if ((g->flags & LENS_JSON_CONFIG) &&
	    (word(g, "NaN") || word(g, "Infinity") || word(g, "-Infinity")))
		return 0;
	if (c == '-' || (c >= '0' && c <= '9'))
		return number(g);
	if (word(g, "true") || word(g, "false") || word(g, "null"))
		return 0;
	return bad(g, g->at,
		   c < 0 ? "the text ends where a value is wanted" :
			   "no value of JSON begins here");
}

int lens_json_check(const char *s, size_t n, unsigned flags,
		    struct lens_err *err)
{
	struct gate g = { .s = (const unsigned char *)s,
			  .n = n,
			  .flags = flags,
			  .err = err };
	int r = value(&g);

	if (r == 0) {
		skip(&g);
		if (g.at != n)
			r = bad(&g, g.at,
				"there is something behind the value");
	}
	free(g.names);
	return r < 0 ? -err->code : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - a config.json that no longer claims to be quantized, or claims
 * what is true.
 *
 * Members are cut out of the text and nothing else is touched.  The text
 * passed the gate: it is well formed and no deeper than 128, so that nothing
 * here can fail.
 */
#include "tree/tree.h"

static const char *const cut_names[] = {
	"quantization_config",
	"compression_config",
};

struct cutter {
	const char *p, *end; /* what is still to be looked at */
	const char *kept;    /* the text from here on is not in @out yet */
	const char *place;   /* the member whose value becomes @put; NULL: none
			      */
	const struct lens_buf *put;
	struct lens_buf *out;
};

static bool is_space(char b)
{
	return b == ' ' || b == '\t' || b == '\r' || b == '\n';
}

static void skip_space(struct cutter *c)
{
	while (c->p < c->end && is_space(*c->p))
		c->p++;
}

static void skip_string(struct cutter *c)
{
	for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
		if (*c->p == '\\')
			c->p++;
	c->p++;
}

/* A hexadecimal digit's value. */
static unsigned digit(char h)
{
	return h <= '9' ? (unsigned)(h - '0') : (unsigned)((h | 32) - 'a' + 10);
}

/* Is the string at @s, quotes and escapes and all, @name? Names are letters
 * and underscores, so that no other escape can stand for one. */
static bool spells(const char *s, const char *name)
{
	for (s++; *name; name++) {
		unsigned c = (unsigned char)*s++;

		if (c == '\\') {
			if (*s != 'u')
				return false;
			c = digit(s[1]) << 12 | digit(s[2]) << 8 |
			    digit(s[3]) << 4 | digit(s[4]);
			s += 5;
		}
		if (c != (unsigned char)*name)
			return false;
	}
	return *s == '"';
}

static bool is_cut(const char *s)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(cut_names); i++)
		if (spells(s, cut_names[i]))
			return true;
	return false;
}

static void value(struct cutter *c);

/*
 * Leave out [from, to).  Where the cut member comes first, that is up to the
 * next one; else from the end of the last one that stays, so that its comma
 * goes.
 */
static void cut(struct cutter *c, const char *from, const char *to)
{
	if (from > c->kept)
		lens_buf_add(c->out, c->kept, (size_t)(from - c->kept));
	c->kept = to;
}

static void object(struct cutter *c)
{
	const char *last = NULL; /* the end of the last member that stays */
	struct lens_buf nowhere = { .failed = true };

	c->p++;
	skip_space(c);
	while (c->p < c->end && *c->p != '}') {
		const char *name = c->p, *end;
		const bool here = name == c->place;
		const bool gone = is_cut(name) && !here;
		struct cutter sub;

		skip_string(c);
		skip_space(c);
		c->p++; /* the colon */
		skip_space(c);
		sub = *c;
		if (gone || here) /* what would be cut in it goes with it */
			sub.out = &nowhere;
		if (here)
			lens_buf_add(c->out, c->kept, (size_t)(c->p - c->kept));
		value(&sub);
		c->p = sub.p;
		if (here)
			lens_buf_add(c->out, c->put->data, c->put->n);
		if (here)
			c->kept = c->p;
		else if (!gone)
			c->kept = sub.kept;
		end = c->p;
		skip_space(c);
		if (*c->p == ',') {
			c->p++;
			skip_space(c);
		}
		if (gone)
			cut(c, last ? last : name,
			    last || *c->p == '}' ? end : c->p);
		else
			last = end;
	}
	c->p++;
}

static void array(struct cutter *c)
{
	c->p++;
	skip_space(c);
	while (c->p < c->end && *c->p != ']') {
		value(c);
		skip_space(c);
		if (*c->p == ',')
			c->p++;
		skip_space(c);
	}
	c->p++;
}

static void value(struct cutter *c)
{
	if (*c->p == '{')
		object(c);
	else if (*c->p == '[')
		array(c);
	else if (*c->p == '"')
		skip_string(c);
	else
		while (c->p < c->end && !is_space(*c->p) && *c->p != ',' &&
		       *c->p != ']' && *c->p != '}')
			c->p++;
}

void lens_config_cut(const char *text, size_t n, struct lens_buf *out)
{
	struct cutter c = {
		.p = text, .end = text + n, .kept = text, .out = out
	};

	skip_space(&c);
	value(&c);
	lens_buf_add(out, c.kept, (size_t)(c.end - c.kept));
}

/* Where the member that says how a checkpoint is quantized is: at the top, or
 * in a nested config; its name in @text. NULL: nowhere. */
static const char *find_place(const char *text, size_t n, bool *nested)
{
	static const char *const paths[] = {
		"quantization_config", "text_config.quantization_config"
	};
	size_t begin, end;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(paths); i++)
		if (lens_json_span(text, n, paths[i], &begin, &end) == 0) {
			*nested = i > 0;
			return text + begin;
		}
	return NULL;
}

/* The last member of the outer object, in a text that is cut already. */
static void insert(const struct lens_buf *cut, const struct lens_buf *put,
		   struct lens_buf *out)
{
	const char *text = cut->data;
	size_t end = cut->n, last;
	bool lines = memchr(text, '\n', cut->n) != NULL;

	while (text[end - 1] != '}')
		end--;
	last = end - 1;
	while (is_space(text[last - 1]))
		last--;
	lens_buf_add(out, text, last);
	lens_buf_printf(out, "%s%s\"quantization_config\": ",
			text[last - 1] == '{' ? "" : ",",
			lines                 ? "\n  " :
			text[last - 1] == '{' ? "" :
						" ");
	lens_buf_add(out, put->data, put->n);
	if (lines && memchr(text + last, '\n', end - last) == NULL)
		lens_buf_puts(out, "\n");
	lens_buf_add(out, text + last, cut->n - last);
}

void lens_config_put(const char *text, size_t n,
		     void (*put)(void *ctx, unsigned indent,
				 struct lens_buf *out),
		     void *ctx, struct lens_buf *out)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf cut = { 0 }, new = { 0 };
	bool nested = false;
	struct cutter c = { .p = text,
			    .end = text + n,
			    .kept = text,
			    .place = find_place(text, n, &nested),
			    .put = &new,
			    .out = &cut };

	put(ctx, nested ? 4 : 2, &new);
	skip_space(&c);
	value(&c);
	lens_buf_add(&cut, c.kept, (size_t)(c.end - c.kept));
	if (cut.failed || new.failed)
		out->failed = true;
	else if (c.place)
		lens_buf_add(out, cut.data, cut.n);
	else
		insert(&cut, &new, out);
}

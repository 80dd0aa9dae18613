/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern.c - patterns on state dict keys.
 *
 *	{x}	part of a segment: one byte or more, no dot
 *	{L}	a name that begins with a capital: a whole number as it is
 *		written without leading zeros
 *	{x*}	anything, also nothing; the shortest that fits
 *	{x:a|b|} one of the texts between the bars, in that order
 *
 * A name that stands twice, in one pattern or in the patterns of one rule,
 * must match the same text.
 */
#include "lens/recipe.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum part_kind { LITERAL, SEGMENT, NUMBER, ANY, ONE_OF };

struct part {
	enum part_kind kind;
	const char *text; /* the literal, or the capture's name */
	size_t n;         /* of the literal */
	size_t n_choices;
	const char **choices;
};

struct lens_pattern {
	const char *text;
	size_t n;
	struct part *parts;
};

/* "a|b|" into three choices, the last one empty. */
static int parse_choices(const char *s, size_t n, struct lens_arena *arena,
			 struct part *p, struct lens_err *err)
{
	size_t count = 1, i = 0;

	for (size_t k = 0; k < n; k++)
		count += s[k] == '|';
	p->choices = lens_arena_alloc(arena, count * sizeof(*p->choices));
	if (!p->choices)
		return lens_fail(err, ENOMEM, "no memory for a pattern");
	for (size_t from = 0; i < count; i++) {
		size_t len = 0;

		while (from + len < n && s[from + len] != '|')
			len++;
		p->choices[i] = lens_arena_strndup(arena, s + from, len);
		if (!p->choices[i])
			return lens_fail(err, ENOMEM,
					 "no memory for a pattern");
		from += len + 1;
	}
	p->kind = ONE_OF;
	p->n_choices = count;
	return 0;
}

/* What is between the braces. */
static int parse_capture(const char *s, size_t n, struct lens_arena *arena,
			 struct part *p, struct lens_err *err)
{
	char text[64];
	size_t name = 0;

	(void)snprintf(text, sizeof(text), "%.*s", n < 60 ? (int)n : 60, s);
	while (name < n && (isalnum((unsigned char)s[name]) || s[name] == '_'))
		name++;
	if (!name || isdigit((unsigned char)s[0]))
		return lens_fail(err, EBADMSG, "'{%s}' has no name",
				 LENS_SHOW(text));
	p->text = lens_arena_strndup(arena, s, name);
	if (!p->text)
		return lens_fail(err, ENOMEM, "no memory for a pattern");
	if (name == n)
		p->kind = isupper((unsigned char)s[0]) ? NUMBER : SEGMENT;
	else if (s[name] == '*' && name + 1 == n)
		p->kind = ANY;
	else if (s[name] == ':')
		return parse_choices(s + name + 1, n - name - 1, arena, p, err);
	else
		return lens_fail(err, EBADMSG,
				 "'{%s}' is not {x}, {L}, {x*} or {x:a|b}",
				 LENS_SHOW(text));
	return 0;
}

static int parse_part(const char **s, struct lens_arena *arena, struct part *p,
		      struct lens_err *err)
{
	size_t n;

	if (**s != '{') {
		n = strcspn(*s, "{}");
		if (!n)
			return lens_fail(err, EBADMSG, "a '}' without '{'");
		p->kind = LITERAL;
		p->text = *s;
		p->n = n;
		*s += n;
		return 0;
	}
	n = strcspn(*s, "}");
	if (!(*s)[n])
		return lens_fail(err, EBADMSG, "a '{' without '}'");
	if (parse_capture(*s + 1, n - 1, arena, p, err) < 0)
		return -err->code;
	*s += n + 1;
	return 0;
}

int lens_pattern_parse(const char *text, struct lens_arena *arena,
		       struct lens_pattern **ret, struct lens_err *err)
{
	size_t most = 1, captures = 0;
	struct lens_pattern *p;
	const char *s;

	for (s = text; *s; s++)
		most += *s == '{' ? 2 : 0;
	p = lens_arena_alloc(arena, sizeof(*p));
	if (p)
		p->parts = lens_arena_alloc(arena, most * sizeof(*p->parts));
	if (p)
		p->text = lens_arena_strndup(arena, text, strlen(text));
	if (!p || !p->parts || !p->text)
		return lens_fail(err, ENOMEM, "no memory for a pattern");
	for (s = p->text; *s; p->n++) {
		if (parse_part(&s, arena, &p->parts[p->n], err) < 0)
			return lens_wrap(err, "pattern '%s'", LENS_SHOW(text));
		captures += p->parts[p->n].kind != LITERAL;
	}
	if (!p->n || captures > LENS_CAPTURES)
		return lens_fail(err, EBADMSG, "pattern '%s': %s",
				 LENS_SHOW(text),
				 p->n ? "too many captures" : "it is empty");
	*ret = p;
	return 0;
}

const char *lens_pattern_text(const struct lens_pattern *p)
{
	return p->text;
}

static int find(const struct lens_captures *caps, const char *name)
{
	for (unsigned i = 0; i < caps->n; i++)
		if (strcmp(caps->name[i], name) == 0)
			return (int)i;
	return -1;
}

static bool match_from(const struct lens_pattern *p, size_t i, const char *s,
		       struct lens_captures *caps);

/* Take @n bytes of @s for part @i and go on behind them. */
static bool take(const struct lens_pattern *p, size_t i, const char *s,
		 size_t n, struct lens_captures *caps)
{
	const unsigned mark = caps->n;
	int known = find(caps, p->parts[i].text);

	if (known >= 0 &&
	    (caps->len[known] != n || memcmp(caps->text[known], s, n) != 0))
		return false;
	if (known < 0) {
		if (caps->n == LENS_CAPTURES)
			return false;
		caps->name[caps->n] = p->parts[i].text;
		caps->text[caps->n] = s;
		caps->len[caps->n++] = n;
	}
	if (match_from(p, i + 1, s + n, caps))
		return true;
	caps->n = mark;
	return false;
}

static bool match_number(const struct lens_pattern *p, size_t i, const char *s,
			 struct lens_captures *caps)
{
	size_t n = strspn(s, "0123456789");

	/* Longest first: what follows is seldom a digit. */
	for (; n; n--)
		if ((n == 1 || s[0] != '0') && take(p, i, s, n, caps))
			return true;
	return false;
}

static bool match_any(const struct lens_pattern *p, size_t i, const char *s,
		      struct lens_captures *caps)
{
	const struct part *next = i + 1 < p->n ? &p->parts[i + 1] : NULL;
	size_t n = 0;

	if (!next)
		return take(p, i, s, strlen(s), caps);
	for (;; n++) {
		if (next->kind == LITERAL) {
			/* Only where the literal stands is worth a try. */
			const char *at = memmem(s + n, strlen(s + n),
						next->text, next->n);

			if (!at)
				return false;
			n = (size_t)(at - s);
		}
		if (take(p, i, s, n, caps))
			return true;
		if (!s[n])
			return false;
	}
}

static bool match_from(const struct lens_pattern *p, size_t i, const char *s,
		       struct lens_captures *caps)
{
	const struct part *part = &p->parts[i];

	if (i == p->n)
		return !*s;
	switch (part->kind) {
	case LITERAL:
		return strncmp(s, part->text, part->n) == 0 &&
		       match_from(p, i + 1, s + part->n, caps);
	case SEGMENT:
		for (size_t n = 1; s[n - 1] && s[n - 1] != '.'; n++)
			if (take(p, i, s, n, caps))
				return true;
		return false;
	case NUMBER:
		return match_number(p, i, s, caps);
	case ANY:
		return match_any(p, i, s, caps);
	case ONE_OF:
		for (size_t k = 0; k < part->n_choices; k++) {
			size_t n = strlen(part->choices[k]);

			if (strncmp(s, part->choices[k], n) == 0 &&
			    take(p, i, s, n, caps))
				return true;
		}
		return false;
	}
	return false;
}

bool lens_pattern_match(const struct lens_pattern *p, const char *key,
			struct lens_captures *caps)
{
	return match_from(p, 0, key, caps);
}

char *lens_pattern_make(const struct lens_pattern *p,
			const struct lens_captures *caps,
			struct lens_arena *arena)
{
	size_t n = 0;
	char *key, *s;

	for (size_t i = 0; i < p->n; i++)
		n += p->parts[i].kind == LITERAL ?
			     p->parts[i].n :
			     caps->len[find(caps, p->parts[i].text)];
	key = s = lens_arena_alloc(arena, n + 1);
	for (size_t i = 0; key && i < p->n; i++) {
		const struct part *part = &p->parts[i];
		int c = part->kind == LITERAL ? -1 : find(caps, part->text);
		size_t len = c < 0 ? part->n : caps->len[c];

		memcpy(s, c < 0 ? part->text : caps->text[c], len);
		s += len;
	}
	return key;
}

size_t lens_pattern_captures(const struct lens_pattern *p, const char **names,
			     size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		bool seen = p->parts[i].kind == LITERAL;

		for (size_t k = 0; k < n && !seen; k++)
			seen = strcmp(names[k], p->parts[i].text) == 0;
		if (!seen && n < room)
			names[n++] = p->parts[i].text;
	}
	return n;
}

static const struct part *part_called(const struct lens_pattern *p,
				      const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->parts[i].kind != LITERAL &&
		    strcmp(p->parts[i].text, name) == 0)
			return &p->parts[i];
	return NULL;
}

bool lens_pattern_has(const struct lens_pattern *p, const char *capture)
{
	return part_called(p, capture) != NULL;
}

void lens_pattern_inherit(struct lens_pattern *p,
			  const struct lens_pattern *other)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct part *o =
			p->parts[i].kind == SEGMENT ?
				part_called(other, p->parts[i].text) :
				NULL;

		if (o && o->kind == ONE_OF) {
			p->parts[i].kind = ONE_OF;
			p->parts[i].n_choices = o->n_choices;
			p->parts[i].choices = o->choices;
		}
	}
}

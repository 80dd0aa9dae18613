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
 *
 * Matching goes back where a capture could have ended elsewhere.  What can't
 * match from a part and a byte on can't whatever was captured before (unless
 * a name stands twice in the pattern), and is not tried again.  {x*} that can't
 * match from a byte on can't from a later one either, so that each of its ends
 * is tried once: the time is that of parts times bytes.
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

#define PARTS (2 * LENS_CAPTURES + 1)
#define KEY_MAX 4096 /* bytes of a tensor's name (lens/st.h) */
/* In a pattern with a name that stands twice, where nothing is remembered. */
#define FREE_CAPTURES 2
#define MOST_CAPTURES 6

struct lens_pattern {
	const char *text;
	size_t n;
	struct part *parts;
	const struct part *longest; /* literal; NULL: none */
	bool repeats;               /* a name stands twice */
	unsigned n_captures;
	unsigned free; /* of them may end in many places */
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
		p->text = lens_arena_strndup(arena, *s, n);
		if (!p->text)
			return lens_fail(err, ENOMEM,
					 "no memory for a pattern");
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

/* What makes matching quick. */
static void look_over(struct lens_pattern *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = &p->parts[i];

		if (part->kind == LITERAL &&
		    (!p->longest || part->n > p->longest->n))
			p->longest = part;
		p->n_captures += part->kind != LITERAL;
		p->free += part->kind == SEGMENT || part->kind == ANY;
		for (size_t k = 0; k < i && part->kind != LITERAL; k++)
			if (p->parts[k].kind != LITERAL &&
			    strcmp(p->parts[k].text, part->text) == 0)
				p->repeats = true;
	}
}

int lens_pattern_parse(const char *text, struct lens_arena *arena,
		       struct lens_pattern **ret, struct lens_err *err)
{
	size_t most = 1;
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
	for (s = p->text; *s; p->n++)
		if (parse_part(&s, arena, &p->parts[p->n], err) < 0)
			return lens_wrap(err, "pattern '%s'", LENS_SHOW(text));
	look_over(p);
	if (!p->n || p->n_captures > LENS_CAPTURES)
		return lens_fail(err, EBADMSG, "pattern '%s': %s",
				 LENS_SHOW(text),
				 p->n ? "too many captures" : "it is empty");
	if (p->repeats &&
	    (p->free > FREE_CAPTURES || p->n_captures > MOST_CAPTURES))
		return lens_fail(err, EBADMSG,
				 "pattern '%s': a name stands twice, so there "
				 "may be at most %d captures, %d of them {x} "
				 "or {x*}",
				 LENS_SHOW(text), MOST_CAPTURES, FREE_CAPTURES);
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

/* A key being matched. */
struct match {
	const struct lens_pattern *p;
	const char *key;
	size_t n;
	struct lens_captures *caps;
	uint8_t *dead; /* parts times bytes, a bit each; NULL: not kept */
	uint16_t any_dead[PARTS]; /* {x*}: from here on; of those it is kept */
};

static bool match_from(struct match *m, size_t i, const char *s);

/* Take @n bytes of @s for part @i and go on behind them. */
static bool take(struct match *m, size_t i, const char *s, size_t n)
{
	struct lens_captures *caps = m->caps;
	const unsigned mark = caps->n;
	int known = find(caps, m->p->parts[i].text);

	if (known >= 0 &&
	    (caps->len[known] != n || memcmp(caps->text[known], s, n) != 0))
		return false;
	if (known < 0) {
		if (caps->n == LENS_CAPTURES)
			return false;
		caps->name[caps->n] = m->p->parts[i].text;
		caps->text[caps->n] = s;
		caps->len[caps->n++] = n;
	}
	if (match_from(m, i + 1, s + n))
		return true;
	caps->n = mark;
	return false;
}

static bool match_number(struct match *m, size_t i, const char *s)
{
	size_t n = strspn(s, "0123456789");

	/* Longest first: what follows is seldom a digit. */
	for (; n; n--)
		if ((n == 1 || s[0] != '0') && take(m, i, s, n))
			return true;
	return false;
}

static bool match_any(struct match *m, size_t i, const char *s)
{
	const struct lens_pattern *p = m->p;
	const struct part *next = i + 1 < p->n ? &p->parts[i + 1] : NULL;
	size_t n = 0;

	if (!next)
		return take(m, i, s, strlen(s));
	for (;; n++) {
		if (next->kind == LITERAL) {
			/* Only where the literal stands is worth a try. */
			const char *at = memmem(s + n, strlen(s + n),
						next->text, next->n);

			if (!at)
				return false;
			n = (size_t)(at - s);
		}
		if (take(m, i, s, n))
			return true;
		if (!s[n])
			return false;
	}
}

static bool match_part(struct match *m, size_t i, const char *s)
{
	const struct part *part = &m->p->parts[i];

	switch (part->kind) {
	case LITERAL:
		return strncmp(s, part->text, part->n) == 0 &&
		       match_from(m, i + 1, s + part->n);
	case SEGMENT:
		for (size_t n = 1; s[n - 1] && s[n - 1] != '.'; n++)
			if (take(m, i, s, n))
				return true;
		return false;
	case NUMBER:
		return match_number(m, i, s);
	case ANY:
		return match_any(m, i, s);
	case ONE_OF:
		for (size_t k = 0; k < part->n_choices; k++) {
			size_t n = strlen(part->choices[k]);

			if (strncmp(s, part->choices[k], n) == 0 &&
			    take(m, i, s, n))
				return true;
		}
		return false;
	}
	return false;
}

static bool match_from(struct match *m, size_t i, const char *s)
{
	const size_t from = (size_t)(s - m->key), at = i * (m->n + 1) + from;
	const bool any = i < m->p->n && m->p->parts[i].kind == ANY;

	if (i == m->p->n)
		return !*s;
	if (m->dead &&
	    (any ? from >= m->any_dead[i] : m->dead[at / 8] >> at % 8 & 1))
		return false;
	if (match_part(m, i, s))
		return true;
	if (m->dead && any)
		m->any_dead[i] = (uint16_t)from;
	else if (m->dead)
		m->dead[at / 8] |= (uint8_t)(1u << at % 8);
	return false;
}

bool lens_pattern_match(const struct lens_pattern *p, const char *key,
			struct lens_captures *caps)
{
	uint8_t dead[PARTS * (KEY_MAX + 1) / 8 + 1];
	struct match m = { .p = p, .key = key, .caps = caps };

	caps->n = 0;
	if (p->longest && !strstr(key, p->longest->text))
		return false;
	m.n = strlen(key);
	if (p->n_captures > 1 && !p->repeats && m.n <= KEY_MAX) {
		memset(dead, 0, p->n * (m.n + 1) / 8 + 1);
		memset(m.any_dead, -1, sizeof(m.any_dead));
		m.dead = dead;
	}
	return match_from(&m, 0, key);
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

/* The capture of @other that is called as @part; NULL: none, or no capture. */
static const struct part *namesake(const struct part *part,
				   const struct lens_pattern *other)
{
	return part->kind != LITERAL ? part_called(other, part->text) : NULL;
}

void lens_pattern_inherit(struct lens_pattern *p,
			  const struct lens_pattern *other)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct part *o = namesake(&p->parts[i], other);

		if (o && o->kind == ONE_OF && p->parts[i].kind != ONE_OF) {
			p->parts[i].kind = ONE_OF;
			p->parts[i].n_choices = o->n_choices;
			p->parts[i].choices = o->choices;
		}
	}
}

static bool is_alike(const struct part *a, const struct part *b)
{
	if (a->kind != b->kind || a->n_choices != b->n_choices)
		return false;
	for (size_t i = 0; i < a->n_choices; i++)
		if (strcmp(a->choices[i], b->choices[i]) != 0)
			return false;
	return true;
}

const char *lens_pattern_unlike(const struct lens_pattern *p,
				const struct lens_pattern *other)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct part *o = namesake(&p->parts[i], other);

		if (o && !is_alike(&p->parts[i], o))
			return p->parts[i].text;
	}
	return NULL;
}

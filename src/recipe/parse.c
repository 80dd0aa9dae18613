/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - what all parts of the parser use: where they are in the text, and
 * simple values.
 */
#include "recipe/parts.h"

#include <errno.h>
#include <stdio.h>

int lens_parser_place(struct parser *p, struct lens_err *err)
{
	size_t begin = 0, end;
	unsigned line, column;

	if (p->placed)
		return -err->code;
	p->placed = true;
	(void)lens_json_span(p->text, p->n, p->path, &begin, &end);
	lens_json_where(p->text, begin, &line, &column);
	return lens_wrap(err, "%s: line %u, column %u", LENS_SHOW(p->origin),
			 line, column);
}

unsigned lens_parser_line(const struct parser *p)
{
	size_t begin = 0, end;
	unsigned line, column;

	(void)lens_json_span(p->text, p->n, p->path, &begin, &end);
	lens_json_where(p->text, begin, &line, &column);
	return line;
}

size_t lens_parser_down(struct parser *p, const char *name)
{
	size_t mark = strlen(p->path);

	(void)snprintf(p->path + mark, sizeof(p->path) - mark, "%s%s",
		       mark ? "." : "", name);
	return mark;
}

void lens_parser_up(struct parser *p, size_t mark)
{
	p->path[mark] = 0;
}

int lens_parser_object(struct parser *p, const cJSON *item,
		       const char *const *allowed, struct lens_err *err)
{
	const cJSON *member;

	if (!cJSON_IsObject(item)) {
		(void)lens_fail(err, EBADMSG, "an object is wanted here");
		return lens_parser_place(p, err);
	}
	cJSON_ArrayForEach (member, item) {
		size_t i = 0;

		while (allowed[i] && strcmp(allowed[i], member->string) != 0)
			i++;
		if (allowed[i])
			continue;
		(void)lens_fail(err, EBADMSG, "no member is called '%s' here",
				LENS_SHOW(member->string));
		(void)lens_parser_down(p, member->string);
		return lens_parser_place(p, err);
	}
	return 0;
}

int lens_parser_string(struct parser *p, const cJSON *item, const char **ret,
		       struct lens_err *err)
{
	const char *s = cJSON_GetStringValue(item);

	if (!s) {
		(void)lens_fail(err, EBADMSG,
				item ? "a string is wanted here" :
				       "a string is missing here");
		return lens_parser_place(p, err);
	}
	*ret = lens_arena_strndup(&p->r->arena, s, strlen(s));
	return *ret ? 0 : lens_fail(err, ENOMEM, "no memory for a recipe");
}

void *lens_parser_alloc(struct parser *p, size_t n, size_t size,
			struct lens_err *err)
{
	void *v = lens_arena_alloc(&p->r->arena, (n ? n : 1) * size);

	if (!v)
		(void)lens_fail(err, ENOMEM, "no memory for a recipe");
	return v;
}

int lens_parser_strings(struct parser *p, const cJSON *item, size_t *n,
			const char *const **ret, struct lens_err *err)
{
	bool one = cJSON_IsString(item);
	size_t count = one ? 1 : (size_t)cJSON_GetArraySize(item), i = 0;
	const char **v = lens_parser_alloc(p, count, sizeof(*v), err);
	const cJSON *s;

	if (!v)
		return -err->code;
	if (!one && (!cJSON_IsArray(item) || !count)) {
		(void)lens_fail(
			err, EBADMSG,
			"a string or an array of strings is wanted here");
		return lens_parser_place(p, err);
	}
	if (one && lens_parser_string(p, item, &v[0], err) < 0)
		return -err->code;
	if (!one)
		cJSON_ArrayForEach (s, item)
			if (lens_parser_string(p, s, &v[i++], err) < 0)
				return -err->code;
	*n = count;
	*ret = v;
	return 0;
}

int lens_parser_each(struct parser *p, const cJSON *item, const char *name,
		     int (*fn)(struct parser *p, const cJSON *item, size_t i,
			       struct lens_err *err),
		     struct lens_err *err)
{
	size_t mark = lens_parser_down(p, name), i = 0;
	const cJSON *e;

	if (item && !cJSON_IsArray(item)) {
		(void)lens_fail(err, EBADMSG, "an array is wanted here");
		return lens_parser_place(p, err);
	}
	cJSON_ArrayForEach (e, item) {
		char number[24];
		size_t inner;

		(void)snprintf(number, sizeof(number), "%zu", i);
		inner = lens_parser_down(p, number);
		if (fn(p, e, i++, err) < 0)
			return lens_parser_place(p, err);
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return 0;
}

int lens_parser_name(struct parser *p, const char *name, const char **ret,
		     struct lens_err *err)
{
	*ret = lens_arena_strndup(&p->r->arena, name, strlen(name));
	return *ret ? 0 : lens_fail(err, ENOMEM, "no memory for a recipe");
}

int lens_parser_text(struct parser *p, const cJSON *item, const char **ret,
		     struct lens_err *err)
{
	char number[32];

	if (cJSON_IsBool(item))
		return lens_parser_name(
			p, cJSON_IsTrue(item) ? "true" : "false", ret, err);
	if (!cJSON_IsNumber(item))
		return lens_parser_string(p, item, ret, err);
	(void)snprintf(number, sizeof(number), "%.17g", item->valuedouble);
	return lens_parser_name(p, number, ret, err);
}

int lens_parser_expr(struct parser *p, const cJSON *item,
		     const struct lens_expr **ret, struct lens_err *err)
{
	struct lens_expr *e;
	const char *text;

	if (lens_parser_text(p, item, &text, err) < 0)
		return -err->code;
	if (lens_expr_parse(text, &p->r->arena, &e, err) < 0)
		return lens_parser_place(p, err);
	*ret = e;
	return 0;
}

bool lens_parser_is_param(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < p->r->n_params; i++)
		if (strcmp(p->r->params[i].name, name) == 0)
			return true;
	return false;
}

int lens_parse_patterns(struct parser *p, const cJSON *item, const char *name,
			const char *prefix, size_t *n,
			struct lens_pattern *const **ret, struct lens_err *err)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(item, name);
	const size_t mark = lens_parser_down(p, name);
	const char *const *texts;
	struct lens_pattern **v;

	*n = 0;
	if (m) {
		if (lens_parser_strings(p, m, n, &texts, err) < 0)
			return -err->code;
		v = lens_parser_alloc(p, *n, sizeof(*v), err);
		if (!v)
			return -err->code;
		*ret = v;
		for (size_t i = 0; i < *n; i++) {
			lens_autofree char *text = NULL;

			if (asprintf(&text, "%s%s", prefix ? prefix : "",
				     texts[i]) < 0) {
				text = NULL;
				return lens_fail(err, ENOMEM,
						 "no memory for a recipe");
			}
			if (lens_pattern_parse(text, &p->r->arena, &v[i], err) <
			    0)
				return lens_parser_place(p, err);
		}
	}
	lens_parser_up(p, mark);
	return 0;
}

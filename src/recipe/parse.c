/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - a recipe's text into a struct lens_recipe: the frame, where it is
 * detected, and its parameters.  The sections about keys are in rules.c.
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

/* A failure of the item at hand's member @name. */
static int fail_at(struct parser *p, const char *name, struct lens_err *err)
{
	(void)lens_parser_down(p, name);
	return lens_parser_place(p, err);
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
		return fail_at(p, member->string, err);
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

static int parse_detect(struct parser *p, const cJSON *item,
			struct lens_err *err)
{
	size_t n = (size_t)cJSON_GetArraySize(item),
	       mark = lens_parser_down(p, "detect");
	struct lens_detect *d = lens_parser_alloc(p, n, sizeof(*d), err);
	const cJSON *e;

	if (!d)
		return -err->code;
	if (item && (!cJSON_IsObject(item) || !n)) {
		(void)lens_fail(
			err, EBADMSG,
			"an object of config.json paths is wanted here");
		return lens_parser_place(p, err);
	}
	p->r->detect = d;
	cJSON_ArrayForEach (e, item) {
		d->path = lens_arena_strndup(&p->r->arena, e->string,
					     strlen(e->string));
		if (!d->path)
			return lens_fail(err, ENOMEM, "no memory for a recipe");
		if (lens_parser_strings(p, e, &d->n, &d->any, err) < 0)
			return -err->code;
		d++;
		p->r->n_detect++;
	}
	lens_parser_up(p, mark);
	return 0;
}

static int parse_choices(struct parser *p, const cJSON *item,
			 struct lens_param *param, struct lens_err *err)
{
	size_t n = (size_t)cJSON_GetArraySize(item);
	struct lens_choice *c = lens_parser_alloc(p, n, sizeof(*c), err);
	const cJSON *e;

	if (c && !cJSON_IsObject(item)) {
		(void)lens_fail(
			err, EBADMSG,
			"an object of values and patterns is wanted here");
		return fail_at(p, "native-has", err);
	}
	if (!c)
		return -err->code;
	param->native = c;
	cJSON_ArrayForEach (e, item) {
		const char *text = cJSON_GetStringValue(e);

		c->value = lens_arena_strndup(
			&p->r->arena, e->string ? e->string : "",
			e->string ? strlen(e->string) : 0);
		if (!c->value)
			return lens_fail(err, ENOMEM, "no memory for a recipe");
		if (!e->string || !text) {
			(void)lens_fail(err, EBADMSG,
					"an object of values and patterns is "
					"wanted here");
			return fail_at(p, "native-has", err);
		}
		if (lens_pattern_parse(text, &p->r->arena, &c->native_has,
				       err) < 0)
			return fail_at(p, "native-has", err);
		c++;
		param->n_native++;
	}
	return 0;
}

static int parse_param(struct parser *p, const cJSON *item,
		       struct lens_param *param, struct lens_err *err)
{
	static const char *const allowed[] = { "option",     "config",
					       "default",    "values",
					       "native-has", NULL };
	const cJSON *m;

	if (lens_parser_object(p, item, allowed, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "option");
	if (m && lens_parser_string(p, m, &param->option, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "default");
	if (m && lens_parser_string(p, m, &param->fallback, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "config");
	if (m && lens_parser_strings(p, m, &param->n_config, &param->config,
				     err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "values");
	if (m && lens_parser_strings(p, m, &param->n_values, &param->values,
				     err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "native-has");
	return m ? parse_choices(p, m, param, err) : 0;
}

static int parse_params(struct parser *p, const cJSON *item,
			struct lens_err *err)
{
	size_t n = (size_t)cJSON_GetArraySize(item),
	       mark = lens_parser_down(p, "params");
	struct lens_param *param = lens_parser_alloc(p, n, sizeof(*param), err);
	const cJSON *e;

	if (!param)
		return -err->code;
	if (item && !cJSON_IsObject(item)) {
		(void)lens_fail(err, EBADMSG,
				"an object of parameters is wanted here");
		return lens_parser_place(p, err);
	}
	p->r->params = param;
	cJSON_ArrayForEach (e, item) {
		size_t inner = lens_parser_down(p, e->string);

		param->name = lens_arena_strndup(&p->r->arena, e->string,
						 strlen(e->string));
		if (!param->name)
			return lens_fail(err, ENOMEM, "no memory for a recipe");
		if (parse_param(p, e, param++, err) < 0)
			return lens_parser_place(p, err);
		p->r->n_params++;
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return 0;
}

/* Version, name, summary, and whether config.json is left alone. */
static int parse_frame(struct parser *p, const cJSON *root,
		       struct lens_err *err)
{
	const cJSON *version =
		cJSON_GetObjectItemCaseSensitive(root, "lens-recipe");
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(root, "config");
	size_t mark = lens_parser_down(p, "lens-recipe");

	if (!cJSON_IsNumber(version) || version->valuedouble != 1) {
		(void)lens_fail(err, EBADMSG,
				"\"lens-recipe\": 1 is wanted: that is the "
				"version of the language");
		return lens_parser_place(p, err);
	}
	lens_parser_up(p, mark);
	mark = lens_parser_down(p, "name");
	if (lens_parser_string(p,
			       cJSON_GetObjectItemCaseSensitive(root, "name"),
			       &p->r->name, err) < 0)
		return -err->code;
	lens_parser_up(p, mark);
	mark = lens_parser_down(p, "summary");
	if (lens_parser_string(
		    p, cJSON_GetObjectItemCaseSensitive(root, "summary"),
		    &p->r->summary, err) < 0)
		return -err->code;
	lens_parser_up(p, mark);
	if (config && (!cJSON_IsString(config) ||
		       strcmp(config->valuestring, "keep") != 0)) {
		(void)lens_fail(err, EBADMSG, "\"keep\" is wanted here");
		return fail_at(p, "config", err);
	}
	p->r->keeps_config = config != NULL;
	return 0;
}

static int parse_all(struct parser *p, const cJSON *root, struct lens_err *err)
{
	static const char *const allowed[] = {
		"lens-recipe", "name", "summary",  "detect", "params",
		"config",      "drop", "codecs",   "names",  "rules",
		"casts",       "fill", "quantize", NULL
	};

	if (lens_parser_object(p, root, allowed, err) < 0 ||
	    parse_frame(p, root, err) < 0 ||
	    parse_detect(p, cJSON_GetObjectItemCaseSensitive(root, "detect"),
			 err) < 0 ||
	    parse_params(p, cJSON_GetObjectItemCaseSensitive(root, "params"),
			 err) < 0 ||
	    lens_parse_drops(p, cJSON_GetObjectItemCaseSensitive(root, "drop"),
			     err) < 0 ||
	    lens_parse_codecs(p,
			      cJSON_GetObjectItemCaseSensitive(root, "codecs"),
			      err) < 0 ||
	    lens_parse_names(p, cJSON_GetObjectItemCaseSensitive(root, "names"),
			     err) < 0 ||
	    lens_parse_rules(p, cJSON_GetObjectItemCaseSensitive(root, "rules"),
			     err) < 0 ||
	    lens_parse_casts(p, cJSON_GetObjectItemCaseSensitive(root, "casts"),
			     err) < 0 ||
	    lens_parse_fills(p, cJSON_GetObjectItemCaseSensitive(root, "fill"),
			     err) < 0 ||
	    lens_parse_quantize(
		    p, cJSON_GetObjectItemCaseSensitive(root, "quantize"),
		    err) < 0)
		return lens_parser_place(p, err);
	return 0;
}

int lens_recipe_parse(const char *text, size_t n, const char *origin,
		      struct lens_recipe **ret, struct lens_err *err)
{
	LENS_CLEANUP(lens_recipe_freep)
	struct lens_recipe *r = calloc(1, sizeof(*r));
	struct parser p = { .r = r, .text = text, .n = n, .origin = origin };

	if (!r)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	if (lens_json_parse(text, n, 0, &r->json, err) < 0)
		return lens_wrap(err, "%s", LENS_SHOW(origin));
	r->text = lens_arena_strndup(&r->arena, text, n);
	if (!r->text)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	if (parse_all(&p, r->json, err) < 0)
		return -err->code;
	*ret = lens_steal(&r);
	return 0;
}

void lens_recipe_free(struct lens_recipe *r)
{
	if (!r)
		return;
	cJSON_Delete(r->json);
	lens_arena_fini(&r->arena);
	free(r);
}

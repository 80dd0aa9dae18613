/* SPDX-License-Identifier: Apache-2.0 */
/*
 * params.c - where a recipe is detected, and its parameters.
 */
#include "recipe/parts.h"

#include <errno.h>

int lens_parse_detect(struct parser *p, const cJSON *item, struct lens_err *err)
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

/* Values, and the patterns of keys that tell them. */
static int parse_choices(struct parser *p, const cJSON *item, const char *name,
			 enum lens_side side, struct lens_param *param,
			 struct lens_err *err)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(item, name), *e;
	const size_t mark = lens_parser_down(p, name);
	struct lens_choice *c;

	if (m && !cJSON_IsObject(m)) {
		(void)lens_fail(
			err, EBADMSG,
			"an object of values and patterns is wanted here");
		return lens_parser_place(p, err);
	}
	c = lens_parser_alloc(p, (size_t)cJSON_GetArraySize(m), sizeof(*c),
			      err);
	if (!c)
		return -err->code;
	param->has[side] = c;
	cJSON_ArrayForEach (e, m) {
		if (lens_parser_name(p, e->string, &c->value, err) < 0 ||
		    lens_parse_patterns(p, m, e->string, NULL, &c->n, &c->any,
					err) < 0)
			return -err->code;
		c++;
		param->n_has[side]++;
	}
	lens_parser_up(p, mark);
	return 0;
}

static int parse_param(struct parser *p, const cJSON *item,
		       struct lens_param *param, struct lens_err *err)
{
	static const char *const allowed[] = {
		"option", "hf-has",  "native-has", "config", "metadata",
		"value",  "default", "values",     NULL
	};
	const cJSON *m;

	if (lens_parser_object(p, item, allowed, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "option");
	if (m && lens_parser_string(p, m, &param->option, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "default");
	if (m && lens_parser_text(p, m, &param->fallback, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "metadata");
	if (m && lens_parser_string(p, m, &param->metadata, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "value");
	if (m && lens_parser_expr(p, m, &param->value, err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "config");
	if (m && lens_parser_strings(p, m, &param->n_config, &param->config,
				     err) < 0)
		return -err->code;
	m = cJSON_GetObjectItemCaseSensitive(item, "values");
	if (m && lens_parser_strings(p, m, &param->n_values, &param->values,
				     err) < 0)
		return -err->code;
	if (parse_choices(p, item, "hf-has", LENS_HF, param, err) < 0)
		return -err->code;
	return parse_choices(p, item, "native-has", LENS_NATIVE, param, err);
}

/* Those that a recipe has already, it does not take from another. */
int lens_parse_params(struct parser *p, const cJSON *item, struct lens_err *err)
{
	const size_t mark = lens_parser_down(p, "params");
	struct lens_param *v;
	const cJSON *e;

	if (item && !cJSON_IsObject(item)) {
		(void)lens_fail(err, EBADMSG,
				"an object of parameters is wanted here");
		return lens_parser_place(p, err);
	}
	v = lens_parser_alloc(p,
			      p->r->n_params + (size_t)cJSON_GetArraySize(item),
			      sizeof(*v), err);
	if (!v)
		return -err->code;
	if (p->r->n_params)
		memcpy(v, p->r->params, p->r->n_params * sizeof(*v));
	p->r->params = v;
	cJSON_ArrayForEach (e, item) {
		struct lens_param *param = &v[p->r->n_params];
		const size_t inner = lens_parser_down(p, e->string);

		if (!lens_parser_is_param(p, e->string)) {
			if (lens_parser_name(p, e->string, &param->name, err) <
				    0 ||
			    parse_param(p, e, param, err) < 0)
				return lens_parser_place(p, err);
			p->r->n_params++;
		}
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return 0;
}

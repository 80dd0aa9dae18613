/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.c - the section of a recipe that tells what a quantized checkpoint
 * of its family looks like.
 */
#include "recipe/parts.h"

#include <errno.h>

static int pattern_at(struct parser *p, const cJSON *item, const char *name,
		      struct lens_pattern **ret, struct lens_err *err)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(item, name);
	const size_t mark = lens_parser_down(p, name);
	const char *text;

	if (lens_parser_string(p, m, &text, err) < 0)
		return -err->code;
	if (lens_pattern_parse(text, &p->r->arena, ret, err) < 0)
		return lens_parser_place(p, err);
	lens_parser_up(p, mark);
	return 0;
}

/* What @made is made of must be captured by @weight. */
static int check_made(struct lens_pattern *made,
		      const struct lens_pattern *weight, struct lens_err *err)
{
	const char *names[LENS_CAPTURES];
	const size_t n = lens_pattern_captures(made, names, LENS_CAPTURES);

	for (size_t i = 0; i < n; i++)
		if (!lens_pattern_has(weight, names[i]))
			return lens_fail(err, EBADMSG,
					 "capture '%s' is in '%s' and not in "
					 "'%s'",
					 names[i],
					 LENS_SHOW(lens_pattern_text(made)),
					 LENS_SHOW(lens_pattern_text(weight)));
	lens_pattern_inherit(made, weight);
	return 0;
}

static int one_weight(struct parser *p, const cJSON *item, size_t i,
		      struct lens_err *err)
{
	static const char *const allowed[] = { "weight", "scale", "activation",
					       NULL };
	struct lens_quantized *w = &p->r->quantize->weights[i];

	if (lens_parser_object(p, item, allowed, err) < 0 ||
	    pattern_at(p, item, "weight", &w->weight, err) < 0 ||
	    pattern_at(p, item, "scale", &w->scale, err) < 0 ||
	    check_made(w->scale, w->weight, err) < 0)
		return -err->code;
	if (cJSON_GetObjectItemCaseSensitive(item, "activation") &&
	    (pattern_at(p, item, "activation", &w->activation, err) < 0 ||
	     check_made(w->activation, w->weight, err) < 0))
		return -err->code;
	p->r->quantize->n++;
	return 0;
}

/* An array of strings, or nothing. */
static int strings_at(struct parser *p, const cJSON *item, const char *name,
		      const char *const **ret, size_t *n, struct lens_err *err)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(item, name);
	const size_t mark = lens_parser_down(p, name);

	if (m && lens_parser_strings(p, m, n, ret, err) < 0)
		return -err->code;
	lens_parser_up(p, mark);
	return 0;
}

static int patterns_at(struct parser *p, const cJSON *item, const char *name,
		       struct lens_pattern *const **ret, size_t *n,
		       struct lens_err *err)
{
	const char *const *texts = NULL;
	const size_t mark = lens_parser_down(p, name);
	struct lens_pattern **v;

	lens_parser_up(p, mark);
	if (strings_at(p, item, name, &texts, n, err) < 0)
		return -err->code;
	v = lens_parser_alloc(p, *n, sizeof(*v), err);
	if (!v)
		return -err->code;
	(void)lens_parser_down(p, name);
	for (size_t i = 0; i < *n; i++)
		if (lens_pattern_parse(texts[i], &p->r->arena, &v[i], err) < 0)
			return lens_parser_place(p, err);
	lens_parser_up(p, mark);
	*ret = v;
	return 0;
}

int lens_parse_quantize(struct parser *p, const cJSON *item,
			struct lens_err *err)
{
	static const char *const allowed[] = { "weights", "never", "absent",
					       "keep-modules", NULL };
	struct lens_quantize_rule *q;
	const cJSON *weights;
	size_t mark;

	if (!item)
		return 0;
	mark = lens_parser_down(p, "quantize");
	q = lens_parser_alloc(p, 1, sizeof(*q), err);
	if (!q || lens_parser_object(p, item, allowed, err) < 0)
		return -err->code;
	p->r->quantize = q;
	q->line = lens_parser_line(p);
	weights = cJSON_GetObjectItemCaseSensitive(item, "weights");
	if (cJSON_GetArraySize(weights) < 1) {
		(void)lens_fail(err, EBADMSG, "'weights' is missing or empty");
		return lens_parser_place(p, err);
	}
	q->weights = lens_parser_alloc(p, (size_t)cJSON_GetArraySize(weights),
				       sizeof(*q->weights), err);
	if (!q->weights ||
	    lens_parser_each(p, weights, "weights", one_weight, err) < 0 ||
	    patterns_at(p, item, "never", &q->never, &q->n_never, err) < 0 ||
	    patterns_at(p, item, "absent", &q->absent, &q->n_absent, err) < 0 ||
	    strings_at(p, item, "keep-modules", &q->modules, &q->n_modules,
		       err) < 0)
		return -err->code;
	lens_parser_up(p, mark);
	return 0;
}

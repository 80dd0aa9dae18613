/* SPDX-License-Identifier: Apache-2.0 */
/*
 * made.c - the sections of a recipe about tensors that the source does not
 * have: constants (fill), others once more (alias), tables (compute).
 */
#include "recipe/parts.h"

#include <errno.h>

static const cJSON *member(const cJSON *item, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(item, name);
}

/* One pattern, behind the prefix of @side; none if it is not there. */
static int one_pattern(struct parser *p, const cJSON *item, const char *name,
		       enum lens_side side, struct lens_pattern **ret,
		       struct lens_err *err)
{
	struct lens_pattern *const *v = NULL;
	size_t n;

	if (lens_parse_patterns(p, item, name, p->prefix[side], &n, &v, err) <
	    0)
		return -err->code;
	if (n > 1)
		return lens_fail(err, EBADMSG, "'%s' is one pattern", name);
	*ret = n ? v[0] : NULL;
	return 0;
}

/* When, the key, and beside which other it stands. */
static int parse_made(struct parser *p, const cJSON *item,
		      const char *const *allowed, const char *beside,
		      struct lens_fill_rule *f, struct lens_err *err)
{
	const bool hf = member(item, "hf") != NULL;
	struct lens_rule r = { 0 };
	struct lens_pattern *pattern[1];

	if (lens_parser_object(p, item, allowed, err) < 0)
		return -err->code;
	if (hf == (member(item, "native") != NULL))
		return lens_fail(
			err, EBADMSG,
			"one pattern, of the side where it appears, is wanted");
	f->side = hf ? LENS_HF : LENS_NATIVE;
	if (one_pattern(p, item, hf ? "hf" : "native", f->side, &f->key, err) <
		    0 ||
	    one_pattern(p, item, beside, f->side, &f->beside, err) < 0 ||
	    lens_parse_when(p, member(item, "when"), &f->when, err) < 0)
		return -err->code;
	pattern[0] = f->beside;
	r.when = f->when;
	if (f->beside) {
		r.n[f->side] = 1;
		r.side[f->side] = pattern;
	}
	if (lens_check_names(p, &r, err) < 0)
		return -err->code;
	f->when = r.when;
	f->recipe = p->name;
	f->line = lens_parser_line(p);
	return 0;
}

/* What the key is made of must be captured beside it. */
static int check_key(const struct lens_fill_rule *f, struct lens_err *err)
{
	const char *names[LENS_CAPTURES];
	const size_t n = lens_pattern_captures(f->key, names, LENS_CAPTURES);

	for (size_t i = 0; i < n; i++)
		if (!f->beside || !lens_pattern_has(f->beside, names[i]))
			return lens_fail(err, EBADMSG,
					 "capture '%s' is in '%s' and in no "
					 "pattern that it could come from",
					 names[i],
					 LENS_SHOW(lens_pattern_text(f->key)));
	if (f->beside)
		lens_pattern_inherit(f->key, f->beside);
	return 0;
}

static int parse_dims(struct parser *p, const cJSON *item,
		      struct lens_fill_rule *f, struct lens_err *err)
{
	const cJSON *e;

	if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) > LENS_DIMS)
		return lens_fail(err, EBADMSG,
				 "'shape' is an array of at most %d numbers or "
				 "expressions",
				 LENS_DIMS);
	cJSON_ArrayForEach (e, item)
		if (lens_parser_expr(p, e, &f->dims[f->rank], err) < 0 ||
		    lens_check_expr(p, f->dims[f->rank++], f->beside, err) < 0)
			return -err->code;
	return 0;
}

static int parse_dtype(struct parser *p, const cJSON *item,
		       struct lens_fill_rule *f, struct lens_err *err)
{
	const char *s = cJSON_GetStringValue(item);

	f->dtype = s ? lens_dtype_find(s) : LENS_DTYPE_INVALID;
	if (s && lens_parser_is_param(p, s))
		return lens_parser_name(p, s, &f->dtype_param, err);
	if (f->dtype != LENS_F32 && f->dtype != LENS_BF16 &&
	    f->dtype != LENS_F16)
		return lens_fail(err, EBADMSG,
				 "'dtype' must be F32, BF16, F16 or a "
				 "parameter");
	return 0;
}

static int one_fill(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when",   "hf",    "native",
					       "beside", "dtype", "shape",
					       "value",  NULL };
	struct lens_fill_rule f = { .kind = LENS_CONSTANT };
	const cJSON *value = member(item, "value");

	(void)i;
	if (parse_made(p, item, allowed, "beside", &f, err) < 0 ||
	    parse_dims(p, member(item, "shape"), &f, err) < 0 ||
	    parse_dtype(p, member(item, "dtype"), &f, err) < 0)
		return -err->code;
	if (!cJSON_IsNumber(value) || !f.beside)
		return lens_fail(err, EBADMSG, "'%s' is missing",
				 f.beside ? "value" : "beside");
	if (check_key(&f, err) < 0)
		return -err->code;
	f.value = value->valuedouble;
	p->r->fills[p->r->n_fills++] = f;
	return 0;
}

static int one_alias(struct parser *p, const cJSON *item, size_t i,
		     struct lens_err *err)
{
	static const char *const allowed[] = { "when", "hf",       "native",
					       "of",   "required", NULL };
	struct lens_fill_rule f = { .kind = LENS_ALIAS };
	const char *names[1];
	const cJSON *required = member(item, "required");

	(void)i;
	if (parse_made(p, item, allowed, "of", &f, err) < 0)
		return -err->code;
	if (!f.beside)
		return lens_fail(err, EBADMSG, "'of' is missing");
	if (required && !cJSON_IsBool(required))
		return lens_fail(err, EBADMSG, "'required' is true or false");
	f.required = cJSON_IsTrue(required);
	if (f.required && lens_pattern_captures(f.beside, names, 1))
		return lens_fail(err, EBADMSG,
				 "what is required has no captures");
	if (check_key(&f, err) < 0)
		return -err->code;
	p->r->fills[p->r->n_fills++] = f;
	return 0;
}

/* {"rotary": {"size": N, "theta": "param"}} */
static int one_compute(struct parser *p, const cJSON *item, size_t i,
		       struct lens_err *err)
{
	static const char *const allowed[] = { "when",   "hf",     "native",
					       "beside", "rotary", NULL };
	static const char *const parts[] = { "size", "theta", NULL };
	struct lens_fill_rule f = { .kind = LENS_ROTARY,
				    .dtype = LENS_F32,
				    .rank = 1 };
	const cJSON *rotary = member(item, "rotary");

	(void)i;
	if (parse_made(p, item, allowed, "beside", &f, err) < 0 ||
	    lens_parser_object(p, rotary, parts, err) < 0 ||
	    lens_parser_expr(p, member(rotary, "size"), &f.dims[0], err) < 0 ||
	    lens_parser_string(p, member(rotary, "theta"), &f.theta, err) < 0 ||
	    lens_check_expr(p, f.dims[0], f.beside, err) < 0 ||
	    check_key(&f, err) < 0)
		return -err->code;
	if (!lens_parser_is_param(p, f.theta))
		return lens_fail(err, EBADMSG, "no parameter is called '%s'",
				 LENS_SHOW(f.theta));
	p->r->fills[p->r->n_fills++] = f;
	return 0;
}

#define SECTION(fn, name, one)                                            \
	int fn(struct parser *p, const cJSON *item, struct lens_err *err) \
	{                                                                 \
		if (LENS_GROW(p, fills, n_fills, item, err) < 0)          \
			return -err->code;                                \
		return lens_parser_each(p, item, name, one, err);         \
	}

SECTION(lens_parse_fills, "fill", one_fill)
SECTION(lens_parse_aliases, "alias", one_alias)
SECTION(lens_parse_computes, "compute", one_compute)

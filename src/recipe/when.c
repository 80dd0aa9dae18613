/* SPDX-License-Identifier: Apache-2.0 */
/*
 * when.c - conditions, captures that are computed, and whether every name in
 * an expression means something.
 */
#include "recipe/parts.h"

#include <errno.h>

/* What a condition compares with, is it a number? */
static bool is_number(const cJSON *v)
{
	if (cJSON_IsArray(v))
		return is_number(v->child);
	if (cJSON_IsObject(v))
		return cJSON_GetObjectItemCaseSensitive(v, "at-least") ||
		       cJSON_GetObjectItemCaseSensitive(v, "below") ||
		       is_number(cJSON_GetObjectItemCaseSensitive(v, "not"));
	return cJSON_IsNumber(v);
}

static int parse_subject(struct parser *p, const cJSON *e,
			 struct lens_condition *c, struct lens_err *err)
{
	struct lens_expr *expr;

	c->late = true;
	if (strcmp(e->string, "tensor.dtype") == 0) {
		c->of = LENS_OF_DTYPE;
		return 0;
	}
	if (strcmp(e->string, "tensor.codec") == 0) {
		c->of = LENS_OF_CODEC;
		return 0;
	}
	if (lens_parser_is_param(p, e->string) && !is_number(e)) {
		c->of = LENS_OF_PARAM;
		c->late = false;
		return lens_parser_name(p, e->string, &c->param, err);
	}
	c->of = LENS_OF_VALUE;
	if (lens_expr_parse(e->string, &p->r->arena, &expr, err) < 0)
		return -err->code;
	c->expr = expr;
	return 0;
}

/* A dtype or a codec that there is. */
static int check_word(const struct lens_condition *c, const char *word,
		      struct lens_err *err)
{
	if (c->of == LENS_OF_DTYPE &&
	    lens_dtype_find(word) == LENS_DTYPE_INVALID)
		return lens_fail(err, EBADMSG, "'%s' is no dtype",
				 LENS_SHOW(word));
	if (c->of == LENS_OF_CODEC && strcmp(word, "none") != 0 &&
	    !lens_codec_find(word))
		return lens_fail(err, EBADMSG, "no codec is called '%s'",
				 LENS_SHOW(word));
	return 0;
}

/* One value, or an array of them. */
static int parse_values(struct parser *p, const cJSON *v,
			struct lens_condition *c, struct lens_err *err)
{
	const bool many = cJSON_IsArray(v);
	const size_t n = many ? (size_t)cJSON_GetArraySize(v) : 1;
	const char **text = lens_parser_alloc(p, n, sizeof(*text), err);
	const struct lens_expr **number =
		lens_parser_alloc(p, n, sizeof(*number), err);

	if (!text || !number)
		return -err->code;
	c->text = text;
	c->number = number;
	if (!n)
		return lens_fail(err, EBADMSG, "a value is wanted");
	for (size_t i = 0; i < n; i++) {
		const cJSON *one = many ? cJSON_GetArrayItem(v, (int)i) : v;

		if (c->of == LENS_OF_VALUE) {
			if (lens_parser_expr(p, one, &number[i], err) < 0)
				return -err->code;
			c->n_numbers++;
			continue;
		}
		if (lens_parser_text(p, one, &text[i], err) < 0 ||
		    check_word(c, text[i], err) < 0)
			return -err->code;
		c->n++;
	}
	return 0;
}

/* null: the parameter has no value. */
static int no_value(struct lens_condition *c, struct lens_err *err)
{
	c->unset = true;
	if (c->of == LENS_OF_PARAM)
		return 0;
	return lens_fail(err, EBADMSG, "null is for parameters");
}

static int parse_condition(struct parser *p, const cJSON *e,
			   struct lens_condition *c, struct lens_err *err)
{
	static const char *const allowed[] = { "at-least", "below", "not",
					       NULL };
	const cJSON *least, *below, *not ;

	if (parse_subject(p, e, c, err) < 0)
		return -err->code;
	if (cJSON_IsNull(e))
		return no_value(c, err);
	if (!cJSON_IsObject(e))
		return parse_values(p, e, c, err);
	if (lens_parser_object(p, e, allowed, err) < 0)
		return -err->code;
	least = cJSON_GetObjectItemCaseSensitive(e, "at-least");
	below = cJSON_GetObjectItemCaseSensitive(e, "below");
	not = cJSON_GetObjectItemCaseSensitive(e, "not");
	if (not &&(least || below))
		return lens_fail(err, EBADMSG,
				 "'not' stands alone, without bounds");
	if (least && lens_parser_expr(p, least, &c->least, err) < 0)
		return -err->code;
	if (below && lens_parser_expr(p, below, &c->below, err) < 0)
		return -err->code;
	c->negate = not != NULL;
	if (cJSON_IsNull(not )) {
		c->unset = true;
		return 0;
	}
	return not ? parse_values(p, not, c, err) : 0;
}

int lens_parse_when(struct parser *p, const cJSON *item, struct lens_when *ret,
		    struct lens_err *err)
{
	const size_t n = (size_t)cJSON_GetArraySize(item), have = p->when.n,
		     mark = lens_parser_down(p, "when");
	struct lens_condition *c =
		lens_parser_alloc(p, n + have, sizeof(*c), err);
	const cJSON *e;

	if (!c)
		return -err->code;
	if (item && (!cJSON_IsObject(item) || !n)) {
		(void)lens_fail(err, EBADMSG,
				"'when' is an object of conditions and values");
		return lens_parser_place(p, err);
	}
	if (have)
		memcpy(c, p->when.all, have * sizeof(*c));
	ret->all = c;
	ret->n = have + n;
	c += have;
	cJSON_ArrayForEach (e, item) {
		/* A name with dots can't be told from a path. */
		const size_t inner = strchr(e->string, '.') ?
					     strlen(p->path) :
					     lens_parser_down(p, e->string);

		if (parse_condition(p, e, c++, err) < 0)
			return lens_parser_place(p, err);
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return 0;
}

int lens_parse_let(struct parser *p, const cJSON *item, struct lens_rule *r,
		   struct lens_err *err)
{
	const size_t mark = lens_parser_down(p, "let");
	struct lens_let *let;
	const cJSON *e;

	if (item && !cJSON_IsObject(item)) {
		(void)lens_fail(err, EBADMSG,
				"an object of captures and expressions is "
				"wanted here");
		return lens_parser_place(p, err);
	}
	let = lens_parser_alloc(p, (size_t)cJSON_GetArraySize(item),
				sizeof(*let), err);
	if (!let)
		return -err->code;
	r->lets = let;
	cJSON_ArrayForEach (e, item) {
		if (lens_parser_name(p, e->string, &let->name, err) < 0 ||
		    lens_parser_expr(p, e, &let->expr, err) < 0)
			return -err->code;
		let++;
		r->n_lets++;
	}
	lens_parser_up(p, mark);
	return 0;
}

/* What names may mean, and one that means nothing. */
struct meaning {
	const struct parser *p;
	const struct lens_rule *r;
	const struct lens_pattern *pattern;
	const char *name;
	bool twice; /* a parameter and a capture */
	bool late;
};

static bool is_captured(const struct meaning *m, const char *name)
{
	if (m->pattern)
		return lens_pattern_has(m->pattern, name);
	for (size_t i = 0; m->r && i < m->r->n_lets; i++)
		if (strcmp(m->r->lets[i].name, name) == 0)
			return true;
	for (unsigned side = 0; m->r && side < 2; side++)
		for (size_t k = 0; k < m->r->n[side]; k++)
			if (lens_pattern_has(m->r->side[side][k], name))
				return true;
	return false;
}

static bool has_meaning(void *ctx, const char *name)
{
	struct meaning *m = ctx;
	const bool param = lens_parser_is_param(m->p, name),
		   capture = is_captured(m, name);

	m->late |= !param;
	if (m->r && (strcmp(name, "tensor.rank") == 0 ||
		     strcmp(name, "tensor.shape") == 0))
		return true;
	if (param != capture)
		return true;
	m->name = name;
	m->twice = param;
	return false;
}

static int check(struct meaning *m, const struct lens_expr *e,
		 struct lens_err *err)
{
	if (!e || lens_expr_names(e, has_meaning, m))
		return 0;
	return lens_fail(err, EBADMSG,
			 m->twice ? "'%s' is a capture and a parameter" :
				    "'%s' is neither a parameter nor a "
				    "capture",
			 LENS_SHOW(m->name));
}

int lens_check_expr(const struct parser *p, const struct lens_expr *e,
		    const struct lens_pattern *pattern, struct lens_err *err)
{
	struct meaning m = { .p = p, .pattern = pattern };

	return check(&m, e, err);
}

static int check_when(const struct parser *p, struct lens_rule *r,
		      struct lens_err *err)
{
	struct lens_condition *all =
		lens_arena_alloc(&p->r->arena, (r->when.n + 1) * sizeof(*all));

	if (!all)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	for (size_t i = 0; i < r->when.n; i++) {
		struct meaning m = { .p = p, .r = r };
		const struct lens_condition *c = &r->when.all[i];

		if (check(&m, c->expr, err) < 0 ||
		    check(&m, c->least, err) < 0 ||
		    check(&m, c->below, err) < 0)
			return lens_wrap(err, "when");
		for (size_t k = 0; k < c->n_numbers; k++)
			if (check(&m, c->number[k], err) < 0)
				return lens_wrap(err, "when");
		all[i] = *c;
		if (c->of == LENS_OF_VALUE)
			all[i].late = m.late;
	}
	r->when.all = all;
	return 0;
}

int lens_check_names(const struct parser *p, struct lens_rule *r,
		     struct lens_err *err)
{
	struct meaning m = { .p = p, .r = r };

	if (check_when(p, r, err) < 0)
		return -err->code;
	for (size_t i = 0; i < r->n_lets; i++)
		if (check(&m, r->lets[i].expr, err) < 0)
			return lens_wrap(err, "let");
	for (size_t i = 0; i < r->n_ops + r->n_back; i++) {
		const struct lens_op_use *use =
			i < r->n_ops ? &r->ops[i] : &r->back[i - r->n_ops];

		for (unsigned k = 0; k < use->args.n_values; k++)
			if (check(&m, use->args.expr[k], err) < 0)
				return lens_wrap(err, "%s", use->op->name);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.c - the sections of a recipe that are about keys: drop, codecs, names,
 * rules, casts, fill.
 */
#include "recipe/parts.h"

#include <errno.h>
#include <stdio.h>

static const char *const side_names[] = {
	[LENS_HF] = "hf", [LENS_NATIVE] = "native"
};

/* "when": every parameter named must have the value given. */
static int parse_when(struct parser *p, const cJSON *item,
		      struct lens_when *ret, struct lens_err *err)
{
	size_t n = (size_t)cJSON_GetArraySize(item);
	struct lens_condition *c;
	const cJSON *e;

	if (!item)
		return 0;
	if (!cJSON_IsObject(item) || !n)
		return lens_fail(
			err, EBADMSG,
			"'when' is an object of parameters and their values");
	c = lens_parser_alloc(p, n, sizeof(*c), err);
	if (!c)
		return -err->code;
	ret->all = c;
	cJSON_ArrayForEach (e, item) {
		bool known = false;

		for (size_t i = 0; i < p->r->n_params && !known; i++) {
			known = strcmp(p->r->params[i].name, e->string) == 0;
			c->param = p->r->params[i].name;
		}
		if (!known)
			return lens_fail(err, EBADMSG,
					 "no parameter is called '%s'",
					 LENS_SHOW(e->string));
		if (lens_parser_string(p, e, &c->value, err) < 0)
			return -err->code;
		c++;
		ret->n++;
	}
	return 0;
}

static int parse_pattern(struct parser *p, const char *text,
			 struct lens_pattern **ret, struct lens_err *err)
{
	return lens_pattern_parse(text, &p->r->arena, ret, err);
}

/* The patterns of one side: one, or an array of them; none if it is not there.
 */
static int parse_side(struct parser *p, const cJSON *item, enum lens_side side,
		      struct lens_rule *r, struct lens_err *err)
{
	const cJSON *m =
		cJSON_GetObjectItemCaseSensitive(item, side_names[side]);
	size_t mark = lens_parser_down(p, side_names[side]);
	const char *const *texts;
	struct lens_pattern **v;

	if (m) {
		if (lens_parser_strings(p, m, &r->n[side], &texts, err) < 0)
			return -err->code;
		v = lens_parser_alloc(p, r->n[side], sizeof(*v), err);
		if (!v)
			return -err->code;
		r->side[side] = v;
		for (size_t i = 0; i < r->n[side]; i++)
			if (parse_pattern(p, texts[i], &v[i], err) < 0)
				return lens_parser_place(p, err);
	}
	lens_parser_up(p, mark);
	return 0;
}

/* What the sections share: when and patterns. */
static int parse_rule(struct parser *p, const cJSON *item,
		      const char *const *allowed, struct lens_rule *r,
		      struct lens_err *err)
{
	if (lens_parser_object(p, item, allowed, err) < 0 ||
	    parse_when(p, cJSON_GetObjectItemCaseSensitive(item, "when"),
		       &r->when, err) < 0 ||
	    parse_side(p, item, LENS_HF, r, err) < 0 ||
	    parse_side(p, item, LENS_NATIVE, r, err) < 0)
		return -err->code;
	if (r->n[LENS_HF])
		r->text = lens_pattern_text(r->side[LENS_HF][0]);
	else if (r->n[LENS_NATIVE])
		r->text = lens_pattern_text(r->side[LENS_NATIVE][0]);
	else
		return lens_fail(err, EBADMSG,
				 "neither 'hf' nor 'native' is here");
	r->line = lens_parser_line(p);
	return 0;
}

static int need_both(const struct lens_rule *r, struct lens_err *err)
{
	if (r->n[LENS_HF] && r->n[LENS_NATIVE])
		return 0;
	return lens_fail(err, EBADMSG, "'%s' is missing",
			 side_names[r->n[LENS_HF] ? LENS_NATIVE : LENS_HF]);
}

/* Is @capture what one of the rule's stacks runs over? */
static bool is_stacked(const struct lens_rule *r, const char *capture)
{
	for (size_t i = 0; i < r->n_ops; i++)
		if (r->ops[i].args.by &&
		    strcmp(r->ops[i].args.by, capture) == 0)
			return true;
	return false;
}

/* Each capture of @side must be in every pattern of the other, but for those
 * that are stacked away. */
static int check_captures(const struct lens_rule *r, enum lens_side side,
			  struct lens_err *err)
{
	const enum lens_side other = side == LENS_HF ? LENS_NATIVE : LENS_HF;
	const char *names[LENS_CAPTURES];

	for (size_t i = 0; i < r->n[side]; i++) {
		size_t n = lens_pattern_captures(r->side[side][i], names,
						 LENS_CAPTURES);

		for (size_t k = 0; k < n; k++)
			for (size_t j = 0; j < r->n[other]; j++)
				if (!lens_pattern_has(r->side[other][j],
						      names[k]) &&
				    !(side == LENS_HF &&
				      is_stacked(r, names[k])))
					return lens_fail(
						err, EBADMSG,
						"capture '%s' is in '%s' and "
						"not in '%s'",
						names[k],
						LENS_SHOW(lens_pattern_text(
							r->side[side][i])),
						LENS_SHOW(lens_pattern_text(
							r->side[other][j])));
	}
	return 0;
}

static int check_rule(const struct lens_rule *r, struct lens_err *err)
{
	for (size_t i = 0; i < r->n_ops; i++) {
		const char *by = r->ops[i].args.by;

		for (size_t k = 0; by && k < r->n[LENS_HF]; k++)
			if (!lens_pattern_has(r->side[LENS_HF][k], by))
				return lens_fail(
					err, EBADMSG,
					"stack: '%s' has no capture '%s'",
					LENS_SHOW(lens_pattern_text(
						r->side[LENS_HF][k])),
					by);
		for (size_t k = 0; by && k < r->n[LENS_NATIVE]; k++)
			if (lens_pattern_has(r->side[LENS_NATIVE][k], by))
				return lens_fail(
					err, EBADMSG,
					"stack: capture '%s' is also in '%s'",
					LENS_SHOW(by),
					LENS_SHOW(lens_pattern_text(
						r->side[LENS_NATIVE][k])));
	}
	if (check_captures(r, LENS_HF, err) < 0 ||
	    check_captures(r, LENS_NATIVE, err) < 0)
		return -err->code;
	for (size_t i = 0; i < r->n[LENS_HF]; i++)
		for (size_t k = 0; k < r->n[LENS_NATIVE]; k++) {
			lens_pattern_inherit(r->side[LENS_NATIVE][k],
					     r->side[LENS_HF][i]);
			lens_pattern_inherit(r->side[LENS_HF][i],
					     r->side[LENS_NATIVE][k]);
		}
	return 0;
}

static bool is_param(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < p->r->n_params; i++)
		if (strcmp(p->r->params[i].name, name) == 0)
			return true;
	return false;
}

static int parse_op(struct parser *p, const cJSON *item,
		    struct lens_op_use *ret, struct lens_err *err)
{
	const cJSON *v = cJSON_IsObject(item) ? item->child : NULL;

	if (!v || v->next)
		return lens_fail(
			err, EBADMSG,
			"an op is an object of its name and its argument");
	ret->op = lens_op_find(v->string);
	if (!ret->op)
		return lens_fail(err, EBADMSG, "no op is called '%s'",
				 LENS_SHOW(v->string));
	if (ret->op->parse(v, &p->r->arena, &ret->args, err) < 0)
		return lens_wrap(err, "%s", ret->op->name);
	if (ret->args.param && !is_param(p, ret->args.param))
		return lens_fail(err, EBADMSG,
				 "%s: '%s' is neither a dtype nor a parameter",
				 ret->op->name, LENS_SHOW(ret->args.param));
	if (ret->args.count && !is_param(p, ret->args.count))
		return lens_fail(err, EBADMSG,
				 "%s: no parameter is called '%s'",
				 ret->op->name, LENS_SHOW(ret->args.count));
	return 0;
}

static int parse_ops(struct parser *p, const cJSON *item, struct lens_rule *r,
		     struct lens_err *err)
{
	size_t n = (size_t)cJSON_GetArraySize(item),
	       mark = lens_parser_down(p, "ops");
	struct lens_op_use *ops = lens_parser_alloc(p, n, sizeof(*ops), err);
	const cJSON *e;

	if (!ops)
		return -err->code;
	if (item && !cJSON_IsArray(item)) {
		(void)lens_fail(err, EBADMSG, "an array of ops is wanted here");
		return lens_parser_place(p, err);
	}
	r->ops = ops;
	cJSON_ArrayForEach (e, item) {
		char number[24];
		size_t inner;

		(void)snprintf(number, sizeof(number), "%zu", r->n_ops);
		inner = lens_parser_down(p, number);
		if (parse_op(p, e, &ops[r->n_ops], err) < 0)
			return lens_parser_place(p, err);
		r->n_ops++;
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return 0;
}

/* How many tensors a chain takes must fit how many patterns there are. */
static int check_counts(const struct lens_rule *r, struct lens_err *err)
{
	bool joined = false;

	for (size_t i = 0; i < r->n_ops; i++)
		if (r->ops[i].op->takes == LENS_OP_JOIN && !r->ops[i].args.by)
			joined = true;
	if (joined && r->n[LENS_NATIVE] != 1)
		return lens_fail(err, EBADMSG,
				 "what is joined has one name, not %zu",
				 r->n[LENS_NATIVE]);
	if (!joined && r->n[LENS_HF] != r->n[LENS_NATIVE])
		return lens_fail(err, EBADMSG,
				 "%zu names on one side, %zu on the other, and "
				 "no op that joins them",
				 r->n[LENS_HF], r->n[LENS_NATIVE]);
	return 0;
}

static int one_drop(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when", "hf", "native", NULL };
	struct lens_rule r = { 0 };

	if (parse_rule(p, item, allowed, &r, err) < 0)
		return -err->code;
	p->r->drops[i] = r;
	p->r->n_drops++;
	return 0;
}

static int one_name(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when", "hf", "native", NULL };
	struct lens_rule r = { 0 };

	if (parse_rule(p, item, allowed, &r, err) < 0 ||
	    need_both(&r, err) < 0 || check_counts(&r, err) < 0 ||
	    check_rule(&r, err) < 0)
		return -err->code;
	if (r.n[LENS_HF] != 1)
		return lens_fail(err, EBADMSG,
				 "a rename has one pattern a side");
	p->r->names[i] = r;
	p->r->n_names++;
	return 0;
}

static int one_rule(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when", "hf", "native", "ops",
					       NULL };
	struct lens_rule r = { 0 };

	if (parse_rule(p, item, allowed, &r, err) < 0 ||
	    need_both(&r, err) < 0 ||
	    parse_ops(p, cJSON_GetObjectItemCaseSensitive(item, "ops"), &r,
		      err) < 0 ||
	    check_counts(&r, err) < 0 || check_rule(&r, err) < 0)
		return -err->code;
	p->r->rules[i] = r;
	p->r->n_rules++;
	return 0;
}

static int one_cast(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when", "native", "dtype",
					       NULL };
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
	struct lens_op_use *use = lens_parser_alloc(p, 1, sizeof(*use), err);
	struct lens_rule r = { 0 };

	if (!use || parse_rule(p, item, allowed, &r, err) < 0)
		return -err->code;
	use->op = lens_op_find("cast");
	if (use->op->parse(dtype, &p->r->arena, &use->args, err) < 0)
		return lens_wrap(err, "dtype");
	if (use->args.param && !is_param(p, use->args.param))
		return lens_fail(err, EBADMSG,
				 "'%s' is neither a dtype nor a parameter",
				 LENS_SHOW(use->args.param));
	r.ops = use;
	r.n_ops = 1;
	p->r->casts[i] = r;
	p->r->n_casts++;
	return 0;
}

static bool is_named(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/* "only" and "except": the keys that a codec is for. */
static int parse_keys(struct parser *p, const cJSON *options,
		      struct lens_codec_use *use, struct lens_err *err)
{
	static const char *const names[2] = { "only", "except" };

	for (unsigned i = 0; i < 2; i++) {
		const cJSON *item =
			cJSON_GetObjectItemCaseSensitive(options, names[i]);
		const char *const *text = NULL;
		struct lens_pattern **v;
		size_t n = 0;

		if (!item)
			continue;
		if (lens_parser_strings(p, item, &n, &text, err) < 0)
			return lens_wrap(err, "option '%s'", names[i]);
		v = lens_parser_alloc(p, n, sizeof(*v), err);
		if (!v)
			return -err->code;
		for (size_t k = 0; k < n; k++)
			if (parse_pattern(p, text[k], &v[k], err) < 0)
				return lens_wrap(err, "option '%s'", names[i]);
		use->n[i] = n;
		use->keys[i] = v;
	}
	return 0;
}

static int one_codec(struct parser *p, const cJSON *item, size_t i,
		     struct lens_err *err)
{
	const cJSON *v = cJSON_IsObject(item) ? item->child : NULL, *o;
	struct lens_codec_use *use = &p->r->codecs[i];
	const cJSON *out;
	struct lens_codec_args *args;

	if (!v || v->next || !cJSON_IsObject(v))
		return lens_fail(
			err, EBADMSG,
			"a codec is an object of its name and its options");
	use->codec = lens_codec_find(v->string);
	if (!use->codec)
		return lens_fail(err, EBADMSG, "no codec is called '%s'",
				 LENS_SHOW(v->string));
	cJSON_ArrayForEach (o, v) {
		if (!is_named(o->string, use->codec->options) &&
		    !is_named(o->string, lens_codec_common))
			return lens_fail(
				err, EBADMSG, "codec %s has no option '%s'",
				use->codec->name, LENS_SHOW(o->string));
	}
	out = cJSON_GetObjectItemCaseSensitive(v, "out");
	if (use->codec->bind &&
	    (!cJSON_IsString(out) ||
	     (lens_dtype_parse(out->valuestring) == LENS_DTYPE_INVALID &&
	      !is_param(p, out->valuestring))))
		return lens_fail(
			err, EBADMSG,
			"codec %s: option 'out' must be a dtype or a parameter",
			use->codec->name);
	if (parse_keys(p, v, use, err) < 0 ||
	    use->codec->parse(v, &p->r->arena, &args, err) < 0)
		return lens_wrap(err, "codec %s", use->codec->name);
	use->options = v;
	use->line = lens_parser_line(p);
	p->r->n_codecs++;
	return 0;
}

/* The fill's dimensions: whole numbers or parameters. */
static int parse_dims(struct parser *p, const cJSON *item,
		      struct lens_fill_rule *f, struct lens_err *err)
{
	const cJSON *e;

	if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) > LENS_DIMS)
		return lens_fail(err, EBADMSG,
				 "'shape' is an array of at most %d numbers or "
				 "parameters",
				 LENS_DIMS);
	cJSON_ArrayForEach (e, item) {
		char number[32];
		uint64_t v;

		if (lens_json_u64(e, &v) == 0) {
			(void)snprintf(number, sizeof(number), "%llu",
				       (unsigned long long)v);
			f->dims[f->rank] = lens_arena_strndup(
				&p->r->arena, number, strlen(number));
		} else if (cJSON_IsString(e) && is_param(p, e->valuestring)) {
			f->dims[f->rank] =
				lens_arena_strndup(&p->r->arena, e->valuestring,
						   strlen(e->valuestring));
		} else {
			return lens_fail(err, EBADMSG,
					 "dimension %u of 'shape' is neither a "
					 "number nor a parameter",
					 f->rank);
		}
		if (!f->dims[f->rank++])
			return lens_fail(err, ENOMEM, "no memory for a recipe");
	}
	return 0;
}

static int one_fill(struct parser *p, const cJSON *item, size_t i,
		    struct lens_err *err)
{
	static const char *const allowed[] = { "when",   "hf",    "native",
					       "beside", "dtype", "shape",
					       "value",  NULL };
	struct lens_fill_rule f = { 0 };
	struct lens_rule r = { 0 };
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, "value");
	const char *dtype = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(item, "dtype"));
	const char *beside = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(item, "beside"));

	if (parse_rule(p, item, allowed, &r, err) < 0 ||
	    parse_dims(p, cJSON_GetObjectItemCaseSensitive(item, "shape"), &f,
		       err) < 0)
		return -err->code;
	if (r.n[LENS_HF] + r.n[LENS_NATIVE] != 1)
		return lens_fail(
			err, EBADMSG,
			"one pattern, of the side where it appears, is wanted");
	f.side = r.n[LENS_HF] ? LENS_HF : LENS_NATIVE;
	f.key = r.side[f.side][0];
	f.dtype = dtype ? lens_dtype_find(dtype) : LENS_DTYPE_INVALID;
	if (f.dtype != LENS_F32 && f.dtype != LENS_BF16 && f.dtype != LENS_F16)
		return lens_fail(err, EBADMSG,
				 "'dtype' must be F32, BF16 or F16");
	if (!cJSON_IsNumber(value) || !beside)
		return lens_fail(err, EBADMSG, "'%s' is missing",
				 beside ? "value" : "beside");
	f.value = value->valuedouble;
	f.when = r.when;
	f.line = r.line;
	if (parse_pattern(p, beside, &f.beside, err) < 0)
		return -err->code;
	p->r->fills[i] = f;
	p->r->n_fills++;
	return 0;
}

/* Room for a section, then each of its elements. */
#define SECTION(fn, name, field, one)                                          \
	int fn(struct parser *p, const cJSON *item, struct lens_err *err)      \
	{                                                                      \
		p->r->field =                                                  \
			lens_parser_alloc(p, (size_t)cJSON_GetArraySize(item), \
					  sizeof(*p->r->field), err);          \
		if (!p->r->field)                                              \
			return -err->code;                                     \
		return lens_parser_each(p, item, name, one, err);              \
	}

SECTION(lens_parse_drops, "drop", drops, one_drop)
SECTION(lens_parse_codecs, "codecs", codecs, one_codec)
SECTION(lens_parse_names, "names", names, one_name)
SECTION(lens_parse_rules, "rules", rules, one_rule)
SECTION(lens_parse_casts, "casts", casts, one_cast)
SECTION(lens_parse_fills, "fill", fills, one_fill)

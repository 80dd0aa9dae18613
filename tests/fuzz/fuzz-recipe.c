/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-recipe.c - a recipe, and its patterns on keys.  A key that matches is
 * made again from what was captured; whatever a rule captures on one side can
 * be put into the other.
 */
#include "fuzz.h"

#include "lens/recipe.h"

/* Short, and with every kind of segment. */
static const char *const keys[] = {
	"",
	"a",
	"a.b",
	"0",
	"10.a",
	"a.1",
	"model.layers.3.mlp.experts.12.up_proj.weight",
	"p.activation_scale",
	"model.norm.weight",
	"..",
	"a..0.b",
};

static void check_made(const struct lens_pattern *p, const char *key,
		       const struct lens_captures *caps)
{
	struct lens_arena arena = { 0 };
	struct lens_captures again = { 0 };
	const char *made = lens_pattern_make(p, caps, &arena);

	FUZZ_CHECK(made && strcmp(made, key) == 0);
	FUZZ_CHECK(lens_pattern_match(p, made, &again));
	FUZZ_CHECK(again.n == caps->n);
	for (unsigned i = 0; i < caps->n; i++)
		FUZZ_CHECK(again.len[i] == caps->len[i]);
	again = *caps;
	FUZZ_CHECK(lens_pattern_match(p, key, &again) && again.n == caps->n);
	lens_arena_fini(&arena);
}

static void check_pattern(const struct lens_pattern *p)
{
	const char *names[LENS_CAPTURES];
	size_t n = lens_pattern_captures(p, names, LENS_CAPTURES);

	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(lens_pattern_has(p, names[i]));
	for (size_t i = 0; i < LENS_ARRAY_SIZE(keys); i++) {
		struct lens_captures caps = { 0 };

		if (!lens_pattern_match(p, keys[i], &caps)) {
			FUZZ_CHECK(caps.n == 0);
			continue;
		}
		FUZZ_CHECK(caps.n == n);
		for (unsigned k = 0; k < caps.n; k++)
			FUZZ_CHECK(caps.text[k] >= keys[i] &&
				   caps.text[k] + caps.len[k] <=
					   keys[i] + strlen(keys[i]));
		check_made(p, keys[i], &caps);
	}
}

/* Is @capture one that a stack of @r runs over? */
static bool stacked(const struct lens_rule *r, const char *capture)
{
	for (size_t i = 0; i < r->n_ops; i++)
		if (r->ops[i].args.by &&
		    strcmp(r->ops[i].args.by, capture) == 0)
			return true;
	return false;
}

/* Is @capture one that is computed? */
static bool computed(const struct lens_rule *r, const char *capture)
{
	for (size_t i = 0; i < r->n_lets; i++)
		if (strcmp(r->lets[i].name, capture) == 0)
			return true;
	return false;
}

/* What is made on @side must be captured on the other. */
static void check_sides(const struct lens_rule *r, enum lens_side side)
{
	const enum lens_side other = side == LENS_HF ? LENS_NATIVE : LENS_HF;
	const char *names[LENS_CAPTURES];

	for (size_t i = 0; !r->one_way[side] && i < r->n[side]; i++) {
		size_t n = lens_pattern_captures(r->side[side][i], names,
						 LENS_CAPTURES);

		for (size_t k = 0; k < n; k++)
			for (size_t j = 0; j < r->n[other]; j++)
				FUZZ_CHECK(stacked(r, names[k]) ||
					   computed(r, names[k]) ||
					   lens_pattern_has(r->side[other][j],
							    names[k]));
	}
}

static void check_ops(const struct lens_op_use *ops, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		FUZZ_CHECK(ops[k].op && ops[k].n_in);
		FUZZ_CHECK(ops[k].args.n_values <= LENS_OP_VALUES);
		for (unsigned i = 0; i < ops[k].args.n_values; i++)
			FUZZ_CHECK(ops[k].args.expr[i]);
	}
}

static void check_when(const struct lens_when *when)
{
	for (size_t i = 0; i < when->n; i++) {
		const struct lens_condition *c = &when->all[i];

		FUZZ_CHECK(c->of != LENS_OF_PARAM || c->param);
		FUZZ_CHECK(c->of != LENS_OF_VALUE || c->expr);
		FUZZ_CHECK(!c->unset || c->of == LENS_OF_PARAM);
		for (size_t k = 0; k < c->n_numbers; k++)
			FUZZ_CHECK(c->number[k]);
		for (size_t k = 0; k < c->n; k++)
			FUZZ_CHECK(c->text[k]);
	}
}

static void check_rules(const struct lens_recipe *recipe,
			const struct lens_rule *rules, size_t n, bool both,
			size_t lines)
{
	for (size_t i = 0; i < n; i++) {
		const struct lens_rule *r = &rules[i];

		FUZZ_CHECK(r->text && r->recipe && r->line >= 1);
		/* Else it is of a recipe that this one takes it from. */
		FUZZ_CHECK(r->recipe != recipe->name || r->line <= lines);
		FUZZ_CHECK(r->n[0] + r->n[1]);
		FUZZ_CHECK(!both || (r->n[0] && r->n[1]));
		FUZZ_CHECK(!r->one_way[0] || !r->one_way[1]);
		for (unsigned side = 0; side < 2; side++)
			for (size_t k = 0; k < r->n[side]; k++)
				check_pattern(r->side[side][k]);
		for (size_t k = 0; k < r->n_except; k++)
			check_pattern(r->except[k]);
		check_when(&r->when);
		check_ops(r->ops, r->n_ops);
		check_ops(r->back, r->n_back);
		if (both) {
			check_sides(r, LENS_HF);
			check_sides(r, LENS_NATIVE);
		}
	}
}

static void check_recipe(const struct lens_recipe *r)
{
	size_t lines = 1;

	for (const char *s = r->text; *s; s++)
		lines += *s == '\n';
	FUZZ_CHECK(r->name && r->summary);
	check_rules(r, r->drops, r->n_drops, false, lines);
	check_rules(r, r->refuses, r->n_refuses, false, lines);
	check_rules(r, r->names, r->n_names, true, lines);
	check_rules(r, r->rules, r->n_rules, true, lines);
	check_rules(r, r->casts, r->n_casts, false, lines);
	for (size_t i = 0; i < r->n_fills; i++) {
		const struct lens_fill_rule *f = &r->fills[i];

		FUZZ_CHECK(f->rank <= LENS_DIMS);
		for (unsigned d = 0; d < f->rank; d++)
			FUZZ_CHECK(f->dims[d]);
		FUZZ_CHECK(f->kind != LENS_ALIAS || f->beside);
		check_pattern(f->key);
		if (f->beside)
			check_pattern(f->beside);
		check_when(&f->when);
	}
	for (size_t i = 0; i < r->n_codecs; i++)
		FUZZ_CHECK(r->codecs[i].codec);
	(void)lens_recipe_support(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct lens_recipe *recipe;
	struct lens_err err;
	int r = lens_recipe_parse((const char *)data, n, "fuzz", &recipe, &err);

	if (r < 0) {
		fuzz_check_err(r, &err);
		FUZZ_CHECK(err.code == EBADMSG);
		FUZZ_CHECK(strncmp(err.msg, "fuzz: line ", 11) == 0);
		return 0;
	}
	check_recipe(recipe);
	lens_recipe_free(recipe);
	return 0;
}

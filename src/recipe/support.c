/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support.c - what a recipe can do, read off its rules.
 */
#include "recipe/parts.h"

#include <errno.h>

/* Can @r's ops be undone, where they must be? */
static bool can_go_back(const struct lens_rule *r)
{
	for (size_t i = 0; !r->one_way[LENS_HF] && !r->back && i < r->n_ops;
	     i++) {
		const struct lens_op_use *use = &r->ops[i];
		const struct lens_op *op;
		struct lens_op_args args;
		struct lens_err err;

		if (lens_op_inverse(use->op, &use->args, use->n_in, &op, &args,
				    &err) < 0)
			return false;
	}
	return true;
}

/* What the ops of a rule lose, but for the rounding of a cast, which only is
 * one where the dtypes differ. */
static const char *loses(const struct lens_rule *r)
{
	for (size_t i = 0; i < r->n_ops; i++)
		if (r->ops[i].op->loses && !r->ops[i].args.dtype &&
		    !r->ops[i].args.param)
			return r->ops[i].op->loses;
	return NULL;
}

/* Scales that no tensor has are nothing that could come back. */
static bool drops_tensors(const struct lens_rule *r)
{
	for (size_t i = 0; i < r->n[LENS_HF]; i++)
		if (!strstr(lens_pattern_text(r->side[LENS_HF][i]), "scale") &&
		    !r->n[LENS_NATIVE])
			return true;
	return false;
}

struct lens_support lens_recipe_support(const struct lens_recipe *r)
{
	struct lens_support s = { .back = true };

	for (size_t i = 0; i < r->n_rules; i++) {
		s.back &= can_go_back(&r->rules[i]);
		if (!s.lost)
			s.lost = loses(&r->rules[i]);
	}
	for (size_t i = 0; i < r->n_drops && !s.lost; i++)
		if (drops_tensors(&r->drops[i]))
			s.lost = "dropped tensors";
	for (size_t i = 0; i < r->n_casts && !s.lost; i++)
		if (r->casts[i].n[LENS_NATIVE])
			s.lost = "dtypes";
	for (size_t i = 0; i < r->n_rules + r->n_names && !s.lost; i++) {
		const struct lens_rule *rule =
			i < r->n_rules ? &r->rules[i] :
					 &r->names[i - r->n_rules];

		if (rule->one_way[LENS_HF])
			s.lost = "other spellings";
	}
	return s;
}

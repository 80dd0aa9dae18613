/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - between the files that parse a recipe.
 */
#ifndef LENS_RECIPE_PARTS_H
#define LENS_RECIPE_PARTS_H

#include "lens/recipe.h"

/* A recipe being parsed, or one that it takes from. */
struct parser {
	struct lens_recipe *r;
	const char *text;
	size_t n;
	const char *origin;
	const char *name; /* of the recipe whose text this is */
	char path[256];   /* of the item at hand: "rules.3.hf" */
	bool placed;      /* line and column are in the message already */
	unsigned depth;   /* of extends and scopes */
	/* In a scope: what stands in front of the keys of each side, and what
	 * must hold. */
	const char *prefix[2];
	struct lens_when when;
};

/* Put origin, line and column of the item at hand in front of @err. */
int lens_parser_place(struct parser *p, struct lens_err *err);
/* The item at hand is its member @name (or number) now; parser_up() goes back.
 */
size_t lens_parser_down(struct parser *p, const char *name);
void lens_parser_up(struct parser *p, size_t mark);

/* @item is an object whose members are all in @allowed (NULL at the end). */
int lens_parser_object(struct parser *p, const cJSON *item,
		       const char *const *allowed, struct lens_err *err);
/* A copy of the string @item. */
int lens_parser_string(struct parser *p, const cJSON *item, const char **ret,
		       struct lens_err *err);
/* Strings: one, or an array of them. */
int lens_parser_strings(struct parser *p, const cJSON *item, size_t *n,
			const char *const **ret, struct lens_err *err);
/* A string or a number as a string. */
int lens_parser_text(struct parser *p, const cJSON *item, const char **ret,
		     struct lens_err *err);
/* A number, or a string that is an expression. */
int lens_parser_expr(struct parser *p, const cJSON *item,
		     const struct lens_expr **ret, struct lens_err *err);
/* For each element of array @item, which stands at @name; @item NULL: nothing.
 */
int lens_parser_each(struct parser *p, const cJSON *item, const char *name,
		     int (*fn)(struct parser *p, const cJSON *item, size_t i,
			       struct lens_err *err),
		     struct lens_err *err);
void *lens_parser_alloc(struct parser *p, size_t n, size_t size,
			struct lens_err *err);
unsigned lens_parser_line(const struct parser *p); /* of the item at hand */
/* The copy of @name in the arena. */
int lens_parser_name(struct parser *p, const char *name, const char **ret,
		     struct lens_err *err);
bool lens_parser_is_param(const struct parser *p, const char *name);

/* Patterns at member @name of @item (one, or an array; none if it is not
 * there), each behind @prefix. */
int lens_parse_patterns(struct parser *p, const cJSON *item, const char *name,
			const char *prefix, size_t *n,
			struct lens_pattern *const **ret, struct lens_err *err);

/* params.c: detect and params. */
int lens_parse_detect(struct parser *p, const cJSON *item,
		      struct lens_err *err);
int lens_parse_params(struct parser *p, const cJSON *item,
		      struct lens_err *err);

/* when.c */
int lens_parse_when(struct parser *p, const cJSON *item, struct lens_when *ret,
		    struct lens_err *err);
int lens_parse_let(struct parser *p, const cJSON *item, struct lens_rule *r,
		   struct lens_err *err);
/* Every name in the conditions, lets and arguments of @r means something. */
int lens_check_names(const struct parser *p, struct lens_rule *r,
		     struct lens_err *err);
/* The same of @e, which may name captures of @pattern (NULL: none). */
int lens_check_expr(const struct parser *p, const struct lens_expr *e,
		    const struct lens_pattern *pattern, struct lens_err *err);

/* rules.c, codecs.c, made.c: the sections of the same name. */
int lens_parse_drops(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_refuses(struct parser *p, const cJSON *item,
		       struct lens_err *err);
int lens_parse_codecs(struct parser *p, const cJSON *item,
		      struct lens_err *err);
int lens_parse_names(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_rules(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_casts(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_fills(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_aliases(struct parser *p, const cJSON *item,
		       struct lens_err *err);
int lens_parse_computes(struct parser *p, const cJSON *item,
			struct lens_err *err);
/* All that is in a scope goes from prefix to prefix. */
int lens_parse_scope_names(struct parser *p, struct lens_err *err);
/* quantize.c */
int lens_parse_quantize(struct parser *p, const cJSON *item,
			struct lens_err *err);
/* ops.c: an array of ops; @n_in: tensors that the first one gets; *n_out: that
 * the last one leaves. */
int lens_parse_ops(struct parser *p, const cJSON *item, const char *name,
		   size_t n_in, size_t *n, const struct lens_op_use **ret,
		   size_t *n_out, struct lens_err *err);

/* Room in a section for what @item, an array or nothing, has more. */
#define LENS_GROW(p, field, n_field, item, err)                            \
	({                                                                 \
		const size_t have_ = (p)->r->n_field;                      \
		__typeof__((p)->r->field) v_ = lens_parser_alloc(          \
			(p), have_ + (size_t)cJSON_GetArraySize(item) + 1, \
			sizeof(*v_), (err));                               \
		if (v_ && have_)                                           \
			memcpy(v_, (p)->r->field, have_ * sizeof(*v_));    \
		if (v_)                                                    \
			(p)->r->field = v_;                                \
		v_ ? 0 : -ENOMEM;                                          \
	})

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - between the files that parse a recipe.
 */
#ifndef LENS_RECIPE_PARTS_H
#define LENS_RECIPE_PARTS_H

#include "lens/recipe.h"

/* A recipe being parsed. */
struct parser {
	struct lens_recipe *r;
	const char *text;
	size_t n;
	const char *origin;
	char path[256]; /* of the item at hand: "rules.3.hf" */
	bool placed;    /* line and column are in the message already */
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
/* For each element of array @item, which stands at @name; @item NULL: nothing.
 */
int lens_parser_each(struct parser *p, const cJSON *item, const char *name,
		     int (*fn)(struct parser *p, const cJSON *item, size_t i,
			       struct lens_err *err),
		     struct lens_err *err);
void *lens_parser_alloc(struct parser *p, size_t n, size_t size,
			struct lens_err *err);
unsigned lens_parser_line(const struct parser *p); /* of the item at hand */

/* rules.c: the sections of the same name. */
int lens_parse_drops(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_codecs(struct parser *p, const cJSON *item,
		      struct lens_err *err);
int lens_parse_names(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_rules(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_casts(struct parser *p, const cJSON *item, struct lens_err *err);
int lens_parse_fills(struct parser *p, const cJSON *item, struct lens_err *err);
/* quantize.c */
int lens_parse_quantize(struct parser *p, const cJSON *item,
			struct lens_err *err);

#endif

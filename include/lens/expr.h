/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/expr.h - whole-number expressions (part of base).
 *
 *	names, elements of lists (heads[L]), numbers, + - * /, parentheses,
 *	ceil(a / b), floor(a / b), min(a, b), max(a, b), and find(list, a), the
 *	index of a in a list
 *
 * A plain division must leave no remainder.  Immutable once parsed.
 */
#ifndef LENS_EXPR_H
#define LENS_EXPR_H

#include "lens/base.h"

struct lens_expr;

/* EBADMSG saying what is wrong with @text. It lives in @arena. */
int lens_expr_parse(const char *text, struct lens_arena *arena,
		    struct lens_expr **ret,
		    struct lens_err *err) LENS_MUST_CHECK;
const char *lens_expr_text(const struct lens_expr *e);
/* Call @fn for each name in it until it answers false, and answer that. */
bool lens_expr_names(const struct lens_expr *e,
		     bool (*fn)(void *ctx, const char *name), void *ctx);

/* What names mean. */
struct lens_expr_env {
	/* @name, or its element *@index (NULL: the name alone). Negative: it
	 * has no value, and why. */
	int (*value)(const void *ctx, const char *name, const int64_t *index,
		     int64_t *ret, struct lens_err *err);
	const void *ctx;
};

/* EINVAL: a division by 0 or with a remainder, more than 2^53, or what
 * env->value says. */
int lens_expr_eval(const struct lens_expr *e, const struct lens_expr_env *env,
		   int64_t *ret, struct lens_err *err) LENS_MUST_CHECK;

#endif

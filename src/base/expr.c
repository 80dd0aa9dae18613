/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr.c - whole-number expressions: a parser by recursive descent and a walk
 * over the tree it makes.
 */
#include "lens/expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define MOST_TEXT 200   /* bytes; bounds how deep a tree can be */
#define MOST_LIST 65536 /* elements that are looked at */
#define MOST_VALUE ((int64_t)1 << 53)

enum kind {
	NUMBER,
	NAME,
	ELEMENT,
	FIND,
	ADD,
	SUB,
	MUL,
	DIV,
	CEIL,
	FLOOR,
	MIN,
	MAX
};

struct lens_expr {
	enum kind kind;
	int64_t number;
	const char *name; /* NAME, ELEMENT, FIND */
	const char *text; /* the whole; of the root alone */
	struct lens_expr *a, *b;
};

struct parser {
	const char *s, *text;
	struct lens_arena *arena;
	struct lens_err *err;
};

static struct lens_expr *sum(struct parser *p);

static struct lens_expr *failed(struct parser *p, const char *why)
{
	(void)lens_fail(p->err, EBADMSG, "expression '%s', byte %zu: %s",
			LENS_SHOW(p->text), (size_t)(p->s - p->text) + 1, why);
	return NULL;
}

static struct lens_expr *node(struct parser *p, enum kind kind,
			      struct lens_expr *a, struct lens_expr *b)
{
	struct lens_expr *e = lens_arena_alloc(p->arena, sizeof(*e));

	if (!e) {
		(void)lens_fail(p->err, ENOMEM, "no memory for an expression");
		return NULL;
	}
	e->kind = kind;
	e->a = a;
	e->b = b;
	return e;
}

/* Is @c what comes next?  Then it is taken. */
static bool next_is(struct parser *p, char c)
{
	while (*p->s == ' ')
		p->s++;
	if (*p->s != c)
		return false;
	p->s++;
	return true;
}

static struct lens_expr *number(struct parser *p)
{
	struct lens_expr *e = node(p, NUMBER, NULL, NULL);

	for (; e && isdigit((unsigned char)*p->s); p->s++) {
		e->number = e->number * 10 + (*p->s - '0');
		if (e->number > MOST_VALUE)
			return failed(p, "the number is too large");
	}
	return e;
}

/* What stands in the parentheses of a function. */
static struct lens_expr *call(struct parser *p, enum kind kind)
{
	const bool two = kind == MIN || kind == MAX || kind == FIND;
	struct lens_expr *a = sum(p), *b = NULL, *e;

	if (!a)
		return NULL;
	if (two) {
		if (!next_is(p, ','))
			return failed(p, "two values are wanted");
		b = sum(p);
		if (!b)
			return NULL;
	} else if (a->kind != DIV) {
		return failed(p, "a division is wanted in ceil() and floor()");
	}
	if (!next_is(p, ')'))
		return failed(p, "a ')' is wanted");
	if (kind == FIND && a->kind != NAME)
		return failed(p, "find() wants the name of a list first");
	e = !two         ? node(p, kind, a->a, a->b) :
	    kind == FIND ? node(p, kind, b, NULL) :
			   node(p, kind, a, b);
	if (e && kind == FIND)
		e->name = a->name;
	return e;
}

static struct lens_expr *named(struct parser *p)
{
	static const struct {
		const char *name;
		enum kind kind;
	} functions[] = { { "ceil", CEIL },
			  { "floor", FLOOR },
			  { "min", MIN },
			  { "max", MAX },
			  { "find", FIND } };
	const char *from = p->s;
	struct lens_expr *e, *at = NULL;
	size_t n;

	while (isalnum((unsigned char)*p->s) || *p->s == '_' || *p->s == '.')
		p->s++;
	n = (size_t)(p->s - from);
	if (next_is(p, '(')) {
		for (size_t i = 0; i < LENS_ARRAY_SIZE(functions); i++)
			if (strlen(functions[i].name) == n &&
			    memcmp(functions[i].name, from, n) == 0)
				return call(p, functions[i].kind);
		return failed(p, "no function is called so");
	}
	if (next_is(p, '[')) {
		at = sum(p);
		if (!at)
			return NULL;
		if (!next_is(p, ']'))
			return failed(p, "a ']' is wanted");
	}
	e = node(p, at ? ELEMENT : NAME, at, NULL);
	if (e)
		e->name = lens_arena_strndup(p->arena, from, n);
	if (e && !e->name) {
		(void)lens_fail(p->err, ENOMEM, "no memory for an expression");
		return NULL;
	}
	return e;
}

static struct lens_expr *value(struct parser *p)
{
	struct lens_expr *e;

	if (next_is(p, '(')) {
		e = sum(p);
		if (e && !next_is(p, ')'))
			return failed(p, "a ')' is wanted");
		/* (a / b) in ceil() is no division of its own. */
		return e && e->kind == DIV ?
			       node(p, ADD, e, node(p, NUMBER, NULL, NULL)) :
			       e;
	}
	if (isdigit((unsigned char)*p->s))
		return number(p);
	if (isalpha((unsigned char)*p->s) || *p->s == '_')
		return named(p);
	return failed(p, "a number or a name is wanted");
}

static struct lens_expr *product(struct parser *p)
{
	struct lens_expr *e = value(p), *b;

	while (e) {
		const bool times = next_is(p, '*');

		if (!times && !next_is(p, '/'))
			return e;
		b = value(p);
		e = b ? node(p, times ? MUL : DIV, e, b) : NULL;
	}
	return NULL;
}

static struct lens_expr *sum(struct parser *p)
{
	struct lens_expr *e = product(p), *b;

	while (e) {
		const bool plus = next_is(p, '+');

		if (!plus && !next_is(p, '-'))
			return e;
		b = product(p);
		e = b ? node(p, plus ? ADD : SUB, e, b) : NULL;
	}
	return NULL;
}

int lens_expr_parse(const char *text, struct lens_arena *arena,
		    struct lens_expr **ret, struct lens_err *err)
{
	struct parser p = { .s = text, .arena = arena, .err = err };
	struct lens_expr *e;

	if (strlen(text) > MOST_TEXT)
		return lens_fail(err, EBADMSG,
				 "an expression has at most %d bytes",
				 MOST_TEXT);
	p.text = text;
	e = sum(&p);
	if (e && !next_is(&p, 0))
		e = failed(&p, "the expression should end here");
	if (!e)
		return -err->code;
	e->text = lens_arena_strndup(arena, text, strlen(text));
	if (!e->text)
		return lens_fail(err, ENOMEM, "no memory for an expression");
	*ret = e;
	return 0;
}

const char *lens_expr_text(const struct lens_expr *e)
{
	return e->text;
}

bool lens_expr_names(const struct lens_expr *e,
		     bool (*fn)(void *ctx, const char *name), void *ctx)
{
	return (!e->name || fn(ctx, e->name)) &&
	       (!e->a || lens_expr_names(e->a, fn, ctx)) &&
	       (!e->b || lens_expr_names(e->b, fn, ctx));
}

/* A quotient: downwards, upwards, or exactly. */
static int divide(enum kind kind, int64_t a, int64_t b, int64_t *ret,
		  struct lens_err *err)
{
	int64_t q;

	if (!b)
		return lens_fail(err, EINVAL, "a division by 0");
	q = a / b;
	if (a % b && kind == DIV)
		return lens_fail(err, EINVAL, "%lld / %lld leaves a remainder",
				 (long long)a, (long long)b);
	if (a % b && (a < 0) == (b < 0) && kind == CEIL)
		q++;
	if (a % b && (a < 0) != (b < 0) && kind == FLOOR)
		q--;
	*ret = q;
	return 0;
}

static int combine(enum kind kind, int64_t a, int64_t b, int64_t *ret,
		   struct lens_err *err)
{
	bool over = false;
	int r = 0;

	switch (kind) {
	case ADD:
		over = __builtin_add_overflow(a, b, ret);
		break;
	case SUB:
		over = __builtin_sub_overflow(a, b, ret);
		break;
	case MUL:
		over = __builtin_mul_overflow(a, b, ret);
		break;
	case MIN:
		*ret = a < b ? a : b;
		break;
	case MAX:
		*ret = a > b ? a : b;
		break;
	default:
		r = divide(kind, a, b, ret, err);
		break;
	}
	if (!r && (over || *ret > MOST_VALUE || *ret < -MOST_VALUE))
		return lens_fail(err, EINVAL, "a value beyond 2^53");
	return r;
}

/* The index of @want in list @name. */
static int find(const struct lens_expr_env *env, const char *name, int64_t want,
		int64_t *ret, struct lens_err *err)
{
	for (int64_t i = 0, v; i < MOST_LIST; i++) {
		if (env->value(env->ctx, name, &i, &v, err) < 0)
			return lens_wrap(err, "%lld is not in '%s'",
					 (long long)want, LENS_SHOW(name));
		if (v == want) {
			*ret = i;
			return 0;
		}
	}
	return lens_fail(err, EINVAL, "%lld is not in '%s'", (long long)want,
			 LENS_SHOW(name));
}

static int eval(const struct lens_expr *e, const struct lens_expr_env *env,
		int64_t *ret, struct lens_err *err)
{
	int64_t a, b;

	switch (e->kind) {
	case NUMBER:
		*ret = e->number;
		return 0;
	case NAME:
		return env->value(env->ctx, e->name, NULL, ret, err);
	case ELEMENT:
		if (eval(e->a, env, &a, err) < 0)
			return -err->code;
		return env->value(env->ctx, e->name, &a, ret, err);
	case FIND:
		if (eval(e->a, env, &a, err) < 0)
			return -err->code;
		return find(env, e->name, a, ret, err);
	default:
		if (eval(e->a, env, &a, err) < 0 ||
		    eval(e->b, env, &b, err) < 0)
			return -err->code;
		return combine(e->kind, a, b, ret, err);
	}
}

int lens_expr_eval(const struct lens_expr *e, const struct lens_expr_env *env,
		   int64_t *ret, struct lens_err *err)
{
	int64_t v;

	if (eval(e, env, &v, err) < 0)
		return e->text && e->kind != NAME ?
			       lens_wrap(err, "'%s'", LENS_SHOW(e->text)) :
			       -err->code;
	*ret = v;
	return 0;
}

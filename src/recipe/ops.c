/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops.c - the ops of a rule, and how many tensors each of them gets.
 */
#include "recipe/parts.h"

#include <errno.h>
#include <stdio.h>

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
	if (ret->args.param && !lens_parser_is_param(p, ret->args.param))
		return lens_fail(err, EBADMSG,
				 "%s: '%s' is neither a dtype nor a parameter",
				 ret->op->name, LENS_SHOW(ret->args.param));
	return 0;
}

/* How many tensors (of each index) @use leaves of @n. */
static int count(struct lens_op_use *use, size_t n, size_t *ret,
		 struct lens_err *err)
{
	use->n_in = n;
	*ret = n;
	switch (use->op->takes) {
	case LENS_OP_EACH:
		break;
	case LENS_OP_JOIN:
		*ret = use->args.by ? n : 1;
		break;
	case LENS_OP_PART:
		*ret = use->args.by ? n : n * use->args.parts;
		break;
	case LENS_OP_SHUFFLE:
		if (n != use->args.parts)
			return lens_fail(err, EBADMSG,
					 "%s: it gets %zu tensors, not %zu",
					 use->op->name, n, use->args.parts);
		break;
	}
	return 0;
}

int lens_parse_ops(struct parser *p, const cJSON *item, const char *name,
		   size_t n_in, size_t *n, const struct lens_op_use **ret,
		   size_t *n_out, struct lens_err *err)
{
	const size_t mark = lens_parser_down(p, name);
	struct lens_op_use *ops = lens_parser_alloc(
		p, (size_t)cJSON_GetArraySize(item), sizeof(*ops), err);
	const cJSON *e;

	if (!ops)
		return -err->code;
	if (item && !cJSON_IsArray(item)) {
		(void)lens_fail(err, EBADMSG, "an array of ops is wanted here");
		return lens_parser_place(p, err);
	}
	*ret = ops;
	*n_out = n_in;
	*n = 0;
	cJSON_ArrayForEach (e, item) {
		char number[24];
		size_t inner;

		(void)snprintf(number, sizeof(number), "%zu", *n);
		inner = lens_parser_down(p, number);
		if (parse_op(p, e, &ops[*n], err) < 0 ||
		    count(&ops[*n], *n_out, n_out, err) < 0)
			return lens_parser_place(p, err);
		++*n;
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return 0;
}

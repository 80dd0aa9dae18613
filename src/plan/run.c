/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - a rule's ops over the tensors of a group: from hf to native as they
 * stand, the other way inverted and backwards, or as the rule says.
 */
#include "plan/group.h"

#include <errno.h>

int lens_member_by_place(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int by_slot(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int apply_each(struct lens_plan *p, const struct lens_op *op,
		      const struct lens_op_args *args, struct members *m,
		      struct lens_err *err)
{
	for (size_t i = 0; i < m->n; i++) {
		struct lens_virtual out;

		if (op->map(args, &m->v[i].v, 1, &p->arena, &out, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(m->v[i].key));
		m->v[i].v = out;
	}
	return 0;
}

/* Runs of members that differ in nothing but slot (concat) or index (stack)
 * become one. */
static int apply_join(struct lens_plan *p, const struct lens_op *op,
		      const struct lens_op_args *args, struct members *m,
		      struct lens_err *err)
{
	struct lens_virtual *in = malloc((m->n ? m->n : 1) * sizeof(*in));
	size_t n = 0;

	if (!in)
		return lens_fail(err, ENOMEM, "no memory for a group");
	qsort(m->v, m->n, sizeof(*m->v),
	      args->by ? by_slot : lens_member_by_place);
	for (size_t i = 0, k; i < m->n; i += k) {
		struct member one = m->v[i];

		for (k = 0; i + k < m->n &&
			    (args->by ? m->v[i + k].slot == one.slot :
					m->v[i + k].index == one.index);
		     k++)
			in[k] = m->v[i + k].v;
		if (op->map(args, in, k, &p->arena, &one.v, err) < 0) {
			free(in);
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(one.key));
		}
		if (args->by)
			one.index = 0;
		else
			one.slot = 0;
		m->v[n++] = one;
	}
	m->n = n;
	free(in);
	return 0;
}

/* How many parts @v is taken into. */
static int count_parts(const struct lens_virtual *v, struct lens_op_args *args,
		       struct lens_err *err)
{
	const uint64_t n = !args->by      ? args->parts :
			   args->n_values ? args->value[0] :
			   v->rank        ? v->shape[0] :
					    0;

	if (!n || n > LENS_STACKED_MAX)
		return lens_fail(err, EINVAL,
				 "%llu tensors can't be made of it",
				 (unsigned long long)n);
	args->parts = (size_t)n;
	return 0;
}

static int part_one(struct lens_plan *p, const struct lens_op *op,
		    struct lens_op_args args, const struct member *m,
		    struct members *out, struct lens_err *err)
{
	lens_autofree struct lens_virtual *v = NULL;

	if (count_parts(&m->v, &args, err) < 0)
		return -err->code;
	v = calloc(args.parts, sizeof(*v));
	if (!v)
		return lens_fail(err, ENOMEM, "no memory for %zu parts",
				 args.parts);
	if (op->map(&args, &m->v, 1, &p->arena, v, err) < 0)
		return -err->code;
	for (size_t k = 0; k < args.parts; k++) {
		struct member one = *m;

		one.v = v[k];
		if (args.by)
			one.index = k;
		else
			one.slot = (unsigned)(m->slot * args.parts + k);
		if (lens_members_add(out, &one, err) < 0)
			return -err->code;
	}
	return 0;
}

static int apply_part(struct lens_plan *p, const struct lens_op *op,
		      const struct lens_op_args *args, struct members *m,
		      struct lens_err *err)
{
	struct members out = { 0 };

	for (size_t i = 0; i < m->n; i++)
		if (part_one(p, op, *args, &m->v[i], &out, err) < 0) {
			free(out.v);
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(m->v[i].key));
		}
	free(m->v);
	*m = out;
	return 0;
}

/* The members of each index in another order. */
static int apply_shuffle(struct lens_plan *p, const struct lens_op *op,
			 const struct lens_op_args *args, struct members *m,
			 struct lens_err *err)
{
	struct lens_virtual in[LENS_OP_VALUES], out[LENS_OP_VALUES];

	qsort(m->v, m->n, sizeof(*m->v), lens_member_by_place);
	for (size_t i = 0; i < m->n; i += args->parts) {
		for (size_t k = 0; k < args->parts && i + k < m->n; k++)
			in[k] = m->v[i + k].v;
		if (op->map(args, in,
			    m->n - i < args->parts ? m->n - i : args->parts,
			    &p->arena, out, err) < 0)
			return lens_wrap(err, "tensor '%s'",
					 LENS_SHOW(m->v[i].key));
		for (size_t k = 0; k < args->parts; k++)
			m->v[i + k].v = out[k];
	}
	return 0;
}

/* The op's arguments, now that parameters and captures are known. */
static int resolve(struct lens_plan *p, const struct group *g,
		   struct lens_op_args *args, struct lens_err *err)
{
	const struct lens_about a = { .p = p,
				      .caps = &g->caps,
				      .v = &g->members.v[0].v };

	if (args->param &&
	    lens_plan_param_dtype(p, args->param, &args->dtype, err) < 0)
		return -err->code;
	for (unsigned i = 0; i < args->n_values; i++)
		if (lens_plan_eval(&a, args->expr[i], &args->value[i], err) < 0)
			return -err->code;
	return 0;
}

static int apply(struct lens_plan *p, const struct lens_op *op,
		 struct lens_op_args args, struct group *g,
		 struct lens_err *err)
{
	struct members *m = &g->members;
	int r = 0;

	if (resolve(p, g, &args, err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(m->v[0].key));
	switch (op->takes) {
	case LENS_OP_EACH:
		r = apply_each(p, op, &args, m, err);
		break;
	case LENS_OP_JOIN:
		r = apply_join(p, op, &args, m, err);
		break;
	case LENS_OP_PART:
		r = apply_part(p, op, &args, m, err);
		break;
	case LENS_OP_SHUFFLE:
		r = apply_shuffle(p, op, &args, m, err);
		break;
	}
	return r;
}

static int run_inverses(struct lens_plan *p, struct group *g,
			struct lens_err *err)
{
	const struct lens_rule *r = g->rule;

	for (size_t i = r->n_ops; i-- > 0;) {
		const struct lens_op_use *use = &r->ops[i];
		const struct lens_op *op = NULL;
		struct lens_op_args args = { 0 };

		if (lens_op_inverse(use->op, &use->args, use->n_in, &op, &args,
				    err) < 0)
			return lens_wrap(
				err, "recipe %s can't be reversed: line %u: %s",
				r->recipe, r->line, use->op->name);
		if (op && apply(p, op, args, g, err) < 0)
			return -err->code;
	}
	return 0;
}

/* The rule's ops in the plan's direction. */
int lens_group_run(struct lens_plan *p, struct group *g, struct lens_err *err)
{
	const struct lens_rule *r = g->rule;
	const bool back = p->in == LENS_NATIVE;
	const struct lens_op_use *ops = back ? r->back : r->ops;
	const size_t n = back ? r->n_back : r->n_ops;

	if (back && !r->back)
		return run_inverses(p, g, err);
	for (size_t i = 0; i < n; i++)
		if (apply(p, ops[i].op, ops[i].args, g, err) < 0)
			return -err->code;
	return 0;
}

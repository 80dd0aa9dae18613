/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deal.c - a dimension that holds the parts of rank 0, then those of rank 1,
 * and so on: each part by itself, its ranks one behind the other; and back.
 */
#include "op/ops.h"

#include <errno.h>

/* {"dim": 0, "ranks": N, "sizes": [...]}: sizes are those in one rank. */
static int parse(const cJSON *value, struct lens_arena *arena,
		 struct lens_op_args *ret, struct lens_err *err)
{
	static const char *const members[] = { "dim", "ranks", "sizes", NULL };

	if (lens_op_parse_dim(value, members, ret, err) < 0 ||
	    lens_op_parse_sizes(value, arena, ret, 1, err) < 0)
		return -err->code;
	ret->parts = ret->n_values - 1;
	if (lens_op_parse_value(
		    cJSON_GetObjectItemCaseSensitive(value, "ranks"), arena,
		    ret, 0, err) < 0)
		return lens_wrap(err, "ranks");
	return 0;
}

/* What one rank holds; @total must be what all of them hold. */
static int check(const struct lens_op_args *args, uint64_t total, unsigned d,
		 uint64_t *ret, struct lens_err *err)
{
	uint64_t sum = 0, want;

	for (size_t i = 0; i < args->parts; i++)
		sum += args->value[i + 1]; /* each at most 2^53 */
	if (__builtin_mul_overflow(sum, args->value[0], &want) || want != total)
		return lens_fail(err, EINVAL,
				 "dimension %u is %llu, but %llu ranks of %llu "
				 "are wanted",
				 d, (unsigned long long)total,
				 (unsigned long long)args->value[0],
				 (unsigned long long)sum);
	*ret = sum;
	return 0;
}

/* @n tensors, made by cut() of two numbers, joined. */
static int join_cuts(const struct lens_virtual *in, size_t n, unsigned d,
		     struct lens_arena *arena, struct lens_virtual *out,
		     struct lens_err *err)
{
	if (n == 1) {
		*out = *in;
		return 0;
	}
	return lens_virtual_join(in, n, d, arena, out, err);
}

static int deal(const struct lens_op_args *args, const struct lens_virtual *in,
		size_t n, struct lens_arena *arena, struct lens_virtual *out,
		struct lens_err *err)
{
	const size_t ranks = (size_t)args->value[0];
	lens_autofree struct lens_virtual *cuts = NULL;
	uint64_t each = 0, at = 0;
	unsigned d;

	(void)n;
	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    check(args, in->shape[d], d, &each, err) < 0)
		return -err->code;
	cuts = calloc(ranks ? ranks : 1, sizeof(*cuts));
	if (!cuts)
		return lens_fail(err, ENOMEM, "no memory for %zu ranks", ranks);
	for (size_t i = 0; i < args->parts; at += args->value[++i]) {
		for (size_t r = 0; r < ranks; r++)
			if (lens_virtual_cut(in, d, r * each + at,
					     r * each + at + args->value[i + 1],
					     arena, &cuts[r], err) < 0)
				return -err->code;
		if (join_cuts(cuts, ranks, d, arena, &out[i], err) < 0)
			return -err->code;
	}
	return 0;
}

static int undeal(const struct lens_op_args *args,
		  const struct lens_virtual *in, size_t n,
		  struct lens_arena *arena, struct lens_virtual *out,
		  struct lens_err *err)
{
	const size_t ranks = (size_t)args->value[0];
	lens_autofree struct lens_virtual *cuts = NULL;
	uint64_t total = 0, each = 0;
	unsigned d;

	if (lens_op_dim(args->dim[0], in->rank, &d, err) < 0 ||
	    lens_op_check_alike(in, n, (int)d, "joined", err) < 0)
		return -err->code;
	for (size_t i = 0; i < n; i++)
		total += in[i].shape[d];
	if (check(args, total, d, &each, err) < 0)
		return -err->code;
	for (size_t i = 0; i < n; i++)
		if (in[i].shape[d] != ranks * args->value[i + 1])
			return lens_fail(
				err, EINVAL,
				"'%s' has %llu, not %llu, in "
				"dimension %u",
				LENS_SHOW(in[i].key),
				(unsigned long long)in[i].shape[d],
				(unsigned long long)(ranks *
						     args->value[i + 1]),
				d);
	cuts = calloc(ranks * n + 1, sizeof(*cuts));
	if (!cuts)
		return lens_fail(err, ENOMEM, "no memory for %zu ranks", ranks);
	for (size_t i = 0; i < n; i++)
		for (size_t r = 0; r < ranks; r++)
			if (lens_virtual_cut(&in[i], d, r * args->value[i + 1],
					     (r + 1) * args->value[i + 1],
					     arena, &cuts[r * n + i], err) < 0)
				return -err->code;
	return join_cuts(cuts, ranks * n, d, arena, out, err);
}

const struct lens_op lens_op_deal = {
	.name = "deal",
	.summary = "parts that each rank has of its own, rank behind rank",
	.takes = LENS_OP_PART,
	.parse = parse,
	.map = deal,
	.undone_by = &lens_op_undeal,
};

const struct lens_op lens_op_undeal = {
	.summary = "the ranks' parts together again",
	.takes = LENS_OP_JOIN,
	.map = undeal,
};

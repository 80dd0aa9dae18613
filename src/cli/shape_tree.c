/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_tree.c - tensors by the parts of their keys.
 *
 * In natural order the tensors of a group lie together.  A range of them, whose
 * keys are the same up to a dot, is cut into runs: those with the same next
 * part, or, where that is a number, numbers one after another with the same
 * below them.  A run is shown by its first number.
 */
#include "cli/shape_tree.h"

#include <errno.h>

/* Tensors [lo, hi); their keys differ from byte @at on. */
struct range {
	size_t lo, hi, at;
	unsigned depth;
	uint64_t times;
};

/* A part of a range: [lo, hi) is its first member, of @n in all. */
struct run {
	size_t lo, hi, end;
	size_t part; /* bytes of the next part of the key */
	uint64_t n;
};

struct growing {
	const struct lens_tensor *const *t;
	struct lens_tree_lines *lines;
	size_t room;
};

static const char *key(const struct growing *g, size_t i, size_t at)
{
	return g->t[i]->name + at;
}

/* How many from @lo on have the same next part as it. */
static size_t same_part(const struct growing *g, const struct range *r,
			size_t lo, size_t part)
{
	const char *first = key(g, lo, r->at);
	const bool whole = !first[part]; /* the key ends here */
	size_t hi = lo + 1;

	while (hi < r->hi && strncmp(key(g, hi, r->at), first, part) == 0 &&
	       !whole && key(g, hi, r->at)[part] == '.')
		hi++;
	return hi;
}

/* A number as one writes it; UINT64_MAX: it is none. */
static uint64_t number(const char *part, size_t n)
{
	uint64_t v = 0;

	if (!n || n > 18 || (n > 1 && part[0] == '0'))
		return UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		if (part[i] < '0' || part[i] > '9')
			return UINT64_MAX;
		v = v * 10 + (uint64_t)(part[i] - '0');
	}
	return v;
}

static bool same_tensor(const struct growing *g, size_t a, size_t skip_a,
			size_t b, size_t skip_b)
{
	const struct lens_tensor *x = g->t[a], *y = g->t[b];

	return x->dtype == y->dtype && x->rank == y->rank &&
	       (!x->rank ||
		memcmp(x->shape, y->shape, x->rank * sizeof(*x->shape)) == 0) &&
	       strcmp(x->name + skip_a, y->name + skip_b) == 0;
}

/* Is [lo, hi), whose number has @part bytes, the same as @run's first? */
static bool is_alike(const struct growing *g, const struct range *r,
		     const struct run *run, size_t lo, size_t hi, size_t part)
{
	if (hi - lo != run->hi - run->lo)
		return false;
	for (size_t i = 0; i < hi - lo; i++)
		if (!same_tensor(g, run->lo + i, r->at + run->part, lo + i,
				 r->at + part))
			return false;
	return true;
}

/* The run that begins at @lo. */
static struct run run_at(const struct growing *g, const struct range *r,
			 size_t lo)
{
	struct run run = { .lo = lo,
			   .n = 1,
			   .part = strcspn(key(g, lo, r->at), ".") };
	uint64_t value = number(key(g, lo, r->at), run.part);

	run.hi = run.end = same_part(g, r, lo, run.part);
	while (value != UINT64_MAX && run.end < r->hi) {
		const char *next = key(g, run.end, r->at);
		const size_t part = strcspn(next, ".");
		const size_t hi = same_part(g, r, run.end, part);

		if (number(next, part) != value + run.n ||
		    !is_alike(g, r, &run, run.end, hi, part))
			break;
		run.end = hi;
		run.n++;
	}
	return run;
}

static void put_part(struct lens_buf *b, const struct growing *g,
		     const struct range *r, const struct run *run)
{
	const char *first = key(g, run->lo, r->at);
	const uint64_t value = number(first, run->part);

	if (b->n)
		lens_buf_puts(b, ".");
	if (run->n == 1)
		lens_buf_add(b, first, run->part);
	else
		lens_buf_printf(b, "{%llu..%llu}", (unsigned long long)value,
				(unsigned long long)(value + run->n - 1));
}

static int add_line(struct growing *g, const struct range *r,
		    const struct lens_tensor *t, const struct lens_buf *label)
{
	struct lens_tree_lines *lines = g->lines;
	struct lens_tree_line line = { .t = t,
				       .depth = r->depth,
				       .times = r->times };

	if (lines->n == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		void *v = reallocarray(lines->v, room, sizeof(*lines->v));

		if (!v)
			return -ENOMEM;
		lines->v = v;
		g->room = room;
	}
	for (size_t i = r->lo; i < r->hi; i++)
		line.bytes += r->times * g->t[i]->size;
	line.tensors = r->times * (r->hi - r->lo);
	line.label = label->failed ?
			     NULL :
			     lens_arena_strndup(&lines->arena,
						label->n ? label->data : "",
						label->n);
	if (!line.label)
		return -ENOMEM;
	lines->v[lines->n++] = line;
	return 0;
}

static int grow(struct growing *g, struct range r, struct lens_buf *label);

/* Each run of @r, a level deeper. */
static int branch(struct growing *g, const struct range *r)
{
	for (size_t lo = r->lo; lo < r->hi;) {
		LENS_CLEANUP(lens_buf_fini) struct lens_buf label = { 0 };
		const struct run run = run_at(g, r, lo);
		struct range below = { .lo = run.lo,
				       .hi = run.hi,
				       .at = r->at + run.part,
				       .depth = r->depth,
				       .times = r->times * run.n };

		put_part(&label, g, r, &run);
		if (*key(g, run.lo, below.at))
			below.at++;
		if (grow(g, below, &label) < 0)
			return -ENOMEM;
		lo = run.end;
	}
	return 0;
}

/* The lines of @r; @label is what has been said of its keys in this line. */
static int grow(struct growing *g, struct range r, struct lens_buf *label)
{
	/* What has but one thing in it says no more than that does. */
	while (*key(g, r.lo, r.at)) {
		const struct run run = run_at(g, &r, r.lo);

		if (run.end < r.hi)
			break;
		put_part(label, g, &r, &run);
		r.hi = run.hi;
		r.times *= run.n;
		r.at += run.part;
		if (*key(g, r.lo, r.at))
			r.at++;
	}
	if (r.hi - r.lo == 1)
		return add_line(g, &r, g->t[r.lo], label);
	if (add_line(g, &r, NULL, label) < 0)
		return -ENOMEM;
	r.depth++;
	return branch(g, &r);
}

int lens_tree_lines_make(const struct lens_tensor *const t[], size_t n,
			 struct lens_tree_lines *ret)
{
	struct growing g = { .t = t, .lines = ret };
	const struct range all = { .hi = n, .times = 1 };

	*ret = (struct lens_tree_lines){ .tensors = n };
	for (size_t i = 0; i < n; i++)
		ret->bytes += t[i]->size;
	return n ? branch(&g, &all) : 0;
}

void lens_tree_lines_fini(struct lens_tree_lines *lines)
{
	free(lines->v);
	lens_arena_fini(&lines->arena);
}

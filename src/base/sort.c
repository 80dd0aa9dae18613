/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.c - merge sort of the runs that are there already.
 *
 * Keys mostly come in the order that is wanted, or in a few pieces of it: those
 * of each file by themselves.  Neighbouring runs are merged until one is left;
 * two that touch in order cost one comparison.
 */
#include "lens/base.h"

#include <errno.h>

struct sorting {
	char *base, *half; /* @half: room for all */
	size_t size;
	int (*cmp)(const void *a, const void *b);
};

/* The end of the run that begins with element @from. */
static size_t run_end(const struct sorting *s, size_t from, size_t n)
{
	size_t i = from + 1;

	while (i < n &&
	       s->cmp(s->base + (i - 1) * s->size, s->base + i * s->size) <= 0)
		i++;
	return i;
}

/* Runs [a, b) and [b, c) become one. */
static void merge(const struct sorting *s, size_t a, size_t b, size_t c)
{
	const size_t size = s->size;
	char *out = s->base + a * size, *right = s->base + b * size;
	const char *left = s->half, *end = s->half + (b - a) * size;
	const char *stop = s->base + c * size;

	if (s->cmp(right - size, right) <= 0)
		return;
	memcpy(s->half, out, (b - a) * size);
	while (left < end && right < stop) {
		const bool first = s->cmp(left, right) <= 0;

		memcpy(out, first ? left : right, size);
		left += first ? size : 0;
		right += first ? 0 : size;
		out += size;
	}
	memcpy(out, left, (size_t)(end - left));
}

/* One pass over all runs; how many are left. end[i] is where run i ends. */
static size_t pass(const struct sorting *s, size_t *end, size_t n)
{
	size_t kept = 0, from = 0;

	for (size_t i = 0; i < n; i += 2) {
		const size_t last = i + 1 < n ? i + 1 : i;

		if (last > i)
			merge(s, from, end[i], end[last]);
		from = end[last];
		end[kept++] = from;
	}
	return kept;
}

int lens_sort(void *base, size_t n, size_t size,
	      int (*cmp)(const void *a, const void *b))
{
	struct sorting s = { .base = base, .size = size, .cmp = cmp };
	size_t first = n ? run_end(&s, 0, n) : 0, runs = 0;
	lens_autofree size_t *end = NULL;

	if (first == n)
		return 0;
	end = calloc(n, sizeof(*end));
	s.half = malloc(n * size);
	if (!end || !s.half) {
		free(s.half);
		return -ENOMEM;
	}
	for (size_t at = first; runs == 0 || end[runs - 1] < n;
	     at = run_end(&s, at, n))
		end[runs++] = at;
	while (runs > 1)
		runs = pass(&s, end, runs);
	free(s.half);
	return 0;
}

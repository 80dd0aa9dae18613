/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deal.c - files to parts, about equal in bytes.
 */
#include "cli/dest.h"

#include <errno.h>

struct card {
	uint64_t size;
	size_t file;
};

static int by_size(const void *a, const void *b)
{
	const struct card *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->file < y->file ? -1 : 1;
}

/* The largest that is left to the part that has least, the first of those: the
 * same on every host. */
int lens_dest_deal(const uint64_t *size, size_t n, unsigned parts,
		   unsigned *part)
{
	lens_autofree struct card *card = calloc(n + 1, sizeof(*card));
	lens_autofree uint64_t *load = calloc((size_t)parts + 1, sizeof(*load));

	if (!card || !load)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		card[i] = (struct card){ size[i], i };
	qsort(card, n, sizeof(*card), by_size);
	for (size_t i = 0; i < n; i++) {
		unsigned least = 0;

		for (unsigned k = 1; k < parts; k++)
			if (load[k] < load[least])
				least = k;
		part[card[i].file] = least;
		load[least] += card[i].size;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * groups.c - columns that were sorted before they were grouped, and a tensor
 * that says which group each is in.
 */
#include "codec/codecs.h"

#include <errno.h>

int lens_group_index(const struct lens_codec_site *site,
		     const struct lens_tensor *index, uint64_t n, uint64_t size,
		     uint64_t groups, bool even, bool *plain,
		     struct lens_err *err)
{
	lens_autofree int64_t *v = NULL;
	lens_autofree uint64_t *count = NULL;

	if (index->dtype != LENS_I32 || index->rank != 1 ||
	    index->shape[0] != n)
		return lens_fail(err, EINVAL,
				 "tensor '%s' %s must be I32, one for each of "
				 "%llu columns",
				 LENS_SHOW(index->name), LENS_SHAPE(index),
				 (unsigned long long)n);
	if (groups > LENS_GROUPS)
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' is of %llu groups; at most %u "
				 "can be looked up",
				 LENS_SHOW(index->name),
				 (unsigned long long)groups, LENS_GROUPS);
	v = lens_codec_integers(site, index, (size_t)n, err);
	count = calloc((size_t)groups + 1, sizeof(*count));
	if (!v || !count)
		return v ? lens_fail(err, ENOMEM, "no memory for groups") :
			   -err->code;
	*plain = true;
	for (uint64_t i = 0; i < n; i++) {
		if (v[i] < 0 || (uint64_t)v[i] >= groups)
			return lens_fail(
				err, EINVAL,
				"tensor '%s': column %llu is in group %lld of "
				"%llu",
				LENS_SHOW(index->name), (unsigned long long)i,
				(long long)v[i], (unsigned long long)groups);
		*plain &= (uint64_t)v[i] == i / size;
		count[v[i]]++;
	}
	for (uint64_t g = 0; even && g < groups; g++)
		if (count[g] != size)
			return lens_fail(
				err, EINVAL,
				"tensor '%s': group %llu has %llu columns, not "
				"%llu",
				LENS_SHOW(index->name), (unsigned long long)g,
				(unsigned long long)count[g],
				(unsigned long long)size);
	return 0;
}

void lens_companion_look_up(struct lens_companion *c, unsigned k, unsigned in)
{
	c->lookup = (int8_t)k;
	c->in = (uint8_t)in;
}

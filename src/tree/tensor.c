/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensor.c - from an output tensor to its files in .lens/tensors.
 */
#include "tree/tree.h"

int lens_tree_tensor(const struct lens_view *v, size_t i, const char *name,
		     struct lens_attr *ret)
{
	const char *key = lens_plan_at(v->plan, i)->t.name;
	char folder[LENS_NAME_ROOM];
	int r = lens_tree_find(v, ".lens/tensors", ret);

	while (r == 0) {
		size_t n = strcspn(key, ".");

		lens_segment_encode(key, n, folder);
		r = lens_tree_lookup(v, ret->ino, folder, ret);
		if (r < 0 || !key[n])
			break;
		key += n + 1;
	}
	return r < 0 ? r : lens_tree_lookup(v, ret->ino, name, ret);
}

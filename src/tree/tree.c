/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c - finding one's way in a view: attributes, names, folders, paths.
 */
#include "tree/tree.h"

#include <errno.h>

#define LENS ".lens"

static const struct lens_node *node_at(const struct lens_view *v, uint64_t ino)
{
	return ino - 1 < v->nodes.n ? &v->nodes.v[ino - 1] : NULL;
}

static uint64_t number(const struct lens_view *v, const struct lens_node *node)
{
	return (uint64_t)(node - v->nodes.v) + 1;
}

static void node_attr(const struct lens_view *v, const struct lens_node *node,
		      struct lens_attr *ret)
{
	*ret = (struct lens_attr){ .ino = number(v, node),
				   .folder = node->kind == LENS_NODE_FOLDER,
				   .mtime = v->mtime };
	if (node->kind == LENS_NODE_WEIGHTS) {
		ret->size = v->layout.files[node->index].size;
	} else if (node->kind == LENS_NODE_INDEX) {
		ret->size = v->layout.index.n;
	} else if (node->kind == LENS_NODE_CONFIG) {
		ret->size = v->config.n;
	} else if (ret->ino != LENS_ROOT) {
		const struct lens_extra *x =
			lens_ckpt_extra(lens_view_dress(v), node->index);

		ret->size = ret->folder ? 0 : x->file.size;
		ret->mtime = x->file.mtime;
	}
}

int lens_tree_attr(const struct lens_view *v, uint64_t ino,
		   struct lens_attr *ret)
{
	const struct lens_node *node = node_at(v, ino);

	if (!node)
		return lens_inspect_attr(v, ino, ret);
	node_attr(v, node, ret);
	return 0;
}

int lens_tree_lookup(const struct lens_view *v, uint64_t parent,
		     const char *name, struct lens_attr *ret)
{
	const struct lens_node *folder = node_at(v, parent);
	size_t low, high;

	if (!folder)
		return lens_inspect_lookup(v, parent, name, ret);
	if (folder->kind != LENS_NODE_FOLDER)
		return -ENOTDIR;
	if (parent == LENS_ROOT && strcmp(name, LENS) == 0)
		return lens_inspect_attr(v, v->inspect->first, ret);
	low = folder->first;
	high = low + folder->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(v->nodes.v[mid].name, name);

		if (c == 0) {
			node_attr(v, &v->nodes.v[mid], ret);
			return 0;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -ENOENT;
}

int lens_tree_entry(const struct lens_view *v, uint64_t ino, uint64_t at,
		    char *store, const char **name, struct lens_attr *attr,
		    uint64_t *next)
{
	const struct lens_node *folder = node_at(v, ino);

	if (!folder)
		return lens_inspect_entry(v, ino, at, store, name, attr, next);
	if (folder->kind != LENS_NODE_FOLDER)
		return -ENOTDIR;
	if (at < folder->n) {
		const struct lens_node *node = &v->nodes.v[folder->first + at];

		*name = node->name;
		*next = at + 1;
		node_attr(v, node, attr);
		return 1;
	}
	if (ino != LENS_ROOT || !v->shows_lens || at > folder->n)
		return 0;
	*name = LENS;
	*next = at + 1;
	return lens_inspect_attr(v, v->inspect->first, attr) < 0 ? 0 : 1;
}

uint64_t lens_tree_parent(const struct lens_view *v, uint64_t ino)
{
	const struct lens_node *node = node_at(v, ino);

	if (!node)
		return lens_inspect_parent(v, ino);
	return (uint64_t)node->parent + 1;
}

int lens_tree_path(const struct lens_view *v, uint64_t ino, char *buf, size_t n)
{
	char name[LENS_NAME_ROOM];
	size_t at = n;

	/* From the end; a number is behind its folder's, so that it ends. */
	if (!n)
		return -ERANGE;
	buf[--at] = 0;
	while (ino != LENS_ROOT) {
		const struct lens_node *node = node_at(v, ino);
		const char *s =
			node ? node->name : lens_inspect_name(v, ino, name);
		size_t len = s ? strlen(s) : 0;

		if (!s)
			return -ENOENT;
		if (len + (buf[at] != 0) > at)
			return -ERANGE;
		if (buf[at])
			buf[--at] = '/';
		at -= len;
		memcpy(buf + at, s, len);
		ino = lens_tree_parent(v, ino);
	}
	memmove(buf, buf + at, n - at);
	return 0;
}

int lens_tree_find(const struct lens_view *v, const char *path,
		   struct lens_attr *ret)
{
	char name[LENS_NAME_ROOM];
	int r = lens_tree_attr(v, LENS_ROOT, ret);

	while (r == 0) {
		size_t n;

		path += strspn(path, "/");
		if (!*path)
			return 0;
		n = strcspn(path, "/");
		if (n >= sizeof(name))
			return -ENOENT;
		memcpy(name, path, n);
		name[n] = 0;
		path += n;
		r = lens_tree_lookup(v, ret->ino, name, ret);
	}
	return r == -ENOTDIR ? -ENOENT : r;
}

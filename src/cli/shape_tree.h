/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_tree.h - tensors by the parts of their keys, layers that are alike as
 * one: "layers.{0..60}".  Pure.
 */
#ifndef LENS_CLI_SHAPE_TREE_H
#define LENS_CLI_SHAPE_TREE_H

#include "lens/st.h"

/* A line of the tree: a tensor, or a group of several. */
struct lens_tree_line {
	const struct lens_tensor *t; /* NULL: a group */
	unsigned depth;              /* groups that it is in */
	uint64_t times;              /* how many layers it stands for */
	uint64_t tensors, bytes;     /* of all of them */
	char *label; /* part of the key: ".", "{0..60}", not escaped */
};
struct lens_tree_lines {
	size_t n;
	struct lens_tree_line *v;
	uint64_t tensors, bytes;
	struct lens_arena arena;
};

/* @t in natural order of names. 0, -ENOMEM; *ret is to be released with
 * lens_tree_lines_fini() in any case. */
int lens_tree_lines_make(const struct lens_tensor *const t[], size_t n,
			 struct lens_tree_lines *ret) LENS_MUST_CHECK;
void lens_tree_lines_fini(struct lens_tree_lines *lines);

#endif

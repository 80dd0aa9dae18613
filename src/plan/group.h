/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.h - between the halves of the rules stage: gathering groups, and
 * running their ops.
 */
#ifndef LENS_PLAN_GROUP_H
#define LENS_PLAN_GROUP_H

#include "plan/state.h"

#define LENS_STACKED_MAX 65536u /* indexes of one stack */

/* A tensor of a group: which of the rule's patterns it fits, and its stacked
 * index. */
struct member {
	unsigned slot;
	uint64_t index;
	const char *key;
	struct lens_virtual v;
	const struct lens_item *item; /* that it was */
};

struct members {
	size_t n, room;
	struct member *v;
};

struct group {
	const struct lens_rule *rule;
	size_t place;              /* of the rule among those that count */
	struct lens_captures caps; /* of its first member */
	struct members members;
	uint32_t *src;
	size_t n_src;
};

int lens_members_add(struct members *m, const struct member *one,
		     struct lens_err *err);
/* For qsort: index by index, in the order of the patterns. */
int lens_member_by_place(const void *a, const void *b);
/* run.c: the rule's ops, in the plan's direction, over the group's members. */
int lens_group_run(struct lens_plan *p, struct group *g, struct lens_err *err);

#endif

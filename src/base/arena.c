/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - memory that is released all at once.
 */
#include "lens/base.h"

#define ALIGN 16u
#define BLOCK (64u * 1024)

struct lens_arena_block {
	struct lens_arena_block *before;
	size_t used, room; /* of data[] */
	_Alignas(ALIGN) char data[];
};

static struct lens_arena_block *new_block(struct lens_arena *a, size_t n)
{
	size_t room = n > BLOCK / 4 ? n : BLOCK;
	struct lens_arena_block *b = calloc(1, sizeof(*b) + room);

	if (!b)
		return NULL;
	b->room = room;
	if (room == n && a->last) {
		/* A large one stands behind, so that the current block goes on.
		 */
		b->before = a->last->before;
		a->last->before = b;
	} else {
		b->before = a->last;
		a->last = b;
	}
	return b;
}

void *lens_arena_alloc(struct lens_arena *a, size_t n)
{
	struct lens_arena_block *b = a->last;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!b || b->room - b->used < n)
		b = new_block(a, n);
	if (!b)
		return NULL;
	p = b->data + b->used;
	b->used += n;
	return p;
}

char *lens_arena_strndup(struct lens_arena *a, const char *s, size_t n)
{
	char *p = lens_arena_alloc(a, n + 1);

	if (p && n)
		memcpy(p, s, n);
	return p;
}

void lens_arena_fini(struct lens_arena *a)
{
	while (a->last) {
		struct lens_arena_block *b = a->last;

		a->last = b->before;
		free(b);
	}
}

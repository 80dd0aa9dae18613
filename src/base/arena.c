/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - memory that is released all at once.
 */
#include "lens/base.h"

#include <sys/mman.h>

#define ALIGN 16u
#define BLOCK (64u * 1024)
#define BLOCK_MOST (8u * 1024 * 1024)

struct lens_arena_block {
	struct lens_arena_block *before;
	size_t used, room; /* of data[] */
	_Alignas(ALIGN) char data[];
};

/* Much memory costs less in pages of the larger size. */
static void use_huge_pages(void *p, size_t n)
{
	const uintptr_t page = 4096, from = ((uintptr_t)p + page - 1) & -page;
	const uintptr_t to = ((uintptr_t)p + n) & -page;

	if (n >= BLOCK_MOST && to > from)
		(void)madvise((void *)from, to - from, MADV_HUGEPAGE);
}

/* An arena that has much gets more at once. */
static size_t next_room(const struct lens_arena *a)
{
	const size_t room = a->last ? 2 * a->last->room : BLOCK;

	return room < BLOCK ? BLOCK : room > BLOCK_MOST ? BLOCK_MOST : room;
}

static struct lens_arena_block *new_block(struct lens_arena *a, size_t n)
{
	const bool large = n > BLOCK / 4;
	const size_t room = large ? n : next_room(a);
	struct lens_arena_block *b = calloc(1, sizeof(*b) + room);

	if (!b)
		return NULL;
	b->room = room;
	use_huge_pages(b, sizeof(*b) + room);
	if (large && a->last) {
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

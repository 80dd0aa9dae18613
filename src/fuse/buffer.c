/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.c - each thread's reply buffer: memory that was touched before, so
 * that no request pays for fresh pages.
 */
#include "fuse/session.h"

#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

struct buffer {
	void *mem;
	size_t room;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool keyed;

static void release(void *p)
{
	struct buffer *b = p;

	if (b->mem)
		(void)munmap(b->mem, b->room);
	free(b);
}

static void make_key(void)
{
	keyed = pthread_key_create(&key, release) == 0;
}

static struct buffer *own(void)
{
	struct buffer *b;

	(void)pthread_once(&once, make_key);
	if (!keyed)
		return NULL;
	b = pthread_getspecific(key);
	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (b && pthread_setspecific(key, b) != 0) {
		free(b);
		b = NULL;
	}
	return b;
}

void *lens_fuse_buffer(size_t n)
{
	struct buffer *b = own();
	void *mem;

	if (!b || n > SIZE_MAX / 2)
		return NULL;
	if (n <= b->room)
		return b->mem;
	if (n < LENS_REQUEST)
		n = LENS_REQUEST;
	n = (n + 4095) & ~(size_t)4095;
	mem = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	(void)madvise(mem, n, MADV_HUGEPAGE);
	(void)madvise(mem, n, MADV_DONTDUMP);
	if (b->mem)
		(void)munmap(b->mem, b->room);
	*b = (struct buffer){ .mem = mem, .room = n };
	return mem;
}

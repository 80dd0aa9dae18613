/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - the one entrance: find a block or make it, use it, let it go.
 */
#include "cache/state.h"

#include <errno.h>

struct block **lens_cache_slot(struct lens_cache *c, uint64_t id)
{
	struct block **p = &c->table[(id * 0x9e3779b97f4a7c15u) >> 54];

	while (*p && (*p)->is.id != id)
		p = &(*p)->next;
	return p;
}

/* Who asks, as one of the block's first two readers. */
static unsigned reader_of(struct block *b, uint64_t reader)
{
	for (unsigned i = 0; i < 2; i++) {
		if (b->reader[i] == reader)
			return i;
		if (!b->reader[i]) {
			b->reader[i] = reader;
			return i;
		}
	}
	return 1;
}

/* The parts of the block that [off, off + n) ends in or covers. */
static uint64_t parts(const struct lens_cache_ask *ask)
{
	const uint64_t part = (ask->block.size + PARTS - 1) / PARTS;
	uint64_t mask = 0;

	for (uint64_t i = 0; i < PARTS; i++) {
		uint64_t end = (i + 1) * part < ask->block.size ?
				       (i + 1) * part :
				       ask->block.size;

		if (i * part >= ask->block.size ||
		    (end > ask->off && end <= ask->off + ask->n))
			mask |= 1ull << i;
	}
	return mask;
}

/* A small request out of the blue: not worth a block unless it comes again. */
static bool is_stray(struct lens_cache *c, const struct lens_cache_ask *ask)
{
	const unsigned i = (unsigned)(ask->block.id % GHOSTS);
	const uint64_t now = lens_now();
	const bool known = c->ghosts[i].id == ask->block.id &&
			   now - c->ghosts[i].at < GHOST_NS;

	if ((ask->request ? ask->request : ask->n) >= LENS_CACHE_SMALL ||
	    ask->block.size <= ask->n)
		return false;
	c->ghosts[i].id = ask->block.id;
	c->ghosts[i].at = now;
	return !known;
}

static unsigned strips_of(const struct block *b)
{
	return b->thawing ? b->n_chunks : b->is.n_strips;
}

/* The last strip is done: the block is there, or it is gone. */
static void publish(struct lens_cache *c, struct block *b)
{
	if (b->failed) {
		struct block **p = lens_cache_slot(c, b->is.id);

		c->stats.fill_errors++;
		if (*p == b)
			*p = b->next;
		b->next = NULL;
	} else {
		if (b->thawing)
			lens_cache_free_chunks(c, b);
		else
			c->stats.made_bytes += b->is.size;
		b->state = HOT;
		b->thawing = false;
		b->touched = lens_now();
	}
	(void)pthread_cond_broadcast(&c->changed);
}

/* One strip, if one is left: true. */
static bool take_strip(struct lens_cache *c, struct block *b,
		       const struct lens_cache_ask *ask)
{
	struct lens_err err;
	unsigned i;
	int r;

	if (b->next_strip >= strips_of(b))
		return false;
	i = b->next_strip++;
	(void)pthread_mutex_unlock(&c->lock);
	r = b->thawing ? lens_cache_unpack(c, b, i, &err) :
			 ask->fill(ask->ctx, i, b->map.mem, &err);
	(void)pthread_mutex_lock(&c->lock);
	b->done_strips++;
	if (r < 0 && !b->failed) {
		b->failed = true;
		b->err = err;
		/* What nobody has begun need not be. */
		b->done_strips += strips_of(b) - b->next_strip;
		b->next_strip = strips_of(b);
	}
	if (b->done_strips == strips_of(b))
		publish(c, b);
	return true;
}

static void unpin(struct lens_cache *c, struct block *b)
{
	if (--b->pins || !b->failed)
		return;
	/* It is in no table any more, and this was its last reader. */
	lens_cache_release(c, b->map);
	lens_cache_free_chunks(c, b);
	free(b);
}

/* Strip by strip, then wait for the others. 0 when it is HOT. */
static int finish(struct lens_cache *c, struct block *b,
		  const struct lens_cache_ask *ask, bool mine,
		  struct lens_err *err)
{
	while (b->state == FILLING && !b->failed) {
		if (take_strip(c, b, ask)) {
			c->stats.helps += !mine;
			continue;
		}
		c->stats.waits++;
		(void)pthread_cond_wait(&c->changed, &c->lock);
	}
	if (!b->failed)
		return 0;
	*err = b->err;
	return -err->code;
}

/* A new block, FILLING; NULL if there is no room, or somebody else began it. */
static struct block *begin(struct lens_cache *c,
			   const struct lens_cache_ask *ask, bool *full)
{
	struct block *b = calloc(1, sizeof(*b)), **p;

	*full = !b || !lens_cache_reserve(c, ask->block.size, &b->map);
	p = lens_cache_slot(c, ask->block.id);
	if (*full || *p) {
		/* The lock may have been away meanwhile. */
		if (!*full)
			lens_cache_release(c, b->map);
		free(b);
		return NULL;
	}
	b->is = ask->block;
	b->state = FILLING;
	*p = b;
	c->stats.misses++;
	return b;
}

/* COLD to FILLING; false if there is no room. */
static bool thaw(struct lens_cache *c, struct block *b)
{
	struct map map;
	bool room;

	b->pins++;
	room = lens_cache_reserve(c, b->is.size, &map);
	b->pins--;
	if (!room)
		return false;
	if (b->state != COLD) { /* somebody was faster */
		lens_cache_release(c, map);
		return true;
	}
	b->map = map;
	b->state = FILLING;
	b->thawing = true;
	b->next_strip = 0;
	b->done_strips = 0;
	c->stats.cold_hits++;
	return true;
}

/* The block, FILLING or HOT; NULL if it should be done without. */
static struct block *find(struct lens_cache *c,
			  const struct lens_cache_ask *ask, bool *mine)
{
	for (bool full = false;;) {
		struct block *b = *lens_cache_slot(c, ask->block.id);

		*mine = false;
		if (!b) {
			if (is_stray(c, ask))
				return NULL;
			b = begin(c, ask, &full);
			*mine = b != NULL;
			if (b || full)
				return b;
		} else if (b->state == PACKING) {
			(void)pthread_cond_wait(&c->changed, &c->lock);
		} else if (b->state == COLD) {
			if (!thaw(c, b))
				return NULL;
		} else {
			c->stats.hits += b->state == HOT || b->thawing;
			return b;
		}
	}
}

/* The block, HOT and pinned, in *ret; 1 if it should be done without. */
static int find_or_make(struct lens_cache *c, const struct lens_cache_ask *ask,
			struct block **ret, struct lens_err *err)
{
	bool mine;
	struct block *b = find(c, ask, &mine);

	if (!b)
		return 1;
	b->pins++;
	if (finish(c, b, ask, mine, err) < 0) {
		unpin(c, b);
		return -err->code;
	}
	*ret = b;
	return 0;
}

int lens_cache_read(struct lens_cache *c, const struct lens_cache_ask *ask,
		    struct lens_err *err)
{
	struct block *b = NULL;
	unsigned who;
	int r = 1;

	(void)pthread_mutex_lock(&c->lock);
	if (ask->block.size <= c->budget)
		r = find_or_make(c, ask, &b, err);
	c->stats.bypasses += r == 1;
	(void)pthread_mutex_unlock(&c->lock);
	if (r == 1)
		return ask->without(ask->ctx, err);
	if (r < 0)
		return r;
	r = ask->use(ask->ctx, b->map.mem, err);
	(void)pthread_mutex_lock(&c->lock);
	who = reader_of(b, ask->reader ? ask->reader : 1);
	b->read[who] |= parts(ask);
	b->alone |= !(ask->reader & LENS_READER_KEEPS);
	b->touched = lens_now();
	unpin(c, b);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

int lens_cache_new(uint64_t budget, enum lens_cache_compress compress,
		   struct lens_cache **ret, struct lens_err *err)
{
	struct lens_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return lens_fail(err, ENOMEM, "no memory for a cache");
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->changed, NULL);
	c->budget = budget;
	c->compress = compress;
	*ret = c;
	return 0;
}

void lens_cache_free(struct lens_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (c->table[i])
			lens_cache_drop(c, c->table[i]);
	lens_cache_unmap_pool(c);
	(void)pthread_mutex_destroy(&c->lock);
	(void)pthread_cond_destroy(&c->changed);
	free(c);
}

void lens_cache_stats(struct lens_cache *c, struct lens_cache_stats *ret)
{
	(void)pthread_mutex_lock(&c->lock);
	c->stats.hot_bytes = 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct block *b = c->table[i]; b; b = b->next)
			c->stats.hot_bytes += b->state == HOT ? b->is.size : 0;
	c->stats.cold_bytes = c->packed;
	c->stats.budget = c->budget;
	*ret = c->stats;
	(void)pthread_mutex_unlock(&c->lock);
}

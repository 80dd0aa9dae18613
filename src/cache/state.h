/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the cache's blocks and who may touch what.
 *
 * A block is EMPTY while it is not in the table.
 *
 *	EMPTY --first reader--> FILLING --last strip--> HOT --evict--> EMPTY
 *	  ^                      |  ^                   |
 *	  '------ failed --------'  '-- read -- COLD <--' (compressed)
 *
 * The lock covers the table, every field below and the counters; not the bytes
 * at mem and in the chunks: those belong to whoever fills or packs the block
 * (its state says so), and may be read by whoever has pinned it.
 */
#ifndef LENS_CACHE_STATE_H
#define LENS_CACHE_STATE_H

#include "lens/cache.h"

#include <pthread.h>

#define BUCKETS 1024
#define PARTS 64 /* of a block, for knowing when it was read to its end */
#define CHUNK (256u << 10)    /* bytes that are compressed alone */
#define GHOSTS 64             /* small requests remembered */
#define GHOST_NS 500000000ull /* and for how long */
#define IDLE_NS                                                            \
	100000000ull /* a block that nobody has touched for so long may go \
			unread */
#define GROUPS 4096  /* tensors whose verdict about compression is kept */

enum state {
	FILLING, /* strips are being made, or chunks unpacked */
	HOT,     /* mem holds it */
	PACKING, /* mem is becoming chunks */
	COLD,    /* the chunks hold it */
};

struct map {
	void *mem;
	size_t size; /* of the mapping */
};

struct chunk {
	char *data;
	uint32_t size; /* compressed; CHUNK's own if it was stored as it is */
};

struct block {
	struct block *next; /* in its bucket */
	struct lens_cache_block is;
	enum state state;
	unsigned pins;        /* readers inside: it must not go */
	struct map map;       /* FILLING, HOT, PACKING */
	struct chunk *chunks; /* COLD, and FILLING from cold */
	unsigned n_chunks;
	bool thawing; /* FILLING from chunks */
	bool alone;   /* a reader keeps no copy of its own */
	unsigned next_strip, done_strips;
	bool failed;
	struct lens_err err; /* of the strip that failed */
	uint64_t touched;    /* ns */
	uint64_t reader[2];  /* the first two that came */
	uint64_t read[2];    /* parts that each has had, a bit each */
};

struct group {
	uint64_t id;
	bool known, worth;
};

struct lens_cache {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a block left FILLING */
	uint64_t budget;
	enum lens_cache_compress compress;
	struct block *table[BUCKETS];
	struct map pool[16]; /* mappings to be used again */
	unsigned n_pool;
	uint64_t mapped,
		packed; /* bytes of all mappings (pool too), of all chunks */
	struct group groups[GROUPS];
	struct {
		uint64_t id, at;
	} ghosts[GHOSTS];
	struct lens_cache_stats stats;
};

struct block **lens_cache_slot(struct lens_cache *c, uint64_t id);

/* memory.c: all with the lock held; it may be let go meanwhile (packing). */
/* A mapping of @size bytes within the budget, by evicting others; false if
 * there is none to be had. */
bool lens_cache_reserve(struct lens_cache *c, size_t size, struct map *ret);
void lens_cache_release(struct lens_cache *c, struct map map);
/* Take @b out of the table and free it; nobody has it pinned. */
void lens_cache_drop(struct lens_cache *c, struct block *b);
void lens_cache_unmap_pool(struct lens_cache *c);

/* cold.c */
/* Should @b, about to be evicted, be packed? Asks by trying, once a tensor.
 * Lets the lock go. */
bool lens_cache_worth(struct lens_cache *c, struct block *b);
/* HOT to COLD; false if it could not be, and @b must be dropped. Lets the lock
 * go; @b is PACKING meanwhile. */
bool lens_cache_pack(struct lens_cache *c, struct block *b);
/* Chunk @i of a thawing block into its place; without the lock. */
int lens_cache_unpack(struct lens_cache *c, const struct block *b, unsigned i,
		      struct lens_err *err);
void lens_cache_free_chunks(struct lens_cache *c, struct block *b);

#endif

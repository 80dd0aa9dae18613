/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/cache.h - panels that are dear to make twice.
 *
 * One entrance, lens_cache_read(): it finds the block or makes it, and hands
 * its bytes to the caller while they can't go away.  One thread owns the
 * making of a block; others that want it help, strip by strip, or wait.  No
 * lock is held while anything is made, compressed, used or sent.
 *
 * Two tiers under one hard budget: hot (as made) and cold (LZ4 of byte-shuffled
 * 256 KiB chunks).  Thread-safe: it locks itself.
 */
#ifndef LENS_CACHE_H
#define LENS_CACHE_H

#include "lens/base.h"

enum lens_cache_compress {
	LENS_COMPRESS_AUTO, /* by trying a chunk, per group */
	LENS_COMPRESS_ALWAYS,
	LENS_COMPRESS_NEVER,
};

struct lens_cache_block {
	uint64_t id;    /* which block; any number, unique in this cache */
	uint64_t group; /* the tensor it is of: what compression is decided for
			 */
	size_t size;    /* bytes in memory */
	unsigned elem;  /* bytes an element: the shuffle's unit, 1..8 */
	unsigned n_strips; /* independent parts it is made of, >= 1 */
};

/* What a reader wants of a block, and how to get it. */
struct lens_cache_ask {
	struct lens_cache_block block;
	uint64_t off, n;  /* the part of the block wanted, in its bytes: for
			     knowing when it is read to its end */
	uint64_t request; /* bytes asked for in all, of which this is a part;
			     0: this alone */
	uint64_t reader;  /* who asks (a file handle, a thread): tells a second
			     reader from the first; 0 unknown */

	/* Make strip @strip of the block in @mem (the block's start). Any
	 * thread, several strips at once. */
	int (*fill)(void *ctx, unsigned strip, void *mem, struct lens_err *err);
	/* Use the bytes of the whole, finished block. */
	int (*use)(void *ctx, const void *mem, struct lens_err *err);
	/* Get what is wanted without the block: for small requests that come
	 * out of the blue, and when no memory can be had. Required. */
	int (*without)(void *ctx, struct lens_err *err);
	void *ctx;
};

/* A bit of ask->reader: what it is given stays in the kernel's page cache. */
#define LENS_READER_KEEPS (1ull << 63)

struct lens_cache_stats {
	uint64_t hits, misses, helps, waits, bypasses, evictions, fill_errors;
	uint64_t cold_hits;             /* hits that were unpacked from LZ4 */
	uint64_t made_bytes;            /* of blocks filled */
	uint64_t hot_bytes, cold_bytes; /* held now; cold as compressed */
	uint64_t peak_bytes;      /* most ever held, with what is being made */
	uint64_t lz4_in, lz4_out; /* bytes before and after, kept ones */
	uint64_t lz4_tried,
		lz4_refused; /* blocks tried, and found not worth it */
	uint64_t lz4_compress_ns, lz4_decompress_ns;
	uint64_t budget;
};

struct lens_cache;

/* @budget bytes of blocks at most, however many threads; 0: nothing is kept
 * and every read goes through ask->without. */
int lens_cache_new(uint64_t budget, enum lens_cache_compress compress,
		   struct lens_cache **ret,
		   struct lens_err *err) LENS_MUST_CHECK;
/* No reader may be inside. */
void lens_cache_free(struct lens_cache *c); /* NULL is fine */
LENS_DEFINE_CLEANUP(struct lens_cache *, lens_cache_free)

/* 0, or the error of fill, use or without. A failed fill leaves no block and
 * is not remembered. */
int lens_cache_read(struct lens_cache *c, const struct lens_cache_ask *ask,
		    struct lens_err *err) LENS_MUST_CHECK;

void lens_cache_stats(struct lens_cache *c, struct lens_cache_stats *ret);

/* Requests (in all) below this many bytes bypass a block that nobody makes or
 * has, unless the same block was asked for twice in a short while. */
#define LENS_CACHE_SMALL (64 * 1024)

#endif

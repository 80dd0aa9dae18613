/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cold.c - blocks packed with LZ4: chunks of 256 KiB, byte-shuffled, each
 * alone.
 *
 * Most weights do not compress: FP8 codes not at all, BF16 by a seventh.  So a
 * chunk of a tensor is tried once, and the tensor's other blocks go by that.
 * Packing frees the pages of each chunk before the packed one is kept, so the
 * budget holds meanwhile.
 */
#include "cache/state.h"

#include "lens/kernel.h"

#include <errno.h>
#include <lz4.h>
#include <sys/mman.h>

static uint32_t chunk_size(const struct block *b, unsigned i)
{
	const size_t left = b->is.size - (size_t)i * CHUNK;

	return left < CHUNK ? (uint32_t)left : CHUNK;
}

/* Pack @n bytes into @dst, which has LZ4's bound; what it takes, or 0. */
static uint32_t pack_chunk(const void *src, uint32_t n, unsigned elem,
			   char *dst, uint8_t *tmp)
{
	const uint32_t whole = n / elem * elem;
	int r;

	lens_kernels()->shuffle(tmp, src, n / elem, elem);
	memcpy(tmp + whole, (const uint8_t *)src + whole, n - whole);
	r = LZ4_compress_default((const char *)tmp, dst, (int)n,
				 LZ4_compressBound((int)n));
	return r > 0 ? (uint32_t)r : 0;
}

static struct group *group_of(struct lens_cache *c, uint64_t id)
{
	struct group *g = &c->groups[(id * 0x9e3779b97f4a7c15u) >> 52];

	if (!g->known || g->id != id)
		*g = (struct group){ .id = id };
	return g;
}

bool lens_cache_worth(struct lens_cache *c, struct block *b)
{
	struct group *g = group_of(c, b->is.group);
	lens_autofree char *dst = NULL;
	lens_autofree uint8_t *tmp = NULL;
	uint32_t n, got;
	uint64_t start;

	if (c->compress == LENS_COMPRESS_NEVER)
		return false;
	if (g->known || c->compress == LENS_COMPRESS_ALWAYS)
		return g->worth || c->compress == LENS_COMPRESS_ALWAYS;
	n = chunk_size(b, 0);
	b->pins++;
	(void)pthread_mutex_unlock(&c->lock);
	dst = malloc((size_t)LZ4_compressBound(CHUNK));
	tmp = malloc(CHUNK);
	start = lens_now();
	got = dst && tmp ? pack_chunk(b->map.mem, n, b->is.elem, dst, tmp) : 0;
	start = lens_now() - start;
	(void)pthread_mutex_lock(&c->lock);
	b->pins--;
	c->stats.lz4_compress_ns += start;
	c->stats.lz4_tried++;
	/* Worth it if it saves a quarter: unpacking costs as much as making. */
	g = group_of(c, b->is.group);
	g->known = true;
	g->worth = got && got <= n - n / 4;
	c->stats.lz4_refused += !g->worth;
	return g->worth;
}

void lens_cache_free_chunks(struct lens_cache *c, struct block *b)
{
	for (unsigned i = 0; i < b->n_chunks; i++)
		if (b->chunks[i].data) {
			c->packed -= b->chunks[i].size;
			free(b->chunks[i].data);
		}
	free(b->chunks);
	b->chunks = NULL;
	b->n_chunks = 0;
}

/* Keep the packed chunk, and let the pages it was in go first. */
static bool keep(struct lens_cache *c, struct block *b, unsigned i,
		 const char *data, uint32_t size)
{
	const size_t at = (size_t)i * CHUNK;
	const size_t n = CHUNK < b->map.size - at ? CHUNK : b->map.size - at;

	b->chunks[i].data = malloc(size);
	if (!b->chunks[i].data)
		return false;
	memcpy(b->chunks[i].data, data, size);
	b->chunks[i].size = size;
	(void)madvise((char *)b->map.mem + at, n, MADV_DONTNEED);
	(void)pthread_mutex_lock(&c->lock);
	c->packed += size;
	c->mapped -= n;
	(void)pthread_mutex_unlock(&c->lock);
	return true;
}

/* All chunks, without the lock; *done counts them. */
static void pack_all(struct lens_cache *c, struct block *b, unsigned *done,
		     uint64_t *in, uint64_t *out)
{
	lens_autofree char *dst = malloc((size_t)LZ4_compressBound(CHUNK));
	lens_autofree uint8_t *tmp = malloc(CHUNK);

	for (*done = 0; dst && tmp && *done < b->n_chunks; ++*done) {
		const char *src =
			(const char *)b->map.mem + (size_t)*done * CHUNK;
		const uint32_t n = chunk_size(b, *done);
		uint32_t got = pack_chunk(src, n, b->is.elem, dst, tmp);
		const bool raw = !got || got >= n;

		if (!keep(c, b, *done, raw ? src : dst, raw ? n : got))
			return;
		*in += n;
		*out += raw ? n : got;
	}
}

bool lens_cache_pack(struct lens_cache *c, struct block *b)
{
	const unsigned n = (unsigned)((b->is.size + CHUNK - 1) / CHUNK);
	uint64_t in = 0, out = 0, start = lens_now();
	unsigned done;

	b->chunks = calloc(n, sizeof(*b->chunks));
	if (!b->chunks)
		return false;
	b->n_chunks = n;
	b->state = PACKING;
	(void)pthread_mutex_unlock(&c->lock);
	pack_all(c, b, &done, &in, &out);
	(void)munmap(b->map.mem, b->map.size);
	(void)pthread_mutex_lock(&c->lock);
	/* What was not let go chunk by chunk. */
	if ((size_t)done * CHUNK < b->map.size)
		c->mapped -= b->map.size - (size_t)done * CHUNK;
	b->map = (struct map){ 0 };
	c->stats.lz4_compress_ns += lens_now() - start;
	b->state = COLD;
	(void)pthread_cond_broadcast(&c->changed);
	if (done < n)
		return false;
	c->stats.lz4_in += in;
	c->stats.lz4_out += out;
	return true;
}

int lens_cache_unpack(struct lens_cache *c, const struct block *b, unsigned i,
		      struct lens_err *err)
{
	const struct chunk *k = &b->chunks[i];
	const uint32_t n = chunk_size(b, i),
		       whole = n / b->is.elem * b->is.elem;
	uint8_t *dst = (uint8_t *)b->map.mem + (size_t)i * CHUNK;
	lens_autofree uint8_t *tmp = NULL;
	const uint64_t start = lens_now();

	if (k->size == n) {
		memcpy(dst, k->data, n);
		return 0;
	}
	tmp = malloc(n);
	if (!tmp)
		return lens_fail(err, ENOMEM, "no memory to unpack a block");
	if (LZ4_decompress_safe(k->data, (char *)tmp, (int)k->size, (int)n) !=
	    (int)n)
		return lens_fail(err, EIO,
				 "a packed block is damaged in memory");
	lens_kernels()->unshuffle(dst, tmp, n / b->is.elem, b->is.elem);
	memcpy(dst + whole, tmp + whole, n - whole);
	(void)pthread_mutex_lock(&c->lock);
	c->stats.lz4_decompress_ns += lens_now() - start;
	(void)pthread_mutex_unlock(&c->lock);
	return 0;
}

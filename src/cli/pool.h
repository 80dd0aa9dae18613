/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - threads and their buffers, for commands that go through all bytes of
 * a view: convert, verify, hash, warm.
 */
#ifndef LENS_CLI_POOL_H
#define LENS_CLI_POOL_H

#include "lens/base.h"

#include <pthread.h>

/* Buffers of @size bytes, at most one a thread in use; any thread. */
struct lens_pool {
	unsigned threads;
	size_t size; /* what one job is, too; a multiple of 4096 */
	pthread_mutex_t lock;
	void *spare; /* what nobody uses, each the next one's address first;
			under lock */
};

/* @jobs threads, 0: one a CPU. */
void lens_pool_init(struct lens_pool *p, unsigned jobs);
/* NULL: no memory. */
void *lens_pool_take(struct lens_pool *p);
void lens_pool_give(struct lens_pool *p, void *buf);
void lens_pool_fini(struct lens_pool *p); /* all must be given back */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parallel.c - the same work for many, on several threads; and work that
 * nobody wants any more.
 */
#include "lens/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define MAX_JOBS 256

struct crew {
	size_t n;
	int (*fn)(void *ctx, size_t i, struct lens_err *err);
	void *ctx;
	atomic_size_t next;
	pthread_mutex_t lock; /* of the two below */
	bool failed;
	struct lens_err err;
};

static void *work(void *arg)
{
	struct crew *c = arg;
	struct lens_err err;
	size_t i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->n) {
		if (c->fn(c->ctx, i, &err) >= 0)
			continue;
		atomic_store(&c->next, c->n);
		pthread_mutex_lock(&c->lock);
		if (!c->failed)
			c->err = err;
		c->failed = true;
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

int lens_parallel(size_t n, unsigned jobs,
		  int (*fn)(void *ctx, size_t i, struct lens_err *err),
		  void *ctx, struct lens_err *err)
{
	struct crew c = {
		.n = n, .fn = fn, .ctx = ctx, .lock = PTHREAD_MUTEX_INITIALIZER
	};
	pthread_t threads[MAX_JOBS];
	unsigned made = 0;

	if (!jobs) {
		long cpus = sysconf(_SC_NPROCESSORS_ONLN);

		jobs = cpus > 0 ? (unsigned)cpus : 1;
	}
	if (jobs > n)
		jobs = (unsigned)n;
	/* Fewer threads than wished for is slower, and no error. */
	while (made + 1 < jobs && made < MAX_JOBS &&
	       pthread_create(&threads[made], NULL, work, &c) == 0)
		made++;
	(void)work(&c);
	while (made)
		(void)pthread_join(threads[--made], NULL);
	if (!c.failed)
		return 0;
	*err = c.err;
	return -err->code;
}

static _Thread_local struct {
	bool (*asked)(void *ctx);
	void *ctx;
} cancel;

void lens_cancel_set(bool (*asked)(void *ctx), void *ctx)
{
	cancel.asked = asked;
	cancel.ctx = ctx;
}

bool lens_cancelled(void)
{
	return cancel.asked && cancel.asked(cancel.ctx);
}

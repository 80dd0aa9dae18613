/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - threads and their buffers.
 */
#include "cli/pool.h"

#include <unistd.h>

/* Bytes of a job; of all threads' buffers together. */
#define JOB_MAX (4u << 20)
#define JOB_MIN (1u << 20)
#define BUFFERS_MAX (64u << 20)

void lens_pool_init(struct lens_pool *p, unsigned jobs)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*p = (struct lens_pool){ .lock = PTHREAD_MUTEX_INITIALIZER };
	p->threads = jobs ? jobs : cpus > 0 ? (unsigned)cpus : 1;
	p->size = BUFFERS_MAX / p->threads & ~(size_t)4095;
	p->size = p->size > JOB_MAX ? JOB_MAX :
		  p->size < JOB_MIN ? JOB_MIN :
				      p->size;
}

void *lens_pool_take(struct lens_pool *p)
{
	void *buf;

	(void)pthread_mutex_lock(&p->lock);
	buf = p->spare;
	if (buf)
		memcpy(&p->spare, buf, sizeof(p->spare));
	(void)pthread_mutex_unlock(&p->lock);
	return buf ? buf : malloc(p->size);
}

void lens_pool_give(struct lens_pool *p, void *buf)
{
	(void)pthread_mutex_lock(&p->lock);
	memcpy(buf, &p->spare, sizeof(p->spare));
	p->spare = buf;
	(void)pthread_mutex_unlock(&p->lock);
}

void lens_pool_fini(struct lens_pool *p)
{
	while (p->spare) {
		void *next;

		memcpy(&next, p->spare, sizeof(next));
		free(p->spare);
		p->spare = next;
	}
}

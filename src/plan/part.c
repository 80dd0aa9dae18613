/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part.c - buffers for a part of a tensor, of which not many more are needed at
 * once than CPUs can work in, however many threads read.
 *
 * Who has one computes and reads the source, and waits for nobody: so a wait
 * for one is short.  There are two for each CPU, since who has one may not be
 * running; with one for each, quantizing is slower by a twentieth.
 */
#include "plan/state.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define LEAST 4u
#define MOST 64u

static struct {
	pthread_mutex_t lock;
	pthread_cond_t given;
	unsigned made, most; /* @most: 0 until it is known */
	unsigned n;
	unsigned char *spare[MOST];
} parts = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .given = PTHREAD_COND_INITIALIZER };

static unsigned how_many(void)
{
	const long n = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	return n < (long)LEAST ? LEAST : n > (long)MOST ? MOST : (unsigned)n;
}

/* With the lock: a new one, if there may be one more and memory for it. */
static unsigned char *make(void)
{
	unsigned char *p;

	if (!parts.most)
		parts.most = how_many();
	p = parts.made < parts.most ? malloc(LENS_PART) : NULL;
	parts.made += p != NULL;
	return p;
}

unsigned char *lens_part_take(struct lens_err *err)
{
	unsigned char *p = NULL;

	(void)pthread_mutex_lock(&parts.lock);
	while (!parts.n && !(p = make()) && parts.made)
		(void)pthread_cond_wait(&parts.given, &parts.lock);
	if (!p && parts.n)
		p = parts.spare[--parts.n];
	(void)pthread_mutex_unlock(&parts.lock);
	if (!p)
		(void)lens_fail(err, ENOMEM, "no memory to make a tensor in");
	return p;
}

void lens_part_give(unsigned char *part)
{
	(void)pthread_mutex_lock(&parts.lock);
	parts.spare[parts.n++] = part;
	(void)pthread_cond_signal(&parts.given);
	(void)pthread_mutex_unlock(&parts.lock);
}

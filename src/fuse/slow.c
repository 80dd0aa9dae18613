/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow.c - reads that need a pass over a whole tensor, each on a thread of its
 * own, so that nobody else's read waits for one.
 *
 * Beyond a few at once, or without a thread to be had, whoever asks is served
 * by the thread that took the request.
 */
#include "fuse/session.h"

#include <errno.h>

#define MOST 16

struct slow {
	struct lens_read read;
	struct lens_session *s;
};

static bool enter(struct lens_session *s)
{
	bool in;

	(void)pthread_mutex_lock(&s->slow_lock);
	in = s->slow < MOST;
	s->slow += in;
	(void)pthread_mutex_unlock(&s->slow_lock);
	return in;
}

static void leave(struct lens_session *s)
{
	(void)pthread_mutex_lock(&s->slow_lock);
	if (!--s->slow)
		(void)pthread_cond_broadcast(&s->slow_none);
	(void)pthread_mutex_unlock(&s->slow_lock);
}

static void *serve(void *arg)
{
	lens_autofree struct slow *slow = arg;

	lens_fuse_read(&slow->read, true);
	leave(slow->s);
	return NULL;
}

static bool start(struct lens_session *s, const struct lens_read *read)
{
	struct slow *slow = malloc(sizeof(*slow));
	pthread_attr_t attr;
	pthread_t thread;
	bool started;

	if (!slow || pthread_attr_init(&attr) != 0) {
		free(slow);
		return false;
	}
	*slow = (struct slow){ .read = *read, .s = s };
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	started = pthread_create(&thread, &attr, serve, slow) == 0;
	(void)pthread_attr_destroy(&attr);
	if (!started)
		free(slow);
	return started;
}

void lens_slow_read(struct lens_session *s, const struct lens_read *read)
{
	if (enter(s)) {
		if (start(s, read))
			return;
		leave(s);
	}
	lens_fuse_read(read, true);
}

void lens_slow_wait(struct lens_session *s)
{
	(void)pthread_mutex_lock(&s->slow_lock);
	while (s->slow)
		(void)pthread_cond_wait(&s->slow_none, &s->slow_lock);
	(void)pthread_mutex_unlock(&s->slow_lock);
}

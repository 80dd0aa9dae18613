/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - a mounted view, and what the files of this module share.
 */
#ifndef LENS_FUSE_SESSION_H
#define LENS_FUSE_SESSION_H

#include "lens/fuse.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#define LENS_REQUEST (1u << 20) /* bytes of the largest read */

struct lens_session {
	const struct lens_view *view;
	const struct lens_mount_opts *opts;
	struct fuse_session *fuse;
	unsigned threads;
	unsigned waiting;   /* threads more, where reads wait for one another */
	unsigned in_flight; /* requests that nobody waits for, at once */
	bool cancels; /* reads may take so long that it is worth asking whether
			 their reader is still there */
	bool free_folders; /* the kernel need not open them; set by init */
	uid_t uid;
	gid_t gid;
	char point[PATH_MAX]; /* absolute; "" if it was handed down as a
				 descriptor */
	dev_t dev;            /* of the mount, unless handed down */

	/* The keeper: signals, and what is done once the session runs. */
	pthread_t keeper;
	int signals; /* signalfd; -1: there is no keeper */
	int wake;    /* eventfd: one of the two below has changed */
	atomic_bool running, over;
	atomic_uint_fast64_t opened; /* files opened so far */

	pthread_mutex_t slow_lock;
	pthread_cond_t slow_none;
	unsigned slow; /* threads of slow.c; guarded by @slow_lock */
};

/* A READ, until it is answered. */
struct lens_read {
	fuse_req_t req;
	fuse_ino_t ino;
	size_t n;
	uint64_t off, reader;
};

/* ops.c */
extern const struct fuse_lowlevel_ops lens_fuse_ops;
/* Answer it. @cancels: give up if nobody waits for that. */
void lens_fuse_read(const struct lens_read *read, bool cancels);

/* slow.c: the same, once what may take long is made. */
void lens_slow_read(struct lens_session *s, const struct lens_read *read);
/* Until no such thread is left; the session must be over. */
void lens_slow_wait(struct lens_session *s);

/* buffer.c: the calling thread's own reply buffer, for @n bytes of at most
 * LENS_REQUEST, page aligned, used again for each request; NULL: no memory. */
void *lens_fuse_buffer(size_t n);

/* unwanted.c: does nobody wait for the answer to @req (a fuse_req_t) any more?
 */
bool lens_fuse_is_unwanted(void *req);

/* report.c: log why a request failed; of one tensor at most once a minute. */
void lens_fuse_report(const struct lens_err *err);

/* keeper.c: a thread that takes the signals, tells opts->ready, and unmounts.
 * All signals it takes must be blocked before. */
void lens_keeper_signals(sigset_t *ret);
int lens_keeper_start(struct lens_session *s,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_keeper_stop(struct lens_session *s);
void lens_keeper_running(struct lens_session *s); /* from init */

/* mount.c */
int lens_mount_check(struct lens_session *s,
		     struct lens_err *err) LENS_MUST_CHECK;
int lens_mount_options(const struct lens_session *s, struct fuse_args *args,
		       struct lens_err *err) LENS_MUST_CHECK;
/* What is mounted is ours: find its device, refuse what would hang. */
int lens_mount_guard(struct lens_session *s,
		     struct lens_err *err) LENS_MUST_CHECK;
/* While the kernel holds our mount: the number of a device that is gone goes to
 * the next. */
bool lens_mount_is_ours(const struct lens_session *s);
/* When the kernel has let go of us: was that no unmounting? */
bool lens_mount_is_dead(const struct lens_session *s);
int lens_mount_detach(const struct lens_session *s,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_mount_readahead(const struct lens_session *s);

#endif

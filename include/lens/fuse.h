/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/fuse.h - a view as a mounted filesystem.
 *
 * find the node, ask the tree, reply; no state per open file, node numbers
 * from the plan, one place where replies are sent.
 */
#ifndef LENS_FUSE_H
#define LENS_FUSE_H

#include "lens/tree.h"

struct lens_mount_opts {
	const char
		*mountpoint; /* also /dev/fd/N, as mount.fuse3 hands one down */
	bool allow_other;
	uint64_t readahead; /* bytes; 0: 4 MiB where the kernel lets us */
	unsigned threads;   /* 0: one a CPU, 4..64 */
	/* Called once, from the session, when reads work. */
	void (*ready)(void *ctx);
	void *ctx;
};

/*
 * Mount and serve until it is unmounted; SIGTERM and SIGINT unmount lazily and
 * serve those who still have files open, a second one ends it at once (exit
 * status 130).  Refuses, before anything is mounted, what would hang (a source
 * inside the mount).  0 when it was unmounted.
 */
int lens_fuse_serve(const struct lens_view *v,
		    const struct lens_mount_opts *opts,
		    struct lens_err *err) LENS_MUST_CHECK;

/* Mount something in a folder of its own and take it away. EPERM, and what
 * libfuse says; not beside other threads. */
int lens_fuse_try(struct lens_err *err) LENS_MUST_CHECK;

#endif

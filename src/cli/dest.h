/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dest.h - the directory that convert writes: every file appears whole, under
 * its name, or not at all, and a failure leaves nothing behind.
 */
#ifndef LENS_CLI_DEST_H
#define LENS_CLI_DEST_H

#include "lens/tree.h"

#include <pthread.h>
#include <stdatomic.h>

/* Which are written first: who sees an index finds all it names. */
enum lens_rank {
	LENS_RANK_WEIGHTS,
	LENS_RANK_OTHER,
	LENS_RANK_CONFIG,
	LENS_RANK_INDEX,
};

/* A file of the view, on its way. */
struct lens_target {
	char *path; /* below DEST */
	uint64_t ino, size;
	struct timespec mtime;
	enum lens_rank rank;
	uint32_t weights; /* which weight file it is; LENS_NONE: none */
	enum { TARGET_NONE, TARGET_OPEN, TARGET_DONE } state; /* under lock */
	int fd;              /* while it is open */
	_Atomic size_t left; /* jobs not done yet */
};

struct lens_dest {
	const char *path; /* as it was given */
	int dir;          /* -1: not there yet */
	bool made;        /* by us, not found empty */
	size_t n, n_folders, n_made;
	struct lens_target *file; /* by rank */
	char **folder;            /* a folder before what is in it */
	uint64_t size;            /* of all files */
	pthread_mutex_t lock;
};

/* May @path be written to, with @source as the source? Nothing is changed. */
int lens_dest_check(const char *path, const char *source,
		    struct lens_err *err) LENS_MUST_CHECK;
/* List what @v shows. @d is to be released with lens_dest_fini() in any case.
 */
int lens_dest_init(struct lens_dest *d, const char *path,
		   const struct lens_view *v,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_dest_fini(struct lens_dest *d);
/* Is there room? Then make the folders. */
int lens_dest_begin(struct lens_dest *d, struct lens_err *err) LENS_MUST_CHECK;
/* Where file @i is written; any thread. */
int lens_dest_open(struct lens_dest *d, size_t i, int *fd,
		   struct lens_err *err) LENS_MUST_CHECK;
/* All of file @i is written: give it its name. */
int lens_dest_close(struct lens_dest *d, size_t i,
		    struct lens_err *err) LENS_MUST_CHECK;
/* All files are: to the disk with the names. */
int lens_dest_sync(struct lens_dest *d, struct lens_err *err) LENS_MUST_CHECK;
/* Take everything away that was made. */
void lens_dest_undo(struct lens_dest *d);

#endif

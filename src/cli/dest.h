/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dest.h - the directory that convert writes: every file appears whole, under
 * its name, or not at all.
 *
 * While it is not whole it has a folder .lensfs-convert: what is written, by
 * whoever works on it, and what it is all to become.  The same conversion may
 * go on with it, and several at once may work on it, on several hosts: files
 * that are there are done; the same file made twice is the same; what a process
 * that was killed has left is nobody's.
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
	unsigned part;    /* whose it is; of weights alone */
	enum { TARGET_NONE, TARGET_OPEN, TARGET_DONE } state; /* under lock */
	bool ours;           /* it was written here, and not there before */
	int fd;              /* while it is open */
	_Atomic size_t left; /* jobs not done yet */
};

struct lens_dest {
	const char *path;     /* as it was given */
	int dir;              /* -1: not there yet */
	int work;             /* its .lensfs-convert; -1: not there yet */
	bool made;            /* by us, not found empty */
	bool first;           /* nobody else had begun */
	unsigned part, parts; /* parts 0: all of it */
	char token[64];       /* in the names of what this process writes */
	size_t n, n_folders;
	struct lens_target *file; /* by rank */
	char **folder;            /* a folder before what is in it */
	uint64_t size;            /* of all files that are still to be written
				     here */
	pthread_mutex_t lock;
};

/* May @path be written to, with @source as the source? Nothing is changed. */
int lens_dest_check(const char *path, const char *source, bool part,
		    struct lens_err *err) LENS_MUST_CHECK;
/* List what @v shows. @d is to be released with lens_dest_fini() in any case.
 */
int lens_dest_init(struct lens_dest *d, const char *path,
		   const struct lens_view *v, unsigned part, unsigned parts,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_dest_fini(struct lens_dest *d);
/*
 * Make the folders, or go on with those of before; see what is done.  Is there
 * room for the rest?  1: all of it is done already.
 */
int lens_dest_begin(struct lens_dest *d, const struct lens_view *v,
		    struct lens_err *err) LENS_MUST_CHECK;
/* Is file @i to be written here and now? */
bool lens_dest_wants(const struct lens_dest *d, size_t i);
/* Where file @i is written; any thread. -1: it is there already. */
int lens_dest_open(struct lens_dest *d, size_t i, int *fd,
		   struct lens_err *err) LENS_MUST_CHECK;
/* All of file @i is written: give it its name. */
int lens_dest_close(struct lens_dest *d, size_t i,
		    struct lens_err *err) LENS_MUST_CHECK;
/* Weight files that are there, whoever wrote them. */
size_t lens_dest_weights(struct lens_dest *d, size_t *of);
/* To the disk with the names. */
int lens_dest_sync(struct lens_dest *d, struct lens_err *err) LENS_MUST_CHECK;
/* All files are there: nothing else stays. */
void lens_dest_end(struct lens_dest *d);
/* It failed: take away what is not whole, and everything if nothing is. The
 * number of files that stay. */
size_t lens_dest_leave(struct lens_dest *d);

/* resume.c: the folder .lensfs-convert. */
#define LENS_DEST_WORK ".lensfs-convert"
/* Open or make it; refuse if it is to become something else. */
int lens_resume_begin(struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err) LENS_MUST_CHECK;
/* Is file @i there, as this conversion would write it? */
bool lens_resume_is_done(const struct lens_dest *d, size_t i);
/* Does DEST's file @i begin as the view's does? */
bool lens_resume_is_alike(const struct lens_dest *d, size_t i,
			  const struct lens_view *v);
/* Remove files that nobody writes any more; with @all whoever may, and the
 * folder. */
void lens_resume_clean(struct lens_dest *d, bool all);

#endif

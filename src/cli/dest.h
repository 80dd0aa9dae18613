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
	enum {
		TARGET_NONE,
		TARGET_OPEN,
		TARGET_DONE,
		TARGET_LOST, /* somebody took it away before it had its name */
	} state;             /* under lock */
	bool ours;           /* it was written here, and not there before */
	int fd;              /* while it is open */
	_Atomic size_t left; /* jobs not done yet */
};

struct lens_dest {
	const char *path;      /* as it was given */
	const char *options;   /* likewise, for people; NULL: none */
	bool (*stopped)(void); /* is it to end? NULL: never */
	int dir;               /* -1: not there yet */
	int work;              /* its .lensfs-convert; -1: not there yet */
	bool made;             /* by us, not found empty */
	bool made_work;        /* likewise, but others may use it */
	bool first;            /* nobody else had begun */
	bool left;             /* all is there, and an empty work folder too */
	unsigned part, parts;  /* parts 0: all of it */
	unsigned threads;
	char token[64]; /* in the names of what this process writes */
	size_t n, n_folders;
	struct lens_target *file; /* by rank */
	char **folder;            /* a folder before what is in it */
	uint64_t size;            /* of all files that are still to be written
				     here */
	pthread_mutex_t lock;
};

/* Does one come to directory @source, going up from directory @fd?  Closes @fd,
 * which may be -1. */
bool lens_dest_below(int fd, const char *source);
/* May @path be written to, with @source as the source? Nothing is changed. */
int lens_dest_check(const char *path, const char *source, bool part,
		    struct lens_err *err) LENS_MUST_CHECK;
/* List what @v shows. @d is to be released with lens_dest_fini() in any case;
 * @options, @stopped and @threads are its caller's to set. */
int lens_dest_init(struct lens_dest *d, const char *path,
		   const struct lens_view *v, unsigned part, unsigned parts,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_dest_fini(struct lens_dest *d);
/*
 * Make the folders, or go on with those of before; see what is done.  Is there
 * room for the rest?  1: all of it is done already, and has been compared.
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
/* Were files lost?  They are wanted again. */
bool lens_dest_lost(struct lens_dest *d);
/* See what others have done meanwhile: how many weight files are not there. */
size_t lens_dest_missing(struct lens_dest *d);
/* To the disk with the names. */
int lens_dest_sync(struct lens_dest *d, struct lens_err *err) LENS_MUST_CHECK;
/* All files are there: nothing else stays. */
void lens_dest_end(struct lens_dest *d);
/* It failed: take away what is not whole, and everything if nothing is. The
 * number of files that stay. */
size_t lens_dest_leave(struct lens_dest *d);

/* resume.c: the folder .lensfs-convert. */
#define LENS_DEST_WORK ".lensfs-convert"
#define LENS_DEST_IDENTITY "identity" /* files' begin with a digit */
/* Open or make it; refuse if it is to become something else.  1: nothing is
 * going on in DEST, and it is not empty. */
int lens_resume_begin(struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err) LENS_MUST_CHECK;

/* found.c: what DEST holds. */
struct lens_found {
	bool work, identity, others; /* .lensfs-convert, a file in it; more */
};
int lens_resume_look(const struct lens_dest *d, struct lens_found *ret,
		     struct lens_err *err) LENS_MUST_CHECK;
/* Have the system look again at what is in DEST. */
void lens_resume_refresh(const struct lens_dest *d);
/* Is file @i there, as this conversion would write it? */
bool lens_resume_is_done(const struct lens_dest *d, size_t i);
/* Does DEST's file @i begin with the first @most bytes of the view's?  1: no.
 */
int lens_resume_compare(const struct lens_dest *d, size_t i,
			const struct lens_view *v, uint64_t most,
			struct lens_err *err) LENS_MUST_CHECK;
/* Remove files that nobody writes any more; with @all whoever may, and the
 * folder. */
void lens_resume_clean(struct lens_dest *d, bool all);
/* Has somebody else files there? */
bool lens_resume_is_shared(const struct lens_dest *d);

/* deal.c: which of @parts shares each of @n files is of, by their sizes. */
int lens_dest_deal(const uint64_t *size, size_t n, unsigned parts,
		   unsigned *part);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dest_file.c - a file of a destination: written under a name of its own in
 * .lensfs-convert, and given its own when it is whole and on the disk.
 */
#include "cli/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What file @i is called, in .lensfs-convert, until it is whole. */
static const char *temporary(const struct lens_dest *d, char *buf, size_t i)
{
	(void)snprintf(buf, 96, "%zu-%s", i, d->token);
	return buf;
}

static int failed(const struct lens_dest *d, size_t i, const char *what,
		  struct lens_err *err)
{
	int code = errno;

	return lens_fail(err, code, "'%s/%s': %s: %s", LENS_SHOW(d->path),
			 LENS_SHOW(d->file[i].path), what, strerror(code));
}

/* NFS says of a folder that another host removed that it is stale. */
static bool is_gone(int code)
{
	return code == ENOENT || code == ESTALE;
}

static bool was_done(const struct lens_dest *d, size_t i)
{
	const int code = errno;
	bool done;

	lens_resume_refresh(d);
	done = lens_resume_is_done(d, i);
	errno = code;
	return done;
}

int lens_dest_open(struct lens_dest *d, size_t i, int *fd, struct lens_err *err)
{
	struct lens_target *t = &d->file[i];
	char name[96];
	int n = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (t->state == TARGET_NONE) {
		/* Whoever makes it too may have done so, or have come to the
		 * end of it all. */
		if (lens_resume_is_done(d, i))
			t->state = TARGET_DONE;
		else if ((t->fd = openat(d->work, temporary(d, name, i),
					 O_WRONLY | O_CREAT | O_EXCL |
						 O_CLOEXEC,
					 0644)) >= 0)
			t->state = TARGET_OPEN;
		else if (is_gone(errno) && was_done(d, i))
			t->state = TARGET_DONE;
		else
			n = failed(d, i, "open", err);
		/* Says that somebody writes it, where that can be said. */
		if (t->fd >= 0)
			(void)flock(t->fd, LOCK_EX | LOCK_NB);
	}
	*fd = t->fd;
	(void)pthread_mutex_unlock(&d->lock);
	return n;
}

/*
 * Give file @i its name.  Whoever else made it meanwhile made the same, and may
 * have taken ours away at the end of it all; so does who, where locks say
 * nothing true, takes us for dead.  TARGET_OPEN: it can't be done, see errno.
 */
static int name_it(struct lens_dest *d, size_t i)
{
	const struct lens_target *t = &d->file[i];
	char name[96];
	int code;

	if (renameat(d->work, temporary(d, name, i), d->dir, t->path) == 0)
		return TARGET_DONE;
	code = errno;
	if (!is_gone(code))
		return TARGET_OPEN;
	if (was_done(d, i))
		return TARGET_DONE;
	if (faccessat(d->work, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    faccessat(d->dir, LENS_DEST_WORK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return TARGET_LOST;
	errno = code;
	return TARGET_OPEN;
}

int lens_dest_close(struct lens_dest *d, size_t i, struct lens_err *err)
{
	struct lens_target *t = &d->file[i];
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, t->mtime };
	int fd = t->fd, state;

	if (t->state == TARGET_DONE)
		return 0;
	/* It may end in a hole. */
	if (ftruncate(fd, (off_t)t->size) < 0)
		return failed(d, i, "truncate", err);
	if (fsync(fd) < 0)
		return failed(d, i, "fsync", err);
	if (futimens(fd, times) < 0)
		return failed(d, i, "set its time", err);
	state = name_it(d, i);
	if (state == TARGET_OPEN)
		return failed(d, i, "rename", err);
	t->fd = -1;
	if (close(fd) < 0)
		return failed(d, i, "close", err);
	(void)pthread_mutex_lock(&d->lock);
	t->ours = state == TARGET_DONE;
	t->state = state;
	(void)pthread_mutex_unlock(&d->lock);
	return 0;
}

bool lens_dest_lost(struct lens_dest *d)
{
	bool lost = false;

	for (size_t i = 0; i < d->n; i++)
		if (d->file[i].state == TARGET_LOST) {
			d->file[i].state = TARGET_NONE;
			lost = true;
		}
	return lost;
}

size_t lens_dest_leave(struct lens_dest *d)
{
	size_t done = 0;
	char name[96];

	for (size_t i = 0; d->dir >= 0 && i < d->n; i++) {
		if (d->work >= 0 && d->file[i].state == TARGET_OPEN)
			(void)unlinkat(d->work, temporary(d, name, i), 0);
		done += d->file[i].state == TARGET_DONE;
	}
	/* Where others are at work, or were, it is not ours to end. */
	if (done || d->parts || d->dir < 0 ||
	    (d->first && lens_resume_is_shared(d)))
		return done;
	if (d->first)
		lens_resume_clean(d, true);
	else if (d->made_work)
		(void)unlinkat(d->dir, LENS_DEST_WORK, AT_REMOVEDIR);
	for (size_t i = d->n_folders; d->first && i-- > 0;)
		(void)unlinkat(d->dir, d->folder[i], AT_REMOVEDIR);
	if (d->made)
		(void)rmdir(d->path);
	return 0;
}

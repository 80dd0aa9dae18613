/* SPDX-License-Identifier: Apache-2.0 */
/*
 * found.c - what is found in a destination: files that are whole, and what has
 * been left behind.
 */
#include "cli/dest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1u << 20)

/*
 * Not what a cache says of the folder: network filesystems remember that a name
 * was not there, and two that end at once would each miss the other's files.
 */
void lens_resume_refresh(const struct lens_dest *d)
{
	struct statx st;

	(void)statx(d->dir, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC,
		    STATX_BASIC_STATS, &st);
}

int lens_resume_look(const struct lens_dest *d, struct lens_found *f,
		     struct lens_err *err)
{
	DIR *dir;
	const struct dirent *e;
	int fd;

	*f = (struct lens_found){ 0 };
	lens_resume_refresh(d);
	fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return lens_fail(err, errno, "'%s': it can't be listed: %s",
				 LENS_SHOW(d->path), strerror(errno));
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, LENS_DEST_WORK) == 0)
			f->work = true;
		else if (strcmp(e->d_name, ".") != 0 &&
			 strcmp(e->d_name, "..") != 0)
			f->others = true;
	f->identity =
		f->work && faccessat(fd, LENS_DEST_WORK "/" LENS_DEST_IDENTITY,
				     F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	(void)closedir(dir);
	return 0;
}

/* Times may be cut off to two seconds, and never lie ahead: what was written to
 * later does not pass. */
static bool same_time(struct timespec is, struct timespec was)
{
	const int64_t off =
		((int64_t)was.tv_sec - (int64_t)is.tv_sec) * 1000000000 +
		was.tv_nsec - is.tv_nsec;

	return off >= 0 && off < 2000000000;
}

bool lens_resume_is_done(const struct lens_dest *d, size_t i)
{
	const struct lens_target *t = &d->file[i];
	struct stat st;

	return fstatat(d->dir, t->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == t->size &&
	       same_time(st.st_mtim, t->mtime);
}

int lens_resume_compare(const struct lens_dest *d, size_t i,
			const struct lens_view *v, uint64_t most,
			struct lens_err *err)
{
	const struct lens_target *t = &d->file[i];
	lens_autofree unsigned char *a = malloc(PIECE), *b = malloc(PIECE);
	const uint64_t end = t->size < most ? t->size : most;
	int fd = openat(d->dir, t->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t off = 0;
	size_t n = 1;
	int r = 0;

	if (fd < 0 || !a || !b)
		r = lens_fail(err, fd < 0 ? errno : ENOMEM, "'%s/%s': %s",
			      LENS_SHOW(d->path), LENS_SHOW(t->path),
			      strerror(fd < 0 ? errno : ENOMEM));
	for (; r == 0 && n && off < end; off += n) {
		const size_t k =
			end - off < PIECE ? (size_t)(end - off) : PIECE;

		if (d->stopped && d->stopped())
			r = lens_fail(err, EINTR, "interrupted");
		else
			r = lens_tree_read(v, t->ino, off, k, a, &n, i + 1,
					   err);
		if (r == 0)
			r = pread(fd, b, n, (off_t)off) == (ssize_t)n &&
					    !memcmp(a, b, n) ?
				    0 :
				    1;
	}
	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* Does nobody write @name any more?  Where locks say nothing, nobody knows. */
static bool is_left(int at, const char *name)
{
	int fd = openat(at, name, O_RDWR | O_CLOEXEC);
	struct stat st;
	bool left = fd >= 0 && fstat(fd, &st) == 0 &&
		    /* It may have been made just now, and not locked yet. */
		    (st.st_size > 0 || time(NULL) - st.st_mtime > 60) &&
		    flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		(void)close(fd);
	return left;
}

void lens_resume_clean(struct lens_dest *d, bool all)
{
	int fd = openat(d->work, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		const char *name = e->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    strcmp(name, LENS_DEST_IDENTITY) != 0 &&
		    (all || (name[0] != LENS_DEST_IDENTITY[0] &&
			     is_left(d->work, name))))
			(void)unlinkat(d->work, name, 0);
	}
	if (dir)
		(void)closedir(dir);
	if (!all)
		return;
	/* Last: without it, all that is left is an empty folder. */
	(void)unlinkat(d->work, LENS_DEST_IDENTITY, 0);
	/* Not empty: somebody has just begun, and will come to its end. */
	(void)unlinkat(d->dir, LENS_DEST_WORK, AT_REMOVEDIR);
}

bool lens_resume_is_shared(const struct lens_dest *d)
{
	int fd = openat(d->work, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool shared = false;

	while (dir && !shared && (e = readdir(dir)))
		shared = e->d_name[0] != '.' &&
			 strcmp(e->d_name, LENS_DEST_IDENTITY) != 0 &&
			 !strstr(e->d_name, d->token);
	if (dir)
		(void)closedir(dir);
	return shared;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - opening files that strangers made: beneath a directory that is held
 * open, regular files only, links only where they may lead.
 *
 * A link may stay inside the directory, or lead to a blob of a hub cache: a
 * regular file DIR/models--NAME/blobs/HASH, with a hash of 40 or 64 digits,
 * that is itself no link.
 */
#include "st/st.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOW (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int fail_open(const char *name, int code, struct lens_err *err)
{
	return lens_fail(err, code, "'%s': %s", LENS_SHOW(name),
			 code == ENOENT ? "there is no such file" :
					  strerror(code));
}

static int open_beneath(int dir, const char *name)
{
	struct open_how how = {
		.flags = HOW, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

int lens_source_opendir(int dir, const char *name, bool follow_links)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH |
					   RESOLVE_NO_MAGICLINKS };

	if (follow_links)
		return openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static bool is_hash(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return !s[n] && (n == 40 || n == 64);
}

/* Is the folder behind @fd called .../models--X/blobs ? */
static bool is_blobs(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;
	char *end;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = 0;
	end = strrchr(path, '/');
	if (!end || strcmp(end, "/blobs") != 0)
		return false;
	*end = 0;
	end = strrchr(path, '/');
	return end && strncmp(end, "/models--", 9) == 0;
}

/* The hub's blob that link @name leads to; -1 if it leads elsewhere. */
static int open_blob(int dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	int blobs, fd;
	char *base;

	if (n <= 0)
		return -1;
	target[n] = 0;
	base = strrchr(target, '/');
	if (!base || base == target || !is_hash(base + 1))
		return -1;
	*base++ = 0;
	blobs = openat(dir, target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (blobs < 0)
		return -1;
	fd = is_blobs(blobs) ? openat(blobs, base, HOW | O_NOFOLLOW) : -1;
	close(blobs);
	return fd;
}

static int open_link(int dir, const char *name, bool follow_links,
		     struct lens_err *err)
{
	struct stat st;
	int fd, why;

	if (follow_links) {
		/* What it leads to is looked at before it is opened: a FIFO's
		 * open might be noticed. */
		if (fstatat(dir, name, &st, 0) < 0)
			return fail_open(name, errno, err);
		if (!S_ISREG(st.st_mode))
			return lens_fail(err, EINVAL,
					 "'%s': it is a link to something that "
					 "is no regular file",
					 LENS_SHOW(name));
		fd = openat(dir, name, HOW);
		return fd < 0 ? fail_open(name, errno, err) : fd;
	}
	fd = open_beneath(dir, name);
	if (fd >= 0)
		return fd;
	why = errno;
	if (why != EXDEV && why != ENOSYS && why != ELOOP && why != ENOENT)
		return fail_open(name, why, err);
	fd = open_blob(dir, name);
	if (fd >= 0)
		return fd;
	if (fstatat(dir, name, &st, 0) < 0 && errno != EACCES)
		return lens_fail(
			err, errno,
			"'%s': it is a link to nothing that can be opened: %s",
			LENS_SHOW(name), strerror(errno));
	if (why == ENOSYS)
		return lens_fail(err, EINVAL,
				 "'%s': it is a link, and " LENS_NO_OPENAT2,
				 LENS_SHOW(name));
	return lens_fail(err, EINVAL,
			 "'%s': it is a link that leads out of the directory "
			 "(--follow-links allows it)",
			 LENS_SHOW(name));
}

int lens_source_open(int dir, const char *name, bool follow_links,
		     struct stat *st, struct lens_err *err)
{
	int fd;

	if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_open(name, errno, err);
	if (S_ISLNK(st->st_mode)) {
		fd = open_link(dir, name, follow_links, err);
	} else if (!S_ISREG(st->st_mode)) {
		return lens_fail(err, EINVAL,
				 "'%s': it is %s, not a regular file",
				 LENS_SHOW(name),
				 S_ISDIR(st->st_mode) ? "a directory" :
							"something special");
	} else {
		fd = openat(dir, name, HOW | O_NOFOLLOW);
		if (fd < 0)
			return fail_open(name, errno, err);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
		close(fd);
		return lens_fail(err, EINVAL, "'%s': it is no regular file",
				 LENS_SHOW(name));
	}
	return fd;
}

int lens_source_slurp(int dir, const char *name, bool follow_links, size_t most,
		      char **ret, size_t *n, struct stat *st,
		      struct lens_err *err)
{
	lens_autofree char *text = NULL;
	struct stat there;
	size_t have = 0;
	ssize_t r = 1;
	int fd;

	*ret = NULL;
	*n = 0;
	if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT)
		return 0;
	fd = lens_source_open(dir, name, follow_links, st, err);
	if (fd < 0)
		return fd;
	if ((uint64_t)st->st_size > most) {
		close(fd);
		return lens_fail(
			err, EFBIG,
			"'%s': it has %llu bytes; more than %zu can't be right",
			LENS_SHOW(name), (unsigned long long)st->st_size, most);
	}
	text = malloc((size_t)st->st_size + 1);
	while (text && have < (size_t)st->st_size &&
	       (r = read(fd, text + have, (size_t)st->st_size - have)) > 0)
		have += (size_t)r;
	close(fd);
	if (!text)
		return lens_fail(err, ENOMEM, "'%s': no memory for %lld bytes",
				 LENS_SHOW(name), (long long)st->st_size);
	if (have != (size_t)st->st_size)
		return lens_fail(err, EIO, "'%s': it can't be read",
				 LENS_SHOW(name));
	text[have] = 0;
	*ret = lens_steal(&text);
	*n = have;
	return 0;
}

void lens_file_set(struct lens_file *f, int fd, const struct stat *st)
{
	f->fd = fd;
	f->size = (uint64_t)st->st_size;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->mtime = st->st_mtim;
	f->ctime = st->st_ctim;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int lens_file_check(const struct lens_file *f, const struct stat *st,
		    struct lens_err *err)
{
	const char *what = NULL;

	if (st->st_dev != f->dev || st->st_ino != f->ino)
		what = "another file is in its place";
	else if ((uint64_t)st->st_size != f->size)
		what = "its size changed";
	else if (!same_time(st->st_mtim, f->mtime))
		what = "it was written to";
	else if (!same_time(st->st_ctim, f->ctime))
		what = "it was changed, renamed or deleted";
	return what ? lens_fail(err, EIO, "'%s': %s since it was opened",
				LENS_SHOW(f->name), what) :
		      0;
}

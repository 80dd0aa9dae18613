/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole.c - write a file beside its place, and move it there.
 */
#include "cli/whole.h"
#include "cli/cli.h"
#include "cli/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int failed(const char *path, struct lens_err *err)
{
	const int code = errno;

	return lens_fail(err, code, "'%s': %s", LENS_SHOW(path),
			 strerror(code));
}

/* A pipe, a device. */
static int write_through(const char *path, const struct lens_buf *b,
			 struct lens_err *err)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return failed(path, err);
	r = lens_cli_write(fd, LENS_SHOW(path), b->data, b->n, err);
	(void)close(fd);
	return r;
}

/* All of @b to @fd, with permissions @mode, and to the disk. */
static int fill(int fd, const char *path, mode_t mode, const struct lens_buf *b,
		struct lens_err *err)
{
	int r = lens_cli_write(fd, LENS_SHOW(path), b->data, b->n, err);

	if (r == 0 && ((mode && fchmod(fd, mode) < 0) || fsync(fd) < 0))
		r = failed(path, err);
	if (close(fd) < 0 && r == 0)
		r = failed(path, err);
	return r;
}

/* As @name of folder @dir; @path is what it is called in messages. */
static int write_in(int dir, const char *name, const char *path, mode_t mode,
		    const struct lens_buf *b, struct lens_err *err)
{
	struct timespec now;
	char beside[64];
	int fd, r;

	/* A name that nobody else takes: containers have the same numbers. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(beside, sizeof(beside), ".lensfs-%ld-%lx.tmp",
		       (long)getpid(), now.tv_nsec);
	fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return failed(path, err);
	r = fill(fd, path, mode, b, err);
	if (r == 0 && renameat(dir, beside, dir, name) < 0)
		r = failed(path, err);
	if (r < 0)
		(void)unlinkat(dir, beside, 0);
	return r;
}

int lens_whole_write(const char *path, const char *source,
		     const struct lens_buf *b, struct lens_err *err)
{
	struct stat st = { 0 };
	const bool there = stat(path, &st) == 0;
	/* Not in place of a link, but of what it leads to. */
	lens_autofree char *real = there ? realpath(path, NULL) : strdup(path);
	char *slash = real ? strrchr(real, '/') : NULL;
	const char *name = slash ? slash + 1 : real;
	const char *folder = !slash ? "." : slash == real ? "/" : real;
	int dir, r;

	if (b->failed)
		return lens_fail(err, ENOMEM, "no memory for the output");
	if (there && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return write_through(path, b, err);
	if (!real)
		return failed(path, err);
	if (S_ISDIR(st.st_mode) || !*name)
		return lens_fail(err, EISDIR, "'%s': it is a directory",
				 LENS_SHOW(path));
	if (slash)
		*slash = 0;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return failed(path, err);
	if (lens_dest_below(fcntl(dir, F_DUPFD_CLOEXEC, 0), source))
		r = lens_fail(err, EINVAL,
			      "'%s': it would be in the source '%s'",
			      LENS_SHOW(path), LENS_SHOW(source));
	else
		r = write_in(dir, name, path, st.st_mode & 0777, b, err);
	(void)close(dir);
	return r;
}

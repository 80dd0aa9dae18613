/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - the directory of a training run: steps beside each other, and LATEST,
 * a link to one of them, or LATEST.txt, which holds its path.  A step keeps its
 * weights in model/.
 *
 * Which step is meant is never guessed: trainers that find LATEST unusable go
 * back to an older step, and whoever publishes one should know.
 */
#include "st/st.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define LINK "LATEST"
#define TEXT "LATEST.txt"
#define MODEL "model"

/* What names the step, and how. */
struct pointer {
	const char *name;    /* LINK or TEXT; NULL: neither is there */
	char path[PATH_MAX]; /* what it says */
};

static int read_link(const struct lens_ckpt *ck, struct pointer *p,
		     struct lens_err *err)
{
	ssize_t n = readlinkat(ck->dir, LINK, p->path, sizeof(p->path) - 1);

	if (n < 0)
		return lens_fail(err, errno, "'" LINK "': %s", strerror(errno));
	p->path[n] = 0;
	p->name = LINK;
	return 0;
}

/* One path, with blanks around it. */
static int read_text(const struct lens_ckpt *ck, struct pointer *p,
		     struct lens_err *err)
{
	lens_autofree char *text = NULL;
	const char *from;
	struct stat st;
	size_t n;

	if (lens_source_slurp(ck->dir, TEXT, ck->follow_links, PATH_MAX - 1,
			      &text, &n, &st, err) < 0)
		return -err->code;
	if (!text)
		return 0;
	if (strlen(text) != n)
		return lens_fail(err, EBADMSG, "'" TEXT "': it is no path");
	for (from = text; isspace((unsigned char)*from); from++)
		;
	n = strlen(from);
	while (n && isspace((unsigned char)from[n - 1]))
		n--;
	if (!n)
		return lens_fail(err, EBADMSG, "'" TEXT "': it is empty");
	memcpy(p->path, from, n);
	p->path[n] = 0;
	p->name = TEXT;
	return 0;
}

/* A folder LATEST is what copying a link as its target makes. */
static int find_pointer(const struct lens_ckpt *ck, struct pointer *p,
			struct lens_err *err)
{
	struct stat st;

	p->name = NULL;
	if (fstatat(ck->dir, LINK, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(st.st_mode))
			return read_link(ck, p, err);
		if (S_ISDIR(st.st_mode)) {
			p->name = LINK;
			(void)strcpy(p->path, LINK);
			return 0;
		}
	}
	return read_text(ck, p, err);
}

static int refuse(const struct pointer *p, int code, struct lens_err *err)
{
	if (code == ENOENT)
		return lens_fail(err, code,
				 "'%s' names '%s', which is not there", p->name,
				 LENS_SHOW(p->path));
	if (code == ENOTDIR)
		return lens_fail(err, code,
				 "'%s' names '%s', which is no directory",
				 p->name, LENS_SHOW(p->path));
	if (code == ENOSYS)
		return lens_fail(err, EINVAL, "'%s' names '%s': %s", p->name,
				 LENS_SHOW(p->path), LENS_NO_OPENAT2);
	if (code == EXDEV)
		return lens_fail(err, EINVAL,
				 "'%s' names '%s', which leads out of the "
				 "directory (--follow-links allows it)",
				 p->name, LENS_SHOW(p->path));
	return lens_fail(err, code, "'%s' names '%s': %s", p->name,
			 LENS_SHOW(p->path), strerror(code));
}

/* "epoch_0_step_20": 20; -1 if @name is not called as a step. */
static long step_number(const char *name)
{
	const char *p = strrchr(name, '_');
	char *end;
	long n;

	if (!p || p - name < 4 || strncmp(p - 4, "step", 4) != 0 ||
	    !isdigit((unsigned char)p[1]))
		return -1;
	errno = 0;
	n = strtol(p + 1, &end, 10);
	return *end || errno ? -1 : n;
}

/* Steps, and nothing that says which of them. */
static int no_pointer(const struct lens_ckpt *ck, struct lens_err *err)
{
	int fd = openat(ck->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	char last[NAME_MAX + 1] = "";
	long most = -1;

	while (d && (e = readdir(d))) {
		const long n = step_number(e->d_name);

		if (n > most) {
			most = n;
			(void)snprintf(last, sizeof(last), "%s", e->d_name);
		}
	}
	if (d)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
	return most < 0 ?
		       0 :
		       lens_fail(err, ENOENT,
				 "it is a training run, and neither " LINK
				 " nor " TEXT " says which step is meant; give "
				 "one, such as its '%s'",
				 LENS_SHOW(last));
}

/* From now on, @ck is folder @path below it, which is @fd. */
static int enter(struct lens_ckpt *ck, int fd, const char *path,
		 const struct pointer *p, struct lens_err *err)
{
	lens_autofree char *whole = NULL, *step = NULL;
	struct stat st;

	if (asprintf(&whole, "%s%s%s", *path == '/' ? "" : ck->path,
		     *path == '/' ? "" : "/", path) < 0)
		whole = NULL;
	if (asprintf(&step, "'%s'%s%s%s", LENS_SHOW(path),
		     p->name ? ", which " : "", p->name ? p->name : "",
		     p->name ? " names" : "") < 0)
		step = NULL;
	ck->step = step ? lens_arena_strndup(&ck->arena, step, strlen(step)) :
			  NULL;
	if (!whole || !ck->step || fstat(fd, &st) < 0) {
		(void)close(fd);
		return lens_fail(err, ENOMEM, "no memory for a path");
	}
	if (ck->beside == ck->dir)
		ck->beside = fd;
	(void)close(ck->dir);
	ck->dir = fd;
	ck->dev = st.st_dev;
	free(ck->path);
	ck->path = lens_steal(&whole);
	return 1;
}

/* model/ of the step, which @path names, or the step itself if it has none. */
static int enter_step(struct lens_ckpt *ck, const struct pointer *p,
		      struct lens_err *err)
{
	lens_autofree char *model = NULL;
	struct stat st;
	int step = lens_source_opendir(ck->dir, p->path, ck->follow_links), fd;

	if (step < 0)
		return refuse(p, errno, err);
	if (fstatat(step, ".incomplete", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		(void)close(step);
		return lens_fail(err, EBUSY,
				 "'%s' names '%s', whose save is incomplete: "
				 "there is a file '.incomplete' in it; give "
				 "another step",
				 p->name, LENS_SHOW(p->path));
	}
	if (asprintf(&model, "%s/" MODEL, p->path) < 0) {
		model = NULL;
		(void)close(step);
		return lens_fail(err, ENOMEM, "no memory for a path");
	}
	fd = lens_source_opendir(ck->dir, model, ck->follow_links);
	if (fd < 0 && errno == ENOENT)
		return enter(ck, step, p->path, p, err);
	(void)close(step);
	if (fd < 0) {
		struct pointer of = { .name = p->name };

		(void)snprintf(of.path, sizeof(of.path), "%s", model);
		return refuse(&of, errno, err);
	}
	return enter(ck, fd, model, p, err);
}

int lens_run_enter(struct lens_ckpt *ck, struct lens_err *err)
{
	struct pointer p = { 0 };
	int fd;

	if (find_pointer(ck, &p, err) < 0)
		return -err->code;
	if (p.name)
		return enter_step(ck, &p, err);
	fd = lens_source_opendir(ck->dir, MODEL, ck->follow_links);
	if (fd >= 0)
		return enter(ck, fd, MODEL, &p, err);
	if (errno == EXDEV)
		return lens_fail(err, EINVAL,
				 "'" MODEL "': it is a link that leads out of "
				 "the directory (--follow-links allows it)");
	if (errno == ENOSYS && faccessat(ck->dir, MODEL, F_OK, 0) == 0)
		return lens_fail(err, EINVAL, "'" MODEL "': " LENS_NO_OPENAT2);
	return no_pointer(ck, err);
}

const char *lens_ckpt_step(const struct lens_ckpt *ck)
{
	return ck->step;
}

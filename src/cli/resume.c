/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume.c - the folder .lensfs-convert in a destination that is not whole.
 *
 * Its file "identity" says what is being written: whoever works on it must be
 * about to write the same.  It appears at once, by link(2), which of several
 * processes on several hosts lets one be first, on NFS too.  Locks only tell
 * earlier what has been left behind; nothing rests on them.
 */
#include "cli/dest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IDENTITY "identity"
#define TEXT 256 /* bytes of it, at most */
#define SLACK 2  /* seconds that a filesystem may round times by */

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

static uint64_t mix_file(uint64_t h, const struct lens_file *f)
{
	h = mix(h, f->name, strlen(f->name) + 1);
	h = mix(h, &f->size, sizeof(f->size));
	h = mix(h, &f->mtime.tv_sec, sizeof(f->mtime.tv_sec));
	return mix(h, &f->mtime.tv_nsec, sizeof(f->mtime.tv_nsec));
}

/* Names, sizes and times of what is read: the same on every host. */
static uint64_t hash_source(const struct lens_ckpt *ck, uint64_t h)
{
	for (size_t i = 0; ck && i < lens_ckpt_files(ck); i++)
		h = mix_file(h, lens_ckpt_file(ck, i));
	for (size_t i = 0; ck && i < lens_ckpt_extras(ck); i++)
		if (!lens_ckpt_extra(ck, i)->folder)
			h = mix_file(h, &lens_ckpt_extra(ck, i)->file);
	return h;
}

/* How each tensor is made, and where it goes. */
static int hash_view(const struct lens_dest *d, const struct lens_view *v,
		     uint64_t *ret, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	uint64_t h = 0xcbf29ce484222325u;

	lens_plan_dump(lens_view_plan(v), &text);
	lens_plan_recipe_json(lens_view_plan(v), &text);
	if (text.failed)
		return lens_fail(err, ENOMEM, "no memory to compare plans");
	h = mix(h, text.data, text.n);
	for (size_t i = 0; i < lens_plan_count(lens_view_plan(v)); i++) {
		const struct lens_place place = lens_view_place(v, i);

		h = mix(h, &place.file, sizeof(place.file));
		h = mix(h, &place.off, sizeof(place.off));
	}
	for (size_t i = 0; i < d->n; i++) {
		h = mix(h, d->file[i].path, strlen(d->file[i].path) + 1);
		h = mix(h, &d->file[i].size, sizeof(d->file[i].size));
	}
	*ret = h;
	return 0;
}

static int make_text(const struct lens_dest *d, const struct lens_view *v,
		     char text[TEXT], struct lens_err *err)
{
	const uint64_t source = hash_source(
		lens_view_like(v),
		hash_source(lens_view_ckpt(v), 0xcbf29ce484222325u));
	uint64_t view = 0;

	if (hash_view(d, v, &view, err) < 0)
		return -err->code;
	(void)snprintf(text, TEXT,
		       "lensfs-convert 1\nsource %016llx\nview %016llx\nend\n",
		       (unsigned long long)source, (unsigned long long)view);
	return 0;
}

static bool write_text(int fd, const char *text)
{
	const size_t n = strlen(text);

	return write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
}

/* Be the first to say what is written; another being so is as well. */
static int claim(struct lens_dest *d, const char *text)
{
	char name[96];
	int fd, r = 0;

	(void)snprintf(name, sizeof(name), IDENTITY "-%s", d->token);
	fd = openat(d->work, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0644);
	if (fd < 0 || !write_text(fd, text))
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	d->first = r == 0 && linkat(d->work, name, d->work, IDENTITY, 0) == 0;
	if (r == 0 && !d->first && errno != EEXIST) {
		/* No links here: it may be seen half written, and is then read
		 * again. */
		fd = openat(d->work, IDENTITY,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		d->first = fd >= 0;
		if (fd >= 0 ? !write_text(fd, text) : errno != EEXIST)
			r = -errno;
		if (fd >= 0)
			(void)close(fd);
	}
	(void)unlinkat(d->work, name, 0);
	return r;
}

/* What IDENTITY says; "" if it is not there, or not whole. */
static void read_text(const struct lens_dest *d, char text[TEXT])
{
	int fd = openat(d->work, IDENTITY, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, TEXT - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		(void)close(fd);
	if (!strstr(text, "\nend\n"))
		text[0] = 0;
}

static int differs(const struct lens_dest *d, const char *ours,
		   const char *theirs, struct lens_err *err)
{
	const char *a = strstr(ours, "\nsource "),
		   *b = strstr(theirs, "\nsource ");

	return lens_fail(
		err, EEXIST,
		"'%s': a conversion has begun there %s: empty it, or %s",
		LENS_SHOW(d->path),
		a && b && strncmp(a, b, 24) != 0 ?
			"from another source, or this one before it changed" :
			"with other options, another recipe or version",
		"give what was given the first time");
}

int lens_resume_begin(struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err)
{
	char ours[TEXT], theirs[TEXT] = "";
	int r;

	if (make_text(d, v, ours, err) < 0)
		return -err->code;
	if (mkdirat(d->dir, LENS_DEST_WORK, 0755) < 0 && errno != EEXIST)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(d->path),
				 strerror(errno));
	d->work = openat(d->dir, LENS_DEST_WORK,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = d->work < 0 ? -errno : claim(d, ours);
	if (r < 0)
		return lens_fail(err, -r, "'%s/" LENS_DEST_WORK "': %s",
				 LENS_SHOW(d->path), strerror(-r));
	for (unsigned i = 0; !theirs[0] && i < 50; i++) {
		read_text(d, theirs);
		if (!theirs[0])
			(void)usleep(20000);
	}
	if (!theirs[0])
		return lens_fail(err, EIO,
				 "'%s/" LENS_DEST_WORK "/" IDENTITY "': it is "
				 "not whole; remove the folder to begin again",
				 LENS_SHOW(d->path));
	return strcmp(ours, theirs) == 0 ? 0 : differs(d, ours, theirs, err);
}

bool lens_resume_is_done(const struct lens_dest *d, size_t i)
{
	const struct lens_target *t = &d->file[i];
	struct stat st;
	int64_t off;

	if (fstatat(d->dir, t->path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != t->size)
		return false;
	off = (int64_t)st.st_mtim.tv_sec - (int64_t)t->mtime.tv_sec;
	return off >= -SLACK && off <= SLACK;
}

bool lens_resume_is_alike(const struct lens_dest *d, size_t i,
			  const struct lens_view *v)
{
	const struct lens_target *t = &d->file[i];
	lens_autofree unsigned char *a = malloc(1 << 20);
	lens_autofree unsigned char *b = malloc(1 << 20);
	int fd = openat(d->dir, t->path, O_RDONLY | O_CLOEXEC);
	struct lens_err err;
	bool same = false;
	size_t n;

	if (fd >= 0 && a && b &&
	    lens_tree_read(v, t->ino, 0,
			   t->weights == LENS_NONE ? 1 << 20 : 4096, a, &n, 0,
			   &err) == 0)
		same = pread(fd, b, n, 0) == (ssize_t)n && !memcmp(a, b, n);
	if (fd >= 0)
		(void)close(fd);
	return same;
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

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (all || (strncmp(name, IDENTITY, strlen(IDENTITY)) != 0 &&
			    is_left(d->work, name)))
			(void)unlinkat(d->work, name, 0);
	}
	if (dir)
		(void)closedir(dir);
	/* Not empty: somebody has just begun, and will come to its end. */
	if (all)
		(void)unlinkat(d->dir, LENS_DEST_WORK, AT_REMOVEDIR);
}

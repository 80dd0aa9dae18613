/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dest.c - the directory that convert writes: its files, each whole or not
 * there.
 */
#include "cli/dest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define INDEX ".safetensors.index.json"

static int opendir_at(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The folder that @path is in, or would be. */
static char *parent_of(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	return n ? strndup(path, n) : strdup(".");
}

/* Does one come to @source, going up from directory @fd?  Closes @fd. */
static bool below(int fd, const struct stat *source)
{
	struct stat st, last = { 0 };
	bool found = false;

	while (fd >= 0 && fstat(fd, &st) == 0) {
		int up;

		found = st.st_dev == source->st_dev &&
			st.st_ino == source->st_ino;
		if (found ||
		    (st.st_dev == last.st_dev && st.st_ino == last.st_ino))
			break;
		last = st;
		up = opendir_at(fd, "..");
		(void)close(fd);
		fd = up;
	}
	if (fd >= 0)
		(void)close(fd);
	return found;
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool empty = dir;

	while (empty && (e = readdir(dir)))
		empty = strcmp(e->d_name, ".") == 0 ||
			strcmp(e->d_name, "..") == 0;
	if (dir)
		(void)closedir(dir);
	return empty;
}

/* Has a conversion into @path begun, and not ended? */
static bool is_begun(const char *path)
{
	lens_autofree char *work = NULL;

	return asprintf(&work, "%s/" LENS_DEST_WORK, path) >= 0 &&
	       access(work, F_OK) == 0;
}

int lens_dest_check(const char *path, const char *source, bool part,
		    struct lens_err *err)
{
	lens_autofree char *parent = parent_of(path);
	struct stat from, to;
	bool there = stat(path, &to) == 0;
	int fd;

	if (!parent)
		return lens_fail(err, ENOMEM, "no memory for a path");
	if (!there && errno != ENOENT)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 strerror(errno));
	if (there && !S_ISDIR(to.st_mode))
		return lens_fail(err, ENOTDIR, "'%s': it is no directory",
				 LENS_SHOW(path));
	fd = opendir_at(AT_FDCWD, there ? path : parent);
	if (fd < 0)
		return lens_fail(err, errno, "'%s': %s",
				 LENS_SHOW(there ? path : parent),
				 strerror(errno));
	/* What is wrong with the source is said when it is opened. */
	if (stat(source, &from) < 0)
		from = (struct stat){ 0 };
	if (below(fd, &from))
		return lens_fail(err, EINVAL,
				 "'%s': it is in the source '%s', or the same",
				 LENS_SHOW(path), LENS_SHOW(source));
	/* What is in it is looked at when it is known what should be. */
	if (there && !part && !is_begun(path) && !is_empty(path))
		return lens_fail(err, ENOTEMPTY, "'%s': it is not empty",
				 LENS_SHOW(path));
	return 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

static void classify(struct lens_target *t, const struct lens_view *v)
{
	t->weights = LENS_NONE;
	t->rank = LENS_RANK_OTHER;
	if (strcmp(t->path, "config.json") == 0)
		t->rank = LENS_RANK_CONFIG;
	else if (!strchr(t->path, '/') && ends_with(t->path, INDEX))
		t->rank = LENS_RANK_INDEX;
	for (size_t i = 0; i < lens_view_weight_files(v); i++)
		if (strcmp(t->path, lens_view_weight_name(v, i)) == 0) {
			t->weights = (uint32_t)i;
			t->rank = LENS_RANK_WEIGHTS;
		}
}

/* Room for one more at the end of array *v of *n elements, zeroed. */
static void *grow(void *v, size_t n, size_t size)
{
	char *p = reallocarray(v, n + 1, size);

	if (p)
		memset(p + n * size, 0, size);
	return p;
}

static int add_file(struct lens_dest *d, const struct lens_view *v, char *path,
		    const struct lens_attr *attr)
{
	struct lens_target *t = grow(d->file, d->n, sizeof(*t));

	if (!t) {
		free(path);
		return -ENOMEM;
	}
	d->file = t;
	t += d->n++;
	*t = (struct lens_target){ .path = path,
				   .ino = attr->ino,
				   .size = attr->size,
				   .mtime = attr->mtime,
				   .fd = -1 };
	classify(t, v);
	return 0;
}

static int add_folder(struct lens_dest *d, char *path)
{
	char **f = grow(d->folder, d->n_folders, sizeof(*f));

	if (!f) {
		free(path);
		return -ENOMEM;
	}
	d->folder = f;
	d->folder[d->n_folders++] = path;
	return 0;
}

/* What folder @ino, whose path is @at, holds. */
static int list(struct lens_dest *d, const struct lens_view *v, uint64_t ino,
		const char *at)
{
	struct lens_attr attr;
	char store[256], *path;
	const char *name;
	uint64_t cookie = 0;
	int n = 0;

	while (n >= 0 &&
	       lens_tree_entry(v, ino, cookie, store, &name, &attr, &cookie)) {
		if (asprintf(&path, "%s%s%s", at, *at ? "/" : "", name) < 0)
			return -ENOMEM;
		if (!attr.folder)
			n = add_file(d, v, path, &attr);
		else if ((n = add_folder(d, path)) >= 0)
			n = list(d, v, attr.ino, path);
	}
	return n;
}

static int by_rank(const void *a, const void *b)
{
	const struct lens_target *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int by_size(const void *a, const void *b)
{
	const struct lens_target *const *x = a, *const *y = b;

	if ((*x)->size != (*y)->size)
		return (*x)->size > (*y)->size ? -1 : 1;
	return strcmp((*x)->path, (*y)->path);
}

/* Weight files to parts: the largest that is left to the part that has least.
 */
static int deal(struct lens_dest *d, struct lens_err *err)
{
	lens_autofree struct lens_target **order =
		calloc(d->n + 1, sizeof(struct lens_target *));
	lens_autofree uint64_t *load =
		calloc((size_t)d->parts + 1, sizeof(*load));
	size_t n = 0;

	if (!order || !load)
		return lens_fail(err, ENOMEM, "no memory for a list of files");
	for (size_t i = 0; i < d->n; i++)
		if (d->file[i].rank == LENS_RANK_WEIGHTS)
			order[n++] = &d->file[i];
	qsort(order, n, sizeof(struct lens_target *), by_size);
	for (size_t i = 0; i < n && d->parts; i++) {
		unsigned least = 0;

		for (unsigned k = 1; k < d->parts; k++)
			if (load[k] < load[least])
				least = k;
		order[i]->part = least;
		load[least] += order[i]->size;
	}
	return 0;
}

/* Names that no other process takes, on whichever host it is. */
static void make_token(struct lens_dest *d)
{
	struct timespec now;
	char host[24] = "";

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gethostname(host, sizeof(host) - 1);
	for (char *p = host; *p; p++)
		if (*p == '/')
			*p = '_';
	(void)snprintf(d->token, sizeof(d->token), "%s-%ld-%llx", host,
		       (long)getpid(),
		       (unsigned long long)now.tv_sec * 1000000000u +
			       (unsigned long long)now.tv_nsec);
}

int lens_dest_init(struct lens_dest *d, const char *path,
		   const struct lens_view *v, unsigned part, unsigned parts,
		   struct lens_err *err)
{
	*d = (struct lens_dest){ .path = path,
				 .dir = -1,
				 .work = -1,
				 .part = part,
				 .parts = parts,
				 .lock = PTHREAD_MUTEX_INITIALIZER };
	make_token(d);
	if (list(d, v, LENS_ROOT, "") < 0)
		return lens_fail(err, ENOMEM, "no memory for a list of files");
	qsort(d->file, d->n, sizeof(*d->file), by_rank);
	return deal(d, err);
}

void lens_dest_fini(struct lens_dest *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->file[i].fd >= 0)
			(void)close(d->file[i].fd);
		free(d->file[i].path);
	}
	for (size_t i = 0; i < d->n_folders; i++)
		free(d->folder[i]);
	free(d->file);
	free(d->folder);
	if (d->work >= 0)
		(void)close(d->work);
	if (d->dir >= 0)
		(void)close(d->dir);
}

static int check_space(const struct lens_dest *d, struct lens_err *err)
{
	struct statvfs st;
	char need[32], have[32];
	uint64_t room;

	/* Some filesystems can't tell. */
	if (fstatvfs(d->dir, &st) < 0 || !st.f_blocks)
		return 0;
	room = (geteuid() == 0 ? st.f_bfree : st.f_bavail) * st.f_frsize;
	if (d->size <= room)
		return 0;
	return lens_fail(err, ENOSPC,
			 "'%s': what is to be written needs %s, and %s are "
			 "free (%llu and %llu bytes)",
			 LENS_SHOW(d->path), lens_format_size(need, d->size),
			 lens_format_size(have, room),
			 (unsigned long long)d->size, (unsigned long long)room);
}

static bool is_mine(const struct lens_dest *d, size_t i)
{
	const struct lens_target *t = &d->file[i];

	return t->rank != LENS_RANK_WEIGHTS || !d->parts || t->part == d->part;
}

bool lens_dest_wants(const struct lens_dest *d, size_t i)
{
	return is_mine(d, i) && d->file[i].state != TARGET_DONE;
}

/* Nothing in DEST is being made: is it what would be? */
static int check_done(const struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		if (!lens_resume_is_done(d, i) ||
		    !lens_resume_is_alike(d, i, v))
			return lens_fail(err, ENOTEMPTY,
					 "'%s': it is not empty, and no "
					 "conversion is going on in it",
					 LENS_SHOW(d->path));
	return 1;
}

static int make_folders(struct lens_dest *d, struct lens_err *err)
{
	for (size_t i = 0; i < d->n_folders; i++)
		if (mkdirat(d->dir, d->folder[i], 0755) < 0 && errno != EEXIST)
			return lens_fail(
				err, errno, "'%s/%s': %s", LENS_SHOW(d->path),
				LENS_SHOW(d->folder[i]), strerror(errno));
	return 0;
}

int lens_dest_begin(struct lens_dest *d, const struct lens_view *v,
		    struct lens_err *err)
{
	if (mkdir(d->path, 0755) == 0)
		d->made = true;
	else if (errno != EEXIST)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(d->path),
				 strerror(errno));
	d->dir = opendir_at(AT_FDCWD, d->path);
	if (d->dir < 0)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(d->path),
				 strerror(errno));
	if (!is_begun(d->path) && !is_empty(d->path))
		return check_done(d, v, err);
	if (lens_resume_begin(d, v, err) < 0)
		return -err->code;
	for (size_t i = 0; i < d->n; i++) {
		if (lens_resume_is_done(d, i))
			d->file[i].state = TARGET_DONE;
		if (lens_dest_wants(d, i))
			d->size += d->file[i].size;
	}
	lens_resume_clean(d, false);
	return check_space(d, err) < 0 ? -err->code : make_folders(d, err);
}

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

int lens_dest_open(struct lens_dest *d, size_t i, int *fd, struct lens_err *err)
{
	struct lens_target *t = &d->file[i];
	char name[96];
	int n = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (t->state == TARGET_NONE) {
		t->fd = openat(d->work, temporary(d, name, i),
			       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		/* Whoever made it too may have come to the end of it all. */
		if (t->fd < 0 && errno == ENOENT && lens_resume_is_done(d, i))
			t->state = TARGET_DONE;
		else if (t->fd < 0)
			n = failed(d, i, "open", err);
		else
			t->state = TARGET_OPEN;
		/* Says that somebody writes it, where that can be said. */
		if (t->fd >= 0)
			(void)flock(t->fd, LOCK_EX | LOCK_NB);
	}
	*fd = t->fd;
	(void)pthread_mutex_unlock(&d->lock);
	return n;
}

int lens_dest_close(struct lens_dest *d, size_t i, struct lens_err *err)
{
	struct lens_target *t = &d->file[i];
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, t->mtime };
	char name[96];
	int fd = t->fd;

	if (t->state == TARGET_DONE)
		return 0;
	/* It may end in a hole. */
	if (ftruncate(fd, (off_t)t->size) < 0)
		return failed(d, i, "truncate", err);
	if (fsync(fd) < 0)
		return failed(d, i, "fsync", err);
	if (futimens(fd, times) < 0)
		return failed(d, i, "set its time", err);
	/* Whoever else made it meanwhile made the same, and may have taken
	 * ours away at the end. */
	if (renameat(d->work, temporary(d, name, i), d->dir, t->path) < 0 &&
	    !(errno == ENOENT && lens_resume_is_done(d, i)))
		return failed(d, i, "rename", err);
	t->fd = -1;
	if (close(fd) < 0)
		return failed(d, i, "close", err);
	(void)pthread_mutex_lock(&d->lock);
	t->ours = true;
	t->state = TARGET_DONE;
	(void)pthread_mutex_unlock(&d->lock);
	return 0;
}

size_t lens_dest_weights(struct lens_dest *d, size_t *of)
{
	size_t n = 0;

	*of = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (d->file[i].rank != LENS_RANK_WEIGHTS)
			continue;
		++*of;
		n += d->file[i].state == TARGET_DONE ||
		     lens_resume_is_done(d, i);
	}
	return n;
}

int lens_dest_sync(struct lens_dest *d, struct lens_err *err)
{
	for (size_t i = 0; i <= d->n_folders; i++) {
		const char *name = i < d->n_folders ? d->folder[i] : ".";
		int fd = opendir_at(d->dir, name);
		int code = fd < 0 || fsync(fd) < 0 ? errno : 0;

		if (fd >= 0)
			(void)close(fd);
		/* Some filesystems have nothing to sync a directory with. */
		if (code && code != EINVAL)
			return lens_fail(err, code, "'%s/%s': fsync: %s",
					 LENS_SHOW(d->path), LENS_SHOW(name),
					 strerror(code));
	}
	return 0;
}

void lens_dest_end(struct lens_dest *d)
{
	lens_resume_clean(d, true);
	(void)fsync(d->dir);
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
	if (done || d->parts || d->dir < 0 || (d->work >= 0 && !d->first))
		return done;
	if (d->first)
		lens_resume_clean(d, true);
	for (size_t i = d->n_folders; d->first && i-- > 0;)
		(void)unlinkat(d->dir, d->folder[i], AT_REMOVEDIR);
	if (d->made)
		(void)rmdir(d->path);
	return 0;
}

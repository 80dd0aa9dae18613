/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dest.c - the directory that convert writes: may it be, and what is to be in
 * it.
 */
#include "cli/dest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
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

bool lens_dest_below(int fd, const char *source)
{
	struct stat from, st, last = { 0 };
	bool found = false;

	/* What is wrong with the source is said when it is opened. */
	if (stat(source, &from) < 0)
		from = (struct stat){ 0 };
	while (fd >= 0 && fstat(fd, &st) == 0) {
		int up;

		found = st.st_dev == from.st_dev && st.st_ino == from.st_ino;
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
	struct stat to;
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
	if (lens_dest_below(fd, source))
		return lens_fail(err, EINVAL,
				 "'%s': it is in the source '%s', or the same",
				 LENS_SHOW(path), LENS_SHOW(source));
	/* What is in it is looked at when it is known what should be. */
	if (there && !part && !is_begun(path) && !is_empty(path))
		return lens_fail(err, ENOTEMPTY, "'%s': it is not empty",
				 LENS_SHOW(path));
	return 0;
}

static void classify(struct lens_target *t, const struct lens_view *v)
{
	t->weights = LENS_NONE;
	t->rank = LENS_RANK_OTHER;
	if (strcmp(t->path, "config.json") == 0)
		t->rank = LENS_RANK_CONFIG;
	else if (!strchr(t->path, '/') && lens_ends_with(t->path, INDEX))
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

/* Weight files to parts; they come first. */
static int deal(struct lens_dest *d, struct lens_err *err)
{
	lens_autofree uint64_t *size = calloc(d->n + 1, sizeof(*size));
	lens_autofree unsigned *part = calloc(d->n + 1, sizeof(*part));
	size_t n = 0;

	for (; size && n < d->n && d->file[n].rank == LENS_RANK_WEIGHTS; n++)
		size[n] = d->file[n].size;
	if (!size || !part ||
	    (d->parts && lens_dest_deal(size, n, d->parts, part) < 0))
		return lens_fail(err, ENOMEM, "no memory for a list of files");
	for (size_t i = 0; i < n; i++)
		d->file[i].part = part[i];
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
	d->path = path;
	d->part = part;
	d->parts = parts;
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

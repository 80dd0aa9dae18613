/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_warm.c - lensfs warm: read a mount once, so that the kernel has it.
 */
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/mounted.h"
#include "cli/pool.h"
#include "lens/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the memory that can be had, where --max does not say. */
#define SHARE 75

/* A file below the mount point. */
struct warm_file {
	char *path;
	uint64_t size;
	uint64_t begin; /* bytes of the files before it */
	int fd;         /* -1 until somebody reads it; under lock */
};

struct warming {
	int dir;
	size_t n;
	struct warm_file *file;
	uint64_t size, most; /* of all; how much of it is read */
	pthread_mutex_t lock;
	struct lens_pool pool;
	struct lens_bar bar;
};

static int no_memory(struct lens_err *err)
{
	return lens_fail(err, ENOMEM, "no memory for a list of files");
}

static int add(struct warming *w, char *path, uint64_t size,
	       struct lens_err *err)
{
	struct warm_file *f = reallocarray(w->file, w->n + 1, sizeof(*f));

	if (!f) {
		free(path);
		return no_memory(err);
	}
	w->file = f;
	w->file[w->n++] =
		(struct warm_file){ .path = path, .size = size, .fd = -1 };
	return 0;
}

static int list(struct warming *w, const char *at, struct lens_err *err);

static int entry(struct warming *w, const char *at, const char *name,
		 struct lens_err *err)
{
	struct stat st;
	char *path;
	int n;

	/* .lens, too, if it is listed. */
	if (name[0] == '.')
		return 0;
	if (asprintf(&path, "%s%s%s", at, *at ? "/" : "", name) < 0)
		return no_memory(err);
	if (fstatat(w->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		n = lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
			      strerror(errno));
		free(path);
		return n;
	}
	if (S_ISREG(st.st_mode))
		return add(w, path, (uint64_t)st.st_size, err);
	n = S_ISDIR(st.st_mode) ? list(w, path, err) : 0;
	free(path);
	return n;
}

static int list(struct warming *w, const char *at, struct lens_err *err)
{
	int fd = openat(w->dir, *at ? at : ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int n = 0;

	if (!dir)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(at),
				 strerror(errno));
	while (n >= 0 && (e = readdir(dir)))
		n = entry(w, at, e->d_name, err);
	(void)closedir(dir);
	return n;
}

static int by_path(const void *a, const void *b)
{
	const struct warm_file *x = a, *y = b;

	return lens_natural_cmp(x->path, y->path);
}

/* The file that byte @at of all is in. */
static struct warm_file *file_at(struct warming *w, uint64_t at)
{
	size_t low = 0, high = w->n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (w->file[mid].begin <= at)
			low = mid;
		else
			high = mid;
	}
	return &w->file[low];
}

static int open_file(struct warming *w, struct warm_file *f)
{
	int fd;

	(void)pthread_mutex_lock(&w->lock);
	if (f->fd < 0)
		f->fd = openat(w->dir, f->path, O_RDONLY | O_CLOEXEC);
	fd = f->fd;
	(void)pthread_mutex_unlock(&w->lock);
	return fd;
}

/* Bytes [at, at + n) of all. */
static int read_span(struct warming *w, uint64_t at, size_t n, void *buf,
		     struct lens_err *err)
{
	while (n) {
		struct warm_file *f = file_at(w, at);
		const uint64_t off = at - f->begin, left = f->size - off;
		const int fd = open_file(w, f);
		ssize_t k;

		if (fd < 0)
			return lens_fail(err, errno, "'%s': %s",
					 LENS_SHOW(f->path), strerror(errno));
		k = pread(fd, buf, left < n ? (size_t)left : n, (off_t)off);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return lens_fail(err, k ? errno : EIO, "'%s': %s",
					 LENS_SHOW(f->path),
					 k ? strerror(errno) :
					     "it ends too early");
		atomic_fetch_add(&w->bar.done, (uint64_t)k);
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

static int one(void *ctx, size_t i, struct lens_err *err)
{
	struct warming *w = ctx;
	const uint64_t at = (uint64_t)i * w->pool.size, left = w->most - at;
	void *buf = lens_pool_take(&w->pool);
	int n;

	if (!buf)
		return lens_fail(err, ENOMEM, "no memory for a buffer");
	n = read_span(w, at, left < w->pool.size ? (size_t)left : w->pool.size,
		      buf, err);
	lens_pool_give(&w->pool, buf);
	return n;
}

/* How much may be read. */
static uint64_t limit(const struct lens_args *a)
{
	const unsigned share = a->max_share ? a->max_share : SHARE;
	bool limited;

	return a->max ? a->max : lens_machine_memory(&limited) / 100 * share;
}

static void summary(const struct warming *w, const struct lens_args *a,
		    double seconds)
{
	char text[LENS_LAST_WORD], all[32];
	size_t whole = 0;

	for (size_t i = 0; i < w->n; i++)
		whole += w->file[i].begin + w->file[i].size <= w->most;
	lens_log(LENS_LOG_INFO, "warm: '%s': %zu files, %s",
		 LENS_SHOW(a->operand[0]), w->n,
		 lens_cli_last_word(text, w->most, seconds));
	if (w->most < w->size)
		lens_log(LENS_LOG_INFO,
			 "warm: '%s': %zu of them fit, %s would all need; "
			 "--max allows no more",
			 LENS_SHOW(a->operand[0]), whole,
			 lens_format_size(all, w->size));
}

static int warm(struct warming *w, const struct lens_args *a,
		struct lens_err *err)
{
	double begin = lens_cli_now();
	int n;

	if (list(w, "", err) < 0)
		return -err->code;
	qsort(w->file, w->n, sizeof(*w->file), by_path);
	for (size_t i = 0; i < w->n; i++) {
		w->file[i].begin = w->size;
		w->size += w->file[i].size;
	}
	w->most = limit(a);
	if (w->most > w->size)
		w->most = w->size;
	lens_pool_init(&w->pool, a->jobs);
	lens_cli_bar_start(&w->bar, "warm", w->most, a->quiet);
	n = lens_parallel((size_t)((w->most + w->pool.size - 1) / w->pool.size),
			  w->pool.threads, one, w, err);
	lens_cli_bar_stop(&w->bar);
	lens_pool_fini(&w->pool);
	if (n >= 0)
		summary(w, a, lens_cli_now() - begin);
	return n;
}

int lens_cli_warm(struct lens_args *a, struct lens_err *err)
{
	struct warming w = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int n;

	n = lens_mounted_open(a->operand[0], &w.dir, err);
	if (n < 0)
		return n;
	n = warm(&w, a, err);
	for (size_t i = 0; i < w.n; i++) {
		if (w.file[i].fd >= 0)
			(void)close(w.file[i].fd);
		free(w.file[i].path);
	}
	free(w.file);
	(void)close(w.dir);
	return n < 0 ? lens_wrap(err, "'%s'", LENS_SHOW(a->operand[0])) : 0;
}

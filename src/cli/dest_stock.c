/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dest_stock.c - what of a destination is there already, what is still to come,
 * and is there room for it.
 */
#include "cli/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int opendir_at(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

struct comparing {
	const struct lens_dest *d;
	const struct lens_view *v;
};

/* Of the parts of others, only what their headers say. */
static int compare_one(void *ctx, size_t i, struct lens_err *err)
{
	const struct comparing *c = ctx;
	int r = 1;

	if (lens_resume_is_done(c->d, i))
		r = lens_resume_compare(c->d, i, c->v,
					is_mine(c->d, i) ? UINT64_MAX : 1 << 20,
					err);
	if (r > 0)
		return lens_fail(err, ENOTEMPTY,
				 "'%s': it is not empty, and no conversion is "
				 "going on in it",
				 LENS_SHOW(c->d->path));
	return r;
}

/*
 * Nothing in DEST is being made: is it what would be?  Nobody says how it was
 * made, so that it is looked at byte by byte.
 */
static int check_done(struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err)
{
	struct comparing c = { .d = d, .v = v };
	const size_t n = d->parts || d->left ? d->n : 0;

	if (!n)
		return lens_fail(err, ENOTEMPTY, "'%s': it is not empty",
				 LENS_SHOW(d->path));
	/* Names first: most of what is something else lacks some. */
	for (size_t i = 0; i < n; i++)
		if (!lens_resume_is_done(d, i))
			return compare_one(&c, i, err);
	if (lens_parallel(n, d->threads, compare_one, &c, err) < 0)
		return -err->code;
	if (d->left && d->work < 0)
		d->work = opendir_at(d->dir, LENS_DEST_WORK);
	if (d->work >= 0)
		lens_resume_clean(d, true);
	return 1;
}

/*
 * What is there of the files.  Whoever is the first found none of them, or
 * others have come to an end just then: what those made is looked at.
 */
static int take_stock(struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err)
{
	struct comparing c = { .d = d, .v = v };

	lens_resume_refresh(d);
	for (size_t i = 0; i < d->n; i++) {
		const bool done = lens_resume_is_done(d, i);

		if (done && d->first && compare_one(&c, i, err) < 0) {
			if (!lens_resume_is_shared(d))
				lens_resume_clean(d, true);
			return -err->code;
		}
		if (done)
			d->file[i].state = TARGET_DONE;
		if (lens_dest_wants(d, i))
			d->size += d->file[i].size;
	}
	return 0;
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
	int r;

	if (mkdir(d->path, 0755) == 0)
		d->made = true;
	else if (errno != EEXIST)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(d->path),
				 strerror(errno));
	d->dir = opendir_at(AT_FDCWD, d->path);
	if (d->dir < 0)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(d->path),
				 strerror(errno));
	r = lens_resume_begin(d, v, err);
	if (r > 0)
		return check_done(d, v, err);
	if (r < 0 || take_stock(d, v, err) < 0)
		return -err->code;
	lens_resume_clean(d, false);
	return check_space(d, err) < 0 ? -err->code : make_folders(d, err);
}

size_t lens_dest_missing(struct lens_dest *d)
{
	size_t n = 0;

	lens_resume_refresh(d);
	for (size_t i = 0; i < d->n; i++) {
		struct lens_target *t = &d->file[i];

		if (t->state == TARGET_NONE && lens_resume_is_done(d, i))
			t->state = TARGET_DONE;
		n += t->rank == LENS_RANK_WEIGHTS && t->state != TARGET_DONE;
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

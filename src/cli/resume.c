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
#include "cli/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT 2048 /* bytes of it, at most */

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

static uint64_t mix_time(uint64_t h, struct timespec t)
{
	h = mix(h, &t.tv_sec, sizeof(t.tv_sec));
	return mix(h, &t.tv_nsec, sizeof(t.tv_nsec));
}

static uint64_t mix_file(uint64_t h, const struct lens_file *f)
{
	h = mix(h, f->name, strlen(f->name) + 1);
	h = mix(h, &f->size, sizeof(f->size));
	return mix_time(mix_time(h, f->mtime), f->ctime);
}

/*
 * Names, sizes and times of what is read: the same on every host that shares
 * it.  Devices differ between hosts, and some filesystems number files anew
 * with each mount.
 */
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

/* What has to be the same comes first; the options are for people. */
static int make_text(const struct lens_dest *d, const struct lens_view *v,
		     char text[TEXT], struct lens_err *err)
{
	const uint64_t source = hash_source(
		lens_view_like(v),
		hash_source(lens_view_ckpt(v), 0xcbf29ce484222325u));
	const char *options = d->options ? d->options : "";
	uint64_t view = 0;

	if (hash_view(d, v, &view, err) < 0)
		return -err->code;
	(void)snprintf(text, TEXT,
		       "lensfs-convert 2\nversion " LENS_VERSION
		       "\nsource %016llx\nview %016llx\noptions %s\nend\n",
		       (unsigned long long)source, (unsigned long long)view,
		       LENS_SHOW(options));
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

	(void)snprintf(name, sizeof(name), LENS_DEST_IDENTITY "-%s", d->token);
	fd = openat(d->work, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0644);
	if (fd < 0 || !write_text(fd, text))
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	d->first = r == 0 &&
		   linkat(d->work, name, d->work, LENS_DEST_IDENTITY, 0) == 0;
	if (r == 0 && !d->first && errno != EEXIST) {
		/* No links here: it may be seen half written, and is then read
		 * again. */
		fd = openat(d->work, LENS_DEST_IDENTITY,
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

/* What LENS_DEST_IDENTITY says; "" if it is not there, or not whole. */
static void read_text(const struct lens_dest *d, char text[TEXT])
{
	int fd = openat(d->work, LENS_DEST_IDENTITY, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, TEXT - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		(void)close(fd);
	if (!strstr(text, "\nend\n"))
		text[0] = 0;
}

/* Line @name of @text, without its name and its end. */
static const char *line(const char *text, const char *name, char buf[TEXT])
{
	const char *p = text;
	const size_t n = strlen(name);

	while (p && (strncmp(p, name, n) != 0 || p[n] != ' ')) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	(void)snprintf(buf, TEXT, "%.*s", p ? (int)strcspn(p, "\n") : 0,
		       p ? p : "");
	return p ? buf + n + 1 : "";
}

/* Is @theirs of the same conversion as @ours? */
static int compare(const struct lens_dest *d, const char *ours,
		   const char *theirs, struct lens_err *err)
{
	static const struct {
		const char *line, *why, *shown;
	} all[] = {
		{ "version", "by another lensfs", "version" },
		{ "source",
		  "from another source, or this one before it changed", NULL },
		{ "view", "with other options or another recipe", "options" },
	};
	char a[TEXT], b[TEXT];

	for (size_t i = 0; i < LENS_ARRAY_SIZE(all); i++) {
		const char *shown = all[i].shown;

		if (strcmp(line(ours, all[i].line, a),
			   line(theirs, all[i].line, b)) == 0)
			continue;
		if (shown)
			shown = line(theirs, shown, b);
		return lens_fail(err, EEXIST,
				 "'%s': a conversion has begun there %s%s%s%s: "
				 "empty it, or give what was given the first "
				 "time",
				 LENS_SHOW(d->path), all[i].why,
				 shown ? " (" : "",
				 shown && !*shown ? "no options" :
				 shown            ? LENS_SHOW(shown) :
						    "",
				 shown ? ")" : "");
	}
	return 0;
}

/* Our identity, or another's, in folder @d->work. */
static int settle(struct lens_dest *d, const char *ours, struct lens_err *err)
{
	char theirs[TEXT] = "";
	int r = claim(d, ours);

	if (r == -ENOENT || r == -ESTALE)
		return 0; /* the folder has just been taken away */
	if (r < 0)
		return lens_fail(err, -r, "'%s/" LENS_DEST_WORK "': %s",
				 LENS_SHOW(d->path), strerror(-r));
	for (unsigned i = 0; !theirs[0] && i < 50; i++) {
		if (faccessat(d->work, LENS_DEST_IDENTITY, F_OK, 0) < 0)
			return 0;
		read_text(d, theirs);
		if (!theirs[0])
			(void)usleep(20000);
	}
	if (!theirs[0])
		return lens_fail(err, EIO,
				 "'%s/" LENS_DEST_WORK "/" LENS_DEST_IDENTITY
				 "': it is "
				 "not whole; remove the folder to begin again",
				 LENS_SHOW(d->path));
	return compare(d, ours, theirs, err) < 0 ? -err->code : 1;
}

int lens_resume_begin(struct lens_dest *d, const struct lens_view *v,
		      struct lens_err *err)
{
	char ours[TEXT];
	int r = 0;

	if (make_text(d, v, ours, err) < 0)
		return -err->code;
	/* Again where others begin, or end, while we look. */
	for (unsigned i = 0; r == 0 && i < 5; i++) {
		struct lens_found f;

		if (lens_resume_look(d, &f, err) < 0)
			return -err->code;
		if (!f.identity && f.others && i) {
			d->left = f.work;
			return 1;
		}
		if (!f.identity && f.others)
			continue;
		if (mkdirat(d->dir, LENS_DEST_WORK, 0755) == 0)
			d->made_work = true;
		else if (errno != EEXIST)
			return lens_fail(err, errno, "'%s': %s",
					 LENS_SHOW(d->path), strerror(errno));
		if (d->work >= 0)
			(void)close(d->work);
		d->work =
			openat(d->dir, LENS_DEST_WORK,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (d->work < 0 && errno != ENOENT)
			return lens_fail(err, errno,
					 "'%s/" LENS_DEST_WORK "': %s",
					 LENS_SHOW(d->path), strerror(errno));
		r = d->work < 0 ? 0 : settle(d, ours, err);
	}
	if (!r)
		return lens_fail(err, EBUSY,
				 "'%s': others begin and end conversions there",
				 LENS_SHOW(d->path));
	return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extras.c - what lies beside the weights: config, tokenizer, code, folders.
 *
 * Folders are walked without following links; what can't be shown (FIFOs,
 * links out of the directory) is left out, with a warning where somebody could
 * miss it.  Nothing is opened but folders and, to be looked at, links.
 */
#include "st/st.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define DEEPEST 16
#define MOST 200000u

struct walk {
	struct lens_ckpt *ck;
	struct lens_notes *notes;
	size_t room;
};

static int add(struct walk *w, const char *path, const struct stat *st,
	       bool folder, struct lens_err *err)
{
	struct lens_ckpt *ck = w->ck;
	struct lens_extra *x;

	if (ck->n_extras == MOST)
		return lens_fail(err, E2BIG,
				 "the directory holds more than %u files",
				 MOST);
	if (ck->n_extras == w->room) {
		size_t room = w->room ? w->room * 2 : 64;

		x = realloc(ck->extras, room * sizeof(*x));
		if (!x)
			return lens_fail(err, ENOMEM, "no memory for %zu files",
					 room);
		ck->extras = x;
		w->room = room;
	}
	x = &ck->extras[ck->n_extras];
	*x = (struct lens_extra){ .folder = folder };
	lens_file_set(&x->file, -1, st);
	x->file.name = lens_arena_strndup(&ck->arena, path, strlen(path));
	if (!x->file.name)
		return lens_fail(err, ENOMEM, "no memory for a name");
	ck->n_extras++;
	return 0;
}

static bool is_weights(const struct lens_ckpt *ck, const char *name)
{
	for (size_t i = 0; i < ck->n_shards; i++)
		if (strcmp(ck->shards[i].file.name, name) == 0)
			return true;
	return strcmp(name, "model.safetensors.index.json") == 0;
}

static int walk(struct walk *w, int dir, const char *prefix, unsigned depth,
		struct lens_err *err);

static int walk_folder(struct walk *w, int dir, const char *name,
		       const char *path, const struct stat *st, unsigned depth,
		       struct lens_err *err)
{
	int fd = openat(dir, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC |
				O_NONBLOCK);
	int r;

	if (fd < 0) {
		lens_note(w->notes, "'%s' is left out: %s", LENS_SHOW(path),
			  strerror(errno));
		return 0;
	}
	if (depth == DEEPEST) {
		lens_note(w->notes,
			  "'%s' is left out: more than %d folders deep",
			  LENS_SHOW(path), DEEPEST);
		close(fd);
		return 0;
	}
	r = add(w, path, st, true, err);
	return r < 0 ? (close(fd), r) : walk(w, fd, path, depth + 1, err);
}

static int walk_link(struct walk *w, int dir, const char *name,
		     const char *path, struct lens_err *err)
{
	struct lens_err why;
	struct stat st;
	int fd = lens_source_open(dir, name, w->ck->follow_links, &st, &why);

	if (fd < 0) {
		lens_note(w->notes, "'%s' is left out: %s", LENS_SHOW(path),
			  why.msg);
		return 0;
	}
	close(fd);
	return add(w, path, &st, false, err);
}

static int one(struct walk *w, int dir, const char *prefix, const char *name,
	       unsigned depth, struct lens_err *err)
{
	lens_autofree char *path = NULL;
	struct stat st;

	if (name[0] == '.' || (!*prefix && is_weights(w->ck, name)))
		return 0;
	if (w->ck->is_save && !*prefix && lens_save_hides(w->ck, name))
		return 0;
	if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
		return lens_fail(err, ENOMEM, "no memory for a name");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it went away */
	if (S_ISDIR(st.st_mode))
		return walk_folder(w, dir, name, path, &st, depth, err);
	if (S_ISLNK(st.st_mode))
		return walk_link(w, dir, name, path, err);
	return S_ISREG(st.st_mode) ? add(w, path, &st, false, err) : 0;
}

/* Takes @dir. */
static int walk(struct walk *w, int dir, const char *prefix, unsigned depth,
		struct lens_err *err)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d) {
		close(dir);
		return lens_fail(err, errno, "'%s' can't be listed: %s",
				 *prefix ? LENS_SHOW(prefix) : ".",
				 strerror(errno));
	}
	while (r == 0 && (e = readdir(d)))
		r = one(w, dir, prefix, e->d_name, depth, err);
	closedir(d);
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct lens_extra *x = a, *y = b;

	return strcmp(x->file.name, y->file.name);
}

int lens_ckpt_find_extras(struct lens_ckpt *ck, struct lens_notes *notes,
			  struct lens_err *err)
{
	struct walk w = { .ck = ck, .notes = notes };
	int dir = openat(ck->beside, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return lens_fail(err, errno,
				 "the directory can't be listed: %s",
				 strerror(errno));
	if (walk(&w, dir, "", 0, err) < 0)
		return -err->code;
	if (ck->n_extras)
		qsort(ck->extras, ck->n_extras, sizeof(*ck->extras), by_name);
	return 0;
}

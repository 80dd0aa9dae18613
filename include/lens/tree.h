/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/tree.h - the view: its folders, files and their bytes.
 *
 * lens_view_open() is the whole way from a source directory to a readable
 * tree; the mount, convert, cat, ls and the tests all use it, so that whatever
 * a mount shows can be had without one.  A view is immutable once open (the
 * cache and the counters lock themselves): any thread may read it.
 */
#ifndef LENS_TREE_H
#define LENS_TREE_H

#include "lens/cache.h"
#include "lens/plan.h"

struct lens_view_opts {
	const char *recipe; /* NAME or FILE; NULL: detect */
	bool to_hf;         /* --to hf: recipe dequant */
	bool follow_links, inspect;
	uint64_t shard_size; /* 0: 5 GB */
	uint64_t cache_size; /* 0: 1/16 of RAM within 64 MiB .. 1 GiB */
	enum lens_cache_compress compress;
	bool no_cache;              /* --cache-size 0 */
	const char *like;           /* --like: a directory; NULL: none */
	struct lens_plan_opts plan; /* its like is set when the view is opened
				     */
};

struct lens_view;

int lens_view_open(const char *source, const struct lens_view_opts *opts,
		   struct lens_notes *notes, struct lens_view **ret,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_view_close(struct lens_view *v); /* NULL is fine */
LENS_DEFINE_CLEANUP(struct lens_view *, lens_view_close)

const struct lens_plan *lens_view_plan(const struct lens_view *v);
const struct lens_ckpt *lens_view_ckpt(const struct lens_view *v);
/* What it looks like; NULL: itself. */
const struct lens_ckpt *lens_view_like(const struct lens_view *v);
struct lens_cache *lens_view_cache(const struct lens_view *v);
const char *
lens_view_why(const struct lens_view *v); /* which recipe, and why */
/* The source's absolute path (as it was given, if it has none any more). */
const char *lens_view_source(const struct lens_view *v);

/* Bytes of the largest panel that its cache holds; 0: there are none. */
size_t lens_view_panel_max(const struct lens_view *v);

/* Where output tensor @i lies: index of a made weight file, offset from its
 * start. */
struct lens_place {
	uint32_t file;
	uint64_t off;
};
struct lens_place lens_view_place(const struct lens_view *v, size_t i);
size_t lens_view_weight_files(const struct lens_view *v);
const char *lens_view_weight_name(const struct lens_view *v, size_t file);

/* Nodes. 1 is the root; numbers depend on the plan alone. */
#define LENS_ROOT 1
struct lens_attr {
	uint64_t ino;
	bool folder;
	uint64_t size;
	struct timespec mtime;
	bool direct; /* content is made when it is read: not to be kept, or not
			to be read ahead */
	bool slow;   /* ... by a pass over a whole tensor, which can be called
			off by lens_cancel_set() */
};
/* 0, or -ENOENT. */
int lens_tree_attr(const struct lens_view *v, uint64_t ino,
		   struct lens_attr *ret);
/* @name in folder @parent, ".lens" too. 0, -ENOENT, -ENOTDIR. */
int lens_tree_lookup(const struct lens_view *v, uint64_t parent,
		     const char *name, struct lens_attr *ret);
/*
 * The entry of folder @ino behind cookie @at (0: the first); its cookie for the
 * next call is in *next.  1 an entry, 0 the end, -ENOTDIR. "." and ".." are
 * not among them. @name is valid as long as the view, or in @store (256 bytes).
 */
int lens_tree_entry(const struct lens_view *v, uint64_t ino, uint64_t at,
		    char *store, const char **name, struct lens_attr *attr,
		    uint64_t *next);
uint64_t lens_tree_parent(const struct lens_view *v, uint64_t ino);
/* A file's path below the root, into @buf of n bytes; "" for the root. */
int lens_tree_path(const struct lens_view *v, uint64_t ino, char *buf,
		   size_t n);
/* By path ("a/b"); 0 or -ENOENT. */
int lens_tree_find(const struct lens_view *v, const char *path,
		   struct lens_attr *ret);

/* File @name ("info", "summary", "data.npy", "raw") of output tensor @i below
 * .lens/tensors; 0 or -ENOENT. */
int lens_tree_tensor(const struct lens_view *v, size_t i, const char *name,
		     struct lens_attr *ret);

/*
 * Up to @n bytes of file @ino from @off into @buf; *ret_n is short only at the
 * end of the file.  @reader tells readers apart for the cache (0: unknown).
 * EIO and a sentence when the source changed.
 */
int lens_tree_read(const struct lens_view *v, uint64_t ino, uint64_t off,
		   size_t n, void *buf, size_t *ret_n, uint64_t reader,
		   struct lens_err *err) LENS_MUST_CHECK;
/*
 * The same for who sends the bytes on: if they stand in the cache as they are
 * wanted, @send(ctx, bytes, n) is called, while they can't go away, instead of
 * copying them to @buf, and *sent is set.
 */
struct lens_sender {
	void (*send)(void *ctx, const void *bytes, size_t n);
	void *ctx;
	bool sent;
};
int lens_tree_send(const struct lens_view *v, uint64_t ino, uint64_t off,
		   size_t n, void *buf, size_t *ret_n, uint64_t reader,
		   struct lens_sender *sender,
		   struct lens_err *err) LENS_MUST_CHECK;
/* Is [off, off + n) of a passed file a hole in its source? */
bool lens_tree_is_hole(const struct lens_view *v, uint64_t ino, uint64_t off,
		       uint64_t n);
/* Bytes of output tensor @i, through the cache. */
int lens_view_tensor_read(const struct lens_view *v, size_t i, uint64_t off,
			  size_t n, void *buf, uint64_t reader,
			  struct lens_err *err) LENS_MUST_CHECK;

/* .lens/stats, Prometheus text format. @buf is the caller's. */
void lens_view_stats(const struct lens_view *v, struct lens_buf *buf);
/*
 * Extended attributes of files: user.lens.plan (how it is made), .recipe,
 * .source; in .lens/tensors also .key, .dtype, .shape. -ENODATA if it has not
 * got that one.
 */
int lens_tree_xattr(const struct lens_view *v, uint64_t ino, const char *name,
		    struct lens_buf *out);
/* The names of those that it has, each with its NUL. */
int lens_tree_xattrs(const struct lens_view *v, uint64_t ino,
		     struct lens_buf *out);

#endif

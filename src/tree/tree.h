/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - a view, and what the files of this module share.
 */
#ifndef LENS_TREE_TREE_H
#define LENS_TREE_TREE_H

#include "lens/tree.h"
#include "tree/summary.h"

#include <pthread.h>
#include <stdatomic.h>

/* layout.c: which tensor lies where. */

/* A made weight file: its header, then its tensors in the order of begin[]. */
struct lens_weight {
	char *name;
	struct lens_buf head; /* length, JSON, padding */
	size_t n;
	uint32_t *order; /* [n] outputs, as they lie in the file */
	uint64_t *begin; /* [n] of each, from the end of the header; rising */
	uint64_t size;   /* of the file */
};

struct lens_layout {
	uint32_t
		mapped; /* files of the checkpoint a save began with; 0: none */
	const struct lens_ckpt
		*like; /* whose files these are to be; NULL: none */
	size_t n_files;
	struct lens_weight *files;
	struct lens_place *places; /* of each output */
	uint32_t *order;           /* the files' order[], one after another */
	uint64_t *begin;           /* likewise */
	uint64_t total;            /* bytes of all tensors */
	struct lens_buf index;     /* its text; empty with a single file */
};
#define LENS_INDEX_NAME "model.safetensors.index.json"
#define LENS_SHARD_SIZE 5000000000u

/* Which file each of @n sizes goes to, as huggingface_hub splits a state dict;
 * the number of files, at least 1. */
size_t lens_layout_split(const uint64_t *sizes, size_t n, uint64_t most,
			 uint32_t *file);
int lens_layout_make(const struct lens_plan *plan, uint64_t shard_size,
		     struct lens_layout *ret,
		     struct lens_err *err) LENS_MUST_CHECK;
void lens_layout_fini(struct lens_layout *l);

/* config.c: @text, which passed the gate, without the members that say how a
 * checkpoint is quantized. */
void lens_config_cut(const char *text, size_t n, struct lens_buf *out);
/* The same, with the one that @put writes in their place, or, where there is
 * none, at the end of the top level. */
void lens_config_put(const char *text, size_t n,
		     void (*put)(void *ctx, unsigned indent,
				 struct lens_buf *out),
		     void *ctx, struct lens_buf *out);

/* nodes.c: what the view's root holds, and the folders below. */
enum lens_node_kind {
	LENS_NODE_FOLDER,
	LENS_NODE_WEIGHTS, /* @index: which of the layout's files */
	LENS_NODE_INDEX,
	LENS_NODE_CONFIG,
	LENS_NODE_EXTRA, /* @index: which of the checkpoint's */
};
struct lens_node {
	const char *path; /* below the root; "" is the root */
	const char *name; /* its last part */
	enum lens_node_kind kind;
	uint32_t parent;   /* a node */
	uint32_t first, n; /* of a folder: its entries, by name */
	uint32_t index;
};
struct lens_nodes {
	size_t n;
	struct lens_node *v; /* v[0] is the root; node i is number i + 1 */
};
int lens_nodes_make(const struct lens_view *v, struct lens_nodes *ret,
		    struct lens_err *err) LENS_MUST_CHECK;
void lens_nodes_fini(struct lens_nodes *nodes);

/* segments.c: keys as folders. */

/* A folder below .lens/tensors. */
struct lens_segment {
	uint32_t parent;
	uint32_t first, n; /* its keys, in the order of lens_segments.key */
	uint32_t child, n_children;
	uint16_t at, len; /* its name in any of its keys */
	bool tensor;      /* key[first] ends here */
};
struct lens_segments {
	uint32_t *key; /* outputs, sorted so that a folder's are neighbours */
	size_t n;
	struct lens_segment *v; /* v[0] is the top; parents come first */
};
#define LENS_NAME_ROOM 256
int lens_segments_make(const struct lens_plan *plan, struct lens_segments *ret);
void lens_segments_fini(struct lens_segments *s);
/* The name of folder @i, into @buf of LENS_NAME_ROOM bytes. */
const char *lens_segment_name(const struct lens_segments *s,
			      const struct lens_plan *plan, uint32_t i,
			      char *buf);
/* The folder in @parent that is called @name; LENS_NONE. */
uint32_t lens_segment_find(const struct lens_segments *s,
			   const struct lens_plan *plan, uint32_t parent,
			   const char *name);
/* What a segment of a key is called as a folder, into @buf as above. */
void lens_segment_encode(const char *text, size_t n, char *buf);

/* lines.c: texts of many lines, of which only the part that is read is made. */
struct lens_lines {
	size_t n; /* lines */
	void (*line)(const struct lens_view *v, size_t i, struct lens_buf *out);
	pthread_mutex_t lock; /* while @mark and @size are made */
	atomic_bool made;     /* then they stay */
	uint64_t *mark;       /* where every LENS_LINES_STEPth line begins */
	uint64_t size;
};
#define LENS_LINES_STEP 64
int lens_lines_size(const struct lens_view *v, struct lens_lines *l,
		    uint64_t *ret, struct lens_err *err) LENS_MUST_CHECK;
int lens_lines_read(const struct lens_view *v, struct lens_lines *l,
		    uint64_t off, size_t n, void *buf, size_t *ret_n,
		    struct lens_err *err) LENS_MUST_CHECK;
void lens_lines_fini(struct lens_lines *l);

/* text.c: the words of the inspection tree. */
void lens_text_shape(struct lens_buf *out, const struct lens_tensor *t);
void lens_text_plan_line(const struct lens_view *v, size_t i,
			 struct lens_buf *out);
void lens_text_key_line(const struct lens_view *v, size_t i,
			struct lens_buf *out);
/* What a text on one tensor begins with. */
void lens_text_head(const struct lens_tensor *t, struct lens_buf *out);
void lens_text_info(const struct lens_view *v, size_t i, struct lens_buf *out);
void lens_text_readme(const struct lens_view *v, struct lens_buf *out);

/* npy.c: a tensor as a NumPy file. */

/* Bytes of the whole file; false: NumPy has no dtype for it. */
bool lens_npy_size(const struct lens_tensor *t, uint64_t *ret);
int lens_npy_read(const struct lens_view *v, size_t i, uint64_t off, size_t n,
		  void *buf, uint64_t reader,
		  struct lens_err *err) LENS_MUST_CHECK;

/* inspect.c: the nodes of .lens, numbered behind those of the view. */
struct lens_inspect {
	uint64_t first; /* the number of .lens itself */
	struct lens_buf readme, recipe;
	struct lens_lines plan, keys;
	pthread_mutex_t lock;  /* while @segments are made, on first use */
	atomic_bool segmented; /* then they stay */
	struct lens_segments segments;
	struct lens_summaries summaries;
};
/* Which node a number is. */
struct lens_spot {
	enum lens_spot_top {
		LENS_AT_TOP,
		LENS_AT_README,
		LENS_AT_PLAN,
		LENS_AT_KEYS,
		LENS_AT_RECIPE,
		LENS_AT_STATS,
		LENS_AT_TENSORS,
		LENS_AT_TOPS,
	} top;
	/* At LENS_AT_TENSORS: a folder, 0 being tensors itself, or one of its
	 * files. */
	uint32_t segment;
	enum lens_spot_file {
		LENS_AT_FOLDER,
		LENS_AT_INFO,
		LENS_AT_SUMMARY,
		LENS_AT_NPY,
		LENS_AT_RAW,
		LENS_AT_FILES,
	} file;
	uint32_t out; /* its tensor, where it is one of the files */
};
/* 0, -ENOENT, -ENOMEM. */
int lens_inspect_spot(const struct lens_view *v, uint64_t ino,
		      struct lens_spot *ret);
int lens_inspect_init(struct lens_view *v,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_inspect_fini(struct lens_inspect *x); /* NULL is fine */
/* As the functions of lens/tree.h, for numbers from inspect->first on. */
int lens_inspect_attr(const struct lens_view *v, uint64_t ino,
		      struct lens_attr *ret);
int lens_inspect_lookup(const struct lens_view *v, uint64_t parent,
			const char *name, struct lens_attr *ret);
int lens_inspect_entry(const struct lens_view *v, uint64_t ino, uint64_t at,
		       char *store, const char **name, struct lens_attr *attr,
		       uint64_t *next);
uint64_t lens_inspect_parent(const struct lens_view *v, uint64_t ino);
/* Its name, into @buf of LENS_NAME_ROOM bytes; NULL if there is no such node.
 */
const char *lens_inspect_name(const struct lens_view *v, uint64_t ino,
			      char *buf);

/* content.c: what those nodes hold. */
int lens_content_size(const struct lens_view *v, const struct lens_spot *s,
		      uint64_t *ret); /* 0, -ENOMEM */
int lens_content_read(const struct lens_view *v, uint64_t ino, uint64_t off,
		      size_t n, void *buf, size_t *ret_n, uint64_t reader,
		      struct lens_err *err) LENS_MUST_CHECK;
/* Up to @n bytes of @text from @off; how many. */
size_t lens_content_part(const struct lens_buf *text, uint64_t off, size_t n,
			 void *buf);

/* stats.c: what was read, counted. */
enum lens_read_class {
	LENS_READ_4K, /* up to 4 KiB */
	LENS_READ_64K,
	LENS_READ_256K,
	LENS_READ_1M,
	LENS_READ_MORE,
	LENS_READ_CLASSES,
};
enum lens_error_kind {
	LENS_ERROR_IO,     /* of the source: it changed, or can't be read */
	LENS_ERROR_VALUES, /* which FP8 with a scale can't hold */
	LENS_ERROR_MEMORY,
	LENS_ERROR_OTHER,
	LENS_ERROR_KINDS,
};
#define LENS_TIMES 36 /* time bucket i: under 2^i ns */
struct lens_counters {
	_Atomic uint64_t reads[LENS_READ_CLASSES];
	_Atomic uint64_t served;  /* bytes of all files */
	_Atomic uint64_t tensors; /* of them, bytes of tensors */
	_Atomic uint64_t errors[LENS_ERROR_KINDS];
	_Atomic uint64_t cancelled; /* reads that nobody waited for any more */
	_Atomic uint64_t summaries, summaries_ns;
	_Atomic uint64_t times[LENS_TIMES];
	_Atomic uint64_t ns, ns_max;
};
void lens_count_read(struct lens_counters *c, uint64_t began, size_t asked,
		     size_t got, int result);
void lens_count_summary(struct lens_counters *c, uint64_t began);

struct lens_view {
	struct lens_ckpt *ckpt;
	struct lens_ckpt *like; /* what it looks like; NULL: itself */
	struct lens_recipe *recipe;
	struct lens_plan *plan;
	struct lens_cache *cache;
	size_t panel_max; /* 0: no panels */
	bool shows_lens;  /* .lens is in the root's listing */
	char *why, *source;
	struct timespec mtime;
	struct lens_layout layout;
	struct lens_buf config; /* what it is cut to */
	bool makes_config;
	struct lens_nodes nodes;
	struct lens_inspect *inspect; /* apart, for they lock themselves */
	struct lens_counters *counters;
};

/* Whose config and other files the view shows. */
static inline const struct lens_ckpt *lens_view_dress(const struct lens_view *v)
{
	return v->like ? v->like : v->ckpt;
}

#endif

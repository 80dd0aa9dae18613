/* SPDX-License-Identifier: Apache-2.0 */
/*
 * st.h - a checkpoint, and what the files that open it share.
 */
#ifndef LENS_ST_ST_H
#define LENS_ST_ST_H

#include "lens/st.h"

#include <stdatomic.h>

/* A weight file: what its header holds, in memory of its own. */
struct lens_shard {
	struct lens_file file;
	struct lens_arena arena;
	struct lens_entry *entries;
	size_t n;
	uint32_t *order; /* of entries by their names; NULL in a save */
	uint64_t data;   /* offset of its data */
	const uint64_t **origins; /* of a save: where each entry's box begins */
};

/* What .hf_metadata says of the checkpoint that was trained on: which file each
 * key was in (from 1), and its dtype. */
struct lens_mapping {
	struct lens_map files, dtypes;
	const char **key; /* of files */
	size_t n;
	uint32_t n_files; /* the largest number */
};

struct lens_ckpt {
	struct lens_arena arena;
	char *path;
	const char *step; /* of a run, which was taken; NULL: none */
	int dir;          /* the directory, opened before anything else */
	int beside; /* where config and other files are: dir, or .hf_metadata */
	struct lens_mapping mapping; /* of a save */
	bool follow_links;
	bool is_save; /* sharded: tensors of several files */
	dev_t dev;
	struct lens_shard *shards;
	size_t n_shards;
	struct lens_tensor *tensors; /* in natural order */
	size_t n;
	struct lens_map by_name;
	char *config_text;
	size_t config_size;
	cJSON *config;
	cJSON *index_metadata;
	char *index_text; /* where it is kept */
	size_t index_size;
	struct lens_extra *extras;
	size_t n_extras;
	struct timespec mtime;
	atomic_uint_fast64_t bytes_read;
};

/* shard.c: weight file @i of the checkpoint @ctx, for lens_parallel(): opened,
 * its entries and their order. */
int lens_shard_open(void *ctx, size_t i, struct lens_err *err);

/* index.c: an index's weight_map: keys to numbers of files. Pure: no file is
 * touched. */
struct lens_index {
	struct lens_arena arena;
	struct lens_map keys; /* key to its place in the two below */
	const char **key;     /* in the order of the text */
	uint32_t *file;       /* of each */
	size_t n;
	struct lens_map file_names;
	const char **files;
	size_t n_files;
	cJSON *metadata;
};
int lens_index_parse(const char *text, size_t n, struct lens_index *ret,
		     struct lens_err *err);
void lens_index_fini(struct lens_index *index);

/* open.c: regular file @name in folder @dir, as the rules about links have it;
 * *st says what it is. Never waits, never opens what is no regular file. */
int lens_source_open(int dir, const char *name, bool follow_links,
		     struct stat *st, struct lens_err *err);
/* The whole of a small file: at most @most bytes, NUL-terminated. *ret NULL if
 * it is not there. */
int lens_source_slurp(int dir, const char *name, bool follow_links, size_t most,
		      char **ret, size_t *n, struct stat *st,
		      struct lens_err *err);
/* Folder @name in folder @dir, for what is in it (O_PATH): links on the way may
 * stay in @dir. -1, see errno; EXDEV: it leads out. */
int lens_source_opendir(int dir, const char *name, bool follow_links);
/* Why, where that can't be told (ENOSYS): in sandboxes, under emulators. */
#define LENS_NO_OPENAT2                                                    \
	"whether it leads out of the directory can't be told here, where " \
	"there is no openat2 (--follow-links does not ask)"
void lens_file_set(struct lens_file *f, int fd, const struct stat *st);
/* Is @st still what @f was?  EIO, saying what changed, if not. */
int lens_file_check(const struct lens_file *f, const struct stat *st,
		    struct lens_err *err);

/* save.c: sharded saves. The files that may be shards; the boxes that one
 * shard's DCP_SHARDING_INFO tells; boxes to tensors, exactly covered. */
int lens_save_find(struct lens_ckpt *ck, struct lens_err *err);
int lens_save_boxes(struct lens_shard *s, const cJSON *info,
		    struct lens_err *err);
int lens_save_gather(struct lens_ckpt *ck, struct lens_err *err);
/* save_metadata.c: .hf_metadata, if there is one. */
int lens_save_metadata(struct lens_ckpt *ck, struct lens_err *err);
/* Is @name one of its files that a view does not show? */
bool lens_save_hides(const struct lens_ckpt *ck, const char *name);

/* run.c: @ck has no weights; if it is the directory of a training run, go to
 * the step that is meant. 1 gone; 0 it is none. */
int lens_run_enter(struct lens_ckpt *ck, struct lens_err *err);

/* extras.c */
int lens_ckpt_find_extras(struct lens_ckpt *ck, struct lens_notes *notes,
			  struct lens_err *err);

#endif

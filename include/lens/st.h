/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/st.h - safetensors files and checkpoint directories, read and described.
 *
 * Headers, indexes and links are checked once, when the checkpoint is opened;
 * every promise below holds from then on and no later code doubts an offset.
 * A struct lens_ckpt is immutable once opened (but for its counters, which are
 * atomic): any thread may use it without a lock.
 */
#ifndef LENS_ST_H
#define LENS_ST_H

#include "lens/base.h"
#include "lens/json.h"

#include <sys/stat.h>
#include <time.h>

/* In the order of safetensors' own enum, on which the writer's layout rests. */
enum lens_dtype {
	LENS_BOOL,
	LENS_F4,
	LENS_F6_E2M3,
	LENS_F6_E3M2,
	LENS_U8,
	LENS_I8,
	LENS_F8_E5M2,
	LENS_F8_E4M3,
	LENS_F8_E8M0,
	LENS_F8_E4M3FNUZ,
	LENS_F8_E5M2FNUZ,
	LENS_I16,
	LENS_U16,
	LENS_F16,
	LENS_BF16,
	LENS_I32,
	LENS_U32,
	LENS_F32,
	LENS_C64,
	LENS_F64,
	LENS_I64,
	LENS_U64,
	LENS_DTYPE_MAX,
};
#define LENS_DTYPE_INVALID LENS_DTYPE_MAX

const char *lens_dtype_name(enum lens_dtype d); /* "BF16" */
unsigned lens_dtype_bits(enum lens_dtype d); /* of one element: 4, 6, 8 .. 64 */
enum lens_dtype lens_dtype_find(
	const char *name); /* exact; LENS_DTYPE_INVALID if there is none */
/* Also torch's and the options' spellings: bf16, bfloat16, float16, half,
 * f8_e4m3, float8_e4m3fn ... */
enum lens_dtype lens_dtype_parse(const char *name);

#define LENS_MAX_RANK 64

/* A box of a tensor, whole rows after one another in @file. */
struct lens_chunk {
	uint32_t file;          /* index of a lens_file */
	uint64_t off;           /* of its first byte in that file */
	const uint64_t *origin; /* where it begins, per dimension */
	const uint64_t *shape;  /* how far it goes, per dimension */
};

/* One tensor of a checkpoint. Its chunks cover it exactly. */
struct lens_tensor {
	const char *name; /* valid UTF-8 without NUL, at most 4096 bytes */
	enum lens_dtype dtype;
	unsigned rank; /* at most LENS_MAX_RANK */
	const uint64_t *shape;
	uint64_t size;   /* bytes: product(shape) * bits / 8, exactly */
	size_t n_chunks; /* 1 but in sharded saves; 0 if it has no bytes */
	const struct lens_chunk *chunks;
};

/* One entry of a header, as lens_header_parse() hands it out. */
struct lens_entry {
	const char *name;
	enum lens_dtype dtype;
	unsigned rank;
	const uint64_t *shape;
	uint64_t begin, end; /* from the start of the data */
};

/*
 * Parse the @n bytes of a header for @data_size bytes of data: exactly what
 * the reference parser takes, less what is ambiguous (docs/architecture.md).
 * Entries arrive sorted by (begin, end, name).  @metadata (may be NULL) gets
 * the strings of __metadata__, a cJSON object of the caller's, or NULL.
 */
int lens_header_parse(const char *text, size_t n, uint64_t data_size,
		      struct lens_arena *arena, struct lens_entry **ret,
		      size_t *ret_n, cJSON **metadata,
		      struct lens_err *err) LENS_MUST_CHECK;

/*
 * The first bytes of a file (length field, JSON, padding to 8) as the
 * reference writer lays it out, with metadata {"format":"pt"}: sorts @order
 * (indexes into @t, @n of them) dtype descending, then name; begin[] and the
 * header follow that order.  @t's names, dtypes, shapes and sizes are read.
 * E2BIG if the header would exceed the format's 100,000,000 bytes.
 */
int lens_header_write(const struct lens_tensor *const t[], size_t n,
		      uint32_t *order, uint64_t *begin, struct lens_buf *out,
		      struct lens_err *err) LENS_MUST_CHECK;

/* An open file of the source, and who it was when it was opened. */
struct lens_file {
	const char *name; /* relative to the checkpoint; may hold '/' */
	int fd;           /* -1: opened beneath its directory when it is read */
	uint64_t size;
	dev_t dev;
	ino_t ino;
	struct timespec mtime, ctime;
};

struct lens_ckpt_opts {
	bool follow_links;        /* links out of the directory are all right */
	bool saves;               /* sharded training saves, too, and runs */
	bool keep_index;          /* its text, for lens_ckpt_index_text() */
	const char *weights_file; /* instead of model.safetensors; NULL: that */
};

struct lens_ckpt;

/*
 * Open checkpoint directory @path (docs/lensfs.1, SOURCE): index or single
 * file, links, hub caches; opens every weight file and reads every header.
 * Warnings go to @notes.  What is refused is refused naming file and key.
 */
int lens_ckpt_open(const char *path, const struct lens_ckpt_opts *opts,
		   struct lens_notes *notes, struct lens_ckpt **ret,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_ckpt_close(struct lens_ckpt *ck); /* NULL is fine */
LENS_DEFINE_CLEANUP(struct lens_ckpt *, lens_ckpt_close)

size_t lens_ckpt_count(const struct lens_ckpt *ck);
const struct lens_tensor *
lens_ckpt_at(const struct lens_ckpt *ck,
	     size_t i); /* in natural order of names */
const struct lens_tensor *lens_ckpt_find(const struct lens_ckpt *ck,
					 const char *name);
uint32_t lens_ckpt_index(const struct lens_ckpt *ck,
			 const char *name); /* as lens_ckpt_at() counts */

size_t lens_ckpt_files(const struct lens_ckpt *ck); /* weight files */
const struct lens_file *lens_ckpt_file(const struct lens_ckpt *ck, size_t i);

/*
 * A training save remembers which file of the checkpoint it began with each key
 * (of the Hugging Face side) was in, 1 .. lens_ckpt_mapped_files(), and its
 * dtype.  0, LENS_DTYPE_INVALID: nothing is said.
 */
uint32_t lens_ckpt_mapped_files(const struct lens_ckpt *ck);
size_t lens_ckpt_mapped(const struct lens_ckpt *ck);
const char *lens_ckpt_mapped_key(const struct lens_ckpt *ck, size_t i);
uint32_t lens_ckpt_mapped_file(const struct lens_ckpt *ck, const char *key);
enum lens_dtype lens_ckpt_mapped_dtype(const struct lens_ckpt *ck,
				       const char *key);

/* The text of config.json and its tree; NULL, 0 if there is none. */
const char *lens_ckpt_config_text(const struct lens_ckpt *ck, size_t *n);
const cJSON *lens_ckpt_config(const struct lens_ckpt *ck);
const cJSON *lens_ckpt_index_metadata(
	const struct lens_ckpt *ck); /* of the index, or NULL */

/* The index, where opts->keep_index asked for it; NULL, 0 if there is none. */
const char *lens_ckpt_index_text(const struct lens_ckpt *ck, size_t *n);
/* The first bytes of weight file @i, up to its data; how many tensors that
 * describes. */
int lens_ckpt_head(const struct lens_ckpt *ck, size_t i, struct lens_buf *ret,
		   size_t *n, struct lens_err *err) LENS_MUST_CHECK;

/* Everything that is no weight file and no index, folders too, sorted by name
 * (a folder before what is in it): config.json, tokenizers, code. What can't
 * be shown (FIFOs, links out of the directory) is not in it. */
struct lens_extra {
	struct lens_file file;
	bool folder;
};
size_t lens_ckpt_extras(const struct lens_ckpt *ck);
const struct lens_extra *lens_ckpt_extra(const struct lens_ckpt *ck, size_t i);

struct timespec
lens_ckpt_mtime(const struct lens_ckpt *ck); /* the newest of all files */
/* As it was given; of a run's directory, the step's below it. */
const char *lens_ckpt_path(const struct lens_ckpt *ck);
/* Which step of a training run is read, and why, in words fit to be shown;
 * NULL: it is none. */
const char *lens_ckpt_step(const struct lens_ckpt *ck);
/* Is (dev, ino) one of the directories or files this checkpoint reads from? */
bool lens_ckpt_uses_dev(const struct lens_ckpt *ck, dev_t dev);

/*
 * Bytes [off, off + n) of @t, row-major, from whichever chunks hold them; the
 * range must be inside the tensor.  EIO, naming the file and what changed, if
 * a file is no longer the one that was opened or is short: never a stale or a
 * mixed byte (identity is checked after the bytes are read).
 */
int lens_ckpt_read(const struct lens_ckpt *ck, const struct lens_tensor *t,
		   uint64_t off, size_t n, void *buf,
		   struct lens_err *err) LENS_MUST_CHECK;

/*
 * A box of @t: elements [origin, origin + count) of each dimension, densely
 * into @buf; whole bytes a row are required (dtypes of 8 bits and more).
 */
int lens_ckpt_read_box(const struct lens_ckpt *ck, const struct lens_tensor *t,
		       const uint64_t *origin, const uint64_t *count, void *buf,
		       struct lens_err *err) LENS_MUST_CHECK;

/* Up to @n bytes of an extra from @off (a short count only at its end). */
int lens_ckpt_read_extra(const struct lens_ckpt *ck, const struct lens_extra *x,
			 uint64_t off, size_t n, void *buf, size_t *ret_n,
			 struct lens_err *err) LENS_MUST_CHECK;

/* Are all of its bytes [off, off + n) zeros that take no space (a hole)? */
bool lens_ckpt_extra_is_hole(const struct lens_ckpt *ck,
			     const struct lens_extra *x, uint64_t off,
			     uint64_t n);

/* Bytes read from weight files since it was opened. */
uint64_t lens_ckpt_bytes_read(const struct lens_ckpt *ck);

#endif

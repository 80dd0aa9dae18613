/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/plan.h - a recipe and a source, compiled: for every tensor of the view
 * the pieces it is made of.
 *
 * Compiling may refuse, naming key and reason; afterwards making a range of a
 * tensor can fail only for reasons of the outside world (EIO), but for weights
 * that are to be quantized and hold NaN or infinities (EDOM).  Immutable once
 * compiled, but for scales that are made when they are first needed, behind
 * locks of their own: any thread.
 */
#ifndef LENS_PLAN_H
#define LENS_PLAN_H

#include "lens/recipe.h"

struct lens_plan_opts {
	bool reverse;          /* native -> hf */
	bool strict;           /* every warning is a refusal */
	enum lens_dtype dtype; /* --dtype; LENS_DTYPE_INVALID: not given */
	size_t n_set;
	const char *const *set; /* --set: "NAME=VALUE" */
	const char *exclude;    /* regular expression on keys of the view; NULL:
				   none */
	/* Of --reverse alone. */
	enum lens_scales {
		LENS_SCALES_NONE, /* nothing is quantized */
		LENS_SCALES_AMAX, /* the largest magnitude is 448 */
		LENS_SCALES_UNIT, /* a plain cast, and ones */
		LENS_SCALES_LIKE, /* those of @like */
	} quantize;
	uint64_t block; /* edge of the square that has a scale; 0: none */
	/* Come out looking like this one; borrowed. NULL: none */
	const struct lens_ckpt *like;
	bool cast;          /* narrow to the dtypes of @like at any cost */
	bool allow_missing; /* keys that should be there */
	unsigned jobs;      /* threads that make scales; 0: one a CPU */
};

/* A tensor of the view. */
struct lens_out {
	struct lens_tensor t;  /* key, dtype, shape, size; no chunks */
	struct lens_virtual v; /* what it is made of */
	/* Codes: made of v's values by this; NULL: v's are the output's. */
	const struct lens_encoder *encoder;
};

/* What became of a source key. */
enum lens_fate {
	LENS_FATE_MAPPED, /* a rule, a rename or a codec made it part of @into
			   */
	LENS_FATE_PASSED, /* no rule matched: as it is */
	LENS_FATE_COMPANION, /* used to decode @into */
	LENS_FATE_DROPPED,   /* by rule @rule */
	LENS_FATE_EXCLUDED,  /* by --exclude */
	LENS_FATE_MAX,
};
const char *lens_fate_name(enum lens_fate fate); /* "mapped" */
struct lens_key_fate {
	const struct lens_tensor *t;
	enum lens_fate fate;
	const char *into; /* a key of the view; NULL if dropped */
	const char *rule; /* the pattern or the codec's name; NULL if passed */
};

struct lens_plan;

/* @ckpt and @recipe are borrowed and must outlive the plan. */
int lens_plan_compile(const struct lens_ckpt *ckpt,
		      const struct lens_recipe *recipe,
		      const struct lens_plan_opts *opts,
		      struct lens_notes *notes, struct lens_plan **ret,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_plan_free(struct lens_plan *p); /* NULL is fine */
LENS_DEFINE_CLEANUP(struct lens_plan *, lens_plan_free)

size_t lens_plan_count(const struct lens_plan *p);
const struct lens_out *lens_plan_at(const struct lens_plan *p,
				    size_t i); /* in natural order of keys */
uint32_t lens_plan_find(const struct lens_plan *p,
			const char *key); /* LENS_NONE */
const struct lens_ckpt *lens_plan_ckpt(const struct lens_plan *p);
const struct lens_recipe *lens_plan_recipe(const struct lens_plan *p);
/* Of the source, in its order. */
size_t lens_plan_keys(const struct lens_plan *p);
const struct lens_key_fate *lens_plan_key(const struct lens_plan *p, size_t i);
/* Does the view's config.json lose its quantization_config? */
bool lens_plan_dequantizes(const struct lens_plan *p);
/* The quantization_config that it gets, as JSON with lines indented by @indent
 * spaces and two more; false: none. @out may be NULL. */
bool lens_plan_quantization(const struct lens_plan *p, unsigned indent,
			    struct lens_buf *out);
/* What the view looks like; NULL: not like another. */
const struct lens_ckpt *lens_plan_like(const struct lens_plan *p);
/* Are there scales to be made from weights, which may take long? */
bool lens_plan_makes_scales(const struct lens_plan *p);
/* Scales made from weights so far, and the time that took. */
void lens_plan_scales(const struct lens_plan *p, uint64_t *made, uint64_t *ns);

/*
 * Bytes [off, off + n) of output @i into @buf, made from the source without
 * any cache.  The range must be inside the tensor.  Works in pieces of bounded
 * size: about 1 MiB of its own memory a thread, whatever n is.
 */
int lens_plan_read(const struct lens_plan *p, size_t i, uint64_t off, size_t n,
		   void *buf, struct lens_err *err) LENS_MUST_CHECK;

/*
 * A panel: the part of an output tensor that is cheap to make at once and dear
 * to make in slices (a transposed expert matrix, at most 32 MiB in memory).
 * In memory it may be moved but not decoded.
 */
struct lens_panel {
	uint32_t out;      /* which output tensor */
	uint32_t index;    /* which of its panels */
	uint64_t off, n;   /* the bytes of the output it stands for */
	size_t size;       /* its bytes in memory */
	unsigned elem;     /* bytes of an element in memory */
	unsigned n_strips; /* it is made of, each alone */
};
#define LENS_PANEL_MAX (32u << 20)

/* The panel that byte @off of output @i belongs to, at most @max bytes in
 * memory; false where reading directly is as cheap. Same @max, same panels. */
bool lens_plan_panel(const struct lens_plan *p, size_t i, uint64_t off,
		     size_t max, struct lens_panel *ret);
/* Make one strip, in @mem, which has panel->size bytes. */
int lens_plan_fill(const struct lens_plan *p, const struct lens_panel *panel,
		   unsigned strip, void *mem,
		   struct lens_err *err) LENS_MUST_CHECK;
/* Bytes [off, off + n) of the output (inside the panel's) from a finished
 * panel. */
int lens_plan_take(const struct lens_plan *p, const struct lens_panel *panel,
		   const void *mem, uint64_t off, size_t n, void *buf,
		   struct lens_err *err) LENS_MUST_CHECK;

/* Byte @off of the output where it stands in a finished panel; NULL if it has
 * to be decoded. */
const void *lens_plan_peek(const struct lens_plan *p,
			   const struct lens_panel *panel, const void *mem,
			   uint64_t off);

/* What output @i is made of, one line: "transpose(1,2) fp8[...] <- key". */
void lens_plan_describe(const struct lens_plan *p, size_t i,
			struct lens_buf *out);
/* The same in parts, each once: its codecs, "fp8>BF16", and what else is done,
 * "transpose[1,2] cast>F32" or "fill(0)"; nothing where there is none. */
void lens_plan_codec(const struct lens_plan *p, size_t i, struct lens_buf *out);
void lens_plan_ops(const struct lens_plan *p, size_t i, struct lens_buf *out);
/* Which keys of the source an output is made of, companions too, in the order
 * in which they are used.  Zeroed is empty; serves one output after another. */
struct lens_sources {
	size_t n, room;
	uint32_t *key;
	uint32_t *seen; /* by key: 1 + the last output that has it */
};
int lens_plan_sources(const struct lens_plan *p, size_t i,
		      struct lens_sources *ret,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_sources_fini(struct lens_sources *s);
/* Tab-separated, stable: key, dtype, shape, how it is made; a line an output.
 */
void lens_plan_dump(const struct lens_plan *p, struct lens_buf *out);
/* The recipe in force, parameters resolved, as JSON. */
void lens_plan_recipe_json(const struct lens_plan *p, struct lens_buf *out);

#endif

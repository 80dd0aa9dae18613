/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/codec.h - how one logical tensor is stored as several.
 *
 * A codec recognises a format and describes a tensor in it: where its codes
 * lie, which companions belong to them, and the arithmetic.  That half may
 * refuse, with a sentence, when a plan is compiled.  Reading, unpacking and
 * decoding what is described can't fail but for I/O.  A codec is one file and
 * one line in the table; everything here is immutable once bound.
 */
#ifndef LENS_CODEC_H
#define LENS_CODEC_H

#include "lens/base.h"
#include "lens/kernel.h"
#include "lens/st.h"

/* Ops and codecs work on up to so many dimensions; more pass only unchanged. */
#define LENS_DIMS 8
#define LENS_COMPANIONS 4
/* Groups that a tensor with a group index may have: all of their scales are
 * needed at once. */
#define LENS_GROUPS 8192u

/*
 * Codes of @bits bits, 2 to 8, from the lowest bit on, that lie in dimension
 * @dim: along the last one in the bytes of each row, along another in the 32
 * bit words of each column.  bits 0: each element is a code.
 */
struct lens_packing {
	uint8_t bits;
	uint8_t dim;
	bool interleaved; /* 4 bits: a word holds elements 0 2 4 6 1 3 5 7 */
};

/*
 * A tensor beside the codes, and which of its elements belongs to a logical
 * element: in its dimension k the one at index[dim[k]] / div[k]; 0 where
 * dim[k] is -1.  Where period[k] is not 0, the division begins anew every so
 * many indexes, and each period begins an element of its own.
 */
struct lens_companion {
	const struct lens_tensor *tensor; /* perhaps a view: in another shape */
	enum lens_companion_role {
		LENS_SCALE,  /* the value is multiplied by it */
		LENS_TIMES,  /* the scale before it is multiplied by it */
		LENS_OVER,   /* the scale before it is divided by it */
		LENS_ZERO,   /* is taken off the code before that */
		LENS_LOOKUP, /* which group an index belongs to */
	} role;
	enum lens_dtype dtype; /* of its values: U8 may hold F8_E8M0 */
	struct lens_packing packing;
	float add;       /* to its values */
	bool zero_is_0;  /* F8_E8M0: byte 0 is 0, not 2^-127 */
	int8_t lookup;   /* its dimension whose index is looked up, or -1 */
	uint8_t in;      /* in this companion, which stands before it */
	uint64_t groups; /* LENS_LOOKUP: its values are below */
	unsigned rank;   /* of its logical shape */
	const uint64_t *shape; /* unpacked, [rank] */
	int8_t dim[LENS_DIMS];
	uint64_t div[LENS_DIMS], period[LENS_DIMS];
};
/* All of @t, in its own dtype, one element for everything. */
void lens_companion_init(struct lens_companion *c, const struct lens_tensor *t,
			 enum lens_companion_role role);
/* Which of companion @c's elements in its dimension @k belongs to index @x of
 * the logical dimension (not where it is looked up). */
uint64_t lens_companion_index(const struct lens_companion *c, unsigned k,
			      uint64_t x);

/* A logical tensor as it is stored. */
struct lens_stored {
	/* NULL: the bytes themselves, in dtype */
	const struct lens_codec *codec;
	const struct lens_ckpt *ckpt;     /* whose; NULL: the plan's source */
	const struct lens_tensor *weight; /* by its own name and dtype */
	const struct lens_tensor *read;   /* a view of it, or itself */
	const char *key; /* what the logical tensor is called on this side */
	enum lens_dtype dtype; /* that decoding writes */
	unsigned rank;
	const uint64_t *shape; /* logical, [rank] */
	bool turned; /* the last two dimensions change places in the view */
	struct lens_packing packing;
	enum lens_dtype code; /* what a code is, unpacked: U8 if packed */
	const float *values;  /* of the codes 0..15; NULL: as code says */
	float zero;           /* taken off each code's value */
	enum lens_dtype via;  /* a product is rounded to it first; or INVALID */
	unsigned n_companions;
	struct lens_companion companion[LENS_COMPANIONS];
	/* It has these, too, but all they say was read when it was bound. */
	const struct lens_tensor *aside[2];
};

/* @t as it is. */
void lens_stored_plain(struct lens_stored *s, const struct lens_tensor *t);

/* Bytes of one code in memory: what a panel that is moved but not yet decoded
 * holds for an element. */
unsigned lens_stored_code_size(const struct lens_stored *s);
/* Do indexes of logical dimension @dim share their scales for a while?  Else
 * a line along it is dear to decode. */
bool lens_stored_runs(const struct lens_stored *s, unsigned dim);

/*
 * Which box of the packed tensor holds logical box (@origin, @count) of @rank
 * dimensions; its bytes, read as bytes (along the last dimension) or words.
 */
uint64_t lens_packed_box(const struct lens_packing *p, unsigned rank,
			 const uint64_t *origin, const uint64_t *count,
			 uint64_t *ret_origin, uint64_t *ret_count);
/* Its codes, a byte each, densely. */
void lens_unpack(const struct lens_packing *p, unsigned rank,
		 const uint64_t *origin, const uint64_t *count,
		 const void *packed, uint8_t *dst);

/*
 * The part of a companion that a request needs, as f32: element at companion
 * index i[] is values[sum((i[k] - origin[k]) * stride[k])].
 */
struct lens_window {
	const float *values;
	uint64_t origin[LENS_DIMS];
	uint64_t stride[LENS_DIMS];
};

/*
 * Decode a line: @n codes, densely at @codes, whose logical indexes are at[]
 * for the first and at[dim] + i * step for the others.  Writes n elements of
 * s->dtype.  @w has a window for each companion.
 */
void lens_stored_decode(const struct lens_stored *s,
			const struct lens_window *w, const void *codes,
			const uint64_t *at, unsigned dim, uint64_t step,
			size_t n, void *dst);

struct lens_codec_args; /* a recipe's options for it, checked */

/* What the checkpoint says of its quantization. */
struct lens_quant {
	const char *method;  /* quant_method; NULL: it is not quantized */
	const cJSON *config; /* quantization_config, or NULL */
	const char *where;   /* it stands, for messages */
};

/* What bind() may ask about the checkpoint. */
struct lens_codec_site {
	const struct lens_ckpt *ckpt;
	struct lens_quant quant;
	enum lens_dtype out; /* what decoded tensors become */
	struct lens_arena *arena;
	/* The recipe's parameter @name as a number. */
	int (*param)(const void *ctx, const char *name, uint64_t *ret,
		     struct lens_err *err);
	const void *ctx;
};

struct lens_codec {
	const char *name;    /* as a recipe spells it */
	const char *summary; /* one line, for the manual and `lensfs recipes
				--codecs` */
	const char *const
		*options; /* names a recipe may give, NULL at the end */
	/* quant_method values of config.json it stands for, NULL at the end */
	const char *const *methods;

	/* Check a recipe's options; @at says where they stand. */
	int (*parse)(const cJSON *options, struct lens_arena *arena,
		     struct lens_codec_args **ret, struct lens_err *err);
	/* Options that the checkpoint's config has a say in. NULL: none. */
	int (*configure)(struct lens_codec_args *args,
			 const struct lens_quant *quant,
			 struct lens_arena *arena, struct lens_err *err);
	/*
	 * NULL: it decodes nothing, and has no "out".
	 * Is @weight stored in this format?  1: *ret is filled (key, weight,
	 * companions in it).  0: it is not.  Negative: it is, and does not fit.
	 */
	int (*bind)(const struct lens_codec_args *args,
		    const struct lens_codec_site *site,
		    const struct lens_tensor *weight, struct lens_stored *ret,
		    struct lens_err *err);
	/*
	 * @tensor is in no codec's hands: a scale without its weight, a weight
	 * without its scale?  1: it is dropped.  0: it passes.  Negative:
	 * refused.
	 */
	int (*left)(const struct lens_codec_args *args,
		    const struct lens_codec_site *site,
		    const struct lens_tensor *tensor, struct lens_err *err);
};

/* The table. */
size_t lens_codec_count(void);
const struct lens_codec *lens_codec_at(size_t i);
const struct lens_codec *lens_codec_find(const char *name);
/* Options that every codec has: "out", and which keys it is for. */
extern const char *const lens_codec_common[];

#endif

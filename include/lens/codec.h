/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/codec.h - how one logical tensor is stored as several.
 *
 * A codec has a half that may refuse (bind: when a plan is compiled, with a
 * sentence) and a half that can't fail (decode: inside read(2)).  It is one
 * file and one line in the table; everything here is immutable once bound.
 */
#ifndef LENS_CODEC_H
#define LENS_CODEC_H

#include "lens/base.h"
#include "lens/kernel.h"
#include "lens/st.h"

/* Ops and codecs work on up to so many dimensions; more pass only unchanged. */
#define LENS_DIMS 8
#define LENS_COMPANIONS 4

/*
 * A tensor beside the codes (scale, global scale, zero point, group index),
 * and which of its elements belongs to a logical element: in its dimension k
 * the one at index[dim[k]] / div[k]; 0 where dim[k] is -1.
 */
struct lens_companion {
	const struct lens_tensor *tensor;
	int8_t dim[LENS_DIMS];
	uint64_t div[LENS_DIMS];
};

/* A logical tensor as it is stored. */
struct lens_stored {
	const struct lens_codec
		*codec;               /* NULL: the bytes themselves, in dtype */
	const struct lens_ckpt *ckpt; /* whose; NULL: the plan's source */
	const struct lens_tensor *weight;
	const char *key; /* what the logical tensor is called on this side */
	enum lens_dtype dtype; /* that decode writes */
	unsigned rank;
	const uint64_t *shape; /* logical, [rank] */
	unsigned n_companions;
	struct lens_companion companion[LENS_COMPANIONS];
};

/*
 * The part of a companion that a request needs, as f32: element at companion
 * index i[] is values[sum((i[k] - origin[k]) * stride[k])].
 */
struct lens_window {
	const float *values;
	uint64_t origin[LENS_DIMS];
	uint64_t stride[LENS_DIMS];
};

struct lens_codec_args; /* a recipe's options for it, checked */

/* What bind() may ask about the checkpoint. */
struct lens_codec_site {
	const struct lens_ckpt *ckpt;
	enum lens_dtype out; /* what decoded tensors become */
	struct lens_arena *arena;
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
	int (*configure)(struct lens_codec_args *args, const cJSON *config,
			 struct lens_err *err);
	/*
	 * Is @weight stored in this format?  1: *ret is filled (key, weight,
	 * companions in it).  0: it is not.  Negative: it is, and does not fit.
	 */
	int (*bind)(const struct lens_codec_args *args,
		    const struct lens_codec_site *site,
		    const struct lens_tensor *weight, struct lens_stored *ret,
		    struct lens_err *err);
	/*
	 * Is @tensor, which bind() gave to nothing, a companion that has lost
	 * its weight and may be dropped?  1 yes; 0 no; negative: refused.
	 */
	int (*lone)(const struct lens_codec_args *args,
		    const struct lens_codec_site *site,
		    const struct lens_tensor *tensor, struct lens_err *err);
	/*
	 * Decode a line: @n codes, densely at @codes, whose logical indexes are
	 * at[] for the first and at[dim] + i * step for the others.  Writes n
	 * elements of s->dtype.  @w has a window for each companion.
	 */
	void (*decode)(const struct lens_stored *s, const struct lens_window *w,
		       const void *codes, const uint64_t *at, unsigned dim,
		       uint64_t step, size_t n, void *dst);
};

/* The table. */
size_t lens_codec_count(void);
const struct lens_codec *lens_codec_at(size_t i);
const struct lens_codec *lens_codec_find(const char *name);

/* Bytes of one code of @s in the file: what a panel that is moved but not yet
 * decoded holds for an element. */
unsigned lens_stored_code_size(const struct lens_stored *s);

#endif

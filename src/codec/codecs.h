/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs, each in the file of its name, and what they share. */
#ifndef LENS_CODEC_CODECS_H
#define LENS_CODEC_CODECS_H

#include "lens/codec.h"

#include <stdarg.h>

extern const struct lens_codec lens_codec_fp8;
extern const struct lens_codec lens_codec_mxfp4;
extern const struct lens_codec lens_codec_nvfp4;
extern const struct lens_codec lens_codec_packed;
extern const struct lens_codec lens_codec_compressed_tensors;
extern const struct lens_codec lens_codec_gptq;
extern const struct lens_codec lens_codec_awq;
extern const struct lens_codec lens_codec_fbgemm_fp8;
extern const struct lens_codec lens_codec_bitsandbytes;
extern const struct lens_codec lens_codec_unused;

/* The values of E2M1 codes; code 8 is -0.0, or 0. */
extern const float lens_e2m1[16], lens_e2m1_no_minus_zero[16];

/* What to do with a tensor that lacks its other half. */
enum lens_lone { LENS_LONE_DROP, LENS_LONE_REFUSE, LENS_LONE_PASS };
struct lens_halves {
	enum lens_lone unscaled; /* codes without scales */
	enum lens_lone lone;     /* scales, or what else, without codes */
};

/* options.c: option @name as the index of one of @words (NULL at the end);
 * *ret stays where it is not given. */
int lens_option_word(const cJSON *options, const char *name,
		     const char *const *words, unsigned *ret,
		     struct lens_err *err);
/* A block or what else is two whole numbers over 0. */
int lens_option_pair(const cJSON *item, uint64_t ret[2], struct lens_err *err);
/* "unscaled" and "lone"; either stays where it is not given. */
int lens_option_halves(const cJSON *options, struct lens_halves *ret,
		       struct lens_err *err);
/* A codec's arguments: @size bytes that begin with a struct lens_halves, as
 * @options says or refused, all else 0. NULL: @err says why. */
void *lens_halves_new(const cJSON *options, struct lens_arena *arena,
		      size_t size, struct lens_err *err);
extern const char *const lens_halves_options[]; /* of which has no others */
void *lens_codec_alloc(struct lens_arena *arena, size_t n,
		       struct lens_err *err);

/* parts.c: the tensor called @key less its last @cut bytes plus @suffix, a few
 * bytes; NULL if there is none. */
const struct lens_tensor *lens_codec_beside(const struct lens_codec_site *site,
					    const char *key, size_t cut,
					    const char *suffix);
/* @key less its last @cut bytes plus @suffix. */
char *lens_codec_key(const struct lens_codec_site *site, const char *key,
		     size_t cut, const char *suffix, struct lens_err *err);
/* @t in another dtype and shape of as many bytes. */
const struct lens_tensor *lens_codec_view(const struct lens_codec_site *site,
					  const struct lens_tensor *t,
					  enum lens_dtype dtype, unsigned rank,
					  const uint64_t *shape,
					  struct lens_err *err);
/* @t, packed along its last dimension, as rows of bytes. */
const struct lens_tensor *lens_codec_bytes(const struct lens_codec_site *site,
					   const struct lens_tensor *t,
					   struct lens_err *err);
/* @w by its own name, each element a code. */
void lens_stored_init(struct lens_stored *s, const struct lens_codec *codec,
		      const struct lens_codec_site *site,
		      const struct lens_tensor *w);
/* One more companion. */
struct lens_companion *lens_stored_add(struct lens_stored *s,
				       const struct lens_tensor *t,
				       enum lens_companion_role role);
/* Codes of @bits along dimension @dim, which has @n of them. */
int lens_stored_pack(struct lens_stored *s, const struct lens_codec_site *site,
		     unsigned bits, unsigned dim, uint64_t n,
		     struct lens_err *err);
/* "tensor 'w' [2, 3]: its scale 's' [4] why", EINVAL. */
int lens_codec_misfit(const struct lens_tensor *w, const struct lens_tensor *s,
		      struct lens_err *err, const char *why, ...)
	LENS_PRINTF(4, 5);
/* What becomes of @t, alone; @why: "is F8_E4M3 and has no scale". */
int lens_codec_lone(enum lens_lone what, const struct lens_tensor *t,
		    const char *why, struct lens_err *err);
#define LENS_LOST "is a scale, and the tensor it belongs to is not there"
/* The values 0 - @less, 1 - @less ... of codes of 4 bits at most. */
const float *lens_codec_counting(const struct lens_codec_site *site,
				 unsigned less, struct lens_err *err);
/* All of the I32 or I64 tensor @t, which has @n elements. */
int64_t *lens_codec_integers(const struct lens_codec_site *site,
			     const struct lens_tensor *t, size_t n,
			     struct lens_err *err);
bool lens_is_scale_dtype(enum lens_dtype d); /* F32, BF16 or F16 */

/*
 * groups.c: which group each of @n columns belongs to, by tensor @index: *plain
 * if it is column / @size of all of them.  Groups must be below @groups; with
 * @even each must have @size columns.
 */
int lens_group_index(const struct lens_codec_site *site,
		     const struct lens_tensor *index, uint64_t n, uint64_t size,
		     uint64_t groups, bool even, bool *plain,
		     struct lens_err *err);
/* From now on dimension @k of companion @c is looked up in companion @in. */
void lens_companion_look_up(struct lens_companion *c, unsigned k, unsigned in);

/* schemes.c: what compressed-tensors' config says of weights. */
struct lens_scheme {
	bool is_int, symmetric;
	bool ordered; /* actorder: groups are not runs of columns */
	unsigned bits;
	enum { BY_TENSOR, BY_CHANNEL, BY_GROUP, BY_BLOCK } by;
	uint64_t size[2]; /* of a block, or of a group of columns, [1] */
};
struct lens_schemes {
	size_t n;
	const struct lens_scheme *v;
};
int lens_schemes_parse(const struct lens_quant *quant, struct lens_arena *arena,
		       struct lens_schemes *ret, struct lens_err *err);
/*
 * Place the companion of shape @s for weight @w, logically @shape of two
 * dimensions, as the one scheme does that fits: integers or not, @bits each
 * (0: any).  The scheme is returned; NULL: none, or several that differ.
 */
const struct lens_scheme *
lens_schemes_place(const struct lens_schemes *all, bool is_int, unsigned bits,
		   const struct lens_tensor *w, const uint64_t *shape,
		   const struct lens_tensor *s, struct lens_companion *c,
		   struct lens_err *err);

/* How many groups of @size are @n. */
static inline uint64_t lens_groups(uint64_t n, uint64_t size)
{
	return n / size + (n % size != 0);
}
/* "[128, 1, 1]", for messages. */
const char *lens_shape_text(char *buf, const struct lens_tensor *t);
#define LENS_SHAPE(t) lens_shape_text((char[128]){ 0 }, (t))

#endif

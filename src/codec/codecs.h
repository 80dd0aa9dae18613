/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs, each in the file of its name, and what they share. */
#ifndef LENS_CODEC_CODECS_H
#define LENS_CODEC_CODECS_H

#include "lens/codec.h"

#include <stdarg.h>

extern const struct lens_codec lens_codec_fp8;
extern const struct lens_codec lens_codec_mxfp4;
extern const struct lens_codec lens_codec_unused;

/* The values of E2M1 codes; code 8 is -0.0, or 0. */
extern const float lens_e2m1[16], lens_e2m1_no_minus_zero[16];

/* What to do with a tensor that lacks its other half. */
enum lens_lone { LENS_LONE_DROP, LENS_LONE_REFUSE, LENS_LONE_PASS };

/* options.c: option @name as the index of one of @words (NULL at the end);
 * *ret stays where it is not given. */
int lens_option_word(const cJSON *options, const char *name,
		     const char *const *words, unsigned *ret,
		     struct lens_err *err);
/* A block or what else is two whole numbers over 0. */
int lens_option_pair(const cJSON *item, uint64_t ret[2], struct lens_err *err);
/* "lone" or "unscaled". */
int lens_option_lone(const cJSON *options, const char *name,
		     enum lens_lone *ret, struct lens_err *err);
void *lens_codec_alloc(struct lens_arena *arena, size_t n,
		       struct lens_err *err);

/* parts.c: the tensor called @key less its last @cut bytes plus @suffix; NULL
 * if it is not there or there is no memory. */
const struct lens_tensor *lens_codec_beside(const struct lens_codec_site *site,
					    const char *key, size_t cut,
					    const char *suffix);
bool lens_ends_with(const char *s, const char *end);
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
/* How many groups of @size are @n. */
static inline uint64_t lens_groups(uint64_t n, uint64_t size)
{
	return n / size + (n % size != 0);
}
/* "[128, 1, 1]", for messages. */
const char *lens_shape_text(char *buf, const struct lens_tensor *t);
#define LENS_SHAPE(t) lens_shape_text((char[128]){ 0 }, (t))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mxfp4.c - E2M1 codes, two a byte, the low nibble first; groups of 32 along
 * the last dimension share an exponent.
 *
 *	blocks	X_blocks U8 [.., N, G, 16], X_scales U8 [.., N, G]: X is
 *		[.., 32 G, N], its last two dimensions turned
 *	packed	X_packed U8 [.., C/2], X_scale U8 or F8_E8M0 [.., C/32]
 *	weight	X.weight I8, U8 or F4, and X.scale or X.weight_scale
 *
 * An element is out(f32(code) * 2^(byte - 127)), exact before it is narrowed.
 */
#include "codec/codecs.h"

#include <errno.h>

#define GROUP 32
#define BLOCK_BYTES 16

enum spelling { BLOCKS = 1, PACKED = 2, WEIGHT = 4 };

struct lens_codec_args {
	struct lens_halves half;
	unsigned names;     /* of enum spelling */
	const char *suffix; /* of a weight's scale: ".scale", "_scale" */
	bool no_minus_zero; /* code 8 is +0 */
	bool zero_is_0;     /* exponent byte 0 */
	bool via_bf16;
};

static const char *const options[] = { "names", "scale", "minus-zero",
				       "zero",  "via",   "unscaled",
				       "lone",  NULL };

static const char *const methods[] = { "mxfp4", "compressed-tensors", "fp8",
				       NULL };

/* The bit of the spelling that @item names; 0: none. */
static unsigned spelling(const cJSON *item)
{
	static const char *const words[] = { "blocks", "packed", "weight" };
	const char *s = cJSON_GetStringValue(item);

	for (unsigned i = 0; s && i < LENS_ARRAY_SIZE(words); i++)
		if (strcmp(words[i], s) == 0)
			return 1u << i;
	return 0;
}

/* One or several; all if nothing is said. */
static int parse_names(const cJSON *item, unsigned *ret, struct lens_err *err)
{
	bool bad = item && !spelling(item) &&
		   (!cJSON_IsArray(item) || !item->child);
	const cJSON *e;

	*ret = item ? spelling(item) : BLOCKS | PACKED | WEIGHT;
	cJSON_ArrayForEach (e, item) {
		*ret |= spelling(e);
		bad |= !spelling(e);
	}
	if (bad)
		return lens_fail(err, EBADMSG,
				 "option 'names' is one or several of "
				 "\"blocks\", \"packed\" and \"weight\"");
	return 0;
}

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	static const char *const suffix[] = { ".scale", "_scale", NULL },
				 *const minus[] = { "keep", "drop", NULL },
				 *const zero[] = { "tiny", "zero", NULL },
				 *const via[] = { "f32", "bf16", NULL };
	struct lens_codec_args *a = lens_halves_new(o, arena, sizeof(*a), err);
	unsigned s = 0, m = 0, z = 0, v = 0;

	if (!a ||
	    parse_names(cJSON_GetObjectItemCaseSensitive(o, "names"), &a->names,
			err) < 0 ||
	    lens_option_word(o, "scale", suffix, &s, err) < 0 ||
	    lens_option_word(o, "minus-zero", minus, &m, err) < 0 ||
	    lens_option_word(o, "zero", zero, &z, err) < 0 ||
	    lens_option_word(o, "via", via, &v, err) < 0)
		return -err->code;
	a->suffix = suffix[s];
	a->no_minus_zero = m == 1;
	a->zero_is_0 = z == 1;
	a->via_bf16 = v == 1;
	*ret = a;
	return 0;
}

static bool is_exponents(enum lens_dtype d)
{
	return d == LENS_U8 || d == LENS_F8_E8M0;
}

/* May @t hold the codes of a plain weight? */
static bool is_weight(const struct lens_codec_args *a,
		      const struct lens_tensor *t)
{
	return lens_ends_with(t->name, ".weight") &&
	       (t->dtype == LENS_I8 || t->dtype == LENS_F4 ||
		(t->dtype == LENS_U8 && *a->suffix == '_'));
}

/* Is @s the exponents of @rows x @cols codes, its dimensions those of @w but
 * for the last? */
static int check_scale(const struct lens_tensor *w, const struct lens_tensor *s,
		       unsigned rank, uint64_t cols, struct lens_err *err)
{
	bool fits = s->rank == rank;

	for (unsigned d = 0; fits && d + 1 < rank; d++)
		fits = s->shape[d] == w->shape[d];
	if (!fits || s->shape[rank - 1] != lens_groups(cols, GROUP))
		return lens_codec_misfit(
			w, s, err,
			"must have an element for %d codes, "
			"%llu a row",
			GROUP, (unsigned long long)lens_groups(cols, GROUP));
	return 0;
}

/* Describe @w, whose last dimension of the logical tensor has @cols codes. */
static int describe(const struct lens_codec_args *a,
		    const struct lens_codec_site *site,
		    const struct lens_tensor *s, unsigned rank, uint64_t cols,
		    struct lens_stored *ret, struct lens_err *err)
{
	struct lens_companion *c;

	if (check_scale(ret->weight, s, rank, cols, err) < 0)
		return -err->code;
	ret->rank = rank;
	if (lens_stored_pack(ret, site, 4, rank - 1, cols, err) < 0)
		return -err->code;
	ret->values = a->no_minus_zero ? lens_e2m1_no_minus_zero : lens_e2m1;
	ret->via = a->via_bf16 ? LENS_BF16 : LENS_DTYPE_INVALID;
	c = lens_stored_add(ret, s, LENS_SCALE);
	if (s->dtype == LENS_U8)
		c->dtype = LENS_F8_E8M0;
	c->zero_is_0 = a->zero_is_0;
	for (unsigned d = 0; d < rank; d++)
		c->dim[d] = (int8_t)d;
	c->div[rank - 1] = GROUP;
	return 1;
}

static int bind_blocks(const struct lens_codec_args *a,
		       const struct lens_codec_site *site,
		       const struct lens_tensor *w, struct lens_stored *ret,
		       struct lens_err *err)
{
	const size_t cut = strlen("_blocks");
	const struct lens_tensor *s =
		lens_codec_beside(site, w->name, cut, "_scales");
	uint64_t shape[LENS_DIMS];
	unsigned n = w->rank;

	if (!s || w->dtype != LENS_U8 || !is_exponents(s->dtype))
		return 0;
	if (n < 3 || n > LENS_DIMS || w->shape[n - 1] != BLOCK_BYTES)
		return lens_codec_misfit(w, s, err,
					 "is beside blocks that are not of %d "
					 "bytes",
					 BLOCK_BYTES);
	for (unsigned d = 0; d < n; d++)
		shape[d] = w->shape[d];
	shape[n - 2] *= BLOCK_BYTES;
	lens_stored_init(ret, &lens_codec_mxfp4, site, w);
	ret->key = lens_codec_key(site, w->name, cut, "", err);
	ret->weight = lens_codec_view(site, w, LENS_U8, n - 1, shape, err);
	if (!ret->key || !ret->weight)
		return -err->code;
	ret->shape = ret->weight->shape;
	ret->turned = true;
	return describe(a, site, s, n - 1, shape[n - 2] * 2, ret, err);
}

/* Codes in the last dimension, two a byte. */
static int bind_rows(const struct lens_codec_args *a,
		     const struct lens_codec_site *site,
		     const struct lens_tensor *w, const struct lens_tensor *s,
		     size_t cut, struct lens_stored *ret, struct lens_err *err)
{
	const bool f4 = w->dtype == LENS_F4; /* counts codes, not bytes */

	if (!w->rank || w->rank > LENS_DIMS)
		return lens_codec_misfit(w, s, err,
					 "belongs to no tensor of 1 to %d "
					 "dimensions",
					 LENS_DIMS);
	if (f4 && w->shape[w->rank - 1] % 2)
		return lens_codec_misfit(w, s, err,
					 "is beside rows of half bytes");
	/* What is called so holds whole groups. */
	if (cut && w->shape[w->rank - 1] % (GROUP / 2))
		return lens_codec_misfit(w, s, err,
					 "is beside rows of no whole groups");
	lens_stored_init(ret, &lens_codec_mxfp4, site, w);
	ret->key = lens_codec_key(site, w->name, cut, "", err);
	if (!ret->key)
		return -err->code;
	return describe(a, site, s, w->rank,
			w->shape[w->rank - 1] * (f4 ? 1 : 2), ret, err);
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	const struct lens_tensor *s;

	if ((a->names & BLOCKS) && lens_ends_with(w->name, "_blocks"))
		return bind_blocks(a, site, w, ret, err);
	if ((a->names & PACKED) && lens_ends_with(w->name, "_packed") &&
	    w->dtype == LENS_U8) {
		s = lens_codec_beside(site, w->name, strlen("_packed"),
				      "_scale");
		return s && is_exponents(s->dtype) ?
			       bind_rows(a, site, w, s, strlen("_packed"), ret,
					 err) :
			       0;
	}
	if (!(a->names & WEIGHT) || !is_weight(a, w))
		return 0;
	s = lens_codec_beside(site, w->name,
			      *a->suffix == '.' ? strlen(".weight") : 0,
			      a->suffix);
	if (!s || !(is_exponents(s->dtype) ||
		    (*a->suffix == '.' && lens_is_scale_dtype(s->dtype))))
		return 0;
	return bind_rows(a, site, w, s, 0, ret, err);
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	const bool exponents = is_exponents(t->dtype);

	(void)site;
	if (((a->names & BLOCKS) && lens_ends_with(t->name, "_blocks") &&
	     t->dtype == LENS_U8) ||
	    ((a->names & PACKED) && lens_ends_with(t->name, "_packed") &&
	     t->dtype == LENS_U8) ||
	    ((a->names & WEIGHT) && is_weight(a, t)))
		return lens_codec_lone(a->half.unscaled, t,
				       "is FP4 codes and has no scale", err);
	if (((a->names & BLOCKS) && exponents &&
	     lens_ends_with(t->name, "_scales")) ||
	    ((a->names & PACKED) && exponents &&
	     lens_ends_with(t->name, "_scale")) ||
	    ((a->names & WEIGHT) && exponents &&
	     lens_ends_with(t->name, a->suffix)))
		return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	return 0;
}

const struct lens_codec lens_codec_mxfp4 = {
	.name = "mxfp4",
	.summary = "FP4 codes (E2M1) in groups of 32 that share an exponent",
	.options = options,
	.methods = methods,
	.parse = parse,
	.bind = bind,
	.left = left,
};

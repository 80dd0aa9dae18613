/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp8.c - a tensor times its scale: one a tensor, one an expert, or one a
 * block.
 *
 * X.weight with X.weight_scale_inv, X with X_scale_inv; X.weight with X.scale.
 * An element is out(f32(code) * f32(scale)): the product is rounded to f32,
 * then once more.  "inv" is history; the scale is multiplied.  U8 scales are
 * exponents, as F8_E8M0 ones.  Which shape means what:
 *
 *	one element, any rank			the whole tensor
 *	one dimension but for those of 1,
 *	on a weight of three			one an expert
 *	two, on a weight of two			a grid of blocks
 *	three, on a weight of three		a grid of blocks an expert
 *
 * A block size is never read off the shapes.
 */
#include "codec/codecs.h"

#include <errno.h>

#define MX_GROUP 32 /* columns of an MXFP8 group */
#define SUFFIXES 4

struct lens_codec_args {
	struct lens_halves half;
	/* What has a scale and is not F8_E4M3. */
	enum { WEIGHTS_FP8, WEIGHTS_ANY, WEIGHTS_PASS } weights;
	bool block_of_config; /* the block comes from there */
	bool block_anyway;    /* config.json may say another */
	uint64_t block[2];    /* 0: not known */
	/* Rows and columns of a grid that no block needs. */
	enum { SURPLUS_REFUSE, SURPLUS_IGNORE, SURPLUS_IGNORE_ALL } surplus;
	bool single_is_tensor; /* one element is the tensor's, blocks or not */
	bool zero_is_0;        /* exponent byte 0 */
	const char *suffix[SUFFIXES]; /* of scales */
	const char *ranks; /* grids restart: a number, or a parameter */
};

static const char *const options[] = { "weights", "block",  "other-block",
				       "surplus", "single", "zero",
				       "scale",   "ranks",  "unscaled",
				       "lone",    NULL };

static const char *const methods[] = { "fp8", "mxfp8", "modelopt", NULL };

/* One suffix or several: "_scale_inv" goes behind the key, ".scale" takes the
 * place of ".weight". */
static int parse_suffixes(const cJSON *item, struct lens_arena *arena,
			  struct lens_codec_args *a, struct lens_err *err)
{
	const int n = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 1;

	a->suffix[0] = "_scale_inv";
	if (!item)
		return 0;
	for (int i = 0; i < n; i++) {
		const char *s = cJSON_GetStringValue(
			cJSON_IsArray(item) ? cJSON_GetArrayItem(item, i) :
					      item);

		if (n > SUFFIXES || !s || strlen(s) < 2 ||
		    (*s != '_' && *s != '.'))
			return lens_fail(err, EBADMSG,
					 "option 'scale' is one to %d suffixes "
					 "that begin with '_' or '.'",
					 SUFFIXES);
		a->suffix[i] = lens_arena_strndup(arena, s, strlen(s));
		if (!a->suffix[i])
			return lens_fail(err, ENOMEM, "no memory for a codec");
	}
	return n ? 0 :
		   lens_fail(err, EBADMSG, "option 'scale' names no suffix");
}

/* A number or the name of a parameter, as text. */
static int parse_ranks(const cJSON *item, struct lens_arena *arena,
		       const char **ret, struct lens_err *err)
{
	const char *s = cJSON_GetStringValue(item);

	if (!item)
		return 0;
	if (!s)
		return lens_fail(err, EBADMSG,
				 "option 'ranks' is the name of a parameter");
	*ret = lens_arena_strndup(arena, s, strlen(s));
	return *ret ? 0 : lens_fail(err, ENOMEM, "no memory for a codec");
}

static int parse_words(const cJSON *o, struct lens_codec_args *a,
		       struct lens_err *err)
{
	static const char *const weights[] = { "fp8", "any", "pass", NULL },
				 *const surplus[] = { "refuse", "ignore",
						      "ignore-all", NULL },
				 *const single[] = { "tensor", "block", NULL },
				 *const zero[] = { "tiny", "zero", NULL },
				 *const other[] = { "refuse", "ignore", NULL };
	unsigned w = 0, s = SURPLUS_REFUSE, g = 0, z = 0, b = 0;

	if (lens_option_word(o, "weights", weights, &w, err) < 0 ||
	    lens_option_word(o, "surplus", surplus, &s, err) < 0 ||
	    lens_option_word(o, "single", single, &g, err) < 0 ||
	    lens_option_word(o, "zero", zero, &z, err) < 0 ||
	    lens_option_word(o, "other-block", other, &b, err) < 0)
		return -err->code;
	a->block_anyway = b == 1;
	a->weights = w;
	a->surplus = s;
	a->single_is_tensor = g == 0;
	a->zero_is_0 = z == 1;
	a->half.unscaled = LENS_LONE_PASS;
	if (lens_option_halves(o, &a->half, err) < 0)
		return -err->code;
	if (a->half.unscaled == LENS_LONE_DROP)
		return lens_fail(
			err, EBADMSG,
			"option 'unscaled' must be \"pass\" or \"refuse\"");
	return 0;
}

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	const cJSON *block = cJSON_GetObjectItemCaseSensitive(o, "block");
	struct lens_codec_args *a = lens_codec_alloc(arena, sizeof(*a), err);

	if (!a || parse_words(o, a, err) < 0 ||
	    parse_suffixes(cJSON_GetObjectItemCaseSensitive(o, "scale"), arena,
			   a, err) < 0 ||
	    parse_ranks(cJSON_GetObjectItemCaseSensitive(o, "ranks"), arena,
			&a->ranks, err) < 0)
		return -err->code;
	if (cJSON_IsString(block) && strcmp(block->valuestring, "config") == 0)
		a->block_of_config = true;
	else if (block && lens_option_pair(block, a->block, err) < 0)
		return lens_wrap(err, "option 'block'");
	*ret = a;
	return 0;
}

/* The config's block: taken, or, where the recipe says one, not another. */
static int configure(struct lens_codec_args *a, const struct lens_quant *q,
		     struct lens_arena *arena, struct lens_err *err)
{
	const bool mx = q->method && strcmp(q->method, "mxfp8") == 0;
	const cJSON *block = cJSON_GetObjectItemCaseSensitive(
		q->config, "weight_block_size");
	uint64_t b[2] = { 1, MX_GROUP };

	(void)arena;
	if ((!block || cJSON_IsNull(block)) && !mx)
		return 0;
	if (block && !cJSON_IsNull(block) &&
	    lens_option_pair(block, b, err) < 0)
		return lens_wrap(err, "%s.weight_block_size", q->where);
	if (mx && (b[0] != 1 || b[1] != MX_GROUP))
		return lens_fail(err, EINVAL,
				 "%s.weight_block_size: [%llu, %llu], but "
				 "mxfp8's blocks are [1, %d]",
				 q->where, (unsigned long long)b[0],
				 (unsigned long long)b[1], MX_GROUP);
	if (a->block_anyway)
		return 0;
	if (!a->block_of_config && (a->block[0] != b[0] || a->block[1] != b[1]))
		return lens_fail(
			err, EINVAL,
			"%s.weight_block_size: [%llu, %llu], but this recipe's "
			"blocks are [%llu, %llu]",
			q->where, (unsigned long long)b[0],
			(unsigned long long)b[1],
			(unsigned long long)a->block[0],
			(unsigned long long)a->block[1]);
	a->block[0] = b[0];
	a->block[1] = b[1];
	return 0;
}

static bool is_float(enum lens_dtype d)
{
	switch (d) {
	case LENS_F8_E4M3:
	case LENS_F8_E5M2:
	case LENS_F8_E4M3FNUZ:
	case LENS_F8_E5M2FNUZ:
	case LENS_F16:
	case LENS_BF16:
	case LENS_F32:
	case LENS_F64:
		return true;
	default:
		return false;
	}
}

/* Rows of the grid: blocks, that may begin anew at each rank's first row. */
static int grid_rows(const struct lens_codec_args *a,
		     const struct lens_codec_site *site,
		     const struct lens_tensor *w, uint64_t rows,
		     uint64_t *period, uint64_t *need, struct lens_err *err)
{
	uint64_t ranks;

	*period = 0;
	*need = lens_groups(rows, a->block[0]);
	if (!a->ranks)
		return 0;
	if (site->param(site->ctx, a->ranks, &ranks, err) < 0)
		return -err->code;
	if (!ranks || rows % ranks)
		return lens_fail(err, EINVAL,
				 "tensor '%s' %s: its rows can't be of %llu "
				 "ranks ('%s')",
				 LENS_SHOW(w->name), LENS_SHAPE(w),
				 (unsigned long long)ranks, a->ranks);
	*period = rows / ranks;
	*need = lens_groups(*period, a->block[0]) * ranks;
	return 0;
}

/* The scale has a grid in its last two dimensions, for the weight's last two.
 */
static int bind_grid(const struct lens_codec_args *a,
		     const struct lens_codec_site *site,
		     const struct lens_tensor *w, const struct lens_tensor *s,
		     bool surplus, struct lens_companion *c,
		     struct lens_err *err)
{
	uint64_t need[2], period;

	if (!a->block[0])
		return lens_codec_misfit(w, s, err,
					 "is a grid of blocks, and "
					 "config.json has no "
					 "weight_block_size");
	if (grid_rows(a, site, w, w->shape[w->rank - 2], &period, &need[0],
		      err) < 0)
		return -err->code;
	need[1] = lens_groups(w->shape[w->rank - 1], a->block[1]);
	for (unsigned k = 0; k < 2; k++) {
		const unsigned sd = s->rank - 2 + k, wd = w->rank - 2 + k;

		if (s->shape[sd] < need[k] ||
		    (s->shape[sd] > need[k] && !surplus))
			return lens_codec_misfit(
				w, s, err,
				"has %llu %s, but blocks of [%llu, %llu] need "
				"%llu",
				(unsigned long long)s->shape[sd],
				k ? "columns" : "rows",
				(unsigned long long)a->block[0],
				(unsigned long long)a->block[1],
				(unsigned long long)need[k]);
		c->dim[sd] = (int8_t)wd;
		c->div[sd] = a->block[k];
		c->period[sd] = k ? 0 : period;
	}
	return 1;
}

/* One scale an expert: the scale's only dimension that is not 1. */
static int bind_experts(const struct lens_codec_args *a,
			const struct lens_tensor *w,
			const struct lens_tensor *s, unsigned sd,
			struct lens_companion *c, struct lens_err *err)
{
	if (s->shape[sd] < w->shape[0] ||
	    (s->shape[sd] > w->shape[0] && a->surplus == SURPLUS_REFUSE))
		return lens_codec_misfit(w, s, err,
					 "must have one element an expert");
	c->dim[sd] = 0;
	return 1;
}

/* Is @w of several blocks, so that one scale can't be all of them? */
static bool is_blocks(const struct lens_codec_args *a,
		      const struct lens_tensor *w)
{
	return a->block[0] && (w->rank == 2 || w->rank == 3) &&
	       (w->shape[w->rank - 2] > a->block[0] ||
		w->shape[w->rank - 1] > a->block[1] ||
		(w->rank == 3 && w->shape[0] > 1));
}

/* What the scale's shape says. */
static int bind_scale(const struct lens_codec_args *a,
		      const struct lens_codec_site *site,
		      const struct lens_tensor *w, const struct lens_tensor *s,
		      struct lens_companion *c, struct lens_err *err)
{
	unsigned wide = 0, last = 0; /* dimensions that are not 1 */

	for (unsigned d = 0; d < s->rank; d++)
		if (s->shape[d] != 1) {
			wide++;
			last = d;
		}
	if (!wide && (a->single_is_tensor || !s->rank || !is_blocks(a, w)))
		return 1;
	if (wide == 1 && w->rank == 3) {
		/* [1, r, 1] on one expert: r experts too many, or its grid? */
		if (s->rank == 3 && last != 0 && w->shape[0] == 1)
			return lens_codec_misfit(
				w, s, err,
				"may be of the expert or of its blocks");
		return bind_experts(a, w, s, last, c, err);
	}
	/* A grid of one row or column might as well be one scale a row or
	 * column, which is another format: then it must fit exactly. */
	if (s->rank == 2 && w->rank == 2)
		return bind_grid(
			a, site, w, s,
			a->surplus == SURPLUS_IGNORE_ALL ||
				(a->surplus == SURPLUS_IGNORE && wide == 2),
			c, err);
	if (s->rank == 3 && w->rank == 3 && s->shape[0] == w->shape[0]) {
		c->dim[0] = 0;
		return bind_grid(a, site, w, s, false, c, err);
	}
	return lens_codec_misfit(
		w, s, err,
		"fits neither a tensor, nor its experts, nor blocks of it");
}

/* The scale of @w, and whether what its suffix means depends on the method. */
static const struct lens_tensor *find_scale(const struct lens_codec_args *a,
					    const struct lens_codec_site *site,
					    const char *key)
{
	const struct lens_tensor *s = NULL;

	for (unsigned i = 0; !s && i < SUFFIXES && a->suffix[i]; i++) {
		if (*a->suffix[i] == '_')
			s = lens_codec_beside(site, key, 0, a->suffix[i]);
		else if (lens_ends_with(key, ".weight"))
			s = lens_codec_beside(site, key, strlen(".weight"),
					      a->suffix[i]);
	}
	return s;
}

static bool is_scale(const struct lens_codec_args *a, const char *key)
{
	for (unsigned i = 0; i < SUFFIXES && a->suffix[i]; i++)
		if (lens_ends_with(key, a->suffix[i]))
			return true;
	return false;
}

static int check_dtypes(const struct lens_codec_args *a,
			const struct lens_tensor *w,
			const struct lens_tensor *s, struct lens_err *err)
{
	if (w->dtype != LENS_F8_E4M3 && a->weights == WEIGHTS_FP8)
		return lens_fail(err, EINVAL,
				 "tensor '%s' is %s, but has a scale, '%s'",
				 LENS_SHOW(w->name), lens_dtype_name(w->dtype),
				 LENS_SHOW(s->name));
	if (!is_float(w->dtype))
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' has a scale, and can't be "
				 "multiplied: it is %s",
				 LENS_SHOW(w->name), lens_dtype_name(w->dtype));
	if (s->dtype != LENS_F32 && s->dtype != LENS_BF16 &&
	    s->dtype != LENS_F16 && s->dtype != LENS_F8_E8M0 &&
	    s->dtype != LENS_U8)
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' is %s; a scale must be F32, "
				 "BF16, F16, F8_E8M0 or U8",
				 LENS_SHOW(s->name), lens_dtype_name(s->dtype));
	if (w->rank > LENS_DIMS || s->rank > LENS_DIMS)
		return lens_codec_misfit(w, s, err, "has too many dimensions");
	return 0;
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	const struct lens_tensor *s;
	struct lens_companion *c;

	if (is_scale(a, w->name))
		return 0;
	s = find_scale(a, site, w->name);
	if (!s || (w->dtype != LENS_F8_E4M3 && a->weights == WEIGHTS_PASS))
		return 0;
	if (lens_ends_with(s->name, "_scale") && !site->quant.method)
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s': nothing in config.json says "
				 "which quant_method it is of",
				 LENS_SHOW(s->name));
	if (check_dtypes(a, w, s, err) < 0)
		return -err->code;
	lens_stored_init(ret, &lens_codec_fp8, site, w);
	c = lens_stored_add(ret, s, LENS_SCALE);
	if (s->dtype == LENS_U8)
		c->dtype = LENS_F8_E8M0;
	c->zero_is_0 = a->zero_is_0;
	return bind_scale(a, site, w, s, c, err);
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	(void)site;
	if (is_scale(a, t->name))
		return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	if (t->dtype == LENS_F8_E4M3)
		return lens_codec_lone(a->half.unscaled, t,
				       "is F8_E4M3 and has no scale", err);
	return 0;
}

const struct lens_codec lens_codec_fp8 = {
	.name = "fp8",
	.summary = "FP8 codes (or any float) times a scale: one a tensor, one "
		   "an expert, or one a block",
	.options = options,
	.methods = methods,
	.parse = parse,
	.configure = configure,
	.bind = bind,
	.left = left,
};

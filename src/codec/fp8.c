/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp8.c - a tensor times its scale: one a tensor, one an expert, or one a
 * block.
 *
 * X.weight with X.weight_scale_inv, X with X_scale_inv.  An element is
 * out(f32(code) * f32(scale)): the product is rounded to f32, then once more.
 * "inv" is history; the scale is multiplied.  Which shape means what:
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
#include <stdio.h>

#define SUFFIX "_scale_inv"

struct lens_codec_args {
	bool any_weight;      /* whatever its dtype, else F8_E4M3 alone */
	bool block_of_config; /* the block comes from there */
	uint64_t block[2];    /* 0: not known */
	bool ignore_surplus;  /* rows and columns of a grid that no block needs
			       */
	bool refuse_unscaled; /* an FP8 tensor without a scale */
	bool refuse_lone;     /* a scale without a tensor */
};

static const char *const options[] = { "weights",  "block", "surplus",
				       "unscaled", "lone",  "out",
				       NULL };

static const char *const methods[] = { "fp8", NULL };

/* Is option @name @yes (true), @no or not given (false)? */
static int choose(const cJSON *o, const char *name, const char *yes,
		  const char *no, bool *ret, struct lens_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
	const char *s = cJSON_GetStringValue(item);

	if (!item)
		return 0;
	if (!s || (strcmp(s, yes) != 0 && strcmp(s, no) != 0))
		return lens_fail(err, EBADMSG,
				 "option '%s' must be \"%s\" or \"%s\"", name,
				 yes, no);
	*ret = strcmp(s, yes) == 0;
	return 0;
}

static int parse_block(const cJSON *item, uint64_t block[2],
		       struct lens_err *err)
{
	if (cJSON_GetArraySize(item) != 2 ||
	    lens_json_u64(cJSON_GetArrayItem(item, 0), &block[0]) < 0 ||
	    lens_json_u64(cJSON_GetArrayItem(item, 1), &block[1]) < 0 ||
	    !block[0] || !block[1])
		return lens_fail(
			err, EBADMSG,
			"a block is two whole numbers, [rows, columns]");
	return 0;
}

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	const cJSON *block = cJSON_GetObjectItemCaseSensitive(o, "block");
	struct lens_codec_args *a = lens_arena_alloc(arena, sizeof(*a));

	if (!a)
		return lens_fail(err, ENOMEM, "no memory for a codec");
	if (choose(o, "weights", "any", "fp8", &a->any_weight, err) < 0 ||
	    choose(o, "surplus", "ignore", "refuse", &a->ignore_surplus, err) <
		    0 ||
	    choose(o, "unscaled", "refuse", "pass", &a->refuse_unscaled, err) <
		    0 ||
	    choose(o, "lone", "refuse", "drop", &a->refuse_lone, err) < 0)
		return -err->code;
	if (cJSON_IsString(block) && strcmp(block->valuestring, "config") == 0)
		a->block_of_config = true;
	else if (block && parse_block(block, a->block, err) < 0)
		return lens_wrap(err, "option 'block'");
	*ret = a;
	return 0;
}

/* The config's block: taken, or, where the recipe says one, not another. */
static int configure(struct lens_codec_args *a, const cJSON *config,
		     struct lens_err *err)
{
	const cJSON *block =
		lens_json_at(config, "quantization_config.weight_block_size");
	uint64_t b[2];

	if (!block || cJSON_IsNull(block))
		block = lens_json_at(
			config,
			"text_config.quantization_config.weight_block_size");
	if (!block || cJSON_IsNull(block))
		return 0;
	if (parse_block(block, b, err) < 0)
		return lens_wrap(
			err,
			"config.json: quantization_config.weight_block_size");
	if (!a->block_of_config && (a->block[0] != b[0] || a->block[1] != b[1]))
		return lens_fail(
			err, EINVAL,
			"config.json: quantization_config.weight_block_size: "
			"[%llu, %llu], but this recipe's "
			"blocks are [%llu, %llu]",
			(unsigned long long)b[0], (unsigned long long)b[1],
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

/* "[128, 1, 1]", for messages. */
static const char *shape_text(char *buf, size_t room,
			      const struct lens_tensor *t)
{
	size_t n = (size_t)snprintf(buf, room, "[");

	for (unsigned d = 0; d < t->rank && n < room; d++)
		n += (size_t)snprintf(buf + n, room - n, d ? ", %llu" : "%llu",
				      (unsigned long long)t->shape[d]);
	if (n < room)
		(void)snprintf(buf + n, room - n, "]");
	return buf;
}
#define SHAPE(t) shape_text((char[128]){ 0 }, 128, (t))

static int misfit(const struct lens_tensor *w, const struct lens_tensor *s,
		  const char *why, struct lens_err *err)
{
	return lens_fail(err, EINVAL, "tensor '%s' %s: its scale '%s' %s %s",
			 LENS_SHOW(w->name), SHAPE(w), LENS_SHOW(s->name),
			 SHAPE(s), why);
}

static uint64_t blocks_of(uint64_t n, uint64_t block)
{
	return n / block + (n % block != 0);
}

/* The scale has a grid in its last two dimensions, for the weight's last two.
 */
static int bind_grid(const struct lens_codec_args *a,
		     const struct lens_tensor *w, const struct lens_tensor *s,
		     bool surplus, struct lens_companion *c,
		     struct lens_err *err)
{
	char why[200];

	if (!a->block[0])
		return misfit(w, s,
			      "is a grid of blocks, and config.json has no "
			      "weight_block_size",
			      err);
	for (unsigned k = 0; k < 2; k++) {
		unsigned sd = s->rank - 2 + k, wd = w->rank - 2 + k;
		uint64_t need = blocks_of(w->shape[wd], a->block[k]);

		if (s->shape[sd] < need || (s->shape[sd] > need && !surplus)) {
			(void)snprintf(why, sizeof(why),
				       "has %llu %s, but blocks of [%llu, "
				       "%llu] need %llu",
				       (unsigned long long)s->shape[sd],
				       k ? "columns" : "rows",
				       (unsigned long long)a->block[0],
				       (unsigned long long)a->block[1],
				       (unsigned long long)need);
			return misfit(w, s, why, err);
		}
		c->dim[sd] = (int8_t)wd;
		c->div[sd] = a->block[k];
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
	    (s->shape[sd] > w->shape[0] && !a->ignore_surplus))
		return misfit(w, s, "must have one element an expert", err);
	c->dim[sd] = 0;
	c->div[sd] = 1;
	return 1;
}

/* What the scale's shape says. */
static int bind_scale(const struct lens_codec_args *a,
		      const struct lens_tensor *w, const struct lens_tensor *s,
		      struct lens_companion *c, struct lens_err *err)
{
	unsigned wide = 0, last = 0; /* dimensions that are not 1 */

	*c = (struct lens_companion){ .tensor = s };
	memset(c->dim, -1, sizeof(c->dim));
	for (unsigned d = 0; d < s->rank; d++) {
		c->div[d] = 1;
		if (s->shape[d] != 1) {
			wide++;
			last = d;
		}
	}
	if (!wide)
		return 1;
	if (wide == 1 && w->rank == 3) {
		/* [1, r, 1] on one expert: r experts too many, or its grid? */
		if (s->rank == 3 && last != 0 && w->shape[0] == 1)
			return misfit(w, s,
				      "may be of the expert or of its blocks",
				      err);
		return bind_experts(a, w, s, last, c, err);
	}
	/* A grid of one row or column must fit exactly: it might as well be
	 * one scale a row or column, which is another format. */
	if (s->rank == 2 && w->rank == 2)
		return bind_grid(a, w, s, a->ignore_surplus && wide == 2, c,
				 err);
	if (s->rank == 3 && w->rank == 3 && s->shape[0] == w->shape[0]) {
		c->dim[0] = 0;
		return bind_grid(a, w, s, false, c, err);
	}
	return misfit(
		w, s,
		"fits neither a tensor, nor its experts, nor blocks of it",
		err);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	lens_autofree char *name = NULL;
	const struct lens_tensor *s;

	if (ends_with(w->name, SUFFIX))
		return 0;
	if (asprintf(&name, "%s" SUFFIX, w->name) < 0)
		return lens_fail(err, ENOMEM, "no memory for a name");
	s = lens_ckpt_find(site->ckpt, name);
	if (!s && w->dtype == LENS_F8_E4M3 && a->refuse_unscaled)
		return lens_fail(err, EINVAL,
				 "tensor '%s' is F8_E4M3 and has no scale "
				 "('%s' is not there)",
				 LENS_SHOW(w->name), LENS_SHOW(name));
	if (!s)
		return 0;
	if (w->dtype != LENS_F8_E4M3 && !a->any_weight)
		return lens_fail(err, EINVAL,
				 "tensor '%s' is %s, but has a scale, '%s'",
				 LENS_SHOW(w->name), lens_dtype_name(w->dtype),
				 LENS_SHOW(name));
	if (!is_float(w->dtype))
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' has a scale, and can't be "
				 "multiplied: it is %s",
				 LENS_SHOW(w->name), lens_dtype_name(w->dtype));
	if (s->dtype != LENS_F32 && s->dtype != LENS_BF16 &&
	    s->dtype != LENS_F16)
		return lens_fail(
			err, EOPNOTSUPP,
			"tensor '%s' is %s; a scale must be F32, BF16 or F16",
			LENS_SHOW(name), lens_dtype_name(s->dtype));
	if (w->rank > LENS_DIMS || s->rank > LENS_DIMS)
		return misfit(w, s, "has too many dimensions", err);

	*ret = (struct lens_stored){
		.codec = &lens_codec_fp8,
		.weight = w,
		.key = w->name,
		.dtype = site->out,
		.rank = w->rank,
		.shape = w->shape,
		.n_companions = 1,
	};
	return bind_scale(a, w, s, &ret->companion[0], err);
}

static int lone(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	(void)site;
	if (!ends_with(t->name, SUFFIX))
		return 0;
	if (a->refuse_lone)
		return lens_fail(err, EINVAL,
				 "tensor '%s' is a scale, and the tensor it "
				 "belongs to is not there",
				 LENS_SHOW(t->name));
	return 1;
}

static void decode(const struct lens_stored *s, const struct lens_window *w,
		   const void *codes, const uint64_t *at, unsigned dim,
		   uint64_t step, size_t n, void *dst)
{
	const struct lens_companion *c = &s->companion[0];
	const enum lens_dtype from = s->weight->dtype;
	const size_t code = lens_dtype_bits(from) / 8,
		     out = lens_dtype_bits(s->dtype) / 8;
	const float *line = w->values; /* of the scales along the line */
	uint64_t div = 0, origin = 0, stride = 0;

	for (unsigned k = 0; k < c->tensor->rank; k++) {
		if (c->dim[k] < 0)
			continue;
		if ((unsigned)c->dim[k] != dim) {
			line += (at[c->dim[k]] / c->div[k] - w->origin[k]) *
				w->stride[k];
			continue;
		}
		div = c->div[k];
		origin = w->origin[k];
		stride = w->stride[k];
	}
	for (size_t i = 0, run; i < n; i += run) {
		uint64_t x = at[dim] + i * step;
		const float *scale =
			div ? line + (x / div - origin) * stride : line;

		run = div ? (div - x % div + step - 1) / step : n;
		if (run > n - i)
			run = n - i;
		(void)lens_decode(s->dtype, (char *)dst + i * out, from,
				  (const char *)codes + i * code, run, *scale);
	}
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
	.lone = lone,
	.decode = decode,
};

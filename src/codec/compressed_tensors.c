/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compressed_tensors.c - that library's formats whose codes are a byte each:
 * float-quantized, int-quantized, naive-quantized and mxfp8-quantized.
 *
 * X F8_E4M3 or I8, X_scale, X_zero_point.  An element is
 * out(S((code - zero) * scale)), S being the scale's dtype; of U8 scales, which
 * are exponents, BF16.
 */
#include "codec/codecs.h"

#include <errno.h>

#define METHOD "compressed-tensors"

struct lens_codec_args {
	struct lens_halves half;
	struct lens_schemes schemes;
};

static const char *const methods[] = { METHOD, NULL };

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	*ret = lens_halves_new(o, arena, sizeof(**ret), err);
	return *ret ? 0 : -err->code;
}

static int configure(struct lens_codec_args *a, const struct lens_quant *q,
		     struct lens_arena *arena, struct lens_err *err)
{
	if (!q->method || strcmp(q->method, METHOD) != 0)
		return 0;
	return lens_schemes_parse(q, arena, &a->schemes, err);
}

static bool is_codes(enum lens_dtype d)
{
	return d == LENS_F8_E4M3 || d == LENS_I8;
}

static bool is_method(const struct lens_codec_site *site)
{
	return site->quant.method && strcmp(site->quant.method, METHOD) == 0;
}

/* The zero points of an asymmetric scheme, placed as the scales are. */
static int bind_zero(const struct lens_codec_site *site,
		     const struct lens_scheme *f, const struct lens_tensor *w,
		     struct lens_stored *ret, struct lens_err *err)
{
	const struct lens_companion *scale = &ret->companion[0];
	const struct lens_tensor *s = scale->tensor,
				 *z = lens_codec_beside(site, w->name, 0,
							"_zero_point");
	struct lens_companion *c;

	if (f->symmetric != !z)
		return lens_codec_misfit(w, s, err,
					 "is of a scheme that is %ssymmetric, "
					 "and there are %szero points",
					 f->symmetric ? "" : "a",
					 z ? "" : "no ");
	if (!z)
		return 0;
	if (z->dtype != LENS_I8 || z->rank != s->rank ||
	    memcmp(z->shape, s->shape, z->rank * sizeof(*z->shape)) != 0)
		return lens_codec_misfit(
			w, z, err, "must be I8, and of the scale's shape");
	c = lens_stored_add(ret, z, LENS_ZERO);
	memcpy(c->dim, scale->dim, sizeof(c->dim));
	memcpy(c->div, scale->div, sizeof(c->div));
	return 0;
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	const struct lens_tensor *s;
	const struct lens_scheme *f;
	struct lens_companion *c;

	if (!is_method(site) || !is_codes(w->dtype))
		return 0;
	s = lens_codec_beside(site, w->name, 0, "_scale");
	if (!s)
		return 0;
	if (!lens_is_scale_dtype(s->dtype) && s->dtype != LENS_U8 &&
	    s->dtype != LENS_F8_E8M0)
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s' is %s; a scale must be F32, "
				 "BF16, F16, F8_E8M0 or U8",
				 LENS_SHOW(s->name), lens_dtype_name(s->dtype));
	if (lens_codec_beside(site, w->name, 0, "_g_idx"))
		return lens_codec_misfit(w, s, err,
					 "goes with a group index, which is "
					 "read of packed tensors only");
	if (w->rank > LENS_DIMS || s->rank > LENS_DIMS)
		return lens_codec_misfit(w, s, err, "has too many dimensions");
	lens_stored_init(ret, &lens_codec_compressed_tensors, site, w);
	c = lens_stored_add(ret, s, LENS_SCALE);
	if (s->dtype == LENS_U8)
		c->dtype = LENS_F8_E8M0;
	ret->via = lens_is_scale_dtype(s->dtype) ? s->dtype : LENS_BF16;
	f = lens_schemes_place(&a->schemes, w->dtype == LENS_I8, 8, w, w->shape,
			       s, c, err);
	if (!f || bind_zero(site, f, w, ret, err) < 0)
		return -err->code;
	return 1;
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	if (!is_method(site))
		return 0;
	if (is_codes(t->dtype) && lens_ends_with(t->name, ".weight"))
		return lens_codec_lone(a->half.unscaled, t,
				       "is quantized and has no scale", err);
	if (lens_ends_with(t->name, ".weight_scale") ||
	    lens_ends_with(t->name, ".weight_zero_point"))
		return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	return 0;
}

const struct lens_codec lens_codec_compressed_tensors = {
	.name = "compressed-tensors",
	.summary = "FP8 or INT8 codes of a byte each, by tensor, channel, "
		   "group or block",
	.options = lens_halves_options,
	.methods = methods,
	.parse = parse,
	.configure = configure,
	.bind = bind,
	.left = left,
};

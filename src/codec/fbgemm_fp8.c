/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fbgemm_fp8.c - FP8 codes with one scale an output: X F8_E4M3 [M, K] with
 * X_scale [M, 1]; stacked experts [E, K, M], which are stored turned, with
 * [E, 1, M] or [E, M, 1].  An element is out(f32(code * scale)).
 */
#include "codec/codecs.h"

#include <errno.h>

#define METHOD "fbgemm_fp8"

struct lens_codec_args {
	struct lens_halves half;
};

static const char *const methods[] = { METHOD, NULL };

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	*ret = lens_halves_new(o, arena, sizeof(**ret), err);
	return *ret ? 0 : -err->code;
}

static bool is_method(const struct lens_codec_site *site)
{
	return site->quant.method && strcmp(site->quant.method, METHOD) == 0;
}

/* The scale's dimension of outputs, and the weight's. */
static bool place(const struct lens_tensor *w, const struct lens_tensor *s,
		  struct lens_companion *c)
{
	unsigned d = 0, out = 0;

	if (s->rank != w->rank || w->rank < 2 || w->rank > 3)
		return false;
	if (w->rank == 3) {
		if (s->shape[0] != w->shape[0])
			return false;
		c->dim[0] = 0;
		out = 2;
		d = s->shape[1] == 1 ? 2 : 1;
	}
	if (s->shape[d] != w->shape[out] ||
	    s->shape[w->rank == 3 ? 3 - d : 1] != 1)
		return false;
	c->dim[d] = (int8_t)out;
	return true;
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	const struct lens_tensor *s;

	(void)a;
	if (!is_method(site) || w->dtype != LENS_F8_E4M3)
		return 0;
	s = lens_codec_beside(site, w->name, 0, "_scale");
	if (!s)
		return 0;
	lens_stored_init(ret, &lens_codec_fbgemm_fp8, site, w);
	if (!lens_is_scale_dtype(s->dtype) ||
	    !place(w, s, lens_stored_add(ret, s, LENS_SCALE)))
		return lens_codec_misfit(w, s, err,
					 "must be F32, one element an output");
	return 1;
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	if (!is_method(site))
		return 0;
	if (t->dtype == LENS_F8_E4M3)
		return lens_codec_lone(a->half.unscaled, t,
				       "is F8_E4M3 and has no scale", err);
	if (lens_ends_with(t->name, ".weight_scale") ||
	    lens_ends_with(t->name, "_proj_scale"))
		return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	return 0;
}

const struct lens_codec lens_codec_fbgemm_fp8 = {
	.name = "fbgemm_fp8",
	.summary = "FP8 codes with one scale an output",
	.options = lens_halves_options,
	.methods = methods,
	.parse = parse,
	.bind = bind,
	.left = left,
};

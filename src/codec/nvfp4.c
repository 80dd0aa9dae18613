/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvfp4.c - E2M1 codes, two a byte, the low nibble first; groups of 16 along
 * the last dimension share an F8_E4M3 scale, and all of them one in F32.
 *
 *	packed	X_packed U8 [.., C/2], X_scale [.., C/16], X_global_scale [1]:
 *		out(bf16(f32(code * f32(scale / global))))
 *	weight	X U8 [.., C/2], X_scale [.., C/16], X_scale_2 []:
 *		out(f32(code * f32(scale * scale_2))), code 8 being +0
 */
#include "codec/codecs.h"

#include <errno.h>

#define GROUP 16

struct lens_codec_args {
	struct lens_halves half;
};

static const char *const methods[] = { "compressed-tensors", "modelopt", NULL };

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	*ret = lens_halves_new(o, arena, sizeof(**ret), err);
	return *ret ? 0 : -err->code;
}

/* Groups of any other size would be another format. */
static int configure(struct lens_codec_args *a, const struct lens_quant *q,
		     struct lens_arena *arena, struct lens_err *err)
{
	const char *algo = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(q->config, "quant_algo"));
	const cJSON *size =
		cJSON_GetObjectItemCaseSensitive(q->config, "group_size");

	(void)a;
	(void)arena;
	if (algo && strcmp(algo, "NVFP4") == 0 && cJSON_IsNumber(size) &&
	    size->valuedouble != GROUP)
		return lens_fail(err, EOPNOTSUPP,
				 "%s.group_size is %g; NVFP4 has groups of %d",
				 q->where, size->valuedouble, GROUP);
	return 0;
}

static int misfit(const struct lens_tensor *w, const struct lens_tensor *s,
		  struct lens_err *err)
{
	return lens_codec_misfit(w, s, err, "must have an element for %d codes",
				 GROUP);
}

/* One scale of all groups, or one an expert. */
static int bind_global(const struct lens_tensor *w, const struct lens_tensor *g,
		       struct lens_stored *ret, enum lens_companion_role role,
		       struct lens_err *err)
{
	struct lens_companion *c = lens_stored_add(ret, g, role);
	bool fits = g->rank <= LENS_DIMS && g->dtype == LENS_F32;

	for (unsigned d = 0; fits && d < g->rank; d++) {
		if (g->shape[d] == 1)
			continue;
		fits = d == 0 && w->rank == 3 && g->shape[0] == w->shape[0];
		c->dim[d] = 0;
	}
	if (!fits)
		return lens_codec_misfit(w, g, err,
					 "must be F32, and of one element or "
					 "one an expert");
	return 1;
}

static int describe(const struct lens_codec_site *site,
		    const struct lens_tensor *w, const struct lens_tensor *s,
		    struct lens_stored *ret, struct lens_err *err)
{
	const unsigned last = w->rank - 1;
	struct lens_companion *c;
	bool fits = w->rank && w->rank <= LENS_DIMS && s->rank == w->rank;

	for (unsigned d = 0; fits && d < last; d++)
		fits = s->shape[d] == w->shape[d];
	if (!fits || s->shape[last] != lens_groups(w->shape[last] * 2, GROUP))
		return misfit(w, s, err);
	if (lens_stored_pack(ret, site, 4, last, w->shape[last] * 2, err) < 0)
		return -err->code;
	c = lens_stored_add(ret, s, LENS_SCALE);
	for (unsigned d = 0; d <= last; d++)
		c->dim[d] = (int8_t)d;
	c->div[last] = GROUP;
	return 0;
}

/* The tensor's scale beside it, if it is one of this format. */
static const struct lens_tensor *scale_of(const struct lens_codec_site *site,
					  const struct lens_tensor *w,
					  size_t cut, const char *suffix)
{
	const struct lens_tensor *s =
		lens_codec_beside(site, w->name, cut, suffix);

	return s && s->dtype == LENS_F8_E4M3 ? s : NULL;
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	const bool packed = lens_ends_with(w->name, "_packed");
	const size_t cut = packed ? strlen("_packed") : 0;
	const struct lens_tensor *s, *g;

	(void)a;
	if (w->dtype != LENS_U8)
		return 0;
	s = scale_of(site, w, cut, "_scale");
	g = lens_codec_beside(site, w->name, cut,
			      packed ? "_global_scale" : "_scale_2");
	if (!s && !packed) { /* stacked experts: X, X_weight_scale */
		s = scale_of(site, w, 0, "_weight_scale");
		g = lens_codec_beside(site, w->name, 0, "_weight_scale_2");
	}
	if (!s)
		return 0;
	if (!g)
		return lens_codec_misfit(w, s, err,
					 "lacks the scale of all groups");
	lens_stored_init(ret, &lens_codec_nvfp4, site, w);
	ret->key = lens_codec_key(site, w->name, cut, "", err);
	if (!ret->key || describe(site, w, s, ret, err) < 0)
		return -err->code;
	ret->values = packed ? lens_e2m1 : lens_e2m1_no_minus_zero;
	if (packed)
		ret->via = LENS_BF16;
	return bind_global(w, g, ret, packed ? LENS_OVER : LENS_TIMES, err);
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	if (t->dtype == LENS_U8 &&
	    (lens_ends_with(t->name, ".weight_packed") ||
	     (lens_ends_with(t->name, ".weight") && site->quant.method)))
		return lens_codec_lone(a->half.unscaled, t,
				       "is FP4 codes and has no scale", err);
	if (lens_ends_with(t->name, ".weight_global_scale") ||
	    lens_ends_with(t->name, "weight_scale_2") ||
	    (t->dtype == LENS_F8_E4M3 &&
	     lens_ends_with(t->name, "weight_scale")))
		return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	return 0;
}

const struct lens_codec lens_codec_nvfp4 = {
	.name = "nvfp4",
	.summary = "FP4 codes (E2M1) in groups of 16 with FP8 scales, and a "
		   "scale of them all",
	.options = lens_halves_options,
	.methods = methods,
	.parse = parse,
	.configure = configure,
	.bind = bind,
	.left = left,
};

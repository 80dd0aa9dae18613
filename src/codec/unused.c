/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unused.c - tensors that quantized checkpoints hold for other things than
 * weights: scales of activations and of the KV cache.  No weight is decoded
 * with them; in a checkpoint that is not quantized they are parameters like
 * any other.
 */
#include "codec/codecs.h"

struct lens_codec_args {
	char none;
};

static const char *const options[] = { NULL };
static const char *const methods[] = { NULL };

/* Of linear layers, of attention, of stacked experts. */
static const char *const suffixes[] = {
	".input_scale",      ".input_zero_point",  ".input_global_scale",
	".output_scale",     ".output_zero_point", ".activation_scale",
	"_activation_scale", ".k_scale",           ".v_scale",
	".q_scale",          ".k_zero_point",      ".v_zero_point",
	"_proj_input_scale", ".prob_output_scale",
};

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	(void)o;
	*ret = lens_codec_alloc(arena, sizeof(**ret), err);
	return *ret ? 0 : -err->code;
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	(void)a;
	(void)err;
	for (size_t i = 0; site->quant.method && i < LENS_ARRAY_SIZE(suffixes);
	     i++)
		if (lens_ends_with(t->name, suffixes[i]))
			return 1;
	return 0;
}

const struct lens_codec lens_codec_unused = {
	.name = "unused",
	.summary = "scales of activations and of the KV cache, which decode no "
		   "weight: dropped",
	.options = options,
	.methods = methods,
	.parse = parse,
	.left = left,
};

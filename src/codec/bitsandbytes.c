/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bitsandbytes.c - recognised, so that it is refused by name: its NF4 and INT8
 * tensors would pass for plain bytes.
 */
#include "codec/codecs.h"

#include <errno.h>

struct lens_codec_args {
	char none;
};

static const char *const options[] = { NULL };
static const char *const methods[] = { NULL };
static const char *const suffixes[] = { ".absmax", ".quant_map", ".SCB",
					".nested_absmax", ".nested_quant_map" };

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
	(void)site;
	for (size_t i = 0; i < LENS_ARRAY_SIZE(suffixes); i++)
		if (lens_ends_with(t->name, suffixes[i]))
			return lens_fail(err, EOPNOTSUPP,
					 "tensor '%s' belongs to one of "
					 "bitsandbytes, which is not decoded",
					 LENS_SHOW(t->name));
	return 0;
}

const struct lens_codec lens_codec_bitsandbytes = {
	.name = "bitsandbytes",
	.summary = "is recognised and refused",
	.options = options,
	.methods = methods,
	.parse = parse,
	.left = left,
};

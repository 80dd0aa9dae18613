/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.c - the table of codecs.  A new one is a file and a line here.
 */
#include "codec/codecs.h"

static const struct lens_codec *const codecs[] = {
	&lens_codec_fp8,
	&lens_codec_mxfp4,
	&lens_codec_nvfp4,
	&lens_codec_packed,
	&lens_codec_compressed_tensors,
	&lens_codec_gptq,
	&lens_codec_awq,
	&lens_codec_fbgemm_fp8,
	&lens_codec_bitsandbytes,
	&lens_codec_unused,
};

const char *const lens_codec_common[] = { "out", "only", "except", NULL };

size_t lens_codec_count(void)
{
	return LENS_ARRAY_SIZE(codecs);
}

const struct lens_codec *lens_codec_at(size_t i)
{
	return codecs[i];
}

const struct lens_codec *lens_codec_find(const char *name)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(codecs); i++)
		if (strcmp(codecs[i]->name, name) == 0)
			return codecs[i];
	return NULL;
}

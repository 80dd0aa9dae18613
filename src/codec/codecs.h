/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs, each in the file of its name. */
#ifndef LENS_CODEC_CODECS_H
#define LENS_CODEC_CODECS_H

#include "lens/codec.h"

extern const struct lens_codec lens_codec_fp8;

#endif

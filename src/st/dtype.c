/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dtype.c - the element types of safetensors, in the order of its own enum
 * (safetensors/src/tensor.rs, enum Dtype), and other ways to spell them.
 */
#include "lens/st.h"

#include <strings.h>

static const struct {
	const char *name;
	unsigned bits;
} dtypes[] = {
	[LENS_BOOL] = { "BOOL", 8 },
	[LENS_F4] = { "F4", 4 },
	[LENS_F6_E2M3] = { "F6_E2M3", 6 },
	[LENS_F6_E3M2] = { "F6_E3M2", 6 },
	[LENS_U8] = { "U8", 8 },
	[LENS_I8] = { "I8", 8 },
	[LENS_F8_E5M2] = { "F8_E5M2", 8 },
	[LENS_F8_E4M3] = { "F8_E4M3", 8 },
	[LENS_F8_E8M0] = { "F8_E8M0", 8 },
	[LENS_F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8 },
	[LENS_F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8 },
	[LENS_I16] = { "I16", 16 },
	[LENS_U16] = { "U16", 16 },
	[LENS_F16] = { "F16", 16 },
	[LENS_BF16] = { "BF16", 16 },
	[LENS_I32] = { "I32", 32 },
	[LENS_U32] = { "U32", 32 },
	[LENS_F32] = { "F32", 32 },
	[LENS_C64] = { "C64", 64 },
	[LENS_F64] = { "F64", 64 },
	[LENS_I64] = { "I64", 64 },
	[LENS_U64] = { "U64", 64 },
};

static const struct {
	const char *name;
	enum lens_dtype d;
} others[] = {
	{ "bfloat16", LENS_BF16 },
	{ "float16", LENS_F16 },
	{ "half", LENS_F16 },
	{ "float32", LENS_F32 },
	{ "float", LENS_F32 },
	{ "float8_e4m3fn", LENS_F8_E4M3 },
	{ "float8_e5m2", LENS_F8_E5M2 },
	{ "float8_e8m0fnu", LENS_F8_E8M0 },
};

const char *lens_dtype_name(enum lens_dtype d)
{
	return d < LENS_DTYPE_MAX ? dtypes[d].name : "?";
}

unsigned lens_dtype_bits(enum lens_dtype d)
{
	return dtypes[d].bits;
}

enum lens_dtype lens_dtype_find(const char *name)
{
	for (unsigned i = 0; i < LENS_DTYPE_MAX; i++)
		if (strcmp(dtypes[i].name, name) == 0)
			return (enum lens_dtype)i;
	return LENS_DTYPE_INVALID;
}

enum lens_dtype lens_dtype_parse(const char *name)
{
	if (strncmp(name, "torch.", 6) == 0)
		name += 6;
	for (size_t i = 0; i < LENS_ARRAY_SIZE(others); i++)
		if (strcmp(others[i].name, name) == 0)
			return others[i].d;
	for (unsigned i = 0; i < LENS_DTYPE_MAX; i++)
		if (strcasecmp(dtypes[i].name, name) == 0)
			return (enum lens_dtype)i;
	return LENS_DTYPE_INVALID;
}

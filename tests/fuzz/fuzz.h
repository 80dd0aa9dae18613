/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what the fuzz targets share: promises that are checked, and where
 * the fuzzer enters.
 */
#ifndef LENS_FUZZ_H
#define LENS_FUZZ_H

#include "lens/json.h"

#include <errno.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ_CHECK(what)                                                       \
	do {                                                                   \
		if (!(what)) {                                                 \
			(void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, \
				      __LINE__, #what);                        \
			abort();                                               \
		}                                                              \
	} while (0)

/* A refusal has a code, a reason, and nothing in it that moves a cursor. */
static inline void fuzz_check_err(int r, const struct lens_err *err)
{
	FUZZ_CHECK(r < 0 && r == -err->code);
	FUZZ_CHECK(memchr(err->msg, 0, sizeof(err->msg)) && err->msg[0]);
	for (const char *s = err->msg; *s; s++)
		FUZZ_CHECK((unsigned char)*s >= 0x20 && *s != 0x7f);
}

/* Both trees as text, the same. */
static inline void fuzz_check_same(const cJSON *a, const cJSON *b)
{
	char *x = cJSON_PrintUnformatted(a), *y = cJSON_PrintUnformatted(b);

	FUZZ_CHECK(x && y && strcmp(x, y) == 0);
	free(x);
	free(y);
}

#endif

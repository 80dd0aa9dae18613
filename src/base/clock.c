/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - the one clock that durations are taken from.
 */
#include "lens/base.h"

#include <time.h>

uint64_t lens_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

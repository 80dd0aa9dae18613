/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of each architecture put into the table. */
#ifndef LENS_KERNEL_VARIANTS_H
#define LENS_KERNEL_VARIANTS_H

#include "lens/kernel.h"

/* The whole table; what a variant can't do, or not faster, goes there. */
extern const struct lens_kernels lens_kernels_scalar;

/* steps.c.  The least exponent that a step is in is one more than this below
 * the scale's. */
#define LENS_STEPS_UNDER 11
void lens_steps_scalar(uint8_t *dst, size_t ds, const uint16_t *src, size_t ss,
		       size_t lines, size_t n, const struct lens_steps *s);

#if defined(__x86_64__)
unsigned lens_cpu_x86(void);
void lens_kernels_init_x86(struct lens_kernels *k, unsigned cpu);
#endif

/* Bits of a float and back. */
static inline uint32_t lens_bits(float v)
{
	uint32_t u;

	memcpy(&u, &v, sizeof(u));
	return u;
}

static inline float lens_unbits(uint32_t u)
{
	float v;

	memcpy(&v, &u, sizeof(v));
	return v;
}

/* Element i of arrays that need no alignment. */
static inline uint16_t lens_get16(const void *p, size_t i)
{
	uint16_t v;

	memcpy(&v, (const char *)p + 2 * i, sizeof(v));
	return v;
}

static inline void lens_put16(void *p, size_t i, uint16_t v)
{
	memcpy((char *)p + 2 * i, &v, sizeof(v));
}

static inline float lens_getf(const void *p, size_t i)
{
	float v;

	memcpy(&v, (const char *)p + 4 * i, sizeof(v));
	return v;
}

static inline void lens_putf(void *p, size_t i, float v)
{
	memcpy((char *)p + 4 * i, &v, sizeof(v));
}

#endif

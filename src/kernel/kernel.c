/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.c - the scalar kernels, and the choice of kernels for this machine.
 *
 * The scalar table is complete.  Each architecture then overwrites the entries
 * it does better, weakest extension first, so the last writer wins and a
 * missing variant falls back by itself.
 */
#include "kernel/variants.h"

#include <pthread.h>

static void e4m3_bf16(uint16_t *dst, const uint8_t *src, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		lens_put16(dst, i,
			   lens_f32_to_bf16(lens_e4m3_f32(src[i]) * scale));
}

static void e4m3_f16(uint16_t *dst, const uint8_t *src, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		lens_put16(dst, i,
			   lens_f32_to_f16(lens_e4m3_f32(src[i]) * scale));
}

/* A NaN becomes the canonical one. */
static float canonical(float v)
{
	return v == v ? v : lens_unbits(0x7fc00000);
}

static void e4m3_f32(float *dst, const uint8_t *src, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		lens_putf(dst, i, canonical(lens_e4m3_f32(src[i]) * scale));
}

static void unpack4(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = (uint8_t)(src[i / 2] >> (i % 2 * 4) & 15);
}

static void code4_bf16(uint16_t *dst, const uint8_t *src, size_t groups,
		       size_t group, const float *values, const float *scale,
		       const float *zero)
{
	uint16_t table[16];

	for (size_t g = 0; g < groups; g++) {
		for (unsigned c = 0; c < 16; c++)
			table[c] = lens_f32_to_bf16(
				(lens_getf(values, c) - lens_getf(zero, g)) *
				lens_getf(scale, g));
		for (size_t i = g * group; i < (g + 1) * group; i++)
			lens_put16(dst, i, table[src[i]]);
	}
}

static void bf16_f32(float *dst, const uint16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lens_putf(dst, i, lens_bf16_to_f32(lens_get16(src, i)));
}

static void f16_f32(float *dst, const uint16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lens_putf(dst, i, lens_f16_to_f32(lens_get16(src, i)));
}

static void f32_bf16(uint16_t *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lens_put16(dst, i, lens_f32_to_bf16(lens_getf(src, i)));
}

static void f32_f16(uint16_t *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lens_put16(dst, i, lens_f32_to_f16(lens_getf(src, i)));
}

static void f32_e4m3(uint8_t *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = lens_f32_to_e4m3(lens_getf(src, i));
}

static void scale_f32(float *dst, const float *src, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		lens_putf(dst, i, canonical(lens_getf(src, i) * scale));
}

static void f32_e4m3_by(uint8_t *dst, const float *src, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = lens_f32_to_e4m3(lens_getf(src, i) / scale);
}

static void bf16_e4m3_by(uint8_t *dst, const uint16_t *src, size_t n,
			 float scale)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = lens_f32_to_e4m3(lens_bf16_to_f32(lens_get16(src, i)) /
					  scale);
}

static uint16_t most16(const uint16_t *src, size_t n)
{
	uint16_t most = 0;

	for (size_t i = 0; i < n; i++) {
		uint16_t v = lens_get16(src, i) & 0x7fff;

		most = v > most ? v : most;
	}
	return most;
}

static uint32_t most32(const float *src, size_t n)
{
	uint32_t most = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t v = lens_bits(lens_getf(src, i)) & 0x7fffffff;

		most = v > most ? v : most;
	}
	return most;
}

/* Squares of 32 elements, so that both sides stay in the cache. */
#define EDGE 32
#define TRANSPOSE(name, type)                                                    \
	static void name(void *dst, size_t ds, const void *src, size_t ss,       \
			 size_t rows, size_t cols)                               \
	{                                                                        \
		for (size_t r0 = 0; r0 < rows; r0 += EDGE)                       \
			for (size_t c0 = 0; c0 < cols; c0 += EDGE)               \
				for (size_t c = c0; c < cols && c < c0 + EDGE;   \
				     c++)                                        \
					for (size_t r = r0;                      \
					     r < rows && r < r0 + EDGE; r++)     \
						memcpy((char *)dst + c * ds +    \
							       r * sizeof(type), \
						       (const char *)src +       \
							       r * ss +          \
							       c * sizeof(type), \
						       sizeof(type));            \
	}

TRANSPOSE(transpose1, uint8_t)
TRANSPOSE(transpose2, uint16_t)
TRANSPOSE(transpose4, uint32_t)
TRANSPOSE(transpose8, uint64_t)

static void shuffle(uint8_t *dst, const uint8_t *src, size_t n, unsigned size)
{
	for (unsigned k = 0; k < size; k++)
		for (size_t i = 0; i < n; i++)
			dst[k * n + i] = src[i * size + k];
}

static void unshuffle(uint8_t *dst, const uint8_t *src, size_t n, unsigned size)
{
	for (unsigned k = 0; k < size; k++)
		for (size_t i = 0; i < n; i++)
			dst[i * size + k] = src[k * n + i];
}

const struct lens_kernels lens_kernels_scalar = {
	.name = "scalar",
	.e4m3_bf16 = e4m3_bf16,
	.e4m3_f16 = e4m3_f16,
	.e4m3_f32 = e4m3_f32,
	.unpack4 = unpack4,
	.code4_bf16 = code4_bf16,
	.bf16_f32 = bf16_f32,
	.f16_f32 = f16_f32,
	.f32_bf16 = f32_bf16,
	.f32_f16 = f32_f16,
	.f32_e4m3 = f32_e4m3,
	.scale_f32 = scale_f32,
	.f32_e4m3_by = f32_e4m3_by,
	.bf16_e4m3_by = bf16_e4m3_by,
	.bf16_e4m3_steps = lens_steps_scalar,
	.most16 = most16,
	.most32 = most32,
	.transpose1 = transpose1,
	.transpose2 = transpose2,
	.transpose4 = transpose4,
	.transpose8 = transpose8,
	.shuffle = shuffle,
	.unshuffle = unshuffle,
};

void lens_kernels_init(struct lens_kernels *k, unsigned cpu)
{
	*k = lens_kernels_scalar;
#if defined(__x86_64__)
	lens_kernels_init_x86(k, cpu);
#else
	(void)cpu;
#endif
}

unsigned lens_cpu(void)
{
	const char *mask = getenv("LENS_CPU_MASK");
	unsigned cpu = 0;

#if defined(__x86_64__)
	cpu = lens_cpu_x86();
#endif
	return mask ? cpu & (unsigned)strtoul(mask, NULL, 0) : cpu;
}

static struct lens_kernels kernels;

static void init_once(void)
{
	lens_kernels_init(&kernels, lens_cpu());
}

const struct lens_kernels *lens_kernels(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, init_once);
	return &kernels;
}

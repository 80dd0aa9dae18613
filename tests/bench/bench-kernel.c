/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-kernel - the kernels alone, one core: GB/s of what they write, the
 * median of several passes, and the ratio to memcpy of as much.
 */
#include "lens/kernel.h"

#include <stdio.h>
#include <time.h>

#define PASSES 15
#define OUT                                                               \
	(256u << 10) /* bytes of output a call: in the second-level cache \
		      */
#define EDGE 4096u

static struct lens_kernels k;
static unsigned char *in, *out, *turned;

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void copy(void)
{
	memcpy(out, in, OUT);
}

static void e4m3_bf16(void)
{
	k.e4m3_bf16((uint16_t *)(void *)out, in, OUT / 2, 0.013f);
}

static void e4m3_bf16_runs(void)
{
	for (size_t i = 0; i < OUT / 2; i += 128)
		k.e4m3_bf16((uint16_t *)(void *)out + i, in + i, 128,
			    0.013f + (float)i);
}

static void e4m3_f32(void)
{
	k.e4m3_f32((float *)(void *)out, in, OUT / 4, 0.013f);
}

static void f32_bf16(void)
{
	k.f32_bf16((uint16_t *)(void *)out, (const float *)(const void *)in,
		   OUT / 2);
}

static void transpose1(void)
{
	k.transpose1(turned, EDGE, in, EDGE, EDGE, EDGE);
}

static void transpose2(void)
{
	k.transpose2(turned, EDGE * 2, in, EDGE * 2, EDGE, EDGE);
}

/* An expert: turned as codes, then decoded line by line. */
static void turn_and_decode(void)
{
	k.transpose1(turned, EDGE, in, EDGE, EDGE, EDGE);
	for (size_t r = 0; r < EDGE; r++)
		k.e4m3_bf16((uint16_t *)(void *)(out + r % 32 * EDGE * 2),
			    turned + r * EDGE, EDGE, 0.013f);
}

static const struct {
	const char *name;
	void (*fn)(void);
	size_t bytes; /* written */
	double goal;
} rows[] = {
	{ "memcpy", copy, OUT, 0 },
	{ "e4m3 -> bf16", e4m3_bf16, OUT, 6 },
	{ "e4m3 -> bf16, runs of 128", e4m3_bf16_runs, OUT, 0 },
	{ "e4m3 -> f32", e4m3_f32, OUT, 0 },
	{ "f32 -> bf16", f32_bf16, OUT, 0 },
	{ "transpose, 1 byte", transpose1, EDGE *EDGE, 0 },
	{ "transpose, 2 bytes", transpose2, EDGE *EDGE * 2, 0 },
	{ "transpose + e4m3 -> bf16", turn_and_decode, EDGE *EDGE * 2, 3 },
};

static int by_value(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static double speed(size_t i)
{
	const unsigned repeat = (unsigned)((64u << 20) / rows[i].bytes + 1);
	double v[PASSES];

	for (unsigned p = 0; p < PASSES; p++) {
		double start = now();

		for (unsigned n = 0; n < repeat; n++)
			rows[i].fn();
		v[p] = (double)rows[i].bytes * repeat / (now() - start) / 1e9;
	}
	qsort(v, PASSES, sizeof(*v), by_value);
	return v[PASSES / 2];
}

int main(void)
{
	double base = 0;

	in = aligned_alloc(64, (size_t)EDGE * EDGE * 2);
	out = aligned_alloc(64, 1u << 20);
	turned = aligned_alloc(64, (size_t)EDGE * EDGE * 2);
	if (!in || !out || !turned)
		return 1;
	for (size_t i = 0; i < (size_t)EDGE * EDGE * 2; i++)
		in[i] = (unsigned char)(i * 2654435761u >> 13) & 0x7b;
	memset(out, 1, 1u << 20);
	memset(turned, 1, (size_t)EDGE * EDGE * 2);
	k = *lens_kernels();
	printf("%-28s%8s%10s  goal (variant %s)\n", "GB/s written, one core",
	       "median", "/ memcpy", k.name);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(rows); i++) {
		double v = speed(i);

		base = i ? base : v;
		printf("%-28s%8.2f%10.2f", rows[i].name, v, v / base);
		if (rows[i].goal > 0)
			printf("  %.0f", rows[i].goal);
		printf("\n");
	}
	free(in);
	free(out);
	free(turned);
	return 0;
}

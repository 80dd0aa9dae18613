/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-kernel - the kernels alone: GB/s of what they write, and the ratio to
 * memcpy of as much in the same place (the second-level cache, or memory).
 *
 * Medians, in the thread's own time: others on the machine cost cache and
 * memory, but not their turns.
 */
#include "lens/kernel.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define PASSES 11
#define PASS 0.004               /* seconds at least */
#define NEAR ((size_t)128 << 10) /* bytes of output that stay in the cache */
#define EDGE ((size_t)4096)
#define HALF (EDGE / 2)
#define FAR (EDGE * EDGE * 2)
#define STRIP ((size_t)256) /* rows of a panel's strip */
#define HUGE_PAGE ((size_t)2 << 20)

static struct lens_kernels k;
static unsigned char *in, *out, *turned;

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint16_t *pairs(void *p)
{
	return p;
}

static float *floats(void *p)
{
	return p;
}

static void copy_near(void)
{
	memcpy(out, in, NEAR);
}

static void copy_far(void)
{
	memcpy(turned, in, FAR);
}

static void e4m3_bf16(void)
{
	k.e4m3_bf16(pairs(out), in, NEAR / 2, 0.013f);
}

/* Rows of blocks: every 128 codes have another scale. */
static void e4m3_bf16_runs(void)
{
	for (size_t i = 0; i < NEAR / 2; i += 128)
		k.e4m3_bf16(pairs(out) + i, in + i, 128, 0.013f + (float)i);
}

static void e4m3_f16(void)
{
	k.e4m3_f16(pairs(out), in, NEAR / 2, 0.013f);
}

static void e4m3_f32(void)
{
	k.e4m3_f32(floats(out), in, NEAR / 4, 0.013f);
}

static void bf16_f32(void)
{
	k.bf16_f32(floats(out), pairs(in), NEAR / 4);
}

static void f16_f32(void)
{
	k.f16_f32(floats(out), pairs(in), NEAR / 4);
}

static void f32_bf16(void)
{
	k.f32_bf16(pairs(out), floats(in), NEAR / 2);
}

static void f32_f16(void)
{
	k.f32_f16(pairs(out), floats(in), NEAR / 2);
}

static void f32_e4m3(void)
{
	k.f32_e4m3(out, floats(in), NEAR);
}

static void scale_f32(void)
{
	k.scale_f32(floats(out), floats(in), NEAR / 4, 0.013f);
}

static void shuffle2(void)
{
	k.shuffle(out, in, NEAR / 2, 2);
}

static void unshuffle2(void)
{
	k.unshuffle(out, in, NEAR / 2, 2);
}

static void shuffle4(void)
{
	k.shuffle(out, in, NEAR / 4, 4);
}

static void unshuffle4(void)
{
	k.unshuffle(out, in, NEAR / 4, 4);
}

static void transpose1(void)
{
	k.transpose1(turned, EDGE, in, EDGE, EDGE, EDGE);
}

static void transpose1_half(void)
{
	k.transpose1(turned, HALF, in, EDGE, HALF, EDGE);
}

static void transpose2(void)
{
	k.transpose2(turned, EDGE * 2, in, EDGE * 2, EDGE, EDGE);
}

static void transpose4(void)
{
	k.transpose4(turned, HALF * 4, in, EDGE * 4, HALF, EDGE);
}

/* As a panel is made: out of strips of the source that were just read. */
static void strips1(void)
{
	for (size_t r = 0; r < EDGE; r += STRIP)
		k.transpose1(turned + r, EDGE, in, EDGE, STRIP, EDGE);
}

static void strips2(void)
{
	for (size_t r = 0; r < EDGE; r += STRIP / 2)
		k.transpose2(turned + r * 2, EDGE * 2, in, EDGE * 2, STRIP / 2,
			     EDGE);
}

/* An expert: turned as codes, then decoded line by line into a reply. */
static void turn_and_decode(void)
{
	transpose1();
	for (size_t r = 0; r < EDGE; r++)
		k.e4m3_bf16(pairs(out + r % 16 * EDGE * 2), turned + r * EDGE,
			    EDGE, 0.013f);
}

static const struct {
	const char *name;
	void (*fn)(void);
	size_t bytes; /* written */
	bool far;
	double goal, share; /* GB/s, and of memcpy */
} rows[] = {
	{ "memcpy, in the cache", copy_near, NEAR, false, 0, 0 },
	{ "memcpy, beyond it", copy_far, FAR, true, 0, 0 },
	{ "e4m3 -> bf16", e4m3_bf16, NEAR, false, 6, 0.6 },
	{ "e4m3 -> bf16, runs of 128", e4m3_bf16_runs, NEAR, false, 6, 0 },
	{ "e4m3 -> f16", e4m3_f16, NEAR, false, 0, 0 },
	{ "e4m3 -> f32", e4m3_f32, NEAR, false, 0, 0 },
	{ "bf16 -> f32", bf16_f32, NEAR, false, 0, 0 },
	{ "f16 -> f32", f16_f32, NEAR, false, 0, 0 },
	{ "f32 -> bf16", f32_bf16, NEAR, false, 0, 0 },
	{ "f32 -> f16", f32_f16, NEAR, false, 0, 0 },
	{ "f32 -> e4m3", f32_e4m3, NEAR, false, 0, 0 },
	{ "f32 * scale", scale_f32, NEAR, false, 0, 0 },
	{ "shuffle, 2 bytes", shuffle2, NEAR, false, 0, 0 },
	{ "unshuffle, 2 bytes", unshuffle2, NEAR, false, 0, 0 },
	{ "shuffle, 4 bytes", shuffle4, NEAR, false, 0, 0 },
	{ "unshuffle, 4 bytes", unshuffle4, NEAR, false, 0, 0 },
	{ "transpose 4096 x 4096, 1 byte", transpose1, EDGE *EDGE, true, 0, 0 },
	{ "transpose 2048 x 4096, 1 byte", transpose1_half, HALF *EDGE, true, 0,
	  0 },
	{ "transpose 4096 x 4096, 2 bytes", transpose2, FAR, true, 0, 0 },
	{ "transpose 2048 x 4096, 4 bytes", transpose4, FAR, true, 0, 0 },
	{ "  in strips of 1 MiB, 1 byte", strips1, EDGE *EDGE, true, 0, 0 },
	{ "  in strips of 1 MiB, 2 bytes", strips2, FAR, true, 0, 0 },
	{ "transpose + e4m3 -> bf16", turn_and_decode, FAR, true, 3, 0.35 },
};
#define N_ROWS LENS_ARRAY_SIZE(rows)

static int by_value(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* The first pass warms up and tells how often the others repeat. */
static double speed(size_t i)
{
	double v[PASSES], start = now(), t;
	unsigned repeat;

	rows[i].fn();
	t = now() - start;
	repeat = t > 0 && t < PASS ? (unsigned)(PASS / t) + 1 : 1;
	for (unsigned p = 0; p < PASSES; p++) {
		start = now();
		for (unsigned n = 0; n < repeat; n++)
			rows[i].fn();
		v[p] = (double)rows[i].bytes * repeat / (now() - start) / 1e9;
	}
	qsort(v, PASSES, sizeof(*v), by_value);
	return v[PASSES / 2];
}

static void table(bool goals)
{
	double base[2] = { 0, 0 };

	printf("%-32s%9s%8s%10s%s\n", "one core", "variant", "GB/s", "/ memcpy",
	       goals ? "  goal" : "");
	for (size_t i = 0; i < N_ROWS; i++) {
		const double v = speed(i);

		if (i < 2)
			base[i] = v;
		printf("%-32s%9s%8.2f%10.2f", rows[i].name,
		       i < 2 ? "libc" : k.name, v, v / base[rows[i].far]);
		if (goals && rows[i].goal > 0)
			printf("  %.0f GB/s", rows[i].goal);
		if (goals && rows[i].share > 0)
			printf(", %.2f", rows[i].share);
		printf("\n");
	}
}

/* Panels and replies lie in huge pages where there are some. */
static unsigned char *room(size_t n)
{
	unsigned char *p = aligned_alloc(HUGE_PAGE, n);

	if (!p)
		exit(1);
	(void)madvise(p, n, MADV_HUGEPAGE);
	memset(p, 1, n);
	return p;
}

int main(void)
{
	in = room(FAR);
	out = room(HUGE_PAGE);
	turned = room(FAR);
	/* Codes without NaN, and small enough for what follows them. */
	for (size_t i = 0; i < FAR; i++)
		in[i] = (unsigned char)(i * 2654435761u >> 13) & 0x7b;
	k = *lens_kernels();
	table(true);
	if (strcmp(k.name, "scalar") != 0) {
		lens_kernels_init(&k, 0);
		table(false);
	}
	free(in);
	free(out);
	free(turned);
	return 0;
}

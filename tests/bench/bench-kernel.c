/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-kernel - the kernels alone: GB/s of what they write, and the ratio to
 * memcpy of as much in the same place (the second-level cache, or memory).
 *
 * Medians, in the thread's own time: others on the machine cost cache and
 * memory, but not their turns.
 */
#include "lens/codec.h"

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

/*
 * Formats as they are read: packed codes of LINES rows, unpacked and decoded
 * with their scales in groups; what the codec does between reading and
 * replying.
 */
#define LINE ((size_t)4096)
#define LINES (NEAR / 2 / LINE)

static struct format {
	struct lens_tensor scales, other;
	uint64_t shape[2], groups[2];
	struct lens_stored s;
	struct lens_window w[2];
} fp8, mxfp4, int4, int4_zero, nvfp4;
static float factors[LINES * LINE / 16];

/* Groups of @size columns; a second companion of @role, if it is no scale. */
static void set_up(struct format *f, unsigned bits, uint64_t size,
		   enum lens_companion_role role)
{
	static float values[16];
	const uint64_t n = LINE / size;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(factors); i++)
		factors[i] = 0.01f + 0.001f * (float)(i % 100);
	for (int i = 0; i < 16; i++)
		values[i] = (float)(i - 8);
	*f = (struct format){ .shape = { LINES, LINE },
			      .groups = { LINES, n } };
	f->scales = (struct lens_tensor){ .dtype = LENS_F32,
					  .rank = 2,
					  .shape = f->groups };
	f->s = (struct lens_stored){ .weight = &f->scales,
				     .dtype = LENS_BF16,
				     .rank = 2,
				     .shape = f->shape,
				     .code = bits ? LENS_U8 : LENS_F8_E4M3,
				     .values = bits ? values : NULL,
				     .via = LENS_DTYPE_INVALID,
				     .n_companions = role ? 2 : 1 };
	f->s.packing = (struct lens_packing){ .bits = (uint8_t)bits, .dim = 1 };
	if (!bits) { /* a code is what the tensor holds */
		f->other = f->scales;
		f->other.dtype = LENS_F8_E4M3;
		f->s.weight = &f->other;
	}
	for (unsigned i = 0; i < 2; i++) {
		struct lens_companion *c = &f->s.companion[i];

		lens_companion_init(c, &f->scales, i ? role : LENS_SCALE);
		c->dim[0] = 0;
		c->dim[1] = i && role != LENS_ZERO ? -1 : 1;
		c->div[1] = size;
		f->w[i] = (struct lens_window){ .values = factors,
						.stride = { n, 1 } };
	}
}

static void decode_rows(const struct format *f)
{
	for (uint64_t r = 0; r < LINES; r++) {
		const uint64_t at[2] = { r, 0 }, n[2] = { 1, LINE };
		const unsigned char *codes = in + r * LINE;
		static uint8_t unpacked[LINE];

		if (f->s.packing.bits) {
			lens_unpack(&f->s.packing, 2, at, n, in + r * LINE / 2,
				    unpacked);
			codes = unpacked;
		}
		lens_stored_decode(&f->s, f->w, codes, at, 1, 1, LINE,
				   out + r * LINE * 2);
	}
}

static void decode_fp8(void)
{
	decode_rows(&fp8);
}

static void decode_mxfp4(void)
{
	decode_rows(&mxfp4);
}

static void decode_int4(void)
{
	decode_rows(&int4);
}

static void decode_int4_zero(void)
{
	decode_rows(&int4_zero);
}

static void decode_nvfp4(void)
{
	decode_rows(&nvfp4);
}

static void set_up_formats(void)
{
	set_up(&fp8, 0, 128, LENS_SCALE);
	set_up(&mxfp4, 4, 32, LENS_SCALE);
	set_up(&int4, 4, 32, LENS_SCALE);
	set_up(&int4_zero, 4, 128, LENS_ZERO);
	set_up(&nvfp4, 4, 16, LENS_OVER);
}

static void unpack4(void)
{
	k.unpack4(out, in, NEAR);
}

static void code4_bf16(void)
{
	k.code4_bf16(pairs(out), in + FAR / 2, LINES * LINE / 32, 32,
		     mxfp4.s.values, factors, factors);
}

/* Weights to quantize, bell-shaped as training leaves them; and numbers that
 * become each code as often. */
static uint16_t bells[NEAR], flats[NEAR];
static struct lens_steps steps;

static void set_up_weights(void)
{
	const float scale = 0.013f;
	uint32_t x = 1;

	(void)lens_steps_make(&steps, scale);
	for (size_t i = 0; i < NEAR; i++) {
		float sum = -6;
		uint8_t code;

		for (unsigned j = 0; j < 12; j++) {
			x = x * 1664525 + 1013904223;
			sum += (float)(x >> 8) * 0x1p-24f;
		}
		code = (uint8_t)(x >> 16);
		if ((code & 0x7f) == 0x7f)
			code ^= 1;
		bells[i] = lens_f32_to_bf16(sum * scale * 80);
		flats[i] = lens_f32_to_bf16(lens_e4m3_f32(code) * scale);
	}
}

static void quotients(void)
{
	k.bf16_e4m3_by(out, bells, NEAR, steps.scale);
}

static void quotients_runs(void)
{
	for (size_t i = 0; i < NEAR; i += 128)
		k.bf16_e4m3_by(out + i, bells + i, 128, steps.scale);
}

static void by_steps(void)
{
	k.bf16_e4m3_steps(out, NEAR, bells, NEAR, 1, NEAR, &steps);
}

static void by_steps_flat(void)
{
	k.bf16_e4m3_steps(out, NEAR, flats, NEAR, 1, NEAR, &steps);
}

static void by_steps_lines(void)
{
	for (size_t i = 0; i < NEAR; i += 64 * 128)
		k.bf16_e4m3_steps(out + i, 128, bells + i, 128, 64, 128,
				  &steps);
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
	{ "nibbles -> bytes", unpack4, NEAR, false, 0, 0 },
	{ "4 bits -> bf16, groups of 32", code4_bf16, NEAR, false, 3, 0 },
	{ "bf16 -> f32", bf16_f32, NEAR, false, 0, 0 },
	{ "f16 -> f32", f16_f32, NEAR, false, 0, 0 },
	{ "f32 -> bf16", f32_bf16, NEAR, false, 0, 0 },
	{ "f32 -> f16", f32_f16, NEAR, false, 0, 0 },
	{ "f32 -> e4m3", f32_e4m3, NEAR, false, 0, 0 },
	{ "bf16 / scale -> e4m3", quotients, NEAR, false, 0, 0 },
	{ "  in runs of 128", quotients_runs, NEAR, false, 0, 0 },
	{ "  by steps", by_steps, NEAR, false, 0, 0 },
	{ "  by steps, each code as often", by_steps_flat, NEAR, false, 0, 0 },
	{ "  by steps, 64 lines of 128", by_steps_lines, NEAR, false, 0, 0 },
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
	{ "codec: FP8, blocks of 128", decode_fp8, NEAR, false, 6, 0 },
	{ "codec: MXFP4", decode_mxfp4, NEAR, false, 3, 0 },
	{ "codec: INT4, groups of 32", decode_int4, NEAR, false, 3, 0 },
	{ "codec: INT4, 128, zero points", decode_int4_zero, NEAR, false, 3,
	  0 },
	{ "codec: NVFP4", decode_nvfp4, NEAR, false, 2.5, 0 },
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
		double v;

		/* Codecs take this machine's kernels, whatever is in k. */
		if (!goals && strncmp(rows[i].name, "codec", 5) == 0)
			continue;
		v = speed(i);

		if (i < 2)
			base[i] = v;
		printf("%-32s%9s%8.2f%10.2f", rows[i].name,
		       i < 2 ? "libc" : k.name, v, v / base[rows[i].far]);
		if (goals && rows[i].goal > 0)
			printf("  %.3g GB/s", rows[i].goal);
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
	for (size_t i = FAR / 2; i < FAR / 2 + NEAR; i++)
		in[i] &= 15;
	k = *lens_kernels();
	set_up_weights();
	set_up_formats();
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - values to FP8 codes: q = e4m3(f32(value) / f32(scale)), the
 * quotient rounded to f32, then to nearest even; what is beyond 448 is 448
 * (formats.md 3.10).
 */
#include "plan/state.h"

#include <errno.h>
#include <math.h>

#define AT_ONCE 512 /* values, on the stack */
#define MANY 4096   /* values that are worth making steps for */
#define LARGEST 448.0f
#define INFINITE 0x7f800000u

struct lens_encoder *lens_encoder_new(struct lens_plan *p,
				      const struct lens_virtual *v, size_t n)
{
	struct lens_encoder *e = lens_arena_alloc(&p->arena, sizeof(*e));

	if (!e)
		return NULL;
	e->from = v->dtype;
	e->rank = v->rank;
	for (unsigned d = 0; d < LENS_DIMS; d++)
		e->div[d] = 1;
	e->n = n;
	e->scale = lens_arena_alloc(&p->arena, (n ? n : 1) * sizeof(float));
	return e->scale ? e : NULL;
}

/* Can values of at most @most, as the bits of an f32, be divided by @scale?
 * Infinity can where 448 * @scale, what the largest code reads as, is infinity
 * for values of their dtype, too: that code comes back. */
static bool can_encode(const struct lens_encoder *e, float scale, uint32_t most)
{
	float largest = LARGEST * fabsf(scale);
	unsigned char raw[sizeof(largest)];

	if (e->made_by || most < INFINITE)
		return true;
	if (most != INFINITE || !lens_from_f32(e->from, raw, &largest, 1))
		return false;
	(void)lens_to_f32(e->from, &largest, raw, 1);
	return isinf(largest);
}

/* The steps of @scale, if it comes for a second time in this place or for many
 * values. */
static const struct lens_steps *steps_of(struct lens_stepped *s, float scale,
					 size_t n)
{
	const bool worth = s->asked == scale || n >= MANY;

	s->asked = scale;
	if (s->steps.scale == scale ||
	    (worth && lens_steps_make(&s->steps, scale)))
		return &s->steps;
	return NULL;
}

/* Numbers of BF16, and nothing else among them? */
static bool bf16_numbers(const struct lens_encoder *e,
			 const struct lens_uncoded *u)
{
	if (e->from != LENS_BF16)
		return false;
	for (size_t j = 0; !e->made_by && j < u->lines; j++)
		if ((uint32_t)lens_kernels()->most16(
			    (const void *)(u->values + j * u->stride), u->n)
			    << 16 >=
		    INFINITE)
			return false;
	return true;
}

static void encode_bf16(float scale, const struct lens_uncoded *u,
			struct lens_stepped *s)
{
	const struct lens_kernels *k = lens_kernels();
	const struct lens_steps *steps = steps_of(s, scale, u->lines * u->n);

	if (steps) {
		k->bf16_e4m3_steps(u->dst, u->dst_stride,
				   (const void *)u->values, u->stride / 2,
				   u->lines, u->n, steps);
		return;
	}
	for (size_t j = 0; j < u->lines; j++)
		k->bf16_e4m3_by(u->dst + j * u->dst_stride,
				(const void *)(u->values + j * u->stride), u->n,
				scale);
}

/* A line of anything, by way of f32. */
static bool encode_line(const struct lens_encoder *e, float scale,
			const char *values, size_t n, uint8_t *dst)
{
	const struct lens_kernels *k = lens_kernels();
	const size_t es = lens_dtype_bits(e->from) / 8;
	float f[AT_ONCE];

	for (size_t i = 0, m; i < n; i += m) {
		m = n - i < AT_ONCE ? n - i : AT_ONCE;
		(void)lens_to_f32(e->from, f, values + i * es, m);
		if (!can_encode(e, scale, k->most32(f, m)))
			return false;
		k->f32_e4m3_by(dst + i, f, m, scale);
	}
	return true;
}

/* Values that all have one scale. */
static bool encode_block(const struct lens_encoder *e, float scale,
			 const struct lens_uncoded *u, struct lens_stepped *s)
{
	if (bf16_numbers(e, u)) {
		encode_bf16(scale, u, s);
		return true;
	}
	for (size_t j = 0; j < u->lines; j++)
		if (!encode_line(e, scale, u->values + j * u->stride, u->n,
				 u->dst + j * u->dst_stride))
			return false;
	return true;
}

/* How many of @n indexes from @x on have the scale of @x along dimension @d;
 * @block: which one that is. */
static size_t alike(const struct lens_encoder *e, unsigned d, uint64_t x,
		    size_t n, uint64_t *block)
{
	uint64_t left;

	*block = e->stride[d] ? x / e->div[d] : 0;
	left = e->stride[d] ? (*block + 1) * e->div[d] - x : n;
	return left < n ? (size_t)left : n;
}

bool lens_encode(const struct lens_encoder *e, const struct lens_uncoded *u,
		 struct lens_stepped *s)
{
	const size_t es = lens_dtype_bits(e->from) / 8;
	const float *scale = e->scale;
	struct lens_uncoded part = *u;
	uint64_t y = 0, x;

	for (unsigned d = 0; d < e->rank; d++)
		if (d != u->dim && (d != u->across || u->lines == 1))
			scale += u->at[d] / e->div[d] * e->stride[d];
	for (size_t j = 0; j < u->lines; j += part.lines) {
		part.lines = 1;
		if (u->lines > 1)
			part.lines = alike(e, u->across, u->at[u->across] + j,
					   u->lines - j, &y);
		for (size_t i = 0; i < u->n; i += part.n) {
			part.n = alike(e, u->dim, u->at[u->dim] + i, u->n - i,
				       &x);
			part.values = u->values + j * u->stride + i * es;
			part.dst = u->dst + j * u->dst_stride + i;
			if (!encode_block(e,
					  scale[y * e->stride[u->across] +
						x * e->stride[u->dim]],
					  &part, &s[x % LENS_STEPPED]))
				return false;
		}
	}
	return true;
}

int lens_scales_for(const struct lens_plan *p, const struct lens_out *o,
		    const uint64_t *outer, struct lens_err *err)
{
	const struct lens_reduction *r = o->encoder->made_by;
	const size_t u = r && r->units > 1 ? (size_t)outer[0] : 0;

	return r ? lens_scales_make(p, o->encoder, u, u + 1, err) : 0;
}

int lens_scales_read(const struct lens_plan *p, const struct lens_encoder *e,
		     uint64_t e0, uint64_t e1, void *dst, struct lens_err *err)
{
	const struct lens_reduction *r = e->made_by;
	const uint64_t per = r && r->units ? e->n / r->units : 1;

	if (r && lens_scales_make(p, e, (size_t)(e0 / per),
				  (size_t)((e1 + per - 1) / per), err) < 0)
		return -err->code;
	memcpy(dst, e->scale + e0, (size_t)(e1 - e0) * sizeof(float));
	return 0;
}

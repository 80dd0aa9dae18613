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

/* The steps of @scale, if they are there or it comes for a second time in this
 * place: to make them takes as long as some thousand values. */
static const struct lens_steps *steps_of(struct lens_stepped *s, float scale)
{
	const bool again = s->asked == scale;

	s->asked = scale;
	if (s->steps.scale == scale ||
	    (again && lens_steps_make(&s->steps, scale)))
		return &s->steps;
	return NULL;
}

/* Values that all have one scale. */
static bool encode_run(const struct lens_encoder *e, float scale,
		       const void *values, size_t n, uint8_t *dst,
		       struct lens_stepped *s)
{
	const struct lens_kernels *k = lens_kernels();
	const size_t es = lens_dtype_bits(e->from) / 8;
	float f[AT_ONCE];

	if (e->from == LENS_BF16 &&
	    (e->made_by || (uint32_t)k->most16(values, n) << 16 < INFINITE)) {
		const struct lens_steps *steps = steps_of(s, scale);

		if (steps)
			k->bf16_e4m3_steps(dst, values, n, steps);
		else
			k->bf16_e4m3_by(dst, values, n, scale);
		return true;
	}
	for (size_t i = 0, m; i < n; i += m) {
		m = n - i < AT_ONCE ? n - i : AT_ONCE;
		(void)lens_to_f32(e->from, f, (const char *)values + i * es, m);
		if (!can_encode(e, scale, k->most32(f, m)))
			return false;
		k->f32_e4m3_by(dst + i, f, m, scale);
	}
	return true;
}

bool lens_encode(const struct lens_encoder *e, const uint64_t *at, unsigned dim,
		 const void *values, size_t n, uint8_t *dst,
		 struct lens_stepped *s)
{
	const size_t es = lens_dtype_bits(e->from) / 8;
	const float *scale = e->scale;

	for (unsigned d = 0; d < e->rank; d++)
		if (d != dim)
			scale += at[d] / e->div[d] * e->stride[d];
	for (size_t i = 0, m; i < n; i += m) {
		const uint64_t x = at[dim] + i;
		const uint64_t block = e->stride[dim] ? x / e->div[dim] : 0;

		m = n - i;
		if (e->stride[dim] && m > (block + 1) * e->div[dim] - x)
			m = (size_t)((block + 1) * e->div[dim] - x);
		if (!encode_run(e, scale[block * e->stride[dim]],
				(const char *)values + i * es, m, dst + i,
				&s[block % LENS_STEPPED]))
			return false;
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

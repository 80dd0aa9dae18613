/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - the arithmetic of all codecs: (code - zero) * scale, the product
 * rounded to f32, to the dtype it goes through if there is one, and to the
 * target.
 *
 * A line is cut into runs that share scale and zero.  Codes of 4 bits at most
 * are a table of their products then.  Where each element has a scale of its
 * own, scales and zeros are laid out beside the codes.
 */
#include "codec/codecs.h"

#define AT_ONCE 256 /* elements, on the stack */
#define SHORT 8     /* a run that is not worth a table */
#define GROUPS 64   /* at once */

void lens_companion_init(struct lens_companion *c, const struct lens_tensor *t,
			 enum lens_companion_role role)
{
	*c = (struct lens_companion){
		.tensor = t,
		.role = role,
		.dtype = t->dtype,
		.lookup = -1,
		.rank = t->rank,
		.shape = t->shape,
	};
	for (unsigned k = 0; k < LENS_DIMS; k++) {
		c->dim[k] = -1;
		c->div[k] = 1;
	}
}

uint64_t lens_companion_index(const struct lens_companion *c, unsigned k,
			      uint64_t x)
{
	const uint64_t div = c->div[k], period = c->period[k];

	if (!period)
		return x / div;
	return x / period * ((period + div - 1) / div) + x % period / div;
}

unsigned lens_stored_code_size(const struct lens_stored *s)
{
	return s->packing.bits ? 1 : lens_dtype_bits(s->weight->dtype) / 8;
}

bool lens_stored_runs(const struct lens_stored *s, unsigned dim)
{
	for (unsigned i = 0; i < s->n_companions; i++) {
		const struct lens_companion *c = &s->companion[i];

		for (unsigned k = 0; k < c->rank; k++)
			if (c->dim[k] == (int)dim && c->shape[k] > 1 &&
			    (c->div[k] < 16 || c->lookup == (int)k))
				return false;
	}
	return true;
}

/* A companion along a line. */
struct along {
	const float *v; /* of its index 0 there, less what was not read */
	uint64_t stride;
	const struct lens_companion *c;
	int k; /* its dimension that the line runs in; -1: it is constant */
	const struct along *lookup;
};

static struct along along(const struct lens_stored *s, unsigned i,
			  const struct lens_window *w, const struct along *all,
			  const uint64_t *at, unsigned dim)
{
	const struct lens_companion *c = &s->companion[i];
	struct along a = { .c = c, .k = -1 };
	uintptr_t first = (uintptr_t)w[i].values;

	for (unsigned k = 0; k < c->rank; k++) {
		const bool looked = c->lookup == (int)k;
		uint64_t index = 0;

		if (c->dim[k] < 0)
			continue;
		if ((unsigned)c->dim[k] == dim) {
			a.k = (int)k;
			a.stride = w[i].stride[k];
			a.lookup = looked ? &all[c->in] : NULL;
		} else if (looked) {
			index = (uint64_t)*all[c->in].v;
		} else {
			index = lens_companion_index(c, k, at[c->dim[k]]);
		}
		first += (index - w[i].origin[k]) * w[i].stride[k] *
			 sizeof(float);
	}
	a.v = (const float *)first;
	return a;
}

/* Its value at index @x of the line. */
static float value_at(const struct along *a, uint64_t x)
{
	if (a->k < 0)
		return *a->v;
	if (a->lookup)
		x = (uint64_t)value_at(a->lookup, x);
	else
		x = lens_companion_index(a->c, (unsigned)a->k, x);
	return *(const float *)((uintptr_t)a->v +
				x * a->stride * sizeof(float));
}

/* How many indexes from @x on have the same; 0: all there are. */
static uint64_t run_at(const struct along *a, uint64_t x)
{
	const unsigned k = (unsigned)a->k;
	uint64_t rest;

	if (a->k < 0)
		return 0;
	if (a->lookup)
		return 1;
	if (!a->c->period[k])
		return a->c->div[k] - x % a->c->div[k];
	x %= a->c->period[k];
	rest = a->c->div[k] - x % a->c->div[k];
	return rest < a->c->period[k] - x ? rest : a->c->period[k] - x;
}

struct line {
	const struct lens_stored *s;
	unsigned code, out; /* bytes of a code, of an element */
	bool indirect;      /* by way of another dtype than the target */
	unsigned n;
	struct along a[LENS_COMPANIONS];
};

/* Scale and zero at index @x. */
static float scale_at(const struct line *l, uint64_t x, float *zero)
{
	float scale = 1.0f;

	*zero = 0;
	for (unsigned i = 0; i < l->n; i++) {
		const enum lens_companion_role role = l->a[i].c->role;
		float v;

		if (role == LENS_LOOKUP)
			continue;
		v = value_at(&l->a[i], x);
		if (role == LENS_SCALE)
			scale = v;
		else if (role == LENS_TIMES)
			scale = scale * v;
		else if (role == LENS_OVER)
			scale = scale / v;
		else
			*zero = v;
	}
	return scale;
}

/* Products in f32, rounded to what they go through. */
static void detour(const struct lens_stored *s, float *v, size_t n)
{
	uint16_t narrow[AT_ONCE];

	if (s->via == LENS_DTYPE_INVALID || s->via == LENS_F32 ||
	    s->via == s->dtype)
		return;
	(void)lens_from_f32(s->via, narrow, v, n);
	(void)lens_to_f32(s->via, v, narrow, n);
}

/* Products in f32 to the target; they are overwritten. */
static void finish(const struct lens_stored *s, float *v, size_t n, void *dst)
{
	detour(s, v, n);
	(void)lens_from_f32(s->dtype, dst, v, n);
}

/* Values of codes, less what is taken off all of them. */
static void widen(const struct lens_stored *s, const void *codes, size_t n,
		  float *v)
{
	const uint8_t *c = codes;

	if (!s->values)
		(void)lens_to_f32(s->code, v, codes, n);
	for (size_t i = 0; i < n && s->values; i++)
		v[i] = s->values[c[i]];
	for (size_t i = 0; i < n && s->zero != 0; i++)
		v[i] -= s->zero;
}

/* Each with a scale of its own. */
static void decode_mixed(const struct line *l, const void *codes, uint64_t x,
			 uint64_t step, size_t n, void *dst)
{
	float v[AT_ONCE], scale[AT_ONCE], zero[AT_ONCE];

	for (size_t i = 0; i < n; i++)
		scale[i] = scale_at(l, x + i * step, &zero[i]);
	widen(l->s, codes, n, v);
	for (size_t i = 0; i < n; i++) {
		const float p = (v[i] - zero[i]) * scale[i];

		v[i] = p == p ? p : __builtin_nanf("");
	}
	finish(l->s, v, n, dst);
}

/* Elements by a table of the 16 that there are. */
static void look_up(const void *table, unsigned es, const uint8_t *codes,
		    size_t n, void *dst)
{
	uint32_t wide[16];
	uint16_t narrow[16];

	if (es == 2) {
		memcpy(narrow, table, sizeof(narrow));
		for (size_t i = 0; i < n; i++)
			memcpy((char *)dst + i * 2, &narrow[codes[i]], 2);
		return;
	}
	memcpy(wide, table, sizeof(wide));
	for (size_t i = 0; i < n; i++)
		memcpy((char *)dst + i * 4, &wide[codes[i]], 4);
}

/* Codes of 4 bits with one scale: the 16 products, rounded as they go. */
static void decode_table(const struct lens_stored *s, const uint8_t *codes,
			 float scale, float zero, size_t n, void *dst)
{
	static const float one = 1.0f, none = 0.0f;
	unsigned char table[16 * 4];
	float v[16];

	for (unsigned i = 0; i < 16; i++)
		v[i] = s->values[i] - zero;
	lens_kernels()->scale_f32(v, v, 16, scale);
	if (s->dtype == LENS_BF16) {
		detour(s, v, 16);
		lens_kernels()->code4_bf16(dst, codes, 1, n, v, &one, &none);
		return;
	}
	finish(s, v, 16, table);
	look_up(table, lens_dtype_bits(s->dtype) / 8, codes, n, dst);
}

/* All with one scale. */
static void decode_run(const struct line *l, const void *codes, float scale,
		       float zero, size_t n, void *dst)
{
	const struct lens_stored *s = l->s;
	float v[AT_ONCE];

	if (s->values && s->dtype == LENS_BF16 && !l->indirect) {
		lens_kernels()->code4_bf16(dst, codes, 1, n, s->values, &scale,
					   &zero);
		return;
	}
	if (s->values) {
		decode_table(s, codes, scale, zero, n, dst);
		return;
	}
	if (zero == 0 && s->zero == 0 && !l->indirect) {
		(void)lens_decode(s->dtype, dst, s->code, codes, n, scale);
		return;
	}
	for (size_t i = 0, m; i < n; i += m) {
		m = n - i < AT_ONCE ? n - i : AT_ONCE;
		widen(s, (const char *)codes + i * l->code, m, v);
		for (size_t k = 0; k < m && zero != 0; k++)
			v[k] -= zero;
		lens_kernels()->scale_f32(v, v, m, scale);
		finish(s, v, m, (char *)dst + i * l->out);
	}
}

/* The size of groups that share scale and zero, if index @x begins one and all
 * companions keep to them; 0: they don't. */
static uint64_t group_at(const struct line *l, uint64_t x)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < l->n; i++) {
		const struct along *a = &l->a[i];
		uint64_t div;

		if (a->k < 0)
			continue;
		div = a->c->div[a->k];
		if (a->lookup || a->c->role == LENS_LOOKUP ||
		    a->c->period[a->k] || (size && div != size))
			return 0;
		size = div;
	}
	return size >= SHORT && x % size == 0 ? size : 0;
}

/* One companion's share in the scales and zeros of @n groups from @x on. */
static void fill_groups(const struct along *a, uint64_t x, size_t n,
			float *scale, float *zero)
{
	const uint64_t step = a->k < 0 ? 0 : a->stride;
	const float *v =
		a->k < 0 ? a->v :
			   (const float *)((uintptr_t)a->v +
					   lens_companion_index(
						   a->c, (unsigned)a->k, x) *
						   step * sizeof(float));

	switch (a->c->role) {
	case LENS_SCALE:
		for (size_t i = 0; i < n; i++)
			scale[i] = v[i * step];
		break;
	case LENS_TIMES:
		for (size_t i = 0; i < n; i++)
			scale[i] = scale[i] * v[i * step];
		break;
	case LENS_OVER:
		for (size_t i = 0; i < n; i++)
			scale[i] = scale[i] / v[i * step];
		break;
	default:
		for (size_t i = 0; i < n; i++)
			zero[i] = v[i * step];
		break;
	}
}

/* @n whole groups of @size from index @x on. */
static void decode_groups(const struct line *l, const void *codes, uint64_t x,
			  uint64_t size, size_t n, void *dst)
{
	float scale[GROUPS], zero[GROUPS] = { 0 };

	for (unsigned i = 0; i < l->n; i++)
		fill_groups(&l->a[i], x, n, scale, zero);
	if (l->s->values && l->s->dtype == LENS_BF16 && !l->indirect) {
		lens_kernels()->code4_bf16(dst, codes, n, (size_t)size,
					   l->s->values, scale, zero);
		return;
	}
	for (size_t g = 0; g < n; g++)
		decode_run(l, (const char *)codes + g * size * l->code,
			   scale[g], zero[g], (size_t)size,
			   (char *)dst + g * size * l->out);
}

/* How many of @n elements from index @x on have the same scale and zero. */
static size_t run_of(const struct line *l, uint64_t x, uint64_t step, size_t n)
{
	for (unsigned i = 0; i < l->n; i++) {
		const uint64_t run = l->a[i].c->role == LENS_LOOKUP ?
					     0 :
					     run_at(&l->a[i], x);

		if (run && (run + step - 1) / step < n)
			n = (size_t)((run + step - 1) / step);
	}
	return n;
}

/* One step of a line: how many of its next @n elements were decoded. */
static size_t decode_next(const struct line *l, const void *codes, uint64_t x,
			  uint64_t step, size_t n, void *dst)
{
	const uint64_t size = step == 1 ? group_at(l, x) : 0;
	float scale, zero;
	size_t m;

	if (size && size <= n) {
		m = (size_t)(n / size < GROUPS ? n / size : GROUPS);
		decode_groups(l, codes, x, size, m, dst);
		return m * (size_t)size;
	}
	m = run_of(l, x, step ? step : 1, n);
	if (m >= SHORT || m == n) {
		scale = scale_at(l, x, &zero);
		decode_run(l, codes, scale, zero, m, dst);
		return m;
	}
	m = n < AT_ONCE ? n : AT_ONCE;
	decode_mixed(l, codes, x, step, m, dst);
	return m;
}

void lens_stored_decode(const struct lens_stored *s,
			const struct lens_window *w, const void *codes,
			const uint64_t *at, unsigned dim, uint64_t step,
			size_t n, void *dst)
{
	struct line l = { .s = s,
			  .code = lens_stored_code_size(s),
			  .out = lens_dtype_bits(s->dtype) / 8,
			  .indirect = s->via != LENS_DTYPE_INVALID &&
				      s->via != LENS_F32 && s->via != s->dtype,
			  .n = s->n_companions };

	for (unsigned i = 0; i < l.n; i++)
		l.a[i] = along(s, i, w, l.a, at, dim);
	for (size_t i = 0; i < n;)
		i += decode_next(&l, (const char *)codes + i * l.code,
				 s->rank ? at[dim] + i * step : 0, step, n - i,
				 (char *)dst + i * l.out);
}

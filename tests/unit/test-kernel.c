/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-kernel - number formats: every variant of every kernel against the
 * formats' definitions, in double, which holds all of them and the product of
 * any two.
 */
#include "kernels.h"

#include <math.h>

#define ALL 65536

/* Formats of a sign, exponent bits and @m mantissa bits. */
struct format {
	enum lens_dtype dtype;
	int bits, m, bias;
	enum { IEEE, FN, FNUZ } kind; /* what the topmost codes are */
	double max;
	unsigned nan; /* the canonical one */
};

static const struct format formats[] = {
	{ LENS_F8_E4M3, 8, 3, 7, FN, 448, 0x7f },
	{ LENS_F8_E5M2, 8, 2, 15, IEEE, 57344, 0x7e },
	{ LENS_F8_E4M3FNUZ, 8, 3, 8, FNUZ, 240, 0x80 },
	{ LENS_F8_E5M2FNUZ, 8, 2, 16, FNUZ, 57344, 0x80 },
	{ LENS_F16, 16, 10, 15, IEEE, 65504, 0x7e00 },
	{ LENS_BF16, 16, 7, 127, IEEE, 0x1.fep127, 0x7fc0 },
};
static const struct format *const e4m3 = &formats[0], *const f16 = &formats[4],
				  *const bf16 = &formats[5];
static const struct format f32 = { LENS_F32,       32,        23, 127, IEEE,
				   0x1.fffffep127, 0x7fc00000 };

/* The number that @code is. */
static double value(const struct format *f, uint64_t code)
{
	const int n = f->bits - 1, m = f->m, top = (1 << (n - m)) - 1;
	const int64_t mag = (int64_t)(code & ((1ull << n) - 1)), e = mag >> m,
		      frac = mag & ((1 << m) - 1);
	const bool minus = code >> n & 1;
	double v = e ? ldexp((double)(frac + (1 << m)), (int)e - f->bias - m) :
		       ldexp((double)frac, 1 - f->bias - m);

	if (f->kind == IEEE && e == top)
		v = frac ? NAN : INFINITY;
	if (f->kind == FN && mag == (1 << n) - 1)
		v = NAN;
	if (f->kind == FNUZ && minus && !mag)
		v = NAN;
	return minus ? -v : v;
}

/* The number of the format that is nearest, even if there are two. */
static double nearest(const struct format *f, double v)
{
	int e = v == 0 || !isfinite(v) ? 0 : ilogb(v);
	double ulp, r;

	if (!isfinite(v))
		return v;
	e = e < 1 - f->bias ? 1 - f->bias : e;
	ulp = ldexp(1, e - f->m);
	r = copysign(rint(v / ulp) * ulp, v);
	if (fabs(r) > f->max)
		return copysign(f->kind == FN ? f->max : INFINITY, v);
	return r;
}

/* Is @code the canonical NaN, where v is one, or v with its sign? */
static bool is(const struct format *f, uint64_t code, double v)
{
	const double got = value(f, code);

	if (isnan(v))
		return code == f->nan;
	return got == v && !signbit(got) == !signbit(v);
}

static uint32_t bits_of(float v)
{
	uint32_t u;

	memcpy(&u, &v, sizeof(u));
	return u;
}

static float float_of(uint32_t u)
{
	float v;

	memcpy(&v, &u, sizeof(v));
	return v;
}

START_TEST(every_code_is_what_its_format_says)
{
	const struct format *f = &formats[_i];
	const unsigned n = 1u << f->bits;
	static uint8_t bytes[256];
	static uint16_t pairs[ALL];
	static float got[ALL];

	for (unsigned c = 0; c < n; c++) {
		pairs[c] = (uint16_t)c;
		bytes[c % 256] = (uint8_t)c;
	}
	ck_assert(lens_to_f32(f->dtype, got,
			      f->bits == 8 ? (void *)bytes : pairs, n));
	for (unsigned c = 0; c < n; c++)
		if (!is(&f32, bits_of(got[c]), value(f, c)))
			ck_abort_msg("%s %#x is %a, not %a",
				     lens_dtype_name(f->dtype), c, got[c],
				     value(f, c));
}
END_TEST

START_TEST(one_at_a_time)
{
	for (unsigned c = 0; c < 256; c++) {
		const double e8m0 = c == 255 ? NAN : ldexp(1, (int)c - 127);
		const uint8_t code = (uint8_t)c;
		float v;

		ck_assert(
			is(&f32, bits_of(lens_e4m3_f32(code)), value(e4m3, c)));
		ck_assert(is(&f32, bits_of(lens_e5m2_f32(code)),
			     value(&formats[1], c)));
		ck_assert(is(&f32, bits_of(lens_e8m0_f32(code)), e8m0));
		ck_assert(lens_to_f32(LENS_F8_E8M0, &v, &code, 1));
		ck_assert(is(&f32, bits_of(v), e8m0));
	}
	for (unsigned c = 0; c < ALL; c++)
		if (!is(&f32, bits_of(lens_f16_to_f32((uint16_t)c)),
			value(f16, c)) ||
		    !is(&f32, bits_of(lens_bf16_to_f32((uint16_t)c)),
			value(bf16, c)))
			ck_abort_msg("%#x", c);
}
END_TEST

START_TEST(every_half_widens)
{
	static uint16_t src[ALL];
	static float a[ALL], b[ALL];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned v = 0; v < ALL; v++)
		src[v] = (uint16_t)v;
	k.f16_f32(a, src, ALL);
	k.bf16_f32(b, src, ALL);
	for (unsigned v = 0; v < ALL; v++)
		if (!is(&f32, bits_of(a[v]), value(f16, v)) ||
		    !is(&f32, bits_of(b[v]), value(bf16, v)))
			ck_abort_msg("%#x widens to %a and %a", v, a[v], b[v]);
}
END_TEST

static void narrow_all(const struct lens_kernels *k, const float *src)
{
	static uint16_t h[ALL], b[ALL];
	static uint8_t q[ALL];

	k->f32_f16(h, src, ALL);
	k->f32_bf16(b, src, ALL);
	k->f32_e4m3(q, src, ALL);
	for (unsigned i = 0; i < ALL; i++) {
		const double v = src[i];
		/* A NaN's sign is kept in E4M3 and nowhere else. */
		const unsigned code =
			isnan(v) ? q[i] ^ (bits_of(src[i]) >> 24 & 0x80) : q[i];
		const double most = isinf(v) ? copysign(448, v) : v;

		if (!is(f16, h[i], nearest(f16, v)) ||
		    !is(bf16, b[i], nearest(bf16, v)) ||
		    !is(e4m3, code, nearest(e4m3, most)))
			ck_abort_msg("%a (%#x): %#x %#x %#x", v,
				     bits_of(src[i]), h[i], b[i], q[i]);
	}
}

/* Every upper half of a float with lower halves at and around every place where
 * the rounding of one of the formats is decided; then any bits. */
START_TEST(narrowing_rounds_to_nearest_even)
{
	static const uint16_t low[] = {
		0,      1,      0x0fff, 0x1000, 0x1001, 0x1fff, 0x2000,
		0x3000, 0x3001, 0x5000, 0x6fff, 0x7000, 0x7fff, 0x8000,
		0x8001, 0x9000, 0xb000, 0xd000, 0xf000, 0xffff,
	};
	static float src[ALL];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (size_t l = 0; l < LENS_ARRAY_SIZE(low); l++) {
		for (unsigned i = 0; i < ALL; i++)
			src[i] = float_of(i << 16 | low[l]);
		narrow_all(&k, src);
	}
	for (unsigned round = 0; round < 8; round++) {
		fill(src, sizeof(src));
		narrow_all(&k, src);
	}
}
END_TEST

static const float scales[] = {
	1.0f,
	0.5f,
	1.5f,
	-2.75f,
	0.007f,
	3e-5f,
	1.0f / 448,
	0x1.fffffep-1f,
	0x1.000002p0f,
	/* Some product lies beside the middle between two numbers of BF16 (the
	 * first four) or F16, and on it once it is rounded to f32. */
	0x1.02aaaap0f,
	0x1.0ae8bap-3f,
	0x1.009d8ap5f,
	-0x1.0a2222p-9f,
	0x1.001c72p0f,
	0x1.001746p-3f,
	0x1.0089d8p4f,
	-0x1.00999ap-5f,
	/* Where all products stop being normal, at either end. */
	0x1p-120f,
	-0x1p-120f,
	0x1.fffffep-121f,
	0x1p-126f,
	1e-41f,
	0x1p-149f,
	0x1.fffffep118f,
	-0x1p119f,
	0x1.249248p119f,
	0x1.2cp119f,
	0x1p120f,
	-0x1.8p126f,
	0x1.fffffep127f,
	0.0f,
	-0.0f,
	INFINITY,
	-INFINITY,
	NAN,
};
#define N_SCALES ((int)LENS_ARRAY_SIZE(scales))

/* Rounded to f32, then once more; what the first rounding decides is counted.
 */
static void decode_all(const struct lens_kernels *k, float scale,
		       unsigned *to_bf16, unsigned *to_f16)
{
	static uint8_t src[256 * 9];
	static uint16_t b[sizeof(src)], h[sizeof(src)];
	static float f[sizeof(src)];

	/* Each code in many places of a vector, beside NaN and not. */
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i + i / 256 * 7);
	for (size_t i = 256 * 5; i < sizeof(src); i++)
		if (isnan(value(e4m3, src[i])))
			src[i] = (uint8_t)i & 0xbf;
	k->e4m3_bf16(b, src, sizeof(src), scale);
	k->e4m3_f16(h, src, sizeof(src), scale);
	k->e4m3_f32(f, src, sizeof(src), scale);
	for (size_t i = 0; i < sizeof(src); i++) {
		const double v = value(e4m3, src[i]) * scale,
			     p = nearest(&f32, v);

		*to_bf16 += !isnan(v) && nearest(bf16, v) != nearest(bf16, p);
		*to_f16 += !isnan(v) && nearest(f16, v) != nearest(f16, p);
		if (!is(bf16, b[i], nearest(bf16, p)) ||
		    !is(f16, h[i], nearest(f16, p)) ||
		    !is(&f32, bits_of(f[i]), p))
			ck_abort_msg("code %#x times %a: %#x %#x %a", src[i],
				     scale, b[i], h[i], f[i]);
	}
}

START_TEST(products_round_to_f32_and_once_more)
{
	struct lens_kernels k;
	unsigned to_bf16 = 0, to_f16 = 0;

	lens_kernels_init(&k, masks[_i]);
	for (int i = 0; i < N_SCALES; i++)
		decode_all(&k, scales[i], &to_bf16, &to_f16);
	ck_assert_uint_gt(to_bf16, 0);
	ck_assert_uint_gt(to_f16, 0);
	for (unsigned i = 0; i < 300; i++)
		decode_all(&k, float_of(rnd()), &to_bf16, &to_f16);
}
END_TEST

START_TEST(any_two_floats_multiply)
{
	static float src[ALL], got[ALL];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (int i = 0; i < N_SCALES; i++) {
		fill(src, sizeof(src));
		k.scale_f32(got, src, ALL, scales[i]);
		for (unsigned e = 0; e < ALL; e++) {
			double v = nearest(&f32, (double)src[e] * scales[i]);

			if (!is(&f32, bits_of(got[e]), v))
				ck_abort_msg("%a * %a is %a", src[e], scales[i],
					     got[e]);
		}
		k.scale_f32(src, src, ALL, scales[i]);
		ck_assert_mem_eq(src, got, sizeof(got));
	}
}
END_TEST

#define CALL(kernel, ...)                                                  \
	static void call_##kernel(const struct lens_kernels *k, void *dst, \
				  const void *src, size_t n)               \
	{                                                                  \
		k->kernel(dst, src, n, ##__VA_ARGS__);                     \
	}

CALL(e4m3_bf16, 0.3f)
CALL(e4m3_f16, 0.3f)
CALL(e4m3_f32, 0.3f)
CALL(bf16_f32)
CALL(f16_f32)
CALL(f32_bf16)
CALL(f32_f16)
CALL(f32_e4m3)
CALL(scale_f32, -1.7f)
CALL(f32_e4m3_by, -1.7f)

/* The same numbers, but for those that are none. */
static const uint16_t *numbers_of(const void *src, size_t n)
{
	static uint16_t v[300];

	for (size_t i = 0; i < n; i++) {
		memcpy(&v[i], (const char *)src + 2 * i, 2);
		if ((v[i] & 0x7f80) == 0x7f80)
			v[i] ^= 0x4000;
	}
	return v;
}

static void call_bf16_e4m3_by(const struct lens_kernels *k, void *dst,
			      const void *src, size_t n)
{
	k->bf16_e4m3_by(dst, numbers_of(src, n), n, 0x1.37p-30f);
}

static void call_bf16_e4m3_steps(const struct lens_kernels *k, void *dst,
				 const void *src, size_t n)
{
	struct lens_steps steps;

	ck_assert(lens_steps_make(&steps, -0x1.d3p-3f));
	k->bf16_e4m3_steps(dst, n, numbers_of(src, n), n, 1, n, &steps);
}

static void call_most16(const struct lens_kernels *k, void *dst,
			const void *src, size_t n)
{
	uint16_t most = k->most16(src, n);

	memset(dst, 0, 2 * n);
	memcpy(dst, &most, n ? 2 : 0);
}

static void call_most32(const struct lens_kernels *k, void *dst,
			const void *src, size_t n)
{
	uint32_t most = k->most32(src, n);

	memset(dst, 0, 4 * n);
	memcpy(dst, &most, n ? 4 : 0);
}

static const struct {
	const char *name;
	size_t in, out; /* bytes of an element */
	void (*call)(const struct lens_kernels *k, void *dst, const void *src,
		     size_t n);
} lines[] = {
	{ "e4m3_bf16", 1, 2, call_e4m3_bf16 },
	{ "e4m3_f16", 1, 2, call_e4m3_f16 },
	{ "e4m3_f32", 1, 4, call_e4m3_f32 },
	{ "bf16_f32", 2, 4, call_bf16_f32 },
	{ "f16_f32", 2, 4, call_f16_f32 },
	{ "f32_bf16", 4, 2, call_f32_bf16 },
	{ "f32_f16", 4, 2, call_f32_f16 },
	{ "f32_e4m3", 4, 1, call_f32_e4m3 },
	{ "scale_f32", 4, 4, call_scale_f32 },
	{ "f32_e4m3_by", 4, 1, call_f32_e4m3_by },
	{ "bf16_e4m3_by", 2, 1, call_bf16_e4m3_by },
	{ "bf16_e4m3_steps", 2, 1, call_bf16_e4m3_steps },
	{ "most16", 2, 2, call_most16 },
	{ "most32", 4, 4, call_most32 },
};

/* What is farthest from 0, by comparing one by one. */
START_TEST(most_is_the_largest_magnitude)
{
	static float src[ALL];
	static uint16_t half[ALL];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned round = 0; round < 50; round++) {
		const size_t n = 1 + rnd() % (round % 2 ? 40 : ALL);
		double most = 0;
		uint32_t bits;
		float got;
		int top = 0;

		for (size_t i = 0; i < n; i++) {
			src[i] = ((int)(rnd() % 2001) - 1000) * 0.37f;
			half[i] = (uint16_t)(rnd() % 0x7f80 | (rnd() & 0x8000));
			most = fabs((double)src[i]) > most ?
				       fabs((double)src[i]) :
				       most;
			top = (half[i] & 0x7fff) > top ? half[i] & 0x7fff : top;
		}
		bits = k.most32(src, n);
		memcpy(&got, &bits, 4);
		ck_assert_msg((double)got == most, "%a of %zu", got, n);
		ck_assert_int_eq(k.most16(half, n), top);
		src[rnd() % n] = round % 3 ? -INFINITY : NAN;
		half[rnd() % n] = 0xff80;
		ck_assert_uint_ge(k.most32(src, n), 0x7f800000);
		ck_assert_uint_eq(k.most16(half, n), 0x7f80);
	}
	ck_assert_uint_eq(k.most16(half, 0), 0);
	ck_assert_uint_eq(k.most32(src, 0), 0);
}
END_TEST

/* The code whose value is nearest to the quotient, the even one of two. */
START_TEST(quotients_round_to_the_nearest_code)
{
	static float src[1500];
	static uint16_t half[1500];
	static uint8_t got[1500];
	struct lens_kernels k;

	lens_kernels_init(&k, masks[_i]);
	for (unsigned round = 0; round < 40; round++) {
		const float scale =
			ldexpf(1.0f + (float)(rnd() % 1000) / 1000.0f,
			       (int)(rnd() % 60) - 30) *
			(round % 3 ? 1.0f : -1.0f);

		for (unsigned i = 0; i < 1500; i++)
			src[i] = ldexpf((float)((int)(rnd() % 20001) - 10000),
					(int)(rnd() % 20) - 16) *
				 scale / 64.0f;
		if (round % 2)
			for (unsigned i = 0; i < 1500; i++)
				half[i] = lens_f32_to_bf16(src[i]);
		if (round % 2)
			k.bf16_f32(src, half, 1500);
		if (round % 2)
			k.bf16_e4m3_by(got, half, 1500, scale);
		else
			k.f32_e4m3_by(got, src, 1500, scale);
		for (unsigned i = 0; i < 1500; i++) {
			const float q = src[i] / scale;
			unsigned best = 0;

			for (unsigned c = 1; c < 0x7f; c++) {
				const double d = fabs(fabs((double)q) -
						      (double)lens_e4m3_f32(
							      (uint8_t)c)),
					     b = fabs(fabs((double)q) -
						      (double)lens_e4m3_f32(
							      (uint8_t)best));

				if (d < b || (d == b && c % 2 == 0))
					best = c;
			}
			if (signbit(q))
				best |= 0x80;
			if (got[i] != best)
				ck_abort_msg("%a / %a: %#x, not %#x", src[i],
					     scale, got[i], best);
		}
	}
}
END_TEST

static void same_codes(const uint16_t *src, const uint8_t *got,
		       const uint8_t *want, size_t n, float scale,
		       const char *how)
{
	for (size_t i = 0; i < n; i++)
		if (got[i] != want[i])
			ck_abort_msg("%s: %#x by %a: %#x, not %#x", how, src[i],
				     scale, got[i], want[i]);
}

/* In lines that lie apart, and out of lines that do. */
static void by_lines(const struct lens_kernels *k, uint8_t *got,
		     const uint16_t *src, size_t n,
		     const struct lens_steps *steps)
{
	static uint8_t apart[(1 << 16) + 64 * 7];
	const size_t n_lines = steps->flip ? 3 : 64, line = n / n_lines,
		     stride = line + 7;

	ck_assert_uint_eq(n_lines * line, n);
	memset(apart, 0xee, sizeof(apart));
	k->bf16_e4m3_steps(apart, stride, src, line, n_lines, line, steps);
	for (size_t j = 0; j < n_lines; j++) {
		memcpy(got + j * line, apart + j * stride, line);
		for (size_t i = line; i < stride; i++)
			ck_assert_uint_eq(apart[j * stride + i], 0xee);
	}
	/* And out of such. */
	k->bf16_e4m3_steps(apart, 40, src, line, n_lines, 40, steps);
	for (size_t j = 0; j < n_lines; j++)
		ck_assert_mem_eq(apart + j * 40, got + j * line, 40);
}

/* Every finite BF16 there is, in an order that mixes them, by scales of any
 * kind: as the scalar code, which is the definition; by steps, too. */
START_TEST(all_of_bf16_by_many_scales)
{
	static uint16_t src[1 << 16];
	static uint8_t got[1 << 16], want[1 << 16];
	struct lens_steps steps = { 0 };
	struct lens_kernels c, k;
	unsigned with_steps = 0;
	size_t n = 0;

	lens_kernels_init(&c, 0);
	lens_kernels_init(&k, masks[_i]);
	for (unsigned i = 0; i < 1 << 16; i++) {
		const unsigned v = _i % 2 ? i : i * 40503u & 0xffff;

		if ((v & 0x7f80) != 0x7f80)
			src[n++] = (uint16_t)v;
	}
	for (unsigned round = 0; round < 120; round++) {
		const float scale =
			round < N_SCALES ?
				scales[round] :
				ldexpf(1.0f + (float)(rnd() % (1 << 23)) /
						       0x1p23f,
				       (int)(rnd() % 130) - 65) *
					(round % 5 ? 1.0f : -1.0f);

		if (!(fabsf(scale) > 0) || isinf(scale))
			continue;
		c.bf16_e4m3_by(want, src, n, scale);
		k.bf16_e4m3_by(got, src, n, scale);
		same_codes(src, got, want, n, scale, "quotients");
		ck_assert_int_eq(lens_steps_make(&steps, scale),
				 fabsf(scale) > 0x1p-60f &&
					 fabsf(scale) < 0x1p60f);
		if (steps.scale != scale)
			continue;
		memset(got, 0x7f, n);
		by_lines(&k, got, src, n, &steps);
		same_codes(src, got, want, n, scale, "steps");
		with_steps++;
	}
	ck_assert_uint_gt(with_steps, 90);
}
END_TEST

/* Against scalar code; where pages that can't be touched are next to it. */
static void one_length(const struct lens_kernels *c,
		       const struct lens_kernels *k, size_t i, size_t n,
		       enum place place)
{
	const size_t out = n * lines[i].out;
	uint8_t *src = guarded(0, n * lines[i].in, place),
		*dst = guarded(1, out, place), want[300 * 4], kept;

	fill(src, n * lines[i].in);
	kept = place == ODD ? dst[out] ^= 0x5a : 0;
	lines[i].call(c, want, src, n);
	lines[i].call(k, dst, src, n);
	if (memcmp(dst, want, out) != 0 || (place == ODD && dst[out] != kept))
		ck_abort_msg("%s: %zu elements, at %d", lines[i].name, n,
			     (int)place);
}

START_TEST(every_length)
{
	struct lens_kernels c, k;

	lens_kernels_init(&c, 0);
	lens_kernels_init(&k, masks[_i]);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(lines); i++)
		for (size_t n = 0; n < 300; n++)
			for (int place = 0; place < N_PLACES; place++)
				one_length(&c, &k, i, n, place);
}
END_TEST

static const struct {
	enum lens_dtype from;
	union {
		double d;
		int64_t i;
		uint64_t u;
	} v;
	float want;
} numbers[] = {
	{ LENS_F64, { .d = 0.1 }, 0x1.99999ap-4f },
	{ LENS_F64, { .d = 0x1.000001p0 }, 1.0f }, /* a tie: to even */
	{ LENS_F64, { .d = 0x1.000003p0 }, 0x1.000004p0f },
	{ LENS_F64, { .d = 0x1.0000010000001p0 }, 0x1.000002p0f },
	{ LENS_F64, { .d = -0x1p-150 }, -0.0f },
	{ LENS_F64, { .d = 0x1.8p-149 }, 0x1p-148f },
	{ LENS_F64, { .d = 1e300 }, INFINITY },
	{ LENS_F64, { .d = -INFINITY }, -INFINITY },
	{ LENS_F64, { .u = 0xfff0000000000001 }, NAN },
	{ LENS_I64, { .i = (1ll << 53) + 1 }, 0x1p53f },
	{ LENS_I64, { .i = -16777217 }, -16777216.0f },
	{ LENS_I64, { .i = 16777219 }, 16777220.0f },
	/* Nearest only if it is rounded once: by way of a double it is even. */
	{ LENS_I64, { .i = 0x4000004000000001 }, 0x1.000002p62f },
	{ LENS_I64, { .i = -0x4000004000000001 }, -0x1.000002p62f },
	{ LENS_I64, { .i = 0x4000004000000000 }, 0x1p62f },
	{ LENS_I64, { .i = (1ll << 53) + (1ll << 29) + 1 }, 0x1.000002p53f },
	{ LENS_I64, { .i = 0 }, 0.0f },
	{ LENS_I64, { .i = INT64_MIN }, -0x1p63f },
	{ LENS_U64, { .u = UINT64_MAX }, 0x1p64f },
	{ LENS_U64, { .u = 0x8000008000000001 }, 0x1.000002p63f },
	{ LENS_I32, { .i = 16777217 }, 16777216.0f },
	{ LENS_I32, { .i = -5 }, -5.0f },
	{ LENS_U32, { .u = 0xffffffff }, 0x1p32f },
	{ LENS_I16, { .i = -32768 }, -32768.0f },
	{ LENS_U16, { .u = 65535 }, 65535.0f },
	{ LENS_I8, { .i = -128 }, -128.0f },
	{ LENS_U8, { .u = 255 }, 255.0f },
};

/* A number's bytes are the first ones here: little endian, as in files. */
START_TEST(wide_numbers_round_once)
{
	float got = 7;

	ck_assert(lens_to_f32(numbers[_i].from, &got, &numbers[_i].v, 1));
	ck_assert(is(&f32, bits_of(got), numbers[_i].want));
	/* F32 itself: kept, but for a NaN's bits. */
	ck_assert(lens_to_f32(LENS_F32, &got, "\1\0\xa0\xff", 1));
	ck_assert_uint_eq(bits_of(got), 0x7fc00000);
	ck_assert(lens_to_f32(LENS_F32, &got, "\1\0\0\x80", 1));
	ck_assert_uint_eq(bits_of(got), 0x80000001);
}
END_TEST

static const enum lens_dtype sources[] = {
	LENS_F64,     LENS_F32,         LENS_F16,         LENS_BF16,
	LENS_F8_E4M3, LENS_F8_E4M3FNUZ, LENS_F8_E5M2FNUZ, LENS_F8_E5M2,
	LENS_F8_E8M0, LENS_I64,         LENS_U64,         LENS_I32,
	LENS_U32,     LENS_I16,         LENS_U16,         LENS_I8,
	LENS_U8,
};
static const enum lens_dtype targets[] = { LENS_F32, LENS_BF16, LENS_F16,
					   LENS_F8_E4M3 };
#define N_DECODED 1300 /* more than what is made at once */

/* Value by value what the three parts of it make. */
static void decode_pair(enum lens_dtype to, enum lens_dtype from, float scale)
{
	const struct lens_kernels *k = lens_kernels();
	const size_t in = lens_dtype_bits(from) / 8,
		     out = lens_dtype_bits(to) / 8;
	static uint8_t src[N_DECODED * 8], dst[N_DECODED * 4 + 1];

	fill(src, sizeof(src));
	dst[N_DECODED * out] = 0x5a;
	ck_assert(lens_decode(to, dst, from, src, N_DECODED, scale));
	ck_assert_uint_eq(dst[N_DECODED * out], 0x5a);
	for (size_t i = 0; i < N_DECODED; i++) {
		uint8_t want[4];
		float v;

		(void)lens_to_f32(from, &v, src + i * in, 1);
		k->scale_f32(&v, &v, 1, scale);
		(void)lens_from_f32(to, want, &v, 1);
		if (memcmp(dst + i * out, want, out) != 0)
			ck_abort_msg("%s to %s, scale %a, element %zu",
				     lens_dtype_name(from), lens_dtype_name(to),
				     scale, i);
	}
}

START_TEST(decode_is_its_parts)
{
	for (size_t t = 0; t < LENS_ARRAY_SIZE(targets); t++)
		for (size_t i = 0; i < LENS_ARRAY_SIZE(scales); i++)
			decode_pair(targets[t], sources[_i], scales[i]);
}
END_TEST

/* Every dtype that is no source, and no target: refused, nothing written. */
START_TEST(what_is_no_number_is_refused)
{
	static const uint8_t src[64];
	uint8_t dst[64] = { 0x5a };
	float f[8] = { 7 };
	bool source = false, target = false;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(sources); i++)
		source |= sources[i] == (enum lens_dtype)_i;
	for (size_t i = 0; i < LENS_ARRAY_SIZE(targets); i++)
		target |= targets[i] == (enum lens_dtype)_i;
	for (size_t n = 0; n < 2; n++) {
		ck_assert(lens_to_f32(_i, f, src, n) == source);
		ck_assert(lens_decode(LENS_F32, f, _i, src, n, 2) == source);
		ck_assert(lens_from_f32(_i, dst, f, n) == target);
		ck_assert(lens_decode(_i, dst, LENS_I8, src, n, 2) == target);
	}
	ck_assert(source || f[0] == 7.0f);
	ck_assert(target || dst[0] == 0x5a);
}
END_TEST

START_TEST(the_mask_limits_what_is_used)
{
	struct lens_kernels k;
	unsigned all;

	ck_assert_int_eq(unsetenv("LENS_CPU_MASK"), 0);
	all = lens_cpu();
	ck_assert_int_eq(setenv("LENS_CPU_MASK", "0", 1), 0);
	ck_assert_uint_eq(lens_cpu(), 0);
	ck_assert_int_eq(setenv("LENS_CPU_MASK", "0xff", 1), 0);
	ck_assert_uint_eq(lens_cpu(), all);
	lens_kernels_init(&k, 0);
	ck_assert_str_eq(k.name, "scalar");
	/* Once made, they stay. */
	ck_assert_ptr_eq(lens_kernels(), lens_kernels());
}
END_TEST

/* CI says which variant a runner is there for, so that none goes untested. */
START_TEST(the_expected_variant_is_here)
{
	const char *expected = getenv("LENS_EXPECT_CPU");

	if (expected)
		ck_assert_str_eq(lens_kernels()->name, expected);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("kernel");

	find_masks();
	/* First: without fork, the environment of what is below is its own. */
	tcase_add_test(tc, the_expected_variant_is_here);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_code_is_what_its_format_says, 0,
			    LENS_ARRAY_SIZE(formats));
	tcase_add_test(tc, one_at_a_time);
	tcase_add_loop_test(tc, every_half_widens, 0, n_masks);
	tcase_add_loop_test(tc, narrowing_rounds_to_nearest_even, 0, n_masks);
	tcase_add_loop_test(tc, products_round_to_f32_and_once_more, 0,
			    n_masks);
	tcase_add_loop_test(tc, any_two_floats_multiply, 0, n_masks);
	tcase_add_loop_test(tc, most_is_the_largest_magnitude, 0, n_masks);
	tcase_add_loop_test(tc, quotients_round_to_the_nearest_code, 0,
			    n_masks);
	tcase_add_loop_test(tc, all_of_bf16_by_many_scales, 0, n_masks);
	tcase_add_loop_test(tc, every_length, 0, n_masks);
	tcase_add_loop_test(tc, wide_numbers_round_once, 0,
			    LENS_ARRAY_SIZE(numbers));
	tcase_add_loop_test(tc, decode_is_its_parts, 0,
			    LENS_ARRAY_SIZE(sources));
	tcase_add_loop_test(tc, what_is_no_number_is_refused, 0,
			    LENS_DTYPE_MAX);
	tcase_add_test(tc, the_mask_limits_what_is_used);
	return run("kernel", tc);
}

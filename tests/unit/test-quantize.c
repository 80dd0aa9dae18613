/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-quantize - codes and scales made of weights: against loops that find
 * amax and the nearest code one by one; scales of another checkpoint; what is
 * refused; and that each scale is made once, of its own weights.
 */
#include "model_source.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

static const char recipe_text[] =
	"{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\","
	"\"codecs\": [{\"fp8\": {\"out\": \"bf16\", \"block\": [128, 128]}}],"
	"\"params\": {\"n\": {\"config\": [\"n\"]}},"
	"\"rules\": [{\"hf\": \"{p*}.experts.up\", \"native\": "
	"\"{p*}.experts.ups\", \"ops\": [{\"transpose\": [1, 2]}]}],"
	"\"fill\": [{\"native\": \"{p*}.bias\", \"beside\": "
	"\"{p*}.experts.ups\","
	"\"dtype\": \"F32\", \"shape\": [4], \"value\": 0}],"
	"\"quantize\": {\"weights\": ["
	"{\"weight\": \"{p*}.experts.up\", \"scale\": "
	"\"{p*}.experts.up_scale_inv\"},"
	"{\"weight\": \"{p*}.weight\", \"scale\": \"{p*}.weight_scale_inv\","
	" \"activation\": \"{p*}.activation_scale\"}],"
	"\"never\": \"{p*}norm.weight\", \"absent\": \"{p*}.bias\"}}";

struct opened {
	struct lens_ckpt *ckpt, *like;
	struct lens_recipe *recipe;
	struct lens_plan *plan;
	struct lens_notes notes;
};

static int try_open(struct model *m, struct model *like,
		    const struct lens_plan_opts *given, struct opened *o,
		    struct lens_err *err)
{
	const struct lens_ckpt_opts ck = { .keep_index = true };
	struct lens_plan_opts opts = *given;
	int r;

	opts.reverse = true;
	opts.dtype = LENS_DTYPE_INVALID;
	*o = (struct opened){ 0 };
	r = lens_ckpt_open(m->dir, &ck, &o->notes, &o->ckpt, err);
	if (r == 0 && like)
		r = lens_ckpt_open(like->dir, &ck, &o->notes, &o->like, err);
	if (r == 0)
		r = lens_recipe_parse(recipe_text, strlen(recipe_text), "test",
				      &o->recipe, err);
	opts.like = o->like;
	if (r == 0)
		r = lens_plan_compile(o->ckpt, o->recipe, &opts, &o->notes,
				      &o->plan, err);
	return r;
}

static void must_open(struct model *m, struct model *like,
		      const struct lens_plan_opts *opts, struct opened *o)
{
	struct lens_err err;

	ck_assert_msg(try_open(m, like, opts, o, &err) == 0, "%s", err.msg);
}

static void shut(struct opened *o)
{
	lens_plan_free(o->plan);
	lens_recipe_free(o->recipe);
	lens_ckpt_close(o->like);
	lens_ckpt_close(o->ckpt);
	lens_notes_fini(&o->notes);
}

static const struct lens_tensor *out_of(const struct lens_plan *p,
					const char *key)
{
	const uint32_t i = lens_plan_find(p, key);

	ck_assert_msg(i != LENS_NONE, "%s is not there", key);
	return &lens_plan_at(p, i)->t;
}

static void *read_all(const struct lens_plan *p, const char *key)
{
	const struct lens_tensor *t = out_of(p, key);
	void *all = malloc((size_t)t->size + 1);
	struct lens_err err;

	ck_assert_msg(lens_plan_read(p, lens_plan_find(p, key), 0,
				     (size_t)t->size, all, &err) == 0,
		      "%s", err.msg);
	return all;
}

/* The magnitude of each code, by the definition of E4M3. */
static double value_of(unsigned code)
{
	const int e = (int)(code >> 3 & 15), m = (int)(code & 7);

	return e ? ldexp(1 + m / 8.0, e - 7) : ldexp(m / 8.0, -6);
}

static uint8_t nearest(float q)
{
	unsigned best = 0;

	for (unsigned c = 1; c < 0x7f; c++) {
		const double d = fabs(fabs((double)q) - value_of(c)),
			     b = fabs(fabs((double)q) - value_of(best));

		if (d < b || (d == b && c % 2 == 0))
			best = c;
	}
	return (uint8_t)(signbit(q) ? best | 0x80 : best);
}

static float value_at(const struct model_tensor *t, size_t i)
{
	float v;

	if (t->dtype == LENS_F32)
		memcpy(&v, t->data + 4 * i, 4);
	else
		(void)lens_to_f32(t->dtype, &v, t->data + 2 * i, 1);
	return v;
}

/* Value (e, r, c) as the hf side has it: experts lie turned in the source. */
static float hf_value(const struct model_tensor *t, size_t e, size_t r,
		      size_t c, size_t rows, size_t cols, bool turned)
{
	return value_at(t, e * rows * cols +
				   (turned ? c * rows + r : r * cols + c));
}

static const struct {
	enum lens_dtype dtype;
	bool experts;
	unsigned block;
	size_t e, rows, cols; /* of the hf side */
} shapes[] = {
	{ LENS_BF16, false, 0, 1, 70, 33 },
	{ LENS_F32, false, 0, 1, 5, 1000 },
	{ LENS_F16, false, 128, 1, 200, 300 },
	{ LENS_BF16, false, 128, 1, 129, 128 },
	{ LENS_BF16, true, 0, 3, 40, 72 },
	{ LENS_BF16, true, 0, 2, 700, 600 },
	{ LENS_BF16, true, 128, 2, 130, 300 },
	{ LENS_F32, true, 128, 3, 64, 129 },
};

/* The values: some zero blocks, some subnormal, all finite. */
static struct model_tensor *add_weight(struct model *m, size_t k,
				       const char **key)
{
	const size_t e = shapes[k].e, rows = shapes[k].rows,
		     cols = shapes[k].cols;
	struct model_tensor *t =
		shapes[k].experts ?
			model_add(m, "a.experts.ups", shapes[k].dtype, 3,
				  (const uint64_t[]){ e, cols, rows }) :
			model_add(m, "a.weight", shapes[k].dtype, 2,
				  (const uint64_t[]){ rows, cols });

	*key = shapes[k].experts ? "a.experts.up" : "a.weight";
	for (size_t i = 0; shapes[k].dtype == LENS_F16 && i < t->size; i += 2)
		t->data[i + 1] &= 0xbb;
	/* The last expert, or the first rows of the source, are zero. */
	if (k % 2)
		memset(t->data + t->size - t->size / 3, 0, t->size / 3);
	return t;
}

START_TEST(codes_are_the_nearest_to_the_quotients)
{
	const size_t e = shapes[_i].e, rows = shapes[_i].rows,
		     cols = shapes[_i].cols,
		     block = shapes[_i].block ? shapes[_i].block : 1u << 30;
	const size_t gr = (rows - 1) / block + 1, gc = (cols - 1) / block + 1;
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_AMAX,
					     .block = shapes[_i].block };
	struct model m;
	struct opened o;
	const struct model_tensor *t;
	const struct lens_tensor *s;
	const char *key;
	char scale_key[64];
	uint8_t *codes;
	float *scales;
	uint64_t made, ns;

	model_start(&m, 40 + (uint64_t)_i);
	t = add_weight(&m, (size_t)_i, &key);
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	(void)snprintf(scale_key, sizeof(scale_key), "%s_scale_inv", key);
	s = out_of(o.plan, scale_key);
	ck_assert_uint_eq(s->dtype, LENS_F32);
	ck_assert_uint_eq(s->size / 4, e * gr * gc);
	ck_assert_uint_eq(s->rank, shapes[_i].block ? 2u + shapes[_i].experts :
						      3u * shapes[_i].experts);
	codes = read_all(o.plan, key);
	scales = read_all(o.plan, scale_key);
	for (size_t x = 0; x < e; x++)
		for (size_t g = 0; g < gr * gc; g++) {
			const size_t r0 = g / gc * block, c0 = g % gc * block;
			float most = 0, want;

			for (size_t r = r0; r < rows && r < r0 + block; r++)
				for (size_t c = c0; c < cols && c < c0 + block;
				     c++)
					most = fmaxf(
						most,
						fabsf(hf_value(
							t, x, r, c, rows, cols,
							shapes[_i].experts)));
			want = most > 0 ? most / 448.0f : 1.0f;
			ck_assert_mem_eq(&scales[x * gr * gc + g], &want, 4);
			for (size_t r = r0; r < rows && r < r0 + block; r++)
				for (size_t c = c0; c < cols && c < c0 + block;
				     c++) {
					const float v =
						hf_value(t, x, r, c, rows, cols,
							 shapes[_i].experts);
					const uint8_t q = nearest(v / want);
					const size_t at =
						(x * rows + r) * cols + c;

					if (codes[at] != q)
						ck_abort_msg(
							"%zu %zu %zu: %a by %a "
							"is %#x, not %#x",
							x, r, c, v, want,
							codes[at], q);
				}
		}
	lens_plan_scales(o.plan, &made, &ns);
	ck_assert_uint_eq(made, e * gr * gc);
	free(codes);
	free(scales);
	shut(&o);
	model_end(&m);
}
END_TEST

/* One expert's codes need that expert's values, twice, and no others. */
START_TEST(an_expert_needs_its_own_values)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_AMAX };
	const uint64_t expert = 200 * 300;
	struct model m;
	struct opened o;
	struct lens_err err;
	uint8_t buf[60000];
	uint64_t made, ns;

	model_start(&m, 60);
	(void)model_add(&m, "a.experts.ups", LENS_BF16, 3,
			(const uint64_t[]){ 4, 200, 300 });
	(void)model_add(&m, "b.weight", LENS_BF16, 2,
			(const uint64_t[]){ 100, 100 });
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	ck_assert_uint_eq(lens_ckpt_bytes_read(o.ckpt), 0);
	for (uint64_t pass = 1; pass <= 2; pass++) {
		ck_assert_int_eq(
			lens_plan_read(o.plan,
				       lens_plan_find(o.plan, "a.experts.up"),
				       2 * expert, expert, buf, &err),
			0);
		lens_plan_scales(o.plan, &made, &ns);
		ck_assert_uint_eq(made, 1);
		ck_assert_uint_eq(lens_ckpt_bytes_read(o.ckpt),
				  (1 + pass) * expert * 2);
	}
	shut(&o);
	model_end(&m);
}
END_TEST

struct crowd {
	const struct lens_plan *plan;
	_Atomic int failed;
};

static void *one_of_many(void *arg)
{
	struct crowd *c = arg;
	struct lens_err err;
	float scale[8];

	if (lens_plan_read(c->plan,
			   lens_plan_find(c->plan, "a.experts.up_scale_inv"), 0,
			   sizeof(scale), scale, &err) < 0)
		c->failed++;
	return NULL;
}

START_TEST(many_at_once_make_each_scale_once)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_AMAX,
					     .jobs = 3 };
	struct model m;
	struct opened o;
	pthread_t threads[8];
	struct crowd c = { 0 };
	uint64_t made, ns;

	model_start(&m, 61);
	(void)model_add(&m, "a.experts.ups", LENS_BF16, 3,
			(const uint64_t[]){ 8, 300, 500 });
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	c.plan = o.plan;
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, one_of_many, &c), 0);
	for (unsigned i = 0; i < 8; i++)
		(void)pthread_join(threads[i], NULL);
	ck_assert_int_eq(c.failed, 0);
	lens_plan_scales(o.plan, &made, &ns);
	ck_assert_uint_eq(made, 8);
	ck_assert_uint_eq(lens_ckpt_bytes_read(o.ckpt), 8 * 300 * 500 * 2);
	shut(&o);
	model_end(&m);
}
END_TEST

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

/* What nobody waits for is left off, and made when somebody does. */
START_TEST(making_a_scale_can_be_called_off)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_AMAX };
	struct model m;
	struct opened o;
	struct lens_err err;
	float scale;

	model_start(&m, 62);
	(void)model_add(&m, "b.weight", LENS_BF16, 2,
			(const uint64_t[]){ 100, 100 });
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	lens_cancel_set(always, NULL);
	ck_assert_int_eq(
		lens_plan_read(o.plan,
			       lens_plan_find(o.plan, "b.weight_scale_inv"), 0,
			       4, &scale, &err),
		-EINTR);
	lens_cancel_set(NULL, NULL);
	ck_assert_int_eq(
		lens_plan_read(o.plan,
			       lens_plan_find(o.plan, "b.weight_scale_inv"), 0,
			       4, &scale, &err),
		0);
	shut(&o);
	model_end(&m);
}
END_TEST

/* A value that is no number spoils its expert, and no other. */
START_TEST(what_is_not_finite_is_refused)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_AMAX };
	static const uint16_t bad[] = { 0x7f80, 0xff80, 0x7fc0, 0xffff };
	struct model m;
	struct opened o;
	struct lens_err err;
	struct model_tensor *t;
	uint8_t buf[64];
	uint32_t codes, scales;

	model_start(&m, 63);
	t = model_add(&m, "a.experts.ups", LENS_BF16, 3,
		      (const uint64_t[]){ 3, 8, 8 });
	memcpy(t->data + 2 * (64 + 13), &bad[_i], 2);
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	codes = lens_plan_find(o.plan, "a.experts.up");
	scales = lens_plan_find(o.plan, "a.experts.up_scale_inv");
	for (unsigned again = 0; again < 2; again++) {
		ck_assert_int_eq(
			lens_plan_read(o.plan, codes, 64, 64, buf, &err),
			-EDOM);
		ck_assert_msg(strstr(err.msg, "'a.experts.up'") &&
				      strstr(err.msg, "NaN or infinity"),
			      "%s", err.msg);
		ck_assert_int_eq(
			lens_plan_read(o.plan, scales, 4, 4, buf, &err), -EDOM);
		ck_assert_int_eq(
			lens_plan_read(o.plan, codes, 0, 64, buf, &err), 0);
		ck_assert_int_eq(
			lens_plan_read(o.plan, scales, 8, 4, buf, &err), 0);
	}
	shut(&o);
	model_end(&m);
}
END_TEST

START_TEST(unit_scales_are_ones_beside_a_cast)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_UNIT };
	struct model m;
	struct opened o;
	const struct model_tensor *t, *norm;
	uint8_t *codes, *kept;
	float *one;

	model_start(&m, 64);
	t = model_add(&m, "b.weight", LENS_F32, 2,
		      (const uint64_t[]){ 30, 20 });
	for (size_t i = 0; i < 600; i++) {
		const float v =
			((float)(model_random(&m) % 2000) - 1000) * 0.7f;

		memcpy(t->data + 4 * i, &v, 4);
	}
	norm = model_add(&m, "b.norm.weight", LENS_BF16, 1,
			 (const uint64_t[]){ 20 });
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	ck_assert_uint_eq(lens_plan_count(o.plan), 4);
	codes = read_all(o.plan, "b.weight");
	kept = read_all(o.plan, "b.norm.weight");
	ck_assert_mem_eq(kept, norm->data, norm->size);
	for (size_t i = 0; i < 600; i++)
		ck_assert_uint_eq(codes[i], nearest(value_at(t, i)));
	free(codes);
	free(kept);
	for (unsigned i = 0; i < 2; i++) {
		one = read_all(o.plan,
			       i ? "b.activation_scale" : "b.weight_scale_inv");
		ck_assert(*one == 1.0f);
		free(one);
	}
	shut(&o);
	model_end(&m);
}
END_TEST

/* Codes decoded and encoded again by the scales they had are those they were.
 */
START_TEST(codes_come_back_by_their_own_scales)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_LIKE };
	struct model m, like;
	struct opened o;
	struct model_tensor *w, *s, *t;
	uint8_t *codes;
	uint16_t v;

	model_start(&m, 65);
	model_start(&like, 66);
	w = model_add(&like, "b.weight", LENS_F8_E4M3, 2,
		      (const uint64_t[]){ 130, 140 });
	s = model_add(&like, "b.weight_scale_inv", LENS_F32, 2,
		      (const uint64_t[]){ 2, 2 });
	(void)model_add(&like, "b.other", LENS_F32, 1, (const uint64_t[]){ 4 });
	t = model_add(&m, "b.weight", LENS_BF16, 2,
		      (const uint64_t[]){ 130, 140 });
	for (size_t i = 0; i < 130 * 140; i++) {
		float scale;

		memcpy(&scale,
		       s->data + 4 * (i / 140 / 128 * 2 + i % 140 / 128), 4);
		v = lens_f32_to_bf16(lens_e4m3_f32(w->data[i]) * scale);
		memcpy(t->data + 2 * i, &v, 2);
	}
	/* BF16 there, F32 here: fits. */
	t = model_add(&m, "b.other", LENS_BF16, 1, (const uint64_t[]){ 4 });
	(void)model_add(&m, "b.bias", LENS_F32, 1, (const uint64_t[]){ 4 });
	memset(m.t[m.n - 1].data, 0, 16);
	model_write(&m, "{\"n\": 1}");
	model_write(&like, "{\"n\": 1}");
	must_open(&m, &like, &opts, &o);
	ck_assert_uint_eq(o.notes.n, 0);
	ck_assert_uint_eq(lens_plan_count(o.plan), 3);
	codes = read_all(o.plan, "b.weight");
	ck_assert_mem_eq(codes, w->data, w->size);
	free(codes);
	codes = read_all(o.plan, "b.weight_scale_inv");
	ck_assert_mem_eq(codes, s->data, s->size);
	free(codes);
	ck_assert_uint_eq(out_of(o.plan, "b.other")->dtype, LENS_F32);
	shut(&o);
	model_end(&m);
	model_end(&like);
}
END_TEST

/* How the other checkpoint may be no model for this one. */
static const struct {
	const char *key;
	enum lens_dtype dtype;
	unsigned rank;
	uint64_t shape[2];
	float scale;
	bool missing_allowed, cast;
	const char *why; /* NULL: it goes through */
} unlike[] = {
	{ "b.weight", LENS_F8_E4M3, 2, { 4, 5 }, 0.5f, 0, 0, NULL },
	{ "b.weight",
	  LENS_F8_E4M3,
	  2,
	  { 4, 5 },
	  0.0f,
	  0,
	  0,
	  "'b.weight_scale_inv': scale 0 is 0" },
	{ "b.weight",
	  LENS_F8_E4M3,
	  2,
	  { 4, 5 },
	  INFINITY,
	  0,
	  0,
	  "'b.weight_scale_inv': scale 0 is inf" },
	{ "b.weight",
	  LENS_F8_E4M3,
	  2,
	  { 4, 5 },
	  NAN,
	  0,
	  0,
	  "can't be divided by" },
	{ "b.weight",
	  LENS_F8_E4M3,
	  2,
	  { 5, 4 },
	  1.0f,
	  0,
	  0,
	  "'b.weight' is [4, 5], and [5, 4] there" },
	{ "c.weight",
	  LENS_BF16,
	  2,
	  { 4, 5 },
	  1.0f,
	  0,
	  0,
	  "1 tensor that the source lacks: 'c.weight'" },
	{ "c.weight", LENS_BF16, 2, { 4, 5 }, 1.0f, 1, 0, NULL },
	{ "b.weight",
	  LENS_F16,
	  2,
	  { 4, 5 },
	  1.0f,
	  0,
	  0,
	  "'b.weight' is F16 there" },
	{ "b.weight", LENS_F16, 2, { 4, 5 }, 1.0f, 0, 1, NULL },
};

START_TEST(what_is_unlike_is_refused)
{
	const struct lens_plan_opts opts = {
		.quantize = LENS_SCALES_LIKE,
		.allow_missing = unlike[_i].missing_allowed,
		.cast = unlike[_i].cast,
	};
	struct model m, like;
	struct opened o;
	struct lens_err err;
	struct model_tensor *t;
	int r;

	model_start(&m, 67);
	model_start(&like, 68);
	t = model_add(&m, "b.weight", LENS_BF16, 2, (const uint64_t[]){ 4, 5 });
	memcpy(t->data + 10, &(uint16_t){ 0x0001 }, 2); /* too small for F16 */
	(void)model_add(&like, unlike[_i].key, unlike[_i].dtype,
			unlike[_i].rank, unlike[_i].shape);
	if (unlike[_i].dtype == LENS_F8_E4M3) {
		t = model_add(&like, "b.weight_scale_inv", LENS_F32, 0, NULL);
		memcpy(t->data, &unlike[_i].scale, 4);
	}
	model_write(&m, "{\"n\": 1}");
	model_write(&like, "{\"n\": 1}");
	r = try_open(&m, &like, &opts, &o, &err);
	if (unlike[_i].why) {
		ck_assert_int_lt(r, 0);
		ck_assert_msg(strstr(err.msg, unlike[_i].why), "%s", err.msg);
	} else {
		ck_assert_msg(r == 0, "%s", err.msg);
	}
	shut(&o);
	model_end(&m);
	model_end(&like);
}
END_TEST

/* What a quantized checkpoint lacks: silent where nothing is lost. */
START_TEST(what_is_left_out_is_told)
{
	const struct lens_plan_opts opts = { .quantize = LENS_SCALES_AMAX };
	struct model m;
	struct opened o;
	struct model_tensor *t;

	model_start(&m, 69);
	(void)model_add(&m, "a.experts.ups", LENS_BF16, 3,
			(const uint64_t[]){ 4, 2, 3 });
	t = model_add(&m, "a.bias", LENS_F32, 1, (const uint64_t[]){ 4 });
	memset(t->data, 0, t->size);
	t->data[15] = _i ? 0x3f : 0;
	model_write(&m, "{\"n\": 1}");
	must_open(&m, NULL, &opts, &o);
	ck_assert_uint_eq(lens_plan_find(o.plan, "a.bias"), LENS_NONE);
	ck_assert_uint_eq(o.notes.n, (size_t)_i);
	ck_assert(!_i || strstr(o.notes.v[0], "'a.bias'"));
	shut(&o);
	model_end(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("quantize");
	TCase *tc = tcase_create("quantize");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, codes_are_the_nearest_to_the_quotients, 0,
			    (int)LENS_ARRAY_SIZE(shapes));
	tcase_add_test(tc, an_expert_needs_its_own_values);
	tcase_add_test(tc, many_at_once_make_each_scale_once);
	tcase_add_test(tc, making_a_scale_can_be_called_off);
	tcase_add_loop_test(tc, what_is_not_finite_is_refused, 0, 4);
	tcase_add_test(tc, unit_scales_are_ones_beside_a_cast);
	tcase_add_test(tc, codes_come_back_by_their_own_scales);
	tcase_add_loop_test(tc, what_is_unlike_is_refused, 0,
			    (int)LENS_ARRAY_SIZE(unlike));
	tcase_add_loop_test(tc, what_is_left_out_is_told, 0, 2);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

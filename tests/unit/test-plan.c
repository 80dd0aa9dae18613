/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-plan - what a plan makes of random tensors, against loops that say what
 * each element is; by any range, and by panels; and what it refuses.
 */
#include "plan_source.h"

#include <errno.h>

/* Experts in FP8 with a scale each, turned: out[e][c][r] = code[e][r][c] *
 * scale[e]. */
START_TEST(experts_are_turned_and_scaled)
{
	static const uint64_t shapes[][3] = { { 3, 5, 7 },
					      { 2, 600, 520 },
					      { 1, 513, 1025 },
					      { 4, 64, 8192 },
					      { 2, 1, 300 } };
	const uint64_t *s = shapes[_i], scale_shape[] = { s[0], 1, 1 };
	struct model m;
	struct opened o;
	struct model_tensor *w, *k;
	unsigned char *all;
	size_t n;

	model_start(&m, 7 + (uint64_t)_i);
	w = model_add(&m, "model.layers.0.mlp.experts.down_proj", LENS_F8_E4M3,
		      3, s);
	k = model_add(&m, "model.layers.0.mlp.experts.down_proj_scale_inv",
		      LENS_BF16, 3, scale_shape);
	model_write(&m,
		    "{\"model_type\": \"mistral4\", \"n_routed_experts\": 4}");
	must_open(&m, "mistral4", &o);
	all = read_all(&m, o.plan, "model.layers.0.mlp.experts.down_projs", &n);
	ck_assert_uint_eq(n, w->size * 2);
	for (uint64_t e = 0; e < s[0]; e++)
		for (uint64_t r = 0; r < s[1]; r++)
			for (uint64_t c = 0; c < s[2]; c++) {
				float v =
					lens_e4m3_f32(
						w->data[(e * s[1] + r) * s[2] +
							c]) *
					lens_bf16_to_f32(u16_at(k->data, e));

				ck_assert_uint_eq(
					u16_at(all, (e * s[2] + c) * s[1] + r),
					lens_f32_to_bf16(v));
			}
	n = check_panels(&m, o.plan, "model.layers.0.mlp.experts.down_projs",
			 all, LENS_PANEL_MAX);
	ck_assert_uint_eq(n, s[1] * s[2] >= 256 << 10 ? s[0] : 0);
	(void)check_panels(&m, o.plan, "model.layers.0.mlp.experts.down_projs",
			   all, 300 << 10);
	free(all);
	shut(&o);
	model_end(&m);
}
END_TEST

/* Blocks of a matrix that is turned: the grid is turned with it. */
START_TEST(blocks_are_turned)
{
	static const char recipe[] =
		"{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\","
		"\"codecs\": [{\"fp8\": {\"block\": [16, 24], \"out\": "
		"\"f32\"}}],"
		"\"rules\": [{\"hf\": \"t.{x}\", \"native\": \"u.{x}\", "
		"\"ops\": [{\"transpose\": [0, -1]}]}]}";
	const uint64_t rows = _i ? 777 : 50, cols = _i ? 500 : 37;
	const uint64_t grid[] = { (rows + 15) / 16, (cols + 23) / 24 };
	struct model m;
	struct opened o;
	struct model_tensor *w, *k;
	unsigned char *all;
	size_t n;

	model_start(&m, 99);
	w = model_add(&m, "t.a", LENS_F8_E4M3, 2,
		      (const uint64_t[]){ rows, cols });
	k = model_add(&m, "t.a_scale_inv", LENS_F32, 2, grid);
	model_write(&m, "{}");
	must_open(&m, recipe, &o);
	all = read_all(&m, o.plan, "u.a", &n);
	for (uint64_t r = 0; r < rows; r++)
		for (uint64_t c = 0; c < cols; c++)
			ck_assert(f32_at(all, c * rows + r) ==
				  lens_e4m3_f32(w->data[r * cols + c]) *
					  f32_at(k->data,
						 r / 16 * grid[1] + c / 24));
	n = check_panels(&m, o.plan, "u.a", all, 1 << 20);
	ck_assert_uint_eq(n, _i ? 1 : 0);
	free(all);
	shut(&o);
	model_end(&m);
}
END_TEST

static const char split_recipe[] =
	"{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\","
	"\"params\": {\"experts\": {\"config\": \"n\"}},"
	"\"names\": [{\"hf\": \"model.{k*}\", \"native\": \"m.{k*}\"}],"
	"\"rules\": [{\"hf\": [\"m.{L}.e.{E}.gate\", \"m.{L}.e.{E}.up\"], "
	"\"native\": \"m.{L}.gate_up\","
	" \"ops\": [{\"transpose\": [0, 1]}, {\"concat\": -1}, {\"stack\": "
	"{\"E\": \"experts\"}}]}]}";

static void add_experts(struct model *m, unsigned n, uint64_t rows,
			uint64_t cols)
{
	char key[64];

	/* Not in numeric order: 10 comes before 2. */
	for (unsigned e = n; e-- > 0;)
		for (unsigned k = 0; k < 2; k++) {
			(void)snprintf(key, sizeof(key), "model.3.e.%u.%s", e,
				       k ? "up" : "gate");
			(void)model_add(m, key, LENS_BF16, 2,
					(const uint64_t[]){ rows, cols });
		}
}

/* out[e][c][r] = gate[r][c], out[e][c][rows + r] = up[r][c]; and back. */
START_TEST(split_experts_are_joined_and_come_back)
{
	const uint64_t rows = _i ? 300 : 7, cols = _i ? 256 : 5;
	struct model m, back;
	struct opened o;
	struct lens_plan_opts reverse = { .dtype = LENS_DTYPE_INVALID,
					  .reverse = true };
	struct lens_err err;
	unsigned char *all;
	size_t n;

	model_start(&m, 5);
	add_experts(&m, 11, rows, cols);
	model_write(&m, "{\"n\": 11}");
	must_open(&m, split_recipe, &o);
	ck_assert_uint_eq(lens_plan_count(o.plan), 1);
	all = read_all(&m, o.plan, "m.3.gate_up", &n);
	for (uint64_t e = 0; e < 11; e++)
		for (unsigned k = 0; k < 2; k++) {
			char key[64];
			struct model_tensor *t;

			(void)snprintf(key, sizeof(key), "model.3.e.%u.%s",
				       (unsigned)e, k ? "up" : "gate");
			t = model_find(&m, key);
			for (uint64_t r = 0; r < rows; r++)
				for (uint64_t c = 0; c < cols; c++)
					ck_assert_uint_eq(
						u16_at(all,
						       (e * cols + c) * 2 *
								       rows +
							       k * rows + r),
						u16_at(t->data, r * cols + c));
		}
	(void)check_panels(&m, o.plan, "m.3.gate_up", all, LENS_PANEL_MAX);
	shut(&o);

	model_start(&back, 6);
	memcpy(model_add(&back, "m.3.gate_up", LENS_BF16, 3,
			 (const uint64_t[]){ 11, cols, 2 * rows })
		       ->data,
	       all, n);
	model_write(&back, "{\"n\": 11}");
	ck_assert_msg(try_open(&back, split_recipe, &reverse, &o, &err) == 0,
		      "%s", err.msg);
	ck_assert_uint_eq(lens_plan_count(o.plan), 22);
	for (size_t i = 0; i < m.n; i++) {
		unsigned char *got = read_all(&back, o.plan, m.t[i].key, &n);

		ck_assert_uint_eq(n, m.t[i].size);
		ck_assert_mem_eq(got, m.t[i].data, n);
		(void)check_panels(&back, o.plan, m.t[i].key, got,
				   LENS_PANEL_MAX);
		free(got);
	}
	free(all);
	shut(&o);
	model_end(&back);
	model_end(&m);
}
END_TEST

/* A tensor decoded in its own order, with scales by row and by block, of any
 * rank. */
START_TEST(whole_tensors_are_decoded)
{
	static const struct {
		unsigned rank, scale_rank;
		uint64_t shape[4], scale[4];
	} cases[] = {
		{ 2, 0, { 300, 17 }, { 0 } },
		{ 1, 1, { 999 }, { 1 } },
		{ 2, 2, { 200, 300 }, { 2, 3 } },
		{ 2, 2, { 129, 1 }, { 2, 1 } },
		{ 2, 2, { 1, 700000 }, { 1, 5469 } },
		{ 3, 1, { 4, 100, 90 }, { 4 } },
		{ 3, 3, { 2, 130, 140 }, { 2, 2, 2 } },
		{ 4, 2, { 2, 3, 4, 5 }, { 1, 1 } },
		{ 0, 0, { 0 }, { 0 } },
		{ 2, 2, { 0, 5 }, { 1, 1 } },
	};
	struct model m;
	struct opened o;
	struct model_tensor *w, *k;
	unsigned char *all;
	size_t n;

	model_start(&m, 11 + (uint64_t)_i);
	w = model_add(&m, "a.weight", LENS_F8_E4M3, cases[_i].rank,
		      cases[_i].shape);
	k = model_add(&m, "a.weight_scale_inv", LENS_F32, cases[_i].scale_rank,
		      cases[_i].scale);
	model_write(&m, "{\"quantization_config\": {\"quant_method\": \"fp8\", "
			"\"weight_block_size\": [128, 128]}}");
	must_open(&m, "dequant", &o);
	all = read_all(&m, o.plan, "a.weight", &n);
	ck_assert_uint_eq(n, w->size * 2);
	for (size_t i = 0; i < w->size; i++) {
		const uint64_t cols = w->rank ? w->shape[w->rank - 1] : 1,
			       rows = w->rank > 1 ? w->shape[w->rank - 2] : 1;
		const uint64_t c = i % cols, r = i / cols % rows,
			       e = i / cols / rows;
		const uint64_t gc = (cols + 127) / 128, gr = (rows + 127) / 128;
		size_t at = 0;

		if (k->rank == 1 && k->shape[0] > 1)
			at = e;
		else if (k->size > 4 && k->rank == 2)
			at = r / 128 * gc + c / 128;
		else if (k->size > 4 && k->rank == 3)
			at = (e * gr + r / 128) * gc + c / 128;
		ck_assert_uint_eq(u16_at(all, i),
				  lens_f32_to_bf16(lens_e4m3_f32(w->data[i]) *
						   f32_at(k->data, at)));
	}
	free(all);
	shut(&o);
	model_end(&m);
}
END_TEST

/* Each step rounds: FP8 to BF16, then to F32, is not FP8 to F32. */
START_TEST(steps_round_one_by_one)
{
	static const char recipe[] =
		"{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\","
		"\"codecs\": [{\"fp8\": {\"out\": \"bf16\"}}],"
		"\"rules\": [{\"hf\": \"t.{x}\", \"native\": \"u.{x}\", "
		"\"ops\": [{\"cast\": \"f32\"}, {\"transpose\": [0, 1]}]}],"
		"\"casts\": [{\"native\": \"w.{x}\", \"dtype\": \"f16\"}]}";
	struct model m;
	struct opened o;
	struct model_tensor *w, *k;
	unsigned char *all;
	size_t n;

	model_start(&m, 3);
	w = model_add(&m, "t.a", LENS_F8_E4M3, 2,
		      (const uint64_t[]){ 600, 500 });
	k = model_add(&m, "t.a_scale_inv", LENS_F32, 0, NULL);
	(void)model_add(&m, "w.b", LENS_F32, 1, (const uint64_t[]){ 77 });
	model_write(&m, "{}");
	must_open(&m, recipe, &o);
	all = read_all(&m, o.plan, "u.a", &n);
	for (size_t r = 0; r < 600; r++)
		for (size_t c = 0; c < 500; c++) {
			uint16_t h = lens_f32_to_bf16(
				lens_e4m3_f32(w->data[r * 500 + c]) *
				f32_at(k->data, 0));

			ck_assert(f32_at(all, c * 600 + r) ==
				  lens_bf16_to_f32(h));
		}
	(void)check_panels(&m, o.plan, "u.a", all, LENS_PANEL_MAX);
	free(all);
	all = read_all(&m, o.plan, "w.b", &n);
	for (size_t i = 0; i < 77; i++)
		ck_assert_uint_eq(u16_at(all, i),
				  lens_f32_to_f16(f32_at(m.t[2].data, i)));
	free(all);
	shut(&o);
	model_end(&m);
}
END_TEST

START_TEST(fill_and_exclude)
{
	struct model m;
	struct opened o;
	struct lens_err err;
	struct lens_plan_opts opts = { .dtype = LENS_DTYPE_INVALID,
				       .exclude =
					       "model\\.layers\\.1|.*gate$" };
	unsigned char *all;
	size_t n;

	model_start(&m, 3);
	(void)model_add(&m, "model.layers.0.mlp.gate.weight", LENS_BF16, 2,
			(const uint64_t[]){ 4, 3 });
	(void)model_add(&m, "model.layers.1.mlp.gate.weight", LENS_BF16, 2,
			(const uint64_t[]){ 4, 3 });
	(void)model_add(&m, "model.layers.1.mlp.gate.e_score_correction_bias",
			LENS_F32, 1, (const uint64_t[]){ 4 });
	model_write(&m, "{\"n_routed_experts\": 4}");
	must_open(&m, "mistral4", &o);
	ck_assert_uint_eq(lens_plan_count(o.plan), 4);
	all = read_all(&m, o.plan,
		       "model.layers.0.mlp.gate.e_score_correction_bias", &n);
	ck_assert_uint_eq(n, 16);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(all[i], 0);
	free(all);
	shut(&o);
	ck_assert_msg(try_open(&m, "mistral4", &opts, &o, &err) == 0, "%s",
		      err.msg);
	ck_assert_uint_eq(lens_plan_count(o.plan), 2);
	ck_assert_int_eq((int)lens_plan_key(o.plan, 1)->fate,
			 (int)LENS_FATE_EXCLUDED);
	shut(&o);
	model_end(&m);
}
END_TEST

static const struct {
	const char *recipe, *config;
	const char *key[4];
	enum lens_dtype dtype[4];
	uint64_t shape[4][3];
	unsigned rank[4];
	const char *why;
} refusals[] = {
	{ "mistral4",
	  "{}",
	  { "a.mlp.gate.weight" },
	  { LENS_BF16 },
	  { { 4, 3 } },
	  { 2 },
	  "config.json has no 'text_config.n_routed_experts'" },
	{ "mistral4",
	  "{\"quantization_config\": {\"quant_method\": \"awq\"}}",
	  { "a" },
	  { LENS_BF16 },
	  { { 4 } },
	  { 1 },
	  "quant_method is 'awq'" },
	{ "mistral4",
	  "{\"quantization_config\": {\"quant_method\": \"fp8\", "
	  "\"weight_block_size\": [16, 16]}}",
	  { "a" },
	  { LENS_BF16 },
	  { { 4 } },
	  { 1 },
	  "[16, 16]" },
	{ "mistral4",
	  "{}",
	  { "a", "language_model.a" },
	  { LENS_BF16, LENS_BF16 },
	  { { 4 }, { 4 } },
	  { 1, 1 },
	  "one of 'a' and one of 'language_model.a'" },
	{ "mistral4",
	  "{}",
	  { "language_model.a.weight", "a.weight_scale_inv" },
	  { LENS_F8_E4M3, LENS_F32 },
	  { { 4 }, { 1 } },
	  { 1, 1 },
	  "belongs to 'language_model.a.weight'" },
	{ "mistral4",
	  "{}",
	  { "a.weight", "a.weight_scale_inv" },
	  { LENS_F8_E4M3, LENS_F32 },
	  { { 300, 300 }, { 2, 3 } },
	  { 2, 2 },
	  "a.weight" },
	{ "mistral4",
	  "{}",
	  { "a.weight", "a.weight_scale_inv" },
	  { LENS_F8_E4M3, LENS_I32 },
	  { { 300, 300 }, { 1 } },
	  { 2, 1 },
	  "must be F32, BF16, F16" },
	{ "mistral4",
	  "{}",
	  { "a.weight", "a.weight_scale_inv" },
	  { LENS_I8, LENS_F32 },
	  { { 300, 300 }, { 1 } },
	  { 2, 1 },
	  "can't be multiplied" },
	{ "mistral4",
	  "{}",
	  { "a.weight", "a.weight_scale_inv" },
	  { LENS_F8_E4M3, LENS_F32 },
	  { { 1, 300, 300 }, { 1, 3, 1 } },
	  { 3, 3 },
	  "of the expert or of its blocks" },
	{ "mistral4",
	  "{\"dtype\": \"float64\"}",
	  { "a.weight" },
	  { LENS_F8_E4M3 },
	  { { 3 } },
	  { 1 },
	  "not bfloat16, float16 or float32" },
	{ "dequant",
	  "{}",
	  { "a.weight" },
	  { LENS_F8_E4M3 },
	  { { 3 } },
	  { 1 },
	  "has no scale" },
	{ "dequant",
	  "{}",
	  { "a.weight_scale_inv" },
	  { LENS_F32 },
	  { { 3 } },
	  { 1 },
	  "the tensor it belongs to is not there" },
	{ "dequant",
	  "{}",
	  { "a.weight", "a.weight_scale_inv" },
	  { LENS_F8_E4M3, LENS_F32 },
	  { { 300, 300 }, { 3, 3 } },
	  { 2, 2 },
	  "no weight_block_size" },
	{ split_recipe,
	  "{\"n\": 2}",
	  { "model.3.e.0.gate", "model.3.e.0.up", "model.3.e.1.gate" },
	  { LENS_BF16, LENS_BF16, LENS_BF16 },
	  { { 2, 2 }, { 2, 2 }, { 2, 2 } },
	  { 2, 2, 2 },
	  "tensor 'm.3.e.1.up' is missing" },
	{ split_recipe,
	  "{\"n\": 2}",
	  { "model.3.e.0.gate", "model.3.e.0.up" },
	  { LENS_BF16, LENS_BF16 },
	  { { 2, 2 }, { 2, 2 } },
	  { 2, 2 },
	  "tensor 'm.3.e.1.gate' is missing" },
	{ split_recipe,
	  "{\"n\": 1}",
	  { "model.3.e.1.gate", "model.3.e.1.up" },
	  { LENS_BF16, LENS_BF16 },
	  { { 2, 2 }, { 2, 2 } },
	  { 2, 2 },
	  "one too many" },
	{ split_recipe,
	  "{\"n\": 1}",
	  { "model.3.e.0.gate", "model.3.e.0.up" },
	  { LENS_BF16, LENS_BF16 },
	  { { 2, 3 }, { 2, 4 } },
	  { 2, 2 },
	  "can't be joined" },
	{ split_recipe,
	  "{\"n\": 2}",
	  { "model.3.e.0.gate", "model.3.e.0.up", "model.3.e.1.gate",
	    "model.3.e.1.up" },
	  { LENS_BF16, LENS_BF16, LENS_BF16, LENS_BF16 },
	  { { 2, 3 }, { 2, 3 }, { 3, 3 }, { 3, 3 } },
	  { 2, 2, 2, 2 },
	  "can't be stacked" },
	{ split_recipe,
	  "{}",
	  { "model.3.e.0.gate", "model.3.e.0.up" },
	  { LENS_BF16, LENS_BF16 },
	  { { 2, 2 }, { 2, 2 } },
	  { 2, 2 },
	  "config.json has no 'n'" },
	{ "mistral4",
	  "{}",
	  { "a.mlp.experts.down_proj" },
	  { LENS_BF16 },
	  { { 2, 2 } },
	  { 2 },
	  "there is no dimension 2" },
};

START_TEST(misfits_are_refused)
{
	struct model m;
	struct opened o;
	struct lens_err err;

	model_start(&m, 1);
	for (unsigned i = 0; i < 4 && refusals[_i].key[i]; i++)
		(void)model_add(&m, refusals[_i].key[i], refusals[_i].dtype[i],
				refusals[_i].rank[i], refusals[_i].shape[i]);
	model_write(&m, refusals[_i].config);
	ck_assert_int_lt(try_open(&m, refusals[_i].recipe, &plain, &o, &err),
			 0);
	ck_assert_msg(strstr(err.msg, refusals[_i].why), "'%s' lacks '%s'",
		      err.msg, refusals[_i].why);
	shut(&o);
	model_end(&m);
}
END_TEST

START_TEST(options_are_checked)
{
	static const char *const sets[] = { "names=nonsense", "frob=1",
					    "names" };
	static const char *const why[] = { "it may be: documented, automodel",
					   "no such parameter", "NAME=VALUE" };
	struct lens_plan_opts opts = { .dtype = LENS_DTYPE_INVALID,
				       .n_set = 1,
				       .set = &sets[_i] };
	struct model m;
	struct opened o;
	struct lens_err err;

	model_start(&m, 1);
	(void)model_add(&m, "a", LENS_BF16, 1, (const uint64_t[]){ 2 });
	model_write(&m, "{}");
	ck_assert_int_eq(try_open(&m, "mistral4_multimodal", &opts, &o, &err),
			 -EINVAL);
	ck_assert_msg(strstr(err.msg, why[_i]), "'%s'", err.msg);
	shut(&o);
	opts = (struct lens_plan_opts){ .dtype = LENS_F32 };
	ck_assert_int_eq(try_open(&m, "identity", &opts, &o, &err), -EINVAL);
	ck_assert(strstr(err.msg, "leaves no choice"));
	shut(&o);
	opts = (struct lens_plan_opts){ .dtype = LENS_DTYPE_INVALID,
					.exclude = "a(" };
	ck_assert_int_eq(try_open(&m, "identity", &opts, &o, &err), -EINVAL);
	ck_assert(strstr(err.msg, "no regular expression"));
	shut(&o);
	model_end(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plan");
	TCase *tc = tcase_create("plan");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, experts_are_turned_and_scaled, 0, 5);
	tcase_add_loop_test(tc, blocks_are_turned, 0, 2);
	tcase_add_loop_test(tc, split_experts_are_joined_and_come_back, 0, 2);
	tcase_add_loop_test(tc, whole_tensors_are_decoded, 0, 10);
	tcase_add_test(tc, steps_round_one_by_one);
	tcase_add_test(tc, fill_and_exclude);
	tcase_add_loop_test(tc, misfits_are_refused, 0,
			    (int)LENS_ARRAY_SIZE(refusals));
	tcase_add_loop_test(tc, options_are_checked, 0, 3);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

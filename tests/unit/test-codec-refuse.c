/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-codec-refuse - what does not fit is refused by name, and what a recipe
 * lets pass or drops does.
 */
#include "plan_source.h"

#define CT(weights)                                                 \
	"{\"quantization_config\": {\"quant_method\": "             \
	"\"compressed-tensors\", \"config_groups\": {\"group_0\": " \
	"{\"weights\": {" weights "}}}}}"
#define INT4 "\"num_bits\": 4, \"strategy\": \"group\", \"group_size\": 32"
#define METHOD(name, more) \
	"{\"quantization_config\": {\"quant_method\": \"" name "\"" more "}}"
#define GPTQ(more) METHOD("gptq", ", \"bits\": 4, \"group_size\": 32" more)
#define AWQ(more) METHOD("awq", ", \"bits\": 4, \"group_size\": 32" more)
#define RECIPE(codecs)                                                        \
	"{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\", "          \
	"\"params\": {\"three\": {\"default\": \"3\"}}, \"codecs\": [" codecs \
	"]}"

struct tensor {
	const char *key;
	enum lens_dtype dtype;
	unsigned rank;
	uint64_t shape[10];
};
#define T1(key, d, a)              \
	{                          \
		key, LENS_##d, 1,  \
		{                  \
			a, 0, 0, 0 \
		}                  \
	}
#define T2(key, d, a, b)           \
	{                          \
		key, LENS_##d, 2,  \
		{                  \
			a, b, 0, 0 \
		}                  \
	}
#define T3(key, d, a, b, c)        \
	{                          \
		key, LENS_##d, 3,  \
		{                  \
			a, b, c, 0 \
		}                  \
	}
#define T4(key, d, a, b, c, e)     \
	{                          \
		key, LENS_##d, 4,  \
		{                  \
			a, b, c, e \
		}                  \
	}

static const struct row {
	const char *recipe; /* NULL: dequant */
	const char *config;
	struct tensor t[4];
	/* Words of the refusal; or, with a '+', the keys of the view. */
	const char *want;
} rows[] = {
	/* quant_method */
	{ NULL, METHOD("quark", ""), { T1("a", F32, 1) }, "is 'quark'" },
	{ NULL, METHOD("hqq", ""), { T1("a", F32, 1) }, "is 'hqq'" },
	{ NULL,
	  "{\"quantization_config\": {\"load_in_8bit\": true}}",
	  { T1("a", F32, 1) },
	  "is 'bitsandbytes'" },
	{ NULL,
	  "{\"quantization_config\": {\"bits\": 4}}",
	  { T1("a", F32, 1) },
	  "it has no quant_method" },
	{ NULL,
	  "{\"vlm\": {\"quantization_config\": {\"quant_method\": \"x\"}}}",
	  { T1("a", F32, 1) },
	  "is 'x'" },
	{ NULL,
	  "{}",
	  { T2("a.weight", U8, 4, 1), T1("a.weight.absmax", F32, 1) },
	  "'a.weight.absmax' belongs to one of bitsandbytes" },
	{ NULL,
	  "{\"a\": {\"quantization_config\": {\"quant_method\": \"fp8\"}},"
	  "\"b\": {\"quantization_config\": {\"quant_method\": \"awq\"}}}",
	  { T1("a", F32, 1) },
	  "two parts have a quantization_config each" },
	{ NULL,
	  "{\"a\": {\"quantization_config\": {\"quant_method\": \"fp8\"}},"
	  "\"b\": {\"quantization_config\": {\"quant_method\": \"fp8\"}}}",
	  { T1("a", F32, 1) },
	  "+a" },
	/* a scale of all, of more dimensions than there is room for */
	{ NULL,
	  CT("\"type\": \"float\""),
	  { T2("a_packed", U8, 2, 16),
	    T2("a_scale", F8_E4M3, 2, 2),
	    { "a_global_scale",
	      LENS_F32,
	      10,
	      { 1, 1, 1, 1, 1, 1, 1, 1, 2, 2 } } },
	  "must be F32, and of one element or one an expert" },
	/* packed integers */
	{ NULL,
	  CT(INT4),
	  { T2("a_packed", I32, 2, 4), T2("a_scale", BF16, 2, 1) },
	  "'a_packed': its shape (a_shape" },
	{ NULL,
	  CT(INT4),
	  { T2("a_packed", I32, 2, 4), T1("a_shape", I64, 2) },
	  "'a_packed' is packed integers and has no scale" },
	{ NULL,
	  "{}",
	  { T2("a_packed", I32, 2, 4), T2("a_scale", BF16, 2, 1),
	    T1("a_shape", I64, 2) },
	  "companion 'a_shape' [2] says" },
	{ RECIPE("{\"packed\": {\"group\": \"shape\", \"bits\": 4, \"out\": "
		 "\"bf16\"}}"),
	  "{}",
	  { T2("a_packed", I32, 2, 4), T2("a_scale", BF16, 2, 3) },
	  "does not divide 2 rows of 32 columns" },
	{ RECIPE("{\"packed\": {\"group\": \"shape\", \"bits\": 4, \"out\": "
		 "\"bf16\"}}"),
	  "{}",
	  { T2("a_packed", I32, 2, 4), T1("a_scale", F16, 4),
	    T2("b_packed", I32, 4, 1), T2("b_scale", BF16, 4, 1) },
	  "+a b" },
	{ RECIPE("{\"packed\": {\"group\": \"shape\", \"bits\": 4, \"out\": "
		 "\"bf16\", \"unscaled\": \"pass\", \"lone\": \"pass\"}}"),
	  "{}",
	  { T2("a_packed", I32, 2, 4), T1("a_shape", I64, 2) },
	  "+a_packed a_shape" },
	{ RECIPE("{\"packed\": {\"group\": \"shape\", \"bits\": 4, \"out\": "
		 "\"bf16\"}}"),
	  "{}",
	  { T2("a_packed", I32, 0, 4), T1("a_scale", F16, 4) },
	  "does not divide 0 rows" },
	/* compressed-tensors, a byte a code */
	{ NULL,
	  CT("\"type\": \"float\", \"strategy\": \"channel\""),
	  { T2("a.weight", F8_E4M3, 4, 6), T2("a.weight_scale", BF16, 3, 1) },
	  "fits none of quantization_config's" },
	{ NULL,
	  CT("\"type\": \"int\", \"strategy\": \"channel\""),
	  { T2("a.weight", F8_E4M3, 4, 6), T2("a.weight_scale", BF16, 4, 1) },
	  "fits none of quantization_config's" },
	{ NULL,
	  CT("\"strategy\": \"channel\", \"symmetric\": false"),
	  { T2("a.weight", I8, 4, 6), T2("a.weight_scale", BF16, 4, 1) },
	  "asymmetric, and there are no zero points" },
	{ NULL,
	  CT("\"strategy\": \"channel\""),
	  { T2("a.weight", I8, 4, 6), T2("a.weight_scale", BF16, 4, 1),
	    T2("a.weight_zero_point", I8, 4, 1) },
	  "symmetric, and there are zero points" },
	{ NULL,
	  CT("\"strategy\": \"channel\"}}, \"group_1\": {\"weights\": "
	     "{\"strategy\": \"channel\", \"symmetric\": false"),
	  { T2("a.weight", I8, 4, 6), T2("a.weight_scale", BF16, 4, 1) },
	  "fits several of quantization_config's" },
	{ NULL,
	  CT("\"strategy\": \"attn_head\""),
	  { T1("a", F32, 1) },
	  "strategy 'attn_head' is not known" },
	{ NULL,
	  CT("\"strategy\": \"group\""),
	  { T1("a", F32, 1) },
	  "config_groups.group_0.weights: it has no group_size" },
	{ NULL,
	  "{\"quantization_config\": {\"quant_method\": "
	  "\"compressed-tensors\", \"config_groups\": {\"W4A16\": "
	  "[\"Linear\"]}}}",
	  { T1("a", F32, 1) },
	  "'W4A16' names a scheme" },
	/* FP4 */
	{ NULL,
	  METHOD("mxfp4", ""),
	  { T4("a_blocks", U8, 2, 3, 2, 16), T3("a_scales", U8, 2, 3, 3) },
	  "must have an element for 32 codes, 2 a row" },
	{ NULL,
	  METHOD("mxfp4", ""),
	  { T4("a_blocks", U8, 2, 3, 2, 8), T3("a_scales", U8, 2, 3, 2) },
	  "blocks that are not of 16 bytes" },
	{ NULL,
	  METHOD("mxfp4", ""),
	  { T4("a_blocks", U8, 2, 3, 2, 16) },
	  "'a_blocks' is FP4 codes and has no scale" },
	{ NULL,
	  METHOD("mxfp4", ""),
	  { T3("a_scales", U8, 2, 3, 2) },
	  "'a_scales' is a scale, and the tensor" },
	{ NULL,
	  CT("\"type\": \"float\""),
	  { T2("a_packed", U8, 2, 20), T2("a_scale", U8, 2, 2) },
	  "rows of no whole groups" },
	{ NULL,
	  CT("\"type\": \"float\""),
	  { T2("a_packed", U8, 2, 16), T2("a_scale", F8_E4M3, 2, 2) },
	  "lacks the scale of all groups" },
	{ NULL,
	  METHOD("modelopt", ", \"quant_algo\": \"NVFP4\", \"group_size\": 32"),
	  { T1("a", F32, 1) },
	  "group_size is 32; NVFP4 has groups of 16" },
	{ NULL,
	  METHOD("modelopt", ""),
	  { T2("a.weight", U8, 2, 16), T2("a.weight_scale", F8_E4M3, 2, 2),
	    T1("a.weight_scale_2", F32, 2) },
	  "must be F32, and of one element or one an expert" },
	{ RECIPE("{\"mxfp4\": {\"names\": \"weight\", \"scale\": \"_scale\", "
		 "\"only\": \"{p*}.experts.{r*}\", \"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a.experts.weight", U8, 2, 16), T2("b.weight", U8, 2, 16),
	    T2("b.weight_scale", U8, 2, 1) },
	  "'a.experts.weight' is FP4 codes" },
	{ RECIPE("{\"mxfp4\": {\"names\": \"weight\", \"scale\": \"_scale\", "
		 "\"except\": [\"b.{r*}\", \"c\"], \"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a.weight", U8, 2, 16), T2("a.weight_scale", U8, 2, 1),
	    T2("b.weight", U8, 2, 16), T2("b.weight_scale", U8, 2, 1) },
	  "+a.weight b.weight b.weight_scale" },
	/* GPTQ and AWQ */
	{ NULL,
	  GPTQ(""),
	  { T2("a.qweight", I32, 8, 16), T2("a.qzeros", I32, 2, 2),
	    T2("a.scales", F16, 3, 16) },
	  "'a.scales' [3, 16] must be [2, 16]: groups of 32" },
	{ NULL,
	  GPTQ(""),
	  { T2("a.qweight", I32, 8, 16), T2("a.qzeros", I32, 2, 4),
	    T2("a.scales", F16, 2, 16) },
	  "'a.qzeros' [2, 4] must be I32 [2, 2]" },
	{ NULL,
	  GPTQ(""),
	  { T2("a.qweight", I32, 8, 16), T2("a.scales", F16, 2, 16) },
	  "'a.qweight' is packed integers" },
	{ NULL,
	  GPTQ(""),
	  { T2("a.qweight", I32, 8, 16), T2("a.qzeros", I32, 2, 2),
	    T2("a.scales", F16, 2, 16), T1("a.g_idx", I32, 64) },
	  "tensor 'a.g_idx': column 0 is in group" },
	{ NULL,
	  GPTQ(", \"checkpoint_format\": \"marlin\""),
	  { T1("a", F32, 1) },
	  "checkpoint_format is 'marlin'" },
	{ NULL,
	  METHOD("gptq", ", \"bits\": 5, \"group_size\": 32"),
	  { T1("a", F32, 1) },
	  "bits must be 2, 3, 4 or 8" },
	{ NULL,
	  AWQ(", \"version\": \"gemv\""),
	  { T1("a", F32, 1) },
	  "version is 'gemv'" },
	{ NULL,
	  AWQ(""),
	  { T2("a.qweight", I32, 64, 2), T2("a.qzeros", I32, 2, 3),
	    T2("a.scales", F16, 2, 16) },
	  "'a.qzeros' [2, 3] must be I32 [2, 2]" },
	{ NULL,
	  AWQ(""),
	  { T2("a.qweight", I32, 8, 16), T2("a.qzeros", I32, 2, 2),
	    T2("a.scales", F16, 2, 16) },
	  "'a.scales' [2, 16] must be [1, 128]" },
	{ NULL,
	  METHOD("fp8", ""),
	  { T2("a.qweight", I32, 8, 16), T2("a.qzeros", I32, 2, 2),
	    T2("a.scales", F16, 2, 16) },
	  "config.json says nothing of them" },
	/* FP8 */
	{ RECIPE("{\"fp8\": {\"block\": [2, 2], \"out\": \"bf16\"}}"),
	  METHOD("fp8", ", \"weight_block_size\": [4, 4]"),
	  { T1("a", F32, 1) },
	  "[4, 4], but this recipe's blocks are [2, 2]" },
	{ RECIPE("{\"fp8\": {\"block\": [2, 2], \"other-block\": \"ignore\", "
		 "\"out\": \"bf16\"}}"),
	  METHOD("fp8", ", \"weight_block_size\": [4, 4]"),
	  { T2("a", F8_E4M3, 4, 4), T2("a_scale_inv", F32, 2, 2) },
	  "+a" },
	{ NULL,
	  METHOD("mxfp8", ", \"weight_block_size\": [1, 16]"),
	  { T1("a", F32, 1) },
	  "mxfp8's blocks are [1, 32]" },
	{ NULL,
	  METHOD("fp8", ", \"weight_block_size\": [4, 4]"),
	  { T2("a.weight", F8_E4M3, 5, 4), T1("a.weight_scale_inv", F32, 1) },
	  "fits neither a tensor" },
	{ NULL,
	  METHOD("fp8", ", \"weight_block_size\": [4, 4]"),
	  { T2("a.weight", F8_E4M3, 4, 4), T1("a.weight_scale_inv", F32, 1) },
	  "+a.weight" },
	{ NULL,
	  "{}",
	  { T2("a.weight", F8_E4M3, 4, 4), T1("a.weight_scale", F32, 1) },
	  "which quant_method" },
	{ NULL,
	  "{}",
	  { T1("a.weight", F32, 4), T1("a.scale", F32, 1),
	    T1("a.k_scale", F32, 1), T1("a.input_scale", F32, 1) },
	  "+a.input_scale a.k_scale a.scale a.weight" },
	{ NULL,
	  METHOD("fp8", ""),
	  { T1("a.weight", F32, 4), T1("a.scale", F32, 1),
	    T1("a.k_scale", F32, 1), T1("a.input_scale", F32, 1) },
	  "+a.scale a.weight" },
	{ RECIPE("{\"fp8\": {\"scale\": \".scale\", \"block\": [2, 2], "
		 "\"lone\": \"refuse\", \"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a.scale", F8_E8M0, 2, 2) },
	  "'a.scale' is a scale, and the tensor" },
	{ RECIPE("{\"fp8\": {\"scale\": \".scale\", \"block\": [2, 2], "
		 "\"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a.weight", I8, 2, 2), T2("a.scale", F8_E8M0, 1, 1) },
	  "'a.weight' is I8, but has a scale" },
	{ RECIPE("{\"fp8\": {\"block\": [2, 2], \"surplus\": \"ignore-all\", "
		 "\"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a", F8_E4M3, 2, 2), T2("a_scale_inv", F32, 3, 1) },
	  "+a" },
	{ RECIPE("{\"fp8\": {\"block\": [2, 2], \"ranks\": \"three\", "
		 "\"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a", F8_E4M3, 7, 2), T2("a_scale_inv", F32, 4, 1) },
	  "can't be of 3 ranks ('three')" },
	{ RECIPE("{\"fp8\": {\"block\": [2, 2], \"ranks\": \"three\", "
		 "\"out\": \"bf16\"}}"),
	  METHOD("fp8", ""),
	  { T2("a", F8_E4M3, 9, 2), T2("a_scale_inv", F32, 5, 1) },
	  "blocks of [2, 2] need 6" },
	{ NULL,
	  METHOD("fbgemm_fp8", ""),
	  { T3("a", F8_E4M3, 2, 3, 4), T3("a_scale", F32, 2, 3, 1) },
	  "one element an output" },
};

/* The keys of the view, in its order. */
static void check_keys(const struct lens_plan *p, const char *want)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	for (size_t i = 0; i < lens_plan_count(p); i++)
		lens_buf_printf(&b, "%s%s", i ? " " : "",
				lens_plan_at(p, i)->t.name);
	ck_assert_str_eq(b.data, want);
}

START_TEST(misfits_are_refused_and_the_rest_passes)
{
	const struct row *row = &rows[_i];
	const struct lens_plan_opts opts = { .dtype = LENS_DTYPE_INVALID };
	struct model m;
	struct opened o;
	struct lens_err err;
	int r;

	model_start(&m, 5 + (uint64_t)_i);
	for (unsigned i = 0; i < 4 && row->t[i].key; i++)
		(void)model_add(&m, row->t[i].key, row->t[i].dtype,
				row->t[i].rank, row->t[i].shape);
	model_write(&m, row->config);
	r = try_open(&m, row->recipe ? row->recipe : "dequant", &opts, &o,
		     &err);
	if (*row->want == '+') {
		ck_assert_msg(r == 0, "%s", err.msg);
		check_keys(o.plan, row->want + 1);
	} else {
		ck_assert_msg(r < 0, "not refused: %s", row->want);
		ck_assert_msg(strstr(err.msg, row->want), "'%s' lacks '%s'",
			      err.msg, row->want);
	}
	shut(&o);
	model_end(&m);
}
END_TEST

/* Of version 1, a stored zero point that is all ones; of version 2 it is one
 * like any other. */
START_TEST(zero_points_of_two_meanings_are_refused)
{
	const struct lens_plan_opts opts = { .dtype = LENS_DTYPE_INVALID };
	struct model m;
	struct opened o;
	struct lens_err err;
	struct model_tensor *z;
	int r;

	model_start(&m, 3);
	(void)model_add(&m, "a.qweight", LENS_I32, 2,
			(const uint64_t[]){ 8, 16 });
	z = model_add(&m, "a.qzeros", LENS_I32, 2, (const uint64_t[]){ 2, 2 });
	(void)model_add(&m, "a.scales", LENS_F16, 2,
			(const uint64_t[]){ 2, 16 });
	memset(z->data, 0x77, z->size);
	if (_i)
		z->data[11] = 0xf7;
	model_write(&m, _i == 2 ? GPTQ(", \"checkpoint_format\": \"gptq_v2\"") :
				  GPTQ(""));
	r = try_open(&m, "dequant", &opts, &o, &err);
	ck_assert_int_eq(r < 0, _i == 1);
	if (r < 0)
		ck_assert_ptr_nonnull(strstr(
			err.msg, "'a.qzeros': a stored zero point is 15"));
	shut(&o);
	model_end(&m);
}
END_TEST

/* Where config.json says nothing, hf_quant_config.json does. */
START_TEST(the_other_file_says_it)
{
	static const char *const text[] = {
		("{\"producer\": {\"name\": \"modelopt\"}, \"quantization\": "
		 "{\"quant_algo\": \"NVFP4\", \"group_size\": 16}}"),
		"{\"producer\": {\"name\": \"other\"}, \"quantization\": {}}",
		"{\"quantization\": 1}",
	};
	static const char *const why[] = { NULL, "quant_method is 'other'",
					   "'quantization' is missing" };
	const struct lens_plan_opts opts = { .dtype = LENS_DTYPE_INVALID };
	char path[200];
	struct model m;
	struct opened o;
	struct lens_err err;
	int r;

	model_start(&m, 3);
	(void)model_add(&m, "a.weight", LENS_F8_E4M3, 2,
			(const uint64_t[]){ 8, 16 });
	(void)model_add(&m, "a.weight_scale", LENS_F32, 0, NULL);
	model_write(&m, "{}");
	model_put(m.dir, "hf_quant_config.json", text[_i], strlen(text[_i]));
	r = try_open(&m, "dequant", &opts, &o, &err);
	ck_assert_msg((r < 0) == (why[_i] != NULL), "%s", err.msg);
	if (why[_i])
		ck_assert_ptr_nonnull(strstr(err.msg, why[_i]));
	shut(&o);
	(void)snprintf(path, sizeof(path), "%s/hf_quant_config.json", m.dir);
	ck_assert_int_eq(unlink(path), 0);
	model_end(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec-refuse");
	TCase *tc = tcase_create("codec-refuse");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, misfits_are_refused_and_the_rest_passes, 0,
			    (int)LENS_ARRAY_SIZE(rows));
	tcase_add_loop_test(tc, zero_points_of_two_meanings_are_refused, 0, 3);
	tcase_add_loop_test(tc, the_other_file_says_it, 0, 3);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

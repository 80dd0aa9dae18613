/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-recipe - patterns, what a recipe's parser refuses and where it says so,
 * and how recipes are found.
 */
#include "lens/recipe.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

static const struct {
	const char *pattern, *key;
	const char *captures; /* "name=text ..."; NULL: no match */
} matches[] = {
	{ "a.b", "a.b", "" },
	{ "a.b", "a.bc", NULL },
	{ "a.b", "a.", NULL },
	{ "{p*}.w", "x.y.w", "p=x.y" },
	{ "{p*}.w", ".w", "p=" },
	{ "{p*}.w{r*}", "a.w.w", "p=a r=.w" },
	{ "{x}.w", "abc.w", "x=abc" },
	{ "{x}.w", "a.b.w", NULL },
	{ "{x}.w", ".w", NULL },
	{ "layers.{L}.w", "layers.10.w", "L=10" },
	{ "layers.{L}.w", "layers.010.w", NULL },
	{ "layers.{L}.w", "layers.x.w", NULL },
	{ "layers.{L}.w", "layers..w", NULL },
	{ "l{L}0", "l100", "L=10" },
	{ "{p:model.|}layers.{L}", "model.layers.3", "p=model. L=3" },
	{ "{p:model.|}layers.{L}", "layers.3", "p= L=3" },
	{ "{p:a|ab}c", "abc", "p=ab" },
	{ "{x}.{x}", "a.a", "x=a" },
	{ "{x}.{x}", "a.b", NULL },
	{ "{p*}m{q*}m", "ammm", "p=a q=m" },
	{ "{p*}.{L}.{q*}.{x}", "a.b.1.2.c", "p=a.b L=1 q=2 x=c" },
	{ "{x}.{x}{L}", "a.a1", "x=a L=1" },
};

/* Each {x*} could end anywhere: what has failed once is not tried again. */
START_TEST(matching_takes_no_time)
{
	static const char *const hard[] = {
		"{a*}a{b*}a{c*}a{d*}a{e*}a{f*}a{g*}a{h*}a{i*}a{j*}b",
		"{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}.b",
		("{a:a|aa|aaa}{b:a|aa|aaa}{c:a|aa|aaa}{d:a|aa|aaa}{e:a|aa|aaa}"
		 "{f:a|aa|aaa}{g:a|aa|aaa}{h:a|aa|aaa}{i:a|aa|aaa}{j*}bb"),
		"{x}a{x}b",
	};
	struct lens_arena arena = { 0 };
	struct lens_captures caps = { 0 };
	struct lens_pattern *p;
	struct lens_err err;
	static char key[4097];

	memset(key, 'a', 4000);
	memcpy(key + 1000, "b", 1);
	memcpy(key + 4000, "c", 2);
	ck_assert_msg(lens_pattern_parse(hard[_i], &arena, &p, &err) == 0, "%s",
		      err.msg);
	ck_assert(!lens_pattern_match(p, key, &caps));
	ck_assert_uint_eq(caps.n, 0);
	lens_arena_fini(&arena);
}
END_TEST

START_TEST(patterns_match)
{
	struct lens_arena arena = { 0 };
	struct lens_captures caps = { 0 };
	struct lens_pattern *p;
	struct lens_err err;
	char got[200] = "";

	ck_assert_int_eq(
		lens_pattern_parse(matches[_i].pattern, &arena, &p, &err), 0);
	if (!matches[_i].captures) {
		ck_assert(!lens_pattern_match(p, matches[_i].key, &caps));
	} else {
		ck_assert(lens_pattern_match(p, matches[_i].key, &caps));
		for (unsigned i = 0; i < caps.n; i++)
			(void)snprintf(got + strlen(got),
				       sizeof(got) - strlen(got), "%s%s=%.*s",
				       i ? " " : "", caps.name[i],
				       (int)caps.len[i], caps.text[i]);
		ck_assert_str_eq(got, matches[_i].captures);
		ck_assert_str_eq(lens_pattern_make(p, &caps, &arena),
				 matches[_i].key);
	}
	lens_arena_fini(&arena);
}
END_TEST

static const struct {
	const char *pattern, *why;
} bad_patterns[] = {
	{ "", "it is empty" },
	{ "a{b", "'{' without '}'" },
	{ "a}b", "'}' without '{'" },
	{ "{}", "has no name" },
	{ "{1}", "has no name" },
	{ "{a+}", "is not {x}" },
	{ "{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}", "too many captures" },
	{ "{x}.{x}.{y}.{z}", "a name stands twice" },
};

START_TEST(bad_patterns_are_refused)
{
	struct lens_arena arena = { 0 };
	struct lens_pattern *p;
	struct lens_err err;

	ck_assert_int_lt(
		lens_pattern_parse(bad_patterns[_i].pattern, &arena, &p, &err),
		0);
	ck_assert_msg(strstr(err.msg, bad_patterns[_i].why), "'%s'", err.msg);
	lens_arena_fini(&arena);
}
END_TEST

#define HEAD "{\"lens-recipe\": 1,\n \"name\": \"t\", \"summary\": \"s\",\n "
#define PARAMS                                                      \
	HEAD "\"params\": {\"n\": {\"config\": \"c\"}, \"dtype\": " \
	     "{\"option\": \"dtype\"}},\n "

static const struct {
	const char *text, *where, *why;
} bad_recipes[] = {
	{ "", "line 1, column 1", "the text ends" },
	{ "[]", "line 1, column 1", "an object is wanted" },
	{ "{\"lens-recipe\": 2}", "line 1, column 2", "the version" },
	{ "{\"lens-recipe\": 1}", "line 1, column 1", "a string is missing" },
	{ HEAD "\"frob\": 1}", "line 3, column 2",
	  "no member is called 'frob'" },
	{ HEAD "\"name\": \"u\"}", "line 2, column 2", "twice" },
	{ HEAD "\"config\": \"cut\"}", "line 3, column 2",
	  "\"keep\" is wanted" },
	{ HEAD "\"detect\": {}}", "line 3", "an object of config.json paths" },
	{ HEAD "\"rules\": {}}", "line 3, column 2", "an array is wanted" },
	{ HEAD "\"rules\": [{\"hf\": \"a\"}]}", "line 3, column 12",
	  "'native' is missing" },
	{ HEAD "\"rules\": [\n  {\"hf\": \"a{\", \"native\": \"b\"}]}",
	  "line 4, column 4", "'{' without '}'" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"{x}\"}]}",
	  "line 3, column 12", "capture 'x' is in '{x}' and not in 'a'" },
	{ HEAD "\"rules\": [{\"hf\": [\"a\", \"b\"], \"native\": \"c\"}]}",
	  "line 3", "no op that joins them" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\",\n  \"ops\": "
	       "[{\"frob\": 1}]}]}",
	  "line 4, column 11", "no op is called 'frob'" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"ops\": "
	       "[{\"transpose\": [1]}]}]}",
	  "line 3", "two dimensions" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"ops\": "
	       "[{\"transpose\": [1, 0.5]}]}]}",
	  "line 3", "two dimensions" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"ops\": "
	       "[{\"cast\": \"f33\"}]}]}",
	  "line 3", "neither a dtype nor a parameter" },
	{ HEAD "\"rules\": [{\"hf\": \"a.{E}\", \"native\": \"b\", \"ops\": "
	       "[{\"stack\": {\"E\": \"n\"}}]}]}",
	  "line 3", "'n' is neither a parameter nor a capture" },
	{ PARAMS "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"ops\": "
		 "[{\"stack\": {\"E\": \"n\"}}]}]}",
	  "line 4", "has no capture 'E'" },
	{ PARAMS "\"rules\": [{\"hf\": \"a.{E}\", \"native\": \"b.{E}\", "
		 "\"ops\": [{\"stack\": {\"E\": \"n\"}}]}]}",
	  "line 4", "is also in" },
	{ HEAD "\"names\": [{\"hf\": \"a\", \"native\": \"b\", \"when\": "
	       "{\"q\": \"1\"}}]}",
	  "line 3", "'q' is neither a parameter nor a capture" },
	{ HEAD "\"codecs\": [{\"fp9\": {}}]}", "line 3, column 13",
	  "no codec is called 'fp9'" },
	{ HEAD "\"codecs\": [{\"fp8\": {}}]}", "line 3", "option 'out'" },
	{ PARAMS
	  "\"codecs\": [{\"fp8\": {\"out\": \"dtype\", \"blocks\": 1}}]}",
	  "line 4", "has no option 'blocks'" },
	{ PARAMS
	  "\"codecs\": [{\"fp8\": {\"out\": \"dtype\", \"block\": [0, 1]}}]}",
	  "line 4", "a block is two" },
	{ HEAD "\"fill\": [{\"native\": \"a\", \"beside\": \"b\", \"dtype\": "
	       "\"I8\", \"shape\": [], \"value\": 0}]}",
	  "line 3", "must be F32, BF16, F16 or a parameter" },
	{ HEAD "\"fill\": [{\"native\": \"a\", \"beside\": \"b\", \"dtype\": "
	       "\"F32\", \"shape\": [\"n\"], \"value\": 0}]}",
	  "line 3", "'n' is neither a parameter nor a capture" },
	{ HEAD "\"casts\": [{\"native\": \"a\", \"dtype\": \"q\"}]}", "line 3",
	  "neither a dtype nor a parameter" },
	{ HEAD "\"extends\": \"no-such\"}", "line 3, column 2",
	  "no recipe is called 'no-such'" },
	{ HEAD "\"extends\": [1]}", "line 3", "a string is wanted" },
	{ HEAD "\"files\": [\"a/b\"]}", "line 3, column 2",
	  "'a/b' is no file's name" },
	{ HEAD "\"scopes\": [{\"hf\": \"a.\"}]}", "line 3, column 13",
	  "a prefix in 'hf' and in 'native'" },
	{ HEAD "\"scopes\": [{\"hf\": \"a.\", \"native\": \"b.\", \"detect\": "
	       "1}]}",
	  "line 3", "no member is called 'detect'" },
	{ HEAD "\"scopes\": [{\"hf\": \"a.\", \"native\": \"b.\", \"names\": "
	       "[{\"hf\": \"x{\", \"native\": \"y\"}]}]}",
	  "line 3", "'{' without '}'" },
	{ HEAD "\"refuse\": [{\"hf\": \"a\"}]}", "line 3", "'why' is missing" },
	{ HEAD "\"names\": [{\"hf\": \"a\", \"native\": \"b\", \"one-way\": "
	       "\"up\"}]}",
	  "line 3", "\"forward\" or \"back\"" },
	{ HEAD "\"names\": [{\"hf\": \"a.{L}\", \"native\": \"b.{K}\"}]}",
	  "line 3", "capture 'L' is in 'a.{L}' and not in 'b.{K}'" },
	{ HEAD "\"names\": [{\"hf\": \"a.{k*}\", \"native\": \"b.{k}\"}]}",
	  "line 3",
	  "capture 'k' takes other texts in 'a.{k*}' than in 'b.{k}'" },
	{ HEAD "\"names\": [{\"hf\": \"a.{k:x|y}\", \"native\": "
	       "\"b.{k:x|z}\"}]}",
	  "line 3", "which needs 'one-way'" },
	{ HEAD
	  "\"names\": [{\"hf\": \"a.{L}\", \"native\": \"b.{K}\", \"let\": "
	  "{\"K\": \"L - n\", \"L\": \"K + 1\"}}]}",
	  "line 3", "let: 'n' is neither a parameter nor a capture" },
	{ PARAMS
	  "\"names\": [{\"hf\": \"a.{n}\", \"native\": \"b.{n}\", \"when\": "
	  "{\"n\": 1}}]}",
	  "line 4", "'n' is a capture and a parameter" },
	{ PARAMS "\"names\": [{\"hf\": \"a\", \"native\": \"b\", \"when\": "
		 "{\"n\": {\"not\": 1, \"below\": 2}}}]}",
	  "line 4", "'not' stands alone" },
	{ HEAD "\"drop\": [{\"hf\": \"a\", \"when\": {\"tensor.dtype\": "
	       "\"F9\"}}]}",
	  "line 3", "'F9' is no dtype" },
	{ HEAD "\"drop\": [{\"hf\": \"a\", \"when\": {\"tensor.codec\": "
	       "\"fp9\"}}]}",
	  "line 3", "no codec is called 'fp9'" },
	{ HEAD "\"drop\": [{\"hf\": \"a\", \"when\": {\"1 +\": 2}}]}", "line 3",
	  "a number or a name is wanted" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"incomplete\": "
	       "\"pass\"}]}",
	  "line 3", "'incomplete' is \"next\"" },
	{ HEAD
	  "\"rules\": [{\"hf\": \"a\", \"native\": [\"b\", \"c\"], \"ops\": "
	  "[{\"split\": {\"dim\": 0, \"parts\": 3}}]}]}",
	  "line 3", "the ops leave 3 tensors, and 'native' has 2" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"ops\": "
	       "[{\"order\": [1, 0]}]}]}",
	  "line 3", "it gets 1 tensors, not 2" },
	{ HEAD
	  "\"rules\": [{\"hf\": [\"a\", \"c\"], \"native\": \"b\", \"ops\": "
	  "[{\"concat\": 0}], \"back\": [{\"squeeze\": 0}]}]}",
	  "line 3", "back: the ops leave 1 tensors" },
	{ HEAD "\"rules\": [{\"hf\": \"a\", \"native\": \"b\", \"ops\": "
	       "[{\"slice\": {\"dim\": 0, \"count\": \"n\"}}]}]}",
	  "line 3", "slice: 'n' is neither a parameter nor a capture" },
	{ HEAD "\"alias\": [{\"native\": \"a\"}]}", "line 3",
	  "'of' is missing" },
	{ HEAD "\"alias\": [{\"native\": \"a\", \"of\": \"{x}\", \"required\": "
	       "true}]}",
	  "line 3", "what is required has no captures" },
	{ HEAD "\"compute\": [{\"native\": \"a\", \"rotary\": {\"size\": 4, "
	       "\"theta\": \"t\"}}]}",
	  "line 3", "no parameter is called 't'" },
	{ HEAD
	  "\"fill\": [{\"native\": \"a.{x}\", \"beside\": \"b\", \"dtype\": "
	  "\"F32\", \"shape\": [1], \"value\": 0}]}",
	  "line 3", "in no pattern that it could come from" },
};

START_TEST(bad_recipes_are_refused)
{
	const char *text = bad_recipes[_i].text;
	struct lens_recipe *r = NULL;
	struct lens_err err;

	ck_assert_int_eq(
		lens_recipe_parse(text, strlen(text), "here", &r, &err),
		-EBADMSG);
	ck_assert_ptr_null(r);
	ck_assert_msg(strncmp(err.msg, "here: ", 6) == 0, "'%s'", err.msg);
	ck_assert_msg(strstr(err.msg, bad_recipes[_i].where), "'%s' lacks '%s'",
		      err.msg, bad_recipes[_i].where);
	ck_assert_msg(strstr(err.msg, bad_recipes[_i].why), "'%s' lacks '%s'",
		      err.msg, bad_recipes[_i].why);
}
END_TEST

START_TEST(the_built_in_ones_are_good)
{
	for (size_t i = 0; i < lens_recipe_builtins(); i++) {
		struct lens_recipe *r;
		struct lens_err err;

		ck_assert_msg(lens_recipe_open(lens_recipe_builtin_name(i), &r,
					       &err) == 0,
			      "%s", err.msg);
		ck_assert_str_eq(r->name, lens_recipe_builtin_name(i));
		lens_recipe_free(r);
	}
}
END_TEST

static const struct {
	const char *config, *name, *why;
} detections[] = {
	{ "{\"model_type\": \"llama\"}", "llama", NULL },
	{ "{\"model_type\": \"qwen2\"}", "qwen2", NULL },
	{ "{\"model_type\": \"qwen3\"}", "qwen3", NULL },
	{ "{\"model_type\": \"ernie4_5\"}", "ernie4_5", NULL },
	{ "{\"model_type\": \"ernie4_5_moe\"}", "ernie4_5_moe", NULL },
	{ "{\"model_type\": \"qwen3_moe\"}", "qwen3_moe", NULL },
	{ "{\"model_type\": \"qwen3_next\"}", "qwen3_next", NULL },
	{ "{\"model_type\": \"glm4_moe\"}", "glm4_moe", NULL },
	{ "{\"model_type\": \"glm4_moe_lite\"}", "glm4_moe_lite", NULL },
	{ "{\"model_type\": \"glm_moe_dsa\"}", "glm_moe_dsa", NULL },
	{ "{\"model_type\": \"deepseek_v3\"}", "deepseek_v3", NULL },
	{ "{\"model_type\": \"deepseek_v32\"}", "deepseek_v32", NULL },
	{ "{\"model_type\": \"deepseek_v4\"}", "deepseek_v4", NULL },
	{ "{\"model_type\": \"deepseek_v41\"}", "deepseek_v41", NULL },
	{ "{\"model_type\": \"kimi_k2\"}", "kimi_k2", NULL },
	{ "{\"model_type\": \"kimi_k3\"}", "kimi_k3", NULL },
	{ "{\"model_type\": \"kimi_linear\"}", "kimi_linear", NULL },
	{ "{\"model_type\": \"minimax_m2\"}", "minimax_m2", NULL },
	{ "{\"model_type\": \"minimax_m3_vl\"}", "minimax_m3_vl", NULL },
	{ "{\"model_type\": \"laguna\"}", "laguna", NULL },
	{ "{\"model_type\": \"hy_v3\"}", "hy_v3", NULL },
	{ "{\"model_type\": \"qwen3_omni_moe\"}", "qwen3_omni_moe", NULL },
	{ "{\"model_type\": \"qwen2_5_omni\"}", "qwen2_5_omni", NULL },
	{ "{\"model_type\": \"qwen3_5\"}", "qwen3_5", NULL },
	{ "{\"model_type\": \"qwen3_5_moe\"}", "qwen3_5_moe", NULL },
	{ "{\"model_type\": \"qwen3_vl_moe\"}", "qwen3_vl_moe", NULL },
	{ "{\"model_type\": \"qwen3_8_flash_next\"}", "qwen3_8_flash_next",
	  NULL },
	{ "{\"model_type\": \"glm5_next\"}", "glm5_next", NULL },
	{ "{\"model_type\": \"gpt_oss\"}", "gpt_oss", NULL },
	{ "{\"model_type\": \"step3p5\"}", "step3p5", NULL },
	{ "{\"model_type\": \"step3p7\"}", "step3p7", NULL },
	{ "{\"model_type\": \"gemma4_unified\"}", "gemma4_unified", NULL },
	{ "{\"model_type\": \"diffusion_gemma\"}", "diffusion_gemma", NULL },
	{ "{\"model_type\": \"bagel\"}", "bagel", NULL },
	{ "{\"model_type\": \"mistral4\"}", "mistral4", NULL },
	{ "{\"model_type\": \"bailing_moe\"}", "ling_v2", NULL },
	{ "{\"model_type\": \"kimi_k25\"}", "kimi_k25_vl", NULL },
	{ "{\"model_type\": \"kimi_vl\"}", "kimivl", NULL },
	{ "{\"model_type\": \"nemotron_h\"}", "nemotron_v3", NULL },
	{ "{\"model_type\": \"inkling_mm_model\"}", "inkling", NULL },
	{ "{\"model_type\": \"hunyuan_image_3_moe\"}", "hunyuan_image3", NULL },
	{ "{\"model_type\": \"llavaonevision1_5\"}", "llava_onevision", NULL },
	{ "{\"model_type\": \"llama_bidirec\"}", "llama_bidirectional", NULL },
	{ "{\"model_type\": \"mistral3_bidirec\"}", "ministral_bidirectional",
	  NULL },
	{ "{\"model_type\": \"ministral3\"}", "mistral3", NULL },
	{ "{\"model_type\": \"qwen4_exp\"}", "qwen3_8_flash_next", NULL },
	{ "{\"model_type\": \"minimax_m3\"}", "minimax_m3_vl", NULL },
	{ "{\"model_type\": \"gpt2\"}", "identity", NULL },
	{ "{\"model_type\": \"qwen3_vl\"}", "identity", NULL },
	{ "{\"model_type\": \"mimo_v2\", \"architectures\": "
	  "[\"MiMoV25ForCausalLM\"]}",
	  "mimo_v25", NULL },
	{ "{\"model_type\": \"mimo_v2\", \"architectures\": "
	  "[\"MiMoV2ForCausalLM\"]}",
	  "mimo_v2_flash", NULL },
	{ "{\"model_type\": \"mimo_v2_flash\", \"architectures\": "
	  "[\"MiMoV2FlashForCausalLM\"]}",
	  "mimo_v2_flash", NULL },
	{ "{\"model_type\": \"muse_glimmer\", \"architectures\": "
	  "[\"MuseGlimmerForConditionalGeneration\"]}",
	  "muse_glimmer", NULL },
	{ "{\"model_type\": \"x\", \"architectures\": "
	  "[\"NemotronH_Nano_Omni_Reasoning_V3\"]}",
	  "nemotron_omni", NULL },
	{ "{\"model_type\": \"x\", \"architectures\": "
	  "[\"NemotronH_Omni_Reasoning_V3\"]}",
	  "nemotron_omni_radio", NULL },
	{ "{\"model_type\": \"mistral3\", \"text_config\": {\"model_type\": "
	  "\"mistral4\"}}",
	  "mistral4_multimodal", NULL },
	{ "{\"model_type\": \"mistral3\", \"text_config\": {\"model_type\": "
	  "\"ministral3\"}}",
	  "mistral3_vlm", NULL },
	{ "{\"model_type\": \"gemma4\", \"text_config\": "
	  "{\"enable_moe_block\": true}}",
	  "gemma4_moe", NULL },
	{ "{\"model_type\": \"none\"}", NULL, "model_type 'none'" },
	{ "{\"model_type\": \"gemma4\", \"text_config\": "
	  "{\"enable_moe_block\": false}}",
	  NULL, "model_type 'gemma4'" },
	{ "{\"model_type\": \"qwen3\", \"architectures\": "
	  "[\"MiMoV25ForCausalLM\"]}",
	  NULL, "several recipes fit config.json: mimo_v25, qwen3" },
	{ "{}", NULL, "identity" },
	{ NULL, NULL, "no config.json" },
};

START_TEST(config_tells_the_recipe)
{
	cJSON *config = detections[_i].config ?
				cJSON_Parse(detections[_i].config) :
				NULL;
	struct lens_recipe *r = NULL;
	struct lens_err err;
	char *why = NULL;
	int n = lens_recipe_detect(config, &r, &why, &err);

	if (detections[_i].name) {
		ck_assert_msg(n == 0, "%s", err.msg);
		ck_assert_str_eq(r->name, detections[_i].name);
		ck_assert(strstr(why, detections[_i].name) == why);
	} else {
		ck_assert_int_eq(n, -EINVAL);
		ck_assert_msg(strstr(err.msg, detections[_i].why), "'%s'",
			      err.msg);
	}
	free(why);
	lens_recipe_free(r);
	cJSON_Delete(config);
}
END_TEST

START_TEST(a_file_needs_a_slash_or_json)
{
	struct lens_recipe *r;
	struct lens_err err;

	ck_assert_int_lt(lens_recipe_open("no-such", &r, &err), 0);
	ck_assert(strstr(err.msg, "no recipe is called 'no-such'"));
	ck_assert_int_eq(lens_recipe_open("./no-such", &r, &err), -ENOENT);
	ck_assert_int_lt(lens_recipe_open("/dev/null", &r, &err), 0);
	ck_assert(strstr(err.msg, "not a regular file"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recipe");
	TCase *tc = tcase_create("recipe");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, matching_takes_no_time, 0, 4);
	tcase_add_loop_test(tc, patterns_match, 0,
			    (int)LENS_ARRAY_SIZE(matches));
	tcase_add_loop_test(tc, bad_patterns_are_refused, 0,
			    (int)LENS_ARRAY_SIZE(bad_patterns));
	tcase_add_loop_test(tc, bad_recipes_are_refused, 0,
			    (int)LENS_ARRAY_SIZE(bad_recipes));
	tcase_add_test(tc, the_built_in_ones_are_good);
	tcase_add_loop_test(tc, config_tells_the_recipe, 0,
			    (int)LENS_ARRAY_SIZE(detections));
	tcase_add_test(tc, a_file_needs_a_slash_or_json);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

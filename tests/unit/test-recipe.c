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
};

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
	{ "{\"model_type\": \"mistral4\"}", "mistral4", NULL },
	{ "{\"model_type\": \"mistral3\", \"text_config\": {\"model_type\": "
	  "\"mistral4\"}}",
	  "mistral4_multimodal", NULL },
	{ "{\"model_type\": \"none\"}", NULL, "model_type 'none'" },
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
		ck_assert_int_eq(n, 0);
		ck_assert_str_eq(r->name, detections[_i].name);
		ck_assert(strstr(why, "mistral4"));
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

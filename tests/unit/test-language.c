/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-language - what recipes say, in plans: a recipe, a config, the source's
 * tensors, and the view's, or the words with which it is refused.
 */
#include "plan_source.h"

#define FRAME "{\"lens-recipe\": 1, \"name\": \"t\", \"summary\": \"s\", "

static const struct {
	const char *recipe;
	const char *config;
	bool reverse;
	const char *source; /* "key dtype shape; ..." */
	const char *want;   /* the same, in order; or what the refusal says */
} cases[] = {
	/* Computed captures, and bounds on them. */
	{ FRAME
	  "\"params\": {\"n\": {\"config\": \"n\"}}, \"names\": [{\"hf\": "
	  "\"l.{L}.{k*}\", \"native\": \"m.{K}.{k*}\", \"let\": {\"K\": "
	  "\"L - n\", \"L\": \"K + n\"}, \"when\": {\"L\": "
	  "{\"at-least\": \"n\", \"below\": \"n + 2\"}}}]}",
	  "{\"n\": 3}", false,
	  "l.2.a F32 2; l.3.a F32 2; l.4.a F32 2; l.5.a "
	  "F32 2",
	  "l.2.a F32 2; l.5.a F32 2; m.0.a F32 2; m.1.a F32 2" },
	{ FRAME
	  "\"params\": {\"n\": {\"config\": \"n\"}}, \"names\": [{\"hf\": "
	  "\"l.{L}.{k*}\", \"native\": \"m.{K}.{k*}\", \"let\": {\"K\": "
	  "\"L - n\", \"L\": \"K + n\"}}]}",
	  "{\"n\": 3}", true, "m.0.a F32 2; m.1.a F32 2",
	  "l.3.a F32 2; l.4.a F32 2" },
	{ FRAME "\"names\": [{\"hf\": \"l.{L}\", \"native\": \"m.{K}\", "
		"\"let\": {\"K\": \"L - 1\", \"L\": \"K + 2\"}}]}",
	  "{}", false, "l.3 F32 2", "'L' would come back as 4" },
	/* Scopes: prefixes, what no rename matches, nothing outside. */
	{ FRAME "\"scopes\": [{\"hf\": \"lm.\", \"native\": \"model.lm.\", "
		"\"names\": [{\"hf\": \"a.{k*}\", \"native\": \"b.{k*}\"}], "
		"\"rules\": [{\"hf\": \"q\", \"native\": [\"x\", \"y\"], "
		"\"ops\": [{\"split\": {\"dim\": 0, \"parts\": 2}}]}]}]}",
	  "{}", false, "a.w F32 2; lm.a.w F32 2; lm.c F32 2; lm.q F32 4",
	  "a.w F32 2; model.lm.b.w F32 2; model.lm.c F32 2; model.lm.x F32 2; "
	  "model.lm.y F32 2" },
	{ FRAME "\"scopes\": [{\"hf\": \"lm.\", \"native\": \"model.lm.\", "
		"\"names\": [{\"hf\": \"a.{k*}\", \"native\": \"b.{k*}\"}], "
		"\"rules\": [{\"hf\": \"q\", \"native\": [\"x\", \"y\"], "
		"\"ops\": [{\"split\": {\"dim\": 0, \"parts\": 2}}]}]}]}",
	  "{}", true,
	  "model.lm.b.w F32 2; model.lm.c F32 2; model.lm.x F32 2; "
	  "model.lm.y F32 2",
	  "lm.a.w F32 2; lm.c F32 2; lm.q F32 4" },
	/* Taken from another; what is said here comes first. */
	{ FRAME "\"extends\": \"part-split-experts\", \"params\": "
		"{\"experts\": {\"config\": \"m\"}}, \"names\": [{\"hf\": "
		"\"h.{k*}\", \"native\": \"model.{k*}\"}]}",
	  "{\"m\": 2}", false,
	  "h.layers.0.mlp.experts.0.down_proj.weight F32 3 4; "
	  "h.layers.0.mlp.experts.1.down_proj.weight F32 3 4",
	  "model.layers.0.mlp.experts.down_projs BF16 2 4 3" },
	{ FRAME "\"extends\": \"part-split-experts\"}", "{}", false,
	  "layers.0.mlp.experts.0.down_proj.weight F32 3 4",
	  "config.json has no 'text_config.num_experts'" },
	/* Conditions on the tensor and on parameters. */
	{ FRAME "\"casts\": [{\"native\": \"{k*}\", \"except\": \"c\", "
		"\"dtype\": \"bf16\", \"when\": {\"tensor.dtype\": \"F32\", "
		"\"tensor.rank\": {\"below\": 2}}}]}",
	  "{}", false, "a F32 2; b F32 2 2; c F32 2; d I32 2",
	  "a BF16 2; b F32 2 2; c F32 2; d I32 2" },
	{ FRAME
	  "\"params\": {\"p\": {\"config\": [\"p\"]}, \"q\": {\"hf-has\": "
	  "{\"yes\": [\"x\", \"a\"]}, \"default\": \"no\"}}, \"names\": "
	  "[{\"when\": {\"p\": null, \"q\": \"yes\"}, \"hf\": \"a\", "
	  "\"native\": \"b\"}]}",
	  "{}", false, "a F32 2", "b F32 2" },
	{ FRAME "\"params\": {\"p\": {\"config\": [\"p\"]}}, \"names\": "
		"[{\"when\": {\"p\": {\"not\": [\"true\", \"2\"]}}, \"hf\": "
		"\"a\", \"native\": \"b\"}]}",
	  "{\"p\": true}", false, "a F32 2", "a F32 2" },
	{ FRAME "\"params\": {\"v\": {\"config\": \"v\"}}, \"names\": "
		"[{\"when\": {\"v[L]\": 1}, \"hf\": \"{L}.a\", \"native\": "
		"\"{L}.b\"}]}",
	  "{\"v\": [0, 1]}", false, "0.a F32 2; 1.a F32 2",
	  "0.a F32 2; 1.b F32 2" },
	{ FRAME "\"params\": {\"v\": {\"config\": \"v\"}}, \"names\": "
		"[{\"when\": {\"v[L]\": 1}, \"hf\": \"{L}.a\", \"native\": "
		"\"{L}.b\"}]}",
	  "{\"v\": [0, 1]}", false, "2.a F32 2",
	  "tensor '2.a': recipe t, line 1" },
	{ FRAME
	  "\"params\": {\"a\": {\"value\": \"b * 2\"}, \"b\": {\"config\": "
	  "\"b\"}}, \"rules\": [{\"hf\": \"x\", \"native\": [\"y\", "
	  "\"z\"], \"ops\": [{\"split\": {\"dim\": 0, \"sizes\": [\"a\", "
	  "\"b\"]}}]}]}",
	  "{\"b\": 3}", false, "x F32 9", "y F32 6; z F32 3" },
	/* Refused, dropped, once more, computed. */
	{ FRAME "\"refuse\": [{\"hf\": \"{k*}\", \"except\": \"a{k*}\", "
		"\"why\": \"nobody knows it\"}]}",
	  "{}", false, "a1 F32 2; b F32 2", "tensor 'b': nobody knows it" },
	{ FRAME "\"drop\": [{\"hf\": \"b\"}], \"refuse\": [{\"hf\": \"b\", "
		"\"why\": \"no\"}]}",
	  "{}", false, "a F32 2; b F32 2", "a F32 2" },
	{ FRAME "\"alias\": [{\"native\": \"head\", \"of\": \"embed\", "
		"\"required\": true}]}",
	  "{}", false, "embed BF16 4 3", "embed BF16 4 3; head BF16 4 3" },
	{ FRAME "\"alias\": [{\"native\": \"head\", \"of\": \"embed\", "
		"\"required\": true}]}",
	  "{}", true, "embed BF16 4 3; head BF16 4 3", "embed BF16 4 3" },
	{ FRAME "\"alias\": [{\"native\": \"head\", \"of\": \"embed\", "
		"\"required\": true}]}",
	  "{}", false, "a F32 2", "tensor 'embed' is missing" },
	{ FRAME "\"params\": {\"t\": {\"default\": 10000}}, \"compute\": "
		"[{\"native\": \"f\", \"rotary\": {\"size\": 8, \"theta\": "
		"\"t\"}}]}",
	  "{}", false, "a F32 2", "a F32 2; f F32 4" },
	{ FRAME "\"params\": {\"t\": {\"default\": 10000}}, \"compute\": "
		"[{\"native\": \"f\", \"rotary\": {\"size\": 8, \"theta\": "
		"\"t\"}}]}",
	  "{}", true, "a F32 2; f F32 4", "a F32 2" },
	/* Half a group. */
	{ FRAME "\"rules\": [{\"hf\": \"{p}.qk\", \"native\": [\"{p}.q\", "
		"\"{p}.k\"], \"ops\": [{\"split\": {\"dim\": 0, \"parts\": "
		"2}}], \"incomplete\": \"next\"}, {\"one-way\": \"back\", "
		"\"hf\": \"{p}.only.{x:q|k}\", \"native\": \"{p}.{x}\"}]}",
	  "{}", true, "a.k F32 2; a.q F32 2; b.q F32 2",
	  "a.qk F32 4; b.only.q F32 2" },
	{ FRAME "\"rules\": [{\"hf\": \"{p}.qk\", \"native\": [\"{p}.q\", "
		"\"{p}.k\"], \"ops\": [{\"split\": {\"dim\": 0, \"parts\": "
		"2}}]}]}",
	  "{}", true, "a.k F32 2; a.q F32 2; b.q F32 2",
	  "tensor 'b.k' is missing; 'b.q' needs it" },
	/* Over a captured number; and what only goes one way. */
	{ FRAME "\"rules\": [{\"hf\": \"t.{I}\", \"native\": \"t\", \"ops\": "
		"[{\"concat\": {\"dim\": 0, \"over\": \"I\", \"count\": "
		"11}}]}]}",
	  "{}", true, "t F32 22 2",
	  "t.0 F32 2 2; t.1 F32 2 2; t.2 F32 2 2; t.3 F32 2 2; t.4 F32 2 2; "
	  "t.5 F32 2 2; t.6 F32 2 2; t.7 F32 2 2; t.8 F32 2 2; t.9 F32 2 2; "
	  "t.10 F32 2 2" },
	{ FRAME "\"rules\": [{\"hf\": \"t.{I}\", \"native\": \"t\", \"ops\": "
		"[{\"concat\": {\"dim\": 0, \"over\": \"I\", \"count\": "
		"2}}]}]}",
	  "{}", false, "t.0 F32 2; t.1 F32 3", "can't be joined" },
	{ FRAME "\"rules\": [{\"hf\": [\"w\", \"s\"], \"native\": \"v\", "
		"\"ops\": [{\"fold-scale\": 0}]}]}",
	  "{}", false, "s BF16 2; w BF16 2 3", "v BF16 2 3" },
	{ FRAME "\"rules\": [{\"hf\": [\"w\", \"s\"], \"native\": \"v\", "
		"\"ops\": [{\"fold-scale\": 0}]}]}",
	  "{}", true, "v BF16 2 3",
	  "recipe t can't be reversed: line 1: fold-scale: the factors are "
	  "lost" },
	{ FRAME
	  "\"rules\": [{\"hf\": \"w\", \"native\": \"v\", \"back\": "
	  "[{\"slice\": {\"dim\": 0, \"count\": \"tensor.shape[1]\"}}]}]}",
	  "{}", true, "v F32 5 3", "w F32 3 3" },
	/* A code is no value. */
	{ FRAME "\"rules\": [{\"hf\": \"w\", \"native\": \"v\", \"ops\": "
		"[{\"cast\": \"bf16\"}]}]}",
	  "{}", false, "w F8_E4M3 2", "it is F8_E4M3 and has no scale" },
};

/* "key dtype 2 3; ...": added to @m. */
static void add_all(struct model *m, const char *text)
{
	char copy[1024], *rest = copy, *one;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	while ((one = strsep(&rest, ";"))) {
		uint64_t shape[8];
		unsigned rank = 0;
		char *word, *key, *dtype;

		while (*one == ' ')
			one++;
		key = strsep(&one, " ");
		dtype = strsep(&one, " ");
		while ((word = strsep(&one, " ")))
			shape[rank++] = strtoull(word, NULL, 10);
		(void)model_add(m, key, lens_dtype_find(dtype), rank, shape);
	}
}

static void tell(const struct lens_plan *p, struct lens_buf *b)
{
	for (size_t i = 0; i < lens_plan_count(p); i++) {
		const struct lens_tensor *t = &lens_plan_at(p, i)->t;

		lens_buf_printf(b, "%s%s %s", i ? "; " : "", t->name,
				lens_dtype_name(t->dtype));
		for (unsigned d = 0; d < t->rank; d++)
			lens_buf_printf(b, " %d", (int)t->shape[d]);
	}
}

START_TEST(recipes_mean_what_they_say)
{
	const struct lens_plan_opts opts = { .dtype = LENS_DTYPE_INVALID,
					     .reverse = cases[_i].reverse };
	struct lens_buf got = { 0 };
	struct lens_err err;
	struct opened o;
	struct model m;

	model_start(&m, 1);
	add_all(&m, cases[_i].source);
	model_write(&m, cases[_i].config);
	if (try_open(&m, cases[_i].recipe, &opts, &o, &err) < 0) {
		ck_assert_msg(strstr(err.msg, cases[_i].want), "'%s'", err.msg);
	} else {
		tell(o.plan, &got);
		ck_assert_str_eq(got.data, cases[_i].want);
	}
	lens_buf_fini(&got);
	shut(&o);
	model_end(&m);
}
END_TEST

/* An alias is the same bytes by another name; a rotary table is computed. */
START_TEST(what_is_made_has_values)
{
	static const char *const recipe = FRAME
		"\"params\": {\"t\": {\"default\": 16}}, \"alias\": "
		"[{\"native\": \"b\", \"of\": \"a\"}], \"compute\": "
		"[{\"native\": \"f\", \"rotary\": {\"size\": 4, \"theta\": "
		"\"t\"}}]}";
	struct opened o;
	struct model m;
	unsigned char *a, *b;
	size_t n, k;

	model_start(&m, 2);
	add_all(&m, "a F32 7 3");
	model_write(&m, "{}");
	must_open(&m, recipe, &o);
	a = read_all(&m, o.plan, "a", &n);
	b = read_all(&m, o.plan, "b", &k);
	ck_assert_uint_eq(n, k);
	ck_assert_mem_eq(a, b, n);
	free(b);
	b = read_all(&m, o.plan, "f", &k);
	ck_assert_uint_eq(k, 8);
	ck_assert(f32_at(b, 0) == 1.0f && f32_at(b, 1) == 0.25f);
	free(a);
	free(b);
	shut(&o);
	model_end(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("language");
	TCase *tc = tcase_create("language");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, recipes_mean_what_they_say, 0,
			    LENS_ARRAY_SIZE(cases));
	tcase_add_test(tc, what_is_made_has_values);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

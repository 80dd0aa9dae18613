/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-json.c - the gate: what passes, what does not and what is said of it;
 * places in a text; quoting.
 */
#include "lens/json.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#define S(text) text, sizeof(text) - 1
#define STRICT 0
#define CONFIG LENS_JSON_CONFIG
#define DEEP LENS_JSON_DUP_DEEP
#define WHOLE LENS_JSON_WHOLE

static const struct {
	const char *text;
	size_t n;
	unsigned flags;
	const char *why; /* NULL: it passes */
} gate[] = {
	/* grammar */
	{ S("{}"), STRICT, NULL },
	{ S(" \t\r\n[ ] \n"), STRICT, NULL },
	{ S("[1,-0,0.5,-1.25e+10,1E-2,true,false,null,\"\"]"), STRICT, NULL },
	{ S("\"x\""), STRICT, NULL },
	{ S("{\"a\":{\"b\":[{}]}}"), STRICT, NULL },
	{ S(""), STRICT, "line 1, column 1: the text ends where a value" },
	{ S("  \n "), STRICT, "line 2, column 2: the text ends" },
	{ S("{"), STRICT, "a name in quotes" },
	{ S("["), STRICT, "the text ends where a value" },
	{ S("[1"), STRICT, "a ',' or a ']'" },
	{ S("{\"a\":1"), STRICT, "a ',' or a '}'" },
	{ S("[1,]"), STRICT, "line 1, column 4: no value" },
	{ S("[,1]"), STRICT, "no value" },
	{ S("{\"a\":1,}"), STRICT, "line 1, column 8: a name in quotes" },
	{ S("{a:1}"), STRICT, "a name in quotes" },
	{ S("{1:1}"), STRICT, "a name in quotes" },
	{ S("{\"a\" 1}"), STRICT, "a ':' is wanted" },
	{ S("{\"a\":}"), STRICT, "no value" },
	{ S("[1 2]"), STRICT, "a ',' or a ']'" },
	{ S("{\"a\":1 \"b\":2}"), STRICT, "a ',' or a '}'" },
	{ S("[1}"), STRICT, "a ',' or a ']'" },
	{ S("{} {}"), STRICT, "column 4: there is something behind" },
	{ S("{}\0"), STRICT, "something behind" },
	{ S("{},"), STRICT, "something behind" },
	{ S("\xef\xbb\xbf{}"), STRICT, "line 1, column 1: no value" },
	{ S("\xa0{}"), STRICT, "no value" },
	{ S("{}\v"), STRICT, "something behind" },
	{ S("'a'"), STRICT, "no value" },
	{ S("[/*a*/1]"), STRICT, "no value" },
	{ S("True"), STRICT, "no value" },
	{ S("nul"), STRICT, "no value" },
	{ S("truex"), STRICT, "something behind" },
	/* numbers */
	{ S("04"), STRICT, "something behind" },
	{ S("-04"), STRICT, "something behind" },
	{ S("+4"), STRICT, "no value" },
	{ S("4."), STRICT, "a digit is missing" },
	{ S(".4"), STRICT, "no value" },
	{ S("-"), STRICT, "a digit is missing" },
	{ S("-a"), STRICT, "a digit is missing" },
	{ S("4e"), STRICT, "a digit is missing" },
	{ S("4e+"), STRICT, "a digit is missing" },
	{ S("4.e1"), STRICT, "a digit is missing" },
	{ S("0x10"), STRICT, "something behind" },
	{ S("1_000"), STRICT, "something behind" },
	{ S("NaN"), STRICT, "no value" },
	{ S("[Infinity]"), STRICT, "no value" },
	{ S("[-Infinity]"), STRICT, "a digit is missing" },
	{ S("[NaN,Infinity,-Infinity]"), CONFIG, NULL },
	{ S("[-NaN]"), CONFIG, "a digit is missing" },
	{ S("[+Infinity]"), CONFIG, "no value" },
	{ S("[nan]"), CONFIG, "no value" },
	{ S("[NaNs]"), CONFIG, "a ',' or a ']'" },
	{ S("18446744073709551616"), CONFIG, NULL },
	/* strings */
	{ S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\""), STRICT, NULL },
	{ S("\"\x7f\""), STRICT, NULL },
	{ S("\"\\u007f\\uffff\\ud7ff\\ue000\""), STRICT, NULL },
	{ S("\"a"), STRICT, "the text ends in a string" },
	{ S("\"a\\\""), STRICT, "the text ends in a string" },
	{ S("\"\\"), STRICT, "no escape" },
	{ S("\"\\x41\""), STRICT, "no escape" },
	{ S("\"\\'\""), STRICT, "no escape" },
	{ S("\"\\U0041\""), STRICT, "no escape" },
	{ S("\"\\\0\""), STRICT, "no escape" },
	{ S("\"\\u12\""), STRICT, "four hexadecimal digits" },
	{ S("\"\\u12g4\""), STRICT, "four hexadecimal digits" },
	{ S("\"\\u123"), STRICT, "four hexadecimal digits" },
	{ S("\"a\nb\""), STRICT, "a raw control character" },
	{ S("\"a\tb\""), STRICT, "a raw control character" },
	{ S("\"a\x1f\""), STRICT, "a raw control character" },
	{ S("\"a\0b\""), STRICT, "a NUL in a string" },
	{ S("\"a\\u0000b\""), STRICT, "a NUL in a string" },
	{ S("{\"a\\u0000b\":1}"), STRICT, "a NUL in a string" },
	{ S("{\"a\0\":1}"), STRICT, "a NUL in a string" },
	/* UTF-8 */
	{ S("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""), STRICT, NULL },
	{ S("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\""), STRICT, NULL },
	{ S("\"\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
	  STRICT, NULL },
	{ S("\"\x80\""), STRICT, "not UTF-8" },
	{ S("\"\xc3\""), STRICT, "not UTF-8" },
	{ S("\"\xc3"), STRICT, "not UTF-8" },
	{ S("\"\xe2\x82\""), STRICT, "not UTF-8" },
	{ S("\"\xf0\x9f\x98"), STRICT, "not UTF-8" },
	{ S("\"\xc0\xaf\""), STRICT, "not UTF-8" },
	{ S("\"\xc1\xbf\""), STRICT, "not UTF-8" },
	{ S("\"\xe0\x9f\xbf\""), STRICT, "not UTF-8" },
	{ S("\"\xf0\x8f\xbf\xbf\""), STRICT, "not UTF-8" },
	{ S("\"\xed\xa0\x80\""), STRICT, "not UTF-8" },
	{ S("\"\xed\xbf\xbf\""), STRICT, "not UTF-8" },
	{ S("\"\xf4\x90\x80\x80\""), STRICT, "not UTF-8" },
	{ S("\"\xf5\x80\x80\x80\""), STRICT, "not UTF-8" },
	{ S("\"\xff\""), STRICT, "not UTF-8" },
	/* surrogates */
	{ S("\"\\ud83d\\ude00\\uDBFF\\uDFFF\""), STRICT, NULL },
	{ S("\"\\ud83d\""), STRICT, "half of a surrogate pair" },
	{ S("\"\\ud83dx\""), STRICT, "half of a surrogate pair" },
	{ S("\"\\ud83d\\n\""), STRICT, "half of a surrogate pair" },
	{ S("\"\\ud83d\\ud83d\""), STRICT, "half of a surrogate pair" },
	{ S("\"\\ude00\""), STRICT, "half of a surrogate pair" },
	{ S("\"\\ud83d\\u0041\""), STRICT, "half of a surrogate pair" },
	{ S("\"\\ud83d\\"), STRICT, "half of a surrogate pair" },
	{ S("\"\\ud83d\\ude0"), STRICT, "half of a surrogate pair" },
	/* names twice */
	{ S("{\"a\":1,\"b\":2,\"A\":3,\"\":4}"), STRICT, NULL },
	{ S("{\"a\":{\"x\":1},\"b\":{\"x\":1}}"), STRICT, NULL },
	{ S("{\"a\":1,\"b\":2,\"a\":3}"), STRICT, "name \"a\" is twice" },
	{ S("{\n\"b\":1,\n\"a\":2,\"a\":3}"), STRICT,
	  "line 3, column 1: name" },
	{ S("{\"\":1,\"\":2}"), STRICT, "name \"\" is twice" },
	{ S("{\"\\u0061\":1,\"a\":2}"), STRICT, "is twice" },
	{ S("{\"/\":1,\"\\/\":2}"), STRICT, "is twice" },
	{ S("{\"\xc3\xa4\":1,\"\\u00e4\":2}"), STRICT, "is twice" },
	{ S("{\"\xe2\x82\xac\":1,\"\\u20AC\":2}"), STRICT, "is twice" },
	{ S("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"), STRICT,
	  "is twice" },
	{ S("[[{\"k\":[{\"x\":1,\"x\":2}]}]]"), STRICT, "name \"x\" is twice" },
	{ S("{\"k\":{\"x\":1,\"x\":2}}"), CONFIG, "name \"x\" is twice" },
	{ S("{\"a\":1,\"a\":2}"), DEEP, "name \"a\" is twice" },
	{ S("{\"t\":{\"x\":1,\"x\":2}}"), DEEP, "name \"x\" is twice" },
	{ S("{\"t\":{\"x\":{\"y\":1,\"y\":2}}}"), DEEP, NULL },
	/* whole numbers */
	{ S("{\"t\":{\"shape\":[0,9007199254740992]}}"), WHOLE, NULL },
	{ S("{\"t\":{\"more\":[1.5]}}"), WHOLE, NULL },
	{ S("{\"t\":{\"x\":{\"shape\":[1.5]}}}"), WHOLE, NULL },
	{ S("{\"shape\":[1.5]}"), WHOLE, NULL },
	{ S("{\"t\":{\"shape\":[1.5]}}"), STRICT, NULL },
	{ S("{\"t\":{\"shape\":[9007199254740993]}}"), WHOLE, "beyond 2^53" },
	{ S("{\"t\":{\"shape\":[99999999999999999999999]}}"), WHOLE,
	  "beyond 2^53" },
	{ S("{\"t\":{\"shape\":[1.0]}}"), WHOLE, "not a whole number" },
	{ S("{\"t\":{\"shape\":[1e2]}}"), WHOLE, "not a whole number" },
	{ S("{\"t\":{\"shape\":[-1]}}"), WHOLE, "not a whole number" },
	{ S("{\"t\":{\"shape\":[-0]}}"), WHOLE, "not a whole number" },
	{ S("{\"t\":{\"shape\":[[2.5]]}}"), WHOLE, "not a whole number" },
	{ S("{\"t\":{\"data_offsets\":[0,9007199254740993]}}"), WHOLE,
	  "beyond 2^53" },
	{ S("{\"t\":{\"sh\\u0061pe\":[9007199254740993]}}"), WHOLE,
	  "beyond 2^53" },
	{ S("{\"t\":{\"data\\u005Foffsets\":[1.0,2]}}"), WHOLE,
	  "not a whole number" },
	{ S("{\"t\":{\"shape\":[1],\"more\":1.5}}"), WHOLE, NULL },
};

/* In a block of just its size, so that a byte too far is seen. */
static char *exactly(const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, n);
	return copy;
}

static void try(const char *text, size_t n, unsigned flags, const char *why)
{
	char *copy = exactly(text, n);
	struct lens_err err = { 0 };
	cJSON *tree = NULL;
	int r = lens_json_parse(copy, n, flags, &tree, &err);

	free(copy);
	if (!why) {
		ck_assert_msg(r == 0, "'%.*s': %s", (int)n, text, err.msg);
		ck_assert_ptr_nonnull(tree);
		cJSON_Delete(tree);
		return;
	}
	ck_assert_msg(r == -EBADMSG, "'%.*s' passed", (int)n, text);
	ck_assert_msg(strncmp(err.msg, "line ", 5) == 0 && strstr(err.msg, why),
		      "'%.*s': %s", (int)n, text, err.msg);
}

START_TEST(the_gate)
{
	try(gate[_i].text, gate[_i].n, gate[_i].flags, gate[_i].why);
}
END_TEST

START_TEST(depth_is_bounded)
{
	static const struct {
		const char *open, *close;
	} kinds[] = { { "[", "]" }, { "{\"a\":", "}" } };

	for (size_t k = 0; k < 2; k++)
		for (unsigned depth = 126; depth <= 129; depth++) {
			struct lens_buf b = { 0 };

			for (unsigned i = 0; i < depth; i++)
				lens_buf_puts(&b, kinds[k].open);
			lens_buf_puts(&b, "1");
			for (unsigned i = 0; i < depth; i++)
				lens_buf_puts(&b, kinds[k].close);
			try(b.data, b.n, STRICT,
			    depth < 128 ? NULL : "nested too deep");
			lens_buf_fini(&b);
		}
}
END_TEST

START_TEST(depth_is_not_length)
{
	struct lens_buf b = { 0 };

	lens_buf_puts(&b, "[");
	for (unsigned i = 0; i < 5000; i++)
		lens_buf_puts(&b, "[[{}]],");
	lens_buf_puts(&b, "0]");
	try(b.data, b.n, STRICT, NULL);
	lens_buf_fini(&b);
}
END_TEST

/* What a config may hold becomes numbers that cJSON takes. */
START_TEST(odd_numbers_are_tolerated)
{
	struct lens_buf b = { 0 };
	struct lens_err err;
	cJSON *t;

	lens_buf_puts(&b, "{\"nan\": NaN , \"s\": \"NaN -Infinity 0\", "
			  "\"inf\":[Infinity,-Infinity], \"big\": 1");
	for (int i = 0; i < 200; i++)
		lens_buf_puts(&b, "0");
	lens_buf_puts(&b, ", \"huge\": -1");
	for (int i = 0; i < 500; i++)
		lens_buf_puts(&b, "0");
	lens_buf_puts(&b, ", \"third\": 0.");
	for (int i = 0; i < 100; i++)
		lens_buf_puts(&b, "3");
	lens_buf_puts(&b, ", \"last\": 7}");
	ck_assert_int_eq(lens_json_parse(b.data, b.n, CONFIG, &t, &err), 0);
	ck_assert(cJSON_IsNumber(lens_json_at(t, "nan")));
	ck_assert(lens_json_at(t, "nan")->valuedouble == 0);
	ck_assert_str_eq(lens_json_at(t, "s")->valuestring, "NaN -Infinity 0");
	ck_assert_int_eq(cJSON_GetArraySize(lens_json_at(t, "inf")), 2);
	ck_assert(lens_json_at(t, "inf")->child->next->valuedouble == 0);
	ck_assert(lens_json_at(t, "big")->valuedouble == 1e200);
	ck_assert(lens_json_at(t, "huge")->valuedouble < -1e307);
	ck_assert(lens_json_at(t, "third")->valuedouble == 1.0 / 3);
	ck_assert(lens_json_at(t, "last")->valuedouble == 7);
	cJSON_Delete(t);
	lens_buf_fini(&b);
}
END_TEST

struct seen {
	unsigned n, stop;
};

static int look(void *ctx, const char *name, const cJSON *value,
		struct lens_err *err)
{
	static const char *const names[] = { "b", "a\xc3\xa4\"", "", "c" };
	static const char *const values[] = { "1", "{\"x\":[1,{\"y\":\"}\"}]}",
					      "\"s,\\\"\"", "[null,true]" };
	struct seen *s = ctx;
	char *text = cJSON_PrintUnformatted(value);

	ck_assert_uint_lt(s->n, 4);
	ck_assert_str_eq(name, names[s->n]);
	ck_assert_str_eq(text, values[s->n]);
	free(text);
	return s->n++ == s->stop ? lens_fail(err, ENOMEM, "enough") : 0;
}

START_TEST(each_member_in_order)
{
	static const char text[] =
		" { \"b\" : 1 ,\"a\\u00e4\\\"\":{\"x\": [1,{\"y\":\"}\"}]},\n"
		"\"\":\"s,\\\"\", \"c\" :[null , true] } ";
	struct lens_err err = { 0 };

	for (unsigned stop = 0; stop < 5; stop++) {
		char *copy = exactly(S(text));
		struct seen s = { .stop = stop };
		int r = lens_json_each(copy, sizeof(text) - 1, 0, look, &s,
				       &err);

		free(copy);
		ck_assert_int_eq(r, stop < 4 ? -ENOMEM : 0);
		ck_assert_uint_eq(s.n, stop < 4 ? stop + 1 : 4);
	}
	ck_assert_int_eq(lens_json_each(S("{ }"), 0, look,
					&(struct seen){ .n = 9 }, &err),
			 0);
}
END_TEST

/* Nothing is called before all of the text was checked. */
START_TEST(each_checks_first)
{
	static const struct {
		const char *text, *why;
	} t[] = { { "[1]", "not a JSON object" },
		  { "3", "not a JSON object" },
		  { "{\"b\":1,}", "a name in quotes" },
		  { "{\"b\":1,\"b\":1}", "is twice" } };
	struct lens_err err;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(t); i++) {
		struct seen s = { .stop = 9 };

		ck_assert_int_eq(lens_json_each(t[i].text, strlen(t[i].text), 0,
						look, &s, &err),
				 -EBADMSG);
		ck_assert_msg(strstr(err.msg, t[i].why), "'%s'", err.msg);
		ck_assert_uint_eq(s.n, 0);
	}
}
END_TEST

static const char spanned[] =
	"{\n"
	"  \"name\": \"a.b\",\n"
	"  \"rules\": [\n"
	"    {\"hf\": \"x\"},\n"
	"    [ 1, 22 ,[3]],\n"
	"    null,\n"
	"    {\"\xc3\xa4\": 1, \"ops\": [ {\"transpose\" : [1, 2]} ,{}], "
	"\"s\": \"]}\\\"\"}\n"
	"  ],\n"
	"  \"n\": -1.5e3\n"
	"}\n";

static const struct {
	const char *path, *span; /* NULL: there is none */
	unsigned line, column;
} spans[] = {
	{ "name", "\"name\": \"a.b\"", 2, 3 },
	{ "rules.0", "{\"hf\": \"x\"}", 4, 5 },
	{ "rules.0.hf", "\"hf\": \"x\"", 4, 6 },
	{ "rules.1", "[ 1, 22 ,[3]]", 5, 5 },
	{ "rules.1.1", "22", 5, 10 },
	{ "rules.1.2.0", "3", 5, 15 },
	{ "rules.2", "null", 6, 5 },
	{ "rules.3.ops", "\"ops\": [ {\"transpose\" : [1, 2]} ,{}]", 7, 14 },
	{ "rules.3.ops.0", "{\"transpose\" : [1, 2]}", 7, 23 },
	{ "rules.3.ops.0.transpose", "\"transpose\" : [1, 2]", 7, 24 },
	{ "rules.3.ops.0.transpose.1", "2", 7, 42 },
	{ "rules.3.ops.1", "{}", 7, 47 },
	{ "rules.3.s", "\"s\": \"]}\\\"\"", 7, 52 },
	{ "n", "\"n\": -1.5e3", 9, 3 },
	{ "nam", NULL, 0, 0 },
	{ "names", NULL, 0, 0 },
	{ "rules.4", NULL, 0, 0 },
	{ "rules.2.0", NULL, 0, 0 },
	{ "name.a", NULL, 0, 0 },
	{ "n.0", NULL, 0, 0 },
	{ "rules.0.hf.x", NULL, 0, 0 },
};

START_TEST(places_are_found)
{
	const size_t n = sizeof(spanned) - 1;
	unsigned line, column;
	size_t begin = 0, end = 0;
	int r = lens_json_span(spanned, n, spans[_i].path, &begin, &end);

	if (!spans[_i].span) {
		ck_assert_int_eq(r, -ENOENT);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_msg(end - begin == strlen(spans[_i].span) &&
			      memcmp(spanned + begin, spans[_i].span,
				     end - begin) == 0,
		      "%s: '%.*s'", spans[_i].path, (int)(end - begin),
		      spanned + begin);
	lens_json_where(spanned, begin, &line, &column);
	ck_assert_uint_eq(line, spans[_i].line);
	ck_assert_uint_eq(column, spans[_i].column);
}
END_TEST

START_TEST(the_root_is_the_text)
{
	size_t begin, end;

	ck_assert_int_eq(lens_json_span(S(" {\"a\":1}\n"), "", &begin, &end),
			 0);
	ck_assert_uint_eq(begin, 1);
	ck_assert_uint_eq(end, 8);
}
END_TEST

/* As Python's json.dumps has them, and as serde_json. */
static const struct {
	const char *text, *ascii, *raw;
} quotes[] = {
	{ "", "\"\"", "\"\"" },
	{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"", "\"a\\\"b\\\\c/d\"" },
	{ "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"", "\"\\b\\f\\n\\r\\t\"" },
	{ "\x01\x1f", "\"\\u0001\\u001f\"", "\"\\u0001\\u001f\"" },
	{ "~\x7f", "\"~\\u007f\"", "\"~\x7f\"" },
	{ "\xc2\x80", "\"\\u0080\"", "\"\xc2\x80\"" },
	{ "\xc3\xa9", "\"\\u00e9\"", "\"\xc3\xa9\"" },
	{ "\xe2\x82\xac", "\"\\u20ac\"", "\"\xe2\x82\xac\"" },
	{ "\xe2\x80\xa8", "\"\\u2028\"", "\"\xe2\x80\xa8\"" },
	{ "\xef\xbf\xbf", "\"\\uffff\"", "\"\xef\xbf\xbf\"" },
	{ "\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
	{ "\xf4\x8f\xbf\xbf", "\"\\udbff\\udfff\"", "\"\xf4\x8f\xbf\xbf\"" },
};

START_TEST(quoting)
{
	struct lens_buf b = { 0 };

	lens_json_quote(&b, quotes[_i].text, true);
	ck_assert_str_eq(b.data, quotes[_i].ascii);
	b.n = 0;
	lens_json_quote(&b, quotes[_i].text, false);
	ck_assert_str_eq(b.data, quotes[_i].raw);
	lens_buf_fini(&b);
}
END_TEST

static const struct {
	const char *text;
	int r;
	uint64_t v;
} u64s[] = {
	{ "0", 0, 0 },
	{ "-0", 0, 0 },
	{ "7", 0, 7 },
	{ "1e3", 0, 1000 },
	{ "9007199254740992", 0, 9007199254740992 },
	{ "9007199254740994", -EBADMSG, 0 },
	{ "1e300", -EBADMSG, 0 },
	{ "1e999", -EBADMSG, 0 },
	{ "-1", -EBADMSG, 0 },
	{ "1.5", -EBADMSG, 0 },
	{ "\"1\"", -EBADMSG, 0 },
	{ "true", -EBADMSG, 0 },
	{ "null", -EBADMSG, 0 },
	{ "[1]", -EBADMSG, 0 },
};

START_TEST(whole_numbers)
{
	struct lens_err err;
	uint64_t v = 0;
	cJSON *t;

	ck_assert_int_eq(lens_json_parse(u64s[_i].text, strlen(u64s[_i].text),
					 0, &t, &err),
			 0);
	ck_assert_int_eq(lens_json_u64(t, &v), u64s[_i].r);
	ck_assert_uint_eq(v, u64s[_i].v);
	ck_assert_int_eq(lens_json_u64(NULL, &v), -EBADMSG);
	cJSON_Delete(t);
}
END_TEST

START_TEST(members_by_path)
{
	struct lens_err err;
	cJSON *t;

	ck_assert_int_eq(lens_json_parse(S("{\"a\":{\"B\":{\"c\":3}},"
					   "\"l\":[{\"c\":1}],\"ab\":2}"),
					 0, &t, &err),
			 0);
	ck_assert_ptr_eq(lens_json_at(t, ""), t);
	ck_assert_int_eq(lens_json_at(t, "a.B.c")->valueint, 3);
	ck_assert_int_eq(lens_json_at(t, "ab")->valueint, 2);
	ck_assert_ptr_null(lens_json_at(t, "a.b.c"));
	ck_assert_ptr_null(lens_json_at(t, "a.B.c.d"));
	ck_assert_ptr_null(lens_json_at(t, "l.0"));
	ck_assert_ptr_null(lens_json_at(t, "l.c"));
	ck_assert_ptr_null(lens_json_at(NULL, "a"));
	cJSON_Delete(t);
}
END_TEST

#define LOOP(tc, fn, table) \
	tcase_add_loop_test(tc, fn, 0, (int)LENS_ARRAY_SIZE(table))

int main(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("json");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	LOOP(tc, the_gate, gate);
	tcase_add_test(tc, depth_is_bounded);
	tcase_add_test(tc, depth_is_not_length);
	tcase_add_test(tc, odd_numbers_are_tolerated);
	tcase_add_test(tc, each_member_in_order);
	tcase_add_test(tc, each_checks_first);
	LOOP(tc, places_are_found, spans);
	tcase_add_test(tc, the_root_is_the_text);
	LOOP(tc, quoting, quotes);
	LOOP(tc, whole_numbers, u64s);
	tcase_add_test(tc, members_by_path);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

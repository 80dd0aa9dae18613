/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-header.c - headers of safetensors files, read and written.
 */
#include "st_source.h"

#define T(fields) "{\"t\":{" fields "}}"
#define U8 "\"dtype\":\"U8\","
#define AT(from, to) "\"data_offsets\":[" #from "," #to "]"
#define LONG64                                                             \
	"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1," \
	"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"

static const struct {
	const char *text;
	uint64_t data;
	const char *why; /* NULL: it is a header */
} headers[] = {
	{ "{}", 0, NULL },
	{ " {}   ", 0, NULL },
	{ "{\"__metadata__\":{\"format\":\"pt\"}}", 0, NULL },
	{ "{\"__metadata__\":null}", 0, NULL },
	{ T(U8 "\"shape\":[3]," AT(0, 3)), 3, NULL },
	{ T(U8 "\"shape\":[]," AT(0, 1)), 1, NULL },
	{ T(U8 "\"shape\":[0]," AT(0, 0)), 0, NULL },
	{ T(U8 "\"shape\":[4611686018427387904,0]," AT(0, 0)), 0,
	  "beyond 2^53" },
	{ T(U8 "\"shape\":[9007199254740992,0]," AT(0, 0)), 0, NULL },
	{ T(U8 "\"shape\":[" LONG64 "]," AT(0, 1)), 1, NULL },
	{ T(U8 "\"shape\":[" LONG64 ",1]," AT(0, 1)), 1, "64 dimensions" },
	{ T("\"dtype\":\"F4\",\"shape\":[2]," AT(0, 1)), 1, NULL },
	{ T("\"dtype\":\"F4\",\"shape\":[3]," AT(0, 2)), 2, "no whole bytes" },
	{ T("\"dtype\":\"F6_E2M3\",\"shape\":[4]," AT(0, 3)), 3, NULL },
	{ T(U8 "\"shape\":[1],\"more\":{\"a\":1,\"a\":1.5}," AT(0, 1)), 1,
	  NULL },
	{ "{\"b\":{" U8 "\"shape\":[2]," AT(1, 3) "},\"a\":{" U8
						  "\"shape\":[]," AT(0, 1) "}}",
	  3, NULL },
	{ "", 0, "the text ends" },
	{ "[]", 0, "not a JSON object" },
	{ "{} x", 0, "something behind" },
	{ "{\"a\":1}", 0, "tensor 'a': its entry is no object" },
	{ "{\"a\":[]}", 0, "tensor 'a': its entry is no object" },
	{ "{\"__metadata__\":[]}", 0, "__metadata__ is no object" },
	{ "{\"__metadata__\":{\"a\":1}}", 0, "'a' is no string" },
	{ "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "is twice" },
	{ "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "is twice" },
	{ "{\"\":{" U8 "\"shape\":[1]," AT(0, 1) "}}", 1, "it has no name" },
	{ T("\"shape\":[1]," AT(0, 1)), 1, "'t': its dtype is missing" },
	{ T("\"dtype\":8,\"shape\":[1]," AT(0, 1)), 1, "its dtype" },
	{ T("\"dtype\":\"u8\",\"shape\":[1]," AT(0, 1)), 1,
	  "'u8' is not a dtype" },
	{ T("\"dtype\":\"X\\n\",\"shape\":[1]," AT(0, 1)), 1,
	  "'X\\x0a' is not a dtype" },
	{ T(U8 AT(0, 1)), 1, "its shape is missing" },
	{ T(U8 "\"shape\":3," AT(0, 3)), 3, "its shape is missing or no" },
	{ T(U8 "\"shape\":[\"1\"]," AT(0, 1)), 1, "dimension 0 is not a size" },
	{ T(U8 "\"shape\":[1,null]," AT(0, 1)), 1, "dimension 1" },
	{ T(U8 "\"shape\":[-1]," AT(0, 1)), 1, "not a whole number" },
	{ T(U8 "\"shape\":[1.0]," AT(0, 1)), 1, "not a whole number" },
	{ T(U8 "\"sh\\u0061pe\":[1.0]," AT(0, 1)), 1, "not a whole number" },
	{ T(U8 "\"shape\":[9007199254740993,0]," AT(0, 0)), 0, "beyond 2^53" },
	{ T(U8 "\"shape\":[8589934592,8589934592]," AT(0, 0)), 0, "overflows" },
	{ T("\"dtype\":\"U64\",\"shape\":[4503599627370496,4096]," AT(0, 0)), 0,
	  "overflows" },
	{ T(U8 "\"shape\":[1]"), 1, "its data_offsets are not two sizes" },
	{ T(U8 "\"shape\":[1],\"data_offsets\":[0]"), 1, "not two sizes" },
	{ T(U8 "\"shape\":[1],\"data_offsets\":[0,1,2]"), 1, "not two sizes" },
	{ T(U8 "\"shape\":[1],\"data_offsets\":{\"a\":0,\"b\":1}"), 1,
	  "not two sizes" },
	{ T(U8 "\"shape\":[1]," AT(1, 0)), 1, "needs 1 bytes" },
	{ T(U8 "\"shape\":[1]," AT(0, 2)), 2, "needs 1 bytes" },
	{ T(U8 U8 "\"shape\":[1]," AT(0, 1)), 1, "name \"dtype\" is twice" },
	{ T(U8 "\"shape\":[1]," AT(0, 1)), 2,
	  "have 1 bytes of data, the file "
	  "has 2" },
	{ T(U8 "\"shape\":[1]," AT(0, 1)), 0, "the file has 0" },
	{ T(U8 "\"shape\":[1]," AT(1, 2)), 2,
	  "'t': its data begin at 1, where "
	  "0 is due" },
	{ "{\"a\":{" U8 "\"shape\":[2]," AT(
		  0, 2) "},\"b\":{" U8 "\"shape\":[2]," AT(1, 3) "}}",
	  3, "'b': its data begin at 1, where 2 is due" },
	{ "{\"a\":{" U8 "\"shape\":[1]," AT(
		  0, 1) "},\"a\":{" U8 "\"shape\":[1]," AT(1, 2) "}}",
	  2, "name \"a\" is twice" },
	{ "{\"a\":{" U8 "\"shape\":[1]," AT(
		  0, 1) "},\"\\u0061\":{" U8 "\"shape\":[1]," AT(1, 2) "}}",
	  2, "is twice" },
};

/* @text with "dtype" spelt by an escape: what no writer does is read by another
 * way, which must say the same. */
static char *respell(const char *text)
{
	static const char plain[] = "\"dtype\"", other[] = "\"\\u0064type\"";
	char *copy = calloc(1, 2 * strlen(text) + 1), *to = copy;
	const char *at;

	ck_assert_ptr_nonnull(copy);
	while ((at = strstr(text, plain))) {
		to = mempcpy(to, text, (size_t)(at - text));
		to = stpcpy(to, other);
		text = at + strlen(plain);
	}
	(void)strcpy(to, text);
	return copy;
}

START_TEST(spelling_says_nothing)
{
	char *text = respell(headers[_i].text);
	struct lens_err err = { 0 }, other = { 0 };
	struct lens_entry *a = NULL, *b = NULL;
	struct lens_arena arena = { 0 };
	size_t n = 0, m = 0;
	int r = lens_header_parse(headers[_i].text, strlen(headers[_i].text),
				  headers[_i].data, &arena, &a, &n, NULL, &err);
	int q = lens_header_parse(text, strlen(text), headers[_i].data, &arena,
				  &b, &m, NULL, &other);

	ck_assert_int_eq(r, q);
	ck_assert_uint_eq(n, m);
	if (r < 0 && !strstr(err.msg, "column"))
		ck_assert_str_eq(err.msg, other.msg);
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(a[i].name, b[i].name);
		ck_assert_uint_eq(a[i].dtype, b[i].dtype);
		ck_assert_uint_eq(a[i].begin, b[i].begin);
		ck_assert_uint_eq(a[i].end, b[i].end);
		ck_assert_uint_eq(a[i].rank, b[i].rank);
		for (unsigned d = 0; d < a[i].rank; d++)
			ck_assert_uint_eq(a[i].shape[d], b[i].shape[d]);
	}
	free(text);
	lens_arena_fini(&arena);
}
END_TEST

START_TEST(headers_are_checked)
{
	const char *why = headers[_i].why;
	struct lens_arena arena = { 0 };
	struct lens_entry *e = NULL;
	struct lens_err err = { 0 };
	size_t n = 77;
	int r = lens_header_parse(headers[_i].text, strlen(headers[_i].text),
				  headers[_i].data, &arena, &e, &n, NULL, &err);

	ck_assert_msg(r == (why ? -EBADMSG : 0), "%d: %s", r, err.msg);
	ck_assert_msg(!why || strstr(err.msg, why), "'%s'", err.msg);
	for (size_t i = 1; !why && i < n; i++)
		ck_assert_uint_eq(e[i].begin, e[i - 1].end);
	lens_arena_fini(&arena);
}
END_TEST

START_TEST(names_are_bounded)
{
	struct lens_arena arena = { 0 };
	struct lens_err err = { 0 };
	struct lens_entry *e;
	size_t n;

	for (size_t length = 4095; length < 4098; length++) {
		struct lens_buf b = { 0 };
		int r;

		lens_buf_puts(&b, "{\"");
		for (size_t i = 0; i < length; i++)
			lens_buf_puts(&b, "n");
		lens_buf_puts(&b, "\":{" U8 "\"shape\":[0]," AT(0, 0) "}}");
		r = lens_header_parse(b.data, b.n, 0, &arena, &e, &n, NULL,
				      &err);
		ck_assert_int_eq(r, length <= 4096 ? 0 : -EBADMSG);
		lens_buf_fini(&b);
	}
	ck_assert(strstr(err.msg, "longer than 4096"));
	lens_arena_fini(&arena);
}
END_TEST

/* What safetensors' own writer makes of these tensors. */
START_TEST(headers_are_written)
{
	static const uint64_t s23[] = { 2, 3 }, s0[] = { 0 }, s4[] = { 4 };
	static const struct lens_tensor t[] = {
		{ .name = "b",
		  .dtype = LENS_BF16,
		  .rank = 2,
		  .shape = s23,
		  .size = 12 },
		{ .name = "a\"\xc3\xa4\n\x7f", .dtype = LENS_BF16, .size = 2 },
		{ .name = "u",
		  .dtype = LENS_U8,
		  .rank = 1,
		  .shape = s4,
		  .size = 4 },
		{ .name = "i", .dtype = LENS_I64, .rank = 1, .shape = s0 },
		{ .name = "B",
		  .dtype = LENS_BF16,
		  .rank = 1,
		  .shape = s4,
		  .size = 8 },
	};
	static const char json[] =
		"{\"__metadata__\":{\"format\":\"pt\"},"
		"\"i\":{\"dtype\":\"I64\",\"shape\":[0],"
		"\"data_offsets\":[0,0]},"
		"\"B\":{\"dtype\":\"BF16\",\"shape\":[4],"
		"\"data_offsets\":[0,8]},"
		"\"a\\\"\xc3\xa4\\n\x7f\":{\"dtype\":\"BF16\",\"shape\":[],"
		"\"data_offsets\":[8,10]},"
		"\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],"
		"\"data_offsets\":[10,22]},"
		"\"u\":{\"dtype\":\"U8\",\"shape\":[4],"
		"\"data_offsets\":[22,26]}}";
	static const uint32_t want[] = { 3, 4, 1, 0, 2 };
	static const uint64_t begins[] = { 0, 0, 8, 10, 22 };
	const struct lens_tensor *at[5];
	uint32_t order[5] = { 0, 1, 2, 3, 4 };
	uint64_t begin[5], length = 0;
	struct lens_arena arena = { 0 };
	struct lens_buf b = { 0 };
	struct lens_entry *e;
	struct lens_err err;
	cJSON *metadata;
	size_t n;

	for (size_t i = 0; i < 5; i++)
		at[i] = &t[i];
	ck_assert_int_eq(lens_header_write(at, 5, order, begin, &b, &err), 0);
	for (unsigned i = 0; i < 8; i++)
		length |= (uint64_t)(unsigned char)b.data[i] << (8 * i);
	ck_assert_uint_eq(length, (sizeof(json) - 1 + 7) / 8 * 8);
	ck_assert_uint_eq(b.n, 8 + length);
	ck_assert_mem_eq(b.data + 8, json, sizeof(json) - 1);
	for (size_t i = 8 + sizeof(json) - 1; i < b.n; i++)
		ck_assert_int_eq(b.data[i], ' ');
	ck_assert_mem_eq(order, want, sizeof(want));
	ck_assert_mem_eq(begin, begins, sizeof(begins));
	ck_assert_int_eq(lens_header_parse(b.data + 8, b.n - 8, 26, &arena, &e,
					   &n, &metadata, &err),
			 0);
	ck_assert_uint_eq(n, 5);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(e[i].name, t[want[i]].name);
	ck_assert_str_eq(lens_json_at(metadata, "format")->valuestring, "pt");
	cJSON_Delete(metadata);
	lens_arena_fini(&arena);
	lens_buf_fini(&b);
}
END_TEST

/* No padding if none is due, and none but it of a file without tensors. */
START_TEST(headers_are_padded)
{
	struct lens_err err;

	for (size_t n = 0; n < 17; n++) {
		char name[20] = { 0 };
		const struct lens_tensor t = { .name = name,
					       .dtype = LENS_U8,
					       .size = 1 },
					 *at = &t;
		struct lens_buf b = { 0 };
		uint32_t order = 0;
		uint64_t begin;
		size_t spaces = 0;

		memset(name, 'n', n);
		ck_assert_int_eq(
			lens_header_write(&at, n > 0, &order, &begin, &b, &err),
			0);
		ck_assert_uint_eq(b.n % 8, 0);
		while (b.data[b.n - 1 - spaces] == ' ')
			spaces++;
		ck_assert_uint_lt(spaces, 8);
		ck_assert_int_eq(b.data[b.n - 1 - spaces], '}');
		lens_buf_fini(&b);
	}
}
END_TEST

#define LOOP(tc, fn, table) \
	tcase_add_loop_test(tc, fn, 0, (int)LENS_ARRAY_SIZE(table))

int main(void)
{
	Suite *s = suite_create("header");
	TCase *tc = tcase_create("header");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	LOOP(tc, headers_are_checked, headers);
	LOOP(tc, spelling_says_nothing, headers);
	tcase_add_test(tc, names_are_bounded);
	tcase_add_test(tc, headers_are_written);
	tcase_add_test(tc, headers_are_padded);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

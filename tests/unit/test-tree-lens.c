/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tree-lens.c - the inspection tree: folders out of keys, values for
 * NumPy, texts, and 200,000 tensors.
 */
#include "tree_source.h"

#include <sys/resource.h>

#define TEN "0123456789"
#define A100 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define A240 A100 A100 TEN TEN TEN TEN
static const struct {
	const char *segment, *name;
} names[] = {
	{ "", "%" },
	{ "weight", "weight" },
	{ "0", "0" },
	{ "a/b", "a%2Fb" },
	{ "/", "%2F" },
	{ "%", "%25" },
	{ "%2F", "%252F" },
	{ "%~", "%25~" },
	{ "\x01\x1f\x7f", "%01%1F%7F" },
	{ "a\nb", "a%0Ab" },
	{ "\xc3\xa9", "\xc3\xa9" },
	{ "info", "%69nfo" },
	{ "raw", "%72aw" },
	{ "summary", "%73ummary" },
	{ "information", "information" },
	{ "Raw", "Raw" },
	{ A240 "012345678901234", A240 "012345678901234" },
};

START_TEST(segments_have_names)
{
	char buf[LENS_NAME_ROOM];

	lens_segment_encode(names[_i].segment, strlen(names[_i].segment), buf);
	ck_assert_str_eq(buf, names[_i].name);
}
END_TEST

START_TEST(long_segments_are_cut_and_hashed)
{
	/* 256 bytes; the same, but for the last; characters of two bytes, and
	 * percents, across the cut. */
	char a[257], b[257], two[257], percent[129];
	char na[LENS_NAME_ROOM], nb[LENS_NAME_ROOM];

	memset(a, 'x', 256);
	a[256] = 0;
	memcpy(b, a, 257);
	b[255] = 'y';
	for (size_t i = 0; i < 256; i += 2)
		memcpy(two + i, "\xc3\xa9", 2);
	memset(percent, '/', 128);
	lens_segment_encode(a, 256, na);
	lens_segment_encode(b, 256, nb);
	ck_assert_uint_eq(strlen(na), 255);
	ck_assert(strncmp(na, a, 237) == 0 && strncmp(na + 237, "%~", 2) == 0);
	ck_assert_uint_eq(strspn(na + 239, "0123456789abcdef"), 16);
	ck_assert(strncmp(na, nb, 239) == 0 && strcmp(na, nb) != 0);
	lens_segment_encode(two, 256, na);
	ck_assert_uint_eq(strlen(na), 236 + 18);
	ck_assert(strncmp(na, two, 236) == 0 &&
		  strncmp(na + 236, "%~", 2) == 0);
	lens_segment_encode(percent, 128, na);
	ck_assert_uint_eq(strlen(na), 237 + 18);
	ck_assert(strncmp(na + 234, "%2F%~", 5) == 0);
}
END_TEST

/* Keys that are no paths: how to reach each one's raw bytes. */
static const struct {
	const char *key, *path;
} odd[] = {
	{ ".", "%/%" },
	{ "..", "%/%/%" },
	{ "a", "a" },
	{ "a.b", "a/b" },
	{ "a.b.c", "a/b/c" },
	{ "a/b", "a%2Fb" },
	{ "%", "%25" },
	{ "x.info", "x/%69nfo" },
	{ "x.raw.w", "x/%72aw/w" },
	{ "c\x01\x7f", "c%01%7F" },
	{ "a-b", "a-b" },
};

START_TEST(odd_keys_are_reached)
{
	struct lens_view *v = open_view(source_dir(), &identity);
	const struct source_tensor *t = source_find(odd[_i].key);
	char path[256];
	struct lens_attr a;
	size_t n;
	char *data;

	ck_assert(t != NULL);
	(void)snprintf(path, sizeof(path), ".lens/tensors/%s/raw",
		       odd[_i].path);
	data = slurp(v, path, &n);
	ck_assert_uint_eq(n, t->bytes);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq((unsigned char)data[i], source_byte(t, i));
	free(data);
	/* One name only. */
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/x/info", &a),
			 -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/a%2fb", &a), -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/%61", &a), -ENOENT);
	lens_view_close(v);
}
END_TEST

static void check_npy(const struct lens_view *v, const char *path,
		      const char *dict, const void *values, size_t n_values)
{
	size_t n, head;
	char *data = slurp(v, path, &n);

	ck_assert_mem_eq(data, "\x93NUMPY\x01\0", 8);
	head = 10 + ((size_t)(unsigned char)data[8] |
		     (size_t)(unsigned char)data[9] << 8);
	ck_assert_uint_eq(head % 64, 0);
	ck_assert_int_eq(data[head - 1], '\n');
	ck_assert_int_eq(strncmp(data + 10, dict, strlen(dict)), 0);
	ck_assert_uint_eq(strspn(data + 10 + strlen(dict), " "),
			  head - 11 - strlen(dict));
	ck_assert_uint_eq(n - head, n_values);
	ck_assert_mem_eq(data + head, values, n_values);
	free(data);
}

START_TEST(values_for_numpy)
{

	static const float bf16[] = { 1.5f, -2.015625f },
			   f8[] = { 1.5f, -2.0f, 448 }, f4[] = { -1, 3 };
	static const int16_t i16[] = { 0x0201, -2 };
	const struct lens_view_opts opts = { IDENTITY };
	char dir[] = "/tmp/lensfs-test-XXXXXX";
	struct lens_view *v;
	struct lens_attr a;

	ck_assert(mkdtemp(dir) != NULL);
	source_write(dir, "model.safetensors",
		     "{\"b\":{\"dtype\":\"BF16\",\"shape\":[2,1],"
		     "\"data_offsets\":[0,4]},"
		     "\"i\":{\"dtype\":\"I16\",\"shape\":[2],"
		     "\"data_offsets\":[4,8]},"
		     "\"e\":{\"dtype\":\"F8_E4M3\",\"shape\":[3,1,1],"
		     "\"data_offsets\":[8,11]},"
		     "\"s\":{\"dtype\":\"U8\",\"shape\":[],"
		     "\"data_offsets\":[11,12]},"
		     "\"f\":{\"dtype\":\"F4\",\"shape\":[2],"
		     "\"data_offsets\":[12,13]},"
		     "\"g\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],"
		     "\"data_offsets\":[13,16]}}",
		     "\xc0\x3f\x01\xc0\x01\x02\xfe\xff\x3c\xc0\x7eZ\x5a"
		     "abc");
	v = open_view(dir, &opts);
	check_npy(v, ".lens/tensors/b/data.npy",
		  "{'descr': '<f4', 'fortran_order': False, "
		  "'shape': (2, 1), }",
		  bf16, sizeof(bf16));
	check_npy(v, ".lens/tensors/i/data.npy",
		  "{'descr': '<i2', 'fortran_order': False, "
		  "'shape': (2,), }",
		  i16, sizeof(i16));
	check_npy(v, ".lens/tensors/e/data.npy",
		  "{'descr': '<f4', 'fortran_order': False, "
		  "'shape': (3, 1, 1), }",
		  f8, sizeof(f8));
	check_npy(v, ".lens/tensors/s/data.npy",
		  "{'descr': '|u1', 'fortran_order': False, 'shape': (), }",
		  "Z", 1);
	check_npy(v, ".lens/tensors/f/data.npy",
		  "{'descr': '<f4', 'fortran_order': False, "
		  "'shape': (2,), }",
		  f4, sizeof(f4));
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/g/data.npy", &a),
			 -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/g/summary", &a),
			 -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/g/raw", &a), 0);
	lens_view_close(v);
	source_remove(dir);
}
END_TEST

START_TEST(texts_say_what_is_there)
{
	struct lens_view *v = open_view(source_dir(), &small);
	struct lens_buf x = { 0 };
	struct lens_attr a;
	size_t n;
	char *text = slurp(v, ".lens/tensors/a/b/info", &n);

	ck_assert(strncmp(text,
			  "key      a.b\ndtype    F32\n"
			  "shape    [7, 3]\nbytes    84\nfile     model-0",
			  61) == 0);
	free(text);
	text = slurp(v, ".lens/keys", &n);
	ck_assert(strstr(text, "a.b\tpassed\ta.b\t-\n") != NULL);
	ck_assert(strstr(text, "\nc\\x01\\x7f\tpassed\t") != NULL);
	free(text);
	/* Its size stays, whatever it says. */
	text = slurp(v, ".lens/stats", &n);
	ck_assert(strstr(text, "lensfs_errors_total{kind=\"io\"}") != NULL);
	free(text);
	text = slurp(v, ".lens/stats", &n);
	ck_assert_int_eq(lens_tree_find(v, ".lens/stats", &a), 0);
	ck_assert(a.direct);
	ck_assert_uint_eq(a.size, n);
	free(text);
	ck_assert_int_eq(
		lens_tree_find(v, "model-00001-of-00005.safetensors", &a) < 0 ?
			lens_tree_find(v, lens_view_weight_name(v, 0), &a) :
			0,
		0);
	ck_assert_int_eq(lens_tree_xattr(v, a.ino, "user.lens.plan", &x), 0);
	ck_assert(x.n > 0 && strchr(x.data, '\n') != NULL);
	ck_assert_int_eq(lens_tree_xattr(v, a.ino, "user.other", &x), -ENODATA);
	lens_buf_fini(&x);
	lens_view_close(v);
}
END_TEST

/* Every attribute that a file has, by name; "D" stands for the source. */
static const struct {
	const char *path, *all;
} attributes[] = {
	{ "", "" },
	{ "sub", "" },
	{ ".lens", "" },
	{ ".lens/stats", "" },
	{ ".lens/tensors/a", "" },
	{ "tokenizer.json", "source=D/tokenizer.json;" },
	{ "sub/deep/model.bin", "source=D/sub/deep/model.bin;" },
	{ "sub/z", "source=D/sub/z;" },
	{ "model.safetensors.index.json",
	  "plan=index of 16 tensors in 5 files;recipe=identity;source=D;" },
	{ ".lens/tensors/a/b/raw",
	  "dtype=F32;key=a.b;plan=F32:a.b;recipe=identity;shape=[7, 3];" },
	{ ".lens/tensors/c%01%7F/summary",
	  "dtype=U8;key=c\x01\x7f;plan=U8:c\\x01\\x7f;recipe=identity;"
	  "shape=[4];" },
};

START_TEST(attributes_say_where_from)
{
	struct lens_view *v = open_view(source_dir(), &small);
	struct lens_buf list = { 0 }, got = { 0 }, value = { 0 };
	const size_t n_dir = strlen(lens_view_source(v));
	struct lens_attr a;

	ck_assert_int_eq(lens_tree_find(v, attributes[_i].path, &a), 0);
	ck_assert_int_eq(lens_tree_xattrs(v, a.ino, &list), 0);
	for (size_t at = 0; at < list.n; at += strlen(list.data + at) + 1) {
		const char *name = list.data + at;

		value.n = 0;
		ck_assert_int_eq(lens_tree_xattr(v, a.ino, name, &value), 0);
		lens_buf_printf(&got, "%s=", name + strlen("user.lens."));
		if (strncmp(value.data, lens_view_source(v), n_dir) == 0)
			lens_buf_printf(&got, "D%s;", value.data + n_dir);
		else
			lens_buf_printf(&got, "%s;", value.data);
	}
	ck_assert_str_eq(got.data ? got.data : "", attributes[_i].all);
	ck_assert_int_eq(lens_tree_xattr(v, a.ino, "user.lens.none", &value),
			 -ENODATA);
	ck_assert_int_eq(lens_tree_xattr(v, 1u << 30, "user.lens.plan", &value),
			 -ENOENT);
	lens_buf_fini(&list);
	lens_buf_fini(&got);
	lens_buf_fini(&value);
	lens_view_close(v);
}
END_TEST

/* 200,000 tensors list in little time (of this process, the machine may be
 * busy) and memory. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define LIST_SECONDS 20.0
#else
#define LIST_SECONDS 2.0
#endif

static double cpu_seconds(const struct rusage *r)
{
	return (double)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) +
	       1e-6 * (double)(r->ru_utime.tv_usec + r->ru_stime.tv_usec);
}

START_TEST(many_tensors)
{
	enum { N = 200000 };
	char dir[] = "/tmp/lensfs-test-XXXXXX";
	struct lens_buf head = { 0 };
	struct rusage before, after;
	struct lens_view *v;
	struct lens_attr a;
	uint64_t at = 0;
	const char *name;
	char store[256];
	size_t n = 0;

	ck_assert(mkdtemp(dir) != NULL);
	for (unsigned i = 0; i < N; i++)
		lens_buf_printf(&head,
				"%s\"m.layers.%u.experts.%u.w\":{\"dtype\":"
				"\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
				i ? "," : "{", i / 200, i % 200);
	lens_buf_puts(&head, "}");
	source_write(dir, "model.safetensors", head.data, "");
	lens_buf_fini(&head);
	v = open_view(dir, &identity);
	(void)getrusage(RUSAGE_SELF, &before);
	for (unsigned layer = 0; layer < N / 200; layer++) {
		char path[64];
		uint64_t folder;

		(void)snprintf(path, sizeof(path),
			       ".lens/tensors/m/layers/%u/experts", layer);
		ck_assert_int_eq(lens_tree_find(v, path, &a), 0);
		folder = a.ino;
		for (at = 0;
		     lens_tree_entry(v, folder, at, store, &name, &a, &at) > 0;)
			n += a.folder;
	}
	ck_assert_uint_eq(n, N);
	(void)getrusage(RUSAGE_SELF, &after);
	ck_assert_double_lt(cpu_seconds(&after) - cpu_seconds(&before),
			    LIST_SECONDS);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 100 * 1024);
	check_pieces(v, ".lens/plan", 10000);
	check_pieces(v, ".lens/keys", 10000);
	lens_view_close(v);
	source_remove(dir);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tree-lens");
	TCase *tc = tcase_create("tree-lens");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, source_make, source_drop);
	tcase_add_loop_test(tc, segments_have_names, 0, LENS_ARRAY_SIZE(names));
	tcase_add_test(tc, long_segments_are_cut_and_hashed);
	tcase_add_loop_test(tc, odd_keys_are_reached, 0, LENS_ARRAY_SIZE(odd));
	tcase_add_test(tc, values_for_numpy);
	tcase_add_test(tc, texts_say_what_is_there);
	tcase_add_loop_test(tc, attributes_say_where_from, 0,
			    LENS_ARRAY_SIZE(attributes));
	tcase_add_test(tc, many_tensors);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}

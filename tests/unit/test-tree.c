/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tree.c - views: which file holds what, configs cut, numbers of nodes,
 * and any bytes of any file against a plain copy of them.
 */
#include "tree_source.h"

/* Sizes, the most a file may hold, and the files that huggingface_hub's
 * split_torch_state_dict_into_shards puts them in. */
static const struct {
	uint64_t sizes[8];
	size_t n;
	uint64_t most;
	uint32_t file[8];
	size_t files;
} splits[] = {
	{ { 0 }, 0, 10, { 0 }, 1 },
	{ { 5 }, 1, 10, { 0 }, 1 },
	{ { 11 }, 1, 10, { 0 }, 1 },
	{ { 5, 5 }, 2, 10, { 0, 0 }, 1 },
	{ { 5, 5, 1 }, 3, 10, { 0, 0, 1 }, 2 },
	{ { 10, 10, 10 }, 3, 10, { 0, 1, 2 }, 3 },
	{ { 4, 11, 4 }, 3, 10, { 1, 0, 1 }, 2 },
	{ { 11, 4, 12, 4 }, 4, 10, { 0, 2, 1, 2 }, 3 },
	{ { 4, 11, 7, 12, 3 }, 5, 10, { 1, 0, 3, 2, 3 }, 4 },
	{ { 10, 0, 0, 1 }, 4, 10, { 0, 0, 0, 1 }, 2 },
	{ { 0, 11, 0 }, 3, 10, { 1, 0, 1 }, 2 },
	{ { 1, 1, 1, 1 }, 4, 1, { 0, 1, 2, 3 }, 4 },
};

START_TEST(split_as_the_hub_does)
{
	uint32_t file[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
	size_t n = lens_layout_split(splits[_i].sizes, splits[_i].n,
				     splits[_i].most, file);

	ck_assert_uint_eq(n, splits[_i].files);
	for (size_t i = 0; i < splits[_i].n; i++)
		ck_assert_uint_eq(file[i], splits[_i].file[i]);
}
END_TEST

#define Q "\"quantization_config\""
static const struct {
	const char *text, *want;
} configs[] = {
	{ "{}", "{}" },
	{ "[]", "[]" },
	{ " {\n} \n", " {\n} \n" },
	{ "{" Q ":1}", "{}" },
	{ "{ " Q " : {} }", "{  }" },
	{ "{" Q ":1,\"a\":2}", "{\"a\":2}" },
	{ "{\"a\":2," Q ":1}", "{\"a\":2}" },
	{ "{\"a\":2," Q ":1,\"b\":3}", "{\"a\":2,\"b\":3}" },
	{ "{\n  \"a\": 2,\n  " Q
	  ": {\n    \"x\": [1, {}]\n  },\n  \"b\": 3\n}\n",
	  "{\n  \"a\": 2,\n  \"b\": 3\n}\n" },
	{ "{\n  " Q ": null,\n  \"b\": 3\n}", "{\n  \"b\": 3\n}" },
	{ "{\n  \"b\": 3,\n  " Q ": null\n}", "{\n  \"b\": 3\n}" },
	{ "{" Q ":1,\"compression_config\":2}", "{}" },
	{ "{" Q ":1,\"compression_config\":2,\"a\":3}", "{\"a\":3}" },
	{ "{\"a\":3," Q ":1,\"compression_config\":2}", "{\"a\":3}" },
	{ "{\"a\":3," Q ":1,\"compression_config\":2 , \"b\":{}}",
	  "{\"a\":3 , \"b\":{}}" },
	{ "{" Q ":1,\"a\":3,\"compression_config\":2}", "{\"a\":3}" },
	{ "{\"text_config\":{" Q ":{\"a\":[]},\"b\":1}," Q ":0}",
	  "{\"text_config\":{\"b\":1}}" },
	{ "{\"t\":{\"a\":1," Q ":{}},\"u\":2}", "{\"t\":{\"a\":1},\"u\":2}" },
	{ "{\"t\":[{" Q ":1},2," Q "],\"u\":" Q "}",
	  "{\"t\":[{},2," Q "],\"u\":" Q "}" },
	{ "{\"a\":{" Q ":{" Q ":{\"compression_config\":[]},\"x\":1}}}",
	  "{\"a\":{}}" },
	{ "{\"a\":\"}"
	  "\\\""
	  "{\"," Q ":\"],}\\\\\",\"b\":\",\"}",
	  "{\"a\":\"}"
	  "\\\""
	  "{\",\"b\":\",\"}" },
	{ "{\"\\u0071uantization_confi\\u0067\":1,\"a\":Infinity}",
	  "{\"a\":Infinity}" },
	{ "{\"Quantization_config\":1,\"quantization_config2\":2,"
	  "\"xquantization_config\":3,\"quantization_confi\":4,"
	  "\"quantization\\n_config\":5}",
	  "{\"Quantization_config\":1,\"quantization_config2\":2,"
	  "\"xquantization_config\":3,\"quantization_confi\":4,"
	  "\"quantization\\n_config\":5}" },
	{ "{\"v\":-1.5e+3 ," Q ":NaN\t,\"w\":true}",
	  "{\"v\":-1.5e+3\t,\"w\":true}" },
};

START_TEST(configs_are_cut)
{
	const char *text = configs[_i].text;
	struct lens_buf out = { 0 };

	lens_config_cut(text, strlen(text), &out);
	ck_assert(!out.failed);
	ck_assert_str_eq(out.data, configs[_i].want);
	lens_buf_fini(&out);
}
END_TEST

static void random_space(struct lens_buf *b)
{
	static const char *const spaces[] = { "", "", " ", "\n\t", "\r\n  " };

	lens_buf_puts(b, spaces[dice(LENS_ARRAY_SIZE(spaces))]);
}

static void random_value(struct lens_buf *b, unsigned depth);

static void random_members(struct lens_buf *b, unsigned depth)
{
	static const char *const names[] = { "quantization_config",    "x,{}",
					     "compression_config",     "y\\\"",
					     "\\u0063ompression_conf", "z" };
	unsigned n = dice(LENS_ARRAY_SIZE(names) + 1),
		 first = dice(LENS_ARRAY_SIZE(names));

	for (unsigned i = 0; i < n; i++) {
		random_space(b);
		lens_buf_printf(b, "%s\"%s\"", i ? "," : "",
				names[(first + i) % LENS_ARRAY_SIZE(names)]);
		random_space(b);
		lens_buf_puts(b, ":");
		random_value(b, depth);
	}
}

static void random_value(struct lens_buf *b, unsigned depth)
{
	static const char *const leaves[] = { "0",    "-1.25e3",    "null",
					      "\"\"", "\"}]\\\\\"", "true" };
	unsigned kind = depth ? dice(3) : 0;

	random_space(b);
	if (kind == 0) {
		lens_buf_puts(b, leaves[dice(LENS_ARRAY_SIZE(leaves))]);
	} else if (kind == 1) {
		lens_buf_puts(b, "[");
		for (unsigned i = dice(3); i > 0; i--) {
			random_value(b, depth - 1);
			lens_buf_puts(b, i > 1 ? "," : "");
		}
		lens_buf_puts(b, "]");
	} else {
		lens_buf_puts(b, "{");
		random_members(b, depth - 1);
		lens_buf_puts(b, "}");
	}
	random_space(b);
}

/* The same, on a tree. */
static void cut_tree(cJSON *item)
{
	cJSON *c = item->child, *next;

	for (; c; c = next) {
		next = c->next;
		if (c->string &&
		    (strcmp(c->string, "quantization_config") == 0 ||
		     strcmp(c->string, "compression_config") == 0))
			cJSON_Delete(cJSON_DetachItemViaPointer(item, c));
		else
			cut_tree(c);
	}
}

START_TEST(cut_text_is_the_cut_tree)
{
	struct lens_buf text = { 0 }, out = { 0 };
	cJSON *want, *got;
	const char *p;

	seed = (uint32_t)_i;
	random_value(&text, 5);
	lens_config_cut(text.data, text.n, &out);
	want = cJSON_Parse(text.data);
	got = cJSON_Parse(out.data);
	ck_assert_msg(want && got, "%s\n%s", text.data, out.data);
	cut_tree(want);
	ck_assert_msg(cJSON_Compare(want, got, true), "%s\n%s", text.data,
		      out.data);
	p = text.data;
	for (size_t i = 0; i < out.n; i++, p++)
		ck_assert((p = strchr(p, out.data[i])) != NULL);
	cJSON_Delete(want);
	cJSON_Delete(got);
	lens_buf_fini(&text);
	lens_buf_fini(&out);
}
END_TEST

/* Each tensor of @data, a safetensors file, is the source's; how many. */
static size_t check_file(const char *data, size_t n)
{
	uint64_t head = 0;
	cJSON *json, *item;
	size_t seen = 0;

	for (unsigned i = 8; i-- > 0;)
		head = head << 8 | (unsigned char)data[i];
	ck_assert(8 + head <= n && head % 8 == 0);
	json = cJSON_ParseWithLength(data + 8, head);
	ck_assert(json != NULL);
	cJSON_ArrayForEach (item, json) {
		const struct source_tensor *t;
		const cJSON *at;
		uint64_t begin, end;

		if (strcmp(item->string, "__metadata__") == 0)
			continue;
		t = source_find(item->string);
		ck_assert(t != NULL);
		at = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
		begin = (uint64_t)cJSON_GetArrayItem(at, 0)->valuedouble;
		end = (uint64_t)cJSON_GetArrayItem(at, 1)->valuedouble;
		ck_assert_uint_eq(end - begin, t->bytes);
		for (uint64_t i = begin; i < end; i++)
			ck_assert_uint_eq((unsigned char)data[8 + head + i],
					  source_byte(t, i - begin));
		seen++;
	}
	cJSON_Delete(json);
	return seen;
}

START_TEST(one_file)
{
	struct lens_view *v = open_view(source_dir(), &identity);
	struct lens_attr a;
	size_t n;
	char *data = slurp(v, "model.safetensors", &n);

	ck_assert_uint_eq(check_file(data, n), source_count());
	ck_assert_int_eq(lens_tree_find(v, LENS_INDEX_NAME, &a), -ENOENT);
	free(data);
	lens_view_close(v);
}
END_TEST

START_TEST(many_files)
{
	struct lens_view *v = open_view(source_dir(), &small);
	const size_t files = lens_view_weight_files(v);
	size_t n, seen = 0;
	char *text, *data;

	ck_assert_uint_gt(files, 3);
	text = slurp(v, LENS_INDEX_NAME, &n);
	for (size_t f = 0; f < files; f++) {
		char name[64];

		(void)snprintf(name, sizeof(name),
			       "model-%05zu-of-%05zu.safetensors", f + 1,
			       files);
		ck_assert_str_eq(lens_view_weight_name(v, f), name);
		ck_assert(strstr(text, name) != NULL);
		data = slurp(v, name, &n);
		seen += check_file(data, n);
		free(data);
	}
	ck_assert_uint_eq(seen, source_count());
	free(text);
	lens_view_close(v);
}
END_TEST

/* As json.dumps(..., indent=2) writes it. */
START_TEST(the_index_as_python_writes_it)
{
	static const char want[] =
		"{\n  \"metadata\": {\n    \"total_size\": 12\n  },\n"
		"  \"weight_map\": {\n"
		"    \"2.\\u00e9\": \"model-00001-of-00003.safetensors\",\n"
		"    \"10.a\\\"b\": \"model-00002-of-00003.safetensors\",\n"
		"    \"10.c\": \"model-00003-of-00003.safetensors\"\n  }\n}";
	const struct lens_view_opts opts = { IDENTITY, .shard_size = 5 };
	char dir[] = "/tmp/lensfs-test-XXXXXX";
	struct lens_view *v;
	size_t n;
	char *text;

	ck_assert(mkdtemp(dir) != NULL);
	source_write(dir, "model.safetensors",
		     "{\"10.c\":{\"dtype\":\"U8\",\"shape\":[4],"
		     "\"data_offsets\":[8,12]},"
		     "\"10.a\\\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
		     "\"data_offsets\":[4,8]},"
		     "\"2.\\u00e9\":{\"dtype\":\"F32\",\"shape\":[],"
		     "\"data_offsets\":[0,4]}}",
		     "abcdefghijkl");
	v = open_view(dir, &opts);
	text = slurp(v, LENS_INDEX_NAME, &n);
	ck_assert_str_eq(text, want);
	free(text);
	lens_view_close(v);
	source_remove(dir);
}
END_TEST

START_TEST(any_piece_of_any_file)
{
	static const char *const paths[] = {
		"model-00001-of-%05zu.safetensors",
		"model-00002-of-%05zu.safetensors",
		LENS_INDEX_NAME,
		"config.json",
		"tokenizer.json",
		".lens/README",
		".lens/plan",
		".lens/keys",
		".lens/recipe.json",
		".lens/tensors/a/b/info",
		".lens/tensors/a/b/raw",
		".lens/tensors/a/b/data.npy",
		".lens/tensors/f8/data.npy",
	};
	struct lens_view *v = open_view(source_dir(), &small);
	char path[128];

	seed = 1;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(path, sizeof(path), paths[_i],
		       lens_view_weight_files(v));
#pragma GCC diagnostic pop
	check_pieces(v, path, 3000);
	lens_view_close(v);
}
END_TEST

/* Every file and folder below @ino: reached by its name, under its number. */
static size_t check_folder(const struct lens_view *v, uint64_t ino,
			   unsigned char *seen)
{
	char store[256], path[4096];
	struct lens_attr a, b;
	const char *name;
	uint64_t at = 0, next;
	size_t n = 0;
	int r;

	while ((r = lens_tree_entry(v, ino, at, store, &name, &a, &next)) > 0) {
		ck_assert_uint_ne(next, at);
		ck_assert_uint_lt(a.ino, 4096);
		ck_assert_msg(!seen[a.ino], "number %u twice", (unsigned)a.ino);
		seen[a.ino] = 1;
		ck_assert_int_eq(lens_tree_lookup(v, ino, name, &b), 0);
		ck_assert_uint_eq(b.ino, a.ino);
		ck_assert_uint_eq(b.size, a.size);
		ck_assert_int_eq(b.folder, a.folder);
		ck_assert_int_eq(lens_tree_attr(v, a.ino, &b), 0);
		ck_assert_uint_eq(b.size, a.size);
		ck_assert_uint_eq(lens_tree_parent(v, a.ino), ino);
		ck_assert_int_eq(lens_tree_path(v, a.ino, path, sizeof(path)),
				 0);
		ck_assert_int_eq(lens_tree_find(v, path, &b), 0);
		ck_assert_uint_eq(b.ino, a.ino);
		ck_assert_int_eq(lens_tree_lookup(v, ino, "no such", &b),
				 -ENOENT);
		n += 1 + (a.folder ? check_folder(v, a.ino, seen) : 0);
		at = next;
	}
	ck_assert_int_eq(r, 0);
	return n;
}

START_TEST(nodes_have_numbers)
{
	struct lens_view *v = open_view(source_dir(), &small);
	unsigned char seen[4096] = { [LENS_ROOT] = 1 };
	size_t n = check_folder(v, LENS_ROOT, seen), others = 0;
	struct lens_attr a;
	char path[8];

	ck_assert_uint_gt(n, 60);
	/* No other number leads anywhere. */
	for (uint64_t ino = 0; ino < 4096; ino++)
		others += !seen[ino] && lens_tree_attr(v, ino, &a) == 0;
	ck_assert_uint_eq(others, 0);
	ck_assert_int_eq(lens_tree_attr(v, UINT64_MAX, &a), -ENOENT);
	ck_assert_int_eq(lens_tree_path(v, LENS_ROOT, path, sizeof(path)), 0);
	ck_assert_str_eq(path, "");
	ck_assert_int_eq(lens_tree_find(v, "tokenizer.json", &a), 0);
	ck_assert_int_eq(lens_tree_path(v, a.ino, path, sizeof(path)), -ERANGE);
	ck_assert_int_eq(lens_tree_lookup(v, a.ino, "x", &a), -ENOTDIR);
	lens_view_close(v);
}
END_TEST

/* What the root shows of a source that has it all. */
START_TEST(the_root_shows_what_it_should)
{
	static const char want[] = "config.json model.safetensors sub "
				   "tokenizer.json tool.bin/ ";
	struct lens_view *v = open_view(source_dir(), &identity);
	struct lens_buf got = { 0 };
	struct lens_attr a;
	uint64_t at = 0;
	const char *name;
	char store[256];

	while (lens_tree_entry(v, LENS_ROOT, at, store, &name, &a, &at) > 0)
		lens_buf_printf(
			&got, "%s%s ", name,
			strcmp(name, "tool.bin") == 0 && a.folder ? "/" : "");
	ck_assert_str_eq(got.data, want);
	/* It opens all the same. */
	ck_assert_int_eq(lens_tree_find(v, ".lens/plan", &a), 0);
	ck_assert_int_eq(lens_tree_find(v, "sub/deep/model.bin", &a), 0);
	ck_assert_uint_eq(a.size, 3);
	ck_assert_int_eq(lens_tree_find(v, "other.safetensors", &a), -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, "sub/none", &a), -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, "config.json/x", &a), -ENOENT);
	lens_buf_fini(&got);
	lens_view_close(v);
}
END_TEST

START_TEST(a_changed_source_is_an_error)
{
	char dir[] = "/tmp/lensfs-test-XXXXXX";
	struct lens_view *v;
	struct lens_attr a;
	struct lens_err err = { 0 };
	char buf[64], *text;
	size_t n = 77;

	ck_assert(mkdtemp(dir) != NULL);
	source_write(dir, "model.safetensors",
		     "{\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
		     "\"data_offsets\":[0,4]}}",
		     "abcd");
	v = open_view(dir, &identity);
	source_write(dir, "model.safetensors",
		     "{\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
		     "\"data_offsets\":[0,4]}}",
		     "ABCD");
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/b/raw", &a), 0);
	ck_assert_int_eq(lens_tree_read(v, a.ino, 0, 4, buf, &n, 0, &err),
			 -EIO);
	ck_assert_uint_eq(n, 77);
	ck_assert(strstr(err.msg, "model.safetensors") != NULL);
	text = slurp(v, ".lens/stats", &n);
	ck_assert(strstr(text,
			 "errors_total{kind=\"io\"}                    1") !=
		  NULL);
	free(text);
	lens_view_close(v);
	source_remove(dir);
}
END_TEST

START_TEST(refusals)
{
	const struct lens_view_opts both = { IDENTITY, .to_hf = true };
	struct lens_notes notes = { 0 };
	struct lens_view *v = NULL;
	struct lens_err err = { 0 };

	ck_assert_int_eq(lens_view_open(source_dir(), &both, &notes, &v, &err),
			 -EINVAL);
	ck_assert(strstr(err.msg, "dequant") != NULL);
	ck_assert(v == NULL);
	lens_notes_fini(&notes);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("tree");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, source_make, source_drop);
	tcase_add_loop_test(tc, split_as_the_hub_does, 0,
			    LENS_ARRAY_SIZE(splits));
	tcase_add_loop_test(tc, configs_are_cut, 0, LENS_ARRAY_SIZE(configs));
	tcase_add_loop_test(tc, cut_text_is_the_cut_tree, 0, 500);
	tcase_add_test(tc, one_file);
	tcase_add_test(tc, many_files);
	tcase_add_test(tc, the_index_as_python_writes_it);
	tcase_add_loop_test(tc, any_piece_of_any_file, 0, 13);
	tcase_add_test(tc, nodes_have_numbers);
	tcase_add_test(tc, the_root_shows_what_it_should);
	tcase_add_test(tc, a_changed_source_is_an_error);
	tcase_add_test(tc, refusals);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}

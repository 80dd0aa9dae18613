/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-tree.c - views: which file holds what, configs cut, names of folders,
 * numbers of nodes, and any bytes of any file against a plain copy of them.
 */
#include "tree/tree.h"
#include "tree_source.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

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

static uint32_t seed;

static unsigned dice(unsigned sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

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

static struct lens_view *open_view(const char *dir,
				   const struct lens_view_opts *opts)
{
	struct lens_notes notes = { 0 };
	struct lens_view *v = NULL;
	struct lens_err err = { 0 };

	if (lens_view_open(dir, opts, &notes, &v, &err) < 0)
		ck_abort_msg("%s", err.msg);
	lens_notes_fini(&notes);
	return v;
}

#define IDENTITY .recipe = "identity", .plan.dtype = LENS_DTYPE_INVALID
static const struct lens_view_opts identity = { IDENTITY };
static const struct lens_view_opts small = { IDENTITY, .shard_size = 400,
					     .inspect = true };

/* All of file @path; the caller's. */
static char *slurp(const struct lens_view *v, const char *path, size_t *n)
{
	struct lens_attr a;
	struct lens_err err = { 0 };
	char *data;

	ck_assert_msg(lens_tree_find(v, path, &a) == 0, "no %s", path);
	ck_assert(!a.folder);
	data = malloc(a.size + 1);
	if (lens_tree_read(v, a.ino, 0, a.size + 1, data, n, 0, &err) < 0)
		ck_abort_msg("%s: %s", path, err.msg);
	ck_assert_uint_eq(*n, a.size);
	data[*n] = 0;
	return data;
}

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

/* Pieces of a file at odd places are those of the whole. */
static void check_pieces(const struct lens_view *v, const char *path,
			 size_t most)
{
	struct lens_attr a;
	struct lens_err err;
	size_t size, got;
	char *all = slurp(v, path, &size), *piece = malloc(most + 1);

	ck_assert_int_eq(lens_tree_find(v, path, &a), 0);
	for (int i = 0; i < 400; i++) {
		uint64_t off = dice((unsigned)size + 20);
		size_t n = dice(i % 2 ? 30 : (unsigned)most);
		size_t want = off >= size    ? 0 :
			      n < size - off ? n :
					       size - (size_t)off;

		memset(piece, 0x5a, most + 1);
		ck_assert_int_eq(
			lens_tree_read(v, a.ino, off, n, piece, &got, 1, &err),
			0);
		ck_assert_uint_eq(got, want);
		ck_assert_mem_eq(piece, all + (want ? off : 0), want);
		ck_assert_int_eq(piece[want], 0x5a);
	}
	free(piece);
	free(all);
}

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
			   f8[] = { 1.5f, -2.0f, 448 };
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
		     "\"data_offsets\":[12,13]}}",
		     "\xc0\x3f\x01\xc0\x01\x02\xfe\xff\x3c\xc0\x7eZz");
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
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/f/data.npy", &a),
			 -ENOENT);
	ck_assert_int_eq(lens_tree_find(v, ".lens/tensors/f/raw", &a), 0);
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
			  "key     a.b\ndtype   F32\n"
			  "shape   [7, 3]\nbytes   84\nfile    model-0",
			  56) == 0);
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
	ck_assert_int_eq(lens_tree_find(v, "tokenizer.json", &a), 0);
	ck_assert_int_eq(lens_tree_xattr(v, a.ino, "user.lens.plan", &x),
			 -ENODATA);
	lens_buf_fini(&x);
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
	tcase_add_loop_test(tc, segments_have_names, 0, LENS_ARRAY_SIZE(names));
	tcase_add_test(tc, long_segments_are_cut_and_hashed);
	tcase_add_test(tc, one_file);
	tcase_add_test(tc, many_files);
	tcase_add_test(tc, the_index_as_python_writes_it);
	tcase_add_loop_test(tc, any_piece_of_any_file, 0, 13);
	tcase_add_test(tc, nodes_have_numbers);
	tcase_add_test(tc, the_root_shows_what_it_should);
	tcase_add_loop_test(tc, odd_keys_are_reached, 0, LENS_ARRAY_SIZE(odd));
	tcase_add_test(tc, values_for_numpy);
	tcase_add_test(tc, texts_say_what_is_there);
	tcase_add_test(tc, a_changed_source_is_an_error);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, many_tensors);
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

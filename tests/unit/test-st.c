/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-st.c - dtypes, and checkpoint directories: links, what is no file, files
 * that change, boxes of tensors.
 */
#include "st_source.h"

static const struct {
	const char *name;
	unsigned bits;
} dtypes[] = {
	{ "BOOL", 8 },        { "F4", 4 },          { "F6_E2M3", 6 },
	{ "F6_E3M2", 6 },     { "U8", 8 },          { "I8", 8 },
	{ "F8_E5M2", 8 },     { "F8_E4M3", 8 },     { "F8_E8M0", 8 },
	{ "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 }, { "I16", 16 },
	{ "U16", 16 },        { "F16", 16 },        { "BF16", 16 },
	{ "I32", 32 },        { "U32", 32 },        { "F32", 32 },
	{ "C64", 64 },        { "F64", 64 },        { "I64", 64 },
	{ "U64", 64 },
};

START_TEST(dtypes_are_all_there)
{
	char lower[16] = { 0 };

	ck_assert_uint_eq(LENS_ARRAY_SIZE(dtypes), LENS_DTYPE_MAX);
	ck_assert_str_eq(lens_dtype_name((enum lens_dtype)_i), dtypes[_i].name);
	ck_assert_uint_eq(lens_dtype_bits((enum lens_dtype)_i),
			  dtypes[_i].bits);
	ck_assert_int_eq((int)lens_dtype_find(dtypes[_i].name), _i);
	for (size_t i = 0; dtypes[_i].name[i]; i++)
		lower[i] = (char)tolower((unsigned char)dtypes[_i].name[i]);
	ck_assert_int_eq((int)lens_dtype_parse(lower), _i);
	ck_assert_int_eq(lens_dtype_find(lower), LENS_DTYPE_INVALID);
}
END_TEST

static const struct {
	const char *text;
	enum lens_dtype d;
} spellings[] = {
	{ "bfloat16", LENS_BF16 },
	{ "torch.bfloat16", LENS_BF16 },
	{ "float16", LENS_F16 },
	{ "half", LENS_F16 },
	{ "float32", LENS_F32 },
	{ "float", LENS_F32 },
	{ "float8_e4m3fn", LENS_F8_E4M3 },
	{ "torch.float8_e5m2", LENS_F8_E5M2 },
	{ "float8_e8m0fnu", LENS_F8_E8M0 },
	{ "Bf16", LENS_BF16 },
	{ "", LENS_DTYPE_INVALID },
	{ "bf1", LENS_DTYPE_INVALID },
	{ "bf16 ", LENS_DTYPE_INVALID },
	{ "torch.", LENS_DTYPE_INVALID },
	{ "float7", LENS_DTYPE_INVALID },
};

START_TEST(dtypes_have_other_spellings)
{
	ck_assert_int_eq(lens_dtype_parse(spellings[_i].text), spellings[_i].d);
}
END_TEST

/* ---- directories ---- */

static const struct {
	const char *text, *why;
} indexes[] = {
	{ "[]", "not a JSON object" },
	{ "{}", "it has no weight_map" },
	{ "{\"weight_map\":[]}", "weight_map is no object" },
	{ "{\"weight_map\":{}}", "weight_map is empty" },
	{ "{\"weight_map\":{\"a\":1}}", "'a': '(no string)' is not a plain" },
	{ "{\"weight_map\":{\"a\":\"\"}}", "'' is not a plain file name" },
	{ "{\"weight_map\":{\"a\":\".\"}}", "'.' is not a plain" },
	{ "{\"weight_map\":{\"a\":\"..\"}}", "'..' is not a plain" },
	{ "{\"weight_map\":{\"a\":\"../x\"}}", "'../x' is not a plain" },
	{ "{\"weight_map\":{\"a\":\"/x\"}}", "'/x' is not a plain" },
	{ "{\"weight_map\":{\"a\":\"s/x\"}}", "'s/x' is not a plain" },
	{ "{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}", "\"a\" is twice" },
	{ "{\"weight_map\":{\"a\":\"gone\"}}", "'gone': there is no such" },
	{ "{\"weight_map\":{\"a\":\"one\\n\"}}", "'one\\x0a': there is no" },
	{ "{\"weight_map\":{\"c\":\"one\"}}", "tensor 'c' is not in 'one'" },
	{ "{\"weight_map\":{\"a\":\"two\"}}", "tensor 'a' is not in 'two'" },
	{ "{\"weight_map\":{\"a\":\"folder\"}}", "it is a directory" },
	{ "{\"weight_map\":{\"a\":\"fifo\"}}", "it is something special" },
	{ "{\"weight_map\":{\"a\":\"text\"}}", "no whole safetensors file" },
	{ "{\"weight_map\":{\"a\":\"lfs\"}}", "it is a git-lfs pointer" },
	{ "{\"weight_map\":{\"a\":\"short\"}}", "it has 4 bytes" },
	{ "{\"weight_map\":{\"a\":\"out\"}}", "leads out of the directory" },
	{ "{\"weight_map\":{\"a\":\"dangling\"}}",
	  "'dangling': it is a link to nothing" },
	{ "{\"weight_map\":{\"a\":\"loop\"}}", "'loop'" },
};

START_TEST(bad_indexes_are_refused)
{
	struct place p;
	struct lens_err err;

	place_start(&p);
	place_weights(&p, "m/one", "a", 4, 1);
	place_weights(&p, "m/two", "b", 4, 2);
	place_weights(&p, "outside", "a", 4, 3);
	place_put(&p, "m/text", "just some text, more than eight bytes");
	place_put(&p, "m/lfs", "version https://git-lfs.github.com/spec/v1\n");
	place_put(&p, "m/short", "abcd");
	place_dir(&p, "m/folder");
	ck_assert_int_eq(mkfifoat(p.fd, "m/fifo", 0644), 0);
	place_link(&p, "../outside", "m/out");
	place_link(&p, "nothing", "m/dangling");
	place_link(&p, "loop", "m/loop");
	place_put(&p, "m/" INDEX, indexes[_i].text);
	ck_assert_int_lt(place_open(&p, "m", false, &err), 0);
	ck_assert_msg(strstr(err.msg, indexes[_i].why), "'%s'", err.msg);
	ck_assert(_i > 11 || strstr(err.msg, INDEX));
	place_end(&p);
}
END_TEST

static void put_two(struct place *p)
{
	place_weights(p, "m/one", "w.10", 4, 1);
	place_weights(p, "m/two", "w.9", 4, 2);
	place_put(p, "m/" INDEX,
		  "{\"metadata\":{\"total_size\":8},"
		  "\"weight_map\":{\"w.10\":\"one\",\"w.9\":\"two\"}}");
}

START_TEST(an_index_decides)
{
	const struct lens_tensor *t;
	unsigned char got[4];
	struct lens_err err;
	struct place p;

	place_start(&p);
	put_two(&p);
	place_weights(&p, "m/three", "x", 4, 3);
	ck_assert_msg(place_open(&p, "m", false, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(lens_ckpt_count(p.ck), 2);
	ck_assert_uint_eq(lens_ckpt_files(p.ck), 2);
	ck_assert_str_eq(lens_ckpt_at(p.ck, 0)->name, "w.9");
	ck_assert_str_eq(lens_ckpt_at(p.ck, 1)->name, "w.10");
	ck_assert_ptr_null(lens_ckpt_find(p.ck, "x"));
	ck_assert_ptr_nonnull(
		lens_json_at(lens_ckpt_index_metadata(p.ck), "total_size"));
	t = lens_ckpt_find(p.ck, "w.9");
	ck_assert_int_eq(lens_ckpt_read(p.ck, t, 1, 3, got, &err), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(got[i], place_byte(2, i + 1));
	ck_assert_uint_eq(lens_ckpt_bytes_read(p.ck), 3);
	place_end(&p);
}
END_TEST

/* A tensor that only a shard has is left out, and that is said. */
START_TEST(an_index_can_leave_out)
{
	struct lens_err err;
	struct place p;

	place_start(&p);
	put_two(&p);
	place_put(&p, "m/" INDEX, "{\"weight_map\":{\"w.9\":\"two\"}}");
	place_weights(&p, "m/two", "w.9", 4, 2);
	ck_assert_int_eq(place_open(&p, "m", false, &err), 0);
	ck_assert_uint_eq(p.notes.n, 0);
	place_shut(&p);
	place_put(&p, "m/" INDEX,
		  "{\"weight_map\":{\"w.9\":\"two\",\"q\":\"pair\"}}");
	place_pair(&p, "m/pair", "q", "r\\n");
	ck_assert_msg(place_open(&p, "m", false, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(lens_ckpt_count(p.ck), 2);
	ck_assert_uint_eq(p.notes.n, 1);
	ck_assert(strstr(p.notes.v[0], "1 tensor is in a shard"));
	ck_assert(strstr(p.notes.v[0], "'r\\x0a'"));
	place_shut(&p);
	place_weights(&p, "m/model.safetensors", "w.9", 4, 2);
	ck_assert_int_eq(place_open(&p, "m", false, &err), -EINVAL);
	ck_assert(strstr(err.msg, "loaders disagree"));
	place_end(&p);
}
END_TEST

#define HASH "0123456789abcdef0123456789abcdef01234567"

/* The file, the text of the link to it, and whether it may be used. */
static const struct {
	const char *file, *link;
	bool opens, opens_followed;
} links[] = {
	{ "m/real", "real", true, true },
	{ "m/sub/real", "sub/real", true, true },
	{ "m/sub/real", "sub/../sub/real", true, true },
	{ "outside", "../outside", false, true },
	{ "m/real", "../m/real", false, true },
	{ "models--a--b/blobs/" HASH, "../models--a--b/blobs/" HASH, true,
	  true },
	{ "models--a--b/blobs/" HASH "0123456789abcdef01234567",
	  "../models--a--b/blobs/" HASH "0123456789abcdef01234567", true,
	  true },
	{ "models--a--b/blobs/" HASH, NULL, true, true }, /* absolute */
	{ "models--a--b/blobs/name", "../models--a--b/blobs/name", false,
	  true },
	{ "models--a--b/blobs/" HASH "0", "../models--a--b/blobs/" HASH "0",
	  false, true },
	{ "models--a--b/other/" HASH, "../models--a--b/other/" HASH, false,
	  true },
	{ "else/blobs/" HASH, "../else/blobs/" HASH, false, true },
};

START_TEST(links_are_followed_with_care)
{
	char absolute[300];
	struct lens_err err;
	struct place p;

	place_start(&p);
	place_weights(&p, links[_i].file, "a", 4, 9);
	(void)snprintf(absolute, sizeof(absolute), "%s/%s", p.path,
		       links[_i].file);
	place_link(&p, links[_i].link ? links[_i].link : absolute,
		   "m/model.safetensors");
	for (int follow = 0; follow < 2; follow++) {
		bool opens =
			follow ? links[_i].opens_followed : links[_i].opens;
		int r = place_open(&p, "m", follow, &err);

		ck_assert_msg(r == (opens ? 0 : -EINVAL), "%d %s", r, err.msg);
		if (opens)
			place_check(&p, "a", 4, 9);
		else
			ck_assert(strstr(err.msg, "--follow-links"));
		place_shut(&p);
	}
	place_end(&p);
}
END_TEST

/* A blob that is a link itself is not what the hub makes. */
START_TEST(links_to_links_and_specials)
{
	struct lens_err err;
	struct place p;

	place_start(&p);
	place_weights(&p, "outside", "a", 4, 9);
	place_dir(&p, "models--a--b/blobs");
	place_link(&p, "../../outside", "models--a--b/blobs/" HASH);
	place_link(&p, "../models--a--b/blobs/" HASH, "m/model.safetensors");
	ck_assert_int_eq(place_open(&p, "m", false, &err), -EINVAL);
	ck_assert_int_eq(place_open(&p, "m", true, &err), 0);
	place_shut(&p);
	ck_assert_int_eq(unlinkat(p.fd, "outside", 0), 0);
	ck_assert_int_eq(mkfifoat(p.fd, "outside", 0644), 0);
	ck_assert_int_lt(place_open(&p, "m", true, &err), 0);
	ck_assert(strstr(err.msg, "no regular file"));
	place_end(&p);
}
END_TEST

static const struct {
	const char *name, *why;
} instead[] = {
	{ NULL, "neither model.safetensors nor" },
	{ "adapter_model.safetensors", "a PEFT adapter" },
	{ "__0_0.distcp", "torch distributed checkpoint" },
	{ "model.gguf", "GGUF" },
	{ "pytorch_model.bin", "pickled weights" },
	{ "x.pt", "pickled weights" },
	{ "part.safetensors", "no index that says" },
	{ ".metadata", "without its .distcp files" },
	{ "LATEST", "a training run (LATEST); --reverse" },
	{ "LATEST.txt", "a training run (LATEST.txt); --reverse" },
};

START_TEST(what_is_there_instead_is_named)
{
	char name[64];
	struct lens_err err;
	struct place p;

	place_start(&p);
	place_dir(&p, "m");
	(void)snprintf(name, sizeof(name), "m/%s", instead[_i].name);
	if (instead[_i].name)
		place_put(&p, name, "x");
	ck_assert_int_eq(place_open(&p, "m", false, &err), -ENOENT);
	ck_assert_msg(strstr(err.msg, instead[_i].why), "'%s'", err.msg);
	place_end(&p);
}
END_TEST

enum change { NOTHING, TRUNCATED, GROWN, WRITTEN, TOUCHED, REPLACED, UNLINKED };
static const struct {
	enum change change;
	const char *why;
} changes[] = {
	{ NOTHING, NULL },
	{ TRUNCATED, "before what was there" },
	{ GROWN, "its size changed" },
	{ WRITTEN, "it was written to" },
	{ TOUCHED, "it was written to" },
	{ REPLACED, "changed, renamed or deleted" },
	{ UNLINKED, "changed, renamed or deleted" },
};

static void change(struct place *p, const char *name, enum change c)
{
	static const struct timespec then[2] = { { .tv_sec = 1000 },
						 { .tv_sec = 1000 } };
	int fd = openat(p->fd, name, O_RDWR | O_CLOEXEC);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	if (c == TRUNCATED)
		ck_assert_int_eq(ftruncate(fd, st.st_size - 2), 0);
	if (c == GROWN)
		ck_assert_int_eq(ftruncate(fd, st.st_size + 1), 0);
	if (c == WRITTEN)
		ck_assert_int_eq(pwrite(fd, "!", 1, st.st_size - 1), 1);
	if (c == TOUCHED)
		ck_assert_int_eq(futimens(fd, then), 0);
	if (c == REPLACED) {
		place_weights(p, "m/new", "a", 4, 5);
		ck_assert_int_eq(renameat(p->fd, "m/new", p->fd, name), 0);
	}
	if (c == UNLINKED)
		ck_assert_int_eq(unlinkat(p->fd, name, 0), 0);
	close(fd);
}

START_TEST(changed_files_are_noticed)
{
	const uint64_t zero = 0, four = 4;
	const struct lens_tensor *t;
	unsigned char got[4];
	struct lens_err err;
	struct place p;
	int r;

	place_start(&p);
	place_weights(&p, "m/model.safetensors", "a", 4, 1);
	ck_assert_int_eq(place_open(&p, "m", false, &err), 0);
	place_check(&p, "a", 4, 1);
	/* A clock tick apart, or the times could be the same. */
	usleep(20000);
	change(&p, "m/model.safetensors", changes[_i].change);
	t = lens_ckpt_find(p.ck, "a");
	for (int box = 0; box < 2; box++) {
		err = (struct lens_err){ 0 };
		r = box ? lens_ckpt_read_box(p.ck, t, &zero, &four, got, &err) :
			  lens_ckpt_read(p.ck, t, 0, 4, got, &err);
		ck_assert_int_eq(r, changes[_i].why ? -EIO : 0);
		ck_assert_msg(!changes[_i].why ||
				      (strstr(err.msg, changes[_i].why) &&
				       strstr(err.msg, "'model.safetensors'")),
			      "'%s'", err.msg);
	}
	place_end(&p);
}
END_TEST

START_TEST(changed_extras_are_noticed)
{
	const struct lens_extra *x;
	struct lens_err err = { 0 };
	struct place p;
	char got[100];
	size_t n = 0;
	int r;

	place_start(&p);
	place_weights(&p, "m/model.safetensors", "a", 4, 1);
	place_put(&p, "m/s/note", "some text");
	ck_assert_int_eq(place_open(&p, "m", false, &err), 0);
	x = place_extra(&p, "s/note");
	ck_assert_int_eq(lens_ckpt_read_extra(p.ck, x, 5, 90, got, &n, &err),
			 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_mem_eq(got, "text", 4);
	ck_assert_int_eq(lens_ckpt_read_extra(p.ck, x, 9, 90, got, &n, &err),
			 0);
	ck_assert_uint_eq(n, 0);
	usleep(20000);
	change(&p, "m/s/note", changes[_i].change);
	r = lens_ckpt_read_extra(p.ck, x, 0, 9, got, &n, &err);
	ck_assert_msg(r == (changes[_i].why ? -EIO : 0), "%d %s", r, err.msg);
	ck_assert(!changes[_i].why || strstr(err.msg, "note'"));
	place_end(&p);
}
END_TEST

/* Everything beside the weights, sorted, and nothing that can't be shown. */
START_TEST(extras_are_walked)
{
	static const char *const want[] = {
		"chat.jinja",     "code",      "code-2",      "code/deep",
		"code/deep/x.py", "code/m.py", "config.json", "inner",
		"model.bin",      "tok.json",
	};
	struct lens_err err;
	struct place p;

	place_start(&p);
	put_two(&p);
	place_put(&p, "m/config.json", "{\"a\": Infinity}");
	place_put(&p, "m/tok.json", "t");
	place_put(&p, "m/chat.jinja", "c");
	place_put(&p, "m/code/m.py", "m");
	place_put(&p, "m/code/deep/x.py", "x");
	place_put(&p, "m/code/.hidden", "h");
	place_put(&p, "m/code-2", "2");
	place_put(&p, "m/model.bin", "b");
	place_put(&p, "m/.git/HEAD", "h");
	place_put(&p, "secret", "s");
	place_link(&p, "tok.json", "m/inner");
	place_link(&p, "../secret", "m/outer");
	place_link(&p, "..", "m/up");
	ck_assert_int_eq(mkfifoat(p.fd, "m/fifo", 0644), 0);
	ck_assert_msg(place_open(&p, "m", false, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(lens_ckpt_extras(p.ck), LENS_ARRAY_SIZE(want));
	for (size_t i = 0; i < LENS_ARRAY_SIZE(want); i++) {
		const struct lens_extra *x = lens_ckpt_extra(p.ck, i);

		ck_assert_str_eq(x->file.name, want[i]);
		ck_assert_int_eq(x->folder,
				 strcmp(want[i], "code") == 0 ||
					 strcmp(want[i], "code/deep") == 0);
	}
	ck_assert_uint_eq(p.notes.n, 2);
	for (size_t i = 0; i < 2; i++)
		ck_assert(strstr(p.notes.v[i], "'outer' is left out") ||
			  strstr(p.notes.v[i], "'up' is left out"));
	ck_assert_uint_eq(place_extra(&p, "inner")->file.size, 1);
	ck_assert(cJSON_IsNumber(lens_json_at(lens_ckpt_config(p.ck), "a")));
	place_end(&p);
}
END_TEST

/* Each box against a loop over its elements. */
START_TEST(boxes_are_cut_out)
{
	static const uint64_t shape[4] = { 4, 3, 5, 6 };
	unsigned char all[4 * 3 * 5 * 6 * 2], got[sizeof(all)];
	const struct lens_tensor *t;
	uint32_t seed = 12345;
	size_t bad = 0;
	struct lens_err err;
	struct place p;

	place_start(&p);
	place_box(&p, "m/model.safetensors", sizeof(all));
	ck_assert_msg(place_open(&p, "m", false, &err) == 0, "%s", err.msg);
	t = lens_ckpt_find(p.ck, "box");
	ck_assert_int_eq(lens_ckpt_read(p.ck, t, 0, sizeof(all), all, &err), 0);
	for (int round = 0; round < 3000; round++) {
		uint64_t o[4], c[4], k[4];
		size_t n = 0;

		for (int d = 0; d < 4; d++) {
			seed = seed * 1664525 + 1013904223;
			o[d] = (seed >> 8) % shape[d];
			c[d] = (seed >> 20) % (shape[d] - o[d] + 1);
			if (seed >> 30 == 0) {
				o[d] = 0;
				c[d] = shape[d];
			}
		}
		memset(got, 0xee, sizeof(got));
		ck_assert_int_eq(lens_ckpt_read_box(p.ck, t, o, c, got, &err),
				 0);
		for (k[0] = o[0]; k[0] < o[0] + c[0]; k[0]++)
			for (k[1] = o[1]; k[1] < o[1] + c[1]; k[1]++)
				for (k[2] = o[2]; k[2] < o[2] + c[2]; k[2]++)
					for (k[3] = o[3]; k[3] < o[3] + c[3];
					     k[3]++, n += 2) {
						size_t at =
							((k[0] * 3 + k[1]) * 5 +
							 k[2]) * 6 +
							k[3];

						bad += memcmp(got + n,
							      all + 2 * at,
							      2) != 0;
					}
		for (; n < sizeof(got); n++)
			bad += got[n] != 0xee;
		ck_assert_uint_eq(bad, 0);
	}
	place_end(&p);
}
END_TEST

#define LOOP(tc, fn, table) \
	tcase_add_loop_test(tc, fn, 0, (int)LENS_ARRAY_SIZE(table))

int main(void)
{
	Suite *s = suite_create("st");
	TCase *tc = tcase_create("st");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	LOOP(tc, dtypes_are_all_there, dtypes);
	LOOP(tc, dtypes_have_other_spellings, spellings);
	LOOP(tc, bad_indexes_are_refused, indexes);
	tcase_add_test(tc, an_index_decides);
	tcase_add_test(tc, an_index_can_leave_out);
	LOOP(tc, what_is_there_instead_is_named, instead);
	LOOP(tc, changed_files_are_noticed, changes);
	LOOP(tc, changed_extras_are_noticed, changes);
	tcase_add_test(tc, boxes_are_cut_out);
	/* Neither valgrind nor qemu-user knows openat2, by which links are
	 * opened. */
	if (!getenv("LENS_NO_OPENAT2")) {
		LOOP(tc, links_are_followed_with_care, links);
		tcase_add_test(tc, links_to_links_and_specials);
		tcase_add_test(tc, extras_are_walked);
	}
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

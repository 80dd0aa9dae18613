/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_source.h - for the tests of tree: a small checkpoint in a temporary
 * folder, with whatever a view may meet beside the weights, and its view.
 */
#ifndef LENS_TEST_TREE_SOURCE_H
#define LENS_TEST_TREE_SOURCE_H

#include "tree/tree.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct source_tensor {
	const char *key, *dtype, *shape;
	size_t bytes;
};

/* Sorted by nothing; sizes odd and even, some empty. */
static const struct source_tensor source_tensors[] = {
	{ "a", "U8", "[5]", 5 },
	{ "a.b", "F32", "[7,3]", 84 },
	{ "a.b.c", "BF16", "[9]", 18 },
	{ "a-b", "I64", "[]", 8 },
	{ "a/b", "U8", "[3]", 3 },
	{ "%", "U8", "[2]", 2 },
	{ ".", "U8", "[1]", 1 },
	{ "..", "U8", "[0]", 0 },
	{ "x.info", "F16", "[2,2]", 8 },
	{ "x.raw.w", "U8", "[11]", 11 },
	{ "c\x01\x7f", "U8", "[4]", 4 },
	{ "f8", "F8_E4M3", "[3,100]", 300 },
	{ "big.10.w", "BF16", "[30,20]", 1200 },
	{ "big.2.w", "BF16", "[10,20]", 400 },
	{ "big.2.empty", "F32", "[0,8]", 0 },
	{ "big.1.w", "F32", "[10,20]", 800 },
};

static inline size_t source_count(void)
{
	return LENS_ARRAY_SIZE(source_tensors);
}

static inline const struct source_tensor *source_find(const char *key)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(source_tensors); i++)
		if (strcmp(source_tensors[i].key, key) == 0)
			return &source_tensors[i];
	return NULL;
}

/* Byte @i of a tensor. */
static inline unsigned source_byte(const struct source_tensor *t, uint64_t i)
{
	uint64_t v = (i + 1) * 0x9e3779b97f4a7c15u +
		     (uint64_t)(t - source_tensors) * 0xbf58476d1ce4e5b9u;

	return (unsigned)(v >> 37) & 0xff;
}

static inline void source_put(const char *dir, const char *name,
			      const void *data, size_t n)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_msg(fd >= 0, "%s", path);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

/* A safetensors file of a header and data without a NUL. */
static inline void source_write(const char *dir, const char *name,
				const char *header, const char *data)
{
	struct lens_buf b = { 0 };
	uint64_t n = strlen(header);

	for (unsigned i = 0; i < 8; i++) {
		const char byte = (char)(n >> (8 * i));

		lens_buf_add(&b, &byte, 1);
	}
	lens_buf_puts(&b, header);
	lens_buf_puts(&b, data);
	source_put(dir, name, b.data, b.n);
	lens_buf_fini(&b);
}

static inline int source_remove_one(const char *path, const struct stat *st,
				    int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static inline void source_remove(const char *dir)
{
	(void)nftw(dir, source_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char source_path[64];

static inline const char *source_dir(void)
{
	return source_path;
}

static inline void source_put_weights(void)
{
	struct lens_buf head = { 0 }, all = { 0 };
	uint64_t at = 0, n;

	for (size_t i = 0; i < LENS_ARRAY_SIZE(source_tensors); i++) {
		const struct source_tensor *t = &source_tensors[i];

		lens_buf_puts(&head, i ? "," : "{");
		if (t->key[0] == 'c')
			lens_buf_puts(&head, "\"c\\u0001\x7f\"");
		else
			lens_buf_printf(&head, "\"%s\"", t->key);
		lens_buf_printf(&head,
				":{\"dtype\":\"%s\",\"shape\":%s,"
				"\"data_offsets\":[%llu,%llu]}",
				t->dtype, t->shape, (unsigned long long)at,
				(unsigned long long)(at + t->bytes));
		at += t->bytes;
	}
	lens_buf_puts(&head, "}");
	n = head.n;
	for (unsigned i = 0; i < 8; i++) {
		const char byte = (char)(n >> (8 * i));

		lens_buf_add(&all, &byte, 1);
	}
	lens_buf_add(&all, head.data, head.n);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(source_tensors); i++)
		for (size_t k = 0; k < source_tensors[i].bytes; k++) {
			const char byte =
				(char)source_byte(&source_tensors[i], k);

			lens_buf_add(&all, &byte, 1);
		}
	source_put(source_path, "model.safetensors", all.data, all.n);
	lens_buf_fini(&head);
	lens_buf_fini(&all);
}

static inline void source_make(void)
{
	static const char *const folders[] = { "sub", "sub/deep", "tool.bin",
					       ".git" };
	static const char *const hidden[] = {
		"other.safetensors",
		"x.safetensors.index.json",
		"pytorch_model.bin",
		"pytorch_model.bin.index.json",
		"a.pt",
		"a.pth",
		"a.ckpt",
		"a.gguf",
		"a.h5",
		"a.msgpack",
		".gitattributes",
		".git/config",
	};
	char path[128];

	(void)strcpy(source_path, "/tmp/lensfs-test-XXXXXX");
	ck_assert(mkdtemp(source_path) != NULL);
	source_put_weights();
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", source_path,
			       folders[i]);
		ck_assert_int_eq(mkdir(path, 0755), 0);
	}
	for (size_t i = 0; i < LENS_ARRAY_SIZE(hidden); i++)
		source_put(source_path, hidden[i], "hidden", 6);
	source_put(source_path, "config.json",
		   "{\"model_type\": \"x\", \"quantization_config\": {}}", 46);
	source_put(source_path, "tokenizer.json", "{\"tokens\": []}\n", 15);
	source_put(source_path, "sub/deep/model.bin", "abc", 3);
	source_put(source_path, "sub/z", "", 0);
}

static inline void source_drop(void)
{
	source_remove(source_path);
}

/* A generator of its own, the same everywhere. */
static uint32_t seed;

static inline unsigned dice(unsigned sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

static inline struct lens_view *open_view(const char *dir,
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
__attribute__((
	unused)) static const struct lens_view_opts identity = { IDENTITY };
__attribute__((unused)) static const struct lens_view_opts small = {
	IDENTITY, .shard_size = 400, .inspect = true
};

/* All of file @path; the caller's. */
static inline char *slurp(const struct lens_view *v, const char *path,
			  size_t *n)
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

/* Pieces of a file at odd places are those of the whole. */
static inline void check_pieces(const struct lens_view *v, const char *path,
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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_source.h - checkpoints of random tensors in a temporary folder, for the
 * tests of what is made of them.
 */
#ifndef LENS_TEST_MODEL_SOURCE_H
#define LENS_TEST_MODEL_SOURCE_H

#include "lens/plan.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_TENSORS 128

struct model_tensor {
	char key[120];
	enum lens_dtype dtype;
	unsigned rank;
	uint64_t shape[10];
	size_t size;
	unsigned char *data;
};

struct model {
	char dir[64];
	size_t n;
	struct model_tensor t[MODEL_TENSORS];
	uint64_t seed;
};

static inline uint32_t model_random(struct model *m)
{
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(m->seed >> 33);
}

/* Random bytes; FP8 without NaN, floats small and finite. */
static inline struct model_tensor *model_add(struct model *m, const char *key,
					     enum lens_dtype d, unsigned rank,
					     const uint64_t *shape)
{
	struct model_tensor *t = &m->t[m->n++];

	ck_assert_uint_le(m->n, MODEL_TENSORS);
	(void)snprintf(t->key, sizeof(t->key), "%s", key);
	t->dtype = d;
	t->rank = rank;
	t->size = lens_dtype_bits(d) / 8;
	for (unsigned i = 0; i < rank; i++) {
		t->shape[i] = shape[i];
		t->size *= shape[i];
	}
	t->data = malloc(t->size + 1);
	ck_assert_ptr_nonnull(t->data);
	for (size_t i = 0; i < t->size; i++)
		t->data[i] = (unsigned char)model_random(m);
	for (size_t i = 0; d == LENS_F8_E4M3 && i < t->size; i++)
		t->data[i] ^= (t->data[i] & 0x7f) == 0x7f;
	for (size_t i = 1; d == LENS_BF16 && i < t->size; i += 2)
		t->data[i] = (unsigned char)((t->data[i] & 0x81) | 0x3c);
	for (size_t i = 3; d == LENS_F32 && i < t->size; i += 4)
		t->data[i] = (unsigned char)((t->data[i] & 0x81) | 0x3c);
	return t;
}

static inline struct model_tensor *model_find(struct model *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->t[i].key, key) == 0)
			return &m->t[i];
	return NULL;
}

static inline void model_put(const char *dir, const char *name,
			     const void *data, size_t n)
{
	char path[200];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

static inline void model_start(struct model *m, uint64_t seed)
{
	*m = (struct model){ .seed = seed };
	(void)strcpy(m->dir, "/tmp/lensfs-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(m->dir));
}

/* Everything in one file, in the order it was added. */
static inline void model_write(struct model *m, const char *config)
{
	struct lens_buf b = { 0 };
	uint64_t at = 0, n;

	lens_buf_add(&b, "\0\0\0\0\0\0\0\0{", 9);
	for (size_t i = 0; i < m->n; i++) {
		const struct model_tensor *t = &m->t[i];

		lens_buf_printf(&b, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
				i ? "," : "", t->key,
				lens_dtype_name(t->dtype));
		for (unsigned d = 0; d < t->rank; d++)
			lens_buf_printf(&b, d ? ",%llu" : "%llu",
					(unsigned long long)t->shape[d]);
		lens_buf_printf(&b, "],\"data_offsets\":[%llu,%llu]}",
				(unsigned long long)at,
				(unsigned long long)(at + t->size));
		at += t->size;
	}
	lens_buf_puts(&b, "}");
	n = b.n - 8;
	for (unsigned i = 0; i < 8; i++)
		b.data[i] = (char)(n >> (8 * i));
	for (size_t i = 0; i < m->n; i++)
		lens_buf_add(&b, m->t[i].data, m->t[i].size);
	model_put(m->dir, "model.safetensors", b.data, b.n);
	model_put(m->dir, "config.json", config, strlen(config));
	lens_buf_fini(&b);
}

static inline void model_end(struct model *m)
{
	char path[200];

	for (size_t i = 0; i < m->n; i++)
		free(m->t[i].data);
	(void)snprintf(path, sizeof(path), "%s/model.safetensors", m->dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/config.json", m->dir);
	(void)unlink(path);
	(void)rmdir(m->dir);
}

#endif

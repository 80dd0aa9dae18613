/* SPDX-License-Identifier: Apache-2.0 */
/*
 * st_source.h - a temporary folder with whatever a checkpoint directory can
 * hold, for the tests of st.  Names are relative to it; folders on the way are
 * made.
 */
#ifndef LENS_TEST_ST_SOURCE_H
#define LENS_TEST_ST_SOURCE_H

#include "lens/st.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX "model.safetensors.index.json"

struct place {
	char path[64];
	int fd;
	struct lens_notes notes;
	struct lens_ckpt *ck;
};

static inline void place_start(struct place *p)
{
	*p = (struct place){ 0 };
	(void)strcpy(p->path, "/tmp/lensfs-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->path));
	p->fd = open(p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(p->fd, 0);
}

static inline void place_shut(struct place *p)
{
	lens_ckpt_close(lens_steal(&p->ck));
	lens_notes_fini(&p->notes);
}

static inline int place_remove(const char *path, const struct stat *st,
			       int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static inline void place_end(struct place *p)
{
	place_shut(p);
	close(p->fd);
	(void)nftw(p->path, place_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void place_dir(struct place *p, const char *name)
{
	for (size_t n = 0; n <= strlen(name); n++) {
		char part[200];

		if (name[n] && name[n] != '/')
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)n, name);
		ck_assert(mkdirat(p->fd, part, 0755) == 0 || errno == EEXIST);
	}
}

static inline void place_parent(struct place *p, const char *name)
{
	char part[200];

	(void)snprintf(part, sizeof(part), "%s", name);
	if (strrchr(part, '/')) {
		*strrchr(part, '/') = 0;
		place_dir(p, part);
	}
}

static inline void place_write(struct place *p, const char *name,
			       const void *data, size_t n)
{
	int fd;

	place_parent(p, name);
	fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
	ck_assert_msg(fd >= 0, "%s", name);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	ck_assert_int_eq(close(fd), 0);
}

static inline void place_put(struct place *p, const char *name,
			     const char *text)
{
	place_write(p, name, text, strlen(text));
}

static inline void place_link(struct place *p, const char *target,
			      const char *name)
{
	place_parent(p, name);
	ck_assert_int_eq(symlinkat(target, p->fd, name), 0);
}

/* Byte @i of the data of seed @seed. */
static inline unsigned place_byte(unsigned seed, size_t i)
{
	return (unsigned)(((i + 1) * 2654435761u + seed * 40503u) >> 13) & 0xff;
}

/* A file of header @json and @n bytes of data. */
static inline void place_file(struct place *p, const char *name,
			      const char *json, size_t n, unsigned seed)
{
	const uint64_t length = strlen(json);
	struct lens_buf b = { 0 };

	for (unsigned i = 0; i < 8; i++)
		lens_buf_add(&b, &(char){ (char)(length >> (8 * i)) }, 1);
	lens_buf_puts(&b, json);
	for (size_t i = 0; i < n; i++)
		lens_buf_add(&b, &(char){ (char)place_byte(seed, i) }, 1);
	place_write(p, name, b.data, b.n);
	lens_buf_fini(&b);
}

/* One tensor of @n bytes. */
static inline void place_weights(struct place *p, const char *name,
				 const char *key, size_t n, unsigned seed)
{
	char json[200];

	(void)snprintf(json, sizeof(json),
		       "{\"%s\":{\"dtype\":\"U8\",\"shape\":[%zu],"
		       "\"data_offsets\":[0,%zu]}}",
		       key, n, n);
	place_file(p, name, json, n, seed);
}

/* Two tensors of a byte. */
static inline void place_pair(struct place *p, const char *name, const char *a,
			      const char *b)
{
	char json[300];

	(void)snprintf(json, sizeof(json),
		       "{\"%s\":{\"dtype\":\"U8\",\"shape\":[],"
		       "\"data_offsets\":[0,1]},\"%s\":{\"dtype\":\"U8\","
		       "\"shape\":[],\"data_offsets\":[1,2]}}",
		       a, b);
	place_file(p, name, json, 2, 1);
}

/* Tensor "box", [4, 3, 5, 6] of two bytes, behind another one. */
static inline void place_box(struct place *p, const char *name, size_t n)
{
	char json[300];

	(void)snprintf(json, sizeof(json),
		       "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],"
		       "\"data_offsets\":[0,3]},\"box\":{\"dtype\":\"I16\","
		       "\"shape\":[4,3,5,6],\"data_offsets\":[3,%zu]}}",
		       n + 3);
	place_file(p, name, json, n + 3, 4);
}

static inline int place_open(struct place *p, const char *name,
			     bool follow_links, struct lens_err *err)
{
	const struct lens_ckpt_opts opts = { .follow_links = follow_links };
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", p->path, name);
	return lens_ckpt_open(path, &opts, &p->notes, &p->ck, err);
}

/* Tensor @key has the bytes of @seed. */
static inline void place_check(struct place *p, const char *key, size_t n,
			       unsigned seed)
{
	const struct lens_tensor *t = lens_ckpt_find(p->ck, key);
	unsigned char got[64];
	struct lens_err err;

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->size, n);
	ck_assert_int_eq(lens_ckpt_read(p->ck, t, 0, n, got, &err), 0);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(got[i], place_byte(seed, i));
}

static inline const struct lens_extra *place_extra(struct place *p,
						   const char *name)
{
	for (size_t i = 0; i < lens_ckpt_extras(p->ck); i++)
		if (strcmp(lens_ckpt_extra(p->ck, i)->file.name, name) == 0)
			return lens_ckpt_extra(p->ck, i);
	ck_abort_msg("no extra is called '%s'", name);
	return NULL;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_metadata.c - .hf_metadata: the files of the checkpoint that was trained
 * on, and two mappings of its keys: to numbers of files and to dtypes.
 */
#include "st/st.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define FOLDER ".hf_metadata"
#define FILES "fqn_to_file_index_mapping.json"
#define DTYPES "fqn_to_dtype_mapping.json"
#define MOST (256u << 20)
#define MOST_FILES 99999u

struct reading {
	struct lens_ckpt *ck;
	size_t room;
};

static const char *copy(struct lens_ckpt *ck, const char *name)
{
	return lens_arena_strndup(&ck->arena, name, strlen(name));
}

static int one_file(void *ctx, const char *name, const cJSON *value,
		    struct lens_err *err)
{
	struct reading *r = ctx;
	struct lens_mapping *m = &r->ck->mapping;
	uint64_t number;

	if (lens_json_u64(value, &number) < 0 || !number || number > MOST_FILES)
		return lens_fail(err, EBADMSG,
				 "'%s' is not in a file from 1 to %u",
				 LENS_SHOW(name), MOST_FILES);
	if (m->n == r->room) {
		size_t room = r->room ? r->room * 2 : 256;
		const char **v = realloc(m->key, room * sizeof(*v));

		if (!v)
			return lens_fail(err, ENOMEM, "no memory for %zu keys",
					 room);
		m->key = v;
		r->room = room;
	}
	m->key[m->n] = copy(r->ck, name);
	if (!m->key[m->n] ||
	    lens_map_add(&m->files, m->key[m->n], (uint32_t)number) < 0)
		return lens_fail(err, ENOMEM, "no memory for keys");
	m->n++;
	if (number > m->n_files)
		m->n_files = (uint32_t)number;
	return 0;
}

static int one_dtype(void *ctx, const char *name, const cJSON *value,
		     struct lens_err *err)
{
	struct reading *r = ctx;
	const char *text = cJSON_GetStringValue(value), *key;
	enum lens_dtype d = text ? lens_dtype_find(text) : LENS_DTYPE_INVALID;

	if (d == LENS_DTYPE_INVALID)
		return lens_fail(err, EBADMSG, "'%s': '%s' is not a dtype",
				 LENS_SHOW(name), text ? LENS_SHOW(text) : "");
	key = copy(r->ck, name);
	if (!key || lens_map_add(&r->ck->mapping.dtypes, key, (uint32_t)d) < 0)
		return lens_fail(err, ENOMEM, "no memory for keys");
	return 0;
}

static int read_mapping(struct lens_ckpt *ck, const char *name,
			int (*fn)(void *ctx, const char *key,
				  const cJSON *value, struct lens_err *err),
			struct lens_err *err)
{
	struct reading r = { .ck = ck };
	lens_autofree char *text = NULL;
	struct stat st;
	size_t n;

	if (lens_source_slurp(ck->beside, name, ck->follow_links, MOST, &text,
			      &n, &st, err) < 0)
		return -err->code;
	if (text && lens_json_each(text, n, 0, fn, &r, err) < 0)
		return lens_wrap(err, "'" FOLDER "/%s'", name);
	return 0;
}

int lens_save_metadata(struct lens_ckpt *ck, struct lens_err *err)
{
	int fd = openat(ck->dir, FOLDER,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ?
			       0 :
			       lens_fail(err, errno, "'" FOLDER "': %s",
					 strerror(errno));
	ck->beside = fd;
	if (read_mapping(ck, FILES, one_file, err) < 0)
		return -err->code;
	return read_mapping(ck, DTYPES, one_dtype, err);
}

bool lens_save_hides(const struct lens_ckpt *ck, const char *name)
{
	if (ck->beside != ck->dir)
		return strcmp(name, FILES) == 0 || strcmp(name, DTYPES) == 0;
	return strcmp(name, "consolidate.sh") == 0 ||
	       strcmp(name, "consolidated") == 0;
}

uint32_t lens_ckpt_mapped_files(const struct lens_ckpt *ck)
{
	return ck->mapping.n_files;
}

size_t lens_ckpt_mapped(const struct lens_ckpt *ck)
{
	return ck->mapping.n;
}

const char *lens_ckpt_mapped_key(const struct lens_ckpt *ck, size_t i)
{
	return ck->mapping.key[i];
}

uint32_t lens_ckpt_mapped_file(const struct lens_ckpt *ck, const char *key)
{
	uint32_t i = lens_map_find(&ck->mapping.files, key);

	return i == LENS_NONE ? 0 : i;
}

enum lens_dtype lens_ckpt_mapped_dtype(const struct lens_ckpt *ck,
				       const char *key)
{
	uint32_t i = lens_map_find(&ck->mapping.dtypes, key);

	return i == LENS_NONE ? LENS_DTYPE_INVALID : (enum lens_dtype)i;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard.c - one weight file: opened, and its header read.
 */
#include "st/st.h"

#include <errno.h>
#include <unistd.h>

#define HEADER_MOST 100000000u /* the format's limit */

static int read_at(const struct lens_shard *s, uint64_t off, void *buf,
		   size_t n, struct lens_err *err)
{
	for (size_t have = 0; have < n;) {
		ssize_t r = pread(s->file.fd, (char *)buf + have, n - have,
				  (off_t)(off + have));

		if (r <= 0)
			return lens_fail(err, EIO, "%s",
					 r ? strerror(errno) :
					     "it ends too early");
		have += (size_t)r;
	}
	return 0;
}

/* What a file that is no safetensors file is, where one can tell. */
static const char *looks_like(const struct lens_shard *s)
{
	char start[16] = { 0 };
	struct lens_err ignored;

	(void)read_at(s, 0, start,
		      s->file.size < 15 ? (size_t)s->file.size : 15, &ignored);
	if (strncmp(start, "version https:/", 15) == 0)
		return " (it is a git-lfs pointer: `git lfs pull` fetches the "
		       "weights)";
	if (strncmp(start, "PK\3\4", 4) == 0)
		return " (it is a zip archive, as pickled weights are)";
	if (strncmp(start, "GGUF", 4) == 0)
		return " (it is a GGUF file)";
	return "";
}

static int read_header(struct lens_shard *s, bool of_save, struct lens_err *err)
{
	lens_autofree char *text = NULL;
	unsigned char length[8];
	cJSON *metadata = NULL;
	uint64_t n = 0;
	const cJSON *info;
	int r = 0;

	if (s->file.size < 8)
		return lens_fail(
			err, EBADMSG,
			"it has %llu bytes and can't be a safetensors file",
			(unsigned long long)s->file.size);
	if (read_at(s, 0, length, 8, err) < 0)
		return -err->code;
	for (unsigned i = 0; i < 8; i++)
		n |= (uint64_t)length[i] << (8 * i);
	if (n > HEADER_MOST || n > s->file.size - 8)
		return lens_fail(err, EBADMSG,
				 "it is no whole safetensors file: a header of "
				 "%llu bytes in a file of %llu%s",
				 (unsigned long long)n,
				 (unsigned long long)s->file.size,
				 looks_like(s));
	text = malloc((size_t)n + 1);
	if (!text)
		return lens_fail(err, ENOMEM,
				 "no memory for a header of %llu bytes",
				 (unsigned long long)n);
	if (read_at(s, 8, text, (size_t)n, err) < 0)
		return -err->code;
	s->data = 8 + n;
	if (lens_header_parse(text, (size_t)n, s->file.size - s->data,
			      &s->arena, &s->entries, &s->n, &metadata,
			      err) < 0)
		return -err->code;
	info = cJSON_GetObjectItemCaseSensitive(metadata, "DCP_SHARDING_INFO");
	if (of_save && info)
		r = lens_save_boxes(s, info, err);
	else if (of_save)
		r = lens_fail(err, EINVAL,
			      "it says nothing of where its tensors lie (no "
			      "DCP_SHARDING_INFO), and there is no index");
	else if (info)
		r = lens_fail(
			err, EOPNOTSUPP,
			"it is a shard of a training save (DCP_SHARDING_INFO): "
			"--reverse puts saves together");
	cJSON_Delete(metadata);
	return r;
}

/* An entry of a shard and its name, to be sorted. */
struct named {
	const char *name;
	uint32_t entry;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return lens_natural_cmp(x->name, y->name);
}

/* On each thread its own shards: that leaves little to do for all of them. */
static int order_names(struct lens_shard *s, struct lens_err *err)
{
	lens_autofree struct named *v = calloc(s->n + 1, sizeof(*v));

	s->order = lens_arena_alloc(&s->arena, (s->n + 1) * sizeof(*s->order));
	for (size_t i = 0; v && i < s->n; i++)
		v[i] = (struct named){ s->entries[i].name, (uint32_t)i };
	if (!v || !s->order || lens_sort(v, s->n, sizeof(*v), by_name) < 0)
		return lens_fail(err, ENOMEM, "no memory for %zu tensors",
				 s->n);
	for (size_t i = 0; i < s->n; i++)
		s->order[i] = v[i].entry;
	return 0;
}

int lens_shard_open(void *ctx, size_t i, struct lens_err *err)
{
	struct lens_ckpt *ck = ctx;
	struct lens_shard *s = &ck->shards[i];
	struct stat st;
	int fd = lens_source_open(ck->dir, s->file.name, ck->follow_links, &st,
				  err);

	if (fd < 0)
		return fd;
	lens_file_set(&s->file, fd, &st);
	if (read_header(s, ck->is_save, err) < 0 ||
	    (!ck->is_save && order_names(s, err) < 0))
		return lens_wrap(err, "'%s'", LENS_SHOW(s->file.name));
	return 0;
}

int lens_ckpt_head(const struct lens_ckpt *ck, size_t i, struct lens_buf *ret,
		   size_t *n, struct lens_err *err)
{
	const struct lens_shard *s = &ck->shards[i];
	lens_autofree char *head = malloc((size_t)s->data);

	if (!head)
		return lens_fail(err, ENOMEM, "no memory for a header");
	if (read_at(s, 0, head, (size_t)s->data, err) < 0)
		return lens_wrap(err, "'%s'", LENS_SHOW(s->file.name));
	lens_buf_add(ret, head, (size_t)s->data);
	*n = s->n;
	return ret->failed ? lens_fail(err, ENOMEM, "no memory for a header") :
			     0;
}

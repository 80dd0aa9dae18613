/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.c - what an open checkpoint says of itself.
 */
#include "st/st.h"

size_t lens_ckpt_count(const struct lens_ckpt *ck)
{
	return ck->n;
}

const struct lens_tensor *lens_ckpt_at(const struct lens_ckpt *ck, size_t i)
{
	return &ck->tensors[i];
}

uint32_t lens_ckpt_index(const struct lens_ckpt *ck, const char *name)
{
	return lens_map_find(&ck->by_name, name);
}

const struct lens_tensor *lens_ckpt_find(const struct lens_ckpt *ck,
					 const char *name)
{
	uint32_t i = lens_ckpt_index(ck, name);

	return i == LENS_NONE ? NULL : &ck->tensors[i];
}

size_t lens_ckpt_files(const struct lens_ckpt *ck)
{
	return ck->n_shards;
}

const struct lens_file *lens_ckpt_file(const struct lens_ckpt *ck, size_t i)
{
	return &ck->shards[i].file;
}

const char *lens_ckpt_config_text(const struct lens_ckpt *ck, size_t *n)
{
	*n = ck->config_size;
	return ck->config_text;
}

const cJSON *lens_ckpt_config(const struct lens_ckpt *ck)
{
	return ck->config;
}

const cJSON *lens_ckpt_index_metadata(const struct lens_ckpt *ck)
{
	return ck->index_metadata;
}

const char *lens_ckpt_index_text(const struct lens_ckpt *ck, size_t *n)
{
	*n = ck->index_text ? ck->index_size : 0;
	return ck->index_text;
}

size_t lens_ckpt_extras(const struct lens_ckpt *ck)
{
	return ck->n_extras;
}

const struct lens_extra *lens_ckpt_extra(const struct lens_ckpt *ck, size_t i)
{
	return &ck->extras[i];
}

struct timespec lens_ckpt_mtime(const struct lens_ckpt *ck)
{
	return ck->mtime;
}

const char *lens_ckpt_path(const struct lens_ckpt *ck)
{
	return ck->path;
}

bool lens_ckpt_uses_dev(const struct lens_ckpt *ck, dev_t dev)
{
	if (ck->dev == dev)
		return true;
	for (size_t i = 0; i < ck->n_shards; i++)
		if (ck->shards[i].file.dev == dev)
			return true;
	return false;
}

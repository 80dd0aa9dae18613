/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.c - model.safetensors.index.json.
 *
 * Names in it are plain file names: nothing that leaves the directory, or goes
 * deeper, or is no name at all.
 */
#include "st/st.h"

#include <errno.h>

struct reading {
	struct lens_index *index;
	bool seen;
};

static int plain_name(const char *key, const cJSON *item, struct lens_err *err)
{
	const char *s = cJSON_GetStringValue(item);

	if (s && *s && !strchr(s, '/') && strcmp(s, ".") != 0 &&
	    strcmp(s, "..") != 0)
		return 0;
	return lens_fail(err, EBADMSG,
			 "weight_map: '%s': '%s' is not a plain file name",
			 LENS_SHOW(key), s ? LENS_SHOW(s) : "(no string)");
}

static int add_key(struct lens_index *x, const cJSON *e, struct lens_err *err)
{
	uint32_t file = lens_map_find(&x->file_names, e->valuestring);

	if (file == LENS_NONE) {
		file = (uint32_t)x->n_files;
		x->files[x->n_files] = lens_arena_strndup(
			&x->arena, e->valuestring, strlen(e->valuestring));
		if (!x->files[file] ||
		    lens_map_add(&x->file_names, x->files[file], file) < 0)
			return lens_fail(err, ENOMEM,
					 "no memory for the index");
		x->n_files++;
	}
	x->key[x->n] =
		lens_arena_strndup(&x->arena, e->string, strlen(e->string));
	if (!x->key[x->n] || lens_map_add(&x->keys, x->key[x->n], file) < 0)
		return lens_fail(err, ENOMEM, "no memory for the index");
	x->n++;
	return 0;
}

static int parse_map(struct lens_index *x, const cJSON *map,
		     struct lens_err *err)
{
	const size_t n = (size_t)cJSON_GetArraySize(map);
	const cJSON *e;

	if (!cJSON_IsObject(map) || !n)
		return lens_fail(err, EBADMSG, "weight_map is %s",
				 cJSON_IsObject(map) ? "empty" : "no object");
	x->key = lens_arena_alloc(&x->arena, n * sizeof(*x->key));
	x->files = lens_arena_alloc(&x->arena, n * sizeof(*x->files));
	if (!x->key || !x->files)
		return lens_fail(err, ENOMEM, "no memory for the index");
	cJSON_ArrayForEach (e, map)
		if (plain_name(e->string, e, err) < 0 || add_key(x, e, err) < 0)
			return -err->code;
	return 0;
}

static int one_member(void *ctx, const char *name, const cJSON *value,
		      struct lens_err *err)
{
	struct reading *r = ctx;

	if (strcmp(name, "metadata") == 0 && cJSON_IsObject(value)) {
		r->index->metadata = cJSON_Duplicate(value, true);
		return r->index->metadata ?
			       0 :
			       lens_fail(err, ENOMEM,
					 "no memory for the index");
	}
	if (strcmp(name, "weight_map") != 0)
		return 0;
	r->seen = true;
	return parse_map(r->index, value, err);
}

int lens_index_parse(const char *text, size_t n, struct lens_index *ret,
		     struct lens_err *err)
{
	struct reading r = { .index = ret };

	*ret = (struct lens_index){ 0 };
	if (lens_json_each(text, n, 0, one_member, &r, err) < 0) {
		lens_index_fini(ret);
		return lens_wrap(err, "no usable weight_map");
	}
	if (r.seen)
		return 0;
	lens_index_fini(ret);
	return lens_fail(err, EBADMSG, "it has no weight_map");
}

void lens_index_fini(struct lens_index *x)
{
	lens_map_fini(&x->keys);
	lens_map_fini(&x->file_names);
	cJSON_Delete(x->metadata);
	lens_arena_fini(&x->arena);
	*x = (struct lens_index){ 0 };
}

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
	struct lens_json_part last; /* the value before, and what file it is */
	uint32_t last_file;
};

static bool is_plain(const char *s)
{
	return *s && !strchr(s, '/') && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

/* The file that @value names: its number, perhaps a new one. */
static int find_file(struct reading *r, const char *key,
		     struct lens_json_part value, uint32_t *ret,
		     struct lens_err *err)
{
	struct lens_index *x = r->index;
	const char *name;

	/* Mostly it is the one before. */
	if (r->last.n == value.n && value.n &&
	    memcmp(r->last.text, value.text, value.n) == 0) {
		*ret = r->last_file;
		return 0;
	}
	name = lens_json_string(value, &x->arena);
	if (!name && value.text[0] == '"')
		return lens_fail(err, ENOMEM, "no memory for the index");
	if (!name || !is_plain(name))
		return lens_fail(
			err, EBADMSG,
			"weight_map: '%s': '%s' is not a plain file name",
			LENS_SHOW(key), name ? LENS_SHOW(name) : "(no string)");
	*ret = lens_map_find(&x->file_names, name);
	if (*ret == LENS_NONE) {
		*ret = (uint32_t)x->n_files;
		x->files[x->n_files++] = name;
		if (lens_map_add(&x->file_names, name, *ret) < 0)
			return lens_fail(err, ENOMEM,
					 "no memory for the index");
	}
	r->last = value;
	r->last_file = *ret;
	return 0;
}

static int add_key(void *ctx, struct lens_json_part name,
		   struct lens_json_part value, struct lens_err *err)
{
	struct reading *r = ctx;
	struct lens_index *x = r->index;
	const char *key = lens_json_string(name, &x->arena);

	if (!key || lens_map_add(&x->keys, key, (uint32_t)x->n) < 0)
		return lens_fail(err, ENOMEM, "no memory for the index");
	if (find_file(r, key, value, &x->file[x->n], err) < 0)
		return -err->code;
	x->key[x->n++] = key;
	return 0;
}

/* How many members @map has at most: a comma may stand in a name, too. */
static size_t members_most(struct lens_json_part map)
{
	size_t n = 1;

	for (size_t i = 0; i < map.n; i++)
		n += map.text[i] == ',';
	return n;
}

static int parse_map(struct reading *r, struct lens_json_part map,
		     struct lens_err *err)
{
	struct lens_index *x = r->index;
	const size_t n = members_most(map);

	x->key = lens_arena_alloc(&x->arena, n * sizeof(*x->key));
	x->file = lens_arena_alloc(&x->arena, n * sizeof(*x->file));
	x->files = lens_arena_alloc(&x->arena, n * sizeof(*x->files));
	if (!x->key || !x->file || !x->files ||
	    lens_map_reserve(&x->keys, n) < 0)
		return lens_fail(err, ENOMEM, "no memory for the index");
	if (map.text[0] != '{')
		return lens_fail(err, EBADMSG, "weight_map is no object");
	if (lens_json_members(map, add_key, r, err) < 0)
		return -err->code;
	return x->n ? 0 : lens_fail(err, EBADMSG, "weight_map is empty");
}

static int one_member(void *ctx, struct lens_json_part part,
		      struct lens_json_part value, struct lens_err *err)
{
	struct reading *r = ctx;
	const char *name = lens_json_string(part, &r->index->arena);

	if (!name)
		return lens_fail(err, ENOMEM, "no memory for the index");
	if (strcmp(name, "metadata") == 0 && value.text[0] == '{') {
		r->index->metadata = lens_json_tree(value);
		return r->index->metadata ?
			       0 :
			       lens_fail(err, ENOMEM,
					 "no memory for the index");
	}
	if (strcmp(name, "weight_map") != 0)
		return 0;
	r->seen = true;
	return parse_map(r, value, err);
}

int lens_index_parse(const char *text, size_t n, struct lens_index *ret,
		     struct lens_err *err)
{
	struct reading r = { .index = ret };

	*ret = (struct lens_index){ 0 };
	if (lens_json_check(text, n, 0, err) < 0 ||
	    lens_json_members((struct lens_json_part){ text, n }, one_member,
			      &r, err) < 0) {
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * header.c - reading what a stranger wrote.
 *
 * The checks are those of the reference parser (safetensors' read_metadata and
 * Metadata::validate), and stricter where a file is ambiguous: a name twice, a
 * NUL in a string, an entry that is no object.  Every promise of struct
 * lens_entry is made true here, once.
 */
#include "st/st.h"

#include <errno.h>

#define LONGEST_NAME 4096

struct reading {
	struct lens_arena *arena;
	struct lens_entry *v;
	size_t n, room;
	cJSON *metadata;
};

static int parse_shape(const cJSON *shape, struct lens_arena *arena,
		       struct lens_entry *e, struct lens_err *err)
{
	const int rank = cJSON_GetArraySize(shape);
	uint64_t *dims;
	const cJSON *d;

	if (!cJSON_IsArray(shape))
		return lens_fail(err, EBADMSG,
				 "its shape is missing or no array");
	if (rank > LENS_MAX_RANK)
		return lens_fail(err, EBADMSG, "more than %d dimensions",
				 LENS_MAX_RANK);
	dims = lens_arena_alloc(arena, ((size_t)rank + 1) * sizeof(*dims));
	if (!dims)
		return lens_fail(err, ENOMEM, "no memory for a shape");
	e->shape = dims;
	cJSON_ArrayForEach (d, shape) {
		if (lens_json_u64(d, &dims[e->rank]) < 0)
			return lens_fail(err, EBADMSG,
					 "dimension %u is not a size", e->rank);
		e->rank++;
	}
	return 0;
}

/* Bytes of the shape, checked as the reference does: from left to right. */
static int entry_size(const struct lens_entry *e, uint64_t *ret,
		      struct lens_err *err)
{
	uint64_t n = 1;

	for (unsigned d = 0; d < e->rank; d++)
		if (__builtin_mul_overflow(n, e->shape[d], &n))
			return lens_fail(err, EBADMSG,
					 "the shape overflows 64 bits");
	if (__builtin_mul_overflow(n, (uint64_t)lens_dtype_bits(e->dtype), &n))
		return lens_fail(err, EBADMSG, "the shape overflows 64 bits");
	if (n % 8)
		return lens_fail(err, EBADMSG,
				 "its elements are no whole bytes");
	*ret = n / 8;
	return 0;
}

static int parse_fields(const cJSON *item, struct lens_arena *arena,
			struct lens_entry *e, struct lens_err *err)
{
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
	const cJSON *offsets =
		cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
	uint64_t size = 0;

	if (!cJSON_IsObject(item))
		return lens_fail(err, EBADMSG, "its entry is no object");
	if (!cJSON_IsString(dtype))
		return lens_fail(err, EBADMSG,
				 "its dtype is missing or no string");
	e->dtype = lens_dtype_find(dtype->valuestring);
	if (e->dtype == LENS_DTYPE_INVALID)
		return lens_fail(err, EBADMSG, "'%s' is not a dtype",
				 LENS_SHOW(dtype->valuestring));
	if (parse_shape(cJSON_GetObjectItemCaseSensitive(item, "shape"), arena,
			e, err) < 0)
		return -err->code;
	if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
	    lens_json_u64(offsets->child, &e->begin) < 0 ||
	    lens_json_u64(offsets->child->next, &e->end) < 0)
		return lens_fail(err, EBADMSG,
				 "its data_offsets are not two sizes");
	if (entry_size(e, &size, err) < 0)
		return -err->code;
	if (e->end < e->begin || e->end - e->begin != size)
		return lens_fail(err, EBADMSG,
				 "its shape needs %llu bytes, but its "
				 "data_offsets are [%llu, %llu)",
				 (unsigned long long)size,
				 (unsigned long long)e->begin,
				 (unsigned long long)e->end);
	return 0;
}

static int parse_metadata(struct reading *r, const cJSON *item,
			  struct lens_err *err)
{
	const cJSON *e;

	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsObject(item))
		return lens_fail(err, EBADMSG, "__metadata__ is no object");
	cJSON_ArrayForEach (e, item)
		if (!cJSON_IsString(e))
			return lens_fail(err, EBADMSG,
					 "__metadata__: '%s' is no string",
					 LENS_SHOW(e->string));
	r->metadata = cJSON_Duplicate(item, true);
	return r->metadata ? 0 :
			     lens_fail(err, ENOMEM, "no memory for metadata");
}

static int one_entry(void *ctx, const char *name, const cJSON *item,
		     struct lens_err *err)
{
	struct reading *r = ctx;
	const size_t n = strlen(name);
	struct lens_entry e = { 0 };

	if (strcmp(name, "__metadata__") == 0)
		return parse_metadata(r, item, err);
	if (!n || n > LONGEST_NAME)
		return lens_fail(err, EBADMSG, "tensor '%s': %s",
				 LENS_SHOW(name),
				 n ? "its name is longer than 4096 bytes" :
				     "it has no name");
	if (parse_fields(item, r->arena, &e, err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(name));
	e.name = lens_arena_strndup(r->arena, name, n);
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct lens_entry *v = realloc(r->v, room * sizeof(*v));

		if (!v || !e.name)
			return lens_fail(err, ENOMEM,
					 "no memory for %zu tensors", room);
		r->v = v;
		r->room = room;
	}
	if (!e.name)
		return lens_fail(err, ENOMEM, "no memory for a name");
	r->v[r->n++] = e;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct lens_entry *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* No hole, no overlap, nothing behind: the tensors are the data, exactly. */
static int check_places(struct reading *r, uint64_t data_size,
			struct lens_err *err)
{
	uint64_t end = 0;

	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_place);
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].begin != end)
			return lens_fail(err, EBADMSG,
					 "tensor '%s': its data begin at %llu, "
					 "where %llu is due",
					 LENS_SHOW(r->v[i].name),
					 (unsigned long long)r->v[i].begin,
					 (unsigned long long)end);
		end = r->v[i].end;
	}
	if (end != data_size)
		return lens_fail(err, EBADMSG,
				 "the tensors have %llu bytes of data, the "
				 "file has %llu",
				 (unsigned long long)end,
				 (unsigned long long)data_size);
	return 0;
}

int lens_header_parse(const char *text, size_t n, uint64_t data_size,
		      struct lens_arena *arena, struct lens_entry **ret,
		      size_t *ret_n, cJSON **metadata, struct lens_err *err)
{
	struct reading r = { .arena = arena };
	int s;

	if (lens_json_each(text, n, LENS_JSON_WHOLE | LENS_JSON_DUP_DEEP,
			   one_entry, &r, err) < 0 ||
	    check_places(&r, data_size, err) < 0) {
		free(r.v);
		cJSON_Delete(r.metadata);
		return -err->code;
	}
	*ret = lens_arena_alloc(arena, (r.n ? r.n : 1) * sizeof(**ret));
	s = *ret ? 0 : lens_fail(err, ENOMEM, "no memory for %zu tensors", r.n);
	if (*ret && r.n)
		memcpy(*ret, r.v, r.n * sizeof(**ret));
	free(r.v);
	if (s < 0 || !metadata)
		cJSON_Delete(r.metadata);
	else
		*metadata = r.metadata;
	if (s < 0)
		return s;
	*ret_n = r.n;
	return 0;
}

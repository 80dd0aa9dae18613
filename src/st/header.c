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

static int check_size(const struct lens_entry *e, struct lens_err *err)
{
	uint64_t size = 0;

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

static int parse_fields(const cJSON *item, struct lens_arena *arena,
			struct lens_entry *e, struct lens_err *err)
{
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
	const cJSON *offsets =
		cJSON_GetObjectItemCaseSensitive(item, "data_offsets");

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
	return check_size(e, err);
}

/* --- an entry as all writers spell it, without a tree of it --- */

/* The checked text of an entry, while it is walked. */
struct entry_text {
	const char *at, *end;
	struct lens_arena *arena;
};

static void skip(struct entry_text *x)
{
	while (x->at < x->end && (*x->at == ' ' || *x->at == '\t' ||
				  *x->at == '\n' || *x->at == '\r'))
		x->at++;
}

/* @c, if it is next; white space before it does not count. */
static bool take(struct entry_text *x, char c)
{
	skip(x);
	if (x->at == x->end || *x->at != c)
		return false;
	x->at++;
	return true;
}

/* A size of digits alone; the gate saw that it is one. */
static bool take_size(struct entry_text *x, uint64_t *ret)
{
	const char *from;

	skip(x);
	from = x->at;
	for (*ret = 0; x->at < x->end && *x->at >= '0' && *x->at <= '9';
	     x->at++)
		*ret = *ret * 10 + (uint64_t)(*x->at - '0');
	return x->at > from;
}

/* Up to @most sizes in brackets. */
static bool take_sizes(struct entry_text *x, uint64_t *v, unsigned most,
		       unsigned *n)
{
	*n = 0;
	if (!take(x, '['))
		return false;
	if (take(x, ']'))
		return true;
	do
		if (*n == most || !take_size(x, &v[(*n)++]))
			return false;
	while (take(x, ','));
	return take(x, ']');
}

/* A string without escapes; @s has room for @most bytes and a NUL. */
static bool take_word(struct entry_text *x, char *s, size_t most)
{
	size_t n = 0;

	if (!take(x, '"'))
		return false;
	for (; n < most && x->at < x->end && *x->at != '"'; x->at++) {
		if (*x->at == '\\')
			return false;
		s[n++] = *x->at;
	}
	s[n] = 0;
	return x->at < x->end && *x->at++ == '"';
}

static bool take_dtype(struct entry_text *x, struct lens_entry *e)
{
	char name[16];

	if (!take_word(x, name, sizeof(name) - 1))
		return false;
	e->dtype = lens_dtype_find(name);
	return e->dtype != LENS_DTYPE_INVALID;
}

static bool take_shape(struct entry_text *x, struct lens_entry *e)
{
	uint64_t v[LENS_MAX_RANK], *dims;

	if (!take_sizes(x, v, LENS_MAX_RANK, &e->rank))
		return false;
	dims = lens_arena_alloc(x->arena, (e->rank + 1) * sizeof(*dims));
	if (!dims)
		return false;
	memcpy(dims, v, e->rank * sizeof(*dims));
	e->shape = dims;
	return true;
}

static bool take_offsets(struct entry_text *x, struct lens_entry *e)
{
	uint64_t v[2];
	unsigned n;

	if (!take_sizes(x, v, 2, &n) || n != 2)
		return false;
	e->begin = v[0];
	e->end = v[1];
	return true;
}

/* The three members that there are, in any order; false: there is something
 * else about it, which parse_fields() shall judge. */
static bool take_fields(struct entry_text *x, struct lens_entry *e)
{
	bool dtype = false, shape = false, offsets = false;
	char name[16];

	if (!take(x, '{'))
		return false;
	do {
		if (!take_word(x, name, sizeof(name) - 1) || !take(x, ':'))
			return false;
		if (strcmp(name, "dtype") == 0)
			dtype = take_dtype(x, e);
		else if (strcmp(name, "shape") == 0)
			shape = take_shape(x, e);
		else if (strcmp(name, "data_offsets") == 0)
			offsets = take_offsets(x, e);
		else
			return false;
	} while (take(x, ','));
	return take(x, '}') && dtype && shape && offsets;
}

static int parse_entry(struct lens_json_part text, struct lens_arena *arena,
		       struct lens_entry *e, struct lens_err *err)
{
	struct entry_text x = { text.text, text.text + text.n, arena };
	cJSON *tree;
	int r;

	if (take_fields(&x, e))
		return check_size(e, err);
	*e = (struct lens_entry){ 0 };
	tree = lens_json_tree(text);
	r = tree ? parse_fields(tree, arena, e, err) :
		   lens_fail(err, ENOMEM, "no memory for JSON");
	cJSON_Delete(tree);
	return r;
}

static int parse_metadata(struct reading *r, struct lens_json_part text,
			  struct lens_err *err)
{
	cJSON *item = lens_json_tree(text), *e;
	int n = 0;

	if (!item)
		return lens_fail(err, ENOMEM, "no memory for metadata");
	if (!cJSON_IsNull(item) && !cJSON_IsObject(item))
		n = lens_fail(err, EBADMSG, "__metadata__ is no object");
	cJSON_ArrayForEach (e, item)
		if (n == 0 && !cJSON_IsString(e))
			n = lens_fail(err, EBADMSG,
				      "__metadata__: '%s' is no string",
				      LENS_SHOW(e->string));
	if (n == 0 && cJSON_IsObject(item))
		r->metadata = lens_steal(&item);
	cJSON_Delete(item);
	return n;
}

static int add_entry(struct reading *r, const struct lens_entry *e,
		     struct lens_err *err)
{
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct lens_entry *v = realloc(r->v, room * sizeof(*v));

		if (!v)
			return lens_fail(err, ENOMEM,
					 "no memory for %zu tensors", room);
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = *e;
	return 0;
}

static int one_entry(void *ctx, struct lens_json_part part,
		     struct lens_json_part value, struct lens_err *err)
{
	struct reading *r = ctx;
	struct lens_entry e = { 0 };
	const char *name = lens_json_string(part, r->arena);
	const size_t n = name ? strlen(name) : 0;

	if (!name)
		return lens_fail(err, ENOMEM, "no memory for a name");
	if (strcmp(name, "__metadata__") == 0)
		return parse_metadata(r, value, err);
	if (!n || n > LONGEST_NAME)
		return lens_fail(err, EBADMSG, "tensor '%s': %s",
				 LENS_SHOW(name),
				 n ? "its name is longer than 4096 bytes" :
				     "it has no name");
	if (parse_entry(value, r->arena, &e, err) < 0)
		return lens_wrap(err, "tensor '%s'", LENS_SHOW(name));
	e.name = name;
	return add_entry(r, &e, err);
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

	if (lens_sort(r->v, r->n, sizeof(*r->v), by_place) < 0)
		return lens_fail(err, ENOMEM, "no memory for %zu tensors",
				 r->n);
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

	if (lens_json_check(text, n, LENS_JSON_WHOLE | LENS_JSON_DUP_DEEP,
			    err) < 0 ||
	    lens_json_members((struct lens_json_part){ text, n }, one_entry, &r,
			      err) < 0 ||
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

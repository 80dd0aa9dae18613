/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-header.c - a safetensors header.  What is taken keeps every promise of
 * struct lens_entry and comes through the writer unchanged.
 */
#include "fuzz.h"

#include "lens/st.h"

struct parsed {
	struct lens_arena arena;
	struct lens_entry *e;
	size_t n;
	cJSON *metadata;
};

static void fini(struct parsed *p)
{
	cJSON_Delete(p->metadata);
	lens_arena_fini(&p->arena);
	*p = (struct parsed){ 0 };
}

static int parse(const char *text, size_t n, uint64_t data, struct parsed *p,
		 struct lens_err *err)
{
	*p = (struct parsed){ 0 };
	return lens_header_parse(text, n, data, &p->arena, &p->e, &p->n,
				 &p->metadata, err);
}

/* With as much data as the tensors say there is, if only that is wrong. */
static int parse_fitting(const char *text, size_t n, uint64_t *data,
			 struct parsed *p, struct lens_err *err)
{
	unsigned long long size;
	int r = parse(text, n, *data, p, err);

	if (r == 0)
		return 0;
	fuzz_check_err(r, err);
	fini(p);
	if (sscanf(err->msg, "the tensors have %llu bytes", &size) != 1)
		return r;
	*data = size;
	r = parse(text, n, size, p, err);
	FUZZ_CHECK(r == 0);
	return r;
}

static void check_entries(const struct parsed *p, uint64_t data)
{
	struct lens_map names = { 0 };
	uint64_t end = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct lens_entry *e = &p->e[i];
		unsigned __int128 bits = lens_dtype_bits(e->dtype);

		FUZZ_CHECK(e->dtype < LENS_DTYPE_MAX);
		FUZZ_CHECK(e->rank <= LENS_MAX_RANK);
		FUZZ_CHECK(e->name[0] && strlen(e->name) <= 4096);
		FUZZ_CHECK(strcmp(e->name, "__metadata__") != 0);
		FUZZ_CHECK(lens_map_add(&names, e->name, 0) == 1);
		FUZZ_CHECK(e->begin == end && e->begin <= e->end);
		for (unsigned d = 0; d < e->rank; d++)
			bits *= e->shape[d];
		FUZZ_CHECK(bits == (unsigned __int128)(e->end - e->begin) * 8);
		if (i && e->begin == p->e[i - 1].begin)
			FUZZ_CHECK(e->end > p->e[i - 1].end ||
				   strcmp(e->name, p->e[i - 1].name) > 0);
		end = e->end;
	}
	FUZZ_CHECK(end == data);
	for (const cJSON *m = p->metadata ? p->metadata->child : NULL; m;
	     m = m->next)
		FUZZ_CHECK(cJSON_IsString(m));
	lens_map_fini(&names);
}

static const struct lens_tensor *find(const struct lens_tensor *t, size_t n,
				      const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(t[i].name, name) == 0)
			return &t[i];
	return NULL;
}

static void check_written(const struct lens_tensor *t, size_t n,
			  const struct lens_buf *b, uint64_t data)
{
	struct lens_err err;
	struct parsed back;
	uint64_t size = 0;

	for (unsigned i = 0; i < 8; i++)
		size |= (uint64_t)(unsigned char)b->data[i] << (8 * i);
	FUZZ_CHECK(size == b->n - 8 && size % 8 == 0);
	FUZZ_CHECK(parse(b->data + 8, b->n - 8, data, &back, &err) == 0);
	FUZZ_CHECK(back.n == n);
	check_entries(&back, data);
	for (size_t i = 0; i < n; i++) {
		const struct lens_entry *e = &back.e[i];
		const struct lens_tensor *was = find(t, n, e->name);

		FUZZ_CHECK(was && was->dtype == e->dtype &&
			   was->rank == e->rank);
		FUZZ_CHECK(!e->rank ||
			   memcmp(was->shape, e->shape, e->rank * 8) == 0);
	}
	fini(&back);
}

/* Written by the writer and read again, it is the same. */
static void check_rewrite(const struct parsed *p, uint64_t data)
{
	lens_autofree struct lens_tensor *t = calloc(p->n + 1, sizeof(*t));
	lens_autofree const struct lens_tensor **at =
		calloc(p->n + 1, sizeof(void *));
	lens_autofree uint32_t *order = calloc(p->n + 1, sizeof(*order));
	lens_autofree uint64_t *begin = calloc(p->n + 1, sizeof(*begin));
	struct lens_buf b = { 0 };
	struct lens_err err;

	FUZZ_CHECK(t && at && order && begin);
	for (size_t i = 0; i < p->n; i++) {
		t[i] = (struct lens_tensor){ .name = p->e[i].name,
					     .dtype = p->e[i].dtype,
					     .rank = p->e[i].rank,
					     .shape = p->e[i].shape,
					     .size = p->e[i].end -
						     p->e[i].begin };
		at[i] = &t[i];
		order[i] = (uint32_t)i;
	}
	FUZZ_CHECK(lens_header_write(at, p->n, order, begin, &b, &err) == 0);
	check_written(t, p->n, &b, data);
	lens_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct lens_err err;
	struct parsed p;
	uint64_t size = 0;

	if (parse_fitting((const char *)data, n, &size, &p, &err) < 0)
		return 0;
	check_entries(&p, size);
	check_rewrite(&p, size);
	fini(&p);
	return 0;
}

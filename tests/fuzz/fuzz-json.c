/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-json.c - the gate.  The first byte says which flags; what passes is
 * taken by cJSON whole, found again by its path, and quoted without a loss.
 */
#include "fuzz.h"

struct each {
	const cJSON *next; /* the member that is due */
};

static int one(void *ctx, const char *name, const cJSON *value,
	       struct lens_err *err)
{
	struct each *e = ctx;

	(void)err;
	FUZZ_CHECK(e->next && strcmp(name, e->next->string) == 0);
	fuzz_check_same(value, e->next);
	e->next = e->next->next;
	return 0;
}

static void check_quote(const char *s)
{
	for (int ascii = 0; ascii < 2; ascii++) {
		struct lens_buf b = { 0 };
		struct lens_err err;
		cJSON *tree;

		lens_json_quote(&b, s, ascii);
		FUZZ_CHECK(!b.failed);
		for (size_t i = 0; ascii && i < b.n; i++)
			FUZZ_CHECK(b.data[i] >= 0x20 && b.data[i] < 0x7f);
		FUZZ_CHECK(lens_json_parse(b.data, b.n, 0, &tree, &err) == 0);
		FUZZ_CHECK(strcmp(cJSON_GetStringValue(tree), s) == 0);
		cJSON_Delete(tree);
		lens_buf_fini(&b);
	}
}

/* The bytes of the member at @path are that member, and JSON by themselves. */
static void check_span(const char *text, size_t n, unsigned flags,
		       const char *path, const cJSON *item)
{
	struct lens_buf b = { 0 };
	struct lens_err err;
	size_t begin, end;
	cJSON *tree;

	if (lens_json_span(text, n, path, &begin, &end) < 0) {
		/* A name that is spelt with escapes is not found. */
		FUZZ_CHECK(memchr(text, '\\', n));
		return;
	}
	FUZZ_CHECK(begin < end && end <= n);
	if (item->string)
		lens_buf_puts(&b, "{");
	lens_buf_add(&b, text + begin, end - begin);
	if (item->string)
		lens_buf_puts(&b, "}");
	flags = (flags & LENS_JSON_CONFIG) | LENS_JSON_DUP_DEEP;
	FUZZ_CHECK(lens_json_parse(b.data, b.n, flags, &tree, &err) == 0);
	fuzz_check_same(item->string ? tree->child : tree, item);
	cJSON_Delete(tree);
	lens_buf_fini(&b);
}

static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (strchr(".\"\\", *name) || (unsigned char)*name < 0x20)
			return false;
	return true;
}

struct walk {
	const char *text;
	size_t n;
	unsigned flags;
	char path[512];
};

static void check_item(struct walk *w, const cJSON *item)
{
	const size_t mark = strlen(w->path);
	unsigned i = 0;

	if (cJSON_IsString(item))
		check_quote(item->valuestring);
	for (const cJSON *e = item->child; e; e = e->next, i++) {
		char number[16];
		const char *name = e->string ? e->string : number;

		(void)snprintf(number, sizeof(number), "%u", i);
		if (e->string)
			check_quote(e->string);
		if (!*name || !is_plain(name) ||
		    mark + strlen(name) + 2 > sizeof(w->path))
			continue;
		(void)snprintf(w->path + mark, sizeof(w->path) - mark, "%s%s",
			       mark ? "." : "", name);
		if (!(w->flags & LENS_JSON_DUP_DEEP))
			check_span(w->text, w->n, w->flags, w->path, e);
		check_item(w, e);
		w->path[mark] = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct walk w = { .text = (const char *)data + 1, .n = n - 1 };
	struct each each;
	struct lens_err err;
	cJSON *tree;
	int r;

	if (!n)
		return 0;
	w.flags = data[0] & 7;
	r = lens_json_parse(w.text, w.n, w.flags, &tree, &err);
	if (r < 0) {
		fuzz_check_err(r, &err);
		FUZZ_CHECK(err.code == EBADMSG);
		return 0;
	}
	each.next = tree->child;
	r = lens_json_each(w.text, w.n, w.flags, one, &each, &err);
	FUZZ_CHECK(cJSON_IsObject(tree) ? r == 0 && !each.next : r == -EBADMSG);
	check_item(&w, tree);
	cJSON_Delete(tree);
	return 0;
}

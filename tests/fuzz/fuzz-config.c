/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-config.c - a config.json: the recipe that it asks for, and the text
 * without the members that claim a quantization.  That text is still JSON, and
 * the tree it makes is the first one less those members, wherever they stood.
 */
#include "fuzz.h"

#include "lens/recipe.h"
#include "tree/tree.h"

static bool is_gone(const char *name)
{
	return strcmp(name, "quantization_config") == 0 ||
	       strcmp(name, "compression_config") == 0;
}

/* The slow and certain way; true if there was one. */
static bool prune(cJSON *item)
{
	bool any = false;
	cJSON *e, *next;

	for (e = item->child; e; e = next) {
		next = e->next;
		if (e->string && is_gone(e->string)) {
			cJSON_Delete(cJSON_DetachItemViaPointer(item, e));
			any = true;
		} else if (prune(e)) {
			any = true;
		}
	}
	return any;
}

static void check_cut(const char *text, size_t n, cJSON *tree)
{
	struct lens_buf cut = { 0 }, twice = { 0 };
	struct lens_err err;
	bool any = prune(tree);
	cJSON *rest;

	lens_config_cut(text, n, &cut);
	FUZZ_CHECK(!cut.failed && cut.n <= n);
	FUZZ_CHECK(any || (cut.n == n && memcmp(cut.data, text, n) == 0));
	FUZZ_CHECK(lens_json_parse(cut.data, cut.n, LENS_JSON_CONFIG, &rest,
				   &err) == 0);
	fuzz_check_same(tree, rest);
	cJSON_Delete(rest);
	lens_config_cut(cut.data, cut.n, &twice);
	FUZZ_CHECK(twice.n == cut.n &&
		   memcmp(twice.data, cut.data, cut.n) == 0);
	lens_buf_fini(&cut);
	lens_buf_fini(&twice);
}

static void check_detect(const cJSON *tree)
{
	struct lens_recipe *recipe;
	struct lens_err err;
	char *why;
	int r = lens_recipe_detect(tree, &recipe, &why, &err);

	if (r < 0) {
		fuzz_check_err(r, &err);
		FUZZ_CHECK(err.code == EINVAL);
		return;
	}
	FUZZ_CHECK(recipe->name && strstr(why, recipe->name) == why);
	free(why);
	lens_recipe_free(recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data;
	struct lens_err err;
	cJSON *tree;
	int r = lens_json_parse(text, n, LENS_JSON_CONFIG, &tree, &err);

	if (r < 0) {
		fuzz_check_err(r, &err);
		FUZZ_CHECK(err.code == EBADMSG);
		return 0;
	}
	/* Reading all built-in recipes is slow: now and then. */
	if (n % 8 == 0)
		check_detect(tree);
	check_cut(text, n, tree);
	cJSON_Delete(tree);
	return 0;
}

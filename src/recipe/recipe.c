/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recipe.c - a recipe's text into a struct lens_recipe: the frame, and the
 * order in which its own parts, its scopes' and those of the recipe that it
 * extends come.  What comes first wins where it is matched.
 */
#include "recipe/builtin.h"
#include "recipe/parts.h"

#include <errno.h>
#include <stdio.h>

#define MOST_DEPTH 6 /* of recipes that extend one another, and scopes */

static const cJSON *member(const cJSON *item, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(item, name);
}

/* A failure of the item at hand's member @name. */
static int fail_at(struct parser *p, const char *name, struct lens_err *err)
{
	(void)lens_parser_down(p, name);
	return lens_parser_place(p, err);
}

/* Version, name, summary, and whether config.json is left alone. */
static int parse_frame(struct parser *p, const cJSON *root,
		       struct lens_err *err)
{
	const cJSON *version = member(root, "lens-recipe");
	const cJSON *config = member(root, "config");
	size_t mark = lens_parser_down(p, "lens-recipe");

	if (!cJSON_IsNumber(version) || version->valuedouble != 1) {
		(void)lens_fail(err, EBADMSG,
				"\"lens-recipe\": 1 is wanted: that is the "
				"version of the language");
		return lens_parser_place(p, err);
	}
	lens_parser_up(p, mark);
	mark = lens_parser_down(p, "name");
	if (lens_parser_string(p, member(root, "name"), &p->r->name, err) < 0)
		return -err->code;
	lens_parser_up(p, mark);
	mark = lens_parser_down(p, "summary");
	if (lens_parser_string(p, member(root, "summary"), &p->r->summary,
			       err) < 0)
		return -err->code;
	lens_parser_up(p, mark);
	if (config && (!cJSON_IsString(config) ||
		       strcmp(config->valuestring, "keep") != 0)) {
		(void)lens_fail(err, EBADMSG, "\"keep\" is wanted here");
		return fail_at(p, "config", err);
	}
	p->r->keeps_config = config != NULL;
	return 0;
}

/* The text of the built-in recipe that @item names, parsed into *tree. */
static int open_base(struct parser *p, const cJSON *item, struct parser *ret,
		     const cJSON **tree, struct lens_err *err)
{
	struct lens_recipe_base *b = lens_parser_alloc(p, 1, sizeof(*b), err);
	const struct lens_recipe_base *known = p->r->bases;
	const char *name, *origin;
	size_t i = 0;

	if (!b || lens_parser_string(p, item, &name, err) < 0)
		return -err->code;
	while (i < lens_builtins_count &&
	       strcmp(lens_builtins[i].name, name) != 0)
		i++;
	if (i == lens_builtins_count)
		return lens_fail(err, EBADMSG, "no recipe is called '%s'",
				 LENS_SHOW(name));
	if (p->depth >= MOST_DEPTH)
		return lens_fail(err, EBADMSG,
				 "more than %d recipes extend one another",
				 MOST_DEPTH);
	while (known && strcmp(known->name, name) != 0)
		known = known->next;
	if (!known) {
		b->name = name;
		b->text = lens_builtins[i].text;
		b->next = p->r->bases;
		if (lens_json_parse(lens_builtins[i].text,
				    strlen(lens_builtins[i].text), 0, &b->json,
				    err) < 0)
			return lens_wrap(err, "recipe %s", name);
		p->r->bases = known = b;
	}
	origin = lens_arena_strndup(&p->r->arena, name, strlen(name));
	if (!origin)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	*ret = (struct parser){
		.r = p->r,
		.text = lens_builtins[i].text,
		.n = strlen(lens_builtins[i].text),
		.origin = origin,
		.name = name,
		.depth = p->depth + 1,
		.prefix = { p->prefix[0], p->prefix[1] },
		.when = p->when,
	};
	*tree = known->json;
	return 0;
}

typedef int part(struct parser *p, const cJSON *root, struct lens_err *err);

/* @fn of one recipe that @p's extends. */
static int of_one(struct parser *p, const cJSON *item, part *fn,
		  struct lens_err *err)
{
	const cJSON *tree = NULL;
	struct parser base;

	if (open_base(p, item, &base, &tree, err) < 0)
		return lens_parser_place(p, err);
	if (fn(&base, tree, err) == 0)
		return 0;
	/* Where it is in the other's text, and who wants it. */
	(void)lens_parser_place(&base, err);
	return lens_parser_place(p, err);
}

/* @fn of the recipes that @root extends, in their order. */
static int of_bases(struct parser *p, const cJSON *root, part *fn,
		    struct lens_err *err)
{
	const cJSON *item = member(root, "extends"), *e;
	const size_t mark = lens_parser_down(p, "extends");

	if (item && !cJSON_IsArray(item) && of_one(p, item, fn, err) < 0)
		return -err->code;
	if (cJSON_IsArray(item))
		cJSON_ArrayForEach (e, item)
			if (of_one(p, e, fn, err) < 0)
				return -err->code;
	lens_parser_up(p, mark);
	return 0;
}

/* @text behind @front; NULL if both are nothing. */
static int behind(struct parser *p, const char *front, const cJSON *text,
		  const char **ret, struct lens_err *err)
{
	lens_autofree char *s = NULL;

	if (asprintf(&s, "%s%s", front ? front : "",
		     cJSON_IsString(text) ? text->valuestring : "") < 0) {
		s = NULL;
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	}
	return lens_parser_name(p, s, ret, err);
}

static int sections(struct parser *p, const cJSON *root, struct lens_err *err);

static int one_scope(struct parser *p, const cJSON *item, size_t i,
		     struct lens_err *err)
{
	static const char *const allowed[] = { "when",    "hf",     "native",
					       "extends", "drop",   "refuse",
					       "codecs",  "names",  "rules",
					       "casts",   "fill",   "alias",
					       "compute", "scopes", NULL };
	const char *const outer[2] = { p->prefix[0], p->prefix[1] };
	const struct lens_when when = p->when;
	int r = -1;

	(void)i;
	if (lens_parser_object(p, item, allowed, err) < 0)
		return -err->code;
	if (!cJSON_IsString(member(item, "hf")) ||
	    !cJSON_IsString(member(item, "native")))
		return lens_fail(err, EBADMSG,
				 "a scope has a prefix in 'hf' and in "
				 "'native'");
	if (++p->depth > MOST_DEPTH)
		return lens_fail(err, EBADMSG, "scopes are nested too deeply");
	if (lens_parse_when(p, member(item, "when"), &p->when, err) == 0 &&
	    behind(p, outer[0], member(item, "hf"), &p->prefix[0], err) == 0 &&
	    behind(p, outer[1], member(item, "native"), &p->prefix[1], err) ==
		    0 &&
	    sections(p, item, err) == 0)
		r = lens_parse_scope_names(p, err);
	p->prefix[0] = outer[0];
	p->prefix[1] = outer[1];
	p->when = when;
	p->depth--;
	return r < 0 ? -err->code : 0;
}

/* All that is about keys, of the recipe and of what it takes from others. */
static int sections(struct parser *p, const cJSON *root, struct lens_err *err)
{
	if (lens_parse_drops(p, member(root, "drop"), err) < 0 ||
	    lens_parse_refuses(p, member(root, "refuse"), err) < 0 ||
	    lens_parse_codecs(p, member(root, "codecs"), err) < 0 ||
	    lens_parse_names(p, member(root, "names"), err) < 0 ||
	    lens_parse_rules(p, member(root, "rules"), err) < 0 ||
	    lens_parse_casts(p, member(root, "casts"), err) < 0 ||
	    lens_parse_fills(p, member(root, "fill"), err) < 0 ||
	    lens_parse_aliases(p, member(root, "alias"), err) < 0 ||
	    lens_parse_computes(p, member(root, "compute"), err) < 0 ||
	    lens_parser_each(p, member(root, "scopes"), "scopes", one_scope,
			     err) < 0)
		return -err->code;
	/* A scope has its prefixes; what is quantized is of the whole. */
	if (!p->prefix[0] && !p->r->quantize &&
	    lens_parse_quantize(p, member(root, "quantize"), err) < 0)
		return -err->code;
	return of_bases(p, root, sections, err);
}

/* Parameters come before all that names them. */
static int params(struct parser *p, const cJSON *root, struct lens_err *err)
{
	const cJSON *scopes = member(root, "scopes"), *e;
	const size_t mark = lens_parser_down(p, "scopes");
	size_t i = 0;

	lens_parser_up(p, mark);
	if (scopes && !cJSON_IsArray(scopes))
		scopes = NULL; /* sections() refuses it */
	if (lens_parse_params(p, member(root, "params"), err) < 0)
		return -err->code;
	(void)lens_parser_down(p, "scopes");
	cJSON_ArrayForEach (e, scopes) {
		char number[24];
		size_t inner;

		(void)snprintf(number, sizeof(number), "%zu", i++);
		inner = lens_parser_down(p, number);
		if (++p->depth > MOST_DEPTH) {
			(void)lens_fail(err, EBADMSG,
					"scopes are nested too deeply");
			return lens_parser_place(p, err);
		}
		if (params(p, e, err) < 0)
			return -err->code;
		p->depth--;
		lens_parser_up(p, inner);
	}
	lens_parser_up(p, mark);
	return of_bases(p, root, params, err);
}

static int parse_files(struct parser *p, const cJSON *item,
		       struct lens_err *err)
{
	const size_t mark = lens_parser_down(p, "files");

	if (item &&
	    lens_parser_strings(p, item, &p->r->n_files, &p->r->files, err) < 0)
		return -err->code;
	for (size_t i = 0; i < p->r->n_files; i++)
		if (!*p->r->files[i] || strchr(p->r->files[i], '/')) {
			(void)lens_fail(err, EBADMSG, "'%s' is no file's name",
					LENS_SHOW(p->r->files[i]));
			return lens_parser_place(p, err);
		}
	lens_parser_up(p, mark);
	return 0;
}

static int parse_all(struct parser *p, const cJSON *root, struct lens_err *err)
{
	static const char *const allowed[] = {
		"lens-recipe", "name",    "summary", "detect",   "extends",
		"params",      "config",  "files",   "drop",     "refuse",
		"codecs",      "names",   "rules",   "casts",    "fill",
		"alias",       "compute", "scopes",  "quantize", NULL
	};

	if (lens_parser_object(p, root, allowed, err) < 0 ||
	    parse_frame(p, root, err) < 0 ||
	    lens_parse_detect(p, member(root, "detect"), err) < 0 ||
	    parse_files(p, member(root, "files"), err) < 0)
		return lens_parser_place(p, err);
	p->name = p->r->name;
	if (params(p, root, err) < 0 || sections(p, root, err) < 0)
		return lens_parser_place(p, err);
	return 0;
}

int lens_recipe_parse(const char *text, size_t n, const char *origin,
		      struct lens_recipe **ret, struct lens_err *err)
{
	LENS_CLEANUP(lens_recipe_freep)
	struct lens_recipe *r = calloc(1, sizeof(*r));
	struct parser p = { .r = r, .text = text, .n = n, .origin = origin };

	if (!r)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	if (lens_json_parse(text, n, 0, &r->json, err) < 0)
		return lens_wrap(err, "%s", LENS_SHOW(origin));
	r->text = lens_arena_strndup(&r->arena, text, n);
	if (!r->text)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	if (parse_all(&p, r->json, err) < 0)
		return -err->code;
	*ret = lens_steal(&r);
	return 0;
}

void lens_recipe_free(struct lens_recipe *r)
{
	if (!r)
		return;
	cJSON_Delete(r->json);
	for (const struct lens_recipe_base *b = r->bases; b; b = b->next)
		cJSON_Delete(b->json);
	lens_arena_fini(&r->arena);
	free(r);
}

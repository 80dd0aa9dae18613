/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - finding a recipe: built in, in a file, or by what config.json says.
 */
#include "lens/recipe.h"
#include "recipe/builtin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST (1u << 20) /* bytes of a recipe */

size_t lens_recipe_builtins(void)
{
	return lens_builtins_before;
}

const char *lens_recipe_builtin_name(size_t i)
{
	return lens_builtins[i].name;
}

static int open_builtin(size_t i, struct lens_recipe **ret,
			struct lens_err *err)
{
	char origin[128];

	(void)snprintf(origin, sizeof(origin), "recipe %s",
		       lens_builtins[i].name);
	return lens_recipe_parse(lens_builtins[i].text,
				 strlen(lens_builtins[i].text), origin, ret,
				 err);
}

static int open_file(const char *path, struct lens_recipe **ret,
		     struct lens_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	lens_autofree char *text = malloc(MOST + 1);
	struct stat st;
	ssize_t n, have = 0;

	if (fd < 0)
		return lens_fail(err, errno, "recipe '%s': %s", LENS_SHOW(path),
				 strerror(errno));
	if (!text || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return lens_fail(err, EINVAL,
				 "recipe '%s': it is not a regular file",
				 LENS_SHOW(path));
	}
	while ((n = read(fd, text + have, (size_t)(MOST + 1 - have))) > 0)
		have += n;
	close(fd);
	if (n < 0)
		return lens_fail(err, EIO, "recipe '%s': it can't be read",
				 LENS_SHOW(path));
	if (have > MOST)
		return lens_fail(err, EFBIG,
				 "recipe '%s': it is larger than %u bytes",
				 LENS_SHOW(path), MOST);
	return lens_recipe_parse(text, (size_t)have, path, ret, err);
}

int lens_recipe_open(const char *name, struct lens_recipe **ret,
		     struct lens_err *err)
{
	size_t n = strlen(name);

	if (strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".json") == 0))
		return open_file(name, ret, err);
	for (size_t i = 0; i < lens_builtins_count; i++)
		if (strcmp(lens_builtins[i].name, name) == 0)
			return open_builtin(i, ret, err);
	return lens_fail(err, EINVAL,
			 "no recipe is called '%s' (`lensfs recipes` lists "
			 "them; a file needs a '/' or .json)",
			 LENS_SHOW(name));
}

/* Is @item, or an element of it, one of d's values? */
static const char *holds(const struct lens_detect *d, const cJSON *item)
{
	const cJSON *e;

	if (cJSON_IsBool(item)) {
		const char *word = cJSON_IsTrue(item) ? "true" : "false";

		for (size_t i = 0; i < d->n; i++)
			if (strcmp(d->any[i], word) == 0)
				return d->any[i];
		return NULL;
	}
	if (cJSON_IsString(item)) {
		for (size_t i = 0; i < d->n; i++)
			if (strcmp(d->any[i], item->valuestring) == 0)
				return d->any[i];
		return NULL;
	}
	if (cJSON_IsArray(item))
		cJSON_ArrayForEach (e, item)
			if (cJSON_IsString(e) && holds(d, e))
				return holds(d, e);
	return NULL;
}

/* Does all of @r's detect hold?  What was seen is added to @seen. */
static bool fits(const struct lens_recipe *r, const cJSON *config,
		 struct lens_buf *seen)
{
	for (size_t i = 0; i < r->n_detect; i++) {
		const char *v = holds(&r->detect[i],
				      lens_json_at(config, r->detect[i].path));

		if (!v)
			return false;
		lens_buf_printf(seen, "%s%s is %s", i ? ", " : "",
				r->detect[i].path, v);
	}
	return r->n_detect != 0;
}

static const char *string_at(const cJSON *config, const char *path)
{
	const char *s = cJSON_GetStringValue(lens_json_at(config, path));

	return s ? s : NULL;
}

static int none_fits(const cJSON *config, struct lens_err *err)
{
	const char *outer = string_at(config, "model_type"),
		   *text = string_at(config, "text_config.model_type");

	if (!config)
		return lens_fail(err, EINVAL,
				 "there is no config.json to find a recipe by; "
				 "--recipe NAME says it (identity: as it "
				 "is; dequant: quantized tensors decoded)");
	return lens_fail(err, EINVAL,
			 "no recipe is known for model_type '%s'%s%s%s; "
			 "--recipe NAME says one (identity: as it is; "
			 "dequant: quantized tensors decoded)",
			 outer ? LENS_SHOW(outer) : "(none)",
			 text ? " with text_config.model_type '" : "",
			 text ? LENS_SHOW(text) : "", text ? "'" : "");
}

int lens_recipe_detect(const cJSON *config, struct lens_recipe **ret,
		       char **why, struct lens_err *err)
{
	LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *found = NULL;
	LENS_CLEANUP(lens_buf_fini) struct lens_buf seen = { 0 }, names = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < lens_builtins_before; i++) {
		LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *r = NULL;
		struct lens_buf now = { 0 };

		if (open_builtin(i, &r, err) < 0)
			return -err->code;
		if (fits(r, config, &now)) {
			lens_buf_printf(&names, "%s%s", n++ ? ", " : "",
					r->name);
			lens_recipe_free(found);
			found = lens_steal(&r);
			lens_buf_fini(&seen);
			seen = now;
		} else {
			lens_buf_fini(&now);
		}
	}
	if (!n)
		return none_fits(config, err);
	if (n > 1)
		return lens_fail(err, EINVAL,
				 "several recipes fit config.json: %s; "
				 "--recipe NAME says which",
				 names.data);
	if (seen.failed || asprintf(why, "%s, because config.json says %s",
				    found->name, seen.data) < 0)
		return lens_fail(err, ENOMEM, "no memory for a recipe");
	*ret = lens_steal(&found);
	return 0;
}

bool lens_recipe_reads(const struct lens_recipe *r, const char *file)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (strcmp(r->files[i], file) == 0)
			return true;
	return false;
}

/* The first of @r's files that is there. */
static int first_there(const struct lens_recipe *r,
		       bool (*there)(void *ctx, const char *file), void *ctx,
		       char **ret, struct lens_err *err)
{
	for (size_t i = 0; i < r->n_files && !*ret; i++) {
		if (!there(ctx, r->files[i]))
			continue;
		*ret = strdup(r->files[i]);
		if (!*ret)
			return lens_fail(err, ENOMEM, "no memory for a name");
	}
	return 0;
}

int lens_recipe_weights(const char *name,
			bool (*there)(void *ctx, const char *file), void *ctx,
			char **ret, struct lens_err *err)
{
	*ret = NULL;
	for (size_t i = 0; i < (name ? 1 : lens_builtins_before) && !*ret;
	     i++) {
		LENS_CLEANUP(lens_recipe_freep) struct lens_recipe *r = NULL;

		if (lens_recipe_open(name ? name : lens_builtins[i].name, &r,
				     err) < 0 ||
		    first_there(r, there, ctx, ret, err) < 0)
			return -err->code;
	}
	return 0;
}

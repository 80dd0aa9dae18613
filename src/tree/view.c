/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.c - from a source directory to a readable tree.
 */
#include "tree/tree.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int choose_recipe(struct lens_view *v, const struct lens_view_opts *opts,
			 struct lens_err *err)
{
	const char *name = opts->to_hf ? "dequant" : opts->recipe;
	int n;

	if (opts->to_hf && opts->recipe && strcmp(opts->recipe, name) != 0)
		return lens_fail(err, EINVAL,
				 "--to hf always takes recipe dequant, not "
				 "'%s'",
				 LENS_SHOW(opts->recipe));
	if (!name)
		return lens_recipe_detect(lens_ckpt_config(v->ckpt), &v->recipe,
					  &v->why, err);
	if (lens_recipe_open(name, &v->recipe, err) < 0)
		return -err->code;
	n = opts->to_hf ?
		    asprintf(&v->why, "dequant, because of --to hf") :
		    asprintf(&v->why, "%s, as --recipe says", v->recipe->name);
	if (n < 0) {
		v->why = NULL;
		return lens_fail(err, ENOMEM, "no memory for the view");
	}
	return 0;
}

/* A config may say in other words, too, that parts are quantized. */
static void note_other_claims(const struct lens_view *v,
			      struct lens_notes *notes)
{
	static const char *const paths[] = { "expert_dtype",
					     "text_config.expert_dtype" };

	for (size_t i = 0; i < LENS_ARRAY_SIZE(paths); i++) {
		const cJSON *claim =
			lens_json_at(lens_ckpt_config(v->ckpt), paths[i]);

		if (cJSON_IsString(claim))
			lens_note(notes,
				  "config.json: %s still says '%s'; it is left "
				  "as it is",
				  paths[i], LENS_SHOW(claim->valuestring));
	}
}

static void put_quantization(void *ctx, unsigned indent, struct lens_buf *out)
{
	const struct lens_view *v = ctx;

	(void)lens_plan_quantization(v->plan, indent, out);
}

static int make_config(struct lens_view *v, struct lens_notes *notes,
		       struct lens_err *err)
{
	const char *text;
	size_t n;

	const bool quantized = lens_plan_quantization(v->plan, 2, NULL);

	if (v->like)
		return 0;
	text = lens_ckpt_config_text(v->ckpt, &n);
	if (quantized && !text)
		lens_note(notes, "there is no config.json, so that nothing in "
				 "the view says that it is quantized");
	if (!text || !lens_plan_dequantizes(v->plan))
		return 0;
	if (quantized)
		lens_config_put(text, n, put_quantization, v, &v->config);
	else
		lens_config_cut(text, n, &v->config);
	if (v->config.failed)
		return lens_fail(err, ENOMEM, "no memory for config.json");
	v->makes_config = true;
	note_other_claims(v, notes);
	return 0;
}

static uint64_t default_budget(void)
{
	const uint64_t least = 64u << 20, most = 1u << 30;
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t share = pages > 0 && size > 0 ?
				 (uint64_t)pages * (uint64_t)size / 16 :
				 least;

	return share < least ? least : share > most ? most : share;
}

static int make_cache(struct lens_view *v, const struct lens_view_opts *opts,
		      struct lens_err *err)
{
	uint64_t budget = opts->no_cache   ? 0 :
			  opts->cache_size ? opts->cache_size :
					     default_budget();

	v->panel_max = budget / 4 < LENS_PANEL_MAX ? (size_t)(budget / 4) :
						     LENS_PANEL_MAX;
	return lens_cache_new(budget, opts->compress, &v->cache, err);
}

/* Is @name in directory @ctx? */
static bool is_there(void *ctx, const char *name)
{
	lens_autofree char *path = NULL;

	if (asprintf(&path, "%s/%s", (const char *)ctx, name) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

/* Weights by another name, where the usual ones are not there: the recipe says
 * it, or, while it is not known, any may. */
static int find_weights(const char *source, const struct lens_view_opts *opts,
			char **ret, struct lens_err *err)
{
	const char *name = opts->to_hf ? "dequant" : opts->recipe;
	lens_autofree char *dir = strdup(source);

	if (!dir)
		return lens_fail(err, ENOMEM, "no memory for the view");
	*ret = NULL;
	if (is_there(dir, "model.safetensors") ||
	    is_there(dir, "model.safetensors.index.json"))
		return 0;
	return lens_recipe_weights(name, is_there, dir, ret, err);
}

static int open_source(struct lens_view *v, const char *source,
		       const struct lens_view_opts *opts,
		       struct lens_notes *notes, struct lens_err *err)
{
	lens_autofree char *weights = NULL;
	struct lens_ckpt_opts ckpt_opts = {
		.follow_links = opts->follow_links,
		.saves = opts->plan.reverse,
	};

	if (find_weights(source, opts, &weights, err) < 0)
		return -err->code;
	ckpt_opts.weights_file = weights;
	if (lens_ckpt_open(source, &ckpt_opts, notes, &v->ckpt, err) < 0 ||
	    choose_recipe(v, opts, err) < 0)
		return -err->code;
	if (weights && !lens_recipe_reads(v->recipe, weights))
		return lens_fail(err, EINVAL,
				 "there is no model.safetensors and no index "
				 "of several, and recipe %s does not read "
				 "'%s'",
				 v->recipe->name, LENS_SHOW(weights));
	return 0;
}

static int open_all(struct lens_view *v, const char *source,
		    const struct lens_view_opts *opts, struct lens_notes *notes,
		    struct lens_err *err)
{
	const struct lens_ckpt_opts like_opts = {
		.follow_links = opts->follow_links,
		.keep_index = true,
	};
	struct lens_plan_opts plan_opts = opts->plan;
	const size_t before = notes->n;

	v->shows_lens = opts->inspect;
	v->counters = calloc(1, sizeof(*v->counters));
	if (!v->counters)
		return lens_fail(err, ENOMEM, "no memory for the view");
	if (open_source(v, source, opts, notes, err) < 0)
		return -err->code;
	if (opts->like && !opts->plan.reverse)
		return lens_fail(err, EINVAL, "--like: only with --reverse");
	if (opts->like &&
	    lens_ckpt_open(opts->like, &like_opts, notes, &v->like, err) < 0)
		return lens_wrap(err, "--like");
	plan_opts.like = v->like;
	if (lens_plan_compile(v->ckpt, v->recipe, &plan_opts, notes, &v->plan,
			      err) < 0)
		return -err->code;
	v->mtime = lens_ckpt_mtime(v->ckpt);
	v->source = realpath(lens_ckpt_path(v->ckpt), NULL);
	if (lens_layout_make(v->plan, opts->shard_size, &v->layout, err) < 0 ||
	    make_config(v, notes, err) < 0 ||
	    lens_nodes_make(v, &v->nodes, err) < 0 ||
	    lens_inspect_init(v, err) < 0 || make_cache(v, opts, err) < 0)
		return -err->code;
	if (opts->plan.strict && notes->n > before)
		return lens_fail(err, EINVAL, "--strict: %s", notes->v[before]);
	return 0;
}

int lens_view_open(const char *source, const struct lens_view_opts *opts,
		   struct lens_notes *notes, struct lens_view **ret,
		   struct lens_err *err)
{
	LENS_CLEANUP(lens_view_closep)
	struct lens_view *v = calloc(1, sizeof(*v));

	if (!v)
		return lens_fail(err, ENOMEM, "no memory for the view");
	if (open_all(v, source, opts, notes, err) < 0)
		return -err->code;
	*ret = lens_steal(&v);
	return 0;
}

void lens_view_close(struct lens_view *v)
{
	if (!v)
		return;
	lens_cache_free(v->cache);
	lens_inspect_fini(v->inspect);
	lens_nodes_fini(&v->nodes);
	lens_buf_fini(&v->config);
	lens_layout_fini(&v->layout);
	lens_plan_free(v->plan);
	lens_recipe_free(v->recipe);
	lens_ckpt_close(v->like);
	lens_ckpt_close(v->ckpt);
	free(v->counters);
	free(v->why);
	free(v->source);
	free(v);
}

const struct lens_plan *lens_view_plan(const struct lens_view *v)
{
	return v->plan;
}

const struct lens_ckpt *lens_view_ckpt(const struct lens_view *v)
{
	return v->ckpt;
}

const struct lens_ckpt *lens_view_like(const struct lens_view *v)
{
	return v->like;
}

struct lens_cache *lens_view_cache(const struct lens_view *v)
{
	return v->cache;
}

const char *lens_view_why(const struct lens_view *v)
{
	return v->why;
}

const char *lens_view_source(const struct lens_view *v)
{
	return v->source ? v->source : lens_ckpt_path(v->ckpt);
}

struct lens_place lens_view_place(const struct lens_view *v, size_t i)
{
	return v->layout.places[i];
}

size_t lens_view_weight_files(const struct lens_view *v)
{
	return v->layout.n_files;
}

const char *lens_view_weight_name(const struct lens_view *v, size_t file)
{
	return v->layout.files[file].name;
}

size_t lens_view_panel_max(const struct lens_view *v)
{
	return v->panel_max;
}

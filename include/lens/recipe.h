/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/recipe.h - the data that relates the two sides of a model family.
 *
 * A recipe is JSON (lensfs-recipe(5)); it is parsed and checked here, with
 * line and column in every message, and read in either direction by plan.
 * Immutable once parsed.
 */
#ifndef LENS_RECIPE_H
#define LENS_RECIPE_H

#include "lens/op.h"

/* Captures of a pattern: "{x}" in a segment, "{L}" an integer, "{x*}" anything,
 * "{p:a|b|}" one of. */
#define LENS_CAPTURES 12

struct lens_captures {
	unsigned n;
	const char *name[LENS_CAPTURES];
	const char *text[LENS_CAPTURES]; /* not NUL-terminated */
	size_t len[LENS_CAPTURES];
};

struct lens_pattern;

/* EBADMSG saying what is wrong with @text. The pattern lives in @arena. */
int lens_pattern_parse(const char *text, struct lens_arena *arena,
		       struct lens_pattern **ret,
		       struct lens_err *err) LENS_MUST_CHECK;
const char *lens_pattern_text(const struct lens_pattern *p);
/* Does all of @key match?  Captures already in @caps must agree. */
bool lens_pattern_match(const struct lens_pattern *p, const char *key,
			struct lens_captures *caps);
/* The key that @caps make of it. ENOMEM. The captures must be there (checked at
 * parse of the rule). */
char *lens_pattern_make(const struct lens_pattern *p,
			const struct lens_captures *caps,
			struct lens_arena *arena);
/* Where @p names a capture that @other restricts to alternatives, so does @p.
 */
void lens_pattern_inherit(struct lens_pattern *p,
			  const struct lens_pattern *other);
bool lens_pattern_has(const struct lens_pattern *p, const char *capture);
/* The names of its captures, each once; how many there are. */
size_t lens_pattern_captures(const struct lens_pattern *p, const char **names,
			     size_t room);

enum lens_side { LENS_HF, LENS_NATIVE };

/* A parameter: where its value comes from, first that has one. */
struct lens_param {
	const char *name;
	const char *
		option; /* --dtype for "dtype", else --set NAME=V; NULL: none */
	size_t n_config;
	const char *const *config; /* paths in config.json */
	const char *fallback;      /* NULL: none, and needing it fails */
	size_t n_values;
	const char *const *values; /* what it may be; none: anything */
	size_t n_native;
	struct lens_choice { /* reverse: @value if a native key matches */
		const char *value;
		struct lens_pattern *native_has;
	} const *native;
};

struct lens_when {
	size_t n;
	struct lens_condition {
		const char *param, *value;
	} const *all;
};

struct lens_rule {
	struct lens_when when;
	size_t n[2]; /* patterns of each side */
	struct lens_pattern *const *side[2];
	size_t n_ops;
	const struct lens_op_use {
		const struct lens_op *op;
		struct lens_op_args args;
	} * ops;          /* from hf to native */
	const char *text; /* for messages: its first pattern */
	unsigned line;
};

struct lens_fill_rule {
	struct lens_when when;
	enum lens_side side; /* where it appears */
	struct lens_pattern *key, *beside;
	enum lens_dtype dtype;
	unsigned rank;
	const char *dims[LENS_DIMS]; /* numbers or parameters */
	double value;
	unsigned line;
};

/*
 * What a quantized checkpoint of this family looks like: which of its tensors
 * are FP8, and what their scales are called.  A key is quantized if it fits a
 * weight's pattern and none of @never.
 */
struct lens_quantize_rule {
	size_t n;
	struct lens_quantized {
		struct lens_pattern *weight, *scale;
		struct lens_pattern *activation; /* NULL: has none */
	} * weights;
	size_t n_never, n_absent, n_modules;
	struct lens_pattern *const *never;
	struct lens_pattern *const *absent; /* keys it does not have */
	const char *const *modules; /* for config.json: modules_to_not_convert
				     */
	unsigned line;
};

struct lens_codec_use {
	const struct lens_codec *codec;
	/* Keys as they are in the source, those it is for: n[0] patterns of
	 * which one must match, if there are any, n[1] of which none may. */
	size_t n[2];
	struct lens_pattern *const *keys[2];
	const cJSON *options; /* parsed again for each plan, which may configure
				 them */
	unsigned line;
};

struct lens_detect {
	const char *path; /* in config.json */
	size_t n;
	const char *const
		*any; /* equal to one of, or an array holding one of */
};

struct lens_recipe {
	struct lens_arena arena;
	cJSON *json;
	const char *text; /* what was parsed, for .lens/recipe.json and `recipes
			     NAME` */
	const char *name, *summary;
	size_t n_detect;
	const struct lens_detect
		*detect; /* all must hold; none: never found by itself */
	size_t n_params;
	const struct lens_param *params;
	size_t n_drops, n_codecs, n_names, n_rules, n_casts, n_fills;
	struct lens_rule *drops; /* one side each; no ops */
	struct lens_codec_use *codecs;
	struct lens_rule *names; /* renames only */
	struct lens_rule *rules;
	struct lens_rule *casts; /* native pattern, one cast op */
	struct lens_fill_rule *fills;
	struct lens_quantize_rule *quantize; /* NULL: it can't be */
	bool keeps_config; /* quantization_config stays where it is */
};

/* @origin names the text in messages (a file, or "recipe NAME"). EBADMSG. */
int lens_recipe_parse(const char *text, size_t n, const char *origin,
		      struct lens_recipe **ret,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_recipe_free(struct lens_recipe *r); /* NULL is fine */
LENS_DEFINE_CLEANUP(struct lens_recipe *, lens_recipe_free)

/* The built-in ones, by name. */
size_t lens_recipe_builtins(void);
const char *lens_recipe_builtin_name(size_t i);
const char *lens_recipe_builtin_text(size_t i);

/* A built-in by @name, or the file @name if it holds a '/' or ends in ".json".
 */
int lens_recipe_open(const char *name, struct lens_recipe **ret,
		     struct lens_err *err) LENS_MUST_CHECK;
/*
 * The built-in whose detect fits @config (may be NULL).  EINVAL naming the
 * model type, identity and dequant if none does, and the candidates if several.
 * *why says, for `lensfs plan`, what was recognised (a sentence, the caller's
 * to free).
 */
int lens_recipe_detect(const cJSON *config, struct lens_recipe **ret,
		       char **why, struct lens_err *err) LENS_MUST_CHECK;

#endif

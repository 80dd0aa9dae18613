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
/* Does all of @key match?  @caps has nothing but its captures then. */
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
/* The name of a capture that takes other texts in @p than in @other, which has
 * it too; NULL: there is none. */
const char *lens_pattern_unlike(const struct lens_pattern *p,
				const struct lens_pattern *other);
bool lens_pattern_has(const struct lens_pattern *p, const char *capture);
/* The names of its captures, each once; how many there are. */
size_t lens_pattern_captures(const struct lens_pattern *p, const char **names,
			     size_t room);

enum lens_side { LENS_HF, LENS_NATIVE };

/* A value, where a key of the source matches. */
struct lens_choice {
	const char *value;
	size_t n;
	struct lens_pattern *const *any;
};

/* A parameter: where its value comes from, first that has one. */
struct lens_param {
	const char *name;
	const char *
		option; /* --dtype for "dtype", else --set NAME=V; NULL: none */
	size_t n_has[2]; /* keys of the source, by its side */
	const struct lens_choice *has[2];
	size_t n_config;
	const char *const *config;     /* paths in config.json */
	const char *metadata;          /* of the source's index; NULL: none */
	const struct lens_expr *value; /* of others; NULL: none */
	const char *fallback;          /* NULL: none, and needing it fails */
	size_t n_values;
	const char *const *values; /* what it may be; none: anything */
};

/* One member of "when". */
struct lens_condition {
	enum lens_subject {
		LENS_OF_PARAM, /* text of parameter @param */
		LENS_OF_VALUE, /* number @expr */
		LENS_OF_DTYPE, /* the tensor's */
		LENS_OF_CODEC, /* that decodes it: its name, or "none" */
	} of;
	const char *param;
	const struct lens_expr *expr;
	size_t n, n_numbers; /* one of these is right */
	const char *const *text;
	const struct lens_expr *const *number;
	const struct lens_expr *least, *below; /* NULL: no bound */
	bool unset;                            /* the parameter has no value */
	bool negate;                           /* ... is wrong */
	bool late; /* needs captures or the tensor */
};
struct lens_when {
	size_t n;
	const struct lens_condition *all;
};

/* A captured number that is computed of others. */
struct lens_let {
	const char *name;
	const struct lens_expr *expr;
};

struct lens_op_use {
	const struct lens_op *op;
	struct lens_op_args args;
	size_t n_in; /* tensors it gets, of each index */
};

struct lens_rule {
	struct lens_when when;
	bool one_way[2]; /* only when the source is of that side */
	size_t n[2];     /* patterns of each side */
	struct lens_pattern *const *side[2];
	size_t n_except; /* none of which may match */
	struct lens_pattern *const *except;
	size_t n_lets;
	const struct lens_let *lets;
	bool next; /* half a group goes on to the next rule */
	size_t n_ops, n_back;
	const struct lens_op_use *ops;  /* from hf to native */
	const struct lens_op_use *back; /* from native to hf; NULL: the inverses
					   of ops, backwards */
	const char *text;               /* for messages: its first pattern */
	const char *why;                /* refuse: the reason */
	const char *recipe;             /* where it stands */
	unsigned line;
};

/* Tensors that are made: constants, tables, others once more. */
struct lens_fill_rule {
	struct lens_when when;
	enum lens_fill_kind {
		LENS_CONSTANT,
		LENS_ALIAS,  /* of the tensor @beside */
		LENS_ROTARY, /* 1 / theta^(2i / n) */
	} kind;
	enum lens_side side; /* where it appears */
	struct lens_pattern *key;
	struct lens_pattern *beside; /* NULL: always there */
	bool required;               /* @beside must be there */
	enum lens_dtype dtype;
	const char *dtype_param; /* NULL: dtype */
	unsigned rank;
	const struct lens_expr *dims[LENS_DIMS];
	double value;
	const char *theta; /* a parameter */
	const char *recipe;
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

/* A recipe that another takes from. */
struct lens_recipe_base {
	const char *name, *text;
	cJSON *json;
	const struct lens_recipe_base *next;
};

struct lens_recipe {
	struct lens_arena arena;
	cJSON *json;
	const struct lens_recipe_base *bases; /* the last one first */
	const char *text; /* what was parsed, for .lens/recipe.json and `recipes
			     NAME` */
	const char *name, *summary;
	size_t n_detect;
	const struct lens_detect
		*detect; /* all must hold; none: never found by itself */
	size_t n_params;
	const struct lens_param *params;
	size_t n_files;
	const char *const *files; /* weights' names, instead of the usual */
	size_t n_drops, n_refuses, n_codecs, n_names, n_rules, n_casts, n_fills;
	struct lens_rule *drops;   /* one side each; no ops */
	struct lens_rule *refuses; /* the same */
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

/*
 * The first of the weight files that recipe @name (NULL: any built-in one)
 * reads where there is no model.safetensors, which @there says is there; the
 * caller's to free. *ret NULL: none.
 */
int lens_recipe_weights(const char *name,
			bool (*there)(void *ctx, const char *file), void *ctx,
			char **ret, struct lens_err *err) LENS_MUST_CHECK;
bool lens_recipe_reads(const struct lens_recipe *r, const char *file);

/* What a recipe can do, for people. */
struct lens_support {
	bool back;        /* from native to hf, too */
	const char *lost; /* a word for what does not come back; NULL: all
			     does */
};
struct lens_support lens_recipe_support(const struct lens_recipe *r);

#endif

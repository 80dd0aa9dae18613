/* SPDX-License-Identifier: Apache-2.0 */
/*
 * param.c - a recipe's parameters get their values: from an option, from the
 * keys that are there, from config.json, or by default; in that order.
 */
#include "plan/state.h"

#include <errno.h>
#include <stdio.h>

static bool is_option(const struct lens_param *q, const char *name)
{
	return q->option && strcmp(q->option, name) == 0;
}

/* The value of --set NAME=V; NULL if it is not given. */
static const char *set_value(const struct lens_plan_opts *opts,
			     const char *name)
{
	size_t n = strlen(name);

	for (size_t i = opts->n_set; i-- > 0;)
		if (strncmp(opts->set[i], name, n) == 0 &&
		    opts->set[i][n] == '=')
			return opts->set[i] + n + 1;
	return NULL;
}

/* --set must name a parameter that has an option of that name. */
static int check_set(const struct lens_plan *p,
		     const struct lens_plan_opts *opts, struct lens_err *err)
{
	for (size_t i = 0; i < opts->n_set; i++) {
		size_t n = strcspn(opts->set[i], "=");
		bool known = false;

		if (opts->set[i][n] != '=')
			return lens_fail(err, EINVAL,
					 "--set %s: NAME=VALUE is wanted",
					 LENS_SHOW(opts->set[i]));
		for (size_t k = 0; k < p->recipe->n_params && !known; k++) {
			const struct lens_param *q = &p->recipe->params[k];

			known = q->option && strcmp(q->option, "dtype") != 0 &&
				strlen(q->option) == n &&
				strncmp(q->option, opts->set[i], n) == 0;
		}
		if (!known)
			return lens_fail(
				err, EINVAL,
				"--set %s: recipe %s has no such parameter",
				LENS_SHOW(opts->set[i]), p->recipe->name);
	}
	if (opts->dtype == LENS_DTYPE_INVALID)
		return 0;
	for (size_t k = 0; k < p->recipe->n_params; k++)
		if (is_option(&p->recipe->params[k], "dtype"))
			return 0;
	return lens_fail(err, EINVAL, "--dtype: recipe %s leaves no choice",
			 p->recipe->name);
}

/* The value of the first of @q's paths that config.json has, as text. */
static const char *config_value(struct lens_plan *p, const struct lens_param *q)
{
	const cJSON *config = lens_ckpt_config(p->ckpt);

	for (size_t i = 0; i < q->n_config; i++) {
		const cJSON *item = lens_json_at(config, q->config[i]);
		char number[32];

		if (cJSON_IsString(item))
			return item->valuestring;
		if (cJSON_IsBool(item))
			return cJSON_IsTrue(item) ? "true" : "false";
		if (!cJSON_IsNumber(item))
			continue;
		(void)snprintf(number, sizeof(number), "%.17g",
			       item->valuedouble);
		return lens_arena_strndup(&p->arena, number, strlen(number));
	}
	return NULL;
}

/* Reverse: the choice whose pattern a key of the source fits. */
static const char *native_value(const struct lens_plan *p,
				const struct lens_param *q)
{
	for (size_t i = 0; p->in == LENS_NATIVE && i < q->n_native; i++)
		for (size_t k = 0; k < lens_ckpt_count(p->ckpt); k++) {
			struct lens_captures caps = { 0 };

			if (lens_pattern_match(q->native[i].native_has,
					       lens_ckpt_at(p->ckpt, k)->name,
					       &caps))
				return q->native[i].value;
		}
	return NULL;
}

static int check_value(const struct lens_plan *p, const struct lens_param *q,
		       const char *value, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf list = { 0 };

	for (size_t i = 0; i < q->n_values; i++) {
		if (strcmp(q->values[i], value) == 0)
			return 0;
		lens_buf_printf(&list, "%s%s", i ? ", " : "", q->values[i]);
	}
	if (!q->n_values)
		return 0;
	return lens_fail(err, EINVAL,
			 "parameter '%s' of recipe %s is '%s'; it may be: %s",
			 q->name, p->recipe->name, LENS_SHOW(value),
			 list.data ? list.data : "");
}

int lens_plan_params(struct lens_plan *p, const struct lens_plan_opts *opts,
		     struct lens_err *err)
{
	const struct lens_recipe *r = p->recipe;

	p->param = lens_arena_alloc(&p->arena, (r->n_params ? r->n_params : 1) *
						       sizeof(*p->param));
	if (!p->param)
		return lens_fail(err, ENOMEM, "no memory for parameters");
	if (check_set(p, opts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < r->n_params; i++) {
		const struct lens_param *q = &r->params[i];
		const char *v = NULL;

		if (is_option(q, "dtype") && opts->dtype != LENS_DTYPE_INVALID)
			v = lens_dtype_name(opts->dtype);
		else if (q->option)
			v = set_value(opts, q->option);
		if (!v)
			v = native_value(p, q);
		if (!v)
			v = config_value(p, q);
		if (!v)
			v = q->fallback;
		if (v && check_value(p, q, v, err) < 0)
			return -err->code;
		p->param[i] = v;
	}
	return 0;
}

const char *lens_plan_param(const struct lens_plan *p, const char *name)
{
	for (size_t i = 0; i < p->recipe->n_params; i++)
		if (strcmp(p->recipe->params[i].name, name) == 0)
			return p->param[i];
	return NULL;
}

/* Where a value that is missing or wrong should have come from. */
static int bad(const struct lens_plan *p, const char *name, const char *value,
	       const char *what, struct lens_err *err)
{
	const char *path = "";

	for (size_t i = 0; i < p->recipe->n_params; i++)
		if (strcmp(p->recipe->params[i].name, name) == 0 &&
		    p->recipe->params[i].n_config)
			path = p->recipe->params[i].config[0];
	if (!value)
		return lens_fail(err, EINVAL,
				 "config.json has no '%s', and recipe %s needs "
				 "it as its '%s'",
				 path, p->recipe->name, name);
	return lens_fail(err, EINVAL,
			 "parameter '%s' of recipe %s (config.json: %s) is "
			 "'%s', which is not %s",
			 name, p->recipe->name, path, LENS_SHOW(value), what);
}

int lens_plan_param_dtype(const struct lens_plan *p, const char *name,
			  enum lens_dtype *ret, struct lens_err *err)
{
	const char *v = lens_plan_param(p, name);
	enum lens_dtype d = v ? lens_dtype_parse(v) : LENS_DTYPE_INVALID;

	if (d != LENS_BF16 && d != LENS_F16 && d != LENS_F32)
		return bad(p, name, v, "bfloat16, float16 or float32", err);
	*ret = d;
	return 0;
}

int lens_plan_param_u64(const struct lens_plan *p, const char *name,
			uint64_t *ret, struct lens_err *err)
{
	const char *v = lens_plan_param(p, name);
	char *end = NULL;
	unsigned long long n;

	errno = 0;
	n = v && *v >= '0' && *v <= '9' ? strtoull(v, &end, 10) : 0;
	if (!v || !end || *end || errno || n > (1ull << 53))
		return bad(p, name, v, "a whole number", err);
	*ret = n;
	return 0;
}

bool lens_plan_when(const struct lens_plan *p, const struct lens_when *when)
{
	for (size_t i = 0; i < when->n; i++) {
		const char *v = lens_plan_param(p, when->all[i].param);

		if (!v || strcmp(v, when->all[i].value) != 0)
			return false;
	}
	return true;
}

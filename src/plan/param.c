/* SPDX-License-Identifier: Apache-2.0 */
/*
 * param.c - a recipe's parameters get their values: from an option, from the
 * keys that are there, from config.json, from the index, from one another, or
 * by default; in that order.
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

/* @item as text; NULL if it is no simple value. */
static const char *as_text(struct lens_plan *p, const cJSON *item)
{
	char number[32];

	if (cJSON_IsString(item))
		return item->valuestring;
	if (cJSON_IsBool(item))
		return cJSON_IsTrue(item) ? "true" : "false";
	if (!cJSON_IsNumber(item))
		return NULL;
	(void)snprintf(number, sizeof(number), "%.17g", item->valuedouble);
	return lens_arena_strndup(&p->arena, number, strlen(number));
}

/* The value of the first of @q's paths that config.json has, as text; an array
 * is kept as what it is. */
static const char *config_value(struct lens_plan *p, const struct lens_param *q,
				const cJSON **list)
{
	const cJSON *config = lens_ckpt_config(p->ckpt);

	for (size_t i = 0; i < q->n_config; i++) {
		const cJSON *item = lens_json_at(config, q->config[i]);
		const char *text = as_text(p, item);

		if (text)
			return text;
		if (!cJSON_IsArray(item))
			continue;
		*list = item;
		return "(a list)";
	}
	return NULL;
}

/* The choice whose pattern a key of the source fits. */
static const char *has_value(const struct lens_plan *p,
			     const struct lens_param *q)
{
	for (size_t i = 0; i < q->n_has[p->in]; i++) {
		const struct lens_choice *c = &q->has[p->in][i];

		for (size_t k = 0; k < lens_ckpt_count(p->ckpt); k++)
			for (size_t j = 0; j < c->n; j++) {
				struct lens_captures caps = { 0 };

				if (lens_pattern_match(
					    c->any[j],
					    lens_ckpt_at(p->ckpt, k)->name,
					    &caps))
					return c->value;
			}
	}
	return NULL;
}

static int param_value(const void *ctx, const char *name, const int64_t *index,
		       int64_t *ret, struct lens_err *err)
{
	return lens_plan_param_int(ctx, name, index, ret, err);
}

/* Parameters that are computed of those that there are. */
static int compute(struct lens_plan *p, struct lens_err *err)
{
	const struct lens_expr_env env = { .value = param_value, .ctx = p };

	for (size_t i = 0; i < p->recipe->n_params; i++) {
		const struct lens_param *q = &p->recipe->params[i];
		struct lens_err none;
		char number[24];
		int64_t v;

		if (p->param[i] || !q->value)
			continue;
		if (lens_expr_eval(q->value, &env, &v, &none) == 0) {
			(void)snprintf(number, sizeof(number), "%lld",
				       (long long)v);
			p->param[i] = lens_arena_strndup(&p->arena, number,
							 strlen(number));
			if (!p->param[i])
				return lens_fail(err, ENOMEM,
						 "no memory for parameters");
		}
	}
	for (size_t i = 0; i < p->recipe->n_params; i++)
		if (!p->param[i])
			p->param[i] = p->recipe->params[i].fallback;
	return 0;
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

/* What is said of @q outright; NULL: nothing. */
static const char *given(struct lens_plan *p, const struct lens_param *q,
			 const struct lens_plan_opts *opts, const cJSON **list)
{
	const char *v = NULL;

	if (is_option(q, "dtype") && opts->dtype != LENS_DTYPE_INVALID)
		v = lens_dtype_name(opts->dtype);
	else if (q->option)
		v = set_value(opts, q->option);
	if (!v)
		v = has_value(p, q);
	if (!v)
		v = config_value(p, q, list);
	if (!v && q->metadata)
		v = as_text(p, cJSON_GetObjectItemCaseSensitive(
				       lens_ckpt_index_metadata(p->ckpt),
				       q->metadata));
	return v;
}

int lens_plan_params(struct lens_plan *p, const struct lens_plan_opts *opts,
		     struct lens_err *err)
{
	const struct lens_recipe *r = p->recipe;
	const size_t n = r->n_params ? r->n_params : 1;

	p->param = lens_arena_alloc(&p->arena, n * sizeof(*p->param));
	p->list = lens_arena_alloc(&p->arena, n * sizeof(*p->list));
	if (!p->param || !p->list)
		return lens_fail(err, ENOMEM, "no memory for parameters");
	if (check_set(p, opts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < r->n_params; i++) {
		p->param[i] = given(p, &r->params[i], opts, &p->list[i]);
		if (!p->param[i] && !r->params[i].value)
			p->param[i] = r->params[i].fallback;
	}
	if (compute(p, err) < 0)
		return -err->code;
	for (size_t i = 0; i < r->n_params; i++)
		if (p->param[i] && !p->list[i] &&
		    check_value(p, &r->params[i], p->param[i], err) < 0)
			return -err->code;
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

int lens_plan_param_int(const struct lens_plan *p, const char *name,
			const int64_t *index, int64_t *ret,
			struct lens_err *err)
{
	const char *v = lens_plan_param(p, name), *digits = v;
	const cJSON *list = NULL;
	char *end = NULL;
	char number[32];
	long long n;

	for (size_t i = 0; i < p->recipe->n_params; i++)
		if (strcmp(p->recipe->params[i].name, name) == 0)
			list = p->list[i];
	if (list && index) {
		const cJSON *e = *index >= 0 && *index < INT32_MAX ?
					 cJSON_GetArrayItem(list, (int)*index) :
					 NULL;

		if (!e)
			return lens_fail(err, EINVAL,
					 "parameter '%s' of recipe %s has %d "
					 "elements, none for %lld",
					 name, p->recipe->name,
					 cJSON_GetArraySize(list),
					 (long long)*index);
		(void)snprintf(number, sizeof(number), "%.17g",
			       cJSON_IsNumber(e) ? e->valuedouble : 0.5);
		digits = v = number;
	}
	if (v && *v == '-')
		digits++;
	errno = 0;
	n = v && *digits >= '0' && *digits <= '9' ? strtoll(v, &end, 10) : 0;
	if (!v || !end || *end || errno || n > (1ll << 53) || n < -(1ll << 53))
		return bad(p, name, v, "a whole number", err);
	*ret = n;
	return 0;
}

int lens_plan_param_u64(const struct lens_plan *p, const char *name,
			uint64_t *ret, struct lens_err *err)
{
	int64_t v;

	if (lens_plan_param_int(p, name, NULL, &v, err) < 0)
		return -err->code;
	if (v < 0)
		return bad(p, name, lens_plan_param(p, name), "a whole number",
			   err);
	*ret = (uint64_t)v;
	return 0;
}

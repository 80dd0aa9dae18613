/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setters.c - what options with a value do to the arguments.
 */
#include "cli/cli.h"

#include <errno.h>

int lens_cli_set_recipe(struct lens_args *a, const char *v,
			struct lens_err *err)
{
	if (!*v)
		return lens_fail(err, EINVAL, "it needs a recipe's name");
	a->view.recipe = v;
	return 0;
}

int lens_cli_set_to(struct lens_args *a, const char *v, struct lens_err *err)
{
	if (strcmp(v, "hf") != 0)
		return lens_fail(err, EINVAL,
				 "'%s' is not 'hf', the only side there is to "
				 "say (without --to it is native)",
				 LENS_SHOW(v));
	a->view.to_hf = true;
	return 0;
}

int lens_cli_set_dtype(struct lens_args *a, const char *v, struct lens_err *err)
{
	enum lens_dtype d = lens_dtype_parse(v);

	if (d != LENS_BF16 && d != LENS_F16 && d != LENS_F32)
		return lens_fail(err, EINVAL, "'%s' is not bf16, f16 or f32",
				 LENS_SHOW(v));
	a->view.plan.dtype = d;
	return 0;
}

int lens_cli_set_set(struct lens_args *a, const char *v, struct lens_err *err)
{
	size_t n = a->view.plan.n_set;
	const char *eq = strchr(v, '=');
	const char **grown;

	if (!eq || eq == v)
		return lens_fail(err, EINVAL, "'%s' is not NAME=VALUE",
				 LENS_SHOW(v));
	grown = realloc(a->set, (n + 1) * sizeof(*grown));
	if (!grown)
		return lens_fail(err, ENOMEM, "no memory for options");
	grown[n] = v;
	a->set = grown;
	a->view.plan.set = grown;
	a->view.plan.n_set = n + 1;
	return 0;
}

int lens_cli_set_shard_size(struct lens_args *a, const char *v,
			    struct lens_err *err)
{
	if (lens_parse_size(v, &a->view.shard_size, err) < 0)
		return -err->code;
	if (!a->view.shard_size)
		return lens_fail(err, EINVAL, "a shard can't be empty");
	return 0;
}

int lens_cli_set_exclude(struct lens_args *a, const char *v,
			 struct lens_err *err)
{
	(void)err;
	a->view.plan.exclude = v;
	return 0;
}

int lens_cli_set_cache_size(struct lens_args *a, const char *v,
			    struct lens_err *err)
{
	if (lens_parse_size(v, &a->view.cache_size, err) < 0)
		return -err->code;
	a->view.no_cache = !a->view.cache_size;
	return 0;
}

int lens_cli_set_cache_compress(struct lens_args *a, const char *v,
				struct lens_err *err)
{
	static const char *const names[] = {
		[LENS_COMPRESS_AUTO] = "auto",
		[LENS_COMPRESS_ALWAYS] = "always",
		[LENS_COMPRESS_NEVER] = "never",
	};

	for (size_t i = 0; i < LENS_ARRAY_SIZE(names); i++)
		if (strcmp(v, names[i]) == 0) {
			a->view.compress = (enum lens_cache_compress)i;
			return 0;
		}
	return lens_fail(err, EINVAL, "'%s' is not auto, always or never",
			 LENS_SHOW(v));
}

int lens_cli_set_jobs(struct lens_args *a, const char *v, struct lens_err *err)
{
	char *end;
	unsigned long n = strtoul(v, &end, 10);

	if (*v < '0' || *v > '9' || *end || n < 1 || n > 256)
		return lens_fail(err, EINVAL,
				 "'%s' is not a number from 1 to 256",
				 LENS_SHOW(v));
	a->jobs = (unsigned)n;
	a->view.plan.jobs = a->jobs;
	return 0;
}

int lens_cli_set_log(struct lens_args *a, const char *v, struct lens_err *err)
{
	if (!*v)
		return lens_fail(err, EINVAL, "it needs a file's name");
	a->log = v;
	return 0;
}

int lens_cli_set_log_format(struct lens_args *a, const char *v,
			    struct lens_err *err)
{
	a->log_json = strcmp(v, "json") == 0;
	if (!a->log_json && strcmp(v, "text") != 0)
		return lens_fail(err, EINVAL, "'%s' is not text or json",
				 LENS_SHOW(v));
	return 0;
}

int lens_cli_set_hashes(struct lens_args *a, const char *v,
			struct lens_err *err)
{
	if (!*v)
		return lens_fail(err, EINVAL, "it needs a file's name");
	a->hashes = v;
	return 0;
}

int lens_cli_set_html(struct lens_args *a, const char *v, struct lens_err *err)
{
	if (!*v)
		return lens_fail(err, EINVAL, "it needs a file's name");
	a->html = v;
	return 0;
}

/* From 1 to @most. */
static int count(const char *v, uint64_t most, uint64_t *ret,
		 struct lens_err *err)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(v, &end, 10);
	if (*v < '0' || *v > '9' || *end || n < 1 || n > most || errno)
		return lens_fail(err, EINVAL,
				 "'%s' is not a number from 1 to %llu",
				 LENS_SHOW(v), (unsigned long long)most);
	*ret = n;
	return 0;
}

int lens_cli_set_sample(struct lens_args *a, const char *v,
			struct lens_err *err)
{
	return count(v, 1000000, &a->sample, err);
}

int lens_cli_set_head(struct lens_args *a, const char *v, struct lens_err *err)
{
	return count(v, (uint64_t)1 << 53, &a->head, err);
}

int lens_cli_set_max(struct lens_args *a, const char *v, struct lens_err *err)
{
	char *end;
	unsigned long share = strtoul(v, &end, 10);

	a->max = a->max_share = 0;
	if (*v >= '0' && *v <= '9' && strcmp(end, "%") == 0) {
		if (share < 1 || share > 100)
			return lens_fail(err, EINVAL,
					 "'%s' is not from 1%% to 100%%",
					 LENS_SHOW(v));
		a->max_share = (unsigned)share;
		return 0;
	}
	if (lens_parse_size(v, &a->max, err) < 0)
		return -err->code;
	return a->max ? 0 : lens_fail(err, EINVAL, "0 bytes are none");
}

int lens_cli_set_as(struct lens_args *a, const char *v, struct lens_err *err)
{
	static const char *const names[] = {
		[LENS_AS_RAW] = "raw",
		[LENS_AS_NPY] = "npy",
		[LENS_AS_TEXT] = "text",
		[LENS_AS_SAFETENSORS] = "safetensors",
	};

	for (size_t i = 0; i < LENS_ARRAY_SIZE(names); i++)
		if (strcmp(v, names[i]) == 0) {
			a->as = (enum lens_cli_as)i;
			a->as_given = true;
			return 0;
		}
	return lens_fail(err, EINVAL,
			 "'%s' is not raw, npy, text or safetensors",
			 LENS_SHOW(v));
}

int lens_cli_set_quantize(struct lens_args *a, const char *v,
			  struct lens_err *err)
{
	if (strcmp(v, "fp8") != 0)
		return lens_fail(err, EINVAL,
				 "'%s' is not fp8, the only format that is "
				 "written",
				 LENS_SHOW(v));
	a->quantize = true;
	return 0;
}

int lens_cli_set_scales(struct lens_args *a, const char *v,
			struct lens_err *err)
{
	static const char *const names[] = {
		[LENS_SCALES_AMAX] = "amax",
		[LENS_SCALES_UNIT] = "unit",
		[LENS_SCALES_LIKE] = "like",
	};

	for (size_t i = LENS_SCALES_AMAX; i < LENS_ARRAY_SIZE(names); i++)
		if (strcmp(v, names[i]) == 0) {
			a->scales = (enum lens_scales)i;
			return 0;
		}
	return lens_fail(err, EINVAL, "'%s' is not amax, unit or like",
			 LENS_SHOW(v));
}

int lens_cli_set_block(struct lens_args *a, const char *v, struct lens_err *err)
{
	if (strcmp(v, "128") != 0)
		return lens_fail(err, EINVAL,
				 "'%s' is not 128, the only block that readers "
				 "of FP8 share",
				 LENS_SHOW(v));
	a->view.plan.block = 128;
	return 0;
}

int lens_cli_set_like(struct lens_args *a, const char *v, struct lens_err *err)
{
	if (!*v)
		return lens_fail(err, EINVAL, "it needs a directory");
	a->view.like = v;
	return 0;
}

int lens_cli_set_part(struct lens_args *a, const char *v, struct lens_err *err)
{
	char *slash, *end;
	unsigned long i = strtoul(v, &slash, 10), n = 0;

	if (*v >= '0' && *v <= '9' && slash[0] == '/' && slash[1] >= '1' &&
	    slash[1] <= '9') {
		n = strtoul(slash + 1, &end, 10);
		n = *end || n > 100000 ? 0 : n;
	}
	if (!n || i >= n)
		return lens_fail(err, EINVAL,
				 "'%s' is not I/N with I from 0 to N - 1",
				 LENS_SHOW(v));
	a->part = (unsigned)i;
	a->parts = (unsigned)n;
	return 0;
}

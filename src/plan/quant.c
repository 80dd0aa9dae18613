/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant.c - what a checkpoint says of its quantization: in config.json, at the
 * top or in a nested config, or, where that is silent, in hf_quant_config.json.
 */
#include "plan/state.h"

#include <errno.h>

#define QUANT_FILE "hf_quant_config.json"
#define QUANT_FILE_MAX (16u << 20)

/* The description in @config or, failing that, in one of its objects: if
 * several have one, they must say the same. */
static int find_in(const cJSON *config, const char *name, const cJSON **ret,
		   struct lens_err *err)
{
	const cJSON *e;

	*ret = cJSON_GetObjectItemCaseSensitive(config, name);
	if (cJSON_IsObject(*ret))
		return 0;
	*ret = NULL;
	cJSON_ArrayForEach (e, config) {
		const cJSON *one =
			cJSON_IsObject(e) ?
				cJSON_GetObjectItemCaseSensitive(e, name) :
				NULL;

		if (!cJSON_IsObject(one))
			continue;
		if (*ret && !cJSON_Compare(*ret, one, true))
			return lens_fail(err, EOPNOTSUPP,
					 "config.json: two parts have a %s "
					 "each, and they differ",
					 name);
		*ret = one;
	}
	return 0;
}

/* Older configs have no quant_method but something else that tells. */
static const char *method_of(const cJSON *quant, bool compression)
{
	const cJSON *method =
		cJSON_GetObjectItemCaseSensitive(quant, "quant_method");

	if (cJSON_IsString(method))
		return method->valuestring;
	if (compression)
		return "compressed-tensors";
	if (cJSON_IsTrue(
		    cJSON_GetObjectItemCaseSensitive(quant, "load_in_4bit")) ||
	    cJSON_IsTrue(
		    cJSON_GetObjectItemCaseSensitive(quant, "load_in_8bit")))
		return "bitsandbytes";
	return "";
}

static const struct lens_extra *quant_file(const struct lens_ckpt *ck)
{
	for (size_t i = 0; i < lens_ckpt_extras(ck); i++) {
		const struct lens_extra *x = lens_ckpt_extra(ck, i);

		if (!x->folder && strcmp(x->file.name, QUANT_FILE) == 0)
			return x;
	}
	return NULL;
}

/* {"producer": {"name": METHOD}, "quantization": {...}} */
static int read_file(struct lens_plan *p, struct lens_err *err)
{
	const struct lens_extra *x = quant_file(p->ckpt);
	lens_autofree char *text = NULL;
	const char *name;
	size_t n;

	if (!x)
		return 0;
	if (x->file.size > QUANT_FILE_MAX)
		return lens_fail(err, EINVAL, QUANT_FILE ": it is too large");
	text = malloc(x->file.size + 1);
	if (!text)
		return lens_fail(err, ENOMEM, "no memory for " QUANT_FILE);
	if (lens_ckpt_read_extra(p->ckpt, x, 0, x->file.size, text, &n, err) <
		    0 ||
	    lens_json_parse(text, n, LENS_JSON_CONFIG, &p->quant_json, err) < 0)
		return lens_wrap(err, QUANT_FILE);
	p->quant.config =
		cJSON_GetObjectItemCaseSensitive(p->quant_json, "quantization");
	if (!cJSON_IsObject(p->quant.config))
		return lens_fail(err, EINVAL,
				 QUANT_FILE ": 'quantization' is missing");
	name = cJSON_GetStringValue(
		lens_json_at(p->quant_json, "producer.name"));
	p->quant.method = name ? name : "modelopt";
	p->quant.where = QUANT_FILE ": quantization";
	return 0;
}

static int check_method(const struct lens_plan *p, struct lens_err *err)
{
	for (size_t i = 0; i < p->recipe->n_codecs; i++)
		for (const char *const *m = p->recipe->codecs[i].codec->methods;
		     *m; m++)
			if (strcmp(*m, p->quant.method) == 0)
				return 0;
	if (!*p->quant.method)
		return lens_fail(err, EOPNOTSUPP, "%s: it has no quant_method",
				 p->quant.where);
	return lens_fail(err, EOPNOTSUPP,
			 "%s.quant_method is '%s', which recipe %s does not "
			 "decode",
			 p->quant.where, LENS_SHOW(p->quant.method),
			 p->recipe->name);
}

int lens_plan_quant(struct lens_plan *p, struct lens_err *err)
{
	const cJSON *config = lens_ckpt_config(p->ckpt);
	const cJSON *quant;
	bool old;

	if (p->in != LENS_HF || p->recipe->keeps_config)
		return 0;
	if (find_in(config, "quantization_config", &quant, err) < 0)
		return -err->code;
	old = !quant;
	if (old && find_in(config, "compression_config", &quant, err) < 0)
		return -err->code;
	p->quant.where = "config.json: quantization_config";
	if (quant) {
		p->quant.config = quant;
		p->quant.method = method_of(quant, old);
		if (old)
			p->quant.where = "config.json: compression_config";
	} else if (read_file(p, err) < 0) {
		return -err->code;
	}
	return p->quant.method ? check_method(p, err) : 0;
}

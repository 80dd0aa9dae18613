/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codecs.c - the section of a recipe that names its codecs.
 */
#include "recipe/parts.h"

#include <errno.h>

static bool is_named(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/* "only" and "except": the keys that a codec is for. */
static int parse_keys(struct parser *p, const cJSON *options,
		      struct lens_codec_use *use, struct lens_err *err)
{
	static const char *const names[2] = { "only", "except" };

	for (unsigned i = 0; i < 2; i++) {
		if (lens_parse_patterns(p, options, names[i],
					p->prefix[LENS_HF], &use->n[i],
					&use->keys[i], err) < 0)
			return -err->code;
	}
	return 0;
}

static int one_codec(struct parser *p, const cJSON *item, size_t i,
		     struct lens_err *err)
{
	const cJSON *v = cJSON_IsObject(item) ? item->child : NULL, *o;
	struct lens_codec_use *use = &p->r->codecs[p->r->n_codecs];
	const cJSON *out;
	struct lens_codec_args *args;
	size_t mark;

	(void)i;
	if (!v || v->next || !cJSON_IsObject(v))
		return lens_fail(
			err, EBADMSG,
			"a codec is an object of its name and its options");
	use->codec = lens_codec_find(v->string);
	if (!use->codec)
		return lens_fail(err, EBADMSG, "no codec is called '%s'",
				 LENS_SHOW(v->string));
	cJSON_ArrayForEach (o, v) {
		if (!is_named(o->string, use->codec->options) &&
		    !is_named(o->string, lens_codec_common))
			return lens_fail(
				err, EBADMSG, "codec %s has no option '%s'",
				use->codec->name, LENS_SHOW(o->string));
	}
	out = cJSON_GetObjectItemCaseSensitive(v, "out");
	if (use->codec->bind &&
	    (!cJSON_IsString(out) ||
	     (lens_dtype_parse(out->valuestring) == LENS_DTYPE_INVALID &&
	      !lens_parser_is_param(p, out->valuestring))))
		return lens_fail(
			err, EBADMSG,
			"codec %s: option 'out' must be a dtype or a parameter",
			use->codec->name);
	mark = lens_parser_down(p, v->string);
	if (parse_keys(p, v, use, err) < 0)
		return lens_parser_place(p, err);
	lens_parser_up(p, mark);
	if (use->codec->parse(v, &p->r->arena, &args, err) < 0)
		return lens_wrap(err, "codec %s", use->codec->name);
	use->options = v;
	use->line = lens_parser_line(p);
	p->r->n_codecs++;
	return 0;
}

int lens_parse_codecs(struct parser *p, const cJSON *item, struct lens_err *err)
{
	if (LENS_GROW(p, codecs, n_codecs, item, err) < 0)
		return -err->code;
	return lens_parser_each(p, item, "codecs", one_codec, err);
}

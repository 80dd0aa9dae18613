/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - what several codecs' options have in common.
 */
#include "codec/codecs.h"

#include <errno.h>

static int not_one_of(const char *name, const char *const *words,
		      struct lens_err *err)
{
	char list[160] = "";
	size_t n = 0;

	for (size_t i = 0; words[i]; i++) {
		const char *sep = !i ? "" : words[i + 1] ? ", " : " or ";
		size_t more = strlen(sep) + strlen(words[i]) + 2;

		if (n + more >= sizeof(list))
			break;
		n = (size_t)(stpcpy(stpcpy(stpcpy(stpcpy(list + n, sep), "\""),
					   words[i]),
				    "\"") -
			     list);
	}
	return lens_fail(err, EBADMSG, "option '%s' must be %s", name, list);
}

int lens_option_word(const cJSON *options, const char *name,
		     const char *const *words, unsigned *ret,
		     struct lens_err *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(options, name);
	const char *s = cJSON_GetStringValue(item);

	if (!item)
		return 0;
	for (unsigned i = 0; s && words[i]; i++)
		if (strcmp(s, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return not_one_of(name, words, err);
}

int lens_option_pair(const cJSON *item, uint64_t ret[2], struct lens_err *err)
{
	if (cJSON_GetArraySize(item) != 2 ||
	    lens_json_u64(cJSON_GetArrayItem(item, 0), &ret[0]) < 0 ||
	    lens_json_u64(cJSON_GetArrayItem(item, 1), &ret[1]) < 0 ||
	    !ret[0] || !ret[1])
		return lens_fail(
			err, EBADMSG,
			"a block is two whole numbers, [rows, columns]");
	return 0;
}

static int option_lone(const cJSON *options, const char *name,
		       enum lens_lone *ret, struct lens_err *err)
{
	static const char *const words[] = { [LENS_LONE_DROP] = "drop",
					     [LENS_LONE_REFUSE] = "refuse",
					     [LENS_LONE_PASS] = "pass",
					     NULL };
	unsigned v = *ret;

	if (lens_option_word(options, name, words, &v, err) < 0)
		return -err->code;
	*ret = (enum lens_lone)v;
	return 0;
}

int lens_option_halves(const cJSON *options, struct lens_halves *ret,
		       struct lens_err *err)
{
	if (option_lone(options, "unscaled", &ret->unscaled, err) < 0 ||
	    option_lone(options, "lone", &ret->lone, err) < 0)
		return -err->code;
	return 0;
}

const char *const lens_halves_options[] = { "unscaled", "lone", NULL };

void *lens_halves_new(const cJSON *options, struct lens_arena *arena,
		      size_t size, struct lens_err *err)
{
	struct lens_halves *h = lens_codec_alloc(arena, size, err);

	if (!h)
		return NULL;
	h->unscaled = h->lone = LENS_LONE_REFUSE;
	return lens_option_halves(options, h, err) < 0 ? NULL : h;
}

void *lens_codec_alloc(struct lens_arena *arena, size_t n, struct lens_err *err)
{
	void *p = lens_arena_alloc(arena, n);

	if (!p)
		(void)lens_fail(err, ENOMEM, "no memory for a codec");
	return p;
}

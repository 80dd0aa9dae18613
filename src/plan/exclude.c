/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exclude.c - --exclude: a regular expression that keys of the view match at
 * their start.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "plan/state.h"

#include <errno.h>
#include <pcre2.h>

struct lens_excluder {
	pcre2_code *re;
	pcre2_match_data *data;
	const char *text;
};

int lens_excluder_new(const char *text, struct lens_excluder **ret,
		      struct lens_err *err)
{
	LENS_CLEANUP(lens_excluder_freep) struct lens_excluder *x = NULL;
	PCRE2_UCHAR why[160];
	PCRE2_SIZE at;
	int code;

	*ret = NULL;
	if (!text)
		return 0;
	x = calloc(1, sizeof(*x));
	if (!x)
		return lens_fail(err, ENOMEM, "no memory for --exclude");
	x->text = text;
	x->re = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
			      PCRE2_UTF | PCRE2_ANCHORED, &code, &at, NULL);
	if (!x->re) {
		(void)pcre2_get_error_message(code, why, sizeof(why));
		return lens_fail(err, EINVAL,
				 "--exclude: '%s' is no regular expression: %s "
				 "(at character %zu)",
				 LENS_SHOW(text), (const char *)why,
				 (size_t)at + 1);
	}
	x->data = pcre2_match_data_create(1, NULL);
	if (!x->data)
		return lens_fail(err, ENOMEM, "no memory for --exclude");
	*ret = lens_steal(&x);
	return 0;
}

void lens_excluder_free(struct lens_excluder *x)
{
	if (!x)
		return;
	pcre2_code_free(x->re);
	pcre2_match_data_free(x->data);
	free(x);
}

int lens_excludes(const struct lens_excluder *x, const char *key,
		  struct lens_err *err)
{
	int r;

	if (!x)
		return 0;
	r = pcre2_match(x->re, (PCRE2_SPTR)key, PCRE2_ZERO_TERMINATED, 0, 0,
			x->data, NULL);
	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		return lens_fail(err, EINVAL,
				 "--exclude: '%s' takes too long on a key",
				 LENS_SHOW(x->text));
	return r >= 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_page.c - plan --html: one file with style, script and data in it.
 *
 * Keys are what strangers wrote.  The data is JSON in which nothing can end the
 * element it stands in, the script makes texts of them and never markup, and
 * the page's own policy lets no other script run and nothing be fetched.
 */
#include "cli/page.h"

#include <errno.h>
#include <openssl/evp.h>

enum { FRAME, STYLE, SCRIPT };

/* What the frame's {{...}} stand for. */
struct parts {
	struct lens_buf style, script, data;
};

/* All that HTML looks for in a text is written as JSON's escapes. */
static void put_data(struct lens_buf *out, const struct lens_buf *json)
{
	const char *at = json->data;

	while (*at) {
		const size_t n = strcspn(at, "<>&");

		lens_buf_add(out, at, n);
		at += n;
		if (*at)
			lens_buf_printf(out, "\\u%04x", (unsigned)*at++);
	}
}

/* 'sha256-...': what a page's policy says of a text that it lets pass. */
static void put_digest(struct lens_buf *out, const struct lens_buf *text)
{
	unsigned char digest[EVP_MAX_MD_SIZE], code[2 * EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(text->data, text->n, digest, &n, EVP_sha256(), NULL)) {
		out->failed = true;
		return;
	}
	(void)EVP_EncodeBlock(code, digest, (int)n);
	lens_buf_printf(out, "'sha256-%s'", (const char *)code);
}

static void put_part(struct lens_buf *out, const struct parts *p,
		     const char *name, size_t n)
{
	static const char *const known[] = { "style", "style-digest", "script",
					     "script-digest", "data" };
	size_t i = 0;

	while (i < LENS_ARRAY_SIZE(known) &&
	       (strlen(known[i]) != n || memcmp(known[i], name, n) != 0))
		i++;
	switch (i) {
	case 0:
		lens_buf_add(out, p->style.data, p->style.n);
		return;
	case 1:
		put_digest(out, &p->style);
		return;
	case 2:
		lens_buf_add(out, p->script.data, p->script.n);
		return;
	case 3:
		put_digest(out, &p->script);
		return;
	default:
		put_data(out, &p->data);
	}
}

static void fini(struct parts *p)
{
	lens_buf_fini(&p->style);
	lens_buf_fini(&p->script);
	lens_buf_fini(&p->data);
}

int lens_report_page(const struct lens_report *r, struct lens_buf *out,
		     struct lens_err *err)
{
	LENS_CLEANUP(fini) struct parts p = { 0 };
	const char *at = lens_page[FRAME].text, *open;

	lens_buf_puts(&p.style, lens_page[STYLE].text);
	for (size_t i = SCRIPT; i < lens_page_count; i++)
		lens_buf_puts(&p.script, lens_page[i].text);
	if (lens_page_data(r, &p.data, err) < 0)
		return -err->code;
	for (; (open = strstr(at, "{{")); at = strstr(open, "}}") + 2) {
		lens_buf_add(out, at, (size_t)(open - at));
		put_part(out, &p, open + 2,
			 (size_t)(strstr(open, "}}") - open) - 2);
	}
	lens_buf_puts(out, at);
	if (out->failed || p.style.failed || p.script.failed)
		return lens_fail(err, ENOMEM, "no memory for a page");
	return 0;
}

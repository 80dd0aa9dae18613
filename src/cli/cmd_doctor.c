/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_doctor.c - lensfs doctor: can this machine mount, and what limits it?
 */
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/term.h"

#include <unistd.h>

static const char *const words[] = {
	[LENS_OK] = "ok",
	[LENS_LIMITS] = "limits you",
	[LENS_BROKEN] = "broken",
};

static void put_text(struct lens_buf *b, const struct lens_verdict *x,
		     bool colours)
{
	static const char *const colour[] = {
		[LENS_OK] = "\033[32m",
		[LENS_LIMITS] = "\033[33m",
		[LENS_BROKEN] = "\033[31m",
	};

	const unsigned columns = lens_term_width(STDOUT_FILENO);

	lens_buf_printf(b, "%s%-10s%s  %-11s  ",
			colours ? colour[x->health] : "", words[x->health],
			colours ? "\033[0m" : "", x->name);
	lens_cli_words(b, x->text, 25, columns);
	lens_buf_puts(b, "\n");
	if (!x->cure)
		return;
	lens_buf_printf(b, "%25s", "-> ");
	lens_cli_words(b, x->cure, 25, columns);
	lens_buf_puts(b, "\n");
}

static void put_json(struct lens_buf *b, const struct lens_verdict *x,
		     bool first)
{
	lens_buf_printf(b, "%s\n{\"name\": \"%s\", \"health\": \"%s\", ",
			first ? "" : ",", x->name, words[x->health]);
	lens_buf_puts(b, "\"text\": ");
	lens_json_quote(b, x->text, true);
	lens_buf_puts(b, ", \"cure\": ");
	if (x->cure)
		lens_json_quote(b, x->cure, true);
	else
		lens_buf_puts(b, "null");
	lens_buf_puts(b, "}");
}

int lens_cli_doctor(struct lens_args *a, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf out = { 0 };
	struct lens_verdict v[LENS_DOCTOR_MAX];
	const bool colours = lens_term_colours(STDOUT_FILENO);
	struct lens_facts facts;
	bool broken = false;
	size_t n;

	lens_facts_find(&facts, &a->arena);
	n = lens_doctor(&facts, v);
	lens_buf_puts(&out, a->json ? "{\"checks\": [" : "");
	for (size_t i = 0; i < n; i++) {
		if (a->json)
			put_json(&out, &v[i], !i);
		else
			put_text(&out, &v[i], colours);
		broken |= v[i].health == LENS_BROKEN;
	}
	lens_buf_puts(&out, a->json ? "\n]}\n" : "");
	if (lens_cli_print(&out, err) < 0)
		return -err->code;
	return broken ? LENS_EXIT_FAILED : LENS_EXIT_OK;
}

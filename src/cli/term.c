/* SPDX-License-Identifier: Apache-2.0 */
/*
 * term.c - what the terminal is like.
 */
#include "cli/term.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool lens_term_is(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

bool lens_term_colours(int fd)
{
	const char *no_colour = getenv("NO_COLOR");

	return lens_term_is(fd) && (!no_colour || !*no_colour);
}

/* The first of them that is set decides, as in setlocale(3). */
bool lens_term_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
	}
	return false;
}

unsigned lens_term_columns(int fd)
{
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

unsigned lens_term_width(int fd)
{
	const unsigned columns = lens_term_is(fd) ? lens_term_columns(fd) : 0;

	return columns >= 40 ? columns : 0;
}

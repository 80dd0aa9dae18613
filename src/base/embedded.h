/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were put into the program; the tables are made by embed.c. */
#ifndef LENS_BASE_EMBEDDED_H
#define LENS_BASE_EMBEDDED_H

struct lens_embedded {
	const char *name; /* without folders and what is behind the dot */
	const char *text; /* NUL-terminated */
};

#endif

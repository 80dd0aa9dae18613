/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sums.h - SHA-256 of every tensor, and the text that says them.
 *
 * A line a tensor, in natural order of keys, with tabs: digest, dtype, shape,
 * key (escaped as everywhere).  The last line has the digest of all lines
 * before it, and "all".
 */
#ifndef LENS_CLI_SUMS_H
#define LENS_CLI_SUMS_H

#include "cli/tensors.h"

#define LENS_SUM_HEX 65 /* with its NUL */

/* One line; its strings are the list's. */
struct lens_sum {
	char hex[LENS_SUM_HEX];
	const char *dtype, *shape, *key; /* as in the text */
};
struct lens_sums {
	size_t n;
	struct lens_sum *v;
	struct lens_map by_key;
	char *all;      /* the last line's digest, in hex */
	uint64_t bytes; /* that were read */
	struct lens_arena arena;
};

/* Read all of @ts, with a bar called @what. @s is to be released with
 * lens_sums_fini() in any case. */
int lens_sums_make(struct lens_sums *s, const struct lens_tensors *ts,
		   const struct lens_args *a, const char *what,
		   struct lens_err *err) LENS_MUST_CHECK;
void lens_sums_text(const struct lens_sums *s, struct lens_buf *out);
/* @ts: those that it was made of. */
void lens_sums_json(const struct lens_sums *s, const struct lens_tensors *ts,
		    struct lens_buf *out);
/* Take such a text apart: it must be whole. EBADMSG. */
int lens_sums_parse(struct lens_sums *s, const char *text, size_t n,
		    struct lens_err *err) LENS_MUST_CHECK;
void lens_sums_fini(struct lens_sums *s);

#endif

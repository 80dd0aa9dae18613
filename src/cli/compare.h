/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h - how the values of two tensors differ.  Pure.
 */
#ifndef LENS_CLI_COMPARE_H
#define LENS_CLI_COMPARE_H

#include "lens/st.h"

/* Differences of bits; where none are values (of less than a byte) of bytes. */
struct lens_diff {
	uint64_t count; /* of elements that differ; 0: the rest says nothing */
	uint64_t first; /* the first of them */
	bool valued;    /* the next four are known */
	double want, got;                  /* of the first */
	double max_absolute, max_relative; /* infinite against what is not
					      finite, and relative to 0 */
};

/* Bytes of what is compared as one: an element, or a byte. */
unsigned lens_diff_unit(enum lens_dtype d);
/* @n bytes, elements from number @at on, are compared; *diff adds up. */
void lens_diff_add(struct lens_diff *diff, enum lens_dtype d, const void *want,
		   const void *got, size_t n, uint64_t at);
/* Differences of other elements of the same tensor, in any order. */
void lens_diff_merge(struct lens_diff *diff, const struct lens_diff *other);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - a view's tensors against those of a directory.
 */
#ifndef LENS_CLI_VERIFY_H
#define LENS_CLI_VERIFY_H

#include "cli/cli.h"
#include "cli/findings.h"

/* What differs goes to @found, in natural order, what only @dir has at the end;
 * *bytes is how much was compared. With a bar. */
int lens_verify(const struct lens_args *a, const struct lens_view *v,
		const struct lens_ckpt *dir, struct lens_findings *found,
		uint64_t *bytes, struct lens_err *err) LENS_MUST_CHECK;

#endif

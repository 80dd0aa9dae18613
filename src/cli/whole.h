/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole.h - a file of one's own that appears whole, under its name, or not at
 * all.
 */
#ifndef LENS_CLI_WHOLE_H
#define LENS_CLI_WHOLE_H

#include "lens/base.h"

/*
 * Write @b to @path: beside it first, then in its place.  What is no regular
 * file (a pipe, a device) is written to as it is.  EINVAL: it would be in
 * @source.
 */
int lens_whole_write(const char *path, const char *source,
		     const struct lens_buf *b,
		     struct lens_err *err) LENS_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - what the system says of itself.
 */
#ifndef LENS_CLI_MACHINE_H
#define LENS_CLI_MACHINE_H

#include "lens/base.h"

/* All of a file of @max bytes at most, in @out. 0, or -errno. */
int lens_machine_read(const char *path, size_t max, struct lens_buf *out);
/* The number behind "@name" in the lines of @text; @otherwise if none is. */
uint64_t lens_machine_number(const char *text, const char *name,
			     uint64_t otherwise);
/* Bytes of memory that can be had without swapping, and within the limit of
 * our control group; *limited says that it was that one. */
uint64_t lens_machine_memory(bool *limited);

#endif

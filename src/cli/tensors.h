/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensors.h - the tensors of a view, or of a checkpoint as it is: what ls
 * lists, hash reads and verify compares.  Immutable: any thread.
 */
#ifndef LENS_CLI_TENSORS_H
#define LENS_CLI_TENSORS_H

#include "cli/cli.h"

/* One of the two. */
struct lens_tensors {
	const struct lens_view *view;
	const struct lens_ckpt *ckpt;
};

size_t lens_tensors_count(const struct lens_tensors *ts);
/* In natural order of keys. */
const struct lens_tensor *lens_tensors_at(const struct lens_tensors *ts,
					  size_t i);
/* The file and offset where @i begins; NULL: it has no bytes. */
const char *lens_tensors_file(const struct lens_tensors *ts, size_t i,
			      uint64_t *off);
/* How much of @i, from @off on, is best read at once: @most bytes at most, 0 at
 * its end. */
size_t lens_tensors_part(const struct lens_tensors *ts, size_t i, uint64_t off,
			 size_t most);
int lens_tensors_read(const struct lens_tensors *ts, size_t i, uint64_t off,
		      size_t n, void *buf,
		      struct lens_err *err) LENS_MUST_CHECK;

#endif

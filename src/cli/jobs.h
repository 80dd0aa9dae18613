/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.h - what is to be written of a directory, cut for threads.
 *
 * Jobs are of a few MiB, and taken in order: so the threads work on the same
 * panels and help each other make them, as readers of a mount do.
 */
#ifndef LENS_CLI_JOBS_H
#define LENS_CLI_JOBS_H

#include "cli/dest.h"
#include "cli/pool.h"

struct lens_job {
	uint32_t file; /* of the destination */
	uint32_t n;    /* bytes */
	uint64_t off;
};

struct lens_jobs {
	const struct lens_view *view;
	struct lens_dest *dest;       /* its targets' @left counts their jobs */
	const struct lens_pool *pool; /* a job is no larger than its buffers */
	size_t panel_max;             /* bytes; 0: no panels */
	size_t n, room;
	struct lens_job *v;
};

/*
 * The jobs of those files of ranks @first to @last that are wanted here, in the
 * place of the jobs before.  Of weights several files are written at once.
 * Memory only can be short.
 */
int lens_jobs_make(struct lens_jobs *j, enum lens_rank first,
		   enum lens_rank last, struct lens_err *err) LENS_MUST_CHECK;
void lens_jobs_fini(struct lens_jobs *j);

#endif

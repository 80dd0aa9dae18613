/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - what a machine must have to mount, and what limits it.
 */
#ifndef LENS_CLI_DOCTOR_H
#define LENS_CLI_DOCTOR_H

#include "lens/base.h"

/* facts.c: what was found. */
struct lens_facts {
	int device;             /* errno of opening /dev/fuse; 0: it opens */
	int trial;              /* of mounting something; 0: it worked */
	const char *trial_said; /* why not */
	bool root;              /* uid 0 */
	bool admin;             /* may mount by itself (CAP_SYS_ADMIN) */
	const char *fusermount; /* its path; "": there is none */
	bool setuid;            /* it is */
	bool allow_other;       /* fuse.conf has user_allow_other */
	bool readahead;         /* it can be raised */
	uint64_t max_pages;     /* of a request; 0: not said */
	unsigned major, minor;  /* of the kernel */
	const char *container;  /* what kind; NULL: none is known of */
	bool user_namespace;
	uint64_t memory;     /* that can be had */
	bool memory_limited; /* by a control group */
	uint64_t files;      /* that may be open */
	const char *kernels; /* "avx2" */
	bool masked;         /* LENS_CPU_MASK is set */
	bool helper;         /* of mount(8) */
};
/* Mounts, for a moment. @f is valid as long as @store. */
void lens_facts_find(struct lens_facts *f, struct lens_arena *store);

/* doctor.c, pure: what they mean. */
enum lens_health { LENS_OK, LENS_LIMITS, LENS_BROKEN };
struct lens_verdict {
	const char *name;
	enum lens_health health;
	char text[256];
	const char *cure; /* NULL: none is needed */
};
#define LENS_DOCTOR_MAX 16
/* Their number; at most LENS_DOCTOR_MAX. */
size_t lens_doctor(const struct lens_facts *f, struct lens_verdict *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.h - what verify has found to be different, and how that is told.
 */
#ifndef LENS_CLI_FINDINGS_H
#define LENS_CLI_FINDINGS_H

#include "cli/compare.h"

struct lens_finding {
	enum lens_finding_kind {
		LENS_FINDING_MISSING,
		LENS_FINDING_EXTRA,
		LENS_FINDING_FORM,   /* another dtype or shape */
		LENS_FINDING_VALUES, /* diff says which */
		LENS_FINDING_DIGEST, /* other bytes, and no more is known */
	} kind;
	const char *key;
	bool escaped;                /* the key is, already */
	const char *want, *got;      /* "BF16 [2,3]"; NULL: not there */
	const struct lens_tensor *t; /* of VALUES */
	struct lens_diff diff;       /* of VALUES */
};

struct lens_findings {
	size_t n, missing, extra;
	struct lens_finding *v;
	struct lens_arena arena; /* their strings */
};

/* Room for one more, zeroed; NULL: no memory. */
struct lens_finding *lens_finding_add(struct lens_findings *f,
				      enum lens_finding_kind kind,
				      const char *key);
/* "BF16 [2,3]" */
const char *lens_finding_form(struct lens_findings *f, const char *dtype,
			      const char *shape);
const char *lens_finding_form_of(struct lens_findings *f,
				 const struct lens_tensor *t);
/* A line each. */
void lens_findings_text(const struct lens_findings *f, struct lens_buf *out);
/* One object; @n tensors were looked for. */
void lens_findings_json(const struct lens_findings *f, size_t n,
			struct lens_buf *out);
/* "2 of 7 tensors differ, 1 is missing, 1 is extra" in @buf. */
const char *lens_findings_summary(const struct lens_findings *f, size_t n,
				  char *buf, size_t size);
void lens_findings_fini(struct lens_findings *f);

#endif

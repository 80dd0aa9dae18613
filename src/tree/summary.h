/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.h - what the values of a tensor are like: counts, extremes, moments,
 * and how many lie in each binade.
 */
#ifndef LENS_TREE_SUMMARY_H
#define LENS_TREE_SUMMARY_H

#include "lens/tree.h"

#include <pthread.h>
#include <stdatomic.h>

#define LENS_EXPONENTS 2048 /* of a double, biased by 1023 */

/* Of C64 each part counts as a value. */
struct lens_summary {
	uint64_t nans;
	uint64_t infs[2], zeros[2]; /* [1]: with a sign */
	/* Of zeros and numbers that are finite, by sign and exponent; exponent
	 * 0 has the zeros and what is smaller than 2^-1022. */
	uint64_t numbers[2][LENS_EXPONENTS];
	/* Of those; only where there is one. */
	double min, max, mean, std;
	/* Of I64 and U64, which a double does not hold. */
	union {
		int64_t i;
		uint64_t u;
	} least, most;
};

/* values.c: values of any dtype as others have them. */

/* F6: nobody else has it, and nothing says how it is packed. */
bool lens_values_known(enum lens_dtype d);
/* How many values the @size bytes of a tensor hold. */
uint64_t lens_values_count(enum lens_dtype d, uint64_t size);
/* @n values; false for what f32 does not hold. Of F4 @n is even. */
bool lens_values_f32(enum lens_dtype d, float *dst, const void *src, size_t n);
/* @n values, at most LENS_VALUES, exactly; of I64 and U64, beyond 2^53, towards
 * zero. */
#define LENS_VALUES 512
void lens_values_f64(enum lens_dtype d, double *dst, const void *src, size_t n);

/* summary.c: a pass over output tensor @i, on @jobs threads (0: one a CPU); the
 * same result with any number of them.  EINTR once lens_cancelled(). */
int lens_summary_make(const struct lens_view *v, size_t i, unsigned jobs,
		      struct lens_summary *ret,
		      struct lens_err *err) LENS_MUST_CHECK;

/* The last few that were made; they lock themselves. Zeroed is empty. */
struct lens_summaries {
	pthread_mutex_t lock; /* of @kept and @next */
	struct lens_summary_kept {
		struct lens_buf text; /* empty: none */
		size_t i;
	} kept[16];
	unsigned next;
	atomic_uint busy;        /* passes that are under way */
	atomic_uint tail[2][21]; /* the length of what does not depend on the
				    key, by dtype and width; 0: not known */
};
uint64_t lens_summary_size(const struct lens_view *v, size_t i);
int lens_summary_read(const struct lens_view *v, size_t i, uint64_t off,
		      size_t n, void *buf, size_t *ret_n,
		      struct lens_err *err) LENS_MUST_CHECK;
void lens_summaries_fini(struct lens_summaries *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary.c - one pass over a tensor.
 *
 * The tensor is cut into parts, which depend on its size alone, and the parts
 * are looked at on several threads.  Counts and extremes may be put together in
 * any order; mean and deviation, which round, are put together in the order of
 * the parts, so that a summary says the same with any number of threads.
 */
#include "tree/summary.h"
#include "tree/tree.h"

#include <errno.h>
#include <math.h>

#define BLOCK ((size_t)1 << 20) /* bytes read at once */
#define PART (4 * BLOCK)        /* of a part, at least */
#define PARTS 1024              /* at most */
#define LANES 8 /* sums side by side: a CPU adds several at once */

/* How many numbers, their mean, and the sum of their squared distances from
 * it. */
struct moments {
	double n, mean, squares;
};

struct pass {
	const struct lens_view *v;
	size_t i;
	enum lens_dtype dtype;
	uint64_t size, part; /* bytes, of the tensor and of its parts */
	atomic_bool stop;
	struct moments *moments; /* of each part */
	pthread_mutex_t lock;    /* of @sum */
	struct lens_summary *sum;
};

/* Chan, Golub, LeVeque: the moments of both. */
static void join(struct moments *a, const struct moments *b)
{
	const double n = a->n + b->n, apart = b->mean - a->mean;

	if (b->n == 0)
		return;
	a->mean += apart * (b->n / n);
	a->squares += b->squares + apart * apart * (a->n * b->n / n);
	a->n = n;
}

static double total(const double lane[LANES])
{
	double sum = 0;

	for (unsigned k = 0; k < LANES; k++)
		sum += lane[k];
	return sum;
}

static void look_at_numbers(const double *v, size_t n, struct lens_summary *s,
			    struct moments *m)
{
	struct moments here = { .n = (double)n };
	double sum[LANES] = { 0 }, squares[LANES] = { 0 };

	if (!n)
		return;
	for (size_t i = 0; i < n; i++) {
		sum[i % LANES] += v[i];
		s->min = v[i] < s->min ? v[i] : s->min;
		s->max = v[i] > s->max ? v[i] : s->max;
	}
	here.mean = total(sum) / here.n;
	for (size_t i = 0; i < n; i++) {
		const double apart = v[i] - here.mean;

		squares[i % LANES] += apart * apart;
	}
	here.squares = total(squares);
	join(m, &here);
}

/* Count zeros, infinities and NaNs; leave the finite ones, and how many. */
static size_t sort_out(double *v, size_t n, struct lens_summary *s)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		const bool negative = signbit(v[i]) != 0;

		if (isnan(v[i])) {
			s->nans++;
		} else if (isinf(v[i])) {
			s->infs[negative]++;
		} else {
			s->zeros[negative] += v[i] == 0;
			v[left++] = v[i];
		}
	}
	return left;
}

static uint64_t special(const struct lens_summary *s)
{
	const unsigned last = LENS_EXPONENTS - 1;

	return s->numbers[0][0] + s->numbers[1][0] + s->numbers[0][last] +
	       s->numbers[1][last];
}

/* Up to LENS_VALUES values, which it may overwrite. */
static void look(double *v, size_t n, struct lens_summary *s, struct moments *m)
{
	const uint64_t before = special(s);

	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		memcpy(&bits, &v[i], sizeof(bits));
		s->numbers[bits >> 63][bits >> 52 & (LENS_EXPONENTS - 1)]++;
	}
	if (special(s) != before)
		n = sort_out(v, n, s);
	look_at_numbers(v, n, s, m);
}

/* The extremes of integers that a double does not hold. */
static void look_at_wide(enum lens_dtype d, const void *raw, size_t n,
			 struct lens_summary *s)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t u;

		memcpy(&u, (const char *)raw + i * sizeof(u), sizeof(u));
		if (d == LENS_I64) {
			if ((int64_t)u < s->least.i)
				s->least.i = (int64_t)u;
			if ((int64_t)u > s->most.i)
				s->most.i = (int64_t)u;
		} else {
			if (u < s->least.u)
				s->least.u = u;
			if (u > s->most.u)
				s->most.u = u;
		}
	}
}

static void begin(enum lens_dtype d, struct lens_summary *s)
{
	*s = (struct lens_summary){ .min = INFINITY, .max = -INFINITY };
	if (d == LENS_I64) {
		s->least.i = INT64_MAX;
		s->most.i = INT64_MIN;
	} else {
		s->least.u = UINT64_MAX;
	}
}

static void add(enum lens_dtype d, struct lens_summary *to,
		const struct lens_summary *s)
{
	to->nans += s->nans;
	for (unsigned sign = 0; sign < 2; sign++) {
		to->infs[sign] += s->infs[sign];
		to->zeros[sign] += s->zeros[sign];
		for (unsigned e = 0; e < LENS_EXPONENTS; e++)
			to->numbers[sign][e] += s->numbers[sign][e];
	}
	to->min = s->min < to->min ? s->min : to->min;
	to->max = s->max > to->max ? s->max : to->max;
	if (d == LENS_I64 || d == LENS_U64) {
		look_at_wide(d, &s->least, 1, to);
		look_at_wide(d, &s->most, 1, to);
	}
}

static void look_at_block(const struct pass *p, const unsigned char *raw,
			  size_t size, struct lens_summary *s,
			  struct moments *m)
{
	uint64_t n = lens_values_count(p->dtype, size);
	double v[LENS_VALUES];

	if (p->dtype == LENS_I64 || p->dtype == LENS_U64)
		look_at_wide(p->dtype, raw, (size_t)n, s);
	while (n) {
		const size_t some = n < LENS_VALUES ? (size_t)n : LENS_VALUES;

		lens_values_f64(p->dtype, v, raw, some);
		look(v, some, s, m);
		raw += some * size / lens_values_count(p->dtype, size);
		n -= some;
	}
}

static int look_at_part(struct pass *p, size_t k, unsigned char *raw,
			struct lens_summary *s, struct lens_err *err)
{
	uint64_t at = k * p->part, end = at + p->part;

	if (end > p->size)
		end = p->size;
	while (at < end) {
		const size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;

		/* Only the thread that was asked can tell. */
		if (lens_cancelled())
			atomic_store(&p->stop, true);
		if (atomic_load(&p->stop))
			return lens_fail(err, EINTR,
					 "nobody waits for it any more");
		if (lens_view_tensor_read(p->v, p->i, at, n, raw, 0, err) < 0)
			return -err->code;
		look_at_block(p, raw, n, s, &p->moments[k]);
		at += n;
	}
	return 0;
}

static int one_part(void *ctx, size_t k, struct lens_err *err)
{
	struct pass *p = ctx;
	lens_autofree unsigned char *raw = malloc(BLOCK);
	lens_autofree struct lens_summary *s = malloc(sizeof(*s));

	if (!raw || !s)
		return lens_fail(err, ENOMEM, "no memory for a summary");
	begin(p->dtype, s);
	if (look_at_part(p, k, raw, s, err) < 0)
		return -err->code;
	(void)pthread_mutex_lock(&p->lock);
	add(p->dtype, p->sum, s);
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

int lens_summary_make(const struct lens_view *v, size_t i, unsigned jobs,
		      struct lens_summary *ret, struct lens_err *err)
{
	const struct lens_tensor *t = &lens_plan_at(v->plan, i)->t;
	const uint64_t least = (t->size / PARTS / BLOCK + 1) * BLOCK,
		       part = least > PART ? least : PART;
	const size_t n = (size_t)((t->size + part - 1) / part);
	lens_autofree struct moments *moments = calloc(n + 1, sizeof(*moments));
	struct pass p = { .v = v,
			  .i = i,
			  .dtype = t->dtype,
			  .size = t->size,
			  .part = part,
			  .moments = moments,
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .sum = ret };
	struct moments all = { 0 };
	int r;

	if (!moments)
		return lens_fail(err, ENOMEM, "no memory for a summary");
	begin(t->dtype, ret);
	r = lens_parallel(n, jobs, one_part, &p, err);
	if (r < 0)
		return r;
	for (size_t k = 0; k < n; k++)
		join(&all, &moments[k]);
	for (unsigned sign = 0; sign < 2; sign++)
		ret->numbers[sign][LENS_EXPONENTS - 1] = 0;
	ret->mean = all.mean;
	ret->std = all.n > 0 ? sqrt(all.squares / all.n) : 0;
	return 0;
}

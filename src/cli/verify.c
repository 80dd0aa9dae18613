/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - a view's tensors against those of a directory.
 *
 * Parts of tensors are compared by all threads in order, so that they help each
 * other with panels as readers of a mount do.
 */
#include "cli/verify.h"
#include "cli/bar.h"
#include "cli/pool.h"
#include "cli/tensors.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

/* A part of a tensor that is looked at for --sample; with fewer bytes than
 * LENS_CACHE_SMALL no panel is made for it. */
#define SAMPLE (32u << 10)

/* Bytes of tensor @i that one thread compares. */
struct part {
	uint32_t i;
	uint32_t n;
	uint64_t off;
};

struct verifying {
	const struct lens_args *a;
	struct lens_tensors ts; /* the view's */
	const struct lens_ckpt *dir;
	const struct lens_tensor **other; /* DIR's of the same key and form;
					     NULL: nothing to compare with */
	struct lens_diff *diff;           /* of each; under lock */
	pthread_mutex_t lock;
	struct lens_pool pool; /* halves: what there should be, what is */
	struct lens_bar bar;
	size_t n, room;
	struct part *part;
	uint64_t bytes, seed;
	struct lens_findings *found;
};

static int no_memory(struct lens_err *err)
{
	return lens_fail(err, ENOMEM, "no memory for what was found");
}

static int add_part(struct verifying *w, size_t i, uint64_t off, uint64_t n,
		    struct lens_err *err)
{
	if (w->n == w->room) {
		size_t room = w->room ? 2 * w->room : 256;
		struct part *p = reallocarray(w->part, room, sizeof(*p));

		if (!p)
			return no_memory(err);
		w->part = p;
		w->room = room;
	}
	w->part[w->n++] =
		(struct part){ .i = (uint32_t)i, .n = (uint32_t)n, .off = off };
	w->bytes += n;
	return 0;
}

/* A number below @n, another one each time. */
static uint64_t below(struct verifying *w, uint64_t n)
{
	uint64_t z = w->seed += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return n ? (z ^ z >> 31) % n : 0;
}

/* --sample: a part somewhere in each of N equal stretches. */
static int cut_samples(struct verifying *w, size_t i, uint64_t size,
		       struct lens_err *err)
{
	const uint64_t samples = w->a->sample, stretch = size / samples;

	for (uint64_t k = 0; k < samples; k++) {
		/* Every dtype's elements begin at multiples of this. */
		uint64_t off = k * stretch + below(w, stretch - SAMPLE);

		if (add_part(w, i, off & ~(uint64_t)63, SAMPLE, err) < 0)
			return -err->code;
	}
	return 0;
}

static int cut(struct verifying *w, size_t i, struct lens_err *err)
{
	const uint64_t size = lens_tensors_at(&w->ts, i)->size;
	uint64_t off = 0;
	size_t n;

	if (w->a->sample && size / w->a->sample > SAMPLE)
		return cut_samples(w, i, size, err);
	while ((n = lens_tensors_part(&w->ts, i, off, w->pool.size / 2))) {
		if (add_part(w, i, off, n, err) < 0)
			return -err->code;
		off += n;
	}
	return 0;
}

static bool same_form(const struct lens_tensor *a, const struct lens_tensor *b)
{
	return a->dtype == b->dtype && a->rank == b->rank &&
	       (!a->rank ||
		memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0);
}

/* What DIR has for tensor @i of the view. */
static int pair(struct verifying *w, size_t i, struct lens_err *err)
{
	const struct lens_tensor *t = lens_tensors_at(&w->ts, i),
				 *other = lens_ckpt_find(w->dir, t->name);
	struct lens_finding *x;

	if (other && same_form(t, other)) {
		w->other[i] = other;
		return cut(w, i, err);
	}
	x = lens_finding_add(w->found,
			     other ? LENS_FINDING_FORM : LENS_FINDING_MISSING,
			     t->name);
	if (!x)
		return no_memory(err);
	x->want = lens_finding_form_of(w->found, t);
	x->got = other ? lens_finding_form_of(w->found, other) : NULL;
	return x->want && (x->got || !other) ? 0 : no_memory(err);
}

static int find_extra(struct verifying *w, struct lens_err *err)
{
	const struct lens_plan *p = lens_view_plan(w->ts.view);

	for (size_t i = 0; i < lens_ckpt_count(w->dir); i++) {
		const struct lens_tensor *t = lens_ckpt_at(w->dir, i);
		struct lens_finding *x;

		if (lens_plan_find(p, t->name) != LENS_NONE)
			continue;
		x = lens_finding_add(w->found, LENS_FINDING_EXTRA, t->name);
		if (!x || !(x->got = lens_finding_form_of(w->found, t)))
			return no_memory(err);
	}
	return 0;
}

static int compare(struct verifying *w, const struct part *p, char *want,
		   struct lens_err *err)
{
	const struct lens_tensor *t = lens_tensors_at(&w->ts, p->i);
	char *got = want + w->pool.size / 2;
	struct lens_diff diff = { 0 };
	int n;

	n = w->a->sample ?
		    lens_plan_read(lens_view_plan(w->ts.view), p->i, p->off,
				   p->n, want, err) :
		    lens_tensors_read(&w->ts, p->i, p->off, p->n, want, err);
	if (n < 0 ||
	    lens_ckpt_read(w->dir, w->other[p->i], p->off, p->n, got, err) < 0)
		return lens_wrap(err, "'%s'", LENS_SHOW(t->name));
	atomic_fetch_add(&w->bar.done, p->n);
	if (memcmp(want, got, p->n) == 0)
		return 0;
	lens_diff_add(&diff, t->dtype, want, got, p->n,
		      p->off / lens_diff_unit(t->dtype));
	(void)pthread_mutex_lock(&w->lock);
	lens_diff_merge(&w->diff[p->i], &diff);
	(void)pthread_mutex_unlock(&w->lock);
	return 0;
}

static int one(void *ctx, size_t k, struct lens_err *err)
{
	struct verifying *w = ctx;
	void *buf = lens_pool_take(&w->pool);
	int n;

	if (!buf)
		return lens_fail(err, ENOMEM, "no memory for a buffer");
	n = compare(w, &w->part[k], buf, err);
	lens_pool_give(&w->pool, buf);
	return n;
}

static int collect(struct verifying *w, struct lens_err *err)
{
	for (size_t i = 0; i < lens_tensors_count(&w->ts); i++) {
		const struct lens_tensor *t = lens_tensors_at(&w->ts, i);
		struct lens_finding *x;

		if (!w->diff[i].count)
			continue;
		x = lens_finding_add(w->found, LENS_FINDING_VALUES, t->name);
		if (!x)
			return no_memory(err);
		x->t = t;
		x->diff = w->diff[i];
	}
	return 0;
}

static int run(struct verifying *w, struct lens_err *err)
{
	const size_t n = lens_tensors_count(&w->ts);
	int r;

	w->other = calloc(n + 1, sizeof(*w->other));
	w->diff = calloc(n + 1, sizeof(*w->diff));
	if (!w->other || !w->diff)
		return no_memory(err);
	if (getrandom(&w->seed, sizeof(w->seed), 0) < 0)
		w->seed = (uint64_t)getpid();
	for (size_t i = 0; i < n; i++)
		if (pair(w, i, err) < 0)
			return -err->code;
	lens_cli_bar_start(&w->bar, "verify", w->bytes, w->a->quiet);
	r = lens_parallel(w->n, w->pool.threads, one, w, err);
	lens_cli_bar_stop(&w->bar);
	if (r < 0 || collect(w, err) < 0)
		return -err->code;
	return find_extra(w, err);
}

int lens_verify(const struct lens_args *a, const struct lens_view *v,
		const struct lens_ckpt *dir, struct lens_findings *found,
		uint64_t *bytes, struct lens_err *err)
{
	struct verifying w = { .a = a,
			       .ts.view = v,
			       .dir = dir,
			       .lock = PTHREAD_MUTEX_INITIALIZER,
			       .found = found };
	int n;

	lens_pool_init(&w.pool, a->jobs);
	n = run(&w, err);
	*bytes = w.bytes;
	lens_pool_fini(&w.pool);
	free(w.part);
	free(w.other);
	free(w.diff);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.c - the memory a thread makes tensors with, and the part of a
 * tensor's companions that a request needs.
 */
#include "plan/state.h"

#include <errno.h>
#include <pthread.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void make_key(void)
{
	have_key = pthread_key_create(&key, free) == 0;
}

struct lens_scratch *lens_plan_scratch(struct lens_err *err)
{
	struct lens_scratch *x;

	(void)pthread_once(&once, make_key);
	x = have_key ? pthread_getspecific(key) : NULL;
	if (x)
		return x;
	x = have_key ? malloc(sizeof(*x)) : NULL;
	if (!x || pthread_setspecific(key, x) != 0) {
		free(x);
		(void)lens_fail(err, ENOMEM, "no memory to make a tensor in");
		return NULL;
	}
	return x;
}

/* The box of companion @c that belongs to logical box @box. */
static void companion_box(const struct lens_companion *c,
			  const struct lens_box *box, struct lens_box *ret)
{
	for (unsigned k = 0; k < c->tensor->rank; k++) {
		uint64_t first = 0, last = 0;

		if (c->dim[k] >= 0) {
			const unsigned d = (unsigned)c->dim[k];

			first = box->origin[d] / c->div[k];
			last = (box->origin[d] + box->count[d] - 1) / c->div[k];
		}
		ret->origin[k] = first;
		ret->count[k] = last - first + 1;
	}
}

static uint64_t box_size(const struct lens_box *box, unsigned rank)
{
	uint64_t n = 1;

	for (unsigned k = 0; k < rank; k++)
		if (__builtin_mul_overflow(n, box->count[k], &n))
			return UINT64_MAX;
	return n;
}

uint64_t lens_window_size(const struct lens_stored *s,
			  const struct lens_box *box)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_companions; i++) {
		struct lens_box b;
		uint64_t m;

		companion_box(&s->companion[i], box, &b);
		m = box_size(&b, s->companion[i].tensor->rank);
		n = m > UINT64_MAX - n ? UINT64_MAX : n + m;
	}
	return n;
}

int lens_window_load(const struct lens_plan *p, const struct lens_stored *s,
		     const struct lens_box *box, struct lens_scratch *x,
		     struct lens_window *w, struct lens_err *err)
{
	size_t used = 0;

	for (unsigned i = 0; i < s->n_companions; i++) {
		const struct lens_tensor *t = s->companion[i].tensor;
		struct lens_box b;
		uint64_t n, stride = 1;

		companion_box(&s->companion[i], box, &b);
		n = box_size(&b, t->rank);
		if (lens_ckpt_read_box(lens_stored_ckpt(p, s), t, b.origin,
				       b.count, x->raw, err) < 0)
			return -err->code;
		(void)lens_to_f32(t->dtype, x->window + used, x->raw,
				  (size_t)n);
		w[i].values = x->window + used;
		for (unsigned k = t->rank; k-- > 0;) {
			w[i].origin[k] = b.origin[k];
			w[i].stride[k] = stride;
			stride *= b.count[k];
		}
		used += (size_t)n;
	}
	return 0;
}

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
	if (x)
		memset(x->stepped, 0, sizeof(x->stepped));
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
	for (unsigned k = 0; k < c->rank; k++) {
		uint64_t first = 0, last = 0;

		if (c->lookup == (int)k) {
			last = c->shape[k] - 1; /* any of them */
		} else if (c->dim[k] >= 0) {
			const unsigned d = (unsigned)c->dim[k];

			first = lens_companion_index(c, k, box->origin[d]);
			last = lens_companion_index(
				c, k, box->origin[d] + box->count[d] - 1);
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

/* In elements of a window: a packed one must find room in x->raw, before and
 * after it is unpacked. */
static uint64_t companion_size(const struct lens_companion *c,
			       const struct lens_box *box)
{
	const uint64_t n = box_size(box, c->rank);
	struct lens_box b;
	uint64_t raw;

	if (!c->packing.bits || n > LENS_WINDOW)
		return n;
	raw = lens_packed_box(&c->packing, c->rank, box->origin, box->count,
			      b.origin, b.count) +
	      n;
	return raw / 4 + 1 > n ? raw / 4 + 1 : n;
}

uint64_t lens_window_size(const struct lens_stored *s,
			  const struct lens_box *box)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_companions; i++) {
		struct lens_box b;
		uint64_t m;

		companion_box(&s->companion[i], box, &b);
		m = companion_size(&s->companion[i], &b);
		n = m > UINT64_MAX - n ? UINT64_MAX : n + m;
	}
	return n;
}

/* Box @b of companion @c as f32. */
static int companion_load(const struct lens_ckpt *ck,
			  const struct lens_companion *c,
			  const struct lens_box *b, size_t n, float *to,
			  struct lens_scratch *x, struct lens_err *err)
{
	struct lens_box packed = *b;
	const unsigned char *raw = x->raw;
	size_t size = 0;

	if (c->packing.bits)
		size = (size_t)lens_packed_box(&c->packing, c->rank, b->origin,
					       b->count, packed.origin,
					       packed.count);
	if (lens_ckpt_read_box(ck, c->tensor, packed.origin, packed.count,
			       x->raw, err) < 0)
		return -err->code;
	if (c->packing.bits) {
		lens_unpack(&c->packing, c->rank, b->origin, b->count, x->raw,
			    x->raw + size);
		raw += size;
	}
	(void)lens_to_f32(c->dtype, to, raw, n);
	for (size_t i = 0; i < n && c->add != 0; i++)
		to[i] += c->add;
	for (size_t i = 0; i < n && c->zero_is_0 && c->dtype == LENS_F8_E8M0;
	     i++)
		if (!raw[i])
			to[i] = 0;
	/* What was checked may have been written over since, without a new
	 * time: it must not become an index beyond what is read. */
	for (size_t i = 0; i < n && c->role == LENS_LOOKUP; i++)
		if (!(to[i] >= 0 && to[i] < (float)c->groups))
			to[i] = 0;
	return 0;
}

int lens_window_load(const struct lens_plan *p, const struct lens_stored *s,
		     const struct lens_box *box, struct lens_scratch *x,
		     struct lens_window *w, struct lens_err *err)
{
	size_t used = 0;

	for (unsigned i = 0; i < s->n_companions; i++) {
		const struct lens_companion *c = &s->companion[i];
		struct lens_box b;
		uint64_t n, stride = 1;

		companion_box(c, box, &b);
		n = box_size(&b, c->rank);
		if (companion_load(lens_stored_ckpt(p, s), c, &b, (size_t)n,
				   x->window + used, x, err) < 0)
			return -err->code;
		w[i].values = x->window + used;
		for (unsigned k = c->rank; k-- > 0;) {
			w[i].origin[k] = b.origin[k];
			w[i].stride[k] = stride;
			stride *= b.count[k];
		}
		used += (size_t)n;
	}
	return 0;
}

uint64_t lens_packed_size(const struct lens_stored *s,
			  const struct lens_box *box)
{
	struct lens_box b;

	return s->packing.bits ?
		       lens_packed_box(&s->packing, s->rank, box->origin,
				       box->count, b.origin, b.count) :
		       0;
}

int lens_codes_load(const struct lens_plan *p, const struct lens_stored *s,
		    const struct lens_box *box, void *codes,
		    struct lens_scratch *x, struct lens_err *err)
{
	struct lens_box b;

	if (!s->packing.bits)
		return lens_ckpt_read_box(lens_stored_ckpt(p, s), s->read,
					  box->origin, box->count, codes, err);
	(void)lens_packed_box(&s->packing, s->rank, box->origin, box->count,
			      b.origin, b.count);
	if (lens_ckpt_read_box(lens_stored_ckpt(p, s), s->read, b.origin,
			       b.count, x->moved, err) < 0)
		return -err->code;
	lens_unpack(&s->packing, s->rank, box->origin, box->count, x->moved,
		    codes);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reduce.c - scales that are made of the weights, when one is first needed.
 *
 * The scale of an expert, of a tensor or of a block is amax / 448 in f32; 1
 * where that is 0.  One batch is made at a time, on all threads: whoever wants
 * other scales meanwhile waits, and whoever wants the same finds them done.
 * What is made stays.  Values are read once, in the order in which the source
 * has them.
 */
#include "plan/state.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define WAIT_NS 50000000 /* until a waiter asks whether it is still wanted */
#define LARGEST 448.0f   /* of E4M3 */
#define NOT_FINITE 0x7f800000u

enum unit_state { UNIT_EMPTY, UNIT_MADE, UNIT_BAD };

struct lens_maker {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* @busy went */
	bool busy;              /* somebody makes a batch */
	unsigned jobs;
	uint64_t made, ns;
};

struct lens_maker *lens_maker_new(unsigned jobs)
{
	struct lens_maker *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_cond_init(&m->changed, NULL);
	m->jobs = jobs;
	return m;
}

void lens_maker_free(struct lens_maker *m)
{
	if (!m)
		return;
	(void)pthread_mutex_destroy(&m->lock);
	(void)pthread_cond_destroy(&m->changed);
	free(m);
}

bool lens_plan_makes_scales(const struct lens_plan *p)
{
	return p->quantize == LENS_SCALES_AMAX;
}

void lens_plan_scales(const struct lens_plan *p, uint64_t *made, uint64_t *ns)
{
	struct lens_maker *m = p->maker;

	*made = *ns = 0;
	if (!m)
		return;
	(void)pthread_mutex_lock(&m->lock);
	*made = m->made;
	*ns = m->ns;
	(void)pthread_mutex_unlock(&m->lock);
}

/* The bits of the largest magnitude among @n values, as f32. */
static uint32_t most_of(enum lens_dtype from, const void *values, size_t n)
{
	const struct lens_kernels *k = lens_kernels();
	const size_t es = lens_dtype_bits(from) / 8;
	uint32_t most = 0;
	uint16_t half;
	float f[512];

	if (from == LENS_F32)
		return k->most32(values, n);
	if (from == LENS_BF16)
		return (uint32_t)k->most16(values, n) << 16;
	if (from == LENS_F16) {
		half = k->most16(values, n);
		(void)lens_to_f32(from, f, &half, 1);
		return k->most32(f, 1);
	}
	for (size_t i = 0, m; i < n; i += m) {
		uint32_t one;

		m = n - i < LENS_ARRAY_SIZE(f) ? n - i : LENS_ARRAY_SIZE(f);
		(void)lens_to_f32(from, f, (const char *)values + i * es, m);
		one = k->most32(f, m);
		most = one > most ? one : most;
	}
	return most;
}

/* Units [u0, u1) in parts. */
struct batch {
	const struct lens_plan *p;
	const struct lens_encoder *e;
	const struct lens_reduction *r;
	size_t u0, u1;
	uint64_t rows, cols;           /* of a part */
	uint64_t row_parts, col_parts; /* of a matrix */
	_Atomic uint32_t *most;        /* of scale i of unit u0 and on */
};

static void raise(_Atomic uint32_t *most, uint32_t v)
{
	uint32_t seen = atomic_load(most);

	while (v > seen && !atomic_compare_exchange_weak(most, &seen, v))
		;
}

/* How a matrix is cut: whole blocks, and whole rows where they fit. */
static void cut(struct batch *b)
{
	const struct lens_reduction *r = b->r;
	const uint64_t es = lens_dtype_bits(b->e->from) / 8,
		       block = r->block ? r->block : 1;

	b->cols = r->cols;
	b->rows = LENS_PART / (es * r->cols) / block * block;
	if (!b->rows) {
		b->rows = block;
		b->cols = LENS_PART / (es * block) / block * block;
		b->cols = b->cols ? b->cols : block;
	}
	b->row_parts = (r->rows + b->rows - 1) / b->rows;
	b->col_parts = (r->cols + b->cols - 1) / b->cols;
}

/* Where the scale of a block of values is among those of its unit. */
static size_t place(const struct lens_reduction *r, uint64_t row, uint64_t col)
{
	if (!r->block)
		return 0;
	row /= r->block;
	col /= r->block;
	return (size_t)(r->turned ? col * r->grid[0] + row :
				    row * r->grid[1] + col);
}

static void look(const struct batch *b, size_t unit,
		 const struct lens_slab *slab, const unsigned char *values)
{
	const struct lens_reduction *r = b->r;
	const size_t es = lens_dtype_bits(b->e->from) / 8,
		     per = b->e->n / r->units;
	_Atomic uint32_t *most = b->most + (unit - b->u0) * per;

	if (!r->block) {
		raise(most, most_of(b->e->from, values,
				    (size_t)(slab->n_rows * slab->n_cols)));
		return;
	}
	for (uint64_t i = 0; i < slab->n_rows; i++)
		for (uint64_t k = 0; k < slab->n_cols; k += r->block) {
			const uint64_t n = slab->n_cols - k < r->block ?
						   slab->n_cols - k :
						   r->block;

			raise(most + place(r, slab->row + i, slab->col + k),
			      most_of(b->e->from,
				      values + (i * slab->n_cols + k) * es,
				      (size_t)n));
		}
}

static int one_part(void *ctx, size_t i, struct lens_err *err)
{
	const struct batch *b = ctx;
	const struct lens_reduction *r = b->r;
	const struct lens_virtual *v = &r->values.v;
	const size_t es = lens_dtype_bits(b->e->from) / 8;
	const uint64_t parts = b->row_parts * b->col_parts;
	const size_t per = r->matrices / r->units;
	uint64_t matrix = b->u0 * per + i / parts, rest = matrix;
	struct lens_slab slab = {
		.row = i % parts / b->col_parts * b->rows,
		.col = i % b->col_parts * b->cols,
	};
	unsigned char *values;
	int n;

	if (lens_cancelled())
		return lens_fail(err, EINTR, "nobody waits for it any more");
	values = lens_part_take(err);
	if (!values)
		return -err->code;
	slab.n_rows =
		r->rows - slab.row < b->rows ? r->rows - slab.row : b->rows;
	slab.n_cols =
		r->cols - slab.col < b->cols ? r->cols - slab.col : b->cols;
	for (unsigned d = v->rank >= 2 ? v->rank - 2 : 0; d-- > 0;) {
		slab.outer[d] = rest % v->shape[d];
		rest /= v->shape[d];
	}
	n = lens_slab_make(b->p, &r->values, &slab, values,
			   (size_t)slab.n_cols * es, false, err);
	if (n == 0)
		look(b, (size_t)matrix / per, &slab, values);
	lens_part_give(values);
	return n;
}

static float scale_of(uint32_t most)
{
	float amax, scale;

	memcpy(&amax, &most, sizeof(amax));
	scale = amax / LARGEST;
	return scale == 0.0f ? 1.0f : scale;
}

/* What the batch has found becomes scales; the number of new ones. */
static uint64_t settle(const struct batch *b)
{
	const size_t per = b->e->n / b->r->units;
	uint64_t made = 0;

	for (size_t u = b->u0; u < b->u1; u++) {
		uint8_t state = UNIT_MADE;

		for (size_t k = 0; k < per; k++) {
			const uint32_t most =
				atomic_load(&b->most[(u - b->u0) * per + k]);

			if (most >= NOT_FINITE)
				state = UNIT_BAD;
			else
				b->e->scale[u * per + k] = scale_of(most);
		}
		made += state == UNIT_MADE ? per : 0;
		atomic_store(&b->r->state[u], state);
	}
	return made;
}

/* Without the lock, but alone: @busy is ours. */
static int make(const struct lens_plan *p, const struct lens_encoder *e,
		size_t u0, size_t u1, uint64_t *made, struct lens_err *err)
{
	const struct lens_reduction *r = e->made_by;
	struct batch b = { .p = p, .e = e, .r = r, .u0 = u0, .u1 = u1 };
	const size_t n = (u1 - u0) * (e->n / r->units);
	lens_autofree void *most = calloc(n + 1, sizeof(*b.most));

	if (!most)
		return lens_fail(err, ENOMEM, "no memory to make a scale in");
	b.most = most;
	if (r->rows && r->cols) {
		const size_t per = r->matrices / r->units;

		cut(&b);
		if (lens_parallel((u1 - u0) * per *
					  (size_t)(b.row_parts * b.col_parts),
				  p->maker->jobs, one_part, &b, err) < 0)
			return -err->code;
	}
	*made = settle(&b);
	return 0;
}

/* The first of units [*u0, u1) that is not made; false if all are. */
static bool next_empty(const struct lens_reduction *r, size_t *u0, size_t u1,
		       bool *bad)
{
	for (; *u0 < u1; (*u0)++) {
		const uint8_t state = atomic_load(&r->state[*u0]);

		*bad |= state == UNIT_BAD;
		if (state == UNIT_EMPTY)
			return true;
	}
	return false;
}

/* Wait while somebody makes a batch. EINTR: nobody waits with us. */
static int wait_turn(struct lens_maker *m, struct lens_err *err)
{
	while (m->busy) {
		struct timespec until;

		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += WAIT_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&m->changed, &m->lock, &until);
		if (m->busy && lens_cancelled())
			return lens_fail(err, EINTR,
					 "nobody waits for it any more");
	}
	return 0;
}

int lens_scales_make(const struct lens_plan *p, const struct lens_encoder *e,
		     size_t u0, size_t u1, struct lens_err *err)
{
	const struct lens_reduction *r = e->made_by;
	struct lens_maker *m = p->maker;
	bool bad = false;
	int result = 0;

	if (!next_empty(r, &u0, u1, &bad))
		goto made;
	(void)pthread_mutex_lock(&m->lock);
	while (result == 0 && next_empty(r, &u0, u1, &bad)) {
		const uint64_t began = lens_now();
		uint64_t made = 0;
		size_t end = u0 + 1;

		if (m->busy) {
			result = wait_turn(m, err);
			continue;
		}
		while (end < u1 && atomic_load(&r->state[end]) == UNIT_EMPTY)
			end++;
		m->busy = true;
		(void)pthread_mutex_unlock(&m->lock);
		result = make(p, e, u0, end, &made, err);
		(void)pthread_mutex_lock(&m->lock);
		m->busy = false;
		m->made += made;
		m->ns += lens_now() - began;
		(void)pthread_cond_broadcast(&m->changed);
	}
	(void)pthread_mutex_unlock(&m->lock);
	if (result < 0)
		return result;
made:
	if (bad)
		return lens_fail(err, EDOM,
				 "it holds NaN or infinity, and FP8 with a "
				 "scale can't");
	return 0;
}

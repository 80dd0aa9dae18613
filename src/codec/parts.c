/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.c - what codecs put a stored tensor together with.
 */
#include "codec/codecs.h"

#include <errno.h>
#include <stdio.h>

#define KEY_MAX 4096 /* bytes of a tensor's name */

const float lens_e2m1[16] = { 0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
			      4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
			      -2.0f, -3.0f, -4.0f, -6.0f };
const float lens_e2m1_no_minus_zero[16] = { 0.0f,  0.5f,  1.0f,  1.5f,
					    2.0f,  3.0f,  4.0f,  6.0f,
					    0.0f,  -0.5f, -1.0f, -1.5f,
					    -2.0f, -3.0f, -4.0f, -6.0f };

const struct lens_tensor *lens_codec_beside(const struct lens_codec_site *site,
					    const char *key, size_t cut,
					    const char *suffix)
{
	char name[KEY_MAX + 64];
	const size_t n = strlen(key), m = strlen(suffix);

	if (n < cut || n - cut + m >= sizeof(name))
		return NULL;
	memcpy(name, key, n - cut);
	memcpy(name + n - cut, suffix, m + 1);
	return lens_ckpt_find(site->ckpt, name);
}

char *lens_codec_key(const struct lens_codec_site *site, const char *key,
		     size_t cut, const char *suffix, struct lens_err *err)
{
	const size_t n = strlen(key) - cut, m = strlen(suffix);
	char *s = lens_codec_alloc(site->arena, n + m + 1, err);

	if (s) {
		memcpy(s, key, n);
		memcpy(s + n, suffix, m);
	}
	return s;
}

const struct lens_tensor *lens_codec_view(const struct lens_codec_site *site,
					  const struct lens_tensor *t,
					  enum lens_dtype dtype, unsigned rank,
					  const uint64_t *shape,
					  struct lens_err *err)
{
	struct lens_tensor *v = lens_codec_alloc(site->arena, sizeof(*v), err);
	struct lens_chunk *c = lens_codec_alloc(site->arena, sizeof(*c), err);
	uint64_t *s =
		lens_codec_alloc(site->arena, 2 * (rank + 1) * sizeof(*s), err);

	if (!v || !c || !s)
		return NULL;
	if (t->n_chunks > 1) {
		(void)lens_fail(err, EOPNOTSUPP,
				"tensor '%s' is packed, and in several parts",
				LENS_SHOW(t->name));
		return NULL;
	}
	memcpy(s, shape, rank * sizeof(*s));
	*v = *t;
	v->dtype = dtype;
	v->rank = rank;
	v->shape = s;
	if (t->n_chunks) {
		*c = t->chunks[0];
		c->shape = s;
		c->origin = s + rank + 1; /* zeros */
		v->chunks = c;
	}
	return v;
}

const struct lens_tensor *lens_codec_bytes(const struct lens_codec_site *site,
					   const struct lens_tensor *t,
					   struct lens_err *err)
{
	uint64_t shape[LENS_DIMS], rows = 1;

	for (unsigned d = 0; d < t->rank; d++) {
		shape[d] = t->shape[d];
		rows *= d + 1 < t->rank ? t->shape[d] : 1;
	}
	/* Not from the bits: those of a row need not be whole bytes. */
	shape[t->rank - 1] = rows ? t->size / rows : 0;
	return lens_codec_view(site, t, LENS_U8, t->rank, shape, err);
}

void lens_stored_plain(struct lens_stored *s, const struct lens_tensor *t)
{
	*s = (struct lens_stored){
		.weight = t,
		.read = t,
		.key = t->name,
		.dtype = t->dtype,
		.rank = t->rank,
		.shape = t->shape,
		.code = t->dtype,
		.via = LENS_DTYPE_INVALID,
	};
}

void lens_stored_init(struct lens_stored *s, const struct lens_codec *codec,
		      const struct lens_codec_site *site,
		      const struct lens_tensor *w)
{
	lens_stored_plain(s, w);
	s->codec = codec;
	s->dtype = site->out;
}

struct lens_companion *lens_stored_add(struct lens_stored *s,
				       const struct lens_tensor *t,
				       enum lens_companion_role role)
{
	struct lens_companion *c = &s->companion[s->n_companions++];

	lens_companion_init(c, t, role);
	return c;
}

int lens_stored_pack(struct lens_stored *s, const struct lens_codec_site *site,
		     unsigned bits, unsigned dim, uint64_t n,
		     struct lens_err *err)
{
	uint64_t *shape =
		lens_codec_alloc(site->arena, LENS_DIMS * sizeof(*shape), err);

	if (!shape)
		return -err->code;
	memcpy(shape, s->shape, s->rank * sizeof(*shape));
	shape[dim] = n;
	s->shape = shape;
	s->packing = (struct lens_packing){ .bits = (uint8_t)bits,
					    .dim = (uint8_t)dim };
	s->code = LENS_U8;
	if (dim + 1 == s->rank)
		s->read = lens_codec_bytes(site, s->weight, err);
	return s->read ? 0 : -err->code;
}

const char *lens_shape_text(char *buf, const struct lens_tensor *t)
{
	const size_t room = 128;
	size_t n = (size_t)snprintf(buf, room, "[");

	for (unsigned d = 0; d < t->rank && n < room; d++)
		n += (size_t)snprintf(buf + n, room - n, d ? ", %llu" : "%llu",
				      (unsigned long long)t->shape[d]);
	if (n < room)
		(void)snprintf(buf + n, room - n, "]");
	return buf;
}

int lens_codec_misfit(const struct lens_tensor *w, const struct lens_tensor *s,
		      struct lens_err *err, const char *why, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, why);
	(void)vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	return lens_fail(err, EINVAL,
			 "tensor '%s' %s: its companion '%s' %s %s",
			 LENS_SHOW(w->name), LENS_SHAPE(w), LENS_SHOW(s->name),
			 LENS_SHAPE(s), text);
}

int lens_codec_lone(enum lens_lone what, const struct lens_tensor *t,
		    const char *why, struct lens_err *err)
{
	if (what == LENS_LONE_REFUSE)
		return lens_fail(err, EINVAL, "tensor '%s' %s",
				 LENS_SHOW(t->name), why);
	return what == LENS_LONE_DROP;
}

const float *lens_codec_counting(const struct lens_codec_site *site,
				 unsigned less, struct lens_err *err)
{
	float *v = lens_codec_alloc(site->arena, 16 * sizeof(*v), err);

	for (int i = 0; v && i < 16; i++)
		v[i] = (float)(i - (int)less);
	return v;
}

int64_t *lens_codec_integers(const struct lens_codec_site *site,
			     const struct lens_tensor *t, size_t n,
			     struct lens_err *err)
{
	const size_t es = lens_dtype_bits(t->dtype) / 8;
	lens_autofree unsigned char *raw = malloc(n * 8 + 1);
	lens_autofree int64_t *v = malloc(n * sizeof(*v) + 1);

	if (!raw || !v) {
		(void)lens_fail(err, ENOMEM, "no memory for '%s'",
				LENS_SHOW(t->name));
		return NULL;
	}
	if (lens_ckpt_read(site->ckpt, t, 0, n * es, raw, err) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		int32_t narrow;

		memcpy(t->dtype == LENS_I64 ? (void *)&v[i] : (void *)&narrow,
		       raw + i * es, es);
		if (t->dtype != LENS_I64)
			v[i] = narrow;
	}
	return lens_steal(&v);
}

bool lens_is_scale_dtype(enum lens_dtype d)
{
	return d == LENS_F32 || d == LENS_BF16 || d == LENS_F16;
}

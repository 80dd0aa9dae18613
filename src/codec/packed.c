/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed.c - integers of 2 to 8 bits, each row a dense stream of bits in words
 * (compressed-tensors' pack-quantized).
 *
 *	X_packed	I32 [M, ceil(K bits / 32)]
 *	X_scale		F32, BF16 or F16, [M, groups]
 *	X_shape		I64 [2]: M, K
 *	X_zero_point	I32 [ceil(M bits / 32), groups], packed along the rows
 *	X_g_idx		I32 [K]: the group of each column
 *
 * X is out(S((u - z) * scale)), S being the scale's dtype; u and z are stored
 * with 2^(bits-1) added to them, which goes out.
 */
#include "codec/codecs.h"

#include <errno.h>

#define METHOD "compressed-tensors"
#define SUFFIX "_packed"

struct lens_codec_args {
	struct lens_halves half;
	struct lens_schemes schemes;
	bool via_f32;  /* the product is not rounded to the scale's dtype */
	bool by_shape; /* as many groups as the scale has columns */
	uint64_t bits; /* then */
};

static const char *const options[] = { "group",    "bits", "via",
				       "unscaled", "lone", NULL };
static const char *const methods[] = { METHOD, NULL };

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	static const char *const via[] = { "scale", "f32", NULL },
				 *const group[] = { "config", "shape", NULL };
	const cJSON *bits = cJSON_GetObjectItemCaseSensitive(o, "bits");
	struct lens_codec_args *a = lens_halves_new(o, arena, sizeof(*a), err);
	unsigned v = 0, g = 0;

	if (!a || lens_option_word(o, "via", via, &v, err) < 0 ||
	    lens_option_word(o, "group", group, &g, err) < 0)
		return -err->code;
	a->via_f32 = v == 1;
	a->by_shape = g == 1;
	if (a->by_shape != (bits != NULL) ||
	    (bits &&
	     (lens_json_u64(bits, &a->bits) < 0 || a->bits < 2 || a->bits > 8)))
		return lens_fail(err, EBADMSG,
				 "option 'bits', 2 to 8, goes with 'group' "
				 "being \"shape\"");
	*ret = a;
	return 0;
}

static int configure(struct lens_codec_args *a, const struct lens_quant *q,
		     struct lens_arena *arena, struct lens_err *err)
{
	if (a->by_shape || !q->method || strcmp(q->method, METHOD) != 0)
		return 0;
	return lens_schemes_parse(q, arena, &a->schemes, err);
}

/* A tensor being bound. */
struct job {
	const struct lens_codec_args *a;
	const struct lens_codec_site *site;
	const struct lens_tensor *w, *s; /* codes, scales */
	uint64_t shape[2];
	unsigned bits;
	uint64_t group;  /* columns of one */
	uint64_t groups; /* of a row */
	struct lens_stored *ret;
};

/* Beside "X_packed". */
static const struct lens_tensor *beside(const struct job *j, const char *suffix)
{
	return lens_codec_beside(j->site, j->w->name, strlen(SUFFIX), suffix);
}

/* What "X_shape" says; without it, as many columns as there are codes. */
static int find_shape(struct job *j, struct lens_err *err)
{
	const struct lens_tensor *t = beside(j, "_shape");
	lens_autofree int64_t *v = NULL;

	j->shape[0] = j->w->shape[0];
	if (!t && j->a->by_shape && 32 % j->bits == 0) {
		j->shape[1] = j->w->shape[1] * (32 / j->bits);
		return 0;
	}
	if (!t || (t->dtype != LENS_I64 && t->dtype != LENS_I32) ||
	    t->rank != 1 || t->shape[0] != 2)
		return lens_fail(err, EINVAL,
				 "tensor '%s': its shape (%.*s_shape, two "
				 "integers) is not there",
				 LENS_SHOW(j->w->name),
				 (int)(strlen(j->w->name) - strlen(SUFFIX)),
				 j->w->name);
	v = lens_codec_integers(j->site, t, 2, err);
	if (!v)
		return -err->code;
	if (v[0] < 0 || v[1] < 0 || (uint64_t)v[0] != j->w->shape[0] ||
	    v[1] >= INT64_C(1) << 40)
		return lens_codec_misfit(j->w, t, err, "says [%lld, %lld]",
					 (long long)v[0], (long long)v[1]);
	j->shape[1] = (uint64_t)v[1];
	j->ret->aside[0] = t;
	return 0;
}

/* The words must be as many as the codes need. */
static int check_words(const struct job *j, struct lens_err *err)
{
	const uint64_t need = (j->shape[1] * j->bits + 31) / 32;

	if (j->w->shape[1] != need)
		return lens_fail(err, EINVAL,
				 "tensor '%s' %s: %llu columns of %u bits, "
				 "densely packed, are %llu words",
				 LENS_SHOW(j->w->name), LENS_SHAPE(j->w),
				 (unsigned long long)j->shape[1], j->bits,
				 (unsigned long long)need);
	return 0;
}

/* Scales as many as there are; one dimension will do. */
static int place_by_shape(struct job *j, struct lens_companion *c,
			  struct lens_err *err)
{
	const struct lens_tensor *s = j->s;
	uint64_t n = s->rank ? 1 : 0;

	for (unsigned d = 0; d < s->rank; d++)
		n *= s->shape[d];
	j->groups = j->shape[0] ? n / j->shape[0] : 0;
	if (!n || !j->shape[0] || s->rank > 2 || n % j->shape[0] ||
	    j->shape[1] % j->groups ||
	    (s->rank == 2 && s->shape[0] != j->shape[0]))
		return lens_codec_misfit(j->w, s, err,
					 "does not divide %llu rows of %llu "
					 "columns into groups",
					 (unsigned long long)j->shape[0],
					 (unsigned long long)j->shape[1]);
	if (s->rank == 1) {
		const uint64_t shape[2] = { j->shape[0], j->groups };

		s = lens_codec_view(j->site, s, s->dtype, 2, shape, err);
		if (!s)
			return -err->code;
		lens_companion_init(c, s, LENS_SCALE);
	}
	j->group = j->shape[1] / j->groups;
	c->dim[0] = 0;
	c->dim[1] = 1;
	c->div[1] = j->group;
	return 0;
}

/* Zero points, packed along the rows. */
static int bind_zero(struct job *j, const struct lens_companion *scale,
		     const struct lens_tensor *z, struct lens_err *err)
{
	uint64_t *shape =
		lens_codec_alloc(j->site->arena, 2 * sizeof(*shape), err);
	struct lens_companion *c;

	if (!shape)
		return -err->code;
	shape[0] = j->shape[0];
	shape[1] = j->groups;
	if (z->dtype != LENS_I32 || z->rank != 2 ||
	    z->shape[0] != (shape[0] * j->bits + 31) / 32 ||
	    z->shape[1] != shape[1])
		return lens_codec_misfit(
			j->w, z, err, "must be I32 [%llu, %llu]",
			(unsigned long long)(shape[0] * j->bits + 31) / 32,
			(unsigned long long)shape[1]);
	c = lens_stored_add(j->ret, z, LENS_ZERO);
	c->packing = (struct lens_packing){ .bits = (uint8_t)j->bits };
	c->dtype = LENS_U8;
	c->add = -(float)(1 << (j->bits - 1));
	c->shape = shape;
	c->lookup = scale->lookup;
	c->in = scale->in;
	memcpy(c->dim, scale->dim, sizeof(c->dim));
	memcpy(c->div, scale->div, sizeof(c->div));
	return 0;
}

/* A group index that says something; -1 in it means that it does not. */
static int find_index(const struct job *j, const struct lens_tensor **ret,
		      struct lens_err *err)
{
	const struct lens_tensor *t = beside(j, "_g_idx");
	lens_autofree int64_t *v = NULL;
	bool plain;

	*ret = NULL;
	if (!t || t->dtype != LENS_I32 || t->rank != 1)
		return t ? lens_codec_misfit(j->w, t, err,
					     "must be I32, one a column") :
			   0;
	v = lens_codec_integers(j->site, t, (size_t)t->shape[0], err);
	if (!v)
		return -err->code;
	j->ret->aside[1] = t;
	for (uint64_t i = 0; i < t->shape[0]; i++)
		if (v[i] == -1)
			return 0;
	if (lens_group_index(j->site, t, j->shape[1], j->group, j->groups, true,
			     &plain, err) < 0)
		return -err->code;
	*ret = plain ? NULL : t;
	return 0;
}

/* Scales, and what goes with them. */
static int bind_companions(struct job *j, struct lens_err *err)
{
	struct lens_companion c, *scale;
	const struct lens_tensor *z = beside(j, "_zero_point"), *index;
	const struct lens_scheme *f = NULL;

	lens_companion_init(&c, j->s, LENS_SCALE);
	if (j->a->by_shape) {
		if (place_by_shape(j, &c, err) < 0)
			return -err->code;
	} else {
		f = lens_schemes_place(&j->a->schemes, true, j->bits, j->w,
				       j->shape, j->s, &c, err);
		if (!f)
			return -err->code;
		if (f->symmetric != !z)
			return lens_codec_misfit(
				j->w, j->s, err,
				"is of a scheme that is %ssymmetric, and there "
				"are %szero points",
				f->symmetric ? "" : "a", z ? "" : "no ");
		j->group = c.div[1];
		j->groups = j->s->rank == 2 ? j->s->shape[1] : 1;
		if (f->ordered && j->groups > 1 && !beside(j, "_g_idx"))
			return lens_codec_misfit(
				j->w, j->s, err,
				"is of a scheme with actorder, and the group "
				"index (_g_idx) is not there");
	}
	if (find_index(j, &index, err) < 0)
		return -err->code;
	if (index) {
		struct lens_companion *i =
			lens_stored_add(j->ret, index, LENS_LOOKUP);

		i->dim[0] = 1;
		i->groups = j->groups;
		lens_companion_look_up(&c, 1, 0);
	}
	scale = &j->ret->companion[j->ret->n_companions++];
	*scale = c;
	return z ? bind_zero(j, scale, z, err) : 0;
}

/* How many bits: as the recipe says, or the one scheme of which as many words
 * are needed. */
static int find_bits(struct job *j, struct lens_err *err)
{
	const struct lens_schemes *all = &j->a->schemes;
	unsigned fits = 0;

	j->bits = (unsigned)j->a->bits;
	if (find_shape(j, err) < 0)
		return -err->code;
	for (size_t i = 0; i < all->n; i++) {
		const unsigned bits = all->v[i].bits;

		if (!all->v[i].is_int)
			continue;
		if (!j->bits)
			j->bits = bits;
		if (j->w->shape[1] != (j->shape[1] * bits + 31) / 32)
			continue;
		if (fits && fits != bits)
			return lens_fail(err, EOPNOTSUPP,
					 "tensor '%s': it may be of %u or of "
					 "%u bits, by config_groups",
					 LENS_SHOW(j->w->name), fits, bits);
		j->bits = fits = bits;
	}
	return j->bits ? 0 :
			 lens_fail(err, EINVAL,
				   "tensor '%s': no config_groups of "
				   "quantization_config has integers",
				   LENS_SHOW(j->w->name));
}

static int describe(struct job *j, struct lens_err *err)
{
	struct lens_stored *ret = j->ret;
	const unsigned half = 1u << (j->bits - 1);

	ret->key = lens_codec_key(j->site, j->w->name, strlen(SUFFIX), "", err);
	if (!ret->key ||
	    lens_stored_pack(ret, j->site, j->bits, 1, j->shape[1], err) < 0)
		return -err->code;
	if (j->bits <= 4)
		ret->values = lens_codec_counting(j->site, half, err);
	else
		ret->zero = (float)half;
	if (j->bits <= 4 && !ret->values)
		return -err->code;
	ret->via = j->a->via_f32 ? LENS_DTYPE_INVALID : j->s->dtype;
	return bind_companions(j, err);
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	struct job j = { .a = a, .site = site, .w = w, .ret = ret };

	if (w->dtype != LENS_I32 || !lens_ends_with(w->name, SUFFIX))
		return 0;
	j.s = beside(&j, "_scale");
	if (!j.s)
		return 0;
	if (!lens_is_scale_dtype(j.s->dtype) || w->rank != 2)
		return lens_codec_misfit(w, j.s, err,
					 "must be F32, BF16 or F16, and beside "
					 "two dimensions");
	lens_stored_init(ret, &lens_codec_packed, site, w);
	if (find_bits(&j, err) < 0 || check_words(&j, err) < 0 ||
	    describe(&j, err) < 0)
		return -err->code;
	return 1;
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	static const char *const with[] = { "_scale", "_shape", "_zero_point",
					    "_g_idx" },
				 *const own[] = { ".weight_shape",
						  ".weight_zero_point",
						  ".weight_g_idx" };

	if (t->dtype == LENS_I32 && lens_ends_with(t->name, SUFFIX))
		return lens_codec_lone(a->half.unscaled, t,
				       "is packed integers and has no scale",
				       err);
	for (size_t i = 0; i < LENS_ARRAY_SIZE(with); i++) {
		const struct lens_tensor *w;

		if (!lens_ends_with(t->name, with[i]))
			continue;
		w = lens_codec_beside(site, t->name, strlen(with[i]), SUFFIX);
		if ((w && w->dtype == LENS_I32) ||
		    (i && lens_ends_with(t->name, own[i - 1])))
			return lens_codec_lone(a->half.lone, t,
					       "is without its codes or its "
					       "scale",
					       err);
	}
	return 0;
}

const struct lens_codec lens_codec_packed = {
	.name = "packed",
	.summary =
		"integers of 2 to 8 bits in words, by channel or group, with "
		"zero points or without",
	.options = options,
	.methods = methods,
	.parse = parse,
	.configure = configure,
	.bind = bind,
	.left = left,
};

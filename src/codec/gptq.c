/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gptq.c - integers of 2, 3, 4 or 8 bits, packed down the rows of a weight that
 * is stored turned.
 *
 *	X.qweight	I32 [K bits / 32, M]
 *	X.qzeros	I32 [groups, M bits / 32]
 *	X.scales	F16 [groups, M]
 *	X.g_idx		I32 [K]: the group of each row, or not there
 *
 * X.weight [M, K] is out(F16((q - z) * scale)).  Version 1 stores z - 1; what
 * it makes of z - 1 being all ones, where z has a bit too many, differs among
 * implementations: refused.
 */
#include "codec/codecs.h"

#include <errno.h>

#define SUFFIX ".qweight"

struct lens_codec_args {
	struct lens_halves half;
	uint64_t bits;  /* 0: not known */
	uint64_t group; /* 0: one */
	bool v2;
	bool ordered; /* desc_act: groups are not runs of columns */
};

static const char *const methods[] = { "gptq", NULL };

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	*ret = lens_halves_new(o, arena, sizeof(**ret), err);
	return *ret ? 0 : -err->code;
}

static int configure(struct lens_codec_args *a, const struct lens_quant *q,
		     struct lens_arena *arena, struct lens_err *err)
{
	const cJSON *bits = cJSON_GetObjectItemCaseSensitive(q->config, "bits"),
		    *group = cJSON_GetObjectItemCaseSensitive(q->config,
							      "group_size"),
		    *format = cJSON_GetObjectItemCaseSensitive(
			    q->config, "checkpoint_format");
	const char *name = cJSON_GetStringValue(format);

	(void)arena;
	if (!q->method || strcmp(q->method, "gptq") != 0)
		return 0;
	if (lens_json_u64(bits, &a->bits) < 0 ||
	    (a->bits != 2 && a->bits != 3 && a->bits != 4 && a->bits != 8))
		return lens_fail(err, EOPNOTSUPP,
				 "%s.bits must be 2, 3, 4 or 8", q->where);
	if (!(cJSON_IsNumber(group) && group->valuedouble == -1) &&
	    (lens_json_u64(group, &a->group) < 0 || !a->group))
		return lens_fail(err, EINVAL,
				 "%s.group_size must be a number over 0, or -1",
				 q->where);
	a->ordered = cJSON_IsTrue(
		cJSON_GetObjectItemCaseSensitive(q->config, "desc_act"));
	a->v2 = name && strcmp(name, "gptq_v2") == 0;
	if (format && !cJSON_IsNull(format) && !a->v2 &&
	    (!name || strcmp(name, "gptq") != 0))
		return lens_fail(err, EOPNOTSUPP,
				 "%s.checkpoint_format is '%s'; 'gptq' and "
				 "'gptq_v2' can be read",
				 q->where, name ? LENS_SHOW(name) : "");
	return 0;
}

struct job {
	const struct lens_codec_args *a;
	const struct lens_codec_site *site;
	const struct lens_tensor *w, *s, *z; /* codes, scales, zero points */
	uint64_t k, m, group, groups;
	struct lens_stored *ret;
};

static const struct lens_tensor *beside(const struct job *j, const char *suffix)
{
	return lens_codec_beside(j->site, j->w->name, strlen(SUFFIX), suffix);
}

/* Four tensors that must agree with one another, and with the config. */
static int check_shapes(struct job *j, struct lens_err *err)
{
	const uint64_t bits = j->a->bits;

	if (j->w->rank != 2 || !lens_is_scale_dtype(j->s->dtype))
		return lens_codec_misfit(j->w, j->s, err,
					 "must be F16, BF16 or F32, and beside "
					 "two dimensions");
	j->k = j->w->shape[0] * 32 / bits;
	j->m = j->w->shape[1];
	j->group = j->a->group ? j->a->group : j->k ? j->k : 1;
	j->groups = lens_groups(j->k, j->group);
	if (j->w->shape[0] * 32 % bits || j->m * bits % 32)
		return lens_fail(err, EINVAL,
				 "tensor '%s' %s: codes of %llu bits do not "
				 "fill its words",
				 LENS_SHOW(j->w->name), LENS_SHAPE(j->w),
				 (unsigned long long)bits);
	if (j->s->rank != 2 || j->s->shape[0] != j->groups ||
	    j->s->shape[1] != j->m)
		return lens_codec_misfit(
			j->w, j->s, err, "must be [%llu, %llu]: groups of %llu",
			(unsigned long long)j->groups, (unsigned long long)j->m,
			(unsigned long long)j->group);
	if (j->z->dtype != LENS_I32 || j->z->rank != 2 ||
	    j->z->shape[0] != j->groups || j->z->shape[1] != j->m * bits / 32)
		return lens_codec_misfit(
			j->w, j->z, err, "must be I32 [%llu, %llu]",
			(unsigned long long)j->groups,
			(unsigned long long)(j->m * bits / 32));
	return 0;
}

/* No zero point of version 1 is all ones. */
static int check_zeros(const struct job *j, const struct lens_companion *c,
		       struct lens_err *err)
{
	enum { ROOM = 64 << 10 };
	lens_autofree uint8_t *raw = malloc(ROOM + 64),
			      *code = malloc(ROOM * 4 + 64);
	const uint8_t ones = (uint8_t)((1u << c->packing.bits) - 1);
	/* As many whole words at once as there is room for. */
	const uint64_t words = j->z->size / 4, step = ROOM / 4 / 3 * 3;

	if (!raw || !code)
		return lens_fail(err, ENOMEM, "no memory for zero points");
	for (uint64_t i = 0; i < words; i += step) {
		const uint64_t n = words - i < step ? words - i : step;
		const uint64_t origin = 0, count = n * 32 / c->packing.bits;

		if (lens_ckpt_read(j->site->ckpt, j->z, i * 4, (size_t)n * 4,
				   raw, err) < 0)
			return -err->code;
		lens_unpack(&(struct lens_packing){ .bits = c->packing.bits },
			    1, &origin, &count, raw, code);
		if (memchr(code, ones, (size_t)count))
			return lens_fail(
				err, EOPNOTSUPP,
				"tensor '%s': a stored zero point is %u, of "
				"which implementations make different things",
				LENS_SHOW(j->z->name), ones);
	}
	return 0;
}

/* By row, or by what the index says; and by column. */
static void place(const struct job *j, struct lens_companion *c, bool looked_up)
{
	c->dim[0] = 0;
	c->div[0] = j->group;
	c->dim[1] = 1;
	if (looked_up)
		lens_companion_look_up(c, 0, 0);
}

static int bind_companions(struct job *j, struct lens_err *err)
{
	const struct lens_tensor *index = beside(j, ".g_idx");
	struct lens_companion *c;
	bool plain = true;

	if (!index && j->a->ordered && j->groups > 1)
		return lens_fail(err, EINVAL,
				 "tensor '%s': config.json says desc_act, and "
				 "its .g_idx is not there",
				 LENS_SHOW(j->w->name));
	if (index && lens_group_index(j->site, index, j->k, j->group, j->groups,
				      false, &plain, err) < 0)
		return -err->code;
	j->ret->aside[0] = index;
	if (!plain) {
		c = lens_stored_add(j->ret, index, LENS_LOOKUP);
		c->dim[0] = 0;
		c->groups = j->groups;
	}
	place(j, lens_stored_add(j->ret, j->s, LENS_SCALE), !plain);
	c = lens_stored_add(j->ret, j->z, LENS_ZERO);
	place(j, c, !plain);
	c->tensor = lens_codec_bytes(j->site, j->z, err);
	if (!c->tensor)
		return -err->code;
	c->packing =
		(struct lens_packing){ .bits = (uint8_t)j->a->bits, .dim = 1 };
	c->dtype = LENS_U8;
	c->add = j->a->v2 ? 0 : 1;
	c->shape = j->s->shape;
	return j->a->v2 ? 0 : check_zeros(j, c, err);
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	struct job j = { .a = a, .site = site, .w = w, .ret = ret };

	if (w->dtype != LENS_I32 || !lens_ends_with(w->name, SUFFIX) ||
	    !a->bits)
		return 0;
	j.s = beside(&j, ".scales");
	j.z = beside(&j, ".qzeros");
	if (!j.s || !j.z)
		return 0;
	if (check_shapes(&j, err) < 0)
		return -err->code;
	lens_stored_init(ret, &lens_codec_gptq, site, w);
	ret->key =
		lens_codec_key(site, w->name, strlen(SUFFIX), ".weight", err);
	if (!ret->key ||
	    lens_stored_pack(ret, site, (unsigned)a->bits, 0, j.k, err) < 0)
		return -err->code;
	ret->turned = true;
	ret->via = j.s->dtype;
	if (a->bits <= 4)
		ret->values = lens_codec_counting(site, 0, err);
	if (a->bits <= 4 && !ret->values)
		return -err->code;
	return bind_companions(&j, err) < 0 ? -err->code : 1;
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	static const char *const with[] = { ".qzeros", ".scales", ".g_idx" };

	if (t->dtype == LENS_I32 && lens_ends_with(t->name, SUFFIX))
		return lens_codec_lone(a->half.unscaled, t,
				       "is packed integers, and their scales "
				       "and zero points are not there, or "
				       "config.json says nothing of them",
				       err);
	for (size_t i = 0; site->quant.method && i < LENS_ARRAY_SIZE(with); i++)
		if (lens_ends_with(t->name, with[i]))
			return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	return 0;
}

const struct lens_codec lens_codec_gptq = {
	.name = "gptq",
	.summary = "GPTQ: integers of 2, 3, 4 or 8 bits down the rows, zero "
		   "points, versions 1 and 2",
	.options = lens_halves_options,
	.methods = methods,
	.parse = parse,
	.configure = configure,
	.bind = bind,
	.left = left,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awq.c - integers of 4 bits along the columns of a weight that is stored
 * turned, eight a word in the order 0 2 4 6 1 3 5 7 (AWQ's "gemm").
 *
 *	X.qweight	I32 [K, M/8]
 *	X.qzeros	I32 [groups, M/8]
 *	X.scales	F16 [groups, M]
 *
 * X.weight [M, K] is out(F16((q - z) * scale)).
 */
#include "codec/codecs.h"

#include <errno.h>
#include <strings.h>

#define SUFFIX ".qweight"
#define CODES 8 /* of a word */

struct lens_codec_args {
	struct lens_halves half;
	bool known;     /* config.json says that it is AWQ */
	uint64_t group; /* 0: one */
};

static const char *const methods[] = { "awq", NULL };

static int parse(const cJSON *o, struct lens_arena *arena,
		 struct lens_codec_args **ret, struct lens_err *err)
{
	*ret = lens_halves_new(o, arena, sizeof(**ret), err);
	return *ret ? 0 : -err->code;
}

static int configure(struct lens_codec_args *a, const struct lens_quant *q,
		     struct lens_arena *arena, struct lens_err *err)
{
	const cJSON *c = q->config;
	const cJSON *group = cJSON_GetObjectItemCaseSensitive(c, "group_size"),
		    *version = cJSON_GetObjectItemCaseSensitive(c, "version");
	uint64_t bits = 4;

	(void)arena;
	if (!q->method || strcmp(q->method, "awq") != 0)
		return 0;
	a->known = true;
	if (cJSON_HasObjectItem(c, "bits") &&
	    (lens_json_u64(cJSON_GetObjectItemCaseSensitive(c, "bits"), &bits) <
		     0 ||
	     bits != 4))
		return lens_fail(err, EOPNOTSUPP, "%s.bits must be 4",
				 q->where);
	if (cJSON_IsString(version) &&
	    strcasecmp(version->valuestring, "gemm") != 0)
		return lens_fail(err, EOPNOTSUPP,
				 "%s.version is '%s'; 'gemm' can be read",
				 q->where, LENS_SHOW(version->valuestring));
	if (!(cJSON_IsNumber(group) && group->valuedouble == -1) &&
	    (lens_json_u64(group, &a->group) < 0 || !a->group))
		return lens_fail(err, EINVAL,
				 "%s.group_size must be a number over 0, or -1",
				 q->where);
	return 0;
}

/* Are they [groups, columns]? */
static bool is_shape(const struct lens_tensor *t, uint64_t groups,
		     uint64_t columns)
{
	return t->rank == 2 && t->shape[0] == groups && t->shape[1] == columns;
}

static void place(struct lens_companion *c, uint64_t group)
{
	c->dim[0] = 0;
	c->div[0] = group;
	c->dim[1] = 1;
}

static int describe(const struct lens_codec_args *a,
		    const struct lens_codec_site *site,
		    const struct lens_tensor *s, const struct lens_tensor *z,
		    struct lens_stored *ret, struct lens_err *err)
{
	const uint64_t k = ret->weight->shape[0];
	const uint64_t group = a->group ? a->group : k ? k : 1;
	struct lens_companion *c;

	if (lens_stored_pack(ret, site, 4, 1, s->shape[1], err) < 0)
		return -err->code;
	ret->packing.interleaved = true;
	ret->turned = true;
	ret->via = s->dtype;
	ret->values = lens_codec_counting(site, 0, err);
	place(lens_stored_add(ret, s, LENS_SCALE), group);
	c = lens_stored_add(ret, z, LENS_ZERO);
	place(c, group);
	c->tensor = lens_codec_bytes(site, z, err);
	if (!c->tensor || !ret->values)
		return -err->code;
	c->packing = ret->packing;
	c->dtype = LENS_U8;
	c->shape = s->shape;
	return 1;
}

static int bind(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *w,
		struct lens_stored *ret, struct lens_err *err)
{
	const size_t cut = strlen(SUFFIX);
	const struct lens_tensor *s, *z;
	uint64_t groups;

	if (w->dtype != LENS_I32 || !lens_ends_with(w->name, SUFFIX) ||
	    !a->known)
		return 0;
	s = lens_codec_beside(site, w->name, cut, ".scales");
	z = lens_codec_beside(site, w->name, cut, ".qzeros");
	if (!s || !z)
		return 0;
	if (w->rank != 2 || !lens_is_scale_dtype(s->dtype))
		return lens_codec_misfit(w, s, err,
					 "must be F16, BF16 or F32, and beside "
					 "two dimensions");
	groups = a->group ? lens_groups(w->shape[0], a->group) : 1;
	if (!is_shape(s, groups, w->shape[1] * CODES))
		return lens_codec_misfit(
			w, s, err, "must be [%llu, %llu]",
			(unsigned long long)groups,
			(unsigned long long)(w->shape[1] * CODES));
	if (z->dtype != LENS_I32 || !is_shape(z, groups, w->shape[1]))
		return lens_codec_misfit(w, z, err, "must be I32 [%llu, %llu]",
					 (unsigned long long)groups,
					 (unsigned long long)w->shape[1]);
	lens_stored_init(ret, &lens_codec_awq, site, w);
	ret->key = lens_codec_key(site, w->name, cut, ".weight", err);
	return ret->key ? describe(a, site, s, z, ret, err) : -err->code;
}

static int left(const struct lens_codec_args *a,
		const struct lens_codec_site *site, const struct lens_tensor *t,
		struct lens_err *err)
{
	(void)site;
	if (!a->known)
		return 0;
	if (lens_ends_with(t->name, SUFFIX))
		return lens_codec_lone(a->half.unscaled, t,
				       "is packed integers and has no scales "
				       "or no zero points",
				       err);
	if (lens_ends_with(t->name, ".qzeros") ||
	    lens_ends_with(t->name, ".scales"))
		return lens_codec_lone(a->half.lone, t, LENS_LOST, err);
	return 0;
}

const struct lens_codec lens_codec_awq = {
	.name = "awq",
	.summary = "AWQ (gemm): integers of 4 bits along the columns, zero "
		   "points",
	.options = lens_halves_options,
	.methods = methods,
	.parse = parse,
	.configure = configure,
	.bind = bind,
	.left = left,
};

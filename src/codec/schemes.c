/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schemes.c - compressed-tensors describes its weights by groups of modules,
 * found by class names that a checkpoint does not hold.  So a tensor is of the
 * scheme that its dtypes and shapes fit; where several do and mean different
 * things, it is refused.
 */
#include "codec/codecs.h"

#include <errno.h>
#include <stdio.h>

static const cJSON *member(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNull(v) ? NULL : v;
}

/* [128, 128], or "128x128" in older ones. */
static int parse_block(const cJSON *item, uint64_t ret[2], struct lens_err *err)
{
	unsigned long long r, c;
	char rest;

	if (cJSON_IsString(item) &&
	    sscanf(item->valuestring, "%9llux%9llu%c", &r, &c, &rest) == 2 &&
	    r && c) {
		ret[0] = r;
		ret[1] = c;
		return 0;
	}
	return lens_option_pair(item, ret, err);
}

static int parse_strategy(const cJSON *w, struct lens_scheme *s,
			  struct lens_err *err)
{
	static const struct {
		const char *name;
		int by;
	} names[] = {
		{ "tensor", BY_TENSOR }, { "channel", BY_CHANNEL },
		{ "group", BY_GROUP },   { "tensor_group", BY_GROUP },
		{ "block", BY_BLOCK },
	};
	const cJSON *group = member(w, "group_size"),
		    *name = member(w, "strategy");
	const bool one = group && group->valuedouble == -1;
	size_t i = 0;

	s->size[0] = s->size[1] = 1;
	if (!name) {
		s->by = one ? BY_CHANNEL : group ? BY_GROUP : BY_TENSOR;
	} else {
		while (i < LENS_ARRAY_SIZE(names) &&
		       (!cJSON_IsString(name) ||
			strcmp(names[i].name, name->valuestring) != 0))
			i++;
		if (i == LENS_ARRAY_SIZE(names))
			return lens_fail(err, EOPNOTSUPP,
					 "strategy '%s' is not known",
					 cJSON_IsString(name) ?
						 LENS_SHOW(name->valuestring) :
						 "");
		s->by = names[i].by;
	}
	if (s->by == BY_GROUP &&
	    (lens_json_u64(group, &s->size[1]) < 0 || !s->size[1]))
		return lens_fail(err, EINVAL, "it has no group_size");
	if (s->by == BY_BLOCK &&
	    parse_block(member(w, "block_structure"), s->size, err) < 0)
		return lens_wrap(err, "block_structure");
	return 0;
}

static int parse_one(const cJSON *w, struct lens_scheme *s,
		     struct lens_err *err)
{
	const char *type = cJSON_GetStringValue(member(w, "type"));
	const char *order = cJSON_GetStringValue(member(w, "actorder"));
	const cJSON *symmetric = member(w, "symmetric");
	uint64_t bits = 8;

	s->is_int = !type || strcmp(type, "int") == 0;
	if (type && !s->is_int && strcmp(type, "float") != 0)
		return lens_fail(err, EOPNOTSUPP, "type '%s' is not known",
				 LENS_SHOW(type));
	if (member(w, "num_bits") &&
	    (lens_json_u64(member(w, "num_bits"), &bits) < 0 || bits < 2 ||
	     bits > 8))
		return lens_fail(err, EOPNOTSUPP,
				 "num_bits is no number from 2 to 8");
	s->bits = (unsigned)bits;
	s->symmetric = !symmetric || cJSON_IsTrue(symmetric);
	s->ordered = order && strcmp(order, "group") == 0;
	return parse_strategy(w, s, err);
}

int lens_schemes_parse(const struct lens_quant *q, struct lens_arena *arena,
		       struct lens_schemes *ret, struct lens_err *err)
{
	const cJSON *groups = member(q->config, "config_groups"), *g;
	struct lens_scheme *v;

	v = lens_codec_alloc(
		arena, ((size_t)cJSON_GetArraySize(groups) + 1) * sizeof(*v),
		err);
	if (!v)
		return -err->code;
	ret->v = v;
	cJSON_ArrayForEach (g, groups) {
		const cJSON *w = member(g, "weights");

		if (!cJSON_IsObject(g))
			return lens_fail(err, EOPNOTSUPP,
					 "%s.config_groups: '%s' names a "
					 "scheme and does not describe it",
					 q->where, LENS_SHOW(g->string));
		if (!cJSON_IsObject(w))
			continue;
		if (parse_one(w, &v[ret->n], err) < 0)
			return lens_wrap(err, "%s.config_groups.%s.weights",
					 q->where, LENS_SHOW(g->string));
		ret->n++;
	}
	return 0;
}

/* Does @s have @rows x @cols elements (of one column, one dimension will do)?
 */
static bool is_shape(const struct lens_tensor *s, uint64_t rows, uint64_t cols)
{
	if (s->rank == 1 && cols == 1)
		return s->shape[0] == rows;
	return s->rank == 2 && s->shape[0] == rows && s->shape[1] == cols;
}

/* Place @c as scheme @f has it; false: the shapes do not fit. */
static bool place(const struct lens_scheme *f, unsigned rank,
		  const uint64_t *shape, const struct lens_tensor *s,
		  struct lens_companion *c)
{
	uint64_t n = 1, div[2] = { 1, f->size[1] };

	for (unsigned d = 0; d < s->rank; d++)
		n *= s->shape[d];
	if (f->by == BY_TENSOR)
		return n == 1;
	if (rank != 2)
		return false;
	if (f->by == BY_CHANNEL)
		div[1] = shape[1] ? shape[1] : 1;
	if (f->by == BY_BLOCK)
		div[0] = f->size[0];
	if (!is_shape(s, lens_groups(shape[0], div[0]),
		      lens_groups(shape[1], div[1])))
		return false;
	for (unsigned d = 0; d < s->rank; d++) {
		c->dim[d] = (int8_t)d;
		c->div[d] = div[d];
	}
	return true;
}

const struct lens_scheme *
lens_schemes_place(const struct lens_schemes *all, bool is_int, unsigned bits,
		   const struct lens_tensor *w, const uint64_t *shape,
		   const struct lens_tensor *s, struct lens_companion *c,
		   struct lens_err *err)
{
	const struct lens_scheme *found = NULL;
	const struct lens_companion before = *c;

	for (size_t i = 0; i < all->n; i++) {
		const struct lens_scheme *f = &all->v[i];
		struct lens_companion one = before;

		if (f->is_int != is_int || (bits && f->bits != bits) ||
		    !place(f, w->rank, shape, s, &one))
			continue;
		if (found && (memcmp(one.dim, c->dim, sizeof(one.dim)) != 0 ||
			      memcmp(one.div, c->div, sizeof(one.div)) != 0 ||
			      f->symmetric != found->symmetric ||
			      f->bits != found->bits)) {
			(void)lens_codec_misfit(
				w, s, err,
				"fits several of quantization_config's "
				"config_groups");
			return NULL;
		}
		found = f;
		*c = one;
	}
	if (!found)
		(void)lens_codec_misfit(w, s, err,
					"fits none of quantization_config's "
					"config_groups");
	return found;
}

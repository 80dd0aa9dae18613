/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_source.h - plans of random checkpoints, and their bytes by every way
 * there is to read them.
 */
#ifndef LENS_TEST_PLAN_SOURCE_H
#define LENS_TEST_PLAN_SOURCE_H

#include "model_source.h"

struct opened {
	struct lens_ckpt *ckpt;
	struct lens_recipe *recipe;
	struct lens_plan *plan;
	struct lens_notes notes;
};

static inline int try_open(struct model *m, const char *recipe,
			   const struct lens_plan_opts *opts, struct opened *o,
			   struct lens_err *err)
{
	const struct lens_ckpt_opts ck = { 0 };
	int r;

	*o = (struct opened){ 0 };
	r = lens_ckpt_open(m->dir, &ck, &o->notes, &o->ckpt, err);
	if (r == 0 && recipe[0] == '{')
		r = lens_recipe_parse(recipe, strlen(recipe), "test",
				      &o->recipe, err);
	else if (r == 0)
		r = lens_recipe_open(recipe, &o->recipe, err);
	if (r == 0)
		r = lens_plan_compile(o->ckpt, o->recipe, opts, &o->notes,
				      &o->plan, err);
	return r;
}

static inline void shut(struct opened *o)
{
	lens_plan_free(o->plan);
	lens_recipe_free(o->recipe);
	lens_ckpt_close(o->ckpt);
	lens_notes_fini(&o->notes);
}

static const struct lens_plan_opts plain = { .dtype = LENS_DTYPE_INVALID };

static inline void must_open(struct model *m, const char *recipe,
			     struct opened *o)
{
	struct lens_err err;

	ck_assert_msg(try_open(m, recipe, &plain, o, &err) == 0, "%s", err.msg);
}

/* All of output @key, made by lens_plan_read in random pieces. */
static inline unsigned char *
read_all(struct model *m, const struct lens_plan *p, const char *key, size_t *n)
{
	const uint32_t i = lens_plan_find(p, key);
	unsigned char *all, *again;
	struct lens_err err;

	ck_assert_msg(i != LENS_NONE, "%s", key);
	*n = (size_t)lens_plan_at(p, i)->t.size;
	all = malloc(*n + 1);
	again = malloc(*n + 1);
	ck_assert_msg(lens_plan_read(p, i, 0, *n, all, &err) == 0, "%s",
		      err.msg);
	for (unsigned k = 0; *n && k < 60; k++) {
		size_t off = model_random(m) % *n,
		       len = 1 + model_random(m) % (k % 2 ? 40 : *n);

		len = len < *n - off ? len : *n - off;
		memset(again, 0xa5, *n + 1);
		ck_assert_msg(lens_plan_read(p, i, off, len, again, &err) == 0,
			      "%s", err.msg);
		ck_assert_msg(memcmp(again, all + off, len) == 0,
			      "%s: [%zu, +%zu)", key, off, len);
		ck_assert_uint_eq(again[len], 0xa5);
	}
	free(again);
	return all;
}

/* The same bytes by way of panels of at most @max, strips in any order. */
static inline unsigned check_panels(struct model *m, const struct lens_plan *p,
				    const char *key, const unsigned char *all,
				    size_t max)
{
	const uint32_t i = lens_plan_find(p, key);
	const uint64_t size = lens_plan_at(p, i)->t.size;
	struct lens_panel panel;
	struct lens_err err;
	unsigned count = 0;

	for (uint64_t off = 0;
	     off < size && lens_plan_panel(p, i, off, max, &panel);
	     off = panel.off + panel.n) {
		unsigned char *mem = malloc(panel.size),
			      *buf = malloc(panel.n + 1);

		ck_assert_uint_eq(panel.off, off);
		ck_assert_uint_le(panel.size, max);
		ck_assert_uint_eq(panel.index, count);
		memset(mem, 0xee, panel.size);
		for (unsigned s = panel.n_strips; s-- > 0;)
			ck_assert_msg(lens_plan_fill(p, &panel, s, mem, &err) ==
					      0,
				      "%s", err.msg);
		for (unsigned k = 0; k < 20; k++) {
			uint64_t at = k ? model_random(m) % panel.n : 0,
				 n = k ? 1 + model_random(m) % panel.n :
					 panel.n;

			n = n < panel.n - at ? n : panel.n - at;
			buf[n] = 0xa5;
			ck_assert_msg(lens_plan_take(p, &panel, mem, off + at,
						     n, buf, &err) == 0,
				      "%s", err.msg);
			ck_assert_msg(memcmp(buf, all + off + at, n) == 0,
				      "%s: panel %u", key, count);
			ck_assert_uint_eq(buf[n], 0xa5);
		}
		free(mem);
		free(buf);
		count++;
	}
	return count;
}

static inline uint16_t u16_at(const unsigned char *p, size_t i)
{
	uint16_t v;

	memcpy(&v, p + 2 * i, 2);
	return v;
}

static inline float f32_at(const unsigned char *p, size_t i)
{
	float v;

	memcpy(&v, p + 4 * i, 4);
	return v;
}

#endif

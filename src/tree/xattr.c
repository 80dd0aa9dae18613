/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr.c - the extended attributes: where a file of the view comes from.
 */
#include "tree/tree.h"

#include <errno.h>

/* What an attribute may hold, less a line that says how much more. */
#define MOST (65536u - 64)

/* What a number is, as far as attributes go. */
struct subject {
	const struct lens_view *v;
	const struct lens_node *node; /* of a file of the view, or NULL */
	const struct lens_tensor *t;  /* of one of a tensor's files, or NULL */
	uint32_t out;                 /* that tensor */
};

/* The plan's lines for what is in weight file @w, as many as there is room
 * for. */
static void plan_of_weights(const struct lens_view *v,
			    const struct lens_weight *w, struct lens_buf *out)
{
	for (size_t k = 0; k < w->n; k++) {
		const size_t before = out->n;

		lens_text_plan_line(v, w->order[k], out);
		if (out->n <= MOST || out->failed)
			continue;
		out->n = before;
		lens_buf_printf(out, "and %zu more\n", w->n - k);
		return;
	}
}

static bool put_plan(const struct subject *s, struct lens_buf *out)
{
	const struct lens_view *v = s->v;

	if (s->t)
		lens_plan_describe(v->plan, s->out, out);
	else if (s->node->kind == LENS_NODE_WEIGHTS)
		plan_of_weights(v, &v->layout.files[s->node->index], out);
	else if (s->node->kind == LENS_NODE_INDEX)
		lens_buf_printf(out, "index of %zu tensors in %zu files",
				lens_plan_count(v->plan), v->layout.n_files);
	else if (s->node->kind == LENS_NODE_CONFIG)
		lens_buf_puts(out, "the source's, without quantization_config "
				   "and compression_config");
	else
		return false;
	return true;
}

static bool put_recipe(const struct subject *s, struct lens_buf *out)
{
	if (s->node && s->node->kind == LENS_NODE_EXTRA)
		return false;
	lens_buf_puts(out, s->v->recipe->name);
	return true;
}

/* The file that passes through, or the folder that the rest is made of. */
static bool put_source(const struct subject *s, struct lens_buf *out)
{
	const struct lens_ckpt *dress = lens_view_dress(s->v);

	if (!s->node)
		return false;
	if (s->node->kind != LENS_NODE_EXTRA) {
		lens_buf_puts(out, lens_view_source(s->v));
		return true;
	}
	lens_buf_puts(out, s->v->like ? lens_ckpt_path(dress) :
					lens_view_source(s->v));
	lens_buf_printf(out, "/%s",
			lens_ckpt_extra(dress, s->node->index)->file.name);
	return true;
}

static bool put_key(const struct subject *s, struct lens_buf *out)
{
	if (s->t)
		lens_buf_puts(out, s->t->name);
	return s->t != NULL;
}

static bool put_dtype(const struct subject *s, struct lens_buf *out)
{
	if (s->t)
		lens_buf_puts(out, lens_dtype_name(s->t->dtype));
	return s->t != NULL;
}

static bool put_shape(const struct subject *s, struct lens_buf *out)
{
	if (s->t)
		lens_text_shape(out, s->t);
	return s->t != NULL;
}

/* false: the subject has none. */
static const struct {
	const char *name;
	bool (*put)(const struct subject *s, struct lens_buf *out);
} attributes[] = {
	{ "user.lens.dtype", put_dtype }, { "user.lens.key", put_key },
	{ "user.lens.plan", put_plan },   { "user.lens.recipe", put_recipe },
	{ "user.lens.shape", put_shape }, { "user.lens.source", put_source },
};

/* 0, -ENOENT, -ENOMEM; -ENODATA: it has no attributes. */
static int subject_of(const struct lens_view *v, uint64_t ino,
		      struct subject *ret)
{
	struct lens_spot spot;
	int r;

	*ret = (struct subject){ .v = v };
	if (ino - 1 < v->nodes.n) {
		ret->node = &v->nodes.v[ino - 1];
		return ret->node->kind == LENS_NODE_FOLDER ? -ENODATA : 0;
	}
	r = lens_inspect_spot(v, ino, &spot);
	if (r < 0)
		return r;
	if (spot.top != LENS_AT_TENSORS || spot.file == LENS_AT_FOLDER)
		return -ENODATA;
	ret->out = spot.out;
	ret->t = &lens_plan_at(v->plan, spot.out)->t;
	return 0;
}

int lens_tree_xattr(const struct lens_view *v, uint64_t ino, const char *name,
		    struct lens_buf *out)
{
	struct subject s;
	int r = subject_of(v, ino, &s);

	for (size_t i = 0; r == 0 && i < LENS_ARRAY_SIZE(attributes); i++)
		if (strcmp(attributes[i].name, name) == 0 &&
		    attributes[i].put(&s, out))
			return out->failed ? -ENOMEM : 0;
	return r < 0 ? r : -ENODATA;
}

int lens_tree_xattrs(const struct lens_view *v, uint64_t ino,
		     struct lens_buf *out)
{
	struct subject s;
	int r = subject_of(v, ino, &s);

	for (size_t i = 0; r == 0 && i < LENS_ARRAY_SIZE(attributes); i++) {
		LENS_CLEANUP(lens_buf_fini) struct lens_buf value = { 0 };

		if (attributes[i].put(&s, &value))
			lens_buf_add(out, attributes[i].name,
				     strlen(attributes[i].name) + 1);
	}
	if (r < 0 && r != -ENODATA)
		return r;
	return out->failed ? -ENOMEM : 0;
}

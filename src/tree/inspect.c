/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - the nodes of .lens.
 *
 * Their numbers follow those of the view: .lens, its files, tensors, and then
 * PER numbers for each folder below tensors: the folder and its files.
 * Nothing is kept for what is merely listed but the tree of the keys' parts,
 * which is made when somebody first looks below tensors.
 */
#include "tree/tree.h"

#include <errno.h>

static const char *const top_names[LENS_AT_TOPS] = {
	[LENS_AT_TOP] = ".lens",          [LENS_AT_README] = "README",
	[LENS_AT_PLAN] = "plan",          [LENS_AT_KEYS] = "keys",
	[LENS_AT_RECIPE] = "recipe.json", [LENS_AT_STATS] = "stats",
	[LENS_AT_TENSORS] = "tensors",
};

#define PER 8
static const char *const file_names[LENS_AT_FILES] = {
	[LENS_AT_INFO] = "info",
	[LENS_AT_SUMMARY] = "summary",
	[LENS_AT_NPY] = "data.npy",
	[LENS_AT_RAW] = "raw",
};

static int make_segments(const struct lens_view *v)
{
	struct lens_inspect *x = v->inspect;
	int r = 0;

	if (atomic_load_explicit(&x->segmented, memory_order_acquire))
		return 0;
	(void)pthread_mutex_lock(&x->lock);
	if (!atomic_load_explicit(&x->segmented, memory_order_relaxed)) {
		r = lens_segments_make(v->plan, &x->segments);
		atomic_store_explicit(&x->segmented, r == 0,
				      memory_order_release);
	}
	(void)pthread_mutex_unlock(&x->lock);
	return r;
}

static const struct lens_segment *segment_at(const struct lens_view *v,
					     uint32_t i)
{
	return &v->inspect->segments.v[i];
}

static bool has_file(const struct lens_view *v, uint32_t out, unsigned file)
{
	return file == LENS_AT_INFO || file == LENS_AT_RAW ||
	       lens_values_known(lens_plan_at(v->plan, out)->t.dtype);
}

int lens_inspect_spot(const struct lens_view *v, uint64_t ino,
		      struct lens_spot *ret)
{
	const uint64_t k = ino - v->inspect->first;
	const struct lens_segment *s;

	*ret = (struct lens_spot){ .top = k < LENS_AT_TENSORS ?
						  (enum lens_spot_top)k :
						  LENS_AT_TENSORS };
	if (ino < v->inspect->first)
		return -ENOENT;
	if (k <= LENS_AT_TENSORS)
		return 0;
	if (make_segments(v) < 0)
		return -ENOMEM;
	if ((k - LENS_AT_TENSORS) / PER >= v->inspect->segments.n)
		return -ENOENT;
	ret->segment = (uint32_t)((k - LENS_AT_TENSORS) / PER);
	ret->file = (enum lens_spot_file)((k - LENS_AT_TENSORS) % PER);
	if (ret->file == LENS_AT_FOLDER)
		return 0;
	s = segment_at(v, ret->segment);
	ret->out = v->inspect->segments.key[s->first];
	if (!s->tensor || ret->file >= LENS_AT_FILES ||
	    !has_file(v, ret->out, ret->file))
		return -ENOENT;
	return 0;
}

static uint64_t segment_ino(const struct lens_view *v, uint32_t segment,
			    unsigned file)
{
	return v->inspect->first + LENS_AT_TENSORS + (uint64_t)segment * PER +
	       file;
}

static bool is_folder(const struct lens_spot *s)
{
	return s->top == LENS_AT_TOP ||
	       (s->top == LENS_AT_TENSORS && s->file == LENS_AT_FOLDER);
}

static int attr_of(const struct lens_view *v, uint64_t ino,
		   const struct lens_spot *s, struct lens_attr *ret)
{
	*ret = (struct lens_attr){
		.ino = ino,
		.folder = is_folder(s),
		.mtime = v->mtime,
		.direct = s->top == LENS_AT_STATS || s->file == LENS_AT_SUMMARY,
		.slow = s->file == LENS_AT_SUMMARY,
	};
	return ret->folder ? 0 : lens_content_size(v, s, &ret->size);
}

int lens_inspect_attr(const struct lens_view *v, uint64_t ino,
		      struct lens_attr *ret)
{
	struct lens_spot s;
	int r = lens_inspect_spot(v, ino, &s);

	return r < 0 ? r : attr_of(v, ino, &s, ret);
}

static int lookup_segment(const struct lens_view *v, uint32_t segment,
			  const char *name, struct lens_attr *ret)
{
	const struct lens_inspect *x = v->inspect;
	uint32_t found;

	if (make_segments(v) < 0)
		return -ENOMEM;
	for (unsigned f = LENS_AT_FOLDER + 1; f < LENS_AT_FILES; f++)
		if (strcmp(file_names[f], name) == 0)
			return lens_inspect_attr(v, segment_ino(v, segment, f),
						 ret);
	found = lens_segment_find(&x->segments, v->plan, segment, name);
	if (found == LENS_NONE)
		return -ENOENT;
	return lens_inspect_attr(v, segment_ino(v, found, LENS_AT_FOLDER), ret);
}

int lens_inspect_lookup(const struct lens_view *v, uint64_t parent,
			const char *name, struct lens_attr *ret)
{
	struct lens_spot s;
	int r = lens_inspect_spot(v, parent, &s);

	if (r < 0)
		return r;
	if (!is_folder(&s))
		return -ENOTDIR;
	if (s.top == LENS_AT_TENSORS)
		return lookup_segment(v, s.segment, name, ret);
	for (unsigned k = LENS_AT_TOP + 1; k < LENS_AT_TOPS; k++)
		if (strcmp(top_names[k], name) == 0)
			return lens_inspect_attr(v, v->inspect->first + k, ret);
	return -ENOENT;
}

/* The entries of a folder of tensors: its files, then its folders. */
static int segment_entry(const struct lens_view *v, uint32_t segment,
			 uint64_t at, char *store, const char **name,
			 uint64_t *ino, uint64_t *next)
{
	const struct lens_inspect *x = v->inspect;
	const struct lens_segment *s;

	if (make_segments(v) < 0)
		return -ENOMEM;
	s = segment_at(v, segment);
	for (; at < LENS_AT_FILES - 1; at++) {
		const unsigned file = (unsigned)at + 1;

		if (!s->tensor || !has_file(v, x->segments.key[s->first], file))
			continue;
		*name = file_names[file];
		*ino = segment_ino(v, segment, file);
		*next = at + 1;
		return 1;
	}
	at -= LENS_AT_FILES - 1;
	if (at >= s->n_children)
		return 0;
	*ino = segment_ino(v, s->child + (uint32_t)at, LENS_AT_FOLDER);
	*name = lens_segment_name(&x->segments, v->plan,
				  s->child + (uint32_t)at, store);
	*next = at + LENS_AT_FILES;
	return 1;
}

int lens_inspect_entry(const struct lens_view *v, uint64_t ino, uint64_t at,
		       char *store, const char **name, struct lens_attr *attr,
		       uint64_t *next)
{
	uint64_t found = v->inspect->first + at + 1;
	struct lens_spot s;
	int r = lens_inspect_spot(v, ino, &s);

	if (r < 0)
		return r;
	if (!is_folder(&s))
		return -ENOTDIR;
	if (s.top == LENS_AT_TENSORS) {
		r = segment_entry(v, s.segment, at, store, name, &found, next);
		if (r <= 0)
			return r;
	} else {
		if (at >= LENS_AT_TENSORS)
			return 0;
		*name = top_names[at + 1];
		*next = at + 1;
	}
	r = lens_inspect_attr(v, found, attr);
	return r < 0 ? r : 1;
}

uint64_t lens_inspect_parent(const struct lens_view *v, uint64_t ino)
{
	struct lens_spot s;

	if (lens_inspect_spot(v, ino, &s) < 0 || s.top == LENS_AT_TOP)
		return LENS_ROOT;
	if (s.top != LENS_AT_TENSORS ||
	    (!s.segment && s.file == LENS_AT_FOLDER))
		return v->inspect->first;
	if (s.file != LENS_AT_FOLDER)
		return segment_ino(v, s.segment, LENS_AT_FOLDER);
	return segment_ino(v, segment_at(v, s.segment)->parent, LENS_AT_FOLDER);
}

const char *lens_inspect_name(const struct lens_view *v, uint64_t ino,
			      char *buf)
{
	struct lens_spot s;

	if (lens_inspect_spot(v, ino, &s) < 0)
		return NULL;
	if (s.top != LENS_AT_TENSORS ||
	    (!s.segment && s.file == LENS_AT_FOLDER))
		return top_names[s.top];
	if (s.file != LENS_AT_FOLDER)
		return file_names[s.file];
	return lens_segment_name(&v->inspect->segments, v->plan, s.segment,
				 buf);
}

int lens_inspect_init(struct lens_view *v, struct lens_err *err)
{
	struct lens_inspect *x = calloc(1, sizeof(*x));

	if (!x)
		return lens_fail(err, ENOMEM, "no memory for the view");
	v->inspect = x;
	x->first = v->nodes.n + 1;
	(void)pthread_mutex_init(&x->lock, NULL);
	(void)pthread_mutex_init(&x->plan.lock, NULL);
	(void)pthread_mutex_init(&x->keys.lock, NULL);
	(void)pthread_mutex_init(&x->summaries.lock, NULL);
	x->plan.n = lens_plan_count(v->plan);
	x->plan.line = lens_text_plan_line;
	x->keys.n = lens_plan_keys(v->plan);
	x->keys.line = lens_text_key_line;
	lens_text_readme(v, &x->readme);
	lens_plan_recipe_json(v->plan, &x->recipe);
	if (x->readme.failed || x->recipe.failed)
		return lens_fail(err, ENOMEM, "no memory for the view");
	return 0;
}

void lens_inspect_fini(struct lens_inspect *x)
{
	if (!x)
		return;
	lens_segments_fini(&x->segments);
	lens_summaries_fini(&x->summaries);
	lens_lines_fini(&x->plan);
	lens_lines_fini(&x->keys);
	lens_buf_fini(&x->readme);
	lens_buf_fini(&x->recipe);
	(void)pthread_mutex_destroy(&x->lock);
	(void)pthread_mutex_destroy(&x->plan.lock);
	(void)pthread_mutex_destroy(&x->keys.lock);
	free(x);
}

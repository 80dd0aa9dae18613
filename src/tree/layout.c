/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - the weight files of a view: partition, headers, index.
 */
#include "tree/tree.h"

#include <errno.h>
#include <stdio.h>

/*
 * What is larger than @most gets a file of its own, at once, while the file
 * that is being filled stays open; it is numbered when it is closed.
 */
size_t lens_layout_split(const uint64_t *sizes, size_t n, uint64_t most,
			 uint32_t *file)
{
	const uint32_t open = LENS_NONE;
	uint32_t files = 0;
	uint64_t filled = 0;
	size_t first = 0; /* nothing before it is in the open file */
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (sizes[i] > most) {
			file[i] = files++;
			continue;
		}
		if (any && sizes[i] > most - filled) {
			for (; first < i; first++)
				if (file[first] == open)
					file[first] = files;
			files++;
			filled = 0;
		}
		file[i] = open;
		filled += sizes[i];
		any = true;
	}
	for (; first < n; first++)
		if (file[first] == open)
			file[first] = files;
	files += any;
	return files ? files : 1;
}

/*
 * The files of the checkpoint that a training save began with: a key that it
 * did not have goes to the last; a file that would be empty is left out, and
 * the others keep their numbers, which are in @number.  How many there are.
 */
static size_t split_as_mapped(const struct lens_plan *plan, size_t n,
			      uint32_t *file, uint32_t *number)
{
	const struct lens_ckpt *ck = lens_plan_ckpt(plan);
	const uint32_t files = lens_ckpt_mapped_files(ck);
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const uint32_t f = lens_ckpt_mapped_file(
			ck, lens_plan_at(plan, i)->t.name);

		file[i] = (f ? f : files) - 1;
		number[file[i]] = 1;
	}
	/* Marks become the numbers of what is left. */
	for (uint32_t f = 0; f < files; f++)
		number[f] = number[f] ? (uint32_t)used++ : LENS_NONE;
	for (size_t i = 0; i < n; i++)
		file[i] = number[file[i]];
	for (uint32_t f = 0; f < files; f++)
		if (number[f] != LENS_NONE)
			number[number[f]] = f + 1;
	return used;
}

/*
 * The files of the checkpoint that the view is to look like; those that would
 * be empty are left out.  Which of its files each is, is in @number.
 */
static size_t split_as_like(const struct lens_layout *l,
			    const struct lens_plan *plan, size_t n,
			    uint32_t *file, uint32_t *number)
{
	const size_t files = lens_ckpt_files(l->like);
	uint32_t used = 0;

	for (size_t f = 0; f < files; f++)
		number[f] = LENS_NONE;
	for (size_t i = 0; i < n; i++) {
		const char *key = lens_plan_at(plan, i)->t.name;

		file[i] = lens_ckpt_find(l->like, key)->chunks[0].file;
		number[file[i]] = 0;
	}
	for (size_t f = 0; f < files; f++)
		number[f] = number[f] == 0 ? used++ : LENS_NONE;
	for (size_t i = 0; i < n; i++)
		file[i] = number[file[i]];
	for (size_t f = 0; f < files; f++)
		if (number[f] != LENS_NONE)
			number[number[f]] = (uint32_t)f;
	return used;
}

/* The name of file @f; false: no memory. */
static bool name_file(const struct lens_layout *l, size_t f,
		      const uint32_t *number)
{
	struct lens_weight *w = &l->files[f];
	const size_t of = l->mapped ? l->mapped : l->n_files;
	int r = 0;

	if (l->like)
		w->name = strdup(lens_ckpt_file(l->like, number[f])->name);
	else if (!l->mapped && of == 1)
		w->name = strdup("model.safetensors");
	else
		r = asprintf(&w->name, "model-%05zu-of-%05zu.safetensors",
			     l->mapped ? number[f] : f + 1, of);
	if (r < 0)
		w->name = NULL;
	return w->name != NULL;
}

/* Cut the one array of outputs, now by file, into the files' own. */
static int deal(struct lens_layout *l, const uint32_t *file,
		const uint32_t *number, size_t n, struct lens_err *err)
{
	uint32_t *at = l->order;

	l->files = calloc(l->n_files, sizeof(*l->files));
	if (!l->files)
		return lens_fail(err, ENOMEM, "no memory for the view");
	for (size_t i = 0; i < n; i++)
		l->files[file[i]].n++;
	for (size_t f = 0; f < l->n_files; f++) {
		struct lens_weight *w = &l->files[f];

		w->order = at;
		w->begin = l->begin + (at - l->order);
		at += w->n;
		w->n = 0;
		if (!name_file(l, f, number))
			return lens_fail(err, ENOMEM, "no memory for the view");
	}
	for (size_t i = 0; i < n; i++) {
		struct lens_weight *w = &l->files[file[i]];

		w->order[w->n++] = (uint32_t)i;
	}
	return 0;
}

/* The index of the checkpoint that the view is like: its very bytes, if all of
 * its tensors are here.  False: the view's own is needed. */
static bool copy_index(struct lens_layout *l, size_t n)
{
	size_t size;
	const char *text = lens_ckpt_index_text(l->like, &size);

	if (text && n == lens_ckpt_count(l->like))
		lens_buf_add(&l->index, text, size);
	return !text || l->index.n;
}

/* The text that json.dumps(indent=2) makes; w->order is still the plan's. */
static void write_index(struct lens_layout *l, const struct lens_plan *plan)
{
	struct lens_buf *b = &l->index;
	const char *before = "";

	lens_buf_printf(b,
			"{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n"
			"  \"weight_map\": {",
			(unsigned long long)l->total);
	for (size_t f = 0; f < l->n_files; f++) {
		for (size_t k = 0; k < l->files[f].n; k++) {
			uint32_t i = l->files[f].order[k];

			lens_buf_puts(b, before);
			lens_buf_puts(b, "\n    ");
			lens_json_quote(b, lens_plan_at(plan, i)->t.name, true);
			lens_buf_puts(b, ": ");
			lens_json_quote(b, l->files[f].name, true);
			before = ",";
		}
	}
	lens_buf_puts(b, "\n  }\n}");
}

/* An output of a file, and where it begins. */
struct spot {
	uint64_t begin, size;
	uint32_t out;
};

static int by_begin(const void *pa, const void *pb)
{
	const struct spot *a = pa, *b = pb;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return a->size < b->size ? -1 : a->size > b->size;
}

/*
 * The header of the file that @w is to be like, if @w holds just what that one
 * does: whoever wrote it, the bytes are the same then.  1 it is; 0 not.
 */
static int copy_header(const struct lens_layout *l, struct lens_weight *w,
		       const struct lens_tensor *const *t, struct lens_err *err)
{
	const struct lens_tensor *first =
		lens_ckpt_find(l->like, t[w->order[0]]->name);
	lens_autofree struct spot *spots = calloc(w->n, sizeof(*spots));
	size_t entries;

	if (!spots)
		return lens_fail(err, ENOMEM, "no memory for the view");
	if (lens_ckpt_head(l->like, first->chunks[0].file, &w->head, &entries,
			   err) < 0)
		return -err->code;
	if (entries != w->n) {
		lens_buf_fini(&w->head);
		return 0;
	}
	for (size_t k = 0; k < w->n; k++) {
		const struct lens_tensor *one = t[w->order[k]];

		spots[k].out = w->order[k];
		spots[k].size = one->size;
		spots[k].begin =
			lens_ckpt_find(l->like, one->name)->chunks[0].off -
			w->head.n;
	}
	qsort(spots, w->n, sizeof(*spots), by_begin);
	for (size_t k = 0; k < w->n; k++) {
		w->order[k] = spots[k].out;
		w->begin[k] = spots[k].begin;
	}
	return 1;
}

static int write_header(struct lens_layout *l, struct lens_weight *w,
			const struct lens_tensor *const *t,
			struct lens_err *err)
{
	const uint32_t file = (uint32_t)(w - l->files);
	int r = l->like ? copy_header(l, w, t, err) : 0;

	if (r == 0)
		r = lens_header_write(t, w->n, w->order, w->begin, &w->head,
				      err);
	if (r < 0)
		return lens_wrap(err, "'%s'", LENS_SHOW(w->name));
	w->size = w->head.n;
	for (size_t k = 0; k < w->n; k++) {
		l->places[w->order[k]] = (struct lens_place){
			.file = file,
			.off = w->head.n + w->begin[k],
		};
		w->size += t[w->order[k]]->size;
	}
	return 0;
}

/* Headers, made side by side. */
struct headers {
	struct lens_layout *l;
	const struct lens_tensor *const *t;
};

static int one_header(void *ctx, size_t f, struct lens_err *err)
{
	const struct headers *h = ctx;

	return write_header(h->l, &h->l->files[f], h->t, err);
}

static int fill(struct lens_layout *l, const struct lens_plan *plan,
		uint64_t shard_size, struct lens_err *err)
{
	const size_t n = lens_plan_count(plan);
	lens_autofree const struct lens_tensor **t = calloc(n + 1, sizeof(*t));
	lens_autofree uint64_t *sizes = calloc(n + 1, sizeof(*sizes));
	lens_autofree uint32_t *file = calloc(n + 1, sizeof(*file));
	lens_autofree uint32_t *number = NULL;
	struct headers headers = { l, t };

	l->order = calloc(n + 1, sizeof(*l->order));
	l->begin = calloc(n + 1, sizeof(*l->begin));
	l->places = calloc(n + 1, sizeof(*l->places));
	if (!t || !sizes || !file || !l->order || !l->begin || !l->places)
		return lens_fail(err, ENOMEM, "no memory for the view");
	for (size_t i = 0; i < n; i++) {
		t[i] = &lens_plan_at(plan, i)->t;
		sizes[i] = t[i]->size;
		if (__builtin_add_overflow(l->total, sizes[i], &l->total) ||
		    l->total > INT64_MAX / 2)
			return lens_fail(err, EFBIG,
					 "the view would have more bytes than "
					 "a file may");
	}
	l->like = shard_size || !n ? NULL : lens_plan_like(plan);
	l->mapped = shard_size || !n || l->like ?
			    0 :
			    lens_ckpt_mapped_files(lens_plan_ckpt(plan));
	number = calloc((l->like ? lens_ckpt_files(l->like) : l->mapped) + 1,
			sizeof(*number));
	if (!number)
		return lens_fail(err, ENOMEM, "no memory for the view");
	if (l->like)
		l->n_files = split_as_like(l, plan, n, file, number);
	else if (l->mapped)
		l->n_files = split_as_mapped(plan, n, file, number);
	else
		l->n_files = lens_layout_split(
			sizes, n, shard_size ? shard_size : LENS_SHARD_SIZE,
			file);
	if (deal(l, file, number, n, err) < 0)
		return -err->code;
	if (l->like ? !copy_index(l, n) : l->n_files > 1 || l->mapped)
		write_index(l, plan);
	if (lens_parallel(l->n_files, 0, one_header, &headers, err) < 0)
		return -err->code;
	if (l->index.failed)
		return lens_fail(err, ENOMEM, "no memory for the index");
	return 0;
}

int lens_layout_make(const struct lens_plan *plan, uint64_t shard_size,
		     struct lens_layout *ret, struct lens_err *err)
{
	LENS_CLEANUP(lens_layout_fini) struct lens_layout l = { 0 };

	if (fill(&l, plan, shard_size, err) < 0)
		return -err->code;
	*ret = l;
	l = (struct lens_layout){ 0 };
	return 0;
}

void lens_layout_fini(struct lens_layout *l)
{
	for (size_t f = 0; f < l->n_files && l->files; f++) {
		lens_buf_fini(&l->files[f].head);
		free(l->files[f].name);
	}
	free(l->files);
	free(l->places);
	free(l->order);
	free(l->begin);
	lens_buf_fini(&l->index);
	*l = (struct lens_layout){ 0 };
}

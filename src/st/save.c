/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save.c - a sharded training save: safetensors files whose __metadata__ says
 * where in the whole tensors their boxes lie (DCP_SHARDING_INFO, a string of
 * JSON).
 *
 * The whole shapes stand nowhere: they are what the boxes reach.  So a lost
 * shard shows as a hole, or not at all if it held the ends; what can be seen is
 * refused, naming tensor and range.
 */
#include "st/st.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define INFO_MOST (256u << 20)

static int by_name(const void *a, const void *b)
{
	const struct lens_shard *x = a, *y = b;

	return strcmp(x->file.name, y->file.name);
}

/* A marker that a save has not ended, in the directory or beside it. */
static int check_ended(const struct lens_ckpt *ck, struct lens_err *err)
{
	struct stat st;

	if (fstatat(ck->dir, ".incomplete", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    fstatat(ck->dir, "../.incomplete", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return lens_fail(err, EBUSY,
				 "the save is incomplete: there is a file "
				 "'.incomplete' in it or beside it");
	return 0;
}

int lens_save_find(struct lens_ckpt *ck, struct lens_err *err)
{
	int fd = openat(ck->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t room = 0;
	int r = check_ended(ck, err);

	if (!d) {
		if (fd >= 0)
			close(fd);
		return r < 0 ? r :
			       lens_fail(err, errno,
					 "the directory can't be listed: %s",
					 strerror(errno));
	}
	while (r == 0 && (e = readdir(d))) {
		struct lens_shard *s;

		if (e->d_name[0] == '.' ||
		    !lens_ends_with(e->d_name, ".safetensors") ||
		    lens_ends_with(e->d_name, "adapter_model.safetensors"))
			continue;
		if (ck->n_shards == room) {
			room = room ? room * 2 : 16;
			s = realloc(ck->shards, room * sizeof(*s));
			if (!s) {
				r = lens_fail(err, ENOMEM,
					      "no memory for %zu files", room);
				break;
			}
			ck->shards = s;
		}
		s = &ck->shards[ck->n_shards++];
		*s = (struct lens_shard){ .file.fd = -1 };
		s->file.name = lens_arena_strndup(&ck->arena, e->d_name,
						  strlen(e->d_name));
		if (!s->file.name)
			r = lens_fail(err, ENOMEM, "no memory for a name");
	}
	closedir(d);
	if (r == 0 && ck->n_shards)
		qsort(ck->shards, ck->n_shards, sizeof(*ck->shards), by_name);
	return r;
}

/* --- what a shard says of its boxes --- */

struct reading {
	struct lens_shard *s;
	struct lens_map names;
};

static int one_box(void *ctx, const char *name, const cJSON *value,
		   struct lens_err *err)
{
	struct reading *r = ctx;
	const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(
			    value, "saved_offsets"),
		    *o;
	const uint32_t i = lens_map_find(&r->names, name);
	uint64_t *origin;
	unsigned d = 0;

	if (i == LENS_NONE)
		return 0; /* of a tensor of another file */
	if (!cJSON_IsArray(offsets) ||
	    cJSON_GetArraySize(offsets) != (int)r->s->entries[i].rank)
		return lens_fail(
			err, EBADMSG,
			"tensor '%s': saved_offsets must have %u numbers",
			LENS_SHOW(name), r->s->entries[i].rank);
	origin = lens_arena_alloc(&r->s->arena, (r->s->entries[i].rank + 1) *
							sizeof(*origin));
	if (!origin)
		return lens_fail(err, ENOMEM, "no memory for a shard");
	cJSON_ArrayForEach (o, offsets) {
		uint64_t end;

		if (lens_json_u64(o, &origin[d]) < 0 ||
		    __builtin_add_overflow(origin[d], r->s->entries[i].shape[d],
					   &end))
			return lens_fail(
				err, EBADMSG,
				"tensor '%s': saved_offsets hold no size",
				LENS_SHOW(name));
		d++;
	}
	r->s->origins[i] = origin;
	return 0;
}

int lens_save_boxes(struct lens_shard *s, const cJSON *info,
		    struct lens_err *err)
{
	struct reading r = { .s = s };
	const char *text = cJSON_GetStringValue(info);
	int n = 0;

	s->origins =
		lens_arena_alloc(&s->arena, (s->n + 1) * sizeof(*s->origins));
	if (!s->origins)
		return lens_fail(err, ENOMEM, "no memory for a shard");
	for (size_t i = 0; i < s->n && n == 0; i++)
		if (lens_map_add(&r.names, s->entries[i].name, (uint32_t)i) < 0)
			n = lens_fail(err, ENOMEM, "no memory for a shard");
	if (n == 0 && (!text || strlen(text) > INFO_MOST))
		n = lens_fail(err, EBADMSG, "it is not a string");
	if (n == 0)
		n = lens_json_each(text, strlen(text), 0, one_box, &r, err);
	lens_map_fini(&r.names);
	if (n < 0)
		return lens_wrap(err, "DCP_SHARDING_INFO");
	for (size_t i = 0; i < s->n; i++)
		if (!s->origins[i])
			return lens_fail(
				err, EBADMSG,
				"DCP_SHARDING_INFO: tensor '%s' is missing",
				LENS_SHOW(s->entries[i].name));
	return 0;
}

/* --- boxes become whole tensors --- */

/* A tensor that is being put together: its boxes, chained through @next. */
struct whole {
	const struct lens_entry *first;
	size_t n;
	uint64_t *shape;
	uint32_t last;
};

struct box {
	uint32_t shard, entry;
	uint32_t before; /* the tensor's box before this one, LENS_NONE */
};

struct gathering {
	struct lens_ckpt *ck;
	struct lens_map names;
	struct whole *wholes;
	struct box *boxes;
	size_t n, n_boxes;
};

static int differ(const struct lens_ckpt *ck, const struct box *b,
		  const struct lens_entry *first, struct lens_err *err)
{
	const struct lens_entry *e = &ck->shards[b->shard].entries[b->entry];

	if (e->dtype != first->dtype)
		return lens_fail(
			err, EINVAL,
			"tensor '%s': it is %s in one shard and %s in '%s'",
			LENS_SHOW(e->name), lens_dtype_name(first->dtype),
			lens_dtype_name(e->dtype),
			LENS_SHOW(ck->shards[b->shard].file.name));
	if (e->rank != first->rank)
		return lens_fail(err, EINVAL,
				 "tensor '%s': it has %u dimensions in one "
				 "shard and %u in '%s'",
				 LENS_SHOW(e->name), first->rank, e->rank,
				 LENS_SHOW(ck->shards[b->shard].file.name));
	return 0;
}

static int add_box(struct gathering *g, uint32_t shard, uint32_t entry,
		   struct lens_err *err)
{
	struct lens_ckpt *ck = g->ck;
	const struct lens_shard *s = &ck->shards[shard];
	const struct lens_entry *e = &s->entries[entry];
	uint32_t i = lens_map_find(&g->names, e->name);
	struct box *b = &g->boxes[g->n_boxes];
	struct whole *w;

	if (i == LENS_NONE) {
		i = (uint32_t)g->n++;
		g->wholes[i] = (struct whole){ .first = e, .last = LENS_NONE };
		g->wholes[i].shape = lens_arena_alloc(
			&ck->arena, (e->rank + 1) * sizeof(uint64_t));
		if (!g->wholes[i].shape ||
		    lens_map_add(&g->names, e->name, i) < 0)
			return lens_fail(err, ENOMEM, "no memory for a tensor");
	}
	w = &g->wholes[i];
	*b = (struct box){ .shard = shard, .entry = entry, .before = w->last };
	if (differ(ck, b, w->first, err) < 0)
		return -err->code;
	for (unsigned d = 0; d < e->rank; d++)
		if (s->origins[entry][d] + e->shape[d] > w->shape[d])
			w->shape[d] = s->origins[entry][d] + e->shape[d];
	w->last = (uint32_t)g->n_boxes++;
	w->n++;
	return 0;
}

/* Chunks of @t with bytes in them, by the box list of @w. */
static int make_chunks(struct gathering *g, const struct whole *w,
		       struct lens_tensor *t, struct lens_err *err)
{
	struct lens_chunk *c =
		lens_arena_alloc(&g->ck->arena, (w->n + 1) * sizeof(*c));

	if (!c)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	t->chunks = c;
	for (uint32_t i = w->last; i != LENS_NONE; i = g->boxes[i].before) {
		const struct lens_shard *s = &g->ck->shards[g->boxes[i].shard];
		const struct lens_entry *e = &s->entries[g->boxes[i].entry];

		if (e->begin == e->end)
			continue;
		*c++ = (struct lens_chunk){
			.file = g->boxes[i].shard,
			.off = s->data + e->begin,
			.origin = s->origins[g->boxes[i].entry],
			.shape = e->shape
		};
		t->n_chunks++;
	}
	return 0;
}

/* "[2:4, 0:8]" */
static int misses(const struct lens_tensor *t, const uint64_t *lo,
		  const uint64_t *hi, const char *what, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	for (unsigned d = 0; d < t->rank; d++)
		lens_buf_printf(&b, "%s%llu:%llu", d ? ", " : "",
				(unsigned long long)lo[d],
				(unsigned long long)hi[d]);
	return lens_fail(err, EINVAL, "tensor '%s': its part [%s] is in %s",
			 LENS_SHOW(t->name), b.data ? b.data : "", what);
}

/*
 * Each element of [lo, hi) in one chunk of @v (n of them), exactly: cut along
 * dimension @d where chunks begin or end, and look at each slice.
 */
static int check_cover(const struct lens_tensor *t,
		       const struct lens_chunk *const *v, size_t n, unsigned d,
		       uint64_t *lo, uint64_t *hi, struct lens_err *err)
{
	lens_autofree const struct lens_chunk **in = NULL;
	const uint64_t end = hi[d < t->rank ? d : 0];

	if (!n)
		return misses(t, lo, hi, "no shard", err);
	if (d == t->rank)
		return n == 1 ? 0 :
				misses(t, lo, hi, "more than one shard", err);
	in = malloc(n * sizeof(*in));
	if (!in)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	for (uint64_t at = 0; at < end; at = hi[d]) {
		size_t k = 0;

		lo[d] = at;
		hi[d] = end;
		for (size_t i = 0; i < n; i++) {
			const uint64_t a = v[i]->origin[d],
				       b = a + v[i]->shape[d];

			if (a > at && a < hi[d])
				hi[d] = a;
			if (b > at && b < hi[d])
				hi[d] = b;
			if (a <= at && b > at)
				in[k++] = v[i];
		}
		if (check_cover(t, in, k, d + 1, lo, hi, err) < 0)
			return -err->code;
	}
	lo[d] = 0;
	hi[d] = end;
	return 0;
}

static int check_whole(const struct lens_tensor *t, struct lens_err *err)
{
	lens_autofree const struct lens_chunk **v =
		calloc(t->n_chunks + 1, sizeof(*v));
	uint64_t lo[LENS_MAX_RANK] = { 0 }, hi[LENS_MAX_RANK + 1] = { 0 };

	if (!v)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	for (size_t i = 0; i < t->n_chunks; i++)
		v[i] = &t->chunks[i];
	for (unsigned d = 0; d < t->rank; d++)
		hi[d] = t->shape[d];
	return check_cover(t, v, t->n_chunks, 0, lo, hi, err);
}

static int add_whole(struct gathering *g, const struct whole *w,
		     struct lens_err *err)
{
	struct lens_tensor *t = &g->ck->tensors[g->ck->n];
	uint64_t bits = lens_dtype_bits(w->first->dtype);

	*t = (struct lens_tensor){ .name = w->first->name,
				   .dtype = w->first->dtype,
				   .rank = w->first->rank,
				   .shape = w->shape };
	for (unsigned d = 0; d < t->rank; d++)
		if (__builtin_mul_overflow(bits, t->shape[d], &bits))
			return lens_fail(
				err, EOVERFLOW,
				"tensor '%s': its shards reach beyond 64 bits",
				LENS_SHOW(t->name));
	t->size = bits / 8;
	if (w->n > 1 && lens_dtype_bits(t->dtype) % 8)
		return lens_fail(err, EOPNOTSUPP,
				 "tensor '%s': %s can't be put together",
				 LENS_SHOW(t->name), lens_dtype_name(t->dtype));
	if (make_chunks(g, w, t, err) < 0 ||
	    (t->size && check_whole(t, err) < 0))
		return -err->code;
	g->ck->n++;
	return 0;
}

int lens_save_gather(struct lens_ckpt *ck, struct lens_err *err)
{
	struct gathering g = { .ck = ck };
	size_t total = 0;
	int r = 0;

	for (size_t i = 0; i < ck->n_shards; i++)
		total += ck->shards[i].n;
	ck->tensors = calloc(total + 1, sizeof(*ck->tensors));
	g.wholes = calloc(total + 1, sizeof(*g.wholes));
	g.boxes = calloc(total + 1, sizeof(*g.boxes));
	if (!ck->tensors || !g.wholes || !g.boxes)
		r = lens_fail(err, ENOMEM, "no memory for %zu tensors", total);
	for (size_t i = 0; r == 0 && i < ck->n_shards; i++)
		for (size_t k = 0; r == 0 && k < ck->shards[i].n; k++)
			r = add_box(&g, (uint32_t)i, (uint32_t)k, err);
	for (size_t i = 0; r == 0 && i < g.n; i++)
		r = add_whole(&g, &g.wholes[i], err);
	free(g.wholes);
	free(g.boxes);
	lens_map_fini(&g.names);
	return r;
}

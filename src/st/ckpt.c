/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ckpt.c - a checkpoint directory: which files hold its tensors, and what they
 * are.  The index decides, never a glob.
 */
#include "st/st.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define INDEX "model.safetensors.index.json"
#define SINGLE "model.safetensors"
#define INDEX_MOST (256u << 20)
#define CONFIG_MOST (16u << 20)

struct opening {
	struct lens_ckpt *ck;
	struct lens_index index; /* n is 0 without one */
};

static bool there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_dir(const char *path, struct lens_ckpt *ck,
		    struct lens_err *err)
{
	struct stat st;

	if (strstr(path, "://"))
		return lens_fail(err, EOPNOTSUPP,
				 "'%s': a remote address can't be opened; give "
				 "a directory of this machine",
				 LENS_SHOW(path));
	ck->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ck->dir < 0)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 errno == ENOENT ?
					 "there is no such directory" :
				 errno == ENOTDIR ? "it is not a directory" :
						    strerror(errno));
	if (fstat(ck->dir, &st) < 0)
		return lens_fail(err, errno, "'%s': %s", LENS_SHOW(path),
				 strerror(errno));
	ck->dev = st.st_dev;
	ck->beside = ck->dir;
	ck->path = strdup(path);
	return ck->path ? 0 : lens_fail(err, ENOMEM, "no memory for a path");
}

/* What a directory without weights holds instead. */
static const struct {
	const char *end, *what;
} instead[] = {
	{ "adapter_model.safetensors",
	  "a PEFT adapter (adapter_model.safetensors); it has to be merged "
	  "into its model first" },
	{ ".distcp", "a torch distributed checkpoint (.distcp), which is "
		     "pickled; save safetensors (in NeMo AutoModel: "
		     "model_save_format: safetensors), or load it with "
		     "torch.distributed.checkpoint and save it so" },
	{ ".metadata", "a torch distributed checkpoint (.metadata), without "
		       "its .distcp files" },
	{ "LATEST", "a training run (LATEST); --reverse shows its step" },
	{ "LATEST.txt", "a training run (LATEST.txt); --reverse shows its "
			"step" },
	{ ".gguf", "GGUF, which is not read" },
	{ ".bin", "pickled weights (.bin), which are not read; save them as "
		  "safetensors" },
	{ ".pt", "pickled weights (.pt), which are not read; save them as "
		 "safetensors" },
	{ ".pth", "pickled weights (.pth), which are not read; save them as "
		  "safetensors" },
	{ "optimizer.safetensors", "optimizer states" },
	{ ".safetensors", "safetensors files, but no index that says which of "
			  "them are the model" },
};

static int no_weights(int dir, struct lens_err *err)
{
	size_t best = LENS_ARRAY_SIZE(instead);
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		for (size_t i = 0; i < best; i++)
			if (lens_ends_with(e->d_name, instead[i].end))
				best = i;
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return lens_fail(
		err, ENOENT, "there is neither " SINGLE " nor " INDEX "%s%s",
		best < LENS_ARRAY_SIZE(instead) ? "; what is there: " : "",
		best < LENS_ARRAY_SIZE(instead) ? instead[best].what : "");
}

/* Which files: those of the index, or the single one. */
static int find_weights(struct opening *o, const struct lens_ckpt_opts *opts,
			struct lens_err *err)
{
	const char *single = opts->weights_file ? opts->weights_file : SINGLE;
	struct lens_ckpt *ck = o->ck;
	lens_autofree char *text = NULL;
	struct stat st;
	size_t n;
	int r;

	if (lens_source_slurp(ck->dir, INDEX, ck->follow_links, INDEX_MOST,
			      &text, &n, &st, err) < 0)
		return -err->code;
	if (text) {
		if (lens_index_parse(text, n, &o->index, err) < 0)
			return lens_wrap(err, "'" INDEX "'");
		ck->mtime = st.st_mtim;
		if (there(ck->dir, SINGLE) &&
		    lens_map_find(&o->index.file_names, SINGLE) == LENS_NONE)
			return lens_fail(
				err, EINVAL,
				"there is " SINGLE " beside " INDEX
				", which does not name it: loaders disagree "
				"on which counts; remove one");
		ck->index_metadata = lens_steal(&o->index.metadata);
		ck->index_size = n;
	} else if (!there(ck->dir, single)) {
		if (opts->saves && lens_save_find(ck, err) < 0)
			return -err->code;
		ck->is_save = ck->n_shards != 0;
		if (ck->is_save)
			return lens_save_metadata(ck, err);
		r = opts->saves && !ck->step ? lens_run_enter(ck, err) : 0;
		return r > 0  ? find_weights(o, opts, err) :
		       r == 0 ? no_weights(ck->dir, err) :
				r;
	}
	ck->n_shards = text ? o->index.n_files : 1;
	ck->shards = calloc(ck->n_shards, sizeof(*ck->shards));
	if (!ck->shards)
		return lens_fail(err, ENOMEM, "no memory for %zu files",
				 ck->n_shards);
	for (size_t i = 0; i < ck->n_shards; i++) {
		const char *name = text ? o->index.files[i] : single;

		ck->shards[i].file.fd = -1;
		ck->shards[i].file.name =
			lens_arena_strndup(&ck->arena, name, strlen(name));
		if (!ck->shards[i].file.name)
			return lens_fail(err, ENOMEM, "no memory for a name");
	}
	if (opts->keep_index)
		ck->index_text = lens_steal(&text);
	return 0;
}

/* Entry @e of shard @i becomes a tensor. */
static int add_tensor(struct lens_ckpt *ck, size_t i,
		      const struct lens_entry *e, struct lens_err *err)
{
	struct lens_tensor *t = &ck->tensors[ck->n];
	struct lens_chunk *c = lens_arena_alloc(&ck->arena, sizeof(*c));

	if (!c)
		return lens_fail(err, ENOMEM, "no memory for a tensor");
	*t = (struct lens_tensor){
		.name = e->name,
		.dtype = e->dtype,
		.rank = e->rank,
		.shape = e->shape,
		.size = e->end - e->begin,
		.n_chunks = e->end != e->begin,
		.chunks = c,
	};
	c->file = (uint32_t)i;
	c->off = ck->shards[i].data + e->begin;
	c->shape = e->shape;
	ck->n++;
	return 0;
}

/* Take the tensors that the index wants of shard @i, in the order of their
 * names; each is marked in @found.  @extra: one that it does not want. */
static int take_shard(struct opening *o, size_t i, bool *found, size_t *extras,
		      const char **extra, struct lens_err *err)
{
	const struct lens_shard *s = &o->ck->shards[i];

	for (size_t k = 0; k < s->n; k++) {
		const struct lens_entry *e = &s->entries[s->order[k]];
		uint32_t at = 0;

		if (o->index.n) {
			at = lens_map_find(&o->index.keys, e->name);
			if (at == LENS_NONE) {
				if (!(*extras)++)
					*extra = e->name;
				continue;
			}
			if (o->index.file[at] != i)
				continue;
			found[at] = true;
		}
		if (add_tensor(o->ck, i, e, err) < 0)
			return -err->code;
	}
	return 0;
}

static int gather(struct opening *o, struct lens_notes *notes,
		  struct lens_err *err)
{
	lens_autofree bool *found = calloc(o->index.n + 1, sizeof(*found));
	struct lens_ckpt *ck = o->ck;
	const char *extra = NULL;
	size_t total = 0, extras = 0;

	for (size_t i = 0; i < ck->n_shards; i++)
		total += ck->shards[i].n;
	ck->tensors = calloc(total ? total : 1, sizeof(*ck->tensors));
	if (!ck->tensors || !found)
		return lens_fail(err, ENOMEM, "no memory for %zu tensors",
				 total);
	for (size_t i = 0; i < ck->n_shards; i++)
		if (take_shard(o, i, found, &extras, &extra, err) < 0)
			return -err->code;
	for (size_t i = 0; i < o->index.n; i++)
		if (!found[i])
			return lens_fail(
				err, EINVAL,
				"tensor '%s' is not in '%s', where " INDEX
				" says it is",
				LENS_SHOW(o->index.key[i]),
				LENS_SHOW(o->index.files[o->index.file[i]]));
	if (extras)
		lens_note(notes,
			  "%zu tensor%s in a shard and not in " INDEX
			  ", and left out: '%s'%s",
			  extras, extras == 1 ? " is" : "s are",
			  LENS_SHOW(extra), extras == 1 ? "" : ", ...");
	return 0;
}

static int by_natural_name(const void *a, const void *b)
{
	const struct lens_tensor *x = a, *y = b;

	return lens_natural_cmp(x->name, y->name);
}

static int sort_tensors(struct lens_ckpt *ck, struct lens_err *err)
{
	int r = lens_sort(ck->tensors, ck->n, sizeof(*ck->tensors),
			  by_natural_name);

	if (r == 0)
		r = lens_map_reserve(&ck->by_name, ck->n);
	for (size_t i = 0; r >= 0 && i < ck->n; i++)
		r = lens_map_add(&ck->by_name, ck->tensors[i].name,
				 (uint32_t)i);
	return r < 0 ? lens_fail(err, ENOMEM, "no memory for %zu tensors",
				 ck->n) :
		       0;
}

static int read_config(struct lens_ckpt *ck, struct lens_err *err)
{
	struct stat st;

	if (lens_source_slurp(ck->beside, "config.json", ck->follow_links,
			      CONFIG_MOST, &ck->config_text, &ck->config_size,
			      &st, err) < 0)
		return -err->code;
	if (!ck->config_text)
		return 0;
	if (lens_json_parse(ck->config_text, ck->config_size, LENS_JSON_CONFIG,
			    &ck->config, err) < 0)
		return lens_wrap(err, "'config.json'");
	if (!cJSON_IsObject(ck->config))
		return lens_fail(err, EBADMSG,
				 "'config.json': it is not a JSON object");
	return 0;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec :
				      a.tv_nsec > b.tv_nsec;
}

static void find_newest(struct lens_ckpt *ck)
{
	for (size_t i = 0; i < ck->n_shards; i++)
		if (later(ck->shards[i].file.mtime, ck->mtime))
			ck->mtime = ck->shards[i].file.mtime;
	for (size_t i = 0; i < ck->n_extras; i++)
		if (!ck->extras[i].folder &&
		    later(ck->extras[i].file.mtime, ck->mtime))
			ck->mtime = ck->extras[i].file.mtime;
}

static int open_all(struct opening *o, const struct lens_ckpt_opts *opts,
		    struct lens_notes *notes, struct lens_err *err)
{
	struct lens_ckpt *ck = o->ck;

	if (find_weights(o, opts, err) < 0 || read_config(ck, err) < 0 ||
	    lens_parallel(ck->n_shards, 0, lens_shard_open, ck, err) < 0 ||
	    (ck->is_save ? lens_save_gather(ck, err) : gather(o, notes, err)) <
		    0 ||
	    sort_tensors(ck, err) < 0 ||
	    lens_ckpt_find_extras(ck, notes, err) < 0)
		return lens_wrap(err, "'%s'", LENS_SHOW(ck->path));
	find_newest(ck);
	return 0;
}

int lens_ckpt_open(const char *path, const struct lens_ckpt_opts *opts,
		   struct lens_notes *notes, struct lens_ckpt **ret,
		   struct lens_err *err)
{
	LENS_CLEANUP(lens_ckpt_closep)
	struct lens_ckpt *ck = calloc(1, sizeof(*ck));
	struct opening o = { .ck = ck };
	int r;

	if (!ck)
		return lens_fail(err, ENOMEM, "no memory for a checkpoint");
	ck->dir = -1;
	ck->beside = -1;
	ck->follow_links = opts->follow_links;
	r = open_dir(path, ck, err);
	if (r == 0)
		r = open_all(&o, opts, notes, err);
	lens_index_fini(&o.index);
	if (r < 0)
		return r;
	*ret = lens_steal(&ck);
	return 0;
}

void lens_ckpt_close(struct lens_ckpt *ck)
{
	if (!ck)
		return;
	for (size_t i = 0; ck->shards && i < ck->n_shards; i++) {
		if (ck->shards[i].file.fd >= 0)
			close(ck->shards[i].file.fd);
		lens_arena_fini(&ck->shards[i].arena);
	}
	free(ck->shards);
	free(ck->tensors);
	free(ck->extras);
	lens_map_fini(&ck->by_name);
	cJSON_Delete(ck->config);
	cJSON_Delete(ck->index_metadata);
	free(ck->config_text);
	free(ck->index_text);
	free(ck->path);
	if (ck->beside >= 0 && ck->beside != ck->dir)
		close(ck->beside);
	if (ck->dir >= 0)
		close(ck->dir);
	lens_map_fini(&ck->mapping.files);
	lens_map_fini(&ck->mapping.dtypes);
	free(ck->mapping.key);
	lens_arena_fini(&ck->arena);
	free(ck);
}

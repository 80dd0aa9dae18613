/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes.c - what a view's root holds: made files, the source's others, its
 * folders.
 *
 * Nodes are numbered folder by folder, each folder's entries one after another
 * in the order of their names.
 */
#include "tree/tree.h"

#include <errno.h>
#include <fnmatch.h>

#define CONFIG "config.json"

/* At the top: other copies of the weights, and what belongs to them. */
static const char *const weight_like[] = {
	"*.safetensors", "*.safetensors.index.json",
	"*.bin",         "*.bin.index.json",
	"*.pt",          "*.pth",
	"*.ckpt",        "*.gguf",
	"*.h5",          "*.msgpack",
};

static bool is_weight_like(const char *name)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(weight_like); i++)
		if (fnmatch(weight_like[i], name, 0) == 0)
			return true;
	return false;
}

/* Is extra @x, or the top folder it is in, left out of the view? */
static bool hidden(const struct lens_view *v, const struct lens_extra *x,
		   const struct lens_map *made)
{
	const char *path = x->file.name;
	size_t n = strcspn(path, "/");
	char top[256];

	if (path[0] == '.' || n >= sizeof(top))
		return true;
	memcpy(top, path, n);
	top[n] = 0;
	if (lens_map_find(made, top) != LENS_NONE)
		return true;
	if (path[n] || x->folder)
		return false;
	return is_weight_like(path) ||
	       (strcmp(path, "hf_quant_config.json") == 0 && !v->like &&
		lens_plan_dequantizes(v->plan));
}

static void add(struct lens_nodes *nodes, const char *path,
		enum lens_node_kind kind, size_t index)
{
	const char *slash = strrchr(path, '/');

	nodes->v[nodes->n++] = (struct lens_node){
		.path = path,
		.name = slash ? slash + 1 : path,
		.kind = kind,
		.index = (uint32_t)index,
	};
}

/* The nodes in any order, but for the root, which is first. */
static int collect(const struct lens_view *v, struct lens_nodes *nodes,
		   struct lens_err *err)
{
	const size_t weights = v->layout.n_files;
	const size_t extras = lens_ckpt_extras(lens_view_dress(v));
	LENS_CLEANUP(lens_map_fini) struct lens_map made = { 0 };

	nodes->v = calloc(weights + extras + 3, sizeof(*nodes->v));
	if (!nodes->v)
		return lens_fail(err, ENOMEM, "no memory for the view");
	add(nodes, "", LENS_NODE_FOLDER, 0);
	for (size_t i = 0; i < weights; i++)
		add(nodes, v->layout.files[i].name, LENS_NODE_WEIGHTS, i);
	if (v->layout.index.n)
		add(nodes, LENS_INDEX_NAME, LENS_NODE_INDEX, 0);
	if (v->makes_config)
		add(nodes, CONFIG, LENS_NODE_CONFIG, 0);
	for (size_t i = 1; i < nodes->n; i++)
		if (lens_map_add(&made, nodes->v[i].path, (uint32_t)i) < 0)
			return lens_fail(err, ENOMEM, "no memory for the view");
	for (size_t i = 0; i < extras; i++) {
		const struct lens_extra *x =
			lens_ckpt_extra(lens_view_dress(v), i);

		if (!hidden(v, x, &made))
			add(nodes, x->file.name,
			    x->folder ? LENS_NODE_FOLDER : LENS_NODE_EXTRA, i);
	}
	return 0;
}

static unsigned depth(const char *path)
{
	unsigned n = *path != 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* By depth, then by folder, then by name. */
static int cmp_nodes(const void *pa, const void *pb)
{
	const struct lens_node *a = pa, *b = pb;
	unsigned da = depth(a->path), db = depth(b->path);
	size_t na = (size_t)(a->name - a->path),
	       nb = (size_t)(b->name - b->path);
	int c;

	if (da != db)
		return da < db ? -1 : 1;
	c = memcmp(a->path, b->path, na < nb ? na : nb);
	if (c || na != nb)
		return c ? c : na < nb ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Tie the sorted nodes to their folders. */
static int link_up(struct lens_nodes *nodes, struct lens_err *err)
{
	LENS_CLEANUP(lens_map_fini) struct lens_map folders = { 0 };
	char dir[4096];

	for (size_t i = 0; i < nodes->n; i++) {
		struct lens_node *c = &nodes->v[i], *p;
		size_t n = (size_t)(c->name - c->path);

		if (c->kind == LENS_NODE_FOLDER &&
		    lens_map_add(&folders, c->path, (uint32_t)i) < 0)
			return lens_fail(err, ENOMEM, "no memory for the view");
		if (i == 0)
			continue;
		if (n > sizeof(dir))
			return lens_fail(err, ENAMETOOLONG, "'%s'",
					 LENS_SHOW(c->path));
		memcpy(dir, c->path, n);
		dir[n ? n - 1 : 0] = 0; /* without its slash */
		c->parent = lens_map_find(&folders, dir);
		if (c->parent == LENS_NONE)
			return lens_fail(err, EINVAL,
					 "'%s': its folder is gone",
					 LENS_SHOW(c->path));
		p = &nodes->v[c->parent];
		if (!p->n++)
			p->first = (uint32_t)i;
	}
	return 0;
}

int lens_nodes_make(const struct lens_view *v, struct lens_nodes *ret,
		    struct lens_err *err)
{
	LENS_CLEANUP(lens_nodes_fini) struct lens_nodes nodes = { 0 };

	if (collect(v, &nodes, err) < 0)
		return -err->code;
	qsort(nodes.v, nodes.n, sizeof(*nodes.v), cmp_nodes);
	if (link_up(&nodes, err) < 0)
		return -err->code;
	*ret = nodes;
	nodes = (struct lens_nodes){ 0 };
	return 0;
}

void lens_nodes_fini(struct lens_nodes *nodes)
{
	free(nodes->v);
	*nodes = (struct lens_nodes){ 0 };
}

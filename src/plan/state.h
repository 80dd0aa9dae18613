/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - a plan, and what compiling it passes around.
 */
#ifndef LENS_PLAN_STATE_H
#define LENS_PLAN_STATE_H

#include "lens/plan.h"

/* How an output is best made; next to each lens_out. */
struct lens_way {
	const char *ops; /* of its rule: "transpose[1,2]"; NULL: none */
	bool paneled;
	bool coded;    /* its panels hold codes, decoded when taken */
	unsigned elem; /* bytes of an element in a panel */
};

struct lens_plan {
	struct lens_arena arena;
	const struct lens_ckpt *ckpt;
	const struct lens_recipe *recipe;
	enum lens_side in, out; /* in: the source's */
	const char **param;     /* values, in the recipe's order; NULL: none */
	struct lens_codec_args *
		*codec; /* of this plan, in the recipe's order */
	size_t n, room;
	struct lens_out *outs;
	struct lens_way *ways;
	struct lens_map by_key; /* outputs */
	struct lens_key_fate
		*fates;          /* in the order of the checkpoint's tensors */
	struct lens_map sources; /* name to index of the checkpoint's tensors */
};

/* A tensor on its way through the stages. */
struct lens_item {
	const char *key;
	struct lens_virtual v;
	const char *ops; /* as in lens_way */
	uint32_t *src;   /* the source tensors it is made of */
	size_t n_src;
};
struct lens_items {
	size_t n, room;
	struct lens_item *v;
};
int lens_items_add(struct lens_items *items, const struct lens_item *item,
		   struct lens_err *err);

/* param.c */
int lens_plan_params(struct lens_plan *p, const struct lens_plan_opts *opts,
		     struct lens_err *err);
const char *lens_plan_param(const struct lens_plan *p, const char *name);
int lens_plan_param_dtype(const struct lens_plan *p, const char *name,
			  enum lens_dtype *ret, struct lens_err *err);
int lens_plan_param_u64(const struct lens_plan *p, const char *name,
			uint64_t *ret, struct lens_err *err);
bool lens_plan_when(const struct lens_plan *p, const struct lens_when *when);

/* group.c: the rules stage. Takes @in, adds to @out. */
int lens_plan_rules(struct lens_plan *p, const struct lens_items *in,
		    struct lens_items *out, struct lens_err *err);

/* finish.c: casts, fill, exclude, order, names that collide; then the plan's
 * outputs are there. */
int lens_plan_finish(struct lens_plan *p, struct lens_items *items,
		     const struct lens_plan_opts *opts,
		     struct lens_notes *notes, struct lens_err *err);

/* What a thread makes tensors with; about 1 MiB, made once a thread. */
#define LENS_CODES (512u << 10) /* bytes read at once */
#define LENS_MOVED \
	(256u << 10) /* bytes turned at once, when they are decoded at once */
#define LENS_WINDOW (32u << 10) /* companion elements at once */
#define LENS_LINE 1024          /* elements cast at once */
struct lens_scratch {
	unsigned char codes[LENS_CODES];
	unsigned char moved[LENS_MOVED];
	float window[LENS_WINDOW];
	unsigned char raw[LENS_WINDOW * 4];
	unsigned char line[2][LENS_LINE * 8];
};
struct lens_scratch *lens_plan_scratch(struct lens_err *err);

/* A box of a stored tensor's logical indexes. */
struct lens_box {
	uint64_t origin[LENS_DIMS], count[LENS_DIMS];
};
/* Companion elements that decoding @box needs. */
uint64_t lens_window_size(const struct lens_stored *s,
			  const struct lens_box *box);
/* Read them: at most LENS_WINDOW. */
int lens_window_load(const struct lens_plan *p, const struct lens_stored *s,
		     const struct lens_box *box, struct lens_scratch *x,
		     struct lens_window *w, struct lens_err *err);

/* tile.c: a part of a piece: k0[d] and kn[d] say which of its indexes; only
 * the last two dimensions of the output have more than one. */
struct lens_tile {
	const struct lens_piece *piece;
	uint64_t k0[LENS_DIMS], kn[LENS_DIMS];
};
/* A rectangle of an output: the matrix at outer[], rows and columns of it. */
struct lens_slab {
	uint64_t outer[LENS_DIMS];
	uint64_t row, n_rows, col, n_cols;
};
bool lens_tile_cut(const struct lens_piece *piece, unsigned rank,
		   const struct lens_slab *slab, struct lens_tile *ret);
struct lens_box lens_tile_box(const struct lens_tile *t);
/* Does the source's last dimension run along the rows of the output? */
bool lens_tile_turned(const struct lens_piece *p, unsigned rank);
/* One line of values of @from out of its codes, steps and all. */
void lens_line(const struct lens_producer *from, const struct lens_window *w,
	       const void *codes, const uint64_t *at, unsigned dim,
	       uint64_t step, size_t n, void *dst, struct lens_scratch *x);
/* Make @slab of @o at @dst, rows @stride bytes apart; with @coded the codes
 * alone, in their place. */
int lens_slab_make(const struct lens_plan *p, const struct lens_out *o,
		   const struct lens_slab *slab, void *dst, size_t stride,
		   bool coded, struct lens_err *err);
/* Call @fn for the rectangles that elements [e0, e1) of an output are; @at
 * counts bytes of dst. */
int lens_slabs(const struct lens_out *o, uint64_t e0, uint64_t e1,
	       int (*fn)(void *ctx, const struct lens_slab *slab,
			 uint64_t first, struct lens_err *err),
	       void *ctx, struct lens_err *err);
/* Bytes [off, off + n) of something made in elements of @es bytes: whole ones
 * straight into buf, cut ones by way of a small buffer. */
int lens_by_elements(unsigned es, uint64_t off, size_t n, void *buf,
		     int (*make)(void *ctx, uint64_t e0, uint64_t e1, void *dst,
				 struct lens_err *err),
		     void *ctx, struct lens_err *err);

#endif

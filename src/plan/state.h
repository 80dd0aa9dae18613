/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - a plan, and what compiling it passes around.
 */
#ifndef LENS_PLAN_STATE_H
#define LENS_PLAN_STATE_H

#include "lens/plan.h"

#include <stdatomic.h>

/*
 * encode.c, reduce.c: codes are q = e4m3(f32(value) / scale).  The scale of
 * index i is the one at sum(i[d] / div[d] * stride[d]).
 */
struct lens_encoder {
	enum lens_dtype from; /* of the values */
	unsigned rank;
	uint64_t div[LENS_DIMS], stride[LENS_DIMS];
	size_t n;
	float *scale;                   /* [n], once they are there */
	struct lens_reduction *made_by; /* NULL: they were there from the
					   beginning, and values are checked */
};

/* Scales that are made of the values: of each unit (an expert; else all) when
 * one of its codes or scales is first wanted. */
struct lens_reduction {
	struct lens_out values; /* in the order in which they are read best */
	bool turned;            /* its rows are the columns of the codes */
	size_t units, matrices; /* of a unit: matrices / units */
	uint64_t rows, cols;    /* of a matrix of values */
	uint64_t block;         /* 0: one scale a unit */
	uint64_t grid[2];       /* else: blocks in rows and columns */
	_Atomic uint8_t *state; /* of each unit */
};

/* What makes scales, one batch at a time on all threads; behind a lock. */
struct lens_maker;
struct lens_maker *lens_maker_new(unsigned jobs);
void lens_maker_free(struct lens_maker *m); /* NULL is fine */
/* See that the scales of units [u0, u1) are there. EDOM: a value is NaN or
 * infinite. EINTR: nobody wants them any more. */
int lens_scales_make(const struct lens_plan *p, const struct lens_encoder *e,
		     size_t u0, size_t u1, struct lens_err *err);
/* That the codes of a matrix, or scales [e0, e1), need. */
int lens_scales_for(const struct lens_plan *p, const struct lens_out *o,
		    const uint64_t *outer, struct lens_err *err);
int lens_scales_read(const struct lens_plan *p, const struct lens_encoder *e,
		     uint64_t e0, uint64_t e1, void *dst, struct lens_err *err);
/* The steps of the scale that came last in this place, once it comes again;
 * there are places for as many blocks as a line commonly has. */
#define LENS_STEPPED 128
struct lens_stepped {
	float asked; /* 0: none yet */
	struct lens_steps steps;
};
/* Values that become codes: lines of @n along dimension @dim, the first at
 * index @at, each next one further along dimension @across. */
struct lens_uncoded {
	uint64_t at[LENS_DIMS];
	unsigned dim, across; /* @across: any, if there is one line */
	size_t n, lines;
	const char *values; /* of the encoder's dtype */
	uint8_t *dst;
	size_t stride, dst_stride; /* bytes between lines */
};
/* s[] is the thread's.  false if values should not have been NaN or infinite.
 */
bool lens_encode(const struct lens_encoder *e, const struct lens_uncoded *u,
		 struct lens_stepped *s);
/* An encoder for values like @v, n scales to come; NULL: no memory. */
struct lens_encoder *lens_encoder_new(struct lens_plan *p,
				      const struct lens_virtual *v, size_t n);

/* How an output is best made; next to each lens_out. */
struct lens_way {
	const char *ops; /* of its rule: "transpose[1,2]"; NULL: none */
	bool paneled;
	bool coded;    /* its panels hold codes, decoded when taken */
	unsigned elem; /* bytes of an element in a panel */
};

/* Rules of one section that count in the plan's direction, their parameters
 * being what they are. */
struct lens_live {
	size_t n;
	const struct lens_rule **v;
};

struct lens_plan {
	struct lens_arena arena;
	const struct lens_ckpt *ckpt;
	const struct lens_recipe *recipe;
	enum lens_side in, out; /* in: the source's */
	const char **param;     /* values, in the recipe's order; NULL: none */
	const cJSON **list;     /* those that are arrays */
	struct lens_live drops, refuses, names, rules, casts;
	struct lens_codec_args *
		*codec;             /* of this plan, in the recipe's order */
	enum lens_dtype *codec_out; /* what each decodes to; INVALID: not
				       looked up yet */
	struct lens_quant quant;
	cJSON *quant_json; /* where it is not config.json's */
	size_t n, room;
	struct lens_out *outs;
	struct lens_way *ways;
	struct lens_map by_key; /* outputs */
	struct lens_key_fate
		*fates; /* in the order of the checkpoint's tensors */
	enum lens_scales quantize;
	uint64_t block;
	struct lens_maker *maker; /* NULL: nothing is quantized by it */
	struct lens_plan *like;   /* of opts->like, paired with its companions;
				     NULL: none */
};

/* A tensor on its way through the stages. */
struct lens_item {
	const char *key;
	struct lens_virtual v;
	const struct lens_encoder *encoder; /* as in lens_out */
	const char *ops;                    /* as in lens_way */
	uint32_t *src; /* the source tensors it is made of */
	size_t n_src;
	const struct lens_virtual *exact; /* its values must be all of these;
					     NULL: need not */
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
/* As lens_expr_env's value(). */
int lens_plan_param_int(const struct lens_plan *p, const char *name,
			const int64_t *index, int64_t *ret,
			struct lens_err *err);

/* match.c: the rules that count. */
int lens_plan_live(struct lens_plan *p, struct lens_err *err);
/* What expressions and conditions are about, besides parameters. */
struct lens_about {
	const struct lens_plan *p;
	const struct lens_captures *caps; /* NULL: none */
	const struct lens_virtual *v;     /* NULL: no tensor */
};
/* The number that @e is. */
int lens_plan_eval(const struct lens_about *a, const struct lens_expr *e,
		   uint64_t *ret, struct lens_err *err);
/* Do the conditions hold: 1, 0, or negative; of @late ones and others. */
int lens_plan_when(const struct lens_about *a, const struct lens_when *when,
		   bool late, struct lens_err *err);
/* 1: @key of tensor @v (NULL: not known) fits @pattern of @r, conditions and
 * all, and @caps has what was captured and what is computed of it.  0: not. */
int lens_plan_fits(struct lens_plan *p, const struct lens_rule *r,
		   const struct lens_pattern *pattern, const char *key,
		   const struct lens_virtual *v, struct lens_captures *caps,
		   struct lens_err *err);
/* The rule of @live that one of the source side's patterns of @key fits: *ret,
 * or NULL. */
int lens_plan_find_rule(struct lens_plan *p, const struct lens_live *live,
			const char *key, const struct lens_virtual *v,
			struct lens_captures *caps,
			const struct lens_rule **ret, struct lens_err *err);

/* quant.c: what the checkpoint says of its quantization; a method that no codec
 * of the recipe stands for is refused. */
int lens_plan_quant(struct lens_plan *p, struct lens_err *err);

/* pair.c: the recipe's codecs, with their options as the checkpoint completes
 * them; then each tensor that is not dropped becomes an item or a companion. */
int lens_plan_codecs(struct lens_plan *p, struct lens_err *err);
int lens_plan_bind(struct lens_plan *p, struct lens_items *items,
		   struct lens_err *err);

/* group.c: the rules stage. Takes @in, adds to @out. */
int lens_plan_rules(struct lens_plan *p, const struct lens_items *in,
		    struct lens_items *out, struct lens_err *err);

/* made.c: tensors that the view has and the source lacks. */
int lens_plan_made(struct lens_plan *p, struct lens_items *items,
		   struct lens_err *err);
/* Does @key belong to a tensor that is made of nothing but others, on the
 * source's side?  1: it is left out. */
int lens_plan_is_made(struct lens_plan *p, const char *key,
		      struct lens_err *err);

/* finish.c: casts, fill, exclude, order, names that collide; then the plan's
 * outputs are there. */
int lens_plan_finish(struct lens_plan *p, struct lens_items *items,
		     const struct lens_items *like,
		     const struct lens_plan_opts *opts,
		     struct lens_notes *notes, struct lens_err *err);

/* The key that the names stage makes of @key, a tensor like @v; @key itself if
 * none matches. */
int lens_plan_rename(struct lens_plan *p, const char *key,
		     const struct lens_virtual *v, const char **ret,
		     struct lens_err *err);

/* exclude.c: a regular expression at the start of keys. */
struct lens_excluder;
/* *ret NULL where @text is. */
int lens_excluder_new(const char *text, struct lens_excluder **ret,
		      struct lens_err *err);
void lens_excluder_free(struct lens_excluder *x); /* NULL is fine */
LENS_DEFINE_CLEANUP(struct lens_excluder *, lens_excluder_free)
/* 1 it matches, 0 not (@x NULL, too), negative. */
int lens_excludes(const struct lens_excluder *x, const char *key,
		  struct lens_err *err);

/* quantize.c: codes and scales instead of weights. */
int lens_plan_quantize(struct lens_plan *p, struct lens_items *items,
		       const struct lens_plan_opts *opts,
		       struct lens_notes *notes, struct lens_err *err);
/* Make @item codes with @encoder. */
int lens_quantize_item(struct lens_plan *p, struct lens_item *item,
		       const struct lens_encoder *encoder,
		       struct lens_err *err);
/* Leave @item out; a note if it holds more than what the recipe fills in. */
int lens_leave_out(struct lens_plan *p, const struct lens_item *item,
		   const char *why, struct lens_notes *notes,
		   struct lens_err *err);
/* like.c */
/* @like: the tensors of the other checkpoint that are no companions. */
int lens_plan_liken(struct lens_plan *p, struct lens_items *items,
		    const struct lens_items *like,
		    const struct lens_plan_opts *opts, struct lens_notes *notes,
		    struct lens_err *err);
/* Is every output the same as its @exact? */
int lens_plan_check_exact(const struct lens_plan *p,
			  const struct lens_items *items,
			  const struct lens_plan_opts *opts,
			  struct lens_err *err);

/* eval.c: bytes of @o, which need not be one of the plan's. */
int lens_out_read(const struct lens_plan *p, const struct lens_out *o,
		  uint64_t off, size_t n, void *buf, struct lens_err *err);

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
	unsigned char values[LENS_LINE * 8]; /* to be encoded */
	struct lens_stepped stepped[LENS_STEPPED];
};
/* part.c: LENS_PART bytes for a part of a tensor, to be given back by the same
 * thread, which takes no other meanwhile.  NULL: no memory. */
#define LENS_PART (1u << 20)
unsigned char *lens_part_take(struct lens_err *err);
void lens_part_give(unsigned char *part);
/* Whose tensors @s is of. */
static inline const struct lens_ckpt *
lens_stored_ckpt(const struct lens_plan *p, const struct lens_stored *s)
{
	return s->ckpt ? s->ckpt : p->ckpt;
}
struct lens_scratch *lens_plan_scratch(struct lens_err *err);

/* A box of a stored tensor's logical indexes. */
struct lens_box {
	uint64_t origin[LENS_DIMS], count[LENS_DIMS];
};
/* Companion elements that decoding @box needs. */
uint64_t lens_window_size(const struct lens_stored *s,
			  const struct lens_box *box);
/* The codes of @box, densely into x->codes: unpacked, by way of x->moved. */
int lens_codes_load(const struct lens_plan *p, const struct lens_stored *s,
		    const struct lens_box *box, void *codes,
		    struct lens_scratch *x, struct lens_err *err);
/* Bytes of the packed tensor that hold @box; 0 if it is not packed. */
uint64_t lens_packed_size(const struct lens_stored *s,
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
/* Is a line along the output's last dimension cheap to decode, as elements of
 * it share their scales? */
bool lens_tile_runs(const struct lens_piece *p, unsigned rank);
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

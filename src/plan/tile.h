/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tile.h - between the files that make rectangles of an output: tile.c has what
 * holds values, encode_tile.c what becomes codes.
 */
#ifndef LENS_PLAN_TILE_H
#define LENS_PLAN_TILE_H

#include "plan/state.h"

/* What one rectangle is made with. */
struct lens_work {
	const struct lens_plan *p;
	const struct lens_out *o;
	const struct lens_slab *slab;
	unsigned char *dst;
	size_t stride; /* between rows of dst */
	unsigned es;   /* bytes of an element in dst */
	bool coded;
	struct lens_scratch *x;
	bool *unfit; /* set: a value that can't be encoded */
};

/* tile.c */
/* The source dimension that output dimension @d drives; -1 if none. */
int lens_tile_driven(const struct lens_piece *q, int d);
/* Where element (ka, kb) of a tile goes. */
unsigned char *lens_work_place(const struct lens_work *w,
			       const struct lens_tile *t, uint64_t ka,
			       uint64_t kb);
/* Read the tile's codes, which are in @box, densely to @codes: only its own,
 * also where the source is stepped over. */
int lens_work_fetch(const struct lens_work *w, const struct lens_tile *t,
		    const struct lens_box *box, unsigned char *codes,
		    struct lens_err *err);

/* encode_tile.c */
/* Codes of @n values, from (ka, kb) along output dimension @dim; to dst[],
 * densely. */
void lens_work_encode(const struct lens_work *w, const struct lens_tile *t,
		      uint64_t ka, uint64_t kb, unsigned dim,
		      const void *values, size_t n, uint8_t *dst);
/* Row @ka of a tile that is not turned, out of what it is stored as; @at and
 * @src as for lens_line(), @src -1 where no dimension runs along the row. */
void lens_work_encode_row(const struct lens_work *w, const struct lens_tile *t,
			  const struct lens_window *win, const void *codes,
			  const uint64_t *at, int src, uint64_t ka);
/* Can a turned tile become codes at once?  If not it has to be cut. */
bool lens_work_encodes(const struct lens_work *w, const struct lens_tile *t);
int lens_work_encode_turned(const struct lens_work *w,
			    const struct lens_tile *t, struct lens_err *err);

#endif

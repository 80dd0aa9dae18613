/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sources.c - what an output is made of, in parts: which keys of the source, by
 * which codec, with what ops.
 */
#include "plan/state.h"

#include <errno.h>
#include <stdio.h>

/* So many different ones are named. */
#define MOST 4

static int add(const struct lens_plan *p, const struct lens_tensor *t,
	       uint32_t mark, struct lens_sources *s)
{
	const uint32_t key = lens_ckpt_index(p->ckpt, t->name);

	if (key == LENS_NONE || s->seen[key] == mark)
		return 0;
	if (s->n == s->room) {
		const size_t room = s->room ? 2 * s->room : 64;
		void *v = reallocarray(s->key, room, sizeof(*s->key));

		if (!v)
			return -ENOMEM;
		s->key = v;
		s->room = room;
	}
	s->seen[key] = mark;
	s->key[s->n++] = key;
	return 0;
}

static int add_stored(const struct lens_plan *p, const struct lens_stored *st,
		      uint32_t mark, struct lens_sources *s)
{
	/* Another checkpoint's have nothing to do with the source's keys. */
	if (st->ckpt && st->ckpt != p->ckpt)
		return 0;
	if (add(p, st->weight, mark, s) < 0)
		return -ENOMEM;
	for (unsigned k = 0; k < st->n_companions; k++)
		if (add(p, st->companion[k].tensor, mark, s) < 0)
			return -ENOMEM;
	for (size_t k = 0; k < LENS_ARRAY_SIZE(st->aside); k++)
		if (st->aside[k] && add(p, st->aside[k], mark, s) < 0)
			return -ENOMEM;
	return 0;
}

static size_t producers(const struct lens_virtual *v)
{
	return v->whole ? 1 : v->n_pieces;
}

static const struct lens_producer *producer(const struct lens_virtual *v,
					    size_t k)
{
	return v->whole ? v->whole : v->pieces[k].from;
}

static int add_all(const struct lens_plan *p, const struct lens_virtual *v,
		   uint32_t mark, struct lens_sources *s)
{
	const struct lens_producer *last = NULL;

	for (size_t k = 0; k < producers(v); k++) {
		const struct lens_producer *q = producer(v, k);
		int r = 0;

		if (q == last)
			continue;
		last = q;
		if (q->kind == LENS_STORED)
			r = add_stored(p, &q->stored, mark, s);
		else if (q->kind == LENS_SCALES)
			r = add_all(p, &q->scales->made_by->values.v, mark, s);
		if (r < 0)
			return r;
	}
	return 0;
}

int lens_plan_sources(const struct lens_plan *p, size_t i,
		      struct lens_sources *ret, struct lens_err *err)
{
	if (!ret->seen)
		ret->seen = calloc(lens_plan_keys(p) + 1, sizeof(*ret->seen));
	ret->n = 0;
	if (!ret->seen || add_all(p, &p->outs[i].v, (uint32_t)i + 1, ret) < 0)
		return lens_fail(err, ENOMEM, "no memory for source keys");
	return 0;
}

void lens_sources_fini(struct lens_sources *s)
{
	free(s->key);
	free(s->seen);
}

static void codec_word(const struct lens_plan *p, const struct lens_producer *q,
		       char *word, size_t n)
{
	(void)p;
	word[0] = 0;
	if (q->kind == LENS_STORED && q->stored.codec)
		(void)snprintf(word, n, "%s>%s", q->stored.codec->name,
			       lens_dtype_name(q->dtype));
}

static void op_word(const struct lens_plan *p, const struct lens_producer *q,
		    char *word, size_t n)
{
	size_t at = 0;

	word[0] = 0;
	if (q->kind == LENS_FILL)
		(void)snprintf(word, n, "fill(%g)", q->fill);
	else if (q->kind == LENS_SCALES)
		(void)snprintf(word, n, "amax/448");
	else if (q->stored.ckpt && q->stored.ckpt != p->ckpt)
		(void)snprintf(word, n, "like");
	for (unsigned k = 0; k < q->n_steps; k++) {
		at = strlen(word);
		(void)snprintf(word + at, n - at, "%scast>%s", at ? " " : "",
			       lens_dtype_name(q->step[k]));
	}
}

/* What @say has to say of each of @v's producers, each word once. */
static void each_once(const struct lens_plan *p, const struct lens_virtual *v,
		      void (*say)(const struct lens_plan *p,
				  const struct lens_producer *q, char *word,
				  size_t n),
		      struct lens_buf *out)
{
	char words[MOST][96], word[96];
	const struct lens_producer *last = NULL;
	unsigned n = 0, at;

	for (size_t k = 0; k < producers(v); k++) {
		const struct lens_producer *q = producer(v, k);

		if (q == last)
			continue;
		last = q;
		say(p, q, word, sizeof(word));
		for (at = 0; at < n && strcmp(words[at], word) != 0; at++)
			;
		if (at < n || !*word)
			continue;
		lens_buf_printf(out, "%s%s", n ? ", " : "",
				n < MOST ? word : "...");
		if (n == MOST)
			return;
		memcpy(words[n++], word, sizeof(word));
	}
}

void lens_plan_codec(const struct lens_plan *p, size_t i, struct lens_buf *out)
{
	const struct lens_encoder *e = p->outs[i].encoder;
	LENS_CLEANUP(lens_buf_fini) struct lens_buf of = { 0 };

	each_once(p, &p->outs[i].v, codec_word, &of);
	if (e)
		lens_buf_printf(out, "quantize(%s)%s",
				e->made_by ? "amax" : "like", of.n ? " " : "");
	lens_buf_add(out, of.data, of.n);
}

void lens_plan_ops(const struct lens_plan *p, size_t i, struct lens_buf *out)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf of = { 0 };

	each_once(p, &p->outs[i].v, op_word, &of);
	if (p->ways[i].ops)
		lens_buf_printf(out, "%s%s", p->ways[i].ops, of.n ? " " : "");
	lens_buf_add(out, of.data, of.n);
}

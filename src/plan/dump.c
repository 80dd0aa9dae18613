/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - a plan as text: for `lensfs plan`, .lens/plan and the tests.
 */
#include "plan/state.h"

#include <stdio.h>

size_t lens_plan_count(const struct lens_plan *p)
{
	return p->n;
}

const struct lens_out *lens_plan_at(const struct lens_plan *p, size_t i)
{
	return &p->outs[i];
}

uint32_t lens_plan_find(const struct lens_plan *p, const char *key)
{
	return lens_map_find(&p->by_key, key);
}

const struct lens_ckpt *lens_plan_ckpt(const struct lens_plan *p)
{
	return p->ckpt;
}

const struct lens_recipe *lens_plan_recipe(const struct lens_plan *p)
{
	return p->recipe;
}

size_t lens_plan_keys(const struct lens_plan *p)
{
	return lens_ckpt_count(p->ckpt);
}

const struct lens_key_fate *lens_plan_key(const struct lens_plan *p, size_t i)
{
	return &p->fates[i];
}

const char *lens_fate_name(enum lens_fate fate)
{
	static const char *const names[LENS_FATE_MAX] = {
		[LENS_FATE_MAPPED] = "mapped",
		[LENS_FATE_PASSED] = "passed",
		[LENS_FATE_COMPANION] = "companion",
		[LENS_FATE_DROPPED] = "dropped",
		[LENS_FATE_EXCLUDED] = "excluded",
	};

	return names[fate];
}

bool lens_plan_dequantizes(const struct lens_plan *p)
{
	return !p->recipe->keeps_config && p->recipe->n_codecs;
}

const struct lens_ckpt *lens_plan_like(const struct lens_plan *p)
{
	return p->like ? p->like->ckpt : NULL;
}

static void describe_producer(const struct lens_producer *q,
			      struct lens_buf *out)
{
	const struct lens_stored *s = &q->stored;

	if (q->kind == LENS_FILL) {
		lens_buf_printf(out, "fill(%g)", q->fill);
		return;
	}
	if (q->kind == LENS_SCALES) {
		lens_buf_printf(out, "amax/448 of %s", LENS_SHOW(s->key));
		return;
	}
	if (s->codec)
		lens_buf_printf(out, "%s>%s ", s->codec->name,
				lens_dtype_name(q->dtype));
	for (unsigned k = 0; k < q->n_steps; k++)
		lens_buf_printf(out, "cast>%s ", lens_dtype_name(q->step[k]));
	lens_buf_printf(out, "%s:%s", lens_dtype_name(s->weight->dtype),
			LENS_SHOW(s->weight->name));
	for (unsigned k = 0; k < s->n_companions; k++)
		lens_buf_printf(out, "*%s:%s",
				lens_dtype_name(s->companion[k].tensor->dtype),
				LENS_SHOW(s->companion[k].tensor->name));
}

void lens_plan_describe(const struct lens_plan *p, size_t i,
			struct lens_buf *out)
{
	const struct lens_virtual *v = &p->outs[i].v;

	if (p->outs[i].encoder)
		lens_buf_printf(out, "quantize(%s) ",
				p->outs[i].encoder->made_by ? "amax" : "like");
	if (p->ways[i].ops)
		lens_buf_printf(out, "%s ", p->ways[i].ops);
	if (v->whole) {
		describe_producer(v->whole, out);
		return;
	}
	for (size_t k = 0; k < v->n_pieces && k < 2; k++) {
		lens_buf_puts(out, k ? " + " : "");
		describe_producer(v->pieces[k].from, out);
	}
	if (v->n_pieces > 2)
		lens_buf_printf(out, " + %zu more", v->n_pieces - 2);
}

void lens_plan_dump(const struct lens_plan *p, struct lens_buf *out)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct lens_tensor *t = &p->outs[i].t;

		lens_buf_printf(out, "%s\t%s\t[", LENS_SHOW(t->name),
				lens_dtype_name(t->dtype));
		for (unsigned d = 0; d < t->rank; d++)
			lens_buf_printf(out, d ? ", %llu" : "%llu",
					(unsigned long long)t->shape[d]);
		lens_buf_puts(out, "]\t");
		lens_plan_describe(p, i, out);
		lens_buf_puts(out, "\n");
	}
}

/* A recipe's text, without what is blank behind it. */
static void put_text(struct lens_buf *out, const char *text)
{
	size_t n = strlen(text);

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	lens_buf_add(out, text, n);
}

void lens_plan_recipe_json(const struct lens_plan *p, struct lens_buf *out)
{
	size_t n = 0;

	lens_buf_puts(out, "{\n  \"direction\": ");
	lens_buf_puts(out, p->in == LENS_HF ? "\"hf -> native\"" :
					      "\"native -> hf\"");
	lens_buf_puts(out, ",\n  \"resolved\": {");
	for (size_t i = 0; i < p->recipe->n_params; i++) {
		if (!p->param[i])
			continue;
		lens_buf_puts(out, n++ ? ", " : "");
		lens_json_quote(out, p->recipe->params[i].name, false);
		lens_buf_puts(out, ": ");
		lens_json_quote(out, p->param[i], false);
	}
	lens_buf_puts(out, "},\n  \"recipe\": ");
	put_text(out, p->recipe->text);
	for (const struct lens_recipe_base *b = p->recipe->bases; b;
	     b = b->next) {
		lens_buf_puts(out, b == p->recipe->bases ?
					   ",\n  \"extended\": {\n  " :
					   ",\n  ");
		lens_json_quote(out, b->name, false);
		lens_buf_puts(out, ": ");
		put_text(out, b->text);
	}
	lens_buf_puts(out, p->recipe->bases ? "}\n}\n" : "\n}\n");
}

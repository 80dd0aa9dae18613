/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - the words of the inspection tree.
 */
#include "tree/tree.h"

/* Names from outside, whole; what could end a line or drive a terminal becomes
 * \xHH, a backslash \\. */
static void escape(struct lens_buf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text, *from = s;

	for (;; s++) {
		const bool c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;

		if (*s >= 0x20 && *s != 0x7f && *s != '\\' && !c1)
			continue;
		lens_buf_add(out, from, (size_t)(s - from));
		if (!*s)
			return;
		if (*s == '\\')
			lens_buf_puts(out, "\\\\");
		else if (c1)
			lens_buf_printf(out, "\\xc2\\x%02x", *++s);
		else
			lens_buf_printf(out, "\\x%02x", *s);
		from = s + 1;
	}
}

void lens_text_shape(struct lens_buf *out, const struct lens_tensor *t)
{
	lens_buf_puts(out, "[");
	for (unsigned d = 0; d < t->rank; d++)
		lens_buf_printf(out, d ? ", %llu" : "%llu",
				(unsigned long long)t->shape[d]);
	lens_buf_puts(out, "]");
}

void lens_text_plan_line(const struct lens_view *v, size_t i,
			 struct lens_buf *out)
{
	const struct lens_tensor *t = &lens_plan_at(v->plan, i)->t;

	escape(out, t->name);
	lens_buf_printf(out, "\t%s\t", lens_dtype_name(t->dtype));
	lens_text_shape(out, t);
	lens_buf_printf(out, "\t%s\t",
			v->layout.files[v->layout.places[i].file].name);
	lens_plan_describe(v->plan, i, out);
	lens_buf_puts(out, "\n");
}

void lens_text_key_line(const struct lens_view *v, size_t i,
			struct lens_buf *out)
{
	const struct lens_key_fate *k = lens_plan_key(v->plan, i);

	escape(out, k->t->name);
	lens_buf_printf(out, "\t%s\t", lens_fate_name(k->fate));
	escape(out, k->into ? k->into : "-");
	lens_buf_puts(out, "\t");
	escape(out, k->rule ? k->rule : "-");
	lens_buf_puts(out, "\n");
}

void lens_text_head(const struct lens_tensor *t, struct lens_buf *out)
{
	lens_buf_puts(out, "key      ");
	escape(out, t->name);
	lens_buf_printf(out, "\ndtype    %s\nshape    ",
			lens_dtype_name(t->dtype));
	lens_text_shape(out, t);
	lens_buf_puts(out, "\n");
}

void lens_text_info(const struct lens_view *v, size_t i, struct lens_buf *out)
{
	const struct lens_tensor *t = &lens_plan_at(v->plan, i)->t;
	const struct lens_place place = v->layout.places[i];

	lens_text_head(t, out);
	lens_buf_printf(
		out, "bytes    %llu\nfile     %s\noffset   %llu\nmade     ",
		(unsigned long long)t->size, v->layout.files[place.file].name,
		(unsigned long long)place.off);
	lens_plan_describe(v->plan, i, out);
	lens_buf_puts(out, "\n");
}

void lens_text_readme(const struct lens_view *v, struct lens_buf *out)
{
	lens_buf_puts(out,
		      "This folder tells how the files beside it are made. "
		      "They are a view of\n  ");
	escape(out, lens_view_source(v));
	lens_buf_puts(out, "\nRecipe: ");
	escape(out, v->why);
	lens_buf_puts(
		out,
		".\n"
		"plan         a line a tensor: key, dtype, shape, file, what "
		"it "
		"is made of\n"
		"keys         a line a key of the source: what became of it, "
		"where, by which rule\n"
		"recipe.json  the recipe, and its parameters as they were "
		"found\n"
		"stats        counters, in Prometheus' text format\n"
		"tensors/     a folder a tensor, the dots of its key being "
		"slashes: info, summary,\n"
		"             data.npy, raw\n"
		"In names '/', '%' and control bytes are %XX, an empty part is "
		"%; folders that would be\n"
		"called as one of these files have their first letter so; long "
		"ones end in %~ and a hash.\n");
}

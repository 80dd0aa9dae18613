/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary_text.c - a summary in words and bars.
 *
 * Every number has its column, as wide as the tensor's number of values needs,
 * so that the length of the text is known before a value is read: a summary
 * has a size although it is made when it is read.
 */
#include "tree/summary.h"
#include "tree/tree.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define BINADES 20 /* that have a line */
#define BAR 32
#define BIAS 1023
#define VALUE 24    /* columns of the widest double */
#define NARROWEST 7 /* "below 0" */

/* What the lines are written with. */
struct page {
	struct lens_buf *out;
	enum lens_dtype dtype;
	const struct lens_summary *s;
	uint64_t values;
	int width;     /* of a count */
	uint64_t most; /* of a line of the histogram */
};

static int width_of(uint64_t values)
{
	int n = 1;

	while (values /= 10)
		n++;
	return n;
}

static bool is_wide(enum lens_dtype d)
{
	return d == LENS_I64 || d == LENS_U64;
}

static bool is_whole(enum lens_dtype d)
{
	return d == LENS_BOOL || d == LENS_U8 || d == LENS_I8 ||
	       d == LENS_I16 || d == LENS_U16 || d == LENS_I32 ||
	       d == LENS_U32 || is_wide(d);
}

static void count_line(const struct page *p, const char *what, uint64_t n)
{
	lens_buf_printf(p->out, "%-8s %*" PRIu64 "\n", what, p->width, n);
}

static void value_line(const struct page *p, const char *what, bool any,
		       int digits, double value)
{
	char text[VALUE + 8] = "-";

	if (any && digits)
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
	else if (any)
		(void)snprintf(text, sizeof(text), "%.0f", value);
	lens_buf_printf(p->out, "%-8s %*s\n", what, VALUE, text);
}

static void extremes(const struct page *p, bool any)
{
	const struct lens_summary *s = p->s;
	const int digits = is_whole(p->dtype)   ? 0 :
			   p->dtype == LENS_F64 ? DBL_DECIMAL_DIG :
						  FLT_DECIMAL_DIG;

	if (any && p->dtype == LENS_I64)
		lens_buf_printf(p->out,
				"%-8s %*" PRId64 "\n%-8s %*" PRId64 "\n", "min",
				VALUE, s->least.i, "max", VALUE, s->most.i);
	else if (any && p->dtype == LENS_U64)
		lens_buf_printf(p->out,
				"%-8s %*" PRIu64 "\n%-8s %*" PRIu64 "\n", "min",
				VALUE, s->least.u, "max", VALUE, s->most.u);
	else {
		value_line(p, "min", any, digits, s->min);
		value_line(p, "max", any, digits, s->max);
	}
}

/* Numbers of exponents below @end, less the zeros. */
static uint64_t below(const struct lens_summary *s, unsigned sign, int end)
{
	uint64_t n = 0;

	for (int e = 0; e < end; e++)
		n += s->numbers[sign][e];
	return end > 0 ? n - s->zeros[sign] : 0;
}

static void counts(const struct page *p)
{
	const struct lens_summary *s = p->s;

	lens_buf_printf(
		p->out, "%-8s %*" PRIu64 "%s\n", "values", p->width, p->values,
		p->dtype == LENS_C64 ? " (real and imaginary parts)" : "");
	count_line(p, "NaN", s->nans);
	count_line(p, "-Inf", s->infs[1]);
	count_line(p, "Inf", s->infs[0]);
	count_line(p, "below 0", below(s, 1, LENS_EXPONENTS));
	count_line(p, "zero", s->zeros[0] + s->zeros[1]);
	count_line(p, "above 0", below(s, 0, LENS_EXPONENTS));
}

static void bar_line(const struct page *p, const char *from, const char *value,
		     const uint64_t n[2])
{
	static const char bar[BAR + 1] = "################################";
	const double all = (double)(n[0] + n[1]);
	int length = (int)(all / (double)p->most * BAR);

	if (all > 0 && !length)
		length = 1;
	lens_buf_printf(
		p->out, "%-7s %-12s %*" PRIu64 " %*" PRIu64 "  %-*.*s\n", from,
		value, p->width, n[1], p->width, n[0], BAR, length, bar);
}

/* A line for each of the highest binades, the last one for all below. */
static void histogram(struct page *p)
{
	const struct lens_summary *s = p->s;
	uint64_t n[BINADES + 1][2];
	char from[16], value[32];
	int top = LENS_EXPONENTS - 1;

	while (top > 0 && !s->numbers[0][top] && !s->numbers[1][top])
		top--;
	top = top ? top : BIAS;
	p->most = 1;
	for (int k = 0; k <= BINADES; k++) {
		const int e = top - k;

		for (unsigned sign = 0; sign < 2; sign++)
			n[k][sign] = k == BINADES ? below(s, sign, e + 1) :
				     e > 0        ? s->numbers[sign][e] :
						    0;
		if (n[k][0] + n[k][1] > p->most)
			p->most = n[k][0] + n[k][1];
	}
	lens_buf_printf(p->out, "\n%-20s %*s %*s\n", "at least", p->width,
			"below 0", p->width, "above 0");
	for (int k = 0; k < BINADES; k++) {
		(void)snprintf(from, sizeof(from), "2^%d", top - k - BIAS);
		(void)snprintf(value, sizeof(value), "%.6g",
			       scalbn(1.0, top - k - BIAS));
		bar_line(p, from, value, n[k]);
	}
	bar_line(p, "smaller", "", n[BINADES]);
}

/* All that does not depend on the tensor's key and shape. */
static void tail(enum lens_dtype d, uint64_t values,
		 const struct lens_summary *s, struct lens_buf *out)
{
	const int width = width_of(values);
	struct page p = { .out = out,
			  .dtype = d,
			  .s = s,
			  .values = values,
			  .width = width < NARROWEST ? NARROWEST : width };
	const bool any = below(s, 0, LENS_EXPONENTS) + s->zeros[0] +
				 below(s, 1, LENS_EXPONENTS) + s->zeros[1] >
			 0;

	counts(&p);
	extremes(&p, any);
	value_line(&p, "mean", any, FLT_DECIMAL_DIG, s->mean);
	value_line(&p, "std", any, FLT_DECIMAL_DIG, s->std);
	histogram(&p);
}

static uint64_t count_of(const struct lens_tensor *t)
{
	return lens_values_count(t->dtype, t->size);
}

/* Its length does not depend on what it says. */
static void put_text(const struct lens_view *v, size_t i,
		     const struct lens_summary *s, struct lens_buf *out)
{
	const struct lens_tensor *t = &lens_plan_at(v->plan, i)->t;

	lens_text_head(t, out);
	tail(t->dtype, count_of(t), s, out);
}

uint64_t lens_summary_size(const struct lens_view *v, size_t i)
{
	static const struct lens_summary nothing;
	const struct lens_tensor *t = &lens_plan_at(v->plan, i)->t;
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };
	atomic_uint *known =
		&v->inspect->summaries
			 .tail[t->dtype == LENS_C64][width_of(count_of(t))];
	unsigned n = atomic_load(known);

	if (!n) {
		tail(t->dtype, count_of(t), &nothing, &text);
		n = (unsigned)text.n;
		text.n = 0;
		if (!text.failed)
			atomic_store(known, n);
	}
	lens_text_head(t, &text);
	return text.failed ? 0 : n + text.n;
}

static const struct lens_buf *find(const struct lens_summaries *all, size_t i)
{
	for (size_t k = 0; k < LENS_ARRAY_SIZE(all->kept); k++)
		if (all->kept[k].text.n && all->kept[k].i == i)
			return &all->kept[k].text;
	return NULL;
}

/* With others under way there are threads enough. */
static int make(const struct lens_view *v, size_t i, struct lens_buf *text,
		struct lens_err *err)
{
	struct lens_summaries *all = &v->inspect->summaries;
	lens_autofree struct lens_summary *s = malloc(sizeof(*s));
	const uint64_t began = lens_now();
	int r;

	if (!s)
		return lens_fail(err, ENOMEM, "no memory for a summary");
	r = lens_summary_make(v, i, atomic_fetch_add(&all->busy, 1) ? 1 : 0, s,
			      err);
	(void)atomic_fetch_sub(&all->busy, 1);
	if (r < 0)
		return r;
	lens_count_summary(v->counters, began);
	put_text(v, i, s, text);
	if (text->failed)
		return lens_fail(err, ENOMEM, "no memory for a summary");
	assert(text->n == lens_summary_size(v, i));
	return 0;
}

/* @text is given away. */
static void keep(struct lens_summaries *all, size_t i, struct lens_buf *text)
{
	struct lens_summary_kept *k;

	if (find(all, i))
		return;
	k = &all->kept[all->next++ % LENS_ARRAY_SIZE(all->kept)];
	lens_buf_fini(&k->text);
	k->text = *text;
	k->i = i;
	*text = (struct lens_buf){ 0 };
}

int lens_summary_read(const struct lens_view *v, size_t i, uint64_t off,
		      size_t n, void *buf, size_t *ret_n, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf made = { 0 };
	struct lens_summaries *all = &v->inspect->summaries;
	const struct lens_buf *text;

	*ret_n = 0;
	/* Who reads to the end asks once more; nothing is made for that. */
	if (off >= lens_summary_size(v, i))
		return 0;
	(void)pthread_mutex_lock(&all->lock);
	text = find(all, i);
	if (text)
		*ret_n = lens_content_part(text, off, n, buf);
	(void)pthread_mutex_unlock(&all->lock);
	if (text)
		return 0;
	if (make(v, i, &made, err) < 0)
		return -err->code;
	*ret_n = lens_content_part(&made, off, n, buf);
	(void)pthread_mutex_lock(&all->lock);
	keep(all, i, &made);
	(void)pthread_mutex_unlock(&all->lock);
	return 0;
}

void lens_summaries_fini(struct lens_summaries *s)
{
	for (size_t k = 0; k < LENS_ARRAY_SIZE(s->kept); k++)
		lens_buf_fini(&s->kept[k].text);
	(void)pthread_mutex_destroy(&s->lock);
}

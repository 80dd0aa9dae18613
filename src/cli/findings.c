/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.c - what verify has found, told to people and programs.
 */
#include "cli/findings.h"
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>

struct lens_finding *lens_finding_add(struct lens_findings *f,
				      enum lens_finding_kind kind,
				      const char *key)
{
	/* A power of two, each time it is full. */
	if (!(f->n & (f->n - 1))) {
		struct lens_finding *v =
			reallocarray(f->v, f->n ? 2 * f->n : 1, sizeof(*v));

		if (!v)
			return NULL;
		f->v = v;
	}
	f->missing += kind == LENS_FINDING_MISSING;
	f->extra += kind == LENS_FINDING_EXTRA;
	f->v[f->n] = (struct lens_finding){ .kind = kind, .key = key };
	return &f->v[f->n++];
}

const char *lens_finding_form(struct lens_findings *f, const char *dtype,
			      const char *shape)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf b = { 0 };

	lens_buf_printf(&b, "%s %s", dtype, shape);
	return b.failed ? NULL : lens_arena_strndup(&f->arena, b.data, b.n);
}

const char *lens_finding_form_of(struct lens_findings *f,
				 const struct lens_tensor *t)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf shape = { 0 };

	lens_cli_shape(&shape, t);
	return shape.failed ? NULL :
			      lens_finding_form(f, lens_dtype_name(t->dtype),
						shape.data);
}

/* Element @at of @t as an index for each dimension. */
static void put_index(struct lens_buf *b, const struct lens_tensor *t,
		      uint64_t at)
{
	uint64_t index[LENS_MAX_RANK];
	const unsigned bits = lens_dtype_bits(t->dtype);

	if (bits < 8)
		at = at * 8 / bits;
	for (unsigned d = t->rank; d-- > 0; at /= t->shape[d])
		index[d] = at % t->shape[d];
	lens_buf_puts(b, "[");
	for (unsigned d = 0; d < t->rank; d++)
		lens_buf_printf(b, "%s%llu", d ? "," : "",
				(unsigned long long)index[d]);
	lens_buf_puts(b, "]");
}

static void values_text(const struct lens_finding *x, struct lens_buf *b)
{
	const struct lens_diff *d = &x->diff;
	const unsigned unit = lens_diff_unit(x->t->dtype);

	lens_buf_puts(b, "differs first at ");
	put_index(b, x->t, d->first);
	if (d->valued)
		lens_buf_printf(b, " (%.9g instead of %.9g)", d->got, d->want);
	lens_buf_printf(b, ", in %llu of %llu %s", (unsigned long long)d->count,
			(unsigned long long)(x->t->size / unit),
			lens_dtype_bits(x->t->dtype) < 8 ? "bytes" :
							   "elements");
	if (d->valued)
		lens_buf_printf(b,
				"; largest error %.6g absolute, %.6g relative",
				d->max_absolute, d->max_relative);
}

static void line(const struct lens_finding *x, struct lens_buf *b)
{
	if (x->escaped)
		lens_buf_puts(b, x->key);
	else
		lens_cli_show(b, x->key);
	lens_buf_puts(b, ": ");
	switch (x->kind) {
	case LENS_FINDING_MISSING:
		lens_buf_printf(b, "missing (%s)", x->want);
		break;
	case LENS_FINDING_EXTRA:
		lens_buf_printf(b, "extra (%s)", x->got);
		break;
	case LENS_FINDING_FORM:
		lens_buf_printf(b, "%s instead of %s", x->got, x->want);
		break;
	case LENS_FINDING_VALUES:
		values_text(x, b);
		break;
	case LENS_FINDING_DIGEST:
		lens_buf_puts(b, "other bytes (its SHA-256 differs)");
		break;
	}
	lens_buf_puts(b, "\n");
}

void lens_findings_text(const struct lens_findings *f, struct lens_buf *out)
{
	for (size_t i = 0; i < f->n; i++)
		line(&f->v[i], out);
}

static void string_member(struct lens_buf *b, const char *name, const char *v)
{
	if (!v)
		return;
	lens_buf_printf(b, ", \"%s\": ", name);
	lens_json_quote(b, v, true);
}

/* JSON has no infinity and no NaN. */
static void number_member(struct lens_buf *b, const char *name, double v)
{
	if (isfinite(v))
		lens_buf_printf(b, ", \"%s\": %.17g", name, v);
	else
		lens_buf_printf(b, ", \"%s\": null", name);
}

static void object(const struct lens_finding *x, struct lens_buf *b)
{
	static const char *const kinds[] = {
		[LENS_FINDING_MISSING] = "missing",
		[LENS_FINDING_EXTRA] = "extra",
		[LENS_FINDING_FORM] = "form",
		[LENS_FINDING_VALUES] = "values",
		[LENS_FINDING_DIGEST] = "digest",
	};

	lens_buf_puts(b, "{\"key\": ");
	lens_json_quote(b, x->key, true);
	lens_buf_printf(b, ", \"kind\": \"%s\"", kinds[x->kind]);
	string_member(b, "want", x->want);
	string_member(b, "got", x->got);
	if (x->kind == LENS_FINDING_VALUES) {
		lens_buf_puts(b, ", \"first\": ");
		put_index(b, x->t, x->diff.first);
		lens_buf_printf(b, ", \"count\": %llu",
				(unsigned long long)x->diff.count);
	}
	if (x->kind == LENS_FINDING_VALUES && x->diff.valued) {
		number_member(b, "want_value", x->diff.want);
		number_member(b, "got_value", x->diff.got);
		number_member(b, "max_absolute", x->diff.max_absolute);
		number_member(b, "max_relative", x->diff.max_relative);
	}
	lens_buf_puts(b, "}");
}

void lens_findings_json(const struct lens_findings *f, size_t n,
			struct lens_buf *out)
{
	lens_buf_printf(out,
			"{\"tensors\": %zu, \"equal\": %zu, "
			"\"differences\": [",
			n, n - (f->n - f->extra));
	for (size_t i = 0; i < f->n; i++) {
		lens_buf_puts(out, i ? ",\n" : "\n");
		object(&f->v[i], out);
	}
	lens_buf_puts(out, "\n]}\n");
}

const char *lens_findings_summary(const struct lens_findings *f, size_t n,
				  char *buf, size_t size)
{
	const size_t differ = f->n - f->missing - f->extra;

	(void)snprintf(buf, size,
		       "of %zu tensors %zu differ%s and %zu %s missing; %zu "
		       "%s extra",
		       n, differ, differ == 1 ? "s" : "", f->missing,
		       f->missing == 1 ? "is" : "are", f->extra,
		       f->extra == 1 ? "is" : "are");
	return buf;
}

void lens_findings_fini(struct lens_findings *f)
{
	free(f->v);
	lens_arena_fini(&f->arena);
}

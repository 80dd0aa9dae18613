/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy.c - a tensor as a NumPy file, widened to a dtype that NumPy has.
 */
#include "tree/tree.h"

#include <errno.h>

#define MAGIC "\x93NUMPY\x01" /* and a NUL: version 1.0 */
#define BEFORE 10u            /* magic, version, length field */
#define CHUNK 65536u          /* elements at once */

/* NumPy's name for what @d becomes; NULL: nothing. */
static const char *descr(enum lens_dtype d)
{
	static const char *const names[LENS_DTYPE_MAX] = {
		[LENS_BOOL] = "|b1",        [LENS_F4] = "<f4",
		[LENS_U8] = "|u1",          [LENS_I8] = "|i1",
		[LENS_F8_E5M2] = "<f4",     [LENS_F8_E4M3] = "<f4",
		[LENS_F8_E8M0] = "<f4",     [LENS_F8_E4M3FNUZ] = "<f4",
		[LENS_F8_E5M2FNUZ] = "<f4", [LENS_I16] = "<i2",
		[LENS_U16] = "<u2",         [LENS_F16] = "<f2",
		[LENS_BF16] = "<f4",        [LENS_I32] = "<i4",
		[LENS_U32] = "<u4",         [LENS_F32] = "<f4",
		[LENS_C64] = "<c8",         [LENS_F64] = "<f8",
		[LENS_I64] = "<i8",         [LENS_U64] = "<u8",
	};

	return names[d];
}

static bool is_widened(enum lens_dtype d)
{
	return d != LENS_F32 && strcmp(descr(d), "<f4") == 0;
}

static void header(const struct lens_tensor *t, struct lens_buf *out)
{
	unsigned char *len;

	lens_buf_add(out, MAGIC, sizeof(MAGIC));
	lens_buf_add(out, "\0", 2); /* the length, later */
	lens_buf_printf(out,
			"{'descr': '%s', 'fortran_order': False, 'shape': (",
			descr(t->dtype));
	for (unsigned d = 0; d < t->rank; d++)
		lens_buf_printf(out, d ? " %llu," : "%llu,",
				(unsigned long long)t->shape[d]);
	if (t->rank > 1 && !out->failed)
		out->n--; /* only (5,) keeps its comma */
	lens_buf_puts(out, "), }");
	while (!out->failed && (out->n + 1) % 64)
		lens_buf_puts(out, " ");
	lens_buf_puts(out, "\n");
	if (out->failed)
		return;
	len = (unsigned char *)out->data + sizeof(MAGIC);
	len[0] = (unsigned char)(out->n - BEFORE);
	len[1] = (unsigned char)((out->n - BEFORE) >> 8);
}

static uint64_t data_size(const struct lens_tensor *t)
{
	return is_widened(t->dtype) ?
		       lens_values_count(t->dtype, t->size) * sizeof(float) :
		       t->size;
}

bool lens_npy_size(const struct lens_tensor *t, uint64_t *ret)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf head = { 0 };

	if (!descr(t->dtype))
		return false;
	header(t, &head);
	*ret = head.n + data_size(t);
	return !head.failed;
}

/* Bytes [off, off + n) of the values as f32. */
static int read_widened(const struct lens_view *v, size_t i, uint64_t off,
			size_t n, unsigned char *buf, uint64_t reader,
			struct lens_err *err)
{
	const enum lens_dtype d = lens_plan_at(v->plan, i)->t.dtype;
	const unsigned bits = lens_dtype_bits(d),
		       unit = bits < 8 ? 8 / bits : 1; /* whole bytes */
	lens_autofree void *raw = malloc((size_t)CHUNK * bits / 8);
	lens_autofree float *values = malloc(CHUNK * sizeof(*values));

	if (!raw || !values)
		return lens_fail(err, ENOMEM, "no memory to widen a tensor");
	while (n) {
		const uint64_t first = off / sizeof(float) / unit * unit;
		const size_t skip = (size_t)(off - first * sizeof(float));
		size_t count = (skip + n + sizeof(float) - 1) / sizeof(float);
		size_t part;

		count = (count + unit - 1) / unit * unit;
		if (count > CHUNK)
			count = CHUNK;
		if (lens_view_tensor_read(v, i, first * bits / 8,
					  count * bits / 8, raw, reader,
					  err) < 0)
			return -err->code;
		(void)lens_values_f32(d, values, raw, count);
		part = count * sizeof(float) - skip;
		if (part > n)
			part = n;
		memcpy(buf, (const char *)values + skip, part);
		buf += part;
		off += part;
		n -= part;
	}
	return 0;
}

int lens_npy_read(const struct lens_view *v, size_t i, uint64_t off, size_t n,
		  void *buf, uint64_t reader, struct lens_err *err)
{
	const struct lens_tensor *t = &lens_plan_at(v->plan, i)->t;
	LENS_CLEANUP(lens_buf_fini) struct lens_buf head = { 0 };
	unsigned char *dst = buf;

	header(t, &head);
	if (head.failed)
		return lens_fail(err, ENOMEM, "no memory for a header");
	if (off < head.n && n) {
		size_t part =
			head.n - (size_t)off < n ? head.n - (size_t)off : n;

		memcpy(dst, head.data + off, part);
		dst += part;
		off += part;
		n -= part;
	}
	if (!n)
		return 0;
	off -= head.n;
	if (is_widened(t->dtype))
		return read_widened(v, i, off, n, dst, reader, err);
	return lens_view_tensor_read(v, i, off, n, dst, reader, err);
}

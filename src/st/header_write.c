/* SPDX-License-Identifier: Apache-2.0 */
/*
 * header_write.c - a header as the reference writer lays it out (safetensors'
 * prepare): tensors by dtype, the largest enum value first, then by the bytes
 * of their names; compact JSON; padded with spaces to a multiple of 8.
 */
#include "lens/st.h"

#include <errno.h>

#define LARGEST 100000000u /* bytes of a header, the format's limit */

static int compare(const void *a, const void *b, void *ctx)
{
	const struct lens_tensor *const *t = ctx;
	uint32_t i, k;

	memcpy(&i, a, sizeof(i));
	memcpy(&k, b, sizeof(k));
	if (t[i]->dtype != t[k]->dtype)
		return t[i]->dtype > t[k]->dtype ? -1 : 1;
	return strcmp(t[i]->name, t[k]->name);
}

static void put_entry(struct lens_buf *b, const struct lens_tensor *t,
		      uint64_t begin)
{
	lens_buf_puts(b, ",");
	lens_json_quote(b, t->name, false);
	lens_buf_puts(b, ":{\"dtype\":\"");
	lens_buf_puts(b, lens_dtype_name(t->dtype));
	lens_buf_puts(b, "\",\"shape\":[");
	for (unsigned d = 0; d < t->rank; d++) {
		lens_buf_puts(b, d ? "," : "");
		lens_buf_u64(b, t->shape[d]);
	}
	lens_buf_puts(b, "],\"data_offsets\":[");
	lens_buf_u64(b, begin);
	lens_buf_puts(b, ",");
	lens_buf_u64(b, begin + t->size);
	lens_buf_puts(b, "]}");
}

int lens_header_write(const struct lens_tensor *const t[], size_t n,
		      uint32_t *order, uint64_t *begin, struct lens_buf *out,
		      struct lens_err *err)
{
	const size_t from = out->n;
	uint64_t at = 0, size;

	if (n)
		qsort_r(order, n, sizeof(*order), compare,
			(void *)(uintptr_t)t);
	lens_buf_add(out, "\0\0\0\0\0\0\0\0", 8);
	lens_buf_puts(out, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (size_t i = 0; i < n; i++) {
		begin[i] = at;
		put_entry(out, t[order[i]], at);
		at += t[order[i]]->size;
	}
	lens_buf_puts(out, "}");
	while (!out->failed && (out->n - from) % 8)
		lens_buf_puts(out, " ");
	if (out->failed)
		return lens_fail(err, ENOMEM, "no memory for a header");
	size = out->n - from - 8;
	if (size > LARGEST)
		return lens_fail(err, E2BIG,
				 "a header of %zu tensors is larger than the "
				 "format's %u bytes",
				 n, LARGEST);
	for (unsigned i = 0; i < 8; i++)
		out->data[from + i] = (char)(size >> (8 * i));
	return 0;
}

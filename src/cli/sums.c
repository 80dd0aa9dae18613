/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sums.c - SHA-256 of every tensor, and the text that says them.
 *
 * A digest is made from a tensor's first byte to its last by one thread; the
 * threads take the largest tensors first, so that they end together.
 */
#include "cli/sums.h"
#include "cli/bar.h"
#include "cli/pool.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#define DIGEST 32

static int broken(struct lens_err *err)
{
	return lens_fail(err, ENOTSUP, "libcrypto has no SHA-256");
}

static void evp_freep(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}

static int finish(EVP_MD_CTX *md, char *hex, struct lens_err *err)
{
	unsigned char digest[DIGEST];

	if (!EVP_DigestFinal_ex(md, digest, NULL))
		return broken(err);
	for (unsigned i = 0; i < DIGEST; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* The digest of the first @n lines of @text, as the last line has it. */
static int digest_of(const char *text, size_t n, char *hex,
		     struct lens_err *err)
{
	LENS_CLEANUP(evp_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL) ||
	    !EVP_DigestUpdate(md, text, n))
		return broken(err);
	return finish(md, hex, err);
}

struct making {
	struct lens_sums *s;
	const struct lens_tensors *ts;
	struct lens_pool pool;
	struct lens_bar bar;
	const uint32_t *order;
};

static int digest_tensor(struct making *m, size_t i, void *buf,
			 struct lens_err *err)
{
	LENS_CLEANUP(evp_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint64_t off = 0;
	size_t n;

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		return broken(err);
	while ((n = lens_tensors_part(m->ts, i, off, m->pool.size))) {
		if (lens_tensors_read(m->ts, i, off, n, buf, err) < 0)
			return lens_wrap(
				err, "'%s'",
				LENS_SHOW(lens_tensors_at(m->ts, i)->name));
		if (!EVP_DigestUpdate(md, buf, n))
			return broken(err);
		off += n;
		atomic_fetch_add(&m->bar.done, n);
	}
	return finish(md, m->s->v[i].hex, err);
}

static int one(void *ctx, size_t k, struct lens_err *err)
{
	struct making *m = ctx;
	void *buf = lens_pool_take(&m->pool);
	int n;

	if (!buf)
		return lens_fail(err, ENOMEM, "no memory for a buffer");
	n = digest_tensor(m, m->order[k], buf, err);
	lens_pool_give(&m->pool, buf);
	return n;
}

static int by_size(const void *a, const void *b, void *ctx)
{
	const uint32_t *x = a, *y = b;
	const uint64_t p = lens_tensors_at(ctx, *x)->size,
		       q = lens_tensors_at(ctx, *y)->size;

	if (p != q)
		return p > q ? -1 : 1;
	return *x < *y ? -1 : 1;
}

static uint32_t *largest_first(const struct lens_tensors *ts, size_t n)
{
	uint32_t *order = calloc(n + 1, sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = (uint32_t)i;
	if (order)
		qsort_r(order, n, sizeof(*order), by_size,
			(void *)(uintptr_t)ts);
	return order;
}

static int describe(struct lens_sums *s, size_t i, const struct lens_tensor *t)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf key = { 0 }, shape = { 0 };
	struct lens_sum *sum = &s->v[i];

	lens_cli_show(&key, t->name);
	lens_cli_shape(&shape, t);
	if (key.failed || shape.failed)
		return -ENOMEM;
	sum->dtype = lens_dtype_name(t->dtype);
	sum->key = lens_arena_strndup(&s->arena, key.n ? key.data : "", key.n);
	sum->shape = lens_arena_strndup(&s->arena, shape.data, shape.n);
	if (!sum->key || !sum->shape)
		return -ENOMEM;
	return lens_map_add(&s->by_key, sum->key, (uint32_t)i) < 0 ? -ENOMEM :
								     0;
}

static void lines(const struct lens_sums *s, struct lens_buf *out)
{
	for (size_t i = 0; i < s->n; i++)
		lens_buf_printf(out, "%s\t%s\t%s\t%s\n", s->v[i].hex,
				s->v[i].dtype, s->v[i].shape, s->v[i].key);
}

/* The digest over all, which is made of the lines. */
static int total(struct lens_sums *s, struct lens_err *err)
{
	LENS_CLEANUP(lens_buf_fini) struct lens_buf text = { 0 };

	lines(s, &text);
	s->all = lens_arena_alloc(&s->arena, LENS_SUM_HEX);
	if (text.failed || !s->all)
		return lens_fail(err, ENOMEM, "no memory for digests");
	return digest_of(text.n ? text.data : "", text.n, s->all, err);
}

int lens_sums_make(struct lens_sums *s, const struct lens_tensors *ts,
		   const struct lens_args *a, const char *what,
		   struct lens_err *err)
{
	const size_t n = lens_tensors_count(ts);
	lens_autofree uint32_t *order = largest_first(ts, n);
	struct making m = { .s = s, .ts = ts, .order = order };
	int r;

	*s = (struct lens_sums){ .n = n, .v = calloc(n + 1, sizeof(*s->v)) };
	if (!order || !s->v)
		return lens_fail(err, ENOMEM, "no memory for digests");
	for (size_t i = 0; i < n; i++) {
		if (describe(s, i, lens_tensors_at(ts, i)) < 0)
			return lens_fail(err, ENOMEM, "no memory for digests");
		s->bytes += lens_tensors_at(ts, i)->size;
	}
	lens_pool_init(&m.pool, a->jobs);
	lens_cli_bar_start(&m.bar, what, s->bytes, a->quiet);
	r = lens_parallel(n, m.pool.threads, one, &m, err);
	lens_cli_bar_stop(&m.bar);
	lens_pool_fini(&m.pool);
	return r < 0 ? r : total(s, err);
}

void lens_sums_text(const struct lens_sums *s, struct lens_buf *out)
{
	lines(s, out);
	lens_buf_printf(out, "%s\tall\n", s->all);
}

void lens_sums_json(const struct lens_sums *s, const struct lens_tensors *ts,
		    struct lens_buf *out)
{
	lens_buf_puts(out, "{\"tensors\": [");
	for (size_t i = 0; i < s->n; i++) {
		lens_buf_printf(out, "%s\n{\"key\": ", i ? "," : "");
		lens_json_quote(out, lens_tensors_at(ts, i)->name, true);
		lens_buf_printf(out,
				", \"dtype\": \"%s\", \"shape\": %s, "
				"\"sha256\": \"%s\"}",
				s->v[i].dtype, s->v[i].shape, s->v[i].hex);
	}
	lens_buf_printf(out, "\n], \"all\": \"%s\"}\n", s->all);
}

static bool is_hex(const char *s)
{
	return strlen(s) == LENS_SUM_HEX - 1 &&
	       strspn(s, "0123456789abcdef") == LENS_SUM_HEX - 1;
}

/* @line, which is its own to change, into *sum; false if it is none. */
static bool take_apart(char *line, struct lens_sum *sum)
{
	char *field[4];

	for (unsigned i = 0; i < 4; i++) {
		field[i] = line;
		line = i < 3 ? strchr(line, '\t') : NULL;
		if (i < 3 && !line)
			return false;
		if (line)
			*line++ = 0;
	}
	if (!is_hex(field[0]) || strchr(field[3], '\t') ||
	    lens_dtype_find(field[1]) == LENS_DTYPE_INVALID ||
	    field[2][0] != '[')
		return false;
	memcpy(sum->hex, field[0], LENS_SUM_HEX);
	sum->dtype = field[1];
	sum->shape = field[2];
	sum->key = field[3];
	return true;
}

static int add_line(struct lens_sums *s, char *line, struct lens_err *err)
{
	struct lens_sum *v = s->v;
	int n;

	if (!take_apart(line, &v[s->n]))
		return lens_fail(err, EBADMSG,
				 "line %zu: it is not digest, dtype, shape and "
				 "key, as lensfs hash writes them",
				 s->n + 1);
	n = lens_map_add(&s->by_key, v[s->n].key, (uint32_t)s->n);
	if (n < 0)
		return lens_fail(err, ENOMEM, "no memory for digests");
	if (!n)
		return lens_fail(err, EBADMSG, "line %zu: '%s' is there twice",
				 s->n + 1, LENS_SHOW(v[s->n].key));
	s->n++;
	return 0;
}

/* Is the last line, from @at on, that of the lines before it? */
static int check_all(struct lens_sums *s, const char *text, size_t at, size_t n,
		     struct lens_err *err)
{
	static const char end[] = "\tall\n";
	char hex[LENS_SUM_HEX];

	if (n - at != LENS_SUM_HEX - 1 + sizeof(end) - 1 ||
	    memcmp(text + n - (sizeof(end) - 1), end, sizeof(end) - 1) != 0)
		return lens_fail(err, EBADMSG,
				 "its last line is not the digest of all: it "
				 "was cut");
	if (digest_of(text, at, hex, err) < 0)
		return -err->code;
	if (memcmp(hex, text + at, LENS_SUM_HEX - 1) != 0)
		return lens_fail(err, EBADMSG,
				 "its last line is not the digest of those "
				 "before it: it was changed");
	s->all = lens_arena_strndup(&s->arena, hex, LENS_SUM_HEX - 1);
	return s->all ? 0 : lens_fail(err, ENOMEM, "no memory for digests");
}

static size_t count_lines(const char *text, size_t n)
{
	size_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

int lens_sums_parse(struct lens_sums *s, const char *text, size_t n,
		    struct lens_err *err)
{
	size_t at = n ? n - 1 : 0;
	char *copy, *end;

	*s = (struct lens_sums){ 0 };
	while (at && text[at - 1] != '\n')
		at--;
	if (memchr(text, 0, n))
		return lens_fail(err, EBADMSG, "it holds a NUL");
	if (check_all(s, text, at, n, err) < 0)
		return -err->code;
	copy = lens_arena_strndup(&s->arena, text, at);
	s->v = calloc(count_lines(text, at) + 1, sizeof(*s->v));
	if (!copy || !s->v)
		return lens_fail(err, ENOMEM, "no memory for digests");
	for (; *copy; copy = end + 1) {
		end = strchr(copy, '\n');
		*end = 0;
		if (add_line(s, copy, err) < 0)
			return -err->code;
	}
	return 0;
}

void lens_sums_fini(struct lens_sums *s)
{
	free(s->v);
	lens_map_fini(&s->by_key);
	lens_arena_fini(&s->arena);
}

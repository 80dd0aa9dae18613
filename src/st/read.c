/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - bytes of tensors and of other files, checked to be those of the
 * files that were opened: first the bytes, then the identity.
 */
#include "st/st.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, const char *name, uint64_t off, size_t n, void *buf,
		    struct lens_err *err)
{
	for (size_t have = 0; have < n;) {
		ssize_t r = pread(fd, (char *)buf + have, n - have,
				  (off_t)(off + have));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return lens_fail(err, EIO, "'%s': %s", LENS_SHOW(name),
					 strerror(errno));
		if (r == 0)
			return lens_fail(err, EIO,
					 "'%s': it ends at byte %llu, before "
					 "what was there",
					 LENS_SHOW(name),
					 (unsigned long long)(off + have));
		have += (size_t)r;
	}
	return 0;
}

static int still_same(const struct lens_file *f, int fd, struct lens_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return lens_fail(err, EIO, "'%s': %s", LENS_SHOW(f->name),
				 strerror(errno));
	return lens_file_check(f, &st, err);
}

static void count(const struct lens_ckpt *ck, uint64_t n)
{
	atomic_fetch_add_explicit(
		(atomic_uint_fast64_t *)(uintptr_t)&ck->bytes_read, n,
		memory_order_relaxed);
}

/* Is @t in one piece? */
static bool is_whole(const struct lens_ckpt *ck, const struct lens_tensor *t)
{
	return !ck->is_save ||
	       (t->n_chunks == 1 && memcmp(t->chunks[0].shape, t->shape,
					   t->rank * sizeof(*t->shape)) == 0);
}

/* A box in bytes: of @rank dimensions, the last one an element's bytes. */
struct bytes_box {
	unsigned rank;
	uint64_t origin[LENS_MAX_RANK + 1], count[LENS_MAX_RANK + 1];
};

/* The part of @box that chunk @c holds, densely placed in @buf as all of @box
 * would be. */
static int read_chunk(const struct lens_ckpt *ck, const struct lens_chunk *c,
		      uint64_t es, const struct bytes_box *box, char *buf,
		      uint64_t *read, struct lens_err *err)
{
	const struct lens_file *f = &ck->shards[c->file].file;
	uint64_t from[LENS_MAX_RANK + 1], n[LENS_MAX_RANK + 1],
		k[LENS_MAX_RANK + 1] = { 0 };
	uint64_t stride[LENS_MAX_RANK + 1], place[LENS_MAX_RANK + 1];
	uint64_t src = c->off, dst = 0, a = 1, b = 1, run = 1;
	unsigned outer = box->rank;

	for (unsigned d = box->rank; d-- > 0;) {
		const bool last = d + 1 == box->rank;
		const uint64_t lo = last ? 0 : c->origin[d],
			       size = last ? es : c->shape[d];
		const uint64_t begin =
			lo > box->origin[d] ? lo : box->origin[d];
		const uint64_t end =
			lo + size < box->origin[d] + box->count[d] ?
				lo + size :
				box->origin[d] + box->count[d];

		if (begin >= end)
			return 0;
		from[d] = begin - lo;
		n[d] = end - begin;
		stride[d] = a;
		place[d] = b;
		src += from[d] * a;
		dst += (begin - box->origin[d]) * b;
		a *= size;
		b *= box->count[d];
	}
	/* What is contiguous on both sides is one run. */
	while (outer) {
		outer--;
		run *= n[outer];
		if (!outer || stride[outer - 1] != run ||
		    place[outer - 1] != run)
			break;
	}
	for (;;) {
		unsigned d = outer;

		if (read_all(f->fd, f->name, src, (size_t)run, buf + dst, err) <
		    0)
			return -err->code;
		*read += run;
		for (; d-- > 0;) {
			src += stride[d];
			dst += place[d];
			if (++k[d] < n[d])
				break;
			src -= n[d] * stride[d];
			dst -= n[d] * place[d];
			k[d] = 0;
		}
		if (d == UINT32_MAX)
			break;
	}
	return still_same(f, f->fd, err);
}

static int read_bytes(const struct lens_ckpt *ck, const struct lens_tensor *t,
		      const struct bytes_box *box, char *buf,
		      struct lens_err *err)
{
	uint64_t read = 0;

	for (size_t i = 0; i < t->n_chunks; i++)
		if (read_chunk(ck, &t->chunks[i], lens_dtype_bits(t->dtype) / 8,
			       box, buf, &read, err) < 0)
			return -err->code;
	count(ck, read);
	return 0;
}

/* A range of a tensor in several pieces, as boxes: each as large as what is
 * left allows. */
static int read_range(const struct lens_ckpt *ck, const struct lens_tensor *t,
		      uint64_t off, uint64_t n, char *buf, struct lens_err *err)
{
	uint64_t shape[LENS_MAX_RANK + 1], stride[LENS_MAX_RANK + 2];
	const unsigned rank = t->rank + 1;

	memcpy(shape, t->shape, t->rank * sizeof(*shape));
	shape[t->rank] = lens_dtype_bits(t->dtype) / 8;
	stride[rank] = 1;
	for (unsigned d = rank; d-- > 0;)
		stride[d] = stride[d + 1] * shape[d];
	while (n) {
		struct bytes_box box = { .rank = rank };
		unsigned d = rank - 1;
		uint64_t size;

		/* The slowest dimension that [off, off + n) has whole slices
		 * of. */
		while (d && off % stride[d] == 0 && n >= stride[d])
			d--;
		for (unsigned i = 0; i < rank; i++) {
			box.origin[i] =
				i <= d ? off / stride[i + 1] % shape[i] : 0;
			box.count[i] = i < d ? 1 : shape[i];
		}
		box.count[d] = shape[d] - box.origin[d];
		if (box.count[d] > n / stride[d + 1])
			box.count[d] = n / stride[d + 1];
		size = box.count[d] * stride[d + 1];
		if (read_bytes(ck, t, &box, buf, err) < 0)
			return -err->code;
		off += size;
		buf += size;
		n -= size;
	}
	return 0;
}

int lens_ckpt_read(const struct lens_ckpt *ck, const struct lens_tensor *t,
		   uint64_t off, size_t n, void *buf, struct lens_err *err)
{
	const struct lens_file *f;

	if (!n)
		return 0;
	if (!is_whole(ck, t))
		return read_range(ck, t, off, n, buf, err);
	f = &ck->shards[t->chunks[0].file].file;
	if (read_all(f->fd, f->name, t->chunks[0].off + off, n, buf, err) < 0)
		return -err->code;
	count(ck, n);
	return still_same(f, f->fd, err);
}

/*
 * Short runs close to one another are cheaper read with what lies between: a
 * call costs about as much as copying 12 KiB, and the device reads whole pages
 * anyway.  From runs of 512 bytes on nothing is read that is not needed.
 */
#define SHORT_RUN 512
#define CLOSE (12u << 10)
#define BOUNCE (64u << 10)

/* @n runs of @run bytes, @stride apart, densely into @buf; *read counts what
 * was read. */
static int read_runs(const struct lens_file *f, uint64_t off, uint64_t n,
		     uint64_t run, uint64_t stride, char *buf, uint64_t *read,
		     struct lens_err *err)
{
	const bool near = n > 1 && run < SHORT_RUN && stride - run <= CLOSE;
	char bounce[BOUNCE];

	for (uint64_t i = 0, m; i < n; i += m) {
		const uint64_t at = off + i * stride;
		uint64_t span;

		m = near ? (BOUNCE - run) / stride + 1 : 1;
		m = m < n - i ? m : n - i;
		span = (m - 1) * stride + run;
		if (read_all(f->fd, f->name, at, (size_t)span,
			     near ? bounce : buf + i * run, err) < 0)
			return -err->code;
		*read += span;
		for (uint64_t k = 0; near && k < m; k++)
			memcpy(buf + (i + k) * run, bounce + k * stride,
			       (size_t)run);
	}
	return 0;
}

int lens_ckpt_read_box(const struct lens_ckpt *ck, const struct lens_tensor *t,
		       const uint64_t *origin, const uint64_t *n, void *buf,
		       struct lens_err *err)
{
	uint64_t stride[LENS_MAX_RANK], k[LENS_MAX_RANK] = { 0 }, off = 0,
					run = lens_dtype_bits(t->dtype) / 8;
	unsigned outer =
		t->rank; /* dimensions that are walked; the rest is one run */
	uint64_t size = run, total = 0, read = 0, runs, apart;
	const struct lens_file *f;

	if (!is_whole(ck, t)) {
		struct bytes_box box = { .rank = t->rank + 1 };

		for (unsigned d = 0; d < t->rank; d++) {
			box.origin[d] = origin[d];
			box.count[d] = n[d];
			if (!n[d])
				return 0;
		}
		box.count[t->rank] = run;
		return read_bytes(ck, t, &box, buf, err);
	}
	for (unsigned d = t->rank; d-- > 0;) {
		stride[d] = size;
		size *= t->shape[d];
		off += origin[d] * stride[d];
		if (!n[d])
			return 0;
	}
	if (!size)
		return 0;
	while (outer) {
		run *= n[--outer];
		if (n[outer] != t->shape[outer])
			break;
	}
	/* The last of the walked dimensions is walked at once. */
	runs = outer ? n[outer - 1] : 1;
	apart = outer ? stride[outer - 1] : run;
	outer -= outer != 0;
	f = &ck->shards[t->chunks[0].file].file;
	for (;;) {
		unsigned d = outer;

		if (read_runs(f, t->chunks[0].off + off, runs, run, apart,
			      (char *)buf + total, &read, err) < 0)
			return -err->code;
		total += run * runs;
		for (; d-- > 0;) {
			off += stride[d];
			if (++k[d] < n[d])
				break;
			off -= n[d] * stride[d];
			k[d] = 0;
		}
		if (d == UINT32_MAX)
			break;
	}
	count(ck, read);
	return still_same(f, f->fd, err);
}

/* Open @x again, beneath its directory and without links on the way. */
static int open_extra(const struct lens_ckpt *ck, const struct lens_extra *x,
		      struct lens_err *err)
{
	const char *name = x->file.name, *slash;
	int dir = dup(ck->beside), fd;
	struct stat st;

	while (dir >= 0 && (slash = strchr(name, '/'))) {
		lens_autofree char *part =
			strndup(name, (size_t)(slash - name));
		int next = part ? openat(dir, part,
					 O_PATH | O_DIRECTORY | O_NOFOLLOW |
						 O_CLOEXEC) :
				  -1;

		close(dir);
		dir = next;
		name = slash + 1;
	}
	if (dir < 0)
		return lens_fail(err, EIO,
				 "'%s': its folder can't be opened any more",
				 LENS_SHOW(x->file.name));
	fd = lens_source_open(dir, name, ck->follow_links, &st, err);
	close(dir);
	if (fd < 0)
		err->code = EIO;
	return fd < 0 ? -EIO : fd;
}

int lens_ckpt_read_extra(const struct lens_ckpt *ck, const struct lens_extra *x,
			 uint64_t off, size_t n, void *buf, size_t *ret_n,
			 struct lens_err *err)
{
	int fd, r;

	if (off >= x->file.size) {
		*ret_n = 0;
		return 0;
	}
	if (n > x->file.size - off)
		n = (size_t)(x->file.size - off);
	fd = open_extra(ck, x, err);
	if (fd < 0)
		return fd;
	r = read_all(fd, x->file.name, off, n, buf, err);
	if (r == 0)
		r = still_same(&x->file, fd, err);
	close(fd);
	if (r == 0)
		*ret_n = n;
	return r;
}

bool lens_ckpt_extra_is_hole(const struct lens_ckpt *ck,
			     const struct lens_extra *x, uint64_t off,
			     uint64_t n)
{
	struct lens_err ignored;
	int fd = open_extra(ck, x, &ignored);
	off_t data;
	bool gone;

	if (fd < 0)
		return false;
	data = lseek(fd, (off_t)off, SEEK_DATA);
	gone = data < 0 ? errno == ENXIO : (uint64_t)data >= off + n;
	gone = gone && off + n <= x->file.size &&
	       still_same(&x->file, fd, &ignored) == 0;
	close(fd);
	return gone;
}

uint64_t lens_ckpt_bytes_read(const struct lens_ckpt *ck)
{
	return atomic_load_explicit(
		(atomic_uint_fast64_t *)(uintptr_t)&ck->bytes_read,
		memory_order_relaxed);
}

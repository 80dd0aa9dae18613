/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/base.h - what every module uses: errors as sentences, cleanup, memory
 * that goes at once, keys to numbers, text that grows, work on many threads.
 *
 * Nothing here locks but lens_parallel(); an object belongs to one thread at a
 * time unless its comment says otherwise.
 */
#ifndef LENS_BASE_H
#define LENS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LENS_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define LENS_MUST_CHECK __attribute__((warn_unused_result))
#define LENS_CLEANUP(fn) __attribute__((cleanup(fn)))
#define LENS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* For a free() of its own: makes fnp(), to be used as LENS_CLEANUP(fnp). */
#define LENS_DEFINE_CLEANUP(type, fn)       \
	static inline void fn##p(type *obj) \
	{                                   \
		fn(*obj);                   \
	}

static inline void lens_freep(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p)); /* pp is some T **, not a void ** */
	free(p);
}
#define lens_autofree LENS_CLEANUP(lens_freep)

/* Hand ownership on: yields the pointer and forgets it. */
#define lens_steal(pp)                        \
	({                                    \
		__typeof__(*(pp)) p_ = *(pp); \
		*(pp) = NULL;                 \
		p_;                           \
	})

/*
 * Why something failed, in words.  It lives on the stack of whoever first
 * asked for the work, is written only on failure, and never allocates, so
 * "out of memory" can be reported too.  EBADMSG: not well formed.  EINVAL: a
 * bad request.  EOPNOTSUPP: valid, not done.  ENOMEM, EIO, and what the
 * system said.
 */
struct lens_err {
	int code; /* a positive errno value */
	char msg[1024];
};

/* Describe a failure found here.  Returns -code, to be returned as it is. */
int lens_fail(struct lens_err *err, int code, const char *fmt, ...)
	LENS_PRINTF(3, 4);
/*
 * Say what we were doing when a callee failed: puts "fmt: " in front.  Too
 * long a message loses the middle of the name, never the reason.  -err->code.
 */
int lens_wrap(struct lens_err *err, const char *fmt, ...) LENS_PRINTF(2, 3);

/*
 * Text from outside, fit to be shown: control bytes, DEL, the C1 controls and
 * bytes that are no UTF-8 become \xHH, a backslash \\.  At most
 * LENS_SHOW_MAX - 1 bytes; what is longer loses its middle to "...".  @buf has
 * LENS_SHOW_MAX bytes and is returned.  LENS_SHOW(s) does it in place.
 */
#define LENS_SHOW_MAX 400
const char *lens_show(char *buf, const char *text);
#define LENS_SHOW(text) lens_show((char[LENS_SHOW_MAX]){ 0 }, (text))

/* Warnings, in order; each is one line without a newline. */
struct lens_notes {
	size_t n;
	char **v;
};
void lens_note(struct lens_notes *notes, const char *fmt, ...)
	LENS_PRINTF(2, 3);
void lens_notes_fini(struct lens_notes *notes);

/* Memory that is released all at once.  Zeroed is empty. */
struct lens_arena {
	struct lens_arena_block *last;
};
/* Zeroed memory aligned to 16; NULL when there is none. */
void *lens_arena_alloc(struct lens_arena *a, size_t n) LENS_MUST_CHECK;
char *lens_arena_strndup(struct lens_arena *a, const char *s,
			 size_t n) LENS_MUST_CHECK;
void lens_arena_fini(struct lens_arena *a);

/* Strings to 32-bit numbers; the strings are borrowed.  Zeroed is empty. */
#define LENS_NONE UINT32_MAX
struct lens_map {
	struct lens_map_slot *slots;
	size_t n, room;
	uint64_t secret;
};
/* Make room for @n in all, so that adding them moves nothing. -ENOMEM. */
int lens_map_reserve(struct lens_map *m, size_t n) LENS_MUST_CHECK;
/* 1 added, 0 it was there (unchanged), -ENOMEM. */
int lens_map_add(struct lens_map *m, const char *key,
		 uint32_t value) LENS_MUST_CHECK;
uint32_t lens_map_find(const struct lens_map *m,
		       const char *key); /* LENS_NONE if it is not there */
void lens_map_fini(struct lens_map *m);

/* Text that grows; @data is NUL-terminated once anything was added.  A failed
 * allocation sets @failed and later calls do nothing: check it once. */
struct lens_buf {
	char *data;
	size_t n, room;
	bool failed;
};
void lens_buf_add(struct lens_buf *b, const void *data, size_t n);
void lens_buf_puts(struct lens_buf *b, const char *s);
void lens_buf_u64(struct lens_buf *b, uint64_t v); /* in decimal digits */
void lens_buf_printf(struct lens_buf *b, const char *fmt, ...)
	LENS_PRINTF(2, 3);
void lens_buf_fini(struct lens_buf *b);

/* The order of state dict keys in a view (docs: "natural order"). <0, 0, >0. */
int lens_natural_cmp(const char *a, const char *b);

/* A stable sort that costs what is out of order: runs that are sorted already
 * are merged. -ENOMEM, with @base as it was. */
int lens_sort(void *base, size_t n, size_t size,
	      int (*cmp)(const void *a, const void *b)) LENS_MUST_CHECK;

/* "5GB", "64MiB", "4096": decimal and binary units, any case; a fraction is
 * allowed. */
int lens_parse_size(const char *text, uint64_t *ret,
		    struct lens_err *err) LENS_MUST_CHECK;
/* "5.0 GB": for people. @buf of 32 bytes, returned. */
const char *lens_format_size(char *buf, uint64_t bytes);

bool lens_ends_with(const char *s, const char *end);
/* Nanoseconds since some point, never back: CLOCK_MONOTONIC. */
uint64_t lens_now(void);

/*
 * fn(ctx, i, err) for every i < n, on up to @jobs threads (0: one a CPU); the
 * caller's is one of them.  The first failure stops the rest and is returned.
 */
int lens_parallel(size_t n, unsigned jobs,
		  int (*fn)(void *ctx, size_t i, struct lens_err *err),
		  void *ctx, struct lens_err *err) LENS_MUST_CHECK;

/*
 * Work that takes long asks between its parts whether anybody still wants it.
 * @asked(ctx) answers for this thread, until it is set again; NULL: wanted.
 */
void lens_cancel_set(bool (*asked)(void *ctx), void *ctx);
bool lens_cancelled(void);

#endif

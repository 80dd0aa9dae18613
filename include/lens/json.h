/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens/json.h - the strict gate in front of cJSON (part of base).
 *
 * Every JSON text from outside passes lens_json_check(), which all that read
 * one begin with.  It takes exactly RFC 8259 in UTF-8: no byte order mark, no
 * raw control characters, no lone surrogates, no NUL (raw or escaped) in a
 * name, nothing behind the value, depth under 128, no name twice in one object.
 * cJSON alone lets all of these through or cuts strings at them.
 */
#ifndef LENS_JSON_H
#define LENS_JSON_H

#include "lens/base.h"

#include <cjson/cJSON.h>

enum lens_json_flags {
	/* A config: NaN, Infinity, -Infinity are numbers (0 in the tree). */
	LENS_JSON_CONFIG = 1,
	/* A name twice in an object is allowed, the last counts, more than
	 * one level down (unknown fields of a header's entry). */
	LENS_JSON_DUP_DEEP = 2,
	/* Numbers that are not whole, or that a double does not hold exactly
	 * (beyond 2^53), are refused wherever they stand in an array. */
	LENS_JSON_WHOLE = 4,
};

/* Check and parse. The tree is the caller's (cJSON_Delete). EBADMSG with line
 * and column ("line 3, column 7: ...") for what is refused. */
int lens_json_parse(const char *text, size_t n, unsigned flags, cJSON **ret,
		    struct lens_err *err) LENS_MUST_CHECK;

/* Check the grammar and all of the above, and no more. EBADMSG. */
int lens_json_check(const char *text, size_t n, unsigned flags,
		    struct lens_err *err) LENS_MUST_CHECK;

/* A value in a text that passed the gate, just as it is spelt. */
struct lens_json_part {
	const char *text;
	size_t n;
};
/* Call @fn for each member of @object, in order. EBADMSG: it is no object. */
int lens_json_members(struct lens_json_part object,
		      int (*fn)(void *ctx, struct lens_json_part name,
				struct lens_json_part value,
				struct lens_err *err),
		      void *ctx, struct lens_err *err) LENS_MUST_CHECK;
/* A tree of it, the caller's; NULL: no memory. */
cJSON *lens_json_tree(struct lens_json_part part) LENS_MUST_CHECK;
/* The string that it is, in memory of @arena; NULL: no memory, or none. */
char *lens_json_string(struct lens_json_part part,
		       struct lens_arena *arena) LENS_MUST_CHECK;

/*
 * Check the whole text, whose value must be an object, and then call @fn for
 * each of its entries, in order, with a tree of that entry alone; @fn borrows
 * it.  A large header costs the memory of its largest entry, not of all.
 */
int lens_json_each(const char *text, size_t n, unsigned flags,
		   int (*fn)(void *ctx, const char *name, const cJSON *value,
			     struct lens_err *err),
		   void *ctx, struct lens_err *err) LENS_MUST_CHECK;

/* The byte range [*begin, *end) of member @path ("rules.3.hf": names of an
 * object, indexes of an array) in a text that passed the gate: from the first
 * quote of its name (of its value, in an array) to the end of its value.
 * -ENOENT if there is none.  For cutting and for line numbers. */
int lens_json_span(const char *text, size_t n, const char *path, size_t *begin,
		   size_t *end);
/* Line and column, both from 1, of byte @at. */
void lens_json_where(const char *text, size_t at, unsigned *line,
		     unsigned *column);

/* Member @path ("text_config.model_type") of a tree; NULL if there is none. */
const cJSON *lens_json_at(const cJSON *root, const char *path);
/* A whole number in [0, 2^53]: 0, else -EBADMSG. */
int lens_json_u64(const cJSON *item, uint64_t *ret) LENS_MUST_CHECK;
/* Add @s as a JSON string. ascii: as Python's json.dumps does by default;
 * otherwise raw UTF-8 with the escapes serde_json writes. */
void lens_json_quote(struct lens_buf *b, const char *s, bool ascii);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segments.c - keys as folders, their dots being the slashes.
 *
 * Keys are sorted segment by segment, so that the keys below a folder are
 * neighbours; folders are numbered level by level, so that the folders in a
 * folder are neighbours too, sorted by their segments.
 */
#include "tree/tree.h"

#include <errno.h>
#include <stdio.h>

/* What ends a name that was cut: these and the hash's digits. */
#define CUT "%~"
#define HASH_DIGITS 16
#define NAME_MOST (LENS_NAME_ROOM - 1)
#define CUT_MOST (NAME_MOST - sizeof(CUT) + 1 - HASH_DIGITS)

/* Files that a tensor's folder may hold, as far as a segment can spell them. */
static const char *const taken[] = { "info", "summary", "raw" };

static bool is_taken(const char *text, size_t n)
{
	for (size_t i = 0; i < LENS_ARRAY_SIZE(taken); i++)
		if (strlen(taken[i]) == n && memcmp(taken[i], text, n) == 0)
			return true;
	return false;
}

static uint64_t hash(const char *text, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Bytes of the character at @s, at most @n. */
static size_t character(const char *s, size_t n)
{
	size_t k = 1;

	while (k < n && ((unsigned char)s[k] & 0xc0) == 0x80)
		k++;
	return k;
}

void lens_segment_encode(const char *text, size_t n, char *buf)
{
	const bool first = is_taken(text, n);
	size_t out = 0, whole = 0; /* @whole: of what may stay when it is cut */

	if (!n) {
		(void)strcpy(buf, "%");
		return;
	}
	for (size_t i = 0; i < n;) {
		const unsigned char b = (unsigned char)text[i];
		const bool percent = b < 0x20 || b == 0x7f || b == '/' ||
				     b == '%' || (first && !i);
		const size_t k = character(text + i, n - i);
		const size_t width = percent ? 3 : k;

		if (out + width > NAME_MOST) {
			(void)snprintf(buf + whole, LENS_NAME_ROOM - whole,
				       "%s%016llx", CUT,
				       (unsigned long long)hash(text, n));
			return;
		}
		if (percent)
			(void)snprintf(buf + out, 4, "%%%02X", b);
		else
			memcpy(buf + out, text + i, k);
		i += percent ? 1 : k;
		out += width;
		if (out <= CUT_MOST)
			whole = out;
	}
	buf[out] = 0;
}

/* Undo that, but for cut names: bytes of the segment. Anything may be handed
 * in; whoever cares encodes the result again. */
static size_t decode(const char *name, char *text)
{
	size_t n = 0;

	if (strcmp(name, "%") == 0)
		return 0;
	while (*name) {
		unsigned b;

		if (*name == '%' && sscanf(name + 1, "%2x", &b) == 1 &&
		    name[1] && name[2]) {
			text[n++] = (char)b;
			name += 3;
		} else {
			text[n++] = *name++;
		}
	}
	return n;
}

static const char *key_of(const struct lens_plan *plan, uint32_t out)
{
	return lens_plan_at(plan, out)->t.name;
}

static int cmp_keys(const void *pa, const void *pb, void *plan)
{
	const unsigned char *a, *b;

	a = (const unsigned char *)key_of(plan, *(const uint32_t *)pa);
	b = (const unsigned char *)key_of(plan, *(const uint32_t *)pb);
	while (*a && *a == *b)
		a++, b++;
	/* The end comes first, then a dot: a segment before longer ones. */
	return (!*a       ? -2 :
		*a == '.' ? -1 :
			    *a) -
	       (!*b       ? -2 :
		*b == '.' ? -1 :
			    *b);
}

/* Cut the keys of folder @f into its child folders. */
static int split(struct lens_segments *s, const struct lens_plan *plan,
		 uint32_t f, size_t *n, size_t *room)
{
	const uint32_t end = s->v[f].first + s->v[f].n;
	const size_t at = f ? (size_t)s->v[f].at + s->v[f].len + 1 : 0;
	uint32_t k = s->v[f].first + s->v[f].tensor;

	s->v[f].child = (uint32_t)*n;
	while (k < end) {
		const char *seg = key_of(plan, s->key[k]) + at;
		const size_t len = strcspn(seg, ".");
		const uint32_t first = k;

		for (k++; k < end; k++) {
			const char *other = key_of(plan, s->key[k]) + at;

			if (strncmp(other, seg, len) != 0 ||
			    (other[len] && other[len] != '.'))
				break;
		}
		if (*n == *room) {
			struct lens_segment *v;

			*room += *room / 2 + 64;
			v = realloc(s->v, *room * sizeof(*v));
			if (!v || *room > UINT32_MAX)
				return -ENOMEM;
			s->v = v;
		}
		s->v[(*n)++] = (struct lens_segment){
			.parent = f,
			.first = first,
			.n = k - first,
			.at = (uint16_t)at,
			.len = (uint16_t)len,
			.tensor = !seg[len],
		};
		s->v[f].n_children++;
	}
	return 0;
}

int lens_segments_make(const struct lens_plan *plan, struct lens_segments *ret)
{
	LENS_CLEANUP(lens_segments_fini) struct lens_segments s = { 0 };
	const size_t n_keys = lens_plan_count(plan);
	size_t n = 1, room = n_keys + 64;

	s.key = calloc(n_keys + 1, sizeof(*s.key));
	s.v = calloc(room, sizeof(*s.v));
	if (!s.key || !s.v)
		return -ENOMEM;
	for (size_t i = 0; i < n_keys; i++)
		s.key[i] = (uint32_t)i;
	qsort_r(s.key, n_keys, sizeof(*s.key), cmp_keys,
		(void *)(uintptr_t)plan);
	s.v[0].n = (uint32_t)n_keys;
	for (size_t f = 0; f < n; f++)
		if (split(&s, plan, (uint32_t)f, &n, &room) < 0)
			return -ENOMEM;
	s.n = n;
	*ret = s;
	s = (struct lens_segments){ 0 };
	return 0;
}

void lens_segments_fini(struct lens_segments *s)
{
	free(s->key);
	free(s->v);
	*s = (struct lens_segments){ 0 };
}

static const char *text_of(const struct lens_segments *s,
			   const struct lens_plan *plan, uint32_t i)
{
	return key_of(plan, s->key[s->v[i].first]) + s->v[i].at;
}

const char *lens_segment_name(const struct lens_segments *s,
			      const struct lens_plan *plan, uint32_t i,
			      char *buf)
{
	lens_segment_encode(text_of(s, plan, i), s->v[i].len, buf);
	return buf;
}

/* A name that was cut is not told by its segment: look at each. */
static uint32_t find_cut(const struct lens_segments *s,
			 const struct lens_plan *plan,
			 const struct lens_segment *p, const char *name)
{
	char buf[LENS_NAME_ROOM];

	for (uint32_t i = p->child; i < p->child + p->n_children; i++) {
		if (s->v[i].len * 3u <= NAME_MOST)
			continue;
		if (strcmp(lens_segment_name(s, plan, i, buf), name) == 0)
			return i;
	}
	return LENS_NONE;
}

uint32_t lens_segment_find(const struct lens_segments *s,
			   const struct lens_plan *plan, uint32_t parent,
			   const char *name)
{
	const struct lens_segment *p = &s->v[parent];
	uint32_t low = p->child, high = low + p->n_children;
	char text[LENS_NAME_ROOM], again[LENS_NAME_ROOM];
	size_t n = strlen(name);

	if (n > NAME_MOST)
		return LENS_NONE;
	if (n > HASH_DIGITS + 1 &&
	    memcmp(name + n - HASH_DIGITS - 2, CUT, 2) == 0)
		return find_cut(s, plan, p, name);
	n = decode(name, text);
	lens_segment_encode(text, n, again);
	if (strcmp(again, name) != 0)
		return LENS_NONE; /* another spelling of it, or none */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		size_t len = s->v[mid].len;
		int c = memcmp(text_of(s, plan, mid), text, len < n ? len : n);

		if (c == 0 && len == n)
			return mid;
		if (c < 0 || (c == 0 && len < n))
			low = mid + 1;
		else
			high = mid;
	}
	return LENS_NONE;
}

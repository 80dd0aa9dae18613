/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c - strings to numbers: open addressing, at most half full.
 */
#include "lens/base.h"

#include <errno.h>

struct lens_map_slot {
	const char *key; /* NULL: free */
	uint32_t hash, value;
};

/* FNV-1a, folded to 32 bits. */
static uint32_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

static struct lens_map_slot *slot_of(const struct lens_map *m, const char *key,
				     uint32_t h)
{
	size_t i = h & (m->room - 1);

	while (m->slots[i].key &&
	       (m->slots[i].hash != h || strcmp(m->slots[i].key, key) != 0))
		i = (i + 1) & (m->room - 1);
	return &m->slots[i];
}

static int grow(struct lens_map *m)
{
	struct lens_map old = *m;
	size_t room = old.room ? old.room * 2 : 64;
	struct lens_map_slot *slots = calloc(room, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	m->slots = slots;
	m->room = room;
	for (size_t i = 0; i < old.room; i++)
		if (old.slots[i].key)
			*slot_of(m, old.slots[i].key, old.slots[i].hash) =
				old.slots[i];
	free(old.slots);
	return 0;
}

int lens_map_add(struct lens_map *m, const char *key, uint32_t value)
{
	uint32_t h = hash(key);
	struct lens_map_slot *s;

	if (m->n * 2 >= m->room && grow(m) < 0)
		return -ENOMEM;
	s = slot_of(m, key, h);
	if (s->key)
		return 0;
	*s = (struct lens_map_slot){ .key = key, .hash = h, .value = value };
	m->n++;
	return 1;
}

uint32_t lens_map_find(const struct lens_map *m, const char *key)
{
	const struct lens_map_slot *s;

	if (!m->n)
		return LENS_NONE;
	s = slot_of(m, key, hash(key));
	return s->key ? s->value : LENS_NONE;
}

void lens_map_fini(struct lens_map *m)
{
	free(m->slots);
	*m = (struct lens_map){ 0 };
}

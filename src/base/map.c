/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c - strings to numbers: open addressing, at most half full.
 */
#include "lens/base.h"

#include <errno.h>
#include <unistd.h>

struct lens_map_slot {
	const char *key; /* NULL: free */
	uint32_t hash, value;
};

/* Eight bytes at a time: keys are long, and there are many.  @secret keeps
 * those who name keys from making them all meet in one place. */
static uint32_t hash(const char *s, uint64_t secret)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u;
	size_t n = strlen(s);
	uint64_t h = n ^ secret, v;

	for (; n >= 8; n -= 8, s += 8) {
		memcpy(&v, s, 8);
		h = (h ^ v) * odd;
		h ^= h >> 29;
	}
	v = 0;
	memcpy(&v, s, n);
	h = (h ^ v) * odd;
	h ^= h >> 32;
	h *= odd;
	return (uint32_t)(h >> 32);
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

static int resize(struct lens_map *m, size_t room)
{
	struct lens_map old = *m;
	struct lens_map_slot *slots = calloc(room, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	m->slots = slots;
	m->room = room;
	if (!old.room && getentropy(&m->secret, sizeof(m->secret)) < 0)
		m->secret = (uintptr_t)slots;
	for (size_t i = 0; i < old.room; i++)
		if (old.slots[i].key)
			*slot_of(m, old.slots[i].key, old.slots[i].hash) =
				old.slots[i];
	free(old.slots);
	return 0;
}

int lens_map_reserve(struct lens_map *m, size_t n)
{
	size_t room = m->room ? m->room : 64;

	while (room / 2 < n)
		room *= 2;
	return room == m->room ? 0 : resize(m, room);
}

int lens_map_add(struct lens_map *m, const char *key, uint32_t value)
{
	struct lens_map_slot *s;
	uint32_t h;

	if (m->n * 2 >= m->room && lens_map_reserve(m, m->n + 1) < 0)
		return -ENOMEM;
	h = hash(key, m->secret);
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
	s = slot_of(m, key, hash(key, m->secret));
	return s->key ? s->value : LENS_NONE;
}

void lens_map_fini(struct lens_map *m)
{
	free(m->slots);
	*m = (struct lens_map){ 0 };
}

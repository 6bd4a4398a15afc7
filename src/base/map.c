/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map: open addressing, linear probing, backward shift on removal (no tombstones). See map.h. */
#include "base/map.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#define MAP_ROOM_MIN 16

struct map_slot {
	uint64_t hash;
	uint64_t number;   /* the key, or the length of the bytes */
	const void *bytes; /* NULL for numbers */
	void *value;       /* NULL: free */
};

struct map_key {
	uint64_t hash;
	uint64_t number;
	const void *bytes;
};

static inline uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

struct sip {
	uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotate(s->b, 13) ^ s->a;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a = rotate(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotate(s->b, 17) ^ s->c;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c = rotate(s->c, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_round(s);
	s->a ^= word;
}

/* The process's own random bytes. Before main, so that no thread sees it half set. */
static uint64_t hash_key[2];

__attribute__((constructor)) static void take_key(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);

	if (random)
		memcpy(hash_key, random, sizeof(hash_key));
}

/* SipHash-1-3. */
static uint64_t hash_bytes(const void *data, size_t length)
{
	const uint8_t *p = data;
	uint64_t word;
	struct sip s;
	size_t at;

	s = (struct sip){ hash_key[0] ^ 0x736f6d6570736575, hash_key[1] ^ 0x646f72616e646f6d,
			  hash_key[0] ^ 0x6c7967656e657261, hash_key[1] ^ 0x7465646279746573 };
	for (at = 0; at + 8 <= length; at += 8) {
		memcpy(&word, p + at, 8);
		sip_word(&s, word);
	}
	word = (uint64_t)length << 56;
	for (unsigned shift = 0; at < length; at++, shift += 8)
		word |= (uint64_t)p[at] << shift;
	sip_word(&s, word);
	s.c ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}

static struct map_key key_of_number(uint64_t number)
{
	return (struct map_key){ hash_bytes(&number, sizeof(number)), number, NULL };
}

static struct map_key key_of_bytes(const void *data, size_t length)
{
	return (struct map_key){ hash_bytes(data, length), length, data ?: "" };
}

static bool slot_matches(const struct map_slot *s, const struct map_key *k)
{
	if (s->hash != k->hash || s->number != k->number)
		return false;
	return !k->bytes || memcmp(s->bytes, k->bytes, k->number) == 0;
}

/* The slot of the key, or the free one where it would go. The table has room and is never full. */
static struct map_slot *map_find(const struct map *m, const struct map_key *k)
{
	size_t i = k->hash & (m->room - 1);

	while (m->slots[i].value && !slot_matches(&m->slots[i], k))
		i = (i + 1) & (m->room - 1);
	return &m->slots[i];
}

static int map_grow(struct map *m)
{
	size_t room = m->room ? m->room * 2 : MAP_ROOM_MIN;
	struct map bigger = { .room = room, .count = m->count, .cap = m->cap };

	/* At most three quarters full. */
	if (m->room && m->count + 1 <= m->room / 4 * 3)
		return 0;
	bigger.slots = calloc(room, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->room; i++) {
		const struct map_slot *s = &m->slots[i];

		if (s->value)
			*map_find(&bigger, &(struct map_key){ s->hash, s->number, s->bytes }) = *s;
	}
	free(m->slots);
	*m = bigger;
	return 0;
}

static void *map_get_key(const struct map *m, struct map_key k)
{
	return m->count ? map_find(m, &k)->value : NULL;
}

static int map_put_key(struct map *m, struct map_key k, void *value)
{
	int r;

	if (map_get_key(m, k))
		return -EEXIST;
	if (m->count >= m->cap)
		return -ENOSPC;
	r = map_grow(m);
	if (r < 0)
		return r;
	*map_find(m, &k) = (struct map_slot){ k.hash, k.number, k.bytes, value };
	m->count++;
	return 0;
}

static void *map_remove_key(struct map *m, struct map_key k)
{
	size_t mask = m->room - 1, hole, i;
	struct map_slot *found;
	void *value;

	if (m->count == 0)
		return NULL;
	found = map_find(m, &k);
	value = found->value;
	if (!value)
		return NULL;
	hole = (size_t)(found - m->slots);
	/* Entries behind the hole that probed past it move up, so that no search stops short. */
	for (i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
		size_t home = m->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){ 0 };
	m->count--;
	return value;
}

void map_done(struct map *m)
{
	free(m->slots);
	*m = MAP_INIT(m->cap);
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->count ? map_get_key(m, key_of_number(key)) : NULL;
}

void *map_get_bytes(const struct map *m, const void *key, size_t length)
{
	return m->count ? map_get_key(m, key_of_bytes(key, length)) : NULL;
}

int map_put(struct map *m, uint64_t key, void *value)
{
	return map_put_key(m, key_of_number(key), value);
}

int map_put_bytes(struct map *m, const void *key, size_t length, void *value)
{
	return map_put_key(m, key_of_bytes(key, length), value);
}

void *map_remove(struct map *m, uint64_t key)
{
	return map_remove_key(m, key_of_number(key));
}

void *map_remove_bytes(struct map *m, const void *key, size_t length)
{
	return map_remove_key(m, key_of_bytes(key, length));
}

void *map_next(const struct map *m, size_t *cursor)
{
	while (*cursor < m->room) {
		void *value = m->slots[(*cursor)++].value;

		if (value)
			return value;
	}
	return NULL;
}

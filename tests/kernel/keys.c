/* SPDX-License-Identifier: Apache-2.0 */
/* A set of process keys, for runs of a million lives: open addressing over 64-bit hashes of the text. */
#include "keys.h"

#include <stdlib.h>

/* FNV-1a; 0 stands for a free place. Two keys of one hash would be taken for one: not with a million in 2^64. */
static uint64_t hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3ULL;
	return h ? h : 1;
}

static size_t place(const struct keys *k, uint64_t h)
{
	size_t i = h & (k->room - 1);

	while (k->hashes[i] && k->hashes[i] != h)
		i = (i + 1) & (k->room - 1);
	return i;
}

static bool grow(struct keys *k)
{
	struct keys more = { .room = k->room ? 2 * k->room : 4096 };

	more.hashes = calloc(more.room, sizeof(*more.hashes));
	if (!more.hashes)
		return false;
	for (size_t i = 0; i < k->room; i++)
		if (k->hashes[i])
			more.hashes[place(&more, k->hashes[i])] = k->hashes[i];
	more.n = k->n;
	free(k->hashes);
	*k = more;
	return true;
}

bool keys_add(struct keys *k, const char *key)
{
	uint64_t h = hash(key);
	size_t i;

	if (2 * (k->n + 1) > k->room && !grow(k))
		return false;
	i = place(k, h);
	if (k->hashes[i])
		return false;
	k->hashes[i] = h;
	k->n++;
	return true;
}

bool keys_has(const struct keys *k, const char *key)
{
	return k->room && k->hashes[place(k, hash(key))];
}

void keys_done(struct keys *k)
{
	free(k->hashes);
	*k = (struct keys){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from a number or from bytes to a pointer, with a cap. One map uses one kind of key. Byte keys are
 * borrowed and must live as long as their entry (keep them in the value). Values are never NULL and are not owned.
 * The hash is keyed at random, so that an agent that chooses the keys can't make them collide.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct map_slot;

struct map {
	struct map_slot *slots; /* owned; NULL until the first put */
	size_t room;            /* slots, a power of two */
	size_t count;           /* entries */
	size_t cap;             /* most entries */
};

#define MAP_INIT(cap_) ((struct map){ .cap = (cap_) })

/* Frees the table, not the values; the map is empty and may be used again. */
void map_done(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, uint64_t key);
void *map_get_bytes(const struct map *m, const void *key, size_t length);

/* Adds. -EEXIST when the key is there, -ENOSPC at the cap, -ENOMEM. */
int map_put(struct map *m, uint64_t key, void *value) _must_check_;
int map_put_bytes(struct map *m, const void *key, size_t length, void *value) _must_check_;

/* Takes out and returns the value, or NULL. */
void *map_remove(struct map *m, uint64_t key);
void *map_remove_bytes(struct map *m, const void *key, size_t length);

/*
 * Walks the values in no order: start with *cursor 0, until NULL. Nothing may be put or removed meanwhile.
 */
void *map_next(const struct map *m, size_t *cursor);

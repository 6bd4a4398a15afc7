/* SPDX-License-Identifier: Apache-2.0 */
/* Things by name, in the order they came, with a cap. Each thing is a struct that begins with `char *key`. */
#pragma once

#include "base/map.h"

struct keyed {
	struct map map;
	void **list; /* owned, with what it points to */
	size_t n, room;
	size_t size;               /* of a thing */
	void (*done)(void *thing); /* frees what a thing holds besides its key; NULL: nothing */
	uint64_t refused;          /* asked for beyond the cap */
};

#define KEYED_INIT(type, cap_, done_) ((struct keyed){ .map = MAP_INIT(cap_), .size = sizeof(type), .done = (done_) })

void keyed_done(struct keyed *k);
/* The thing of that name, zeroed when it is new. NULL at the cap (counted) and when out of memory. */
void *keyed_get(struct keyed *k, const char *key, size_t length);
/* The same, but never makes one. */
void *keyed_find(const struct keyed *k, const char *key, size_t length);
/* Sorts the list; equal things keep their order. */
void keyed_sort(struct keyed *k, int (*compare)(const void *a, const void *b));

/* A few different strings. */
#define STRINGS_MAX 16
struct strings {
	char *list[STRINGS_MAX];
	size_t n;
	uint64_t refused;
};
void strings_add(struct strings *s, const char *text);
void strings_done(struct strings *s);

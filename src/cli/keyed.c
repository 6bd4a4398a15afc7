/* SPDX-License-Identifier: Apache-2.0 */
/* Things by name. */
#include "cli/keyed.h"

#include <string.h>

void keyed_done(struct keyed *k)
{
	for (size_t i = 0; i < k->n; i++) {
		if (k->done)
			k->done(k->list[i]);
		free(*(char **)k->list[i]);
		free(k->list[i]);
	}
	free(k->list);
	map_done(&k->map);
	k->list = NULL;
	k->n = k->room = 0;
}

void *keyed_find(const struct keyed *k, const char *key, size_t length)
{
	return map_get_bytes(&k->map, key, length);
}

static void *make(struct keyed *k, const char *key, size_t length)
{
	void *thing = calloc(1, k->size);
	char *name = strndup(key, length);

	if (!thing || !name || map_put_bytes(&k->map, name, strlen(name), thing) < 0) {
		free(thing);
		free(name);
		return NULL;
	}
	*(char **)thing = name;
	k->list[k->n++] = thing;
	return thing;
}

void *keyed_get(struct keyed *k, const char *key, size_t length)
{
	length = strnlen(key, length);
	void *thing = keyed_find(k, key, length);

	if (thing)
		return thing;
	if (k->n == k->room) {
		size_t room = k->room ? k->room * 2 : 64;
		void **list = reallocarray(k->list, room, sizeof(*list));

		if (list) {
			k->list = list;
			k->room = room;
		}
	}
	if (k->n < k->room && k->n < k->map.cap)
		thing = make(k, key, length);
	if (!thing)
		k->refused++;
	return thing;
}

void keyed_sort(struct keyed *k, int (*compare)(const void *a, const void *b))
{
	/* glibc's qsort merges, so it is stable, as long as it gets the memory: cosmetic here. */
	if (k->n > 1)
		qsort(k->list, k->n, sizeof(*k->list), compare);
}

void strings_add(struct strings *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->list[i], text) == 0)
			return;
	char *copy = s->n < STRINGS_MAX ? strdup(text) : NULL;

	if (copy)
		s->list[s->n++] = copy;
	else
		s->refused++;
}

void strings_done(struct strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The decoded event's life. See event.h. */
#include "event/event.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void event_clear(struct event *e)
{
	char *arena = e->arena;

	memset(e, 0, offsetof(struct event, dns.answers));
	e->arena = arena;
}

struct event *event_new(void)
{
	struct event *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->arena = malloc(EVENT_ARENA_BYTES);
	if (!e->arena) {
		free(e);
		return NULL;
	}
	return e;
}

void event_free(struct event *e)
{
	if (!e)
		return;
	free(e->arena);
	free(e);
}

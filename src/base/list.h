/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive doubly linked list: a struct list inside each member, and one as the head. It owns nothing.
 * A member that is in no list is initialised with list_init too, so that list_remove is always safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Puts `item` (in no list) before `at`: with the head, at the end. */
static inline void list_append(struct list *at, struct list *item)
{
	item->prev = at->prev;
	item->next = at;
	at->prev->next = item;
	at->prev = item;
}

/* Puts `item` (in no list) after `at`: with the head, at the front. */
static inline void list_prepend(struct list *at, struct list *item)
{
	list_append(at->next, item);
}

/* Takes it out of whatever list it is in; harmless on one that is in none. */
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* The struct that holds the list member. */
#define LIST_ENTRY(item, type, member) ((type *)((char *)(item) - offsetof(type, member)))

/* First or last entry, NULL when the list is empty. */
#define LIST_FIRST(head, type, member) (list_empty(head) ? NULL : LIST_ENTRY((head)->next, type, member))
#define LIST_LAST(head, type, member) (list_empty(head) ? NULL : LIST_ENTRY((head)->prev, type, member))

/* `it` runs over the struct list members; the body may remove `it` itself, nothing else. */
#define LIST_FOREACH(it, head)                                                                       \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, \
			 it##_next = it->next)

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the decoder share. Strings they make live in the event's arena; -E2BIG when it is full. */
#pragma once

#include "event/event.h"

/* One tail item as it lies in the frame; data NULL when the frame has none of its kind. */
struct item {
	const char *data;
	size_t length;
	unsigned flags; /* HD_P_* */
};

/* Room for `length` bytes in the arena, or NULL. */
char *arena_take(struct event *e, size_t length);

/* A kernel's path: turns the components round. Sets ret->verified. */
int decode_kernel_path(struct event *e, const struct item *item, struct event_path *ret);

/*
 * A caller's name: joined to the base when it is relative, and normalised lexically. Without a base a relative
 * name stays as it is.
 */
int decode_name(struct event *e, const struct item *name, const struct item *base, struct event_path *ret);

/* A caller's string that is no path to resolve (a symbolic link's target): its bytes up to a NUL. */
void decode_verbatim(const struct item *name, struct event_path *ret);

/* struct sockaddr_*. What is too short for its family has a family only; less than that is all unknown. */
int decode_address(struct event *e, const struct item *item, struct event_address *ret);

/* An IP address, 4 or 16 bytes by `family`, v4-mapped ones turned into AF_INET. Keeps ret's port. */
int decode_ip(struct event *e, unsigned family, const uint8_t *bytes, struct event_address *ret);

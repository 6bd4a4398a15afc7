/* SPDX-License-Identifier: Apache-2.0 */
/* A path that several tables hold at once (an image, an open file): copied once, counted by reference. */
#pragma once

#include "base/macro.h"
#include "event/event.h"

struct shared_path {
	unsigned refs;
	struct event_path path; /* path.path points at data */
	char data[];
};

/* Copies; NULL when out of memory. The caller holds the one reference. */
struct shared_path *shared_path_new(const struct event_path *path);
struct shared_path *shared_path_ref(struct shared_path *p); /* NULL gives NULL */
void shared_path_unref(struct shared_path *p);		    /* NULL is fine */

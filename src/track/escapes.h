/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sensitive objects, as one table with a reason each (docs/escapes.md is its text): judges the opens that the
 * kernel side only suspects, and those it can't judge (refused ones, which have only the caller's path), and connects
 * to runtime sockets and to cloud metadata.
 */
#pragma once

#include <stdbool.h>

#include "event/event.h"

struct escape_rule {
	const char *pattern; /* fnmatch(3) without FNM_PATHNAME: '*' crosses '/' */
	bool write_only;     /* only an open that could write */
	enum hd_escape_category category;
	enum hd_escape_rule rule;
	const char *reason;
};

/* Ends with a NULL pattern. */
extern const struct escape_rule escape_paths[];	    /* opens */
extern const struct escape_rule escape_sockets[];   /* unix sockets that are connected to */
extern const struct escape_rule escape_addresses[]; /* IP addresses as text */

/* The first rule that the path of a file_open fits, or NULL. Own /proc entries are none but where the table says so. */
const struct escape_rule *escape_of_open(const struct event *open);

/* The same for a network_connect. */
const struct escape_rule *escape_of_connect(const struct event *connect);

/* Does a suspicion of the kernel side (a sandbox_escape frame) hold against the whole path? */
bool escape_holds(const struct event *escape);

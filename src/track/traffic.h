/* SPDX-License-Identifier: Apache-2.0 */
/* What TCP connections carried, added up by remote end, port and direction of the connect. */
#pragma once

#include "base/json.h"
#include "base/map.h"
#include "event/event.h"

#define TRAFFIC_CAP 256 /* keeps the session's last line under 64 KiB */

struct traffic_table {
	struct map map;
	uint64_t left_out; /* connections to ends beyond the cap */
};

void traffic_init(struct traffic_table *t);
void traffic_done(struct traffic_table *t);

/*
 * Adds a HD_TRAFFIC event; hostname may be unset. Connections that were accepted count under the local port. A
 * connection is told once, but for those still open when capture ends. Returns 0 or -ENOMEM.
 */
int traffic_add(struct traffic_table *t, const struct event *e, struct bytes hostname);

/* Writes [{"address","port","hostname"?,"protocol","direction","connections","sent","received"}, ..], most bytes first.
 */
void traffic_write(const struct traffic_table *t, struct json *j);

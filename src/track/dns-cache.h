/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which name the workload asked for to get an address: CNAME chains are followed back to the question. The latest
 * answer for an address wins; times to live are ignored, since a program may keep an address as long as it likes.
 */
#pragma once

#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "event/event.h"

#define DNS_CACHE_CAP 4096

struct dns_cache {
	struct map map;
	struct list age; /* least recently used first */
	uint64_t evicted;
};

void dns_cache_init(struct dns_cache *c, size_t cap);
void dns_cache_done(struct dns_cache *c);

/* Learns from a parsed response (e->dns). A malformed one teaches nothing. Returns 0 or -ENOMEM. */
int dns_cache_learn(struct dns_cache *c, const struct event *e);

/* The name asked for, borrowed until the next change; unset when unknown, localhost, or itself an address. */
struct bytes dns_cache_name(struct dns_cache *c, const struct event_address *a);

/* SPDX-License-Identifier: Apache-2.0 */
/* Address to name. See dns-cache.h. */
#include "track/dns-cache.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "track/dns.h"

#define CHAIN_MAX 16

struct cache_key {
	uint64_t family;
	uint8_t address[16]; /* IPv4 in the first four bytes, v4-mapped too */
};

struct cached {
	struct cache_key key;
	struct list age;
	size_t length;
	char name[];
};

void dns_cache_init(struct dns_cache *c, size_t cap)
{
	*c = (struct dns_cache){ .map = MAP_INIT(cap) };
	list_init(&c->age);
}

void dns_cache_done(struct dns_cache *c)
{
	LIST_FOREACH (it, &c->age)
		free(LIST_ENTRY(it, struct cached, age));
	map_done(&c->map);
}

static bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool address_parse(struct bytes text, struct cache_key *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct cache_key key = { 0 };
	char copy[INET6_ADDRSTRLEN];

	if (text.length == 0 || text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	if (inet_pton(AF_INET, copy, key.address) == 1) {
		key.family = AF_INET;
	} else if (inet_pton(AF_INET6, copy, key.address) == 1) {
		key.family = AF_INET6;
		if (memcmp(key.address, mapped, sizeof(mapped)) == 0) {
			key.family = AF_INET;
			memmove(key.address, key.address + 12, 4);
			memset(key.address + 4, 0, 12);
		}
	} else {
		return false;
	}
	*ret = key;
	return true;
}

/* "localhost", anything below it, and an address written out say nothing about where a connection went. */
static bool name_tells(struct bytes name)
{
	const struct bytes local = BYTES("localhost"), below = BYTES(".localhost");
	struct cache_key key;

	if (name.length == 0 || bytes_equal(name, BYTES(".")) || bytes_equal(name, local))
		return false;
	if (name.length > below.length && memcmp(name.data + name.length - below.length, below.data, below.length) == 0)
		return false;
	return !address_parse(name, &key);
}

static int cache_put(struct dns_cache *c, const struct cache_key *key, struct bytes name)
{
	struct cached *entry = map_remove_bytes(&c->map, key, sizeof(*key));

	if (entry) {
		list_remove(&entry->age);
		free(entry);
	} else if (c->map.count >= c->map.cap) {
		entry = LIST_FIRST(&c->age, struct cached, age);
		map_remove_bytes(&c->map, &entry->key, sizeof(entry->key));
		list_remove(&entry->age);
		free(entry);
		c->evicted++;
	}
	entry = malloc(sizeof(*entry) + name.length);
	if (!entry)
		return -ENOMEM;
	entry->key = *key;
	entry->length = name.length;
	memcpy(entry->name, name.data, name.length);
	if (map_put_bytes(&c->map, &entry->key, sizeof(entry->key), entry) < 0) {
		free(entry);
		return -ENOMEM;
	}
	list_append(&c->age, &entry->age);
	return 0;
}

/* The question's name and the names it is an alias of. */
static unsigned chain_read(const struct event *e, struct bytes chain[CHAIN_MAX])
{
	unsigned n = 1;

	chain[0] = e->dns.name;
	for (unsigned at = 0; at < n; at++) {
		for (uint32_t i = 0; i < e->dns.answers_n && n < CHAIN_MAX; i++) {
			const struct dns_answer *a = &e->dns.answers[i];
			bool known = false;

			if (a->type != DNS_CNAME || !bytes_equal(a->name, chain[at]))
				continue;
			for (unsigned k = 0; k < n; k++)
				known = known || bytes_equal(chain[k], a->data);
			if (!known)
				chain[n++] = a->data;
		}
	}
	return n;
}

int dns_cache_learn(struct dns_cache *c, const struct event *e)
{
	struct bytes chain[CHAIN_MAX];
	unsigned n;
	int r = 0;

	if (e->dns.malformed || !e->dns.has_question || !name_tells(e->dns.name))
		return 0;
	n = chain_read(e, chain);
	for (uint32_t i = 0; i < e->dns.answers_n && r >= 0; i++) {
		const struct dns_answer *a = &e->dns.answers[i];
		struct cache_key key;
		bool ours = false;

		if (a->type != DNS_A && a->type != DNS_AAAA)
			continue;
		for (unsigned k = 0; k < n; k++)
			ours = ours || bytes_equal(chain[k], a->name);
		if (ours && address_parse(a->data, &key))
			r = cache_put(c, &key, e->dns.name);
	}
	return r;
}

struct bytes dns_cache_name(struct dns_cache *c, const struct event_address *a)
{
	struct cache_key key = { .family = a->family };
	struct cached *entry;

	if (a->family != AF_INET && a->family != AF_INET6)
		return BYTES_NONE;
	memcpy(key.address, a->raw, a->family == AF_INET ? 4 : 16);
	entry = map_get_bytes(&c->map, &key, sizeof(key));
	if (!entry)
		return BYTES_NONE;
	list_remove(&entry->age);
	list_append(&c->age, &entry->age);
	return (struct bytes){ entry->name, entry->length };
}

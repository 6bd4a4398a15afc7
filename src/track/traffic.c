/* SPDX-License-Identifier: Apache-2.0 */
/* See traffic.h. */
#include "track/traffic.h"

#include <errno.h>
#include <string.h>

struct traffic_key {
	uint8_t address[16];
	uint16_t family;
	uint16_t port;
	uint32_t accepted;
};

struct traffic {
	struct traffic_key key;
	char address[64];
	char *hostname; /* owned, NULL: none */
	size_t hostname_length;
	uint64_t connections, sent, received;
};

void traffic_init(struct traffic_table *t)
{
	*t = (struct traffic_table){ .map = MAP_INIT(TRAFFIC_CAP) };
}

static void traffic_free(struct traffic *x)
{
	free(x->hostname);
	free(x);
}

void traffic_done(struct traffic_table *t)
{
	struct traffic *x;
	size_t cursor = 0;

	while ((x = map_next(&t->map, &cursor)))
		traffic_free(x);
	map_done(&t->map);
}

static struct traffic *traffic_new(struct traffic_table *t, const struct traffic_key *key, const struct event *e)
{
	struct traffic *x = calloc(1, sizeof(*x));
	size_t length = MIN(e->remote.text.length, sizeof(x->address) - 1);

	if (!x)
		return NULL;
	x->key = *key;
	if (e->remote.text.data)
		memcpy(x->address, e->remote.text.data, length);
	if (map_put_bytes(&t->map, &x->key, sizeof(x->key), x) < 0) {
		traffic_free(x);
		return NULL;
	}
	return x;
}

int traffic_add(struct traffic_table *t, const struct event *e, struct bytes hostname)
{
	const struct hd_traffic *f = &e->u.traffic;
	struct traffic_key key;
	struct traffic *x;

	memset(&key, 0, sizeof(key));
	memcpy(key.address, e->remote.raw, sizeof(key.address));
	key.family = e->remote.family;
	key.port = f->accepted ? e->local.port : e->remote.port;
	key.accepted = f->accepted;
	x = map_get_bytes(&t->map, &key, sizeof(key));
	if (!x && t->map.count >= TRAFFIC_CAP) {
		t->left_out++;
		return 0;
	}
	if (!x)
		x = traffic_new(t, &key, e);
	if (!x)
		return -ENOMEM;
	if (!x->hostname && hostname.length > 0) {
		x->hostname = malloc(hostname.length);
		if (!x->hostname)
			return -ENOMEM;
		memcpy(x->hostname, hostname.data, hostname.length);
		x->hostname_length = hostname.length;
	}
	x->connections++;
	x->sent += f->sent;
	x->received += f->received;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct traffic *x = *(const struct traffic *const *)a, *y = *(const struct traffic *const *)b;
	uint64_t xs = x->sent + x->received, ys = y->sent + y->received;

	if (xs != ys)
		return xs < ys ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static void put(struct json *j, const struct traffic *x)
{
	json_object(j);
	json_key(j, "address");
	json_string(j, x->address);
	json_key(j, "port");
	json_uint(j, x->key.port);
	if (x->hostname) {
		json_key(j, "hostname");
		(void)json_bytes(j, x->hostname, x->hostname_length);
	}
	json_key(j, "protocol");
	json_string(j, "tcp");
	json_key(j, "direction");
	json_string(j, x->key.accepted ? "accepted" : "connected");
	json_key(j, "connections");
	json_uint(j, x->connections);
	json_key(j, "sent");
	json_uint(j, x->sent);
	json_key(j, "received");
	json_uint(j, x->received);
	json_object_end(j);
}

void traffic_write(const struct traffic_table *t, struct json *j)
{
	const struct traffic **all = calloc(t->map.count + 1, sizeof(*all));
	size_t cursor = 0, n = 0;

	json_array(j);
	while (all && n < t->map.count && (all[n] = map_next(&t->map, &cursor)))
		n++;
	if (n > 0)
		qsort(all, n, sizeof(*all), by_bytes);
	for (size_t i = 0; i < n; i++)
		put(j, all[i]);
	json_array_end(j);
	free(all);
}

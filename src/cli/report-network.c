/* SPDX-License-Identifier: Apache-2.0 */
/* The report's hosts by name, with what the session's end line says of their traffic, listeners and names asked for. */
#include "cli/report-model.h"

#include <string.h>

#define KEY_MAX 2048
#define ENDS_MAX 200000

void report_service_done(void *thing)
{
	struct report_service *s = thing;

	strings_done(&s->addresses);
	strings_done(&s->errors);
	strings_done(&s->programs);
}

void report_name_done(void *thing)
{
	struct report_name *n = thing;

	strings_done(&n->types);
	strings_done(&n->codes);
	strings_done(&n->answers);
}

/* The service of a line that names a port and a protocol; made with its host when new. accepted: the port is ours. */
static struct report_service *get_service(struct report *r, struct bytes host, const struct line *l, const char *port,
					  bool accepted)
{
	_cleanup_buf_ struct buf key = BUF_INIT(KEY_MAX);
	struct bytes protocol = line_text(l, "protocol");
	uint32_t number = (uint32_t)line_uint(l, port);
	struct report_host *h = keyed_get(&r->hosts, host.data, host.length);

	if (!h)
		return NULL;
	buf_addf(&key, "%.1024s\n%u/%.15s/%d", host.data, number, bytes_set(protocol) ? protocol.data : "?", accepted);
	struct report_service *s = key.failed ? NULL : keyed_find(&r->services, key.data, key.length);
	if (s || key.failed)
		return s;
	s = keyed_get(&r->services, key.data, key.length);
	if (!s)
		return NULL;
	s->port = number;
	s->accepted = accepted;
	(void)snprintf(s->protocol, sizeof(s->protocol), "%.15s", bytes_set(protocol) ? protocol.data : "?");
	if (h->last)
		h->last->next = s;
	else
		h->first = s;
	h->last = s;
	return s;
}

void report_take_connect(struct report *r, const struct line *l, int64_t time_ns)
{
	struct bytes address = line_text(l, "destination"), name = line_text(l, "hostname");
	struct bytes error = line_text(l, "error"), path = line_text(l, "path");

	if (!bytes_set(address)) {
		if (bytes_set(path))
			report_count(&r->local_sockets, path.data, path.length, 1, bytes_set(error),
				     line_text(l, "comm"));
		return;
	}
	if (!bytes_set(name))
		name = address;
	struct report_service *s = get_service(r, name, l, "destination_port", false);
	if (!s)
		return;
	struct report_host *h = keyed_find(&r->hosts, name.data, name.length);
	if (h && !h->first_ns)
		h->first_ns = time_ns;
	s->connects++;
	strings_add(&s->addresses, address.data);
	if (bytes_set(line_text(l, "comm")))
		strings_add(&s->programs, line_text(l, "comm").data);
	if (bytes_set(error)) {
		s->failed++;
		strings_add(&s->errors, error.data);
	}
}

/* Where connects went: an address, or an address, a port and a protocol. */
struct seen_end {
	char *key;
	struct report_host *host;
	struct report_service *service;
};

static void note_end(struct keyed *ends, const char *address, struct report_host *h, struct report_service *s,
		     bool port)
{
	_cleanup_buf_ struct buf key = BUF_INIT(512);

	buf_addf(&key, "%.200s", address);
	if (port)
		buf_addf(&key, " %u/%s", s->port, s->protocol);
	struct seen_end *end = key.failed ? NULL : keyed_get(ends, key.data, key.length);
	if (end && !end->host) {
		end->host = h;
		end->service = s;
	}
}

static void note_ends(const struct report *r, struct keyed *ends)
{
	for (size_t i = 0; i < r->hosts.n; i++) {
		struct report_host *h = r->hosts.list[i];

		for (struct report_service *s = h->first; s; s = s->next) {
			for (size_t j = 0; j < s->addresses.n; j++) {
				note_end(ends, s->addresses.list[j], h, s, false);
				note_end(ends, s->addresses.list[j], h, s, true);
			}
		}
	}
}

/*
 * The service that a connect to the same address and port was counted for: an address has several names, and the
 * traffic's is only the one that was known last.
 */
static struct report_service *service_of(struct report *r, const struct line *l, struct keyed *ends, bool accepted)
{
	_cleanup_buf_ struct buf key = BUF_INIT(512);
	struct bytes address = line_text(l, "address"), name = line_text(l, "hostname"), protocol;
	const struct report_host *named = bytes_set(name) ? keyed_find(&r->hosts, name.data, name.length) : NULL;
	const struct seen_end *end;

	protocol = line_text(l, "protocol");
	for (struct report_service *s = named ? named->first : NULL; s && !accepted; s = s->next)
		if (s->port == line_uint(l, "port") && bytes_set(protocol) && strcmp(s->protocol, protocol.data) == 0)
			return s;
	buf_addf(&key, "%.200s %u/%.15s", address.data, (unsigned)line_uint(l, "port"),
		 bytes_set(protocol) ? protocol.data : "?");
	end = key.failed || accepted ? NULL : keyed_find(ends, key.data, key.length);
	if (end)
		return end->service;
	end = keyed_find(ends, address.data, address.length);
	if (!bytes_set(name))
		name = end ? (struct bytes){ end->host->key, strlen(end->host->key) } : address;
	return get_service(r, name, l, "port", accepted);
}

static void take_traffic(struct report *r, const struct line *l, struct keyed *ends)
{
	struct bytes address = line_text(l, "address"), direction = line_text(l, "direction");

	if (!bytes_set(address))
		return;
	r->sent += line_uint(l, "sent");
	r->received += line_uint(l, "received");
	struct report_service *s =
	    service_of(r, l, ends, bytes_set(direction) && strcmp(direction.data, "accepted") == 0);
	if (!s)
		return;
	strings_add(&s->addresses, address.data);
	s->connections += line_uint(l, "connections");
	s->sent += line_uint(l, "sent");
	s->received += line_uint(l, "received");
}

static uint64_t bytes_of(const struct report_host *h)
{
	uint64_t n = 0;

	for (const struct report_service *s = h->first; s; s = s->next)
		n += s->sent + s->received;
	return n;
}

/* The most first; the keyed list keeps the order of first contact where nothing is known. */
static int by_bytes(const void *a, const void *b)
{
	uint64_t x = bytes_of(*(void *const *)a), y = bytes_of(*(void *const *)b);

	return (x < y) - (x > y);
}

void report_finish_network(struct report *r)
{
	_cleanup_(line_free_p) struct line *end = NULL;
	const char *raw = r->session.end_line;

	if (!raw || line_parse(raw, strlen(raw), &end) < 0)
		return;
	const struct line *traffic = line_get(end, "traffic");
	if (!traffic)
		return;
	struct keyed ends = KEYED_INIT(struct seen_end, ENDS_MAX, NULL);
	r->traffic = true;
	note_ends(r, &ends);
	for (size_t i = 0; i < line_count(traffic); i++)
		take_traffic(r, line_at(traffic, i), &ends);
	keyed_done(&ends);
	keyed_sort(&r->hosts, by_bytes);
}

void report_take_listen(struct report *r, const struct line *l)
{
	struct bytes address = line_text(l, bytes_set(line_text(l, "address")) ? "address" : "path");
	char key[512];

	if (!bytes_set(address) || bytes_set(line_text(l, "error")))
		return;
	bool brackets = strchr(address.data, ':') != NULL;
	int n = snprintf(key, sizeof(key), "%s%.400s%s", brackets ? "[" : "", address.data, brackets ? "]" : "");
	if (line_uint(l, "port"))
		n += snprintf(key + n, sizeof(key) - (size_t)n, ":%llu", (unsigned long long)line_uint(l, "port"));
	if (bytes_set(line_text(l, "protocol")))
		n += snprintf(key + n, sizeof(key) - (size_t)n, " %.16s", line_text(l, "protocol").data);
	report_count(&r->listening, key, (size_t)n, 1, false, line_text(l, "comm"));
}

void report_take_dns(struct report *r, const struct line *l, bool response)
{
	struct bytes name = line_text(l, "name"), type = line_text(l, "query_type"),
		     code = line_text(l, "response_code");
	const struct line *answers = line_get(l, "answers");

	if (!bytes_set(name))
		return;
	struct report_name *n = keyed_get(&r->names, name.data, name.length);
	if (!n)
		return;
	n->queries += !response;
	n->responses += response;
	if (bytes_set(type))
		strings_add(&n->types, type.data);
	if (bytes_set(code))
		strings_add(&n->codes, code.data);
	for (size_t i = 0; i < line_count(answers); i++)
		if (bytes_set(line_text(line_at(answers, i), "data")))
			strings_add(&n->answers, line_text(line_at(answers, i), "data").data);
}

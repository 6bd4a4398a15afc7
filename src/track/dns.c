/* SPDX-License-Identifier: Apache-2.0 */
/* One DNS message to text. See dns.h. */
#include "track/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

#define NAME_WIRE_MAX 255

struct reader {
	const uint8_t *data;
	size_t length;
	size_t at;
};

/* Text that grows in the event's arena. Once full, it takes nothing more. */
struct text {
	char *data;
	size_t length, room;
	bool full;
};

static struct text text_begin(struct event *e)
{
	return (struct text){ e->arena + e->arena_used, 0, EVENT_ARENA_BYTES - e->arena_used, false };
}

static struct bytes text_end(struct event *e, const struct text *t)
{
	if (t->full)
		return BYTES_NONE;
	e->arena_used += t->length;
	return (struct bytes){ t->data, t->length };
}

static void text_add(struct text *t, const void *data, size_t length)
{
	if (t->full || length > t->room - t->length) {
		t->full = true;
		return;
	}
	memcpy(t->data + t->length, data, length);
	t->length += length;
}

static void text_addc(struct text *t, char c)
{
	text_add(t, &c, 1);
}

static void text_adds(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

static void text_number(struct text *t, unsigned number)
{
	char digits[16];

	text_add(t, digits, (size_t)snprintf(digits, sizeof(digits), "%u", number));
}

static void text_hex(struct text *t, const uint8_t *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		text_addc(t, digits[data[i] >> 4]);
		text_addc(t, digits[data[i] & 15]);
	}
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void text_label(struct text *t, const uint8_t *label, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t c = label[i];

		if (c == '.' || c == '\\')
			text_addc(t, '\\');
		text_addc(t, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
	}
}

/*
 * Reads the name at `at`, whose own bytes end before `limit`. Every pointer must lead below all that the name has
 * used so far, so it always ends. Returns NULL and *ret_end, or the reason.
 */
static const char *name_read(const struct reader *r, size_t at, size_t limit, size_t *ret_end, struct text *t)
{
	size_t lowest = at, end = 0, wire = 1;
	bool first = true;

	for (;;) {
		uint8_t length;

		if (at >= limit)
			return "a name runs past its end";
		length = r->data[at];
		if (length == 0)
			break;
		if ((length & 0xc0) == 0xc0) {
			size_t target;

			if (limit - at < 2)
				return "a name runs past its end";
			target = get16(r->data + at) & 0x3fff;
			if (target < DNS_HEADER_BYTES)
				return "a compression pointer leads into the header";
			if (target >= lowest)
				return "a compression pointer does not lead back";
			end = end ?: at + 2;
			lowest = at = target;
			limit = r->length;
			continue;
		}
		if (length & 0xc0)
			return "unknown kind of label";
		if (length >= limit - at)
			return "a label runs past its end";
		wire += 1u + length;
		if (wire > NAME_WIRE_MAX)
			return "a name is longer than 255 bytes";
		if (!first)
			text_addc(t, '.');
		text_label(t, r->data + at + 1, length);
		first = false;
		at += 1u + length;
	}
	if (first)
		text_addc(t, '.');
	*ret_end = end ?: at + 1;
	return NULL;
}

/* A name that must fill the data from `at` to `end`. */
static const char *data_name(const struct reader *r, size_t at, size_t end, struct text *t)
{
	size_t stop = 0;
	const char *why = name_read(r, at, end, &stop, t);

	if (!why && stop != end)
		why = "a record's length contradicts its data";
	return why;
}

static const char *data_address(const uint8_t *data, size_t length, int family, struct text *t)
{
	char address[INET6_ADDRSTRLEN];

	if (length != (family == AF_INET ? 4u : 16u))
		return "an address has the wrong length";
	text_adds(t, inet_ntop(family, data, address, sizeof(address)));
	return NULL;
}

static const char *data_txt(const uint8_t *data, size_t length, struct text *t)
{
	size_t at = 0;

	if (length == 0)
		return "a text record is empty";
	while (at < length) {
		size_t n = data[at];

		if (n > length - at - 1)
			return "a text record's string runs past its end";
		text_add(t, data + at + 1, n);
		at += n + 1;
	}
	return NULL;
}

static const char *service_key(unsigned key, char room[16])
{
	static const char *const names[] = { "mandatory", "alpn", "no-default-alpn", "port",
					     "ipv4hint",  "ech",  "ipv6hint" };

	if (key < ARRAY_SIZE(names))
		return names[key];
	(void)snprintf(room, 16, "key%u", key);
	return room;
}

static const char *service_hints(const uint8_t *data, size_t length, int family, struct text *t)
{
	size_t step = family == AF_INET ? 4 : 16;

	if (length == 0 || length % step)
		return "a service parameter has the wrong length";
	for (size_t at = 0; at < length; at += step) {
		if (at)
			text_addc(t, ',');
		(void)data_address(data + at, step, family, t);
	}
	return NULL;
}

static const char *service_value(unsigned key, const uint8_t *data, size_t length, struct text *t)
{
	char name[16];
	size_t at = 0;

	switch (key) {
	case 0:
		if (length == 0 || length % 2)
			return "a service parameter has the wrong length";
		for (; at < length; at += 2) {
			if (at)
				text_addc(t, ',');
			text_adds(t, service_key(get16(data + at), name));
		}
		return NULL;
	case 1:
		while (at < length) {
			size_t n = data[at];

			if (n == 0 || n > length - at - 1)
				return "a service parameter has the wrong length";
			if (at)
				text_addc(t, ',');
			text_add(t, data + at + 1, n);
			at += n + 1;
		}
		return length ? NULL : "a service parameter has the wrong length";
	case 3:
		if (length != 2)
			return "a service parameter has the wrong length";
		text_number(t, get16(data));
		return NULL;
	case 4:
		return service_hints(data, length, AF_INET, t);
	case 6:
		return service_hints(data, length, AF_INET6, t);
	default:
		text_adds(t, "0x");
		text_hex(t, data, length);
		return NULL;
	}
}

/* SVCB and HTTPS: "PRIORITY TARGET KEY=VALUE ..."; ech and keys without a name as hex. */
static const char *data_service(const struct reader *r, size_t at, size_t end, struct text *t)
{
	const char *why;
	char name[16];
	int last = -1;

	if (end - at < 3)
		return "a record's length contradicts its data";
	text_number(t, get16(r->data + at));
	text_addc(t, ' ');
	why = name_read(r, at + 2, end, &at, t);
	if (why)
		return why;
	while (at < end) {
		unsigned key;
		size_t length;

		if (end - at < 4)
			return "a service parameter runs past its end";
		key = get16(r->data + at);
		length = get16(r->data + at + 2);
		at += 4;
		if (length > end - at)
			return "a service parameter runs past its end";
		if ((int)key <= last)
			return "service parameters are out of order";
		last = (int)key;
		text_addc(t, ' ');
		text_adds(t, service_key(key, name));
		if (length || key != 2) {
			text_addc(t, '=');
			why = service_value(key, r->data + at, length, t);
			if (why)
				return why;
		}
		at += length;
	}
	return NULL;
}

static const char *data_numbers_name(const struct reader *r, size_t at, size_t end, unsigned numbers, struct text *t)
{
	if (end - at < numbers * 2 + 1)
		return "a record's length contradicts its data";
	for (; numbers > 0; numbers--, at += 2) {
		text_number(t, get16(r->data + at));
		text_addc(t, ' ');
	}
	return data_name(r, at, end, t);
}

static const char *data_read(const struct reader *r, unsigned type, size_t at, size_t end, struct text *t)
{
	const uint8_t *data = r->data + at;

	switch (type) {
	case DNS_A:
		return data_address(data, end - at, AF_INET, t);
	case DNS_AAAA:
		return data_address(data, end - at, AF_INET6, t);
	case DNS_CNAME:
	case DNS_DNAME:
	case DNS_NS:
	case DNS_PTR:
		return data_name(r, at, end, t);
	case DNS_MX:
		return data_numbers_name(r, at, end, 1, t);
	case DNS_SRV:
		return data_numbers_name(r, at, end, 3, t);
	case DNS_TXT:
		return data_txt(data, end - at, t);
	case DNS_SVCB:
	case DNS_HTTPS:
		return data_service(r, at, end, t);
	default:
		text_adds(t, "\\# ");
		text_number(t, (unsigned)(end - at));
		if (end > at)
			text_addc(t, ' ');
		text_hex(t, data, end - at);
		return NULL;
	}
}

struct record {
	struct text name, data;
	uint32_t ttl;
	unsigned type;
};

/* Reads one record; its texts go to the arena when the caller keeps them. Returns NULL or the reason. */
static const char *record_read(struct reader *r, struct event *e, struct record *ret)
{
	const char *why;
	size_t end;

	ret->name = text_begin(e);
	why = name_read(r, r->at, r->length, &r->at, &ret->name);
	if (why)
		return why;
	if (r->length - r->at < 10)
		return "fewer records than the header counts";
	ret->type = get16(r->data + r->at);
	ret->ttl = get32(r->data + r->at + 4);
	end = get16(r->data + r->at + 8);
	r->at += 10;
	if (end > r->length - r->at)
		return "a record runs past the message's end";
	end += r->at;
	ret->data = ret->name;
	ret->data.data += ret->name.length;
	ret->data.room -= ret->name.length;
	ret->data.length = 0;
	why = ret->type == DNS_OPT ? NULL : data_read(r, ret->type, r->at, end, &ret->data);
	r->at = end;
	return why;
}

static void record_keep(const struct record *record, struct event *e)
{
	struct dns_answer *a;

	if (record->data.full || e->dns.answers_n == EVENT_ANSWERS_MAX)
		return;
	a = &e->dns.answers[e->dns.answers_n++];
	a->name = text_end(e, &record->name);
	a->data = text_end(e, &record->data);
	a->ttl = record->ttl;
	a->type = (uint16_t)record->type;
}

static const char *question_read(struct reader *r, struct event *e, bool keep)
{
	struct text name = text_begin(e);
	const char *why;

	if (r->at == r->length)
		return "fewer questions than the header counts";
	why = name_read(r, r->at, r->length, &r->at, &name);
	if (why)
		return why;
	if (r->length - r->at < 4)
		return "the question is cut short";
	if (keep) {
		e->dns.name = text_end(e, &name);
		e->dns.query_type = (uint16_t)get16(r->data + r->at);
		e->dns.has_question = true;
	}
	r->at += 4;
	return NULL;
}

static const char *records_read(struct reader *r, struct event *e, const unsigned counts[4])
{
	enum { ANSWER = 1, ADDITIONAL = 3 };
	bool room = true;

	for (unsigned section = ANSWER; section <= ADDITIONAL; section++) {
		for (unsigned i = 0; i < counts[section]; i++) {
			struct record record;
			const char *why;

			if (r->at == r->length)
				return "fewer records than the header counts";
			why = record_read(r, e, &record);
			if (why)
				return why;
			/* Extended response codes over 255 are not assigned. */
			if (record.type == DNS_OPT && section == ADDITIONAL && record.ttl >> 24 < 16)
				e->dns.response_code |= (uint8_t)(record.ttl >> 24 << 4);
			if (record.type == DNS_OPT || section != ANSWER)
				continue;
			room = room && !record.data.full;
			if (room)
				record_keep(&record, e);
		}
	}
	return r->at < r->length ? "bytes behind the last record" : NULL;
}

bool dns_is_response(const uint8_t *message, size_t length, bool otherwise)
{
	return length > 2 ? message[2] & 0x80 : otherwise;
}

static const char *message_read(struct reader *r, struct event *e)
{
	unsigned counts[4];

	if (r->length == 0)
		return "an empty message";
	if (r->length >= 2)
		e->dns.transaction = (uint16_t)get16(r->data);
	if (r->length < DNS_HEADER_BYTES)
		return "shorter than a header";
	e->dns.response_code = r->data[3] & 15;
	for (unsigned i = 0; i < 4; i++)
		counts[i] = get16(r->data + 4 + i * 2);
	e->dns.answers_total = counts[1];
	r->at = DNS_HEADER_BYTES;
	for (unsigned i = 0; i < counts[0]; i++) {
		const char *why = question_read(r, e, i == 0);

		if (why)
			return why;
	}
	return records_read(r, e, counts) ?: counts[0] > 1 ? "more than one question" : NULL;
}

void dns_parse(const uint8_t *message, size_t length, struct event *e)
{
	struct reader r = { message, length, 0 };

	memset(&e->dns, 0, sizeof(e->dns));
	e->dns.malformed = message_read(&r, e);
}

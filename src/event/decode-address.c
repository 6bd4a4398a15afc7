/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses as the kernel's structs lie in memory; their layout is ABI and the same everywhere. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "event/decode-internal.h"

#define UNIX_PATH_AT 2

static uint16_t big16(const char *p)
{
	return (uint16_t)((uint8_t)p[0] << 8 | (uint8_t)p[1]);
}

static uint32_t native32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Copies short text to the arena. */
static int set_text(struct event *e, const char *text, struct bytes *ret)
{
	size_t length = strlen(text);
	char *p = arena_take(e, length);

	if (!p)
		return -E2BIG;
	memcpy(p, text, length);
	*ret = (struct bytes){ p, length };
	return 0;
}

int decode_ip(struct event *e, unsigned family, const uint8_t *bytes, struct event_address *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];

	memset(ret->raw, 0, sizeof(ret->raw));
	if (family == AF_INET6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		bytes += sizeof(mapped);
	}
	ret->family = (uint16_t)family;
	memcpy(ret->raw, bytes, family == AF_INET ? 4 : 16);
	if (!inet_ntop((int)family, ret->raw, text, sizeof(text)))
		return -EBADMSG;
	return set_text(e, text, &ret->text);
}

static int decode_unix(struct event *e, const struct item *item, struct event_address *ret)
{
	const char *name = item->data + UNIX_PATH_AT;
	size_t length = item->length - UNIX_PATH_AT;
	char *out;

	if (length == 0 || name[0]) {
		ret->text = (struct bytes){ name, strnlen(name, length) };
		return 0;
	}
	/* Abstract: every byte up to the address's length counts, NULs too. */
	out = arena_take(e, length);
	if (!out)
		return -E2BIG;
	memcpy(out, name, length);
	out[0] = '@';
	ret->text = (struct bytes){ out, length };
	return 0;
}

int decode_address(struct event *e, const struct item *item, struct event_address *ret)
{
	const char *p = item->data;
	char text[32];
	uint16_t family;

	if (item->length < sizeof(family))
		return 0;
	memcpy(&family, p, sizeof(family));
	ret->family = family;
	switch (family) {
	case AF_INET:
		if (item->length < 8)
			return 0;
		ret->has_port = true;
		ret->port = big16(p + 2);
		return decode_ip(e, AF_INET, (const uint8_t *)p + 4, ret);
	case AF_INET6:
		if (item->length < 24)
			return 0;
		ret->has_port = true;
		ret->port = big16(p + 2);
		return decode_ip(e, AF_INET6, (const uint8_t *)p + 8, ret);
	case AF_UNIX:
		return decode_unix(e, item, ret);
	case AF_NETLINK:
		if (item->length < 12)
			return 0;
		(void)snprintf(text, sizeof(text), "%u:%u", native32(p + 4), native32(p + 8));
		return set_text(e, text, &ret->text);
	case AF_PACKET:
		if (item->length < 8)
			return 0;
		(void)snprintf(text, sizeof(text), "%d", (int)native32(p + 4));
		return set_text(e, text, &ret->text);
	case AF_VSOCK:
		if (item->length < 12)
			return 0;
		(void)snprintf(text, sizeof(text), "%u:%u", native32(p + 8), native32(p + 4));
		return set_text(e, text, &ret->text);
	default:
		return 0;
	}
}

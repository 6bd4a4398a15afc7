/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DNS message parser (RFC 1035, 2782, 3596, 9460): pure, and made for messages that lie.
 *
 * Names are lower case without the last dot ("." for the root); a dot or a backslash inside a label has a backslash
 * before it, all other bytes stay as they are. Data is text for A, AAAA, CNAME, DNAME, NS, PTR, MX, SRV, TXT (its
 * strings joined), SVCB and HTTPS; every other type is in RFC 3597's form, "\# LENGTH HEX". OPT is no answer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_DNAME = 39,
	DNS_OPT = 41,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
};

#define DNS_HEADER_BYTES 12

/* The QR bit, or `otherwise` for a message too short to have one. */
bool dns_is_response(const uint8_t *message, size_t length, bool otherwise);

/*
 * Fills e->dns from one message, with texts in e's arena. Never fails: what contradicts itself sets
 * e->dns.malformed to a static reason and keeps what came before. Answers that find the list or the arena full are
 * left out; answers_total tells.
 */
void dns_parse(const uint8_t *message, size_t length, struct event *e);

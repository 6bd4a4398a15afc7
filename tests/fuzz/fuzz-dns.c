/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a DNS message, and as a script of TCP segments: nothing is read outside, texts stay in the arena,
 * buffers stay under their caps, and what is given to the caller is all accounted for.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "track/dns-cache.h"
#include "track/dns-stream.h"
#include "track/dns.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())
#define STREAMS 4
#define STREAM_BYTES 20000

static struct event *event;
static struct dns_cache cache;

static void check_text(struct bytes b)
{
	const char *begin = event->arena, *end = event->arena + event->arena_used;

	REQUIRE(!b.data || (b.data >= begin && b.data <= end && b.length <= (size_t)(end - b.data)));
}

static void check_message(const uint8_t *data, size_t size)
{
	struct event_address address = { .family = 2 };

	event->arena_used = 0;
	dns_parse(data, size, event);
	REQUIRE(event->arena_used <= EVENT_ARENA_BYTES);
	REQUIRE(event->dns.answers_n <= EVENT_ANSWERS_MAX && event->dns.answers_n <= event->dns.answers_total);
	REQUIRE(size >= DNS_HEADER_BYTES || event->dns.malformed);
	check_text(event->dns.name);
	for (uint32_t i = 0; i < event->dns.answers_n; i++) {
		REQUIRE(bytes_set(event->dns.answers[i].data) && bytes_set(event->dns.answers[i].name));
		check_text(event->dns.answers[i].data);
		check_text(event->dns.answers[i].name);
	}
	REQUIRE(dns_cache_learn(&cache, event) == 0);
	memcpy(address.raw, "\xc0\x00\x02\x01", 4);
	(void)dns_cache_name(&cache, &address);
}

static void on_message(void *context, const struct hd_dns *frame, const uint8_t *message, size_t length,
		       const char *malformed)
{
	REQUIRE(length <= UINT16_MAX);
	REQUIRE(malformed || length >= DNS_HEADER_BYTES);
	(*(unsigned *)context)++;
	check_message(message, length);
}

/* Each step takes four bytes: socket and flags, a signed move of the sequence, the length, how much is missing. */
static void run_streams(const uint8_t *data, size_t size)
{
	uint32_t sequences[8] = { 0, 1, 0x7ffffff0, 0xfffffff0 };
	struct dns_streams streams;
	unsigned messages = 0;

	dns_streams_init(&streams, STREAMS, STREAM_BYTES);
	while (size >= 4) {
		unsigned socket = data[0] & 7;
		size_t length = MIN((size_t)data[2], size - 4);
		struct hd_dns frame = { .socket = socket,
					.remote_port = 53,
					.egress = socket & 1,
					.tcp_flags = data[0] >> 3 & 7,
					.tcp_seq = sequences[socket] + (uint32_t)(int8_t)data[1],
					.payload_bytes = (uint32_t)(length + (data[3] < 128 ? 0 : data[3] - 128)) };

		REQUIRE(dns_streams_push(&streams, &frame, data + 4, length, on_message, &messages) == 0);
		REQUIRE(streams.map.count <= STREAMS && streams.bytes <= STREAM_BYTES);
		sequences[socket] = frame.tcp_seq + frame.payload_bytes;
		data += 4 + length;
		size -= 4 + length;
	}
	dns_streams_finish(&streams, on_message, &messages);
	REQUIRE(streams.map.count == 0 && streams.bytes == 0);
	dns_streams_done(&streams);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!event) {
		event = event_new();
		REQUIRE(event);
	}
	dns_cache_init(&cache, 8);
	check_message(data, size);
	run_streams(data, size);
	REQUIRE(cache.map.count <= 8);
	dns_cache_done(&cache);
	return 0;
}

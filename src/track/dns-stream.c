/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages from TCP segments. See dns-stream.h. */
#include "track/dns-stream.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "track/dns.h"

#define PREFIX_BYTES 2
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04

struct stream_key {
	uint64_t socket;
	uint32_t ports;
	uint32_t egress;
};

/* A segment that came before its turn. */
struct segment {
	struct list list;
	uint32_t sequence;
	uint32_t length; /* as sent */
	uint32_t have;	 /* captured */
	uint8_t data[];
};

struct stream {
	struct stream_key key;
	struct list age;
	struct hd_dns last; /* the latest segment's frame */
	bool started;
	bool anchored;	    /* where it begins is settled: by SYN, or since a message was given */
	uint32_t next;	    /* sequence of the first byte not read yet */
	size_t skip;	    /* bytes to pass over before the next message */
	struct buf message; /* prefix and as much of the message as there is */
	struct list held;   /* segments by sequence */
	unsigned held_n;
};

/* What one push needs all the way down. */
struct stream_sink {
	struct dns_streams *all;
	struct stream *s;
	dns_message_fn fn;
	void *context;
};

void dns_streams_init(struct dns_streams *s, size_t cap, size_t bytes_cap)
{
	*s = (struct dns_streams){ .map = MAP_INIT(cap), .bytes_cap = bytes_cap };
	list_init(&s->age);
}

static void segment_free(struct dns_streams *all, struct stream *s, struct segment *g)
{
	all->bytes -= g->have;
	s->held_n--;
	list_remove(&g->list);
	free(g);
}

static void message_clear(struct dns_streams *all, struct stream *s)
{
	all->bytes -= s->message.length;
	if (s->message.room > 4096)
		buf_done(&s->message);
	else
		buf_clear(&s->message);
}

static void stream_free(struct dns_streams *all, struct stream *s)
{
	LIST_FOREACH (it, &s->held)
		segment_free(all, s, LIST_ENTRY(it, struct segment, list));
	message_clear(all, s);
	buf_done(&s->message);
	map_remove_bytes(&all->map, &s->key, sizeof(s->key));
	list_remove(&s->age);
	free(s);
}

void dns_streams_done(struct dns_streams *s)
{
	LIST_FOREACH (it, &s->age)
		stream_free(s, LIST_ENTRY(it, struct stream, age));
	map_done(&s->map);
}

static void give(struct stream_sink *k, const void *data, size_t length, const char *malformed)
{
	k->s->anchored = true;
	k->fn(k->context, &k->s->last, data, length, malformed);
}

/* Gives the incomplete message, if there is one, and forgets it. */
static void give_partial(struct stream_sink *k, const char *why)
{
	struct buf *m = &k->s->message;

	if (m->length == 0)
		return;
	if (m->length <= PREFIX_BYTES)
		give(k, "", 0, why);
	else
		give(k, m->data + PREFIX_BYTES, m->length - PREFIX_BYTES, why);
	message_clear(k->all, k->s);
}

/* Bytes of the message that are still to come; of the prefix while that is incomplete. */
static size_t message_missing(const struct stream *s)
{
	const uint8_t *m = (const uint8_t *)s->message.data;

	if (s->message.length < PREFIX_BYTES)
		return PREFIX_BYTES - s->message.length;
	return PREFIX_BYTES + ((size_t)m[0] << 8 | m[1]) - s->message.length;
}

/* Reads bytes that are in their turn. */
static int stream_read(struct stream_sink *k, const uint8_t *data, size_t length)
{
	struct stream *s = k->s;

	while (length > 0) {
		size_t n = MIN(s->skip, length);

		if (n > 0) {
			s->skip -= n;
		} else {
			n = MIN(message_missing(s), length);
			buf_add(&s->message, data, n);
			if (s->message.failed) {
				message_clear(k->all, s);
				return -ENOMEM;
			}
			k->all->bytes += n;
		}
		data += n;
		length -= n;
		if (s->message.length < PREFIX_BYTES)
			continue;
		if (s->message.length == PREFIX_BYTES && message_missing(s) < DNS_HEADER_BYTES) {
			/* No message is that short: this is no DNS, so look again at the next segment only. */
			message_clear(k->all, s);
			give(k, data, length, "the length before the message is shorter than a header");
			return 0;
		}
		if (message_missing(s) > 0)
			continue;
		give(k, s->message.data + PREFIX_BYTES, s->message.length - PREFIX_BYTES, NULL);
		message_clear(k->all, s);
	}
	return 0;
}

/* `length` bytes of the stream will never come. */
static void stream_hole(struct stream_sink *k, size_t length)
{
	struct stream *s = k->s;
	size_t rest = s->skip;

	k->all->gaps++;
	if (s->message.length > 0) {
		rest = s->message.length < PREFIX_BYTES ? 0 : message_missing(s);
		give_partial(k, "part of the message is missing");
	} else if (rest < length) {
		give(k, "", 0, "segments are missing");
	}
	s->skip = rest > length ? rest - length : 0;
}

/* Reads a segment whose first byte is due, or was read before. */
static int stream_take(struct stream_sink *k, uint32_t sequence, const uint8_t *data, uint32_t have, uint32_t length)
{
	struct stream *s = k->s;
	uint32_t seen = s->next - sequence;
	int r = 0;

	if (seen >= length)
		return 0;
	s->next = sequence + length;
	if (seen < have)
		r = stream_read(k, data + seen, have - seen);
	if (have < length)
		stream_hole(k, length - MAX(have, seen));
	return r;
}

static int stream_hold(struct stream_sink *k, uint32_t sequence, const uint8_t *data, uint32_t have, uint32_t length)
{
	struct stream *s = k->s;
	struct list *at = &s->held;
	struct segment *g;

	LIST_FOREACH (it, &s->held) {
		g = LIST_ENTRY(it, struct segment, list);
		if (g->sequence == sequence && g->length >= length)
			return 0;
		if ((int32_t)(g->sequence - sequence) > 0) {
			at = it;
			break;
		}
	}
	g = malloc(sizeof(*g) + have);
	if (!g)
		return -ENOMEM;
	*g = (struct segment){ .sequence = sequence, .length = length, .have = have };
	if (have)
		memcpy(g->data, data, have);
	list_append(at, &g->list);
	s->held_n++;
	k->all->bytes += have;
	return 0;
}

/* Reads the held segments whose turn has come. */
static int stream_catch_up(struct stream_sink *k)
{
	struct stream *s = k->s;
	struct segment *g;
	int r = 0;

	while ((g = LIST_FIRST(&s->held, struct segment, list)) && (int32_t)(g->sequence - s->next) <= 0) {
		r = stream_take(k, g->sequence, g->data, g->have, g->length) ?: r;
		segment_free(k->all, s, g);
	}
	return r;
}

/* Stops waiting for what is missing before the first held segment. */
static int stream_give_up(struct stream_sink *k)
{
	struct stream *s = k->s;
	struct segment *g = LIST_FIRST(&s->held, struct segment, list);
	uint32_t hole = g->sequence - s->next;

	s->next = g->sequence;
	stream_hole(k, hole);
	return stream_catch_up(k);
}

static int stream_flush(struct stream_sink *k, const char *why)
{
	int r = 0;

	while (!list_empty(&k->s->held))
		r = stream_give_up(k) ?: r;
	k->s->skip = 0;
	give_partial(k, why);
	return r;
}

/*
 * The first segments of a stream may be swapped too. Until it is anchored, one that ends where or before the
 * stream was thought to begin moves the beginning.
 */
static int stream_rebase(struct stream_sink *k, uint32_t sequence, uint32_t length)
{
	struct stream *s = k->s;
	uint32_t begin = s->next - (uint32_t)s->message.length;
	int r;

	if (s->anchored || s->skip || (int32_t)(sequence + length - begin) > 0)
		return 0;
	if (s->message.length > 0) {
		r = stream_hold(k, begin, (const uint8_t *)s->message.data, (uint32_t)s->message.length,
				(uint32_t)s->message.length);
		if (r < 0)
			return r;
		message_clear(k->all, s);
	}
	s->next = sequence;
	return 0;
}

static int stream_segment(struct stream_sink *k, uint32_t sequence, const uint8_t *data, uint32_t have, uint32_t length)
{
	struct stream *s = k->s;
	int r = 0;

	if (!s->started) {
		s->started = true;
		s->next = sequence;
	}
	if ((int32_t)(sequence - s->next) < 0)
		r = stream_rebase(k, sequence, length);
	if (r < 0)
		return r;
	if ((int32_t)(sequence - s->next) > 0) {
		r = stream_hold(k, sequence, data, have, length);
		while (r >= 0 && s->held_n > DNS_STREAM_HELD_MAX)
			r = stream_give_up(k);
		return r;
	}
	r = stream_take(k, sequence, data, have, length);
	return r < 0 ? r : stream_catch_up(k);
}

static struct stream *stream_get(struct dns_streams *all, const struct hd_dns *frame)
{
	const struct stream_key key = { frame->socket, (uint32_t)frame->local_port << 16 | frame->remote_port,
					frame->egress != 0 };
	struct stream *s = map_get_bytes(&all->map, &key, sizeof(key));

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->key = key;
		s->message = BUF_INIT(PREFIX_BYTES + UINT16_MAX);
		list_init(&s->held);
		if (map_put_bytes(&all->map, &s->key, sizeof(s->key), s) < 0) {
			free(s);
			return NULL;
		}
		list_init(&s->age);
	}
	list_remove(&s->age);
	list_append(&all->age, &s->age);
	return s;
}

static void streams_evict(struct dns_streams *all, dns_message_fn fn, void *context)
{
	struct stream *s = LIST_FIRST(&all->age, struct stream, age);

	(void)stream_flush(&(struct stream_sink){ all, s, fn, context }, "too many streams at once");
	all->evicted++;
	stream_free(all, s);
}

int dns_streams_push(struct dns_streams *s, const struct hd_dns *frame, const uint8_t *data, size_t have,
		     dns_message_fn fn, void *context)
{
	struct stream_sink k = { .all = s, .fn = fn, .context = context };
	uint32_t n = (uint32_t)MIN(have, (size_t)HD_PACKET_MAX);
	uint32_t sequence = frame->tcp_seq;
	int r = 0;

	while (s->map.count >= s->map.cap)
		streams_evict(s, fn, context);
	k.s = stream_get(s, frame);
	if (!k.s)
		return -ENOMEM;
	k.s->last = *frame;
	if (frame->tcp_flags & TCP_SYN) {
		r = stream_flush(&k, "the stream began anew inside the message");
		k.s->started = k.s->anchored = true;
		k.s->next = ++sequence;
	}
	if (r >= 0 && MAX(n, frame->payload_bytes) > 0)
		r = stream_segment(&k, sequence, data, n, MAX(n, frame->payload_bytes));
	if (r >= 0 && (frame->tcp_flags & TCP_RST || (frame->tcp_flags & TCP_FIN && list_empty(&k.s->held))))
		r = stream_flush(&k, "the stream ended inside the message");
	while (s->bytes > s->bytes_cap)
		streams_evict(s, fn, context);
	return r;
}

void dns_streams_finish(struct dns_streams *s, dns_message_fn fn, void *context)
{
	struct stream *first;

	while ((first = LIST_FIRST(&s->age, struct stream, age))) {
		(void)stream_flush(&(struct stream_sink){ s, first, fn, context },
				   "the session ended inside the message");
		stream_free(s, first);
	}
}

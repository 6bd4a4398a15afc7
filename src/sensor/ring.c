/* SPDX-License-Identifier: Apache-2.0 */
/* See ring.h. */
#include "sensor/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORD_HEADER BPF_RINGBUF_HDR_SZ

int ring_map(struct ring *r, int map_fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer, *producer;

	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	producer = mmap(NULL, page + bytes, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (producer == MAP_FAILED) {
		int r_ = -errno;

		(void)munmap(consumer, page);
		return r_;
	}
	*r = (struct ring){
		.consumer = consumer,
		.producer = producer,
		.data = (const unsigned char *)producer + page,
		.bytes = bytes,
		.page = page,
	};
	r->at = r->end = *r->consumer;
	return 0;
}

void ring_unmap(struct ring *r)
{
	if (r->consumer)
		(void)munmap(r->consumer, r->page);
	if (r->producer)
		(void)munmap((void *)(uintptr_t)r->producer, r->page + r->bytes);
	free(r->joined);
	*r = (struct ring){ 0 };
}

void ring_snapshot(struct ring *r)
{
	r->end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

static uint32_t record_length(const struct ring *r)
{
	const uint32_t *length = (const uint32_t *)(r->data + (r->at & (r->bytes - 1)));

	return __atomic_load_n(length, __ATOMIC_ACQUIRE);
}

static unsigned long record_span(uint32_t length)
{
	length &= ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	return ((unsigned long)length + RECORD_HEADER + 7) / 8 * 8;
}

/* The record's bytes in one piece; it begins at `from` and goes on at the start of the data. */
static const void *record_join(struct ring *r, size_t from, uint32_t length)
{
	size_t head = r->bytes - from;

	if (r->joined && r->joined_at == r->at)
		return r->joined;
	if (r->joined_room < length) {
		unsigned char *joined = realloc(r->joined, length);

		if (!joined)
			return NULL;
		r->joined = joined;
		r->joined_room = length;
	}
	memcpy(r->joined, r->data + from, head);
	memcpy(r->joined + head, r->data, length - head);
	r->joined_at = r->at;
	return r->joined;
}

const void *ring_peek(struct ring *r, size_t *ret_size)
{
	while (r->at < r->end) {
		uint32_t length = record_length(r);

		/* Reserved and not yet submitted: what lies behind it waits with it. */
		if (length & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		if (length & BPF_RINGBUF_DISCARD_BIT) {
			r->at += record_span(length);
			continue;
		}
		/* Positions are multiples of eight: a header never wraps. */
		size_t from = (r->at & (r->bytes - 1)) + RECORD_HEADER;

		*ret_size = length;
		if (from == r->bytes)
			return r->data;
		return from + length <= r->bytes ? r->data + from : record_join(r, from, length);
	}
	return NULL;
}

void ring_next(struct ring *r)
{
	r->at += record_span(record_length(r));
}

void ring_release(struct ring *r)
{
	__atomic_store_n(r->consumer, r->at, __ATOMIC_RELEASE);
}

size_t ring_waiting(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - r->at;
}

size_t ring_taken(const struct ring *r)
{
	/* The consumer's position first: the producers' is never behind it then. */
	unsigned long from = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);

	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - from;
}

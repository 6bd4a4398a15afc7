/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's side of a BPF ring buffer (kernel/bpf/ringbuf.c has the layout): one page with the consumer's
 * position, one with the producers', then the data. Our own, since merging two rings in order of time needs to look
 * at a record before taking it. The kernel can map the data twice in a row so that no record wraps; every page of it
 * would count twice as memory of ours, so it is mapped once and the rare record that wraps is copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	unsigned long *consumer; /* written by us */
	const unsigned long *producer;
	const unsigned char *data;
	size_t bytes; /* size of the data area: a power of two */
	size_t page;
	unsigned long at;  /* next record to look at */
	unsigned long end; /* producers' position at the last snapshot */
	unsigned char *joined;   /* owned: the record at joined_at in one piece; NULL until one wraps */
	size_t joined_room;
	unsigned long joined_at;
};

/* Maps the ring of a map descriptor (borrowed). 0 or negative errno. */
int ring_map(struct ring *r, int map_fd, size_t bytes);
void ring_unmap(struct ring *r); /* a zeroed ring is fine */

/* Takes note of what has been produced so far: ring_peek goes no further. */
void ring_snapshot(struct ring *r);

/*
 * The next finished record before the snapshot, or NULL; also while there is no memory to join one that wraps. Borrowed
 * until ring_next. Discarded records are skipped.
 */
const void *ring_peek(struct ring *r, size_t *ret_size);

/* Steps over the record that ring_peek gave. */
void ring_next(struct ring *r);

/* Gives the room of everything stepped over back to the producers. */
void ring_release(struct ring *r);

/* Bytes waiting. */
size_t ring_waiting(const struct ring *r);

/* Bytes that have not been given back yet; from any thread. */
size_t ring_taken(const struct ring *r);

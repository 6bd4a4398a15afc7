/* SPDX-License-Identifier: Apache-2.0 */
/* Builds frames as the kernel side would, for tests. */
#pragma once

#include <assert.h>
#include <string.h>

#include "wire/event.h"

#define FRAME_MAX (128 * 1024)

struct frame {
	char data[FRAME_MAX];
	size_t size;
};

/* A header with something in every field. */
static inline struct hd_header frame_header(enum hd_type type)
{
	return (struct hd_header){
		.type = type,
		.time_ns = 5000000001,
		.pid = 100,
		.tid = 101,
		.uid = 1000,
		.gid = 1001,
		.lane_sequence = 7,
		.start_ns = 4000000000,
		.cgroup_id = 42,
		.ppid = 99,
		.ns_pid = 100,
		.image = 1,
		.cpu = 3,
		.lane = HD_LANE_CRITICAL,
		.via = HD_VIA_SYSCALL,
		.flags = HD_F_VERIFIED,
		.syscall = HD_NO_SYSCALL,
		.comm = "agent",
	};
}

/* Starts a frame from its fixed part; the size field is kept right. */
static inline void frame_init(struct frame *f, const void *fixed, size_t size)
{
	__u32 whole = (__u32)size;

	memcpy(f->data, fixed, size);
	memcpy(f->data + offsetof(struct hd_header, size), &whole, sizeof(whole));
	f->size = size;
}

static inline void frame_item(struct frame *f, unsigned kind, unsigned flags, const void *data, size_t length)
{
	struct hd_item item = { .kind = (__u16)kind, .flags = (__u16)flags, .length = (__u32)length };
	__u32 whole;

	assert(f->size + sizeof(item) + length <= FRAME_MAX);
	memcpy(f->data + f->size, &item, sizeof(item));
	f->size += sizeof(item);
	if (length > 0)
		memcpy(f->data + f->size, data, length);
	f->size += length;
	whole = (__u32)f->size;
	memcpy(f->data + offsetof(struct hd_header, size), &whole, sizeof(whole));
}

/* An item of text without its NUL. */
static inline void frame_text(struct frame *f, unsigned kind, const char *text)
{
	frame_item(f, kind, 0, text, strlen(text));
}

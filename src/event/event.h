/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoded event: what decode makes of a frame, what track fills in, what encode prints. Everything is
 * borrowed: strings and lists point into the frame, into the event's own arena or into the tracker, and live
 * until the event is handed back. Strings are bytes: they may hold anything but are never trusted to be UTF-8.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/event.h"

/* Bytes with a length; data may be NULL (absent), which is not the same as empty. */
struct bytes {
	const char *data;
	size_t length;
};

#define BYTES_NONE ((struct bytes){ NULL, 0 })
#define BYTES(text) ((struct bytes){ (text), sizeof(text) - 1 })

static inline bool bytes_set(struct bytes b)
{
	return b.data != NULL;
}

/* A path as events print it: absolute where the kernel or the join gave that. */
struct event_path {
	struct bytes path;
	bool deleted;
	bool truncated;
	bool memfd;
	bool verified;          /* the kernel's word */
	const char *overlay;    /* "upper", "lower" or NULL */
};

#define EVENT_ARGS_MAX HD_ARGS_COUNT_MAX
#define EVENT_ANSWERS_MAX 64
#define EVENT_ARENA_BYTES (96 * 1024)

struct dns_answer {
	struct bytes name;      /* owner */
	struct bytes data;      /* text form */
	uint32_t ttl;           /* seconds */
	uint16_t type;
};

/* One end of a socket. */
struct event_address {
	uint16_t family;        /* AF_*, 0: unknown */
	bool has_port;
	uint16_t port;
	/* v4-mapped printed as IPv4; AF_UNIX: path or @abstract, empty for unnamed; NULL where unknown */
	struct bytes text;
	uint8_t raw[16];        /* IPv4 in the first 4 bytes (v4-mapped already turned into AF_INET) */
};

struct event {
	/* decoded */
	struct hd_header h;
	enum hd_type type;
	union {
		struct hd_exec exec;
		struct hd_fork fork;
		struct hd_exit exit;
		struct hd_open open;
		struct hd_fold fold;
		struct hd_meta meta;
		struct hd_socket socket;
		struct hd_net net;
		struct hd_dns dns;
		struct hd_traffic traffic;
		struct hd_privilege privilege;
		struct hd_memory memory;
		struct hd_escape escape;
	} u;
	struct event_path path, path2;   /* path: the object; path2: new_path */
	struct event_path exe;           /* of the acting image; process_exec fills it from the frame */
	struct event_path cwd, interpreter, target, loaded;
	struct bytes text;               /* escape detail as the kernel side worded it */
	uint32_t args_n;
	bool args_truncated;
	const uint8_t *groups_before, *groups_after; /* __u32 each, unaligned */
	uint32_t groups_before_n, groups_after_n;
	struct event_address remote, local;
	struct bytes packet;
	/* filled by track */
	uint64_t sequence;               /* in the session, from 1 */
	struct bytes session;            /* UUID text */
	char process[48];                /* "boot8-tgid-starttime" */
	char child_process[48];          /* process_fork */
	struct bytes cgroup;             /* path in the v2 hierarchy */
	struct bytes hostname;           /* network_connect: from the session's DNS cache */
	uint64_t count;                  /* identical events this one stands for; 0 or 1: one */
	int64_t time_offset_ns;          /* added to boottime stamps to get UTC */
	/* arena for joined and reversed strings */
	size_t arena_used;
	char *arena;                     /* EVENT_ARENA_BYTES, owned by whoever made the event */
	/* Long lists last: event_clear leaves them as they are. */
	/* dns: one event a message, made by track from HD_DNS_* frames */
	struct {
		struct bytes name;
		uint16_t query_type;
		uint16_t transaction;
		uint8_t response_code;
		bool has_question;
		uint32_t answers_n;
		uint32_t answers_total;  /* as the message counts them; more than answers_n when some were left out */
		const char *malformed;   /* reason, or NULL */
		bool server_role;        /* the workload is the resolver */
		struct dns_answer answers[EVENT_ANSWERS_MAX]; /* answers_n of them are set */
	} dns;
	struct bytes args[EVENT_ARGS_MAX]; /* args_n of them are set */
};

/* Empties all but the arena's memory and what the counts say is not there. */
void event_clear(struct event *e);

/* Allocates an event with its arena; NULL when out of memory. */
struct event *event_new(void);
void event_free(struct event *e);

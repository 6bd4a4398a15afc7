/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of src/track: frames as the kernel side makes them, and a sink that keeps what it was given. */
#pragma once

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "track/tracker.h"

#define SECOND UINT64_C(1000000000)

struct frame {
	union {
		struct hd_header h;
		struct hd_exec exec;
		struct hd_fork fork;
		struct hd_exit exit;
		struct hd_open open;
		struct hd_fold fold;
		struct hd_meta meta;
		struct hd_socket socket;
		struct hd_net net;
		struct hd_dns dns;
		struct hd_privilege privilege;
		struct hd_memory memory;
		struct hd_escape escape;
		unsigned char bytes[32768];
	};
};

/* Who makes frames: change a field to be somebody else. */
struct actor {
	uint32_t pid, tid, image;
	uint64_t start_ns, now_ns;
};

static inline struct frame *frame_begin(struct frame *f, const struct actor *a, enum hd_type type, size_t fixed)
{
	memset(f, 0, sizeof(*f));
	f->h = (struct hd_header){
		.type = type,
		.size = (uint32_t)fixed,
		.time_ns = a->now_ns,
		.pid = a->pid,
		.tid = a->tid ?: a->pid,
		.start_ns = a->start_ns,
		.ppid = 1,
		.ns_pid = a->pid,
		.image = a->image,
		.lane = ledger_lane(type),
		.flags = HD_F_VERIFIED,
		.syscall = HD_NO_SYSCALL,
		.comm = "agent",
	};
	return f;
}

static inline void frame_item(struct frame *f, unsigned kind, unsigned flags, const void *data, size_t length)
{
	struct hd_item item = { (uint16_t)kind, (uint16_t)flags, (uint32_t)length };

	assert_true(f->h.size + sizeof(item) + length <= sizeof(*f));
	memcpy(f->bytes + f->h.size, &item, sizeof(item));
	if (length)
		memcpy(f->bytes + f->h.size + sizeof(item), data, length);
	f->h.size += (uint32_t)(sizeof(item) + length);
}

/* Turns "/etc/passwd" into the kernel side's "passwd/etc/". */
static inline void frame_path(struct frame *f, unsigned kind, const char *path)
{
	char room[HD_PATH_MAX + 1] = "", copy[HD_PATH_MAX + 1];
	char *slash;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	while ((slash = strrchr(copy, '/'))) {
		size_t n = strlen(room);

		(void)snprintf(room + n, sizeof(room) - n, "%s/", slash + 1);
		*slash = '\0';
	}
	frame_item(f, kind, 0, room, strlen(room));
}

/* What is remembered of an event, since the event itself does not last. */
struct seen {
	struct event e;
	char path[256], exe[256], cgroup[256], hostname[256], name[256];
	char answers[4][128];
	char remote[64], local[64];
};

struct world {
	struct tracker *t;
	struct seen *seen;
	size_t n, room;
	char introduced[16][64]; /* "key origin", those first introduced */
	size_t introduced_n;
	int refuse;	      /* what the sink returns instead of taking an event */
	struct ledger kernel; /* as the kernel side would count */
	struct frame frame;
	struct actor me;
};

static inline void keep_text(char *to, size_t room, struct bytes b)
{
	(void)snprintf(to, room, "%.*s", (int)b.length, b.data ?: "");
}

/* A test that makes allocations fail sets this; the sink's own must not. */
static bool memory_fails;

static inline void world_reserve(struct world *w)
{
	bool fails = memory_fails;

	if (w->n < w->room)
		return;
	memory_fails = false;
	w->room = w->room ? w->room * 2 : 64;
	w->seen = realloc(w->seen, w->room * sizeof(*w->seen));
	assert_non_null(w->seen);
	memory_fails = fails;
}

static inline int world_sink(void *context, const struct event *e)
{
	struct world *w = context;
	struct seen *s;

	if (w->refuse)
		return w->refuse;
	world_reserve(w);
	s = &w->seen[w->n++];
	memset(s, 0, sizeof(*s));
	s->e = *e;
	keep_text(s->path, sizeof(s->path), e->path.path);
	keep_text(s->exe, sizeof(s->exe), e->exe.path);
	keep_text(s->cgroup, sizeof(s->cgroup), e->cgroup);
	keep_text(s->hostname, sizeof(s->hostname), e->hostname);
	keep_text(s->name, sizeof(s->name), e->dns.name);
	keep_text(s->remote, sizeof(s->remote), e->remote.text);
	keep_text(s->local, sizeof(s->local), e->local.text);
	for (uint32_t i = 0; i < MIN(e->dns.answers_n, ARRAY_SIZE(s->answers)); i++)
		keep_text(s->answers[i], sizeof(s->answers[i]), e->dns.answers[i].data);
	return 0;
}

/* Set before world_init: introductions take numbers of the sequence, so they are only made where they are looked at. */
static bool world_introduces;

static inline void world_process(void *context, const struct event *who, enum tracker_origin origin)
{
	struct world *w = context;

	if (w->introduced_n < ARRAY_SIZE(w->introduced))
		(void)snprintf(w->introduced[w->introduced_n], sizeof(w->introduced[0]), "%s %u", who->process, origin);
	w->introduced_n++;
}

static inline void world_init_at(struct world *w, const char *cgroup_root)
{
	static const uint16_t ports[] = { 5353, 0 };
	struct tracker_options o = {
		.session = "01890000-0000-7000-8000-000000000000",
		.boot8 = "deadbeef",
		.time_offset_ns = 1000,
		.cgroup_root = cgroup_root,
		.fold_ns = SECOND,
		.dns_ports = ports,
		.sink = world_sink,
		.process = world_introduces ? world_process : NULL,
		.context = w,
	};
	struct err err = { 0 };

	memset(w, 0, sizeof(*w));
	o.context = w;
	w->me = (struct actor){ .pid = 100, .start_ns = 5000, .now_ns = 10 * SECOND };
	assert_int_equal(tracker_new(&o, &w->t, &err), 0);
}

static inline void world_init(struct world *w)
{
	world_init_at(w, NULL);
}

/* Pushes the frame as the kernel side would: counted there first. */
static inline int world_push(struct world *w)
{
	const struct frame *f = &w->frame;
	struct ledger_row *row =
	    &w->kernel.rows[ledger_lane(f->h.type)][f->h.type <= HD_TYPE_EVENT_MAX ? f->h.type : 0];
	bool fold = f->h.type == HD_FILE_READ || f->h.type == HD_FILE_WRITE;
	uint64_t operations = fold && f->fold.operations ? f->fold.operations : 1;

	if (f->h.type <= HD_TYPE_EVENT_MAX) {
		row->made += operations;
		row->delivered++;
		row->folded += operations - 1;
	}
	return tracker_push(w->t, f, f->h.size);
}

/* Kernel and tracker together must balance, and what was delivered is what the sink has. */
static inline void world_balances(const struct world *w)
{
	uint64_t by_type[HD_TYPE_EVENT_MAX + 1] = { 0 };
	struct ledger sum = w->kernel;

	ledger_add(&sum, tracker_ledger(w->t));
	assert_int_equal(ledger_unbalanced(&sum), 0);
	assert_int_equal(ledger_unbalanced(tracker_ledger(w->t)), 0);
	for (size_t i = 0; i < w->n; i++) {
		by_type[w->seen[i].e.type]++;
		assert_int_equal(w->seen[i].e.sequence, i + 1);
	}
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
		assert_int_equal(sum.rows[ledger_lane(type)][type].delivered, by_type[type]);
}

static inline void world_done(struct world *w)
{
	tracker_free(w->t);
	free(w->seen);
}

static inline const struct seen *world_last(const struct world *w)
{
	assert_true(w->n > 0);
	return &w->seen[w->n - 1];
}

/* ---- one call a frame ---- */

static inline void do_exec(struct world *w, const char *exe, int result)
{
	frame_begin(&w->frame, &w->me, HD_PROCESS_EXEC, sizeof(struct hd_exec));
	w->frame.exec.result = result;
	frame_path(&w->frame, HD_I_PATH, exe);
	if (result == 0)
		frame_path(&w->frame, HD_I_EXE, exe);
	assert_int_equal(world_push(w), 0);
}

static inline void do_fork(struct world *w, uint32_t pid, uint64_t start_ns, bool thread)
{
	frame_begin(&w->frame, &w->me, HD_PROCESS_FORK, sizeof(struct hd_fork));
	w->frame.fork.child_pid = pid;
	w->frame.fork.child_tid = pid;
	w->frame.fork.child_start_ns = start_ns;
	w->frame.fork.thread = thread;
	assert_int_equal(world_push(w), 0);
}

static inline void do_exit(struct world *w)
{
	frame_begin(&w->frame, &w->me, HD_PROCESS_EXIT, sizeof(struct hd_exit));
	assert_int_equal(world_push(w), 0);
}

static inline void do_open(struct world *w, const char *path, int64_t result, uint64_t file_id, uint64_t inode)
{
	frame_begin(&w->frame, &w->me, HD_FILE_OPEN, sizeof(struct hd_open));
	w->frame.open.result = result;
	w->frame.open.file_id = file_id;
	w->frame.open.inode = inode;
	w->frame.open.dev = 8 << 20 | 1;
	if (result < 0) {
		w->frame.h.flags = 0;
		frame_item(&w->frame, HD_I_NAME, 0, path, strlen(path));
	} else {
		frame_path(&w->frame, HD_I_PATH, path);
	}
	assert_int_equal(world_push(w), 0);
}

static inline void do_fold(struct world *w, enum hd_type type, uint64_t file_id, uint64_t inode, uint64_t operations,
			   uint64_t bytes, unsigned flags)
{
	frame_begin(&w->frame, &w->me, type, sizeof(struct hd_fold));
	w->frame.fold.file_id = file_id;
	w->frame.fold.inode = inode;
	w->frame.fold.dev = 8 << 20 | 1;
	w->frame.fold.operations = operations;
	w->frame.fold.bytes = bytes;
	w->frame.fold.first_ns = w->me.now_ns - 10;
	w->frame.fold.last_ns = w->me.now_ns;
	w->frame.fold.flags = flags;
	assert_int_equal(world_push(w), 0);
}

static inline void do_connect(struct world *w, int family, const char *address)
{
	frame_begin(&w->frame, &w->me, HD_NETWORK_CONNECT, sizeof(struct hd_net));
	w->frame.net.family = (uint32_t)family;
	w->frame.net.socket_type = SOCK_STREAM;
	if (family == AF_INET) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(443) };

		assert_int_equal(inet_pton(family, address, &a.sin_addr), 1);
		frame_item(&w->frame, HD_I_SOCKADDR, 0, &a, sizeof(a));
	} else {
		struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(443) };

		assert_int_equal(inet_pton(family, address, &a.sin6_addr), 1);
		frame_item(&w->frame, HD_I_SOCKADDR, 0, &a, sizeof(a));
	}
	assert_int_equal(world_push(w), 0);
}

/* One payload between 10.0.0.2:LOCAL and 10.0.0.53:REMOTE. */
struct packet {
	uint64_t socket;
	uint16_t local_port, remote_port;
	bool egress, tcp;
	uint32_t sequence;
	uint8_t tcp_flags;
	const void *data;
	size_t length;
	size_t sent; /* true length when more than was captured */
};

static inline void do_packet(struct world *w, struct packet p)
{
	frame_begin(&w->frame, &w->me, p.egress ? HD_DNS_QUERY : HD_DNS_RESPONSE, sizeof(struct hd_dns));
	w->frame.dns.socket = p.socket;
	w->frame.dns.local_port = p.local_port ?: 40000;
	w->frame.dns.remote_port = p.remote_port;
	memcpy(w->frame.dns.local, "\x0a\x00\x00\x02", 4);
	memcpy(w->frame.dns.remote, "\x0a\x00\x00\x35", 4);
	w->frame.dns.family = AF_INET;
	w->frame.dns.protocol = p.tcp ? IPPROTO_TCP : IPPROTO_UDP;
	w->frame.dns.egress = p.egress;
	w->frame.dns.tcp_seq = p.sequence;
	w->frame.dns.tcp_flags = p.tcp_flags;
	w->frame.dns.payload_bytes = (uint32_t)MAX(p.sent, p.length);
	frame_item(&w->frame, HD_I_PACKET, 0, p.data, p.length);
	assert_int_equal(world_push(w), 0);
}

/* ---- DNS messages ---- */

struct message {
	uint8_t data[70000];
	size_t n;
};

static inline void m_u16(struct message *m, unsigned v)
{
	m->data[m->n++] = (uint8_t)(v >> 8);
	m->data[m->n++] = (uint8_t)v;
}

static inline void m_u32(struct message *m, uint32_t v)
{
	m_u16(m, v >> 16);
	m_u16(m, v & 0xffff);
}

static inline void m_bytes(struct message *m, const void *data, size_t n)
{
	memcpy(m->data + m->n, data, n);
	m->n += n;
}

static inline void m_begin(struct message *m, unsigned id, unsigned flags, unsigned questions, unsigned answers)
{
	m->n = 0;
	m_u16(m, id);
	m_u16(m, flags);
	m_u16(m, questions);
	m_u16(m, answers);
	m_u16(m, 0);
	m_u16(m, 0);
}

/* "www.example.org"; "" is the root. */
static inline void m_name(struct message *m, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		m->data[m->n++] = (uint8_t)n;
		m_bytes(m, name, n);
		name += n + (name[n] == '.');
	}
	m->data[m->n++] = 0;
}

static inline void m_question(struct message *m, const char *name, unsigned type)
{
	m_name(m, name);
	m_u16(m, type);
	m_u16(m, 1);
}

/* Owner, type, class, ttl; returns where the length goes. */
static inline size_t m_record(struct message *m, const char *name, unsigned type)
{
	m_name(m, name);
	m_u16(m, type);
	m_u16(m, 1);
	m_u32(m, 300);
	m_u16(m, 0);
	return m->n;
}

static inline void m_end(struct message *m, size_t data)
{
	size_t n = m->n - data;

	m->data[data - 2] = (uint8_t)(n >> 8);
	m->data[data - 1] = (uint8_t)n;
}

static inline void m_answer(struct message *m, const char *name, unsigned type, const void *data, size_t n)
{
	size_t at = m_record(m, name, type);

	m_bytes(m, data, n);
	m_end(m, at);
}

static inline void m_alias(struct message *m, const char *name, const char *target)
{
	size_t at = m_record(m, name, 5);

	m_name(m, target);
	m_end(m, at);
}

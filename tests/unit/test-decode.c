/* SPDX-License-Identifier: Apache-2.0 */
/* event/decode.h: fields, paths, addresses; frames that are cut, lie, or do not fit. Run it under ASan too. */
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "event/decode.h"
#include "samples.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool malloc_fails, calloc_fails;

void *__wrap_malloc(size_t size)
{
	return malloc_fails ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return calloc_fails ? NULL : __real_calloc(n, size);
}

static struct frame frame;
static struct event *event;

static int decode(void)
{
	return event_decode(frame.data, frame.size, event);
}

static void assert_bytes(struct bytes b, const char *expected)
{
	assert_non_null(b.data);
	assert_int_equal(b.length, strlen(expected));
	assert_memory_equal(b.data, expected, b.length);
}

/* Decodes from a copy that ends where the frame ends, so that ASan sees a read past it. */
static int decode_exactly(const char *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, data, size);
	r = event_decode(copy, size, event);
	/* Every string is read, so that one that points outside is found. */
	if (r == 0) {
		size_t sum = 0;

		for (uint32_t i = 0; i < event->args_n; i++) {
			for (size_t k = 0; k < event->args[i].length; k++)
				sum += (uint8_t)event->args[i].data[k];
		}
		for (size_t k = 0; k < event->path.path.length; k++)
			sum += (uint8_t)event->path.path.data[k];
		for (uint32_t k = 0; k < event->groups_before_n * 4; k++)
			sum += event->groups_before[k];
		assert_true(sum < SIZE_MAX);
	}
	free(copy);
	return r;
}

static void every_prefix_is_refused(void **state)
{
	for (size_t i = 0; i < samples_n; i++) {
		samples[i].make(&frame);
		assert_int_equal(decode_exactly(frame.data, frame.size), 0);
		/* The size field still tells the whole length. */
		for (size_t size = 0; size < frame.size; size++)
			assert_int_equal(decode_exactly(frame.data, size), -EBADMSG);
	}
}

static void every_prefix_that_lies_is_harmless(void **state)
{
	for (size_t i = 0; i < samples_n; i++) {
		samples[i].make(&frame);
		for (size_t size = sizeof(struct hd_header); size < frame.size; size++) {
			__u32 claimed = (__u32)size;
			int r;

			memcpy(frame.data + offsetof(struct hd_header, size), &claimed, sizeof(claimed));
			r = decode_exactly(frame.data, size);
			assert_true(r == 0 || r == -EBADMSG);
		}
	}
}

static void every_changed_byte_is_harmless(void **state)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (size_t i = 0; i < samples_n; i++) {
		samples[i].make(&frame);
		for (size_t at = 0; at < frame.size; at++) {
			char old = frame.data[at];

			for (size_t v = 0; v < sizeof(values); v++) {
				int r;

				frame.data[at] = (char)values[v];
				r = decode_exactly(frame.data, frame.size);
				assert_true(r == 0 || r == -EBADMSG || r == -E2BIG);
			}
			frame.data[at] = old;
		}
	}
}

static void header_is_checked(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} lies[] = {
		{ offsetof(struct hd_header, type), 0 },
		{ offsetof(struct hd_header, type), HD_TYPE_MAX },
		{ offsetof(struct hd_header, lane), HD_LANE_MAX },
		{ offsetof(struct hd_header, via), HD_VIA_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		sample_make("exit_code", &frame);
		frame.data[lies[i].at] = (char)lies[i].value;
		assert_int_equal(decode(), -EBADMSG);
	}
}

static void enums_are_checked(void **state)
{
	static const struct {
		const char *sample;
		size_t at;
		__u32 value;
	} lies[] = {
		{ "meta_rename", offsetof(struct hd_meta, operation), 0 },
		{ "meta_rename", offsetof(struct hd_meta, operation), HD_META_MAX },
		{ "memory_mmap", offsetof(struct hd_memory, backing), HD_BACK_MAX },
		{ "memory_mmap", offsetof(struct hd_memory, reason), 0 },
		{ "escape_bpf", offsetof(struct hd_escape, category), HD_ESC_MAX },
		{ "escape_bpf", offsetof(struct hd_escape, rule), HD_RULE_MAX },
		{ "escape_bpf", offsetof(struct hd_escape, target_kind), HD_TGT_CGROUP + 1 },
		{ "fork_thread", offsetof(struct hd_fork, thread), 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		sample_make(lies[i].sample, &frame);
		memcpy(frame.data + lies[i].at, &lies[i].value, sizeof(lies[i].value));
		assert_int_equal(decode(), -EBADMSG);
	}
}

static void items_are_checked(void **state)
{
	char big[HD_PACKET_MAX + 1] = { 0 };

	sample_make("fold_read", &frame);
	frame_text(&frame, HD_I_PATH, "a/");
	assert_int_equal(decode(), 0);
	frame_text(&frame, HD_I_PATH, "b/");
	assert_int_equal(decode(), -EBADMSG); /* twice */
	sample_make("fold_read", &frame);
	frame_text(&frame, HD_I_MAX, "a/");
	assert_int_equal(decode(), -EBADMSG);
	sample_make("fold_read", &frame);
	frame_text(&frame, 0, "a/");
	assert_int_equal(decode(), -EBADMSG);
	sample_make("fold_read", &frame);
	frame_text(&frame, HD_I_PATH, "no slash at the end");
	assert_int_equal(decode(), -EBADMSG);
	sample_make("privilege_exec", &frame);
	frame_item(&frame, HD_I_GROUPS_AFTER, 0, big, 7);
	assert_int_equal(decode(), -EBADMSG);
	sample_make("privilege_exec", &frame);
	frame_item(&frame, HD_I_GROUPS_AFTER, 0, big, 4 * (HD_GROUPS_MAX + 1));
	assert_int_equal(decode(), -EBADMSG);
	sample_make("fold_read", &frame);
	frame_item(&frame, HD_I_SOCKADDR, 0, big, 129);
	assert_int_equal(decode(), -EBADMSG);
	sample_make("fold_read", &frame);
	frame_item(&frame, HD_I_PACKET, 0, big, sizeof(big));
	assert_int_equal(decode(), -EBADMSG);
}

static void arena_is_bounded(void **state)
{
	struct hd_exec x = { .h = frame_header(HD_PROCESS_EXEC) };
	static char path[30000];

	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '/';
	frame_init(&frame, &x, sizeof(x));
	frame_item(&frame, HD_I_PATH, 0, path, sizeof(path));
	frame_item(&frame, HD_I_EXE, 0, path, sizeof(path));
	frame_item(&frame, HD_I_CWD, 0, path, sizeof(path));
	assert_int_equal(decode(), 0);
	assert_int_equal(event->cwd.path.length, sizeof(path));
	/* Joined to the working directory it is more than is left. */
	frame_item(&frame, HD_I_LOADED, 0, path, 1000);
	assert_int_equal(decode(), -E2BIG);
	frame_init(&frame, &x, sizeof(x));
	for (unsigned kind = HD_I_EXE; kind <= HD_I_INTERPRETER; kind++)
		frame_item(&frame, kind, 0, path, sizeof(path));
	frame_item(&frame, HD_I_TARGET_PATH, 0, path, sizeof(path));
	assert_int_equal(decode(), -E2BIG);
}

static void kernel_path(const char *components, unsigned flags, const char *expected)
{
	sample_make("fold_read", &frame);
	frame_item(&frame, HD_I_PATH, flags, components, strlen(components));
	assert_int_equal(decode(), 0);
	assert_bytes(event->path.path, expected);
	assert_true(event->path.verified);
	assert_int_equal(event->path.deleted, !!(flags & HD_P_DELETED));
	assert_int_equal(event->path.truncated, !!(flags & HD_P_TRUNCATED));
	assert_int_equal(event->path.memfd, !!(flags & HD_P_MEMFD));
}

static void kernel_paths(void **state)
{
	kernel_path("", 0, "/");
	kernel_path("etc/", 0, "/etc");
	kernel_path("passwd/etc/", 0, "/etc/passwd");
	kernel_path("c/b/a/", HD_P_DELETED, "/a/b/c");
	kernel_path("c/b/a/", HD_P_TRUNCATED, "a/b/c");
	kernel_path("x/mnt/", HD_P_DETACHED, "mnt/x");
	kernel_path("", HD_P_DETACHED, ".");
	kernel_path("/a//b/", 0, "/b/a");
	kernel_path("/", 0, "/");
	kernel_path("memfd:x/y/", HD_P_MEMFD | HD_P_DETACHED, "memfd:x/y");
	kernel_path("a\\\nb/\xff/", 0, "/\xff/a\\\nb");
	kernel_path("f/", HD_P_OVL_LOWER, "/f");
	assert_string_equal(event->path.overlay, "lower");
	kernel_path("f/", HD_P_OVL_UPPER, "/f");
	assert_string_equal(event->path.overlay, "upper");
	kernel_path("f/", 0, "/f");
	assert_null(event->path.overlay);
}

static void deep_kernel_path(void **state)
{
	static char in[HD_PATH_MAX], out[HD_PATH_MAX];

	/* 300 directories of 12 letters. */
	for (unsigned i = 0; i < 300; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "directory%03u", i);
		memcpy(in + i * 13, name, 12);
		in[i * 13 + 12] = '/';
		out[(299 - i) * 13] = '/';
		memcpy(out + (299 - i) * 13 + 1, name, 12);
	}
	kernel_path(in, 0, out);
}

static void joined(const char *base, unsigned base_flags, const char *name, const char *expected)
{
	sample_make("fold_read", &frame);
	frame.data[offsetof(struct hd_header, flags)] = 0;
	if (base)
		frame_item(&frame, HD_I_BASE, base_flags, base, strlen(base));
	frame_text(&frame, HD_I_NAME, name);
	assert_int_equal(decode(), 0);
	assert_bytes(event->path.path, expected);
	assert_false(event->path.verified);
}

static void caller_names(void **state)
{
	joined("home/", 0, "file", "/home/file");
	joined("", 0, "file", "/file");
	joined("b/a/", 0, "../c/./d//e/", "/a/c/d/e");
	joined("b/a/", 0, "../../../../x", "/x");
	joined("b/a/", 0, "..", "/a");
	joined("b/a/", 0, "", "/a/b");
	joined("b/a/", 0, "../..", "/");
	joined("b/a/", 0, "...", "/a/b/...");
	joined("b/a/", 0, ".hidden/..x", "/a/b/.hidden/..x");
	/* An absolute name starts at the caller's root and does not get out of it. */
	joined("", 0, "/abs/./x/..", "/abs");
	joined("jail/srv/", 0, "/../../etc/none", "/srv/jail/etc/none");
	joined("jail/", 0, "/", "/jail");
	joined(NULL, 0, "/abs//x", "/abs/x");
	joined(NULL, 0, "rel/../x", "rel/../x");
	joined("b/a/", HD_P_TRUNCATED, "x", "a/b/x");
	assert_true(event->path.truncated);
	joined("b/a/", HD_P_TRUNCATED, "../../..", ".");
	joined("memfd:d/", HD_P_MEMFD, "x", "memfd:d/x");
	joined("b/a/", HD_P_DETACHED, "x", "a/b/x");
	joined("", HD_P_DETACHED, "etc/./x", "etc/x");
	joined("", HD_P_DETACHED, "..", ".");
	/* A root that is the top of a mount attached nowhere. */
	joined("", HD_P_DETACHED, "/etc/x", "etc/x");
	joined("", HD_P_DETACHED, "/", ".");
	joined("a/", HD_P_DETACHED, "/../x", "a/x");

	/* The kernel's path wins; a name that the frame vouches for is verified. */
	sample_make("fold_read", &frame);
	frame_text(&frame, HD_I_NAME, "/asked");
	assert_int_equal(decode(), 0);
	assert_true(event->path.verified);
	frame_text(&frame, HD_I_PATH, "real/");
	assert_int_equal(decode(), 0);
	assert_bytes(event->path.path, "/real");

	/* What the caller's memory has after its NUL is not the name. */
	sample_make("fold_read", &frame);
	frame_item(&frame, HD_I_NAME, 0, "/a\0b", 4);
	assert_int_equal(decode(), 0);
	assert_bytes(event->path.path, "/a");
}

static void arguments(void **state)
{
	struct hd_exec x = { .h = frame_header(HD_PROCESS_EXEC), .args_count = 3 };
	char many[2 * (EVENT_ARGS_MAX + 5)];

	frame_init(&frame, &x, sizeof(x));
	frame_item(&frame, HD_I_ARGS, 0, "a\0\0c\0", 5);
	assert_int_equal(decode(), 0);
	assert_int_equal(event->args_n, 3);
	assert_bytes(event->args[0], "a");
	assert_bytes(event->args[1], "");
	assert_bytes(event->args[2], "c");
	assert_false(event->args_truncated);

	frame_init(&frame, &x, sizeof(x));
	frame_item(&frame, HD_I_ARGS, 0, "a\0b", 3);
	assert_int_equal(decode(), 0);
	assert_int_equal(event->args_n, 2);
	assert_bytes(event->args[1], "b");
	assert_true(event->args_truncated);

	for (size_t i = 0; i < sizeof(many); i += 2) {
		many[i] = 'x';
		many[i + 1] = 0;
	}
	x.args_count = EVENT_ARGS_MAX;
	frame_init(&frame, &x, sizeof(x));
	frame_item(&frame, HD_I_ARGS, 0, many, sizeof(many));
	assert_int_equal(decode(), 0);
	assert_int_equal(event->args_n, EVENT_ARGS_MAX);
	assert_true(event->args_truncated);

	x.args_count = 0;
	frame_init(&frame, &x, sizeof(x));
	assert_int_equal(decode(), 0);
	assert_int_equal(event->args_n, 0);
	assert_false(event->args_truncated);
}

static void short_addresses(void **state)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(80) };

	for (size_t length = 0; length <= sizeof(a); length++) {
		struct hd_net x = { .h = frame_header(HD_NETWORK_CONNECT), .family = AF_INET6 };

		frame_init(&frame, &x, sizeof(x));
		frame_item(&frame, HD_I_SOCKADDR, 0, &a, length);
		assert_int_equal(decode_exactly(frame.data, frame.size), 0);
		assert_int_equal(event->remote.family, length < 2 ? 0 : AF_INET6);
		assert_int_equal(event->remote.has_port, length >= 24);
		assert_int_equal(bytes_set(event->remote.text), length >= 24);
	}
}

static void addresses(void **state)
{
	sample_make("connect_mapped", &frame);
	assert_int_equal(decode(), 0);
	assert_int_equal(event->remote.family, AF_INET);
	assert_int_equal(event->remote.port, 443);
	assert_bytes(event->remote.text, "192.0.2.7");
	assert_memory_equal(event->remote.raw, "\xc0\0\x02\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(event->local.family, AF_INET6);
	assert_memory_equal(event->local.raw, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);

	sample_make("accept_unix", &frame);
	assert_int_equal(decode(), 0);
	assert_int_equal(event->remote.family, AF_UNIX);
	assert_bytes(event->remote.text, "");
	assert_bytes(event->local.text, "/run/s");

	sample_make("dns_udp", &frame);
	assert_int_equal(decode(), 0);
	assert_bytes(event->remote.text, "127.0.0.53");
	assert_int_equal(event->remote.port, 53);
	assert_int_equal(event->packet.length, 29);
}

static void events_need_memory(void **state)
{
	malloc_fails = true;
	assert_null(event_new());
	malloc_fails = false;
	calloc_fails = true;
	assert_null(event_new());
	calloc_fails = false;
	event_free(NULL);
}

static void nothing_is_left_of_the_last_event(void **state)
{
	sample_make("connect_mapped", &frame);
	assert_int_equal(decode(), 0);
	event->hostname = BYTES("x");
	event->sequence = 9;
	sample_make("fold_read", &frame);
	assert_int_equal(decode(), 0);
	assert_false(bytes_set(event->hostname));
	assert_int_equal(event->sequence, 0);
	assert_int_equal(event->remote.family, 0);
	assert_int_equal(event->arena_used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(every_prefix_that_lies_is_harmless),
		cmocka_unit_test(every_changed_byte_is_harmless),
		cmocka_unit_test(header_is_checked),
		cmocka_unit_test(enums_are_checked),
		cmocka_unit_test(items_are_checked),
		cmocka_unit_test(arena_is_bounded),
		cmocka_unit_test(kernel_paths),
		cmocka_unit_test(deep_kernel_path),
		cmocka_unit_test(caller_names),
		cmocka_unit_test(arguments),
		cmocka_unit_test(short_addresses),
		cmocka_unit_test(addresses),
		cmocka_unit_test(events_need_memory),
		cmocka_unit_test(nothing_is_left_of_the_last_event),
	};
	int failed;

	event = event_new();
	if (!event)
		return 1;
	failed = cmocka_run_group_tests_name("decode", tests, NULL, NULL);
	event_free(event);
	return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings written and read, and what a replay makes of those that are whole, cut, damaged or altered. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/replayer.h"
#include "sensor/recording.h"
#include "track-frames.h"

#define SESSION "0190c0de-0000-7000-8000-0000000000cc"
#define CGROUP 4242
#define HEAD 16	 /* bytes of a recording's head */
#define CHUNK 8	 /* of a chunk's */

static int fd;
static struct recording *recording;
static const struct actor agent = { .pid = 4000000, .start_ns = 5 * SECOND, .now_ns = 6 * SECOND };

static void begin(void)
{
	const struct recording_session s = {
		.session = SESSION, .boot8 = "00c0ffee", .cgroups = 1, .fold_ns = SECOND, .dns_ports = { 53 }
	};

	fd = memfd_create("recording", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(recording_new(fd, &recording), 0);
	recording_add(recording, RECORDING_SESSION, &s, sizeof(s), NULL, 0);
}

static void add_line(uint64_t sequence, const char *text)
{
	const struct recording_line head = { .sequence = sequence, .time_ns = 7 };

	recording_add(recording, RECORDING_LINE, &head, sizeof(head), text, strlen(text));
}

static void add_answer(uint64_t id, const char *path)
{
	const struct recording_answer head = { TRACKER_CGROUP, path ? (int32_t)strlen(path) : -ENOENT, id };

	recording_add(recording, RECORDING_ANSWER, &head, sizeof(head), path, path ? strlen(path) : 0);
}

static void add_exit(uint32_t pid, uint64_t cgroup)
{
	static struct frame f;
	struct actor a = agent;

	a.pid = pid;
	frame_begin(&f, &a, HD_PROCESS_EXIT, sizeof(f.exit));
	f.h.cgroup_id = cgroup;
	recording_add(recording, RECORDING_FRAME, f.bytes, f.h.size, NULL, 0);
}

static void add_read(void)
{
	static struct frame f;

	frame_begin(&f, &agent, HD_FILE_READ, sizeof(f.fold));
	f.fold.operations = 2;
	f.fold.bytes = 10;
	f.fold.first_ns = f.fold.last_ns = agent.now_ns;
	recording_add(recording, RECORDING_FRAME, f.bytes, f.h.size, NULL, 0);
}

static void add_tick(uint64_t now)
{
	recording_add(recording, RECORDING_TICK, &now, sizeof(now), NULL, 0);
}

static void end(uint64_t events, uint64_t sequence)
{
	const struct recording_end last = { events, sequence };

	recording_add(recording, RECORDING_FINISH, NULL, 0, NULL, 0);
	recording_add(recording, RECORDING_END, &last, sizeof(last), NULL, 0);
	assert_int_equal(recording_flush(recording), 0);
	recording_free(TAKE_PTR(recording));
}

/* A session of a bit of everything: its recording is in fd. Each process is introduced by a line of its own. */
static void record_sample(void)
{
	begin();
	add_line(1, "{\"type\":\"session\"}");
	add_exit(10, CGROUP);
	add_answer(CGROUP, "/the/agent");
	add_exit(11, CGROUP);
	add_read();
	add_tick(9 * SECOND);
	add_line(8, "{\"type\":\"gap\"}");
	add_exit(12, CGROUP + 1);
	add_answer(CGROUP + 1, NULL);
	end(4, 10);
}

struct lines {
	struct buf text;
	uint64_t sequence;
};

static int gather(void *context, const struct replayer_line *line)
{
	struct lines *s = context;

	assert_int_equal(line->sequence, s->sequence + 1);
	s->sequence = line->sequence;
	buf_add(&s->text, line->text.data, line->text.length);
	buf_addc(&s->text, '\n');
	return s->text.failed;
}

/* Replays the first bytes of what is in fd, all with 0. */
static struct lines replay(size_t length, struct replayer_result *result)
{
	_cleanup_(recording_close_p) struct recording_reader *reader = NULL;
	struct lines seen = { .text = BUF_INIT(1 << 20) };
	int copy = memfd_create("copy", MFD_CLOEXEC);
	struct err err = { 0 };
	char bytes[8192];
	ssize_t n = pread(fd, bytes, length ? MIN(length, sizeof(bytes)) : sizeof(bytes), 0);

	assert_int_equal(write(copy, bytes, (size_t)n), n);
	assert_int_equal(lseek(copy, 0, SEEK_SET), 0);
	assert_int_equal(recording_open_stream(fdopen(copy, "r"), "copy", &reader, &err), 0);
	assert_int_equal(replayer_run(reader, gather, &seen, result, &err), 0);
	return seen;
}

static void ends(enum replayer_end how, uint64_t events)
{
	struct replayer_result result;
	struct lines seen = replay(0, &result);

	assert_int_equal(result.end, how);
	assert_int_equal(result.events, events);
	buf_done(&seen.text);
	(void)close(fd);
}

static void a_whole_one(void **state)
{
	struct replayer_result result;
	struct lines seen;

	record_sample();
	seen = replay(0, &result);
	assert_int_equal(result.end, REPLAYER_WHOLE);
	assert_int_equal(result.events, 4);
	assert_int_equal(result.lines, 10);
	assert_int_equal(result.at, lseek(fd, 0, SEEK_END));
	assert_string_equal(result.session, SESSION);
	assert_ptr_equal(strstr(seen.text.data, "{\"type\":\"session\"}\n{"), seen.text.data);
	assert_non_null(strstr(seen.text.data, "\"process\":\"00c0ffee-11-5000000000\""));
	/* The read was told by the tick, before the gap. */
	assert_true(strstr(seen.text.data, "file_read") < strstr(seen.text.data, "{\"type\":\"gap\"}\n"));
	/* One answer serves all lines of two processes; the third has none. */
	unsigned paths = 0;
	for (const char *at = seen.text.data; (at = strstr(at, "\"cgroup\":\"/the/agent\"")); at++)
		paths++;
	assert_int_equal(paths, 4);
	buf_done(&seen.text);
	(void)close(fd);
}

/* Every shorter one gives the beginning of the same lines, and is told from a whole one. */
static void cut_anywhere(void **state)
{
	struct replayer_result whole, part;
	struct lines all, seen;
	size_t length, last = 0;

	record_sample();
	all = replay(0, &whole);
	length = (size_t)lseek(fd, 0, SEEK_END);
	for (size_t cut = HEAD; cut < length; cut++) {
		seen = replay(cut, &part);
		assert_int_equal(part.end, REPLAYER_CUT);
		assert_true(seen.text.length >= last && seen.text.length <= all.text.length);
		if (seen.text.length)
			assert_memory_equal(seen.text.data, all.text.data, seen.text.length);
		last = seen.text.length;
		buf_done(&seen.text);
	}
	assert_int_equal(last, all.text.length);
	buf_done(&all.text);
	(void)close(fd);
}

static void put_u32(off_t at, uint32_t value)
{
	assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
}

static void damaged(void **state)
{
	const off_t second = HEAD + CHUNK + sizeof(struct recording_session);
	static const struct {
		off_t at;
		uint32_t value;
	} wrong[] = { { 0, 0 },			{ 0, RECORDING_KIND_MAX }, { 0, UINT32_MAX },
		      { sizeof(uint32_t), 1 }, { sizeof(uint32_t), UINT32_MAX } };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		record_sample();
		put_u32(second + wrong[i].at, wrong[i].value);
		ends(REPLAYER_DAMAGED, 0);
	}
}

static void altered(void **state)
{
	const struct recording_answer image = { TRACKER_IMAGE, 1, CGROUP }, lie = { TRACKER_CGROUP, 4000, CGROUP };

	/* A line with another number. */
	begin();
	add_line(2, "{}");
	end(0, 2);
	ends(REPLAYER_DIFFERS, 0);
	/* No object, and one that would move a cursor. */
	begin();
	add_line(1, "[]");
	end(0, 1);
	ends(REPLAYER_DIFFERS, 0);
	begin();
	add_line(1, "{\"a\":\"\x1b[A\"}");
	end(0, 1);
	ends(REPLAYER_DIFFERS, 0);
	/* An answer about another cgroup, of another kind of question, none at all, one too many, one that lies. */
	begin();
	add_exit(10, CGROUP);
	add_answer(CGROUP + 1, "/");
	end(1, 2);
	ends(REPLAYER_DIFFERS, 0);
	begin();
	add_exit(10, CGROUP);
	recording_add(recording, RECORDING_ANSWER, &image, sizeof(image), "/", 1);
	end(1, 2);
	ends(REPLAYER_DIFFERS, 0);
	begin();
	add_exit(10, CGROUP);
	end(1, 2);
	ends(REPLAYER_DIFFERS, 0);
	begin();
	add_exit(10, 0);
	add_answer(CGROUP, "/");
	end(1, 2);
	ends(REPLAYER_DIFFERS, 1);
	begin();
	add_exit(10, CGROUP);
	recording_add(recording, RECORDING_ANSWER, &lie, sizeof(lie), "/", 1);
	end(1, 2);
	ends(REPLAYER_DIFFERS, 0);
	/* One event less than there was; one after the end. */
	begin();
	add_exit(10, 0);
	end(2, 3);
	ends(REPLAYER_DIFFERS, 1);
	record_sample();
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	put_u32(lseek(fd, 0, SEEK_END), RECORDING_FINISH);
	put_u32(lseek(fd, 0, SEEK_END), 0);
	ends(REPLAYER_DIFFERS, 4);
}

static void a_session_that_is_none(void **state)
{
	struct recording_session s = { .session = SESSION, .boot8 = "00c0ffee" };

	/* Twice. */
	begin();
	recording_add(recording, RECORDING_SESSION, &s, sizeof(s), NULL, 0);
	end(0, 0);
	ends(REPLAYER_DIFFERS, 0);
	/* No end to its strings, or to its ports. */
	for (unsigned i = 0; i < 3; i++) {
		begin();
		memset(i == 0 ? s.session : s.boot8, 'x', i == 0 ? sizeof(s.session) : sizeof(s.boot8));
		memset(s.dns_ports, i, sizeof(s.dns_ports));
		if (i == 2)
			s = (struct recording_session){ .dns_ports = { [HD_MAX_DNS_PORTS + 1] = 1 } };
		assert_int_equal(recording_flush(recording), 0);
		assert_int_equal(pwrite(fd, &s, sizeof(s), HEAD + CHUNK), sizeof(s));
		end(0, 0);
		ends(REPLAYER_DIFFERS, 0);
	}
}

static void refused(const void *content, size_t length, int code)
{
	struct recording_reader *reader = NULL;
	struct err err = { 0 };
	char none[1] = "";
	FILE *f = length ? fmemopen((void *)(uintptr_t)content, length, "r") : fmemopen(none, 1, "r");

	assert_non_null(f);
	assert_int_equal(recording_open_stream(f, "the name", &reader, &err), code);
	assert_null(reader);
	assert_non_null(strstr(err.text, "the name"));
}

static void of_another_version(void **state)
{
	char head[HEAD];
	uint32_t number;

	begin();
	end(0, 0);
	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	(void)close(fd);
	refused("", 0, -EBADMSG);
	refused(head, HEAD - 1, -EBADMSG);
	refused("something else entirely", 23, -EBADMSG);
	for (unsigned at = 8; at < HEAD; at += 4) {
		memcpy(&number, head + at, sizeof(number));
		number++;
		memcpy(head + at, &number, sizeof(number));
		refused(head, HEAD, -EPROTO);
		number--;
		memcpy(head + at, &number, sizeof(number));
	}
	/* As the first versions wrote it. */
	memset(head + 12, 0, 4);
	refused(head, HEAD, -EPROTO);
}

/* An error of the disk is returned again and again, and nothing is written after it. */
static void a_broken_disk(void **state)
{
	struct recording *r = NULL;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), pipes[2];
	char many[4096] = { 0 };

	assert_int_equal(recording_new(full, &r), -ENOSPC);
	assert_null(r);
	(void)close(full);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(recording_new(pipes[1], &r), 0);
	(void)close(pipes[0]);
	for (unsigned i = 0; i < 1000; i++)
		recording_add(r, RECORDING_FRAME, many, sizeof(many), NULL, 0);
	assert_int_equal(recording_flush(r), -EPIPE);
	assert_int_equal(recording_flush(r), -EPIPE);
	recording_free(r);
	(void)close(pipes[1]);
}

static size_t content(const char *name, char *room, size_t size)
{
	FILE *f = fopen(name, "re");
	size_t n;

	assert_non_null(f);
	n = fread(room, 1, size, f);
	(void)fclose(f);
	assert_true(n > 0 && n < size);
	return n;
}

/* A real session of another machine, of a better tier: its lines, on this one. */
static void one_that_was_kept(void **state)
{
	static char expected[1 << 20];
	struct recording_reader *reader = NULL;
	struct lines seen = { .text = BUF_INIT(sizeof(expected)) };
	size_t length = content("tests/data/session.json", expected, sizeof(expected));
	struct replayer_result result;
	struct err err = { 0 };

	if (recording_open("tests/data/session.lanes", &reader, &err) < 0)
		fail_msg("%s; when frames changed, tests/data/record makes it anew", err.text);
	assert_int_equal(replayer_run(reader, gather, &seen, &result, &err), 0);
	recording_close(reader);
	assert_int_equal(result.end, REPLAYER_WHOLE);
	assert_int_equal(seen.text.length, length);
	assert_memory_equal(seen.text.data, expected, length);
	buf_done(&seen.text);
}

static int refuse(void *context, const struct replayer_line *line)
{
	return -ENOSPC;
}

static void who_takes_the_lines_may_stop(void **state)
{
	struct recording_reader *reader = NULL;
	struct replayer_result result;
	struct err err = { 0 };

	record_sample();
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(recording_open_stream(fdopen(fd, "r"), "copy", &reader, &err), 0);
	assert_int_equal(replayer_run(reader, refuse, NULL, &result, &err), -ENOSPC);
	assert_int_equal(result.lines, 1);
	recording_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_one),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(damaged),
		cmocka_unit_test(altered),
		cmocka_unit_test(a_session_that_is_none),
		cmocka_unit_test(of_another_version),
		cmocka_unit_test(a_broken_disk),
		cmocka_unit_test(one_that_was_kept),
		cmocka_unit_test(who_takes_the_lines_may_stop),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

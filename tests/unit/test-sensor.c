/* SPDX-License-Identifier: Apache-2.0 */
/* The lanes without a kernel: the ring's consumer over plain memory, and recordings fed back as a sensor. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "samples.h"
#include "sensor/backend.h"
#include "sensor/recording.h"
#include "sensor/ring.h"
#include "sensor/sensor.h"

/* ---- the ring ---- */

#define RING_BYTES 4096u

static unsigned long consumer, producer;
static unsigned char *data; /* the same page twice in a row, as the kernel has it */
static unsigned char *mapped; /* and once, as the consumer has it */

static struct ring ring_new(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RING_BYTES), 0);
	data = mmap(NULL, (size_t)2 * RING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	for (unsigned i = 0; i < 2; i++)
		assert_ptr_equal(
		    mmap(data + i * RING_BYTES, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
		    data + i * RING_BYTES);
	mapped = mmap(NULL, RING_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
	(void)close(fd);
	consumer = producer = 0;
	return (struct ring){ .consumer = &consumer, .producer = &producer, .data = mapped, .bytes = RING_BYTES };
}

static void ring_end(struct ring *r)
{
	free(r->joined);
	(void)munmap(data, (size_t)2 * RING_BYTES);
	(void)munmap(mapped, RING_BYTES);
}

static void produce(const char *text, uint32_t bits)
{
	uint32_t length = (uint32_t)strlen(text) + 1, head[2] = { length | bits, 0 };

	memcpy(data + (producer & (RING_BYTES - 1)), head, sizeof(head));
	memcpy(data + (producer & (RING_BYTES - 1)) + sizeof(head), text, length);
	producer += (length + sizeof(head) + 7) / 8 * 8;
}

static void takes(struct ring *r, const char *text)
{
	size_t size = 0;
	const char *got = ring_peek(r, &size);

	assert_non_null(got);
	assert_string_equal(got, text);
	assert_int_equal(size, strlen(text) + 1);
	ring_next(r);
}

static void ring_in_order(void **state)
{
	struct ring r = ring_new();
	size_t size;

	assert_null(ring_peek(&r, &size));
	produce("one", 0);
	produce("thrown away", BPF_RINGBUF_DISCARD_BIT);
	produce("two", 0);
	/* Nothing beyond the snapshot. */
	assert_null(ring_peek(&r, &size));
	ring_snapshot(&r);
	produce("three", 0);
	takes(&r, "one");
	takes(&r, "two");
	assert_null(ring_peek(&r, &size));
	assert_int_equal(consumer, 0);
	ring_release(&r);
	assert_int_equal(consumer, r.at);
	ring_snapshot(&r);
	takes(&r, "three");
	ring_release(&r);
	assert_int_equal(ring_waiting(&r), 0);
	ring_end(&r);
}

static void ring_waits_for_the_busy(void **state)
{
	struct ring r = ring_new();
	unsigned long at = producer;
	uint32_t length;
	size_t size;

	produce("still being written", BPF_RINGBUF_BUSY_BIT);
	produce("behind it", 0);
	ring_snapshot(&r);
	assert_null(ring_peek(&r, &size));
	memcpy(&length, data + at, sizeof(length));
	length &= ~BPF_RINGBUF_BUSY_BIT;
	memcpy(data + at, &length, sizeof(length));
	takes(&r, "still being written");
	takes(&r, "behind it");
	ring_end(&r);
}

static void ring_wraps(void **state)
{
	struct ring r = ring_new();
	char text[120];
	size_t size;

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(
		    text, sizeof(text), "record %u %.*s", i, (int)(i % 90),
		    "..........................................................................................");
		produce(text, 0);
		ring_snapshot(&r);
		/* A record is looked at more than once while the other lane has older ones. */
		assert_ptr_equal(ring_peek(&r, &size), ring_peek(&r, &size));
		takes(&r, text);
		ring_release(&r);
	}
	assert_non_null(r.joined);
	ring_end(&r);
}

/* ---- recordings ---- */

static char path[] = "/tmp/test-sensor-XXXXXX";
static struct frame frame;

struct seen {
	unsigned frames;
	uint64_t last_ns;
	int refuse_after;
};

static int count(void *context, const void *data_, size_t size)
{
	struct seen *s = context;
	struct hd_header h;

	assert_true(size >= sizeof(h));
	memcpy(&h, data_, sizeof(h));
	assert_int_equal(h.size, size);
	s->frames++;
	return s->refuse_after && (int)s->frames == s->refuse_after ? -ENOSPC : 0;
}

/* A recording of every sample, in the middle of what else there is; returns how many. */
static unsigned record(void)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const struct recording_session session = { .session = "s", .boot8 = "b" };
	struct recording *r = NULL;
	const uint64_t now = 1;

	assert_true(fd >= 0);
	assert_int_equal(recording_new(fd, &r), 0);
	recording_add(r, RECORDING_SESSION, &session, sizeof(session), NULL, 0);
	for (size_t i = 0; i < samples_n; i++) {
		samples[i].make(&frame);
		recording_add(r, RECORDING_FRAME, frame.data, frame.size, NULL, 0);
		recording_add(r, RECORDING_TICK, &now, sizeof(now), NULL, 0);
	}
	assert_int_equal(recording_flush(r), 0);
	recording_free(r);
	(void)close(fd);
	return (unsigned)samples_n;
}

static struct sensor *replay(void)
{
	struct err err = { 0 };
	struct sensor *s = NULL;

	if (sensor_open_replay(path, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void replays_all(void **state)
{
	unsigned frames = record();
	struct sensor *s = replay();
	struct seen seen = { 0 };
	struct ledger l;
	bool end = false;

	while (!end)
		assert_true(sensor_poll(s, 10, count, &seen, &end) >= 0);
	assert_int_equal(seen.frames, frames);
	assert_int_equal(sensor_ledger(s, &l), 0);
	assert_int_equal(ledger_unbalanced(&l), 0);
	assert_true(l.rows[HD_LANE_BULK][HD_FILE_READ].made > 0);
	assert_int_equal(sensor_fd(s), -1);
	sensor_free(s);
}

static void the_reader_may_stop(void **state)
{
	struct seen seen = { .refuse_after = 3 };
	struct sensor *s;
	bool end;
	int r = 0;

	(void)record();
	s = replay();
	while (r >= 0)
		r = sensor_poll(s, 0, count, &seen, &end);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(seen.frames, 3);
	sensor_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_in_order),
		cmocka_unit_test(ring_waits_for_the_busy),
		cmocka_unit_test(ring_wraps),
		cmocka_unit_test(replays_all),
		cmocka_unit_test(the_reader_may_stop),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	(void)close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer under load: a long recording through tracker, encoder and the store's thread, on a disk that is slow. */
#include "test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/replayer.h"
#include "store/store.h"
#include "track-frames.h"

#define SESSION "01890000-0000-7000-8000-0000000000ee"
#define FRAMES 200000U
#define PROCESSES 500U
#define TICK_FRAMES 5000U
#define DISK_NS 200000L

static char home[] = "/tmp/test-load-XXXXXX";
static atomic_uint writes;

/* SQLite's writes come here, since a program's own functions go before a library's. */
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	const struct timespec pause = { .tv_nsec = DISK_NS };

	atomic_fetch_add(&writes, 1);
	(void)nanosleep(&pause, NULL);
	return syscall(SYS_pwrite64, fd, data, size, at);
}

static void add_frame(struct recording *r, unsigned i)
{
	static struct frame f;
	struct actor a = {
		.pid = 1000000 + i % PROCESSES, .start_ns = SECOND, .now_ns = 10 * SECOND + i * UINT64_C(10000)
	};
	char path[64];

	if (i % 10 == 9) {
		frame_begin(&f, &a, HD_FILE_WRITE, sizeof(f.fold));
		f.fold.operations = 3;
		f.fold.bytes = i;
		f.fold.file_id = i % 97 + 1;
		f.fold.first_ns = f.fold.last_ns = a.now_ns;
	} else {
		frame_begin(&f, &a, HD_FILE_OPEN, sizeof(f.open));
		f.open.file_id = i % 97 + 1;
		f.open.result = i % 7 == 0 ? -2 : 3;
		(void)snprintf(path, sizeof(path), "/srv/data/%u/%u.txt", i % 97, i % 1013);
		frame_path(&f, HD_I_PATH, path);
	}
	f.h.cgroup_id = 0;
	recording_add(r, RECORDING_FRAME, f.bytes, f.h.size, NULL, 0);
}

static FILE *make_recording(void)
{
	const struct recording_session s = { .session = SESSION, .boot8 = "00c0ffee", .fold_ns = SECOND };
	int fd = memfd_create("recording", MFD_CLOEXEC);
	struct recording *r = NULL;

	assert_int_equal(recording_new(fd, &r), 0);
	recording_add(r, RECORDING_SESSION, &s, sizeof(s), NULL, 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		const uint64_t now = 10 * SECOND + i * UINT64_C(10000);

		add_frame(r, i);
		if (i % TICK_FRAMES == 0)
			recording_add(r, RECORDING_TICK, &now, sizeof(now), NULL, 0);
	}
	recording_add(r, RECORDING_FINISH, NULL, 0, NULL, 0);
	assert_int_equal(recording_flush(r), 0);
	recording_free(r);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fdopen(fd, "r");
}

static int store(void *context, const struct replayer_line *line)
{
	struct err err = { 0 };
	unsigned type = line->event ? line->event->type : 0;

	assert_int_equal(store_writer_add(context, line->sequence, line->time_ns, type, line->pid, line->process,
					  line->text, &err), 0);
	if (line->sequence % TICK_FRAMES == 0)
		assert_int_equal(store_writer_commit_soon(context, &err), 0);
	return 0;
}

static int count(void *context, const struct store_row *row)
{
	uint64_t *last = context;

	assert_int_equal(row->sequence, *last + 1);
	*last = row->sequence;
	return 0;
}

static void all_of_it_is_stored(void **state)
{
	struct store_session session = {
		.id = SESSION, .started_ns = 1, .ended_ns = 2, .command = "load", .start_line = "{}", .end_line = "{}",
		.ledger_line = "{}",
	};
	const struct store_filter everything = { 0 };
	struct recording_reader *reader = NULL;
	struct store_writer *writer = NULL;
	struct store_reader *stored = NULL;
	struct replayer_result result;
	struct err err = { 0 };
	uint64_t last = 0;

	assert_int_equal(store_writer_open(home, &session, &writer, &err), 0);
	assert_int_equal(recording_open_stream(make_recording(), "load", &reader, &err), 0);
	assert_int_equal(replayer_run(reader, store, writer, &result, &err), 0);
	recording_close(reader);
	assert_int_equal(result.end, REPLAYER_CUT);
	assert_true(result.events > FRAMES / 2);
	assert_int_equal(store_writer_commit(writer, &err), 0);
	for (unsigned type = 0; type <= HD_TYPE_EVENT_MAX; type++)
		assert_int_equal(store_writer_lost(writer)[type], 0);
	assert_int_equal(store_writer_end(writer, &session, &err), 0);
	store_writer_free(writer);
	assert_true(writes > 10);
	assert_int_equal(store_reader_open(home, SESSION, &stored, &err), 0);
	assert_int_equal(store_events(stored, &everything, count, &last, &err), 0);
	assert_int_equal(last, result.lines);
	store_reader_free(stored);
	assert_int_equal(store_delete(home, SESSION, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_of_it_is_stored) };
	char below[64];
	int failed;

	if (!mkdtemp(home))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)snprintf(below, sizeof(below), "%s/sessions", home);
	(void)rmdir(below);
	(void)rmdir(home);
	return failed;
}

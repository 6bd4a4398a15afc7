/* SPDX-License-Identifier: Apache-2.0 */
/* store/store.h: what is written comes back; states, filters, batches, damage, newer versions, full disks. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"

#define START INT64_C(1700000000000000000)

static char home[64];

static int set_up(void **state)
{
	(void)snprintf(home, sizeof(home), "/tmp/heddle-test-store-XXXXXX");
	return mkdtemp(home) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	return remove(path);
}

static int tear_down(void **state)
{
	return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct store_writer *open_writer(struct store_session *s)
{
	struct store_writer *w = NULL;
	struct err err = { 0 };

	if (!s->id[0])
		store_new_id(s->id);
	s->started_ns = START;
	s->command = "agent 'x'";
	s->start_line = "{\"type\":\"session\"}";
	s->exit_status = -1;
	if (store_writer_open(home, s, &w, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

static int add(struct store_writer *w, uint64_t sequence, unsigned type, uint32_t pid, const char *line,
	       struct err *err)
{
	return store_writer_add(w, sequence, START + (int64_t)sequence * CLOCK_SECOND_NS, type, pid, "p-1",
				(struct bytes){ line, strlen(line) }, err);
}

static void add_many(struct store_writer *w, unsigned n)
{
	struct err err = { 0 };
	char line[64];

	for (unsigned i = 1; i <= n; i++) {
		(void)snprintf(line, sizeof(line), "{\"n\":%u}", i);
		assert_int_equal(add(w, i, i % 17, i % 5 + 1, line, &err), 0);
	}
}

static void end(struct store_writer *w, struct store_session *s)
{
	struct err err = { 0 };

	s->ended_ns = START + 9 * CLOCK_SECOND_NS;
	s->end_line = "{\"e\":1}";
	s->ledger_line = "{\"l\":1}";
	s->exit_status = 3;
	assert_int_equal(store_writer_end(w, s, &err), 0);
	store_writer_free(w);
}

static int count_row(void *context, const struct store_row *row)
{
	uint64_t *last = context;

	assert_true(row->sequence > last[1]);
	last[0]++;
	last[1] = row->sequence;
	return 0;
}

static uint64_t count(const char *id, struct store_filter filter)
{
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct err err = { 0 };
	uint64_t counted[2] = { 0, 0 };

	if (store_reader_open(home, id, &r, &err) < 0 || store_events(r, &filter, count_row, counted, &err) < 0)
		fail_msg("%s", err.text);
	return counted[0];
}

static void what_is_written_comes_back(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct err err = { 0 };

	add_many(w, 170);
	end(w, &s);
	assert_int_equal(store_reader_open(home, s.id, &r, &err), 0);
	const struct store_session *got = store_reader_session(r);
	assert_string_equal(got->id, s.id);
	assert_true(got->started_ns == START && got->ended_ns == s.ended_ns);
	assert_string_equal(got->command, "agent 'x'");
	assert_string_equal(got->start_line, "{\"type\":\"session\"}");
	assert_string_equal(got->end_line, "{\"e\":1}");
	assert_string_equal(got->ledger_line, "{\"l\":1}");
	assert_int_equal(got->exit_status, 3);
	assert_int_equal(got->state, STORE_ENDED);
	assert_int_equal(got->events, 160); /* ten lines are no events */
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 170);
}

static void filters_agree_with_the_data(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);

	add_many(w, 1700);
	end(w, &s);
	/* Types that are rare in practice, common ones, both at once, and the lines that are no events. */
	assert_int_equal(count(s.id, (struct store_filter){ .types = 1U << HD_SANDBOX_ESCAPE }), 100);
	assert_int_equal(count(s.id, (struct store_filter){ .types = 1U << HD_FILE_READ }), 100);
	assert_int_equal(count(s.id, (struct store_filter){ .types = 1U << HD_FILE_READ | 1U << HD_PROCESS_EXEC }),
			 200);
	assert_int_equal(count(s.id, (struct store_filter){ .types = 1U }), 100);
	assert_int_equal(count(s.id, (struct store_filter){ .pid = 2 }), 340);
	assert_int_equal(count(s.id, (struct store_filter){ .since_ns = START + 1700 * CLOCK_SECOND_NS }), 1);
	assert_int_equal(count(s.id, (struct store_filter){ .until_ns = START + 11 * CLOCK_SECOND_NS }), 10);
	assert_int_equal(count(s.id, (struct store_filter){ .after = 1690 }), 10);
	assert_int_equal(count(s.id, (struct store_filter){ .limit = 7 }), 7);
	assert_int_equal(
	    count(s.id, (struct store_filter){ .types = 1U << HD_PROCESS_EXEC, .after = 1600, .limit = 50 }), 5);
}

static int first_bytes(void *context, const struct store_row *row)
{
	struct bytes *wanted = context;

	assert_int_equal(row->line.length, wanted->length);
	assert_memory_equal(row->line.data, wanted->data, wanted->length);
	assert_int_equal(row->pid, UINT32_MAX);
	assert_int_equal(row->type, HD_FILE_OPEN);
	return 42;
}

static void lines_are_bytes_and_a_caller_can_stop(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	_cleanup_free_ char *big = malloc(200000);
	struct err err = { 0 };

	memset(big, 'x', 199999);
	big[199999] = '\0';
	assert_int_equal(add(w, 1, HD_FILE_OPEN, UINT32_MAX, big, &err), 0);
	assert_int_equal(add(w, 2, HD_FILE_OPEN, 1, "second", &err), 0);
	end(w, &s);
	assert_int_equal(store_reader_open(home, s.id, &r, &err), 0);
	struct bytes wanted = { big, 199999 };
	assert_int_equal(store_events(r, &(struct store_filter){ 0 }, first_bytes, &wanted, &err), 42);
}

static void a_batch_shows_when_it_is_large_or_committed(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	struct err err = { 0 };

	add_many(w, 200);
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 0);
	assert_int_equal(store_writer_commit(w, &err), 0);
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 200);
	for (uint64_t i = 201; i <= 50200; i++)
		assert_int_equal(add(w, i, 1, 1, "{}", &err), 0);
	/* The rest may be in the queue (8 blocks of 256 lines), at the writer's hands, or in the open batch (2,000). */
	assert_true(count(s.id, (struct store_filter){ 0 }) >= 50200 - 10 * 256 - 2256);
	assert_int_equal(store_writer_commit_soon(w, &err), 0);
	assert_int_equal(add(w, 50201, 1, 1, "{}", &err), 0);
	assert_int_equal(store_writer_commit(w, &err), 0);
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 50201);
	end(w, &s);
}

/* Every line of a session whose lines are of these lengths comes back, in order, also from the middle. */
static void written_and_read(unsigned n, size_t (*length)(unsigned i))
{
	static char text[200 << 10];
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	struct err err = { 0 };

	memset(text, 'z', sizeof(text));
	for (unsigned i = 1; i <= n; i++)
		assert_int_equal(store_writer_add(w, i, START + i, 1, i, "p", (struct bytes){ text, length(i) }, &err),
				 0);
	end(w, &s);
	for (unsigned after = 0; after <= n; after += n / 7 + 1)
		assert_int_equal(count(s.id, (struct store_filter){ .after = after }), n - after);
	for (unsigned i = 1; i <= n; i += n / 9 + 1) {
		assert_int_equal(count(s.id, (struct store_filter){ .pid = i }), 1);
		assert_int_equal(count(s.id, (struct store_filter){ .since_ns = START + i, .until_ns = START + i + 1 }),
				 1);
		assert_int_equal(count(s.id, (struct store_filter){ .after = i - 1, .limit = 1 }), 1);
	}
}

static size_t two_bytes(unsigned i)
{
	return 2;
}

static size_t now_and_then_long(unsigned i)
{
	return i % 50 == 7 ? 100 << 10 : i % 9 == 2 ? 0 : 700;
}

static size_t always_long(unsigned i)
{
	return (100 << 10) + i;
}

static void blocks_end_where_they_should(void **state)
{
	static const unsigned counts[] = { 1, 255, 256, 257, 511, 512, 513, 2304, 2305 };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		written_and_read(counts[i], two_bytes);
	written_and_read(3000, now_and_then_long);
	written_and_read(60, always_long);
}

static void numbers_must_rise(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	struct err err = { 0 };

	assert_int_equal(add(w, 5, 1, 1, "{}", &err), 0);
	assert_int_equal(add(w, 5, 2, 1, "{}", &err), -EINVAL);
	assert_int_equal(add(w, 4, 2, 1, "{}", &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 4 comes after line 5"));
	assert_int_equal(store_writer_lost(w)[2], 2);
	assert_int_equal(add(w, 6, 1, 1, "{}", &err), 0);
	end(w, &s);
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 2);
}

static void running_then_ended(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct err err = { 0 };

	assert_int_equal(store_reader_open(home, s.id, &r, &err), 0);
	assert_int_equal(store_reader_session(r)->state, STORE_RUNNING);
	assert_int_equal(store_delete(home, s.id, &err), -EBUSY);
	assert_non_null(strstr(err.text, "still running"));
	end(w, &s);
	assert_int_equal(store_reader_refresh(r, &err), 0);
	assert_int_equal(store_reader_session(r)->state, STORE_ENDED);
}

/* A child writes n lines, commits them, adds some more, and dies as a crash would have it. */
static void kill_a_writer(struct store_session *s, unsigned n)
{
	int status;

	store_new_id(s->id);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store_writer *w = open_writer(s);
		struct err err = { 0 };

		add_many(w, n);
		(void)store_writer_commit(w, &err);
		(void)add(w, n + 1, 1, 1, "{}", &err);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void a_killed_writer_leaves_what_it_committed(void **state)
{
	struct store_session s = { 0 };
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	char path[256];
	struct err err = { 0 };

	kill_a_writer(&s, 500);
	/* The machine going down takes the shared index with it. */
	(void)snprintf(path, sizeof(path), "%s/sessions/%s.db-shm", home, s.id);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_reader_open(home, s.id, &r, &err), 0);
	assert_int_equal(store_reader_session(r)->state, STORE_INTERRUPTED);
	assert_int_equal(store_reader_session(r)->events, 471);
	assert_int_equal(store_reader_session(r)->exit_status, -1);
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 500);
}

static void sql(const char *id, const char *text)
{
	sqlite3 *db = NULL;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/sessions/%s.db", home, id);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static void scribble(const char *id, off_t at, const char *bytes, size_t length)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/sessions/%s.db", home, id);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, length, at), (ssize_t)length);
}

static void open_fails(const char *id, int code, const char *words)
{
	struct store_reader *r = NULL;
	struct err err = { 0 };

	assert_int_equal(store_reader_open(home, id, &r, &err), -code);
	assert_null(r);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, words));
	assert_non_null(strstr(err.text, id));
	assert_null(strchr(err.text, '\n'));
}

struct listed {
	unsigned n, by_state[4];
	char last[37];
};

static int list(void *context, const struct store_session *s)
{
	struct listed *l = context;

	l->n++;
	l->by_state[s->state]++;
	assert_true((s->state == STORE_UNREADABLE) == (s->why != NULL));
	assert_true(l->last[0] == '\0' || strcmp(s->id, l->last) < 0); /* newest first */
	memcpy(l->last, s->id, sizeof(l->last));
	return 0;
}

static void bad_files_are_told_and_hide_nothing(void **state)
{
	struct store_session s[6] = { 0 };
	struct listed l = { 0 };
	struct err err = { 0 };
	char junk[8192];

	memset(junk, 0x5a, sizeof(junk));
	for (int i = 0; i < 4; i++) {
		struct store_writer *w = open_writer(&s[i]);

		add_many(w, 100);
		end(w, &s[i]);
	}
	sql(s[0].id, "PRAGMA user_version = 4");
	open_fails(s[0].id, ENOTSUP, "newer Heddle");
	scribble(s[1].id, 0, junk, sizeof(junk));
	open_fails(s[1].id, EUCLEAN, "damaged");
	sql(s[2].id, "PRAGMA application_id = 7");
	open_fails(s[2].id, EUCLEAN, "not a Heddle session");
	store_new_id(s[4].id);
	scribble(s[4].id, 0, "", 0);
	open_fails(s[4].id, ENODATA, "empty");
	store_new_id(s[5].id);
	scribble(s[5].id, 0, "hello, this is no database but long enough", 42);
	open_fails(s[5].id, EUCLEAN, "damaged");
	assert_int_equal(store_sessions(home, list, &l, &err), 0);
	assert_int_equal(l.n, 6);
	assert_int_equal(l.by_state[STORE_ENDED], 1);
	assert_int_equal(l.by_state[STORE_UNREADABLE], 5);
	/* They can be removed all the same. */
	for (int i = 0; i < 6; i++)
		assert_int_equal(store_delete(home, s[i].id, &err), 0);
	memset(&l, 0, sizeof(l));
	assert_int_equal(store_sessions(home, list, &l, &err), 0);
	assert_int_equal(l.n, 0);
}

static void damage_inside_is_told_when_it_is_met(void **state)
{
	struct store_session s = { 0 };
	struct store_writer *w = open_writer(&s);
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct err err = { 0 };
	char junk[4096];
	uint64_t counted[2] = { 0, 0 };

	memset(junk, 0xff, sizeof(junk));
	add_many(w, 5000);
	end(w, &s);
	for (off_t page = 8; page < 20; page++)
		scribble(s.id, page * 4096, junk, sizeof(junk));
	assert_int_equal(store_reader_open(home, s.id, &r, &err), 0);
	assert_int_equal(store_events(r, &(struct store_filter){ 0 }, count_row, counted, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "damaged"));
}

/* A block that was changed under a healthy database: one error that names the file, after the lines before it. */
static void a_bad_block_is_told(void **state)
{
	static const char *const changes[] = {
		"UPDATE block SET body = substr(body, 1, length(body) - 1) WHERE first > 1000",
		"UPDATE block SET body = zeroblob(100) WHERE first > 1000",
		"UPDATE block SET size = size + 1 WHERE first > 1000",
		"UPDATE block SET lines = lines - 1 WHERE first > 1000",
		"UPDATE block SET lines = 1 << 40, size = 1 << 60 WHERE first > 1000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
		struct store_session s = { 0 };
		struct store_writer *w = open_writer(&s);
		uint64_t counted[2] = { 0, 0 };
		struct err err = { 0 };

		add_many(w, 5000);
		end(w, &s);
		sql(s.id, changes[i]);
		assert_int_equal(store_reader_open(home, s.id, &r, &err), 0);
		assert_int_equal(store_events(r, &(struct store_filter){ 0 }, count_row, counted, &err), -EUCLEAN);
		assert_true(counted[0] >= 1000 && counted[0] < 1300 + 256);
		assert_non_null(strstr(err.text, s.id));
		assert_non_null(strstr(err.text, "damaged (a block of events can't be unpacked)"));
		assert_null(strchr(err.text, '\n'));
		/* Queries that pass over it still work. */
		assert_int_equal(count(s.id, (struct store_filter){ .limit = 500 }), 500);
	}
}

static void finding(void **state)
{
	struct store_session s[2] = { { .id = "0190c0de-0000-7000-8000-000000000001" },
				      { .id = "0190c0de-1111-7000-8000-000000000002" } };
	struct err err = { 0 };
	char id[37];

	assert_int_equal(store_find(home, "last", id, &err), -ENOENT);
	assert_non_null(strstr(err.text, "heddle run"));
	for (int i = 0; i < 2; i++)
		end(open_writer(&s[i]), &s[i]);
	assert_int_equal(store_find(home, "last", id, &err), 0);
	assert_string_equal(id, s[1].id);
	assert_int_equal(store_find(home, "0190c0de-0", id, &err), 0);
	assert_string_equal(id, s[0].id);
	assert_int_equal(store_find(home, "0190c0de", id, &err), -EEXIST);
	assert_non_null(strstr(err.text, s[0].id));
	assert_int_equal(store_find(home, "019", id, &err), -EINVAL);
	assert_int_equal(store_find(home, "ffff", id, &err), -ENOENT);
	assert_int_equal(store_find(home, "../../../etc/passwd", id, &err), -ENOENT);
	assert_int_equal(store_delete(home, "../../etc", &err), -EINVAL);
	/* One id, one session. */
	struct store_writer *w = NULL;
	assert_true(store_writer_open(home, &s[0], &w, &err) < 0);
	assert_int_equal(count(s[0].id, (struct store_filter){ 0 }), 0);
}

static void ids_sort_by_time(void **state)
{
	char ids[200][37];

	for (int i = 0; i < 200; i++) {
		store_new_id(ids[i]);
		assert_int_equal(strlen(ids[i]), 36);
		assert_int_equal(ids[i][14], '7');
		assert_non_null(strchr("89ab", ids[i][19]));
		/* Up to the fraction of the millisecond; below it is chance. */
		if (i > 0)
			assert_true(strncmp(ids[i - 1], ids[i], 18) <= 0);
	}
	assert_string_not_equal(ids[0], ids[1]);
}

static void only_the_owner_reads(void **state)
{
	struct store_session s = { 0 };
	static const char *const suffixes[] = { ".db", ".db-wal", ".db-shm", ".lock" };
	mode_t old = umask(0);
	struct store_writer *w = open_writer(&s);
	struct stat st;
	char path[256];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		(void)snprintf(path, sizeof(path), "%s/sessions/%s%s", home, s.id, suffixes[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	(void)snprintf(path, sizeof(path), "%s/sessions", home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	end(w, &s);
	(void)umask(old);
	/* An ended session is one file, and reading it leaves it so. */
	assert_int_equal(count(s.id, (struct store_filter){ 0 }), 0);
	for (size_t i = 1; i < ARRAY_SIZE(suffixes); i++) {
		(void)snprintf(path, sizeof(path), "%s/sessions/%s%s", home, s.id, suffixes[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void two_writers_do_not_meet(void **state)
{
	struct store_session s[2] = { 0 };
	struct store_writer *a = open_writer(&s[0]), *b = open_writer(&s[1]);

	add_many(a, 3000);
	add_many(b, 2500);
	end(a, &s[0]);
	end(b, &s[1]);
	assert_int_equal(count(s[0].id, (struct store_filter){ 0 }), 3000);
	assert_int_equal(count(s[1].id, (struct store_filter){ 0 }), 2500);
}

static void no_place_is_told(void **state)
{
	struct store_session s = { .id = "0190c0de-0000-7000-8000-000000000001" };
	struct store_writer *w = NULL;
	struct err err = { 0 };

	assert_int_equal(store_writer_open("/proc/heddle", &s, &w, &err), -ENOENT);
	assert_null(w);
	assert_non_null(strstr(err.text, "/proc/heddle"));
	assert_non_null(strstr(err.text, "HEDDLE_HOME"));
	assert_int_equal(store_writer_open("/dev/null", &s, &w, &err), -ENOTDIR);
}

/* In a child: a limit on the size of files stands for a disk that is full. */
static int fill_up(struct store_session *s)
{
	struct rlimit limit = { 300 * 1024, 300 * 1024 };
	struct store_writer *w = open_writer(s);
	struct err err = { 0 };
	uint64_t added = 0, lost = 0;
	char line[1024];
	int r = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 10;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	for (uint64_t i = 1; i <= 5000; i++, added++) {
		int one = add(w, i, HD_FILE_WRITE, 1, line, &err);

		if (i % 100 == 0 && one == 0)
			one = store_writer_commit(w, &err);
		r = r ? r : one;
	}
	for (unsigned i = 0; i <= HD_TYPE_EVENT_MAX; i++)
		lost += store_writer_lost(w)[i];
	store_writer_free(w);
	if (r != -EFBIG || !strstr(err.text, s->id) || !strstr(err.text, "File too large"))
		return 11;
	if (lost == 0 || lost == added)
		return 12;
	return count(s->id, (struct store_filter){ 0 }) == added - lost ? 0 : 13;
}

static void a_full_disk_loses_by_count(void **state)
{
	struct store_session s = { 0 };
	int status;

	store_new_id(s.id);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(fill_up(&s));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void where_home_is(void **state)
{
	char path[64];
	struct err err = { 0 };

	assert_int_equal(setenv("HEDDLE_HOME", "/a/b", 1), 0);
	assert_int_equal(store_home(path, sizeof(path), &err), 0);
	assert_string_equal(path, "/a/b");
	assert_int_equal(store_home(path, 3, &err), -ENAMETOOLONG);
	assert_int_equal(unsetenv("HEDDLE_HOME"), 0);
	assert_int_equal(setenv("XDG_STATE_HOME", "/x/state", 1), 0);
	assert_int_equal(store_home(path, sizeof(path), &err), 0);
	assert_string_equal(path, geteuid() == 0 ? "/var/lib/heddle" : "/x/state/heddle");
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_is_written_comes_back),
		STORE_TEST(filters_agree_with_the_data),
		STORE_TEST(lines_are_bytes_and_a_caller_can_stop),
		STORE_TEST(a_batch_shows_when_it_is_large_or_committed),
		STORE_TEST(blocks_end_where_they_should),
		STORE_TEST(numbers_must_rise),
		STORE_TEST(a_bad_block_is_told),
		STORE_TEST(running_then_ended),
		STORE_TEST(a_killed_writer_leaves_what_it_committed),
		STORE_TEST(bad_files_are_told_and_hide_nothing),
		STORE_TEST(damage_inside_is_told_when_it_is_met),
		STORE_TEST(finding),
		STORE_TEST(only_the_owner_reads),
		STORE_TEST(two_writers_do_not_meet),
		STORE_TEST(no_place_is_told),
		STORE_TEST(a_full_disk_loses_by_count),
		cmocka_unit_test(ids_sort_by_time),
		cmocka_unit_test(where_home_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cli/recover.h: the JSON file and the store of a sensor that died get the same end, and no line of it is torn. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/line.h"
#include "cli/recover.h"
#include "store/store.h"

#define STORED 5 /* lines that the dead sensor had committed */

static char home[64], json_path[96];
static const char id[] = "0190c0de-0000-7000-8000-000000000001";

static int set_up(void **state)
{
	(void)snprintf(home, sizeof(home), "/tmp/heddle-test-recover-XXXXXX");
	if (!mkdtemp(home))
		return -1;
	(void)snprintf(json_path, sizeof(json_path), "%s/out.json", home);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	return remove(path);
}

static int tear_down(void **state)
{
	return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_line(uint64_t sequence, char ret[200])
{
	return snprintf(ret, 200,
			"{\"sequence\":%llu,\"time\":\"2026-01-31T12:00:0%llu.000000000Z\",\"type\":\"file_open\","
			"\"session\":\"%s\"}",
			(unsigned long long)sequence, (unsigned long long)sequence, id);
}

/* A sensor that had counted 20 opens, stored STORED of them, folded 3 and lost 2. */
static void sensor_dies(void)
{
	struct store_session s = { .started_ns = 5, .command = "agent", .start_line = "{}", .exit_status = -1 };
	struct ledger ledger = { 0 };
	struct store_writer *w = NULL;
	struct err err = { 0 };
	char line[200];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		return;
	}
	memcpy(s.id, id, sizeof(id));
	ledger.rows[HD_LANE_BULK][HD_FILE_OPEN] = (struct ledger_row){ .made = 20, .folded = 3, .lost = 2 };
	if (store_writer_open(home, &s, &w, &err) < 0)
		_exit(1);
	for (uint64_t i = 1; i <= STORED; i++) {
		int n = make_line(i, line);

		(void)store_writer_add(w, i, (int64_t)i, HD_FILE_OPEN, 1, "p", (struct bytes){ line, (size_t)n }, &err);
	}
	(void)store_writer_beat(w, &ledger, &err);
	(void)store_writer_commit(w, &err);
	(void)raise(SIGKILL);
}

/* Whole lines, and the first bytes of one more. */
static int json_file(uint64_t lines, size_t torn)
{
	int fd = open(json_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char line[200];

	assert_true(fd >= 0);
	for (uint64_t i = 1; i <= lines + 1; i++) {
		size_t n = (size_t)make_line(i, line);

		line[n++] = '\n';
		if (i > lines)
			n = torn;
		assert_int_equal(write(fd, line, n), (ssize_t)n);
	}
	return fd;
}

static void die(int json_fd, const char *from_home)
{
	const struct recover_death death = {
		.why = "the sensor was killed (SIGKILL)",
		.known = true,
		.status = 9,
		.offset_ns = clock_offset_ns(),
		.json_fd = json_fd,
	};
	struct err err = { 0 };

	if (recover_session(from_home, id, &death, &err) < 0)
		fail_msg("%s", err.text);
	if (json_fd >= 0)
		(void)close(json_fd);
}

struct lines {
	struct line *at[32];
	char text[32][2048];
	size_t n;
};

static void take(struct lines *l, const char *text, size_t length)
{
	assert_true(l->n < 32 && length < sizeof(l->text[0]));
	memcpy(l->text[l->n], text, length);
	l->text[l->n][length] = '\0';
	assert_int_equal(line_parse(text, length, &l->at[l->n]), 0);
	l->n++;
}

static void read_json(struct lines *ret)
{
	char text[2048];
	FILE *file = fopen(json_path, "re");

	assert_non_null(file);
	while (fgets(text, sizeof(text), file)) {
		size_t n = strlen(text);

		assert_int_equal(text[n - 1], '\n');
		take(ret, text, n - 1);
	}
	(void)fclose(file);
}

static int on_row(void *context, const struct store_row *row)
{
	take(context, row->line.data, row->line.length);
	return 0;
}

static void read_store(struct lines *ret)
{
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct err err = { 0 };

	assert_int_equal(store_reader_open(home, id, &r, &err), 0);
	const struct store_session *s = store_reader_session(r);
	assert_int_equal(s->state, STORE_INTERRUPTED);
	assert_true(s->ended_ns > 0 && s->exit_status == 137 && s->events == STORED);
	assert_int_equal(store_events(r, &(struct store_filter){ 0 }, on_row, ret, &err), 0);
}

static void lines_done(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		line_free(l->at[i]);
}


/* The JSON file was ahead of the store, and its last line was not finished. */
static void both_get_the_same_end(void **state)
{
	static struct lines json, store;

	sensor_dies();
	die(json_file(8, 40), home);
	json = store = (struct lines){ 0 };
	read_json(&json);
	read_store(&store);
	assert_int_equal(json.n, 8 + 3);
	assert_int_equal(store.n, STORED + 3);
	for (size_t i = 0; i < json.n; i++)
		assert_int_equal(line_uint(json.at[i], "sequence"), i + 1);
	for (size_t i = 1; i <= 3; i++)
		assert_string_equal(json.text[json.n - i], store.text[store.n - i]);
	/* 20 made: 5 are stored, 3 folded, 2 were lost before; the other 10 died with the sensor. */
	assert_non_null(strstr(json.text[10], "\"file_open\":{\"made\":20,\"delivered\":5,\"folded\":3,\"lost\":12}"));
	assert_non_null(strstr(json.text[10], "\"as_of\""));
	lines_done(&json);
	lines_done(&store);
	/* Once is enough. */
	die(open(json_path, O_WRONLY | O_CLOEXEC), home);
	json = (struct lines){ 0 };
	read_json(&json);
	assert_int_equal(json.n, 8 + 3);
	lines_done(&json);
}

static void a_file_alone_gets_an_end(void **state)
{
	static struct lines json;

	die(json_file(8, 1), NULL);
	json = (struct lines){ 0 };
	read_json(&json);
	assert_int_equal(json.n, 8 + 2);
	assert_string_equal(line_text(json.at[8], "type").data, "gap");
	assert_string_equal(line_text(json.at[8], "from").data, "2026-01-31T12:00:08.000000000Z");
	assert_true(line_true(json.at[9], "interrupted"));
	lines_done(&json);
}

/* Where the file can't be read back (a pipe) nothing is added: nobody knows whether its last line is whole. */
static void a_pipe_is_left_alone(void **state)
{
	static struct lines store;
	int fds[2];
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	sensor_dies();
	die(fds[1], home);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	(void)close(fds[0]);
	store = (struct lines){ 0 };
	read_store(&store);
	assert_int_equal(store.n, STORED + 3);
	lines_done(&store);
}

/* A reader that has no key, or must not write, makes neither. */
static void a_reader_without_the_key_writes_nothing(void **state)
{
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	char path[128];
	struct err err = { 0 };

	sensor_dies();
	(void)snprintf(path, sizeof(path), "%s/keys/ed25519.pem", home);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/keys/ed25519.pub", home);
	assert_int_equal(unlink(path), 0);
	recover_found(home, id);
	recover_all(home);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(store_reader_open(home, id, &r, &err), 0);
	assert_int_equal(store_reader_session(r)->state, STORE_INTERRUPTED);
	assert_int_equal(store_reader_session(r)->ended_ns, 0);
}

int main(void)
{
#define RECOVER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		RECOVER_TEST(both_get_the_same_end),
		RECOVER_TEST(a_file_alone_gets_an_end),
		RECOVER_TEST(a_pipe_is_left_alone),
		RECOVER_TEST(a_reader_without_the_key_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

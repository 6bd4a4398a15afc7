/* SPDX-License-Identifier: Apache-2.0 */
/* store/chain.h, check.h, key.h: forms come back, keys are guarded, a chain goes on after its writer died. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/check.h"
#include "store/internal.h"
#include "store/key.h"
#include "store/store.h"

#define LINES 700

static char home[64];
static const char id[] = "0190c0de-0000-7000-8000-000000000001";

static int set_up(void **state)
{
	(void)snprintf(home, sizeof(home), "/tmp/heddle-test-chain-XXXXXX");
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

static struct store_writer *begin(void)
{
	struct store_session s = { .started_ns = 5, .command = "agent", .start_line = "{}", .exit_status = -1 };
	struct store_writer *w = NULL;
	struct err err = { 0 };

	memcpy(s.id, id, sizeof(id));
	if (store_writer_open(home, &s, &w, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

static void add(struct store_writer *w, uint64_t from, uint64_t to)
{
	struct err err = { 0 };
	char line[160];

	for (uint64_t i = from; i <= to; i++) {
		int n = snprintf(line, sizeof(line), "{\"sequence\":%llu,\"session\":\"%s\",\"path\":\"/%llx\"}",
				 (unsigned long long)i, id, (unsigned long long)(i * i));

		assert_int_equal(store_writer_add(w, i, (int64_t)i, (unsigned)(i % 7), 1, "p",
						  (struct bytes){ line, (size_t)n }, &err),
				 0);
	}
}

static void finish(struct store_writer *w)
{
	struct store_session s = { .ended_ns = 9, .end_line = "{1}", .ledger_line = "{2}", .exit_status = 3 };
	struct err err = { 0 };

	if (store_writer_end(w, &s, &err) < 0)
		fail_msg("%s", err.text);
	store_writer_free(w);
}

static void sql(const char *text)
{
	char path[256];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/sessions/%s.db", home, id);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	(void)sqlite3_close(db);
}

static struct check *look(void)
{
	char path[256];
	struct check *c = NULL;
	struct err err = { 0 };
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/sessions/%s.db", home, id);
	if (store_open_read(path, &db, &err) < 0 || check_store(db, path, NULL, &c, &err) < 0)
		fail_msg("%s", err.text);
	(void)sqlite3_close_v2(db);
	return c;
}

static void finds(enum check_what what, uint64_t sequence)
{
	_cleanup_(check_free_p) struct check *c = look();
	const struct check_finding *f = check_finding(c);

	if (f->what != what || f->sequence != sequence)
		fail_msg("%s at %llu: %s", check_what_name(f->what), (unsigned long long)f->sequence, f->text);
}

static void a_whole_session_is_good(void **state)
{
	struct store_writer *w = begin();

	add(w, 1, LINES);
	finish(w);
	_cleanup_(check_free_p) struct check *c = look();
	assert_string_equal(check_finding(c)->text, "");
	const struct check_end *e = check_end(c);
	assert_true(e->ended && e->lines == LINES && e->sequence == LINES && e->signed_sequence == LINES);
	assert_int_equal(e->counts.stored[3], LINES / 7);
	assert_int_equal(e->holes, 0);
}

static void rows_that_change_are_told(void **state)
{
	struct store_writer *w = begin();

	add(w, 1, LINES);
	finish(w);
	sql("CREATE TABLE b AS SELECT * FROM block; CREATE TABLE k AS SELECT * FROM checkpoint;"
	    "CREATE TABLE s AS SELECT * FROM session");
	const struct {
		const char *how;
		enum check_what what;
		uint64_t sequence;
	} cases[] = {
		{ "DELETE FROM block WHERE first = 257", CHECK_REMOVED, 257 },
		{ "DELETE FROM block WHERE first = 1", CHECK_REMOVED, 1 },
		{ "DELETE FROM block WHERE first = 513", CHECK_REMOVED, 513 },
		{ "UPDATE block SET types = types + 128 WHERE first = 257", CHECK_CHANGED, 0 },
		{ "UPDATE block SET marks = zeroblob(1024) WHERE first = 257", CHECK_CHANGED, 257 },
		{ "UPDATE block SET link = zeroblob(32) WHERE first = 513", CHECK_CHANGED, 0 },
		{ "UPDATE block SET link = x'00' WHERE first = 257", CHECK_CHANGED, 0 },
		{ "UPDATE block SET lines = 255 WHERE first = 257", CHECK_CHANGED, 0 },
		{ "UPDATE block SET body = (SELECT body FROM b WHERE first = 1), size = (SELECT size FROM b WHERE "
		  "first = 1)"
		  " WHERE first = 257",
		  CHECK_CHANGED, 257 },
		{ "INSERT INTO block SELECT 600, 600, first_ns, last_ns, types, pids, lines, size, digest, link, "
		  "marks, body"
		  " FROM b WHERE first = 257",
		  CHECK_INSERTED, 600 },
		{ "INSERT INTO block SELECT 900, 701, first_ns, last_ns, types, pids, lines, size, digest, link, "
		  "marks, body"
		  " FROM b WHERE first = 257",
		  CHECK_INSERTED, 701 },
		{ "UPDATE session SET command = 'nothing'", CHECK_SESSION, 0 },
		{ "UPDATE session SET started_ns = 6", CHECK_SESSION, 0 },
		{ "UPDATE session SET ledger_line = '{3}'", CHECK_END, 0 },
		{ "UPDATE session SET exit_status = 0", CHECK_END, 0 },
		{ "UPDATE session SET events = events - 1", CHECK_END, 0 },
		{ "UPDATE session SET ended_ns = NULL", CHECK_END, 0 },
		{ "DELETE FROM checkpoint WHERE kind = 5", CHECK_END, 0 },
		{ "DELETE FROM checkpoint", CHECK_CHECKPOINT, 0 },
		{ "DELETE FROM checkpoint WHERE n = 1", CHECK_CHECKPOINT, 0 },
		{ "UPDATE checkpoint SET counts = x'00' WHERE n = 1", CHECK_CHECKPOINT, 0 },
		{ "UPDATE checkpoint SET time_ns = 1 WHERE n = 1", CHECK_CHECKPOINT, 0 },
	};
	finds(CHECK_GOOD, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sql(cases[i].how);
		finds(cases[i].what, cases[i].sequence);
		sql("DELETE FROM block; DELETE FROM checkpoint; DELETE FROM session;"
		    "INSERT INTO block SELECT * FROM b; INSERT INTO checkpoint SELECT * FROM k;"
		    "INSERT INTO session SELECT * FROM s");
	}
	finds(CHECK_GOOD, 0);
}

static void kill_a_writer(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store_writer *w = begin();
		struct err err = { 0 };

		add(w, 1, LINES);
		(void)store_writer_commit(w, &err);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_dead_writers_session_goes_on(void **state)
{
	struct store_writer *w = NULL;
	struct err err = { 0 };
	struct store_remains remains = { 0 };

	kill_a_writer();
	finds(CHECK_GOOD, 0);
	if (store_writer_recover(home, id, &w, &remains, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(remains.sequence, LINES);
	uint64_t stored = 0;
	for (size_t i = 0; i <= HD_TYPE_EVENT_MAX; i++)
		stored += remains.stored[i];
	assert_int_equal(stored, LINES);
	assert_true(remains.beat_boot_ns > 0 && remains.started_ns > 0);
	assert_int_equal(store_writer_recover(home, id, &(struct store_writer *){ NULL }, &remains, &err), -EBUSY);
	add(w, LINES + 1, LINES + 5);
	finish(w);
	_cleanup_(check_free_p) struct check *c = look();
	assert_string_equal(check_finding(c)->text, "");
	assert_true(check_end(c)->ended && check_end(c)->lines == LINES + 5 && check_end(c)->recovered == 1);
	assert_int_equal(store_writer_recover(home, id, &w, &remains, &err), -EALREADY);
}

static void what_was_altered_does_not_go_on(void **state)
{
	struct store_writer *w = NULL;
	struct err err = { 0 };
	struct store_remains remains = { 0 };

	kill_a_writer();
	sql("DELETE FROM block WHERE first = 257");
	assert_int_equal(store_writer_recover(home, id, &w, &remains, &err), -EUCLEAN);
	assert_null(w);
}

static void a_beat_shows_life(void **state)
{
	_cleanup_(store_reader_free_p) struct store_reader *r = NULL;
	struct store_writer *w = begin();
	struct ledger ledger = { 0 };
	struct err err = { 0 };

	ledger.rows[HD_LANE_BULK][HD_FILE_OPEN].made = 41;
	add(w, 1, 10);
	assert_int_equal(store_writer_beat(w, &ledger, &err), 0);
	assert_int_equal(store_writer_commit(w, &err), 0);
	assert_int_equal(store_reader_open(home, id, &r, &err), 0);
	const struct store_session *s = store_reader_session(r);
	assert_int_equal(s->beat_sequence, 10);
	assert_true(s->beat_ns > 0 && s->beat_boot_ns > 0 && s->schema == STORE_SCHEMA);
	finish(w);
	_cleanup_(check_free_p) struct check *c = look();
	assert_int_equal(check_end(c)->counts.ledger[HD_FILE_OPEN].made, 41);
}

static void counts_come_back(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(CHAIN_COUNTS_MAX);
	struct chain_counts c = { 0 }, got;

	c.stored[0] = 127;
	c.stored[HD_TYPE_EVENT_MAX] = 128;
	c.unstored[2] = UINT64_MAX;
	c.ledger[3] = (struct ledger_row){ 1, 16383, 16384, UINT64_MAX - 1 };
	chain_counts_encode(&c, &out);
	assert_int_equal(chain_counts_decode((struct bytes){ out.data, out.length }, &got), 0);
	assert_memory_equal(&c, &got, sizeof(c));
	for (size_t i = 0; i < out.length; i++)
		assert_int_equal(chain_counts_decode((struct bytes){ out.data, i }, &got), -EBADMSG);
	assert_int_equal(chain_counts_decode(BYTES("\x81\x00\0\0\0\0\0\0"), &got), -EBADMSG);
	assert_int_equal(chain_counts_decode(BYTES("\x00\x00"), &got), -EBADMSG);
}

static void messages_come_back(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(CHAIN_MESSAGE_MAX);
	struct chain_checkpoint c = { .n = 7,
				      .kind = CHAIN_END,
				      .sequence = 1ULL << 40,
				      .time_ns = -3,
				      .boot_ns = 4,
				      .counts = BYTES("\x00") },
				got;

	memcpy(c.session, id, sizeof(id));
	memset(c.link, 1, CHAIN_HASH);
	memset(c.before, 2, CHAIN_HASH);
	memset(c.end, 3, CHAIN_HASH);
	chain_message(&c, &out);
	assert_int_equal(chain_message_decode((struct bytes){ out.data, out.length }, &got), 0);
	assert_true(got.n == 7 && got.kind == CHAIN_END && got.sequence == c.sequence && got.time_ns == -3);
	assert_memory_equal(got.link, c.link, CHAIN_HASH);
	assert_memory_equal(got.before, c.before, CHAIN_HASH);
	assert_memory_equal(got.end, c.end, CHAIN_HASH);
	assert_string_equal(got.session, id);
	for (size_t i = 0; i < out.length; i++)
		assert_int_equal(chain_message_decode((struct bytes){ out.data, i }, &got), -EBADMSG);
}

static void keys_are_one_and_guarded(void **state)
{
	char path[128];
	_cleanup_(key_free_p) struct key *a = NULL, *b = NULL;
	uint8_t signature[CHAIN_SIGNATURE], public_key[CHAIN_PUBLIC];
	struct key *c = NULL;
	struct err err = { 0 };
	struct stat st;

	assert_int_equal(key_open(home, &a, &err), 0);
	assert_int_equal(key_open(home, &b, &err), 0);
	assert_memory_equal(key_public(a), key_public(b), CHAIN_PUBLIC);
	assert_int_equal(key_sign(a, BYTES("words"), signature), 0);
	assert_int_equal(key_verify(key_public(b), BYTES("words"), signature), 1);
	assert_int_equal(key_verify(key_public(b), BYTES("wordz"), signature), 0);
	(void)snprintf(path, sizeof(path), "%s/keys/ed25519.pub", home);
	assert_int_equal(key_read_public(path, public_key, &err), 0);
	assert_memory_equal(key_public(a), public_key, CHAIN_PUBLIC);
	(void)snprintf(path, sizeof(path), "%s/keys/ed25519.pem", home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(key_open(home, &c, &err), -EPERM);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 40), 0);
	assert_int_equal(key_open(home, &c, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "damaged"));
}

static void first_runs_at_once_have_one_key(void **state)
{
	uint8_t keys[8][CHAIN_PUBLIC];
	int out[2], go[2];

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			struct key *k = NULL;
			struct err err;
			char c;

			(void)close(go[1]);
			(void)!read(go[0], &c, 1);
			if (key_open(home, &k, &err) == 0)
				(void)!write(out[1], key_public(k), CHAIN_PUBLIC);
			_exit(0);
		}
	}
	(void)close(go[1]);
	(void)close(out[1]);
	for (int i = 0; i < 8; i++)
		assert_int_equal(read(out[0], keys[i], CHAIN_PUBLIC), CHAIN_PUBLIC);
	for (int i = 0; i < 8; i++) {
		assert_memory_equal(keys[0], keys[i], CHAIN_PUBLIC);
		(void)wait(NULL);
	}
	(void)close(go[0]);
	(void)close(out[0]);
}

int main(void)
{
#define CHAIN_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CHAIN_TEST(a_whole_session_is_good),
		CHAIN_TEST(rows_that_change_are_told),
		CHAIN_TEST(a_dead_writers_session_goes_on),
		CHAIN_TEST(what_was_altered_does_not_go_on),
		CHAIN_TEST(a_beat_shows_life),
		CHAIN_TEST(keys_are_one_and_guarded),
		CHAIN_TEST(first_runs_at_once_have_one_key),
		cmocka_unit_test(counts_come_back),
		cmocka_unit_test(messages_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

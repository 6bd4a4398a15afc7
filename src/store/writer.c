/* SPDX-License-Identifier: Apache-2.0 */
/* The one writer of a session. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define BATCH_ROWS 2000
#define RETRY_NS 1000000000ULL

struct store_writer {
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *insert, *count;
	int lock_fd;
	bool in_batch;
	unsigned rows;                            /* in the open batch */
	uint64_t events;                          /* committed */
	uint64_t pending[HD_TYPE_EVENT_MAX + 1];  /* in the open batch */
	uint64_t lost[HD_TYPE_EVENT_MAX + 1];
	uint64_t retry_ns;                        /* CLOCK_MONOTONIC; 0: healthy */
	struct err broken;                        /* what failed last */
	char path[PATH_MAX];
	char lock_path[PATH_MAX];
};

/* mkdir -p of everything in path; what it makes is the owner's alone. */
static int make_directories(const char *path, struct err *err)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof(part))
		return err_set(err, ENAMETOOLONG, "%s: the path is too long", path);
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST && errno != EISDIR) {
			int code = errno;

			return err_set(err, code,
				       "can't make the directory %s: %s; set HEDDLE_HOME to one you can write to", part,
				       strerror(code));
		}
	}
	return 0;
}

/* Makes the empty file with its mode before SQLite sees it, and the name durable. */
static int make_file(const char *home, const char *path, struct err *err)
{
	char directory[PATH_MAX];
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(err, errno, "can't make %s", path);
	(void)snprintf(directory, sizeof(directory), "%s/sessions", home);
	_cleanup_close_ int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || fsync(dir_fd) < 0)
		return err_errno(err, errno, "can't write to %s", directory);
	return 0;
}

static int run(struct store_writer *w, const char *sql, struct err *err)
{
	if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_sql_error(w->db, "write", w->path, err);
	return 0;
}

static int prepare(struct store_writer *w, const char *sql, sqlite3_stmt **ret, struct err *err)
{
	if (sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
		return store_sql_error(w->db, "write", w->path, err);
	return 0;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text)
		(void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(statement, at);
}

static int open_database(struct store_writer *w, struct err *err)
{
	if (sqlite3_open_v2(w->path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return store_sql_error(w->db, "open", w->path, err);
	(void)sqlite3_extended_result_codes(w->db, 1);
	(void)sqlite3_busy_timeout(w->db, STORE_BUSY_MS);
	/* NORMAL: a power cut may cost the last batches but never the file. */
	return run(w, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
		      "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 33554432;", err);
}

static int write_session(struct store_writer *w, const struct store_session *s, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *insert = NULL;
	int r = run(w, "BEGIN IMMEDIATE", err);

	if (r < 0)
		return r;
	if (store_schema_create(w->db) != SQLITE_OK)
		return store_sql_error(w->db, "write", w->path, err);
	r = prepare(w,
		    "INSERT INTO session (one, id, started_ns, command, start_line, events) VALUES (1, ?, ?, ?, ?, 0)",
		    &insert, err);
	if (r < 0)
		return r;
	bind_text(insert, 1, s->id);
	(void)sqlite3_bind_int64(insert, 2, s->started_ns);
	bind_text(insert, 3, s->command ? s->command : "");
	bind_text(insert, 4, s->start_line ? s->start_line : "");
	if (sqlite3_step(insert) != SQLITE_DONE)
		return store_sql_error(w->db, "write", w->path, err);
	return run(w, "COMMIT", err);
}

static int prepare_all(struct store_writer *w, struct err *err)
{
	int r = prepare(w, "BEGIN IMMEDIATE", &w->begin, err);

	if (r >= 0)
		r = prepare(w, "COMMIT", &w->commit, err);
	if (r >= 0)
		r = prepare(w,
			    "INSERT INTO line (sequence, time_ns, type, pid, process, body) VALUES (?, ?, ?, ?, ?, ?)",
			    &w->insert, err);
	if (r >= 0)
		r = prepare(w, "UPDATE session SET events = ?", &w->count, err);
	return r;
}

static void close_database(struct store_writer *w)
{
	sqlite3_finalize(TAKE_PTR(w->begin));
	sqlite3_finalize(TAKE_PTR(w->commit));
	sqlite3_finalize(TAKE_PTR(w->insert));
	sqlite3_finalize(TAKE_PTR(w->count));
	(void)sqlite3_close_v2(TAKE_PTR(w->db));
}

int store_writer_open(const char *home, const struct store_session *session, struct store_writer **ret, struct err *err)
{
	_cleanup_(store_writer_free_p) struct store_writer *w = calloc(1, sizeof(*w));
	char directory[PATH_MAX];

	if (!w)
		return err_set(err, ENOMEM, "out of memory");
	w->lock_fd = -1;
	int n = snprintf(directory, sizeof(directory), "%s/sessions", home);
	if (n < 0 || (size_t)n >= sizeof(directory))
		return err_set(err, ENAMETOOLONG, "%s: the path is too long", home);
	int r = store_path(w->path, home, session->id, ".db", err);
	if (r < 0)
		return r;
	r = store_path(w->lock_path, home, session->id, ".lock", err);
	if (r < 0)
		return r;
	r = make_directories(directory, err);
	if (r < 0)
		return r;
	/* The lock comes first: who sees the file finds it locked. */
	r = store_lock_take(home, session->id, &w->lock_fd, err);
	if (r >= 0)
		r = make_file(home, w->path, err);
	if (r < 0)
		return r;
	r = open_database(w, err);
	if (r >= 0)
		r = write_session(w, session, err);
	if (r >= 0)
		r = prepare_all(w, err);
	if (r < 0) {
		/* A session that never began leaves nothing behind. */
		close_database(w);
		(void)unlink(w->path);
		(void)store_path(directory, home, session->id, ".db-wal", NULL);
		(void)unlink(directory);
		(void)store_path(directory, home, session->id, ".db-shm", NULL);
		(void)unlink(directory);
		(void)unlink(w->lock_path);
		return r;
	}
	*ret = TAKE_PTR(w);
	return 0;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* The open batch is gone: counts it, and keeps the error for those who come before the disk is tried again. */
static int drop_batch(struct store_writer *w, struct err *err)
{
	int r = store_sql_error(w->db, "write", w->path, &w->broken);

	(void)sqlite3_reset(w->begin);
	(void)sqlite3_reset(w->insert);
	(void)sqlite3_reset(w->count);
	(void)sqlite3_reset(w->commit);
	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(w->db))
		(void)sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(w->pending); i++) {
		w->lost[i] += w->pending[i];
		w->pending[i] = 0;
	}
	w->rows = 0;
	w->in_batch = false;
	w->retry_ns = monotonic_ns() + RETRY_NS;
	if (err)
		*err = w->broken;
	return r;
}

static bool step(sqlite3_stmt *statement)
{
	return sqlite3_step(statement) == SQLITE_DONE && sqlite3_reset(statement) == SQLITE_OK;
}

int store_writer_add(struct store_writer *w, uint64_t sequence, int64_t time_ns, unsigned type, uint32_t pid,
		     const char *process, struct bytes line, struct err *err)
{
	unsigned kind = type <= HD_TYPE_EVENT_MAX ? type : 0;

	if (w->retry_ns) {
		if (monotonic_ns() < w->retry_ns) {
			w->lost[kind]++;
			if (err)
				*err = w->broken;
			return -w->broken.code;
		}
		w->retry_ns = 0;
	}
	w->pending[kind]++;
	if (!w->in_batch) {
		if (!step(w->begin))
			return drop_batch(w, err);
		w->in_batch = true;
	}
	(void)sqlite3_bind_int64(w->insert, 1, (int64_t)sequence);
	(void)sqlite3_bind_int64(w->insert, 2, time_ns);
	(void)sqlite3_bind_int64(w->insert, 3, (int64_t)type);
	(void)sqlite3_bind_int64(w->insert, 4, (int64_t)pid);
	bind_text(w->insert, 5, process ? process : "");
	(void)sqlite3_bind_text64(w->insert, 6, line.data ? line.data : "", line.length, SQLITE_STATIC, SQLITE_UTF8);
	if (!step(w->insert))
		return drop_batch(w, err);
	if (++w->rows >= BATCH_ROWS)
		return store_writer_commit(w, err);
	return 0;
}

int store_writer_commit(struct store_writer *w, struct err *err)
{
	uint64_t events = w->events;

	if (!w->in_batch)
		return 0;
	for (size_t i = 1; i < ARRAY_SIZE(w->pending); i++)
		events += w->pending[i];
	(void)sqlite3_bind_int64(w->count, 1, (int64_t)events);
	if (!step(w->count) || !step(w->commit))
		return drop_batch(w, err);
	w->events = events;
	w->rows = 0;
	w->in_batch = false;
	memset(w->pending, 0, sizeof(w->pending));
	return 0;
}

const uint64_t *store_writer_lost(const struct store_writer *w)
{
	return w->lost;
}

int store_writer_end(struct store_writer *w, const struct store_session *session, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *update = NULL;

	if (!w->db)
		return err_set(err, EBADF, "%s has ended already", w->path);
	int r = store_writer_commit(w, err);
	if (r < 0)
		return r;
	r = prepare(w, "UPDATE session SET ended_ns = ?, end_line = ?, ledger_line = ?, exit_status = ?", &update, err);
	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(update, 1, session->ended_ns);
	bind_text(update, 2, session->end_line);
	bind_text(update, 3, session->ledger_line);
	if (session->exit_status >= 0)
		(void)sqlite3_bind_int(update, 4, session->exit_status);
	if (sqlite3_step(update) != SQLITE_DONE)
		return store_sql_error(w->db, "write", w->path, err);
	sqlite3_finalize(TAKE_PTR(update));
	/*
	 * The log goes into the file, and the file needs none from now on, so that reading leaves nothing beside it.
	 * While a reader has it open the log stays, which costs nothing but its space.
	 */
	(void)sqlite3_busy_timeout(w->db, 0);
	(void)sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_exec(w->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	close_database(w);
	(void)unlink(w->lock_path);
	close_fd(&w->lock_fd);
	w->lock_fd = -1;
	return 0;
}

void store_writer_free(struct store_writer *w)
{
	if (!w)
		return;
	if (w->db && w->in_batch)
		(void)store_writer_commit(w, NULL);
	close_database(w);
	close_fd(&w->lock_fd);
	free(w);
}

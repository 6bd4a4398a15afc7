/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's file as its writer has it: made, locked, filled with blocks, ended. One thread at a time.
 */
#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/head.h"
#include "store/seal.h"

#define BATCH_LINES 2000
#define RETRY_NS CLOCK_SECOND_NS

struct disk {
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *insert, *count;
	int lock_fd;
	bool in_batch;
	unsigned lines;                           /* in the open batch */
	uint64_t events;                          /* committed by this writer or the one before it */
	uint64_t pending[HD_TYPE_EVENT_MAX + 1];  /* lines in the open batch */
	uint64_t lost[HD_TYPE_EVENT_MAX + 1];
	uint64_t retry_ns;                        /* boottime; 0: to be tried at once */
	sqlite3_int64 size;                       /* of the file, the most that it had: it never shrinks by itself */
	bool sick;                                /* nothing was committed since something failed */
	struct err broken;                        /* what failed last */
	struct block_packer *packer;
	struct seal *seal;
	uint64_t refused[HD_TYPE_EVENT_MAX + 1];
	char home[PATH_MAX];
	char path[PATH_MAX];
	char lock_path[PATH_MAX];
};

int store_make_directories(const char *path, struct err *err)
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

static int run(struct disk *d, const char *sql, struct err *err)
{
	if (sqlite3_exec(d->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_sql_error(d->db, "write", d->path, err);
	return 0;
}

static int prepare(struct disk *d, const char *sql, sqlite3_stmt **ret, struct err *err)
{
	if (sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
		return store_sql_error(d->db, "write", d->path, err);
	return 0;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text)
		(void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(statement, at);
}

static int open_database(struct disk *d, struct err *err)
{
	if (sqlite3_open_v2(d->path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return store_sql_error(d->db, "open", d->path, err);
	(void)sqlite3_extended_result_codes(d->db, 1);
	(void)sqlite3_busy_timeout(d->db, STORE_BUSY_MS);
	/* One that is recovered may have been changed: what it has besides tables is not run. */
	(void)sqlite3_db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	/* NORMAL: a power cut may cost the last batches but never the file. */
	return run(d, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
		      "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608;"
		      "PRAGMA cache_size = -512;", err);
}

static int write_session(struct disk *d, const struct store_session *s, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *insert = NULL;
	struct chain_start start = {
		.id = s->id,
		.started_ns = s->started_ns,
		.command = s->command ? s->command : "",
		.start_line = s->start_line ? s->start_line : "",
	};
	int r = run(d, "BEGIN IMMEDIATE", err);

	if (r < 0)
		return r;
	if (store_schema_create(d->db) != SQLITE_OK)
		return store_sql_error(d->db, "write", d->path, err);
	r = prepare(d,
		    "INSERT INTO session (one, id, started_ns, command, start_line, events, public_key)"
		    " VALUES (1, ?, ?, ?, ?, 0, ?)",
		    &insert, err);
	if (r < 0)
		return r;
	bind_text(insert, 1, s->id);
	(void)sqlite3_bind_int64(insert, 2, s->started_ns);
	bind_text(insert, 3, start.command);
	bind_text(insert, 4, start.start_line);
	(void)sqlite3_bind_blob(insert, 5, seal_public(d->seal), CHAIN_PUBLIC, SQLITE_STATIC);
	if (sqlite3_step(insert) != SQLITE_DONE)
		return store_sql_error(d->db, "write", d->path, err);
	memcpy(start.public_key, seal_public(d->seal), CHAIN_PUBLIC);
	r = seal_attach(d->seal, d->db, d->path, err);
	if (r >= 0)
		r = seal_begin(d->seal, &start, err);
	if (r >= 0)
		r = run(d, "COMMIT", err);
	if (r >= 0)
		seal_committed(d->seal);
	return r;
}

static int prepare_all(struct disk *d, struct err *err)
{
	int r = prepare(d, "BEGIN IMMEDIATE", &d->begin, err);

	if (r >= 0)
		r = prepare(d, "COMMIT", &d->commit, err);
	if (r >= 0)
		r = prepare(d,
			    "INSERT INTO block (last, first, first_ns, last_ns, types, pids, lines, size, digest, link,"
			    " marks, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			    &d->insert, err);
	if (r >= 0)
		r = prepare(d, "UPDATE session SET events = ?", &d->count, err);
	return r;
}

static void close_database(struct disk *d)
{
	sqlite3_finalize(TAKE_PTR(d->begin));
	sqlite3_finalize(TAKE_PTR(d->commit));
	sqlite3_finalize(TAKE_PTR(d->insert));
	sqlite3_finalize(TAKE_PTR(d->count));
	if (d->seal)
		seal_done(d->seal);
	(void)sqlite3_close_v2(TAKE_PTR(d->db));
}

static int disk_new(const char *home, const char *id, struct disk **ret, struct err *err)
{
	_cleanup_(disk_free_p) struct disk *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, ENOMEM, "out of memory");
	d->lock_fd = -1;
	d->packer = block_packer_new();
	if (!d->packer)
		return err_set(err, ENOMEM, "out of memory");
	(void)snprintf(d->home, sizeof(d->home), "%s", home);
	int r = store_path(d->path, home, id, ".db", err);
	if (r >= 0)
		r = store_path(d->lock_path, home, id, ".lock", err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

int disk_open(const char *home, const struct store_session *session, struct disk **ret, struct err *err)
{
	_cleanup_(disk_free_p) struct disk *d = NULL;
	char directory[PATH_MAX];

	int r = disk_new(home, session->id, &d, err);
	if (r < 0)
		return r;
	int n = snprintf(directory, sizeof(directory), "%s/sessions", home);
	if (n < 0 || (size_t)n >= sizeof(directory))
		return err_set(err, ENAMETOOLONG, "%s: the path is too long", home);
	r = store_make_directories(directory, err);
	if (r >= 0)
		r = seal_open(home, &d->seal, err);
	if (r < 0)
		return r;
	/* The lock comes first: who sees the file finds it locked. */
	r = store_lock_take(home, session->id, &d->lock_fd, err);
	if (r >= 0)
		r = make_file(home, d->path, err);
	if (r < 0)
		return r;
	r = open_database(d, err);
	if (r >= 0)
		r = write_session(d, session, err);
	if (r >= 0)
		r = prepare_all(d, err);
	if (r < 0) {
		/* A session that never began leaves nothing behind. */
		close_database(d);
		(void)unlink(d->path);
		(void)store_path(directory, home, session->id, ".db-wal", NULL);
		(void)unlink(directory);
		(void)store_path(directory, home, session->id, ".db-shm", NULL);
		(void)unlink(directory);
		(void)unlink(d->lock_path);
		return r;
	}
	*ret = TAKE_PTR(d);
	return 0;
}

/* Takes the chain over, in a transaction that nobody writes beside. */
static int take_over(struct disk *d, const char *id, struct store_remains *ret, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;
	int r = run(d, "BEGIN IMMEDIATE", err);

	if (r >= 0)
		r = prepare(d, "SELECT events, ended_ns, started_ns FROM session", &select, err);
	if (r < 0)
		return r;
	if (sqlite3_step(select) != SQLITE_ROW)
		return store_sql_error(d->db, "read", d->path, err);
	if (sqlite3_column_int64(select, 1))
		return err_set(err, EALREADY, "session %s has ended", id);
	d->events = (uint64_t)sqlite3_column_int64(select, 0);
	ret->started_ns = sqlite3_column_int64(select, 2);
	sqlite3_finalize(TAKE_PTR(select));
	r = seal_attach(d->seal, d->db, d->path, err);
	if (r >= 0)
		r = seal_recover(d->seal, id, ret, err);
	if (r >= 0)
		r = run(d, "COMMIT", err);
	if (r >= 0)
		seal_committed(d->seal);
	return r;
}

int disk_recover(const char *home, const char *id, struct disk **ret, struct store_remains *ret_remains,
		 struct err *err)
{
	_cleanup_(disk_free_p) struct disk *d = NULL;
	struct store_reader *reader = NULL;

	int r = disk_new(home, id, &d, err);
	if (r < 0)
		return r;
	if (access(d->path, F_OK) < 0)
		return err_errno(err, errno, "can't open %s", d->path);
	r = store_lock_take(home, id, &d->lock_fd, err);
	/* The reader's checks: that it is a store, and of which version. */
	if (r >= 0)
		r = store_reader_open(home, id, &reader, err);
	if (r < 0)
		return r;
	int schema = store_reader_session(reader)->schema;
	store_reader_free(reader);
	if (schema != STORE_SCHEMA)
		return err_set(err, ENOTSUP, "session %s was written by another version, so it can't be continued", id);
	r = seal_open(home, &d->seal, err);
	if (r >= 0)
		r = open_database(d, err);
	if (r >= 0)
		r = take_over(d, id, ret_remains, err);
	if (r >= 0)
		r = prepare_all(d, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

/*
 * The open batch is gone: counts it, and keeps the error (d->broken) for those who come before the disk is tried
 * again.
 */
static int drop_batch(struct disk *d, struct err *err)
{
	(void)sqlite3_reset(d->begin);
	(void)sqlite3_reset(d->insert);
	(void)sqlite3_reset(d->count);
	(void)sqlite3_reset(d->commit);
	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(d->db))
		(void)sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(d->pending); i++) {
		d->lost[i] += d->pending[i];
		d->pending[i] = 0;
	}
	seal_dropped(d->seal);
	d->lines = 0;
	d->in_batch = false;
	d->retry_ns = clock_boottime_ns() + RETRY_NS;
	d->sick = true;
	*err = d->broken;
	return -d->broken.code;
}

static int drop_batch_sql(struct disk *d, struct err *err)
{
	(void)store_sql_error(d->db, "write", d->path, &d->broken);
	return drop_batch(d, err);
}

static bool step(sqlite3_stmt *statement)
{
	return sqlite3_step(statement) == SQLITE_DONE && sqlite3_reset(statement) == SQLITE_OK;
}

static void bind_block(sqlite3_stmt *insert, const struct block_range *r, const struct seal_row *seal,
		       struct bytes packed, size_t size)
{
	(void)sqlite3_bind_int64(insert, 1, (int64_t)r->last);
	(void)sqlite3_bind_int64(insert, 2, (int64_t)r->first);
	(void)sqlite3_bind_int64(insert, 3, r->first_ns);
	(void)sqlite3_bind_int64(insert, 4, r->last_ns);
	(void)sqlite3_bind_int64(insert, 5, (int64_t)r->types);
	(void)sqlite3_bind_int64(insert, 6, (int64_t)r->pids);
	(void)sqlite3_bind_int64(insert, 7, (int64_t)r->lines);
	(void)sqlite3_bind_int64(insert, 8, (int64_t)size);
	(void)sqlite3_bind_blob(insert, 9, seal->digest, CHAIN_HASH, SQLITE_STATIC);
	(void)sqlite3_bind_blob(insert, 10, seal->link, CHAIN_HASH, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(insert, 11, seal->marks.data, seal->marks.length, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(insert, 12, packed.data, packed.length, SQLITE_STATIC);
}

int disk_put(struct disk *d, struct block *b, struct err *err)
{
	struct seal_row seal;
	struct bytes packed;
	size_t size;

	for (uint32_t i = 0; i < b->range.lines; i++)
		d->pending[b->heads[i].type]++;
	if (d->retry_ns && clock_boottime_ns() < d->retry_ns) {
		for (size_t i = 0; i < ARRAY_SIZE(d->pending); i++) {
			d->lost[i] += d->pending[i];
			d->pending[i] = 0;
		}
		*err = d->broken;
		return -d->broken.code;
	}
	d->retry_ns = 0;
	int r = block_pack(d->packer, b, &packed, &size);
	if (r >= 0)
		r = seal_block(d->seal, b, packed, size, &seal);
	if (r < 0) {
		(void)err_errno(&d->broken, -r, "can't write %s", d->path);
		return drop_batch(d, err);
	}
	if (!d->in_batch && !step(d->begin))
		return drop_batch_sql(d, err);
	d->in_batch = true;
	bind_block(d->insert, &b->range, &seal, packed, size);
	if (!step(d->insert))
		return drop_batch_sql(d, err);
	d->lines += b->range.lines;
	return d->lines >= BATCH_LINES ? disk_commit(d, err) : 0;
}

/* What is written to a file without a name, or behind a file that was cut, is in no session that can be read. */
static bool taken_away(struct disk *d, struct err *err)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;
	int moved = 0;

	(void)sqlite3_file_control(d->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved) {
		(void)err_set(err, ENOENT, "%s was deleted or moved away while the session runs", d->path);
		return true;
	}
	if (sqlite3_file_control(d->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file ||
	    !file->pMethods || file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return false;
	if (size < d->size) {
		(void)err_set(err, EUCLEAN, "%s was cut by somebody else while the session runs", d->path);
		return true;
	}
	d->size = size;
	return false;
}

void disk_counts(struct disk *d, const uint64_t *refused, const struct ledger *ledger)
{
	uint64_t unstored[HD_TYPE_EVENT_MAX + 1];

	memcpy(d->refused, refused, sizeof(d->refused));
	for (size_t i = 0; i < ARRAY_SIZE(unstored); i++)
		unstored[i] = d->lost[i] + d->refused[i];
	seal_counts(d->seal, unstored, ledger);
}

/* Signs in the open transaction. */
static int sign(struct disk *d, enum chain_kind kind, const struct chain_end *end, struct err *err)
{
	if (seal_checkpoint(d->seal, kind, end, &d->broken) < 0)
		return drop_batch(d, err);
	return 0;
}

static int commit(struct disk *d, bool signed_too, struct err *err)
{
	uint64_t events = d->events;

	if (taken_away(d, &d->broken))
		return drop_batch(d, err);
	if (!d->in_batch) {
		if (!d->sick || clock_boottime_ns() < d->retry_ns)
			return 0;
		/* Nothing to write, but somebody wants to know whether it could be. */
		d->retry_ns = 0;
		if (!step(d->begin))
			return drop_batch_sql(d, err);
		d->in_batch = true;
	}
	for (size_t i = 1; i < ARRAY_SIZE(d->pending); i++)
		events += d->pending[i];
	if (signed_too || seal_due(d->seal)) {
		int r = sign(d, seal_unsigned(d->seal) ? CHAIN_COMMIT : CHAIN_BEAT, NULL, err);

		if (r < 0)
			return r;
	}
	(void)sqlite3_bind_int64(d->count, 1, (int64_t)events);
	if (!step(d->count) || !step(d->commit))
		return drop_batch_sql(d, err);
	d->sick = false;
	seal_committed(d->seal);
	d->events = events;
	d->lines = 0;
	d->in_batch = false;
	memset(d->pending, 0, sizeof(d->pending));
	return 0;
}

int disk_commit(struct disk *d, struct err *err)
{
	return commit(d, false, err);
}

int disk_beat(struct disk *d, struct err *err)
{
	/* Nothing to sign and no beat due, or a disk that failed: commit looks after the file. */
	if (d->in_batch || d->sick || (!seal_unsigned(d->seal) && !seal_beat_due(d->seal)))
		return commit(d, d->in_batch, err);
	if (!step(d->begin))
		return drop_batch_sql(d, err);
	d->in_batch = true;
	return commit(d, true, err);
}

uint64_t disk_retry_ns(const struct disk *d)
{
	return d->retry_ns;
}

bool disk_healthy(const struct disk *d)
{
	return !d->sick;
}

const uint64_t *disk_lost(const struct disk *d)
{
	return d->lost;
}

static int write_end(struct disk *d, const struct store_session *session, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *update = NULL;
	struct chain_end end = {
		.ended_ns = session->ended_ns,
		.exit_status = session->exit_status >= 0 ? session->exit_status : -1,
		.events = d->events,
		.end_line = session->end_line,
		.ledger_line = session->ledger_line,
	};
	int r = prepare(d, "UPDATE session SET ended_ns = ?, end_line = ?, ledger_line = ?, exit_status = ?", &update,
			err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(update, 1, session->ended_ns);
	bind_text(update, 2, session->end_line);
	bind_text(update, 3, session->ledger_line);
	if (session->exit_status >= 0)
		(void)sqlite3_bind_int(update, 4, session->exit_status);
	if (!step(d->begin) || sqlite3_step(update) != SQLITE_DONE)
		return store_sql_error(d->db, "write", d->path, err);
	r = seal_checkpoint(d->seal, CHAIN_END, &end, err);
	if (r < 0)
		return r;
	sqlite3_finalize(TAKE_PTR(update));
	return step(d->commit) ? 0 : store_sql_error(d->db, "write", d->path, err);
}

int disk_end(struct disk *d, const struct store_session *session, struct err *err)
{
	_cleanup_buf_ struct buf head = BUF_INIT(HEAD_MAX);
	int r = write_end(d, session, err);

	if (r < 0) {
		(void)sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
		return r;
	}
	/*
	 * The log goes into the file, and the file needs none from now on, so that reading leaves nothing beside it.
	 * While a reader has it open the log stays, which costs nothing but its space.
	 */
	(void)sqlite3_busy_timeout(d->db, 0);
	(void)sqlite3_wal_checkpoint_v2(d->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_exec(d->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	close_database(d);
	(void)unlink(d->lock_path);
	close_fd(&d->lock_fd);
	d->lock_fd = -1;
	/* The session is whole; that its head could not be noted is still said. */
	seal_write_head(d->seal, &head);
	return head_append(d->home, &head, err);
}

void disk_free(struct disk *d)
{
	if (!d)
		return;
	close_database(d);
	block_packer_free(d->packer);
	seal_free(d->seal);
	close_fd(&d->lock_fd);
	free(d);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a store, its marks, and how one is opened for reading. */
#include "base/buf.h"
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

/*
 * A row is a block of lines (block.h). The short columns come before the body, so that a scan that filters by them
 * does not touch its pages; the key is the last line's number, so that "everything after line N" is one search.
 */
static const char schema[] =
	"PRAGMA application_id = " NUMBER(STORE_APPLICATION_ID) ";"
	"PRAGMA user_version = " NUMBER(STORE_SCHEMA) ";"
	"CREATE TABLE session ("
	" one INTEGER PRIMARY KEY CHECK (one = 1),"
	" id TEXT NOT NULL,"
	" started_ns INTEGER NOT NULL,"
	" ended_ns INTEGER,"
	" command TEXT NOT NULL,"
	" start_line TEXT NOT NULL,"
	" end_line TEXT,"
	" ledger_line TEXT,"
	" events INTEGER NOT NULL,"
	" exit_status INTEGER,"
	" public_key BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE block ("
	" last INTEGER PRIMARY KEY,"
	" first INTEGER NOT NULL,"
	" first_ns INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL,"
	" types INTEGER NOT NULL,"
	" pids INTEGER NOT NULL,"
	" lines INTEGER NOT NULL,"
	" size INTEGER NOT NULL,"
	" digest BLOB NOT NULL,"
	" link BLOB NOT NULL,"
	" marks BLOB NOT NULL,"
	" body BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE checkpoint ("
	" n INTEGER PRIMARY KEY,"
	" kind INTEGER NOT NULL,"
	" sequence INTEGER NOT NULL,"
	" time_ns INTEGER NOT NULL,"
	" boot_ns INTEGER NOT NULL,"
	" link BLOB NOT NULL,"
	" counts BLOB NOT NULL,"
	" signature BLOB NOT NULL"
	") STRICT;";

int store_schema_create(sqlite3 *db)
{
	return sqlite3_exec(db, schema, NULL, NULL, NULL);
}

/* What the kernel said last about the log or the database, 0 when unknown. */
static int file_errno(sqlite3 *db)
{
	static const int which[] = { SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER };

	for (size_t i = 0; i < ARRAY_SIZE(which); i++) {
		sqlite3_file *file = NULL;
		int code = 0;

		if (sqlite3_file_control(db, "main", which[i], &file) == SQLITE_OK && file && file->pMethods &&
		    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code) == SQLITE_OK && code)
			return code;
	}
	return 0;
}

static int errno_of(sqlite3 *db)
{
	int system = sqlite3_system_errno(db);

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column that should be there is not */
	case SQLITE_MISMATCH:
		return EUCLEAN;
	case SQLITE_IOERR:
		system = file_errno(db) ? file_errno(db) : system;
		return system ? system : EIO;
	case SQLITE_READONLY:
		return system ? system : EROFS;
	default:
		return system ? system : EIO;
	}
}

int store_sql_error(sqlite3 *db, const char *what, const char *path, struct err *err)
{
	int code = db ? errno_of(db) : ENOMEM;

	if (code == EUCLEAN) {
		char why[256];

		/* It quotes the file, which may be anybody's: a message is one line. */
		(void)snprintf(why, sizeof(why), "%s", sqlite3_errmsg(db));
		for (char *p = why; *p; p++)
			if ((unsigned char)*p < ' ')
				*p = ' ';
		return err_set(err, code, "%s is damaged (%s); 'heddle sessions --delete' removes it", path, why);
	}
	return err_errno(err, code, "can't %s %s", what, path);
}

/* A number that a pragma or an expression gives; negative errno. */
static int number(sqlite3 *db, const char *sql, const char *path, int64_t *ret, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
		return store_sql_error(db, "read", path, err);
	*ret = sqlite3_column_int64(statement, 0);
	return 0;
}

int store_schema_of(sqlite3 *db, const char *path, int64_t *ret, struct err *err)
{
	return number(db, "PRAGMA user_version", path, ret, err);
}

static int check(sqlite3 *db, const char *path, struct err *err)
{
	int64_t application, version, tables;
	int r = number(db, "PRAGMA application_id", path, &application, err);

	if (r < 0)
		return r;
	r = store_schema_of(db, path, &version, err);
	if (r < 0)
		return r;
	r = number(db, "SELECT count(*) FROM sqlite_schema", path, &tables, err);
	if (r < 0)
		return r;
	if (application == 0 && tables == 0)
		return err_set(err, ENODATA, "%s is empty: its run ended before the first record; "
			       "'heddle sessions --delete' removes it", path);
	if (application != STORE_APPLICATION_ID)
		return err_set(err, EUCLEAN, "%s is not a Heddle session; move it away", path);
	if (version > STORE_SCHEMA)
		return err_set(err, ENOTSUP,
			       "%s was written by a newer Heddle (store version %lld, this one knows %d); "
			       "upgrade to read it",
			       path, (long long)version, STORE_SCHEMA);
	return 0;
}

static int open_one(const char *path, const char *query, const char *pragma, sqlite3 **ret, struct err *err)
{
	_cleanup_(sqlite3_close_v2_p) sqlite3 *db = NULL;
	_cleanup_buf_ struct buf uri = BUF_INIT(PATH_MAX * 3 + 64);

	buf_adds(&uri, "file:");
	for (const char *p = path; *p; p++) {
		if (strchr("%?#", *p))
			buf_addf(&uri, "%%%02x", (unsigned)(unsigned char)*p);
		else
			buf_addc(&uri, *p);
	}
	buf_addf(&uri, "?%s", query);
	if (uri.failed)
		return err_errno(err, -uri.failed, "can't open %s", path);
	if (sqlite3_open_v2(uri.data, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return store_sql_error(db, "open", path, err);
	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_busy_timeout(db, STORE_BUSY_MS);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (sqlite3_exec(db, pragma, NULL, NULL, NULL) != SQLITE_OK)
		return store_sql_error(db, "open", path, err);
	int r = check(db, path, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(db);
	return 0;
}

int store_open_read(const char *path, sqlite3 **ret, struct err *err)
{
	struct stat st;
	struct err first = { 0 };

	/* SQLite would say "unable to open" for each of these. */
	if (stat(path, &st) < 0)
		return err_errno(err, errno, "can't open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EUCLEAN, "%s is not a file; move it away", path);
	if (access(path, R_OK) < 0)
		return err_errno(err, errno, "can't open %s", path);
	int r = open_one(path, "mode=ro", "PRAGMA cell_size_check = ON", ret, &first);
	/*
	 * A directory that can't be written has no room for the shared index of the write-ahead log. Nobody else can
	 * be writing there either: read without locks and with an index of our own in memory, so that what the log
	 * holds is still seen (SQLite's "immutable" would leave it out).
	 */
	if (r == -EROFS || r == -EACCES || r == -EPERM || r == -EIO || r == -ENOENT)
		r = open_one(path, "mode=ro&vfs=unix-none", "PRAGMA locking_mode = EXCLUSIVE", ret, NULL);
	if (r < 0 && err)
		*err = first;
	return r < 0 ? -first.code : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share. */
#pragma once

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>

#include "store/store.h"

#define STORE_APPLICATION_ID 0x48454444 /* "HEDD" */
#define STORE_BUSY_MS 5000

DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_finalize);
DEFINE_CLEANUP(sqlite3 *, sqlite3_close_v2);

/* HOME/sessions/ID and a suffix. -EINVAL when id is no UUID, -ENAMETOOLONG. */
int store_path(char ret[PATH_MAX], const char *home, const char *id, const char *suffix, struct err *err);
bool store_id_valid(const char *id);

/* 1: a writer holds the session's lock, 0: none does. */
int store_lock_held(const char *home, const char *id);
/* Takes the lock for as long as *ret_fd is open. -EBUSY when another has it. */
int store_lock_take(const char *home, const char *id, int *ret_fd, struct err *err);

/* Turns SQLite's last error into a negative errno and "can't DO PATH: why". */
int store_sql_error(sqlite3 *db, const char *what, const char *path, struct err *err);

/* Makes the tables and the marks of a new store, inside the caller's transaction. Returns SQLite's code. */
int store_schema_create(sqlite3 *db);
/* The version of a store that was opened. */
int store_schema_of(sqlite3 *db, const char *path, int64_t *ret, struct err *err);
/* Walks the chain, from the start of the database's transaction if there is one. 0: *ret has what was found. */
struct check;
struct check_options;
int check_store(sqlite3 *db, const char *path, const struct check_options *options, struct check **ret,
		struct err *err);
/* Makes every directory of path that is missing, for the owner alone. */
int store_make_directories(const char *path, struct err *err);
/* Opens for reading, whatever state the last writer and the medium left. */
int store_open_read(const char *path, sqlite3 **ret, struct err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds a session's rows to the check, in one transaction, so that a writer at work changes nothing under it. */
#include <errno.h>
#include <string.h>

#include "store/check.h"
#include "store/internal.h"

static const char select_session[] =
    "SELECT id, started_ns, command, start_line, public_key, ended_ns, exit_status, events, end_line, ledger_line"
    " FROM session";
static const char select_blocks[] =
    "SELECT first, last, first_ns, last_ns, types, pids, lines, size, body, digest, marks, link FROM block"
    " ORDER BY last";
static const char select_checkpoints[] =
    "SELECT n, kind, sequence, time_ns, boot_ns, link, counts, signature FROM checkpoint ORDER BY n";

struct walk {
	sqlite3 *db;
	const char *path;
	struct check *check;
	sqlite3_stmt *session, *blocks, *checkpoints;
	int64_t schema;
	int at_block; /* SQLite's code: whether the statement stands at a block that was not given yet */
	struct err *err;
};

static void walk_done(struct walk *w)
{
	sqlite3_finalize(w->session);
	sqlite3_finalize(w->blocks);
	sqlite3_finalize(w->checkpoints);
}

static int prepare(const struct walk *w, const char *sql, sqlite3_stmt **ret)
{
	if (sqlite3_prepare_v2(w->db, sql, -1, ret, NULL) != SQLITE_OK)
		return store_sql_error(w->db, "read", w->path, w->err);
	return 0;
}

static struct bytes blob(sqlite3_stmt *statement, int at)
{
	const char *data = sqlite3_column_blob(statement, at);

	return (struct bytes){ data ? data : "", (size_t)sqlite3_column_bytes(statement, at) };
}

static const char *text(sqlite3_stmt *statement, int at)
{
	const unsigned char *value = sqlite3_column_text(statement, at);

	return value ? (const char *)value : "";
}

static int told(const struct walk *w, int r)
{
	return r < 0 ? err_errno(w->err, -r, "can't check %s", w->path) : r;
}

static int begin(struct walk *w, const struct check_options *options, struct chain_end *end)
{
	int r = prepare(w, select_session, &w->session);

	if (r < 0)
		return r;
	int code = sqlite3_step(w->session);
	if (code == SQLITE_DONE)
		return err_set(w->err, EUCLEAN,
			       "%s is damaged (no session in it); 'heddle sessions --delete' removes it", w->path);
	if (code != SQLITE_ROW)
		return store_sql_error(w->db, "read", w->path, w->err);
	struct bytes key = blob(w->session, 4);
	struct chain_start start = {
		.id = text(w->session, 0),
		.started_ns = sqlite3_column_int64(w->session, 1),
		.command = text(w->session, 2),
		.start_line = text(w->session, 3),
	};
	if (key.length != CHAIN_PUBLIC || !store_id_valid(start.id))
		return err_set(w->err, EUCLEAN,
			       "%s is damaged (no id or no key in it); 'heddle sessions --delete' "
			       "removes it",
			       w->path);
	memcpy(start.public_key, key.data, CHAIN_PUBLIC);
	*end = (struct chain_end){
		.ended_ns = sqlite3_column_int64(w->session, 5),
		.exit_status =
		    sqlite3_column_type(w->session, 6) == SQLITE_NULL ? -1 : sqlite3_column_int64(w->session, 6),
		.events = (uint64_t)sqlite3_column_int64(w->session, 7),
		.end_line = text(w->session, 8),
		.ledger_line = text(w->session, 9),
	};
	r = check_new(&start, options, &w->check);
	return told(w, r < 0 ? r : check_set_end(w->check, end));
}

static int give_block(struct walk *w)
{
	sqlite3_stmt *s = w->blocks;
	struct check_block row = {
		.schema = w->schema,
		.first = sqlite3_column_int64(s, 0),
		.last = sqlite3_column_int64(s, 1),
		.first_ns = sqlite3_column_int64(s, 2),
		.last_ns = sqlite3_column_int64(s, 3),
		.types = sqlite3_column_int64(s, 4),
		.pids = sqlite3_column_int64(s, 5),
		.lines = sqlite3_column_int64(s, 6),
		.size = sqlite3_column_int64(s, 7),
		.body = blob(s, 8),
		.digest = blob(s, 9),
		.marks = blob(s, 10),
		.link = blob(s, 11),
	};

	return told(w, check_block(w->check, &row));
}

/* All blocks up to a line; at a finding one more, which may tell what it is. 0: good, 1: a finding. */
static int give_blocks(struct walk *w, int64_t until)
{
	int r = 0;

	while (r == 0 && w->at_block == SQLITE_ROW && sqlite3_column_int64(w->blocks, 1) <= until) {
		r = give_block(w);
		w->at_block = sqlite3_step(w->blocks);
	}
	if (r == 1 && w->at_block == SQLITE_ROW)
		r = give_block(w);
	if (r == 0 && w->at_block != SQLITE_ROW && w->at_block != SQLITE_DONE)
		return store_sql_error(w->db, "read", w->path, w->err);
	return r;
}

static int give_checkpoint(struct walk *w)
{
	sqlite3_stmt *s = w->checkpoints;
	struct bytes link = blob(s, 5), signature = blob(s, 7);
	int64_t kind = sqlite3_column_int64(s, 1);
	struct chain_checkpoint row = {
		.n = (uint64_t)sqlite3_column_int64(s, 0),
		.kind = kind > 0 && kind < CHAIN_KIND_MAX ? (enum chain_kind)kind : CHAIN_KIND_MAX,
		.sequence = (uint64_t)sqlite3_column_int64(s, 2),
		.time_ns = sqlite3_column_int64(s, 3),
		.boot_ns = (uint64_t)sqlite3_column_int64(s, 4),
		.counts = blob(s, 6),
	};

	/* What has not its size leaves zeros, which nobody signed. */
	if (link.length == CHAIN_HASH)
		memcpy(row.link, link.data, CHAIN_HASH);
	if (signature.length == CHAIN_SIGNATURE)
		memcpy(row.signature, signature.data, CHAIN_SIGNATURE);
	int r = give_blocks(w, (int64_t)row.sequence);
	return r ? r : told(w, check_checkpoint(w->check, &row));
}

static int walk(struct walk *w, const struct check_options *options)
{
	struct chain_end end;
	int r = store_schema_of(w->db, w->path, &w->schema, w->err), code = SQLITE_DONE;

	if (r >= 0)
		r = begin(w, options, &end);
	if (r >= 0)
		r = prepare(w, select_blocks, &w->blocks);
	if (r >= 0)
		r = prepare(w, select_checkpoints, &w->checkpoints);
	if (r < 0)
		return r;
	w->at_block = sqlite3_step(w->blocks);
	while (r == 0 && (code = sqlite3_step(w->checkpoints)) == SQLITE_ROW)
		r = give_checkpoint(w);
	if (r == 0 && code != SQLITE_DONE)
		return store_sql_error(w->db, "read", w->path, w->err);
	if (r == 0)
		r = give_blocks(w, INT64_MAX);
	return r < 0 ? r : told(w, check_finish(w->check, &end));
}

int check_store(sqlite3 *db, const char *path, const struct check_options *options, struct check **ret, struct err *err)
{
	_cleanup_(walk_done) struct walk w = { .db = db, .path = path, .err = err };
	bool own = sqlite3_get_autocommit(db) != 0;

	if (own && sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return store_sql_error(db, "read", path, err);
	int r = walk(&w, options);
	if (own)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	if (r < 0) {
		check_free(w.check);
		return r;
	}
	*ret = w.check;
	return 0;
}

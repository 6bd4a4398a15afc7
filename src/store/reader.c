/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one session: its row, and its lines by filter. */
#include "store/block.h"
#include "store/check.h"
#include "store/internal.h"

#include <errno.h>
#include <string.h>

struct store_reader {
	sqlite3 *db;
	struct store_session session;
	char *command, *start_line, *end_line, *ledger_line;
	char home[PATH_MAX];
	char path[PATH_MAX];
};

static char *column(sqlite3_stmt *statement, int at)
{
	const unsigned char *text = sqlite3_column_text(statement, at);

	return text ? strdup((const char *)text) : NULL;
}

static void free_strings(struct store_reader *r)
{
	free(TAKE_PTR(r->command));
	free(TAKE_PTR(r->start_line));
	free(TAKE_PTR(r->end_line));
	free(TAKE_PTR(r->ledger_line));
}

static int read_schema(struct store_reader *r, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;

	if (sqlite3_prepare_v2(r->db, "PRAGMA user_version", -1, &select, NULL) != SQLITE_OK ||
	    sqlite3_step(select) != SQLITE_ROW)
		return store_sql_error(r->db, "read", r->path, err);
	r->session.schema = sqlite3_column_int(select, 0);
	return 0;
}

/* The last checkpoint. */
static int read_beat(struct store_reader *r, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;
	struct store_session *s = &r->session;

	if (sqlite3_prepare_v2(r->db, "SELECT time_ns, boot_ns, sequence FROM checkpoint ORDER BY n DESC LIMIT 1", -1,
			       &select, NULL) != SQLITE_OK)
		return store_sql_error(r->db, "read", r->path, err);
	int code = sqlite3_step(select);
	if (code == SQLITE_ROW) {
		s->beat_ns = sqlite3_column_int64(select, 0);
		s->beat_boot_ns = (uint64_t)sqlite3_column_int64(select, 1);
		s->beat_sequence = (uint64_t)sqlite3_column_int64(select, 2);
	}
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : store_sql_error(r->db, "read", r->path, err);
}

/* Whether another process took the session over from a writer that died: if so, just before the end. */
static int read_recovered(struct store_reader *r, bool *ret, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;

	if (sqlite3_prepare_v2(r->db, "SELECT kind FROM checkpoint ORDER BY n DESC LIMIT 16", -1, &select, NULL) !=
	    SQLITE_OK)
		return store_sql_error(r->db, "read", r->path, err);
	int code;
	while ((code = sqlite3_step(select)) == SQLITE_ROW)
		*ret |= sqlite3_column_int64(select, 0) == CHAIN_RECOVER;
	return code == SQLITE_DONE ? 0 : store_sql_error(r->db, "read", r->path, err);
}

int store_reader_refresh(struct store_reader *r, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;
	struct store_session *s = &r->session;
	/* Before the row: a writer ends the row first and lets go of the lock after. */
	bool held = store_lock_held(r->home, s->id);

	if (sqlite3_prepare_v2(
		r->db,
		"SELECT started_ns, ended_ns, command, start_line, end_line, ledger_line, events, exit_status"
		" FROM session",
		-1, &select, NULL) != SQLITE_OK)
		return store_sql_error(r->db, "read", r->path, err);
	int code = sqlite3_step(select);
	if (code == SQLITE_DONE)
		return err_set(err, EUCLEAN, "%s is damaged (no session in it); 'heddle sessions --delete' removes it",
			       r->path);
	if (code != SQLITE_ROW)
		return store_sql_error(r->db, "read", r->path, err);
	free_strings(r);
	r->command = column(select, 2);
	r->start_line = column(select, 3);
	r->end_line = column(select, 4);
	r->ledger_line = column(select, 5);
	if (!r->command || !r->start_line)
		return err_set(err, ENOMEM, "out of memory");
	s->started_ns = sqlite3_column_int64(select, 0);
	s->ended_ns = sqlite3_column_int64(select, 1);
	s->command = r->command;
	s->start_line = r->start_line;
	s->end_line = r->end_line;
	s->ledger_line = r->ledger_line;
	s->events = (uint64_t)sqlite3_column_int64(select, 6);
	s->exit_status = sqlite3_column_type(select, 7) == SQLITE_NULL ? -1 : sqlite3_column_int(select, 7);
	bool recovered = false;
	int got = s->ended_ns && s->schema >= 2 ? read_recovered(r, &recovered, err) : 0;
	if (got < 0)
		return got;
	s->state = s->ended_ns && !recovered ? STORE_ENDED : !s->ended_ns && held ? STORE_RUNNING : STORE_INTERRUPTED;
	return s->schema >= 2 ? read_beat(r, err) : 0;
}

int store_reader_open(const char *home, const char *id, struct store_reader **ret, struct err *err)
{
	_cleanup_(store_reader_free_p) struct store_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return err_set(err, ENOMEM, "out of memory");
	int r = store_path(reader->path, home, id, ".db", err);
	if (r < 0)
		return r;
	(void)snprintf(reader->home, sizeof(reader->home), "%s", home);
	(void)snprintf(reader->session.id, sizeof(reader->session.id), "%s", id);
	r = store_open_read(reader->path, &reader->db, err);
	if (r >= 0)
		r = read_schema(reader, err);
	if (r < 0)
		return r;
	r = store_reader_refresh(reader, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(reader);
	return 0;
}

void store_reader_free(struct store_reader *r)
{
	if (!r)
		return;
	(void)sqlite3_close_v2(r->db);
	free_strings(r);
	free(r);
}

const struct store_session *store_reader_session(struct store_reader *r)
{
	return &r->session;
}

/* Blocks that may hold a line of the filter; a mask of 0 asks for nothing. */
static const char select_blocks[] =
	"SELECT lines, size, body FROM block WHERE last > ?1 AND (?2 = 0 OR types & ?2) AND (?3 = 0 OR pids & ?3)"
	" AND (?4 = 0 OR last_ns >= ?4) AND (?5 = 0 OR first_ns < ?5) ORDER BY last";

static bool wanted(const struct store_filter *filter, const struct store_row *row)
{
	return row->sequence > filter->after && (!filter->types || filter->types >> row->type & 1) &&
	       (!filter->pid || row->pid == filter->pid) && (!filter->since_ns || row->time_ns >= filter->since_ns) &&
	       (!filter->until_ns || row->time_ns < filter->until_ns);
}

struct query {
	const struct store_filter *filter;
	int (*fn)(void *context, const struct store_row *row);
	void *context;
	uint64_t given;
};

static bool enough(const struct query *q)
{
	return q->filter->limit && q->given >= q->filter->limit;
}

/* The lines of the block at hand. *ret_stop is what fn said. */
static int give_block(sqlite3_stmt *select, struct block_view *view, struct query *q, int *ret_stop)
{
	struct bytes packed = { sqlite3_column_blob(select, 2), (size_t)sqlite3_column_bytes(select, 2) };
	struct store_row row;
	int r = block_view_load(view, packed, sqlite3_column_int64(select, 0), sqlite3_column_int64(select, 1));

	while (r >= 0 && *ret_stop == 0 && !enough(q)) {
		r = block_view_next(view, &row);
		if (r <= 0)
			break;
		if (!wanted(q->filter, &row))
			continue;
		q->given++;
		*ret_stop = q->fn(q->context, &row);
	}
	return r;
}

static int block_error(const struct store_reader *r, int code, struct err *err)
{
	if (code == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory for the events in %s", r->path);
	return err_set(err, EUCLEAN, "%s is damaged (a block of events can't be unpacked); "
		       "'heddle sessions --delete' removes it", r->path);
}

int store_events(struct store_reader *r, const struct store_filter *filter,
		 int (*fn)(void *context, const struct store_row *row), void *context, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;
	_cleanup_(block_view_done) struct block_view view = BLOCK_VIEW_INIT;
	struct query query = { .filter = filter, .fn = fn, .context = context };
	int code, stop = 0;

	if (sqlite3_prepare_v2(r->db, select_blocks, -1, &select, NULL) != SQLITE_OK)
		return store_sql_error(r->db, "read", r->path, err);
	(void)sqlite3_bind_int64(select, 1, (int64_t)filter->after);
	(void)sqlite3_bind_int64(select, 2, (int64_t)filter->types);
	(void)sqlite3_bind_int64(select, 3, filter->pid ? (int64_t)block_pid_bit(filter->pid) : 0);
	(void)sqlite3_bind_int64(select, 4, filter->since_ns);
	(void)sqlite3_bind_int64(select, 5, filter->until_ns);
	while ((code = sqlite3_step(select)) == SQLITE_ROW) {
		int got = give_block(select, &view, &query, &stop);

		if (stop)
			return stop;
		if (got < 0)
			return block_error(r, got, err);
		if (enough(&query))
			return 0;
	}
	return code == SQLITE_DONE ? 0 : store_sql_error(r->db, "read", r->path, err);
}

int store_verify(struct store_reader *r, const struct check_options *options, struct check **ret, struct err *err)
{
	if (r->session.schema < 2)
		return err_set(err, ENOTSUP, "session %s has no chain: it was written by a Heddle that made none",
			       r->session.id);
	return check_store(r->db, r->path, options, ret, err);
}

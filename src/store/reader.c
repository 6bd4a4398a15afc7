/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one session: its row, and its lines by filter. */
#include "base/buf.h"
#include "store/internal.h"

#include <errno.h>
#include <string.h>

#define SQL_MAX 1024
/* Types that make up most of a session: for them a scan beats the index. */
#define BULK_TYPES (1U << HD_FILE_WRITE | 1U << HD_FILE_READ | 1U << HD_FILE_METADATA | 1U << HD_FILE_OPEN)

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
	s->state = s->ended_ns ? STORE_ENDED : held ? STORE_RUNNING : STORE_INTERRUPTED;
	return 0;
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

static void make_sql(const struct store_filter *filter, char sql[SQL_MAX])
{
	struct buf out = BUF_INIT(SQL_MAX - 1);
	const char *comma = "";

	buf_adds(&out, "SELECT sequence, time_ns, type, pid, process, body FROM line WHERE sequence > ?1");
	if (filter->types) {
		bool rare = !(filter->types & BULK_TYPES);

		/* The unary plus keeps the planner from the index. */
		buf_adds(&out,
			 rare ? " AND sequence IN (SELECT sequence FROM line WHERE type IN (" : " AND +type IN (");
		for (unsigned i = 0; i <= HD_TYPE_EVENT_MAX; i++) {
			if (filter->types & 1U << i) {
				buf_addf(&out, "%s%u", comma, i);
				comma = ",";
			}
		}
		buf_adds(&out, rare ? "))" : ")");
	}
	if (filter->pid)
		buf_adds(&out, " AND pid = ?2");
	if (filter->since_ns)
		buf_adds(&out, " AND time_ns >= ?3");
	if (filter->until_ns)
		buf_adds(&out, " AND time_ns < ?4");
	buf_adds(&out, " ORDER BY sequence LIMIT ?5");
	(void)snprintf(sql, SQL_MAX, "%s", out.failed ? "" : out.data);
	buf_done(&out);
}

int store_events(struct store_reader *r, const struct store_filter *filter,
		 int (*fn)(void *context, const struct store_row *row), void *context, struct err *err)
{
	_cleanup_(sqlite3_finalize_p) sqlite3_stmt *select = NULL;
	char sql[SQL_MAX];
	int code;

	make_sql(filter, sql);
	if (sqlite3_prepare_v2(r->db, sql, -1, &select, NULL) != SQLITE_OK || !select)
		return store_sql_error(r->db, "read", r->path, err);
	(void)sqlite3_bind_int64(select, 1, (int64_t)filter->after);
	(void)sqlite3_bind_int64(select, 2, filter->pid);
	(void)sqlite3_bind_int64(select, 3, filter->since_ns);
	(void)sqlite3_bind_int64(select, 4, filter->until_ns);
	(void)sqlite3_bind_int64(select, 5, filter->limit ? (int64_t)filter->limit : -1);
	while ((code = sqlite3_step(select)) == SQLITE_ROW) {
		struct store_row row = {
			.sequence = (uint64_t)sqlite3_column_int64(select, 0),
			.time_ns = sqlite3_column_int64(select, 1),
			.type = (unsigned)sqlite3_column_int(select, 2),
			.pid = (uint32_t)sqlite3_column_int64(select, 3),
			.process = (const char *)sqlite3_column_text(select, 4),
			.line = { (const char *)sqlite3_column_text(select, 5),
				  (size_t)sqlite3_column_bytes(select, 5) },
		};
		int stop = row.line.data && row.process ? fn(context, &row) : err_set(err, ENOMEM, "out of memory");

		if (stop)
			return stop;
	}
	if (code != SQLITE_DONE)
		return store_sql_error(r->db, "read", r->path, err);
	return 0;
}

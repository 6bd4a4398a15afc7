/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a session out of JSON lines, for tests of what reads them:
 *   tool-mkstore [--id ID] [--no-end | --hold] < LINES
 * Lines are stored as they are. --no-end commits and dies by SIGKILL; --hold commits after each line, prints its
 * number, and ends the session when its input ends. Prints the id first. Exit 3: the store said no, stderr has its
 * text.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/describe.h"
#include "cli/line.h"
#include "event/names.h"
#include "store/store.h"

struct made {
	struct store_session session;
	struct store_writer *writer;
	char *start, *end, *ledger;
	uint64_t sequence;
};

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "%s\n", err->text);
	return 3;
}

static int begin(struct made *m, const char *home, const struct line *l, struct err *err)
{
	_cleanup_buf_ struct buf command = BUF_INIT(1 << 20);

	describe_command(line_get(l, "command"), &command);
	m->session.command = command.data ? command.data : "";
	m->session.start_line = m->start;
	int r = store_writer_open(home, &m->session, &m->writer, err);
	m->session.command = "";
	return r;
}

static bool is(const struct line *l, const char *name, const char *value)
{
	return bytes_set(line_text(l, name)) && strcmp(line_text(l, name).data, value) == 0;
}

/* Stores one line; the first one that is read starts the session. A line that is no JSON is stored too. */
static int take(struct made *m, const char *home, const char *text, size_t length, struct err *err)
{
	_cleanup_(line_free_p) struct line *l = NULL;
	int64_t time_ns = 0, status;
	int kind = 0, r = 0;

	(void)line_parse(text, length, &l);
	if (bytes_set(line_text(l, "time")))
		(void)clock_parse(line_text(l, "time").data, 0, &time_ns);
	if (bytes_set(line_text(l, "type")))
		kind = name_event_type_parse(line_text(l, "type").data);
	if (!m->writer) {
		m->start = strndup(text, length);
		m->session.started_ns = time_ns;
		r = begin(m, home, l, err);
	}
	if (is(l, "phase", "end")) {
		m->end = strndup(text, length);
		m->session.ended_ns = time_ns;
		if (line_int(l, "exit_status", &status))
			m->session.exit_status = (int)status;
	}
	if (is(l, "type", "ledger"))
		m->ledger = strndup(text, length);
	if (r == 0)
		r = store_writer_add(m->writer, ++m->sequence, time_ns, kind > 0 ? (unsigned)kind : 0,
				     (uint32_t)line_uint(l, "pid"), line_text(l, "process").data,
				     (struct bytes){ text, length }, err);
	return r;
}

int main(int argc, char **argv)
{
	struct made m = { .session = { .exit_status = -1 } };
	struct err err = { 0 };
	char home[4096], *text = NULL;
	size_t room = 0;
	bool no_end = false, hold = false;

	(void)signal(SIGXFSZ, SIG_IGN);
	store_new_id(m.session.id);
	for (int i = 1; i < argc; i++) {
		no_end |= strcmp(argv[i], "--no-end") == 0;
		hold |= strcmp(argv[i], "--hold") == 0;
		if (strcmp(argv[i], "--id") == 0 && i + 1 < argc)
			(void)snprintf(m.session.id, sizeof(m.session.id), "%s", argv[++i]);
	}
	int r = store_home(home, sizeof(home), &err);
	for (ssize_t n; r == 0 && (n = getline(&text, &room, stdin)) > 0;) {
		bool first = !m.writer;

		r = take(&m, home, text, (size_t)n - (text[n - 1] == '\n'), &err);
		if (r == 0 && hold)
			r = store_writer_commit(m.writer, &err);
		if (r == 0 && first)
			printf("%s\n", m.session.id);
		if (r == 0 && hold)
			printf("%llu\n", (unsigned long long)m.sequence);
		(void)fflush(stdout);
	}
	if (r == 0 && no_end) {
		r = store_writer_commit(m.writer, &err);
		if (r == 0)
			(void)raise(SIGKILL);
	}
	if (r == 0 && m.writer) {
		m.session.end_line = m.end;
		m.session.ledger_line = m.ledger;
		m.session.ended_ns = m.session.ended_ns ? m.session.ended_ns : m.session.started_ns + 1;
		r = store_writer_end(m.writer, &m.session, &err);
	}
	store_writer_free(m.writer);
	free(m.start);
	free(m.end);
	free(m.ledger);
	free(text);
	return r < 0 ? fail(&err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See recover.h. docs/evidence.md says what a session proves that was ended so. */
#include "cli/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cli/heads.h"
#include "cli/line.h"
#include "cli/session-lines.h"
#include "store/key.h"
#include "store/store.h"

#define LINE_CAP (4U << 20)
#define TAIL_ROOM ((off_t)5 << 20) /* more than the longest line */
#define TAIL_CAP (6U << 20)
#define BUSY_TRIES 100
/* The clock of this boot and that of the session's are the same if they agree so well. */
#define SAME_BOOT_NS (24 * 3600 * CLOCK_SECOND_NS)

struct recovery {
	const struct recover_death *death;
	char id[37];
	struct store_writer *store;   /* NULL: none */
	struct store_remains remains;
	int json_fd;                  /* for reading and writing; -1: none */
	uint64_t sequence;            /* of the last line, in the store or in the JSON file */
	int64_t from_ns, now_ns;      /* of the gap, UTC by the session's clock */
	int64_t started_ns;
	struct buf line;
	struct err *err;
};

static void recovery_done(struct recovery *r)
{
	store_writer_free(r->store);
	close_fd(&r->json_fd);
	buf_done(&r->line);
}

/* What the JSON file's last whole line says; the part of one after it is cut off. 1: there is more to be written. */
static int open_json(struct recovery *r)
{
	_cleanup_buf_ struct buf tail = BUF_INIT(TAIL_CAP);
	_cleanup_(line_free_p) struct line *l = NULL;
	char path[64], chunk[65536];
	struct stat st;

	if (r->death->json_fd < 0 || fstat(r->death->json_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	/* Ours is for writing only, and shares its place with that of the sensor. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", r->death->json_fd);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	off_t at = MAX(st.st_size - TAIL_ROOM, (off_t)0), first = at;
	for (ssize_t n; (n = pread(fd, chunk, sizeof(chunk), at)) > 0; at += n)
		buf_add(&tail, chunk, (size_t)n);
	const char *end = tail.length && !tail.failed ? memrchr(tail.data, '\n', tail.length) : NULL;
	if (!end)
		return 0;
	size_t length = (size_t)(end - tail.data);
	if (length + 1 < tail.length && ftruncate(fd, first + (off_t)length + 1) < 0)
		return -errno;
	const char *before = length ? memrchr(tail.data, '\n', length) : NULL;
	const char *start = before ? before + 1 : tail.data;
	if (line_parse(start, (size_t)(end - start), &l) < 0)
		return 0;
	struct bytes type = line_text(l, "type"), time = line_text(l, "time");
	if (bytes_set(type) && strcmp(type.data, "ledger") == 0)
		return 0;
	if (!r->store && bytes_set(time))
		(void)clock_parse(time.data, 0, &r->from_ns);
	r->sequence = MAX(r->sequence, line_uint(l, "sequence"));
	r->json_fd = TAKE_FD(fd);
	return 1;
}

static int open_store(struct recovery *r, const char *home)
{
	struct store_remains *remains = &r->remains;
	int code = -EBUSY;

	/* A process that is being torn down lets go of its files one after the other. */
	for (int i = 0; code == -EBUSY && i < BUSY_TRIES; i++) {
		if (i > 0)
			(void)usleep(10000);
		code = store_writer_recover(home, r->id, &r->store, remains, r->err);
	}
	if (code < 0)
		return code;
	r->sequence = remains->sequence;
	r->started_ns = remains->started_ns;
	r->from_ns = (int64_t)remains->beat_boot_ns + remains->offset_ns;
	return 0;
}

/* After a reboot, or where the session is somebody else's, there is only the wall clock. */
static int64_t session_now(const struct recovery *r)
{
	int64_t offset_ns = r->death->offset_ns ? r->death->offset_ns : r->remains.offset_ns;
	int64_t now_ns = (int64_t)clock_boottime_ns() + offset_ns, wall_ns = clock_realtime_ns();

	if (!r->death->offset_ns && (now_ns - wall_ns > SAME_BOOT_NS || wall_ns - now_ns > SAME_BOOT_NS))
		now_ns = wall_ns;
	return MAX(now_ns, r->from_ns);
}

/* One line into both, and a copy of it. */
static int put(struct recovery *r, const struct session_line *s, struct buf *copy)
{
	struct bytes line = { r->line.data, r->line.length };
	off_t end;
	int code = r->line.failed;

	if (code >= 0 && copy)
		buf_add(copy, line.data, line.length);
	if (code >= 0 && r->store)
		code = store_writer_add(r->store, s->sequence, s->time_ns, 0, 0, "", line, r->err);
	if (code >= 0)
		buf_addc(&r->line, '\n');
	if (code >= 0 && !r->line.failed && r->json_fd >= 0 && (end = lseek(r->json_fd, 0, SEEK_END)) >= 0 &&
	    pwrite(r->json_fd, r->line.data, r->line.length, end) != (ssize_t)r->line.length)
		/* No part of a line stays. */
		(void)!ftruncate(r->json_fd, end);
	buf_clear(&r->line);
	return code;
}

static struct session_line next_line(struct recovery *r)
{
	return (struct session_line){ .session = r->id, .sequence = ++r->sequence, .time_ns = r->now_ns };
}

/*
 * What is stored was delivered. What had been counted as made by the last signature, and is in none of the other
 * columns, was in the dead sensor's memory.
 */
static void known_ledger(const struct recovery *r, struct ledger *ret)
{
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
		const struct ledger_row *known = &r->remains.ledger[type];
		struct ledger_row *row = &ret->rows[ledger_lane((enum hd_type)type)][type];
		uint64_t accounted = known->folded + known->lost + r->remains.stored[type];

		*row = (struct ledger_row){ .delivered = r->remains.stored[type],
					    .folded = known->folded,
					    .lost = known->lost };
		if (known->made > accounted)
			row->lost += known->made - accounted;
		row->made = row->delivered + row->folded + row->lost;
	}
}

static int write_lines(struct recovery *r, bool found)
{
	_cleanup_buf_ struct buf end_line = BUF_INIT(LINE_CAP), ledger_line = BUF_INIT(LINE_CAP);
	struct recorder_end end = { .known = r->death->known,
				    .status = r->death->status,
				    .why = r->death->why,
				    .interrupted = true };
	/* Who comes later does not know for how long it went on. */
	int64_t ended_ns = found ? r->from_ns : r->now_ns;
	struct ledger ledger = { 0 };
	uint64_t events = 0;

	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
		events += r->remains.stored[type];
	struct session_line s = next_line(r);
	session_gap_line(&s, HD_LANE_MAX, r->from_ns, r->now_ns, SESSION_COUNT_UNKNOWN, r->death->why, &r->line);
	int code = put(r, &s, NULL);
	if (code < 0)
		return code;
	s = next_line(r);
	session_end_line(&s, &end, NULL, ended_ns - r->started_ns, events, &r->line);
	code = put(r, &s, &end_line);
	if (code < 0 || !r->store)
		return code;
	known_ledger(r, &ledger);
	s = next_line(r);
	session_ledger_line(&s, &ledger, 0, r->from_ns, &r->line);
	code = put(r, &s, &ledger_line);
	if (code < 0)
		return code;
	struct store_session session = {
		.ended_ns = ended_ns,
		.end_line = end_line.data,
		.ledger_line = ledger_line.data,
		.exit_status = r->death->known ? exit_status_of(r->death->status) : -1,
	};
	memcpy(session.id, r->id, sizeof(session.id));
	return store_writer_end(r->store, &session, r->err);
}

static int recover(const char *home, const char *id, const struct recover_death *death, bool found, struct err *err)
{
	_cleanup_(recovery_done) struct recovery r = { .death = death, .json_fd = -1, .err = err };

	r.line = BUF_INIT(LINE_CAP);
	(void)snprintf(r.id, sizeof(r.id), "%s", id);
	int stored = home ? open_store(&r, home) : -ENOENT;
	int json = open_json(&r);
	if (!r.store)
		r.started_ns = r.from_ns;
	r.now_ns = session_now(&r);
	if (r.store || json == 1) {
		int code = write_lines(&r, found);
		if (code < 0)
			return code;
	}
	return stored == -ENOENT || stored == -EALREADY ? 0 : stored;
}

int recover_session(const char *home, const char *id, const struct recover_death *death, struct err *err)
{
	return recover(home, id, death, false, err);
}

/*
 * A head of the session says that it had an end: then that was cut off, and a new one would hide it. A home without a
 * key has not signed it, and a reader makes none.
 */
static bool may_be_ended(const char *home, const char *id)
{
	uint8_t public_key[CHAIN_PUBLIC];
	struct check_head head;
	char path[PATH_MAX];

	if (key_public_of_home(home, public_key, NULL) < 0)
		return false;
	int n = snprintf(path, sizeof(path), "%s/heads", home);
	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	if (access(path, F_OK) == 0 && heads_find(path, id, &head, NULL) != 0)
		return false;
	n = snprintf(path, sizeof(path), "%s/sessions/%s.db", home, id);
	return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK | W_OK) == 0;
}

void recover_found(const char *home, const char *id)
{
	const struct recover_death death = {
		.why = "the sensor and heddle were killed, or the machine went down; it was found later",
		.json_fd = -1,
	};
	_cleanup_(store_reader_free_p) struct store_reader *reader = NULL;
	struct err err = { 0 };

	if (store_reader_open(home, id, &reader, &err) < 0)
		return;
	const struct store_session *s = store_reader_session(reader);
	bool needed = s->state == STORE_INTERRUPTED && !s->ended_ns && s->schema == STORE_SCHEMA;
	/* Not open twice: SQLite drops all of a process's locks on a file that it closes once. */
	store_reader_free(TAKE_PTR(reader));
	if (needed && !store_in_use(home, id) && may_be_ended(home, id))
		(void)recover(home, id, &death, true, &err);
}

static int on_abandoned(void *context, const char *id)
{
	recover_found(context, id);
	return 0;
}

void recover_all(const char *home)
{
	char copy[PATH_MAX];
	struct err err = { 0 };

	(void)snprintf(copy, sizeof(copy), "%s", home);
	(void)store_abandoned(copy, on_abandoned, copy, &err);
}

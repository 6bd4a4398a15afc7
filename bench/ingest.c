/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a session's events go from frames to the store: ingest RECORDING [ROUNDS] feeds what `heddle run --record`
 * wrote through decode and track, then through the JSON encoder too, then into a store under $HEDDLE_HOME, and for
 * scale puts the same lines into a bare SQLite table, one row a line. What of it is the hash chain is timed apart.
 * Every stage is timed in turns, the best of its rounds counts. CPU is of all threads: events a second of one core.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "event/encode.h"
#include "sensor/sensor.h"
#include "store/chain.h"
#include "store/key.h"
#include "store/store.h"
#include "track/tracker.h"

#define FRAMES_CAP (2UL << 30)
#define LINES_CAP (2UL << 30)
#define LINE_CAP (4U << 20)
#define ROUNDS 3
#define BATCH 2000
#define TICK_FRAMES 1000
#define SIGNATURES 100
#define GROUP 32 /* lines that stay in the nearest cache */
#define CLOCK_LOOKS 1000

struct frames {
	struct buf bytes; /* a size_t and a frame, again and again */
	size_t n;
};

struct stage {
	const char *name;
	uint64_t wall_ns, cpu_ns; /* of the best round by CPU */
	uint64_t events, bytes;   /* told; stored */
};

struct sink {
	struct encode_cache *cache;
	struct buf line;
	struct buf lines; /* a size_t and a line, when they are kept */
	bool keep;
	struct store_writer *store;
	uint64_t events;
	int failed;
	struct err err;
};

enum { TRACK, ENCODE, STORE, BARE, STAGES };

static int keep_frame(void *context, const void *frame, size_t size)
{
	struct frames *f = context;

	buf_add(&f->bytes, &size, sizeof(size));
	buf_add(&f->bytes, frame, size);
	f->n++;
	return f->bytes.failed;
}

static int load(const char *path, struct frames *f, struct err *err)
{
	_cleanup_(sensor_free_p) struct sensor *s = NULL;
	bool at_end = false;
	int r = sensor_open_replay(path, &s, err);

	while (r >= 0 && !at_end)
		r = sensor_poll(s, 0, keep_frame, f, &at_end);
	return r < 0 && !err->code ? err_errno(err, -r, "can't read %s", path) : r;
}

static int count(void *context, const struct event *e)
{
	((struct sink *)context)->events++;
	return 0;
}

static int encode(void *context, const struct event *e)
{
	struct sink *s = context;

	s->events++;
	buf_clear(&s->line);
	s->failed = event_encode_json_cached(s->cache, e, &s->line) ?: s->failed;
	if (s->keep) {
		buf_add(&s->lines, &s->line.length, sizeof(s->line.length));
		buf_add(&s->lines, s->line.data, s->line.length);
	}
	if (s->store && store_writer_add(s->store, e->sequence, (int64_t)e->h.time_ns + e->time_offset_ns, e->type,
					 e->h.pid, e->process, (struct bytes){ s->line.data, s->line.length },
					 &s->err) < 0)
		s->failed = -s->err.code;
	return 0;
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * CLOCK_SECOND_NS + (uint64_t)now.tv_nsec;
}

/* All frames through a tracker into a sink. */
static int feed(const struct frames *f, tracker_sink sink, struct sink *s, struct err *err)
{
	struct tracker_options options = {
		.session = "01890000-0000-7000-8000-000000000000",
		.boot8 = "00000000",
		.time_offset_ns = clock_offset_ns(),
		.cgroup_root = "/sys/fs/cgroup",
		.fold_ns = CLOCK_SECOND_NS,
		.sink = sink,
		.context = s,
	};
	_cleanup_(tracker_free_p) struct tracker *t = NULL;
	int r = tracker_new(&options, &t, err);
	uint64_t beat_ns = clock_boottime_ns() + CLOCK_SECOND_NS;
	size_t at = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < f->n; i++) {
		size_t size;

		memcpy(&size, f->bytes.data + at, sizeof(size));
		at += sizeof(size);
		(void)tracker_push(t, f->bytes.data + at, size);
		at += size;
		/* Once a second, as a session does. */
		if (s->store && i % TICK_FRAMES == 0 && clock_boottime_ns() >= beat_ns) {
			(void)store_writer_beat(s->store, tracker_ledger(t), err);
			beat_ns += CLOCK_SECOND_NS;
		}
	}
	(void)tracker_finish(t);
	return s->failed < 0 ? err_errno(err, -s->failed, "can't take an event") : 0;
}

static int run_store(const struct frames *f, struct sink *s, uint64_t *ret_bytes, struct err *err)
{
	struct store_session session = { .started_ns = 1, .ended_ns = 2, .command = "", .start_line = "{}" };
	char home[4096], path[4200];
	struct stat st;
	int r = store_home(home, sizeof(home), err);

	store_new_id(session.id);
	if (r >= 0)
		r = store_writer_open(home, &session, &s->store, err);
	if (r < 0)
		return r;
	r = feed(f, encode, s, err);
	if (r >= 0)
		r = store_writer_end(s->store, &session, err);
	store_writer_free(TAKE_PTR(s->store));
	(void)snprintf(path, sizeof(path), "%s/sessions/%s.db", home, session.id);
	*ret_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	(void)store_delete(home, session.id, NULL);
	return r;
}

/* The yardstick: what SQLite takes for a row a line, with the settings of the store. */
static int run_bare(const struct buf *lines, uint64_t *ret_bytes, struct err *err)
{
	char home[4096], path[4200];
	sqlite3_stmt *insert = NULL;
	sqlite3 *db = NULL;
	struct stat st;
	unsigned n = 0;
	int r = store_home(home, sizeof(home), err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/bare.db", home);
	(void)unlink(path);
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN;"
			     "CREATE TABLE line (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT", NULL, NULL,
			 NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "INSERT INTO line (body) VALUES (?)", -1, &insert, NULL) != SQLITE_OK)
		r = err_set(err, EIO, "%s: %s", path, sqlite3_errmsg(db));
	for (size_t at = 0, length; r >= 0 && at < lines->length; at += length) {
		memcpy(&length, lines->data + at, sizeof(length));
		at += sizeof(length);
		(void)sqlite3_bind_text64(insert, 1, lines->data + at, length, SQLITE_STATIC, SQLITE_UTF8);
		(void)sqlite3_step(insert);
		(void)sqlite3_reset(insert);
		if (++n % BATCH == 0)
			(void)sqlite3_exec(db, "COMMIT; BEGIN", NULL, NULL, NULL);
	}
	(void)sqlite3_finalize(insert);
	if (r >= 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		r = err_set(err, EIO, "%s: %s", path, sqlite3_errmsg(db));
	(void)sqlite3_close(db);
	*ret_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	(void)unlink(path);
	return r;
}

/* What of the store is the chain: marks, digests and links of the same blocks, and what one signature takes. */
struct chain_cost {
	uint64_t mark_ns, link_ns, sign_ns;
};

struct chain_run {
	struct chain_hasher *hasher;
	struct block_packer *packer;
	struct block *block;
	struct key *key;
	uint8_t link[CHAIN_HASH];
	uint64_t clock_ns; /* of looking at the clock */
	struct chain_cost cost;
};

static void chain_run_done(struct chain_run *c)
{
	chain_hasher_free(c->hasher);
	block_packer_free(c->packer);
	block_free(c->block);
	key_free(c->key);
}

static uint64_t since(const struct chain_run *c, uint64_t from)
{
	uint64_t now = cpu_ns();

	return now - from > c->clock_ns ? now - from - c->clock_ns : 0;
}

static int chain_run_begin(struct chain_run *c, struct err *err)
{
	char home[4096];
	int r = store_home(home, sizeof(home), err);

	if (r >= 0)
		r = key_open(home, &c->key, err);
	if (r < 0)
		return r;
	c->hasher = chain_hasher_new();
	c->packer = block_packer_new();
	c->block = block_new();
	if (!c->hasher || !c->packer || !c->block)
		return err_set(err, ENOMEM, "out of memory");
	c->clock_ns = UINT64_MAX;
	for (int i = 0; i < CLOCK_LOOKS; i++) {
		uint64_t from = cpu_ns(), now = cpu_ns();

		c->clock_ns = MIN(c->clock_ns, now - from);
	}
	return 0;
}

static int link_block(struct chain_run *c)
{
	struct block *b = c->block;
	struct chain_block row = { .range = b->range, .marks = block_marks(b) };
	struct bytes packed;
	int r = block_pack(c->packer, b, &packed, &row.size);
	uint64_t from = cpu_ns();

	if (r < 0)
		return r;
	r = chain_hash(c->hasher, &packed, 1, row.digest);
	if (r >= 0)
		r = chain_link(c->hasher, c->link, &row, c->link);
	c->cost.link_ns += since(c, from);
	block_clear(b);
	return r;
}

/* Marks are made of lines that were just written, so these are in the nearest cache. */
static void mark_lines(struct chain_run *c, const struct bytes *lines, size_t n)
{
	volatile uint32_t mark = 0;

	for (size_t i = 0; i < n; i++)
		mark ^= block_mark(lines[i]);
	uint64_t from = cpu_ns();
	for (size_t i = 0; i < n; i++)
		mark ^= block_mark(lines[i]);
	c->cost.mark_ns += since(c, from);
}

static int run_lines(struct chain_run *c, const struct buf *lines)
{
	struct bytes group[GROUP];
	uint64_t sequence = 0;
	size_t n = 0;
	int r = 0;

	for (size_t at = 0, length; r >= 0 && at < lines->length; at += length) {
		memcpy(&length, lines->data + at, sizeof(length));
		at += sizeof(length);
		group[n++] = (struct bytes){ lines->data + at, length };
		sequence++;
		struct store_row row = { .sequence = sequence, .process = "", .line = group[n - 1] };
		if (!block_fits(c->block, 1, length))
			r = link_block(c);
		if (r >= 0)
			r = block_add(c->block, &row);
		if (n == GROUP || at + length == lines->length) {
			mark_lines(c, group, n);
			n = 0;
		}
	}
	return r;
}

static int run_chain(const struct buf *lines, struct chain_cost *best, struct err *err)
{
	_cleanup_(chain_run_done) struct chain_run c = { 0 };
	uint8_t signature[CHAIN_SIGNATURE];
	int r = chain_run_begin(&c, err);

	if (r < 0)
		return r;
	r = run_lines(&c, lines);
	uint64_t from = cpu_ns();
	for (int i = 0; r >= 0 && i < SIGNATURES; i++)
		r = key_sign(c.key, (struct bytes){ (const char *)c.link, sizeof(c.link) }, signature);
	c.cost.sign_ns = (cpu_ns() - from) / SIGNATURES;
	if (!best->sign_ns)
		*best = c.cost;
	best->mark_ns = MIN(best->mark_ns, c.cost.mark_ns);
	best->link_ns = MIN(best->link_ns, c.cost.link_ns);
	best->sign_ns = MIN(best->sign_ns, c.cost.sign_ns);
	return r < 0 ? err_errno(err, -r, "can't chain") : 0;
}

static int run_stage(unsigned which, const struct frames *f, struct sink *s, struct stage *best, struct err *err)
{
	uint64_t wall = clock_boottime_ns(), cpu = cpu_ns(), bytes = 0;
	int r = 0;

	s->events = 0;
	if (which == BARE)
		r = run_bare(&s->lines, &bytes, err);
	else if (which == STORE)
		r = run_store(f, s, &bytes, err);
	else
		r = feed(f, which == TRACK ? count : encode, s, err);
	wall = clock_boottime_ns() - wall;
	cpu = cpu_ns() - cpu;
	if (!best->cpu_ns || cpu < best->cpu_ns) {
		best->wall_ns = wall;
		best->cpu_ns = cpu;
	}
	best->bytes = bytes;
	if (which != BARE)
		best->events = s->events;
	return r;
}

static void print(const struct stage *stages, const struct chain_cost *chain)
{
	double events = (double)MAX(stages[STORE].events, (uint64_t)1);

	printf("%-28s %10s %10s %14s %14s %12s\n", "stage", "wall ns", "CPU ns", "events/s", "events/s core",
	       "bytes/event");
	for (unsigned i = 0; i < STAGES; i++) {
		const struct stage *s = &stages[i];

		printf("%-28s %10.0f %10.0f %14.0f %14.0f %12.0f\n", s->name, (double)s->wall_ns / events,
		       (double)s->cpu_ns / events, events * 1e9 / (double)s->wall_ns, events * 1e9 / (double)s->cpu_ns,
		       (double)s->bytes / events);
	}
	printf("%.0f events; frames to store takes %.2f of the CPU of the bare inserts alone\n", events,
	       (double)stages[STORE].cpu_ns / (double)stages[BARE].cpu_ns);
	double mark = (double)chain->mark_ns / events, link = (double)chain->link_ns / events;
	double whole = (double)stages[STORE].cpu_ns / events, part = whole - (double)stages[ENCODE].cpu_ns / events;

	printf("the chain takes %.1f ns of CPU an event (marks %.1f, hashes %.1f): %.1f %% of frames to store, %.1f %% "
	       "of the store's part alone; a signature a second takes %.0f us\n",
	       mark + link, mark, link, 100 * (mark + link) / whole, 100 * (mark + link) / part,
	       (double)chain->sign_ns / 1000);
}

int main(int argc, char **argv)
{
	struct stage stages[STAGES] = {
		{ .name = "decode and track" },
		{ .name = "the same, and encode" },
		{ .name = "the same, and store" },
		{ .name = "bare SQLite, a row a line" },
	};
	struct chain_cost chain = { 0 };
	struct frames frames = { .bytes = BUF_INIT(FRAMES_CAP) };
	struct sink sink = { .line = BUF_INIT(LINE_CAP), .lines = BUF_INIT(LINES_CAP), .keep = true };
	struct err err = { 0 };
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : ROUNDS, r;

	if (argc < 2 || rounds < 1) {
		(void)fprintf(stderr, "usage: ingest RECORDING [ROUNDS]\n");
		return 2;
	}
	sink.cache = encode_cache_new();
	r = load(argv[1], &frames, &err);
	if (r >= 0)
		r = feed(&frames, encode, &sink, &err);
	sink.keep = false;
	for (int round = 0; r >= 0 && round < rounds; round++) {
		for (unsigned i = 0; r >= 0 && i < STAGES; i++)
			r = run_stage(i, &frames, &sink, &stages[i], &err);
		if (r >= 0)
			r = run_chain(&sink.lines, &chain, &err);
	}
	buf_done(&frames.bytes);
	buf_done(&sink.line);
	buf_done(&sink.lines);
	encode_cache_free(sink.cache);
	if (r < 0) {
		(void)fprintf(stderr, "ingest: %s\n", err.text);
		return 1;
	}
	print(stages, &chain);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of one session. See recorder.h. */
#include "cli/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/proc.h"
#include "cli/live.h"
#include "cli/session-lines.h"
#include "cli/tally.h"
#include "cli/wall-clock.h"
#include "event/encode.h"
#include "store/store.h"
#include "track/tracker.h"
#include "workload/workload.h"

#define LINE_CAP (4U << 20)
#define OUT_CAP (8U << 20)
#define OUT_FULL (256U << 10)
#define DUE_NS CLOCK_SECOND_NS
#define COMMAND_CAP 4096
#define STALL_NS (2 * CLOCK_SECOND_NS)

/* By type: operations whose line did not get where it should. */
struct misses {
	uint64_t count[HD_TYPE_EVENT_MAX + 1];
};

struct recorder {
	struct recorder_options options;
	struct tracker *tracker;
	struct store_writer *store;
	struct tally tally;
	struct living living;
	struct encode_cache *cache;
	struct buf line;       /* the one at hand */
	struct buf out;        /* on its way to the JSON file */
	struct buf live;
	bool json_broken;
	struct misses json_waiting; /* in out */
	struct misses json_lost;
	struct misses encode_lost;
	struct misses told;    /* of what was not stored: already in a gap line */
	bool said_store, said_json, said_recording;
	char store_why[ERR_TEXT_MAX], json_why[ERR_TEXT_MAX];
	struct ledger events;  /* delivered: lines made, by lane and type */
	uint64_t seen_lost[HD_LANE_MAX]; /* of the kernel's ledger, already in a gap line */
	uint64_t seen_untold;
	uint64_t due_ns;       /* boottime */
	int64_t ticked_ns;     /* monotonic */
	bool lost_lately;      /* events were, since recorder_trouble was asked last */
	int64_t gap_from_ns;   /* UTC: since then nothing is known to be missing */
	int64_t offset_ns;
	struct wall_clock wall;
	int64_t wall_looked_ns;          /* UTC */
	char boot8[9];
	char session[37];
	char mount[PATH_MAX];
	uint16_t ports[HD_MAX_DNS_PORTS + 2];
};

static int64_t now_utc(const struct recorder *r)
{
	/* The clock of the events, so that no line seems to be out of order. */
	return (int64_t)clock_boottime_ns() + r->offset_ns;
}

static void say_once(struct recorder *r, bool *said, const char *text)
{
	if (*said)
		return;
	*said = true;
	if (r->options.say)
		r->options.say(r->options.context, text);
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static void add_misses(struct misses *to, const struct misses *from)
{
	for (size_t i = 0; i < ARRAY_SIZE(to->count); i++)
		to->count[i] += from->count[i];
}

static void json_flush(struct recorder *r)
{
	if (r->out.length == 0)
		return;
	int code = write_all(r->options.json_fd, r->out.data, r->out.length);
	if (code < 0) {
		/* A part of a line may be there: whatever follows would not be JSON. */
		r->json_broken = true;
		add_misses(&r->json_lost, &r->json_waiting);
		(void)snprintf(r->json_why, sizeof(r->json_why), "the JSON file can't be written: %s", strerror(-code));
		say_once(r, &r->said_json, r->json_why);
	}
	memset(&r->json_waiting, 0, sizeof(r->json_waiting));
	buf_clear(&r->out);
}

static void live_flush(struct recorder *r)
{
	if (r->live.length == 0)
		return;
	if (write_all(r->options.live_fd, r->live.data, r->live.length) < 0)
		r->options.live_fd = -1;
	buf_clear(&r->live);
}

static void record(struct recorder *r, enum recording_kind kind, const void *head, size_t head_size, const void *data,
		   size_t size)
{
	if (r->options.recording)
		recording_add(r->options.recording, kind, head, head_size, data, size);
}

/* tracker_options.answered: no replay can ask again. */
static void on_answer(void *context, enum tracker_question question, uint64_t id, const char *answer, ssize_t length)
{
	const struct recording_answer head = { .question = question, .length = (int32_t)length, .id = id };

	record(context, RECORDING_ANSWER, &head, sizeof(head), answer, length > 0 ? (size_t)length : 0);
}

static void record_session(struct recorder *r, const struct tracker_options *t)
{
	struct recording_session s = {
		.cgroups = t->cgroup_root != NULL,
		.images = t->proc != NULL,
		.time_offset_ns = t->time_offset_ns,
		.fold_ns = t->fold_ns,
	};

	memcpy(s.session, r->session, sizeof(s.session));
	memcpy(s.boot8, r->boot8, sizeof(s.boot8));
	memcpy(s.dns_ports, r->ports, sizeof(s.dns_ports));
	record(r, RECORDING_SESSION, &s, sizeof(s), NULL, 0);
}

static void recording_out(struct recorder *r)
{
	char text[ERR_TEXT_MAX];
	int code = r->options.recording ? recording_flush(r->options.recording) : 0;

	if (code == 0 || r->said_recording)
		return;
	(void)snprintf(text, sizeof(text), "the recording can't be written and ends early: %s", strerror(-code));
	say_once(r, &r->said_recording, text);
}

/* Sends r->line to the JSON file and the store. type 0: no event. */
static void deliver(struct recorder *r, uint64_t sequence, int64_t time_ns, unsigned type, uint32_t pid,
		    const char *process)
{
	if (r->options.json_fd >= 0 && r->json_broken) {
		r->json_lost.count[type]++;
	} else if (r->options.json_fd >= 0) {
		buf_add(&r->out, r->line.data, r->line.length);
		buf_addc(&r->out, '\n');
		r->json_waiting.count[type]++;
		if (r->out.length >= OUT_FULL)
			json_flush(r);
	}
	if (r->store) {
		struct bytes line = { r->line.data, r->line.length };
		struct err err = { 0 };

		if (store_writer_add(r->store, sequence, time_ns, type, pid, process, line, &err) < 0) {
			memcpy(r->store_why, err.text, sizeof(r->store_why));
			say_once(r, &r->said_store, r->store_why);
		}
	}
}

static int on_event(void *context, const struct event *e)
{
	struct recorder *r = context;
	int64_t time_ns = (int64_t)e->h.time_ns + e->time_offset_ns;

	r->events.rows[ledger_lane(e->type)][e->type].delivered++;
	tally_event(&r->tally, e);
	buf_clear(&r->line);
	if (event_encode_json_cached(r->cache, e, &r->line) < 0) {
		r->encode_lost.count[e->type]++;
		return 0;
	}
	deliver(r, e->sequence, time_ns, e->type, e->h.pid, e->process);
	if (r->options.live_fd >= 0) {
		live_line(e, &r->live);
		if (r->live.length >= OUT_FULL)
			live_flush(r);
	}
	return 0;
}

/* Starts a line that is no event. */
static struct session_line next_line(struct recorder *r)
{
	buf_clear(&r->line);
	return (struct session_line){
		.session = r->session,
		.sequence = tracker_next_sequence(r->tracker),
		.time_ns = now_utc(r),
	};
}

static void on_process(void *context, const struct event *who, enum tracker_origin origin)
{
	struct recorder *r = context;

	buf_clear(&r->line);
	session_process_line(who, origin, &r->line);
	if (!r->line.failed)
		deliver(r, who->sequence, (int64_t)who->h.time_ns + who->time_offset_ns, 0, who->h.pid, who->process);
}

/* Sends a line that no frame makes, so a replay needs the line itself. */
static void deliver_own(struct recorder *r, const struct session_line *s)
{
	const struct recording_line head = { s->sequence, s->time_ns };

	record(r, RECORDING_LINE, &head, sizeof(head), r->line.data, r->line.length);
	deliver(r, s->sequence, s->time_ns, 0, 0, "");
}

static void gap(struct recorder *r, enum hd_lane lane, int64_t from_ns, uint64_t count, const char *why)
{
	struct session_line s = next_line(r);

	session_gap_line(&s, lane, from_ns, s.time_ns, count, why, &r->line);
	if (!r->line.failed)
		deliver_own(r, &s);
}

/* What of a type could not be stored. An event that two places missed is missing once. */
static uint64_t unstored(struct recorder *r, unsigned type)
{
	uint64_t lost = r->store ? store_writer_lost(r->store)[type] : 0;

	return MAX(lost, r->json_lost.count[type]) + r->encode_lost.count[type];
}

/* Gap lines for what is newly known to be missing. */
static void tell_gaps(struct recorder *r, const struct ledger *kernel)
{
	uint64_t missing[HD_LANE_MAX] = { 0 };
	int64_t now = now_utc(r);
	bool untold = kernel->untold > r->seen_untold;
	const char *why = untold ? "what io_uring did could not be told, or the lane was full" : "the lane was full";

	r->seen_untold = kernel->untold;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
		uint64_t lost = 0;

		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
			lost += kernel->rows[lane][type].lost;
		if (lost > r->seen_lost[lane]) {
			gap(r, lane, r->gap_from_ns, lost - r->seen_lost[lane], why);
			r->lost_lately = true;
		}
		r->seen_lost[lane] = MAX(lost, r->seen_lost[lane]);
	}
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
		uint64_t lost = unstored(r, type);

		missing[ledger_lane(type)] += lost - r->told.count[type];
		r->told.count[type] = lost;
	}
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		if (missing[lane] > 0)
			gap(r, lane, r->gap_from_ns, missing[lane],
			    *r->store_why ? r->store_why :
			    *r->json_why  ? r->json_why :
					    "the event could not be written as JSON");
	r->gap_from_ns = now;
}

static void one_line(const struct recorder_options *o, struct buf *out)
{
	if (!o->command)
		buf_addf(out, "attach %s", o->target ? o->target : "");
	for (size_t i = 0; o->command && o->command[i]; i++) {
		size_t length = strlen(o->command[i]);

		if (i > 0)
			buf_addc(out, ' ');
		/* A list needs no more of it, and the whole is in the start line. */
		if (out->length + length > COMMAND_CAP) {
			buf_adds(out, "...");
			break;
		}
		buf_add(out, o->command[i], length);
	}
}

static int start(struct recorder *r, struct err *err)
{
	struct session_line s = next_line(r);
	_cleanup_buf_ struct buf command = BUF_INIT(2 * COMMAND_CAP);

	session_start_line(&s, &r->options, &r->line);
	one_line(&r->options, &command);
	if (r->line.failed || command.failed)
		return err_errno(err, r->line.failed ? -r->line.failed : -command.failed, "can't describe the session");
	r->tally.counts.started_ns = r->gap_from_ns = s.time_ns;
	if (r->options.home) {
		struct store_session session = {
			.started_ns = s.time_ns,
			.command = command.data,
			.start_line = r->line.data,
			.exit_status = -1,
		};

		memcpy(session.id, r->session, sizeof(session.id));
		int code = store_writer_open(r->options.home, &session, &r->store, err);
		if (code < 0)
			return code;
	}
	/* The caller says it. */
	r->said_json = true;
	deliver_own(r, &s);
	json_flush(r);
	r->said_json = false;
	if (!r->json_broken)
		return 0;
	if (r->store) {
		store_writer_free(TAKE_PTR(r->store));
		(void)store_delete(r->options.home, r->session, NULL);
	}
	return err_set(err, EIO, "%s", r->json_why);
}

int recorder_open(const struct recorder_options *options, struct recorder **ret, struct err *err)
{
	_cleanup_(recorder_free_p) struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return err_errno(err, ENOMEM, "can't start the session");
	r->options = *options;
	r->wall = WALL_CLOCK_NONE;
	r->line = BUF_INIT(LINE_CAP);
	r->out = BUF_INIT(OUT_CAP);
	r->live = BUF_INIT(OUT_CAP);
	r->living = LIVING_INIT;
	tally_init(&r->tally);
	r->cache = encode_cache_new();
	if (!r->cache)
		return err_errno(err, ENOMEM, "can't start the session");
	(void)snprintf(r->session, sizeof(r->session), "%s", options->session);
	int code = proc_boot8(r->boot8);
	if (code < 0)
		return err_errno(err, -code, "can't read the boot id");
	r->offset_ns = clock_offset_ns();
	wall_clock_open(&r->wall, r->offset_ns);
	r->due_ns = clock_boottime_ns() + DUE_NS;
	bool mounted = workload_cgroup2_mount(r->mount, sizeof(r->mount)) == 0;
	/* As events name it. */
	if (mounted && options->cgroup && strncmp(options->cgroup, r->mount, strlen(r->mount)) == 0)
		r->options.cgroup = options->cgroup + strlen(r->mount);
	r->ports[0] = 53;
	for (size_t i = 0; options->dns_ports && i < HD_MAX_DNS_PORTS && options->dns_ports[i]; i++)
		r->ports[i + 1] = options->dns_ports[i];
	struct tracker_options to = {
		.session = r->session,
		.boot8 = r->boot8,
		.time_offset_ns = r->offset_ns,
		.cgroup_root = mounted ? r->mount : NULL,
		.proc = "/proc",
		.fold_ns = CLOCK_SECOND_NS,
		.dns_ports = r->ports,
		.answered = on_answer,
		.sink = on_event,
		.process = on_process,
		.context = r,
	};
	code = tracker_new(&to, &r->tracker, err);
	if (code < 0)
		return code;
	record_session(r, &to);
	code = start(r, err);
	if (code < 0)
		return code;
	*ret = TAKE_PTR(r);
	return 0;
}

void recorder_free(struct recorder *r)
{
	if (!r)
		return;
	tracker_free(r->tracker);
	wall_clock_close(&r->wall);
	store_writer_free(r->store);
	tally_done(&r->tally);
	living_done(&r->living);
	encode_cache_free(r->cache);
	buf_done(&r->line);
	buf_done(&r->out);
	buf_done(&r->live);
	free(r);
}

int recorder_frame(void *recorder, const void *frame, size_t size)
{
	struct recorder *r = recorder;

	living_frame(&r->living, frame, size);
	record(r, RECORDING_FRAME, frame, size, NULL, 0);
	return tracker_push(r->tracker, frame, size);
}

/* The kernel's counts, the tracker's, and what could not be stored, as one. */
static void sum_ledger(struct recorder *r, const struct ledger *kernel, struct ledger *sum)
{
	const struct ledger *tracker = tracker_ledger(r->tracker);

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
			const struct ledger_row *k = &kernel->rows[lane][type], *t = &tracker->rows[lane][type];
			uint64_t delivered = r->events.rows[lane][type].delivered;
			uint64_t missed = lane == ledger_lane(type) ? MIN(unstored(r, type), delivered) : 0;

			sum->rows[lane][type] = (struct ledger_row){
				.made = k->made + t->made,
				.folded = k->folded + t->folded,
				.lost = k->lost + t->lost + missed,
				.delivered = delivered - missed,
			};
		}
	}
}

/* What a call of the store said. */
static void store_told(struct recorder *r, int code, const struct err *err)
{
	if (code >= 0)
		return;
	memcpy(r->store_why, err->text, sizeof(r->store_why));
	say_once(r, &r->said_store, r->store_why);
}

/* Commits, signs, and shows that we live. kernel: its counts; NULL: unknown. */
static void store_beat(struct recorder *r, const struct ledger *kernel)
{
	struct ledger sum = { 0 };
	struct err err = { 0 };

	if (!r->store)
		return;
	if (kernel)
		sum_ledger(r, kernel, &sum);
	store_told(r, store_writer_beat(r->store, kernel ? &sum : NULL, &err), &err);
}

/*
 * Somebody may have stopped us, or taken all of the machine. What was done meanwhile is in the lanes, as far as they
 * had room; that is told where they are counted. That nobody was looking is told here.
 */
static void tell_stall(struct recorder *r)
{
	/* Not the boot time: a suspended machine is no stall. */
	int64_t now = clock_monotonic_ns(), stood = r->ticked_ns ? now - r->ticked_ns : 0;
	char why[128];

	r->ticked_ns = now;
	if (stood < STALL_NS)
		return;
	(void)snprintf(why, sizeof(why),
		       "the sensor stood still for %lld.%lld s: it was stopped, or the machine or the store's disk was "
		       "too busy",
		       (long long)(stood / CLOCK_SECOND_NS),
		       (long long)(stood % CLOCK_SECOND_NS / 100000000));
	gap(r, HD_LANE_MAX, now_utc(r) - stood, SESSION_COUNT_UNKNOWN, why);
}

/* The session's own times go on as they were. */
static void tell_wall_clock(struct recorder *r)
{
	int64_t from_ns = r->wall_looked_ns ? r->wall_looked_ns : r->tally.counts.started_ns, old_ns, new_ns;
	struct session_line s;

	r->wall_looked_ns = now_utc(r);
	if (!wall_clock_look(&r->wall, &old_ns, &new_ns))
		return;
	s = next_line(r);
	session_clock_line(&s, from_ns, s.time_ns, old_ns - r->offset_ns, new_ns - r->offset_ns, &r->line);
	if (!r->line.failed)
		deliver_own(r, &s);
}

int recorder_tick(struct recorder *r)
{
	uint64_t now = clock_boottime_ns();
	struct ledger kernel;
	int code;

	live_flush(r);
	tell_stall(r);
	if (now < r->due_ns)
		return 0;
	r->due_ns = now + DUE_NS;
	code = sensor_flush(r->options.sensor, false);
	if (code < 0)
		return code;
	tell_wall_clock(r);
	record(r, RECORDING_TICK, &now, sizeof(now), NULL, 0);
	code = tracker_tick(r->tracker, now);
	if (code < 0)
		return code;
	code = sensor_ledger(r->options.sensor, &kernel);
	store_beat(r, code >= 0 ? &kernel : NULL);
	json_flush(r);
	if (code >= 0)
		tell_gaps(r, &kernel);
	json_flush(r);
	recording_out(r);
	return 0;
}

#define PROCESS_MEMBER "\"process\":\""

/*
 * procfs tells when a process started in ticks of the clock, and a process's key has it in nanoseconds: whoever was
 * seen to start gets his own, another has no key. No string of the agent's has a quote that is not escaped.
 */
static void exact_keys(const struct recorder *r, const char *members, struct buf *out)
{
	const char *at;

	for (; (at = strstr(members, PROCESS_MEMBER)); members = at) {
		unsigned long long about = 0;
		unsigned pid = 0;
		uint64_t start;
		int end = 0;

		buf_add(out, members, (size_t)(at - members));
		if (sscanf(at, PROCESS_MEMBER "%*8[0-9a-f]-%u-%llu\",%n", &pid, &about, &end) != 2 || end == 0) {
			buf_add(out, at++, 1);
			continue;
		}
		if (living_start(&r->living, pid, about, &start))
			buf_addf(out, PROCESS_MEMBER "%s-%u-%llu\",", r->boot8, pid, (unsigned long long)start);
		at += end;
	}
	buf_adds(out, members);
}

void recorder_members(struct recorder *r, const char *type, uint64_t boottime_ns, const char *members)
{
	_cleanup_buf_ struct buf exact = BUF_INIT(LINE_CAP);
	struct session_line s = next_line(r);

	exact_keys(r, members, &exact);
	s.time_ns = (int64_t)boottime_ns + r->offset_ns;
	session_members_line(&s, type, exact.failed ? members : exact.data, &r->line);
	if (!r->line.failed)
		deliver_own(r, &s);
}

void recorder_vitals_gone(struct recorder *r, const char *why)
{
	gap(r, HD_LANE_MAX, now_utc(r), SESSION_COUNT_UNKNOWN, why);
	if (r->options.say)
		r->options.say(r->options.context, why);
}

void recorder_vitals_missed(struct recorder *r, uint64_t n)
{
	gap(r, HD_LANE_MAX, now_utc(r), n, "lines of vitals came faster than they could be written");
}

static void take_line(struct recorder *r, const struct session_line *s, struct buf *copy)
{
	buf_add(copy, r->line.data, r->line.length);
	deliver_own(r, s);
}

/* The last two lines, and the end of the session in the store. */
static void end_lines(struct recorder *r, const struct recorder_end *end, const struct ledger *kernel)
{
	struct recorder_counts *c = &r->tally.counts;
	_cleanup_buf_ struct buf end_line = BUF_INIT(LINE_CAP), ledger_line = BUF_INIT(LINE_CAP);
	struct ledger sum = { 0 };
	struct session_line s = next_line(r);
	struct err err = { 0 };

	c->ended_ns = s.time_ns;
	c->malformed = tracker_malformed(r->tracker);
	session_end_line(&s, end, r->tracker, s.time_ns - c->started_ns, c->events, &r->line);
	take_line(r, &s, &end_line);
	sum_ledger(r, kernel, &sum);
	s = next_line(r);
	session_ledger_line(&s, &sum, c->malformed, 0, &r->line);
	take_line(r, &s, &ledger_line);
	json_flush(r);
	const struct recording_end last = { .events = c->events, .sequence = s.sequence };
	record(r, RECORDING_END, &last, sizeof(last), NULL, 0);
	recording_out(r);
	c->unbalanced = ledger_unbalanced(&sum);
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
			c->lost[lane] += sum.rows[lane][type].lost;
	if (!r->store)
		return;
	struct store_session session = {
		.started_ns = c->started_ns,
		.ended_ns = c->ended_ns,
		.end_line = end_line.data,
		.ledger_line = ledger_line.data,
		.events = c->events,
		.exit_status = end->known ? exit_status_of(end->status) : -1,
	};
	memcpy(session.id, r->session, sizeof(session.id));
	if (store_writer_end(r->store, &session, &err) < 0)
		say_once(r, &r->said_store, err.text);
}

int recorder_finish(struct recorder *r, const struct recorder_end *end)
{
	struct ledger kernel = { 0 };
	struct err err = { 0 };
	int code;

	record(r, RECORDING_FINISH, NULL, 0, NULL, 0);
	code = tracker_finish(r->tracker);
	live_flush(r);
	tell_wall_clock(r);
	store_told(r, r->store ? store_writer_commit(r->store, &err) : 0, &err);
	json_flush(r);
	/* A sensor that can't count says nothing about loss: the rows then do not balance, and the summary tells. */
	(void)sensor_ledger(r->options.sensor, &kernel);
	tell_gaps(r, &kernel);
	end_lines(r, end, &kernel);
	return code;
}

const char *recorder_trouble(struct recorder *r)
{
	bool lost = r->lost_lately;

	r->lost_lately = false;
	if (r->json_broken)
		return r->json_why;
	if (r->store && !store_writer_healthy(r->store))
		return *r->store_why ? r->store_why : "the store can't be written";
	return lost ? "events were lost" : NULL;
}

struct living *recorder_living(struct recorder *r)
{
	return &r->living;
}

const struct recorder_counts *recorder_counts(const struct recorder *r)
{
	return &r->tally.counts;
}

void recorder_command(const struct recorder_options *options, char *ret, size_t size)
{
	_cleanup_buf_ struct buf command = BUF_INIT(2 * COMMAND_CAP);

	one_line(options, &command);
	(void)snprintf(ret, size, "%s", command.data ? command.data : "");
}

uint64_t recorder_lost(const struct recorder *r)
{
	uint64_t lost = 0;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		lost += r->seen_lost[lane];
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
		lost += r->told.count[type];
	return lost;
}

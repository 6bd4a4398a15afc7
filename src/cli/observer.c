/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a session. See observer.h. */
#include "cli/observer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "cli/harden.h"
#include "cli/status-page.h"
#include "cli/summary.h"
#include "cli/watch.h"
#include "workload/workload.h"

#define IDLE_MAX_MS 32
#define REPLAY_WAIT_MS 100
#define LOOK_NS (200 * INT64_C(1000000))
#define DRAIN_NS (CLOCK_SECOND_NS / 2)
#define KILL_NS (3 * CLOCK_SECOND_NS)
#define VITALS_END_NS CLOCK_SECOND_NS

struct observer {
	struct observer_options options;
	struct sensor *sensor;
	struct recorder *recorder;
	struct recording *recording;
	struct workload *workload; /* a handle on the cgroup; NULL: none */
	struct throttle *throttle; /* NULL: nobody is slowed */
	struct vitals_link vitals;
	struct status_writer *status; /* NULL: it could not be made, and nobody misses it but top */
	struct status_page page;
	int64_t status_ns;         /* boottime of the next page */
	int signal_fd;
	bool command;              /* somebody will tell of the command's end */
	bool at_end;               /* of a replay */
	bool stop;
	int idle_ms;               /* how long to wait for what does not wake us */
	int64_t ended_ns;          /* boottime of the command's end, 0: it runs */
	int64_t look_ns;           /* boottime of the next look for what lives */
	int64_t beat_ns;           /* boottime of the next sign of life */
	char why[ERR_TEXT_MAX];    /* end.why, where it is somebody else's word */
	struct recorder_end end;
};

static int64_t now_ns(void)
{
	return (int64_t)clock_boottime_ns();
}

static int start_vitals(struct observer *o)
{
	struct vitals_options *v = &o->options.vitals;

	v->session = o->options.recorder.session;
	v->home = o->options.recorder.home;
	v->directory = o->options.recorder.directory;
	return vitals_link_start(v, &o->vitals);
}

int observer_open(const struct observer_options *options, struct observer **ret, struct err *err)
{
	_cleanup_(observer_free_p) struct observer *o = calloc(1, sizeof(*o));
	sigset_t signals;

	if (!o)
		return err_errno(err, ENOMEM, "can't start the session");
	o->options = *options;
	o->command = options->control_fd >= 0;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	o->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (o->signal_fd < 0)
		return err_errno(err, errno, "can't wait for signals");
	o->vitals = VITALS_LINK_INIT;
	int r = options->vitals.off ? 0 : start_vitals(o);
	if (r < 0)
		return err_errno(err, -r, "can't start the process that reads vitals");
	r = sensor_open(&options->sensor, &o->sensor, err);
	if (r >= 0)
		r = sensor_canaries(o->sensor, err);
	if (r < 0)
		return r;
	if (options->record_fd >= 0) {
		r = recording_new(options->record_fd, &o->recording);
		if (r < 0)
			return err_errno(err, -r, "can't record the lanes");
	}
	*ret = TAKE_PTR(o);
	return 0;
}

void observer_free(struct observer *o)
{
	if (!o)
		return;
	throttle_stop(o->throttle, &o->end.slowed);
	vitals_link_close(&o->vitals);
	status_close(o->status);
	recorder_free(o->recorder);
	recording_free(o->recording);
	workload_free(o->workload);
	sensor_free(o->sensor);
	close_fd(&o->signal_fd);
	free(o);
}

/* A limit that was asked for and can't be set is an error; vitals that can't be read are a gap that is said. */
static int begin_vitals(struct observer *o, const struct workload_places *places, uint32_t first, struct err *err)
{
	struct err why = { 0 };
	int r;

	if (o->vitals.fd < 0)
		return 0;
	r = vitals_link_begin(&o->vitals, places, first, &why);
	if (r < 0)
		vitals_link_close(&o->vitals);
	if (r < 0 && vitals_limits(&o->options.vitals)) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0)
		recorder_vitals_gone(o->recorder, why.text);
	return 0;
}

static void write_status(struct observer *o, int64_t now)
{
	const struct recorder_counts *c = recorder_counts(o->recorder);
	struct status_page *p = &o->page;

	o->status_ns = now + CLOCK_SECOND_NS;
	if (!o->status)
		return;
	p->events = c->events;
	p->escapes = p->escapes_refused = 0;
	for (unsigned i = 0; i < HD_ESC_MAX; i++) {
		p->escapes += c->escapes[i];
		p->escapes_refused += c->escapes_failed[i];
	}
	p->lost = recorder_lost(o->recorder);
	p->time_ns = (uint64_t)now;
	(void)status_write(o->status, p);
}

/* What `heddle top` is to see; later only what changes is filled in. */
static void begin_status(struct observer *o, const struct workload_places *places, uint32_t first)
{
	struct status_page *p = &o->page;

	if (status_open(o->options.recorder.session, &o->status) < 0)
		return;
	(void)snprintf(p->session, sizeof(p->session), "%s", o->options.recorder.session);
	recorder_command(&o->options.recorder, p->command, sizeof(p->command));
	p->places = *places;
	p->pid = first;
	p->limit = o->options.vitals.limit;
	p->started_ns = clock_realtime_ns();
	/* One that dies at once leaves a page that can be told for one. */
	write_status(o, now_ns());
}

int observer_begin(struct observer *o, const struct workload_places *places, bool own, uint32_t first,
		   const uint32_t *pids, size_t pids_n, struct err *err)
{
	const char *cgroup = *places->cgroup ? places->cgroup : NULL;
	struct recorder_options options = o->options.recorder;
	struct err unable = { 0 };
	int r;

	if (cgroup) {
		r = workload_adopt_places(places, own, &o->workload, err);
		if (r < 0)
			return r;
	}
	/* Who has no cgroup, or one that can't be frozen, is not slowed, and the start line says so. */
	if (o->options.flood == FLOOD_LOSE || !o->workload ||
	    throttle_start(o->options.flood, o->sensor, o->workload, &o->throttle) < 0)
		o->options.flood = FLOOD_LOSE;
	options.sensor = o->sensor;
	options.recording = o->recording;
	options.flood = flood_policy_name(o->options.flood);
	options.cgroup = cgroup;
	r = recorder_open(&options, &o->recorder, err);
	if (r < 0)
		return r;
	r = sensor_follow(o->sensor, cgroup, pids, pids_n, err);
	if (r < 0)
		o->end.why = "nothing could be followed";
	if (r >= 0) {
		r = begin_vitals(o, places, first, err);
		if (r < 0)
			o->end.why = "the limit could not be set";
	}
	if (r < 0) {
		(void)recorder_finish(o->recorder, &o->end);
		return r;
	}
	begin_status(o, places, first);
	/* All is loaded and open. A kernel that can't do it records no worse, but nobody should believe it did. */
	if (harden(&unable) < 0 && options.say)
		options.say(options.context, unable.text);
	return 0;
}

void observer_command_ended(struct observer *o, int status, const char *why)
{
	o->end.known = true;
	o->end.status = status;
	o->ended_ns = now_ns();
	if (!why || !*why)
		return;
	(void)snprintf(o->why, sizeof(o->why), "%s", why);
	o->end.why = o->why;
	o->options.kill_rest = true;
	o->options.linger_ns = 0;
}

void observer_signaled(struct observer *o)
{
	vitals_link_yield(&o->vitals);
}

void observer_orphaned(struct observer *o)
{
	o->options.control_fd = -1;
	o->command = false;
	o->options.beat = NULL;
	if (!o->options.fail_closed || o->ended_ns)
		return;
	o->ended_ns = now_ns();
	o->end.why = "heddle was killed, so the command was too (--fail-closed)";
	o->options.kill_rest = true;
	o->stop = true;
}

/*
 * Reads until the lanes are empty, or for limit_ns from a workload that never pauses: the first look alone reads what
 * was in the lanes at the call.
 */
static int drain(struct observer *o, int64_t limit_ns)
{
	int64_t until = now_ns() + limit_ns;
	int n;

	do {
		n = sensor_poll(o->sensor, 0, recorder_frame, o->recorder, &o->at_end);
		if (n >= 0) {
			int r = recorder_tick(o->recorder);
			if (r < 0)
				return r;
		}
	} while (n > 0 && now_ns() < until);
	return n < 0 ? n : 0;
}

/* Processes of the workload that live, in its cgroup or out of it. */
static uint64_t population(struct observer *o)
{
	int in_cgroup = o->workload ? workload_populated(o->workload) : 0;

	return MAX(living_count(recorder_living(o->recorder)), (size_t)MAX(in_cgroup, 0));
}

/* Whether the session is over. */
static int over(struct observer *o, bool *ret)
{
	int64_t now = now_ns();

	*ret = true;
	if (o->stop || o->at_end)
		return 0;
	if (o->ended_ns && now - o->ended_ns >= o->options.linger_ns)
		return 0;
	*ret = false;
	if ((o->command && !o->ended_ns) || now < o->look_ns)
		return 0;
	o->look_ns = now + LOOK_NS;
	/* Who left in the meantime has said so in the lanes. */
	int r = drain(o, DRAIN_NS);
	if (r < 0)
		return r;
	*ret = population(o) == 0;
	return 0;
}

static void take_signal(struct observer *o)
{
	struct signalfd_siginfo info;

	if (read(o->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	o->stop = true;
	if (!o->ended_ns)
		o->end.why = "the session was ended before the command";
}

static void take_line(struct observer *o, const struct vitals_message *m)
{
	struct status_page *p = &o->page;

	if (m->missed)
		recorder_vitals_missed(o->recorder, m->missed);
	recorder_members(o->recorder, m->type, m->time_ns, m->text);
	if (strcmp(m->type, "guard") == 0) {
		p->acts += m->value == 0;
		(void)snprintf(p->act, sizeof(p->act), "%.*s", (int)sizeof(p->act) - 1, m->words);
	} else if (strcmp(m->type, "forecast") == 0) {
		(void)snprintf(p->forecast, sizeof(p->forecast), "%.*s", (int)sizeof(p->forecast) - 1, m->words);
	}
}

/* True once the process has said all. */
static bool take_vitals(struct observer *o)
{
	struct vitals_message m;
	int r;

	while ((r = vitals_link_next(&o->vitals, &m)) == 1) {
		if (m.kind == VITALS_LINE)
			take_line(o, &m);
		else if (m.kind == VITALS_SAY && o->options.recorder.say)
			o->options.recorder.say(o->options.recorder.context, m.text);
		else if (m.kind == VITALS_DONE)
			return true;
	}
	if (r < 0)
		recorder_vitals_gone(o->recorder, "the process that reads vitals was killed: nothing is measured or "
						  "guarded any more");
	return r < 0;
}

/* Its last words, while the cgroup is still there. */
static void end_vitals(struct observer *o)
{
	int64_t until = now_ns() + VITALS_END_NS;

	vitals_link_end(&o->vitals);
	while (o->vitals.fd >= 0 && now_ns() < until) {
		struct pollfd one = { .fd = o->vitals.fd, .events = POLLIN };

		if (poll(&one, 1, 100) > 0 && take_vitals(o))
			break;
	}
	vitals_link_close(&o->vitals);
}

static int wait_and_read(struct observer *o)
{
	int lanes = sensor_fd(o->sensor);
	struct pollfd fds[] = {
		{ .fd = o->signal_fd, .events = POLLIN },
		{ .fd = o->options.control_fd, .events = POLLIN },
		{ .fd = lanes, .events = POLLIN },
		{ .fd = o->vitals.fd, .events = POLLIN },
	};
	/* A lane wakes us only when it fills up, so quiet ones are looked at less and less often. */
	o->idle_ms = MIN(MAX(o->idle_ms, 1) * 2, IDLE_MAX_MS);
	int r = poll(fds, ARRAY_SIZE(fds), lanes < 0 ? 0 : o->idle_ms);

	if (r < 0 && errno != EINTR)
		return -errno;
	if (r > 0 && fds[0].revents)
		take_signal(o);
	if (r > 0 && fds[1].revents) {
		r = o->options.control(o->options.context, o);
		if (r < 0)
			return r;
	}
	if (r > 0 && fds[3].revents)
		(void)take_vitals(o);
	else if (vitals_link_watch(&o->vitals))
		recorder_vitals_gone(o->recorder, "the process that reads vitals stood still for seconds, and was "
						  "told to go on: nothing was measured or guarded");
	r = sensor_poll(o->sensor, lanes < 0 ? REPLAY_WAIT_MS : 0, recorder_frame, o->recorder, &o->at_end);
	if (r > 0)
		o->idle_ms = 1;
	if (r >= 0)
		r = recorder_tick(o->recorder);
	if (r >= 0 && now_ns() >= o->status_ns)
		write_status(o, now_ns());
	if (r >= 0 && o->options.beat && now_ns() >= o->beat_ns) {
		o->beat_ns = now_ns() + WATCH_BEAT_MS * INT64_C(1000000);
		o->options.beat(o->options.context, recorder_trouble(o->recorder));
	}
	return r;
}

/* Ends what the command left. New ones may be forked while the first die, so it is done until nothing lives. */
static int kill_rest(struct observer *o)
{
	int64_t until = now_ns() + KILL_NS;
	uint64_t left = population(o);

	o->end.killed = left;
	while (left > 0 && now_ns() < until) {
		if (o->workload)
			(void)workload_kill(o->workload);
		(void)living_signal(recorder_living(o->recorder), SIGKILL);
		int n = sensor_poll(o->sensor, 10, recorder_frame, o->recorder, &o->at_end);
		if (n < 0)
			return n;
		left = population(o);
	}
	o->end.killed -= MIN(left, o->end.killed);
	return 0;
}

int observer_run(struct observer *o)
{
	bool done = false;
	int r = 0;

	while (r >= 0 && !done) {
		r = wait_and_read(o);
		if (r >= 0)
			r = over(o, &done);
	}
	/* Whatever went wrong, what was seen so far is written. */
	if (r >= 0)
		r = drain(o, DRAIN_NS);
	end_vitals(o);
	if (r >= 0 && o->options.kill_rest && o->ended_ns)
		r = kill_rest(o);
	o->end.left_running = population(o);
	/* Who is left goes on; the session must not: what is counted from here on would be in no line. */
	sensor_stop(o->sensor, o->end.left_running > 0);
	if (r >= 0)
		r = sensor_flush(o->sensor, true);
	if (r >= 0)
		r = drain(o, INT64_MAX / 2);
	throttle_stop(TAKE_PTR(o->throttle), &o->end.slowed);
	o->end.memory_peak_bytes = o->workload ? workload_memory_peak(o->workload) : 0;
	if (r < 0)
		o->end.why = strerror(-r);
	int finished = recorder_finish(o->recorder, &o->end);
	/* Here, not in observer_free: nobody should have to wait for the detaching to see it gone. */
	workload_free(TAKE_PTR(o->workload));
	return r < 0 ? r : finished;
}

void observer_summary(struct observer *o, bool color, struct buf *out)
{
	struct summary s = {
		.session = o->options.recorder.session,
		.stored = o->options.recorder.home != NULL,
		.color = color,
		.processes = recorder_living(o->recorder)->ever,
		.counts = recorder_counts(o->recorder),
		.end = &o->end,
	};

	s.hooks_n = sensor_hooks(o->sensor, &s.hooks);
	summary_write(&s, out);
}

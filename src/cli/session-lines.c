/* SPDX-License-Identifier: Apache-2.0 */
/* The session, process, gap, clock and ledger lines. */
#include "cli/session-lines.h"

#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"
#include "event/names.h"

static void begin(struct json *j, const struct session_line *s, const char *type, const char *phase, struct buf *out)
{
	char text[CLOCK_TEXT_MAX];

	json_init(j, out);
	json_object(j);
	json_key(j, "type");
	json_string(j, type);
	if (phase) {
		json_key(j, "phase");
		json_string(j, phase);
	}
	json_key(j, "sequence");
	json_uint(j, s->sequence);
	json_key(j, "time");
	json_string(j, clock_format(s->time_ns, text));
	json_key(j, "session");
	json_string(j, s->session);
}

static void put_text(struct json *j, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	json_key(j, key);
	json_string(j, value);
}

/* As put_text, for bytes of the user or the agent; true when something was escaped. */
static bool put_bytes(struct json *j, const char *key, const char *value)
{
	if (!value || !*value)
		return false;
	json_key(j, key);
	return json_bytes(j, value, strlen(value));
}

static void put_uint(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_uint(j, value);
}

static bool put_command(struct json *j, char *const *command)
{
	bool escaped = false;

	json_key(j, "command");
	json_array(j);
	for (size_t i = 0; command[i]; i++)
		escaped |= json_bytes(j, command[i], strlen(command[i]));
	json_array_end(j);
	return escaped;
}

int exit_status_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static void put_sensor(struct json *j, const struct sensor *sensor)
{
	const struct sensor_hook *hooks = NULL;
	const char *const *blind = sensor_blind(sensor);
	size_t n = sensor_hooks(sensor, &hooks);

	put_text(j, "tier", sensor_tier_name(sensor_tier(sensor)));
	json_key(j, "hooks");
	json_array(j);
	for (size_t i = 0; i < n; i++)
		if (hooks[i].attached)
			json_string(j, hooks[i].name);
	json_array_end(j);
	json_key(j, "blind");
	json_array(j);
	for (size_t i = 0; blind && blind[i]; i++)
		json_string(j, blind[i]);
	for (size_t i = 0; i < n; i++) {
		char text[512];

		if (sensor_hook_blind(&hooks[i], sensor_tier(sensor), text, sizeof(text)))
			json_string(j, text);
	}
	json_array_end(j);
}

static void put_escaped(struct json *j, const char *const *names, size_t n)
{
	if (n == 0)
		return;
	json_key(j, "escaped");
	json_array(j);
	for (size_t i = 0; i < n; i++)
		json_string(j, names[i]);
	json_array_end(j);
}

void session_start_line(const struct session_line *s, const struct recorder_options *o, struct buf *out)
{
	const char *escaped[4];
	size_t escaped_n = 0;
	struct utsname host;
	struct json j;

	begin(&j, s, "session", "start", out);
	if (o->command && put_command(&j, o->command))
		escaped[escaped_n++] = "command";
	if (put_bytes(&j, "target", o->target))
		escaped[escaped_n++] = "target";
	if (put_bytes(&j, "cwd", o->directory))
		escaped[escaped_n++] = "cwd";
	if (put_bytes(&j, "cgroup", o->cgroup))
		escaped[escaped_n++] = "cgroup";
	put_text(&j, "user", o->user);
	put_text(&j, "flood", o->flood);
	if (o->memory_limit)
		put_uint(&j, "memory_limit", o->memory_limit);
	put_text(&j, "guard", o->guard);
	if (uname(&host) == 0) {
		put_text(&j, "host", host.nodename);
		put_text(&j, "kernel", host.release);
	}
	put_sensor(&j, o->sensor);
	put_text(&j, "heddle_version", o->heddle_version);
	put_escaped(&j, escaped, escaped_n);
	json_object_end(&j);
}

static void put_signal(struct json *j, int signal)
{
	const char *name = name_signal(signal);

	if (name)
		put_text(j, "signal", name);
	else
		put_uint(j, "signal", (uint64_t)signal);
}

void session_end_line(const struct session_line *s, const struct recorder_end *end, const struct tracker *tracker,
		      int64_t duration_ns, uint64_t events, struct buf *out)
{
	struct json j;

	begin(&j, s, "session", "end", out);
	if (end->interrupted) {
		json_key(&j, "interrupted");
		json_bool(&j, true);
	}
	if (end->known) {
		put_uint(&j, "exit_status", (uint64_t)exit_status_of(end->status));
		if (WIFSIGNALED(end->status))
			put_signal(&j, WTERMSIG(end->status));
	}
	json_key(&j, "duration_ns");
	json_int(&j, duration_ns);
	put_uint(&j, "events", events);
	if (!end->interrupted)
		put_uint(&j, "left_running", end->left_running);
	if (end->killed)
		put_uint(&j, "killed", end->killed);
	if (end->memory_peak_bytes)
		put_uint(&j, "memory_peak_bytes", end->memory_peak_bytes);
	if (end->slowed.times) {
		put_uint(&j, "slowed", end->slowed.times);
		put_uint(&j, "slowed_ns", end->slowed.total_ns);
		put_uint(&j, "slowed_longest_ns", end->slowed.longest_ns);
	}
	put_text(&j, "why", end->why);
	if (tracker) {
		json_key(&j, "traffic");
		tracker_write_traffic(tracker, &j);
	}
	json_object_end(&j);
}

void session_process_line(const struct event *who, enum tracker_origin origin, struct buf *out)
{
	static const char *const origins[] = {
		[TRACKER_BEFORE] = "before",
		[TRACKER_JOINED] = "joined",
		[TRACKER_UNKNOWN] = "unknown",
	};
	const struct session_line s = {
		.session = who->session.data,
		.sequence = who->sequence,
		.time_ns = (int64_t)who->h.time_ns + who->time_offset_ns,
	};
	const struct bytes comm = { who->h.comm, strnlen(who->h.comm, sizeof(who->h.comm)) };
	const struct {
		const char *key;
		struct bytes value;
	} names[] = { { "comm", comm }, { "exe", who->exe.path }, { "cgroup", who->cgroup } };
	const char *escaped[ARRAY_SIZE(names)];
	size_t escaped_n = 0;
	struct json j;

	begin(&j, &s, "process", NULL, out);
	put_text(&j, "process", who->process);
	put_uint(&j, "pid", who->h.pid);
	put_uint(&j, "ppid", who->h.ppid);
	if (who->h.ns_pid && who->h.ns_pid != who->h.pid)
		put_uint(&j, "pid_in_namespace", who->h.ns_pid);
	put_uint(&j, "uid", who->h.uid);
	put_uint(&j, "gid", who->h.gid);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!bytes_set(names[i].value))
			continue;
		json_key(&j, names[i].key);
		if (json_bytes(&j, names[i].value.data, names[i].value.length))
			escaped[escaped_n++] = names[i].key;
	}
	put_uint(&j, "image", who->h.image);
	put_text(&j, "origin", origins[origin]);
	put_escaped(&j, escaped, escaped_n);
	json_object_end(&j);
}

void session_gap_line(const struct session_line *s, enum hd_lane lane, int64_t from_ns, int64_t to_ns, uint64_t count,
		      const char *why, struct buf *out)
{
	char text[CLOCK_TEXT_MAX];
	struct json j;

	begin(&j, s, "gap", NULL, out);
	if (lane < HD_LANE_MAX)
		put_text(&j, "lane", name_lane(lane));
	put_text(&j, "from", clock_format(from_ns, text));
	put_text(&j, "to", clock_format(to_ns, text));
	if (count != SESSION_COUNT_UNKNOWN)
		put_uint(&j, "count", count);
	json_key(&j, "why");
	(void)json_bytes(&j, why, strlen(why));
	json_object_end(&j);
}

void session_members_line(const struct session_line *s, const char *type, const char *members, struct buf *out)
{
	struct json j;

	begin(&j, s, type, NULL, out);
	if (members[0] == '{' && members[1] != '}' && members[1]) {
		buf_addc(out, ',');
		buf_adds(out, members + 1);
	} else {
		json_object_end(&j);
	}
}

void session_clock_line(const struct session_line *s, int64_t from_ns, int64_t to_ns, int64_t old_offset_ns,
			int64_t new_offset_ns, struct buf *out)
{
	char text[CLOCK_TEXT_MAX];
	struct json j;

	begin(&j, s, "clock", NULL, out);
	put_text(&j, "from", clock_format(from_ns, text));
	put_text(&j, "to", clock_format(to_ns, text));
	put_text(&j, "wall_before", clock_format(s->time_ns + old_offset_ns, text));
	put_text(&j, "wall_after", clock_format(s->time_ns + new_offset_ns, text));
	json_object_end(&j);
}

void session_ledger_line(const struct session_line *s, const struct ledger *l, uint64_t malformed, int64_t as_of_ns,
			 struct buf *out)
{
	char text[CLOCK_TEXT_MAX];
	struct json j;

	begin(&j, s, "ledger", NULL, out);
	json_key(&j, "lanes");
	ledger_write(l, &j);
	put_uint(&j, "lost", ledger_lost(l));
	if (as_of_ns)
		put_text(&j, "as_of", clock_format(as_of_ns, text));
	if (malformed)
		put_uint(&j, "malformed", malformed);
	json_object_end(&j);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The report as one JSON object; docs/man/heddle-report.1 names its members. */
#include "cli/report.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "event/names.h"

static void put_text(struct json *j, const char *key, const char *text)
{
	if (!text)
		return;
	json_key(j, key);
	json_string(j, text);
}

static void put_uint(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_uint(j, value);
}

static void put_time(struct json *j, const char *key, int64_t time_ns)
{
	char text[CLOCK_TEXT_MAX];

	if (time_ns)
		put_text(j, key, clock_format(time_ns, text));
}

static void put_raw(struct json *j, const char *key, const char *line)
{
	if (!line || !*line)
		return;
	json_key(j, key);
	json_raw(j, line, strlen(line));
}

static void put_strings(struct json *j, const char *key, const struct strings *s)
{
	char more[64];

	if (s->n == 0)
		return;
	json_key(j, key);
	json_array(j);
	for (size_t i = 0; i < s->n; i++)
		json_string(j, s->list[i]);
	json_array_end(j);
	if (s->refused) {
		(void)snprintf(more, sizeof(more), "more_%s", key);
		put_uint(j, more, s->refused);
	}
}

static void put_session(struct json *j, const struct report *r)
{
	static const char *const states[] = {
		[STORE_RUNNING] = "running",
		[STORE_ENDED] = "ended",
		[STORE_INTERRUPTED] = "interrupted",
	};
	const struct store_session *s = &r->session;

	json_key(j, "session");
	json_object(j);
	put_text(j, "id", s->id);
	put_text(j, "state", states[s->state]);
	put_text(j, "command", s->command);
	put_time(j, "start", s->started_ns);
	put_time(j, "end", s->ended_ns);
	json_key(j, "duration_ns");
	json_int(j, report_end_ns(r) - s->started_ns);
	if (s->exit_status >= 0)
		put_uint(j, "exit_status", (uint64_t)s->exit_status);
	put_raw(j, "start_line", s->start_line);
	put_raw(j, "end_line", s->end_line);
	if (r->damaged)
		put_uint(j, "damaged_lines", r->damaged);
	if (r->clock_sets)
		put_uint(j, "clock_sets", r->clock_sets);
	json_object_end(j);
}

static void put_incidents(struct json *j, const char *key, const struct keyed *k)
{
	json_key(j, key);
	json_array(j);
	for (size_t i = 0; i < k->n; i++) {
		const struct report_incident *incident = k->list[i];
		_cleanup_buf_ struct buf words = BUF_INIT(1 << 20);

		report_incident_words(incident, &words);
		json_object(j);
		put_text(j, "category", incident->category);
		put_text(j, "target", incident->target);
		put_uint(j, "count", incident->count);
		put_uint(j, "failed", incident->failed);
		put_strings(j, "errors", &incident->errors);
		put_time(j, "first", incident->first_ns);
		put_time(j, "last", incident->last_ns);
		put_text(j, "summary", words.failed ? NULL : words.data);
		put_raw(j, "event", incident->line);
		json_object_end(j);
	}
	json_array_end(j);
}

/* What a process became by one exec after the other; one alone is told by exe and command. */
static void put_images(struct json *j, const struct report_process *p)
{
	if (p->images_n < 2)
		return;
	json_key(j, "images");
	json_array(j);
	for (unsigned i = 0; i < p->images_n; i++) {
		json_object(j);
		put_time(j, "time", p->images[i].time_ns);
		put_text(j, "exe", p->images[i].exe);
		put_text(j, "command", p->images[i].command);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_process(struct json *j, const struct report_process *p)
{
	json_object(j);
	put_text(j, "process", p->key);
	put_text(j, "parent", p->parent ? p->parent->key : NULL);
	put_uint(j, "pid", p->pid);
	put_text(j, "comm", p->comm);
	put_text(j, "exe", p->exe);
	put_text(j, "command", report_command(p));
	put_uint(j, "execs", p->execs);
	put_images(j, p);
	put_time(j, "start", p->start_ns);
	put_time(j, "end", p->end_ns);
	if (p->end_ns && p->signal)
		put_text(j, "signal", p->signal);
	else if (p->end_ns)
		put_uint(j, "exit_code", (uint64_t)p->exit_code);
	if (p->max_rss_bytes)
		put_uint(j, "max_rss_bytes", p->max_rss_bytes);
	if (p->oom_killed) {
		json_key(j, "oom_killed");
		json_bool(j, true);
	}
	json_object_end(j);
}

static void put_processes(struct json *j, const struct report *r)
{
	unsigned depth = 0;

	json_key(j, "processes");
	json_array(j);
	for (struct report_process *p = report_walk(r, NULL, &depth); p; p = report_walk(r, p, &depth))
		put_process(j, p);
	json_array_end(j);
}

static void put_service(struct json *j, const struct report *r, const struct report_service *s)
{
	json_object(j);
	put_uint(j, "port", s->port);
	put_text(j, "protocol", s->protocol);
	put_text(j, "direction", s->accepted ? "accepted" : "connected");
	put_strings(j, "addresses", &s->addresses);
	put_strings(j, "programs", &s->programs);
	put_uint(j, "connects", s->connects);
	put_uint(j, "failed", s->failed);
	put_strings(j, "errors", &s->errors);
	/* Only TCP's are counted. */
	if (r->traffic && strcmp(s->protocol, "tcp") == 0) {
		put_uint(j, "connections", s->connections);
		put_uint(j, "sent", s->sent);
		put_uint(j, "received", s->received);
	}
	json_object_end(j);
}

static void put_host(struct json *j, const struct report *r, const struct report_host *h)
{
	uint64_t connects = 0, failed = 0, sent = 0, received = 0;

	json_object(j);
	put_text(j, "host", h->key);
	json_key(j, "services");
	json_array(j);
	for (const struct report_service *s = h->first; s; s = s->next) {
		put_service(j, r, s);
		connects += s->connects;
		failed += s->failed;
		sent += s->sent;
		received += s->received;
	}
	json_array_end(j);
	put_uint(j, "connects", connects);
	put_uint(j, "failed", failed);
	if (r->traffic) {
		put_uint(j, "sent", sent);
		put_uint(j, "received", received);
	}
	put_time(j, "first", h->first_ns);
	json_object_end(j);
}

static void put_names(struct json *j, const struct report *r)
{
	json_key(j, "names");
	json_array(j);
	for (size_t i = 0; i < r->names.n; i++) {
		const struct report_name *n = r->names.list[i];

		json_object(j);
		put_text(j, "name", n->key);
		put_uint(j, "queries", n->queries);
		put_uint(j, "responses", n->responses);
		put_strings(j, "query_types", &n->types);
		put_strings(j, "response_codes", &n->codes);
		put_strings(j, "answers", &n->answers);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_hosts(struct json *j, const struct report *r)
{
	json_key(j, "hosts");
	json_array(j);
	for (size_t i = 0; i < r->hosts.n; i++)
		put_host(j, r, r->hosts.list[i]);
	json_array_end(j);
	put_names(j, r);
}

static void put_files(struct json *j, const struct report *r)
{
	json_key(j, "files");
	json_array(j);
	for (size_t i = 0; i < r->files.n; i++) {
		const struct report_file *f = r->files.list[i];

		if (!f->read_operations && !f->write_operations && !f->mappings && !f->deleted)
			continue;
		json_object(j);
		put_text(j, "path", f->key);
		put_uint(j, "read_bytes", f->read_bytes);
		put_uint(j, "read_operations", f->read_operations);
		put_uint(j, "written_bytes", f->write_bytes);
		put_uint(j, "write_operations", f->write_operations);
		put_uint(j, "writable_mappings", f->mappings);
		put_uint(j, "deleted", f->deleted);
		if (f->made) {
			json_key(j, "made");
			json_bool(j, true);
		}
		json_object_end(j);
	}
	json_array_end(j);
	json_key(j, "changes");
	json_object(j);
	for (unsigned i = 1; i < HD_META_MAX; i++)
		if (r->changes[i])
			put_uint(j, name_metadata(i), r->changes[i]);
	json_object_end(j);
}

/* key_is_error: the key is an error, a space and what the detail holds whole. */
static void put_counts(struct json *j, const char *key, const struct keyed *k, const char *what, bool key_is_error)
{
	json_key(j, key);
	json_array(j);
	for (size_t i = 0; i < k->n; i++) {
		const struct report_count *c = k->list[i];
		char error[64];

		json_object(j);
		put_text(j, what, key_is_error ? c->detail : c->key);
		if (key_is_error) {
			(void)snprintf(error, sizeof(error), "%.*s", (int)strcspn(c->key, " "), c->key);
			put_text(j, "error", error);
		} else {
			put_text(j, "comm", c->detail);
			put_uint(j, "failed", c->failed);
		}
		put_uint(j, "count", c->count);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_events(struct json *j, const struct report *r)
{
	json_key(j, "events");
	json_object(j);
	for (unsigned i = 1; i <= HD_TYPE_EVENT_MAX; i++) {
		if (!r->events[i])
			continue;
		json_key(j, name_event_type(i));
		json_object(j);
		put_uint(j, "count", r->events[i]);
		put_uint(j, "failed", r->failed[i]);
		json_object_end(j);
	}
	json_object_end(j);
}

static void put_peak(struct json *j, const struct report *r)
{
	if (!r->peak)
		return;
	json_key(j, "peak_memory");
	json_object(j);
	put_uint(j, "max_rss_bytes", r->peak->max_rss_bytes);
	put_text(j, "process", r->peak->key);
	put_text(j, "comm", r->peak->comm);
	json_object_end(j);
}

static void put_gaps(struct json *j, const struct report *r)
{
	json_key(j, "gaps");
	json_array(j);
	for (size_t i = 0; i < r->gaps.n; i++) {
		const struct report_gap *gap = r->gaps.list[i];

		json_raw(j, gap->key, strlen(gap->key));
	}
	json_array_end(j);
}

static void put_vitals(struct json *j, const struct report *r)
{
	const struct report_vitals *v = &r->vitals;

	if (v->samples == 0)
		return;
	json_key(j, "memory");
	json_object(j);
	put_uint(j, "limit", v->limit);
	put_uint(j, "peak_bytes", v->highest.current);
	put_time(j, "peak", v->highest.time_ns);
	put_uint(j, "available_least", v->least.available);
	put_text(j, "agent", v->agent);
	put_uint(j, "agent_peak_bytes", v->agent_peak);
	json_key(j, "phases");
	json_array(j);
	for (size_t i = 0; i < v->phases.n; i++) {
		const struct report_phase *p = v->phases.list[i];

		json_object(j);
		put_text(j, "command", p->key);
		put_uint(j, "times", p->times);
		put_uint(j, "peak_bytes", p->peak_bytes);
		put_uint(j, "read_bytes", p->read_bytes);
		put_uint(j, "write_bytes", p->write_bytes);
		json_object_end(j);
	}
	json_array_end(j);
	json_key(j, "guard");
	json_array(j);
	for (size_t i = 0; i < v->acts.n; i++)
		json_raw(j, ((const struct report_act *)v->acts.list[i])->key,
			 strlen(((const struct report_act *)v->acts.list[i])->key));
	json_array_end(j);
	put_raw(j, "score", v->score);
	put_raw(j, "last", v->last);
	json_object_end(j);
}

/* What did not fit a cap, so that nobody takes a list for whole. */
static void put_refused(struct json *j, const struct report *r)
{
	const struct {
		const char *name;
		uint64_t n;
	} all[] = {
		{ "escapes", r->escapes_over },
		{ "privilege_changes", r->privileges.refused },
		{ "memory_exec", r->memory.refused },
		{ "processes", r->processes.refused },
		{ "hosts", r->hosts.refused },
		{ "services", r->services.refused },
		{ "names", r->names.refused },
		{ "files", r->files.refused },
		{ "failed_opens", r->failed_opens.refused },
		{ "local_sockets", r->local_sockets.refused },
		{ "gaps", r->gaps.refused },
		{ "phases", r->vitals.phases.refused },
		{ "guard", r->vitals.acts.refused },
	};

	json_key(j, "left_out");
	json_object(j);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].n)
			put_uint(j, all[i].name, all[i].n);
	json_object_end(j);
}

int report_json(const struct report *r, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object(&j);
	put_session(&j, r);
	put_incidents(&j, "escapes", &r->escapes);
	put_incidents(&j, "privilege_changes", &r->privileges);
	put_incidents(&j, "memory_exec", &r->memory);
	put_processes(&j, r);
	put_counts(&j, "failed_execs", &r->failed_execs, "path", true);
	put_hosts(&j, r);
	put_files(&j, r);
	put_counts(&j, "failed_opens", &r->failed_opens, "path", true);
	put_counts(&j, "listening", &r->listening, "address", false);
	put_counts(&j, "local_sockets", &r->local_sockets, "path", false);
	put_peak(&j, r);
	put_vitals(&j, r);
	put_gaps(&j, r);
	put_events(&j, r);
	put_raw(&j, "ledger", r->session.ledger_line);
	put_refused(&j, r);
	json_object_end(&j);
	buf_addc(out, '\n');
	return out->failed;
}

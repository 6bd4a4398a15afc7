/* SPDX-License-Identifier: Apache-2.0 */
/* Vitals as JSON. See lines.h. */
#include "vitals/lines.h"

#include <stdio.h>
#include <string.h>

#define PHASES_TOLD 8 /* the fattest; a line is written up to ten times a second */

static void put(struct json *j, const char *key, uint64_t value)
{
	if (value == VITALS_UNKNOWN)
		return;
	json_key(j, key);
	json_uint(j, value);
}

static void put_key(struct json *j, const char *boot8, uint32_t pid, uint64_t start_ns)
{
	char key[64];

	if (!pid)
		return;
	(void)snprintf(key, sizeof(key), "%s-%u-%llu", boot8, pid, (unsigned long long)start_ns);
	json_name(j, "process");
	json_string(j, key);
	json_name(j, "pid");
	json_uint(j, pid);
}

/* Bytes of the agent's; a field that had to be escaped is named beside it, as in every line. */
static bool put_bytes(struct json *j, const char *key, const char *text)
{
	if (!*text)
		return false;
	json_key(j, key);
	return json_bytes(j, text, strlen(text));
}

static void put_escaped(struct json *j, bool escaped, const char *name)
{
	if (!escaped)
		return;
	json_name(j, "escaped");
	json_array(j);
	json_string(j, name);
	json_array_end(j);
}

static void memory(const struct vitals_sample *s, struct json *j)
{
	const struct vitals_memory *m = &s->memory;
	const struct {
		const char *key;
		uint64_t value;
	} fields[] = {
		{ "current", m->current },
		{ "peak", m->peak },
		{ "anon", m->anon },
		{ "file", m->file },
		{ "shmem", m->shmem },
		{ "mapped", m->mapped },
		{ "dirty", m->dirty },
		{ "writeback", m->writeback },
		{ "unevictable", m->unevictable },
		{ "kernel", m->kernel },
		{ "slab_reclaimable", m->slab_reclaimable },
		{ "swap", m->swap },
		{ "faults", m->faults },
		{ "major_faults", m->major_faults },
		{ "refaults_anon", m->refaults_anon },
		{ "refaults_file", m->refaults_file },
		{ "oom_kills", m->oom_kills },
	};

	json_name(j, "memory");
	json_object(j);
	put(j, "limit", s->limit);
	json_name(j, "available");
	json_object(j);
	put(j, "free", s->available.free);
	put(j, "clean", s->available.clean);
	put(j, "all", s->available.all);
	json_object_end(j);
	json_name(j, "bound");
	(void)json_bytes(j, *s->bound ? s->bound : "host", strlen(*s->bound ? s->bound : "host"));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		put(j, fields[i].key, fields[i].value);
	json_object_end(j);
}

static void tasks(const struct vitals_tasks *t, struct json *j)
{
	json_name(j, "tasks");
	json_object(j);
	put(j, "processes", t->processes);
	put(j, "threads", t->threads);
	put(j, "running", t->running);
	put(j, "sleeping", t->sleeping);
	put(j, "uninterruptible", t->uninterruptible);
	put(j, "stopped", t->stopped);
	put(j, "zombie", t->zombie);
	json_object_end(j);
}

/* A sample that left it out says nothing of it. */
static void cpu(const struct vitals_cpu *c, struct json *j)
{
	if (c->usage_ns == VITALS_UNKNOWN)
		return;
	json_name(j, "cpu");
	json_object(j);
	put(j, "usage_ns", c->usage_ns);
	put(j, "user_ns", c->user_ns);
	put(j, "system_ns", c->system_ns);
	put(j, "throttled", c->throttled);
	put(j, "throttled_ns", c->throttled_ns);
	json_object_end(j);
}

/* Trailing empty buckets are left out: most of the 24 are, always. */
static void histogram(struct json *j, const char *key, const struct vitals_histogram *h)
{
	unsigned n = VITALS_BUCKETS;

	while (n > 0 && h->count[n - 1] == 0)
		n--;
	json_key(j, key);
	json_object(j);
	put(j, "total_ns", h->total_ns);
	json_name(j, "counts");
	json_array(j);
	for (unsigned i = 0; i < n; i++)
		json_uint(j, h->count[i]);
	json_array_end(j);
	json_object_end(j);
}

static void probed(const struct vitals_probed *p, struct json *j)
{
	if (p->sched) {
		json_name(j, "switches");
		json_object(j);
		put(j, "voluntary", p->voluntary);
		put(j, "forced", p->forced);
		if (p->estimated) {
			json_name(j, "estimated");
			json_bool(j, true);
		}
		json_object_end(j);
		histogram(j, "run_queue", &p->run_queue);
	}
	if (p->block) {
		json_name(j, "block");
		json_object(j);
		put(j, "reads", p->reads);
		put(j, "writes", p->writes);
		put(j, "read_bytes", p->read_bytes);
		put(j, "write_bytes", p->write_bytes);
		json_object_end(j);
		histogram(j, "block_latency", &p->block_latency);
	}
}

static void io(const struct vitals_io *i, struct json *j)
{
	if (i->read_bytes == VITALS_UNKNOWN && i->write_bytes == VITALS_UNKNOWN)
		return;
	json_name(j, "io");
	json_object(j);
	put(j, "read_bytes", i->read_bytes);
	put(j, "write_bytes", i->write_bytes);
	put(j, "reads", i->reads);
	put(j, "writes", i->writes);
	json_object_end(j);
}

static void stall(struct json *j, const char *key, const struct vitals_stall *s)
{
	json_key(j, key);
	json_object(j);
	put(j, "some_us", s->some_us);
	put(j, "full_us", s->full_us);
	put(j, "some_avg10", s->some10);
	put(j, "full_avg10", s->full10);
	json_object_end(j);
}

static void pressure(const struct vitals_pressure *p, struct json *j)
{
	if (!p->known)
		return;
	json_name(j, "pressure");
	json_object(j);
	stall(j, "memory", &p->memory);
	stall(j, "cpu", &p->cpu);
	stall(j, "io", &p->io);
	json_object_end(j);
}

static void phase_members(const struct vitals_phase *p, const char *boot8, struct json *j)
{
	bool escaped;

	put_key(j, boot8, p->pid, p->start_ns);
	escaped = put_bytes(j, "command", p->command);
	put(j, "bytes", p->bytes);
	put(j, "peak_bytes", p->peak_bytes);
	json_name(j, "slope");
	json_int(j, p->slope);
	put(j, "read_bytes", p->read_bytes);
	put(j, "write_bytes", p->write_bytes);
	put(j, "processes", p->processes);
	put_escaped(j, escaped, "command");
}

void lines_vitals(const struct vitals_sample *s, const struct vitals_phase *agent, const struct vitals_phase *phases,
		  size_t phases_n, const char *boot8, struct json *j)
{
	memory(s, j);
	tasks(&s->tasks, j);
	cpu(&s->cpu, j);
	io(&s->io, j);
	pressure(&s->pressure, j);
	probed(&s->probed, j);
	if (agent && agent->pid) {
		json_name(j, "agent");
		json_object(j);
		phase_members(agent, boot8, j);
		json_object_end(j);
	}
	if (phases_n == 0)
		return;
	json_name(j, "phases");
	json_array(j);
	for (size_t i = 0; i < MIN(phases_n, PHASES_TOLD); i++) {
		json_object(j);
		phase_members(&phases[i], boot8, j);
		json_object_end(j);
	}
	json_array_end(j);
}

void lines_forecast(const struct forecast_result *f, const struct vitals_phase *phase, const char *boot8,
		    struct json *j)
{
	json_name(j, "clock");
	json_string(j, forecast_clock_name(f->clock));
	if (f->clock != FORECAST_NONE) {
		json_name(j, "limit_in_ns");
		json_int(j, f->limit_in_ns);
		json_name(j, "low_ns");
		json_int(j, f->low_ns);
		/* A wide interval may have no end: absent, as all that is not known. */
		if (f->high_ns != INT64_MAX) {
			json_name(j, "high_ns");
			json_int(j, f->high_ns);
		}
		json_name(j, "slope");
		json_int(j, f->slope);
	}
	if (!phase)
		return;
	json_name(j, "phase");
	json_object(j);
	phase_members(phase, boot8, j);
	json_object_end(j);
}

void lines_guard(const struct guard_action *a, int result, uint64_t took_ns, const char *boot8, struct json *j)
{
	json_name(j, "rung");
	json_string(j, guard_rung_name(a->rung));
	json_name(j, "undo");
	json_bool(j, a->undo);
	put_key(j, boot8, a->pid, a->start_ns);
	if (a->bytes) {
		json_name(j, "bytes");
		json_uint(j, a->bytes);
	}
	/* guard.h: escaped already. */
	json_name(j, "why");
	json_string(j, a->why);
	json_name(j, "result");
	json_int(j, result);
	json_name(j, "took_ns");
	json_uint(j, took_ns);
}

void lines_oom(const struct vitals_oom *o, struct json *j)
{
	char comm[sizeof(o->comm) + 1];

	(void)snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(o->comm), o->comm);
	json_name(j, "pid");
	json_uint(j, o->pid);
	bool escaped = put_bytes(j, "comm", comm);
	put(j, "anon_bytes", o->anon_bytes);
	put(j, "file_bytes", o->file_bytes);
	put(j, "shmem_bytes", o->shmem_bytes);
	put_escaped(j, escaped, "comm");
}

void lines_phase_end(const struct vitals_phase *p, const char *boot8, struct json *j)
{
	phase_members(p, boot8, j);
}

void lines_score(const struct forecast_score *s, struct json *j)
{
	json_name(j, "forecasts");
	json_object(j);
	json_name(j, "hits");
	json_uint(j, s->hits);
	json_name(j, "misses");
	json_uint(j, s->misses);
	json_name(j, "false_alarms");
	json_uint(j, s->false_alarms);
	if (s->hits) {
		json_name(j, "lead_ns");
		json_int(j, s->lead_ns / (int64_t)s->hits);
	}
	json_object_end(j);
}

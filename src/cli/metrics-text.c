/* SPDX-License-Identifier: Apache-2.0 */
/* See metrics-text.h. One table of metrics; each is printed for all workloads before the next, as the form wants it. */
#include "cli/metrics-text.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

struct out {
	struct buf *text;
	const struct workload_view *view;
	const char *name;
};

/* A label's value: the agent's bytes are made plain text first, then escaped as this form has it. */
static void put_value(struct buf *out, const char *value)
{
	_cleanup_buf_ struct buf safe = BUF_INIT(1U << 16);

	text_escape(&safe, value, strlen(value));
	for (size_t i = 0; i < safe.length; i++) {
		if (safe.data[i] == '\\' || safe.data[i] == '"')
			buf_addc(out, '\\');
		buf_addc(out, safe.data[i]);
	}
}

static void begin(struct out *o, const char *suffix, const char *label, const char *value)
{
	buf_addf(o->text, "%s%s{workload=\"", o->name, suffix);
	put_value(o->text, o->view->name);
	buf_addc(o->text, '"');
	if (label) {
		buf_addf(o->text, ",%s=\"", label);
		put_value(o->text, value);
		buf_addc(o->text, '"');
	}
	buf_adds(o->text, "} ");
}

static void number(struct out *o, const char *label, const char *value, uint64_t n)
{
	if (n == VITALS_UNKNOWN)
		return;
	begin(o, "", label, value);
	buf_addf(o->text, "%llu\n", (unsigned long long)n);
}

/* Nanoseconds as seconds, without a float's rounding. */
static void put_seconds(struct buf *out, uint64_t ns)
{
	buf_addf(out, "%llu.%09llu", (unsigned long long)(ns / CLOCK_SECOND_NS),
		 (unsigned long long)(ns % CLOCK_SECOND_NS));
}

static void seconds(struct out *o, const char *label, const char *value, uint64_t ns)
{
	if (ns == VITALS_UNKNOWN)
		return;
	begin(o, "", label, value);
	put_seconds(o->text, ns);
	buf_addc(o->text, '\n');
}

static void histogram(struct out *o, const struct vitals_histogram *h)
{
	uint64_t sum = 0;
	char edge[32];

	if (h->total_ns == VITALS_UNKNOWN)
		return;
	for (unsigned i = 0; i < VITALS_BUCKETS; i++) {
		uint64_t us = UINT64_C(2) << i;

		sum += h->count[i];
		(void)snprintf(edge, sizeof(edge), "%llu.%06llu", (unsigned long long)(us / 1000000),
			       (unsigned long long)(us % 1000000));
		/* The last bucket has no end. */
		begin(o, "_bucket", "le", i + 1 < VITALS_BUCKETS ? edge : "+Inf");
		buf_addf(o->text, "%llu\n", (unsigned long long)sum);
	}
	begin(o, "_sum", NULL, NULL);
	put_seconds(o->text, h->total_ns);
	buf_addc(o->text, '\n');
	begin(o, "_count", NULL, NULL);
	buf_addf(o->text, "%llu\n", (unsigned long long)sum);
}

/* ---- one function a metric ---- */

#define NOW (&o->view->now)
#define MEMORY (&o->view->now.memory)

static void info(struct out *o)
{
	begin(o, "", "command", o->view->page.command);
	buf_adds(o->text, "1\n");
}

static void uptime(struct out *o)
{
	if (o->view->page.started_ns)
		seconds(o, NULL, NULL, (uint64_t)MAX(clock_realtime_ns() - o->view->page.started_ns, (int64_t)0));
}

static void cpu(struct out *o)
{
	if (NOW->cpu.user_ns == VITALS_UNKNOWN || NOW->cpu.system_ns == VITALS_UNKNOWN) {
		seconds(o, NULL, NULL, NOW->cpu.usage_ns);
		return;
	}
	seconds(o, "cpu_mode", "user", NOW->cpu.user_ns);
	seconds(o, "cpu_mode", "system", NOW->cpu.system_ns);
}

static void usage(struct out *o)
{
	number(o, NULL, NULL, MEMORY->current);
}

static void available(struct out *o)
{
	if (MEMORY->current != VITALS_UNKNOWN)
		number(o, NULL, NULL, NOW->available.clean);
}

static void rss(struct out *o)
{
	number(o, NULL, NULL, MEMORY->anon);
}

static void working_set(struct out *o)
{
	if (MEMORY->current == VITALS_UNKNOWN || MEMORY->inactive_file == VITALS_UNKNOWN)
		return;
	number(o, NULL, NULL, MEMORY->current > MEMORY->inactive_file ? MEMORY->current - MEMORY->inactive_file : 0);
}

static void faults(struct out *o)
{
	if (MEMORY->faults == VITALS_UNKNOWN || MEMORY->major_faults == VITALS_UNKNOWN)
		return;
	number(o, "system_paging_fault_type", "minor", MEMORY->faults - MIN(MEMORY->major_faults, MEMORY->faults));
	number(o, "system_paging_fault_type", "major", MEMORY->major_faults);
}

static void disk(struct out *o)
{
	const struct vitals_probed *p = &NOW->probed;

	number(o, "disk_io_direction", "read", p->block ? p->read_bytes : NOW->io.read_bytes);
	number(o, "disk_io_direction", "write", p->block ? p->write_bytes : NOW->io.write_bytes);
}

static void available_kinds(struct out *o)
{
	if (MEMORY->current == VITALS_UNKNOWN)
		return;
	number(o, "kind", "free", NOW->available.free);
	number(o, "kind", "clean", NOW->available.clean);
	number(o, "kind", "all", NOW->available.all);
}

static void limit(struct out *o)
{
	number(o, NULL, NULL, NOW->limit);
}

static void kinds(struct out *o)
{
	const struct {
		const char *kind;
		uint64_t bytes;
	} all[] = {
		{ "anon", MEMORY->anon },	    { "file", MEMORY->file },
		{ "shmem", MEMORY->shmem },	    { "dirty", MEMORY->dirty },
		{ "writeback", MEMORY->writeback }, { "unevictable", MEMORY->unevictable },
		{ "kernel", MEMORY->kernel },	    { "slab_reclaimable", MEMORY->slab_reclaimable },
		{ "swap", MEMORY->swap },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		number(o, "kind", all[i].kind, all[i].bytes);
}

static void refaults(struct out *o)
{
	number(o, "kind", "anon", MEMORY->refaults_anon);
	number(o, "kind", "file", MEMORY->refaults_file);
}

static void oom_kills(struct out *o)
{
	number(o, NULL, NULL, MEMORY->oom_kills);
}

static void forecast(struct out *o)
{
	const struct forecast_result *f = &o->view->forecast;

	if (f->clock != FORECAST_NONE && f->limit_in_ns != INT64_MAX)
		seconds(o, "clock", forecast_clock_name(f->clock), (uint64_t)MAX(f->limit_in_ns, (int64_t)0));
}

static void tasks(struct out *o)
{
	const struct vitals_tasks *t = &NOW->tasks;

	number(o, "state", "running", t->running);
	number(o, "state", "sleeping", t->sleeping);
	number(o, "state", "uninterruptible", t->uninterruptible);
	number(o, "state", "stopped", t->stopped);
	number(o, "state", "zombie", t->zombie);
}

static void processes(struct out *o)
{
	number(o, NULL, NULL, NOW->tasks.processes);
}

static void switches(struct out *o)
{
	if (!NOW->probed.sched)
		return;
	number(o, "kind", "voluntary", NOW->probed.voluntary);
	number(o, "kind", "forced", NOW->probed.forced);
}

static void run_queue(struct out *o)
{
	if (NOW->probed.sched)
		histogram(o, &NOW->probed.run_queue);
}

static void block(struct out *o)
{
	if (NOW->probed.block)
		histogram(o, &NOW->probed.block_latency);
}

static void one_stall(struct out *o, const char *resource, const struct vitals_stall *s)
{
	for (int full = 0; full < 2; full++) {
		uint64_t us = full ? s->full_us : s->some_us;

		if (us == VITALS_UNKNOWN)
			continue;
		begin(o, "", "resource", resource);
		/* A second label, before the brace that begin has closed. */
		o->text->length -= 2;
		buf_addf(o->text, ",tasks=\"%s\"} ", full ? "all" : "some");
		put_seconds(o->text, us * 1000);
		buf_addc(o->text, '\n');
	}
}

static void pressure(struct out *o)
{
	const struct vitals_pressure *p = &NOW->pressure;

	if (!p->known)
		return;
	one_stall(o, "memory", &p->memory);
	one_stall(o, "cpu", &p->cpu);
	one_stall(o, "io", &p->io);
}

static void events(struct out *o)
{
	if (o->view->session)
		number(o, NULL, NULL, o->view->page.events);
}

static void escapes(struct out *o)
{
	if (!o->view->session)
		return;
	number(o, "outcome", "refused", o->view->page.escapes_refused);
	number(o, "outcome", "succeeded",
	       o->view->page.escapes - MIN(o->view->page.escapes_refused, o->view->page.escapes));
}

static void lost(struct out *o)
{
	if (o->view->session)
		number(o, NULL, NULL, o->view->page.lost);
}

static void acts(struct out *o)
{
	if (o->view->session)
		number(o, NULL, NULL, o->view->page.acts);
}

static const struct metric {
	const char *name, *type, *help;
	void (*put)(struct out *o);
} metrics[] = {
	{ "container_uptime_seconds", "gauge", "Time since the session's start.", uptime },
	{ "container_cpu_time_seconds_total", "counter", "CPU time consumed.", cpu },
	{ "container_memory_usage_bytes", "gauge", "Memory in use, with cache.", usage },
	{ "container_memory_available_bytes", "gauge", "Memory that can be had without writing anything out.",
	  available },
	{ "container_memory_rss_bytes", "gauge", "Anonymous memory.", rss },
	{ "container_memory_working_set_bytes", "gauge", "Memory in use, less inactive file cache.", working_set },
	{ "container_paging_faults_total", "counter", "Page faults.", faults },
	{ "container_disk_io_bytes_total", "counter", "Bytes from and to storage.", disk },
	{ "heddle_workload_info", "gauge", "A workload, and its command.", info },
	{ "heddle_memory_available_bytes", "gauge", "Memory that can be had: at once, after dropping, after writing.",
	  available_kinds },
	{ "heddle_memory_limit_bytes", "gauge", "The limit in force, over all levels.", limit },
	{ "heddle_memory_bytes", "gauge", "Memory by what it holds.", kinds },
	{ "heddle_memory_refaults_total", "counter", "Pages that came back soon after they were reclaimed.", refaults },
	{ "heddle_oom_kills_total", "counter", "Processes that the kernel killed for memory.", oom_kills },
	{ "heddle_forecast_limit_seconds", "gauge", "Until the limit, as things go; absent where it is not in sight.",
	  forecast },
	{ "heddle_tasks", "gauge", "Threads by state; zombies are processes.", tasks },
	{ "heddle_processes", "gauge", "Processes.", processes },
	{ "heddle_context_switches_total", "counter", "Switches away from the workload's threads.", switches },
	{ "heddle_run_queue_delay_seconds", "histogram", "From runnable to running.", run_queue },
	{ "heddle_block_latency_seconds", "histogram", "Of block requests.", block },
	{ "heddle_pressure_stalled_seconds_total", "counter", "Time in which tasks waited for a resource.", pressure },
	{ "heddle_events_total", "counter", "Events of the session.", events },
	{ "heddle_escapes_total", "counter", "Attempts to leave the sandbox.", escapes },
	{ "heddle_events_lost_total", "counter", "Events that are known to be lost.", lost },
	{ "heddle_guard_acts_total", "counter", "What the guard did, and undid.", acts },
};

void metrics_text(const struct workload_view *const *views, size_t n, const struct vitals_host *host, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i].name, metrics[i].help, metrics[i].name,
			 metrics[i].type);
		for (size_t k = 0; k < n; k++) {
			struct out o = { .text = out, .view = views[k], .name = metrics[i].name };

			metrics[i].put(&o);
		}
	}
	buf_adds(out, "# HELP heddle_workloads Workloads that run.\n# TYPE heddle_workloads gauge\n");
	buf_addf(out, "heddle_workloads %zu\n", n);
	if (host->available != VITALS_UNKNOWN)
		buf_addf(out,
			 "# HELP heddle_host_memory_available_bytes Of the machine.\n"
			 "# TYPE heddle_host_memory_available_bytes gauge\n"
			 "heddle_host_memory_available_bytes %llu\n",
			 (unsigned long long)host->available);
}

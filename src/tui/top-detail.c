/* SPDX-License-Identifier: Apache-2.0 */
/* One workload in detail. */
#include <stdio.h>

#include "base/text.h"
#include "tui/top-parts.h"

#define LABEL 10

const char *top_short_size(uint64_t bytes, char ret[32])
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	unsigned unit = 0;

	if (bytes == VITALS_UNKNOWN) {
		(void)snprintf(ret, 32, "-");
		return ret;
	}
	for (; value >= 1024 && unit + 2 < sizeof(units); unit++)
		value /= 1024;
	(void)snprintf(ret, 32, unit == 0 || value >= 100 ? "%.0f%c" : "%.1f%c", value, units[unit]);
	return ret;
}

static unsigned label(struct grid *g, unsigned y, const char *name)
{
	(void)grid_text(g, 0, y, TUI_DIM, name, LABEL - 1);
	return LABEL;
}

/* "name 1.2G  " */
static unsigned item(struct grid *g, unsigned x, unsigned y, const char *name, uint64_t bytes)
{
	char text[32];
	unsigned n = grid_textf(g, x, y, TUI_DIM, "%s ", name);

	n += grid_text(g, x + n, y, TUI_PLAIN, top_short_size(bytes, text), 0);
	return x + n + 2;
}

/* The same for what is counted: "name 12  ". */
static unsigned count(struct grid *g, unsigned x, unsigned y, const char *name, uint64_t n, enum tui_style style)
{
	char text[16];
	unsigned wide = grid_textf(g, x, y, TUI_DIM, "%s ", name);

	wide += grid_text(g, x + wide, y, n ? style : TUI_DIM, n == VITALS_UNKNOWN ? "-" : top_short_count(n, text), 0);
	return x + wide + 2;
}

static unsigned rate(struct grid *g, unsigned x, unsigned y, const char *name, double per_second)
{
	char text[16];
	unsigned wide = grid_textf(g, x, y, TUI_DIM, "%s ", name);

	wide += grid_textf(g, x + wide, y, TUI_PLAIN, "%s/s", top_short_count((uint64_t)(per_second + 0.5), text));
	return x + wide + 2;
}

static unsigned rate_bytes(struct grid *g, unsigned x, unsigned y, const char *name, double per_second)
{
	char text[32];
	unsigned wide = grid_textf(g, x, y, TUI_DIM, "%s ", name);

	wide += grid_textf(g, x + wide, y, TUI_PLAIN, "%s/s", top_short_size((uint64_t)per_second, text));
	return x + wide + 2;
}

static const char *microseconds(uint64_t us, char ret[32])
{
	if (us < 1000)
		(void)snprintf(ret, 32, "%uus", (unsigned)us);
	else if (us < 1000000)
		(void)snprintf(ret, 32, "%.1fms", (double)us / 1e3);
	else
		(void)snprintf(ret, 32, "%.1fs", (double)us / 1e6);
	return ret;
}

static unsigned percentile(struct grid *g, unsigned x, unsigned y, const char *name, const struct vitals_histogram *now,
			   const struct vitals_histogram *before)
{
	char half[32], most[32];
	uint64_t p99 = top_percentile(now, before, 990);

	if (!p99)
		return x;
	(void)microseconds(top_percentile(now, before, 500), half);
	(void)microseconds(p99, most);
	unsigned wide = grid_textf(g, x, y, TUI_DIM, "%s ", name);
	wide += grid_textf(g, x + wide, y, TUI_PLAIN, "p50 <%s p99 <%s", half, most);
	return x + wide + 2;
}

/* Eight heights between the lowest and the highest that are shown. */
static void sparkline(struct grid *g, unsigned x, unsigned y, const struct top_row *r)
{
	static const char *const heights[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	unsigned room = g->width > x ? g->width - x : 0;
	size_t n = MIN(r->used_n, (size_t)room), first = r->used_n - n;
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = first; i < r->used_n; i++) {
		low = MIN(low, r->used[i]);
		high = MAX(high, r->used[i]);
	}
	/* A workload that stands still is a line, not noise at full height. */
	high = MAX(high, low + low / 20 + 1);
	for (size_t i = 0; i < n; i++)
		(void)grid_text(g, x + (unsigned)i, y, TUI_CYAN, heights[(r->used[first + i] - low) * 7 / (high - low)],
				1);
}

static void memory(const struct top_row *r, struct grid *g, unsigned y)
{
	const struct vitals_sample *s = r->now;
	const struct vitals_memory *m = &s->memory;
	unsigned x = label(g, y, "memory");

	x = item(g, x, y, "used", m->current);
	x = item(g, x, y, "of", s->limit);
	x = item(g, x, y, "peak", m->peak);
	x = item(g, x, y, "free", s->available.free);
	x = item(g, x, y, "clean", s->available.clean);
	(void)item(g, x, y, "all", s->available.all);
	x = item(g, LABEL, y + 1, "anon", m->anon);
	x = item(g, x, y + 1, "file", m->file);
	x = item(g, x, y + 1, "shmem", m->shmem);
	x = item(g, x, y + 1, "dirty", m->dirty);
	x = item(g, x, y + 1, "kernel", m->kernel);
	(void)item(g, x, y + 1, "swap", m->swap);
	(void)grid_textf(g, LABEL, y + 2, TUI_DIM, "bound by %s", *s->bound ? s->bound : "the machine");
}

static void tasks(const struct top_row *r, struct grid *g, unsigned y)
{
	const struct vitals_tasks *t = &r->now->tasks;
	unsigned x = label(g, y, "tasks");

	x = count(g, x, y, "processes", t->processes, TUI_PLAIN);
	x = count(g, x, y, "running", t->running, TUI_PLAIN);
	x = count(g, x, y, "sleeping", t->sleeping, TUI_PLAIN);
	x = count(g, x, y, "waiting", t->uninterruptible, TUI_YELLOW);
	x = count(g, x, y, "stopped", t->stopped, TUI_YELLOW);
	(void)count(g, x, y, "zombie", t->zombie, TUI_YELLOW);
}

static void processor(const struct top_row *r, struct grid *g, unsigned y)
{
	const struct vitals_probed *now = &r->now->probed, *before = r->before ? &r->before->probed : NULL;
	unsigned x = label(g, y, "cpu");

	if (r->now->cpu.usage_ns == VITALS_UNKNOWN)
		x += grid_text(g, x, y, TUI_DIM, "not told: it has no v2 cgroup", 0) + 2;
	else
		x += grid_textf(g, x, y, TUI_PLAIN, "%.0f%%", top_cpu(r)) + 2;
	if (!now->sched || !before)
		return;
	x = rate(g, x, y, "switches", top_rate(r, now->voluntary, before->voluntary));
	x = rate(g, x, y, "forced", top_rate(r, now->forced, before->forced));
	(void)percentile(g, x, y, "run queue", &now->run_queue, &before->run_queue);
}

static void storage(const struct top_row *r, struct grid *g, unsigned y)
{
	const struct vitals_sample *s = r->now, *b = r->before;
	unsigned x = label(g, y, "faults");
	double read, write;

	if (!b)
		return;
	x = rate(g, x, y, "minor", top_rate(r, s->memory.faults, b->memory.faults));
	x = rate(g, x, y, "major", top_rate(r, s->memory.major_faults, b->memory.major_faults));
	x = rate(g, x, y, "refaults", top_rate(r, s->memory.refaults_file, b->memory.refaults_file));
	x = label(g, y + 1, "storage");
	if (!s->probed.block && s->io.read_bytes == VITALS_UNKNOWN) {
		(void)grid_text(g, x, y + 1, TUI_DIM, "not told: it takes the probes, or the io controller", 0);
		return;
	}
	top_storage(r, &read, &write);
	x = rate_bytes(g, x, y + 1, "read", read);
	x = rate_bytes(g, x, y + 1, "write", write);
	if (s->probed.block)
		(void)percentile(g, x, y + 1, "takes", &s->probed.block_latency, &b->probed.block_latency);
}

static unsigned stall(struct grid *g, unsigned x, unsigned y, const char *name, const struct vitals_stall *s)
{
	unsigned wide = grid_textf(g, x, y, TUI_DIM, "%s ", name);

	wide += grid_textf(g, x + wide, y,
			   s->full10 > 500    ? TUI_ALARM
			   : s->some10 > 1000 ? TUI_YELLOW
					      : TUI_PLAIN,
			   "%.1f/%.1f", (double)s->some10 / 100, (double)s->full10 / 100);
	return x + wide + 2;
}

static void pressure(const struct top_row *r, struct grid *g, unsigned y)
{
	const struct vitals_pressure *p = &r->now->pressure;
	unsigned x = label(g, y, "stalled %");

	if (!p->known) {
		(void)grid_text(g, x, y, TUI_DIM, "not told: it takes a v2 cgroup, and a kernel with PSI", 0);
		return;
	}
	x = stall(g, x, y, "memory", &p->memory);
	x = stall(g, x, y, "cpu", &p->cpu);
	x = stall(g, x, y, "io", &p->io);
	(void)grid_text(g, x, y, TUI_DIM, "some/all tasks, of 10 s", 0);
}

static void outlook(const struct top_row *r, struct grid *g, unsigned y)
{
	char in[16], low[16], slope[32];
	unsigned x = label(g, y, "outlook");

	if (r->forecast->clock == FORECAST_NONE)
		x += grid_text(g, x, y, TUI_DIM, "the limit is out of sight", 0);
	else
		x += grid_textf(g, x, y, TUI_ALARM, "%s: full in %s (%s at the soonest), +%s/s",
				forecast_clock_name(r->forecast->clock),
				top_short_duration(r->forecast->limit_in_ns, in),
				top_short_duration(r->forecast->low_ns, low),
				top_short_size(r->forecast->slope > 0 ? (uint64_t)r->forecast->slope : 0, slope));
	if (r->acts)
		(void)grid_textf(g, x + 2, y, TUI_YELLOW, "guard: %s", r->act);
}

static void phase(struct grid *g, unsigned y, const struct vitals_phase *p, const char *what)
{
	char bytes[32], slope[32], peak[32];

	(void)grid_text(g, 0, y, TUI_DIM, what, LABEL - 1);
	grid_right(g, LABEL, y, TUI_BOLD, top_short_size(p->bytes, bytes), 6);
	(void)snprintf(slope, sizeof(slope), "%s", "");
	if (p->slope > 4096 || p->slope < -4096) {
		char rate[32];

		(void)top_short_size((uint64_t)(p->slope < 0 ? -p->slope : p->slope), rate);
		(void)snprintf(slope, sizeof(slope), "%c%.20s/s", p->slope < 0 ? '-' : '+', rate);
	}
	grid_right(g, LABEL + 7, y, p->slope > 0 ? TUI_YELLOW : TUI_DIM, slope, 9);
	(void)grid_textf(g, LABEL + 18, y, TUI_DIM, "peak %s", top_short_size(p->peak_bytes, peak));
	(void)grid_text(g, LABEL + 30, y, TUI_PLAIN, top_short_command(p->command), 0);
}

void top_detail(const struct top_row *r, struct grid *g, unsigned y, unsigned end)
{
	unsigned x;

	if (y + 9 > end)
		return;
	x = grid_textf(g, 0, y, TUI_CYAN, "%s", r->name) + 2;
	if (*r->command)
		x += 2 + grid_text(g, x, y, TUI_BOLD, top_short_command(r->command),
				   g->width > x + 24 ? g->width - x - 24 : 10);
	if (r->events)
		(void)grid_textf(g, x, y, TUI_DIM, "%llu events", (unsigned long long)r->events);
	memory(r, g, y + 1);
	(void)label(g, y + 4, "history");
	sparkline(g, LABEL, y + 4, r);
	outlook(r, g, y + 5);
	tasks(r, g, y + 6);
	processor(r, g, y + 7);
	storage(r, g, y + 8);
	if (y + 10 < end)
		pressure(r, g, y + 10);
	y += 11;
	if (r->agent && r->agent->pid && y < end)
		phase(g, y++, r->agent, "agent");
	for (size_t i = 0; i < r->phases_n && y < end; i++)
		phase(g, y++, &r->phases[i], i ? "" : "child");
}

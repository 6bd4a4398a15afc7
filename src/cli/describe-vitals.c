/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about memory, forecasts and the guard, in words. */
#include "cli/describe-vitals.h"

#include <string.h>

#include "base/text.h"

static void put(struct buf *out, struct bytes text)
{
	if (bytes_set(text))
		term_text(out, text.data, text.length);
}

static const char *size(const struct line *l, const char *name, char ret[TEXT_SIZE_MAX])
{
	return text_size(line_uint(l, name), ret);
}

void describe_vitals(const struct line *l, struct buf *out)
{
	const struct line *memory = line_get(l, "memory"), *tasks = line_get(l, "tasks"),
			  *phases = line_get(l, "phases");
	const struct line *fattest = line_at(phases, 0);
	char used[TEXT_SIZE_MAX], limit[TEXT_SIZE_MAX], left[TEXT_SIZE_MAX];

	if (line_get(memory, "available"))
		buf_addf(out, "%s of %s, %s available", size(memory, "current", used), size(memory, "limit", limit),
			 size(line_get(memory, "available"), "clean", left));
	if (tasks)
		buf_addf(out, "%s%llu processes", out->length ? ", " : "",
			 (unsigned long long)line_uint(tasks, "processes"));
	if (!fattest || !line_uint(fattest, "bytes"))
		return;
	buf_addf(out, "; %s in ", size(fattest, "bytes", used));
	put(out, line_text(fattest, "command"));
}

void describe_forecast(const struct line *l, struct buf *out)
{
	struct bytes clock = line_text(l, "clock");
	const struct line *phase = line_get(l, "phase");
	char when[DESCRIBE_DURATION_MAX], rate[TEXT_SIZE_MAX];
	int64_t in = 0, slope = 0;

	if (!line_int(l, "limit_in_ns", &in)) {
		buf_adds(out, "the limit is out of sight");
		return;
	}
	(void)line_int(l, "slope", &slope);
	put(out, clock);
	buf_addf(out, ": the limit in %s, at %s/s", describe_duration(in, when),
		 text_size(slope > 0 ? (uint64_t)slope : 0, rate));
	if (!phase)
		return;
	buf_adds(out, "; most in ");
	put(out, line_text(phase, "command"));
}

void describe_guard(const struct line *l, struct buf *out)
{
	int64_t result = 0;

	if (line_true(l, "undo"))
		buf_adds(out, "undo ");
	put(out, line_text(l, "rung"));
	buf_adds(out, ": ");
	put(out, line_text(l, "why"));
	if (line_int(l, "result", &result) && result < 0)
		buf_addf(out, " -> %s", strerrorname_np((int)-result) ? strerrorname_np((int)-result) : "failed");
}

void describe_oom(const struct line *l, struct buf *out)
{
	char text[TEXT_SIZE_MAX];

	buf_addf(out, "the kernel killed %llu (", (unsigned long long)line_uint(l, "pid"));
	put(out, line_text(l, "comm"));
	buf_addc(out, ')');
	if (line_uint(l, "anon_bytes"))
		buf_addf(out, ", which held %s", size(l, "anon_bytes", text));
}

void describe_phase(const struct line *l, struct buf *out)
{
	char text[TEXT_SIZE_MAX];

	put(out, line_text(l, "command"));
	buf_addf(out, " ended: %s at most", size(l, "peak_bytes", text));
}

void describe_score(const struct line *l, struct buf *out)
{
	const struct line *f = line_get(l, "forecasts");

	buf_addf(out, "forecasts: %llu hit, %llu missed, %llu false alarms", (unsigned long long)line_uint(f, "hits"),
		 (unsigned long long)line_uint(f, "misses"), (unsigned long long)line_uint(f, "false_alarms"));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The lines on stderr when a session ends. */
#include "cli/summary.h"

#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/session-lines.h"
#include "cli/table.h"
#include "event/names.h"

#define HOST_MAX 120 /* bytes of a name that are shown */

#define KEY_COLUMNS 14
#define WIDTH 80U /* of what is not known: the launcher prints this */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void key(struct buf *out, const char *name)
{
	buf_addf(out, "  %-11s ", name);
}

static void head(const struct summary *s, struct buf *out)
{
	const struct recorder_end *end = s->end;
	int64_t ms = (s->counts->ended_ns - s->counts->started_ns) / 1000000;
	const char *signal = end->known && WIFSIGNALED(end->status) ? name_signal(WTERMSIG(end->status)) : NULL;

	buf_addf(out, "%sheddle%s session %s, %lld.%03lld s", term_on(s->color, TERM_BOLD), term_off(s->color),
		 s->session, (long long)(ms / 1000), (long long)(ms % 1000));
	if (end->known)
		buf_addf(out, ", exit %d", exit_status_of(end->status));
	if (signal)
		buf_addf(out, " (%s)", signal);
	if (end->why)
		buf_addf(out, ", %s", end->why);
	buf_addc(out, '\n');
}

static void processes(const struct summary *s, struct buf *out)
{
	char size[TEXT_SIZE_MAX];

	key(out, "processes");
	buf_addf(out, "%llu", (unsigned long long)s->processes);
	if (s->end->killed)
		buf_addf(out, ", %llu killed at the end", (unsigned long long)s->end->killed);
	if (s->end->left_running)
		buf_addf(out, ", %s%llu left running%s", term_on(s->color, TERM_YELLOW),
			 (unsigned long long)s->end->left_running, term_off(s->color));
	buf_addc(out, '\n');
	if (s->end->memory_peak_bytes) {
		key(out, "memory");
		buf_addf(out, "%s at the peak\n", text_size(s->end->memory_peak_bytes, size));
	} else if (s->counts->max_rss_bytes) {
		key(out, "memory");
		buf_addf(out, "%s in the largest process\n", text_size(s->counts->max_rss_bytes, size));
	}
}

static void files(const struct recorder_counts *c, struct buf *out)
{
	key(out, "files");
	buf_addf(out, "%llu written, %llu read, %llu deleted\n", (unsigned long long)c->files_written,
		 (unsigned long long)c->files_read, (unsigned long long)c->files_deleted);
}

static void hosts(const struct recorder_counts *c, struct buf *out)
{
	key(out, "hosts");
	if (c->hosts == 0)
		buf_adds(out, "none");
	for (size_t i = 0; i < RECORDER_HOSTS && c->host_names[i]; i++) {
		buf_adds(out, i ? ", " : "");
		term_text(out, c->host_names[i], strnlen(c->host_names[i], HOST_MAX));
	}
	if (c->hosts > RECORDER_HOSTS)
		buf_addf(out, " and %llu more", (unsigned long long)(c->hosts - RECORDER_HOSTS));
	buf_addc(out, '\n');
}

/* The worst categories first; of each how many there were, and one that tells most. */
static void escapes(const struct summary *s, struct buf *out)
{
	const struct recorder_counts *c = s->counts;
	uint64_t all = 0, refused = 0;

	for (unsigned i = 0; i < HD_ESC_MAX; i++) {
		all += c->escapes[i];
		refused += c->escapes_failed[i];
	}
	if (all == 0)
		return;
	buf_addf(out, "%s  %-11s %llu attempt%s, %llu refused%s\n", term_on(s->color, TERM_ALARM), "ESCAPES",
		 (unsigned long long)all, plural(all), (unsigned long long)refused, term_off(s->color));
	for (unsigned i = 1; i < HD_ESC_MAX; i++) {
		bool harmless = c->escapes_failed[i] == c->escapes[i];
		const char *words = c->worst_escapes[i] ? c->worst_escapes[i] : "?";

		if (c->escapes[i] == 0)
			continue;
		buf_addf(out, "%s%*s%-11s %5llu  ", term_on(s->color, harmless ? TERM_YELLOW : TERM_ALARM), KEY_COLUMNS,
			 "", name_escape_category(i), (unsigned long long)c->escapes[i]);
		(void)table_text(out, words, strlen(words), WIDTH - KEY_COLUMNS - 19 - (harmless ? 9 : 0),
				 TABLE_CUT_END);
		buf_addf(out, "%s%s\n", harmless ? ", refused" : "", term_off(s->color));
	}
}

static void privileges(const struct summary *s, struct buf *out)
{
	const struct recorder_counts *c = s->counts;

	if (c->privilege_changes > 0)
		buf_addf(out, "%s  %-11s %llu change%s%s\n", term_on(s->color, TERM_ALARM), "PRIVILEGES",
			 (unsigned long long)c->privilege_changes, plural(c->privilege_changes), term_off(s->color));
}

/* What is quiet in this session since a hook was, not since nothing happened. */
static void silent_hooks(const struct summary *s, struct buf *out)
{
	for (size_t i = 0; i < s->hooks_n; i++) {
		const struct sensor_hook *hook = &s->hooks[i];

		if (hook->silent)
			buf_addf(out, "%s  %-11s %s is %s%s\n", term_on(s->color, TERM_ALARM), "BLIND", hook->name,
				 hook->why_not, term_off(s->color));
	}
}

static void ledger(const struct summary *s, struct buf *out)
{
	const struct recorder_counts *c = s->counts;
	uint64_t lost = 0;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		lost += c->lost[lane];
	key(out, "ledger");
	buf_addf(out, "%llu event%s, ", (unsigned long long)c->events, plural(c->events));
	if (lost == 0 && !c->malformed && !c->unbalanced) {
		buf_addf(out, "%snothing lost%s\n", term_on(s->color, TERM_GREEN), term_off(s->color));
		return;
	}
	buf_addf(out, "%sLOST: critical %llu, bulk %llu", term_on(s->color, TERM_ALARM),
		 (unsigned long long)c->lost[HD_LANE_CRITICAL], (unsigned long long)c->lost[HD_LANE_BULK]);
	if (c->malformed)
		buf_addf(out, ", %llu frames not understood", (unsigned long long)c->malformed);
	if (c->unbalanced)
		buf_addf(out, ", the counts of %s do not balance", name_event_type(c->unbalanced));
	buf_addf(out, "%s\n", term_off(s->color));
}

static void slowed(const struct recorder_end *end, struct buf *out)
{
	uint64_t ms = end->slowed.total_ns / 1000000;

	if (end->slowed.times == 0)
		return;
	key(out, "slowed");
	buf_addf(out, "%llu time%s, %llu.%03llu s in all: it made events faster than they could be recorded\n",
		 (unsigned long long)end->slowed.times, plural(end->slowed.times), (unsigned long long)(ms / 1000),
		 (unsigned long long)(ms % 1000));
}

void summary_write(const struct summary *s, struct buf *out)
{
	head(s, out);
	escapes(s, out);
	privileges(s, out);
	silent_hooks(s, out);
	processes(s, out);
	files(s->counts, out);
	hosts(s->counts, out);
	slowed(s->end, out);
	ledger(s, out);
	if (s->stored) {
		key(out, "more");
		buf_adds(out, "heddle report last\n");
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who grew. What a phase holds is compared with what it held a while ago: a base that follows downwards at once and
 * upwards slowly, so that a burst counts whole and a leak by its speed, and what has stood there for a minute not at
 * all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"
#include "vitals/guard-internal.h"

#define MEMORY_NS (10 * CLOCK_SECOND_NS)
#define COMMAND_SHOWN 48

static void base_follow(struct seen *s, uint64_t bytes, uint64_t passed)
{
	if (bytes < s->base)
		s->base = bytes;
	else
		s->base += (uint64_t)((__uint128_t)(bytes - s->base) * MIN(passed, (uint64_t)MEMORY_NS) / MEMORY_NS);
	s->bytes = bytes;
	s->here = true;
}

static struct seen *seen_find(struct guard *g, uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < g->seen_n; i++)
		if (g->seen[i].pid == pid && g->seen[i].start_ns == start_ns)
			return &g->seen[i];
	return NULL;
}

static void forget_the_gone(struct guard *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->seen_n; i++)
		if (g->seen[i].here)
			g->seen[kept++] = g->seen[i];
	g->seen_n = kept;
}

void guard_learn(struct guard *g, const struct guard_view *v)
{
	uint64_t passed = g->clock - g->learned;

	g->learned = g->clock;
	for (size_t i = 0; i < g->seen_n; i++)
		g->seen[i].here = false;
	for (size_t i = 0; i < v->phases_n; i++) {
		const struct vitals_phase *p = &v->phases[i];
		struct seen *s = seen_find(g, p->pid, p->start_ns);

		if (!s && g->seen_n < ARRAY_SIZE(g->seen)) {
			s = &g->seen[g->seen_n++];
			/* What was there when we came has not grown in our sight; a new child began with nothing. */
			*s = (struct seen){ .pid = p->pid, .start_ns = p->start_ns, .base = g->looked ? 0 : p->bytes };
		}
		if (s)
			base_follow(s, p->bytes, passed);
	}
	forget_the_gone(g);
	if (!v->agent)
		return;
	if (g->agent.pid != v->agent->pid || g->agent.start_ns != v->agent->start_ns)
		g->agent =
		    (struct seen){ .pid = v->agent->pid, .start_ns = v->agent->start_ns, .base = v->agent->bytes };
	base_follow(&g->agent, v->agent->bytes, passed);
}

static uint64_t growth_of(const struct guard *g, const struct vitals_phase *p)
{
	for (size_t i = 0; i < g->seen_n; i++)
		if (g->seen[i].pid == p->pid && g->seen[i].start_ns == p->start_ns)
			return p->bytes > g->seen[i].base ? p->bytes - g->seen[i].base : 0;
	return 0;
}

static void who_is(const struct guard *g, const struct vitals_phase *p, struct who *ret)
{
	*ret = (struct who){ .pid = p->pid, .start_ns = p->start_ns, .bytes = p->bytes, .growth = growth_of(g, p) };
	memcpy(ret->command, p->command, sizeof(ret->command));
	ret->command[sizeof(ret->command) - 1] = '\0';
}

bool guard_who(const struct guard *g, const struct guard_view *v, uint32_t pid, uint64_t start_ns, struct who *ret)
{
	for (size_t i = 0; i < v->phases_n; i++)
		if (v->phases[i].pid == pid && v->phases[i].start_ns == start_ns) {
			who_is(g, &v->phases[i], ret);
			return true;
		}
	return false;
}

static bool counts(const struct guard *g, const struct vitals_phase *p, enum blame blame)
{
	for (size_t i = 0; i < g->holds_n; i++) {
		const struct hold *h = &g->holds[i];

		if (h->pid == p->pid && h->start_ns == p->start_ns && blame != BLAME_ANY)
			return !h->busy && !h->frozen && (blame == BLAME_UNFROZEN || !h->braked);
	}
	return true;
}

/*
 * The child that grew most. Where none grew much, the fattest that is not small, unless somebody is held already; where
 * the agent grew more than twice as much as all its children, it is the agent.
 */
void guard_blame(const struct guard *g, const struct guard_view *v, enum blame blame, struct who *ret)
{
	uint64_t agent = g->agent.bytes > g->agent.base && v->agent ? g->agent.bytes - g->agent.base : 0, sum = 0,
		 most = 0;
	const struct vitals_phase *grown = NULL, *fattest = NULL;

	for (size_t i = 0; i < v->phases_n; i++) {
		const struct vitals_phase *p = &v->phases[i];
		uint64_t growth = growth_of(g, p);

		sum += growth;
		if (!counts(g, p, blame))
			continue;
		if (growth > most) {
			most = growth;
			grown = p;
		}
		if (!fattest || p->bytes > fattest->bytes)
			fattest = p;
	}
	*ret = (struct who){ 0 };
	if (agent >= v->limit / 100 && agent / 2 > sum) {
		*ret = (struct who){ .pid = v->agent->pid,
				     .start_ns = v->agent->start_ns,
				     .agent = true,
				     .bytes = v->agent->bytes,
				     .growth = agent };
		memcpy(ret->command, v->agent->command, sizeof(ret->command) - 1);
	} else if (grown && most >= v->limit / 100) {
		who_is(g, grown, ret);
	} else if (fattest && fattest->bytes >= v->limit / 20 && (g->holds_n == 0 || blame == BLAME_ANY)) {
		who_is(g, fattest, ret);
	}
}

/* --- in words ---------------------------------------------------------------------------------------------------- */

/* Whole characters only, so that what is cut is still text. */
static void add_command(struct buf *out, const char *command)
{
	size_t length = strnlen(command, VITALS_COMMAND_MAX), n = 0;
	bool plain;

	while (n < length && n < COMMAND_SHOWN)
		n += text_next(command + n, length - n, &plain);
	(void)text_escape(out, command, n);
	if (n < length)
		buf_adds(out, "...");
}

static void add_who(struct buf *out, const struct who *who)
{
	char size[TEXT_SIZE_MAX];

	if (who->agent)
		buf_adds(out, "the agent itself");
	else if (who->pid) {
		buf_addc(out, '`');
		add_command(out, who->command);
		buf_addf(out, "` (pid %" PRIu32 ")", who->pid);
	} else {
		return;
	}
	if (who->gone)
		buf_adds(out, " has ended; ");
	else if (who->growth > 0)
		buf_addf(out, " holds %s, ", text_size(who->bytes, size)),
		    buf_addf(out, "%s of it new; ", text_size(who->growth, size));
	else
		buf_addf(out, " holds %s; ", text_size(who->bytes, size));
}

void guard_why(const struct guard *g, const struct guard_view *v, const struct who *who, struct guard_action *a)
{
	_cleanup_buf_ struct buf out = BUF_INIT(GUARD_WHY_MAX * 4);
	char left[TEXT_SIZE_MAX], limit[TEXT_SIZE_MAX];

	if (who->yield)
		buf_adds(&out, "nothing is left to be done, so the kernel decides; ");
	else
		add_who(&out, who);
	if (v->paused)
		buf_adds(&out, "the kernel holds tasks at the limit; ");
	buf_addf(&out, "%s of %s left%s", text_size((uint64_t)((__uint128_t)v->limit * g->level / 1000), left),
		 text_size(v->limit, limit), a->undo && !who->yield ? " again" : "");
	if (!a->undo && v->forecast.clock != FORECAST_NONE && v->forecast.limit_in_ns < 600 * CLOCK_SECOND_NS)
		buf_addf(&out, ", the limit in about %.1f s", (double)v->forecast.limit_in_ns / CLOCK_SECOND_NS);
	(void)snprintf(a->why, sizeof(a->why), "%s", out.data ?: "");
}

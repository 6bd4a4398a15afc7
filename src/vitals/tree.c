/* SPDX-License-Identifier: Apache-2.0 */
/* See tree.h: who the agent is, who belongs to which phase, and what each phase holds. */
#include "vitals/tree-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "vitals/cgroup-files.h"

#define CHAIN_MAX 32
#define POINT_EVERY_NS (50 * CLOCK_SECOND_NS / 1000)
#define SLOPE_OVER_NS (CLOCK_SECOND_NS + CLOCK_SECOND_NS / 10)
/* Shares of memory are measured for a fiftieth of the time at most. */
#define MEASURE_SHARE 50
/* And a look begins no other after that. */
#define MEASURE_MAX_NS (2 * CLOCK_SECOND_NS / 1000)
#define FAMILIES_MAX 64

/* --- the agent ------------------------------------------------------------------------------------------------- */

static bool older(const struct tree_process *a, const struct tree_process *b)
{
	return !b || a->stat.start < b->stat.start || (a->stat.start == b->stat.start && a->pid < b->pid);
}

static struct tree_process *oldest(const struct vitals_tree *t, const char *comm)
{
	struct tree_process *best = NULL;
	size_t cursor = 0;

	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		if (tree_lives(t, p) && (comm ? strcmp(p->stat.comm, comm) == 0 : !p->phase) && older(p, best))
			best = p;
	return best;
}

/* The oldest whose program is an agent's by name. */
static struct tree_process *known_agent(const struct vitals_tree *t)
{
	struct tree_process *best = NULL;
	size_t cursor = 0;

	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		if (p->known_agent && tree_lives(t, p) && older(p, best))
			best = p;
	return best;
}

/*
 * From a launcher to what it launched, and so on. A shell's only child so far may be what it wraps, or a script's first
 * command; the shell that a package runner starts wraps. To take a command for the agent would spare what has to be
 * ended.
 */
static struct tree_process *launched(const struct vitals_tree *t, struct tree_process *p)
{
	bool runner = false;

	for (int i = 0; p && i < CHAIN_MAX; i++) {
		enum tree_launcher kind = tree_process_launches(p);

		if (kind == TREE_NO_LAUNCHER || (p->children != 1 && kind != TREE_ADOPTS) ||
		    (kind == TREE_SHELL && !runner))
			break;
		struct tree_process *child = tree_get(t, p->first_child, p->first_child_start);
		if (!tree_lives(t, child))
			break;
		runner = kind == TREE_RUNNER;
		p = child;
	}
	return p;
}

static struct tree_process *choose_agent(struct vitals_tree *t)
{
	struct tree_process *p = tree_get(t, t->agent_pid, t->agent_start), *root, *named;

	if (t->agent_comm) {
		if (tree_lives(t, p) && strcmp(p->stat.comm, t->agent_comm) == 0)
			return p;
		named = oldest(t, t->agent_comm);
		if (named)
			return named;
	}
	if (tree_lives(t, p) && p->known_agent)
		return p;
	named = known_agent(t);
	if (named)
		return named;
	root = t->root ? tree_get(t, t->root, t->root_start) : NULL;
	/* A launcher that has ended leaves what it launched. */
	if (tree_lives(t, root))
		p = root;
	else if (t->root || !tree_lives(t, p))
		p = tree_lives(t, p) ? p : oldest(t, NULL);
	return launched(t, p);
}

static bool descends(const struct vitals_tree *t, const struct tree_process *p, const struct tree_process *from)
{
	for (int i = 0; p && i < CHAIN_MAX; i++, p = tree_origin(t, p))
		if (p == from)
			return true;
	return false;
}

/* --- phases ---------------------------------------------------------------------------------------------------- */

static struct tree_phase *phase_new(struct vitals_tree *t, const struct tree_process *first)
{
	struct tree_phase *phase = NULL;

	for (size_t i = 0; i < PHASES_MAX && !phase; i++)
		if (!t->phases[i].used)
			phase = &t->phases[i];
	if (!phase) {
		phase = &t->phases[PHASES_MAX - 1];
		(void)snprintf(phase->out.command, sizeof(phase->out.command), "(over %d at once)", PHASES_MAX - 1);
		return phase;
	}
	*phase = (struct tree_phase){ .used = true, .start = first->stat.start };
	phase->out.pid = first->pid;
	phase->out.start_ns = first->stat.start * t->tick_ns;
	tree_process_command(t->proc, first->pid, first->stat.comm, phase->out.command, sizeof(phase->out.command));
	return phase;
}

static void assign_to(struct tree_process *p, struct tree_phase *phase)
{
	p->phase = phase;
	p->assigned = true;
}

/*
 * An orphan whose parents were never seen: those of its process group, or of its session, tell where it came from,
 * unless that is the agent's own.
 */
static struct tree_phase *phase_of_kin(const struct vitals_tree *t, const struct tree_process *p,
				       const struct tree_process *agent)
{
	bool group = p->stat.group && (!agent || agent->stat.group != p->stat.group);
	bool session = p->stat.session && (!agent || agent->stat.session != p->stat.session);
	struct tree_phase *by_session = NULL;
	size_t cursor = 0;

	for (struct tree_process *q; (group || session) && (q = map_next(&t->processes, &cursor));) {
		if (!q->assigned || !q->phase)
			continue;
		if (group && (q->stat.group == p->stat.group || q->pid == p->stat.group))
			return q->phase;
		if (session && (q->stat.session == p->stat.session || q->pid == p->stat.session))
			by_session = q->phase;
	}
	return by_session;
}

/* True when it has found where p belongs. */
static bool assign(struct vitals_tree *t, struct tree_process *p, const struct tree_process *agent)
{
	const struct tree_process *origin = tree_origin(t, p);

	if (p == agent || (agent && descends(t, agent, p))) {
		assign_to(p, NULL);
		return true;
	}
	/* An orphan's new parent: init, or a launcher that adopts. */
	if (!origin || (origin != agent && agent && descends(t, agent, origin))) {
		struct tree_phase *kin = phase_of_kin(t, p, agent);

		assign_to(p, kin ? kin : phase_new(t, p));
		return true;
	}
	if (!origin->assigned)
		return false;
	assign_to(p, origin->phase ? origin->phase : phase_new(t, p));
	return true;
}

static void assign_all(struct vitals_tree *t, const struct tree_process *agent)
{
	bool more = true;
	size_t cursor = 0;

	/* A parent comes before its children, wherever the map has it. */
	while (more) {
		more = false;
		cursor = 0;
		for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
			if (!p->assigned && tree_lives(t, p))
				more |= assign(t, p, agent);
	}
}

/* Everything that is known goes to one phase: what was the agent turned out to be one command of several. */
static void demote(struct vitals_tree *t, struct tree_process *was, const struct tree_process *agent)
{
	struct tree_phase *phase = phase_new(t, was);
	size_t cursor = 0;

	phase->out.peak_bytes = t->agent.out.peak_bytes;
	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		if (p->assigned && !descends(t, agent, p))
			assign_to(p, phase);
	for (size_t i = 0; i < PHASES_MAX; i++)
		if (&t->phases[i] != phase)
			t->phases[i].used = false;
}

static void change_agent(struct vitals_tree *t, struct tree_process *agent)
{
	struct tree_process *was = tree_get(t, t->agent_pid, t->agent_start);
	size_t cursor = 0;

	if (agent == was && agent)
		return;
	if (agent && tree_lives(t, was) && was->assigned && descends(t, was, agent)) {
		demote(t, was, agent);
	} else if (agent && agent->phase) {
		/* A child of what was the agent so far: each of its own children is a phase now. */
		struct tree_phase *phase = agent->phase;

		for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
			if (p->phase == phase) {
				p->phase = NULL;
				p->assigned = false;
			}
		phase->used = false;
	}
	t->agent_pid = agent ? agent->pid : 0;
	t->agent_start = agent ? agent->stat.start : 0;
	t->agent.out.pid = t->agent_pid;
	t->agent.out.start_ns = t->agent_start * t->tick_ns;
	t->agent.out.command[0] = '\0';
	if (agent)
		tree_process_command(t->proc, agent->pid, agent->stat.comm, t->agent.out.command,
				     sizeof(t->agent.out.command));
}

/* --- sums ------------------------------------------------------------------------------------------------------ */

static struct tree_process *most_doubtful(struct vitals_tree *t)
{
	struct tree_process *best = NULL;
	uint64_t most = 0;
	size_t cursor = 0;

	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));) {
		uint64_t doubt = tree_process_doubt(p, t->now_ns);

		if (doubt > most) {
			most = doubt;
			best = p;
		}
	}
	return best;
}

/*
 * Shares of one image make sense together: a parent's share alone would leave out what its children have of the same
 * pages. Until all are known the parent counts whole and they for their growth.
 */
static bool family_is_known(const struct vitals_tree *t, const struct tree_process *p)
{
	size_t cursor = 0;

	for (struct tree_process *q; (q = map_next(&t->processes, &cursor));)
		if (q->stat.stack == p->stat.stack &&
		    (tree_process_is_large(q) || (q->measured_ns == 0 && tree_process_doubt(q, t->now_ns) > 0)))
			return false;
	return true;
}

/* All of an image are to be measured anew; their old shares serve until then. */
static void renew_families(struct vitals_tree *t)
{
	size_t cursor = 0;
	unsigned renewed = 0;

	for (struct tree_process *p; renewed < FAMILIES_MAX && (p = map_next(&t->processes, &cursor));) {
		size_t other = 0;

		if (!p->stale)
			continue;
		p->stale = false;
		renewed++;
		for (struct tree_process *q; (q = map_next(&t->processes, &other));)
			if (q->stat.stack == p->stat.stack)
				q->measured_ns = 0;
	}
}

static void commit_shares(struct vitals_tree *t)
{
	size_t cursor = 0;

	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		if (p->pending && family_is_known(t, p))
			tree_process_commit(p);
}

/* Who shares a process's pages is found by walking all of them, so that it is done rarely and for the fattest first. */
static void measure(struct vitals_tree *t)
{
	uint64_t before = clock_boottime_ns(), took = 0;
	struct tree_process *p;

	if (t->now_ns < t->measure_due_ns)
		return;
	renew_families(t);
	while (took < MEASURE_MAX_NS && (p = most_doubtful(t))) {
		tree_process_measure(p, t->proc, t->now_ns);
		took = clock_boottime_ns() - before;
	}
	t->measure_due_ns = t->now_ns + took * MEASURE_SHARE;
	commit_shares(t);
}

static void sample(struct vitals_tree *t, struct tree_process *p)
{
	tree_process_sample(p, t->proc, p->ran);
	if (p->execed || (p->fresh && !p->shares)) {
		tree_process_unshare(p);
	} else if (p->fresh) {
		/* A copy that has not written yet counts for nothing: its pages are its parent's. */
		p->base = 0;
		p->base_rss = p->rss;
	} else if (!p->shares && p->sharers == 0 && p->measured_ns == 0) {
		tree_process_unshare(p);
	}
}

static void add_point(struct tree_phase *phase, uint64_t now_ns)
{
	const struct point *last = phase->points_n ? &phase->points[(phase->next + POINTS - 1) % POINTS] : NULL;
	const struct point *from = NULL;

	for (unsigned i = 0; i < phase->points_n; i++) {
		const struct point *p = &phase->points[(phase->next + POINTS - phase->points_n + i) % POINTS];

		if (now_ns - p->time_ns <= (uint64_t)SLOPE_OVER_NS && now_ns > p->time_ns) {
			from = p;
			break;
		}
	}
	phase->out.slope = 0;
	if (from) {
		double change = (double)phase->out.bytes - (double)from->bytes;

		phase->out.slope = (int64_t)(change * (double)CLOCK_SECOND_NS / (double)(now_ns - from->time_ns));
	}
	if (last && now_ns - last->time_ns < (uint64_t)POINT_EVERY_NS)
		return;
	phase->points[phase->next] = (struct point){ now_ns, phase->out.bytes };
	phase->next = (phase->next + 1) % POINTS;
	phase->points_n = MIN(phase->points_n + 1, (unsigned)POINTS);
}

/* A phase that alone has a cgroup with the memory controller: the kernel's own sum has what no process maps. */
static void use_cgroup(struct vitals_tree *t, struct tree_phase *phase)
{
	char path[GROUP_NAME_MAX + 16], text[8192];
	struct vitals_memory m;
	const struct group *group = NULL;

	phase->out.own_cgroup = false;
	for (size_t i = 0; i < t->groups_n && !phase->mixed && phase->group; i++)
		if (t->groups[i].id == phase->group && t->groups[i].phases == 1)
			group = &t->groups[i];
	if (!group)
		return;
	(void)snprintf(path, sizeof(path), "%s/memory.stat", group->name);
	_cleanup_close_ int fd = openat(t->cgroup, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n <= 0)
		return;
	memset(&m, 0xff, sizeof(m));
	cgroup_files_stat_v2(text, (size_t)n, &m);
	if (m.anon == VITALS_UNKNOWN || m.shmem == VITALS_UNKNOWN)
		return;
	phase->out.own_cgroup = true;
	/* What it had before it was moved there is another cgroup's to the kernel, and its own to us. */
	phase->sum_bytes = MAX(phase->sum_bytes, m.anon + m.shmem);
}

static void sum_up(struct vitals_tree *t, struct tree_phase *phase)
{
	uint64_t read = phase->carried_read + phase->sum_read, write = phase->carried_write + phase->sum_write;

	phase->out.bytes = phase->sum_bytes;
	phase->out.peak_bytes = MAX(phase->out.peak_bytes, phase->out.bytes);
	/* Between the end of a process and its parent's wait its bytes are nowhere. */
	phase->out.read_bytes = MAX(phase->out.read_bytes, read - MIN(read, phase->absorbed_read));
	phase->out.write_bytes = MAX(phase->out.write_bytes, write - MIN(write, phase->absorbed_write));
	add_point(phase, t->now_ns);
}

static void add_process(struct vitals_tree *t, const struct tree_process *p)
{
	struct tree_phase *phase = p->phase ? p->phase : &t->agent;

	phase->sum_bytes += tree_process_bytes(p);
	phase->sum_read += p->read_bytes;
	phase->sum_write += p->write_bytes;
	if (phase->out.processes++ == 0)
		phase->group = p->group;
	else if (phase->group != p->group)
		phase->mixed = true;
}

static void begin_sum(struct tree_phase *phase)
{
	phase->sum_bytes = phase->sum_read = phase->sum_write = phase->group = 0;
	phase->out.processes = 0;
	phase->mixed = false;
}

/* In which cgroups more than one party lives. */
static void count_parties(struct vitals_tree *t)
{
	for (size_t i = 0; i < t->groups_n; i++) {
		struct group *group = &t->groups[i];
		const struct tree_phase *first = NULL;
		size_t cursor = 0;

		for (struct tree_process *p; group->phases < 2 && (p = map_next(&t->processes, &cursor));) {
			const struct tree_phase *phase = p->phase ? p->phase : &t->agent;

			if (p->group != group->id || phase == first)
				continue;
			group->phases++;
			first = phase;
		}
	}
}

static void end_phase(struct vitals_tree *t, struct tree_phase *phase)
{
	/* Nobody has asked for long: the oldest is the least of a loss. */
	if (t->ended_n == ENDED_MAX)
		memmove(t->ended, t->ended + 1, --t->ended_n * sizeof(t->ended[0]));
	phase->out.bytes = 0;
	phase->out.slope = 0;
	t->ended[t->ended_n++] = phase->out;
	phase->used = false;
}

static void sum_all(struct vitals_tree *t)
{
	size_t cursor = 0;

	begin_sum(&t->agent);
	for (size_t i = 0; i < PHASES_MAX; i++)
		begin_sum(&t->phases[i]);
	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		add_process(t, p);
	if (t->groups_n > 0)
		count_parties(t);
	for (size_t i = 0; i < PHASES_MAX; i++) {
		struct tree_phase *phase = &t->phases[i];

		if (!phase->used)
			continue;
		if (phase->out.processes == 0) {
			end_phase(t, phase);
			continue;
		}
		use_cgroup(t, phase);
		sum_up(t, phase);
	}
	sum_up(t, &t->agent);
}

/* --- the look -------------------------------------------------------------------------------------------------- */

int vitals_tree_look(struct vitals_tree *t, uint64_t now_ns)
{
	size_t cursor = 0;

	t->look++;
	t->now_ns = now_ns;
	int r = tree_collect(t);

	if (r < 0)
		return r;
	struct tree_process *agent = choose_agent(t);

	change_agent(t, agent);
	assign_all(t, agent);
	tree_bury(t);
	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		sample(t, p);
	measure(t);
	sum_all(t);
	return 0;
}

int vitals_tree_new(const struct vitals_tree_options *options, struct vitals_tree **ret, struct err *err)
{
	_cleanup_(vitals_tree_free_p) struct vitals_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return err_errno(err, ENOMEM, "can't follow the workload's processes");
	t->cgroup = -1;
	t->processes = MAP_INIT(PROCESSES_MAX);
	t->root = options->root;
	t->tick_ns = (uint64_t)CLOCK_SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK);
	t->proc = strdup(options->proc ? options->proc : "/proc");
	if (options->agent)
		t->agent_comm = strdup(options->agent);
	if (!t->proc || (options->agent && !t->agent_comm))
		return err_errno(err, ENOMEM, "can't follow the workload's processes");
	if (!options->cgroup && !options->root)
		return err_set(err, EINVAL, "can't follow the processes: neither a cgroup nor the first one is given");
	if (options->cgroup) {
		t->cgroup = open(options->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (t->cgroup < 0)
			return err_errno(err, errno, "can't follow the processes of the cgroup %s", options->cgroup);
	}
	*ret = TAKE_PTR(t);
	return 0;
}

void vitals_tree_free(struct vitals_tree *t)
{
	size_t cursor = 0;

	if (!t)
		return;
	for (struct tree_process *p; (p = map_next(&t->processes, &cursor));)
		free(p);
	map_done(&t->processes);
	close_fd(&t->cgroup);
	free(t->proc);
	free(t->agent_comm);
	free(t);
}

const struct vitals_phase *vitals_tree_agent(const struct vitals_tree *t)
{
	return &t->agent.out;
}

static int by_bytes(const void *a, const void *b)
{
	const struct vitals_phase *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

size_t vitals_tree_phases(const struct vitals_tree *t, struct vitals_phase *ret, size_t room)
{
	struct vitals_phase all[PHASES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < PHASES_MAX; i++)
		if (t->phases[i].used)
			all[n++] = t->phases[i].out;
	if (n > 1)
		qsort(all, n, sizeof(all[0]), by_bytes);
	n = MIN(n, room);
	if (n > 0)
		memcpy(ret, all, n * sizeof(all[0]));
	return n;
}

size_t vitals_tree_ended(struct vitals_tree *t, struct vitals_phase *ret, size_t room)
{
	size_t n = MIN(t->ended_n, room);

	if (n > 0)
		memcpy(ret, t->ended, n * sizeof(ret[0]));
	t->ended_n -= n;
	memmove(t->ended, t->ended + n, t->ended_n * sizeof(t->ended[0]));
	return n;
}

size_t vitals_tree_members(const struct vitals_tree *t, uint32_t phase_pid, uint32_t *ret, size_t room)
{
	size_t n = 0, cursor = 0;

	for (int own = 1; own >= 0; own--, cursor = 0)
		for (struct tree_process *p; n < room && (p = map_next(&t->processes, &cursor));) {
			const struct tree_phase *phase = p->phase ? p->phase : &t->agent;

			if (phase->out.pid == phase_pid && (p->pid == phase_pid) == own)
				ret[n++] = p->pid;
		}
	return n;
}

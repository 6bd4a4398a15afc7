/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counts lie in maps that are mapped here, so a reading is no system call. With `only` there is one slot, 0. Else
 * each cgroup has one, and what a cgroup counted that is gone is given to the nearest ancestor that is alive, so that
 * the sum over a workload never falls.
 */
#include "sensor/vitals-probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

#include "sensor/duty.h"
#include "sensor/system.h"
/* The skeleton's structs are its. */
#include "wire/vitals.h"
#include "vitals.skel.h"

static_assert(HV_BUCKETS == VITALS_BUCKETS, "one histogram");
static_assert(HV_UNKNOWN == VITALS_UNKNOWN, "one word for what is not told");

#define PENDING_MAX 256
#define SWEEP_NS 2000000000ULL
/* How old a pass over all tasks may be when it is for many workloads. */
#define PASS_NS 20000000ULL
#define RATE_NS 200000000ULL
#define KERNFS_HANDLE 0xfe /* FILEID_KERNFS */

struct hook_spec {
	const char *program, *name, *provides;
	unsigned probe; /* 0: always */
};

static const struct hook_spec hook_specs[] = {
	{ "on_switch", "tp_btf/sched_switch", "context switches, waits for a CPU", VITALS_PROBE_SCHED },
	{ "on_request", "tp_btf/block_getrq", "whose a block request is", VITALS_PROBE_BLOCK },
	{ "on_complete", "tp_btf/block_rq_complete", "block requests, their bytes and latency", VITALS_PROBE_BLOCK },
	{ "on_victim", "tp_btf/mark_victim", "OOM kills", VITALS_PROBE_OOM },
	{ "count_tasks", "iter/task", "threads by state", 0 },
};
#define HOOKS_N ARRAY_SIZE(hook_specs)

struct vitals_probes {
	struct vitals_bpf *skeleton;
	struct vitals_hook hooks[HOOKS_N];
	struct bpf_link *links[HOOKS_N];
	struct hv_sched *sched; /* columns for each slot: the CPUs', then ours */
	struct hv_slot *slots;
	size_t sched_bytes, slots_bytes, slots_n;
	unsigned columns;
	uint64_t only;
	unsigned probes; /* that are there, whole */
	int cgroup_fd;	 /* the v2 hierarchy; -1: whether a cgroup lives can't be told, so none is swept */
	int iter_link;	 /* index of the iterator's link */
	int switch_link; /* and of the switches' */
	struct duty duty;
	bool estimated;	   /* not all switches were counted */
	uint64_t rated_ns; /* when it was last looked how often each CPU switches */
	uint64_t switched[HV_CPUS];
	uint64_t sweep_ns, swept_ns, passed_ns;
	bool gone[HV_SLOTS]; /* at the last sweep */
	struct hv_victim pending[PENDING_MAX];
	size_t pending_n;
	uint64_t victims_seen;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* What BPF programs write at any moment. */
static uint64_t load(const void *word)
{
	return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

/* ---- whose slot ---- */

/* The ids that were asked for, with a filter before the search: most slots are none of theirs. */
struct wanted {
	const uint64_t *ids;
	size_t n;
	uint64_t filter[HV_SLOTS / 64];
};

static void wanted_init(struct wanted *w, const uint64_t *ids, size_t n)
{
	*w = (struct wanted){ .ids = ids, .n = n };
	for (size_t i = 0; i < n; i++)
		w->filter[hv_place(hv_hash(ids[i]), 0) / 64] |= 1ULL << (hv_place(hv_hash(ids[i]), 0) % 64);
}

static bool wanted_id(const struct wanted *w, uint64_t id)
{
	__u32 home = hv_place(hv_hash(id), 0);

	if (!(w->filter[home / 64] & 1ULL << (home % 64)))
		return false;
	for (size_t i = 0; i < w->n; i++)
		if (w->ids[i] == id)
			return true;
	return false;
}

static unsigned levels_of(const struct hv_path *p)
{
	return MIN(__atomic_load_n(&p->levels, __ATOMIC_ACQUIRE), (__u32)HV_DEPTH);
}

/* It, or one above it. */
static bool wanted_path(const struct wanted *w, uint64_t id, const struct hv_path *p)
{
	unsigned levels = levels_of(p);

	if (wanted_id(w, id))
		return true;
	for (unsigned i = 0; i + 1 < levels; i++)
		if (wanted_id(w, p->above[i]))
			return true;
	return false;
}

/* With `only` the ids say nothing that is not known, but must be the workload's. */
static int check_ids(const struct vitals_probes *p, const uint64_t *ids, size_t n)
{
	if (!p->only)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (ids[i] == p->only)
			return 0;
	return -ENOENT;
}

/* ---- cgroups that are gone ---- */

static bool cgroup_alive(const struct vitals_probes *p, uint64_t id)
{
	struct {
		struct file_handle handle;
		uint64_t id;
	} h = { .handle = { .handle_bytes = sizeof(h.id), .handle_type = KERNFS_HANDLE }, .id = id };
	int fd = open_by_handle_at(p->cgroup_fd, &h.handle, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno != ESTALE;
	(void)close(fd);
	return true;
}

static void sched_add(struct hv_sched *to, const struct hv_sched *from)
{
	to->voluntary += load(&from->voluntary);
	to->forced += load(&from->forced);
	to->wait_ns += load(&from->wait_ns);
	for (size_t i = 0; i < HV_BUCKETS; i++)
		to->wait[i] += load(&from->wait[i]);
}

static void block_add(struct hv_block *to, const struct hv_block *from)
{
	const uint64_t *word = (const uint64_t *)from;
	uint64_t *sum = (uint64_t *)to;

	for (size_t i = 0; i < sizeof(*from) / sizeof(*word); i++)
		(void)__atomic_fetch_add(&sum[i], load(&word[i]), __ATOMIC_RELAXED);
}

/* The slot of a cgroup, made if it has none. `at`: its level less one. */
static size_t slot_for(struct vitals_probes *p, uint64_t id, const struct hv_path *path, unsigned at)
{
	uint64_t *owners = (uint64_t *)p->skeleton->bss->owners;
	uint64_t hash = hv_hash(id);

	for (unsigned i = 0; i < HV_PLACES; i++)
		if (load(&owners[hv_place(hash, i)]) == id)
			return hv_place(hash, i);
	for (unsigned i = 0; i < HV_PLACES; i++) {
		size_t slot = hv_place(hash, i);
		uint64_t none = 0;

		if (!__atomic_compare_exchange_n(&owners[slot], &none, id, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;
		memcpy(p->slots[slot].path.above, path->above, sizeof(path->above));
		__atomic_store_n(&p->slots[slot].path.levels, at + 1, __ATOMIC_RELEASE);
		return slot;
	}
	return HV_NONE;
}

/* Gives the slot's counts to the nearest ancestor that lives, and the slot free. */
static void slot_fold(struct vitals_probes *p, size_t slot)
{
	struct hv_slot *s = &p->slots[slot];
	struct hv_sched *columns = &p->sched[slot * p->columns];
	size_t to = HV_NONE;

	for (unsigned i = levels_of(&s->path); i-- > 1 && to == HV_NONE;)
		if (cgroup_alive(p, s->path.above[i - 1]))
			to = slot_for(p, s->path.above[i - 1], &s->path, i - 1);
	if (to != HV_NONE) {
		for (unsigned i = 0; i < p->columns; i++)
			sched_add(&p->sched[to * p->columns + p->columns - 1], &columns[i]);
		block_add(&p->slots[to].block, &s->block);
	}
	memset(columns, 0, p->columns * sizeof(*columns));
	memset(s, 0, sizeof(*s));
	__atomic_store_n(&p->skeleton->bss->owners[slot], 0, __ATOMIC_RELEASE);
}

/* Twice seen gone, so that the last switch away from its last task has been counted. */
static void sweep(struct vitals_probes *p)
{
	uint64_t now = now_ns();

	if (p->only || p->cgroup_fd < 0 || now - p->swept_ns < p->sweep_ns)
		return;
	p->swept_ns = now;
	for (size_t i = 0; i < p->slots_n; i++) {
		uint64_t id = load(&p->skeleton->bss->owners[i]);

		if (!id || cgroup_alive(p, id)) {
			p->gone[i] = false;
			continue;
		}
		if (p->gone[i])
			slot_fold(p, i);
		p->gone[i] = !p->gone[i];
	}
}

/* ---- reading ---- */

static void read_slot(const struct vitals_probes *p, size_t slot, struct vitals_probed *ret)
{
	const struct hv_block *b = &p->slots[slot].block;

	for (unsigned i = 0; ret->sched && i < p->columns; i++) {
		const struct hv_sched *c = &p->sched[slot * p->columns + i];

		ret->voluntary += load(&c->voluntary);
		ret->forced += load(&c->forced);
		ret->run_queue.total_ns += load(&c->wait_ns);
		for (size_t k = 0; k < HV_BUCKETS; k++)
			ret->run_queue.count[k] += load(&c->wait[k]);
	}
	if (!ret->block)
		return;
	ret->reads += load(&b->reads);
	ret->writes += load(&b->writes);
	ret->read_bytes += load(&b->read_bytes);
	ret->write_bytes += load(&b->write_bytes);
	ret->block_latency.total_ns += load(&b->took_ns);
	for (size_t k = 0; k < HV_BUCKETS; k++)
		ret->block_latency.count[k] += load(&b->took[k]);
}

static int probes_read(struct vitals_probes *p, const uint64_t *ids, size_t n, struct vitals_probed *ret)
{
	struct wanted w;

	*ret = (struct vitals_probed){
		.sched = p->probes & VITALS_PROBE_SCHED,
		.block = p->probes & VITALS_PROBE_BLOCK,
		.estimated = p->estimated,
	};
	if (check_ids(p, ids, n))
		return -ENOENT;
	if (p->only) {
		read_slot(p, 0, ret);
	} else {
		wanted_init(&w, ids, n);
		sweep(p);
		for (size_t i = 0; i < p->slots_n; i++) {
			uint64_t id = load(&p->skeleton->bss->owners[i]);

			if (id && wanted_path(&w, id, &p->slots[i].path))
				read_slot(p, i, ret);
		}
	}
	if (!p->skeleton->bss->wait_known)
		ret->run_queue.total_ns = VITALS_UNKNOWN;
	return 0;
}

/* The most that any CPU switches, by the kernel's own count, which goes on while ours does not. */
static void rate_switches(struct vitals_probes *p)
{
	uint64_t now = now_ns(), passed = now - p->rated_ns, most = 0;

	if (passed < RATE_NS)
		return;
	for (size_t i = 0; i < MIN(p->columns, (unsigned)HV_CPUS); i++) {
		uint64_t n = load(&p->skeleton->bss->switched[i]);

		most = MAX(most, n - p->switched[i]);
		p->switched[i] = n;
	}
	if (p->rated_ns)
		duty_rate(&p->duty, (uint64_t)((__uint128_t)most * CLOCK_SECOND_NS / passed));
	p->rated_ns = now;
}

static void attach_switches(struct vitals_probes *p)
{
	p->links[p->switch_link] = bpf_program__attach(p->skeleton->progs.on_switch);
	/* What is not counted any more must not look like counts that stand still. */
	if (!p->links[p->switch_link])
		p->probes &= ~(unsigned)VITALS_PROBE_SCHED;
}

uint64_t vitals_probes_tick(struct vitals_probes *p, uint64_t now)
{
	bool attached = duty_tick(&p->duty, now);

	if (!(p->probes & VITALS_PROBE_SCHED))
		return UINT64_MAX;
	p->estimated |= p->duty.pausing;
	__atomic_store_n(&p->skeleton->data->weight, p->duty.weight, __ATOMIC_RELEASE);
	if (attached && !p->links[p->switch_link])
		attach_switches(p);
	else if (!attached && p->links[p->switch_link])
		(void)bpf_link__destroy(TAKE_PTR(p->links[p->switch_link]));
	return p->duty.due_ns;
}

void vitals_probes_forked(struct vitals_probes *p)
{
	if (p->links[p->switch_link])
		(void)close(bpf_link__fd(p->links[p->switch_link]));
}

/* One pass over all tasks of the machine; it leaves its counts in the slots. */
static int pass(struct vitals_probes *p)
{
	char nothing[64];
	ssize_t got;
	int fd;

	if (!p->links[p->iter_link])
		return -EOPNOTSUPP;
	p->skeleton->bss->pass++;
	fd = bpf_iter_create(bpf_link__fd(p->links[p->iter_link]));
	if (fd < 0)
		return -errno;
	do
		got = read(fd, nothing, sizeof(nothing));
	while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
	if (got < 0)
		got = -errno;
	(void)close(fd);
	p->passed_ns = now_ns();
	rate_switches(p);
	return (int)got;
}

static void tasks_slot(const struct vitals_probes *p, size_t slot, struct vitals_tasks *ret)
{
	const struct hv_tasks *t = &p->slots[slot].tasks;

	if (t->pass != p->skeleton->bss->pass)
		return;
	ret->running += t->running;
	ret->sleeping += t->sleeping;
	ret->uninterruptible += t->uninterruptible;
	ret->stopped += t->stopped;
	ret->zombie += t->zombie;
	ret->processes += t->processes;
	ret->threads += t->threads;
}

static int probes_tasks(struct vitals_probes *p, const uint64_t *ids, size_t n, struct vitals_tasks *ret)
{
	struct wanted w;
	int r;

	*ret = (struct vitals_tasks){ 0 };
	if (check_ids(p, ids, n))
		return -ENOENT;
	if (p->only || now_ns() - p->passed_ns > PASS_NS) {
		r = pass(p);
		if (r < 0)
			return r;
	}
	if (p->only) {
		tasks_slot(p, 0, ret);
		return 0;
	}
	wanted_init(&w, ids, n);
	for (size_t i = 0; i < p->slots_n; i++) {
		uint64_t id = load(&p->skeleton->bss->owners[i]);

		if (id && wanted_path(&w, id, &p->slots[i].path))
			tasks_slot(p, i, ret);
	}
	return 0;
}

/* From the kernel's ring to the list of those that nobody has asked for yet; the oldest make room. */
static void collect_victims(struct vitals_probes *p)
{
	uint64_t made = load(&p->skeleton->bss->victims_n);

	if (made - p->victims_seen > HV_VICTIMS)
		p->victims_seen = made - HV_VICTIMS;
	for (; p->victims_seen != made; p->victims_seen++) {
		const struct hv_victim *v = (const void *)&p->skeleton->bss->victims[p->victims_seen % HV_VICTIMS];

		/* A process whose threads are marked one by one is one victim. */
		if (p->pending_n && p->pending[p->pending_n - 1].pid == v->pid)
			continue;
		if (p->pending_n == PENDING_MAX)
			memmove(p->pending, p->pending + 1, --p->pending_n * sizeof(p->pending[0]));
		p->pending[p->pending_n++] = *v;
	}
}

static uint64_t bytes_of(uint64_t pages)
{
	return pages == HV_UNKNOWN ? VITALS_UNKNOWN : pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int probes_ooms(struct vitals_probes *p, const uint64_t *ids, size_t n, struct vitals_oom *ret, size_t room)
{
	size_t told = 0, kept = 0;
	struct wanted w;

	if (check_ids(p, ids, n))
		return -ENOENT;
	if (!(p->probes & VITALS_PROBE_OOM))
		return 0;
	collect_victims(p);
	wanted_init(&w, ids, n);
	for (size_t i = 0; i < p->pending_n; i++) {
		const struct hv_victim *v = &p->pending[i];

		if (told == room || !(p->only || wanted_path(&w, v->cgroup, &v->path))) {
			p->pending[kept++] = *v;
			continue;
		}
		ret[told] = (struct vitals_oom){
			.time_ns = v->time_ns,
			.pid = v->pid,
			.anon_bytes = bytes_of(v->anon_pages),
			.file_bytes = bytes_of(v->file_pages),
			.shmem_bytes = bytes_of(v->shmem_pages),
		};
		memcpy(ret[told].comm, v->comm, sizeof(v->comm));
		ret[told++].comm[sizeof(v->comm) - 1] = '\0';
	}
	p->pending_n = kept;
	return (int)told;
}

static void probes_free(struct vitals_probes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < HOOKS_N; i++)
		if (p->links[i])
			(void)bpf_link__destroy(p->links[i]);
	if (p->sched)
		(void)munmap(p->sched, p->sched_bytes);
	if (p->slots)
		(void)munmap(p->slots, p->slots_bytes);
	vitals_bpf__destroy(p->skeleton);
	if (p->cgroup_fd >= 0)
		(void)close(p->cgroup_fd);
	free(p);
}
DEFINE_CLEANUP(struct vitals_probes *, probes_free);

const struct vitals_probes_ops vitals_probes_ops = {
	.read = probes_read,
	.tasks = probes_tasks,
	.ooms = probes_ooms,
	.free = probes_free,
};

size_t vitals_probes_hooks(const struct vitals_probes *p, const struct vitals_hook **ret)
{
	*ret = p->hooks;
	return HOOKS_N;
}

uint64_t vitals_probes_unplaced(const struct vitals_probes *p)
{
	return load(&p->skeleton->bss->unplaced);
}

/* ---- open ---- */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!getenv("HEDDLE_DEBUG_BPF"))
		return 0;
	return vfprintf(stderr, format, args);
}

/* bpf_rdonly_cast came with 6.2. To look for it in the kernel's BTF would mean to read that once more: 20 ms. */
static bool has_cast(void)
{
	struct utsname u;
	unsigned major, minor;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 2));
}

/* Opens and loads those programs whose bit is set. */
static int load_programs(struct vitals_probes *p, const struct vitals_probes_options *o, unsigned programs)
{
	struct vitals_bpf *s = vitals_bpf__open();
	int r;

	if (!s)
		return -errno;
	p->columns = (unsigned)libbpf_num_possible_cpus() + 1;
	p->slots_n = o->only ? 1 : HV_SLOTS;
	s->rodata->cfg_cast = has_cast();
	s->rodata->cfg_one = o->only != 0;
	s->rodata->cfg_columns = p->columns;
	(void)bpf_map__set_max_entries(s->maps.sched_counts, (__u32)p->slots_n * p->columns);
	(void)bpf_map__set_max_entries(s->maps.slots, (__u32)p->slots_n);
	for (size_t i = 0; i < HOOKS_N; i++)
		(void)bpf_program__set_autoload(bpf_object__find_program_by_name(s->obj, hook_specs[i].program),
						programs & 1u << i);
	r = vitals_bpf__load(s);
	if (r < 0) {
		vitals_bpf__destroy(s);
		return r;
	}
	p->skeleton = s;
	return 0;
}

static void say_why(struct vitals_hook *h, int r)
{
	if (r == -EPERM)
		(void)snprintf(h->why_not, sizeof(h->why_not), "refused: run as root, or with CAP_BPF and CAP_PERFMON");
	else if (r == -ESRCH || r == -ENOENT)
		(void)snprintf(h->why_not, sizeof(h->why_not), "this kernel has no such hook");
	else
		(void)snprintf(h->why_not, sizeof(h->why_not), "refused: %s", strerror(-r));
}

/* All at once; only where that fails each by itself, to learn which is refused. */
static int load_what_can_be(struct vitals_probes *p, const struct vitals_probes_options *o)
{
	unsigned wanted = 0, good = 0;
	int r, why = 0;

	for (size_t i = 0; i < HOOKS_N; i++)
		wanted |= p->hooks[i].wanted ? 1u << i : 0;
	r = load_programs(p, o, wanted);
	if (r == 0 || r == -ENOMEM)
		return r;
	for (size_t i = 0; i < HOOKS_N; i++) {
		if (!p->hooks[i].wanted)
			continue;
		r = load_programs(p, o, 1u << i);
		if (r < 0) {
			say_why(&p->hooks[i], r);
			why = r;
			continue;
		}
		vitals_bpf__destroy(TAKE_PTR(p->skeleton));
		good |= 1u << i;
	}
	return good ? load_programs(p, o, good) : why;
}

static int map_counts(struct vitals_probes *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *m;

	p->sched_bytes = (p->slots_n * p->columns * sizeof(struct hv_sched) + page - 1) & ~(page - 1);
	p->slots_bytes = (p->slots_n * sizeof(struct hv_slot) + page - 1) & ~(page - 1);
	m = mmap(NULL, p->sched_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_map__fd(p->skeleton->maps.sched_counts), 0);
	if (m == MAP_FAILED)
		return -errno;
	p->sched = m;
	m = mmap(NULL, p->slots_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(p->skeleton->maps.slots), 0);
	if (m == MAP_FAILED)
		return -errno;
	p->slots = m;
	return 0;
}

static void attach_all(struct vitals_probes *p)
{
	unsigned missing = 0;

	for (size_t i = 0; i < HOOKS_N; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(p->skeleton->obj, hook_specs[i].program);

		if (!strcmp(hook_specs[i].program, "count_tasks"))
			p->iter_link = (int)i;
		if (!strcmp(hook_specs[i].program, "on_switch"))
			p->switch_link = (int)i;
		if (p->hooks[i].wanted && !p->hooks[i].why_not[0]) {
			p->links[i] = bpf_program__attach(program);
			p->hooks[i].attached = p->links[i] != NULL;
			if (!p->links[i])
				say_why(&p->hooks[i], -errno);
		}
		missing |= p->links[i] ? 0 : hook_specs[i].probe;
	}
	p->probes = VITALS_PROBE_ALL & ~missing;
}

void vitals_probes_follow(struct vitals_probes *p, uint64_t only, unsigned level)
{
	p->only = only;
	p->skeleton->data->only = UINT64_MAX;
	p->skeleton->bss->only_level = level;
	p->skeleton->bss->only_address = 0;
	__atomic_store_n(&p->skeleton->data->only, only, __ATOMIC_RELEASE);
}

int vitals_probes_open(const struct vitals_probes_options *options, struct vitals_probes **ret, struct err *err)
{
	_cleanup_(probes_free_p) struct vitals_probes *p = calloc(1, sizeof(*p));
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	char mount[128];
	int r;

	if (!p)
		return err_set(err, ENOMEM, "out of memory");
	p->only = options->only;
	p->duty = DUTY_INIT;
	p->sweep_ns = options->sweep_ns ? options->sweep_ns : SWEEP_NS;
	p->cgroup_fd = system_cgroup2_mount(mount, sizeof(mount)) ?
			       open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	for (size_t i = 0; i < HOOKS_N; i++)
		p->hooks[i] = (struct vitals_hook){
			.name = hook_specs[i].name,
			.provides = hook_specs[i].provides,
			.wanted = !hook_specs[i].probe || hook_specs[i].probe & options->probes,
		};
	libbpf_set_print(quiet);
	/* Kernels before 5.11 charge maps to this limit; where it may not be raised it is not needed. */
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	r = load_what_can_be(p, options);
	(void)malloc_trim(0);
	if (r == -EPERM)
		return err_set(err, EPERM,
			       "the bpf system call is refused: run as root, or with CAP_BPF and CAP_PERFMON");
	if (r < 0)
		return err_errno(err, -r, "the kernel refused all probes (HEDDLE_DEBUG_BPF=1 shows its log)");
	r = map_counts(p);
	if (r < 0)
		return err_errno(err, -r, "can't map the probes' counts");
	if (options->only && options->only != VITALS_PROBES_LATER)
		vitals_probes_follow(p, options->only, options->only_level);
	attach_all(p);
	/* Learns what this kernel can tell of waits. */
	(void)pass(p);
	*ret = TAKE_PTR(p);
	return 0;
}

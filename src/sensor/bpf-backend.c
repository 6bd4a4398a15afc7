/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel behind a sensor: loads the programs, attaches the tier's hooks, maps the lanes. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "sensor/backend.h"
#include "sensor/bpf-probe.h"
#include "sensor/late.h"
#include "sensor/ring.h"
#include "sensor/system.h"
/* After the types of what they declare. */
#include "bpf/heddle-plain.skel.h"
#include "bpf/heddle.skel.h"

/* Sized for 50 ms of 10,000 fork+exec and of 100,000 opens a second, with room; both are resident when full. */
#define CRITICAL_BYTES_DEFAULT (2u << 20)
#define BULK_BYTES_DEFAULT (4u << 20)
#define HOOKS_MAX 40

struct bpf_backend {
	struct heddle_bpf *skeleton;
	struct ring rings[HD_LANE_MAX];
	int epoll_fd;
	int alarm_fd; /* the same lanes, told by edge */
	int cgroup_root_fd;
	unsigned slots; /* of the kernel side, over all CPUs */
	enum sensor_tier tier;
	struct sensor_hook hooks[HOOKS_MAX];
	struct bpf_link *links[HOOKS_MAX];
	size_t hooks_n;
	void *slot; /* one slot of the kernel side's, for reading its counters */
	unsigned idle_ms;
	struct late late;
};

/* ---- hooks ---- */

struct hook_spec {
	const char *program;
	const char *name;
	const char *provides;
	enum sensor_tier tier;
	bool cgroup;   /* attached to the root of the cgroup tree */
	bool required; /* without it there is no sensor */
};

static const struct hook_spec hook_specs[] = {
	{ "on_sys_exit", "tp_btf/sys_exit", "opens, reads, writes, metadata, sockets, privileges, memory, escapes",
	  SENSOR_TIER_TRACEPOINT, false, true },
	{ "on_newtask", "tp_btf/task_newtask", "fork, vfork, clone, clone3 and what they inherit",
	  SENSOR_TIER_TRACEPOINT, false, true },
	{ "on_exec", "tp_btf/sched_process_exec", "exec with arguments and images", SENSOR_TIER_TRACEPOINT, false,
	  true },
	{ "on_rename", "tp_btf/task_rename", "how a call to exec came in", SENSOR_TIER_TRACEPOINT, false, false },
	{ "on_exit", "tp_btf/sched_process_exit", "exits", SENSOR_TIER_TRACEPOINT, false, true },
	{ "on_state", "tp_btf/inet_sock_set_state", "outcomes of TCP connects", SENSOR_TIER_TRACEPOINT, false, false },
	{ "on_attach", "tp_btf/cgroup_attach_task", "leaving the cgroup", SENSOR_TIER_TRACEPOINT, false, false },
	{ "on_egress", "cgroup_skb/egress", "DNS sent, datagrams' destinations", SENSOR_TIER_TRACEPOINT, true, false },
	{ "on_ingress", "cgroup_skb/ingress", "DNS received", SENSOR_TIER_TRACEPOINT, true, false },
	{ "on_sock_create", "cgroup/sock_create", "whose socket it is", SENSOR_TIER_TRACEPOINT, true, false },
	{ "on_uring_request", "raw_tp/io_uring_submit", "what is asked of io_uring", SENSOR_TIER_TRACEPOINT, false,
	  false },
	{ "on_uring_sqe", "raw_tp/io_uring_submit", "what is asked of io_uring", SENSOR_TIER_TRACEPOINT, false, false },
	{ "on_uring_complete", "raw_tp/io_uring_complete", "what io_uring did", SENSOR_TIER_TRACEPOINT, false, false },
	{ "lsm_open", "lsm/file_open", "the file that an open opened, whatever its descriptor says", SENSOR_TIER_LSM,
	  false, false },
	{ "lsm_unlink", "lsm/path_unlink", "the object of unlink", SENSOR_TIER_LSM, false, false },
	{ "lsm_rmdir", "lsm/path_rmdir", "the object of rmdir", SENSOR_TIER_LSM, false, false },
	{ "lsm_mkdir", "lsm/path_mkdir", "the object of mkdir", SENSOR_TIER_LSM, false, false },
	{ "lsm_mknod", "lsm/path_mknod", "the object of mknod", SENSOR_TIER_LSM, false, false },
	{ "lsm_symlink", "lsm/path_symlink", "the object of symlink", SENSOR_TIER_LSM, false, false },
	{ "lsm_link", "lsm/path_link", "the objects of link", SENSOR_TIER_LSM, false, false },
	{ "lsm_rename", "lsm/path_rename", "the objects of rename", SENSOR_TIER_LSM, false, false },
	{ "lsm_truncate", "lsm/path_truncate", "the object of truncate", SENSOR_TIER_LSM, false, false },
	{ "lsm_chmod", "lsm/path_chmod", "the object of chmod", SENSOR_TIER_LSM, false, false },
	{ "lsm_chown", "lsm/path_chown", "the object of chown", SENSOR_TIER_LSM, false, false },
	{ "fentry_want_write", "fentry/mnt_want_write", "the mount of utimes and xattr calls", SENSOR_TIER_LSM, false,
	  false },
	{ "lsm_setattr", "lsm/inode_setattr", "the object of utimes", SENSOR_TIER_LSM, false, false },
	{ "lsm_setattr_idmap", "lsm/inode_setattr", "the object of utimes", SENSOR_TIER_LSM, false, false },
	{ "lsm_setxattr", "lsm/inode_setxattr", "the object of setxattr", SENSOR_TIER_LSM, false, false },
	{ "lsm_removexattr", "lsm/inode_removexattr", "the object of removexattr", SENSOR_TIER_LSM, false, false },
};

/* ---- what the kernel allows ---- */

static const char *why_no_hook(const struct sensor_probe *p, const struct hook_spec *s)
{
	if (!p->bpf)
		return p->bpf_why;
	if (!p->btf)
		return "the kernel has no BTF";
	if (s->cgroup && !p->cgroup2)
		return "no cgroup v2 hierarchy is mounted";
	if (s->tier <= p->best)
		return "";
	/* The tier is had whole or not at all. */
	if (!p->fentry && (p->lsm || !strncmp(s->name, "fentry/", 7)))
		return p->fentry_why;
	return p->lsm_why;
}

size_t sensor_hooks_probed(const struct sensor_probe *p, struct sensor_hook *ret, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hook_specs) && n < room; i++) {
		const struct hook_spec *s = &hook_specs[i];

		/* Two forms of one hook: a kernel has either. */
		if (n > 0 && !strcmp(ret[n - 1].name, s->name))
			continue;
		ret[n] = (struct sensor_hook){ .name = s->name, .provides = s->provides, .tier = s->tier };
		(void)snprintf(ret[n++].why_not, sizeof(ret->why_not), "%s", why_no_hook(p, s));
	}
	return n;
}

/* ---- load and attach ---- */

static struct bpf_program *program_named(struct bpf_backend *b, const char *name)
{
	return bpf_object__find_program_by_name(b->skeleton->obj, name);
}

/* Switches every program on or off: the tier's, and of two forms the one this kernel has. */
static void choose_programs(struct bpf_backend *b, const struct bpf_kernel *k)
{
	for (size_t i = 0; i < ARRAY_SIZE(hook_specs); i++) {
		const struct hook_spec *s = &hook_specs[i];
		bool on = s->tier <= b->tier;

		if (!strcmp(s->program, "lsm_setattr"))
			on = on && !k->setattr_idmap;
		else if (!strcmp(s->program, "lsm_setattr_idmap"))
			on = on && k->setattr_idmap;
		else if (!strcmp(s->program, "on_uring_request"))
			on = k->uring_submit_req;
		else if (!strcmp(s->program, "on_uring_sqe"))
			on = k->uring_submit_sqe;
		else if (!strncmp(s->program, "on_uring_", 9))
			on = k->uring_complete > 0;
		(void)bpf_program__set_autoload(program_named(b, s->program), on);
	}
}

static uint64_t lane_bytes(uint64_t asked, uint64_t otherwise)
{
	return asked ? asked : otherwise;
}

static int configure(struct bpf_backend *b, const struct sensor_options *o, const struct bpf_kernel *k,
		     struct err *err)
{
	uint64_t critical = lane_bytes(o->critical_bytes, CRITICAL_BYTES_DEFAULT);
	uint64_t bulk = lane_bytes(o->bulk_bytes, BULK_BYTES_DEFAULT);
	struct heddle_bpf__rodata *ro = b->skeleton->rodata;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if ((critical & (critical - 1)) || critical < page || (bulk & (bulk - 1)) || bulk < page ||
	    critical > 1u << 30 || bulk > 1u << 30)
		return err_set(err, EINVAL, "a lane's size must be a power of two between %lu bytes and 1 GiB",
			       (unsigned long)page);
	(void)bpf_map__set_max_entries(b->skeleton->maps.critical, (__u32)critical);
	(void)bpf_map__set_max_entries(b->skeleton->maps.bulk, (__u32)bulk);
	/* The object is made for one CPU. */
	b->slots = bpf_map__max_entries(b->skeleton->maps.slots) * (unsigned)libbpf_num_possible_cpus();
	(void)bpf_map__set_max_entries(b->skeleton->maps.slots, b->slots);
	ro->cfg_self_tgid = (__u32)getpid();
	ro->cfg_lsm = b->tier == SENSOR_TIER_LSM;
	ro->cfg_wake[HD_LANE_CRITICAL] = critical / 8;
	/* The bulk lane of a busy workload is often fuller than the other may be; its reader looks by itself. */
	ro->cfg_wake[HD_LANE_BULK] = bulk / 2;
	for (size_t i = 0; i < HD_MAX_DNS_PORTS; i++)
		ro->cfg_dns_ports[i] = o->dns_ports[i];
	ro->cfg_uring_creds_bit = k->creds_bit;
	ro->cfg_uring_refcount_bit = k->refcount_bit;
	ro->cfg_uring_cleanup_bit = k->cleanup_bit;
	ro->cfg_uring_cqe = k->uring_complete <= 4;
	sensor_compat_numbers((uint16_t *)ro->cfg_compat_number);
	sensor_x32_numbers((uint16_t *)ro->cfg_x32_number);
	choose_programs(b, k);
	return 0;
}

static struct bpf_link *attach_one(struct bpf_backend *b, const struct hook_spec *s)
{
	struct bpf_program *p = program_named(b, s->program);

	if (!s->cgroup)
		return bpf_program__attach(p);
	if (b->cgroup_root_fd < 0) {
		errno = ENOENT;
		return NULL;
	}
	return bpf_program__attach_cgroup(p, b->cgroup_root_fd);
}

static int attach_all(struct bpf_backend *b, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(hook_specs); i++) {
		const struct hook_spec *s = &hook_specs[i];
		struct sensor_hook *h = &b->hooks[b->hooks_n];
		struct bpf_link *link;

		if (!bpf_program__autoload(program_named(b, s->program)))
			continue;
		*h = (struct sensor_hook){
			.name = s->name,
			.provides = s->provides,
			.tier = s->tier,
			.required = s->required,
		};
		link = attach_one(b, s);
		if (!link) {
			int e = errno;

			if (s->required)
				return err_errno(err, e, "can't attach to %s", s->name);
			(void)snprintf(h->why_not, sizeof(h->why_not), "%s",
				       s->cgroup && e == ENOENT ? "no cgroup v2 hierarchy is mounted" : strerror(e));
		}
		b->links[b->hooks_n++] = link;
		h->attached = link != NULL;
	}
	return 0;
}

static int map_lanes(struct bpf_backend *b, struct err *err)
{
	struct bpf_map *maps[HD_LANE_MAX] = { b->skeleton->maps.critical, b->skeleton->maps.bulk };
	int r;

	b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	b->alarm_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll_fd < 0 || b->alarm_fd < 0)
		return err_errno(err, errno, "can't wait for events");
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = lane };
		struct epoll_event edge = { .events = EPOLLIN | EPOLLET, .data.u32 = lane };
		int fd = bpf_map__fd(maps[lane]);

		r = ring_map(&b->rings[lane], fd, bpf_map__max_entries(maps[lane]));
		if (r < 0)
			return err_errno(err, -r, "can't map the %s lane", lane ? "bulk" : "critical");
		if (epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &event) ||
		    epoll_ctl(b->alarm_fd, EPOLL_CTL_ADD, fd, &edge))
			return err_errno(err, errno, "can't wait for events");
	}
	return 0;
}

static void backend_free(void *self)
{
	struct bpf_backend *b = self;

	if (!b)
		return;
	for (size_t i = 0; i < b->hooks_n; i++)
		if (b->links[i])
			(void)bpf_link__destroy(b->links[i]);
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		ring_unmap(&b->rings[lane]);
	if (b->epoll_fd >= 0)
		(void)close(b->epoll_fd);
	if (b->alarm_fd >= 0)
		(void)close(b->alarm_fd);
	if (b->cgroup_root_fd >= 0)
		(void)close(b->cgroup_root_fd);
	heddle_bpf__destroy(b->skeleton);
	free(b->slot);
	free(b);
}

/* ---- follow ---- */

/* Runs the task iterator once: it emits a frame per process, or learns a cgroup's level, as the variables say. */
static int run_iterator(struct bpf_backend *b, struct err *err)
{
	struct bpf_link *link = bpf_program__attach_iter(b->skeleton->progs.seed, NULL);
	char nothing[64];
	int fd, r = 0;

	if (!link)
		return err_errno(err, errno, "can't walk the tasks that run already");
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		r = err_errno(err, errno, "can't walk the tasks that run already");
	while (fd >= 0 && read(fd, nothing, sizeof(nothing)) > 0)
		;
	if (fd >= 0)
		(void)close(fd);
	(void)bpf_link__destroy(link);
	return r;
}

static int follow_cgroup(struct bpf_backend *b, const char *path, struct err *err)
{
	struct heddle_bpf__bss *bss = b->skeleton->bss;
	unsigned level;
	uint64_t id;
	int r;

	r = system_cgroup_id(path, &id, &level);
	if (r < 0)
		return err_errno(err, -r, "can't follow the cgroup %s", path);
	/* Inside a cgroup namespace the path's depth is not the level: a task in it knows better. */
	bss->learnt_level = 0;
	bss->learn_cgroup = id;
	r = run_iterator(b, err);
	bss->learn_cgroup = 0;
	if (r < 0)
		return r;
	bss->target_level = bss->learnt_level ? bss->learnt_level - 1 : level;
	__atomic_store_n(&bss->target_cgroup, id, __ATOMIC_RELEASE);
	bss->seed_tgid = 0;
	return run_iterator(b, err);
}

static int backend_follow(void *self, const char *cgroup_path, const uint32_t *pids, size_t pids_n, struct err *err)
{
	struct bpf_backend *b = self;
	struct heddle_bpf__bss *bss = b->skeleton->bss;
	uint32_t member = 0;
	int r;

	if (pids_n)
		member = pids[0];
	else if (cgroup_path)
		member = sensor_process_in(cgroup_path);
	system_v1_homes(member ? member : (uint32_t)getpid(), (uint64_t *)bss->home_cgroup, bss->home_level);
	if (cgroup_path) {
		r = follow_cgroup(b, cgroup_path, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < pids_n; i++) {
		_cleanup_free_ uint32_t *family = NULL;
		size_t n = 0;

		r = system_descendants(pids[i], &family, &n);
		if (r < 0)
			return err_set(err, -r, "process %u is not running", pids[i]);
		for (size_t k = 0; k < n; k++) {
			b->skeleton->bss->seed_tgid = family[k];
			r = run_iterator(b, err);
			if (r < 0)
				return r;
		}
		b->skeleton->bss->seed_tgid = 0;
	}
	return 0;
}

/* Every BPF program that runs when it is called has ended when it returns: an RCU grace period. */
static void wait_for_programs(void)
{
	/* Refused on nohz_full kernels alone: then what is in a hook right now may be told of and not counted. */
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static void backend_stop(void *self, bool running)
{
	struct heddle_bpf__bss *bss = ((struct bpf_backend *)self)->skeleton->bss;
	bool strays = __atomic_load_n(&bss->stray_tasks, __ATOMIC_RELAXED) != 0;

	__atomic_store_n(&bss->stopped, true, __ATOMIC_RELEASE);
	__atomic_store_n(&bss->target_cgroup, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&bss->stray_tasks, 0, __ATOMIC_RELEASE);
	if (!running)
		return;
	wait_for_programs();
	if (!strays)
		return;
	/* One that was about to count a stray in or out has done so: none does any more. */
	__atomic_store_n(&bss->stray_tasks, 0, __ATOMIC_RELEASE);
	wait_for_programs();
}

/* Empties a map of keys; those of arrays and of tasks have an owner that comes and goes. */
static int map_clear(const struct bpf_map *map)
{
	unsigned char key[64];
	int fd = bpf_map__fd(map);

	if (bpf_map__type(map) != BPF_MAP_TYPE_HASH && bpf_map__type(map) != BPF_MAP_TYPE_LRU_HASH)
		return 0;
	if (bpf_map__key_size(map) > sizeof(key))
		return -E2BIG;
	for (__u32 i = 0; i < bpf_map__max_entries(map) && !bpf_map_get_next_key(fd, NULL, key); i++)
		if (bpf_map_delete_elem(fd, key) && errno != ENOENT)
			return -errno;
	return 0;
}

/*
 * Whoever was followed has ended, so nothing of theirs is in a hook any more. Variables go back to what they were when
 * the programs were loaded, which is zero: the target first, since all else hangs on it.
 */
static int backend_forget(void *self)
{
	struct bpf_backend *b = self;
	struct heddle_bpf__bss *bss = b->skeleton->bss;
	int fd = bpf_map__fd(b->skeleton->maps.slots), r;
	struct bpf_map *map;

	__atomic_store_n(&bss->target_cgroup, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&bss->stray_tasks, 0, __ATOMIC_RELEASE);
	memset(bss, 0, sizeof(*bss));
	bpf_object__for_each_map(map, b->skeleton->obj) {
		r = map_clear(map);
		if (r < 0)
			return r;
	}
	/* Counters and sequences: they are in the slots, and so is nothing that has to stay. */
	memset(b->slot, 0, bpf_map__value_size(b->skeleton->maps.slots));
	for (__u32 i = 0; i < b->slots; i++)
		if (bpf_map_update_elem(fd, &i, b->slot, BPF_EXIST))
			return -errno;
	return 0;
}

/* ---- reading ---- */

static void backend_brake(void *self, enum hd_lane lane, bool on)
{
	struct bpf_backend *b = self;
	uint64_t bytes = on ? bpf_map__max_entries(lane == HD_LANE_CRITICAL ? b->skeleton->maps.critical :
									      b->skeleton->maps.bulk) / 4 * 3 : 0;

	__atomic_store_n(&b->skeleton->bss->brake[lane], bytes, __ATOMIC_RELAXED);
}

static void backend_rearm(void *self, enum hd_lane lane)
{
	__atomic_store_n(&((struct bpf_backend *)self)->skeleton->bss->woken[lane], 0, __ATOMIC_SEQ_CST);
}

static void backend_snapshot(void *self)
{
	struct bpf_backend *b = self;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		backend_rearm(b, lane);
	late_look(&b->late);
	/* Bulk first: whatever a bulk frame depends on (a fork, an exec) was in the critical lane before it. */
	ring_snapshot(&b->rings[HD_LANE_BULK]);
	ring_snapshot(&b->rings[HD_LANE_CRITICAL]);
}

static const void *backend_peek(void *self, enum hd_lane lane, size_t *ret_size)
{
	struct bpf_backend *b = self;

	return ring_peek(&b->rings[lane], ret_size);
}

static void backend_next(void *self, enum hd_lane lane)
{
	struct bpf_backend *b = self;

	ring_next(&b->rings[lane]);
	b->idle_ms = 1;
}

static void backend_release(void *self)
{
	struct bpf_backend *b = self;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		ring_release(&b->rings[lane]);
}

/*
 * Most frames wake nobody (a wake-up costs more than the event in a virtual machine), so this polls: after
 * 2, 4, 8, .. 32 quiet milliseconds, or when a lane fills up or something urgent wakes it.
 */
#define IDLE_MAX_MS 32

static int backend_wait(void *self, int timeout_ms)
{
	struct bpf_backend *b = self;
	struct epoll_event events[HD_LANE_MAX];

	b->idle_ms = MIN(b->idle_ms * 2, IDLE_MAX_MS);
	if (timeout_ms > (int)b->idle_ms)
		timeout_ms = (int)b->idle_ms;
	if (epoll_wait(b->epoll_fd, events, HD_LANE_MAX, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/*
 * A reader at the producers' heels costs both: every frame moves from one core's cache to the other's, and the reader
 * never sleeps. So once it has caught up it stays away for a moment, unless a lane is filling up.
 */
#define REST_MS 4

static void backend_rest(void *self)
{
	const struct timespec rest = { .tv_nsec = REST_MS * 1000000L };
	struct bpf_backend *b = self;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		if (ring_waiting(&b->rings[lane]) > b->rings[lane].bytes / 8)
			return;
	(void)nanosleep(&rest, NULL);
}

static bool backend_at_end(void *self)
{
	return false;
}

static int backend_fd(void *self)
{
	return ((struct bpf_backend *)self)->epoll_fd;
}

static int backend_alarm_fd(void *self)
{
	return ((struct bpf_backend *)self)->alarm_fd;
}

static unsigned backend_fill(void *self, enum hd_lane lane)
{
	const struct ring *r = &((struct bpf_backend *)self)->rings[lane];

	return (unsigned)(ring_taken(r) * 1000 / r->bytes);
}

static int backend_flush(void *self, bool all)
{
	return late_flush(&((struct bpf_backend *)self)->late, all);
}

static int backend_ledger(void *self, struct ledger *ret)
{
	struct bpf_backend *b = self;
	int fd = bpf_map__fd(b->skeleton->maps.slots);

	*ret = (struct ledger){ .untold = b->late.requests->untold };
	for (__u32 i = 0; i < b->slots; i++) {
		const struct hd_counter *c = b->slot;

		if (bpf_map_lookup_elem(fd, &i, b->slot))
			return -errno;
		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
			struct ledger_row *row = &ret->rows[ledger_lane(type)][type];

			row->made += c[type].made;
			row->delivered += c[type].submitted;
			row->folded += c[type].folded;
			row->lost += c[type].lost;
		}
	}
	return 0;
}

static enum sensor_tier backend_tier(void *self)
{
	return ((struct bpf_backend *)self)->tier;
}

static size_t backend_hooks(void *self, const struct sensor_hook **ret)
{
	struct bpf_backend *b = self;

	*ret = b->hooks;
	return b->hooks_n;
}

static const struct sensor_backend bpf_backend_ops = {
	.free = backend_free,
	.follow = backend_follow,
	.stop = backend_stop,
	.forget = backend_forget,
	.snapshot = backend_snapshot,
	.peek = backend_peek,
	.next = backend_next,
	.release = backend_release,
	.wait = backend_wait,
	.rest = backend_rest,
	.at_end = backend_at_end,
	.fd = backend_fd,
	.alarm_fd = backend_alarm_fd,
	.fill = backend_fill,
	.rearm = backend_rearm,
	.brake = backend_brake,
	.flush = backend_flush,
	.ledger = backend_ledger,
	.tier = backend_tier,
	.hooks = backend_hooks,
};

/* ---- open ---- */

static int refuse(const struct sensor_probe *p, const struct sensor_options *o, struct err *err)
{
	if (!p->bpf)
		return err_set(err, EPERM, "%s", p->bpf_why);
	if (!p->btf)
		return err_set(err, ENOSYS,
			       "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF): /sys/kernel/btf/vmlinux is missing");
	if (o->tier > p->best)
		return err_set(err, EOPNOTSUPP, "the %s tier is not to be had here: %s", sensor_tier_name(o->tier),
			       p->lsm ? p->fentry_why : p->lsm_why);
	return 0;
}

/* One source gave both objects, so one skeleton describes them; the bytes differ. */
static struct heddle_bpf *open_skeleton(bool cast)
{
	struct heddle_bpf *skeleton = calloc(1, sizeof(*skeleton));
	int r;

	_Static_assert(sizeof(struct heddle_bpf) == sizeof(struct heddle_plain_bpf) &&
			       sizeof(struct heddle_bpf__rodata) == sizeof(struct heddle_plain_bpf__rodata) &&
			       sizeof(struct heddle_bpf__bss) == sizeof(struct heddle_plain_bpf__bss),
		       "the two objects differ in more than code");
	if (!skeleton)
		return NULL;
	r = heddle_bpf__create_skeleton(skeleton);
	if (!r && !cast)
		skeleton->skeleton->data = heddle_plain_bpf__elf_bytes(&skeleton->skeleton->data_sz);
	if (!r)
		r = bpf_object__open_skeleton(skeleton->skeleton, NULL);
	if (r < 0) {
		heddle_bpf__destroy(skeleton);
		errno = -r;
		return NULL;
	}
	return skeleton;
}

static int backend_load(struct bpf_backend *b, const struct sensor_options *o, const struct bpf_kernel *k,
			struct err *err)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	int r;

	/* Kernels before 5.11 charge maps to this limit; where it may not be raised it is not needed. */
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	b->skeleton = open_skeleton(k->rdonly_cast);
	r = b->skeleton ? configure(b, o, k, err) : err_errno(err, errno, "can't open the BPF programs");
	if (r < 0)
		return r;
	r = heddle_bpf__load(b->skeleton);
	if (r < 0)
		return err_errno(err, -r, "the kernel refused the BPF programs (HEDDLE_DEBUG_BPF=1 shows its log)");
	b->slot = malloc(bpf_map__value_size(b->skeleton->maps.slots));
	if (!b->slot)
		return err_set(err, ENOMEM, "out of memory");
	b->late = (struct late){ .flush_fd = bpf_program__fd(b->skeleton->progs.flush),
				 .tell_fd = bpf_program__fd(b->skeleton->progs.on_uring_late),
				 .requests = &b->skeleton->bss->requests };
	r = map_lanes(b, err);
	return r < 0 ? r : attach_all(b, err);
}

int sensor_open(const struct sensor_options *options, struct sensor **ret, struct err *err)
{
	struct bpf_backend *b = calloc(1, sizeof(*b));
	struct sensor_probe p;
	struct bpf_kernel k;
	int r;

	if (!b)
		return err_set(err, ENOMEM, "out of memory");
	/*
	 * The kernel's BTF is some 5 MB. Left alone, the allocator would take the first one that is freed for a sign to
	 * keep such pieces on the heap, and a hole there for every one that comes after.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	b->epoll_fd = b->alarm_fd = -1;
	b->idle_ms = 1;
	bpf_probe(&p, &k);
	b->cgroup_root_fd = p.cgroup2 ? open(p.cgroup2_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	r = refuse(&p, options, err);
	if (r >= 0) {
		b->tier = options->tier ? options->tier : p.best;
		r = backend_load(b, options, &k, err);
	}
	/* What loading needed goes back: a session may last for days. */
	(void)malloc_trim(0);
	if (r < 0) {
		backend_free(b);
		return r;
	}
	return sensor_of_backend(&bpf_backend_ops, b, ret, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* track/tracker.h: which process and image an event belongs to, what every event carries, refusals, caps. */
#include "track-frames.h"

#include <fcntl.h>
#include <mntent.h>
#include <sys/stat.h>

#include "track/process-table.h"

static struct world w;

static int setup(void **state)
{
	world_init(&w);
	return 0;
}

static int setup_introductions(void **state)
{
	world_introduces = true;
	world_init(&w);
	world_introduces = false;
	return 0;
}

static int teardown(void **state)
{
	world_done(&w);
	return 0;
}

static void become(uint32_t pid, uint64_t start_ns, uint32_t image)
{
	w.me = (struct actor){ .pid = pid, .start_ns = start_ns, .image = image, .now_ns = w.me.now_ns + 10 };
}

static void do_plain(enum hd_type type, size_t fixed)
{
	frame_begin(&w.frame, &w.me, type, fixed);
	if (type == HD_FILE_METADATA)
		w.frame.meta.operation = HD_META_UNLINK;
	if (type == HD_MEMORY_EXEC) {
		w.frame.memory.backing = HD_BACK_ANONYMOUS;
		w.frame.memory.reason = HD_MEM_ANONYMOUS_EXEC;
	}
	if (type == HD_SANDBOX_ESCAPE) {
		w.frame.escape.category = HD_ESC_BPF;
		w.frame.escape.rule = HD_RULE_SYSCALL;
	}
	assert_int_equal(world_push(&w), 0);
}

static void follows_fork_exec_exit(void **state)
{
	do_exec(&w, "/usr/bin/agent", 0);
	do_fork(&w, 200, 9000, false);
	assert_string_equal(world_last(&w)->e.process, "deadbeef-100-5000");
	assert_string_equal(world_last(&w)->e.child_process, "deadbeef-200-9000");
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");

	become(200, 9000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent"); /* until its own exec */
	assert_string_equal(world_last(&w)->e.process, "deadbeef-200-9000");
	do_exec(&w, "/bin/none", -ENOENT);
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	w.me.image = 1;
	do_exec(&w, "/bin/sh", 0);
	assert_string_equal(world_last(&w)->exe, "/bin/sh");
	do_exec(&w, "/bin/none", -ENOENT);
	assert_string_equal(world_last(&w)->exe, "/bin/sh");
	do_exit(&w);
	assert_string_equal(world_last(&w)->exe, "/bin/sh");

	become(100, 5000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	world_balances(&w);
}

static void threads_are_no_processes(void **state)
{
	do_exec(&w, "/usr/bin/agent", 0);
	do_fork(&w, 100, 5000, true);
	assert_string_equal(world_last(&w)->e.child_process, "");
	/* A thread that is not the leader execs: it takes over the process's number and start time. */
	w.me.tid = 107;
	w.me.image = 1;
	do_exec(&w, "/bin/thread", 0);
	assert_string_equal(world_last(&w)->exe, "/bin/thread");
	assert_string_equal(world_last(&w)->e.process, "deadbeef-100-5000");
	w.me.tid = 100;
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/bin/thread");
	world_balances(&w);
}

static void a_pid_is_used_again(void **state)
{
	do_exec(&w, "/usr/bin/agent", 0);
	do_fork(&w, 200, 9000, false);
	become(200, 9000, 1);
	do_exec(&w, "/bin/first", 0);
	do_exit(&w);
	become(100, 5000, 0);
	do_fork(&w, 200, 9500, false);
	become(200, 9500, 1);
	do_exec(&w, "/bin/second", 0);
	/* A late frame of the first life. */
	become(200, 9000, 1);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/bin/first");
	assert_string_equal(world_last(&w)->e.process, "deadbeef-200-9000");
	become(200, 9500, 1);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/bin/second");
	/* A third life that nobody told of has no image. */
	become(200, 9900, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_false(bytes_set(world_last(&w)->e.exe.path));
	world_balances(&w);
}

static void keeps_the_dead_for_a_while(void **state)
{
	do_exec(&w, "/usr/bin/agent", 0);
	do_exit(&w);
	w.me.now_ns += PROCESS_GRACE_NS;
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	w.me.now_ns += 2;
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_false(bytes_set(world_last(&w)->e.exe.path));
	/* The tick lets go too. */
	do_exec(&w, "/usr/bin/agent", 0);
	do_exit(&w);
	assert_int_equal(tracker_tick(w.t, w.me.now_ns + 2 * PROCESS_GRACE_NS), 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_false(bytes_set(world_last(&w)->e.exe.path));
	world_balances(&w);
}

/* Lanes are merged in order of time, but not perfectly: grace and folds count from when a frame came. */
static void bears_frames_that_come_late(void **state)
{
	uint64_t now = w.me.now_ns + 60 * SECOND;

	do_exec(&w, "/usr/bin/agent", 0);
	assert_int_equal(tracker_tick(w.t, now), 0);
	do_fold(&w, HD_FILE_WRITE, 0, 5, 1, 1, 0);
	do_fold(&w, HD_FILE_WRITE, 0, 5, 1, 1, 0);
	assert_int_equal(w.n, 1); /* they still wait for each other */
	do_exit(&w);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.seen[1].e.u.fold.operations, 2);
	assert_int_equal(tracker_tick(w.t, now + PROCESS_GRACE_NS), 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/usr/bin/agent");
	world_balances(&w);
}

static void remembers_former_images(void **state)
{
	struct tracker_counts counts;
	char exe[32];

	for (uint32_t image = 0; image < 12; image++) {
		w.me.image = image;
		(void)snprintf(exe, sizeof(exe), "/bin/%u", image);
		do_exec(&w, exe, 0);
	}
	for (uint32_t image = 0; image < 12; image++) {
		w.me.image = image;
		(void)snprintf(exe, sizeof(exe), "/bin/%u", image);
		do_open(&w, "/etc/hosts", 3, 0, 1);
		assert_string_equal(world_last(&w)->exe, image < 12 - 1 - PROCESS_IMAGES_MAX ? "" : exe);
	}
	tracker_counts(w.t, &counts);
	assert_int_equal(counts.images_evicted, 12 - 1 - PROCESS_IMAGES_MAX);
	world_balances(&w);
}

/* Each key is told before its first event, once: by a fork or by an introduction. */
static void introduces_every_process(void **state)
{
	become(100, 5000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_int_equal(w.introduced_n, 1);
	assert_string_equal(w.introduced[0], "deadbeef-100-5000 2");
	assert_int_equal(world_last(&w)->e.sequence, 2);
	do_fork(&w, 103, 7000, false);
	become(103, 7000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_int_equal(w.introduced_n, 1);
	/* The same number, another life: no fork told of it. */
	become(103, 8000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_int_equal(w.introduced_n, 2);
	assert_string_equal(w.introduced[1], "deadbeef-103-8000 2");
	become(104, 9000, 0);
	for (int joined = 0; joined < 2; joined++) {
		frame_begin(&w.frame, &w.me, HD_PROCESS_SEED, sizeof(struct hd_exec));
		w.frame.exec.flags = joined ? HD_SEED_JOINED : 0;
		assert_int_equal(world_push(&w), 0);
	}
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_int_equal(w.introduced_n, 4);
	assert_string_equal(w.introduced[2], "deadbeef-104-9000 0");
	assert_string_equal(w.introduced[3], "deadbeef-104-9000 1");
}

static void learns_what_ran_before(void **state)
{
	assert_int_equal(tracker_seed(w.t, 100, 5000, 42, BYTES("seeded"), BYTES("/opt/agent")), 0);
	frame_begin(&w.frame, &w.me, HD_NETWORK_SOCKET, sizeof(struct hd_socket));
	w.frame.h.ppid = 0;
	memset(w.frame.h.comm, 0, sizeof(w.frame.h.comm));
	assert_int_equal(world_push(&w), 0);
	assert_int_equal(world_last(&w)->e.h.ppid, 42);
	assert_string_equal(world_last(&w)->e.h.comm, "seeded");
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/opt/agent");
	assert_int_equal(tracker_seed(w.t, 101, 5000, 1, BYTES_NONE, BYTES_NONE), 0);
	become(101, 5000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_false(bytes_set(world_last(&w)->e.exe.path));

	become(102, 6000, 7);
	frame_begin(&w.frame, &w.me, HD_PROCESS_SEED, sizeof(struct hd_exec));
	frame_path(&w.frame, HD_I_EXE, "/usr/sbin/daemon");
	frame_item(&w.frame, HD_I_ARGS, 0, "daemon\0-f", 10);
	assert_int_equal(world_push(&w), 0);
	assert_int_equal(w.n, 3); /* a seed is no event */
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/usr/sbin/daemon");
	do_fork(&w, 103, 7000, false);
	become(103, 7000, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/usr/sbin/daemon");
	world_balances(&w);
}

static void every_event_is_complete(void **state)
{
	static const struct {
		enum hd_type type;
		size_t fixed;
	} types[] = {
		{ HD_FILE_METADATA, sizeof(struct hd_meta) },  { HD_NETWORK_SOCKET, sizeof(struct hd_socket) },
		{ HD_NETWORK_LISTEN, sizeof(struct hd_net) },  { HD_NETWORK_ACCEPT, sizeof(struct hd_net) },
		{ HD_NETWORK_CONNECT, sizeof(struct hd_net) }, { HD_PRIVILEGE_CHANGE, sizeof(struct hd_privilege) },
		{ HD_MEMORY_EXEC, sizeof(struct hd_memory) },  { HD_SANDBOX_ESCAPE, sizeof(struct hd_escape) },
	};

	do_exec(&w, "/usr/bin/agent", 0);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		do_plain(types[i].type, types[i].fixed);
	assert_int_equal(w.n, 1 + ARRAY_SIZE(types));
	for (size_t i = 0; i < w.n; i++) {
		const struct event *e = &w.seen[i].e;

		assert_int_equal(e->sequence, i + 1);
		assert_int_equal(e->type, i ? types[i - 1].type : HD_PROCESS_EXEC);
		assert_int_equal(e->session.length, 36);
		assert_string_equal(e->process, "deadbeef-100-5000");
		assert_string_equal(w.seen[i].exe, "/usr/bin/agent");
		assert_int_equal(e->time_offset_ns, 1000);
		assert_false(bytes_set(e->hostname));
		assert_false(bytes_set(e->cgroup));
	}
	world_balances(&w);
}

static void numbers_have_no_holes(void **state)
{
	do_exec(&w, "/usr/bin/agent", 0);
	assert_int_equal(tracker_next_sequence(w.t), 2);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_int_equal(world_last(&w)->e.sequence, 3);
	/* What was refused has no number, and counts as lost. */
	w.refuse = -ENOSPC;
	frame_begin(&w.frame, &w.me, HD_NETWORK_SOCKET, sizeof(struct hd_socket));
	assert_int_equal(world_push(&w), -ENOSPC);
	w.refuse = 0;
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_int_equal(world_last(&w)->e.sequence, 4);
	assert_int_equal(ledger_lost(tracker_ledger(w.t)), 1);
}

/* A refusal costs the event, not what the tracker knows. */
static void goes_on_after_a_refusal(void **state)
{
	do_exec(&w, "/usr/bin/agent", 0);
	do_open(&w, "/tmp/x", 3, 77, 5);
	do_fold(&w, HD_FILE_WRITE, 77, 5, 1, 1, 0);
	w.refuse = -EIO;
	w.me.image = 1;
	frame_begin(&w.frame, &w.me, HD_PROCESS_EXEC, sizeof(struct hd_exec));
	frame_path(&w.frame, HD_I_EXE, "/bin/next");
	assert_int_equal(world_push(&w), -EIO);
	w.refuse = 0;
	assert_int_equal(tracker_ledger(w.t)->rows[HD_LANE_BULK][HD_FILE_WRITE].lost, 1);
	assert_int_equal(tracker_ledger(w.t)->rows[HD_LANE_CRITICAL][HD_PROCESS_EXEC].lost, 1);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->exe, "/bin/next");
	world_balances(&w);
}

static void counts_what_does_not_decode(void **state)
{
	frame_begin(&w.frame, &w.me, HD_PROCESS_EXIT, sizeof(struct hd_exit));
	w.frame.h.size--;
	assert_int_equal(world_push(&w), 0);
	assert_int_equal(tracker_malformed(w.t), 1);
	assert_int_equal(tracker_ledger(w.t)->rows[HD_LANE_CRITICAL][HD_PROCESS_EXIT].lost, 1);
	/* What has no known type is in no row. */
	frame_begin(&w.frame, &w.me, 99, sizeof(struct hd_exit));
	assert_int_equal(tracker_push(w.t, &w.frame, sizeof(struct hd_exit)), 0);
	assert_int_equal(tracker_push(w.t, &w.frame, 3), 0);
	assert_int_equal(tracker_malformed(w.t), 3);
	assert_int_equal(ledger_lost(tracker_ledger(w.t)), 1);
	assert_int_equal(w.n, 0);
	world_balances(&w);
}

static void no_process_has_no_key(void **state)
{
	become(0, 0, 0);
	do_open(&w, "/etc/hosts", 3, 0, 1);
	assert_string_equal(world_last(&w)->e.process, "");
	do_fold(&w, HD_FILE_WRITE, 0, 1, 1, 1, 0);
	assert_int_equal(w.n, 2); /* told at once: there is no process whose end would tell it */
	world_balances(&w);
}

/* Short lives by the hundred thousand: the dead make room, and the living are not forgotten. */
static void bears_many_short_lives(void **state)
{
	struct tracker_counts counts;

	do_exec(&w, "/usr/bin/agent", 0);
	for (uint32_t i = 0; i < 100000; i++) {
		uint64_t start = 20 * SECOND + i;

		become(100, 5000, 0);
		w.me.now_ns = 20 * SECOND + i * UINT64_C(100000); /* ten thousand a second */
		do_fork(&w, 1000 + i % 30000, start, false);
		w.me = (struct actor){ 1000 + i % 30000, 0, 1, start, w.me.now_ns };
		do_exec(&w, "/bin/true", 0);
		do_exit(&w);
		if (w.n > 1000) {
			assert_string_equal(world_last(&w)->exe, "/bin/true");
			w.n = 0;
		}
	}
	tracker_counts(w.t, &counts);
	assert_int_equal(counts.processes_evicted, 0);
	assert_int_equal(counts.out_of_memory, 0);
}

static void caps_the_living(void **state)
{
	struct tracker_counts counts;

	do_exec(&w, "/usr/bin/agent", 0);
	do_fold(&w, HD_FILE_WRITE, 0, 1, 1, 1, 0);
	for (uint32_t i = 0; i < PROCESS_TABLE_CAP; i++) {
		become(1000 + i, 7000 + i, 0);
		do_plain(HD_NETWORK_SOCKET, sizeof(struct hd_socket));
	}
	tracker_counts(w.t, &counts);
	assert_in_range(counts.processes_evicted, 1, 3);
	assert_int_equal(counts.out_of_memory, 0);
	/* The first one went, and what waited for it was told. */
	assert_int_equal(w.n, 2 + PROCESS_TABLE_CAP);
	become(100, 5000, 0);
	do_plain(HD_NETWORK_SOCKET, sizeof(struct hd_socket));
	assert_false(bytes_set(world_last(&w)->e.exe.path));
	world_balances(&w);
}

/* ---- cgroups ---- */

static bool cgroup_mount(char *room, size_t size)
{
	struct mntent *m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;

	while (f && !found && (m = getmntent(f))) {
		found = strcmp(m->mnt_type, "cgroup2") == 0;
		(void)snprintf(room, size, "%s", m->mnt_dir);
	}
	if (f)
		(void)endmntent(f);
	return found;
}

static void open_in_cgroup(struct world *world, uint64_t id)
{
	frame_begin(&world->frame, &world->me, HD_NETWORK_SOCKET, sizeof(struct hd_socket));
	world->frame.h.cgroup_id = id;
	assert_int_equal(world_push(world), 0);
}

static void finds_cgroups_by_id(void **state)
{
	static struct world v;
	char mount[256], path[512];
	struct stat root, st;

	if (geteuid() != 0 || !cgroup_mount(mount, sizeof(mount))) {
		print_message("finds_cgroups_by_id: needs root and a cgroup2 mount\n");
		skip();
	}
	(void)snprintf(path, sizeof(path), "%s/heddle-test-%d", mount, getpid());
	if (mkdir(path, 0700) < 0) {
		print_message("finds_cgroups_by_id: can't make %s: %s\n", path, strerror(errno));
		skip();
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(stat(mount, &root), 0);
	world_init_at(&v, mount);
	open_in_cgroup(&v, st.st_ino);
	assert_string_equal(world_last(&v)->cgroup, path + strlen(mount));
	open_in_cgroup(&v, root.st_ino);
	assert_string_equal(world_last(&v)->cgroup, "/");
	assert_int_equal(rmdir(path), 0);
	open_in_cgroup(&v, st.st_ino); /* known from before */
	assert_string_equal(world_last(&v)->cgroup, path + strlen(mount));
	open_in_cgroup(&v, st.st_ino + 1000000);
	assert_false(bytes_set(world_last(&v)->e.cgroup));
	open_in_cgroup(&v, 0);
	assert_false(bytes_set(world_last(&v)->e.cgroup));
	world_done(&v);
	/* A tracker that never saw it alive does not know it. */
	world_init_at(&v, mount);
	open_in_cgroup(&v, st.st_ino);
	assert_false(bytes_set(world_last(&v)->e.cgroup));
	world_done(&v);
}

static void refuses_a_missing_hierarchy(void **state)
{
	const struct tracker_options o = { .session = "s",
					   .boot8 = "deadbeef",
					   .cgroup_root = "/nonexistent/cgroup",
					   .sink = world_sink,
					   .context = &w };
	struct tracker *t = NULL;
	struct err err = { 0 };

	assert_int_equal(tracker_new(&o, &t, &err), -ENOENT);
	assert_null(t);
	assert_non_null(strstr(err.text, "/nonexistent/cgroup"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(follows_fork_exec_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_are_no_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pid_is_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_the_dead_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(bears_frames_that_come_late, setup, teardown),
		cmocka_unit_test_setup_teardown(remembers_former_images, setup, teardown),
		cmocka_unit_test_setup_teardown(introduces_every_process, setup_introductions, teardown),
		cmocka_unit_test_setup_teardown(learns_what_ran_before, setup, teardown),
		cmocka_unit_test_setup_teardown(every_event_is_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_have_no_holes, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_after_a_refusal, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_what_does_not_decode, setup, teardown),
		cmocka_unit_test_setup_teardown(no_process_has_no_key, setup, teardown),
		cmocka_unit_test_setup_teardown(bears_many_short_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(caps_the_living, setup, teardown),
		cmocka_unit_test(finds_cgroups_by_id),
		cmocka_unit_test(refuses_a_missing_hierarchy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of the canaries: all frames there, each of them missing, unverified, or too early. */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "frame.h"
#include "sensor/canary.h"

#define AT 5000000000

static const char *const names[] = {
	"tp_btf/sys_exit", "tp_btf/task_newtask", "tp_btf/sched_process_exec", "tp_btf/sched_process_exit",
	"tp_btf/inet_sock_set_state", "tp_btf/cgroup_attach_task", "cgroup_skb/egress", "cgroup_skb/ingress",
	"cgroup/sock_create", "lsm/path_unlink", "lsm/path_rmdir", "lsm/path_mkdir", "lsm/path_mknod",
	"lsm/path_symlink", "lsm/path_link", "lsm/path_rename", "lsm/path_truncate", "lsm/path_chmod",
	"lsm/path_chown", "lsm/inode_setattr", "lsm/inode_setxattr", "lsm/inode_removexattr", "fentry/mnt_want_write",
	"tp_btf/task_rename", "raw_tp/io_uring_submit", "raw_tp/io_uring_complete",
};

static struct sensor_hook hooks[ARRAY_SIZE(names)];
static struct canary_board board;
static struct canary_judge judge;

/* What a good canary leaves in the lanes, one frame a row. */
static const struct sample {
	enum hd_type type;
	int syscall;
	uint64_t detail; /* bytes, operation, egress, rule; or of the result: 1 refused */
	const char *proves; /* hook or part; more than one where the frame shows more: "a b" */
} samples[] = {
	{ HD_FILE_OPEN, SYS_openat, 0, "open lsm/file_open" },
	{ HD_FILE_WRITE, 0xffff, CANARY_WRITE_BYTES, "write close" },
	{ HD_FILE_WRITE, 0xffff, CANARY_COPY_BYTES, "copy" },
	{ HD_FILE_METADATA, SYS_fchmod, HD_META_CHMOD, "metadata" },
	{ HD_NETWORK_SOCKET, SYS_socket, 0, "socket" },
	{ HD_NETWORK_LISTEN, SYS_listen, 0, "listen" },
	{ HD_NETWORK_CONNECT, SYS_connect, 0, "connect tp_btf/inet_sock_set_state" },
	{ HD_NETWORK_ACCEPT, SYS_accept4, 0, "accept" },
	{ HD_NETWORK_CONNECT, SYS_sendto, 1, "send" },
	{ HD_PRIVILEGE_CHANGE, SYS_prctl, 1, "privilege" },
	{ HD_MEMORY_EXEC, SYS_mmap, 0, "memory" },
	{ HD_SANDBOX_ESCAPE, SYS_seccomp, HD_RULE_SYSCALL, "escape" },
	{ HD_SANDBOX_ESCAPE, SYS_umount2, HD_RULE_SYSCALL, "mount" },
	{ HD_PROCESS_EXEC, SYS_execve, 1, "exec" },
	{ HD_SANDBOX_ESCAPE, SYS_clone, HD_RULE_CLONE_NS, "clone" },
	{ HD_PROCESS_FORK, SYS_vfork, 0, "tp_btf/task_newtask" },
	{ HD_PROCESS_EXEC, SYS_execveat, 0, "tp_btf/sched_process_exec tp_btf/task_rename" },
	{ HD_PROCESS_EXIT, 0xffff, 0, "tp_btf/sched_process_exit" },
	{ HD_SANDBOX_ESCAPE, SYS_write, HD_RULE_LEFT_CGROUP, "tp_btf/cgroup_attach_task" },
	{ HD_DNS_QUERY, 0xffff, 1, "cgroup_skb/egress" },
	{ HD_DNS_RESPONSE, 0xffff, 0, "cgroup_skb/ingress" },
	{ HD_DNS_QUERY, 0xffff, 0, "cgroup/sock_create" },
	{ HD_FILE_METADATA, SYS_unlink, HD_META_UNLINK, "lsm/path_unlink" },
	{ HD_FILE_METADATA, SYS_rmdir, HD_META_RMDIR, "lsm/path_rmdir" },
	{ HD_FILE_METADATA, SYS_mkdir, HD_META_MKDIR, "lsm/path_mkdir" },
	{ HD_FILE_METADATA, SYS_mknod, HD_META_MKNOD, "lsm/path_mknod" },
	{ HD_FILE_METADATA, SYS_symlink, HD_META_SYMLINK, "lsm/path_symlink" },
	{ HD_FILE_METADATA, SYS_link, HD_META_LINK, "lsm/path_link" },
	{ HD_FILE_METADATA, SYS_rename, HD_META_RENAME, "lsm/path_rename" },
	{ HD_FILE_METADATA, SYS_truncate, HD_META_TRUNCATE, "lsm/path_truncate" },
	{ HD_FILE_METADATA, SYS_chmod, HD_META_CHMOD, "lsm/path_chmod" },
	{ HD_FILE_METADATA, SYS_chown, HD_META_CHOWN, "lsm/path_chown" },
	{ HD_FILE_METADATA, SYS_utimensat, HD_META_UTIMES, "lsm/inode_setattr" },
	{ HD_FILE_METADATA, SYS_setxattr, HD_META_SETXATTR, "lsm/inode_setxattr" },
	{ HD_FILE_METADATA, SYS_removexattr, HD_META_REMOVEXATTR, "lsm/inode_removexattr" },
	{ HD_FILE_OPEN, SYS_openat2, 0, "raw_tp/io_uring_submit raw_tp/io_uring_complete" },
};

static void push(const struct sample *s, int64_t time_ns, bool verified)
{
	static struct frame f;
	union {
		struct hd_header h;
		struct hd_open open;
		struct hd_fold fold;
		struct hd_meta meta;
		struct hd_net net;
		struct hd_dns dns;
		struct hd_exec exec;
		struct hd_escape escape;
		struct hd_privilege largest;
	} u;

	memset(&u, 0, sizeof(u));
	u.h = frame_header(s->type);
	u.h.syscall = (__u16)s->syscall;
	/* What is told of a ring bears the number of the call that does the same: openat2 stands for that here. */
	u.h.via = s->syscall == SYS_openat2 ? HD_VIA_IO_URING : HD_VIA_SYSCALL;
	u.h.time_ns = (uint64_t)time_ns;
	u.h.flags = verified ? HD_F_VERIFIED | HD_F_SEEN : 0;
	switch (s->type) {
	case HD_FILE_WRITE:
		u.fold.bytes = s->detail;
		u.fold.flags = HD_FOLD_CLOSED;
		break;
	case HD_FILE_METADATA:
		u.meta.operation = (uint32_t)s->detail;
		break;
	case HD_NETWORK_CONNECT:
		u.net.family = s->detail ? AF_UNIX : AF_INET;
		u.net.result = s->detail ? -ECONNREFUSED : 0;
		break;
	case HD_DNS_QUERY:
	case HD_DNS_RESPONSE:
		u.dns.egress = (uint8_t)s->detail;
		break;
	case HD_PROCESS_EXEC:
		u.exec.result = s->detail ? -ENOENT : 0;
		break;
	case HD_SANDBOX_ESCAPE:
		u.escape.rule = (uint32_t)s->detail;
		break;
	default:
		break;
	}
	frame_init(&f, &u, sizeof(u));
	assert_int_equal(canary_frame(&judge, f.data, f.size), 0);
}

static void begin(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		hooks[i] = (struct sensor_hook){
			.name = names[i],
			.provides = "something",
			.tier = SENSOR_TIER_LSM,
			.attached = true,
		};
	for (size_t i = 0; i < CANARY_ACT_MAX; i++)
		board.acts[i] = (struct canary_stamp){ .at_ns = AT };
	canary_begin(&judge, hooks, ARRAY_SIZE(hooks), &board);
}

/* Whether the words have this one. */
static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

static const char *name_of(const struct sensor_canary *row)
{
	return row->part ? row->part : row->hook;
}

static void test_all_answer(void **state)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		push(&samples[i], AT + 1000, true);
	assert_int_equal(canary_end(&judge), 0);
	for (size_t i = 0; i < judge.rows_n; i++) {
		assert_int_equal(judge.rows[i].answer, SENSOR_ANSWERED);
		assert_true(judge.rows[i].took_ns == 1000 || !strcmp(name_of(&judge.rows[i]), "close"));
	}
	canary_mark(&judge, hooks, ARRAY_SIZE(hooks));
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		char text[256];

		assert_false(hooks[i].silent || hooks[i].untried);
		assert_false(sensor_hook_blind(&hooks[i], SENSOR_TIER_LSM, text, sizeof(text)));
	}
}

/* Without one frame exactly what it shows is silent, and says so. */
static void test_each_is_missed(void **state)
{
	for (size_t missing = 0; missing < ARRAY_SIZE(samples); missing++) {
		begin();
		for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
			if (i != missing)
				push(&samples[i], AT + 1, true);
		assert_true(canary_end(&judge) > 0);
		for (size_t i = 0; i < judge.rows_n; i++) {
			const struct sensor_canary *row = &judge.rows[i];
			bool its = has_word(samples[missing].proves, name_of(row));

			assert_int_equal(row->answer, its ? SENSOR_SILENT : SENSOR_ANSWERED);
			assert_int_equal(*row->why != '\0', its);
		}
		canary_mark(&judge, hooks, ARRAY_SIZE(hooks));
		for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
			char text[256];
			bool blind = sensor_hook_blind(&hooks[i], SENSOR_TIER_LSM, text, sizeof(text));

			assert_int_equal(blind, hooks[i].silent);
			if (blind)
				assert_non_null(strstr(text, "attached, but nothing was seen of"));
		}
	}
}

/* An object told by the caller's words does not prove the hook that should have had it in hand. */
static void test_unverified_proves_no_lsm_hook(void **state)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		push(&samples[i], AT + 1, !(samples[i].type == HD_FILE_METADATA && samples[i].syscall != SYS_fchmod));
	assert_int_equal(canary_end(&judge), 14);
	for (size_t i = 0; i < judge.rows_n; i++) {
		const char *hook = judge.rows[i].hook;
		bool of_lsm = !strncmp(hook, "lsm/", 4) || !strncmp(hook, "fentry/", 7);

		assert_int_equal(judge.rows[i].answer, of_lsm ? SENSOR_SILENT : SENSOR_ANSWERED);
	}
}

static void test_earlier_frames_prove_nothing(void **state)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		push(&samples[i], AT - 1, true);
	/* A fold bears the time of its last write. */
	assert_int_equal(canary_end(&judge), judge.rows_n - 1);
}

/* What a process left open is told when it ends: that is no answer to the close. */
static void test_a_late_close_is_none(void **state)
{
	begin();
	for (size_t i = 2; i < ARRAY_SIZE(samples); i++)
		push(&samples[i], AT + 1, true);
	push(&samples[0], AT + 1, true);
	push(&samples[1], AT + 1, true);
	assert_int_equal(canary_end(&judge), 1);
	canary_mark(&judge, hooks, ARRAY_SIZE(hooks));
	assert_true(hooks[0].silent);
	assert_string_equal(hooks[0].why_not, "attached, but nothing was seen of: close");
}

static void test_untried(void **state)
{
	begin();
	hooks[1].name = "tp_btf/added_yesterday";
	board.acts[CANARY_LEAVE].failed = EACCES;
	board.acts[CANARY_UNLINK].at_ns = 0;
	canary_begin(&judge, hooks, ARRAY_SIZE(hooks), &board);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (!has_word("lsm/path_unlink tp_btf/cgroup_attach_task", samples[i].proves))
			push(&samples[i], AT + 1, true);
	assert_int_equal(canary_end(&judge), 0);
	canary_mark(&judge, hooks, ARRAY_SIZE(hooks));
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		assert_int_equal(hooks[i].untried, i == 1 || i == 5 || i == 9);
	assert_string_equal(hooks[1].why_not,
			    "attached, but could not be tried: nothing (there is no canary for it)");
	assert_string_equal(hooks[5].why_not, "attached, but could not be tried: left its cgroup (Permission denied)");
	assert_string_equal(hooks[9].why_not, "attached, but could not be tried: unlink (the canary ended before it)");
}

static void test_only_what_is_attached(void **state)
{
	begin();
	for (size_t i = 1; i < ARRAY_SIZE(hooks); i++)
		hooks[i].attached = false;
	canary_begin(&judge, hooks, ARRAY_SIZE(hooks), &board);
	assert_int_equal(judge.rows_n, 16);
	assert_int_equal(canary_frame(&judge, "short", 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_answer),
		cmocka_unit_test(test_each_is_missed),
		cmocka_unit_test(test_unverified_proves_no_lsm_hook),
		cmocka_unit_test(test_earlier_frames_prove_nothing),
		cmocka_unit_test(test_a_late_close_is_none),
		cmocka_unit_test(test_untried),
		cmocka_unit_test(test_only_what_is_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

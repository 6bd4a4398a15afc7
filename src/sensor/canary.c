/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of the canaries: which frame proves which hook. Pure, so that it is tested without a kernel. */
#include "sensor/canary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct look {
	const struct hd_header *h;
	const void *frame;
	size_t size;
	const struct canary_judge *judge;
};

struct check {
	const char *hook;
	const char *part;
	const char *act_words;
	enum canary_act act;
	enum hd_type type;
	int syscall;   /* -1: any */
	bool verified; /* the frame must be */
	bool (*proves)(const struct look *l); /* beyond that; NULL: nothing more */
	bool timeless; /* the frame bears an earlier time than the act's */
};

/* The fixed part of a frame whose type has been compared. */
#define FIXED(l, what) ((const struct what *)((l)->size >= sizeof(struct what) ? (l)->frame : NULL))

static bool succeeded_open(const struct look *l)
{
	const struct hd_open *o = FIXED(l, hd_open);

	return o && o->result >= 0 && o->h.via != HD_VIA_IO_URING;
}

/* Begun at its submission and told at its completion: it takes both hooks. */
static bool is_ring_open(const struct look *l)
{
	const struct hd_open *o = FIXED(l, hd_open);

	return o && o->result >= 0 && o->h.via == HD_VIA_IO_URING;
}

static bool is_write(const struct look *l)
{
	const struct hd_fold *f = FIXED(l, hd_fold);

	return f && f->bytes == CANARY_WRITE_BYTES;
}

static bool is_copy(const struct look *l)
{
	const struct hd_fold *f = FIXED(l, hd_fold);

	return f && f->bytes == CANARY_COPY_BYTES;
}

/* What a process leaves open is told when it ends; only what comes earlier was told by its close. */
static bool is_close(const struct look *l)
{
	const struct hd_fold *f = FIXED(l, hd_fold);

	return f && f->bytes == CANARY_WRITE_BYTES && (f->flags & HD_FOLD_CLOSED) && !l->judge->past_close;
}

static bool operation_is(const struct look *l, enum hd_metadata operation)
{
	const struct hd_meta *m = FIXED(l, hd_meta);

	return m && m->operation == (uint32_t)operation && m->result == 0;
}

#define METADATA(name, operation)                       \
	static bool name(const struct look *l)          \
	{                                               \
		return operation_is(l, operation);      \
	}
METADATA(is_chmod, HD_META_CHMOD)
METADATA(is_chown, HD_META_CHOWN)
METADATA(is_truncate, HD_META_TRUNCATE)
METADATA(is_utimes, HD_META_UTIMES)
METADATA(is_setxattr, HD_META_SETXATTR)
METADATA(is_removexattr, HD_META_REMOVEXATTR)
METADATA(is_link, HD_META_LINK)
METADATA(is_rename, HD_META_RENAME)
METADATA(is_symlink, HD_META_SYMLINK)
METADATA(is_mknod, HD_META_MKNOD)
METADATA(is_unlink, HD_META_UNLINK)
METADATA(is_mkdir, HD_META_MKDIR)
METADATA(is_rmdir, HD_META_RMDIR)

/* Any of the three calls that lean on it. */
static bool knows_mount(const struct look *l)
{
	return is_utimes(l) || is_setxattr(l) || is_removexattr(l);
}

static bool is_outcome(const struct look *l)
{
	const struct hd_net *n = FIXED(l, hd_net);

	return n && n->result == 0 && n->family == AF_INET;
}

static bool dns_is(const struct look *l, bool egress)
{
	const struct hd_dns *d = FIXED(l, hd_dns);

	return d && (d->egress != 0) == egress;
}

static bool is_sent(const struct look *l)
{
	return dns_is(l, true);
}

static bool is_received(const struct look *l)
{
	return dns_is(l, false);
}

static bool is_refused_exec(const struct look *l)
{
	const struct hd_exec *x = FIXED(l, hd_exec);

	return x && x->result < 0;
}

static bool seen_open(const struct look *l)
{
	const struct hd_open *o = FIXED(l, hd_open);

	return succeeded_open(l) && o->h.flags & HD_F_SEEN;
}

static bool is_exec(const struct look *l)
{
	const struct hd_exec *x = FIXED(l, hd_exec);

	return x && x->result == 0;
}

static bool left(const struct look *l)
{
	const struct hd_escape *e = FIXED(l, hd_escape);

	return e && e->rule == HD_RULE_LEFT_CGROUP;
}

#define SYS_EXIT "tp_btf/sys_exit"

static const struct check checks[] = {
	{ SYS_EXIT, "open", "opened a file", CANARY_OPEN, HD_FILE_OPEN, SYS_openat, true, succeeded_open },
	{ SYS_EXIT, "write", "wrote to it", CANARY_WRITE, HD_FILE_WRITE, -1, true, is_write },
	{ SYS_EXIT, "copy", "copied a part of it", CANARY_COPY, HD_FILE_WRITE, -1, true, is_copy },
	{ SYS_EXIT, "close", "closed it", CANARY_CLOSE, HD_FILE_WRITE, -1, true, is_close, true },
	{ SYS_EXIT, "metadata", "fchmod of a file", CANARY_FCHMOD, HD_FILE_METADATA, SYS_fchmod, true, is_chmod },
	{ SYS_EXIT, "socket", "made a TCP socket", CANARY_SOCKET, HD_NETWORK_SOCKET, SYS_socket, true, NULL },
	{ SYS_EXIT, "listen", "listened on the loopback", CANARY_LISTEN, HD_NETWORK_LISTEN, SYS_listen, true, NULL },
	{ SYS_EXIT, "connect", "connected to that", CANARY_CONNECT, HD_NETWORK_CONNECT, SYS_connect, false, NULL },
	{ SYS_EXIT, "accept", "accepted it", CANARY_ACCEPT, HD_NETWORK_ACCEPT, SYS_accept4, true, NULL },
	{ SYS_EXIT, "send", "sent to a unix socket that is not there", CANARY_SEND, HD_NETWORK_CONNECT, SYS_sendto,
	  false, NULL },
	{ SYS_EXIT, "privilege", "dropped a capability that does not exist", CANARY_PRIVILEGE, HD_PRIVILEGE_CHANGE,
	  SYS_prctl, false, NULL },
	{ SYS_EXIT, "memory", "mapped a page to write and execute", CANARY_MEMORY, HD_MEMORY_EXEC, SYS_mmap, false,
	  NULL },
	{ SYS_EXIT, "escape", "seccomp of an unknown kind", CANARY_ESCAPE, HD_SANDBOX_ESCAPE, SYS_seccomp, false,
	  NULL },
	{ SYS_EXIT, "mount", "unmounted what is not there", CANARY_MOUNT, HD_SANDBOX_ESCAPE, SYS_umount2, false, NULL },
	{ SYS_EXIT, "exec", "executed what is not there", CANARY_EXEC_REFUSED, HD_PROCESS_EXEC, SYS_execve, false,
	  is_refused_exec },
	{ SYS_EXIT, "clone", "a clone that can't be", CANARY_CLONE_REFUSED, HD_SANDBOX_ESCAPE, SYS_clone, false, NULL },
	{ "tp_btf/task_newtask", NULL, "forked", CANARY_FORK, HD_PROCESS_FORK, -1, true, NULL },
	{ "tp_btf/sched_process_exec", NULL, "executed a program that only exits", CANARY_EXEC, HD_PROCESS_EXEC, -1,
	  true, is_exec },
	/* Without it the call would pass for execve, which the kernel puts in its place. */
	{ "tp_btf/task_rename", NULL, "executed it by execveat", CANARY_EXEC, HD_PROCESS_EXEC, SYS_execveat, true,
	  is_exec },
	{ "tp_btf/sched_process_exit", NULL, "that exited", CANARY_EXIT, HD_PROCESS_EXIT, -1, true, NULL },
	{ "tp_btf/inet_sock_set_state", NULL, "connected without waiting", CANARY_CONNECT, HD_NETWORK_CONNECT,
	  SYS_connect, true, is_outcome },
	{ "tp_btf/cgroup_attach_task", NULL, "left its cgroup", CANARY_LEAVE, HD_SANDBOX_ESCAPE, -1, true, left },
	{ "cgroup_skb/egress", NULL, "sent a DNS query on the loopback", CANARY_DNS_QUERY, HD_DNS_QUERY, -1, true,
	  is_sent },
	{ "cgroup_skb/ingress", NULL, "received the answer", CANARY_DNS_ANSWER, HD_DNS_RESPONSE, -1, true,
	  is_received },
	/* Nothing else could know whose socket it is that receives before it has sent. */
	{ "cgroup/sock_create", NULL, "received the query", CANARY_DNS_SERVE, HD_DNS_QUERY, -1, true, is_received },
	{ "raw_tp/io_uring_submit", NULL, "opened a file by io_uring", CANARY_RING, HD_FILE_OPEN, -1, true,
	  is_ring_open },
	{ "raw_tp/io_uring_complete", NULL, "the same, done", CANARY_RING, HD_FILE_OPEN, -1, true, is_ring_open },
	{ "lsm/file_open", NULL, "opened a file", CANARY_OPEN, HD_FILE_OPEN, SYS_openat, true, seen_open },
	{ "lsm/path_unlink", NULL, "unlink", CANARY_UNLINK, HD_FILE_METADATA, -1, true, is_unlink },
	{ "lsm/path_rmdir", NULL, "rmdir", CANARY_RMDIR, HD_FILE_METADATA, -1, true, is_rmdir },
	{ "lsm/path_mkdir", NULL, "mkdir", CANARY_MKDIR, HD_FILE_METADATA, -1, true, is_mkdir },
	{ "lsm/path_mknod", NULL, "mknod of a file", CANARY_MKNOD, HD_FILE_METADATA, -1, true, is_mknod },
	{ "lsm/path_symlink", NULL, "symlink", CANARY_SYMLINK, HD_FILE_METADATA, -1, true, is_symlink },
	{ "lsm/path_link", NULL, "link", CANARY_LINK, HD_FILE_METADATA, -1, true, is_link },
	{ "lsm/path_rename", NULL, "rename", CANARY_RENAME, HD_FILE_METADATA, -1, true, is_rename },
	{ "lsm/path_truncate", NULL, "truncate", CANARY_TRUNCATE, HD_FILE_METADATA, -1, true, is_truncate },
	{ "lsm/path_chmod", NULL, "chmod", CANARY_CHMOD, HD_FILE_METADATA, SYS_chmod, true, is_chmod },
	{ "lsm/path_chown", NULL, "chown to itself", CANARY_CHOWN, HD_FILE_METADATA, -1, true, is_chown },
	{ "fentry/mnt_want_write", NULL, "utimes, setxattr or removexattr", CANARY_UTIMES, HD_FILE_METADATA, -1, true,
	  knows_mount },
	{ "lsm/inode_setattr", NULL, "utimes", CANARY_UTIMES, HD_FILE_METADATA, -1, true, is_utimes },
	{ "lsm/inode_setxattr", NULL, "setxattr", CANARY_SETXATTR, HD_FILE_METADATA, -1, true, is_setxattr },
	{ "lsm/inode_removexattr", NULL, "removexattr", CANARY_REMOVEXATTR, HD_FILE_METADATA, -1, true,
	  is_removexattr },
};

_Static_assert(ARRAY_SIZE(checks) <= SENSOR_CANARIES_MAX, "more checks than rows");

static const struct check *check_of(const struct sensor_canary *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].act_words == row->act && checks[i].hook == row->hook)
			return &checks[i];
	return NULL;
}

void canary_begin(struct canary_judge *j, const struct sensor_hook *hooks, size_t hooks_n,
		  const struct canary_board *board)
{
	*j = (struct canary_judge){ .board = board };
	for (size_t i = 0; i < hooks_n; i++) {
		size_t before = j->rows_n;

		if (!hooks[i].attached)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(checks); k++) {
			const struct check *c = &checks[k];

			if (!strcmp(c->hook, hooks[i].name))
				j->rows[j->rows_n++] = (struct sensor_canary){
					.hook = c->hook,
					.part = c->part,
					.act = c->act_words,
				};
		}
		/* A hook that was added without an act: to be seen, not to be taken for proved. */
		if (j->rows_n == before && j->rows_n < SENSOR_CANARIES_MAX)
			j->rows[j->rows_n++] = (struct sensor_canary){
				.hook = hooks[i].name,
				.act = "nothing",
			};
	}
}

static bool proves(const struct check *c, const struct look *l)
{
	const struct canary_stamp *stamp = &l->judge->board->acts[c->act];

	if (l->h->type != (uint32_t)c->type || (c->syscall >= 0 && l->h->syscall != c->syscall))
		return false;
	if (c->verified && !(l->h->flags & HD_F_VERIFIED))
		return false;
	if (!stamp->at_ns || (!c->timeless && (int64_t)l->h->time_ns < stamp->at_ns))
		return false;
	return !c->proves || c->proves(l);
}

int canary_frame(void *judge, const void *frame, size_t size)
{
	struct canary_judge *j = judge;
	struct look l = { .frame = frame, .h = frame, .size = size, .judge = j };

	if (size < sizeof(struct hd_header))
		return 0;
	for (size_t i = 0; i < j->rows_n; i++) {
		struct sensor_canary *row = &j->rows[i];
		const struct check *c = check_of(row);

		if (!c || row->answer == SENSOR_ANSWERED || !proves(c, &l))
			continue;
		row->answer = SENSOR_ANSWERED;
		row->took_ns = c->timeless ? -1 : (int64_t)l.h->time_ns - j->board->acts[c->act].at_ns;
	}
	if (l.h->type == HD_FILE_METADATA)
		j->past_close = true;
	return 0;
}

size_t canary_end(struct canary_judge *j)
{
	size_t silent = 0;

	for (size_t i = 0; i < j->rows_n; i++) {
		struct sensor_canary *row = &j->rows[i];
		const struct check *c = check_of(row);
		const struct canary_stamp *stamp = c ? &j->board->acts[c->act] : NULL;

		if (row->answer == SENSOR_ANSWERED)
			continue;
		if (stamp && stamp->at_ns && !stamp->failed) {
			silent++;
			(void)snprintf(row->why, sizeof(row->why), "nothing was seen of it");
			continue;
		}
		row->answer = SENSOR_UNTRIED;
		(void)snprintf(row->why, sizeof(row->why), "%s",
			       !stamp	      ? "there is no canary for it" :
			       stamp->at_ns  ? strerror(stamp->failed) :
					       "the canary ended before it");
	}
	return silent;
}

/* "attached, but silent: open, close" */
static void name_rows(const struct canary_judge *j, struct sensor_hook *hook, enum sensor_answer answer)
{
	char *why = hook->why_not;
	size_t room = sizeof(hook->why_not), at;
	unsigned n = 0;

	at = (size_t)snprintf(why, room, answer == SENSOR_SILENT ? "attached, but nothing was seen of: " :
								   "attached, but could not be tried: ");
	for (size_t i = 0; i < j->rows_n && at < room; i++) {
		const struct sensor_canary *row = &j->rows[i];

		if (strcmp(row->hook, hook->name) != 0 || row->answer != answer)
			continue;
		at += (size_t)snprintf(why + at, room - at, "%s%s", n++ ? ", " : "", row->part ? row->part : row->act);
		if (answer == SENSOR_UNTRIED && at < room)
			at += (size_t)snprintf(why + at, room - at, " (%s)", row->why);
	}
}

void canary_mark(const struct canary_judge *j, struct sensor_hook *hooks, size_t hooks_n)
{
	for (size_t i = 0; i < hooks_n; i++) {
		struct sensor_hook *hook = &hooks[i];

		hook->silent = hook->untried = false;
		for (size_t k = 0; k < j->rows_n; k++) {
			if (strcmp(j->rows[k].hook, hook->name) != 0)
				continue;
			hook->silent |= j->rows[k].answer == SENSOR_SILENT;
			hook->untried |= j->rows[k].answer == SENSOR_UNTRIED;
		}
		if (hook->silent || hook->untried)
			name_rows(j, hook, hook->silent ? SENSOR_SILENT : SENSOR_UNTRIED);
	}
}

bool sensor_hook_blind(const struct sensor_hook *hook, enum sensor_tier tier, char *ret, size_t size)
{
	*ret = '\0';
	if (tier == SENSOR_TIER_NONE || hook->tier > tier || (hook->attached && !hook->silent && !hook->untried))
		return false;
	if (!hook->attached)
		(void)snprintf(ret, size, "%s (%s is not attached: %s)", hook->provides, hook->name, hook->why_not);
	else
		(void)snprintf(ret, size, "%s%s (%s is %s)", hook->silent ? "" : "maybe ", hook->provides, hook->name,
			       hook->why_not);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cli/report.h: lines in, model out, and its two forms. */
#include "test.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "parse-json.h"

#define START INT64_C(1700000000000000000)
#define MS INT64_C(1000000)

static struct store_session session = {
	.id = "0190c0de-0000-7000-8000-000000000001",
	.started_ns = START,
	.ended_ns = START + 2000 * MS,
	.command = "agent",
	.start_line =
	    "{\"type\":\"session\",\"command\":[\"agent\",\"-p\",\"a b\"],\"host\":\"box\",\"kernel\":\"6.1\","
	    "\"tier\":\"lsm\",\"blind\":[\"the far side of the moon\"]}",
	.end_line = "{\"type\":\"session\",\"exit_status\":0,\"left_running\":2}",
	.ledger_line = "{\"type\":\"ledger\",\"lanes\":{\"critical\":{\"process_exec\":"
		       "{\"made\":3,\"delivered\":3,\"folded\":0,\"lost\":0}}},\"lost\":0}",
	.exit_status = 0,
	.state = STORE_ENDED,
};

static struct report *fresh(void)
{
	struct report *r = report_new(&session);

	assert_non_null(r);
	return r;
}

/* An event of pid (parent ppid) at ms; fields begin with a comma. */
static void event(struct report *r, int64_t ms, const char *type, unsigned pid, unsigned ppid, const char *fields)
{
	char line[4096];
	int n = snprintf(
	    line, sizeof(line),
	    "{\"type\":\"%s\",\"process\":\"b-%u-1\",\"pid\":%u,\"ppid\":%u,\"comm\":\"c%u\",\"exe\":\"/bin/e%u\"%s}",
	    type, pid, pid, ppid, pid, pid, fields);

	assert_true(n > 0 && (size_t)n < sizeof(line));
	report_add(r, START + ms * MS, line, (size_t)n);
}

static void fork_event(struct report *r, int64_t ms, unsigned pid, unsigned child)
{
	char fields[128];

	(void)snprintf(fields, sizeof(fields), ",\"child_pid\":%u,\"child_process\":\"b-%u-1\"", child, child);
	event(r, ms, "process_fork", pid, 1, fields);
}

static char *text(struct report *r, unsigned width)
{
	struct buf out = BUF_INIT(64 << 20);

	report_finish(r);
	assert_int_equal(report_text(r, width, false, &out), 0);
	return out.data;
}

static char *json(struct report *r)
{
	struct buf out = BUF_INIT(64 << 20);

	report_finish(r);
	assert_int_equal(report_json(r, &out), 0);
	assert_true(parse_json_is_valid(out.data));
	return out.data;
}

static void has(const char *page, const char *words)
{
	if (!strstr(page, words))
		fail_msg("'%s' is not in:\n%s", words, page);
}

static void lacks(const char *page, const char *words)
{
	if (strstr(page, words))
		fail_msg("'%s' is in:\n%s", words, page);
}

static void an_empty_session_says_so(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();
	_cleanup_free_ char *page = text(r, 80);

	has(page, "agent -p 'a b'\n");
	has(page, "2 processes left running");
	has(page, "box, Linux 6.1, lsm tier");
	has(page, "0, nothing lost");
	has(page, "Escapes and privilege changes  none seen");
	has(page, "the far side of the moon");
	has(page, "process_exec  critical     3          3       0     0");
	has(page, "Ledger  nothing lost: 3 made, all delivered or folded into others\n");
}

static void the_tree_has_parents_times_and_ends(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 0, "process_exec", 10, 9, ",\"args\":[\"agent\"],\"exe\":\"/usr/bin/agent\"");
	fork_event(r, 100, 10, 11);
	event(r, 101, "process_exec", 11, 10, ",\"args\":[\"sh\",\"-c\",\"x y\"],\"exe\":\"/bin/sh\"");
	fork_event(r, 110, 11, 12);
	event(r, 120, "process_exit", 12, 11, ",\"signal\":\"SIGKILL\",\"duration_ns\":10000000");
	event(r, 300, "process_exit", 11, 10, ",\"exit_code\":2,\"duration_ns\":200000000,\"max_rss_bytes\":1048576");
	for (unsigned pid = 20; pid < 25; pid++) {
		fork_event(r, 400 + pid, 10, pid);
		event(r, 401 + pid, "process_exec", pid, 10, ",\"args\":[\"true\"],\"exe\":\"/bin/true\"");
		event(r, 402 + pid, "process_exit", pid, 10, ",\"exit_code\":0,\"duration_ns\":2000000");
	}
	event(r, 500, "process_exec", 10, 9, ",\"path\":\"/no/such\",\"args\":[\"such\"],\"error\":\"ENOENT\"");
	/* A search along PATH is no failure of its own. */
	event(r, 510, "process_exec", 10, 9, ",\"path\":\"/a/tool\",\"args\":[\"tool\"],\"error\":\"ENOENT\"");
	event(r, 511, "process_exec", 10, 9, ",\"path\":\"/b/tool\",\"args\":[\"agent\"],\"exe\":\"/usr/bin/agent\"");
	_cleanup_free_ char *page = text(r, 80);
	lacks(page, "/a/tool");
	has(page, "Processes  8\n");
	has(page, "  +0.000             -  agent\n");
	has(page, "  +0.100  200 ms     2  ├─ sh -c 'x y'\n");
	has(page, "  +0.110   10 ms  KILL  │  └─ (c12, forked)\n");
	has(page, "└─ 5× true\n");
	has(page, "ENOENT: could not start /no/such");
	has(page, "peak 1.0 MiB in c11 (pid 11)");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *parent = parse_json_string(object, "processes.2.parent");
	assert_string_equal(parent, "b-11-1");
	_cleanup_free_ char *code = parse_json_get(object, "processes.1.exit_code");
	assert_string_equal(code, "2");
	_cleanup_free_ char *peak = parse_json_string(object, "peak_memory.process");
	assert_string_equal(peak, "b-11-1");
}

static void a_deep_tree_stays_on_the_page(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	for (unsigned pid = 10; pid < 20010; pid++)
		fork_event(r, pid, pid, pid + 1);
	assert_int_equal(r->processes.n, 20001);
	_cleanup_free_ char *page = text(r, 80);
	has(page, "and 19,901 more");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *last = parse_json_string(object, "processes.20000.parent");
	assert_string_equal(last, "b-20009-1");
}

static void escapes_come_first_and_the_same_is_counted(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	for (int i = 0; i < 30; i++)
		event(r, 100 + i, "sandbox_escape", 10, 9,
		      ",\"category\":\"mount\",\"syscall\":\"mount\",\"target\":\"/mnt\",\"error\":\"EPERM\"");
	event(r, 200, "sandbox_escape", 10, 9, ",\"category\":\"bpf\",\"syscall\":\"bpf\"");
	event(r, 300, "privilege_change", 10, 9,
	      ",\"operation\":\"setuid\",\"before\":{\"uid\":1},\"after\":{\"uid\":0}");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "Sandbox escapes  31, 30 refused\n");
	has(page, "    +0.100  mount: c10 10: mount /mnt; 30 times until +0.129 -> EPERM\n");
	has(page, "    +0.200  bpf: c10 10: bpf\n");
	assert_true(strstr(page, "bpf: c10") < strstr(page, "mount: c10"));
	has(page, "Privilege changes  1, none refused\n");
	assert_true(strstr(page, "Sandbox escapes") < strstr(page, "Privilege changes"));
	assert_true(strstr(page, "Privilege changes") < strstr(page, "Processes"));
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *count = parse_json_get(object, "escapes.1.count");
	assert_string_equal(count, "30");
	_cleanup_free_ char *target = parse_json_string(object, "escapes.1.event.target");
	assert_string_equal(target, "/mnt");
}

static void hosts_by_name(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 1, "network_connect", 10, 9,
	      ",\"destination\":\"1.2.3.4\",\"destination_port\":443,\"protocol\":\"tcp\",\"hostname\":\"a.example\"");
	event(r, 2, "network_connect", 11, 9,
	      ",\"destination\":\"2.3.4.5\",\"destination_port\":443,\"protocol\":\"tcp\",\"hostname\":\"a.example\","
	      "\"error\":\"ETIMEDOUT\"");
	event(r, 3, "network_connect", 10, 9, ",\"destination\":\"::1\",\"destination_port\":53,\"protocol\":\"udp\"");
	event(r, 4, "network_connect", 10, 9, ",\"path\":\"@abstract\"");
	event(r, 5, "network_listen", 10, 9, ",\"address\":\"::\",\"port\":80,\"protocol\":\"tcp\"");
	event(r, 6, "dns_query", 10, 9, ",\"name\":\"a.example\",\"query_type\":\"AAAA\"");
	event(r, 7, "dns_response", 10, 9,
	      ",\"name\":\"a.example\",\"query_type\":\"AAAA\",\"response_code\":\"NXDOMAIN\"");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "Hosts  2\n");
	has(page, "  a.example  1.2.3.4 +1  443/tcp  c10 +1  1 ok, 1 ETIMEDOUT\n");
	has(page, "  ::1                    53/udp   c10     1 ok\n");
	has(page, "  [::]:80 tcp  c10\n");
	has(page, "  @abstract  c10\n");
	has(page, "  a.example  AAAA  NXDOMAIN\n");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *addresses = parse_json_get(object, "hosts.0.services.0.addresses");
	assert_string_equal(addresses, "[\"1.2.3.4\",\"2.3.4.5\"]");
}

static void files_follow_their_names(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 1, "file_write", 10, 9, ",\"path\":\"/w/.x.tmp\",\"bytes\":1000,\"operations\":2");
	event(r, 2, "file_metadata", 10, 9, ",\"operation\":\"rename\",\"path\":\"/w/.x.tmp\",\"new_path\":\"/w/x\"");
	event(r, 3, "file_write", 10, 9, ",\"path\":\"/w/x\",\"bytes\":24,\"operations\":1");
	event(r, 4, "file_write", 10, 9, ",\"path\":\"/w/mapped\",\"mapping\":true");
	event(r, 5, "file_read", 10, 9, ",\"path\":\"/w/x\",\"bytes\":10,\"operations\":1");
	event(r, 6, "file_metadata", 10, 9, ",\"operation\":\"unlink\",\"path\":\"/w/old\"");
	event(r, 7, "file_metadata", 10, 9, ",\"operation\":\"unlink\",\"path\":\"/w/kept\",\"error\":\"EACCES\"");
	event(r, 8, "file_open", 10, 9, ",\"path\":\"/w/none\",\"error\":\"ENOENT\",\"count\":500");
	event(r, 9, "file_open", 10, 9, ",\"path\":\"/etc/shadow\",\"error\":\"EACCES\"");
	for (unsigned i = 0; i < 40; i++) {
		char fields[128];

		(void)snprintf(fields, sizeof(fields), ",\"path\":\"/proc/%u/maps\",\"error\":\"ESRCH\"", i);
		event(r, 10, "file_open", 10, 9, fields);
	}
	event(r, 11, "file_read", 10, 9, ",\"path\":\"/usr/lib/libc.so\",\"bytes\":900,\"operations\":1");
	event(r, 12, "file_open", 10, 9, ",\"path\":\"/w/tmp\",\"flags\":[\"O_RDWR\",\"O_CREAT\",\"O_EXCL\"]");
	event(r, 13, "file_metadata", 10, 9, ",\"operation\":\"unlink\",\"path\":\"/w/tmp\"");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "ESRCH      40  /proc/N/maps\n");
	has(page, "   10 B      1  /w/x\n  900 B      1  /usr/lib/libc.so\n");
	has(page, "Files written  2 files, 1.0 KiB\n");
	has(page, "  1.0 KiB      3  /w/x\n");
	has(page, "   mapped         /w/mapped\n");
	has(page, "Files read  2 files, 910 B\n");
	has(page, "Files deleted  2 files, 1 of them made in the session\n  /w/old\n  /w/tmp\n");
	lacks(page, "/w/kept");
	lacks(page, ".x.tmp");
	has(page, "Names and metadata changed  2 unlink, 1 rename\n");
	has(page, "Opens that failed  500 ENOENT, 40 ESRCH, 1 EACCES\n");
	has(page, "  EACCES      1  /etc/shadow\n  ESRCH");
	lacks(page, "/w/none");
}

static void loss_and_damage_show(void **state)
{
	struct store_session lossy = session;
	static const char gap[] = "{\"type\":\"gap\",\"lane\":\"bulk\",\"count\":12,\"why\":\"the lane was full\"}";

	lossy.ledger_line = "{\"type\":\"ledger\",\"lanes\":{\"bulk\":{\"file_read\":"
			    "{\"made\":30,\"delivered\":10,\"folded\":5,\"lost\":12}}},\"lost\":12}";
	_cleanup_(report_free_p) struct report *r = report_new(&lossy);
	report_add(r, START, gap, sizeof(gap) - 1);
	report_add(r, START, "{\"torn", 6);
	report_add(r, START, "[]", 2);
	_cleanup_free_ char *page = text(r, 80);
	has(page, "0, 12 LOST, 2 damaged in the store");
	has(page, "12 missing in bulk: the lane was full");
	has(page, "it does not balance");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *why = parse_json_string(object, "gaps.0.why");
	assert_string_equal(why, "the lane was full");
}

static void an_interrupted_session_says_so(void **state)
{
	struct store_session cut = session;

	cut.state = STORE_INTERRUPTED;
	cut.ended_ns = 0;
	cut.end_line = cut.ledger_line = NULL;
	cut.exit_status = -1;
	_cleanup_(report_free_p) struct report *r = report_new(&cut);
	event(r, 1500, "process_exec", 10, 9, ",\"args\":[\"agent\"]");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "lasted 1.50 s");
	has(page, "interrupted: Heddle was killed");
	has(page, "Ledger  not there");
	lacks(page, "nothing lost");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *was = parse_json_string(object, "session.state");
	assert_string_equal(was, "interrupted");
}

static void a_clock_that_was_set_is_told(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();
	static const char line[] = "{\"type\":\"clock\",\"wall_before\":\"2026-01-31T12:00:01.000000000Z\","
				   "\"wall_after\":\"2026-01-31T14:00:01.000000000Z\"}";
	_cleanup_free_ char *before = text(r, 80);

	lacks(before, "wall clock");
	report_add(r, 1500, line, sizeof(line) - 1);
	_cleanup_free_ char *page = text(r, 80);
	has(page, "the wall clock was set 1 time;");
	_cleanup_free_ char *object = json(r);
	has(object, "\"clock_sets\":1");
}

static void no_line_is_wider_than_the_page(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();
	char fields[2048], name[1000];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(fields, sizeof(fields), ",\"args\":[\"%s\"]", name);
	event(r, 0, "process_exec", 10, 9, fields);
	(void)snprintf(fields, sizeof(fields), ",\"path\":\"/%s\",\"bytes\":1,\"operations\":1", name);
	event(r, 1, "file_write", 10, 9, fields);
	(void)snprintf(fields, sizeof(fields), ",\"category\":\"mount\",\"syscall\":\"mount\",\"target\":\"/%s\"",
		       name);
	event(r, 2, "sandbox_escape", 10, 9, fields);
	(void)snprintf(fields, sizeof(fields), ",\"destination\":\"1.2.3.4\",\"hostname\":\"%s\"", name);
	event(r, 3, "network_connect", 10, 9, fields);
	(void)snprintf(fields, sizeof(fields), ",\"name\":\"%s\",\"query_type\":\"A\"", name);
	event(r, 4, "dns_query", 10, 9, fields);
	(void)snprintf(fields, sizeof(fields), ",\"path\":\"/%s\",\"error\":\"EACCES\"", name);
	event(r, 5, "process_exec", 10, 9, fields);
	for (unsigned width = 60; width <= 132; width += 24) {
		_cleanup_free_ char *page = text(r, width);
		char *rest = NULL;

		for (char *line = strtok_r(page, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			if (term_columns(line, strlen(line)) > width)
				fail_msg("over %u columns: %s", width, line);
	}
}

static void hostile_text_is_harmless(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	/* As the sensor never writes it, but a store may have been tampered with. */
	event(r, 0, "process_exec", 10, 9, ",\"args\":[\"\\u001b[2J\\u0007\\n\\u202e\"]");
	event(r, 1, "file_write", 10, 9, ",\"path\":\"/\\u001b]0;x\\u0007\",\"bytes\":1,\"operations\":1");
	event(r, 2, "network_connect", 10, 9, ",\"destination\":\"\\u009b31m\",\"hostname\":\"\\u001bc\"");
	event(r, 3, "sandbox_escape", 10, 9, ",\"category\":\"\\u001bP\",\"target\":\"\\r\\n\"");
	event(r, 4, "process_exec", 10, 9, ",\"path\":\"/\\u001b[1m\",\"error\":\"\\u001b\"");
	event(r, 5, "file_open", 10, 9, ",\"path\":\"/\\u001b[1m\",\"error\":\"\\u001bE\"");
	event(r, 6, "network_listen", 10, 9, ",\"address\":\"\\u001b\",\"port\":1");
	_cleanup_free_ char *page = text(r, 80);
	for (const char *p = page; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f)
			fail_msg("byte %d in the page", *p);
	assert_null(strstr(page, "\xc2\x9b"));
	assert_null(strstr(page, "\xe2\x80\xae"));
	_cleanup_free_ char *object = json(r);
	for (const char *p = object; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
}

static void caps_are_told(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();
	char fields[256];

	for (unsigned i = 0; i < 2500; i++) {
		(void)snprintf(fields, sizeof(fields),
			       ",\"category\":\"mount\",\"rule\":\"syscall\",\"syscall\":\"mount\",\"target\":\"/m%u\"",
			       i);
		event(r, i, "sandbox_escape", 10, 9, fields);
	}
	/* However many there were of another kind. */
	event(r, 3000, "sandbox_escape", 10, 9,
	      ",\"category\":\"container\",\"syscall\":\"connect\",\"target\":\"/s\"");
	assert_int_equal(r->escapes.n, 202);
	_cleanup_free_ char *page = text(r, 80);
	has(page, "Sandbox escapes  2,501");
	has(page, "    +3.000  container: c10 10: connect /s\n    +0.000  mount: c10 10: mount /m0\n");
	has(page, "  and 195 more kinds of mount\n");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *left = parse_json_get(object, "left_out.escapes");
	assert_string_equal(left, "2300");
	_cleanup_free_ char *rest = parse_json_get(object, "escapes.201.count");
	assert_string_equal(rest, "2300");
	_cleanup_free_ char *words = parse_json_string(object, "escapes.201.summary");
	assert_string_equal(words, "others of this kind, too many to tell apart");
}

static void what_ps_reads_hides_no_escape(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();
	static const char rest[] =
	    "\"syscall\":\"openat\",\"detail\":\"touches a sensitive file of the kernel: O_RDONLY\"";
	char fields[512];

	for (unsigned i = 0; i < 412; i++) {
		(void)snprintf(
		    fields, sizeof(fields),
		    ",\"category\":\"proc_sys\",\"rule\":\"sensitive_proc\",\"target\":\"/proc/%u/environ\",%s%s", i,
		    rest, i % 4 ? ",\"error\":\"ESRCH\"" : "");
		event(r, i, "sandbox_escape", 10, 9, fields);
	}
	event(r, 900, "sandbox_escape", 11, 9,
	      ",\"category\":\"ptrace\",\"rule\":\"proc_mem\",\"syscall\":\"openat\",\"target\":\"/proc/1/mem\","
	      "\"error\":\"EACCES\"");
	event(r, 950, "sandbox_escape", 12, 9,
	      ",\"category\":\"namespace\",\"rule\":\"syscall\",\"syscall\":\"unshare\",\"target\":\"CLONE_NEWNS\"");
	event(r, 960, "sandbox_escape", 13, 9,
	      ",\"category\":\"namespace\",\"rule\":\"syscall\",\"syscall\":\"unshare\",\"target\":\"CLONE_NEWPID\","
	      "\"error\":\"EPERM\"");
	event(r, 970, "sandbox_escape", 13, 9,
	      ",\"category\":\"namespace\",\"rule\":\"syscall\",\"syscall\":\"chroot\",\"target\":\"/x\"");
	_cleanup_free_ char *page = text(r, 200);
	has(page,
	    "    +0.900  ptrace: c11 11: openat /proc/1/mem -> EACCES\n"
	    "    +0.950  namespace: c12 12: unshare CLONE_NEWNS\n"
	    "    +0.970  namespace: c13 13: chroot /x\n"
	    "    +0.960  namespace: c13 13: unshare CLONE_NEWPID -> EPERM\n"
	    "    +0.000  proc_sys: c10 10: openat /proc/N/environ, touches a sensitive file of the kernel: O_RDONLY; "
	    "412 times until +0.411, 309 of them refused -> ESRCH\n");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *failed = parse_json_get(object, "escapes.4.failed");
	assert_string_equal(failed, "309");
	_cleanup_free_ char *target = parse_json_string(object, "escapes.4.target");
	assert_string_equal(target, "/proc/N/environ");
}

static void the_command_starts_at_its_exec(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 20, "file_open", 10, 9, ",\"path\":\"/x\"");
	event(r, 50, "process_exec", 10, 9, ",\"args\":[\"/usr/bin/env\",\"node\",\"x\"],\"path\":\"/usr/bin/e10\"");
	event(r, 51, "process_exec", 10, 9, ",\"args\":[\"node\",\"x\"]");
	event(r, 80, "process_exec", 10, 9, ",\"args\":[\"sh\",\"-c\",\"y\"]");
	event(r, 1050, "process_exit", 10, 9, ",\"exit_code\":0,\"duration_ns\":9000000000");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "  +0.000  1.00 s     0  e10 (as /usr/bin/env) node x\n"
		  "  +0.030                   then e10 (as sh) -c y\n");
	lacks(page, "before");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *second = parse_json_string(object, "processes.0.images.1.command");
	assert_string_equal(second, "node x");
	_cleanup_free_ char *last = parse_json_string(object, "processes.0.command");
	assert_string_equal(last, "sh -c y");
}

static void an_attached_tree_gets_its_shape(void **state)
{
	struct store_session attached = session;

	attached.start_line = "{\"type\":\"session\",\"target\":\"pid 10\"}";
	_cleanup_(report_free_p) struct report *r = report_new(&attached);
	event(r, 500, "process_exit", 11, 10, ",\"exit_code\":0,\"duration_ns\":2000000000");
	event(r, 600, "process_exit", 10, 9, ",\"exit_code\":0,\"duration_ns\":3000000000");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "  before  3.00 s     0  (c10, ran before)\n"
		  "  before  2.00 s     0  └─ (c11, ran before)\n");
}

static void what_runs_is_told_by_the_kernel(void **state)
{
	static const struct {
		const char *exe, *args, *told;
	} cases[] = {
		{ "/usr/bin/git", "\"git\",\"log\"", "git log\n" },
		{ "/tmp/git", "\"git\",\"log\"", "/tmp/git log\n" },
		{ "/usr/bin/python3.11", "\"git\",\"log\"", "python3.11 (as git) log\n" },
		{ "/tmp/x", "\"git\",\"log\"", "/tmp/x (as git) log\n" },
		{ "/w/out/count", "\"./out/count\",\"f\"", "./out/count f\n" },
		{ "/usr/bin/dash", "\"/bin/sh\",\"-c\",\"y\"", "sh -c y\n" },
		{ "/usr/bin/x86_64-linux-gnu-gcc-12", "\"cc\"", "cc\n" },
		{ "/usr/bin/bash", "\"-bash\"", "bash\n" },
		{ "/usr/bin/true", "\"\",\"x\"", "true (as '') x\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(report_free_p) struct report *r = fresh();
		char line[512], told[128];

		int n = snprintf(line, sizeof(line),
				 "{\"type\":\"process_exec\",\"process\":\"b-1-1\",\"pid\":1,\"ppid\":9,\"exe\":\"%s\","
				 "\"args\":[%s]}",
				 cases[i].exe, cases[i].args);
		report_add(r, START, line, (size_t)n);
		_cleanup_free_ char *page = text(r, 80);
		(void)snprintf(told, sizeof(told), "  -  %s", cases[i].told);
		has(page, told);
	}
}

static void subtrees_that_are_alike_are_one(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 0, "process_exec", 10, 9, ",\"args\":[\"agent\"]");
	for (unsigned pid = 20; pid < 50; pid += 2) {
		fork_event(r, pid, 10, pid);
		event(r, pid, "process_exec", pid, 10, ",\"args\":[\"sh\"],\"exe\":\"/bin/sh\"");
		fork_event(r, pid, pid, pid + 1);
		event(r, pid, "process_exec", pid + 1, pid, ",\"args\":[\"git\"],\"exe\":\"/bin/git\"");
		event(r, pid, "process_exit", pid + 1, pid, pid == 30 ? ",\"exit_code\":1" : ",\"exit_code\":0");
		event(r, pid + 1, "process_exit", pid, 10, ",\"exit_code\":0");
	}
	_cleanup_free_ char *page = text(r, 80);
	has(page, "  ├─ 14× sh\n");
	has(page, "  │  └─ git\n");
	has(page, "  └─ sh\n");
	has(page, "     └─ git\n");
	lacks(page, "more lines");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *last = parse_json_get(object, "processes.30.pid");
	assert_string_equal(last, "49");
}

static void many_of_one_program_leave_room(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 0, "process_exec", 10, 9, ",\"args\":[\"agent\"]");
	for (unsigned pid = 20; pid < 320; pid++) {
		char fields[128];

		fork_event(r, pid, 10, pid);
		(void)snprintf(fields, sizeof(fields), ",\"args\":[\"echo\",\"%u\"],\"exe\":\"/bin/echo\"", pid % 100);
		event(r, pid, "process_exec", pid, 10, fields);
		event(r, pid, "process_exit", pid, 10, ",\"exit_code\":0");
	}
	fork_event(r, 400, 10, 400);
	event(r, 400, "process_exec", 400, 10, ",\"args\":[\"curl\",\"x\"],\"exe\":\"/bin/curl\"");
	_cleanup_free_ char *page = text(r, 80);
	/* 20 to 26 thrice each, and what is left of 300. */
	has(page, "  ├─ 3× echo 26\n");
	has(page, "  ├─ 279× /bin/echo with other arguments\n");
	has(page, "  └─ curl x\n");
	lacks(page, "echo 28");
}

static void traffic_of_the_end_line_shows(void **state)
{
	struct store_session busy = session;

	busy.end_line =
	    "{\"type\":\"session\",\"exit_status\":0,\"traffic\":["
	    "{\"address\":\"127.0.0.1\",\"port\":9,\"hostname\":\"a.example\",\"protocol\":\"tcp\",\"connections\":1,"
	    "\"sent\":0,\"received\":0},"
	    "{\"address\":\"1.2.3.4\",\"port\":443,\"hostname\":\"a.example\",\"protocol\":\"tcp\","
	    "\"connections\":2,\"sent\":1536,\"received\":3145728},"
	    "{\"address\":\"2.3.4.5\",\"port\":443,\"protocol\":\"tcp\",\"connections\":1,\"sent\":512,"
	    "\"received\":0},"
	    "{\"address\":\"::1\",\"port\":4000,\"protocol\":\"tcp\",\"direction\":\"accepted\",\"connections\":3,"
	    "\"sent\":1,\"received\":2},"
	    "{\"port\":1}, 7]}";
	_cleanup_(report_free_p) struct report *r = report_new(&busy);
	event(r, 1, "network_connect", 10, 9,
	      ",\"destination\":\"127.0.0.1\",\"destination_port\":9,\"protocol\":\"tcp\",\"error\":\"ECONNREFUSED\"");
	for (int i = 0; i < 3; i++)
		event(r, 2, "network_connect", 10, 9,
		      i == 2 ? ",\"destination\":\"2.3.4.5\",\"destination_port\":443,\"protocol\":\"tcp\","
			       "\"hostname\":\"a.example\""
			     : ",\"destination\":\"1.2.3.4\",\"destination_port\":443,\"protocol\":\"tcp\","
			       "\"hostname\":\"a.example\"");
	event(r, 3, "network_connect", 10, 9,
	      ",\"destination\":\"9.9.9.9\",\"destination_port\":53,\"protocol\":\"udp\"");
	_cleanup_free_ char *page = text(r, 80);
	has(page, "  9.9.9.9                53/udp    c10  1 ok\n");
	has(page, "Hosts  4, 2.0 KiB sent, 3.0 MiB received\n"
		  "  HOST       ADDRESS     PORT      BY   TRIES              SENT  RECEIVED\n"
		  "  a.example  1.2.3.4 +1  443/tcp   c10  3 ok            2.0 KiB   3.0 MiB\n"
		  "  ::1                    4000/tcp       3 accepted          1 B       2 B\n");
	has(page, "  127.0.0.1              9/tcp     c10  1 ECONNREFUSED");
	_cleanup_free_ char *object = json(r);
	_cleanup_free_ char *received = parse_json_get(object, "hosts.0.received");
	assert_string_equal(received, "3145728");
	_cleanup_free_ char *connections = parse_json_get(object, "hosts.0.services.0.connections");
	assert_string_equal(connections, "3");
	_cleanup_free_ char *sent = parse_json_get(object, "hosts.1.services.0.sent");
	assert_string_equal(sent, "1");
	_cleanup_free_ char *direction = parse_json_string(object, "hosts.1.services.0.direction");
	assert_string_equal(direction, "accepted");
	/* Once more, nothing is counted twice. */
	_cleanup_free_ char *again = json(r);
	assert_string_equal(object, again);
}

static void no_traffic_field_no_columns(void **state)
{
	_cleanup_(report_free_p) struct report *r = fresh();

	event(r, 1, "network_connect", 10, 9, ",\"destination\":\"::1\",\"destination_port\":9,\"protocol\":\"tcp\"");
	_cleanup_free_ char *page = text(r, 80);
	lacks(page, "SENT");
	_cleanup_free_ char *object = json(r);
	lacks(object, "\"sent\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_session_says_so),
		cmocka_unit_test(the_tree_has_parents_times_and_ends),
		cmocka_unit_test(a_deep_tree_stays_on_the_page),
		cmocka_unit_test(escapes_come_first_and_the_same_is_counted),
		cmocka_unit_test(hosts_by_name),
		cmocka_unit_test(files_follow_their_names),
		cmocka_unit_test(loss_and_damage_show),
		cmocka_unit_test(an_interrupted_session_says_so),
		cmocka_unit_test(a_clock_that_was_set_is_told),
		cmocka_unit_test(no_line_is_wider_than_the_page),
		cmocka_unit_test(hostile_text_is_harmless),
		cmocka_unit_test(caps_are_told),
		cmocka_unit_test(what_ps_reads_hides_no_escape),
		cmocka_unit_test(the_command_starts_at_its_exec),
		cmocka_unit_test(an_attached_tree_gets_its_shape),
		cmocka_unit_test(what_runs_is_told_by_the_kernel),
		cmocka_unit_test(subtrees_that_are_alike_are_one),
		cmocka_unit_test(many_of_one_program_leave_room),
		cmocka_unit_test(traffic_of_the_end_line_shows),
		cmocka_unit_test(no_traffic_field_no_columns),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

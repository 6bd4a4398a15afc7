/* SPDX-License-Identifier: Apache-2.0 */
/* One session's lines, counts and ledger, from frames that a made-up sensor vouches for. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/recorder.h"
#include "cli/session-lines.h"
#include "cli/summary.h"
#include "parse-json.h"
#include "track-frames.h"

#define SESSION "0190c0de-0000-7000-8000-0000000000bb"
#define LINES_MAX 64

/* The made-up sensor: only counts. */
static struct ledger kernel;
static const struct sensor_hook hooks[] = {
	{ .name = "tp_btf/sys_exit", .provides = "calls", .tier = SENSOR_TIER_TRACEPOINT, .attached = true },
	{ .name = "lsm/file_open", .provides = "opens", .tier = SENSOR_TIER_LSM, .why_not = "lockdown" },
	{ .name = "tp_btf/mute", .provides = "whispers", .tier = SENSOR_TIER_TRACEPOINT, .attached = true,
	  .silent = true, .why_not = "attached, but nothing was seen of: whisper" },
	{ .name = "tp_btf/gone", .provides = "ghosts", .tier = SENSOR_TIER_TRACEPOINT, .why_not = "no such hook" },
};

const char *sensor_tier_name(enum sensor_tier tier)
{
	return "tracepoint";
}

enum sensor_tier sensor_tier(const struct sensor *s)
{
	return SENSOR_TIER_TRACEPOINT;
}

size_t sensor_hooks(const struct sensor *s, const struct sensor_hook **ret)
{
	*ret = hooks;
	return ARRAY_SIZE(hooks);
}

const char *const *sensor_blind(const struct sensor *s)
{
	static const char *const blind[] = { "Something is not seen.", NULL };

	return blind;
}

int sensor_ledger(struct sensor *s, struct ledger *ret)
{
	*ret = kernel;
	return 0;
}

int sensor_flush(struct sensor *s, bool all)
{
	return 0;
}

static unsigned said;
static char said_text[ERR_TEXT_MAX];

static void say(void *context, const char *text)
{
	said++;
	(void)snprintf(said_text, sizeof(said_text), "%s", text);
}

struct session {
	struct recorder *recorder;
	int read_fd, write_fd; /* a pipe takes the JSON lines */
	char text[65536];
	char *lines[LINES_MAX];
	size_t lines_n;
};

static char *const command[] = { "sh", "-c", "echo \x1b[31m", NULL };

static void begin(struct session *s)
{
	int pipe_fds[2];
	struct err err = { 0 };

	memset(&kernel, 0, sizeof(kernel));
	memset(s, 0, sizeof(*s));
	said = 0;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	s->read_fd = pipe_fds[0];
	s->write_fd = pipe_fds[1];
	struct recorder_options options = {
		.session = SESSION,
		.json_fd = s->write_fd,
		.live_fd = -1,
		.command = command,
		.directory = "/home",
		.user = "ann",
		.heddle_version = "9.9",
		.say = say,
	};
	assert_int_equal(recorder_open(&options, &s->recorder, &err), 0);
}

static void end(struct session *s, const struct recorder_end *how)
{
	assert_int_equal(recorder_finish(s->recorder, how), 0);
	(void)close(s->write_fd);
	size_t used = 0;
	for (ssize_t n; s->read_fd >= 0 && (n = read(s->read_fd, s->text + used, sizeof(s->text) - 1 - used)) > 0;)
		used += (size_t)n;
	char *save = NULL;
	for (char *line = strtok_r(s->text, "\n", &save); line && s->lines_n < LINES_MAX;
	     line = strtok_r(NULL, "\n", &save)) {
		assert_true(parse_json_is_valid(line));
		s->lines[s->lines_n++] = line;
	}
	if (s->read_fd >= 0)
		(void)close(s->read_fd);
}

static void expect(const struct session *s, size_t line, const char *path, const char *value)
{
	assert_true(line < s->lines_n);
	_cleanup_free_ char *got = parse_json_get(s->lines[line], path);

	if (!value) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, value);
}

static void push(struct session *s, struct frame *f)
{
	assert_int_equal(recorder_frame(s->recorder, f->bytes, f->h.size), 0);
}

static const struct actor agent = { .pid = 4000000, .start_ns = 5 * SECOND, .now_ns = 6 * SECOND };

static void push_exit(struct session *s, uint32_t pid)
{
	static struct frame f;
	struct actor a = agent;

	a.pid = pid;
	frame_begin(&f, &a, HD_PROCESS_EXIT, sizeof(f.exit));
	f.exit.max_rss_bytes = 3 << 20;
	push(s, &f);
}

static void push_escape(struct session *s)
{
	static struct frame f;

	frame_begin(&f, &agent, HD_SANDBOX_ESCAPE, sizeof(f.escape));
	f.escape.category = HD_ESC_MOUNT;
	f.escape.rule = HD_RULE_SYSCALL;
	f.h.syscall = 165;
	push(s, &f);
}

static struct ledger_row *row(enum hd_type type)
{
	return &kernel.rows[ledger_lane(type)][type];
}

static void test_lines(void **state)
{
	struct session s;
	const struct recorder_end how = { .known = true, .status = 7 << 8, .left_running = 2 };

	begin(&s);
	push_exit(&s, agent.pid);
	push_escape(&s);
	*row(HD_PROCESS_EXIT) = (struct ledger_row){ .made = 1, .delivered = 1 };
	*row(HD_SANDBOX_ESCAPE) = (struct ledger_row){ .made = 1, .delivered = 1 };
	end(&s, &how);

	assert_int_equal(s.lines_n, 6);
	expect(&s, 0, "type", "\"session\"");
	expect(&s, 0, "phase", "\"start\"");
	expect(&s, 0, "sequence", "1");
	expect(&s, 0, "command.2", "\"echo \\\\x1b[31m\"");
	expect(&s, 0, "escaped", "[\"command\"]");
	expect(&s, 0, "hooks", "[\"tp_btf/sys_exit\",\"tp_btf/mute\"]");
	expect(&s, 0, "blind",
	       "[\"Something is not seen.\",\"whispers (tp_btf/mute is attached, but nothing was seen of: whisper)\","
	       "\"ghosts (tp_btf/gone is not attached: no such hook)\"]");
	expect(&s, 0, "cwd", "\"/home\"");
	expect(&s, 1, "type", "\"process\"");
	expect(&s, 1, "sequence", "2");
	expect(&s, 1, "origin", "\"unknown\"");
	expect(&s, 1, "pid", "4000000");
	/* The same key as in the event that follows. */
	_cleanup_free_ char *key = parse_json_get(s.lines[1], "process");
	expect(&s, 2, "process", key);
	expect(&s, 2, "type", "\"process_exit\"");
	expect(&s, 3, "type", "\"sandbox_escape\"");
	expect(&s, 3, "sequence", "4");
	expect(&s, 4, "phase", "\"end\"");
	expect(&s, 4, "exit_status", "7");
	expect(&s, 4, "signal", NULL);
	expect(&s, 4, "events", "2");
	expect(&s, 4, "left_running", "2");
	expect(&s, 5, "type", "\"ledger\"");
	expect(&s, 5, "sequence", "6");
	expect(&s, 5, "lanes.critical.process_exit", "{\"made\":1,\"delivered\":1,\"folded\":0,\"lost\":0}");
	expect(&s, 5, "lost", "0");
	assert_int_equal(said, 0);
	const struct recorder_counts *c = recorder_counts(s.recorder);
	assert_int_equal(c->events, 2);
	assert_int_equal(c->escapes[HD_ESC_MOUNT], 1);
	assert_int_equal(c->max_rss_bytes, 3 << 20);
	assert_int_equal(c->unbalanced, 0);
	recorder_free(s.recorder);
}

/* The summary names the worst of each category, and what succeeded rather than what was refused before it. */
static void test_summary_names_the_worst(void **state)
{
	struct session s;
	const struct recorder_end how = { .known = true };
	_cleanup_buf_ struct buf text = BUF_INIT(65536);
	static struct frame f;

	begin(&s);
	for (int i = 0; i < 5; i++) {
		frame_begin(&f, &agent, HD_SANDBOX_ESCAPE, sizeof(f.escape));
		f.escape.category = i == 4 ? HD_ESC_BPF : HD_ESC_MOUNT;
		f.escape.rule = HD_RULE_SYSCALL;
		f.escape.result = i == 1 ? 0 : -1;
		f.h.syscall = i == 4 ? 321 : i == 1 ? 166 : 165;
		push(&s, &f);
	}
	*row(HD_SANDBOX_ESCAPE) = (struct ledger_row){ .made = 5, .delivered = 5 };
	end(&s, &how);
	struct summary summary = {
		.session = SESSION,
		.counts = recorder_counts(s.recorder),
		.end = &how,
		.hooks = hooks,
		.hooks_n = ARRAY_SIZE(hooks),
	};
	summary_write(&summary, &text);
	assert_non_null(strstr(text.data, "  BLIND       tp_btf/mute is attached, but nothing was seen of: whisper\n"));
	assert_null(strstr(text.data, "tp_btf/gone"));
	const char *bpf = strstr(text.data, "bpf             1  "), *mount = strstr(text.data, "mount           4  ");
	assert_non_null(strstr(text.data, "  ESCAPES     5 attempts, 4 refused\n"));
	assert_non_null(bpf);
	assert_non_null(mount);
	assert_true(bpf < mount);
	assert_non_null(strstr(bpf, ": bpf, refused\n"));
	assert_non_null(strstr(mount, ": umount2\n"));
	recorder_free(s.recorder);
}

static void test_full_lane(void **state)
{
	struct session s;
	const struct recorder_end how = { .known = true, .status = SIGKILL };

	begin(&s);
	push_exit(&s, agent.pid);
	*row(HD_PROCESS_EXIT) = (struct ledger_row){ .made = 1, .delivered = 1 };
	*row(HD_FILE_OPEN) = (struct ledger_row){ .made = 40, .lost = 40 };
	end(&s, &how);
	assert_int_equal(s.lines_n, 6);
	expect(&s, 3, "type", "\"gap\"");
	expect(&s, 3, "lane", "\"bulk\"");
	expect(&s, 3, "count", "40");
	expect(&s, 4, "exit_status", "137");
	expect(&s, 4, "signal", "\"SIGKILL\"");
	expect(&s, 5, "lost", "40");
	assert_int_equal(recorder_counts(s.recorder)->lost[HD_LANE_BULK], 40);
	assert_int_equal(recorder_counts(s.recorder)->lost[HD_LANE_CRITICAL], 0);
	recorder_free(s.recorder);
}

/* Who reads the JSON goes away: the session goes on, and what was not written is lost; the ledger and one line tell. */
static void test_broken_file(void **state)
{
	struct session s;
	const struct recorder_end how = { .known = true };

	begin(&s);
	(void)close(s.read_fd);
	s.read_fd = -1;
	for (unsigned i = 0; i < 5; i++)
		push_exit(&s, agent.pid + i);
	*row(HD_PROCESS_EXIT) = (struct ledger_row){ .made = 5, .delivered = 5 };
	end(&s, &how);
	assert_int_equal(said, 1);
	assert_non_null(strstr(said_text, "Broken pipe"));
	const struct recorder_counts *c = recorder_counts(s.recorder);
	assert_int_equal(c->lost[HD_LANE_CRITICAL], 5);
	assert_int_equal(c->unbalanced, 0);
	recorder_free(s.recorder);
}

static void test_a_count_that_does_not_balance_is_told(void **state)
{
	struct session s;
	const struct recorder_end how = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT(65536);

	begin(&s);
	*row(HD_PROCESS_EXIT) = (struct ledger_row){ .made = 3, .delivered = 3 };
	end(&s, &how);
	assert_int_equal(recorder_counts(s.recorder)->unbalanced, HD_PROCESS_EXIT);
	struct summary summary = { .session = SESSION, .counts = recorder_counts(s.recorder), .end = &how };
	summary_write(&summary, &text);
	assert_non_null(strstr(text.data, "process_exit do not balance"));
	assert_null(strstr(text.data, "nothing lost"));
	recorder_free(s.recorder);
}

static void test_living(void **state)
{
	static struct frame f;
	struct living l = LIVING_INIT;
	int status;
	pid_t child = fork();

	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	/* Started now, by the same clock; the tick that /proc knows may be the next one. */
	struct actor a = { .pid = (uint32_t)getpid(), .start_ns = 1, .now_ns = 1 };
	frame_begin(&f, &a, HD_PROCESS_FORK, sizeof(f.fork));
	f.fork.child_pid = (uint32_t)child;
	f.fork.child_start_ns = clock_boottime_ns();
	living_frame(&l, f.bytes, f.h.size);
	/* The number of a process that lives, but another start: it was recycled. */
	f.fork.child_pid = (uint32_t)getpid();
	f.fork.child_start_ns = 1;
	living_frame(&l, f.bytes, f.h.size);
	/* A thread is no process. */
	f.fork.thread = 1;
	f.fork.child_pid = 4000001;
	living_frame(&l, f.bytes, f.h.size);
	assert_int_equal(l.ever, 2);
	assert_int_equal(living_signal(&l, SIGKILL), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(living_count(&l), 0);
	assert_int_equal(l.map.count, 0);
	living_done(&l);
}

static void test_exit_status(void **state)
{
	assert_int_equal(exit_status_of(0), 0);
	assert_int_equal(exit_status_of(255 << 8), 255);
	assert_int_equal(exit_status_of(SIGTERM), 143);
	assert_int_equal(exit_status_of(SIGSEGV | 0x80), 139);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_summary_names_the_worst),
		cmocka_unit_test(test_full_lane),
		cmocka_unit_test(test_broken_file),
		cmocka_unit_test(test_a_count_that_does_not_balance_is_told),
		cmocka_unit_test(test_living),
		cmocka_unit_test(test_exit_status),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* heddle run: start a command under observation. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/launcher.h"
#include "cli/observe-options.h"

enum {
	CANNOT_EXECUTE = 126,
	NOT_FOUND = 127,
};

enum {
	OPT_BEST_EFFORT = OBSERVE_OWN,
	OPT_FAIL_CLOSED,
	OPT_LINGER,
	OPT_KILL_REST,
	OPT_USER,
	OPT_CHDIR,
	OPT_MEMORY,
	OPT_TOOLS,
};

static const struct cli_option options[] = {
	OBSERVE_OPTIONS,
	{ OPT_LINGER, "linger", "TIME", "follow what the command leaves behind for so long (10s); default 0" },
	{ OPT_KILL_REST, "kill-rest", NULL, "end what the command leaves behind" },
	{ OPT_USER, "user", "NAME", "run the command as this user" },
	{ OPT_CHDIR, "chdir", "DIR", "run the command in this directory" },
	{ OPT_MEMORY, "memory", "SIZE", "let the command hold so much memory (2G); --guard default unless told" },
	{ OPT_TOOLS, "tool-cgroups", NULL, "give each program that the agent starts a cgroup of its own" },
	{ OPT_BEST_EFFORT, "best-effort", NULL, "run the command even if it can't be observed" },
	{ OPT_FAIL_CLOSED, "fail-closed", NULL, "stop, then kill the command when it can't be recorded" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "run",
	.synopsis = "[OPTION...] [--] COMMAND [ARGUMENT...]",
	.about = "Runs a command and records, from the kernel, what it and everything it starts do.\n"
		 "The exit status is the command's own (128 + signal where it died by one); 125 is a\n"
		 "failure of Heddle, 126 and 127 a command that can't be executed or is not there.",
	.options = options,
	.stop_at_operand = true,
};

struct run_args {
	struct observe_args observe;
	struct launcher_options launcher;
	int64_t linger_ns;
	bool kill_rest;
};

static enum watch_policy policy_of(int id)
{
	return id == OPT_FAIL_CLOSED ? WATCH_FAIL_CLOSED : WATCH_BEST_EFFORT;
}

#define MEMORY_MIN (4U << 20)

static int memory(struct run_args *args, const char *value)
{
	uint64_t size;

	if (text_parse_size(value, &size) < 0 || size < MEMORY_MIN)
		return cli_usage_error("run", "--memory takes a size of 4M or more, such as 512M or 2G, not '%s'",
				       value);
	args->observe.vitals.limit = size;
	return 0;
}

static int take_option(struct run_args *args, int id, const char *value)
{
	switch (id) {
	case OPT_BEST_EFFORT:
	case OPT_FAIL_CLOSED:
		if (args->launcher.policy != WATCH_DEFAULT && args->launcher.policy != policy_of(id))
			return cli_usage_error("run", "--best-effort and --fail-closed exclude each other");
		args->launcher.policy = policy_of(id);
		return 0;
	case OPT_LINGER:
		if (clock_parse_duration(value, &args->linger_ns) < 0 || args->linger_ns < 0)
			return cli_usage_error("run", "--linger takes a time such as 500ms, 10s or 2m, not '%s'",
					       value);
		return 0;
	case OPT_KILL_REST:
		args->kill_rest = true;
		return 0;
	case OPT_USER:
		args->launcher.workload.user = value;
		return 0;
	case OPT_CHDIR:
		args->launcher.workload.directory = value;
		return 0;
	case OPT_MEMORY:
		return memory(args, value);
	case OPT_TOOLS:
		args->observe.vitals.tools = true;
		return 0;
	default:
		return observe_option(&args->observe, "run", id, value);
	}
}

/* Before anything is opened or truncated: a command that is not there leaves everything as it was. */
static int check_command(const struct workload_options *workload)
{
	char program[PATH_MAX];
	struct err err = { 0 };
	int r = workload_find_program(workload, program, sizeof(program), &err);

	if (r >= 0)
		return 0;
	(void)cli_fail(&err);
	return r == -ENOENT ? NOT_FOUND : r == -ENOTDIR || r == -EINVAL ? CLI_FAILED : CANNOT_EXECUTE;
}

int cmd_run(int argc, char **argv)
{
	_cleanup_(observe_setup_done) struct observe_setup setup = OBSERVE_SETUP_INIT;
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct run_args args = { 0 };
	char directory[PATH_MAX];
	int option, code;

	launcher_reserve_streams();
	while ((option = cli_next(&parser)) > 0)
		if (take_option(&args, option, parser.value))
			return CLI_FAILED;
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next >= argc)
		return cli_usage_error("run", "no command given");
	args.launcher.workload.argv = argv + parser.next;
	code = check_command(&args.launcher.workload);
	if (code == 0)
		code = observe_prepare(&args.observe, &setup);
	if (code)
		return code;
	args.launcher.workload.session = setup.session;
	setup.options.vitals.user = args.launcher.workload.user;
	setup.options.linger_ns = args.linger_ns;
	setup.options.kill_rest = args.kill_rest;
	setup.options.fail_closed = args.launcher.policy == WATCH_FAIL_CLOSED;
	if (setup.options.flood == FLOOD_DEFAULT)
		setup.options.flood = FLOOD_SLOW;
	setup.options.recorder.command = args.launcher.workload.argv;
	if (args.launcher.workload.user)
		setup.options.recorder.user = args.launcher.workload.user;
	if (args.launcher.workload.directory && realpath(args.launcher.workload.directory, directory))
		setup.options.recorder.directory = directory;
	args.launcher.sensor.observer = setup.options;
	args.launcher.sensor.quiet = args.observe.quiet;
	args.launcher.sensor.color = term_color(stderr);
	/* From here on the launcher closes them. */
	setup.json_fd = setup.record_fd = setup.live_fd = -1;
	return launcher_run(&args.launcher);
}

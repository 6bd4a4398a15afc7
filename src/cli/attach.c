/* SPDX-License-Identifier: Apache-2.0 */
/* heddle attach: observe what runs already, until it is gone or until Ctrl-C. */
#include <signal.h>
#include <string.h>

#include "cli/launcher.h"
#include "cli/observe-options.h"
#include "cli/target.h"

enum {
	OPT_PID = OBSERVE_OWN,
	OPT_CGROUP,
	OPT_CONTAINER,
};

static const struct cli_option options[] = {
	{ OPT_PID, "pid", "N", "follow this process, its threads and all its descendants" },
	{ OPT_CGROUP, "cgroup", "PATH", "follow what runs in this cgroup (v2) and below" },
	{ OPT_CONTAINER, "container", "ID", "follow this container; at least 12 digits of its id" },
	OBSERVE_OPTIONS,
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "attach",
	.synopsis = "(--pid N | --cgroup PATH | --container ID) [OPTION...]",
	.about = "Records, from the kernel, what a process, cgroup or container does from now on, until\n"
		 "it is gone or until Ctrl-C. The target goes on as it was.",
	.options = options,
};

struct attach_args {
	struct observe_args observe;
	int kind; /* which of the three; 0: none yet */
	const char *value;
};

static int take_option(struct attach_args *args, int id, const char *value)
{
	if (id < OBSERVE_OWN)
		return observe_option(&args->observe, "attach", id, value);
	if (args->kind)
		return cli_usage_error("attach", "one target at a time: --pid, --cgroup or --container");
	args->kind = id;
	args->value = value;
	return 0;
}

static int find_target(const struct attach_args *args, struct target *ret)
{
	struct err err = { 0 };
	int r = args->kind == OPT_PID	 ? target_pid(args->value, ret, &err) :
		args->kind == OPT_CGROUP ? target_cgroup(args->value, ret, &err) :
					   target_container(args->value, ret, &err);

	if (r >= 0)
		return 0;
	(void)cli_fail(&err);
	return CLI_FAILED;
}

static void say(void *context, const char *text)
{
	(void)cli_error("%s", text);
}

static int follow(struct observe_setup *setup, const struct target *target, bool quiet)
{
	_cleanup_(observer_free_p) struct observer *o = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(65536);
	struct workload_places places;
	struct err err = { 0 };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	/* A reader of stderr that went away must not end the session. */
	sigaddset(&signals, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	target_places(target, &places);
	/* A process alone has no cgroup of its own: what its cgroup holds is others', too. */
	if (!*places.cgroup)
		setup->options.vitals.off = true;
	if (observer_open(&setup->options, &o, &err) < 0 ||
	    observer_begin(o, &places, false, target->pids_n ? target->pids[0] : 0, target->pids, target->pids_n,
			   &err) < 0) {
		(void)cli_fail(&err);
		return CLI_FAILED;
	}
	if (!quiet)
		(void)cli_error("following %s; Ctrl-C ends", target->words);
	int r = observer_run(o);
	if (r < 0)
		(void)cli_error("the session ended early: %s", strerror(-r));
	if (!quiet) {
		observer_summary(o, term_color(stderr), &text);
		(void)fputs(text.data ? text.data : "", stderr);
	}
	return r < 0 ? CLI_FAILED : CLI_OK;
}

int cmd_attach(int argc, char **argv)
{
	_cleanup_(observe_setup_done) struct observe_setup setup = OBSERVE_SETUP_INIT;
	_cleanup_(target_done) struct target target = { 0 };
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct attach_args args = { 0 };
	int option, code;

	launcher_reserve_streams();
	while ((option = cli_next(&parser)) > 0)
		if (take_option(&args, option, parser.value))
			return CLI_FAILED;
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next < argc)
		return cli_usage_error("attach", "takes no operand, got '%s'", argv[parser.next]);
	if (!args.kind)
		return cli_usage_error("attach", "no target given: --pid, --cgroup or --container");
	/* Who is attached to was there before us: it is slowed on request only, and by its cgroup. */
	if (args.observe.flood == FLOOD_DEFAULT)
		args.observe.flood = FLOOD_LOSE;
	if (args.observe.flood != FLOOD_LOSE && args.kind == OPT_PID)
		return cli_usage_error("attach", "--flood %s needs --cgroup or --container: a process alone has no "
						 "cgroup to freeze", flood_policy_name(args.observe.flood));
	if (vitals_limits(&args.observe.vitals) && args.kind == OPT_PID)
		return cli_usage_error("attach", "--guard needs --cgroup or --container: a process alone has no cgroup "
						 "to measure");
	code = find_target(&args, &target);
	if (code == 0)
		code = observe_prepare(&args.observe, &setup);
	if (code)
		return code;
	setup.options.recorder.target = target.words;
	setup.options.recorder.directory = NULL;
	setup.options.recorder.say = say;
	return follow(&setup, &target, args.observe.quiet);
}

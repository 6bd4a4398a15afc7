/* SPDX-License-Identifier: Apache-2.0 */
/* Options that run and attach share. */
#include "cli/observe-options.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"

static int lane_size(const char *command, const char *option, const char *value, uint64_t *ret)
{
	uint64_t size;

	/* The ring's own condition; the kernel's message would not say so. */
	if (text_parse_size(value, &size) < 0 || size < 4096 || size > (1U << 30) || (size & (size - 1)) != 0)
		return cli_usage_error(command, "--%s must be a power of two from 4K to 1G, not '%s'", option, value);
	*ret = size;
	return 0;
}

static int tier(struct observe_args *args, const char *command, const char *value)
{
	if (sensor_tier_parse(value, &args->sensor.tier))
		return 0;
	return cli_usage_error(command, "--tier is 'lsm' or 'tracepoint', not '%s'", value);
}

static int dns_port(struct observe_args *args, const char *command, const char *value)
{
	uint64_t port;

	if (cli_parse_uint(value, 65535, &port) < 0 || port == 0)
		return cli_usage_error(command, "--dns-port takes a port from 1 to 65535, not '%s'", value);
	if (port == 53)
		return 0;
	if (args->dns_ports_n >= HD_MAX_DNS_PORTS)
		return cli_usage_error(command, "--dns-port can be given %d times at most", HD_MAX_DNS_PORTS);
	args->sensor.dns_ports[args->dns_ports_n++] = (uint16_t)port;
	return 0;
}

/* A list with commas. */
static int probes(struct observe_args *args, const char *command, const char *value)
{
	args->probes_told = true;
	args->vitals.probes_sched = args->vitals.probes_block = false;
	if (strcmp(value, "none") == 0)
		return 0;
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, ",");

		if (n == 5 && memcmp(p, "sched", n) == 0)
			args->vitals.probes_sched = true;
		else if (n == 5 && memcmp(p, "block", n) == 0)
			args->vitals.probes_block = true;
		else
			return cli_usage_error(command,
					       "--probes is a list of 'sched' and 'block', or 'none', not '%s'", value);
		p += n + (p[n] == ',');
	}
	return *value ? 0 : cli_usage_error(command, "--probes needs a list: 'sched', 'block', both, or 'none'");
}

static int guard(struct observe_args *args, const char *command, const char *value)
{
	struct err err = { 0 };

	if (guard_policy_parse(value, &args->vitals.policy, &err) < 0)
		return cli_usage_error(command, "%s", err.text);
	args->vitals.guarded = strcmp(value, "off") != 0;
	args->guard_told = true;
	return 0;
}

static int agent(struct observe_args *args, const char *command, const char *value)
{
	if (!*value || strlen(value) >= sizeof(args->vitals.policy.agent))
		return cli_usage_error(command,
				       "--agent takes a process's name of 1 to 15 bytes, as ps -o comm shows "
				       "it, not '%s'",
				       value);
	args->agent = value;
	return 0;
}

int observe_option(struct observe_args *args, const char *command, int id, const char *value)
{
	switch (id) {
	case OBSERVE_JSON:
		if (strcmp(value, "-") == 0)
			return cli_usage_error(command, "--json needs a file: standard output is the command's "
							"(a descriptor can be named as /dev/fd/N)");
		args->json = value;
		return 0;
	case OBSERVE_QUIET:
		args->quiet = true;
		return 0;
	case OBSERVE_NO_STORE:
		args->no_store = true;
		return 0;
	case OBSERVE_LIVE:
		args->live = true;
		return 0;
	case OBSERVE_CRITICAL:
		return lane_size(command, "critical-bytes", value, &args->sensor.critical_bytes);
	case OBSERVE_BULK:
		return lane_size(command, "bulk-bytes", value, &args->sensor.bulk_bytes);
	case OBSERVE_TIER:
		return tier(args, command, value);
	case OBSERVE_DNS_PORT:
		return dns_port(args, command, value);
	case OBSERVE_FLOOD:
		if (flood_policy_parse(value, &args->flood) < 0)
			return cli_usage_error(command, "--flood is 'slow', 'slow-all' or 'lose', not '%s'", value);
		return 0;
	case OBSERVE_RECORD:
		args->record = value;
		return 0;
	case OBSERVE_NO_VITALS:
		args->vitals.off = true;
		return 0;
	case OBSERVE_PROBES:
		return probes(args, command, value);
	case OBSERVE_GUARD:
		return guard(args, command, value);
	case OBSERVE_AGENT:
		return agent(args, command, value);
	default:
		return cli_usage_error(command, "unknown option");
	}
}

static int open_output(const char *path, int *ret)
{
	if (!path)
		return 0;
	*ret = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	return *ret < 0 ? cli_error("can't write to %s: %s", path, strerror(errno)) : 0;
}

static void find_user(char *ret, size_t size)
{
	const struct passwd *entry = getpwuid(getuid());

	if (entry)
		(void)snprintf(ret, size, "%s", entry->pw_name);
	else
		(void)snprintf(ret, size, "%u", getuid());
}

/* What the options say together. */
static void vitals(const struct observe_args *args, struct observe_setup *ret)
{
	struct vitals_options *v = &ret->options.vitals;

	*v = args->vitals;
	if (!args->probes_told)
		v->probes_sched = v->probes_block = true;
	/* Who sets a limit wants no work lost to it. */
	if (v->limit && !args->guard_told && guard_policy_parse("default", &v->policy, NULL) == 0)
		v->guarded = true;
	if (args->agent)
		(void)snprintf(v->policy.agent, sizeof(v->policy.agent), "%s", args->agent);
	ret->options.recorder.memory_limit = v->limit;
	if (!v->guarded)
		return;
	guard_policy_describe(&v->policy, ret->guard, sizeof(ret->guard));
	ret->options.recorder.guard = ret->guard;
}

int observe_prepare(const struct observe_args *args, struct observe_setup *ret)
{
	struct err err = { 0 };

	/* Before any file of the user's is opened and cut. */
	if (args->vitals.off && (vitals_limits(&args->vitals) || args->probes_told)) {
		(void)cli_error("--no-vitals leaves nothing to guard: leave it out, or --memory, --guard, "
				"--tool-cgroups and --probes");
		return CLI_FAILED;
	}
	if (!args->no_store && store_home(ret->home, sizeof(ret->home), &err) < 0) {
		(void)cli_fail(&err);
		return CLI_FAILED;
	}
	if (open_output(args->json, &ret->json_fd) || open_output(args->record, &ret->record_fd))
		return CLI_FAILED;
	if (args->live)
		ret->live_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	store_new_id(ret->session);
	if (!getcwd(ret->directory, sizeof(ret->directory)))
		ret->directory[0] = '\0';
	find_user(ret->user, sizeof(ret->user));
	ret->options = (struct observer_options){
		.sensor = args->sensor,
		.flood = args->flood,
		.record_fd = ret->record_fd,
		.control_fd = -1,
		.recorder = {
			.session = ret->session,
			.home = args->no_store ? NULL : ret->home,
			.json_fd = ret->json_fd,
			.live_fd = ret->live_fd,
			.directory = ret->directory,
			.user = ret->user,
			.heddle_version = HEDDLE_VERSION,
		},
	};
	/* After the struct is in its place: it is borrowed from there. */
	ret->options.recorder.dns_ports = args->sensor.dns_ports;
	vitals(args, ret);
	return 0;
}

void observe_setup_done(struct observe_setup *s)
{
	close_fd(&s->json_fd);
	close_fd(&s->record_fd);
	close_fd(&s->live_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The options that `run` and `attach` have in common, and how they become an observer's. */
#pragma once

#include <limits.h>

#include "cli/cli.h"
#include "cli/observer.h"

/* Ids of the common options; a command's own start at OBSERVE_OWN. */
enum {
	OBSERVE_JSON = 1,
	OBSERVE_QUIET,
	OBSERVE_NO_STORE,
	OBSERVE_CRITICAL,
	OBSERVE_BULK,
	OBSERVE_TIER,
	OBSERVE_DNS_PORT,
	OBSERVE_RECORD,
	OBSERVE_LIVE,
	OBSERVE_FLOOD,
	OBSERVE_NO_VITALS,
	OBSERVE_PROBES,
	OBSERVE_GUARD,
	OBSERVE_AGENT,
	OBSERVE_OWN,
};

/* clang-format off */
#define OBSERVE_OPTIONS \
	{ OBSERVE_JSON, "json", "FILE", "write every event to FILE, one JSON object a line" }, \
	{ OBSERVE_LIVE, "live", NULL, "print events on stderr as they happen" }, \
	{ OBSERVE_QUIET, "quiet", NULL, "no summary at the end" }, \
	{ OBSERVE_NO_STORE, "no-store", NULL, "keep nothing in $HEDDLE_HOME" }, \
	{ OBSERVE_DNS_PORT, "dns-port", "PORT", "read DNS on this port as well as on 53; may be repeated" }, \
	{ OBSERVE_TIER, "tier", "NAME", "use this tier of hooks (lsm, tracepoint) or fail" }, \
	{ OBSERVE_CRITICAL, "critical-bytes", "SIZE", "size of the critical lane; a power of two (2M)" }, \
	{ OBSERVE_BULK, "bulk-bytes", "SIZE", "size of the bulk lane; a power of two (4M)" }, \
	{ OBSERVE_FLOOD, "flood", "POLICY", "where events come too fast: slow (the workload), slow-all, lose" }, \
	{ OBSERVE_RECORD, "record", "FILE", "write the raw lanes to FILE, for a replay" }, \
	{ OBSERVE_GUARD, "guard", "POLICY", "what to do before memory runs out: default, tell, off, rungs, a file" }, \
	{ OBSERVE_AGENT, "agent", "NAME", "the process that is the agent, where it is not found by itself" }, \
	{ OBSERVE_PROBES, "probes", "LIST", "what the kernel counts for vitals: sched,block (both) or none" }, \
	{ OBSERVE_NO_VITALS, "no-vitals", NULL, "measure no memory, CPU, I/O or pressure" }
/* clang-format on */

struct observe_args {
	const char *json, *record;
	bool quiet, no_store, live;
	struct sensor_options sensor;
	enum flood_policy flood;
	size_t dns_ports_n;
	struct vitals_options vitals;
	bool probes_told, guard_told; /* --probes, --guard were given */
	const char *agent;
};

/* What the arguments became; fds are owned. */
struct observe_setup {
	struct observer_options options;
	char session[37];
	char home[PATH_MAX];
	char directory[PATH_MAX];
	char user[256];
	char guard[512];
	int json_fd, record_fd, live_fd;
};
#define OBSERVE_SETUP_INIT ((struct observe_setup){ .json_fd = -1, .record_fd = -1, .live_fd = -1 })

/* Takes one common option. 0, or CLI_FAILED after saying what is wrong. */
int observe_option(struct observe_args *args, const char *command, int id, const char *value);

/*
 * Opens and truncates the files and fills in all that does not depend on the command. 0, or CLI_FAILED after saying
 * what is wrong.
 */
int observe_prepare(const struct observe_args *args, struct observe_setup *ret);
void observe_setup_done(struct observe_setup *s);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of `run`: starts the sensor process and the command, passes signals and job control, and returns
 * what the command returned.
 */
#pragma once

#include "cli/sensor-process.h"
#include "cli/watch.h"
#include "workload/workload.h"

struct launcher_options {
	struct sensor_process_options sensor;
	struct workload_options workload; /* all but mask and ignore_sigchld */
	enum watch_policy policy;         /* what becomes of the command when it can't be observed or recorded */
};

/* Fills closed standard streams with placeholders that close on exec, so that no file of ours lands there. */
void launcher_reserve_streams(void);

/* Runs it all. Errors are said on stderr. Returns the exit code. */
int launcher_run(const struct launcher_options *options);

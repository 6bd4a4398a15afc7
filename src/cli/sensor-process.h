/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/observer.h"

struct sensor_process_options {
	struct observer_options observer; /* all but control */
	bool quiet;                       /* no summary */
	bool color;                       /* in the summary */
};

/*
 * The child's side of the fork: leaves the session and the terminal, loads the sensor, follows what the launcher tells
 * and reports over fd. All signals must be blocked. Never returns.
 */
_Noreturn void sensor_process(const struct sensor_process_options *options, int fd);

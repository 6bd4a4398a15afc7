/* SPDX-License-Identifier: Apache-2.0 */
/* heddle doctor --self-test: every hook fired once, and what each answered. */
#pragma once

#include <stdbool.h>

#include "sensor/sensor.h"

/*
 * Prints a table, or one JSON object, with a row for each canary. Returns the exit code: 0 where every hook of the tier
 * answered, 1 where one did not or nothing can be observed, 125 when that can't be told.
 */
int self_test(enum sensor_tier tier, bool as_json);

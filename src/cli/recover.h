/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session whose sensor died without a word (SIGKILL, a crash, the machine) is ended by whoever survived: a gap from
 * the last sign of life, an end line that is marked as interrupted, and the counts as far as they were known.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct recover_death {
	const char *why;    /* in words */
	bool known;         /* how the command ended */
	int status;         /* wait status */
	int64_t offset_ns;  /* UTC less CLOCK_BOOTTIME, as the session began; 0: unknown */
	int json_fd;        /* the JSON file, borrowed; -1: none. Only a regular file is continued */
};

/*
 * By the launcher, once the sensor is gone; home NULL: nothing is stored. What is not to be continued (it has its end,
 * it never began) is 0. A line that the sensor could not finish is taken out of the JSON file.
 */
int recover_session(const char *home, const char *id, const struct recover_death *death, struct err *err);

/*
 * By who only came to read: ends the session if its sensor and its launcher are gone and it may be written here. Says
 * nothing when it can't; the reader then shows it as interrupted all the same.
 */
void recover_found(const char *home, const char *id);
void recover_all(const char *home); /* every session of the home that is in need of it */

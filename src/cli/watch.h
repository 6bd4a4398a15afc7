/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the launcher makes of the sensor's signs of life: pure decisions, with the time as a parameter, so that each
 * can be tested. docs/blinding.md has the table of the policies.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WATCH_BEAT_MS 500  /* how often the sensor tells that it lives */
#define WATCH_LATE_MS 3000 /* silent for so long, it is in trouble */
#define WATCH_TRY_MS 10000 /* how long a trouble may last before it is the end */
#define WATCH_WHY_MAX 512

enum watch_policy {
	WATCH_DEFAULT,     /* no sensor, no command; a record that can't be written is counted as lost */
	WATCH_BEST_EFFORT, /* the command goes on, whatever happens */
	WATCH_FAIL_CLOSED, /* no record, no command: frozen at once, then killed */
};

struct watch {
	enum watch_policy policy;
	bool on;           /* between the opening of the gate and the command's end */
	int64_t beat_ms;   /* monotonic, the last sign of life */
	int64_t since_ms;  /* the trouble began; 0: all is well, and has been for a while */
	int64_t bad_ms;    /* the latest time that there was one */
	bool bad;          /* there is one now */
	bool held;         /* the trouble: something keeps the sensor from running */
	bool frozen;       /* the command is */
	char why[WATCH_WHY_MAX];
};

enum watch_order {
	WATCH_NOTHING,
	WATCH_FREEZE, /* the command; watch.why says for what */
	WATCH_THAW,
	/*
	 * Also for a trouble that comes and goes: a full disk has room for a word now and then, but not for the record.
	 */
	WATCH_KILL,   /* the command, and the sensor if watch_silent */
};

void watch_start(struct watch *w, int64_t now_ms);
/* The sensor lives; why: what it can't record, NULL: it records all. */
enum watch_order watch_beat(struct watch *w, int64_t now_ms, const char *why);
/* The clock went on. held: something keeps the sensor from running (a stop, a tracer, another cgroup), in words. */
enum watch_order watch_look(struct watch *w, int64_t now_ms, const char *held);
/* Whether the trouble at hand is that nothing is heard of the sensor. */
bool watch_silent(const struct watch *w, int64_t now_ms);

/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of probes-test stand on: TAP, scratch cgroups, tasks that act when told to, procfs' own counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "sensor/vitals-probes.h"

extern unsigned tests, failures;
extern char mount[128]; /* of the v2 hierarchy */
extern char scratch[256]; /* a cgroup of the test's own */

#define say(...)                            \
	do {                                \
		(void)printf("# " __VA_ARGS__); \
		(void)fflush(stdout);       \
	} while (0)

/* A process in a cgroup that acts when it is told to and stands still before and after. */
struct actor {
	pid_t pid;
	int go, done;
};

typedef void act_fn(void *argument);

struct truth {
	uint64_t voluntary, forced;
	uint64_t wait_ns, waits; /* those that ended by running; the time is also of those that ended by a move */
	uint64_t read_bytes, write_bytes;
};

struct watch {
	struct vitals_probes *probes;
	uint64_t id;
	bool ticks; /* while actors act the probes are looked after as a sampler does it */
};

void result(bool good, const char *name);
void skip(const char *name, const char *why);
_Noreturn void bail(const char *what);
void write_text(const char *path, const char *text);
bool read_text(const char *path, char *ret, size_t size);
void cgroup_make(char *ret, size_t size, const char *above, const char *name);
uint64_t cgroup_id(const char *path, unsigned *ret_level);
void cgroup_enter(const char *path);
void cgroup_remove(const char *path);
void actor_start(struct actor *a, const char *cgroup, act_fn *act, void *argument);
void actor_go(struct actor *a);
bool wait_state(pid_t pid, char state);
void actor_still(struct actor *a);
void actor_done(struct actor *a);
void actor_end(struct actor *a);
struct truth truth_of(const struct actor *a, size_t n);
uint64_t waits(const struct vitals_histogram *h);
void watch_open(struct watch *w, const char *cgroup, bool only, unsigned probes);
struct vitals_probed watch_read(struct watch *w);
void watch_close(struct watch *w);
void act_once(struct watch *w, struct actor *a, size_t n, struct vitals_probed *ret, struct truth *ret_truth);

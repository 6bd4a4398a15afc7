/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sensor: probes what the kernel allows, loads and attaches the programs of the best tier, and reads the two
 * lanes. Only bpf-backend.c and bpf-probe.c include libbpf; replay-backend.c feeds recorded lanes through the same
 * calls, without a kernel and without root.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "track/ledger.h"

enum sensor_tier {
	SENSOR_TIER_NONE = 0,
	SENSOR_TIER_TRACEPOINT, /* BTF raw tracepoints */
	SENSOR_TIER_LSM,	/* and LSM, fentry */
};
const char *sensor_tier_name(enum sensor_tier tier); /* "none", "tracepoint", "lsm" */
bool sensor_tier_parse(const char *name, enum sensor_tier *ret); /* "tracepoint", "lsm"; false: neither */

struct sensor_options {
	uint64_t critical_bytes; /* ring sizes: powers of two, at least a page; 0: default */
	uint64_t bulk_bytes;
	enum sensor_tier tier;		      /* NONE: the best there is; else exactly this one, or an error */
	uint16_t dns_ports[HD_MAX_DNS_PORTS]; /* besides 53; 0 ends */
};

/* One hook as doctor and the session line show it. */
struct sensor_hook {
	const char *name;     /* "tp_btf/sys_exit" */
	const char *provides; /* what it sees, in words */
	enum sensor_tier tier;
	bool attached;
	bool required; /* without it there is no sensor */
	bool silent;   /* attached, but no canary of it was answered, or not each one */
	bool untried;  /* attached, but a canary of it could not be tried */
	char why_not[160]; /* when not attached, silent or untried */
};

struct sensor;

/* Frame is valid during the call only. Negative errno stops the poll and is returned from it. */
typedef int (*sensor_frame_fn)(void *context, const void *frame, size_t size);

/* Probes, loads, attaches; captures nothing yet. Errors: -EPERM, -ENOSYS (no BTF, too old), ..., with the text. */
int sensor_open(const struct sensor_options *options, struct sensor **ret, struct err *err);
void sensor_free(struct sensor *s); /* detaches; NULL is fine */
DEFINE_CLEANUP(struct sensor *, sensor_free);

/* The frames of a recording instead (recording.h): every other call works the same. */
int sensor_open_replay(const char *path, struct sensor **ret, struct err *err);

/* ---- canaries ---- */

#define SENSOR_CANARIES_MAX 64

enum sensor_answer {
	SENSOR_SILENT = 0, /* it was done, and nothing was seen of it */
	SENSOR_ANSWERED,
	SENSOR_UNTRIED,    /* it could not be done here */
};

/* One act that a hook should have answered. Texts are static but why. */
struct sensor_canary {
	const char *hook;
	const char *part; /* of the hook's work, where one act does not show all of it; NULL: all */
	const char *act;  /* in words */
	enum sensor_answer answer;
	int64_t took_ns;  /* answered: from the act's start to the frame's time; -1: it bears none */
	char why[96];     /* not answered */
};

/*
 * Has each attached hook fire once, harmlessly, by a child of the caller in a scratch workload that is removed again,
 * and marks those that do not answer in sensor_hooks. To be called before sensor_follow, of which it leaves no trace:
 * counts and sequences start anew. Some milliseconds. Where there is no place for the acts they are untried. Errors,
 * with text: a required hook answers nothing at all, or the kernel fails us.
 */
int sensor_canaries(struct sensor *s, struct err *err);

/* Of the last sensor_canaries, 0 before it; *ret borrowed. */
size_t sensor_canary_rows(const struct sensor *s, const struct sensor_canary **ret);

/*
 * Capture begins: the cgroup subtree at cgroup_path (a directory of the v2 hierarchy), and all descendants of what
 * runs in it. With pids: these processes, with all their threads and living descendants, as well. Either may be
 * empty (NULL, 0), not both. self is a pid whose process is never captured (0: the caller's).
 */
int sensor_follow(struct sensor *s, const char *cgroup_path, const uint32_t *pids, size_t pids_n, struct err *err);

/*
 * Capture ends, for good: when it returns, every frame that there will be is in the lanes. running: processes of the
 * workload live, so that it has to wait (some 20 ms) for those that are in a hook at this moment.
 */
void sensor_stop(struct sensor *s, bool running);

/*
 * Reads what is there, in order of time over both lanes, then waits up to timeout_ms for more if nothing was.
 * Returns the number of frames given to fn, 0 after a quiet timeout, negative errno. *at_end is set by a replay.
 */
int sensor_poll(struct sensor *s, int timeout_ms, sensor_frame_fn fn, void *context, bool *at_end);

/* Readable when a lane wants attention; for a caller's own epoll. -1: none. */
int sensor_fd(const struct sensor *s);

/*
 * For a thread beside the one that polls. The descriptor (of the sensor, -1: none) becomes readable by edge each time
 * the critical lane is found to be over an eighth full, or the bulk lane over a half, and when something urgent was put
 * in. The fill is in thousandths of the lane's room.
 */
int sensor_alarm_fd(const struct sensor *s);
unsigned sensor_fill(const struct sensor *s, enum hd_lane lane);

/*
 * Once it has told of a lane it is silent until the lane is read, or until this. Whoever is about to wait for the
 * descriptor calls it, then looks at the fill once more.
 */
void sensor_rearm(const struct sensor *s, enum hd_lane lane);

/*
 * While it is on and the lane is more than three quarters full, each call of the workload's that makes events is held
 * up by a fifth of a millisecond, or until there is room. For the time until somebody has stopped who floods.
 */
void sensor_brake(const struct sensor *s, enum hd_lane lane, bool on);

/* Makes the kernel hand over its folds (all = false: those older than a second). */
int sensor_flush(struct sensor *s, bool all);

/* The kernel side's counts: made, folded, lost; delivered is frames submitted. */
int sensor_ledger(struct sensor *s, struct ledger *ret);

/* A process in the v2 cgroup of that directory or below it; 0: there is none. */
uint32_t sensor_process_in(const char *cgroup);

enum sensor_tier sensor_tier(const struct sensor *s);
/* Returns the number of hooks; *ret borrowed. */
size_t sensor_hooks(const struct sensor *s, const struct sensor_hook **ret);
/* What this tier can't see, one sentence each; NULL-terminated, static. */
const char *const *sensor_blind(const struct sensor *s);
/*
 * What is not seen since this hook, which the tier should have, is not attached, silent or untried: one sentence into
 * ret. False, and "": nothing to say.
 */
bool sensor_hook_blind(const struct sensor_hook *hook, enum sensor_tier tier, char *ret, size_t size);

/* What doctor prints, without loading anything it need not. Always fills *ret. */
struct sensor_probe {
	char kernel[128];
	char lockdown[32]; /* "none", "integrity", "confidentiality", "unknown" */
	bool btf, root, bpf, ringbuf, lsm, fentry, cgroup2;
	char lsm_why[160], fentry_why[160], bpf_why[160];
	char cgroup2_mount[128];
	enum sensor_tier best;
};
void sensor_probe(struct sensor_probe *ret);
/*
 * Every hook that any tier has, as the probe finds this kernel: none attached, why_not filled where it can't be. At
 * most room are written; returns how many were.
 */
size_t sensor_hooks_probed(const struct sensor_probe *p, struct sensor_hook *ret, size_t room);

/* SPDX-License-Identifier: Apache-2.0 */
/* What feeds a sensor: the kernel (bpf-backend.c) or a recording (replay-backend.c). Private to src/sensor. */
#pragma once

#include "sensor/sensor.h"

struct sensor_backend {
	void (*free)(void *self);
	int (*follow)(void *self, const char *cgroup_path, const uint32_t *pids, size_t pids_n, struct err *err);
	/* No frame comes after it. now: whoever could make one may be at it at this moment. NULL: none ever does. */
	void (*stop)(void *self, bool now);
	/* Fixes what peek may give until the next snapshot. */
	void (*snapshot)(void *self);
	/* Next frame of a lane, or NULL; borrowed until release. */
	const void *(*peek)(void *self, enum hd_lane lane, size_t *ret_size);
	void (*next)(void *self, enum hd_lane lane);
	void (*release)(void *self);
	/* Waits until there may be something. Returns 0, or negative errno. */
	int (*wait)(void *self, int timeout_ms);
	/* After frames were read: lets some more gather, so that reading does not follow each frame around. */
	void (*rest)(void *self);
	bool (*at_end)(void *self);
	int (*fd)(void *self);
	/* As sensor_alarm_fd, sensor_fill, sensor_rearm and sensor_brake; NULL: nobody can flood it. */
	int (*alarm_fd)(void *self);
	unsigned (*fill)(void *self, enum hd_lane lane);
	void (*rearm)(void *self, enum hd_lane lane);
	void (*brake)(void *self, enum hd_lane lane, bool on);
	int (*flush)(void *self, bool all);
	int (*ledger)(void *self, struct ledger *ret);
	/* As if nothing had ever been followed: no target, no counts, nothing remembered. NULL: nothing can be. */
	int (*forget)(void *self);
	enum sensor_tier (*tier)(void *self);
	size_t (*hooks)(void *self, const struct sensor_hook **ret);
};

struct sensor {
	const struct sensor_backend *backend;
	void *self;
	struct sensor_tested *tested; /* owned; NULL: no canary has sung */
};

/* What the canaries left. */
struct sensor_tested {
	struct sensor_hook *hooks; /* the backend's, marked */
	size_t hooks_n;
	struct sensor_canary rows[SENSOR_CANARIES_MAX];
	size_t rows_n;
};

/* Makes a sensor of a backend and takes over `self`; on failure it is freed. */
int sensor_of_backend(const struct sensor_backend *backend, void *self, struct sensor **ret, struct err *err);

#define CALL_NONE 511 /* no call has this number */

/* i386 call number -> x86-64 number, with an HD_FORM_ from bit HD_FORM_SHIFT up; CALL_NONE where there is none. */
void sensor_compat_numbers(uint16_t ret[512]);
/* The x32 ABI's own numbers, from 512 up, -> x86-64 number; CALL_NONE where there is none. */
void sensor_x32_numbers(uint16_t ret[64]);

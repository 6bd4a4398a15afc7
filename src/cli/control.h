/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the launcher and the sensor process of `run` tell each other, one message a packet of a SOCK_SEQPACKET pair.
 * Both are the same program, so the form is plain memory.
 */
#pragma once

#include <stdint.h>

#include "workload/workload.h"

enum control_kind {
	/* from the launcher */
	CONTROL_FOLLOW = 1, /* value: pid at the gate; text: its cgroups (control_places) */
	CONTROL_EXITED,     /* value: wait status; text: why we ended it and all that it left, "" if we did not */
	CONTROL_SIGNALED,   /* somebody sent the command a signal to end: a guard must not hold it */
	/* from the sensor process */
	CONTROL_FOLLOWING,  /* the gate may open */
	CONTROL_FAILED,     /* value: errno; text: why nothing is observed. The last message */
	CONTROL_SAY,        /* text: one line for stderr */
	CONTROL_SUMMARY,    /* text: lines for stderr, as they are */
	CONTROL_FINISHED,   /* all is written. The last message */
	CONTROL_BEAT,       /* the sensor lives; text: what it can't record, "" if it records all */
};

#define CONTROL_TEXT_MAX 8192

struct control {
	uint32_t kind;
	int32_t value;
	char text[CONTROL_TEXT_MAX]; /* terminated */
};

/* Sends; text may be NULL. Cuts a text that is too long. 0 or negative errno; -EPIPE when nobody listens. */
int control_send(int fd, enum control_kind kind, int value, const char *text);

/*
 * Sends a CONTROL_BEAT, why may be NULL, unless the other side has not read yet what it was sent before: a beat never
 * makes anyone wait.
 */
void control_beat(int fd, const char *why);

/* Receives one. 1, 0 when the other side is gone, negative errno. */
int control_receive(int fd, struct control *ret);

/* CONTROL_FOLLOW: a command and its cgroups. No cgroup's path has a newline in it: the kernel refuses those. */
int control_follow(int fd, pid_t pid, const struct workload_places *places);
void control_places(const struct control *message, struct workload_places *ret);

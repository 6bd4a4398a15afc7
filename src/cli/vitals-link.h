/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process beside the sensor that reads a workload's vitals, forecasts and guards. It is forked before the sensor
 * gives up what a guard needs (new processes, signals, cgroup files), and says what it has to say over a socket, one
 * message a packet; both are the same program, so the form is plain memory.
 */
#pragma once

#include "base/err.h"
#include "vitals/guard-policy.h"
#include "vitals/source.h"
#include "workload/workload.h"

struct vitals_options {
	bool off; /* no vitals at all */
	bool probes_sched, probes_block;
	uint64_t limit; /* of --memory; 0: none */
	bool guarded;	/* policy is in force */
	bool tools;	/* each child of the agent gets a cgroup of its own */
	struct guard_policy policy;
	const char *session, *home; /* home NULL: nothing is stored */
	const char *directory;	    /* the command's; NULL: unknown */
	const char *user;	    /* of --user; NULL: ours */
};

/* Whether the command has to be put where a limit can be set. */
bool vitals_limits(const struct vitals_options *o);

enum vitals_message_kind {
	/* to the process */
	VITALS_BEGIN = 1, /* places, pid */
	VITALS_END,	  /* tell the rest and exit */
	VITALS_YIELD,	  /* somebody wants the command to end: it must not stand still */
	/* from it */
	VITALS_READY,	 /* the limit is set */
	VITALS_FAILED, /* value: errno; text: why the limit can't be set. The last */
	VITALS_LINE,   /* type, time_ns, text: a JSON object of members for a line of the session */
	VITALS_SAY,    /* text: one line for stderr */
	VITALS_BEAT,   /* it lives, and has nothing to tell */
	VITALS_DONE,   /* the last */
};

#define VITALS_TEXT_MAX (16U << 10)
#define VITALS_TYPE_MAX 16
#define VITALS_WORDS_MAX 256

struct vitals_message {
	uint32_t kind;
	int32_t value;	 /* VITALS_LINE of a guard: what came of it, 0 or negative errno */
	uint32_t missed; /* VITALS_LINE: lines before this one that nobody took */
	uint64_t time_ns; /* boottime */
	char type[VITALS_TYPE_MAX];
	char words[VITALS_WORDS_MAX]; /* VITALS_LINE of a guard or a forecast: the same for people; "": nothing to fear
				       */
	union {
		struct {
			struct workload_places places;
			uint32_t pid;
		} begin;
		char text[VITALS_TEXT_MAX]; /* terminated */
	};
};

struct vitals_link {
	int fd; /* -1: there is no such process, or it is gone */
	pid_t pid;
	int64_t heard_ns; /* monotonic: when it last said something, or was reminded to */
	bool reminded;
};
#define VITALS_LINK_INIT ((struct vitals_link){ .fd = -1 })

/* Forks the process; options are copied by that. 0 or negative errno. */
int vitals_link_start(const struct vitals_options *options, struct vitals_link *ret);
/* Waits until the process is ready: 0, or negative errno with text. */
int vitals_link_begin(struct vitals_link *l, const struct workload_places *places, uint32_t pid, struct err *err);
/* The next message, without waiting: 1, 0 when there is none, negative errno; -EPIPE: the process is gone, fd is -1. */
int vitals_link_next(struct vitals_link *l, struct vitals_message *ret);
/*
 * To be called now and then, when there is no message. A process that has been silent for longer than it ever is,
 * because somebody stopped it, is let go on, then killed: the next message is its end. True when that was so.
 */
bool vitals_link_watch(struct vitals_link *l);
/* Asks for the end; messages until VITALS_DONE follow. */
void vitals_link_end(struct vitals_link *l);
/* Lets a command go on that the guard stopped: it has a signal to take. */
void vitals_link_yield(struct vitals_link *l);
void vitals_link_close(struct vitals_link *l);

/*
 * The places of a workload as its vitals are read. v2, v1: where the hierarchies are mounted, v1's that of the memory
 * controller. What is returned points into all three.
 */
struct vitals_places vitals_link_places(const struct workload_places *places, const char *v2, const char *v1);

/* For both sides: sends one. 0 or negative errno (-EAGAIN: with MSG_DONTWAIT in flags). */
int vitals_send(int fd, const struct vitals_message *message, int flags);
/* 1; 0 when the other side is gone; negative errno. */
int vitals_receive(int fd, struct vitals_message *ret, int flags);

/* The process itself. Defined in vitals-process.c. */
_Noreturn void vitals_process(const struct vitals_options *options, int fd);

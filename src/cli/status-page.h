/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running session shows to `heddle top` and `heddle metrics`: one small file a session below $HEDDLE_RUN, else
 * /run/heddle (root) or $XDG_RUNTIME_DIR/heddle, written anew about once a second and removed at the end. The writer
 * holds a lock on it: a file whose lock is free was left by one that died. Both sides are the same program on the same
 * machine, so the form is plain memory.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "vitals/forecast.h"
#include "workload/workload.h"

#define STATUS_COMMAND_MAX 256
#define STATUS_WHY_MAX 256

struct status_page {
	uint64_t mark;	  /* of this version of the struct */
	uint64_t written; /* how often; the same at both ends of a page that is whole */
	char session[37];
	char command[STATUS_COMMAND_MAX]; /* one line, the user's bytes */
	uint32_t pid;			  /* of the command, or of the first that was attached to; 0: unknown */
	int64_t started_ns;		  /* UTC */
	struct workload_places places;
	uint64_t limit; /* of --memory; 0: none */
	uint64_t events, escapes, escapes_refused, lost;
	uint64_t acts;		       /* of the guard; 0: none, or there is no guard */
	char act[STATUS_WHY_MAX];      /* the last one, in words */
	char forecast[STATUS_WHY_MAX]; /* the last one, in words; "": nothing to fear */
	uint64_t time_ns;	       /* boottime */
	uint64_t written_too;
};

struct status_writer;

/* Where the pages are. 0; -ENOENT: nowhere, this user has no directory for what runs; -ENAMETOOLONG. */
int status_directory(char *ret, size_t size);
/* Errors leave a session without a page: nothing else depends on it. */
int status_open(const char *session, struct status_writer **ret);
/* Writes; mark and written are filled in. 0 or negative errno. */
int status_write(struct status_writer *w, struct status_page *page);
void status_close(struct status_writer *w); /* removes it; NULL is fine */
DEFINE_CLEANUP(struct status_writer *, status_close);

/*
 * Reads the pages of all sessions of this user that run: fn is called for each. Removes those that were left. 0, also
 * where there are none, or a negative errno of the directory.
 */
int status_each(void (*fn)(void *context, const struct status_page *page), void *context);

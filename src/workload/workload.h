/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a command gets its cgroup and starts: created in a cgroup of its own, held at a gate until the sensor follows
 * it, then released, so that its first observed act is its exec.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct workload;

struct workload_options {
	const char *session;   /* names the cgroup: heddle/<session> below the v2 mount */
	char *const *argv;     /* NULL-terminated; argv[0] is searched in PATH unless it has a slash */
	const char *user;      /* run as this user (name or uid), NULL: as we are */
	const char *directory; /* start there, NULL: here */
	const sigset_t *mask;  /* the command's signal mask, NULL: as ours is now */
	bool die_with_us;      /* the kernel kills the command when we die; not what it starts, and it can undo that */
	bool ignore_sigchld;   /* SIGCHLD was ignored when we were started, so the command must have it so */
	bool measured;	       /* has a cgroup of its own in v1's hierarchy for memory, too */
	bool limited;	       /* has a limit of memory, or a guard: controllers are asked for */
};

/*
 * Resolves argv[0] as workload_start will, into ret (size bytes). A relative name is relative to options->directory.
 * Errors: -ENOENT, -EACCES (not executable), others, with text.
 */
int workload_find_program(const struct workload_options *options, char *ret, size_t size, struct err *err);

/*
 * Creates the cgroup and forks the command up to its gate (it holds no descriptor of ours beyond the standard streams;
 * those that were inherited without close-on-exec stay). Where no cgroup can be made it starts without one and
 * workload_cgroup is "": then it is followed by inheritance alone. Also removes the cgroups of sessions that died.
 * Errors: -ENOENT / -EACCES for a command that can't be found or executed (checked here, before anything runs),
 * others with text.
 */
int workload_start(const struct workload_options *options, struct workload **ret, struct err *err);

/*
 * Another process's handle on a cgroup: that of a workload some other process started, or one that attach follows.
 * With own, workload_free removes it when empty; without, it is only counted.
 */
int workload_adopt(const char *cgroup, bool own, struct workload **ret, struct err *err);

/* The cgroups of one command: what one process tells another that adopts it. "": there is none. */
struct workload_places {
	char cgroup[1024]; /* in the v2 hierarchy */
	char memory[1024]; /* where the memory controller is: the same directory, or one in v1's hierarchy */
	bool memory_v1;
};
void workload_places(const struct workload *w, struct workload_places *ret);
/* As workload_adopt, with what it has in v1's hierarchies. Those that are gone are left out. */
int workload_adopt_places(const struct workload_places *places, bool own, struct workload **ret, struct err *err);

/* Removes the cgroup when it is empty; kills a child that is still at its gate. NULL is fine. */
void workload_free(struct workload *w);
DEFINE_CLEANUP(struct workload *, workload_free);

/* Lets it exec. */
int workload_release(struct workload *w, struct err *err);

/* Once the child has ended: 0, or the negative errno that kept it from executing the program. */
int workload_exec_error(const struct workload *w);

pid_t workload_pid(const struct workload *w);
const char *workload_cgroup(const struct workload *w); /* absolute directory, "": it has none */
const char *workload_program(const struct workload *w); /* what will be executed: resolved path */

/* How many processes are in the cgroup subtree now; negative errno (-ENOENT: it is gone). */
int workload_populated(const struct workload *w);
/* Kills what is left in it (cgroup.kill, else by pid, twice). Returns how many were found. */
int workload_kill(struct workload *w);
/*
 * Moves a process of ours back into the v2 cgroup that we are in, from wherever somebody has moved it. 0 or negative
 * errno.
 */
int workload_bring_back(pid_t pid);
/* Stops all of it, or lets it go on. 0 or negative errno (-EOPNOTSUPP: it has no cgroup). */
int workload_freeze(struct workload *w, bool on);
/*
 * The cgroup's cgroup.freeze, open for reading and writing and owned by the caller: "1" stops all that is in the
 * subtree at once, where it next leaves the kernel, "0" lets it go on. Negative errno where there is none.
 */
int workload_freezer(const struct workload *w);
/* The most memory the subtree ever held, in bytes; 0 where the v2 hierarchy has no memory controller. */
uint64_t workload_memory_peak(const struct workload *w);

/* The v2 mount point into ret (size bytes): searched in /proc/self/mountinfo. -ENOENT: none. */
int workload_cgroup2_mount(char *ret, size_t size);

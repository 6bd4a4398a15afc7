/* SPDX-License-Identifier: Apache-2.0 */
/* What the act-*.c and hook.c share. */
#pragma once

#include "vitals/act.h"

#define TOOLS_MAX 32
#define TASKS_MAX 8
#define JOBS_MAX 12
#define TOOL_PREFIX "tool-"
#define TOOL_NAME_MAX 16

/* A child with a cgroup of its own, in each hierarchy that there is. */
struct tool {
	uint32_t pid;
	uint64_t start_ns;
	char name[TOOL_NAME_MAX];
	int cgroup, memory; /* directories; -1: none */
	bool braked, frozen, pulsed;
};

/* An action that takes time; done when none of its jobs is left. */
struct task {
	bool used;
	unsigned jobs;
	int result; /* the first failure */
	struct guard_action action;
};

/* A cgroup outside the workload's, for a hook. */
struct room {
	int cgroup, memory;		 /* -1: none */
	char *cgroup_path, *memory_path; /* owned */
};

enum job_kind {
	JOB_PLAIN,
	JOB_LAST_WORD, /* its end, however, is when the child dies */
	JOB_HOOK,
};

/* One child process. */
struct job {
	enum job_kind kind;
	pid_t pid; /* 0: not used, or, with a room, over but for that */
	int pidfd;
	unsigned task;
	uint64_t deadline_ns; /* boottime */
	bool late;
	struct room room;
};

struct act {
	struct act_options o; /* its strings are owned */
	struct guard_policy policy;
	int cgroup, memory, agent; /* directories; -1: none. agent: v2, below cgroup */
	int lock;
	int oom_control;	  /* v1's, to see a pause; -1: none */
	int directory, user_home; /* as they were when we began: what has that name later may be another thing */
	uint64_t reserve;
	bool limited; /* the limit is of our making */
	bool yielded;
	bool pauses;  /* the kernel holds tasks at the limit, in place of killing */
	bool borrowed;
	bool all_frozen;
	int events; /* epoll: jobs' ends, and the timer */
	int timer;
	int release; /* socket to the process that lets go; -1: none */
	pid_t release_pid;
	unsigned next_tool, next_room, next_copy;
	struct tool tools[TOOLS_MAX];
	size_t tools_n;
	struct task tasks[TASKS_MAX];
	struct job jobs[JOBS_MAX];
};

/* act-files.c: cgroup files by directory. */
int file_write(int directory, const char *name, const char *text);
int file_write_u64(int directory, const char *name, uint64_t value);
int file_read(int directory, const char *name, char *ret, size_t size); /* bytes read, ended by a NUL */
int file_read_u64(int directory, const char *name, uint64_t *ret);	/* "max" is UNKNOWN */
int directory_open(int at, const char *name);
bool cgroup_populated(int directory);
void procs_kill(int directory); /* those of cgroup.procs, by pid */

/* act-limit.c */
int limit_open(struct act *a, struct err *err);
void limit_close(struct act *a);
int limit_borrow(struct act *a, bool undo);
/* The kernel decides at the limit, as without a guard; or no more. */
void limit_yield(struct act *a, bool on);

/* act-tool.c */
bool process_is(uint32_t pid, uint64_t start_ns); /* start_ns 0: any */
struct tool *tool_find(struct act *a, uint32_t pid, uint64_t start_ns);
/* Makes the cgroups and moves all of the phase there, what it forks meanwhile, too. */
int tool_make(struct act *a, uint32_t pid, uint64_t start_ns, struct tool **ret);
int tool_brake(struct act *a, struct tool *t, uint64_t bytes);
int tool_unbrake(struct act *a, struct tool *t);
int tool_freeze(struct act *a, struct tool *t, bool on);
int tool_kill(struct tool *t);
void tools_tidy(struct act *a); /* removes those that are empty */
void tools_close(struct act *a);

/* act-release.c */
enum release_order {
	RELEASE_PULSE = 'p', /* stop and go, to slow where there is no memory controller to do so */
	RELEASE_STEADY = 's',
	RELEASE_ALL_FROZEN = 'F',
	RELEASE_ALL_THAWED = 'T',
	RELEASE_QUIT = 'q', /* nothing is held any more */
};
int release_tell(struct act *a, enum release_order order, const char *tool);
void release_close(struct act *a);

/* act-job.c */
int job_task(struct act *a, const struct guard_action *action); /* a task's number, or -EBUSY */
/* Forks; in the child returns 0 with *ret_child. The parent gets 1 and the job's number, or negative errno. */
int job_fork(struct act *a, unsigned task, enum job_kind kind, int64_t deadline_ns, unsigned *ret_job, bool *ret_child);
void jobs_look(struct act *a);
void jobs_close(struct act *a);

/* hook.c */
int hook_start(struct act *a, unsigned task, const char *command, const char *saved, int64_t deadline_ns);
void room_kill(const struct room *r);
/* Those that a session's hooks may have; for who has no list. */
void rooms_kill(const char *cgroup, const char *memory);
bool room_remove(struct room *r); /* true when nothing is left of it */

/* act-tell.c */
int tell(struct act *a, const struct guard_action *action);
/* Begins to tell the child's agent why; -EOPNOTSUPP where there is nowhere to write it. */
int last_word(struct act *a, unsigned task, const struct guard_action *action);

/* act-save.c */
struct save_place {
	const char *prefix; /* "~", "$CWD", "" */
	int directory;	    /* what it stands for; -1: unknown */
	const char *path;   /* under that name it is saved */
};
struct save_plan {
	struct save_place places[3];
	const struct guard_policy *policy;
	const char *to; /* a new directory's name */
	uid_t uid;
	gid_t gid;
};
struct save_count {
	uint64_t files, bytes, skipped;
};
/* Copies. Meant for a child process. 0, -EFBIG where a cap was reached, or negative errno. */
int save_copy(const struct save_plan *plan, struct save_count *ret);
int save(struct act *a, const struct guard_action *action);

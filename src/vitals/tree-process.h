/* SPDX-License-Identifier: Apache-2.0 */
/* One process of the tree: what it holds and moves, from procfs. */
#pragma once

#include "vitals/process-files.h"

struct tree_phase;

struct tree_process {
	uint32_t pid;
	uint32_t origin;	  /* the parent at first sight */
	uint64_t origin_start;	  /* its start, in ticks; 0: it was no member */
	struct process_stat stat; /* of the last look */
	uint64_t look;		  /* the last one that saw it */
	uint64_t group;		  /* walk.h */
	bool fresh;		  /* first seen by this look */
	bool execed;		  /* this look found another image */
	bool ran;		  /* since the last look, or it may have */
	bool known_agent;	  /* by the name of its program */
	bool assigned;
	struct tree_phase *phase; /* NULL: the agent's own, or a launcher above it */
	/* Children that were started by it, for the rule about launchers. */
	unsigned children;
	uint32_t first_child;
	uint64_t first_child_start;
	/* Memory: what it counts for is base, and what `rss` has grown by since base was found. */
	uint64_t rss, shmem, shared_pages;
	uint64_t base, base_rss;
	uint64_t measured_ns; /* when its proportional share was last found; 0: never */
	uint64_t share, share_rss;
	bool pending;	      /* that is not base yet */
	bool stale;	      /* copies of it have come or gone, so that all of its image have other shares */
	bool shares;	      /* forked and did not execute: its pages are its parent's until one of them writes */
	unsigned sharers;     /* living children that do */
	uint64_t read_bytes, write_bytes;
};

/* 0, -ESRCH where it is gone or a zombie. */
int tree_process_stat(const char *proc, uint32_t pid, struct process_stat *ret);
/* Reads what it holds and moves; `all`: also what seems not to have changed. */
void tree_process_sample(struct tree_process *p, const char *proc, bool all);
/* Finds its proportional share. Takes milliseconds for a large one. */
void tree_process_measure(struct tree_process *p, const char *proc, uint64_t now_ns);
/* Makes that its base. */
void tree_process_commit(struct tree_process *p);
/* Its memory is its own again. */
void tree_process_unshare(struct tree_process *p);
/* How much of what it counts for is in doubt, so that measuring it is worth the time; 0: nothing. */
uint64_t tree_process_doubt(const struct tree_process *p, uint64_t now_ns);
/* Too large to be measured. */
bool tree_process_is_large(const struct tree_process *p);
uint64_t tree_process_bytes(const struct tree_process *p);
void tree_process_command(const char *proc, uint32_t pid, const char *comm, char *ret, size_t size);
enum tree_launcher {
	TREE_NO_LAUNCHER = 0,
	TREE_LAUNCHER, /* only starts one other program */
	TREE_RUNNER,   /* the same, of packages: through a shell */
	TREE_SHELL,    /* may do just that, or run a script whose first command it is */
	TREE_ADOPTS,   /* is the parent of orphans, too */
};

enum tree_launcher tree_process_launches(const struct tree_process *p);
/* Whether its program is a known agent's: by its name, or by that of the script which an interpreter runs. */
bool tree_process_is_agent(const char *proc, uint32_t pid, const char *comm);

/* SPDX-License-Identifier: Apache-2.0 */
/* What the judge's files share: one run of heddle and its files. */
#pragma once

#include "kernel-test.h"

struct run {
	const struct judge_options *options;
	char base[256]; /* scratch directory of all runs */
	char facts[320], json[320], complaints[320], work[320];
	unsigned dns_port;
	pid_t outsider; /* waits outside until the workload takes it in */
	char mark[400]; /* the file that it makes then */
	char port[16], outsider_text[16];
};

#define RUN_ARGUMENTS 32

/* Names the files of a run and makes its directory. */
int run_prepare(struct run *r, const char *name);
/* heddle's own arguments up to "--", then the workload's; NULL ends. Points into *r. */
void run_arguments(struct run *r, const char *what, const char *const *options, const char **argv);
/* In the child: stderr into r->complaints, stdout into out, and away. */
void run_exec(const struct run *r, const char **argv, int out) __attribute__((noreturn));
/* Copies what comes to the facts file until its end or the limit; false: too late. */
bool run_collect(int in, const char *path, unsigned limit);
/* The end of a child, no later than the limit; -1: it had to be killed. */
int run_reap(pid_t pid, unsigned limit);
void run_show_complaints(const struct run *r);
void remove_tree(const char *path);

/* Judges the judge; TAP. */
int self_test(void);

/* together.c: what takes more than one program at a time. */
void judge_two_runs(struct run *r);
void judge_attach(struct run *r);

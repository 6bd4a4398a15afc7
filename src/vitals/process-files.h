/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of /proc/PID's files, as far as the tree needs them. Pure; texts end in NUL and may hold anything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_stat {
	char comm[16]; /* may hold any byte */
	char state;
	uint32_t parent, group, session;
	uint64_t faults, major_faults;
	uint64_t cpu;	/* user and system, in ticks */
	uint64_t start; /* in ticks since boot */
	uint64_t stack; /* where it begins: another after an exec, the same after a fork; 0: not told */
};

/* -EINVAL for what is no such text. */
int process_files_stat(const char *text, size_t length, struct process_stat *ret);
/* statm, in pages: what is resident, and of that what is of files or shared. */
int process_files_statm(const char *text, uint64_t *ret_resident, uint64_t *ret_shared);
/* The value of "Name:  123 kB" (status, smaps_rollup) in bytes, of "name: 123" (io) as it is. False: there is none. */
bool process_files_value(const char *text, const char *name, uint64_t *ret);
/* cmdline: arguments joined by spaces, cut to what fits; bytes stay as they are but NUL. False: it is empty. */
bool process_files_command(const char *text, size_t length, char *ret, size_t size);

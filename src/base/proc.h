/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a file of a process ("stat", "task/7/children") into text, which ends in NUL; what is beyond size - 1 bytes is
 * left out. proc: where procfs is mounted, NULL: /proc. Returns the length; 0 where there is nothing to be read.
 */
size_t proc_read(const char *proc, uint32_t pid, const char *name, char *text, size_t size);

/* Enough for the whole of /proc/PID/stat. */
#define PROC_STAT_MAX 1024

/*
 * Reads /proc/PID/stat into `text` and returns what follows the process's name: " S 1 ...", the third field on. The
 * name stands in parentheses and may itself hold any byte, parentheses and newlines too. NULL when there is none.
 */
const char *proc_stat(uint32_t pid, char text[PROC_STAT_MAX]);

/* The first eight hex digits of the boot id, terminated: a process's key begins with them. 0 or negative errno. */
int proc_boot8(char ret[9]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsers of what cgroup files and /proc/meminfo say. Pure; text needs no NUL. What is missing, odd or too large leaves
 * its member as it was, so that a caller begins with VITALS_UNKNOWN everywhere.
 */
#pragma once

#include "vitals/vitals.h"

/* A file of one number. VITALS_UNKNOWN: "max", or v1's form of it, or no number. */
uint64_t cgroup_files_number(const char *text, size_t length);

/* memory.stat. v1: the figures with all below it (total_*); *ret_hierarchical is the limit over all its ancestors. */
void cgroup_files_stat_v2(const char *text, size_t length, struct vitals_memory *ret);
void cgroup_files_stat_v1(const char *text, size_t length, struct vitals_memory *ret, uint64_t *ret_hierarchical);

void cgroup_files_events(const char *text, size_t length, struct vitals_memory *ret);	   /* memory.events */
void cgroup_files_oom_control(const char *text, size_t length, struct vitals_memory *ret); /* v1's memory.oom_control */

void cgroup_files_cpu(const char *text, size_t length, struct vitals_cpu *ret); /* cpu.stat */
void cgroup_files_io(const char *text, size_t length, struct vitals_io *ret);	/* io.stat: the sum over all devices */
/* v1's blkio.throttle.io_service_bytes_recursive, or with `operations` ...io_serviced_recursive. */
void cgroup_files_blkio(const char *text, size_t length, bool operations, struct vitals_io *ret);
/* memory.pressure and its like. False: it has no "some" line, so nothing is known. */
bool cgroup_files_pressure(const char *text, size_t length, struct vitals_stall *ret);

void cgroup_files_meminfo(const char *text, size_t length, struct vitals_host *ret);

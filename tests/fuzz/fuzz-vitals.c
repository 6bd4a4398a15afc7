/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a cgroup's or a process's file: nothing is read outside, and no value is taken for "not known". */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "vitals/cgroup-files.h"
#include "vitals/process-files.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

/* Parsed twice it must say the same: nothing but the text counts. */
static void memory(const char *text, size_t length)
{
	struct vitals_memory m[2];
	struct vitals_available a;
	struct vitals_host host;
	uint64_t hierarchical[2];

	memset(m, 0xff, sizeof(m));
	memset(&host, 0xff, sizeof(host));
	for (int i = 0; i < 2; i++) {
		cgroup_files_stat_v2(text, length, &m[i]);
		cgroup_files_stat_v1(text, length, &m[i], &hierarchical[i]);
		cgroup_files_events(text, length, &m[i]);
		cgroup_files_oom_control(text, length, &m[i]);
		m[i].limit = m[i].anon;
		m[i].current = m[i].file;
	}
	REQUIRE(memcmp(&m[0], &m[1], sizeof(m[0])) == 0 && hierarchical[0] == hierarchical[1]);
	cgroup_files_meminfo(text, length, &host);
	vitals_available(m, 2, &host, &a);
	REQUIRE(a.free <= a.clean && a.clean <= a.all && (a.bound < 2 || a.bound == VITALS_BOUND_HOST));
}

static void others(const char *text, size_t length)
{
	struct vitals_cpu cpu;
	struct vitals_io io;
	struct vitals_stall stall;

	memset(&cpu, 0xff, sizeof(cpu));
	memset(&stall, 0xff, sizeof(stall));
	cgroup_files_cpu(text, length, &cpu);
	cgroup_files_io(text, length, &io);
	REQUIRE(io.read_bytes != VITALS_UNKNOWN && io.writes != VITALS_UNKNOWN);
	cgroup_files_blkio(text, length, true, &io);
	cgroup_files_blkio(text, length, false, &io);
	REQUIRE(io.read_bytes != VITALS_UNKNOWN && io.writes != VITALS_UNKNOWN);
	(void)cgroup_files_pressure(text, length, &stall);
	REQUIRE(stall.some10 == VITALS_UNKNOWN || stall.some10 <= 10099);
	(void)cgroup_files_number(text, length);
}

static void process(char *text, size_t length)
{
	char command[16];
	struct process_stat stat;
	uint64_t resident, shared, value;

	if (process_files_stat(text, length, &stat) == 0)
		REQUIRE(memchr(stat.comm, '\0', sizeof(stat.comm)) && stat.state);
	if (process_files_statm(text, &resident, &shared) == 0)
		REQUIRE(shared <= resident);
	(void)process_files_value(text, "RssShmem", &value);
	(void)process_files_value(text, "read_bytes", &value);
	if (process_files_command(text, length, command, sizeof(command)))
		REQUIRE(memchr(command, '\0', sizeof(command)) && *command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	REQUIRE(text);
	memory((const char *)data, size);
	others((const char *)data, size);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	process(text, size);
	free(text);
	return 0;
}

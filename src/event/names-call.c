/* SPDX-License-Identifier: Apache-2.0 */
/* What the first arguments of multiplexed calls mean: ptrace, bpf, prctl, seccomp, perf_event_open. */
#include "event/names.h"

#include "base/macro.h"

struct value_name {
	uint32_t value;
	const char *name;
};

static const struct value_name ptrace_requests[] = {
	{ 0, "PTRACE_TRACEME" },
	{ 1, "PTRACE_PEEKTEXT" },
	{ 2, "PTRACE_PEEKDATA" },
	{ 3, "PTRACE_PEEKUSR" },
	{ 4, "PTRACE_POKETEXT" },
	{ 5, "PTRACE_POKEDATA" },
	{ 6, "PTRACE_POKEUSR" },
	{ 7, "PTRACE_CONT" },
	{ 8, "PTRACE_KILL" },
	{ 9, "PTRACE_SINGLESTEP" },
	{ 12, "PTRACE_GETREGS" },
	{ 13, "PTRACE_SETREGS" },
	{ 14, "PTRACE_GETFPREGS" },
	{ 15, "PTRACE_SETFPREGS" },
	{ 16, "PTRACE_ATTACH" },
	{ 17, "PTRACE_DETACH" },
	{ 18, "PTRACE_GETFPXREGS" },
	{ 19, "PTRACE_SETFPXREGS" },
	{ 21, "PTRACE_OLDSETOPTIONS" },
	{ 24, "PTRACE_SYSCALL" },
	{ 25, "PTRACE_GET_THREAD_AREA" },
	{ 26, "PTRACE_SET_THREAD_AREA" },
	{ 30, "PTRACE_ARCH_PRCTL" },
	{ 31, "PTRACE_SYSEMU" },
	{ 32, "PTRACE_SYSEMU_SINGLESTEP" },
	{ 33, "PTRACE_SINGLEBLOCK" },
	{ 0x4200, "PTRACE_SETOPTIONS" },
	{ 0x4201, "PTRACE_GETEVENTMSG" },
	{ 0x4202, "PTRACE_GETSIGINFO" },
	{ 0x4203, "PTRACE_SETSIGINFO" },
	{ 0x4204, "PTRACE_GETREGSET" },
	{ 0x4205, "PTRACE_SETREGSET" },
	{ 0x4206, "PTRACE_SEIZE" },
	{ 0x4207, "PTRACE_INTERRUPT" },
	{ 0x4208, "PTRACE_LISTEN" },
	{ 0x4209, "PTRACE_PEEKSIGINFO" },
	{ 0x420a, "PTRACE_GETSIGMASK" },
	{ 0x420b, "PTRACE_SETSIGMASK" },
	{ 0x420c, "PTRACE_SECCOMP_GET_FILTER" },
	{ 0x420d, "PTRACE_SECCOMP_GET_METADATA" },
	{ 0x420e, "PTRACE_GET_SYSCALL_INFO" },
	{ 0x420f, "PTRACE_GET_RSEQ_CONFIGURATION" },
	{ 0x4210, "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG" },
	{ 0x4211, "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG" },
	{ 0x4212, "PTRACE_SET_SYSCALL_INFO" },
};

static const struct value_name prctl_options[] = {
	{ 1, "PR_SET_PDEATHSIG" },
	{ 2, "PR_GET_PDEATHSIG" },
	{ 3, "PR_GET_DUMPABLE" },
	{ 4, "PR_SET_DUMPABLE" },
	{ 5, "PR_GET_UNALIGN" },
	{ 6, "PR_SET_UNALIGN" },
	{ 7, "PR_GET_KEEPCAPS" },
	{ 8, "PR_SET_KEEPCAPS" },
	{ 9, "PR_GET_FPEMU" },
	{ 10, "PR_SET_FPEMU" },
	{ 11, "PR_GET_FPEXC" },
	{ 12, "PR_SET_FPEXC" },
	{ 13, "PR_GET_TIMING" },
	{ 14, "PR_SET_TIMING" },
	{ 15, "PR_SET_NAME" },
	{ 16, "PR_GET_NAME" },
	{ 19, "PR_GET_ENDIAN" },
	{ 20, "PR_SET_ENDIAN" },
	{ 21, "PR_GET_SECCOMP" },
	{ 22, "PR_SET_SECCOMP" },
	{ 23, "PR_CAPBSET_READ" },
	{ 24, "PR_CAPBSET_DROP" },
	{ 25, "PR_GET_TSC" },
	{ 26, "PR_SET_TSC" },
	{ 27, "PR_GET_SECUREBITS" },
	{ 28, "PR_SET_SECUREBITS" },
	{ 29, "PR_SET_TIMERSLACK" },
	{ 30, "PR_GET_TIMERSLACK" },
	{ 31, "PR_TASK_PERF_EVENTS_DISABLE" },
	{ 32, "PR_TASK_PERF_EVENTS_ENABLE" },
	{ 33, "PR_MCE_KILL" },
	{ 34, "PR_MCE_KILL_GET" },
	{ 35, "PR_SET_MM" },
	{ 36, "PR_SET_CHILD_SUBREAPER" },
	{ 37, "PR_GET_CHILD_SUBREAPER" },
	{ 38, "PR_SET_NO_NEW_PRIVS" },
	{ 39, "PR_GET_NO_NEW_PRIVS" },
	{ 40, "PR_GET_TID_ADDRESS" },
	{ 41, "PR_SET_THP_DISABLE" },
	{ 42, "PR_GET_THP_DISABLE" },
	{ 43, "PR_MPX_ENABLE_MANAGEMENT" },
	{ 44, "PR_MPX_DISABLE_MANAGEMENT" },
	{ 45, "PR_SET_FP_MODE" },
	{ 46, "PR_GET_FP_MODE" },
	{ 47, "PR_CAP_AMBIENT" },
	{ 50, "PR_SVE_SET_VL" },
	{ 51, "PR_SVE_GET_VL" },
	{ 52, "PR_GET_SPECULATION_CTRL" },
	{ 53, "PR_SET_SPECULATION_CTRL" },
	{ 54, "PR_PAC_RESET_KEYS" },
	{ 55, "PR_SET_TAGGED_ADDR_CTRL" },
	{ 56, "PR_GET_TAGGED_ADDR_CTRL" },
	{ 57, "PR_SET_IO_FLUSHER" },
	{ 58, "PR_GET_IO_FLUSHER" },
	{ 59, "PR_SET_SYSCALL_USER_DISPATCH" },
	{ 60, "PR_PAC_SET_ENABLED_KEYS" },
	{ 61, "PR_PAC_GET_ENABLED_KEYS" },
	{ 62, "PR_SCHED_CORE" },
	{ 63, "PR_SME_SET_VL" },
	{ 64, "PR_SME_GET_VL" },
	{ 65, "PR_SET_MDWE" },
	{ 66, "PR_GET_MDWE" },
	{ 67, "PR_SET_MEMORY_MERGE" },
	{ 68, "PR_GET_MEMORY_MERGE" },
	{ 0x53564d41, "PR_SET_VMA" },
	{ 0x59616d61, "PR_SET_PTRACER" },
};

static const char *const bpf_commands[] = {
	[0] = "BPF_MAP_CREATE",
	[1] = "BPF_MAP_LOOKUP_ELEM",
	[2] = "BPF_MAP_UPDATE_ELEM",
	[3] = "BPF_MAP_DELETE_ELEM",
	[4] = "BPF_MAP_GET_NEXT_KEY",
	[5] = "BPF_PROG_LOAD",
	[6] = "BPF_OBJ_PIN",
	[7] = "BPF_OBJ_GET",
	[8] = "BPF_PROG_ATTACH",
	[9] = "BPF_PROG_DETACH",
	[10] = "BPF_PROG_TEST_RUN",
	[11] = "BPF_PROG_GET_NEXT_ID",
	[12] = "BPF_MAP_GET_NEXT_ID",
	[13] = "BPF_PROG_GET_FD_BY_ID",
	[14] = "BPF_MAP_GET_FD_BY_ID",
	[15] = "BPF_OBJ_GET_INFO_BY_FD",
	[16] = "BPF_PROG_QUERY",
	[17] = "BPF_RAW_TRACEPOINT_OPEN",
	[18] = "BPF_BTF_LOAD",
	[19] = "BPF_BTF_GET_FD_BY_ID",
	[20] = "BPF_TASK_FD_QUERY",
	[21] = "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
	[22] = "BPF_MAP_FREEZE",
	[23] = "BPF_BTF_GET_NEXT_ID",
	[24] = "BPF_MAP_LOOKUP_BATCH",
	[25] = "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
	[26] = "BPF_MAP_UPDATE_BATCH",
	[27] = "BPF_MAP_DELETE_BATCH",
	[28] = "BPF_LINK_CREATE",
	[29] = "BPF_LINK_UPDATE",
	[30] = "BPF_LINK_GET_FD_BY_ID",
	[31] = "BPF_LINK_GET_NEXT_ID",
	[32] = "BPF_ENABLE_STATS",
	[33] = "BPF_ITER_CREATE",
	[34] = "BPF_LINK_DETACH",
	[35] = "BPF_PROG_BIND_MAP",
	[36] = "BPF_TOKEN_CREATE",
	[37] = "BPF_PROG_STREAM_READ_BY_FD",
};

static const char *const seccomp_operations[] = {
	[0] = "SECCOMP_SET_MODE_STRICT",
	[1] = "SECCOMP_SET_MODE_FILTER",
	[2] = "SECCOMP_GET_ACTION_AVAIL",
	[3] = "SECCOMP_GET_NOTIF_SIZES",
};

static const char *find(const struct value_name *table, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].value == value)
			return table[i].name;
	}
	return NULL;
}

const char *name_ptrace_request(uint64_t request)
{
	return find(ptrace_requests, ARRAY_SIZE(ptrace_requests), request);
}

const char *name_prctl_option(uint64_t option)
{
	return find(prctl_options, ARRAY_SIZE(prctl_options), option);
}

const char *name_bpf_command(uint64_t command)
{
	return command < ARRAY_SIZE(bpf_commands) ? bpf_commands[command] : NULL;
}

const char *name_seccomp_operation(uint64_t operation)
{
	return operation < ARRAY_SIZE(seccomp_operations) ? seccomp_operations[operation] : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* By the kernel's own calls: the thing is too small for a library. See capability.h. */
#include "base/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

static const unsigned char kept[] = {
	CAP_DAC_OVERRIDE,    /* the store may lie in a directory of another user */
	CAP_DAC_READ_SEARCH, /* the path of a cgroup by its id: open_by_handle_at */
	CAP_KILL,            /* what the command left may run as another user */
	CAP_SYS_PTRACE,      /* /proc/PID/exe of another user's process */
	CAP_BPF,             /* kernels before 5.19 refuse even a map's lookup without it */
};

int capability_reduce(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
	uint64_t keep = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		keep |= UINT64_C(1) << kept[i];
	/* Ends at the first that the kernel does not know, and where CAP_SETPCAP is missing. */
	for (unsigned long c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (!(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			break;
	if (syscall(SYS_capget, &head, sets) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= (uint32_t)(keep >> (32 * i));
		sets[i].effective &= sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, sets) < 0 ? -errno : 0;
}

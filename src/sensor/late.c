/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor/late.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

/* Soon, while there are silent ones: the memory that tells of them goes a while after their ring. */
#define LOOK_EACH_NS (4 * UINT64_C(1000000))

static int run(int fd, const void *context, uint32_t bytes)
{
	union bpf_attr attr = { .test = { .prog_fd = (uint32_t)fd,
					  .ctx_in = (uint64_t)(uintptr_t)context,
					  .ctx_size_in = bytes } };

	return syscall(SYS_bpf, BPF_PROG_RUN, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int flush(const struct late *l, uint32_t what)
{
	return run(l->flush_fd, &what, sizeof(what));
}

static int look(const struct late *l)
{
	int r = flush(l, HD_FLUSH_LATE), t = 0;

	if (__atomic_load_n(&l->requests->late, __ATOMIC_RELAXED))
		t = run(l->tell_fd, NULL, 0);
	return r < 0 ? r : t;
}

int late_flush(struct late *l, bool all)
{
	bool kept = __atomic_load_n(&l->requests->kept, __ATOMIC_RELAXED) != 0;
	int r = 0;

	/* At the end nobody comes by for the second look. */
	for (int i = 0; kept && r >= 0 && i < 1 + all; i++)
		r = look(l);
	if (r >= 0)
		r = flush(l, all ? HD_FLUSH_ALL : HD_FLUSH);
	return r >= 0 && kept && all ? flush(l, HD_FLUSH_LOSE) : r;
}

void late_look(struct late *l)
{
	uint64_t now;

	if (!__atomic_load_n(&l->requests->silent, __ATOMIC_RELAXED) &&
	    !__atomic_load_n(&l->requests->late, __ATOMIC_RELAXED))
		return;
	now = clock_boottime_ns();
	if (now < l->due_ns)
		return;
	l->due_ns = now + LOOK_EACH_NS;
	/* The flush, each second, says what there is to be said of failures. */
	(void)look(l);
}

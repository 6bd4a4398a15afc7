/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freezing is what a cgroup of its own allows everywhere: it needs no controller, works in both tiers, and stops who is
 * about to leave the kernel, which is where events are made. See docs/floods.md for the policy.
 *
 * Whoever dies here must not leave the workload frozen. So from the first freeze on a guard waits: a process of its own
 * that knows whether we froze, and thaws when we are gone.
 */
#include "cli/throttle.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/capability.h"
#include "base/clock.h"
#include "base/macro.h"

/*
 * In thousandths of a lane. The kernel side wakes from an eighth on; from there the thread looks often. At the rate of
 * two cores that do nothing but make frames (150 MB a second) the half above FREEZE lasts for 7 ms.
 */
#define CALM 125
#define FREEZE 500
#define THAW 60
#define LOOK_NS 250000L
/* A reader that is stuck does not hold the workload forever: after so long it goes on for a while, and may lose. */
#define HOLD_MAX_NS (2 * CLOCK_SECOND_NS)
#define BREATH_NS (CLOCK_SECOND_NS / 10)

struct throttle {
	const struct sensor *sensor;
	bool bulk; /* its lane counts, too */
	int freezer;
	int stop; /* an eventfd */
	int alarm; /* the sensor's */
	int guard; /* a socket to the guard; -1: there is none */
	pid_t guard_pid;
	pthread_t thread;
	struct throttle_stats stats; /* the thread's, until it has ended */
};

static const char *const names[] = { "default", "lose", "slow", "slow-all" };

const char *flood_policy_name(enum flood_policy policy)
{
	return policy < ARRAY_SIZE(names) ? names[policy] : "unknown";
}

int flood_policy_parse(const char *text, enum flood_policy *ret)
{
	for (size_t i = FLOOD_LOSE; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum flood_policy)i;
			return 0;
		}
	return -EINVAL;
}

static bool freezer_is(int fd, char value)
{
	char now = 0;

	return pread(fd, &now, 1, 0) == 1 && now == value;
}

static bool freezer_set(int fd, char value)
{
	return pwrite(fd, &value, 1, 0) == 1;
}

/* Only what may be called in the child of a process with threads. */
static _Noreturn void guard_run(int freezer, int socket)
{
	char state = '0';
	ssize_t n;

	(void)prctl(PR_SET_NAME, "heddle-thaw");
	/* The rest belongs to the sensor, and who waits for its end must not wait for ours. */
	int low = MIN(freezer, socket), high = MAX(freezer, socket);
	if (low > 0)
		(void)syscall(SYS_close_range, 0, low - 1, 0);
	if (high > low + 1)
		(void)syscall(SYS_close_range, low + 1, high - 1, 0);
	(void)syscall(SYS_close_range, high + 1, ~0U, 0);
	do
		n = read(socket, &state, 1);
	while (n == 1 || (n < 0 && errno == EINTR));
	if (state == '1')
		(void)freezer_set(freezer, '0');
	_exit(0);
}

static void guard_drop(struct throttle *t)
{
	if (t->guard < 0)
		return;
	(void)close(t->guard);
	t->guard = -1;
	while (waitpid(t->guard_pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* One that was killed is replaced. Where none can be had the workload is slowed all the same. */
static void guard_tell(struct throttle *t, char state)
{
	int pair[2];

	if (t->guard >= 0 && send(t->guard, &state, 1, MSG_NOSIGNAL) == 1)
		return;
	guard_drop(t);
	if (state == '0' || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	t->guard_pid = _Fork();
	if (t->guard_pid == 0)
		guard_run(t->freezer, pair[1]);
	(void)close(pair[1]);
	t->guard = pair[0];
	if (t->guard_pid > 0) {
		(void)send(t->guard, &state, 1, MSG_NOSIGNAL);
	} else {
		(void)close(t->guard);
		t->guard = -1;
	}
}

static unsigned fill(const struct throttle *t)
{
	unsigned critical = sensor_fill(t->sensor, HD_LANE_CRITICAL);

	return t->bulk ? MAX(critical, sensor_fill(t->sensor, HD_LANE_BULK)) : critical;
}

/* True when it is time to stop. */
static bool rest(const struct throttle *t, long ns)
{
	struct pollfd stop = { .fd = t->stop, .events = POLLIN };
	const struct timespec time = { .tv_sec = ns / CLOCK_SECOND_NS, .tv_nsec = ns % CLOCK_SECOND_NS };

	return ppoll(&stop, 1, &time, NULL) > 0;
}

static bool hold(struct throttle *t)
{
	uint64_t from = clock_boottime_ns(), held;
	bool stop = false, stuck;

	/* Somebody else's freeze is not ours to end. */
	if (freezer_is(t->freezer, '1') || !freezer_set(t->freezer, '1'))
		return rest(t, BREATH_NS);
	guard_tell(t, '1');
	do {
		stop = rest(t, LOOK_NS);
		held = clock_boottime_ns() - from;
		stuck = held >= HOLD_MAX_NS;
	} while (!stop && !stuck && fill(t) > THAW);
	(void)freezer_set(t->freezer, '0');
	guard_tell(t, '0');
	t->stats.times++;
	t->stats.total_ns += held;
	t->stats.longest_ns = MAX(t->stats.longest_ns, held);
	return stop || (stuck && rest(t, BREATH_NS));
}

/* A lane that fills within milliseconds leaves no time to wait for a processor. Not permitted everywhere. */
static void hurry(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
		(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -20);
}

/* Until there is no hurry. True when it is time to stop. */
static bool look(struct throttle *t)
{
	bool stop = false;

	do {
		for (unsigned now; !stop && (now = fill(t)) > CALM;)
			stop = now >= FREEZE ? hold(t) : rest(t, LOOK_NS);
		sensor_rearm(t->sensor, HD_LANE_CRITICAL);
		if (t->bulk)
			sensor_rearm(t->sensor, HD_LANE_BULK);
	} while (!stop && fill(t) > CALM);
	return stop;
}

static void *watch(void *context)
{
	struct throttle *t = context;
	bool stop = false;

	(void)prctl(PR_SET_NAME, "heddle-throttle");
	hurry();
	(void)capability_reduce();
	while (!stop) {
		struct pollfd fds[] = { { .fd = t->stop, .events = POLLIN }, { .fd = t->alarm, .events = POLLIN } };
		struct epoll_event taken[HD_LANE_MAX];

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		/* Told by edge: once taken, it is not readable again until the next time. */
		(void)epoll_wait(t->alarm, taken, HD_LANE_MAX, 0);
		stop = rest(t, 0) || look(t);
	}
	return NULL;
}

static int start_thread(struct throttle *t)
{
	sigset_t all, old;

	/* No signal is the thread's: whoever has the main one has decided who takes them. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(&t->thread, NULL, watch, t);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -code;
}

static void throttle_free(struct throttle *t)
{
	if (!t)
		return;
	guard_drop(t);
	close_fd(&t->stop);
	close_fd(&t->freezer);
	free(t);
}
DEFINE_CLEANUP(struct throttle *, throttle_free);

static void brake(const struct throttle *t, bool on)
{
	sensor_brake(t->sensor, HD_LANE_CRITICAL, on);
	if (t->bulk)
		sensor_brake(t->sensor, HD_LANE_BULK, on);
}

int throttle_start(enum flood_policy policy, const struct sensor *sensor, const struct workload *workload,
		   struct throttle **ret)
{
	_cleanup_(throttle_free_p) struct throttle *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	*t = (struct throttle){
		.sensor = sensor,
		.bulk = policy == FLOOD_SLOW_ALL,
		.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.alarm = sensor_alarm_fd(sensor),
		.freezer = workload_freezer(workload),
		.guard = -1,
	};
	if (t->freezer < 0 || t->alarm < 0)
		return -EOPNOTSUPP;
	if (t->stop < 0)
		return -EMFILE;
	r = start_thread(t);
	if (r < 0)
		return r;
	brake(t, true);
	*ret = TAKE_PTR(t);
	return 0;
}

void throttle_stop(struct throttle *t, struct throttle_stats *ret)
{
	if (!t)
		return;
	brake(t, false);
	(void)eventfd_write(t->stop, 1);
	(void)pthread_join(t->thread, NULL);
	*ret = t->stats;
	throttle_free(t);
}

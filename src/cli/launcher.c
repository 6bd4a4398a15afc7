/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts, waits, passes on. The command stays in our process group, so the terminal treats it as if we were not there;
 * what the terminal sends to the group the command has got already, and only what was sent to us alone is forwarded.
 * All signals are blocked and read from a descriptor: no handler, and no disposition but SIGCHLD's is ever changed, so
 * that the command finds them as they were.
 */
#include "cli/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/recover.h"
#include "cli/session-lines.h"
#include "event/names.h"

/* A trouble of the sensor is said so often, then no more: who stops it again and again fills no terminal. */
#define SAY_TROUBLE 3
#define DEATH_TRIES 50
#define DEATH_MAX 128

/* So many signals while the session is being ended mean that its end is not wanted either. */
#define IMPATIENT 3

struct launcher {
	const struct launcher_options *options;
	struct workload *workload;
	sigset_t mask;       /* as we were started */
	int signal_fd;
	int control;         /* -1: nothing is observed any more */
	pid_t sensor;
	bool released;
	bool ended;          /* the command */
	int status;          /* wait status */
	int failed;          /* exit code of ours that takes the place of the command's; 0: none */
	unsigned impatience;
	unsigned said;       /* troubles */
	struct watch watch;
	char killed_why[WATCH_WHY_MAX]; /* why we killed the command; "": we did not */
	char died[DEATH_MAX];           /* how the sensor did, before its session had an end; "": it did not */
	int64_t offset_ns;              /* UTC less CLOCK_BOOTTIME, at our start */
	bool finished;
};

void launcher_reserve_streams(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", (fd ? O_WRONLY : O_RDONLY) | O_CLOEXEC) != fd)
			return;
}

static int setup_signals(struct launcher *l, bool *ret_ignored)
{
	struct sigaction old, normal = { .sa_handler = SIG_DFL };
	sigset_t all;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &l->mask) < 0 || sigaction(SIGCHLD, &normal, &old) < 0)
		return -errno;
	*ret_ignored = old.sa_handler == SIG_IGN;
	l->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signal_fd < 0 ? -errno : 0;
}

static int fork_sensor(struct launcher *l)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)fflush(NULL);
	l->sensor = fork();
	if (l->sensor < 0) {
		int code = errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		return -code;
	}
	if (l->sensor == 0)
		sensor_process(&l->options->sensor, pair[1]);
	(void)close(pair[1]);
	l->control = pair[0];
	return 0;
}

/*
 * The sensor has the files and the command its streams: we need none, and no pipe should have to wait for us. But the
 * JSON file's end is ours to write, should the sensor die.
 */
static void let_go(const struct launcher *l)
{
	const struct observer_options *o = &l->options->sensor.observer;
	struct stat st;

	if (o->recorder.json_fd >= 0 && (fstat(o->recorder.json_fd, &st) < 0 || !S_ISREG(st.st_mode)))
		(void)close(o->recorder.json_fd);
	if (o->record_fd >= 0)
		(void)close(o->record_fd);
	if (o->recorder.live_fd >= 0)
		(void)close(o->recorder.live_fd);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	(void)dup3(null, STDIN_FILENO, O_CLOEXEC);
	(void)dup3(null, STDOUT_FILENO, O_CLOEXEC);
	(void)close(null);
}

static void release(struct launcher *l)
{
	struct err err = { 0 };

	l->released = true;
	if (workload_release(l->workload, &err) < 0)
		(void)cli_fail(&err);
}

static void drop_sensor(struct launcher *l)
{
	(void)close(l->control);
	l->control = -1;
}

static int64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

static void kill_command(struct launcher *l)
{
	(void)workload_kill(l->workload);
	(void)kill(workload_pid(l->workload), SIGKILL);
}

/* Nothing is or can be observed. */
static void unobserved(struct launcher *l, const char *why)
{
	drop_sensor(l);
	if (l->ended) {
		(void)cli_error("%s", why);
		l->finished = true;
		return;
	}
	l->watch.on = false;
	if (l->options->policy == WATCH_BEST_EFFORT) {
		(void)cli_error("%s; the command runs unobserved (--best-effort)", why);
		if (!l->released)
			release(l);
		return;
	}
	l->failed = CLI_FAILED;
	if (!l->released) {
		(void)cli_error("%s", why);
		l->finished = true;
		return;
	}
	(void)cli_error("%s; the command was killed, since nothing would observe it", why);
	kill_command(l);
}

/* How the sensor died, once its end of the socket is closed. It is gone then or about to be. */
static void cause_of_death(struct launcher *l, char ret[DEATH_MAX])
{
	siginfo_t info = { 0 };

	for (int i = 0; i < DEATH_TRIES && !info.si_pid; i++) {
		if (waitid(P_PID, (id_t)l->sensor, &info, WEXITED | WNOHANG) < 0)
			break;
		if (!info.si_pid)
			(void)poll(NULL, 0, 10);
	}
	const char *signal = info.si_pid && info.si_code != CLD_EXITED ? name_signal(info.si_status) : NULL;
	(void)snprintf(l->died, sizeof(l->died), "the sensor %s%s%s", signal ? "was killed (" : "ended unexpectedly",
		       signal ? signal : "", signal ? ")" : "");
	(void)snprintf(ret, DEATH_MAX, "%.90s%s", l->died, l->ended ? "; the session is not complete" : "");
}

/* The sensor is told to go on; if it was moved into a cgroup that is frozen it is brought back. */
static void nudge(struct launcher *l)
{
	(void)kill(l->sensor, SIGCONT);
	if (watch_silent(&l->watch, now_ms()))
		(void)workload_bring_back(l->sensor);
}

static void trouble(struct launcher *l, const char *then)
{
	if (l->said++ < SAY_TROUBLE)
		(void)cli_error("%s; %s", l->watch.why, then);
}

static void give_up(struct launcher *l)
{
	l->watch.on = false;
	l->failed = CLI_FAILED;
	(void)snprintf(l->killed_why, sizeof(l->killed_why), "%.480s: not recorded", l->watch.why);
	if (!l->ended)
		(void)cli_error("%s for %d s; the command was killed%s", l->watch.why, WATCH_TRY_MS / 1000,
				l->options->policy == WATCH_FAIL_CLOSED ? " (--fail-closed)" : "");
	/* Nobody hears a sensor that is held: it would never end the session. */
	if (watch_silent(&l->watch, now_ms()))
		(void)kill(l->sensor, SIGKILL);
	if (!l->ended)
		kill_command(l);
}

static void obey(struct launcher *l, enum watch_order order)
{
	switch (order) {
	case WATCH_NOTHING:
		break;
	case WATCH_FREEZE:
		(void)workload_freeze(l->workload, true);
		trouble(l, "the command is stopped until it can be recorded (--fail-closed)");
		break;
	case WATCH_THAW:
		(void)workload_freeze(l->workload, false);
		if (l->said <= SAY_TROUBLE)
			(void)cli_error("the command goes on, it is recorded again");
		break;
	case WATCH_KILL:
		give_up(l);
		break;
	}
}

/* What keeps the sensor from running, in words; NULL: nothing that can be seen. */
static const char *held(const struct launcher *l)
{
	char text[PROC_STAT_MAX];
	const char *stat = proc_stat((uint32_t)l->sensor, text);

	if (stat && stat[0] == ' ' && stat[1] == 'T')
		return "the sensor was stopped";
	if (stat && stat[0] == ' ' && stat[1] == 't')
		return "the sensor is being traced";
	return NULL;
}

static void look(struct launcher *l)
{
	if (l->control < 0 || !l->watch.on)
		return;
	const char *what = held(l);
	bool before = l->watch.bad;
	enum watch_order order = watch_look(&l->watch, now_ms(), what);

	if (what || watch_silent(&l->watch, now_ms()))
		nudge(l);
	if (what && !before && order != WATCH_FREEZE)
		trouble(l, "it is told to go on, and what it can't see meanwhile may be lost");
	obey(l, order);
}

static void take_message(struct launcher *l)
{
	struct control message;
	char why[DEATH_MAX];
	int r = control_receive(l->control, &message);

	if (r != 1) {
		cause_of_death(l, why);
		unobserved(l, why);
		return;
	}
	obey(l, watch_beat(&l->watch, now_ms(), message.kind == CONTROL_BEAT && *message.text ? message.text : NULL));
	switch ((enum control_kind)message.kind) {
	case CONTROL_FOLLOWING:
		if (l->ended)
			break;
		release(l);
		watch_start(&l->watch, now_ms());
		break;
	case CONTROL_FAILED:
		unobserved(l, message.text);
		break;
	case CONTROL_SAY:
		(void)cli_error("%s", message.text);
		break;
	case CONTROL_SUMMARY:
		(void)fputs(message.text, stderr);
		(void)fflush(stderr);
		break;
	case CONTROL_FINISHED:
		if (!l->ended) {
			unobserved(l, "the session was ended before the command");
			break;
		}
		l->finished = true;
		drop_sensor(l);
		break;
	case CONTROL_FOLLOW:
	case CONTROL_SIGNALED:
	case CONTROL_EXITED:
	case CONTROL_BEAT:
		break;
	}
}

/* True when the command is (still) stopped: the shell that continues a job continues all of its group. */
static bool is_stopped(pid_t pid)
{
	char text[PROC_STAT_MAX];
	const char *stat = proc_stat((uint32_t)pid, text);

	return stat && stat[0] == ' ' && stat[1] == 'T';
}

/* The command was stopped: so are we, that the shell gets its terminal back. Returns when someone continues us. */
static void stop_too(struct launcher *l, int signal)
{
	struct sigaction old, normal = { .sa_handler = SIG_DFL };
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, signal);
	if (signal != SIGSTOP)
		(void)sigaction(signal, &normal, &old);
	(void)kill(getpid(), signal);
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
	(void)sigprocmask(SIG_BLOCK, &one, NULL);
	if (signal != SIGSTOP)
		(void)sigaction(signal, &old, NULL);
	if (is_stopped(workload_pid(l->workload)))
		(void)kill(workload_pid(l->workload), SIGCONT);
}

static void command_ended(struct launcher *l, int status)
{
	int code = workload_exec_error(l->workload);

	l->ended = true;
	l->status = status;
	/* From now on only a sensor that is held is a trouble: it would never end the session. */
	l->watch.policy = WATCH_DEFAULT;
	if (code < 0)
		(void)cli_error("can't execute %s: %s", workload_program(l->workload), strerror(-code));
	if (l->control < 0)
		l->finished = true;
	else if (l->released)
		/* A sensor that is gone is told by the socket's end. */
		(void)control_send(l->control, CONTROL_EXITED, status, l->killed_why);
	else
		/* Killed at the gate: no session begins. */
		l->finished = true;
}

static void reap(struct launcher *l)
{
	int status;

	while (!l->ended && waitpid(workload_pid(l->workload), &status, WNOHANG | WUNTRACED) > 0) {
		if (WIFSTOPPED(status))
			stop_too(l, WSTOPSIG(status));
		else
			command_ended(l, status);
	}
	/* Told at once, though not of a tracer's stop; the sensor's end is told by the socket. */
	siginfo_t info = { 0 };
	if (waitid(P_PID, (id_t)l->sensor, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid)
		look(l);
}

/* Somebody wants an end that is already on its way: first the lingering stops, at last the sensor is not waited for. */
static void hurry(struct launcher *l)
{
	l->impatience++;
	if (l->control >= 0)
		(void)kill(l->sensor, l->impatience < IMPATIENT ? SIGTERM : SIGKILL);
}

static bool ends(uint32_t signal)
{
	return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

static void take_signal(struct launcher *l)
{
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		bool sent = info.ssi_code == SI_USER || info.ssi_code == SI_QUEUE || info.ssi_code == SI_TKILL;

		/* A terminal that hangs up tells only the session's leader, which without us the command would be. */
		sent |= info.ssi_signo == SIGHUP && getsid(0) == getpid();
		if (info.ssi_signo == SIGCHLD) {
			reap(l);
			continue;
		}
		if (l->ended && ends(info.ssi_signo)) {
			hurry(l);
			continue;
		}
		/* Whoever stands still takes no signal. */
		if (ends(info.ssi_signo) && l->control >= 0)
			(void)control_send(l->control, CONTROL_SIGNALED, 0, NULL);
		/* A job that is continued is continued as a group. */
		if (info.ssi_signo == SIGCONT && (l->ended || !is_stopped(workload_pid(l->workload))))
			continue;
		/* What the command sends to its group it has got itself. */
		if (!l->ended && sent && (pid_t)info.ssi_pid != workload_pid(l->workload))
			(void)kill(workload_pid(l->workload), (int)info.ssi_signo);
	}
}

/* The sensor can't say any more how its session ended. */
static void close_session(struct launcher *l)
{
	const struct recorder_options *o = &l->options->sensor.observer.recorder;
	char why[WATCH_WHY_MAX + DEATH_MAX + 2];
	struct recover_death death = {
		.why = why,
		.known = l->ended,
		.status = l->status,
		.offset_ns = l->offset_ns,
		.json_fd = o->json_fd,
	};
	struct err err = { 0 };

	(void)snprintf(why, sizeof(why), "%s%s%s", l->died, *l->killed_why ? "; " : "", l->killed_why);
	if (recover_session(o->home, o->session, &death, &err) < 0)
		(void)cli_error("the session has no end: %s", err.text);
}

static int loop(struct launcher *l)
{
	int64_t look_ms = 0;

	while (!l->finished) {
		struct pollfd fds[] = {
			{ .fd = l->signal_fd, .events = POLLIN },
			{ .fd = l->control, .events = POLLIN },
		};

		int wait_ms = l->watch.on && l->control >= 0 ? WATCH_BEAT_MS : -1;

		if (poll(fds, ARRAY_SIZE(fds), wait_ms) < 0 && errno != EINTR)
			return cli_error("can't wait for the command: %s", strerror(errno));
		/* The sensor's word first: the command's end may have come because of it. */
		if (fds[1].revents)
			take_message(l);
		if (fds[0].revents)
			take_signal(l);
		if (now_ms() >= look_ms) {
			look_ms = now_ms() + WATCH_BEAT_MS;
			look(l);
		}
	}
	/* Who stopped it for good had its reasons. */
	if (l->watch.frozen)
		kill_command(l);
	if (l->failed)
		return l->failed;
	return exit_status_of(l->status);
}

static int start(struct launcher *l, bool ignored)
{
	const struct vitals_options *vitals = &l->options->sensor.observer.vitals;
	struct workload_options options = l->options->workload;
	struct workload_places places;
	struct err err = { 0 };
	int r = fork_sensor(l);

	if (r < 0)
		return cli_error("can't start the sensor process: %s", strerror(-r));
	options.mask = &l->mask;
	options.ignore_sigchld = ignored;
	options.measured = !vitals->off;
	options.limited = vitals_limits(vitals);
	options.die_with_us = l->options->policy == WATCH_FAIL_CLOSED;
	if (workload_start(&options, &l->workload, &err) < 0) {
		(void)cli_fail(&err);
		return CLI_FAILED;
	}
	if (l->options->policy == WATCH_FAIL_CLOSED && !*workload_cgroup(l->workload))
		return cli_error("--fail-closed needs the cgroup v2 hierarchy, to stop the command; mount it, or leave "
				 "the option out");
	let_go(l);
	/* A sensor that failed meanwhile has left its reason in the socket. */
	workload_places(l->workload, &places);
	(void)control_follow(l->control, workload_pid(l->workload), &places);
	return 0;
}

int launcher_run(const struct launcher_options *options)
{
	struct launcher l = {
		.options = options,
		.signal_fd = -1,
		.control = -1,
		.watch.policy = options->policy,
		.offset_ns = clock_offset_ns(),
	};
	bool ignored = false;
	int code = setup_signals(&l, &ignored);

	if (code < 0)
		return cli_error("can't set up signals: %s", strerror(-code));
	code = start(&l, ignored);
	if (code == 0)
		code = loop(&l);
	if (*l.died && l.released)
		close_session(&l);
	if (l.control >= 0)
		(void)close(l.control);
	(void)close(l.signal_fd);
	workload_free(l.workload);
	return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of `run` that captures. It has neither the terminal nor any stream of the command, so that neither
 * Ctrl-C nor a closed window ends it, and a pipe that the command closes is closed.
 */
#include "cli/sensor-process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli/control.h"

#define SUMMARY_CAP (CONTROL_TEXT_MAX - 1)

/* Closes every descriptor above 2 that is not to be kept. */
static void close_others(int *keep, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && keep[k - 1] > keep[k]; k--) {
			int swap = keep[k];

			keep[k] = keep[k - 1];
			keep[k - 1] = swap;
		}
	unsigned from = 3;
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0U, 0);
}

static void settle(const struct sensor_process_options *options, int fd)
{
	int keep[] = { fd, options->observer.recorder.json_fd, options->observer.recorder.live_fd,
		       options->observer.record_fd };

	(void)setsid();
	(void)prctl(PR_SET_NAME, "heddle-sensor");
	/* Nobody but root looks into it or traces it. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	close_others(keep, ARRAY_SIZE(keep));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Whoever asks for the kernel's log of the programs gets it where errors go. */
	int streams = getenv("HEDDLE_DEBUG_BPF") ? STDERR_FILENO : STDERR_FILENO + 1;
	for (int i = 0; null >= 0 && i < streams; i++)
		(void)dup2(null, i);
	if (null > 2)
		(void)close(null);
	/*
	 * A workload that eats all memory must not cost the record of how; -1000 would leave the machine no way out,
	 * should it be us. Not permitted everywhere.
	 */
	int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (score >= 0) {
		(void)!write(score, "-900", 4);
		(void)close(score);
	}
}

static void say(void *context, const char *text)
{
	(void)control_send(*(int *)context, CONTROL_SAY, 0, text);
}

static void beat(void *context, const char *why)
{
	control_beat(*(int *)context, why);
}

static int on_control(void *context, struct observer *o)
{
	struct control message;
	int r = control_receive(*(int *)context, &message);

	if (r == 1 && message.kind == CONTROL_EXITED)
		observer_command_ended(o, message.value, message.text);
	else if (r == 1 && message.kind == CONTROL_SIGNALED)
		observer_signaled(o);
	else if (r <= 0)
		/* The launcher was killed. The command lives on, and so does its record. */
		observer_orphaned(o);
	return 0;
}

static _Noreturn void fail(int fd, const struct err *err)
{
	(void)control_send(fd, CONTROL_FAILED, err->code, err->code ? err->text : "failed for an unknown reason");
	_exit(1);
}

static void report(struct observer *o, const struct sensor_process_options *options, int fd, int code)
{
	_cleanup_buf_ struct buf text = BUF_INIT(SUMMARY_CAP);

	if (code < 0) {
		buf_addf(&text, "the session ended early: %s", strerror(-code));
		(void)control_send(fd, CONTROL_SAY, 0, text.data);
		buf_clear(&text);
	}
	if (options->quiet)
		return;
	observer_summary(o, options->color, &text);
	if (text.data)
		(void)control_send(fd, CONTROL_SUMMARY, 0, text.data);
}

_Noreturn void sensor_process(const struct sensor_process_options *options, int fd)
{
	struct sensor_process_options mine = *options;
	struct observer *o = NULL;
	struct control message;
	struct err err = { 0 };

	settle(&mine, fd);
	mine.observer.control_fd = fd;
	mine.observer.control = on_control;
	mine.observer.beat = beat;
	mine.observer.context = &fd;
	mine.observer.recorder.say = say;
	mine.observer.recorder.context = &fd;
	if (observer_open(&mine.observer, &o, &err) < 0)
		fail(fd, &err);
	/* The launcher could not start the command, or was killed: nothing to observe. */
	if (control_receive(fd, &message) != 1 || message.kind != CONTROL_FOLLOW)
		_exit(0);
	uint32_t pid = (uint32_t)message.value;
	struct workload_places places;
	control_places(&message, &places);
	bool cgroup = *places.cgroup;
	/* A process in the cgroup is found there; each look for one costs time before the start. */
	if (observer_begin(o, &places, true, pid, cgroup ? NULL : &pid, cgroup ? 0 : 1, &err) < 0)
		fail(fd, &err);
	(void)control_send(fd, CONTROL_FOLLOWING, 0, NULL);
	int code = observer_run(o);

	report(o, &mine, fd, code);
	/* Who unmounts the directory afterwards should not find us in it. */
	(void)!chdir("/");
	close_fd(&mine.observer.recorder.live_fd);
	close_fd(&mine.observer.recorder.json_fd);
	close_fd(&mine.observer.record_fd);
	(void)control_send(fd, CONTROL_FINISHED, 0, NULL);
	/* The launcher returns now; the detaching below takes longer. */
	(void)close(fd);
	observer_free(o);
	_exit(0);
}

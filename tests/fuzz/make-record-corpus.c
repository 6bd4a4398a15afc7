/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the seed corpus of fuzz-record: a recording of every sample, with ticks and answers, and one of each alone. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "samples.h"
#include "sensor/recording.h"

static struct recording *begin(const char *directory, const char *name, int *fd)
{
	const struct recording_session s = {
		.session = "0190c0de-0000-7000-8000-0000000000dd",
		.boot8 = "00c0ffee",
		.cgroups = 1,
		.fold_ns = 1000000000,
		.dns_ports = { 53 },
	};
	const struct recording_line head = { .sequence = 1, .time_ns = 1 };
	struct recording *r = NULL;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (*fd < 0 || recording_new(*fd, &r) < 0) {
		perror(path);
		return NULL;
	}
	recording_add(r, RECORDING_SESSION, &s, sizeof(s), NULL, 0);
	recording_add(r, RECORDING_LINE, &head, sizeof(head), "{}", 2);
	return r;
}

static void add(struct recording *r, const struct sample *sample, bool answer)
{
	static struct frame f;
	struct recording_answer head = { .question = TRACKER_CGROUP, .length = 4 };
	struct hd_header h;
	uint64_t now;

	sample->make(&f);
	memcpy(&h, f.data, sizeof(h));
	head.id = h.cgroup_id;
	now = h.time_ns + 2000000000;
	recording_add(r, RECORDING_FRAME, f.data, f.size, NULL, 0);
	if (answer && h.cgroup_id)
		recording_add(r, RECORDING_ANSWER, &head, sizeof(head), "/job", 4);
	recording_add(r, RECORDING_TICK, &now, sizeof(now), NULL, 0);
}

static int end(struct recording *r, int fd)
{
	int failed;

	recording_add(r, RECORDING_FINISH, NULL, 0, NULL, 0);
	failed = recording_flush(r) < 0;
	recording_free(r);
	return close(fd) < 0 || failed;
}

int main(int argc, char **argv)
{
	struct recording *r;
	int fd, failed = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	r = begin(argv[1], "all", &fd);
	if (!r)
		return 1;
	/* The samples are of one cgroup: it is asked about once. */
	for (size_t i = 0; i < samples_n; i++)
		add(r, &samples[i], i == 0);
	failed |= end(r, fd);
	for (size_t i = 0; i < samples_n; i++) {
		r = begin(argv[1], samples[i].name, &fd);
		if (!r)
			return 1;
		add(r, &samples[i], true);
		failed |= end(r, fd);
	}
	return failed;
}

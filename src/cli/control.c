/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between the launcher and the sensor process. */
#include "cli/control.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/macro.h"

static int put(int fd, enum control_kind kind, int value, const char *text, int flags)
{
	struct control message = { .kind = (uint32_t)kind, .value = value };
	size_t length = text ? MIN(strlen(text), sizeof(message.text) - 1) : 0;
	ssize_t n;

	if (length > 0)
		memcpy(message.text, text, length);
	do
		n = send(fd, &message, offsetof(struct control, text) + length + 1, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int control_send(int fd, enum control_kind kind, int value, const char *text)
{
	return put(fd, kind, value, text, 0);
}

void control_beat(int fd, const char *why)
{
	int unread = 0;

	if (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		return;
	(void)put(fd, CONTROL_BEAT, 0, why, MSG_DONTWAIT);
}

int control_receive(int fd, struct control *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof(*ret), 0);
	/* A reset says once that the other side left something of ours unread; what it sent before is still here. */
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if (n <= (ssize_t)offsetof(struct control, text))
		return -EBADMSG;
	((char *)ret)[n - 1] = '\0';
	return 1;
}

int control_follow(int fd, pid_t pid, const struct workload_places *places)
{
	char text[sizeof(*places) + 8];

	(void)snprintf(text, sizeof(text), "%s\n%s\n%d", places->cgroup, places->memory, places->memory_v1);
	return control_send(fd, CONTROL_FOLLOW, (int)pid, text);
}

void control_places(const struct control *message, struct workload_places *ret)
{
	const char *at = message->text;
	struct {
		char *to;
		size_t size;
	} fields[] = {
		{ ret->cgroup, sizeof(ret->cgroup) },
		{ ret->memory, sizeof(ret->memory) },
	};

	*ret = (struct workload_places){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = strcspn(at, "\n");

		(void)snprintf(fields[i].to, fields[i].size, "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
	}
	ret->memory_v1 = *at == '1';
}

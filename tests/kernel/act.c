/* SPDX-License-Identifier: Apache-2.0 */
/* The workload's side: runs cases and tells the judge, on standard output, what must have been seen. */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RING 8

const char *act_self, *act_base;
unsigned act_dns_port = 53;
pid_t act_outsider;
const char *act_outsider_mark = "";
long act_uid = -1, act_gid = -1;
int act_status;

static void put(const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(STDOUT_FILENO, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(99);
		text += n;
		length -= (size_t)n;
	}
}

static void _printf_(1, 2) say(const char *format, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	put(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static char *ring(void)
{
	static __thread char text[RING][16 * 1024];
	static __thread unsigned next;

	return text[next++ % RING];
}

char *hex(const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	static const char digits[] = "0123456789abcdef";
	char *ret = ring(), *q = ret + 4;

	memcpy(ret, "hex:", 4);
	for (size_t i = 0; i < length && i < 8000; i++) {
		*q++ = digits[p[i] >> 4];
		*q++ = digits[p[i] & 15];
	}
	*q = '\0';
	return ret;
}

static void expectation(int count, const char *type, const char *what, const char *format, va_list ap)
{
	static __thread char line[64 * 1024];
	char comm[17] = "", *shown = comm;
	int saved = errno, n;
	size_t size = sizeof(line) - 1;

	(void)prctl(PR_GET_NAME, comm);
	for (const char *p = comm; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("|,", *p))
			shown = hex(comm, strlen(comm));
	n = snprintf(line, size, "E\t%s\t%d\ttype=%s|@pid=%d|", what, count, type, getpid());
	if (count)
		n += snprintf(line + n, size - (size_t)n, "@tid=%ld|ppid=%d|uid=%ld|gid=%ld|comm=%s|exe=%s|",
			      syscall(SYS_gettid), getppid(), act_uid < 0 ? (long)geteuid() : act_uid,
			      act_gid < 0 ? (long)getegid() : act_gid, shown, act_self);
	n += vsnprintf(line + n, size - (size_t)n, format, ap);
	if ((size_t)n >= size) {
		say("F\t%s: the expectation is too long\n", what);
		return;
	}
	line[n++] = '\n';
	put(line, (size_t)n);
	errno = saved;
}

void expect(const char *type, const char *what, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	expectation(1, type, what, format, ap);
	va_end(ap);
}

void expect_n(int count, const char *type, const char *what, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	expectation(count, type, what, format, ap);
	va_end(ap);
}

void expect_none(const char *type, const char *what, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	expectation(0, type, what, format, ap);
	va_end(ap);
}

bool must(bool right, const char *what)
{
	int saved = errno;

	if (!right)
		say("F\t%s (errno %s)\n", what, strerrorname_np(saved) ? strerrorname_np(saved) : "0");
	errno = saved;
	return right;
}

const char *any(long result)
{
	static __thread char text[RING][64];
	static __thread unsigned next;
	char *ret = text[next++ % RING];

	if (result >= 0)
		return "result=0|-error|verified=true";
	(void)snprintf(ret, sizeof(text[0]), "result=-%d|error=%s", errno, strerrorname_np(errno));
	return ret;
}

const char *ok(long result)
{
	if (result < 0)
		say("F\ta call that must succeed gave %s\n", strerrorname_np(errno));
	return "result=0|-error|verified=true";
}

const char *no(long result, int error)
{
	if (result >= 0)
		say("F\ta call that must fail with %s gave %ld\n", strerrorname_np(error), result);
	else if (errno != error)
		say("F\ta call that must fail with %s gave %s\n", strerrorname_np(error), strerrorname_np(errno));
	errno = error;
	return any(-1);
}

void skip(const char *what, const char *why)
{
	say("S\t%s\t%s\n", what, why);
}

void joined(pid_t pid)
{
	say("J\t%d\n", pid);
}

void note(const char *format, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	say("N\t%s\n", line);
}

char *at(const char *name)
{
	static char cwd[4096];
	char *ret = ring();

	/* Asked once, at the case's first use: later the case may be anywhere. */
	if (!cwd[0] && !getcwd(cwd, sizeof(cwd)))
		(void)must(false, "getcwd");
	(void)snprintf(ret, 16 * 1024, "%s%s%s", cwd, *name ? "/" : "", name);
	return ret;
}

char *device(dev_t dev)
{
	char *ret = ring();

	(void)snprintf(ret, 64, "%u:%u", major(dev), minor(dev));
	return ret;
}

void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	(void)must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "make_file");
	(void)close(fd);
}

void copy_file(const char *from, const char *to, mode_t mode)
{
	char block[65536];
	ssize_t n = 0;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	while (in >= 0 && out >= 0 && (n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			break;
	(void)must(in >= 0 && out >= 0 && n == 0 && fchmod(out, mode) == 0, "copy_file");
	(void)close(in);
	(void)close(out);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return;
	}
	(void)close(fd);
}

int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return status;
}

pid_t in_child(int (*fn)(void *), void *context)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(context));
	act_status = wait_for(pid);
	return pid;
}

void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		(void)ioctl(fd, SIOCSIFFLAGS, &request);
	}
	(void)close(fd);
}

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void one_case(const struct act_family *family, const struct act_case *c)
{
	char dir[512];
	int status;
	pid_t pid;

	say("B\t%s\t%lld\n", c->name, (long long)now());
	(void)snprintf(dir, sizeof(dir), "%s/%s-%s", act_base, family->name, c->name);
	if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || chdir(dir) < 0) {
		say("F\tno directory for the case\n");
		return;
	}
	pid = fork();
	if (pid == 0) {
		/* Nothing a case does may outlast a minute, but for the long form of a stress case. */
		(void)alarm(act_tries(60, 3600));
		c->act();
		_exit(0);
	}
	status = wait_for(pid);
	if (chdir("/") < 0)
		status = -1;
	say("D\t%s\t%lld\t%d\n", c->name, (long long)now(), status);
}

unsigned act_tries(unsigned in_short, unsigned in_long)
{
	const char *stress = getenv(ACT_STRESS);

	return stress && strcmp(stress, "long") == 0 ? in_long : in_short;
}

bool act_emulated(void)
{
	static char text[4096];
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "QEMU") || strstr(text, "Nehalem");
}

int act_list(void)
{
	for (size_t i = 0; act_families[i]; i++) {
		const struct act_family *f = act_families[i];

		(void)printf("%s: %s\n", f->name, f->proves);
		for (const struct act_case *c = f->cases; c->name; c++)
			(void)printf("\t%s/%s\n", f->name, c->name);
	}
	return 0;
}

int act_run(const char *name)
{
	size_t n = strcspn(name, "/");
	bool found = false;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(022);
	for (size_t i = 0; act_families[i]; i++) {
		const struct act_family *f = act_families[i];

		if (strlen(f->name) != n || strncmp(f->name, name, n) != 0)
			continue;
		say("R\t%d\n", getpid());
		if (f->prelude) {
			char c;

			/* The judge attaches between these two. */
			f->prelude();
			say("G\n");
			(void)must(read(STDIN_FILENO, &c, 1) == 1, "the gate opens");
		}
		for (const struct act_case *c = f->cases; c->name; c++) {
			if (name[n] && strcmp(name + n + 1, c->name) != 0)
				continue;
			found = true;
			one_case(f, c);
		}
	}
	if (!found)
		(void)fprintf(stderr, "kernel-test: no case '%s'; see --list\n", name);
	return found ? 0 : 2;
}

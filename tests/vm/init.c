/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the test machine: mounts what a real one has, loads modules, runs the jobs it was
 * given and switches the machine off. Output of the jobs goes to one virtio port, what happened to another,
 * so that kernel messages on the serial console can't mix with either.
 *
 * On the host, `init --tsc-khz` prints the rate of the time stamp counter: the reduced hardware of a microvm
 * has nothing to calibrate it against, so the guest is told.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEBUG_EXIT_PORT 0xf4
#define STATUS_OWN_FAILURE 125

static int control_fd = -1;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (write(control_fd >= 0 ? control_fd : STDERR_FILENO, line, (size_t)n) != n)
		dprintf(STDERR_FILENO, "init: lost: %s", line);
}

static _Noreturn void power_off(int status)
{
	sync();
	if (iopl(3) == 0)
		outb((unsigned char)(status > 127 ? 127 : status), DEBUG_EXIT_PORT);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void mount_one(const char *type, const char *where, unsigned long flags, const char *options)
{
	mkdir(where, 0755);
	if (mount(type, where, type, flags, options) < 0)
		tell("warning mount %s at %s: %s\n", type, where, strerror(errno));
}

/*
 * The initial root can't be pivoted away from, and tests do that: stand on a bind mount of it instead.
 */
static void leave_initial_root(void)
{
	if (mkdir("/.root", 0755) < 0 || mount("/", "/.root", NULL, MS_BIND, NULL) < 0 || chdir("/.root") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0 || rmdir("/.root") < 0)
		dprintf(STDERR_FILENO, "init: could not leave the initial root: %s\n", strerror(errno));
}

static void mount_everything(void)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount_one("proc", "/proc", safe, NULL);
	mount_one("sysfs", "/sys", safe, NULL);
	mount_one("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=000");
	mount_one("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_one("mqueue", "/dev/mqueue", safe, NULL);
	mount_one("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mount_one("cgroup2", "/sys/fs/cgroup", safe, "nsdelegate");
	mount_one("bpf", "/sys/fs/bpf", safe, "mode=700");
	mount_one("tracefs", "/sys/kernel/tracing", safe, NULL);
	mount_one("debugfs", "/sys/kernel/debug", safe, NULL);
	mount_one("securityfs", "/sys/kernel/security", safe, NULL);
}

static void mount_disk(void)
{
	if (mount("/dev/vda", "/tmp", "ext4", 0, NULL) < 0 || chmod("/tmp", 01777) < 0 || rmdir("/tmp/lost+found") < 0)
		tell("warning disk at /tmp: %s\n", strerror(errno));
}

static void enable_controllers(void)
{
	char names[256], *save = NULL;
	int fd = open("/sys/fs/cgroup/cgroup.controllers", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, names, sizeof(names) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	names[n] = 0;
	fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
	for (char *name = strtok_r(names, " \n", &save); name && fd >= 0; name = strtok_r(NULL, " \n", &save))
		if (dprintf(fd, "+%s", name) < 0)
			tell("warning controller %s: %s\n", name, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void load_modules(void)
{
	char line[256];
	FILE *list = fopen("/etc/vm/modules", "re");

	while (list && fgets(line, sizeof(line), list)) {
		int fd;

		line[strcspn(line, "\n")] = 0;
		fd = open(line, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			dprintf(STDERR_FILENO, "init: module %s: %s\n", line, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (list)
		fclose(list);
}

/* The guest has no source of randomness and no clock worth the name: both come from the host. */
static void seed_random_and_clock(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[64];
	} seed = {.info = {.entropy_count = 8 * sizeof(seed.bytes), .buf_size = sizeof(seed.bytes)}};
	FILE *file = fopen("/etc/vm/seed", "re");
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	struct timespec now = {};

	if (file && fread(seed.info.buf, 1, sizeof(seed.bytes), file) == sizeof(seed.bytes) && fd >= 0)
		ioctl(fd, RNDADDENTROPY, &seed);
	if (file)
		fclose(file);
	if (fd >= 0)
		close(fd);
	now.tv_sec = getenv("vm_time") ? strtoll(getenv("vm_time"), NULL, 10) : 0;
	if (now.tv_sec > 0 && clock_settime(CLOCK_REALTIME, &now) < 0)
		tell("warning clock: %s\n", strerror(errno));
}

static void bring_up_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		goto out;
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request) == 0) {
		close(fd);
		return;
	}
out:
	tell("warning lo: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Opens the port named so, wherever the driver put it; waits for it up to five seconds. */
static int open_port(const char *name)
{
	for (int i = 0; i < 500; i++) {
		for (int port = 1; port <= 2; port++) {
			char path[96], found[64] = "";
			FILE *file;

			snprintf(path, sizeof(path), "/sys/class/virtio-ports/vport0p%d/name", port);
			file = fopen(path, "re");
			if (!file)
				continue;
			if (!fgets(found, sizeof(found), file))
				found[0] = 0;
			fclose(file);
			found[strcspn(found, "\n")] = 0;
			if (strcmp(found, name) != 0)
				continue;
			snprintf(path, sizeof(path), "/dev/vport0p%d", port);
			return open(path, O_WRONLY | O_CLOEXEC);
		}
		usleep(10000);
	}
	errno = ENODEV;
	return -1;
}

static int run_job(const char *command, int output_fd)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return STATUS_OWN_FAILURE;
	if (pid == 0) {
		int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		setsid();
		if (null_fd >= 0)
			dup2(null_fd, STDIN_FILENO);
		dup2(output_fd, STDOUT_FILENO);
		dup2(output_fd, STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	/* Orphans of the tests end up here: reap whatever comes until the job itself does. */
	for (;;) {
		pid_t done = wait(&status);

		if (done == pid)
			break;
		if (done < 0 && errno != EINTR)
			return STATUS_OWN_FAILURE;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_jobs(int output_fd)
{
	static char line[65536];
	FILE *list = fopen("/etc/vm/jobs", "re");
	int worst = 0;

	if (!list) {
		tell("failure no list of jobs: %s\n", strerror(errno));
		return STATUS_OWN_FAILURE;
	}
	for (int i = 0; fgets(line, sizeof(line), list); i++) {
		int status;

		line[strcspn(line, "\n")] = 0;
		tell("begin %d\n", i);
		status = run_job(line, output_fd);
		tell("end %d %d\n", i, status);
		if (status > worst)
			worst = status;
	}
	fclose(list);
	return worst;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int print_tsc_khz(void)
{
	uint64_t t0 = now_ns(), c0 = __builtin_ia32_rdtsc(), t1, c1;

	usleep(100000);
	t1 = now_ns();
	c1 = __builtin_ia32_rdtsc();
	return printf("%llu\n", (unsigned long long)((c1 - c0) * 1000000 / (t1 - t0))) > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int output_fd, status;

	if (argc == 2 && strcmp(argv[1], "--tsc-khz") == 0)
		return print_tsc_khz();
	if (getpid() != 1) {
		fprintf(stderr, "init: only a test machine's first process\n");
		return STATUS_OWN_FAILURE;
	}
	leave_initial_root();
	mount_one("devtmpfs", "/dev", MS_NOSUID, "mode=755");
	load_modules();
	mount_everything();
	control_fd = open_port("control");
	output_fd = open_port("output");
	if (control_fd < 0 || output_fd < 0) {
		dprintf(STDERR_FILENO, "init: no virtio ports: %s\n", strerror(errno));
		power_off(STATUS_OWN_FAILURE);
	}
	tell("ready\n");
	seed_random_and_clock();
	mount_disk();
	enable_controllers();
	bring_up_loopback();
	sethostname("heddle-vm", 9);
	setenv("PATH", "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", 1);
	setenv("HOME", "/root", 1);
	setenv("HEDDLE_VM", "1", 1);
	unsetenv("vm_time");
	status = run_jobs(output_fd);
	tell("done %d\n", status);
	power_off(status);
}

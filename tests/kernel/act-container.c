/* SPDX-License-Identifier: Apache-2.0 */
/* What leads out of a container, and sensitive files of procfs and sysfs. Opened at most, never written. */
#include "kernel-test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static int private_mounts(void)
{
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -1 : 0;
}

/* Opens and closes; the result is the open's. */
static const char *opened(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	const char *ret = any(fd);

	if (fd >= 0)
		(void)close(fd);
	return ret;
}

static void sensitive(const char *category, const char *what, const char *path, int flags)
{
	expect("sandbox_escape", what, "@category=%s|@target=%s|syscall=openat|+detail|%s", category, path,
	       opened(path, flags));
}

static int as_nobody(void *context)
{
	if (!must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "become nobody"))
		return 1;
	sensitive("proc_sys", "a refused attempt counts", "/proc/kcore", O_RDONLY);
	sensitive("proc_sys", "a refused write of a sysctl", "/proc/sys/kernel/printk", O_WRONLY);
	sensitive("container", "a refused attempt at core_pattern", "/proc/sys/kernel/core_pattern", O_WRONLY);
	return 0;
}

static void case_proc_sys(void)
{
	sensitive("proc_sys", "/proc/kcore", "/proc/kcore", O_RDONLY);
	sensitive("proc_sys", "/proc/kallsyms", "/proc/kallsyms", O_RDONLY);
	sensitive("proc_sys", "/proc/sysrq-trigger", "/proc/sysrq-trigger", O_WRONLY);
	sensitive("proc_sys", "/proc/kmsg", "/proc/kmsg", O_RDONLY);
	sensitive("proc_sys", "a sysctl opened for writing", "/proc/sys/kernel/printk", O_WRONLY);
	sensitive("proc_sys", "a file of sysfs opened for writing", "/sys/kernel/profiling", O_WRONLY);
	sensitive("proc_sys", "another's environment", "/proc/1/environ", O_RDONLY);
	expect("file_open", "and the plain event of the same call", "@path=/proc/kallsyms|flags~O_RDONLY|%s|%%late",
	       "result=0|verified=true");
	(void)in_child(as_nobody, NULL);
}

static void case_ordinary(void)
{
	static const char *const paths[] = { "/proc/self/status",  "/proc/cpuinfo",
					     "/proc/meminfo",	   "/proc/sys/kernel/osrelease",
					     "/proc/self/environ", "/sys/devices/system/cpu/online",
					     "/dev/null",	   "/dev/zero",
					     "/proc/self/cgroup",  "/proc/mounts",
					     "/etc/passwd" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		(void)opened(paths[i], O_RDONLY);
	make_file("token.txt", "x");
	expect_none("sandbox_escape", "ordinary files of procfs, sysfs and devices are none", "+type");
}

static void case_elsewhere(void)
{
	if (private_mounts() < 0 || mkdir("p", 0755) < 0 || mount("proc", "p", "proc", 0, NULL) < 0) {
		skip("procfs mounted elsewhere", strerror(errno));
		return;
	}
	sensitive("proc_sys", "procfs mounted elsewhere", at("p/kallsyms"), O_RDONLY);
	sensitive("container", "core_pattern mounted elsewhere", at("p/sys/kernel/core_pattern"), O_WRONLY);
	(void)must(mount("p/kcore", "bound", NULL, MS_BIND, NULL) < 0, "no such target");
	make_file("bound", "");
	(void)must(mount("p/kallsyms", "bound", NULL, MS_BIND, NULL) == 0, "bind mount");
	expect("sandbox_escape", "a bind mount with an innocent name", "@category=proc_sys|@target=%s|%s", at("bound"),
	       opened("bound", O_RDONLY));
}

static void case_core_pattern(void)
{
	sensitive("container", "core_pattern opened for writing", "/proc/sys/kernel/core_pattern", O_WRONLY);
}

static void case_core_pattern_read(void)
{
	(void)opened("/proc/sys/kernel/core_pattern", O_RDONLY);
	expect_none("sandbox_escape", "core_pattern opened for reading is none", "+type");
}

static void case_release_agent(void)
{
	(void)mkdir("cg", 0755);
	if (private_mounts() < 0 || mount("cgroup", "cg", "cgroup", 0, "none,name=kernel-test") < 0) {
		skip("release_agent of a v1 hierarchy",
		     errno == ENODEV ? "the kernel has no cgroup v1" : strerror(errno));
		return;
	}
	sensitive("container", "release_agent opened for writing", at("cg/release_agent"), O_WRONLY);
	(void)umount("cg");
}

static void case_devices(void)
{
	static const char *const disks[] = { "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/ram0" };
	size_t i = 0;

	sensitive("container", "/dev/mem", "/dev/mem", O_RDONLY);
	sensitive("container", "/dev/kmem", "/dev/kmem", O_RDWR);
	while (i < ARRAY_SIZE(disks) && access(disks[i], F_OK) < 0)
		i++;
	if (i < ARRAY_SIZE(disks))
		sensitive("container", "a disk of the host", disks[i], O_RDONLY);
	else
		sensitive("container", "a disk of the host that is missing", "/dev/sda", O_RDONLY);
	if (mknod("innocent", S_IFCHR | 0600, makedev(1, 1)) < 0 || access("/dev/mem", F_OK) < 0) {
		skip("a device node of one's own", "no /dev/mem here");
		return;
	}
	expect("sandbox_escape", "a device node of one's own", "@category=container|@target=%s|%s", at("innocent"),
	       opened("innocent", O_RDONLY));
}

static void case_handle(void)
{
	struct {
		struct file_handle h;
		char bytes[128];
	} handle = { .h.handle_bytes = 128 };
	int mount_id, fd, dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	make_file("f", "x");
	if (name_to_handle_at(AT_FDCWD, "f", &handle.h, &mount_id, 0) < 0) {
		skip("open_by_handle_at that succeeds", strerror(errno));
		handle.h.handle_bytes = 8;
	}
	fd = open_by_handle_at(dir, &handle.h, O_RDONLY);
	expect("sandbox_escape", "open_by_handle_at", "@category=container|@syscall=open_by_handle_at|+detail|%s",
	       any(fd));
}

static void connect_to(const char *what, const char *path, const char *shown)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	expect("sandbox_escape", what, "@category=container|@syscall=connect|@target=%s|+detail|%s", shown,
	       any(connect(fd, (struct sockaddr *)&a, sizeof(a))));
	(void)close(fd);
}

static void serve(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	(void)must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 5) == 0, "a runtime's socket");
}

static void case_runtime_socket(void)
{
	connect_to("a runtime's socket that is missing", "/run/k3s/containerd/containerd.sock",
		   "/run/k3s/containerd/containerd.sock");
	(void)mkdir("/run", 0755);
	if (private_mounts() < 0 || mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0) {
		skip("a container runtime's socket", strerror(errno));
		return;
	}
	(void)mkdir("/run/containerd", 0755);
	(void)mkdir("/run/crio", 0755);
	(void)mkdir("/run/podman", 0755);
	serve("/run/docker.sock");
	serve("/run/containerd/containerd.sock");
	serve("/run/crio/crio.sock");
	serve("/run/podman/podman.sock");
	connect_to("docker's socket", "/run/docker.sock", "/run/docker.sock");
	connect_to("containerd's socket", "/run/containerd/containerd.sock", "/run/containerd/containerd.sock");
	connect_to("cri-o's socket", "/run/crio/crio.sock", "/run/crio/crio.sock");
	(void)must(symlink("/run/podman/podman.sock", "innocent") == 0, "symlink");
	connect_to("a runtime's socket by another name", "innocent", "/run/podman/podman.sock");
	serve("plain.sock");
	expect_none("sandbox_escape", "an ordinary socket is none", "target=%s", at("plain.sock"));
}

static void case_token(void)
{
	static const char missing[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";
	int fd;

	(void)mkdir("/run", 0755);
	if (private_mounts() < 0 || mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0) {
		skip("a service account's token", strerror(errno));
		return;
	}
	expect("sandbox_escape", "a token that is missing", "@category=container|@result=-2|target=%s|%s", missing,
	       opened(missing, O_RDONLY));
	(void)must(mkdir("/run/secrets", 0755) == 0 && mkdir("/run/secrets/kubernetes.io", 0755) == 0 &&
		       mkdir("/run/secrets/kubernetes.io/serviceaccount", 0755) == 0,
		   "mkdir");
	make_file("/run/secrets/kubernetes.io/serviceaccount/t", "secret");
	(void)must(rename("/run/secrets/kubernetes.io/serviceaccount/t",
			  "/run/secrets/kubernetes.io/serviceaccount/token") == 0,
		   "rename");
	fd = open("/run/secrets/kubernetes.io/serviceaccount/token", O_RDONLY | O_CLOEXEC);
	expect("sandbox_escape", "a service account's token",
	       "@category=container|@result=0|target=/run/secrets/kubernetes.io/serviceaccount/token|+detail|%s",
	       ok(fd));
}

static void case_metadata(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct ifreq request = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		skip("the cloud's metadata service", strerror(errno));
		return;
	}
	(void)inet_pton(AF_INET, "169.254.169.254", &a.sin_addr);
	loopback_up();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(&request.ifr_addr, &a, sizeof(a));
	(void)must(ioctl(fd, SIOCSIFADDR, &request) == 0, "an address of our own");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect("sandbox_escape", "the cloud's metadata service",
	       "@category=container|@syscall=connect|target=169.254.169.254:80|+detail|%s",
	       no(connect(fd, (struct sockaddr *)&a, sizeof(a)), ECONNREFUSED));
	expect("network_connect", "and the plain event of the same call",
	       "@destination=169.254.169.254|destination_port=80|result=-111|%%late");
}

static void case_runc(void)
{
	expect("sandbox_escape", "one's own image opened for writing",
	       "@category=container|@syscall=openat|+target|+detail|%s",
	       no(open("/proc/self/exe", O_WRONLY | O_CLOEXEC), ETXTBSY));
}

static void case_magic_link(void)
{
	pid_t pid = fork();
	char path[64];
	int fd;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	fd = open("/proc/1/root/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect("sandbox_escape", "through init's root",
	       "@category=container|%%path|@target~/proc/1/root|syscall=openat|+detail|%s", any(fd));
	make_file("f", "x");
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd/f", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	expect("sandbox_escape", "through another's working directory",
	       "@category=container|%%path|@target~/proc/%d/cwd|syscall=openat|%s", pid, any(fd));
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
	expect("file_open", "the plain event names the file itself",
	       "@path=%s|@flags=O_RDONLY,O_CLOEXEC|result=0|%%late", at("f"));
}

static const struct act_case cases[] = {
	{ "proc-sys", case_proc_sys },
	{ "ordinary", case_ordinary },
	{ "elsewhere", case_elsewhere },
	{ "core-pattern", case_core_pattern },
	{ "core-pattern-read", case_core_pattern_read },
	{ "release-agent", case_release_agent },
	{ "devices", case_devices },
	{ "handle", case_handle },
	{ "runtime-socket", case_runtime_socket },
	{ "token", case_token },
	{ "metadata", case_metadata },
	{ "runc", case_runc },
	{ "magic-link", case_magic_link },
	{ 0 },
};

const struct act_family family_container = { "container", "sandbox_escape: container, proc_sys", cases, NULL };

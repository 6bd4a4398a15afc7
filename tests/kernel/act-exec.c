/* SPDX-License-Identifier: Apache-2.0 */
/* execve and execveat, what came of them, and what they carried. */
#include "kernel-test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUCCESS "result=0|-error|verified=true"

extern char **environ;

/* What the kernel makes of a program's name for comm. */
static const char *comm_of(const char *path)
{
	static char text[16];
	const char *slash = strrchr(path, '/');

	(void)snprintf(text, sizeof(text), "%.15s", slash ? slash + 1 : path);
	return text;
}

static int sys_execveat(int fd, const char *path, char *const *argv, int flags)
{
	return (int)syscall(SYS_execveat, fd, path, argv, environ, flags);
}

static void expect_end(pid_t pid, int code, const char *exe, int image)
{
	expect("process_exit", "exit after exec", "@pid=%d|tid=*|ppid=%d|comm=*|exe=%s|exit_code=%d|-signal|image=%d",
	       pid, getpid(), exe, code, image);
}

static int plain(void *context)
{
	char *argv[] = { "argv zero", "--helper", "exit", "3", NULL };

	(void)context;
	expect("process_exec", "execve",
	       "@path=%s|comm=%s|" SUCCESS "|args[0]=argv zero|args[1]=--helper|args[2]=exit|args[3]=3|args>=4|"
	       "args_count=4|args_bytes=26|args_truncated!=true|cwd=%s|-interpreter|-fileless|-loaded|image=1|-escaped",
	       act_self, comm_of(act_self), at(""));
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static void case_execve(void)
{
	pid_t pid = in_child(plain, NULL);

	expect_end(pid, 3, act_self, 1);
}

static int at_fd(void *context)
{
	char *argv[] = { "by-fd", "--helper", "exit", "4", NULL };
	int fd = open(act_self, O_PATH | O_CLOEXEC);

	(void)context;
	expect("process_exec", "execveat with AT_EMPTY_PATH", "@path=%s|comm=*|" SUCCESS "|args[0]=by-fd|-fileless",
	       act_self);
	(void)must(sys_execveat(fd, "", argv, AT_EMPTY_PATH) == 0, "execveat");
	return 1;
}

static int at_dir(void *context)
{
	char *argv[] = { "by-dir", "--helper", "exit", "5", NULL };
	int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)context;
	expect("process_exec", "execveat relative to a directory",
	       "@path=%s|exe=%s|comm=prog|" SUCCESS "|args[0]=by-dir", at("sub/prog"), at("sub/prog"));
	(void)must(sys_execveat(fd, "sub/prog", argv, 0) == 0, "execveat");
	return 1;
}

static void case_execveat(void)
{
	pid_t pid = in_child(at_fd, NULL);

	expect_end(pid, 4, act_self, 1);
	(void)mkdir("sub", 0755);
	copy_file(act_self, "sub/prog", 0755);
	pid = in_child(at_dir, NULL);
	expect_end(pid, 5, at("sub/prog"), 1);
}

static int relative(void *context)
{
	char *argv[] = { "rel", "--helper", "exit", "0", NULL };

	(void)context;
	expect("process_exec", "a symlink by a relative path", "@path=%s|comm=link|" SUCCESS "|cwd=%s", act_self,
	       at(""));
	(void)must(execv("./link", argv) == 0, "execve");
	return 1;
}

static void case_symlink(void)
{
	(void)must(symlink(act_self, "link") == 0, "symlink");
	(void)in_child(relative, NULL);
	(void)must(act_status == 0, "the program ran");
}

static void case_failed(void)
{
	char *argv[] = { "never", "was here", NULL };
	char *name = at("missing");
	int fd;

	expect("process_exec", "ENOENT", "@path=%s|%s|args[0]=never|args[1]=was here|args_count=2|verified=false", name,
	       no(execv(name, argv), ENOENT));
	make_file("text", "plain text, no program\n");
	expect("process_exec", "EACCES: no execute bit", "@path=%s|%s|args[0]=never", at("text"),
	       no(execv("text", argv), EACCES));
	make_file("junk", "\1\2\3 no format\n");
	(void)chmod("junk", 0755);
	expect("process_exec", "ENOEXEC", "@path=%s|%s|args[0]=never", at("junk"), no(execv("./junk", argv), ENOEXEC));
	expect("process_exec", "ENOTDIR", "@path=%s|%s", at("text/below"), no(execv("text/below", argv), ENOTDIR));
	expect("process_exec", "EACCES: a directory", "@path=%s|@%s", at(""), no(execv(at(""), argv), EACCES));
	(void)must(symlink("round", "round") == 0, "symlink");
	expect("process_exec", "ELOOP", "@path=%s|%s", at("round"), no(execv("round", argv), ELOOP));
	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	expect("process_exec", "execveat ENOENT below a directory", "@path=%s|%s", at("no-such"),
	       no(sys_execveat(fd, "no-such", argv, 0), ENOENT));
	make_file("hollow", "#!/no/such/interpreter\n");
	(void)chmod("hollow", 0755);
	expect("process_exec", "ENOENT of the interpreter", "@path=%s|%s", at("hollow"),
	       no(execv("./hollow", argv), ENOENT));
	expect("process_exec", "EFAULT: a path that can't be read", "@result=-14|error=EFAULT|-path");
	(void)must(syscall(SYS_execve, (char *)8, argv, environ) < 0, "EFAULT");
}

static int too_big(void *context)
{
	static char block[100000];
	char first[] = "big", *argv[80] = { first }; /* on the stack: in memory when the sensor looks */

	(void)context;
	memset(block, 'x', sizeof(block) - 1);
	for (int i = 1; i < 79; i++)
		argv[i] = block;
	expect("process_exec", "E2BIG", "@path=%s|%s|args[0]=big", act_self, no(execv(act_self, argv), E2BIG));
	return 0;
}

static int as_nobody(void *context)
{
	char *argv[] = { "locked", NULL };

	(void)context;
	if (!must(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "become nobody"))
		return 1;
	expect("process_exec", "EACCES: another's program", "@path=%s|%s|uid=65534|gid=65534", at("locked"),
	       no(execv("./locked", argv), EACCES));
	return 0;
}

static void case_failed_more(void)
{
	copy_file(act_self, "locked", 0700);
	(void)in_child(as_nobody, NULL);
	(void)in_child(too_big, NULL);
}

static int script(void *context)
{
	char *argv[] = { "lost", "one", "two words", NULL };

	(void)context;
	expect("process_exec", "a script with an interpreter",
	       "@path=%s|exe=%s|interpreter=%s|comm=script|" SUCCESS "|args[0]=%s|args[1]=--script|args[2]=./script|"
	       "args[3]=one|args[4]=two words|args_count=5|%%way=script",
	       at("script"), act_self, act_self, act_self);
	(void)must(execv("./script", argv) == 0, "execve");
	return 1;
}

static int nested(void *context)
{
	char *argv[] = { "lost", NULL };

	(void)context;
	expect("process_exec", "a script run by a script",
	       "@path=%s|exe=%s|+interpreter|comm=outer|%%way=script|" SUCCESS, at("outer"), act_self);
	(void)must(execv("./outer", argv) == 0, "execve");
	return 1;
}

static void case_script(void)
{
	char text[512];
	pid_t pid;

	(void)snprintf(text, sizeof(text), "#!%s --script\n", act_self);
	make_file("script", text);
	(void)chmod("script", 0755);
	pid = in_child(script, NULL);
	expect_end(pid, 7, act_self, 1);
	(void)snprintf(text, sizeof(text), "#!%s\n", at("script"));
	make_file("outer", text);
	(void)chmod("outer", 0755);
	(void)in_child(nested, NULL);
	(void)must(WEXITSTATUS(act_status) == 7, "the nested script ran");
}

static int run_fd(void *context)
{
	char *argv[] = { "hidden", "--helper", "exit", "8", NULL };
	const char *const *what = context;
	int fd = (int)strtol(what[1], NULL, 10);

	expect("process_exec", what[0],
	       "@args[0]=hidden|comm=*|exe~%s|path~%s|" SUCCESS "|fileless=true|args_count=4%s",
	       what[2], what[2], what[3]);
	(void)must(sys_execveat(fd, "", argv, AT_EMPTY_PATH) == 0, "execveat");
	return 1;
}

static void case_fileless(void)
{
	char number[16], path[64];
	const char *what[] = { "fexecve of a memfd", number, "secret", "|%way=memfd" };
	int fd = memfd_create("secret", MFD_CLOEXEC);
	int gone;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy_file(act_self, path, 0755);
	(void)snprintf(number, sizeof(number), "%d", fd);
	(void)in_child(run_fd, what);
	(void)must(WEXITSTATUS(act_status) == 8, "the memfd ran");
	copy_file(act_self, "gone", 0755);
	gone = open("gone", O_RDONLY | O_CLOEXEC);
	(void)must(unlink("gone") == 0, "unlink");
	(void)snprintf(number, sizeof(number), "%d", gone);
	what[0] = "a deleted image";
	what[2] = at("gone");
	what[3] = "";
	(void)in_child(run_fd, what);
	(void)must(WEXITSTATUS(act_status) == 8, "the deleted image ran");
}

static int many(void *context)
{
	static char *argv[10005] = { "many", "--helper", "exit", "9" };
	static char text[10005][8];
	size_t bytes = 5 + 9 + 5 + 2;

	(void)context;
	for (int i = 4; i < 10000; i++) {
		bytes += 1 + (size_t)snprintf(text[i], sizeof(text[i]), "a%d", i);
		argv[i] = text[i];
	}
	expect("process_exec", "10,000 arguments",
	       "@path=%s|comm=*|" SUCCESS
	       "|args_count=10000|args_bytes=%zu|args_truncated=true|args>=256|args[255]=a255|"
	       "args[4]=a4",
	       act_self, bytes);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static int large(void *context)
{
	static char block[131072];
	char *argv[] = { "large", "--helper", "exit", "9", block, "after", NULL };

	(void)context;
	memset(block, 'L', sizeof(block) - 1);
	expect("process_exec", "an argument of 128 KiB",
	       "@path=%s|comm=*|" SUCCESS
	       "|args_count=6|args_bytes=%zu|args_truncated=true|args[0]=large|args[3]=9|args[4]^LLLL",
	       act_self, sizeof(block) + 6 + 9 + 5 + 2 + 6);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static int just_fits(void *context)
{
	static char block[16384 - 22];
	char *argv[] = { "fits!", "--helper", "exit", "9", block, NULL };

	(void)context;
	memset(block, 'F', sizeof(block) - 1);
	expect("process_exec", "arguments of 16 KiB are kept whole",
	       "@path=%s|comm=*|" SUCCESS "|args_count=5|args_bytes=16384|args_truncated!=true|args[4]=%s", act_self,
	       block);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static void case_arguments(void)
{
	(void)in_child(many, NULL);
	(void)must(WEXITSTATUS(act_status) == 9, "the program with many arguments ran");
	(void)in_child(large, NULL);
	(void)must(WEXITSTATUS(act_status) == 9, "the program with a large argument ran");
	(void)in_child(just_fits, NULL);
	(void)must(WEXITSTATUS(act_status) == 9, "the program with 16 KiB ran");
}

static int empty_zero(void *context)
{
	char *argv[] = { "", "--helper", "exit", "2", NULL };

	(void)context;
	expect("process_exec", "an empty argv[0]", "@path=%s|comm=*|" SUCCESS "|args[0]=|args[1]=--helper|args_count=4",
	       act_self);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static int no_argv(void *context)
{
	char *argv[] = { NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)context;
	expect("process_exec", "no argv at all", "@path=%s|comm=*|" SUCCESS "|args_bytes=1|args_count=1", act_self);
	(void)dup2(null, STDERR_FILENO);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static void case_empty(void)
{
	(void)in_child(empty_zero, NULL);
	(void)must(WEXITSTATUS(act_status) == 2, "the program ran");
	(void)in_child(no_argv, NULL);
}

static const char hostile[] =
    "new\nline \33[31mred\33[0m \"quoted\" 'x' \\ back\\x41 \xff\xfe bad \xc3\xa9 good \x7f\t\1 \xc2\x9b";

static int hostile_args(void *context)
{
	char *argv[] = { "nasty", "--helper", "exit", "6", (char *)hostile, "\xed\xa0\x80", "plain", NULL };

	(void)context;
	expect("process_exec", "newline, ESC, quotes and bad UTF-8 in arguments",
	       "@path=%s|comm=*|" SUCCESS "|args[4]=%s|args[5]=%s|args[6]=plain|escaped~args|args_bytes=%zu", act_self,
	       hex(hostile, sizeof(hostile) - 1), hex("\xed\xa0\x80", 3), sizeof(hostile) + 4 + 6 + 6 + 9 + 5 + 2);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static const char hostile_name[] = "a\"b\\c\n\33]0;t\7\xff\xc3\xa9";

static int hostile_program(void *context)
{
	char *argv[] = { "x", "--helper", "exit", "6", NULL };
	char *path = at(hostile_name);

	(void)context;
	expect("process_exec", "a program's name of hostile bytes",
	       "@path=%s|exe=%s|comm=%s|" SUCCESS "|escaped~path|escaped~exe", hex(path, strlen(path)),
	       hex(path, strlen(path)), hex(hostile_name, 15));
	(void)must(execv(path, argv) == 0, "execve");
	return 1;
}

static void case_hostile(void)
{
	(void)in_child(hostile_args, NULL);
	(void)must(WEXITSTATUS(act_status) == 6, "the program with hostile arguments ran");
	copy_file(act_self, at(hostile_name), 0755);
	(void)in_child(hostile_program, NULL);
	(void)must(WEXITSTATUS(act_status) == 6, "the program with the hostile name ran");
}

static void *from_thread(void *context)
{
	char *argv[] = { "threaded", "--helper", "exit", "5", NULL };

	(void)context;
	/* The thread takes over the leader's id: either may be told. */
	expect("process_exec", "exec from a thread that is not the leader", "@path=%s|tid=*|comm=*|" SUCCESS "|image=1",
	       act_self);
	(void)must(execv(act_self, argv) == 0, "execve");
	return NULL;
}

static int threaded(void *context)
{
	pthread_t t;

	(void)context;
	(void)must(pthread_create(&t, NULL, from_thread, NULL) == 0, "pthread_create");
	(void)pthread_join(t, NULL);
	return 1;
}

static void case_thread(void)
{
	pid_t pid = in_child(threaded, NULL);

	expect_end(pid, 5, act_self, 1);
}

static int by_loader(void *context)
{
	char *argv[] = { "loader", (char *)act_self, "--helper", "exit", "4", NULL };
	char real[4096];

	expect("process_exec", "a program run by the dynamic loader",
	       "@path=%s|exe=%s|comm=*|" SUCCESS "|loaded=%s|args[1]=%s|%%way=loader",
	       realpath(context, real), real, act_self, act_self);
	(void)must(execv(context, argv) == 0, "execve");
	return 1;
}

static void case_loader(void)
{
	static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1" };

	for (size_t i = 0; i < ARRAY_SIZE(loaders); i++) {
		if (access(loaders[i], X_OK) < 0)
			continue;
		(void)in_child(by_loader, (void *)loaders[i]);
		(void)must(WEXITSTATUS(act_status) == 4, "the loader ran the program");
		return;
	}
	skip("a program run by the dynamic loader", "no dynamic loader at the usual places");
}

static int twice(void *context)
{
	char *argv[] = { "first", "--helper", "exec", (char *)act_self, "exit", "3", NULL };

	(void)context;
	expect("process_exec", "the first of two execs", "@args[0]=first|path=%s|comm=*|" SUCCESS "|image=1", act_self);
	expect("process_exec", "the second of two execs", "@args[0]=again|path=%s|comm=*|" SUCCESS "|image=2",
	       act_self);
	(void)must(execv(act_self, argv) == 0, "execve");
	return 1;
}

static void case_twice(void)
{
	pid_t pid = in_child(twice, NULL);

	expect_end(pid, 3, act_self, 2);
}

static void case_spawn(void)
{
	char *argv[] = { "spawned", "--helper", "exit", "6", NULL };
	pid_t pid = -1;

	(void)must(posix_spawn(&pid, act_self, NULL, NULL, argv, environ) == 0, "posix_spawn");
	(void)wait_for(pid);
	expect("process_exec", "posix_spawn", "@pid=%d|tid=%d|ppid=%d|comm=*|path=%s|args[0]=spawned|" SUCCESS, pid,
	       pid, getpid(), act_self);
	expect_end(pid, 6, act_self, 1);
}

static const struct act_case cases[] = {
	{ "execve", case_execve },
	{ "execveat", case_execveat },
	{ "symlink", case_symlink },
	{ "failed", case_failed },
	{ "failed-more", case_failed_more },
	{ "script", case_script },
	{ "fileless", case_fileless },
	{ "arguments", case_arguments },
	{ "empty", case_empty },
	{ "hostile", case_hostile },
	{ "thread", case_thread },
	{ "loader", case_loader },
	{ "twice", case_twice },
	{ "spawn", case_spawn },
	{ 0 },
};

const struct act_family family_exec = { "exec", "process_exec", cases, NULL };

int helper_main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[0], "exit") == 0)
		return (int)strtol(argv[1], NULL, 10);
	if (argc >= 4 && strcmp(argv[0], "exec") == 0) {
		char *next[] = { "again", "--helper", argv[2], argv[3], NULL };

		(void)execv(argv[1], next);
	}
	if (argc >= 2 && strcmp(argv[0], "tell") == 0) {
		expect("process_exec", "arguments are the new image's own",
		       "@path=%s|args[2]=tell|args[3]=%s|result=0|verified=true", act_self, argv[1]);
		return 0;
	}
	if (argc >= 2 && strcmp(argv[0], "write") == 0)
		return write((int)strtol(argv[1], NULL, 10), "1234", 4) == 4 ? 0 : 1;
	return 100;
}

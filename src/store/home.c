/* SPDX-License-Identifier: Apache-2.0 */
/* Where sessions live, how they are named, and the lock that tells a running one from an interrupted one. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

int store_home(char *ret, size_t size, struct err *err)
{
	const char *home = getenv("HEDDLE_HOME"), *below = "";

	if (!home || !*home) {
		if (geteuid() == 0) {
			home = "/var/lib/heddle";
		} else if ((home = getenv("XDG_STATE_HOME")) && *home == '/') {
			below = "/heddle";
		} else if ((home = getenv("HOME")) && *home == '/') {
			below = "/.local/state/heddle";
		} else {
			return err_set(err, ENOENT, "no place for sessions: set HEDDLE_HOME to a directory");
		}
	}
	int n = snprintf(ret, size, "%s%s", home, below);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, ENAMETOOLONG, "the path in HEDDLE_HOME is too long");
	return 0;
}

void store_new_id(char ret[37])
{
	struct timespec now;
	uint64_t random[2];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		/* Never on Linux once booted; uniqueness then rests on the clock and the pid. */
		random[0] = (uint64_t)now.tv_nsec << 20;
		random[1] = (uint64_t)getpid();
	}
	uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	/* rand_a holds the fraction of the millisecond, so that ids made one after another sort so. */
	unsigned fraction = (unsigned)((uint64_t)now.tv_nsec % 1000000 * 4096 / 1000000);

	(void)snprintf(ret, 37, "%08x-%04x-7%03x-%04x-%012llx", (unsigned)(ms >> 16), (unsigned)(ms & 0xffff), fraction,
		       (unsigned)(0x8000 | (random[0] & 0x3fff)), (unsigned long long)(random[1] & 0xffffffffffffULL));
}

bool store_id_valid(const char *id)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? id[i] != '-' : !strchr("0123456789abcdef", id[i]) || !id[i])
			return false;
	}
	return id[36] == '\0';
}

int store_path(char ret[PATH_MAX], const char *home, const char *id, const char *suffix, struct err *err)
{
	if (!store_id_valid(id))
		return err_set(err, EINVAL, "'%s' is not the id of a session", id);
	int n = snprintf(ret, PATH_MAX, "%s/sessions/%s%s", home, id, suffix);
	if (n < 0 || n >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "%s: the path is too long", home);
	return 0;
}

int store_lock_held(const char *home, const char *id)
{
	char path[PATH_MAX];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (store_path(path, home, id, ".lock", NULL) < 0)
		return 0;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool store_in_use(const char *home, const char *id)
{
	/* Every connection holds a read lock here for as long as it is open (SQLite's bytes, WAL mode). */
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512 };
	char path[PATH_MAX];

	if (store_path(path, home, id, ".db", NULL) < 0)
		return false;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int store_lock_take(const char *home, const char *id, int *ret_fd, struct err *err)
{
	char path[PATH_MAX];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int r = store_path(path, home, id, ".lock", err);

	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, errno, "can't write %s", path);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		int code = errno == EAGAIN || errno == EACCES ? EBUSY : errno;

		return err_errno(err, code, "can't lock %s", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

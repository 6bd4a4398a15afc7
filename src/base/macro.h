/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers that every module uses; depends on nothing. */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_ __attribute__((warn_unused_result))
#define _unused_ __attribute__((unused))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Hands over ownership: yields the value and leaves the variable empty. */
#define TAKE_PTR(p)                    \
	({                             \
		__typeof__(p) _t = (p); \
		(p) = NULL;            \
		_t;                    \
	})
#define TAKE_FD(fd)        \
	({                 \
		int _f = (fd); \
		(fd) = -1; \
		_f;        \
	})

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void close_stream(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void close_directory(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define _cleanup_free_ _cleanup_(free_ptr)
#define _cleanup_close_ _cleanup_(close_fd)
#define _cleanup_fclose_ _cleanup_(close_stream)
#define _cleanup_closedir_ _cleanup_(close_directory)

/* Defines NAME_p(T **), for _cleanup_(NAME_p). */
#define DEFINE_CLEANUP(type, free_func)                    \
	static inline void free_func##_p(type *p)          \
	{                                                  \
		if (*p)                                    \
			free_func(*p);                     \
	}                                                  \
	struct _cleanup_semicolon_##free_func

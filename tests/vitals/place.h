/* SPDX-License-Identifier: Apache-2.0 */
/* A session's cgroups as the launcher makes them, on v2 or on v1 with a bare v2 beside it; and children that allocate.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MIB (UINT64_C(1) << 20)

struct place {
	char cgroup[512]; /* v2 */
	char memory[512]; /* the same, or v1's */
	char home[540];	  /* where the command's processes go: v2's "agent" */
	bool v1;
};

/* Why the tests can't run here; NULL: they can. */
const char *place_missing(void);
int place_make(struct place *ret, const char *name);
/* Puts the calling process there. */
int place_enter(const struct place *p);
/* Ends what runs there and removes it. */
void place_remove(struct place *p);

/* Allocates and touches so many bytes at so many a second (0: at once); 0 when all is there. */
int hog(uint64_t bytes, uint64_t rate);
uint64_t now_ns(void);
int write_file(const char *path, const char *text);

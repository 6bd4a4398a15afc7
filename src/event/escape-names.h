/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a sandbox_escape, from its rule, its call and the call's arguments. */
#pragma once

#include "base/buf.h"
#include "event/event.h"

/* Appends the object in one string: a path, "pid 12", "1.2.3.4:80", "CLONE_NEWNS|CLONE_NEWPID", a cgroup's path. */
void escape_target(const struct event *e, struct buf *out);

/* Appends what was tried, in words. May hold an agent's bytes: it is to be escaped like any other string. */
void escape_detail(const struct event *e, struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
/* What the process that observes gives up once all is loaded. docs/blinding.md lists it. */
#pragma once

#include "base/err.h"

/*
 * For good: no new privileges and an allow-list of system calls for all threads (the others fail with EPERM), and few
 * capabilities for the calling thread (the others call capability_reduce). Negative errno with a text where the kernel
 * refuses one; what came before it holds.
 */
int harden(struct err *err);

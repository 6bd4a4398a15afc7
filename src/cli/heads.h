/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/check.h"

/*
 * The head of a session in a file of them, the last of several, with its signature checked. 1: found, 0: none;
 * -EBADMSG: damaged or forged.
 */
int heads_find(const char *path, const char *id, struct check_head *ret, struct err *err);

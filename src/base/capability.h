/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread of ours keeps of root's power once a session runs. docs/blinding.md says what each is for. */
#pragma once

/*
 * Gives up every capability of the calling thread but those, for good: its effective, permitted, inheritable and
 * ambient sets, and where it may its bounding set. Other threads keep theirs: each calls it. 0 or negative errno.
 */
int capability_reduce(void);

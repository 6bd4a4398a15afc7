/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel allows and has. Private to src/sensor. */
#pragma once

#include "sensor/sensor.h"

#define BPF_NO_BIT 64 /* a flag that this kernel does not have */

/* What its BTF says of it. */
struct bpf_kernel {
	int lsm_unlink, want_write; /* BTF ids of functions to try a program on; 0: there is none */
	bool rdonly_cast;           /* bpf_rdonly_cast (6.2) */
	bool setattr_idmap;         /* the hook on inode_setattr takes an idmap */
	/* How many parameters these tracepoints have, their own context included; 0: there is none of the name. */
	unsigned uring_submit_req, uring_submit_sqe, uring_complete;
	uint8_t creds_bit, refcount_bit, cleanup_bit; /* of a request's flags, or BPF_NO_BIT */
};

/* As sensor_probe, and what loading needs to know. */
void bpf_probe(struct sensor_probe *ret, struct bpf_kernel *ret_kernel);

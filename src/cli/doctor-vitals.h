/* SPDX-License-Identifier: Apache-2.0 */
/* doctor's part about vitals and the guard: which controller, which pressure, which probes this machine has. */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "cli/table.h"

#define DOCTOR_PROBES_MAX 8

struct doctor_vitals {
	char memory[256];   /* where a limit can be set, in words; "": nowhere */
	bool memory_v1;
	bool pressure;
	char probes_why[160]; /* "": they can be loaded */
	size_t probes_n;
	struct doctor_probe {
		char name[48], provides[64];
		bool attached;
		char why_not[128];
	} probes[DOCTOR_PROBES_MAX];
};

/* Loads the probes for a moment. */
void doctor_vitals_examine(struct doctor_vitals *ret);
/* Two cells a row: name and value. */
void doctor_vitals_facts(const struct doctor_vitals *v, struct table *t);
/* A member of the open object: docs/man/heddle-doctor.1. */
void doctor_vitals_json(const struct doctor_vitals *v, struct json *j);

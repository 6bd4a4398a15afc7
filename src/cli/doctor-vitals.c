/* SPDX-License-Identifier: Apache-2.0 */
/* See doctor-vitals.h. */
#include "cli/doctor-vitals.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "sensor/vitals-probes.h"

static bool has_word(const char *path, const char *word)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[512], *rest = text, *one;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	while ((one = strsep(&rest, " \n")))
		if (strcmp(one, word) == 0)
			return true;
	return false;
}

static void find_memory(struct doctor_vitals *v)
{
	struct cgroup_mount mount;
	char path[CGROUP_PATH_MAX + 32];

	if (cgroup_find_mount("/proc", NULL, &mount) == 0) {
		(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mount.at);
		if (has_word(path, "memory"))
			(void)snprintf(v->memory, sizeof(v->memory), "cgroup v2");
	}
	if (!*v->memory && cgroup_find_mount("/proc", "memory", &mount) == 0) {
		v->memory_v1 = true;
		(void)snprintf(v->memory, sizeof(v->memory), "cgroup v1 (%.200s)", mount.at);
	}
}

static void find_probes(struct doctor_vitals *v)
{
	const struct vitals_probes_options options = { .probes = VITALS_PROBE_ALL, .only = VITALS_PROBES_LATER };
	struct vitals_probes *probes = NULL;
	const struct vitals_hook *hooks;
	struct err err = { 0 };

	if (vitals_probes_open(&options, &probes, &err) < 0) {
		(void)snprintf(v->probes_why, sizeof(v->probes_why), "%.159s", err.text);
		return;
	}
	v->probes_n = MIN(vitals_probes_hooks(probes, &hooks), (size_t)DOCTOR_PROBES_MAX);
	for (size_t i = 0; i < v->probes_n; i++) {
		struct doctor_probe *p = &v->probes[i];

		p->attached = hooks[i].attached;
		(void)snprintf(p->name, sizeof(p->name), "%s", hooks[i].name);
		(void)snprintf(p->provides, sizeof(p->provides), "%s", hooks[i].provides);
		(void)snprintf(p->why_not, sizeof(p->why_not), "%s", hooks[i].why_not);
	}
	vitals_probes_ops.free(probes);
}

void doctor_vitals_examine(struct doctor_vitals *ret)
{
	*ret = (struct doctor_vitals){ 0 };
	find_memory(ret);
	ret->pressure = access("/proc/pressure/memory", R_OK) == 0;
	find_probes(ret);
}

void doctor_vitals_facts(const struct doctor_vitals *v, struct table *t)
{
	table_row(t);
	table_cell(t, TERM_PLAIN, "memory limits");
	if (*v->memory)
		table_cell(t, TERM_PLAIN, v->memory);
	else
		table_cell(t, TERM_YELLOW, "no: no cgroup hierarchy has the memory controller");
	table_row(t);
	table_cell(t, TERM_PLAIN, "pressure");
	if (v->pressure)
		table_cell(t, TERM_GREEN, "yes");
	else
		table_cell(t, TERM_YELLOW, "no: the kernel has no /proc/pressure (CONFIG_PSI, psi=1)");
	table_row(t);
	table_cell(t, TERM_PLAIN, "vitals' probes");
	if (*v->probes_why) {
		table_cellf(t, TERM_YELLOW, "no: %s", v->probes_why);
		return;
	}
	for (size_t i = 0; i < v->probes_n; i++)
		if (!v->probes[i].attached) {
			table_cellf(t, TERM_YELLOW, "not %s (%s): %s", v->probes[i].provides, v->probes[i].name,
				    v->probes[i].why_not);
			return;
		}
	table_cell(t, TERM_GREEN, "yes");
}

void doctor_vitals_json(const struct doctor_vitals *v, struct json *j)
{
	json_name(j, "vitals");
	json_object(j);
	if (*v->memory) {
		json_name(j, "memory_controller");
		json_string(j, v->memory_v1 ? "v1" : "v2");
	}
	json_name(j, "pressure");
	json_bool(j, v->pressure);
	if (*v->probes_why) {
		json_name(j, "probes_why");
		json_string(j, v->probes_why);
	}
	json_name(j, "probes");
	json_array(j);
	for (size_t i = 0; i < v->probes_n; i++) {
		json_object(j);
		json_name(j, "name");
		json_string(j, v->probes[i].name);
		json_name(j, "provides");
		json_string(j, v->probes[i].provides);
		json_name(j, "attached");
		json_bool(j, v->probes[i].attached);
		if (!v->probes[i].attached) {
			json_name(j, "why_not");
			json_string(j, v->probes[i].why_not);
		}
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

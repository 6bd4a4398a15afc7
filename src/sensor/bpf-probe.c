/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel allows and has: asked once, before anything is loaded. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor/bpf-probe.h"
#include "sensor/system.h"

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!getenv("HEDDLE_DEBUG_BPF"))
		return 0;
	return vfprintf(stderr, format, args);
}

/* A program that does nothing, loaded and thrown away: what the kernel says to it is what it would say to ours. */
static int try_program(enum bpf_prog_type type, enum bpf_attach_type attach, int btf_id)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .attach_btf_id = (__u32)btf_id, .expected_attach_type = attach);
	int fd = bpf_prog_load(type, "hd_probe", "GPL", insns, ARRAY_SIZE(insns), &options), link;

	if (fd < 0)
		return fd;
	link = bpf_raw_tracepoint_open(NULL, fd);
	(void)close(fd);
	if (link < 0)
		return link;
	(void)close(link);
	return 0;
}

static void say_why(char *ret, size_t size, int r, const char *what)
{
	if (r == -EPERM)
		(void)snprintf(ret, size, "%s programs are refused (kernel lockdown or missing CAP_BPF, CAP_PERFMON)",
			       what);
	else if (r == -ENOENT)
		(void)snprintf(ret, size, "the kernel has no %s hook to attach to", what);
	else
		(void)snprintf(ret, size, "%s programs are refused: %s", what, strerror(-r));
}

static void probe_tiers(struct sensor_probe *p, const struct bpf_kernel *k)
{
	int r;

	r = k->lsm_unlink ? try_program(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, k->lsm_unlink) : -ENOENT;
	p->lsm = r == 0 && system_lsm_active("bpf");
	if (r)
		say_why(p->lsm_why, sizeof(p->lsm_why), r, "LSM");
	else if (!p->lsm)
		(void)snprintf(p->lsm_why, sizeof(p->lsm_why),
			       "bpf is not among the active LSMs (boot with lsm=...,bpf)");
	r = k->want_write ? try_program(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, k->want_write) : -ENOENT;
	p->fentry = r == 0;
	if (r)
		say_why(p->fentry_why, sizeof(p->fentry_why), r, "fentry");
}

/* bpf(BPF_MAP_CREATE) of the map type everything stands on. */
static int probe_bpf(struct sensor_probe *p)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "hd_probe", 0, 0, 4096, NULL);

	if (fd < 0) {
		if (errno == EPERM)
			(void)snprintf(p->bpf_why, sizeof(p->bpf_why),
				       "the bpf system call is refused: run as root, or with CAP_BPF and CAP_PERFMON");
		else
			(void)snprintf(p->bpf_why, sizeof(p->bpf_why), "the kernel has no BPF ring buffer: %s",
				       strerror(errno));
		return -errno;
	}
	(void)close(fd);
	p->bpf = p->ringbuf = true;
	return 0;
}

/* ---- what the kernel has ---- */

static void note_function(struct bpf_kernel *k, struct btf *btf, __u32 id, const struct btf_type *t, const char *name)
{
	if (!k->lsm_unlink && !strcmp(name, "bpf_lsm_path_unlink"))
		k->lsm_unlink = (int)id;
	else if (!k->want_write && !strcmp(name, "mnt_want_write"))
		k->want_write = (int)id;
	else if (!strcmp(name, "bpf_rdonly_cast"))
		k->rdonly_cast = true;
	else if (!strcmp(name, "bpf_lsm_inode_setattr"))
		/* It took the idmap as its first argument from 6.6 on: as many parameters as the kernel's BTF shows. */
		k->setattr_idmap = btf_vlen(btf__type_by_id(btf, t->type)) >= 3;
}

/* A tracepoint's type is a pointer to a function that takes a context and what the tracepoint hands over. */
static void note_tracepoint(struct bpf_kernel *k, struct btf *btf, const struct btf_type *t, const char *name)
{
	unsigned *parameters;

	if (!strcmp(name, "btf_trace_io_uring_submit_req"))
		parameters = &k->uring_submit_req;
	else if (!strcmp(name, "btf_trace_io_uring_submit_sqe"))
		parameters = &k->uring_submit_sqe;
	else if (!strcmp(name, "btf_trace_io_uring_complete"))
		parameters = &k->uring_complete;
	else
		return;
	t = btf__type_by_id(btf, t->type);
	*parameters = btf_vlen(btf__type_by_id(btf, t->type));
}

/* Enumerators of a type without a name, which CO-RE can't ask for. */
static void note_enumerators(struct bpf_kernel *k, struct btf *btf, const struct btf_type *t)
{
	const struct btf_enum *e = btf_enum(t);

	for (unsigned i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, e[i].name_off);

		if (!strcmp(name, "REQ_F_CREDS_BIT"))
			k->creds_bit = (uint8_t)e[i].val;
		else if (!strcmp(name, "REQ_F_REFCOUNT_BIT"))
			k->refcount_bit = (uint8_t)e[i].val;
		else if (!strcmp(name, "REQ_F_NEED_CLEANUP_BIT"))
			k->cleanup_bit = (uint8_t)e[i].val;
	}
}

/* One walk for all: there are some hundred thousand types, and a look-up by name is a walk. */
static void note_types(struct bpf_kernel *k, struct btf *btf)
{
	__u32 n = btf__type_cnt(btf);

	for (__u32 id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (btf_is_func(t))
			note_function(k, btf, id, t, btf__name_by_offset(btf, t->name_off));
		else if (btf_is_typedef(t))
			note_tracepoint(k, btf, t, btf__name_by_offset(btf, t->name_off));
		else if (btf_is_enum(t) && !t->name_off)
			note_enumerators(k, btf, t);
	}
}

void bpf_probe(struct sensor_probe *p, struct bpf_kernel *k)
{
	struct btf *btf;

	*p = (struct sensor_probe){ 0 };
	*k = (struct bpf_kernel){ .creds_bit = BPF_NO_BIT, .refcount_bit = BPF_NO_BIT, .cleanup_bit = BPF_NO_BIT };
	libbpf_set_print(quiet);
	system_describe(p);
	(void)probe_bpf(p);
	if (p->btf && p->bpf) {
		/* libbpf reads it again to load; both at once would be the most memory of the whole session. */
		btf = btf__load_vmlinux_btf();
		if (btf) {
			note_types(k, btf);
			probe_tiers(p, k);
		} else {
			p->btf = false;
		}
		btf__free(btf);
	}
	if (p->bpf && p->btf)
		p->best = p->lsm && p->fentry ? SENSOR_TIER_LSM : SENSOR_TIER_TRACEPOINT;
}

void sensor_probe(struct sensor_probe *ret)
{
	struct bpf_kernel k;

	bpf_probe(ret, &k);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* privilege_change, memory_exec, sandbox_escape. */
#include <string.h>

#include "event/encode-internal.h"
#include "event/escape-names.h"

/* Longest detail: the words, and what the sensor adds (a frame's worth of text). */
#define DETAIL_MAX 65536

static void encode_capabilities(struct encoder *enc, const char *key, uint64_t set)
{
	json_key(&enc->j, key);
	json_array(&enc->j);
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = name_capability(bit);

		if (!name || !(set >> bit & 1))
			continue;
		json_string(&enc->j, name);
		set &= ~(UINT64_C(1) << bit);
	}
	if (set)
		json_hex(&enc->j, set);
	json_array_end(&enc->j);
}

static void encode_groups(struct encoder *enc, const uint8_t *groups, uint32_t n)
{
	if (!groups)
		return;
	json_key(&enc->j, "groups");
	json_array(&enc->j);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t group;

		memcpy(&group, groups + i * sizeof(group), sizeof(group));
		json_uint(&enc->j, group);
	}
	json_array_end(&enc->j);
}

static void encode_creds(struct encoder *enc, const char *key, const struct hd_creds *c, const uint8_t *groups,
			 uint32_t groups_n)
{
	static const char *const id_names[] = { "uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid" };
	static const char *const set_names[] = { "effective", "permitted", "inheritable", "bounding", "ambient" };
	const uint32_t ids[] = { c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid };
	const uint64_t sets[] = { c->effective, c->permitted, c->inheritable, c->bounding, c->ambient };
	uint32_t changed = enc->e->u.privilege.changed;

	json_key(&enc->j, key);
	json_object(&enc->j);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		if (changed & HD_CRED_UID << i)
			enc_uint(enc, id_names[i], ids[i]);
	}
	if (changed & HD_CRED_GROUPS)
		encode_groups(enc, groups, groups_n);
	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		if (changed & HD_CRED_EFFECTIVE << i)
			encode_capabilities(enc, set_names[i], sets[i]);
	}
	if (changed & HD_CRED_NO_NEW_PRIVS) {
		json_key(&enc->j, "no_new_privs");
		json_bool(&enc->j, c->no_new_privs);
	}
	if (changed & HD_CRED_SECUREBITS)
		enc_flags(enc, "securebits", names_securebits, c->securebits);
	if (changed & HD_CRED_USER_NS)
		enc_uint(enc, "user_namespace", c->user_ns);
	json_object_end(&enc->j);
}

void encode_privilege_change(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_privilege *p = &e->u.privilege;

	if (p->flags & HD_PRIV_EXEC)
		enc_string(enc, "operation", "exec");
	else if (p->flags & HD_PRIV_KERNEL || e->h.syscall == HD_NO_SYSCALL)
		enc_string(enc, "operation", "kernel");
	else
		enc_syscall(enc, "operation");
	enc_syscall(enc, "syscall");
	if (p->changed) {
		encode_creds(enc, "before", &p->before, e->groups_before, e->groups_before_n);
		encode_creds(enc, "after", &p->after, e->groups_after, e->groups_after_n);
	}
	enc_result(enc, p->result);
}

void encode_memory_exec(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_memory *m = &e->u.memory;
	bool named = m->backing == HD_BACK_FILE || m->backing == HD_BACK_MEMFD;

	if (e->h.syscall == HD_NO_SYSCALL)
		enc_string(enc, "operation", "kernel");
	else
		enc_syscall(enc, "operation");
	json_key(&enc->j, "address");
	json_hex(&enc->j, m->address);
	enc_uint(enc, "length", m->length);
	enc_flags(enc, "protection", names_protection, m->protection);
	if (m->map_flags)
		enc_flags(enc, "flags", names_map_flags, m->map_flags);
	if (named && bytes_set(e->path.path))
		enc_bytes(enc, "backing", e->path.path);
	else
		enc_string(enc, "backing", name_backing(m->backing));
	enc_string(enc, "reason", name_memory_reason(m->reason));
	enc_result(enc, m->result);
}

/* Makes the text with `write`, and prints it unless it is empty. */
static void encode_made(struct encoder *enc, const char *key, void (*write)(const struct event *e, struct buf *out))
{
	_cleanup_buf_ struct buf text = BUF_INIT(DETAIL_MAX);

	write(enc->e, &text);
	if (text.failed)
		enc->failed = text.failed;
	else if (text.length > 0)
		enc_bytes(enc, key, (struct bytes){ text.data, text.length });
}

void encode_sandbox_escape(struct encoder *enc)
{
	const struct hd_escape *x = &enc->e->u.escape;

	enc_string(enc, "category", name_escape_category(x->category));
	enc_string(enc, "rule", name_escape_rule(x->rule));
	enc_syscall(enc, "syscall");
	encode_made(enc, "target", escape_target);
	encode_made(enc, "detail", escape_detail);
	if (x->mover_pid)
		enc_uint(enc, "mover", x->mover_pid);
	enc_result(enc, x->result);
}

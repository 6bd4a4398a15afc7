/* SPDX-License-Identifier: Apache-2.0 */
/* process_exec, process_fork, process_exit. */
#include "event/encode-internal.h"

#define CLONE_SIGNAL_BITS UINT64_C(0xff)
#define CLONE_NEWTIME_BIT UINT64_C(0x80)

static void encode_args(struct encoder *enc)
{
	const struct event *e = enc->e;

	json_key(&enc->j, "args");
	json_array(&enc->j);
	for (uint32_t i = 0; i < e->args_n; i++) {
		if (json_bytes(&enc->j, e->args[i].data, e->args[i].length))
			enc_escaped(enc, "args");
	}
	json_array_end(&enc->j);
	enc_uint(enc, "args_count", e->u.exec.args_count);
	enc_uint(enc, "args_bytes", e->u.exec.args_bytes);
	json_key(&enc->j, "args_truncated");
	json_bool(&enc->j, e->args_truncated);
}

void encode_process_exec(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_exec *x = &e->u.exec;
	struct event_path path = e->path;

	/* Only a script's path differs from the image's; the sensor may send the two as one. */
	if (!bytes_set(path.path) && !result_is_error(x->result) && !(x->flags & HD_EXEC_SCRIPT))
		path = e->exe;
	enc_object(enc, &path);
	enc_bytes(enc, "interpreter", e->interpreter.path);
	enc_bytes(enc, "loaded", e->loaded.path);
	encode_args(enc);
	enc_bytes(enc, "cwd", e->cwd.path);
	enc_true(enc, "fileless", x->flags & HD_EXEC_FILELESS);
	enc_result(enc, x->result);
}

void encode_process_fork(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_fork *f = &e->u.fork;
	uint64_t flags = f->clone_flags;

	/* clone(2) keeps the exit signal in the low byte, where clone3 has CLONE_NEWTIME alone. */
	if ((flags & CLONE_SIGNAL_BITS) != CLONE_NEWTIME_BIT)
		flags &= ~CLONE_SIGNAL_BITS;
	enc_uint(enc, "child_pid", f->child_pid);
	enc_uint(enc, "child_tid", f->child_tid);
	if (f->child_ns_pid && f->child_ns_pid != f->child_pid)
		enc_uint(enc, "child_pid_in_namespace", f->child_ns_pid);
	if (e->child_process[0])
		enc_string(enc, "child_process", e->child_process);
	enc_true(enc, "thread", f->thread);
	enc_flags(enc, "clone_flags", names_clone_flags, flags);
}

void encode_process_exit(struct encoder *enc)
{
	const struct hd_exit *x = &enc->e->u.exit;
	unsigned signal = x->status & 0x7f;

	if (signal) {
		enc_name(enc, "signal", name_signal((int)signal), "SIG", signal);
		json_key(&enc->j, "core_dumped");
		json_bool(&enc->j, x->flags & HD_EXIT_CORE || x->status & 0x80);
	} else {
		enc_uint(enc, "exit_code", x->status >> 8 & 0xff);
	}
	enc_uint(enc, "duration_ns", x->duration_ns);
	enc_uint(enc, "max_rss_bytes", x->max_rss_bytes);
	json_key(&enc->j, "oom_killed");
	json_bool(&enc->j, x->flags & HD_EXIT_OOM);
}

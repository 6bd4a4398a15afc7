/* SPDX-License-Identifier: Apache-2.0 */
/* file_open, file_read, file_write, file_metadata. */
#include <stdio.h>

#include "event/encode-internal.h"

void encode_file_open(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_open *o = &e->u.open;

	enc_object(enc, &e->path);
	enc_flags(enc, "flags", names_open_flags, o->flags);
	if (o->resolve)
		enc_flags(enc, "resolve", names_resolve_flags, o->resolve);
	/* A failed open of what does not exist, without O_CREAT, has no mode. */
	if (o->mode || !result_is_error(o->result))
		enc_mode(enc, o->mode);
	enc_identity(enc, o->inode, o->dev);
	if (!result_is_error(o->result))
		enc_uint(enc, "fd", (uint64_t)o->result);
	enc_result(enc, o->result);
}

void encode_file_fold(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_fold *f = &e->u.fold;

	enc_object(enc, &e->path);
	enc_identity(enc, f->inode, f->dev);
	if (f->flags & HD_FOLD_MAPPING)
		enc_true(enc, "mapping", true);
	else
		enc_uint(enc, "bytes", f->bytes);
	json_name(&enc->j, "operations");
	json_uint(&enc->j, f->operations);
	enc_time(enc, "first", f->first_ns);
	enc_time(enc, "last", f->last_ns);
}

static const struct flag_name *metadata_flags(uint32_t operation)
{
	switch (operation) {
	case HD_META_RENAME:
		return names_rename_flags;
	case HD_META_FALLOCATE:
		return names_fallocate_flags;
	case HD_META_SETXATTR:
		return names_xattr_flags;
	default:
		return names_at_flags;
	}
}

/* What mknod made: the format bits of the mode, by the kernel's name. */
static const char *file_type(uint32_t mode)
{
	switch (mode & 0170000) {
	case 0010000:
		return "S_IFIFO";
	case 0020000:
		return "S_IFCHR";
	case 0060000:
		return "S_IFBLK";
	case 0140000:
		return "S_IFSOCK";
	case 0:
	case 0100000:
		return "S_IFREG";
	default:
		return NULL;
	}
}

/* "uid:gid", as chown(1) takes it: the half that stays as it was is empty. */
static void encode_owner(struct encoder *enc)
{
	const struct hd_meta *m = &enc->e->u.meta;
	char uid[16] = "", gid[16] = "", text[40];

	if (!(m->has & (HD_META_HAS_UID | HD_META_HAS_GID)))
		return;
	if (m->has & HD_META_HAS_UID)
		(void)snprintf(uid, sizeof(uid), "%u", m->owner_uid);
	if (m->has & HD_META_HAS_GID)
		(void)snprintf(gid, sizeof(gid), "%u", m->owner_gid);
	(void)snprintf(text, sizeof(text), "%s:%s", uid, gid);
	enc_string(enc, "owner", text);
}

void encode_file_metadata(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_meta *m = &e->u.meta;

	enc_string(enc, "operation", name_metadata(m->operation));
	enc_object(enc, &e->path);
	enc_bytes(enc, "new_path", e->path2.path);
	if (m->has & HD_META_HAS_MODE) {
		enc_mode(enc, m->mode);
		if (m->operation == HD_META_MKNOD)
			enc_string(enc, "file_type", file_type(m->mode));
	}
	encode_owner(enc);
	if (m->has & HD_META_HAS_SIZE)
		enc_uint(enc, "size", m->size);
	if (m->has & HD_META_HAS_FLAGS && m->flags)
		enc_flags(enc, "flags", metadata_flags(m->operation), m->flags);
	if (m->has & HD_META_HAS_INODE)
		enc_identity(enc, m->inode, m->dev);
	enc_result(enc, m->result);
}

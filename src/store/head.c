/* SPDX-License-Identifier: Apache-2.0 */
/* Heads as text. See head.h. */
#include "store/head.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/key.h"

static void put_hex(struct json *j, const char *key, const void *data, size_t length)
{
	_cleanup_buf_ struct buf text = BUF_INIT(HEAD_MAX);

	for (size_t i = 0; i < length; i++)
		buf_addf(&text, "%02x", ((const uint8_t *)data)[i]);
	json_key(j, key);
	json_string(j, text.data ? text.data : "");
}

void head_write(const char *session, const uint8_t public_key[CHAIN_PUBLIC], struct bytes message,
		const uint8_t signature[CHAIN_SIGNATURE], struct buf *out)
{
	struct chain_checkpoint c = { 0 };
	char time[CLOCK_TEXT_MAX];
	struct json j;

	(void)chain_message_decode(message, &c);
	json_init(&j, out);
	json_object(&j);
	json_key(&j, "session");
	json_string(&j, session);
	json_key(&j, "sequence");
	json_uint(&j, c.sequence);
	json_key(&j, "time");
	json_string(&j, clock_format(c.time_ns, time));
	json_key(&j, "kind");
	json_string(&j, chain_kind_name(c.kind) ?: "");
	put_hex(&j, "link", c.link, CHAIN_HASH);
	put_hex(&j, "public_key", public_key, CHAIN_PUBLIC);
	put_hex(&j, "message", message.data, message.length);
	put_hex(&j, "signature", signature, CHAIN_SIGNATURE);
	json_object_end(&j);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the bytes, or -EBADMSG. */
static int unhex(struct bytes text, uint8_t *ret, size_t room)
{
	if (text.length % 2 || text.length / 2 > room)
		return -EBADMSG;
	for (size_t i = 0; i < text.length / 2; i++) {
		int high = digit(text.data[2 * i]), low = digit(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(text.length / 2);
}

int head_read(struct bytes public_key, struct bytes message, struct bytes signature, struct check_head *ret)
{
	uint8_t bytes[CHAIN_MESSAGE_MAX];
	struct check_head head;
	int n = unhex(message, bytes, sizeof(bytes));

	if (n < 0)
		return n;
	const struct bytes signed_bytes = { (const char *)bytes, (size_t)n };
	int r = chain_message_decode(signed_bytes, &head.checkpoint);
	if (r < 0)
		return r;
	head.checkpoint.counts = BYTES_NONE;
	if (unhex(public_key, head.public_key, CHAIN_PUBLIC) != CHAIN_PUBLIC ||
	    unhex(signature, head.checkpoint.signature, CHAIN_SIGNATURE) != CHAIN_SIGNATURE)
		return -EBADMSG;
	r = key_verify(head.public_key, signed_bytes, head.checkpoint.signature);
	if (r < 0)
		return r;
	if (r == 0)
		return -EKEYREJECTED;
	*ret = head;
	return 0;
}

int head_append(const char *home, struct buf *line, struct err *err)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/heads", home);

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "%s: the path is too long", home);
	buf_addc(line, '\n');
	if (line->failed)
		return err_errno(err, -line->failed, "can't write %s", path);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return err_errno(err, errno, "can't write %s", path);
	/* One write, so that two sessions that end together have a line each. */
	ssize_t written = write(fd, line->data, line->length);
	if (written != (ssize_t)line->length)
		return err_errno(err, written < 0 ? errno : ENOSPC, "can't write %s", path);
	return 0;
}

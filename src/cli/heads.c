/* SPDX-License-Identifier: Apache-2.0 */
/* Files of heads (store/head.h). */
#include "cli/heads.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/line.h"
#include "store/head.h"

int heads_find(const char *path, const char *id, struct check_head *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	FILE *file = fopen(path, "re");
	size_t room = 0;
	int found = 0, r = 0;

	if (!file)
		return err_errno(err, errno, "can't read %s", path);
	for (ssize_t n; r >= 0 && (n = getline(&text, &room, file)) > 0;) {
		_cleanup_(line_free_p) struct line *l = NULL;

		if (n > HEAD_MAX || line_parse(text, (size_t)n, &l) < 0)
			continue;
		struct bytes session = line_text(l, "session");
		if (!bytes_set(session) || strcmp(session.data, id) != 0)
			continue;
		r = head_read(line_text(l, "public_key"), line_text(l, "message"), line_text(l, "signature"), ret);
		found = 1;
	}
	bool bad = ferror(file);
	(void)fclose(file);
	if (bad)
		return err_set(err, EIO, "can't read %s", path);
	if (r < 0)
		return err_set(err, EBADMSG,
			       "the head of session %s in %s is damaged or forged: its signature is not its "
			       "key's",
			       id, path);
	return found;
}

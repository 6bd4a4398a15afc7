/* SPDX-License-Identifier: Apache-2.0 */
/* Error text: see err.h. */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list ap;

	assert(code > 0);
	if (err) {
		err->code = code;
		va_start(ap, format);
		(void)vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
	return -code;
}

int err_errno(struct err *err, int code, const char *format, ...)
{
	size_t used;
	va_list ap;

	assert(code > 0);
	if (err) {
		err->code = code;
		va_start(ap, format);
		(void)vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
		used = strlen(err->text);
		(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
			       strerrordesc_np(code) ?: "unknown error");
	}
	return -code;
}

int err_wrap(struct err *err, const char *format, ...)
{
	char old[ERR_TEXT_MAX];
	size_t used;
	va_list ap;

	assert(err && err->code > 0);
	memcpy(old, err->text, sizeof(old));
	va_start(ap, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", old);
	return -err->code;
}

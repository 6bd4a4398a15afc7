/* SPDX-License-Identifier: Apache-2.0 */
/* See process-files.h. */
#include "vitals/process-files.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

/* Of /proc/PID/stat after the name, counted from its third field, the state. */
enum {
	FIELD_PARENT = 1,
	FIELD_GROUP = 2,
	FIELD_SESSION = 3,
	FIELD_FAULTS = 7,
	FIELD_MAJOR_FAULTS = 9,
	FIELD_USER = 11,
	FIELD_SYSTEM = 12,
	FIELD_START = 19,
	FIELD_STACK = 25,
	FIELDS = 26,
};

static bool take_number(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t value = 0;

	while (*p == ' ')
		p++;
	/* Some may be negative (priority, the terminal's group); none that we want. */
	bool negative = *p == '-';
	p += negative;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	*at = p;
	*ret = negative ? 0 : value;
	return true;
}

int process_files_stat(const char *text, size_t length, struct process_stat *ret)
{
	const char *open = memchr(text, '(', length), *close = memrchr(text, ')', length);
	uint64_t fields[FIELDS] = { 0 };

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return -EINVAL;
	*ret = (struct process_stat){ .state = close[2] };
	memcpy(ret->comm, open + 1, MIN((size_t)(close - open - 1), sizeof(ret->comm) - 1));
	const char *at = close + 3;
	for (int i = 1; i < FIELDS; i++)
		if (!take_number(&at, &fields[i])) {
			if (i <= FIELD_START)
				return -EINVAL;
			break;
		}
	ret->parent = (uint32_t)fields[FIELD_PARENT];
	ret->group = (uint32_t)fields[FIELD_GROUP];
	ret->session = (uint32_t)fields[FIELD_SESSION];
	ret->faults = fields[FIELD_FAULTS];
	ret->major_faults = fields[FIELD_MAJOR_FAULTS];
	ret->cpu = fields[FIELD_USER] + fields[FIELD_SYSTEM];
	ret->start = fields[FIELD_START];
	ret->stack = fields[FIELD_STACK];
	return 0;
}

int process_files_statm(const char *text, uint64_t *ret_resident, uint64_t *ret_shared)
{
	uint64_t size, resident, shared;

	if (!take_number(&text, &size) || !take_number(&text, &resident) || !take_number(&text, &shared))
		return -EINVAL;
	*ret_resident = resident;
	*ret_shared = MIN(shared, resident);
	return 0;
}

bool process_files_value(const char *text, const char *name, uint64_t *ret)
{
	size_t length = strlen(name);

	for (const char *line = text, *end; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (strncmp(line, name, length) != 0 || line[length] != ':')
			continue;
		const char *at = line + length + 1;
		uint64_t value;

		at += strspn(at, " \t");
		if (!take_number(&at, &value))
			return false;
		if (strncmp(at, " kB", 3) == 0 && __builtin_mul_overflow(value, 1024, &value))
			return false;
		*ret = value;
		return true;
	}
	return false;
}

bool process_files_command(const char *text, size_t length, char *ret, size_t size)
{
	/* A program may have written over its arguments and left NULs at the end. */
	while (length > 0 && text[length - 1] == '\0')
		length--;
	if (length == 0)
		return false;
	length = MIN(length, size - 1);
	for (size_t i = 0; i < length; i++)
		ret[i] = text[i] ? text[i] : ' ';
	ret[length] = '\0';
	return true;
}

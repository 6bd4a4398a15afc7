/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One error idiom for what a person will read: an errno and one line of text, wrapped on the way up.
 * Libraries return negative errno; where a message matters they also fill a struct err. Only the CLI prints.
 */
#pragma once

#include "base/macro.h"

#define ERR_TEXT_MAX 512

struct err {
	int code;                 /* positive errno, 0 when unset */
	char text[ERR_TEXT_MAX];  /* one line, no trailing newline; always terminated */
};

/* Sets the message and returns -code. `err` may be NULL. Cuts what does not fit. */
int err_set(struct err *err, int code, const char *format, ...) _printf_(3, 4);

/* As err_set, then ": " and strerror(code). */
int err_errno(struct err *err, int code, const char *format, ...) _printf_(3, 4);

/* Prepends "format: " to the text. Returns -err->code. */
int err_wrap(struct err *err, const char *format, ...) _printf_(2, 3);

// SPDX-License-Identifier: GPL-2.0
/* Sentences that go with errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

int vmig_err_set(struct vmig_err *err, int error, const char *fmt, ...)
{
	va_list args;

	if (err) {
		va_start(args, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, args);
		va_end(args);
	}
	return -error;
}

void vmig_err_prefix(struct vmig_err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	size_t len;

	if (!err)
		return;
	memcpy(old, err->text, sizeof(old));
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, "%s", old);
}

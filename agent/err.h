/* SPDX-License-Identifier: GPL-2.0 */
/* The sentence that goes with a negative errno. */
#ifndef VMIG_ERR_H
#define VMIG_ERR_H

#include <linux/vmig.h>

/* Long enough for anything that the kernel or an agent may answer. */
struct vmig_err {
	char text[VMIG_TEXT_MAX + 1];
};

/**
 * vmig_err_set() - Say what went wrong.
 * @err: may be NULL; overwritten
 * @error: positive errno
 *
 * Return: -@error, so that a caller can return it at once.
 */
int vmig_err_set(struct vmig_err *err, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * vmig_err_prefix() - Put context in front of the sentence in @err.
 */
void vmig_err_prefix(struct vmig_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* VMIG_ERR_H */

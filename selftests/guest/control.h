/* SPDX-License-Identifier: GPL-2.0 */
/* A TCP port that takes one command a line and answers one line each. */
#ifndef VMIG_GUEST_CONTROL_H
#define VMIG_GUEST_CONTROL_H

#include <stddef.h>

/**
 * typedef control_fn - Answer one command.
 * @line: the command, without its newline
 * @reply: the answer goes here, without a newline
 *
 * Context: the control thread, one call at a time.
 */
typedef void (*control_fn)(const char *line, char *reply, size_t len);

int control_start(unsigned short port, control_fn answer);

#endif

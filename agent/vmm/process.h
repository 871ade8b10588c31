/* SPDX-License-Identifier: GPL-2.0 */
/* A QEMU as a process: its start, its end, its last words. */
#ifndef VMIG_PROCESS_H
#define VMIG_PROCESS_H

#include <sys/types.h>

#include "../err.h"

int vmig_process_listen(const char *path, struct vmig_err *err);
pid_t vmig_process_start(char **argv, const char *log, int inherit,
			 struct vmig_err *err);
int vmig_process_watch(pid_t pid, struct vmig_err *err);
void vmig_process_kill(int pidfd);
void vmig_process_last_words(const char *log, char *text, size_t size);

#endif /* VMIG_PROCESS_H */

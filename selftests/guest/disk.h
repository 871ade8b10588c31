/* SPDX-License-Identifier: GPL-2.0 */
/* Writes numbered records to a disk and reads them back. */
#ifndef VMIG_GUEST_DISK_H
#define VMIG_GUEST_DISK_H

#include <stddef.h>

int disk_start(const char *path, unsigned int rate);
void disk_reset(void);
void disk_print(char *buf, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Writes files with checksums to a file system and reads them back. */
#ifndef VMIG_GUEST_FILES_H
#define VMIG_GUEST_FILES_H

#include <stddef.h>

int files_start(const char *folder, unsigned int rate);
int files_freeze(void);
void files_print(char *buf, size_t len);

#endif

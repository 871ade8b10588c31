/* SPDX-License-Identifier: GPL-2.0 */
/* Files that are whole or not there, also after a crash. */
#ifndef VMIG_FILE_H
#define VMIG_FILE_H

#include <stddef.h>

#include "err.h"

/* Replace the file at @path; its folder is for vmig_file_sync_folder(). */
int vmig_file_write(const char *path, const char *text, struct vmig_err *err);
/* All of it, to be freed; -EFBIG if that is more than @max bytes. */
int vmig_file_read(const char *path, size_t max, char **text,
		   struct vmig_err *err);
int vmig_file_sync_folder(const char *path, struct vmig_err *err);
/* With its parents; the last one is for root only. */
int vmig_file_make_folder(const char *path, struct vmig_err *err);

#endif /* VMIG_FILE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cluster key: 256 random bits in a file that every node has a copy of.
 *
 * Who has it is a node of the cluster. It is never sent.
 */
#ifndef VMIG_CLUSTERKEY_H
#define VMIG_CLUSTERKEY_H

#include <stdint.h>

#include "../err.h"

#define VMIG_CLUSTERKEY_LEN	32

/* Make a new key at @path, where nothing may be yet. Return: 0 or -errno. */
int vmig_clusterkey_create(const char *path, struct vmig_err *err);
/* Refuses a file that anybody but this process' user can read. */
int vmig_clusterkey_load(const char *path, uint8_t key[VMIG_CLUSTERKEY_LEN],
			 struct vmig_err *err);
/* The same from text; @name stands for the file in error sentences. */
int vmig_clusterkey_parse(const char *text, const char *name,
			  uint8_t key[VMIG_CLUSTERKEY_LEN],
			  struct vmig_err *err);
/* Refuses any file with a key, also a private one, that others can read. */
int vmig_clusterkey_check(const char *path, struct vmig_err *err);

#endif /* VMIG_CLUSTERKEY_H */

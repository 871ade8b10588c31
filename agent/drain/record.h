/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a drained node remembers: STATE/drain.json. It is on disk before a VM
 * leaves, so that a restarted daemon goes on, and knows what to bring back.
 */
#ifndef VMIG_DRAIN_RECORD_H
#define VMIG_DRAIN_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/vmig.h>

#include "../err.h"

#define VMIG_DRAIN_VMS_MAX	4096

/**
 * struct vmig_drain_entry - one VM that left
 * @to: the node that it went to
 * @left: it has; else that was tried, and only the VM's whereabouts tell
 */
struct vmig_drain_entry {
	char vm[VMIG_NAME_MAX + 1];
	char to[VMIG_NAME_MAX + 1];
	bool left;
};

/**
 * struct vmig_drain_record - the file
 * @draining: no VM starts or arrives here
 * @returning: those that left are being brought back
 * @entries: @n of them, owned
 */
struct vmig_drain_record {
	bool draining;
	bool returning;
	struct vmig_drain_entry *entries;
	size_t n;
};

void vmig_drain_record_exit(struct vmig_drain_record *record);
/* NULL if there is none. */
struct vmig_drain_entry *
vmig_drain_record_find(const struct vmig_drain_record *record, const char *vm);
/* Add or replace. */
void vmig_drain_record_put(struct vmig_drain_record *record, const char *vm,
			   const char *to, bool left);
void vmig_drain_record_remove(struct vmig_drain_record *record,
			      const char *vm);

/* Text of the file, to be freed. */
char *vmig_drain_record_format(const struct vmig_drain_record *record);
/* -EBADMSG or -EPROTONOSUPPORT with a sentence; @record is empty then. */
int vmig_drain_record_parse(const char *text, const char *source,
			    struct vmig_drain_record *record,
			    struct vmig_err *err);

/* Both on disk: @path is the file, its folder exists. No file: no drain. */
int vmig_drain_record_load(const char *path, struct vmig_drain_record *record,
			   struct vmig_err *err);
int vmig_drain_record_save(const char *path,
			   const struct vmig_drain_record *record,
			   struct vmig_err *err);

#endif /* VMIG_DRAIN_RECORD_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Features by name, as users write them. */
#ifndef VMIG_CPU_NAME_H
#define VMIG_CPU_NAME_H

#include "cpu.h"

#define VMIG_CPU_NAME_LEN 32

/*
 * The index of the feature called @name, or -1. Its name for QEMU and some
 * names of its manufacturer are taken as well; case and . - _ do not matter.
 */
int vmig_cpu_feature_find(const char *name);

/* The names of a NULL-terminated list; each must be in the table. */
void vmig_cpu_set_add_names(struct vmig_cpu_set *set,
			    const char *const *names);

/* The one of @n names that is closest to @name; NULL if none is close. */
const char *vmig_cpu_closest(const char *name, const char *const *names,
			     unsigned int n);
/* " (did you mean avx2?)", or nothing. */
const char *vmig_cpu_feature_hint(const char *name, char *text, size_t size);

#endif /* VMIG_CPU_NAME_H */

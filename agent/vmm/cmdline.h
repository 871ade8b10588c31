/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU's command line of a VM: the same on both hosts. Pure but for stat(). */
#ifndef VMIG_CMDLINE_H
#define VMIG_CMDLINE_H

#include <stdbool.h>

#include "../config.h"
#include "../definition.h"

/**
 * struct vmig_cmdline_params - what is not in the definition
 * @cpu: the processor's model, for -cpu
 * @qmp_fd: listening socket that QEMU inherits
 * @incoming: wait for migrate-incoming; it starts stopped either way
 */
struct vmig_cmdline_params {
	const struct vmig_config *config;
	const struct vmig_definition *def;
	const char *cpu;
	int qmp_fd;
	bool incoming;
};

int vmig_cmdline_check_extra(const struct vmig_definition *def,
			     struct vmig_err *err);
int vmig_cmdline_build(const struct vmig_cmdline_params *p, char ***argv,
		       struct vmig_err *err);
void vmig_cmdline_free(char **argv);

#endif /* VMIG_CMDLINE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* What a VM sees of the processor: decided, frozen, enforced, compared. */
#ifndef VMIG_PROCESSOR_H
#define VMIG_PROCESSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "../err.h"

struct json_object;
struct vmig_cpu;
struct vmig_cpu_state;
struct vmig_definition;
struct vmig_machine;

/* Room for "host" with every feature switched off. */
#define VMIG_CPU_MODEL_MAX 4096

/* The steps of a start, in this order. */
int vmig_processor_prepare(struct vmig_machine *m, bool incoming,
			   char model[VMIG_CPU_MODEL_MAX],
			   struct vmig_err *err);
int vmig_processor_install(struct vmig_machine *m, struct vmig_err *err);

bool vmig_processor_is_frozen(const struct vmig_machine *m);
bool vmig_processor_needs_nodes(const struct vmig_machine *m);
bool vmig_processor_is_kept(const struct vmig_definition *was,
			    const struct vmig_definition *is);
void vmig_processor_thaw(struct vmig_machine *m);

/* The other ends of a migration. */
int vmig_processor_arrive(struct vmig_machine *m, struct json_object *state,
			  struct vmig_err *err);
int vmig_processor_fits(const struct vmig_machine *m, const char *node,
			const struct vmig_cpu *there, struct vmig_err *err);
int vmig_processor_expect(struct vmig_machine *m,
			  struct vmig_cpu_state *state, struct vmig_err *err);

#endif /* VMIG_PROCESSOR_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* A VM as this node knows it: its definition, and its QEMU if there is one. */
#ifndef VMIG_MACHINE_H
#define VMIG_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "../definition.h"
#include "../net/net.h"
#include "ownership.h"
#include "processor.h"
#include "qmp.h"

struct vmig_cpu_state;
struct vmig_daemon;
struct vmig_resume;

/* What a QEMU that was asked to end by itself may take. */
#define VMIG_POWEROFF_LIMIT_S 60

/**
 * struct vmig_machine_ops - what a migration wants to hear of its VM
 * @event: a QMP event
 * @ready: the first answer of a QEMU that was started for it
 * @died: its QEMU is gone, and why. Taps and memory are still there, for
 *	vmig_machine_end() when the migration has ended.
 */
struct vmig_machine_ops {
	void (*event)(void *arg, const char *name, struct json_object *data);
	void (*ready)(void *arg);
	void (*died)(void *arg, const char *why);
};

/**
 * struct vmig_machine - one VM
 * @text: the definition as its owner wrote it
 * @owned: this node may run it: its definition is in the definitions folder
 * @cpu: what it sees of the processor, once that is decided; or NULL
 * @lease: what this node knows of it
 * @pidfd: of its QEMU, -1 without; @pid and @qmp go with it
 * @running: the guest's vCPUs run, as far as QEMU told
 * @ended: this side decided to end its QEMU; its death is no news
 * @failure: why, if users should know; owned, or NULL
 * @acks: what became of its last announcement
 * @cleaning: QEMU is dead and its memory still claimed: try again
 * @ops: set by a migration with vmig_machine_use(), else NULL
 * @start_request: answered when QEMU answers, or is dead
 * @stop_request: answered when QEMU is dead and the lease released
 * @undefine_request: answered when the lease is released
 */
struct vmig_machine {
	LIST_ENTRY(vmig_machine) entry;
	struct vmig_daemon *daemon;
	char name[VMIG_NAME_MAX + 1];
	struct vmig_definition *def;
	char *text;
	bool owned;
	struct vmig_cpu_state *cpu;
	struct vmig_ownership lease;

	pid_t pid;
	int pidfd;
	sd_event_source *death;
	struct vmig_qmp *qmp;
	bool incoming;
	bool running;
	bool ended;
	char *failure;

	const struct vmig_machine_ops *ops;
	void *ops_arg;
	struct vmig_resume *resume;
	struct vmig_announce *announce;
	struct vmig_acks acks;

	sd_event_source *cleaning;
	unsigned int clean_tries;

	uint32_t start_request;
	uint32_t stop_request;
	uint32_t undefine_request;
	sd_event_source *stop_limit;
};

/* machine.c APIs: */
struct vmig_machine *vmig_machine_find(struct vmig_daemon *daemon,
				       const char *name);
int vmig_machine_new(struct vmig_machine **machine, struct vmig_daemon *daemon,
		     const char *text, const char *source,
		     struct vmig_err *err);
int vmig_machine_arrive(struct vmig_machine **machine,
			struct vmig_daemon *daemon, const char *text,
			const char *source, struct vmig_err *err);
int vmig_machine_check_arrival(const struct vmig_machine *m,
			       struct vmig_err *err);
void vmig_machine_free(struct vmig_machine *m);
void vmig_machine_use(struct vmig_machine *m,
		      const struct vmig_machine_ops *ops, void *arg);
const char *vmig_machine_state(const struct vmig_machine *m);
bool vmig_machine_is_leaving(const struct vmig_machine *m);
bool vmig_machine_is_idle(const struct vmig_machine *m);

/* store.c APIs: */
int vmig_store_own(struct vmig_machine *m, const uint8_t *token,
		   struct vmig_err *err);
void vmig_store_disown(struct vmig_machine *m);
void vmig_store_return(struct vmig_machine *m);
bool vmig_store_is_defined(const struct vmig_machine *m);
int vmig_store_incoming(struct vmig_machine *m, struct vmig_err *err);
int vmig_store_folders(struct vmig_daemon *daemon, struct vmig_err *err);
int vmig_store_load(struct vmig_daemon *daemon, struct vmig_err *err);
void vmig_store_reload(struct vmig_daemon *daemon, const char *vm);

/* earlier.c APIs: */
/* Keep what this node has of the VM that @m is, on the way in, aside. */
int vmig_earlier_keep(struct vmig_machine *m, struct vmig_err *err);
/* It did not arrive: all is as it was kept. */
int vmig_earlier_restore(struct vmig_machine *m, struct vmig_err *err);
/* It has arrived, or there was nothing. */
void vmig_earlier_forget(const struct vmig_machine *m);
bool vmig_earlier_is_kept(const struct vmig_daemon *daemon, const char *vm);

/* handover.c APIs: */
int vmig_handover_leaving(struct vmig_machine *m, const char *node,
			  const uint8_t *token, struct vmig_err *err);
bool vmig_handover_find(const struct vmig_machine *m,
			char node[VMIG_NAME_MAX + 1], uint8_t *token);
int vmig_handover_stays(struct vmig_machine *m, struct vmig_err *err);
int vmig_handover_arrived(struct vmig_machine *m, const uint8_t *token,
			  struct vmig_err *err);
void vmig_handover_returned(struct vmig_machine *m, const uint8_t *token);
bool vmig_handover_has_arrived(struct vmig_daemon *daemon, const char *vm,
			       const uint8_t *token);

/* launch.c APIs: */
int vmig_machine_start(struct vmig_machine *m, bool incoming,
		       struct vmig_err *err);
int vmig_machine_attach(struct vmig_machine *m, struct vmig_err *err);
void vmig_machine_kill(struct vmig_machine *m);
int vmig_machine_taps_up(struct vmig_machine *m, struct vmig_err *err);
void vmig_machine_end(struct vmig_machine *m);

/* resume.c APIs: */
typedef void (*vmig_resume_fn)(void *arg, const char *why);
void vmig_resume_start(struct vmig_machine *m, vmig_resume_fn fn, void *arg);
void vmig_resume_recover(struct vmig_machine *m);
void vmig_resume_stop(struct vmig_machine *m);

#endif /* VMIG_MACHINE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/* Every preflight check of a migration that is not begun. */
#ifndef VMIG_CHECKUP_H
#define VMIG_CHECKUP_H

#include "preflight.h"

struct vmig_checkup;
struct vmig_request;

/* @p has all lines and the first failure; it is not the callee's to keep. */
typedef void (*vmig_checkup_fn)(void *arg, const struct vmig_preflight *p);

/*
 * As for the migration that @request asks for, or if it is NULL for one that
 * asks for nothing. @fn is called once, never from within; not any more after a
 * stop. @m may go meanwhile.
 */
struct vmig_checkup *vmig_checkup_start(struct vmig_daemon *daemon,
					struct vmig_machine *m,
					const struct vmig_peer *peer,
					const struct vmig_request *request,
					vmig_checkup_fn fn, void *arg);
/* NULL is fine. */
void vmig_checkup_stop(struct vmig_checkup *checkup);
/* The VM is about to go. */
void vmig_checkup_forget(struct vmig_machine *m);

#endif /* VMIG_CHECKUP_H */

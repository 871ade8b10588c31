/* SPDX-License-Identifier: GPL-2.0 */
/* Every check of a VM that another node thinks of sending. */
#ifndef VMIG_VISIT_H
#define VMIG_VISIT_H

struct json_object;
struct vmig_daemon;
struct vmig_visit;

/* @answer is {"checks": [...]}, the callee's. The visit is gone. */
typedef void (*vmig_visit_fn)(void *arg, struct json_object *answer);

/* @setup is that of preflight.h. */
struct vmig_visit *vmig_visit_new(struct vmig_daemon *daemon, const char *peer,
				  struct json_object *setup, vmig_visit_fn fn,
				  void *arg);
/* Once; its @fn may be called before this returns. */
void vmig_visit_run(struct vmig_visit *visit);
/* Its @fn is not called any more. NULL is fine. */
void vmig_visit_stop(struct vmig_visit *visit);

#endif /* VMIG_VISIT_H */

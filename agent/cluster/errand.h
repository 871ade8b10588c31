/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One request to a peer's agent and its answer, on a connection of their own
 * (kind "request"): {"type": "request", "op": ...} and {"type": "answer", ...}.
 *
 * An answer with "reason" is a refusal.
 */
#ifndef VMIG_ERRAND_H
#define VMIG_ERRAND_H

#include "../config.h"

struct json_object;
struct vmig_daemon;
struct vmig_errand;

/**
 * vmig_errand_fn - what came of it, once
 * @greeting: the peer's; NULL if it did not come to that
 * @answer: NULL if there is none, and @why tells in a sentence
 */
typedef void (*vmig_errand_fn)(void *arg, const struct vmig_peer *peer,
			       struct json_object *greeting,
			       struct json_object *answer, const char *why);

/**
 * vmig_errand_start() - Ask.
 * @op: what is asked
 * @msg: what else is said; taken over; may be NULL
 * @limit_s: seconds until there is an answer; 0 as long as the peer lives
 * @fn: called from the event loop; not any more after vmig_errand_stop()
 *
 * Return: the errand, which is gone when @fn is called.
 */
struct vmig_errand *vmig_errand_start(struct vmig_daemon *daemon,
				      const struct vmig_peer *peer,
				      const char *op, struct json_object *msg,
				      unsigned int limit_s, vmig_errand_fn fn,
				      void *arg);
/* NULL is fine. */
void vmig_errand_stop(struct vmig_errand *errand);

#endif /* VMIG_ERRAND_H */

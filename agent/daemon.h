/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon: one thread, one event loop, and what hangs on it.
 *
 * Nothing in it blocks but calls to the kernel, which answer at once.
 */
#ifndef VMIG_DAEMON_H
#define VMIG_DAEMON_H

#include <stdbool.h>
#include <sys/queue.h>

#include <systemd/sd-event.h>

#include "cluster/listener.h"
#include "config.h"
#include "nl.h"

struct vmig_checkup;
struct vmig_drain;
struct vmig_incoming;
struct vmig_machine;
struct vmig_nodes;
struct vmig_queue;
struct vmig_source;
struct vmig_types;

/* Tokens that this node has said "aborted" to, for good. */
#define VMIG_REFUSED_MAX 256

struct vmig_daemon {
	const struct vmig_config *config;
	sd_event *event;
	struct vmig_nl *nl;
	sd_event_source *nl_io;
	struct vmig_nodes *nodes;
	struct vmig_types *types;
	struct vmig_queue *queue;
	struct vmig_drain *drain;
	struct vmig_listener *listener;
	LIST_HEAD(, vmig_machine) machines;
	LIST_HEAD(, vmig_source) sources;
	LIST_HEAD(, vmig_incoming) incomings;
	LIST_HEAD(, vmig_checkup) checkups;
	uint8_t refused[VMIG_REFUSED_MAX][VMIG_TOKEN_LEN];
	unsigned int nrefused;
};

/* daemon.c APIs: */
int vmig_daemon_run(const struct vmig_config *config);
void vmig_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t vmig_daemon_now(struct vmig_daemon *daemon);
void vmig_daemon_answer(struct vmig_daemon *daemon, uint32_t request,
			int error, const char *message, const char *data);

/* requests.c APIs: */
void vmig_requests_handle(struct vmig_daemon *daemon,
			  const struct vmig_request *request);

#endif /* VMIG_DAEMON_H */

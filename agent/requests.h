/* SPDX-License-Identifier: GPL-2.0 */
/* What the handlers of requests have in common. */
#ifndef VMIG_REQUESTS_H
#define VMIG_REQUESTS_H

#include <stdbool.h>

#include "daemon.h"

struct json_object;
struct vmig_conn;
struct vmig_machine;

/* requests.c APIs: */
void vmig_request_fail(struct vmig_daemon *daemon, uint32_t request, int ret,
		       const struct vmig_err *err);
/* Puts @o. */
void vmig_request_tell(struct vmig_daemon *daemon, uint32_t request,
		       struct json_object *o);
/* NULL if there is none, and that is answered. */
struct vmig_machine *vmig_request_machine(struct vmig_daemon *daemon,
					  const struct vmig_request *request);
/* True if the VM may not be changed now, and that is answered. */
bool vmig_request_refuse_busy(struct vmig_daemon *daemon,
			      const struct vmig_request *request,
			      const struct vmig_machine *m, const char *what);

/* requests_define.c APIs: */
void vmig_request_define(struct vmig_daemon *daemon,
			 const struct vmig_request *request);
void vmig_request_set(struct vmig_daemon *daemon,
		      const struct vmig_request *request);

/* requests_lease.c APIs: */
void vmig_request_release(struct vmig_daemon *daemon,
			  const struct vmig_request *request,
			  struct vmig_machine *m);
void vmig_request_undefine(struct vmig_daemon *daemon,
			   const struct vmig_request *request);
void vmig_request_recover(struct vmig_daemon *daemon,
			  const struct vmig_request *request);

/* requests_cpu.c APIs: */
void vmig_request_start(struct vmig_daemon *daemon,
			const struct vmig_request *request);
void vmig_request_cpu_show(struct vmig_daemon *daemon,
			   const struct vmig_request *request);
void vmig_request_cpu_baseline(struct vmig_daemon *daemon,
			       const struct vmig_request *request);
void vmig_request_cpu_check(struct vmig_daemon *daemon,
			    const struct vmig_request *request);
struct json_object *vmig_request_processor(struct vmig_machine *m);

/* requests_node.c APIs: */
void vmig_request_node_show(struct vmig_daemon *daemon,
			    const struct vmig_request *request);
void vmig_request_node_list(struct vmig_daemon *daemon,
			    const struct vmig_request *request);
void vmig_request_node_drain(struct vmig_daemon *daemon,
			     const struct vmig_request *request);
void vmig_request_node_undrain(struct vmig_daemon *daemon,
			       const struct vmig_request *request);
/* This node, as node-show tells it. */
struct json_object *vmig_node_describe(struct vmig_daemon *daemon);

/* requests_check.c APIs: */
void vmig_request_check(struct vmig_daemon *daemon,
			const struct vmig_request *request);

/* requests_peer.c APIs: a peer's agent connected to ask something. */
void vmig_peer_accept(struct vmig_daemon *daemon, struct vmig_conn *conn,
		      const char *node);

#endif /* VMIG_REQUESTS_H */

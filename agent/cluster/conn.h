/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A connection to another agent: TLS, greeting, messages, heartbeat.
 *
 * Nothing blocks. Everything runs in the one thread of the event loop.
 */
#ifndef VMIG_CONN_H
#define VMIG_CONN_H

#include <stdint.h>

#include <systemd/sd-event.h>

#include "../err.h"
#include "handshake.h"
#include "refusal.h"

struct json_object;
struct vmig_conn;
struct vmig_tls;
struct vmig_tls_session;

/* From the first SYN to the other side's greeting. */
#define VMIG_GREETING_LIMIT_MS	8000
#define VMIG_HEARTBEAT_MS	1000
#define VMIG_SILENCE_LIMIT_MS	10000

/**
 * struct vmig_conn_ops - what the owner of a connection wants to hear
 * @greeted: the other side's greeting @msg arrived, once and first
 * @message: every later message but the heartbeat
 * @closed: the connection is gone, @why is a sentence; vmig_conn_close() is
 *	still the owner's to call
 *
 * Any of them may call vmig_conn_close() or vmig_conn_take().
 */
struct vmig_conn_ops {
	void (*greeted)(void *arg, struct json_object *msg);
	void (*message)(void *arg, const char *type, struct json_object *msg);
	void (*closed)(void *arg, const char *why);
};

int vmig_conn_connect(struct vmig_conn **conn, sd_event *event,
		      const struct vmig_config *config,
		      const struct vmig_peer *peer, struct vmig_tls *tls,
		      struct json_object *greeting,
		      const struct vmig_conn_ops *ops, void *arg,
		      struct vmig_err *err);
int vmig_conn_adopt(struct vmig_conn **conn, sd_event *event, int fd,
		    struct vmig_tls *tls, const struct vmig_conn_ops *ops,
		    void *arg);
void vmig_conn_set_ops(struct vmig_conn *conn, const struct vmig_conn_ops *ops,
		       void *arg);
void vmig_conn_send(struct vmig_conn *conn, struct json_object *msg);
void vmig_conn_heartbeat(struct vmig_conn *conn);
int vmig_conn_take(struct vmig_conn *conn);
int vmig_conn_fd(const struct vmig_conn *conn);
void vmig_conn_close(struct vmig_conn *conn);
void vmig_conn_peer_address(struct vmig_conn *conn, char *text, size_t size);
struct vmig_tls_session *vmig_conn_session(const struct vmig_conn *conn);
enum vmig_refusal vmig_conn_refusal(const struct vmig_conn *conn);
unsigned int vmig_conn_turns(const struct vmig_conn *conn);

#endif /* VMIG_CONN_H */

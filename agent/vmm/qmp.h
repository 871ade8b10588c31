/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An asynchronous QMP client: commands with a time limit, events as they come.
 *
 * Everything runs in the one thread of the event loop.
 */
#ifndef VMIG_QMP_H
#define VMIG_QMP_H

#include <stdbool.h>

#include <systemd/sd-event.h>

struct json_object;
struct vmig_qmp;

/* Long enough for a QEMU whose host is emulated and busy. */
#define VMIG_QMP_LIMIT_MS 15000
/* The first answer comes when it has started, which takes it longer. */
#define VMIG_QMP_START_LIMIT_MS 60000

/**
 * struct vmig_qmp_ops - what the owner of a connection wants to hear
 * @event: QEMU said something unasked; @data may be NULL
 * @closed: the connection is gone and @why says so in a sentence; vmig_qmp_close()
 *	is still the owner's to call. Commands under way are answered first.
 */
struct vmig_qmp_ops {
	void (*event)(void *arg, const char *name, struct json_object *data);
	void (*closed)(void *arg, const char *why);
};

/**
 * vmig_qmp_reply_fn - the answer to one command, exactly one call a command
 * @ret: the return value, NULL on error
 * @why: NULL on success, else the error in words
 */
typedef void (*vmig_qmp_reply_fn)(void *arg, struct json_object *ret,
			     const char *why);

int vmig_qmp_open(struct vmig_qmp **qmp, sd_event *event, const char *path,
	     const struct vmig_qmp_ops *ops, void *arg);
void vmig_qmp_close(struct vmig_qmp *qmp);
int vmig_qmp_peer_pid(struct vmig_qmp *qmp);
bool vmig_qmp_is_open(const struct vmig_qmp *qmp);

void vmig_qmp_call(struct vmig_qmp *qmp, const char *command, struct json_object *args,
	      vmig_qmp_reply_fn fn, void *arg);
void vmig_qmp_call_within(struct vmig_qmp *qmp, const char *command,
	      unsigned int limit_ms, vmig_qmp_reply_fn fn, void *arg);
void vmig_qmp_send_fd(struct vmig_qmp *qmp, const char *name, int fd, vmig_qmp_reply_fn fn,
		 void *arg);
void vmig_qmp_forget(struct vmig_qmp *qmp, void *arg);

#endif /* VMIG_QMP_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's part of a switch-over at the source: stop the VM, write its state.
 *
 * QEMU is told to migrate with x-ignore-shared, so that the guest's memory,
 * which the kernel moves, is not in its stream.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../vmm/machine.h"
#include "source.h"

/*
 * QEMU's stream has the VM's ROMs, tables and video memory besides the device
 * state. More than this, or as much as the guest has, is guest memory.
 */
#define FOREIGN_MEMORY_MAX (32ULL << 20)

/* The state is a few hundred KB: QEMU's own 128 MiB/s would be felt. */
#define STATE_BANDWIDTH (1ULL << 40)

/* For a QEMU whose agent is gone: see vmig_switchover_break(). */
#define STATE_SILENCE_MS 10000

static struct json_object *capability(const char *name)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_string(o, "capability", name);
	vmig_json_add_bool(o, "state", true);
	return o;
}

static void on_prepared(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;

	(void)ret;
	if (why)
		vmig_source_fail(s, EIO, "QEMU of VM %s: %s", s->m->name, why);
	else
		vmig_source_prepared(s);
}

static void on_step(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;

	(void)ret;
	if (why)
		vmig_source_fail(s, EIO, "QEMU of VM %s: %s", s->m->name, why);
}

/* vmig_switchover_prepare() - All that can be done before the VM stops. */
void vmig_switchover_prepare(struct vmig_source *s, int state_fd)
{
	const int limit_ms = STATE_SILENCE_MS;
	struct json_object *args = vmig_json_new(NULL);
	struct json_object *list = json_object_new_array();

	json_object_array_add(list, capability("events"));
	json_object_array_add(list, capability("x-ignore-shared"));
	json_object_array_add(list, capability("pause-before-switchover"));
	json_object_object_add(args, "capabilities", list);
	vmig_qmp_call(s->m->qmp, "migrate-set-capabilities", args, on_step, s);
	args = vmig_json_new(NULL);
	vmig_json_add_uint(args, "max-bandwidth", STATE_BANDWIDTH);
	vmig_qmp_call(s->m->qmp, "migrate-set-parameters", args, on_step, s);
	setsockopt(state_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms,
		   sizeof(limit_ms));
	vmig_qmp_send_fd(s->m->qmp, "vmig-state", state_fd, on_prepared, s);
}

static void on_paused(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;

	(void)ret;
	if (why)
		vmig_source_fail(s, EIO, "QEMU of VM %s: %s", s->m->name, why);
	else
		vmig_source_paused(s);
}

/*
 * vmig_switchover_pause() - Stop the VM before anything of it has moved.
 *
 * QEMU answers when the VM's I/O is drained. It tells the other QEMU that the
 * VM was paused, which changes nothing: that one waits for `cont` anyway.
 */
void vmig_switchover_pause(struct vmig_source *s)
{
	vmig_qmp_call(s->m->qmp, "stop", NULL, on_paused, s);
}

/*
 * vmig_switchover_stop() - Stop the VM by starting QEMU's own migration.
 *
 * With pause-before-switchover QEMU sends its ROMs and video memory while the
 * VM runs, then stops it and waits. Against `stop` first the blackout was 148
 * to 191 ms (medians of 10 moves of 512 MiB each in the lab), the guest's
 * longest stall the same within its spread: Documentation/performance.rst.
 */
void vmig_switchover_stop(struct vmig_source *s)
{
	struct json_object *args = vmig_json_new(NULL);

	vmig_json_add_string(args, "uri", "fd:vmig-state");
	vmig_qmp_call(s->m->qmp, "migrate", args, on_step, s);
}

/* vmig_switchover_save() - The memory is there: send the device state. */
void vmig_switchover_save(struct vmig_source *s)
{
	struct json_object *args = vmig_json_new(NULL);

	vmig_json_add_string(args, "state", "pre-switchover");
	vmig_qmp_call(s->m->qmp, "migrate-continue", args, on_step, s);
}

/* vmig_switchover_forget() - QEMU alone has the connection. */
void vmig_switchover_forget(struct vmig_source *s)
{
	if (s->state_fd >= 0)
		close(s->state_fd);
	s->state_fd = -1;
}

/*
 * vmig_switchover_break() - The device state is not wanted any more.
 *
 * QEMU 7.2 writes it under its global lock. With a host at the other end that is
 * gone it hangs there as soon as the socket is full, and does not even answer a
 * `migrate_cancel`.
 */
void vmig_switchover_break(struct vmig_source *s)
{
	if (s->state_fd >= 0)
		shutdown(s->state_fd, SHUT_RDWR);
	vmig_switchover_forget(s);
}

static void on_figures(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_source *s = arg;
	struct json_object *ram;
	uint64_t total;

	if (why) {
		vmig_source_fail(s, EIO, "QEMU of VM %s: %s", s->m->name, why);
		return;
	}
	total = json_object_object_get_ex(ret, "ram", &ram) ?
		vmig_json_uint(ram, "total", UINT64_MAX) : UINT64_MAX;
	if (total >= FOREIGN_MEMORY_MAX || total >= s->m->def->memory) {
		vmig_source_fail(s, EINVAL,
				 "VM %s has %llu MiB of memory outside vmigfs that QEMU would send with the VM stopped: remove it from extra = in its definition",
				 s->m->name, (unsigned long long)total >> 20);
		return;
	}
	s->checked = true;
	vmig_commit(s);
}

static void handle_status(struct vmig_source *s, const char *status)
{
	if (!strcmp(status, "pre-switchover") && s->step == VMIG_STEP_STOP) {
		/* Its answer is there long before the memory is. */
		vmig_qmp_call(s->m->qmp, "query-migrate", NULL, on_figures, s);
		vmig_source_stopped(s);
	} else if (!strcmp(status, "completed") &&
		   s->step == VMIG_STEP_DEVICE) {
		s->saved = true;
		vmig_commit(s);
	} else if (!strcmp(status, "failed")) {
		vmig_source_fail(s, EIO,
				 "QEMU of VM %s could not send the device state",
				 s->m->name);
	}
}

/* vmig_switchover_event() - QEMU said something unasked. */
void vmig_switchover_event(struct vmig_source *s, const char *name,
			   struct json_object *data)
{
	const char *status;

	if (!strcmp(name, "STOP") &&
	    (s->step == VMIG_STEP_PAUSE || s->step == VMIG_STEP_STOP)) {
		s->parts.stopped = vmig_daemon_now(s->daemon);
	} else if (!strcmp(name, "MIGRATION")) {
		status = vmig_json_string(data, "status");
		if (status)
			handle_status(s, status);
	}
}

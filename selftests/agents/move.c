// SPDX-License-Identifier: GPL-2.0
/*
 * A migration as QEMU 7.2 does it with x-ignore-shared, pause-before-switchover
 * and a descriptor: all that is sent is the device state.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "standin.h"

#define STATE_MAGIC 0x5145564d7374616eULL

/* About what the ROMs and tables of a VM without devices come to. */
#define FOREIGN_MEMORY 38000
#define STATE_SIZE 4096

struct device_state {
	uint64_t magic;
	uint64_t guest[2];
	uint8_t rest[STATE_SIZE - 24];
};

/* "" as long as there was none; @fd is of the one under way. */
static const char *status = "";
static int fd = -1;
static bool was_running;
static struct device_state incoming;
static size_t received;

static void enter(const char *to)
{
	struct json_object *data = json_object_new_object();

	status = to;
	json_object_object_add(data, "status", json_object_new_string(to));
	qmp_event("MIGRATION", data);
}

static void end(const char *how)
{
	close(fd);
	fd = -1;
	/* QEMU lets the VM run on by itself. */
	if (was_running && standin_state == STANDIN_FINISH_MIGRATE) {
		guest_run();
		qmp_event("RESUME", NULL);
	}
	enter(how);
}

static bool is_under_way(void)
{
	return fd >= 0;
}

struct json_object *move_query(void)
{
	struct json_object *o = json_object_new_object();
	struct json_object *ram = json_object_new_object();

	if (*status)
		json_object_object_add(o, "status",
				       json_object_new_string(status));
	json_object_object_add(ram, "total",
			       json_object_new_int64(FOREIGN_MEMORY));
	json_object_object_add(o, "ram", ram);
	return o;
}

static const char *name_of(const char *uri)
{
	return uri && !strncmp(uri, "fd:", 3) ? uri + 3 : "";
}

struct json_object *move_start(const char *uri, const char **why)
{
	if (is_under_way()) {
		*why = "There's a migration process in progress";
		return NULL;
	}
	if (standin_state == STANDIN_POSTMIGRATE) {
		*why = "Can't migrate the vm that was paused due to previous migration";
		return NULL;
	}
	fd = qmp_take_fd(name_of(uri));
	if (fd < 0) {
		*why = "File descriptor named 'vmig-state' has not been found";
		return NULL;
	}
	enter("setup");
	enter("active");
	was_running = standin_state == STANDIN_RUNNING;
	guest_stop();
	standin_state = STANDIN_FINISH_MIGRATE;
	if (was_running)
		qmp_event("STOP", NULL);
	enter("pre-switchover");
	return json_object_new_object();
}

struct json_object *move_continue(const char **why)
{
	struct device_state state = { .magic = STATE_MAGIC };
	const char *at = (const char *)&state;
	size_t left = sizeof(state);
	ssize_t n;

	if (strcmp(status, "pre-switchover")) {
		*why = "Migration not in expected state: pre-switchover";
		return NULL;
	}
	enter("device");
	guest_save(state.guest);
	for (; left; at += n, left -= (size_t)n) {
		n = write(fd, at, left);
		if (n <= 0) {
			end("failed");
			return json_object_new_object();
		}
	}
	close(fd);
	fd = -1;
	standin_state = STANDIN_POSTMIGRATE;
	enter("completed");
	return json_object_new_object();
}

struct json_object *move_cancel(void)
{
	if (is_under_way() && standin_state != STANDIN_INMIGRATE) {
		enter("cancelling");
		end("cancelled");
	}
	return json_object_new_object();
}

struct json_object *move_receive(const char *uri, const char **why)
{
	if (standin_state != STANDIN_INMIGRATE || is_under_way()) {
		*why = "The incoming migration has already been started";
		return NULL;
	}
	fd = qmp_take_fd(name_of(uri));
	if (fd < 0) {
		*why = "File descriptor named 'vmig-state' has not been found";
		return NULL;
	}
	enter("setup");
	return json_object_new_object();
}

int move_fd(void)
{
	return standin_state == STANDIN_INMIGRATE ? fd : -1;
}

void move_process(void)
{
	ssize_t n = read(fd, (char *)&incoming + received,
			 sizeof(incoming) - received);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		standin_exit(1, "load of migration failed: Input/output error");
	if (!received)
		enter("active");
	received += (size_t)n;
	if (received < sizeof(incoming))
		return;
	if (incoming.magic != STATE_MAGIC)
		standin_exit(1, "Not a migration stream");
	close(fd);
	fd = -1;
	guest_check(incoming.guest);
	standin_state = STANDIN_PAUSED;
	enter("completed");
}

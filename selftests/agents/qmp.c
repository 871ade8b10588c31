// SPDX-License-Identifier: GPL-2.0
/*
 * The part of QMP that the agent uses, for one client after the other.
 *
 * The file $STANDIN_FOLDER/NAME@NODE.COMMAND makes the next such command fail,
 * by the word in it: "refuse", "hang" (this QEMU never answers again) or "die".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "standin.h"

#define FDS_MAX 4

/* @after: if not NULL, events are kept in it until a command is answered */
static struct {
	int listener;
	int client;
	bool hangs;
	struct json_tokener *tok;
	struct json_object *after;
	int passed;
} qmp = { .client = -1, .passed = -1 };

static struct {
	char name[64];
	int fd;
} fds[FDS_MAX];

static const char * const state_names[] = {
	[STANDIN_PRELAUNCH] = "prelaunch",
	[STANDIN_INMIGRATE] = "inmigrate",
	[STANDIN_RUNNING] = "running",
	[STANDIN_PAUSED] = "paused",
	[STANDIN_FINISH_MIGRATE] = "finish-migrate",
	[STANDIN_POSTMIGRATE] = "postmigrate",
};

static void send_object(struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o,
						JSON_C_TO_STRING_PLAIN);
	size_t len = strlen(text);

	/* A client that is gone is seen when reading. */
	if (qmp.client >= 0 &&
	    (send(qmp.client, text, len, MSG_NOSIGNAL) < 0 ||
	     send(qmp.client, "\r\n", 2, MSG_NOSIGNAL) < 0))
		shutdown(qmp.client, SHUT_RDWR);
	json_object_put(o);
}

/* qmp_event() - Takes @data over; NULL for none. */
void qmp_event(const char *name, struct json_object *data)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "event", json_object_new_string(name));
	json_object_object_add(o, "data", data ? data :
			       json_object_new_object());
	if (qmp.after)
		json_object_array_add(qmp.after, o);
	else
		send_object(o);
}

int qmp_take_fd(const char *name)
{
	unsigned int i;
	int fd;

	for (i = 0; i < FDS_MAX; i++) {
		if (*name && !strcmp(fds[i].name, name)) {
			fd = fds[i].fd;
			fds[i].name[0] = '\0';
			return fd;
		}
	}
	return -1;
}

static const char *string_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ?
		json_object_get_string(value) : NULL;
}

static struct json_object *get_fd(struct json_object *args, const char **why)
{
	const char *name = string_of(args, "fdname");
	unsigned int i;
	int old;

	if (!name || qmp.passed < 0) {
		*why = "No file descriptor supplied via SCM_RIGHTS";
		return NULL;
	}
	old = qmp_take_fd(name);
	if (old >= 0)
		close(old);
	for (i = 0; i < FDS_MAX && fds[i].name[0]; i++)
		;
	if (i == FDS_MAX)
		standin_exit(1, "too many descriptors");
	snprintf(fds[i].name, sizeof(fds[i].name), "%s", name);
	fds[i].fd = qmp.passed;
	qmp.passed = -1;
	return json_object_new_object();
}

static struct json_object *query_status(void)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "running", json_object_new_boolean(
			       standin_state == STANDIN_RUNNING));
	json_object_object_add(o, "singlestep", json_object_new_boolean(0));
	json_object_object_add(o, "status", json_object_new_string(
			       state_names[standin_state]));
	return o;
}

static struct json_object *query_memdev(void)
{
	struct json_object *list = json_object_new_array();
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_string("ram0"));
	json_object_object_add(o, "share", json_object_new_boolean(1));
	json_object_object_add(o, "size", json_object_new_int64(
			       (int64_t)standin_options.ram_size));
	json_object_array_add(list, o);
	return list;
}

static struct json_object *cont(const char **why)
{
	if (standin_state == STANDIN_FINISH_MIGRATE) {
		*why = "Migration is not finalized yet";
		return NULL;
	}
	if (standin_state != STANDIN_RUNNING &&
	    standin_state != STANDIN_INMIGRATE) {
		guest_run();
		qmp_event("RESUME", NULL);
	}
	return json_object_new_object();
}

static struct json_object *stop(void)
{
	if (standin_state == STANDIN_RUNNING) {
		guest_stop();
		qmp_event("STOP", NULL);
	}
	return json_object_new_object();
}

static struct json_object *execute(const char *command,
				   struct json_object *args, const char **why)
{
	static const char * const fine[] = {
		"qmp_capabilities", "migrate-set-capabilities",
		"migrate-set-parameters", "quit", "system_powerdown",
	};
	const char *uri = string_of(args, "uri");
	size_t i;

	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		if (!strcmp(command, fine[i]))
			return json_object_new_object();
	}
	if (!strcmp(command, "query-status"))
		return query_status();
	if (!strcmp(command, "query-memdev"))
		return query_memdev();
	if (!strcmp(command, "query-migrate"))
		return move_query();
	if (!strcmp(command, "getfd"))
		return get_fd(args, why);
	if (!strcmp(command, "cont"))
		return cont(why);
	if (!strcmp(command, "stop"))
		return stop();
	if (!strcmp(command, "migrate"))
		return move_start(uri, why);
	if (!strcmp(command, "migrate-continue"))
		return move_continue(why);
	if (!strcmp(command, "migrate_cancel"))
		return move_cancel();
	if (!strcmp(command, "migrate-incoming"))
		return move_receive(uri, why);
	*why = "The command has not been found";
	guest_log("UNKNOWN", command);
	return NULL;
}

/* What a test wants to go wrong with this command, once; "" for nothing. */
static void find_fault(const char *command, char *fault, size_t size)
{
	char path[PATH_MAX];
	FILE *file;

	fault[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s@%s.%s", getenv("STANDIN_FOLDER"),
		 standin_options.name, getenv("STANDIN_NODE"), command);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(fault, (int)size, file))
		fault[strcspn(fault, "\n")] = '\0';
	fclose(file);
	unlink(path);
	guest_log(fault, command);
}

static void answer(struct json_object *ret, const char *why,
		   struct json_object *id)
{
	struct json_object *o = json_object_new_object(), *error;

	if (ret) {
		json_object_object_add(o, "return", ret);
	} else {
		error = json_object_new_object();
		json_object_object_add(error, "class",
				       json_object_new_string("GenericError"));
		json_object_object_add(error, "desc",
				       json_object_new_string(why));
		json_object_object_add(o, "error", error);
	}
	if (id)
		json_object_object_add(o, "id", json_object_get(id));
	send_object(o);
}

static void tell_events(void)
{
	struct json_object *list = qmp.after;
	size_t i;

	qmp.after = NULL;
	for (i = 0; list && i < json_object_array_length(list); i++)
		send_object(json_object_get(json_object_array_get_idx(list,
								      i)));
	json_object_put(list);
}

static void handle(struct json_object *msg)
{
	const char *command = string_of(msg, "execute");
	const char *why = "it does not want to";
	struct json_object *args = NULL, *id = NULL, *ret = NULL;
	char fault[32];

	if (!command)
		return;
	json_object_object_get_ex(msg, "arguments", &args);
	json_object_object_get_ex(msg, "id", &id);
	find_fault(command, fault, sizeof(fault));
	if (!strcmp(fault, "die"))
		standin_exit(1, "it was told to die");
	if (!strcmp(fault, "hang"))
		qmp.hangs = true;
	if (qmp.hangs)
		return;
	/* `cont` and `stop` tell before they return, migrations go on by themselves. */
	if (!strncmp(command, "migrate", 7))
		qmp.after = json_object_new_array();
	if (!*fault)
		ret = execute(command, args, &why);
	answer(ret, why, id);
	tell_events();
	if (*fault)
		return;
	if (!strcmp(command, "quit"))
		standin_exit(0, "");
	if (!strcmp(command, "system_powerdown")) {
		guest_stop();
		qmp_event("SHUTDOWN", NULL);
		standin_exit(0, "");
	}
}

void qmp_open(int listener)
{
	/* As QEMU does: the socket says from then on that it is ours. */
	if (listen(listener, 1))
		standin_exit(1, "that is no socket to listen on");
	qmp.listener = listener;
	qmp.tok = json_tokener_new();
}

int qmp_fd(void)
{
	return qmp.client >= 0 ? qmp.client : qmp.listener;
}

static void greet(void)
{
	struct json_object *o = json_object_new_object();

	qmp.client = accept4(qmp.listener, NULL, NULL, SOCK_CLOEXEC);
	if (qmp.client < 0)
		return;
	json_tokener_reset(qmp.tok);
	json_object_object_add(o, "QMP", json_object_new_object());
	send_object(o);
}

static ssize_t receive(char *buf, size_t size)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(qmp.client, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
		if (qmp.passed >= 0)
			close(qmp.passed);
		memcpy(&qmp.passed, CMSG_DATA(cmsg), sizeof(int));
	}
	return n;
}

void qmp_process(void)
{
	struct json_object *msg;
	char buf[4096];
	ssize_t n, at;

	if (qmp.client < 0) {
		greet();
		return;
	}
	n = receive(buf, sizeof(buf));
	if (n <= 0) {
		close(qmp.client);
		qmp.client = -1;
		return;
	}
	for (at = 0; at < n; at += (ssize_t)json_tokener_get_parse_end(qmp.tok)) {
		msg = json_tokener_parse_ex(qmp.tok, buf + at, (int)(n - at));
		if (!msg)
			break;
		handle(msg);
		json_object_put(msg);
	}
	if (json_tokener_get_error(qmp.tok) != json_tokener_success &&
	    json_tokener_get_error(qmp.tok) != json_tokener_continue)
		standin_exit(1, "that is not QMP");
}

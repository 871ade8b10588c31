// SPDX-License-Identifier: GPL-2.0
/* An asynchronous QMP client: commands with a time limit, events as they come. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <json-c/json.h>

#include "qmp.h"
#include "qmp_parser.h"

/**
 * struct vmig_qmp_command - a command from vmig_qmp_call() to its answer
 * @text: what is left to send starts at @sent; owned
 * @fd: sent along with the first byte, then closed; -1 if none
 * @fn: NULL once the caller is not interested any more
 * @timer: runs from vmig_qmp_call(), so that a QEMU that stopped reading counts
 */
struct vmig_qmp_command {
	TAILQ_ENTRY(vmig_qmp_command) entry;
	struct vmig_qmp *qmp;
	long id;
	char name[48];
	char *text;
	size_t len, sent;
	int fd;
	unsigned int limit_ms;
	vmig_qmp_reply_fn fn;
	void *arg;
	sd_event_source *timer;
};

/**
 * struct vmig_qmp - one connection
 * @failure: off until a command could not be sent; tells it from the loop
 * @commands: in the order of vmig_qmp_call(), each until its answer
 * @busy: > 0 while a callback may call vmig_qmp_close(), which then only sets @dead
 */
struct vmig_qmp {
	sd_event *event;
	sd_event_source *io;
	sd_event_source *failure;
	int fd;
	const struct vmig_qmp_ops *ops;
	void *arg;
	struct vmig_qmp_parser parser;
	TAILQ_HEAD(, vmig_qmp_command) commands;
	long next_id;
	unsigned int busy;
	bool dead;
	bool closed;
};

static void free_command(struct vmig_qmp_command *c)
{
	TAILQ_REMOVE(&c->qmp->commands, c, entry);
	sd_event_source_disable_unref(c->timer);
	if (c->fd >= 0)
		close(c->fd);
	free(c->text);
	free(c);
}

static void destroy(struct vmig_qmp *qmp)
{
	while (!TAILQ_EMPTY(&qmp->commands))
		free_command(TAILQ_FIRST(&qmp->commands));
	sd_event_source_disable_unref(qmp->io);
	sd_event_source_disable_unref(qmp->failure);
	if (qmp->fd >= 0)
		close(qmp->fd);
	vmig_qmp_parser_exit(&qmp->parser);
	sd_event_unref(qmp->event);
	free(qmp);
}

/* Callbacks are made between enter() and leave(); leave() may free @qmp. */
static void enter(struct vmig_qmp *qmp)
{
	qmp->busy++;
}

static void leave(struct vmig_qmp *qmp)
{
	if (!--qmp->busy && qmp->dead)
		destroy(qmp);
}

static void finish(struct vmig_qmp_command *c, struct json_object *ret,
		   const char *why)
{
	vmig_qmp_reply_fn fn = c->fn;
	void *arg = c->arg;

	free_command(c);
	if (fn)
		fn(arg, ret, why);
}

static void lose(struct vmig_qmp *qmp, const char *why)
{
	bool first = !qmp->closed;

	qmp->closed = true;
	sd_event_source_set_enabled(qmp->io, SD_EVENT_OFF);
	enter(qmp);
	while (!qmp->dead && !TAILQ_EMPTY(&qmp->commands))
		finish(TAILQ_FIRST(&qmp->commands), NULL, why);
	if (!qmp->dead && first)
		qmp->ops->closed(qmp->arg, why);
	leave(qmp);
}

static struct vmig_qmp_command *find(struct vmig_qmp *qmp, long id)
{
	struct vmig_qmp_command *c;

	TAILQ_FOREACH(c, &qmp->commands, entry) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

static void handle_message(void *arg, struct json_object *msg)
{
	struct vmig_qmp *qmp = arg;
	struct json_object *o, *value, *text;
	struct vmig_qmp_command *c = NULL;

	if (qmp->dead)
		return;
	if (json_object_object_get_ex(msg, "event", &o)) {
		if (!json_object_object_get_ex(msg, "data", &value))
			value = NULL;
		qmp->ops->event(qmp->arg, json_object_get_string(o), value);
		return;
	}
	if (json_object_object_get_ex(msg, "id", &o))
		c = find(qmp, (long)json_object_get_int64(o));
	/* No such command: the greeting, or an answer after its time limit. */
	if (!c)
		return;
	if (json_object_object_get_ex(msg, "error", &o)) {
		const char *why = "it gave no reason";

		if (json_object_object_get_ex(o, "desc", &text))
			why = json_object_get_string(text);
		finish(c, NULL, why);
		return;
	}
	if (!json_object_object_get_ex(msg, "return", &value))
		value = NULL;
	finish(c, value, NULL);
}

/* Return: 1 if all of it is sent, 0 if the socket is full, or -errno. */
static int send_command(struct vmig_qmp *qmp, struct vmig_qmp_command *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	while (c->sent < c->len) {
		iov.iov_base = c->text + c->sent;
		iov.iov_len = c->len - c->sent;
		if (c->fd >= 0) {
			struct cmsghdr *cmsg;

			msg.msg_control = control.buf;
			msg.msg_controllen = sizeof(control.buf);
			cmsg = CMSG_FIRSTHDR(&msg);
			cmsg->cmsg_level = SOL_SOCKET;
			cmsg->cmsg_type = SCM_RIGHTS;
			cmsg->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(cmsg), &c->fd, sizeof(int));
		} else {
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
		}
		n = sendmsg(qmp->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->sent += (size_t)n;
		if (c->fd >= 0) {
			close(c->fd);
			c->fd = -1;
		}
	}
	return 1;
}

static int flush(struct vmig_qmp *qmp)
{
	struct vmig_qmp_command *c;
	uint32_t events = EPOLLIN;
	int err = 1;

	TAILQ_FOREACH(c, &qmp->commands, entry) {
		if (c->sent == c->len)
			continue;
		err = send_command(qmp, c);
		if (err < 0)
			return err;
		if (!err) {
			events |= EPOLLOUT;
			break;
		}
	}
	sd_event_source_set_io_events(qmp->io, events);
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct vmig_qmp *qmp = arg;
	char buf[4096];
	char why[160];
	ssize_t n;
	int err;

	(void)source;
	if (revents & EPOLLOUT) {
		err = flush(qmp);
		if (err < 0) {
			snprintf(why, sizeof(why), "QEMU does not listen: %s",
				 strerror(-err));
			lose(qmp, why);
			return 0;
		}
	}
	if (!(revents & ~EPOLLOUT))
		return 0;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		lose(qmp, "QEMU closed its control connection");
		return 0;
	}
	enter(qmp);
	err = vmig_qmp_parser_feed(&qmp->parser, buf, (size_t)n, handle_message, qmp);
	if (err && !qmp->dead)
		lose(qmp, "QEMU's control connection does not speak QMP");
	leave(qmp);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_qmp_command *c = arg;
	struct vmig_qmp *qmp = c->qmp;
	char why[160];

	(void)source;
	(void)usec;
	snprintf(why, sizeof(why), "QEMU did not answer '%s' within %u s",
		 c->name, c->limit_ms / 1000);
	enter(qmp);
	finish(c, NULL, why);
	leave(qmp);
	return 0;
}

static int on_failed(sd_event_source *source, void *arg)
{
	struct vmig_qmp *qmp = arg;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	lose(qmp, "QEMU does not take commands");
	return 0;
}

static void queue(struct vmig_qmp *qmp, const char *command,
		  struct json_object *args, int fd, unsigned int limit_ms,
		  vmig_qmp_reply_fn fn, void *arg)
{
	struct json_object *msg = json_object_new_object();
	struct vmig_qmp_command *c = calloc(1, sizeof(*c));
	const char *text;

	if (!c || !msg)
		abort();	/* a daemon without memory is restarted */
	c->qmp = qmp;
	c->id = ++qmp->next_id;
	c->fd = fd;
	c->limit_ms = limit_ms;
	c->fn = fn;
	c->arg = arg;
	snprintf(c->name, sizeof(c->name), "%s", command);
	json_object_object_add(msg, "execute", json_object_new_string(command));
	if (args)
		json_object_object_add(msg, "arguments", args);
	json_object_object_add(msg, "id", json_object_new_int64(c->id));
	text = json_object_to_json_string_ext(msg, JSON_C_TO_STRING_PLAIN);
	c->len = strlen(text);
	c->text = strdup(text);
	if (!c->text)
		abort();
	json_object_put(msg);
	TAILQ_INSERT_TAIL(&qmp->commands, c, entry);
	sd_event_add_time_relative(qmp->event, &c->timer, CLOCK_MONOTONIC,
				   limit_ms * 1000ULL, 0, on_limit, c);
	/*
	 * The answer never comes before vmig_qmp_call() returned: a lost connection
	 * is told from the event loop.
	 */
	if (qmp->closed || flush(qmp) < 0)
		sd_event_source_set_enabled(qmp->failure, SD_EVENT_ONESHOT);
}

/**
 * vmig_qmp_call() - Send a command; @fn is called exactly once, later.
 * @args: taken over; NULL for none
 * @fn: may be NULL
 */
void vmig_qmp_call(struct vmig_qmp *qmp, const char *command, struct json_object *args,
	      vmig_qmp_reply_fn fn, void *arg)
{
	queue(qmp, command, args, -1, VMIG_QMP_LIMIT_MS, fn, arg);
}

/* vmig_qmp_call_within() - As vmig_qmp_call(), without arguments, @limit_ms long. */
void vmig_qmp_call_within(struct vmig_qmp *qmp, const char *command,
	      unsigned int limit_ms, vmig_qmp_reply_fn fn, void *arg)
{
	queue(qmp, command, NULL, -1, limit_ms, fn, arg);
}

/* vmig_qmp_send_fd() - Give QEMU a descriptor by the name @name; @fd stays ours. */
void vmig_qmp_send_fd(struct vmig_qmp *qmp, const char *name, int fd, vmig_qmp_reply_fn fn,
		 void *arg)
{
	struct json_object *args = json_object_new_object();
	int copy = dup(fd);

	json_object_object_add(args, "fdname", json_object_new_string(name));
	queue(qmp, "getfd", args, copy, VMIG_QMP_LIMIT_MS, fn, arg);
}

/* vmig_qmp_forget() - Commands under way for @arg run on, their answers are dropped. */
void vmig_qmp_forget(struct vmig_qmp *qmp, void *arg)
{
	struct vmig_qmp_command *c;

	TAILQ_FOREACH(c, &qmp->commands, entry) {
		if (c->arg == arg)
			c->fn = NULL;
	}
}

bool vmig_qmp_is_open(const struct vmig_qmp *qmp)
{
	return !qmp->closed;
}

/* vmig_qmp_peer_pid() - The process that listens, by the kernel's word. */
int vmig_qmp_peer_pid(struct vmig_qmp *qmp)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	return cred.pid;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/**
 * vmig_qmp_open() - Connect to a QEMU and negotiate.
 *
 * QEMU reads commands in order, so the negotiation is simply the first of
 * them and nobody waits for the greeting.
 *
 * Return: 0, -ECONNREFUSED or -ENOENT if no QEMU listens at @path, -EAGAIN if
 * it serves somebody else, or another error of connect().
 */
int vmig_qmp_open(struct vmig_qmp **result, sd_event *event, const char *path,
	     const struct vmig_qmp_ops *ops, void *arg)
{
	struct vmig_qmp *qmp = calloc(1, sizeof(*qmp));
	int err;

	if (!qmp)
		return -ENOMEM;
	TAILQ_INIT(&qmp->commands);
	qmp->ops = ops;
	qmp->arg = arg;
	qmp->event = sd_event_ref(event);
	qmp->fd = connect_unix(path);
	err = qmp->fd;
	if (err < 0)
		goto err_destroy;
	err = vmig_qmp_parser_init(&qmp->parser);
	if (err)
		goto err_destroy;
	err = sd_event_add_io(event, &qmp->io, qmp->fd, EPOLLIN, on_io, qmp);
	if (err < 0)
		goto err_destroy;
	err = sd_event_add_defer(event, &qmp->failure, on_failed, qmp);
	if (err < 0)
		goto err_destroy;
	sd_event_source_set_enabled(qmp->failure, SD_EVENT_OFF);
	vmig_qmp_call(qmp, "qmp_capabilities", NULL, NULL, NULL);
	*result = qmp;
	return 0;

err_destroy:
	destroy(qmp);
	return err;
}

/* vmig_qmp_close() - No callback is made any more. NULL is fine. */
void vmig_qmp_close(struct vmig_qmp *qmp)
{
	if (!qmp)
		return;
	qmp->dead = true;
	qmp->closed = true;
	if (!qmp->busy)
		destroy(qmp);
}

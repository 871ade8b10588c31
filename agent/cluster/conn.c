// SPDX-License-Identifier: GPL-2.0
/* A connection to another agent: greeting, messages, heartbeat. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "conn.h"
#include "dial.h"
#include "message.h"
#include "tls.h"

/* A peer that reads nothing while we owe it this much is not one. */
#define UNSENT_MAX (4 * VMIG_MESSAGE_MAX)

/**
 * struct vmig_conn - one connection
 * @out: what is not sent yet, @out_len bytes; owned
 * @limit: until the greeting its time limit, then the heartbeat; or NULL
 * @failure: off until sending failed; tells it from the event loop
 * @heard: when the last byte came, CLOCK_MONOTONIC us
 * @tls: what to speak it with, or NULL; not owned
 * @session: NULL while, or if, it is plain
 * @peer: who was connected to; NULL if it was accepted
 * @connecting: connect() is under way
 * @undecided: the first byte will tell whether the other side speaks TLS
 * @securing: the TLS handshake is under way
 * @asked: something was sent since something came
 * @turns: answers that came so far, that of connect() included
 * @refusal: why it was lost before the greeting
 * @closed: set once, when @ops->closed is called
 * @busy: > 0 while a callback may call vmig_conn_close(), which then only
 *	sets @dead
 */
struct vmig_conn {
	sd_event *event;
	sd_event_source *io;
	sd_event_source *limit;
	sd_event_source *failure;
	int fd;
	const struct vmig_conn_ops *ops;
	void *arg;
	struct vmig_message_reader reader;
	uint8_t *out;
	size_t out_len;
	uint64_t heard;
	struct vmig_tls *tls;
	struct vmig_tls_session *session;
	const struct vmig_peer *peer;
	bool connecting;
	bool undecided;
	bool securing;
	bool asked;
	unsigned int turns;
	enum vmig_refusal refusal;
	bool greeted;
	bool heartbeat;
	bool closed;
	bool dead;
	unsigned int busy;
	char why[256];
};

static uint64_t now_us(struct vmig_conn *conn)
{
	uint64_t usec = 0;

	sd_event_now(conn->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

static void destroy(struct vmig_conn *conn)
{
	sd_event_source_disable_unref(conn->io);
	sd_event_source_disable_unref(conn->limit);
	sd_event_source_disable_unref(conn->failure);
	vmig_tls_free(conn->session);
	if (conn->fd >= 0)
		close(conn->fd);
	vmig_message_reader_exit(&conn->reader);
	free(conn->out);
	sd_event_unref(conn->event);
	free(conn);
}

static void enter(struct vmig_conn *conn)
{
	conn->busy++;
}

static void leave(struct vmig_conn *conn)
{
	if (!--conn->busy && conn->dead)
		destroy(conn);
}

static void lose(struct vmig_conn *conn, const char *why)
{
	if (conn->closed || conn->dead)
		return;
	conn->closed = true;
	sd_event_source_set_enabled(conn->io, SD_EVENT_OFF);
	if (conn->limit)
		sd_event_source_set_enabled(conn->limit, SD_EVENT_OFF);
	enter(conn);
	conn->ops->closed(conn->arg, why);
	leave(conn);
}

static int on_failure(sd_event_source *source, void *arg)
{
	struct vmig_conn *conn = arg;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	lose(conn, conn->why);
	return 0;
}

/* Tell it from the event loop: the caller holds pointers that closed() frees. */
static void lose_later(struct vmig_conn *conn, const char *why)
{
	snprintf(conn->why, sizeof(conn->why), "%.255s", why);
	sd_event_source_set_enabled(conn->failure, SD_EVENT_ONESHOT);
}

/* Why the last transmit() or receive() failed, as a sentence. */
static const char *explain(struct vmig_conn *conn, char text[128])
{
	if (conn->session && errno == EPROTO)
		return vmig_tls_why(conn->session);
	snprintf(text, 128, "the connection broke: %s", strerror(errno));
	return text;
}

static ssize_t transmit(struct vmig_conn *conn)
{
	if (conn->session)
		return vmig_tls_write(conn->session, conn->out, conn->out_len);
	return send(conn->fd, conn->out, conn->out_len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t receive(struct vmig_conn *conn, void *where, size_t len)
{
	if (conn->session)
		return vmig_tls_read(conn->session, where, len);
	return recv(conn->fd, where, len, MSG_DONTWAIT);
}

static bool is_open(const struct vmig_conn *conn)
{
	return !conn->connecting && !conn->undecided && !conn->securing;
}

static void wait_for_io(struct vmig_conn *conn)
{
	bool out = conn->connecting || (conn->out_len && is_open(conn)) ||
		   (conn->securing && vmig_tls_wants_write(conn->session));

	sd_event_source_set_io_events(conn->io,
				      EPOLLIN | (out ? EPOLLOUT : 0));
}

static void flush(struct vmig_conn *conn)
{
	char text[128];
	ssize_t n;

	while (conn->out_len && is_open(conn)) {
		n = transmit(conn);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			lose_later(conn, explain(conn, text));
			return;
		}
		conn->asked = true;
		conn->out_len -= (size_t)n;
		memmove(conn->out, conn->out + n, conn->out_len);
	}
	wait_for_io(conn);
}

/* vmig_conn_send() - Queue a message, which is taken over. */
void vmig_conn_send(struct vmig_conn *conn, struct json_object *msg)
{
	struct vmig_err err;
	uint8_t *frame, *out;
	size_t len;

	if (conn->closed || conn->dead) {
		json_object_put(msg);
		return;
	}
	if (vmig_message_encode(msg, &frame, &len, &err)) {
		lose_later(conn, err.text);
		return;
	}
	out = conn->out_len + len > UNSENT_MAX ?
		NULL : realloc(conn->out, conn->out_len + len);
	if (!out) {
		free(frame);
		lose_later(conn, "the other node does not read what it is sent");
		return;
	}
	memcpy(out + conn->out_len, frame, len);
	free(frame);
	conn->out = out;
	conn->out_len += len;
	flush(conn);
}

static void handle_message(struct vmig_conn *conn, struct json_object *msg)
{
	const char *type;

	if (!conn->greeted) {
		const char *refusal = vmig_json_string(msg, "reason");

		if (refusal && !vmig_json_uint(msg, "vmig", 0)) {
			lose(conn, refusal);
			return;
		}
		conn->greeted = true;
		conn->limit = sd_event_source_disable_unref(conn->limit);
		conn->ops->greeted(conn->arg, msg);
		return;
	}
	type = vmig_json_string(msg, "type");
	if (!type)
		lose(conn, "the other node sent a message without a type");
	else if (strcmp(type, "ping"))
		conn->ops->message(conn->arg, type, msg);
}

static void hear(struct vmig_conn *conn)
{
	conn->heard = now_us(conn);
	if (conn->asked)
		conn->turns++;
	conn->asked = false;
}

static void refuse_garbage(struct vmig_conn *conn, const struct vmig_err *err)
{
	struct json_object *bye;

	conn->refusal = conn->tls && !conn->session ? VMIG_REFUSED_PLAIN :
						      VMIG_REFUSED_PROTOCOL;
	/* A stranger is not told anything. */
	if (conn->session || !conn->tls) {
		bye = vmig_json_new("refused");
		vmig_json_add_string(bye, "reason", err->text);
		vmig_conn_send(conn, bye);
	}
	lose(conn, err->text);
}

/* Return: true if there may be more to read. */
static bool read_some(struct vmig_conn *conn)
{
	struct json_object *msg;
	struct vmig_err err;
	void *where;
	size_t want = vmig_message_want(&conn->reader, &where);
	ssize_t n = receive(conn, where, want);
	char text[128];

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0) {
		if (conn->session)
			conn->refusal = vmig_tls_refusal(conn->session);
		lose(conn, explain(conn, text));
		return false;
	}
	if (!n) {
		lose(conn, conn->greeted || conn->tls || !conn->peer ?
		     "the other node closed the connection" :
		     "the other node closed the connection without a greeting: it may use TLS, which --insecure switched off here");
		return false;
	}
	hear(conn);
	if (vmig_message_got(&conn->reader, (size_t)n, &msg, &err)) {
		refuse_garbage(conn, &err);
		return false;
	}
	if (msg) {
		handle_message(conn, msg);
		json_object_put(msg);
	}
	return !conn->closed && !conn->dead && conn->fd >= 0;
}

static bool finish_connect(struct vmig_conn *conn)
{
	socklen_t len = sizeof(int);
	char why[128];
	int error = 0;

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		snprintf(why, sizeof(why), "cannot connect: %s%s",
			 strerror(error), error == ECONNREFUSED ?
			 "; is vmig-agent running there?" : "");
		lose(conn, why);
		return false;
	}
	conn->connecting = false;
	conn->turns++;
	if (conn->tls) {
		conn->session = vmig_tls_connect(conn->tls, conn->fd,
						 conn->peer);
		conn->securing = true;
		if (!conn->session) {
			lose(conn, "out of memory");
			return false;
		}
	}
	return true;
}

/* Does the other side begin with TLS? Return: true once that is known. */
static bool decide(struct vmig_conn *conn)
{
	uint8_t first;
	ssize_t n = recv(conn->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	conn->undecided = false;
	/* The end of the connection is met again by read_some(). */
	if (n <= 0 || first != VMIG_TLS_FIRST_BYTE)
		return true;
	conn->session = vmig_tls_accept(conn->tls, conn->fd);
	conn->securing = true;
	if (!conn->session)
		lose(conn, "out of memory");
	return conn->session;
}

/* Go on with the TLS handshake. Return: true if it is through. */
static bool secure(struct vmig_conn *conn)
{
	struct vmig_err err;
	int ret = vmig_tls_handshake(conn->session, &err);

	if (ret == -EAGAIN) {
		wait_for_io(conn);
		return false;
	}
	if (ret) {
		conn->refusal = vmig_tls_refusal(conn->session);
		lose(conn, err.text);
		return false;
	}
	conn->securing = false;
	/* TLS 1.3 has one; the contexts leave nothing to ask again for. */
	conn->turns++;
	return true;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct vmig_conn *conn = arg;
	/* Bounded, so that one peer cannot keep the loop to itself. */
	int budget = 16;

	(void)source;
	(void)fd;
	enter(conn);
	if ((conn->connecting && !finish_connect(conn)) ||
	    (conn->undecided && !decide(conn)) ||
	    (conn->securing && !secure(conn)))
		goto out;
	flush(conn);
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
		/* What TLS has decrypted, epoll does not report again. */
		while (read_some(conn) &&
		       (--budget > 0 || (conn->session &&
					 vmig_tls_pending(conn->session))))
			;
	}
out:
	leave(conn);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_conn *conn = arg;
	uint64_t silent = now_us(conn) - conn->heard;
	char why[128];

	if (!conn->greeted) {
		conn->refusal = VMIG_REFUSED_SILENT;
		snprintf(why, sizeof(why), "%s within %d s",
			 conn->connecting ? "cannot connect" :
			 conn->securing ?
			 "the other side did not finish the TLS handshake" :
			 "the other side did not greet",
			 VMIG_GREETING_LIMIT_MS / 1000);
		lose(conn, why);
		return 0;
	}
	if (silent > VMIG_SILENCE_LIMIT_MS * 1000ULL) {
		snprintf(why, sizeof(why), "the other node was silent for %d s",
			 VMIG_SILENCE_LIMIT_MS / 1000);
		lose(conn, why);
		return 0;
	}
	vmig_conn_send(conn, vmig_json_new("ping"));
	sd_event_source_set_time(source, usec + VMIG_HEARTBEAT_MS * 1000ULL);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

/* vmig_conn_heartbeat() - From now on silence is an error, here and there. */
void vmig_conn_heartbeat(struct vmig_conn *conn)
{
	if (conn->limit || conn->closed)
		return;
	conn->heard = now_us(conn);
	sd_event_add_time_relative(conn->event, &conn->limit, CLOCK_MONOTONIC,
				   VMIG_HEARTBEAT_MS * 1000ULL, 0, on_limit,
				   conn);
}

static int attach(struct vmig_conn **result, sd_event *event, int fd,
		  const struct vmig_conn_ops *ops, void *arg)
{
	struct vmig_conn *conn = calloc(1, sizeof(*conn));
	int one = 1;
	int err;

	if (!conn) {
		close(fd);
		return -ENOMEM;
	}
	conn->fd = fd;
	conn->ops = ops;
	conn->arg = arg;
	conn->event = sd_event_ref(event);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	err = sd_event_add_io(event, &conn->io, fd, EPOLLIN, on_io, conn);
	if (err >= 0)
		err = sd_event_add_time_relative(event, &conn->limit,
			CLOCK_MONOTONIC, VMIG_GREETING_LIMIT_MS * 1000ULL, 0,
			on_limit, conn);
	if (err >= 0)
		err = sd_event_add_defer(event, &conn->failure, on_failure,
					 conn);
	if (err < 0) {
		destroy(conn);
		return err;
	}
	sd_event_source_set_enabled(conn->failure, SD_EVENT_OFF);
	*result = conn;
	return 0;
}

/* vmig_conn_adopt() - Take over an accepted socket, also on failure. */
int vmig_conn_adopt(struct vmig_conn **conn, sd_event *event, int fd,
		    struct vmig_tls *tls, const struct vmig_conn_ops *ops,
		    void *arg)
{
	int ret = attach(conn, event, fd, ops, arg);

	if (!ret) {
		(*conn)->tls = tls;
		(*conn)->undecided = tls;
	}
	return ret;
}

/**
 * vmig_conn_connect() - Connect from our migration address and greet.
 * @tls: config->tls, or NULL for a channel, which proves itself otherwise
 * @greeting: taken over, also on failure
 *
 * Return: 0 if @ops->greeted or @ops->closed will be called.
 */
int vmig_conn_connect(struct vmig_conn **conn, sd_event *event,
		      const struct vmig_config *config,
		      const struct vmig_peer *peer, struct vmig_tls *tls,
		      struct json_object *greeting,
		      const struct vmig_conn_ops *ops, void *arg,
		      struct vmig_err *err)
{
	int fd = vmig_dial(config->address, peer->address, peer->port, err);
	int ret = fd;

	if (fd < 0)
		goto err_put;
	ret = attach(conn, event, fd, ops, arg);
	if (ret < 0) {
		ret = vmig_err_set(err, -ret, "%s", strerror(-ret));
		goto err_put;
	}
	(*conn)->tls = tls;
	(*conn)->peer = peer;
	(*conn)->connecting = true;
	vmig_conn_send(*conn, greeting);
	return 0;

err_put:
	json_object_put(greeting);
	return ret;
}

void vmig_conn_set_ops(struct vmig_conn *conn, const struct vmig_conn_ops *ops,
		       void *arg)
{
	conn->ops = ops;
	conn->arg = arg;
}

/**
 * vmig_conn_take() - Take the socket out and close the rest.
 *
 * Return: the socket, in blocking mode, nothing read past the greeting;
 * -EBUSY if something is not sent yet, or it speaks TLS.
 */
int vmig_conn_take(struct vmig_conn *conn)
{
	int fd = conn->fd;

	if (conn->out_len || conn->closed || conn->reader.have ||
	    conn->session) {
		vmig_conn_close(conn);
		return -EBUSY;
	}
	conn->io = sd_event_source_disable_unref(conn->io);
	conn->fd = -1;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	vmig_conn_close(conn);
	return fd;
}

/* vmig_conn_close() - No callback is made any more. NULL is fine. */
void vmig_conn_close(struct vmig_conn *conn)
{
	if (!conn)
		return;
	conn->dead = true;
	if (conn->failure)
		sd_event_source_set_enabled(conn->failure, SD_EVENT_OFF);
	if (!conn->busy)
		destroy(conn);
}

/* vmig_conn_peer_address() - "" if it has gone already. */
void vmig_conn_peer_address(struct vmig_conn *conn, char *text, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	text[0] = '\0';
	if (getpeername(conn->fd, (struct sockaddr *)&addr, &len))
		return;
	getnameinfo((struct sockaddr *)&addr, len, text, (socklen_t)size, NULL,
		    0, NI_NUMERICHOST);
}

/* vmig_conn_fd() - For what TCP tells of it. */
int vmig_conn_fd(const struct vmig_conn *conn)
{
	return conn->fd;
}

/* vmig_conn_session() - NULL if it is plain. */
struct vmig_tls_session *vmig_conn_session(const struct vmig_conn *conn)
{
	return conn->session;
}

/* vmig_conn_refusal() - Why it was lost, VMIG_REFUSED_NOT if for nothing. */
enum vmig_refusal vmig_conn_refusal(const struct vmig_conn *conn)
{
	return conn->refusal;
}

/* vmig_conn_turns() - Round trips so far, from the first SYN on. */
unsigned int vmig_conn_turns(const struct vmig_conn *conn)
{
	return conn->turns;
}

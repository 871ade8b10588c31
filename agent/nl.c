// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets of the netlink family: calls and events.
 *
 * Two sockets, because a flood of notifications may overrun a receive buffer
 * and must not take acknowledgments or requests with it: one for calls, which
 * is also the one the kernel knows the agent by, and one for the multicast
 * group. Received messages are taken apart here and not by nl_recvmsgs(),
 * which hides the kernel's extended acknowledgments.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl_message.h"

/* The kernel answers at once; longer means that it is stuck. */
#define CALL_LIMIT_MS	60000
/* A request with the largest document, and every other attribute. */
#define MESSAGE_SIZE	(VMIG_DATA_MAX + VMIG_TEXT_MAX + 2048)
/* Several of them; the kernel fills a dump's buffer with 32 KiB at most. */
#define BUFFER_SIZE	(128 << 10)
#define EVENTS_RCVBUF	(1 << 20)

/* A message that came while a call waited for another. */
struct queued {
	struct queued *next;
	struct nlmsghdr nlh;
};

struct vmig_nl {
	struct nl_sock *calls;
	struct nl_sock *events;		/* NULL until vmig_nl_subscribe() */
	int family;
	int epoll;			/* both sockets and wakeup */
	int wakeup;			/* eventfd, nonzero while queue is not empty */
	struct queued *queue;
	struct queued **tail;
	struct vmig_nl_handlers handlers;
	void *arg;
	char buffer[BUFFER_SIZE];	/* of calls */
	char event_buffer[BUFFER_SIZE];	/* of vmig_nl_process() */
};

/* State of one call. */
struct call {
	uint32_t seq;
	vmig_nl_reply_fn *reply;
	void *arg;
	struct vmig_err *err;
	bool done;
	bool interrupted;
	int error;
};

static int watch(struct vmig_nl *nl, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(nl->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static struct nl_sock *open_socket(struct vmig_err *err)
{
	struct nl_sock *sk = nl_socket_alloc();
	int one = 1, ret;

	if (!sk) {
		vmig_err_set(err, ENOMEM, "no memory for a netlink socket");
		return NULL;
	}
	ret = genl_connect(sk);
	if (ret) {
		vmig_err_set(err, EIO, "cannot open a netlink socket: %s",
			     nl_geterror(ret));
		nl_socket_free(sk);
		return NULL;
	}
	/* Both are older than any kernel the module can be loaded into. */
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &one,
		   sizeof(one));
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_CAP_ACK, &one,
		   sizeof(one));
	nl_socket_set_nonblocking(sk);
	return sk;
}

static int resolve_family(struct vmig_nl *nl, struct vmig_err *err)
{
	/* genl_ctrl_resolve() waits for the answer itself. */
	struct nl_sock *sk = nl_socket_alloc();

	if (!sk || genl_connect(sk)) {
		nl_socket_free(sk);
		return vmig_err_set(err, EIO, "cannot open a netlink socket");
	}
	nl->family = genl_ctrl_resolve(sk, VMIG_FAMILY_NAME);
	nl_socket_free(sk);
	if (nl->family < 0)
		return vmig_err_set(err, ENOENT,
				    "the vmig module is not loaded: insmod vmig.ko");
	return 0;
}

int vmig_nl_open(struct vmig_nl **out, struct vmig_err *err)
{
	struct vmig_nl *nl = calloc(1, sizeof(*nl));
	int ret;

	if (!nl)
		return vmig_err_set(err, ENOMEM, "out of memory");
	nl->tail = &nl->queue;
	nl->epoll = epoll_create1(EPOLL_CLOEXEC);
	nl->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nl->epoll < 0 || nl->wakeup < 0) {
		ret = vmig_err_set(err, errno, "cannot watch netlink: %s",
				   strerror(errno));
		goto err_close;
	}
	ret = resolve_family(nl, err);
	if (ret)
		goto err_close;
	nl->calls = open_socket(err);
	if (!nl->calls) {
		ret = -EIO;
		goto err_close;
	}
	ret = watch(nl, nl_socket_get_fd(nl->calls));
	if (!ret)
		ret = watch(nl, nl->wakeup);
	if (ret) {
		vmig_err_set(err, -ret, "cannot watch netlink: %s",
			     strerror(-ret));
		goto err_close;
	}
	*out = nl;
	return 0;

err_close:
	vmig_nl_close(nl);
	return ret;
}

void vmig_nl_close(struct vmig_nl *nl)
{
	struct queued *queued;

	if (!nl)
		return;
	while ((queued = nl->queue)) {
		nl->queue = queued->next;
		free(queued);
	}
	nl_socket_free(nl->events);
	nl_socket_free(nl->calls);
	if (nl->wakeup >= 0)
		close(nl->wakeup);
	if (nl->epoll >= 0)
		close(nl->epoll);
	free(nl);
}

void vmig_nl_set_handlers(struct vmig_nl *nl,
			  const struct vmig_nl_handlers *handlers, void *arg)
{
	nl->handlers = *handlers;
	nl->arg = arg;
}

int vmig_nl_fd(const struct vmig_nl *nl)
{
	return nl->epoll;
}

int vmig_nl_subscribe(struct vmig_nl *nl, struct vmig_err *err)
{
	struct nl_sock *sk, *resolver;
	int group, size = EVENTS_RCVBUF, ret;

	if (nl->events)
		return 0;
	resolver = nl_socket_alloc();
	group = resolver && !genl_connect(resolver)
			? genl_ctrl_resolve_grp(resolver, VMIG_FAMILY_NAME,
						VMIG_MCGRP_MIGRATIONS)
			: -1;
	nl_socket_free(resolver);
	if (group < 0)
		return vmig_err_set(err, ENOENT,
				    "the vmig module was unloaded: insmod vmig.ko");
	sk = open_socket(err);
	if (!sk)
		return -EIO;
	/* More than rmem_max with privilege; without, the default will do. */
	setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		   sizeof(size));
	ret = nl_socket_add_membership(sk, group);
	if (ret) {
		nl_socket_free(sk);
		return vmig_err_set(err, EPERM,
				    "cannot listen to migrations: %s; run it as root",
				    nl_geterror(ret));
	}
	ret = watch(nl, nl_socket_get_fd(sk));
	if (ret) {
		nl_socket_free(sk);
		return vmig_err_set(err, -ret, "cannot watch netlink: %s",
				    strerror(-ret));
	}
	nl->events = sk;
	return 0;
}

struct nl_msg *vmig_nl_message(struct vmig_nl *nl, uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc_size(MESSAGE_SIZE);

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0,
				NLM_F_REQUEST | flags, cmd,
				VMIG_FAMILY_VERSION)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static bool is_event(struct vmig_nl *nl, struct nlmsghdr *nlh)
{
	struct genlmsghdr *genl = nlmsg_data(nlh);

	if (nlh->nlmsg_type != nl->family || !genlmsg_valid_hdr(nlh, 0))
		return false;
	return genl->cmd == VMIG_CMD_REQUEST_NTF ||
	       genl->cmd == VMIG_CMD_ANSWER_NTF ||
	       genl->cmd == VMIG_CMD_MIGRATION_NTF;
}

static int enqueue(struct vmig_nl *nl, struct nlmsghdr *nlh)
{
	struct queued *queued;
	uint64_t one = 1;

	queued = malloc(offsetof(struct queued, nlh) + nlh->nlmsg_len);
	if (!queued)
		return -ENOMEM;
	queued->next = NULL;
	memcpy(&queued->nlh, nlh, nlh->nlmsg_len);
	*nl->tail = queued;
	nl->tail = &queued->next;
	/* Cannot fail: the counter is far from its limit. */
	return write(nl->wakeup, &one, sizeof(one)) < 0 ? -errno : 0;
}

static void finish_call(struct call *call, struct nlmsghdr *nlh)
{
	const char *text = vmig_nl_parse_text(nlh);
	int error = 0;

	call->done = true;
	if (nlmsg_datalen(nlh) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(nlh), sizeof(error));
	call->error = error < 0 ? error : 0;
	if (!call->error)
		return;
	if (text)
		vmig_err_set(call->err, -error, "%s", text);
	else if (error == -EPERM)
		vmig_err_set(call->err, EPERM,
			     "this needs the privilege CAP_NET_ADMIN: run it as root");
	else
		vmig_err_set(call->err, -error, "the kernel refused: %s",
			     strerror(-error));
}

static void take_reply(struct vmig_nl *nl, struct call *call,
		       struct nlmsghdr *nlh)
{
	int ret;

	if (is_event(nl, nlh)) {
		if (enqueue(nl, nlh) && !call->error)
			call->error = vmig_err_set(call->err, ENOMEM,
						   "out of memory");
		return;
	}
	if (nlh->nlmsg_seq != call->seq)
		return;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		call->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		finish_call(call, nlh);
	} else if (nlh->nlmsg_type == nl->family && call->reply &&
		   !call->error) {
		ret = call->reply(call->arg, nlh);
		if (ret)
			call->error = vmig_err_set(call->err, -ret,
						   "the answer of the vmig module is not understood: %s; are module and agent of one version?",
						   strerror(-ret));
	}
}

/*
 * Receive into @buffer. Return: length, 0 if there is nothing, -ENOBUFS if
 * messages were lost, or another negative errno.
 */
static int receive(struct nl_sock *sk, char *buffer)
{
	struct sockaddr_nl from = { };
	socklen_t len = sizeof(from);
	ssize_t n;

	do {
		n = recvfrom(nl_socket_get_fd(sk), buffer, BUFFER_SIZE,
			     MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &len);
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid));
	if (n > BUFFER_SIZE)
		return -EMSGSIZE;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static int await_reply(struct vmig_nl *nl, struct call *call)
{
	struct pollfd poll_fd = {
		.fd = nl_socket_get_fd(nl->calls),
		.events = POLLIN,
	};
	struct nlmsghdr *nlh;
	int n, left;

	while (!call->done) {
		n = poll(&poll_fd, 1, CALL_LIMIT_MS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vmig_err_set(call->err, ETIMEDOUT,
					    "the vmig module did not answer within %d s",
					    CALL_LIMIT_MS / 1000);
		left = receive(nl->calls, nl->buffer);
		if (left < 0)
			return vmig_err_set(call->err, -left,
					    "cannot read the answer of the vmig module: %s",
					    strerror(-left));
		for (nlh = (struct nlmsghdr *)nl->buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left))
			take_reply(nl, call, nlh);
	}
	return call->error;
}

int vmig_nl_call(struct vmig_nl *nl, struct nl_msg *msg,
		 vmig_nl_reply_fn *reply, void *arg, struct vmig_err *err)
{
	struct call call = { .reply = reply, .arg = arg, .err = err };
	int ret;

	ret = nl_send_auto(nl->calls, msg);
	call.seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	if (ret < 0)
		return vmig_err_set(err, EIO,
				    "cannot send to the vmig module: %s",
				    nl_geterror(ret));
	ret = await_reply(nl, &call);
	return !ret && call.interrupted ? -EAGAIN : ret;
}

static void deliver(struct vmig_nl *nl, struct nlmsghdr *nlh)
{
	struct genlmsghdr *genl = nlmsg_data(nlh);
	struct vmig_request request;
	struct vmig_answer answer;
	struct vmig_mig_info info;

	/* What the kernel garbles is dropped: nobody waits for it by id. */
	if (genl->cmd == VMIG_CMD_REQUEST_NTF && nl->handlers.request &&
	    !vmig_nl_parse_request(nlh, &request))
		nl->handlers.request(nl->arg, &request);
	else if (genl->cmd == VMIG_CMD_ANSWER_NTF && nl->handlers.answer &&
		 !vmig_nl_parse_answer(nlh, &answer))
		nl->handlers.answer(nl->arg, &answer);
	else if (genl->cmd == VMIG_CMD_MIGRATION_NTF &&
		 nl->handlers.migration &&
		 !vmig_nl_parse_migration(nlh, &info))
		nl->handlers.migration(nl->arg, &info);
}

static void deliver_queue(struct vmig_nl *nl)
{
	struct queued *queued;
	uint64_t count;

	if (read(nl->wakeup, &count, sizeof(count)) < 0)
		return;
	/* A handler's call may add to the queue. */
	while ((queued = nl->queue)) {
		nl->queue = queued->next;
		if (!nl->queue)
			nl->tail = &nl->queue;
		deliver(nl, &queued->nlh);
		free(queued);
	}
}

static int drain(struct vmig_nl *nl, struct nl_sock *sk, struct vmig_err *err)
{
	struct nlmsghdr *nlh;
	int left;

	while ((left = receive(sk, nl->event_buffer))) {
		if (left == -ENOBUFS) {
			if (nl->handlers.overrun)
				nl->handlers.overrun(nl->arg);
			continue;
		}
		if (left < 0)
			return vmig_err_set(err, -left,
					    "cannot read from the vmig module: %s",
					    strerror(-left));
		for (nlh = (struct nlmsghdr *)nl->event_buffer;
		     nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left))
			if (is_event(nl, nlh))
				deliver(nl, nlh);
	}
	return 0;
}

int vmig_nl_process(struct vmig_nl *nl, struct vmig_err *err)
{
	int ret;

	/* Oldest first: what a call has queued came before what still waits. */
	deliver_queue(nl);
	ret = drain(nl, nl->calls, err);
	if (!ret && nl->events)
		ret = drain(nl, nl->events, err);
	return ret;
}

int vmig_nl_wait(struct vmig_nl *nl, int timeout_ms, struct vmig_err *err)
{
	struct pollfd poll_fd = { .fd = nl->epoll, .events = POLLIN };
	int n = poll(&poll_fd, 1, timeout_ms);

	if (n < 0)
		return vmig_err_set(err, errno, "cannot wait: %s",
				    strerror(errno));
	return n ? vmig_nl_process(nl, err) : 0;
}

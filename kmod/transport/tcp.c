// SPDX-License-Identifier: GPL-2.0
/*
 * A channel's TCP connection.
 *
 * Lifetime: vmig_tcp_attach() takes a reference of the file behind the caller's file
 * descriptor and marks the socket as taken in sk_user_data;
 * detach() drops both. The caller's own descriptor is not needed afterwards.
 *
 * Sending is not on the way of memory reclaim (guest memory is never written
 * back through it), so that allocations here may be ordinary ones.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat/compat.h"
#include "compat/splice.h"
#include "transport/tcp.h"
#include "transport/tls.h"

/*
 * After the end the rest of a frame, and then a farewell, are given up when the
 * peer takes nothing for so long,
 */
#define FAREWELL_STILL	(3 * HZ)
/* or when both take this long in all. A VM may stand still meanwhile. */
#define FAREWELL_MAX	(5 * HZ)

/*
 * TLS encrypts and decrypts all that one call is for without a break. The
 * emulated debug kernel does 0.16 MiB/s: a chunk in one piece would take its
 * processor from everybody for 12 s.
 */
#define TLS_PIECE	(128UL << 10)

/**
 * struct vmig_tcp - one end of a connection
 * @link: the channel's view of it
 * @sock: referenced by the file it belongs to
 * @tls: the caller has set kernel TLS on it
 * @leaving: @stop() was true when something was to be sent
 * @leave_until: jiffies when nothing more is sent then
 */
struct vmig_tcp {
	struct vmig_link link;
	struct socket *sock;
	bool tls;
	bool leaving;
	unsigned long leave_until;
};

static struct vmig_tcp *tcp_of(struct vmig_link *link)
{
	return container_of(link, struct vmig_tcp, link);
}

static bool is_stopped(const struct vmig_tcp *tcp)
{
	return tcp->link.stop(tcp->link.arg);
}

static int check_socket(struct vmig_tcp *tcp, struct net *net, u32 fd,
			struct netlink_ext_ack *extack)
{
	struct socket *sock = tcp->sock;
	struct sock *sk = sock->sk;

	if (sock->type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->sk_family != AF_INET && sk->sk_family != AF_INET6)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "File descriptor %u is not a TCP socket: give a connected TCP socket for each channel",
				   fd);
		return -EPROTOTYPE;
	}
	if (!net_eq(sock_net(sk), net)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Socket %u is of another network namespace: connect it from this node's",
				   fd);
		return -EXDEV;
	}
	if (inet_sk_state_load(sk) != TCP_ESTABLISHED) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Socket %u is not connected: connect it before handing it over",
				   fd);
		return -ENOTCONN;
	}
	/* Asked once: the caller may set it meanwhile, without keys. */
	tcp->tls = vmig_tls_is_on(sk);
	if (tcp->tls && !vmig_tls_has_keys(sk)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Socket %u has kernel TLS without keys: set TLS_TX and TLS_RX before handing it over",
				   fd);
		return -ENOKEY;
	}
	if (tcp->tls && !vmig_tls_is_gcm(sk)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "Socket %u has kernel TLS with another cipher than AES-GCM, which may break on pages that change: set one of AES-GCM",
				   fd);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* A socket that serves a migration already, or somebody else, has an owner. */
static int own_socket(struct vmig_tcp *tcp, u32 fd,
		      struct netlink_ext_ack *extack)
{
	struct sock *sk = tcp->sock->sk;
	bool taken;

	write_lock_bh(&sk->sk_callback_lock);
	taken = sk->sk_user_data;
	if (!taken)
		rcu_assign_sk_user_data(sk, tcp);
	write_unlock_bh(&sk->sk_callback_lock);
	if (!taken)
		return 0;
	NL_SET_ERR_MSG_FMT(extack,
			   "Socket %u is in use, by a migration or as another of its channels: give each channel a socket of its own",
			   fd);
	return -EBUSY;
}

static void disown_socket(struct vmig_tcp *tcp)
{
	struct sock *sk = tcp->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/* Give the socket back, as it is. */
static void detach(struct vmig_link *link)
{
	struct vmig_tcp *tcp = tcp_of(link);

	disown_socket(tcp);
	sockfd_put(tcp->sock);
	kfree(tcp);
}

/* Make the socket fit for what follows; until here it is as it came. */
static void begin(struct vmig_link *link)
{
	const long slice = msecs_to_jiffies(VMIG_LINK_SLICE_MS);
	struct sock *sk = tcp_of(link)->sock->sk;

	lock_sock(sk);
	sk->sk_rcvtimeo = slice;
	sk->sk_sndtimeo = slice;
	release_sock(sk);
	tcp_sock_set_nodelay(sk);
}

/* The shortest of the last minutes. */
static u32 round_trip_us(struct vmig_link *link)
{
	u32 us = tcp_min_rtt(tcp_sk(tcp_of(link)->sock->sk));

	return us == ~0U ? 0 : us;
}

/**
 * struct patience - with a peer that takes what is queued for it, or not
 * @acked: sequence number up to which it has
 * @since: jiffies since when it is that
 * @still: how long it may stay so, in jiffies
 * @end: jiffies when to give up in any case
 * @last: of what is said after @stop() turned true, the rest of a frame first
 */
struct patience {
	u32 acked;
	unsigned long since;
	unsigned long still;
	unsigned long end;
	bool last;
};

static void be_patient(struct patience *p, const struct sock *sk,
		       unsigned long still, unsigned long max)
{
	p->acked = READ_ONCE(tcp_sk(sk)->snd_una);
	p->since = jiffies;
	p->still = still;
	p->end = jiffies + max;
}

/* As be_patient(), for the last that is said, or for what must go before it. */
static void be_patient_at_last(struct patience *p, struct vmig_tcp *tcp)
{
	be_patient(p, tcp->sock->sk, FAREWELL_STILL, FAREWELL_MAX);
	if (!tcp->leaving)
		tcp->leave_until = p->end;
	tcp->leaving = true;
	p->end = tcp->leave_until;
	p->last = true;
}

/* Return: 0, -ETIMEDOUT if the peer takes nothing, -ETIME if it takes long. */
static int ask_patience(struct patience *p, const struct sock *sk)
{
	u32 acked = READ_ONCE(tcp_sk(sk)->snd_una);

	if (acked != p->acked) {
		p->acked = acked;
		p->since = jiffies;
	}
	if (time_after(jiffies, p->since + p->still))
		return -ETIMEDOUT;
	return time_after(jiffies, p->end) ? -ETIME : 0;
}

/*
 * Kernel TLS goes on taking what is sent on a connection that is gone: a record
 * counts as sent once it is encrypted, and what TCP says of it gets lost. All
 * of it, and what it is of, would stay until the socket is closed.
 */
static int check_open(const struct vmig_tcp *tcp)
{
	struct sock *sk = tcp->sock->sk;

	if (!tcp->tls || !(READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN))
		return 0;
	return sock_error(sk) ?: -EPIPE;
}

static bool is_pause(ssize_t ret)
{
	return ret == -EAGAIN || ret == -EINTR || ret == -ERESTARTSYS;
}

/* Judge what a send returned that has not sent all. Return: 0 to go on. */
static int judge_send(struct vmig_tcp *tcp, ssize_t ret, struct patience *p)
{
	const struct sock *sk = tcp->sock->sk;
	int err;

	if (ret < 0 && !is_pause(ret))
		return ret;
	if (!p->last && is_stopped(tcp))
		be_patient_at_last(p, tcp);
	err = ask_patience(p, sk);
	if (err)
		return p->last ? -ECANCELED : err;
	/* kthread_stop() is a signal to TCP: it would not wait for room. */
	if (p->last && ret < 0)
		schedule_timeout_idle(msecs_to_jiffies(VMIG_LINK_SLICE_MS));
	return 0;
}

/* Return: 0, or -EKEYEXPIRED if the TLS key may protect no more than a farewell. */
static int ready(struct vmig_link *link, bool more)
{
	const struct vmig_tcp *tcp = tcp_of(link);

	return tcp->tls && vmig_tls_is_spent(tcp->sock->sk) ? -EKEYEXPIRED : 0;
}

static int send_bytes(struct vmig_link *link, const void *head, size_t head_len,
		      const void *body, size_t body_len, bool more)
{
	struct kvec vec[2] = {
		{ .iov_base = (void *)head, .iov_len = head_len },
		{ .iov_base = (void *)body, .iov_len = body_len },
	};
	struct msghdr msg = {
		.msg_flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0),
	};
	struct vmig_tcp *tcp = tcp_of(link);
	struct patience patience = {};
	ssize_t ret;
	int err;

	be_patient(&patience, tcp->sock->sk, tcp->link.patience * HZ, tcp->link.limit * HZ);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, vec, 2, head_len + body_len);
	while (msg_data_left(&msg)) {
		err = check_open(tcp);
		if (err)
			return err;
		ret = sock_sendmsg(tcp->sock, &msg);
		if (ret > 0)
			WRITE_ONCE(tcp->link.sent, tcp->link.sent + ret);
		/* What is sent is sent: a frame is whole, then stop counts. */
		if (!msg_data_left(&msg))
			break;
		err = judge_send(tcp, ret, &patience);
		if (err)
			return err;
	}
	return 0;
}

/* Return: how much of @iter one call is for; end_piece() follows. */
static size_t begin_piece(const struct vmig_tcp *tcp, struct iov_iter *iter)
{
	if (tcp->tls) {
		cond_resched();
		iov_iter_truncate(iter, TLS_PIECE);
	}
	return iov_iter_count(iter);
}

static void end_piece(struct iov_iter *iter, size_t left, size_t piece)
{
	iov_iter_reexpand(iter, left - (piece - iov_iter_count(iter)));
}

static int send_pages(struct vmig_link *link, const struct bio_vec *pages,
		      unsigned int nr, size_t len, bool more)
{
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	struct vmig_tcp *tcp = tcp_of(link);
	struct patience patience = {};
	struct iov_iter iter;
	size_t left, piece;
	ssize_t ret;
	int err;

	be_patient(&patience, tcp->sock->sk, tcp->link.patience * HZ, tcp->link.limit * HZ);
	iov_iter_bvec(&iter, ITER_SOURCE, pages, nr, len);
	while (iov_iter_count(&iter)) {
		err = check_open(tcp);
		if (err)
			return err;
		left = iov_iter_count(&iter);
		piece = begin_piece(tcp, &iter);
		ret = vmig_splice_to_socket(tcp->sock, &iter, piece < left ?
					    flags | MSG_MORE : flags);
		end_piece(&iter, left, piece);
		if (ret > 0)
			WRITE_ONCE(tcp->link.sent, tcp->link.sent + ret);
		if (!iov_iter_count(&iter))
			break;
		err = judge_send(tcp, ret, &patience);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Judge what a receive returned that has not received all. Return: 0 to go on.
 * @since: when bytes came last
 * @end: when to give up in any case
 */
static int judge_recv(struct vmig_tcp *tcp, ssize_t ret, unsigned long *since,
		      unsigned long end)
{
	if (is_stopped(tcp))
		return -ECANCELED;
	if (ret < 0 && !is_pause(ret))
		return ret;
	if (ret > 0)
		*since = jiffies;
	if (time_after(jiffies, *since + tcp->link.patience * HZ))
		return -ETIMEDOUT;
	return time_after(jiffies, end) ? -ETIME : 0;
}

static int recv_all(struct vmig_tcp *tcp, struct msghdr *msg)
{
	const unsigned long end = jiffies + tcp->link.limit * HZ;
	size_t want = msg_data_left(msg), left, piece;
	unsigned long since = jiffies;
	ssize_t ret;
	int err;

	/* A peer whose bytes are always here already never makes this wait. */
	if (is_stopped(tcp))
		return -ECANCELED;
	while (msg_data_left(msg)) {
		left = msg_data_left(msg);
		piece = begin_piece(tcp, &msg->msg_iter);
		ret = sock_recvmsg(tcp->sock, msg, MSG_WAITALL);
		end_piece(&msg->msg_iter, left, piece);
		if (ret > 0)
			WRITE_ONCE(tcp->link.received, tcp->link.received + ret);
		if (!ret && !is_stopped(tcp))
			return msg_data_left(msg) == want ? -ENODATA : -EPIPE;
		if (ret > 0 && !msg_data_left(msg))
			break;
		err = judge_recv(tcp, ret, &since, end);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Errors of TCP's own are, with TLS, -EBADMSG if what came was tampered with
 * and -EIO if it is no data.
 */
static int recv_bytes(struct vmig_link *link, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, len);
	return recv_all(tcp_of(link), &msg);
}

static int recv_pages(struct vmig_link *link, const struct bio_vec *pages,
		      unsigned int nr, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL };

	iov_iter_bvec(&msg.msg_iter, ITER_DEST, pages, nr, len);
	return recv_all(tcp_of(link), &msg);
}

static bool is_acked(const struct sock *sk)
{
	const int unacked = TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK;

	return !((1 << inet_sk_state_load(sk)) & unacked);
}

static void farewell(struct vmig_link *link, const void *buf, size_t len)
{
	const long slice = msecs_to_jiffies(VMIG_LINK_SLICE_MS);
	struct vmig_tcp *tcp = tcp_of(link);
	struct sock *sk = tcp->sock->sk;
	struct patience patience = {};
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT };
	struct kvec vec = { .iov_base = (void *)buf, .iov_len = len };
	int ret;

	be_patient_at_last(&patience, tcp);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &vec, 1, len);
	while (msg_data_left(&msg) && !check_open(tcp)) {
		ret = sock_sendmsg(tcp->sock, &msg);
		if (ret > 0)
			continue;
		/* TLS has a lock that a stopped thread does not wait for. */
		if (!is_pause(ret) || ask_patience(&patience, sk))
			break;
		schedule_timeout_idle(slice);
	}
	while (tcp->tls && !vmig_tls_is_flushed(sk) && !check_open(tcp) &&
	       !ask_patience(&patience, sk))
		schedule_timeout_idle(slice);
	kernel_sock_shutdown(tcp->sock, SHUT_WR);
	while (!is_acked(sk) && !ask_patience(&patience, sk))
		wait_event_idle_timeout(*sk_sleep(sk), is_acked(sk), slice);
}

static void close_socket(struct vmig_link *link, bool reset)
{
	struct vmig_tcp *tcp = tcp_of(link);

	if (reset)
		tcp_abort(tcp->sock->sk, ECONNABORTED);
	else
		kernel_sock_shutdown(tcp->sock, SHUT_RDWR);
}

static bool explain(struct vmig_link *link, int err, const char *node,
		    unsigned int channel, char *text, size_t size)
{
	if (err == -EKEYEXPIRED)
		snprintf(text, size,
			 "Channel %u has sent as many records as one TLS key may protect: migrate with more channels",
			 channel);
	else if (err == -EBADMSG)
		snprintf(text, size,
			 "What came from node %s on channel %u does not decrypt: it was changed on its way, or forged",
			 node, channel);
	else if (tcp_of(link)->tls && err == -EIO)
		snprintf(text, size,
			 "Node %s sent a TLS alert on channel %u, which is not what it has to say",
			 node, channel);
	else
		return false;
	return true;
}

static const struct vmig_link_ops tcp_ops = {
	.begin		= begin,
	.ready		= ready,
	.send		= send_bytes,
	.send_pages	= send_pages,
	.recv		= recv_bytes,
	.recv_pages	= recv_pages,
	.round_trip_us	= round_trip_us,
	.explain	= explain,
	.farewell	= farewell,
	.close		= close_socket,
	.detach		= detach,
};

/**
 * vmig_tcp_attach() - Take over a connected socket of the calling task.
 * @net: that it must be of
 * @fd: file descriptor of the calling task
 * @stop: asked while waiting, with @arg
 * @arg: passed to @stop
 * @extack: filled in on every failure a caller can cause
 *
 * Context: Process context of the task that owns @fd. May sleep.
 * Return: the link, which detach() frees; ERR_PTR(-EBADF) or -ENOTSOCK if @fd is
 * no socket, -EPROTOTYPE if not TCP, -EXDEV, -ENOTCONN, -ENOKEY, -EOPNOTSUPP or
 * -EBUSY as the extack says, -ENOMEM.
 */
struct vmig_link *vmig_tcp_attach(struct net *net, u32 fd,
				  bool (*stop)(void *arg), void *arg,
				  struct netlink_ext_ack *extack)
{
	struct socket *sock;
	struct vmig_tcp *tcp;
	int err = -EBADF;

	sock = fd <= INT_MAX ? sockfd_lookup(fd, &err) : NULL;
	if (!sock) {
		NL_SET_ERR_MSG_FMT(extack,
				   "File descriptor %u is not an open socket of the caller",
				   fd);
		return ERR_PTR(err);
	}
	err = -ENOMEM;
	tcp = kzalloc(sizeof(*tcp), GFP_KERNEL);
	if (!tcp)
		goto err_put;
	tcp->sock = sock;
	tcp->link = (struct vmig_link){
		.ops = &tcp_ops,
		.stop = stop,
		.arg = arg,
		.patience = VMIG_LINK_SILENCE,
		.limit = VMIG_LINK_FRAME_MAX,
	};
	err = check_socket(tcp, net, fd, extack) ?:
	      own_socket(tcp, fd, extack);
	if (err)
		goto err_free;
	return &tcp->link;

err_free:
	kfree(tcp);
err_put:
	sockfd_put(sock);
	return ERR_PTR(err);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A channel's TCP connection: bytes and pages, out and in.
 *
 * Concurrency: between vmig_tcp_attach() and vmig_tcp_detach() one thread at a
 * time sends, receives and closes.
 *
 * Every call that waits fails when nothing moves for VMIG_TCP_SILENCE seconds,
 * or when it takes VMIG_TCP_FRAME_MAX. A receive that waits asks @stop() once a
 * slice, and none begins once it is true: a peer that never pauses cannot hold
 * off a stop. A send goes on then as long as the peer takes
 * bytes, for a few seconds at most: only behind a whole frame can the peer be
 * told why there is no other.
 */
#ifndef _VMIG_TRANSPORT_TCP_H
#define _VMIG_TRANSPORT_TCP_H

#include <linux/types.h>

#define VMIG_TCP_SLICE_MS	100	/* how often a wait asks @stop() */
#define VMIG_TCP_SILENCE	10	/* seconds */
/*
 * Seconds that one call may take though bytes trickle. A channel that needs
 * longer for a chunk has less than 35 KiB/s.
 */
#define VMIG_TCP_FRAME_MAX	60

struct bio_vec;
struct net;
struct netlink_ext_ack;
struct socket;

/**
 * struct vmig_tcp - one end of a connection
 * @sock: referenced by the file it belongs to
 * @stop: tells a waiting thread to give up
 * @tls: the caller has set kernel TLS on it
 * @patience: seconds without a byte that a call bears; set by the user
 * @limit: seconds that a call may take in all; set by the user
 * @leaving: @stop() was true when something was to be sent
 * @leave_until: jiffies when nothing more is sent then
 * @arg: passed to @stop
 * @sent: bytes; written by the thread that does the I/O
 * @received: the same
 */
struct vmig_tcp {
	struct socket *sock;
	bool (*stop)(void *arg);
	void *arg;
	bool tls;
	unsigned int patience;
	unsigned int limit;
	bool leaving;
	unsigned long leave_until;
	u64 sent;
	u64 received;
};

int vmig_tcp_attach(struct vmig_tcp *tcp, struct net *net, u32 fd,
		    bool (*stop)(void *arg), void *arg,
		    struct netlink_ext_ack *extack);
void vmig_tcp_detach(struct vmig_tcp *tcp);
void vmig_tcp_begin(struct vmig_tcp *tcp);

u32 vmig_tcp_round_trip_us(const struct vmig_tcp *tcp);
int vmig_tcp_check_key(const struct vmig_tcp *tcp);
int vmig_tcp_send(struct vmig_tcp *tcp, const void *head, size_t head_len,
		  const void *body, size_t body_len, bool more);
int vmig_tcp_send_pages(struct vmig_tcp *tcp, const struct bio_vec *pages,
			unsigned int nr, size_t len, bool more);
int vmig_tcp_recv(struct vmig_tcp *tcp, void *buf, size_t len);
int vmig_tcp_recv_pages(struct vmig_tcp *tcp, const struct bio_vec *pages,
			unsigned int nr, size_t len);

void vmig_tcp_farewell(struct vmig_tcp *tcp, const void *buf, size_t len);
void vmig_tcp_close(struct vmig_tcp *tcp, bool reset);

#endif /* _VMIG_TRANSPORT_TCP_H */

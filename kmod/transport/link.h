/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A channel's connection, whatever carries it: bytes and pages, out and in.
 *
 * Concurrency: begin() comes first and detach() last, when no thread is left.
 * Between them one thread at a time makes calls; open() is its first, if there
 * is one, and close() the last of all. Only round_trip_us() and the counters may
 * be read by others meanwhile.
 *
 * Every call that waits fails when nothing moves for @patience seconds, or when
 * it takes @limit. A receive that waits asks @stop() at least once a slice, and
 * none begins once it is true: a peer that never pauses cannot hold off a stop.
 * A send may go on then for a few seconds, as long as the peer takes what is
 * sent: only behind a whole frame can the peer be told why there is no other.
 */
#ifndef _VMIG_TRANSPORT_LINK_H
#define _VMIG_TRANSPORT_LINK_H

#include <linux/types.h>

#define VMIG_LINK_SLICE_MS	100	/* how often a wait asks @stop() */
#define VMIG_LINK_SILENCE	10	/* seconds */
/*
 * Seconds that one call may take though bytes trickle. A channel that needs
 * longer for a chunk has less than 35 KiB/s.
 */
#define VMIG_LINK_FRAME_MAX	60

struct bio_vec;
struct vmig_link_ops;

/**
 * struct vmig_link - one end of a connection, within what a transport has of it
 * @ops: of the transport
 * @stop: tells a waiting thread to give up
 * @arg: passed to @stop
 * @patience: seconds without a byte that a call bears; set by the user
 * @limit: seconds that a call may take in all; set by the user
 * @sent: bytes; written by the thread that does the I/O
 * @received: the same
 */
struct vmig_link {
	const struct vmig_link_ops *ops;
	bool (*stop)(void *arg);
	void *arg;
	unsigned int patience;
	unsigned int limit;
	u64 sent;
	u64 received;
};

/**
 * struct vmig_link_ops - what a transport does for a channel
 * @pages_apart: pages travel beside the frames: another frame may follow one
 *	whose pages do not
 * @claims: recv_pages() ends when the peer says that the pages are there: what it
 *	did not write is as it was
 * @begin: optional: make the connection fit for what follows; until here it is
 *	as the transport got it. Cannot fail.
 * @open: optional: wait until it is connected, for @patience seconds at most
 * @ready: optional: make way for another frame, with @more as for send(). An
 *	error, as send()'s, forbids any frame but the last, which farewell()
 *	sends.
 * @send: send a header and a body, either of which may be empty. @more: pages
 *	or another frame follow at once. Return: 0 when all was taken over, even
 *	if stopped meanwhile; -ECANCELED if stopped and the peer did not take the
 *	rest, -ETIMEDOUT if it took nothing for @patience, -ETIME if it took all
 *	too slowly, or the transport's error. After an error part of it may have
 *	been sent.
 * @send_pages: send pages by reference, behind the frame that announced them.
 *	Their contents are read when they leave, and again when they are
 *	repeated: a page that changes meanwhile must be sent again by the caller.
 *	They are referenced until then, which may be after this returns, but
 *	not after an answer to them was received.
 *	Return: as @send.
 * @recv: receive exactly @len bytes. Return: 0; -ENODATA if the peer closed
 *	before the first byte, -EPIPE if after it; -ECANCELED if stopped,
 *	-ETIMEDOUT if nothing came for @patience, -ETIME if it came too slowly,
 *	or the transport's error.
 * @offer_pages: optional: let the peer have the pages that recv_pages() is to
 *	receive later, in the order of the offers. The frame behind that of
 *	their chunk can be received before; the one after it cannot. The
 *	transport keeps them referenced until nobody writes to them. Return: as
 *	@recv.
 * @recv_pages: receive straight into pages, those of the oldest offer if there
 *	are offers. When it returns nobody writes to them any more, or the
 *	transport keeps them referenced until nobody does.
 *	Return: as @recv, or -ENOMSG if a frame came instead, to be received.
 * @round_trip_us: the shortest round trip seen, 0 if it is not known
 * @explain: optional: write what an error of the transport's own means, as a
 *	sentence about @channel of @node. Return: false if it is none of these.
 * @farewell: say a last thing, behind all that is queued, close, and wait until
 *	the peer has it, for a few seconds at most. After a failed send only if
 *	the failure was behind a whole frame. A connection that is being made is
 *	waited for as well.
 * @close: end the connection. @reset: drop what was not acknowledged: else pages
 *	of the VM would stay referenced until the transport gives up on a dead
 *	peer.
 * @detach: give back what the transport has of it, and free @link
 */
struct vmig_link_ops {
	bool pages_apart;
	bool claims;
	void (*begin)(struct vmig_link *link);
	int (*open)(struct vmig_link *link);
	int (*ready)(struct vmig_link *link, bool more);
	int (*send)(struct vmig_link *link, const void *head, size_t head_len,
		    const void *body, size_t body_len, bool more);
	int (*send_pages)(struct vmig_link *link, const struct bio_vec *pages,
			  unsigned int nr, size_t len, bool more);
	int (*recv)(struct vmig_link *link, void *buf, size_t len);
	int (*offer_pages)(struct vmig_link *link, const struct bio_vec *pages,
			   unsigned int nr, size_t len);
	int (*recv_pages)(struct vmig_link *link, const struct bio_vec *pages,
			  unsigned int nr, size_t len);
	u32 (*round_trip_us)(struct vmig_link *link);
	bool (*explain)(struct vmig_link *link, int err, const char *node,
			unsigned int channel, char *text, size_t size);
	void (*farewell)(struct vmig_link *link, const void *buf, size_t len);
	void (*close)(struct vmig_link *link, bool reset);
	void (*detach)(struct vmig_link *link);
};

#endif /* _VMIG_TRANSPORT_LINK_H */

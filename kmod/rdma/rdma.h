/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of this folder share: sessions and links.
 *
 * Life of a link: attach makes it, without a connection. The source's thread
 * connects it in open(), the destination's CM handler in accept.c when the right
 * request comes. vmig_rdma_queue_release() takes the connection down: in
 * detach(), or before, when the device is being removed. It comes to an end in
 * any case: a queue pair in the error state flushes its work.
 *
 * Locks: @use is held by each call of the thread, so that the release waits for
 * it; whatever makes the release necessary has marked the link as broken and
 * woken the thread. session->lock is held while a request is judged and its link
 * set up, by a handler of the CM, which holds locks of its own: nobody who holds
 * it calls into the CM but that handler. @lock is for completions and CM events
 * against the thread. Order: @use, those of the CM, session->lock, @lock.
 *
 * Completions come in softirq context, CM events in that of a work item.
 */
#ifndef _VMIG_RDMA_RDMA_H
#define _VMIG_RDMA_RDMA_H

#include <linux/bvec.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>
#include <rdma/rw.h>

#include "rdma/device.h"
#include "rdma/message.h"
#include "transport/link.h"
#include "transport/transport.h"

/* Pieces that the pages of a chunk are cut into at most, by folios and keys. */
#define VMIG_RDMA_PIECES	(VMIG_RDMA_GRANT_PAGES + VMIG_RDMA_GRANT_KEYS)

struct dentry;
struct iov_iter;
struct vmig_rdma_link;

/**
 * struct vmig_rdma_session - what the channels of a migration have in common
 * @session: what the engine sees
 * @role: of this node
 * @net: of the node
 * @local: this node's address
 * @peer: the source's: the other node's, with the port
 * @secret: that a request must show
 * @fail: of the engine, with @arg
 * @arg: passed to @fail
 * @lost_work: calls @fail
 * @listener: the destination's; whoever takes it out of here destroys it
 * @leave_until: jiffies when nothing more is sent, set by the first channel that
 *	was to send and saw that stop() is true; 0 before
 * @lock: protects what follows
 * @links: by channel; NULL once detached
 * @begun: @fail may be called
 * @lost: the device has gone
 * @closed: the migration waits for no connection any more
 * @channels: used of @links, fixed
 */
struct vmig_rdma_session {
	struct vmig_session session;
	enum vmig_role role;
	struct net *net;
	struct sockaddr_storage local;
	struct sockaddr_storage peer;
	u8 secret[VMIG_RDMA_SECRET_LEN];
	void (*fail)(void *arg, int err, const char *why);
	void *arg;
	struct work_struct lost_work;
	struct rdma_cm_id *listener;
	unsigned long leave_until;
	struct mutex lock;
	bool begun;
	bool lost;
	bool closed;
	unsigned int channels;
	struct vmig_rdma_link *links[VMIG_CHANNELS_MAX];
};

/**
 * struct vmig_rdma_buffer - a message on its way
 * @cqe: of the work request that has the buffer
 * @rl: the link, that owns it
 * @entry: in a list of the link
 * @data: header and payload
 * @dma: address of @data for the device
 * @type: of what was received
 * @len: of its payload
 * @at: how much of the payload is consumed
 * @copied: @data is behind this structure, which is to be freed
 * @came: when it was received
 */
struct vmig_rdma_buffer {
	struct ib_cqe cqe;
	struct vmig_rdma_link *rl;
	struct list_head entry;
	void *data;
	u64 dma;
	enum vmig_rdma_type type;
	unsigned int len;
	unsigned int at;
	bool copied;
	ktime_t came;
};

/**
 * struct vmig_rdma_write - pages that the source writes with one key
 * @rw: the work requests; mapped while it is in the link's list
 * @sg: the pages
 * @nents: of @sg
 */
struct vmig_rdma_write {
	struct rdma_rw_ctx rw;
	struct scatterlist *sg;
	unsigned int nents;
};

/**
 * struct vmig_rdma_outgoing - a chunk's data pages on their way
 * @pages: what was announced; each piece referenced, until the device is through
 * @nr: of @pages
 * @len: bytes of them
 * @since: when the frame was sent that announced them, or 0
 * @sg: for @writes to cut the pages into
 * @writes: @nwrites of them have to be given back
 * @nwrites: 0 until there are keys
 * @last: number of the message behind the writes, as in vmig_rdma_link.posted
 */
struct vmig_rdma_outgoing {
	struct bio_vec pages[VMIG_RDMA_GRANT_PAGES];
	unsigned int nr;
	size_t len;
	ktime_t since;
	struct scatterlist *sg;
	struct vmig_rdma_write writes[VMIG_RDMA_GRANT_KEYS];
	unsigned int nwrites;
	u32 last;
};

/**
 * struct vmig_rdma_region - pages that the destination lets be written
 * @mr: owned
 * @reg: registers them
 * @inv: takes that back
 * @sg: the pages, each referenced
 * @nents: of @sg
 * @bytes: of the pages
 */
struct vmig_rdma_region {
	struct ib_mr *mr;
	struct ib_reg_wr reg;
	struct ib_send_wr inv;
	struct scatterlist *sg;
	unsigned int nents;
	unsigned int bytes;
};

/**
 * struct vmig_rdma_incoming - a chunk's data pages that the source may write
 * @regions: @nregions of them are mapped
 * @nregions: 0 if there are none
 * @sg: for @regions to cut the pages into
 */
struct vmig_rdma_incoming {
	struct vmig_rdma_region regions[VMIG_RDMA_GRANT_KEYS];
	unsigned int nregions;
	struct scatterlist *sg;
};

/* How far the connection is. */
enum vmig_rdma_state {
	VMIG_RDMA_IDLE,
	VMIG_RDMA_RESOLVING,	/* source: the address, then the route */
	VMIG_RDMA_RESOLVED,
	VMIG_RDMA_ROUTED,
	VMIG_RDMA_CONNECTING,
	VMIG_RDMA_CONNECTED,
};

/**
 * struct vmig_rdma_link - a channel over RDMA
 * @link: what the engine sees
 * @session: of the migration; outlives the link
 * @channel: number
 * @use: see above
 * @release: takes the connection down when the device is removed
 * @was_connected: set with VMIG_RDMA_CONNECTED, and never cleared
 *
 * Of the connection, set up at once and released at once, under @use or, by the
 * CM's handler, before VMIG_RDMA_CONNECTED:
 * @id: NULL without a connection; owned
 * @pd: of this link alone, so that a key is good for its queue pair only; owned
 * @cq: of both queues; owned
 * @limits: of the device
 * @rx: buffers to receive into
 * @tx: buffers to send from
 * @sg: of all chunks
 * @out: the source's chunks, in a ring
 * @in: the destination's, in a ring; no node is both
 * @oldest: in the ring
 * @nout: chunks in @out
 * @nwritten: of them, the oldest, have their writes posted
 * @nin: chunks in @in
 * @overtaken: a frame was sent behind that of the newest chunk in @out
 * @began: when the frame of the next chunk was sent, 0 if others are under way
 * @key_cqe: of registrations and writes, which succeed silently
 * @inv_cqe: of the last invalidation of a chunk
 * @serial: of the regions, for addresses that are never used again
 *
 * @wait: the thread waits here for anything below
 * @lock: protects what follows
 * @state: of the connection
 * @err: why it is broken, 0 while it is not; the first one counts
 * @why: the same as the end of a sentence; empty if the peer just closed
 * @unable: @why is this node's own, and the connection does not matter
 * @vague: @err came from flushed work, and may give way to one that says more
 * @moves: counts all that happens, to tell patience from silence
 * @credits: messages that the peer has buffers for
 * @owed: buffers that are free again and that the peer does not know of yet
 * @tx_free: buffers that nothing is sent from
 * @posted: messages sent, those included that are under way
 * @sent: of these, how many have reached the peer
 * @stream: DATA and CLOSE that were received
 * @notes: GRANT and PLACED that were received
 * @nnotes: in @notes
 * @ncopies: buffers in @stream that are copied
 * @invalidated: the last invalidation is carried out
 *
 * Of the thread:
 * @drained: all that was received before @err is in @stream
 * @round_trip_us: shortest time from a chunk's frame to its keys
 */
struct vmig_rdma_link {
	struct vmig_link link;
	struct vmig_rdma_session *session;
	unsigned int channel;
	struct mutex use;
	struct work_struct release;
	bool was_connected;

	struct rdma_cm_id *id;
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct vmig_rdma_limits limits;
	struct vmig_rdma_buffer rx[VMIG_RDMA_RX];
	struct vmig_rdma_buffer tx[VMIG_RDMA_TX];
	struct scatterlist *sg;
	union {
		struct vmig_rdma_outgoing out[VMIG_RDMA_CHUNKS];
		struct vmig_rdma_incoming in[VMIG_RDMA_CHUNKS];
	};
	unsigned int oldest;
	unsigned int nout;
	unsigned int nwritten;
	unsigned int nin;
	bool overtaken;
	ktime_t began;
	struct ib_cqe key_cqe;
	struct ib_cqe inv_cqe;
	u64 serial;

	wait_queue_head_t wait;
	spinlock_t lock;
	enum vmig_rdma_state state;
	int err;
	char why[128];
	bool unable;
	bool vague;
	unsigned long moves;
	unsigned int credits;
	unsigned int owed;
	struct list_head tx_free;
	u32 posted;
	u32 sent;
	struct list_head stream;
	struct list_head notes;
	unsigned int nnotes;
	unsigned int ncopies;
	bool invalidated;

	bool drained;
	u32 round_trip_us;
};

static inline struct vmig_rdma_link *vmig_rdma_link_of(struct vmig_link *link)
{
	return container_of(link, struct vmig_rdma_link, link);
}

/* session.c APIs: */
extern const struct vmig_transport_ops vmig_rdma_transport_ops;

void vmig_rdma_session_begin(struct vmig_rdma_session *session);
void vmig_rdma_session_lose(struct vmig_rdma_session *session);

/* link.c APIs: */
struct vmig_link *vmig_rdma_link_attach(struct vmig_session *session,
					unsigned int channel,
					bool (*stop)(void *arg), void *arg);

/* wait.c APIs: */
enum vmig_rdma_manner {
	VMIG_RDMA_RECEIVING,	/* gives up as soon as it is to stop */
	VMIG_RDMA_SENDING,	/* stops behind what is under way, if it can */
	VMIG_RDMA_PLACING,	/* as RECEIVING; silence is the rule */
	VMIG_RDMA_LEAVING,	/* says its last */
};

/**
 * struct vmig_rdma_patience - of one call of the thread
 * @manner: how it waits
 * @moves: of the link, when they changed last
 * @since: jiffies when they did
 * @still: how long they may stay, in jiffies
 * @end: jiffies when to give up in any case
 * @pages: those of a chunk are waited for
 */
struct vmig_rdma_patience {
	enum vmig_rdma_manner manner;
	unsigned long moves;
	unsigned long since;
	unsigned long still;
	unsigned long end;
	bool pages;
};

bool vmig_rdma_is_broken(struct vmig_rdma_link *rl);
__printf(3, 4)
void vmig_rdma_break(struct vmig_rdma_link *rl, int err, const char *fmt, ...);
__printf(2, 3)
void vmig_rdma_be_unable(struct vmig_rdma_link *rl, const char *fmt, ...);
void vmig_rdma_break_wc(struct vmig_rdma_link *rl, const struct ib_wc *wc,
			const char *what);
enum vmig_rdma_state vmig_rdma_state(struct vmig_rdma_link *rl);
bool vmig_rdma_is_connected(struct vmig_rdma_link *rl);
void vmig_rdma_enter(struct vmig_rdma_link *rl, enum vmig_rdma_state state);
void vmig_rdma_await_pages(struct vmig_rdma_patience *p);
void vmig_rdma_be_patient(struct vmig_rdma_link *rl,
			  struct vmig_rdma_patience *p,
			  enum vmig_rdma_manner manner);
int vmig_rdma_wait(struct vmig_rdma_link *rl, struct vmig_rdma_patience *p,
		   bool (*done)(struct vmig_rdma_link *rl));

/* connect.c APIs: */
int vmig_rdma_connect(struct vmig_rdma_link *rl);
int vmig_rdma_link_event(struct rdma_cm_id *id, struct rdma_cm_event *event);

/* accept.c APIs: */
int vmig_rdma_listener_event(struct rdma_cm_id *id,
			     struct rdma_cm_event *event);
int vmig_rdma_await(struct vmig_rdma_link *rl);
void vmig_rdma_accept_debug(struct dentry *folder);

/* queue.c APIs: */
int vmig_rdma_queue_create(struct vmig_rdma_link *rl, struct rdma_cm_id *id);
void vmig_rdma_queue_destroy(struct vmig_rdma_link *rl, struct rdma_cm_id *id);
void vmig_rdma_queue_release(struct vmig_rdma_link *rl);

/* stream.c APIs: */
void vmig_rdma_received(struct ib_cq *cq, struct ib_wc *wc);
void vmig_rdma_sent(struct ib_cq *cq, struct ib_wc *wc);
int vmig_rdma_post_rx(struct vmig_rdma_link *rl,
		      struct vmig_rdma_buffer *buffer);
int vmig_rdma_send_message(struct vmig_rdma_link *rl,
			   struct vmig_rdma_patience *p,
			   enum vmig_rdma_type type, struct iov_iter *payload,
			   struct ib_send_wr *first, struct ib_send_wr *last);
struct vmig_rdma_buffer *vmig_rdma_peek(struct vmig_rdma_link *rl,
					struct list_head *list);
void vmig_rdma_consume(struct vmig_rdma_link *rl,
		       struct vmig_rdma_buffer *buffer);
bool vmig_rdma_has_received(struct vmig_rdma_link *rl);
bool vmig_rdma_is_all_sent(struct vmig_rdma_link *rl);
int vmig_rdma_send(struct vmig_link *link, const void *head, size_t head_len,
		   const void *body, size_t body_len, bool more);
int vmig_rdma_recv(struct vmig_link *link, void *buf, size_t len);
void vmig_rdma_farewell(struct vmig_link *link, const void *buf, size_t len);

/* pages.c APIs: */
struct vmig_rdma_cursor {
	const struct bio_vec *page;	/* the next */
	unsigned int at;		/* bytes of it that are cut */
	unsigned int left;		/* how many there are with it */
};

unsigned int vmig_rdma_pages_cut(struct vmig_rdma_cursor *cursor, size_t len,
				 u32 piece, struct scatterlist *sg);
void vmig_rdma_pages_get(struct scatterlist *sg, unsigned int nents);
void vmig_rdma_pages_put(struct scatterlist *sg, unsigned int nents);

/* write.c APIs: */
int vmig_rdma_send_pages(struct vmig_link *link, const struct bio_vec *pages,
			 unsigned int nr, size_t len, bool more);
int vmig_rdma_ready(struct vmig_link *link, bool more);
int vmig_rdma_write_settle(struct vmig_rdma_link *rl,
			   struct vmig_rdma_patience *p);
void vmig_rdma_write_release(struct vmig_rdma_link *rl);

/* region.c APIs: */
int vmig_rdma_region_create(struct vmig_rdma_link *rl);
void vmig_rdma_region_destroy(struct vmig_rdma_link *rl);
int vmig_rdma_offer_pages(struct vmig_link *link, const struct bio_vec *pages,
			  unsigned int nr, size_t len);
int vmig_rdma_recv_pages(struct vmig_link *link, const struct bio_vec *pages,
			 unsigned int nr, size_t len);

#endif /* _VMIG_RDMA_RDMA_H */

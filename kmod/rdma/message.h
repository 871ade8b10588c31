/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What two ends of an RDMA channel say to each other, without any I/O.
 *
 * A connect request carries struct vmig_rdma_hello, its acceptance the same
 * without secret, its rejection one byte of enum vmig_rdma_refusal. Then each
 * side sends messages that begin with struct vmig_rdma_header, and may send as
 * many as the other has buffers for: its hello says how many there are, and
 * each message how many more are free again. The last one is kept for a CREDIT,
 * so that two sides that have nothing else to say cannot wait for each other.
 *
 *	source				destination
 *	DATA (frame of chunk 1)
 *					GRANT (keys of the pages it is about)
 *	DATA (frame of chunk 2)
 *					GRANT
 *	RDMA WRITE of chunk 1 ...
 *	PLACED
 *	DATA (frame of chunk 3)
 *					GRANT
 *	RDMA WRITE of chunk 2 ...
 *	PLACED
 *
 * Each PLACED is about the oldest GRANT that has none yet. Between a frame whose
 * pages are data and its PLACED there is at most one other, of a chunk too: so
 * many chunks are announced ahead of the writes, and no more.
 *
 * Frames (migrate/wire.h) travel in DATA, as one stream of bytes that CLOSE
 * ends. Numbers are little-endian here as there.
 */
#ifndef _VMIG_RDMA_MESSAGE_H
#define _VMIG_RDMA_MESSAGE_H

#include <linux/types.h>

#define VMIG_RDMA_MAGIC		0x616d6476	/* "vdma" */
#define VMIG_RDMA_VERSION	2
#define VMIG_RDMA_SECRET_LEN	32
/* A buffer, and so the longest message with its header. */
#define VMIG_RDMA_MESSAGE_MAX	4096U
/* Pages that keys are for at a time, and keys that they may be spread over. */
#define VMIG_RDMA_GRANT_PAGES	512U
#define VMIG_RDMA_GRANT_KEYS	32U
/*
 * Chunks that a channel may have under way: one is written, one announced. The
 * order of messages above is for two.
 */
#define VMIG_RDMA_CHUNKS	2U
/* Most buffers that a side may have. */
#define VMIG_RDMA_CREDITS_MAX	1024U

struct vmig_rdma_hello {
	__le32 magic;
	__le16 version;
	__le16 credits;		/* buffers of this side */
	__le16 channel;
	__le16 reserved;
	__u8 secret[VMIG_RDMA_SECRET_LEN];
};

/* Why a connect request is turned down. Numbers are never reused. */
enum vmig_rdma_refusal {
	VMIG_RDMA_REFUSE_MAGIC		= 1,	/* another protocol */
	VMIG_RDMA_REFUSE_VERSION	= 2,
	VMIG_RDMA_REFUSE_SECRET		= 3,
	VMIG_RDMA_REFUSE_CHANNEL	= 4,	/* there is none of this number */
	VMIG_RDMA_REFUSE_TAKEN		= 5,	/* it is connected, or was */
	VMIG_RDMA_REFUSE_LATE		= 6,	/* the migration waits no more */
	VMIG_RDMA_REFUSE_RESOURCES	= 7,
	VMIG_RDMA_REFUSALS,
};

enum vmig_rdma_type {
	VMIG_RDMA_DATA		= 1,	/* bytes of frames */
	VMIG_RDMA_CLOSE		= 2,	/* no DATA follows */
	VMIG_RDMA_CREDIT	= 3,	/* only the header counts */
	VMIG_RDMA_GRANT		= 4,	/* struct vmig_rdma_key ... */
	VMIG_RDMA_PLACED	= 5,	/* all of the oldest GRANT is written */
};

struct vmig_rdma_header {
	__u8 type;
	__u8 reserved;
	__le16 credits;		/* buffers that are free again */
	__le32 len;		/* bytes that follow */
};

/* Pages of the destination that may be written, in the order of the runs. */
struct vmig_rdma_key {
	__le64 address;
	__le32 key;
	__le32 len;
};

#define VMIG_RDMA_PAYLOAD_MAX \
	(VMIG_RDMA_MESSAGE_MAX - sizeof(struct vmig_rdma_header))

/* A message, or the header of one, as its receiver sees it. */
struct vmig_rdma_message {
	enum vmig_rdma_type type;
	unsigned int credits;
	unsigned int len;
};

void vmig_rdma_message_encode(const struct vmig_rdma_message *message,
			      struct vmig_rdma_header *raw);
const char *vmig_rdma_message_decode(const void *buf, size_t size,
				     struct vmig_rdma_message *message);
enum vmig_rdma_refusal
vmig_rdma_message_check_hello(const void *buf, size_t size,
			      struct vmig_rdma_hello *hello);
const char *vmig_rdma_message_refusal(unsigned int why);

#endif /* _VMIG_RDMA_MESSAGE_H */

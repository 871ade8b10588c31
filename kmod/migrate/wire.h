/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire protocol between two nodes, without any I/O.
 *
 * A channel is a connection that carries frames both ways: a header of
 * 32 bytes, then header.len bytes of payload, all little-endian. Each direction
 * counts its frames from 0 in header.seq.
 *
 *	source				destination
 *	HELLO
 *	REGION ...			(channel 0 only, one a region)
 *					HELLO_ACK
 *	CHUNK ... ROUND			ROUND_ACK
 *	...
 *	FINAL_BEGIN CHUNK ... FINAL_END
 *	VERIFY (if HELLO asked)		FINAL_ACK
 *	PING (whenever)			PONG (for each PING, and during long work)
 *	ABORT (whenever)		ABORT (whenever)
 *
 * Guest memory travels in CHUNK frames: a table of runs of pages, each of one
 * kind, then the bytes of all data runs. A frame never leaves its chunk, so
 * that a channel owns the chunks i with i % channels == its index, and the
 * copies of a page stay in order. The receiver takes the bytes of a frame
 * straight into the pages with one call, however scattered they are. A transport
 * may carry those bytes beside the frames (link.h).
 *
 * Pure: also compiled into the user-space tests and the fuzzer.
 */
#ifndef _VMIG_WIRE_H
#define _VMIG_WIRE_H

#include <linux/types.h>

#define VMIG_WIRE_MAGIC		0x67696d76	/* "vmig" */
#define VMIG_WIRE_VERSION	1
#define VMIG_WIRE_PAGE_SHIFT	12
#define VMIG_WIRE_PAGE_SIZE	(1U << VMIG_WIRE_PAGE_SHIFT)
#define VMIG_WIRE_CHUNK_PAGES	512U
#define VMIG_WIRE_TEXT_MAX	255
#define VMIG_WIRE_NAME_MAX	63
#define VMIG_WIRE_WHY_MAX	128

/* Numbers are never reused; a changed meaning takes a new VMIG_WIRE_VERSION. */
enum vmig_pkt {
	VMIG_P_HELLO		= 1,	/* source: struct vmig_wire_hello */
	VMIG_P_REGION		= 2,	/* source: struct vmig_wire_region, name */
	VMIG_P_HELLO_ACK	= 3,	/* destination: all of the above agrees */
	VMIG_P_CHUNK		= 4,	/* source: runs, data */
	VMIG_P_ROUND		= 5,	/* source: end of a pass, first = its number */
	VMIG_P_ROUND_ACK	= 6,	/* destination: all before ROUND is in place */
	VMIG_P_FINAL_BEGIN	= 7,	/* source: the VM is stopped */
	VMIG_P_FINAL_END	= 8,	/* source: struct vmig_wire_tally */
	VMIG_P_VERIFY		= 9,	/* source: __le64 digest of all memory */
	VMIG_P_FINAL_ACK	= 10,	/* destination: its own vmig_wire_tally */
	VMIG_P_PING		= 11,
	VMIG_P_PONG		= 12,
	VMIG_P_ABORT		= 13,	/* both: count = errno, payload = why */
	VMIG_P_MAX		= VMIG_P_ABORT,
};

struct vmig_wire_header {
	__le32 magic;
	__u8 version;
	__u8 type;
	__le16 region;
	__le32 seq;
	__le32 count;	/* CHUNK: runs; ABORT: errno */
	__le64 first;	/* CHUNK: first page of the chunk; ROUND: number */
	__le32 len;	/* bytes of payload */
	__le32 flags;	/* CHUNK: VMIG_CHUNK_* */
};

/* The source has the chunk in one huge folio. */
#define VMIG_CHUNK_HUGE		0x1
#define VMIG_CHUNK_FLAGS	0x1

#define VMIG_WIRE_TOKEN_LEN	16
#define VMIG_HELLO_VERIFY	0x1

struct vmig_wire_hello {
	__u8 token[VMIG_WIRE_TOKEN_LEN];
	__le16 channel;
	__le16 channels;
	__le16 regions;
	__le16 flags;
	__le32 page_size;
	__le32 chunk_pages;
};

/* Followed by the name, without a terminating zero. */
struct vmig_wire_region {
	__le64 size;
};

enum vmig_run_kind {
	VMIG_RUN_DATA,	/* bytes follow */
	VMIG_RUN_ZERO,	/* allocated, reads as zeroes */
	VMIG_RUN_HOLE,	/* not allocated */
	VMIG_RUN_KINDS,
};

struct vmig_wire_run {
	__le16 first;	/* page within the chunk */
	__le16 npages;
	__le16 kind;
	__le16 reserved;
};

/* What a channel carried, from its beginning; final is of the final pass. */
struct vmig_wire_tally {
	__le64 pages[VMIG_RUN_KINDS];
	__le64 final_pages;
	__le64 final_digest;
	__le64 memory_digest;
};

#define VMIG_WIRE_TABLE_MAX \
	(VMIG_WIRE_CHUNK_PAGES * sizeof(struct vmig_wire_run))
#define VMIG_WIRE_CHUNK_MAX \
	(VMIG_WIRE_TABLE_MAX + VMIG_WIRE_CHUNK_PAGES * VMIG_WIRE_PAGE_SIZE)

/* The same in the processor's own order. */
struct vmig_frame {
	u8 type;
	u16 region;
	u32 seq;
	u32 count;
	u64 first;
	u32 len;
	u32 flags;
};

struct vmig_hello {
	u8 token[VMIG_WIRE_TOKEN_LEN];
	u16 channel;
	u16 channels;
	u16 regions;
	bool verify;
};

struct vmig_run {
	u16 first;
	u16 npages;
	u16 kind;
};

struct vmig_tally {
	u64 pages[VMIG_RUN_KINDS];
	u64 final_pages;
	u64 final_digest;
	u64 memory_digest;
};

/**
 * struct vmig_wire_rules - what the next frame of a channel may be
 * @allowed: bit n is set if a frame of type n may come now
 * @seq: number it must have
 * @region_pages: pages of each of the @regions regions
 * @channel: that it comes on
 * @channels: how many there are
 * @regions: how many there are
 */
struct vmig_wire_rules {
	u32 allowed;
	u32 seq;
	unsigned int channel;
	unsigned int channels;
	unsigned int regions;
	const u64 *region_pages;
};

const char *vmig_wire_name(unsigned int type);

void vmig_wire_encode(const struct vmig_frame *f, struct vmig_wire_header *h);
int vmig_wire_decode(const struct vmig_wire_header *h, struct vmig_frame *f,
		     char *why, size_t size);
int vmig_wire_check(const struct vmig_frame *f,
		    const struct vmig_wire_rules *rules, char *why, size_t size);

void vmig_wire_encode_runs(const struct vmig_run *runs, unsigned int nruns,
			   struct vmig_wire_run *raw);
int vmig_wire_decode_runs(const struct vmig_wire_run *raw, unsigned int nruns,
			  unsigned int chunk_pages, u32 data_len,
			  struct vmig_run *runs, char *why, size_t size);

void vmig_wire_encode_hello(const struct vmig_hello *hello,
			    struct vmig_wire_hello *raw);
int vmig_wire_decode_hello(const struct vmig_wire_hello *raw,
			   struct vmig_hello *hello, char *why, size_t size);

void vmig_wire_encode_tally(const struct vmig_tally *tally,
			    struct vmig_wire_tally *raw);
void vmig_wire_decode_tally(const struct vmig_wire_tally *raw,
			    struct vmig_tally *tally);
int vmig_wire_compare_tally(const struct vmig_tally *sent,
			    const struct vmig_tally *got,
			    char *why, size_t size);

#endif /* _VMIG_WIRE_H */

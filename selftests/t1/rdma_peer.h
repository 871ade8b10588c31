/* SPDX-License-Identifier: GPL-2.0 */
/* A peer in user space that speaks vmig's RDMA with the kernel, well or badly. */
#ifndef VMIG_T1_RDMA_PEER_H
#define VMIG_T1_RDMA_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include "migrate/wire.h"
#include "rdma/message.h"
#include "verbs.h"

/**
 * struct rdma_peer - a channel's other end
 * @owed: messages received that the kernel does not know to be consumed
 * @credits: messages that the kernel has buffers for
 * @slots: buffers that the kernel is told of at first, 0 for all
 * @stream: bytes of frames that came, from @at to @end
 * @frame, @payload: the frame that was awaited
 * @note: the message that came last and was no DATA, @note_len bytes of payload
 */
struct rdma_peer {
	struct verbs v;
	unsigned int owed;
	int credits;
	unsigned int slots;
	uint32_t tx_seq;
	uint8_t stream[16 * VMIG_RDMA_MESSAGE_MAX];
	size_t at;
	size_t end;
	struct vmig_frame frame;
	uint8_t payload[VMIG_RDMA_MESSAGE_MAX];
	unsigned int note_type;
	uint8_t note[VMIG_RDMA_MESSAGE_MAX];
	size_t note_len;
};

/* A peer without the buffers that it says it has, and what is said of it. */
struct rdma_deafness {
	const char *what;
	uint8_t rnr_retry;
	const char *text;
};

/* Ends with one that is not. */
extern const struct rdma_deafness rdma_deafness[];

/* What a request shows: right but for what the caller changes. */
struct vmig_rdma_hello rdma_peer_hello(unsigned int channel);

/* As a source: 0, 1 if refused (see peer->v.private), or -1. */
int rdma_peer_connect(struct rdma_peer *peer, uint16_t port,
		      unsigned int channel);
/* As a destination: wait for a request and accept it. */
int rdma_peer_accept(struct rdma_peer *peer);
void rdma_peer_close(struct rdma_peer *peer);

/* A message: the status of its completion, or -1. */
int rdma_peer_say(struct rdma_peer *peer, enum vmig_rdma_type type,
		  const void *payload, size_t len);
/* As it is, without a look at credits. */
int rdma_peer_say_raw(struct rdma_peer *peer, const void *message, size_t len);
/* A frame; of a CHUNK only its header and table. */
int rdma_peer_send(struct rdma_peer *peer, struct vmig_frame frame,
		   const void *payload, size_t len);

/*
 * Receive until a frame of @type comes, or an ABORT, whose text is then in
 * @payload as a string. Return: 0, 1 for an ABORT, or -1 at the end.
 */
int rdma_peer_await(struct rdma_peer *peer, enum vmig_pkt type);
/* Receive until a message of @type comes. */
int rdma_peer_await_note(struct rdma_peer *peer, enum vmig_rdma_type type);

/* As a source: greet as channel @index of @n, for one region `ram`. */
int rdma_peer_greet(struct rdma_peer *peer, unsigned int index, unsigned int n,
		    uint64_t size);
/* As a destination: take a greeting, and answer it. */
int rdma_peer_take_greeting(struct rdma_peer *peer);

/*
 * Send the frame of @npages pages of data, which are in one folio if they are a
 * chunk; receive the first key of a chunk.
 */
int rdma_peer_propose(struct rdma_peer *peer, uint64_t first,
		      unsigned int npages);
int rdma_peer_await_key(struct rdma_peer *peer, struct vmig_rdma_key *key);
/* Both. */
int rdma_peer_announce(struct rdma_peer *peer, uint64_t first,
		       unsigned int npages, struct vmig_rdma_key *key);
/* End a round: 0 when the kernel has all of it. */
int rdma_peer_round(struct rdma_peer *peer, uint64_t number);

#endif /* VMIG_T1_RDMA_PEER_H */

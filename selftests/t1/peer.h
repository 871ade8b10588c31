/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A peer in user space that speaks the wire protocol with the kernel, well or
 * badly.
 */
#ifndef VMIG_T1_PEER_H
#define VMIG_T1_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include "migrate/wire.h"

struct peer {
	int fd;
	uint32_t tx_seq;
	struct vmig_frame frame;	/* the last one received */
	uint8_t payload[VMIG_WIRE_CHUNK_MAX];
};

/* All return 0, or -1 if the connection is gone or stands still for 30 s. */
int peer_send(struct peer *peer, struct vmig_frame frame, const void *payload);
int peer_signal(struct peer *peer, enum vmig_pkt type, uint64_t first);
int peer_send_tally(struct peer *peer, enum vmig_pkt type,
		    const struct vmig_tally *tally);
int peer_recv(struct peer *peer);
/* Receive until a frame of @type comes; the text of an ABORT goes to stderr. */
int peer_await(struct peer *peer, enum vmig_pkt type);
/* The text of the ABORT that comes, in peer->payload, or NULL. */
const char *peer_await_abort(struct peer *peer);

/* As a source: greet as channel @index of @n for one region `ram`. */
int peer_hello(struct peer *peer, unsigned int index, unsigned int n,
	       uint64_t size);
/* As a destination: take a greeting, and answer it. */
int peer_take_hello(struct peer *peer, bool first, unsigned int regions);

/* A CHUNK of the runs; the payload of data runs is zeroes. */
int peer_send_chunk(struct peer *peer, uint64_t first,
		    const struct vmig_run *runs, unsigned int n);

#endif /* VMIG_T1_PEER_H */

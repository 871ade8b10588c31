// SPDX-License-Identifier: GPL-2.0
/* The wire protocol from user space. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <asm/byteorder.h>
#include "peer.h"

#define WAIT_MS 30000

static int send_all(struct peer *peer, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	for (; len; at += n, len -= n) {
		n = send(peer->fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static int recv_all(struct peer *peer, void *data, size_t len)
{
	struct pollfd poll_fd = { .fd = peer->fd, .events = POLLIN };
	char *at = data;
	ssize_t n;

	for (; len; at += n, len -= n) {
		if (poll(&poll_fd, 1, WAIT_MS) != 1)
			return -1;
		n = recv(peer->fd, at, len, 0);
		if (n <= 0)
			return -1;
	}
	return 0;
}

int peer_send(struct peer *peer, struct vmig_frame frame, const void *payload)
{
	struct vmig_wire_header header;

	frame.seq = peer->tx_seq++;
	vmig_wire_encode(&frame, &header);
	if (send_all(peer, &header, sizeof(header)))
		return -1;
	return send_all(peer, payload, frame.len);
}

int peer_signal(struct peer *peer, enum vmig_pkt type, uint64_t first)
{
	struct vmig_frame frame = { .type = type, .first = first };

	return peer_send(peer, frame, NULL);
}

int peer_recv(struct peer *peer)
{
	struct vmig_wire_header header;
	char why[VMIG_WIRE_WHY_MAX];

	if (recv_all(peer, &header, sizeof(header)))
		return -1;
	if (vmig_wire_decode(&header, &peer->frame, why, sizeof(why)) ||
	    peer->frame.len > sizeof(peer->payload)) {
		fprintf(stderr, "# the kernel sent a bad frame: %s\n", why);
		return -1;
	}
	return recv_all(peer, peer->payload, peer->frame.len);
}

int peer_await(struct peer *peer, enum vmig_pkt type)
{
	do {
		if (peer_recv(peer))
			return -1;
		if (peer->frame.type == VMIG_P_ABORT)
			fprintf(stderr, "# ABORT: %.*s\n", peer->frame.len,
				peer->payload);
	} while (peer->frame.type != type && peer->frame.type != VMIG_P_ABORT);
	return peer->frame.type == type ? 0 : -1;
}

const char *peer_await_abort(struct peer *peer)
{
	do {
		if (peer_recv(peer))
			return NULL;
	} while (peer->frame.type != VMIG_P_ABORT);
	peer->payload[peer->frame.len] = '\0';
	return (const char *)peer->payload;
}

int peer_hello(struct peer *peer, unsigned int index, unsigned int n,
	       uint64_t size)
{
	struct vmig_hello hello = {
		.token = "0123456789abcde",
		.channel = index, .channels = n, .regions = 1,
	};
	struct vmig_frame frame = {
		.type = VMIG_P_HELLO, .len = sizeof(struct vmig_wire_hello),
	};
	struct vmig_wire_hello raw;
	struct {
		struct vmig_wire_region region;
		char name[3];
	} region = { { cpu_to_le64(size) }, "ram" };

	hello.token[15] = 'f';
	vmig_wire_encode_hello(&hello, &raw);
	if (peer_send(peer, frame, &raw))
		return -1;
	if (index)
		return 0;
	frame.type = VMIG_P_REGION;
	frame.len = sizeof(struct vmig_wire_region) + 3;
	return peer_send(peer, frame, &region);
}

int peer_take_hello(struct peer *peer, bool first, unsigned int regions)
{
	if (peer_await(peer, VMIG_P_HELLO))
		return -1;
	while (first && regions--) {
		if (peer_await(peer, VMIG_P_REGION))
			return -1;
	}
	return peer_signal(peer, VMIG_P_HELLO_ACK, 0);
}

int peer_send_chunk(struct peer *peer, uint64_t first,
		    const struct vmig_run *runs, unsigned int n)
{
	static uint8_t payload[VMIG_WIRE_CHUNK_MAX];
	struct vmig_frame frame = {
		.type = VMIG_P_CHUNK, .first = first, .count = n,
		.len = n * sizeof(struct vmig_wire_run),
	};
	unsigned int i;

	vmig_wire_encode_runs(runs, n, (struct vmig_wire_run *)payload);
	for (i = 0; i < n; i++) {
		if (runs[i].kind == VMIG_RUN_DATA)
			frame.len += runs[i].npages * VMIG_WIRE_PAGE_SIZE;
	}
	return peer_send(peer, frame, payload);
}

int peer_send_tally(struct peer *peer, enum vmig_pkt type,
		    const struct vmig_tally *tally)
{
	struct vmig_frame frame = {
		.type = type, .len = sizeof(struct vmig_wire_tally),
	};
	struct vmig_wire_tally raw;

	vmig_wire_encode_tally(tally, &raw);
	return peer_send(peer, frame, &raw);
}

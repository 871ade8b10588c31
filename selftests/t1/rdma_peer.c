// SPDX-License-Identifier: GPL-2.0
/* vmig's RDMA from user space. */
#include <stdio.h>
#include <string.h>
#include <asm/byteorder.h>
#include "rdma_peer.h"
#include "soft_roce.h"

const struct rdma_deafness rdma_deafness[] = {
	{ "the error is told", 0, "RNR retry counter exceeded" },
	{ "the adapter is to try for ever", 7, "was silent" },
	{}
};

struct vmig_rdma_hello rdma_peer_hello(unsigned int channel)
{
	struct vmig_rdma_hello hello = {
		.magic = cpu_to_le32(VMIG_RDMA_MAGIC),
		.version = cpu_to_le16(VMIG_RDMA_VERSION),
		.credits = cpu_to_le16(VERBS_SLOTS),
		.channel = cpu_to_le16(channel),
	};

	memcpy(hello.secret, SOFT_ROCE_SECRET, sizeof(hello.secret));
	return hello;
}

static int learn_credits(struct rdma_peer *peer)
{
	struct vmig_rdma_hello hello;

	if (vmig_rdma_message_check_hello(peer->v.private, peer->v.private_len,
					  &hello)) {
		fprintf(stderr, "# the kernel's hello is wrong\n");
		return -1;
	}
	peer->credits = le16_to_cpu(hello.credits);
	return 0;
}

int rdma_peer_connect(struct rdma_peer *peer, uint16_t port,
		      unsigned int channel)
{
	struct vmig_rdma_hello hello = rdma_peer_hello(channel);
	int ret;

	memset(peer, 0, sizeof(*peer));
	if (verbs_open(&peer->v, SOFT_ROCE_A, SOFT_ROCE_B, port))
		return -1;
	ret = verbs_connect(&peer->v, &hello, sizeof(hello));
	return ret ? ret : learn_credits(peer);
}

int rdma_peer_accept(struct rdma_peer *peer)
{
	struct vmig_rdma_hello hello = rdma_peer_hello(0);

	memset(hello.secret, 0, sizeof(hello.secret));
	if (peer->slots)
		hello.credits = cpu_to_le16(peer->slots);
	if (verbs_await_request(&peer->v) || learn_credits(peer))
		return -1;
	return verbs_accept(&peer->v, &hello, sizeof(hello));
}

void rdma_peer_close(struct rdma_peer *peer)
{
	verbs_close(&peer->v);
}

int rdma_peer_say_raw(struct rdma_peer *peer, const void *message, size_t len)
{
	memcpy(peer->v.buffer + VERBS_SEND, message, len);
	return verbs_send(&peer->v, len);
}

/* Take one message in: its type, or -1 when there is none any more. */
static int hear(struct rdma_peer *peer)
{
	struct vmig_rdma_message message;
	const uint8_t *data;
	const char *wrong;
	int len;

	len = verbs_receive(&peer->v, &data);
	if (len < 0)
		return -1;
	wrong = vmig_rdma_message_decode(data, len, &message);
	if (wrong) {
		fprintf(stderr, "# the kernel said: %s\n", wrong);
		return -1;
	}
	peer->owed++;
	peer->credits += message.credits;
	data += sizeof(struct vmig_rdma_header);
	if (message.type != VMIG_RDMA_DATA) {
		peer->note_type = message.type;
		peer->note_len = message.len;
		memcpy(peer->note, data, message.len);
		return message.type;
	}
	memmove(peer->stream, peer->stream + peer->at, peer->end - peer->at);
	peer->end -= peer->at;
	peer->at = 0;
	if (peer->end + message.len > sizeof(peer->stream))
		return -1;
	memcpy(peer->stream + peer->end, data, message.len);
	peer->end += message.len;
	return message.type;
}

int rdma_peer_say(struct rdma_peer *peer, enum vmig_rdma_type type,
		  const void *payload, size_t len)
{
	const struct vmig_rdma_message message = {
		.type = type, .credits = peer->owed, .len = len,
	};
	struct {
		struct vmig_rdma_header header;
		uint8_t payload[VMIG_RDMA_PAYLOAD_MAX];
	} raw;

	/* The last one is for a CREDIT. */
	while (peer->credits < 2 && type != VMIG_RDMA_CREDIT) {
		if (hear(peer) < 0)
			return -1;
	}
	vmig_rdma_message_encode(&message, &raw.header);
	if (len)
		memcpy(raw.payload, payload, len);
	peer->owed = 0;
	peer->credits--;
	return rdma_peer_say_raw(peer, &raw, sizeof(raw.header) + len);
}

int rdma_peer_send(struct rdma_peer *peer, struct vmig_frame frame,
		   const void *payload, size_t len)
{
	uint8_t data[VMIG_RDMA_PAYLOAD_MAX];

	frame.seq = peer->tx_seq++;
	vmig_wire_encode(&frame, (struct vmig_wire_header *)data);
	if (len)
		memcpy(data + sizeof(struct vmig_wire_header), payload, len);
	return rdma_peer_say(peer, VMIG_RDMA_DATA, data,
			     sizeof(struct vmig_wire_header) + len);
}

/* Until so many bytes of frames are there. */
static int fill(struct rdma_peer *peer, size_t len)
{
	while (peer->end - peer->at < len) {
		/* A kernel that waits for buffers is told of them. */
		if (peer->owed > VERBS_SLOTS / 2 && peer->credits &&
		    rdma_peer_say(peer, VMIG_RDMA_CREDIT, NULL, 0))
			return -1;
		if (hear(peer) < 0)
			return -1;
	}
	return 0;
}

static int next_frame(struct rdma_peer *peer)
{
	const struct vmig_wire_header *header;
	char why[VMIG_WIRE_WHY_MAX];
	size_t len;

	if (fill(peer, sizeof(*header)))
		return -1;
	header = (void *)(peer->stream + peer->at);
	if (vmig_wire_decode(header, &peer->frame, why, sizeof(why))) {
		fprintf(stderr, "# the kernel sent a bad frame: %s\n", why);
		return -1;
	}
	peer->at += sizeof(*header);
	len = peer->frame.len;
	if (peer->frame.type == VMIG_P_CHUNK)
		len = peer->frame.count * sizeof(struct vmig_wire_run);
	if (len >= sizeof(peer->payload) || fill(peer, len))
		return -1;
	memcpy(peer->payload, peer->stream + peer->at, len);
	peer->payload[len] = '\0';
	peer->at += len;
	return 0;
}

int rdma_peer_await(struct rdma_peer *peer, enum vmig_pkt type)
{
	do {
		if (next_frame(peer))
			return -1;
	} while (peer->frame.type != type && peer->frame.type != VMIG_P_ABORT);
	return peer->frame.type == type ? 0 : 1;
}

int rdma_peer_await_note(struct rdma_peer *peer, enum vmig_rdma_type type)
{
	int heard;

	do {
		heard = hear(peer);
	} while (heard >= 0 && heard != (int)type);
	return heard < 0 ? -1 : 0;
}

int rdma_peer_greet(struct rdma_peer *peer, unsigned int index, unsigned int n,
		    uint64_t size)
{
	const struct vmig_hello hello = {
		.token = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
			   'a', 'b', 'c', 'd', 'e', 'f' },
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

	vmig_wire_encode_hello(&hello, &raw);
	if (rdma_peer_send(peer, frame, &raw, sizeof(raw)))
		return -1;
	frame.type = VMIG_P_REGION;
	frame.len = sizeof(struct vmig_wire_region) + 3;
	if (!index && rdma_peer_send(peer, frame, &region, frame.len))
		return -1;
	return rdma_peer_await(peer, VMIG_P_HELLO_ACK);
}

int rdma_peer_take_greeting(struct rdma_peer *peer)
{
	const struct vmig_frame ack = { .type = VMIG_P_HELLO_ACK };

	return rdma_peer_await(peer, VMIG_P_HELLO) ||
	       rdma_peer_await(peer, VMIG_P_REGION) ||
	       rdma_peer_send(peer, ack, NULL, 0) ? -1 : 0;
}

int rdma_peer_propose(struct rdma_peer *peer, uint64_t first,
		      unsigned int npages)
{
	const struct vmig_run run = {
		.npages = npages, .kind = VMIG_RUN_DATA,
	};
	const struct vmig_frame frame = {
		.type = VMIG_P_CHUNK, .first = first, .count = 1,
		.flags = npages == VMIG_WIRE_CHUNK_PAGES ? VMIG_CHUNK_HUGE : 0,
		.len = sizeof(struct vmig_wire_run) +
		       npages * VMIG_WIRE_PAGE_SIZE,
	};
	struct vmig_wire_run raw;

	vmig_wire_encode_runs(&run, 1, &raw);
	return rdma_peer_send(peer, frame, &raw, sizeof(raw)) ? -1 : 0;
}

int rdma_peer_await_key(struct rdma_peer *peer, struct vmig_rdma_key *key)
{
	if (rdma_peer_await_note(peer, VMIG_RDMA_GRANT))
		return -1;
	memcpy(key, peer->note, sizeof(*key));
	return 0;
}

int rdma_peer_announce(struct rdma_peer *peer, uint64_t first,
		       unsigned int npages, struct vmig_rdma_key *key)
{
	return rdma_peer_propose(peer, first, npages) ||
	       rdma_peer_await_key(peer, key) ? -1 : 0;
}

int rdma_peer_round(struct rdma_peer *peer, uint64_t number)
{
	const struct vmig_frame frame = {
		.type = VMIG_P_ROUND, .first = number,
	};

	return rdma_peer_send(peer, frame, NULL, 0) ||
	       rdma_peer_await(peer, VMIG_P_ROUND_ACK) ? -1 : 0;
}

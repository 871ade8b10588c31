// SPDX-License-Identifier: GPL-2.0
/*
 * The destination's thread of a channel: greets, takes chunks (place.c) until the
 * VM is stopped and all is here, and judges the proof.
 */
#include <linux/kthread.h>
#include <linux/sched.h>

#include "migrate/engine.h"

/* The source's agent starts its side after this one's. */
#define HELLO_PATIENCE	30

#define STREAM	(BIT(VMIG_P_CHUNK) | BIT(VMIG_P_ROUND) | BIT(VMIG_P_PING) | \
		 BIT(VMIG_P_FINAL_BEGIN))
#define FINAL	(BIT(VMIG_P_CHUNK) | BIT(VMIG_P_PING) | BIT(VMIG_P_FINAL_END))

/* Receive a frame of @allowed, answering PINGs. */
static int next_frame(struct vmig_channel *ch, u32 allowed,
		      struct vmig_frame *frame)
{
	int err;

	for (;;) {
		err = vmig_channel_recv(ch, allowed | BIT(VMIG_P_PING), frame);
		if (err || frame->type != VMIG_P_PING)
			return err;
		err = vmig_channel_signal(ch, VMIG_P_PONG, 0);
		if (err)
			return err;
	}
}

static int check_hello(struct vmig_channel *ch, const struct vmig_hello *hello)
{
	struct vmig_migration *m = ch->m;
	const char *node = m->info.node;

	if (memcmp(hello->token, m->info.token, sizeof(hello->token)))
		return vmig_channel_fail(ch, -EPROTO,
			"Node %s joined channel %u to another migration: its token differs",
			node, ch->index);
	if (hello->channel != ch->index || hello->channels != m->nchannels)
		return vmig_channel_fail(ch, -EPROTO,
			"Node %s sends channel %u of %u where this node has channel %u of %u: give both the sockets in the same order",
			node, hello->channel, hello->channels, ch->index,
			m->nchannels);
	if (hello->regions != m->vm->nregions)
		return vmig_channel_fail(ch, -EINVAL,
			"VM %s has %u memory regions on node %s and %u here: start it with the same memory",
			m->info.vm, hello->regions, node, m->vm->nregions);
	if (hello->verify != m->info.verify)
		return vmig_channel_fail(ch, -EINVAL,
			"Node %s is told %s verify all memory and this node the contrary",
			node, hello->verify ? "to" : "not to");
	return 0;
}

static int recv_hello(struct vmig_channel *ch)
{
	char why[VMIG_WIRE_WHY_MAX];
	struct vmig_wire_hello raw;
	struct vmig_frame frame;
	struct vmig_hello hello;
	int err;

	ch->link->patience = HELLO_PATIENCE;
	err = vmig_channel_open(ch) ?:
	      vmig_channel_recv(ch, BIT(VMIG_P_HELLO), &frame) ?:
	      vmig_channel_recv_payload(ch, &raw, sizeof(raw));
	if (err)
		return err;
	ch->link->patience = VMIG_LINK_SILENCE;
	err = vmig_wire_decode_hello(&raw, &hello, why, sizeof(why));
	if (err)
		return vmig_channel_bad_frame(ch, why);
	return check_hello(ch, &hello);
}

static int recv_region(struct vmig_channel *ch, unsigned int r)
{
	struct vmig_region *region = ch->m->vm->regions[r];
	struct {
		struct vmig_wire_region region;
		char name[VMIG_WIRE_NAME_MAX];
	} raw;
	struct vmig_frame frame;
	size_t len;
	u64 size;
	int err;

	err = vmig_channel_recv(ch, BIT(VMIG_P_REGION), &frame) ?:
	      vmig_channel_recv_payload(ch, &raw, frame.len);
	if (err)
		return err;
	if (frame.region != r)
		return vmig_channel_bad_frame(ch, "REGION: regions are out of order");
	len = frame.len - sizeof(raw.region);
	if (len != strlen(region->name) || memcmp(raw.name, region->name, len))
		return vmig_channel_fail(ch, -EINVAL,
			"Memory region %u of VM %s is %s here and has another name on node %s: start it with the same memory",
			r, ch->m->info.vm, region->name, ch->m->info.node);
	size = le64_to_cpu(raw.region.size);
	if (size != region->size)
		return vmig_channel_fail(ch, -EINVAL,
			"Memory region %s of VM %s has %llu bytes on node %s and %llu here: start it with the same memory",
			region->name, ch->m->info.vm, size, ch->m->info.node,
			(u64)region->size);
	return 0;
}

static int greet(struct vmig_channel *ch)
{
	unsigned int r;
	int err;

	err = recv_hello(ch);
	for (r = 0; !err && !ch->index && r < ch->m->vm->nregions; r++)
		err = recv_region(ch, r);
	return err ?: vmig_channel_signal(ch, VMIG_P_HELLO_ACK, 0);
}

/* Take pages until the end of the final pass. */
static int recv_memory(struct vmig_channel *ch)
{
	struct vmig_frame frame;
	int err;

	for (;;) {
		err = next_frame(ch, ch->in_final ? FINAL : STREAM, &frame);
		/* Any other frame speaks about all chunks before it. */
		if (!err && frame.type != VMIG_P_CHUNK)
			err = vmig_place_rest(ch);
		if (err)
			return err;
		switch (frame.type) {
		case VMIG_P_CHUNK:
			err = vmig_place_chunk(ch, &frame);
			break;
		case VMIG_P_ROUND:
			err = vmig_channel_signal(ch, VMIG_P_ROUND_ACK,
						  frame.first);
			vmig_stats_round(ch, 0);
			break;
		case VMIG_P_FINAL_BEGIN:
			ch->in_final = true;
			vmig_digest_init(&ch->digest);
			vmig_migration_enter(ch->m, VMIG_STATE_INCOMING,
					     VMIG_STAGE_MODIFIED);
			break;
		case VMIG_P_FINAL_END:
			ch->in_final = false;
			ch->tally.final_digest = vmig_digest_value(&ch->digest);
			return 0;
		}
		if (err)
			return err;
		cond_resched();
	}
}

static int compare(struct vmig_channel *ch, const struct vmig_tally *sent)
{
	char why[VMIG_WIRE_WHY_MAX];
	int err;

	err = vmig_wire_compare_tally(sent, &ch->tally, why, sizeof(why));
	return err ? vmig_channel_fail(ch, err, "Channel %u: %s", ch->index,
				       why) : 0;
}

static int verify_memory(struct vmig_channel *ch, struct vmig_tally *sent)
{
	struct vmig_frame frame;
	__le64 raw;
	int err;

	err = vmig_channel_digest_memory(ch, VMIG_P_PONG,
					 &ch->tally.memory_digest) ?:
	      next_frame(ch, BIT(VMIG_P_VERIFY), &frame) ?:
	      vmig_channel_recv_payload(ch, &raw, sizeof(raw));
	if (err)
		return err;
	sent->memory_digest = le64_to_cpu(raw);
	return compare(ch, sent);
}

/* The header of FINAL_END was received: judge what it claims, and answer. */
static int prove(struct vmig_channel *ch)
{
	struct vmig_frame frame = {
		.type = VMIG_P_FINAL_ACK,
		.len = sizeof(struct vmig_wire_tally),
	};
	struct vmig_wire_tally raw;
	struct vmig_tally sent;
	int err;

	err = vmig_channel_recv_payload(ch, &raw, sizeof(raw));
	if (err)
		return err;
	vmig_wire_decode_tally(&raw, &sent);
	err = compare(ch, &sent);
	if (!err && ch->m->info.verify)
		err = verify_memory(ch, &sent);
	if (err)
		return err;
	vmig_wire_encode_tally(&ch->tally, &raw);
	return vmig_channel_send(ch, &frame, &raw, false);
}

/* Watch the peer. After the commit began a lost peer is no failure. */
static int watch(struct vmig_channel *ch)
{
	struct vmig_frame frame;
	int err;

	do {
		err = next_frame(ch, 0, &frame);
	} while (!err);
	return err;
}

int vmig_receive_thread(void *channel)
{
	struct vmig_channel *ch = channel;
	struct vmig_migration *m = ch->m;
	int err;

	err = greet(ch) ?: recv_memory(ch) ?: prove(ch);
	if (!err) {
		vmig_migration_acked(ch);
		watch(ch);
	}
	vmig_place_drop(ch);
	wait_event_idle(m->wait, READ_ONCE(m->ending));
	vmig_channel_farewell(ch);
	return 0;
}

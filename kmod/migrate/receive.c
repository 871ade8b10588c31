// SPDX-License-Identifier: GPL-2.0
/*
 * The destination's thread of a channel: takes pages straight into the regions
 * of the incoming VM.
 *
 * The peer is not trusted. What passes vmig_wire_check() and
 * vmig_wire_decode_runs() is within a chunk of this channel in a region of this
 * VM, and nothing else is written to.
 */
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include "compat/compat.h"
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

static int no_memory(struct vmig_channel *ch)
{
	return vmig_channel_fail(ch, -ENOMEM,
		"No memory is left for VM %s: free some, raise its limit, or choose another node",
		ch->m->info.vm);
}

/* Return: the folio that page @index is received into, referenced. */
static struct folio *get_folio(struct vmig_region *region, pgoff_t index,
			       bool huge)
{
	struct folio *folio = vmig_region_find_folio(region, index);

	if (folio)
		return folio;
	/* A small folio leaves the holes around it holes. */
	return huge ? vmig_region_alloc_folio(region, index) :
		      vmig_region_alloc_page(region, index);
}

static int prepare_run(struct vmig_channel *ch, struct vmig_region *region,
		       pgoff_t index, pgoff_t end, bool huge)
{
	struct vmig_scratch *scratch = ch->scratch;
	struct folio *folio;
	pgoff_t last;
	int err;

	while (index < end) {
		folio = get_folio(region, index, huge);
		if (IS_ERR(folio))
			return no_memory(ch);
		scratch->folio[scratch->nfolios++] = folio;
		last = min_t(pgoff_t, end, folio->index + folio_nr_pages(folio));
		for (; index < last; index++) {
			err = vmig_channel_check_page(ch, region, folio, index);
			if (err)
				return err;
			vmig_channel_add_page(ch, folio, index);
		}
	}
	return 0;
}

/* Receive the data of a chunk into folios that others may see. */
static int recv_into_folios(struct vmig_channel *ch, struct vmig_region *region,
			    pgoff_t base, bool huge)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < runs->nruns; i++) {
		const struct vmig_run *run = &runs->run[i];

		if (run->kind == VMIG_RUN_DATA)
			err = prepare_run(ch, region, base + run->first,
					  base + run->first + run->npages,
					  huge);
	}
	if (!err)
		err = vmig_channel_recv_pages(ch, (size_t)runs->pages[VMIG_RUN_DATA] << PAGE_SHIFT);
	vmig_channel_put_folios(ch);
	return err;
}

/* Copy the data of a chunk from a folio that nobody else will see. */
static int copy_into_folios(struct vmig_channel *ch,
			    struct vmig_region *region, pgoff_t base,
			    struct folio *from)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int i, page;
	struct folio *folio;
	int err;

	for (i = 0; i < runs->nruns; i++) {
		if (runs->run[i].kind != VMIG_RUN_DATA)
			continue;
		for (page = runs->run[i].first;
		     page < runs->run[i].first + runs->run[i].npages; page++) {
			pgoff_t index = base + page;

			folio = get_folio(region, index, false);
			if (IS_ERR(folio))
				return no_memory(ch);
			err = vmig_channel_check_page(ch, region, folio, index);
			if (!err)
				copy_highpage(folio_page(folio, index - folio->index),
					      folio_page(from, page));
			folio_put(folio);
			if (err)
				return err;
		}
	}
	return 0;
}

/*
 * Receive a whole chunk into a huge folio that is not zeroed first, which would
 * double the memory traffic of the first round. It becomes the region's when it
 * is filled: who touches the chunk before does not have to wait for the peer.
 *
 * Return: 0, 1 if there is no such folio to be had, or a negative errno.
 */
static int recv_into_new(struct vmig_channel *ch, struct vmig_region *region,
			 pgoff_t base)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	/* What a peer only says it has written must not be another's memory. */
	const bool claims = ch->link->ops->claims;
	struct folio *folio;
	unsigned int i, page;
	int err;

	folio = vmig_region_new_chunk(region, base);
	if (!folio)
		return 1;
	for (i = 0; i < runs->nruns; i++) {
		const struct vmig_run *run = &runs->run[i];

		if (claims || run->kind != VMIG_RUN_DATA)
			folio_zero_range(folio, (size_t)run->first << PAGE_SHIFT,
					 (size_t)run->npages << PAGE_SHIFT);
		if (run->kind != VMIG_RUN_DATA)
			continue;
		for (page = run->first; page < run->first + run->npages; page++)
			vmig_channel_add_page(ch, folio, base + page);
	}
	err = vmig_channel_recv_pages(ch, (size_t)runs->pages[VMIG_RUN_DATA] << PAGE_SHIFT);
	ch->scratch->nbvecs = 0;
	if (!err && vmig_region_add_chunk(region, folio, base))
		err = copy_into_folios(ch, region, base, folio);
	folio_put(folio);
	return err;
}

static int recv_data(struct vmig_channel *ch, struct vmig_region *region,
		     pgoff_t base, bool huge)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int covered = runs->pages[VMIG_RUN_DATA] +
			       runs->pages[VMIG_RUN_ZERO];
	int err = 1;

	if (!runs->pages[VMIG_RUN_DATA])
		return 0;
	if (huge && covered == VMIG_CHUNK_PAGES)
		err = recv_into_new(ch, region, base);
	return err <= 0 ? err : recv_into_folios(ch, region, base, huge);
}

/* Zero what is there; what is not stays a hole. */
static int zero_run(struct vmig_channel *ch, struct vmig_region *region,
		    pgoff_t index, pgoff_t end)
{
	struct folio *folio;
	void *page;
	int err;

	for (; index < end; index++) {
		folio = vmig_region_find_folio(region, index);
		if (!folio)
			continue;
		err = vmig_channel_check_page(ch, region, folio, index);
		if (err) {
			folio_put(folio);
			return err;
		}
		page = kmap_local_folio(folio, (index - folio->index) << PAGE_SHIFT);
		if (!vmig_runs_page_is_zero(page))
			memset(page, 0, PAGE_SIZE);
		kunmap_local(page);
		folio_put(folio);
	}
	return 0;
}

static int apply_marks(struct vmig_channel *ch, struct vmig_region *region,
		       pgoff_t base)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < runs->nruns; i++) {
		const struct vmig_run *run = &runs->run[i];
		pgoff_t index = base + run->first;

		if (run->kind == VMIG_RUN_ZERO)
			err = zero_run(ch, region, index, index + run->npages);
		else if (run->kind == VMIG_RUN_HOLE &&
			 !vmig_channel_is_hole(region, index, run->npages))
			vmig_region_punch(region, index, run->npages);
	}
	return err;
}

/* Digest what is in memory now, not what came over the wire. */
static int digest_runs(struct vmig_channel *ch, unsigned int r,
		       struct vmig_region *region, pgoff_t base)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int i, page;
	struct folio *folio;
	void *addr;
	int err;

	for (i = 0; i < runs->nruns; i++) {
		for (page = 0; page < runs->run[i].npages; page++) {
			pgoff_t index = base + runs->run[i].first + page;

			folio = vmig_region_find_folio(region, index);
			if (!folio) {
				vmig_digest_page(&ch->digest, r, index, NULL);
				continue;
			}
			err = vmig_channel_check_page(ch, region, folio, index);
			if (err) {
				folio_put(folio);
				return err;
			}
			addr = kmap_local_folio(folio, (index - folio->index) << PAGE_SHIFT);
			vmig_digest_page(&ch->digest, r, index, addr);
			kunmap_local(addr);
			folio_put(folio);
		}
	}
	return 0;
}

static int recv_chunk(struct vmig_channel *ch, const struct vmig_frame *frame)
{
	struct vmig_region *region = ch->m->vm->regions[frame->region];
	struct vmig_scratch *scratch = ch->scratch;
	size_t table = frame->count * sizeof(struct vmig_wire_run);
	unsigned long chunk = frame->first / VMIG_CHUNK_PAGES;
	char why[VMIG_WIRE_WHY_MAX];
	unsigned int i;
	int err;

	err = vmig_channel_recv_payload(ch, scratch->table, table);
	if (err)
		return err;
	vmig_runs_init(&scratch->runs);
	err = vmig_wire_decode_runs(scratch->table, frame->count,
				    vmig_channel_chunk_pages(region, chunk),
				    frame->len - table, scratch->runs.run,
				    why, sizeof(why));
	if (err)
		return vmig_channel_bad_frame(ch, why);
	scratch->runs.nruns = frame->count;
	for (i = 0; i < frame->count; i++)
		scratch->runs.pages[scratch->runs.run[i].kind] +=
			scratch->runs.run[i].npages;

	err = recv_data(ch, region, frame->first, frame->flags & VMIG_CHUNK_HUGE);
	if (err)
		return err;
	err = apply_marks(ch, region, frame->first);
	if (err)
		return err;
	vmig_channel_count(ch);
	return ch->in_final ? digest_runs(ch, frame->region, region,
					  frame->first) : 0;
}

/* Take pages until the end of the final pass. */
static int recv_memory(struct vmig_channel *ch)
{
	struct vmig_frame frame;
	int err;

	for (;;) {
		err = next_frame(ch, ch->in_final ? FINAL : STREAM, &frame);
		if (err)
			return err;
		switch (frame.type) {
		case VMIG_P_CHUNK:
			err = recv_chunk(ch, &frame);
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
	wait_event_idle(m->wait, READ_ONCE(m->ending));
	vmig_channel_farewell(ch);
	return 0;
}

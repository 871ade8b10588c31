// SPDX-License-Identifier: GPL-2.0
/*
 * The source's thread of a channel: passes over its chunks until the VM is
 * stopped, then a last one, and the proof that all arrived.
 *
 * A page is harvested (its dirty bit cleared, itself write-protected) before
 * it is read, so that a write during or after the reading makes it dirty
 * again and it travels again, behind this copy on the same stream.
 */
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include "compat/compat.h"
#include "migrate/engine.h"

#define PING_INTERVAL	(1 * HZ)
/*
 * A round lasts at least this long. Shorter ones would send a page that is
 * written all the time again and again, for nothing.
 */
#define ROUND_MIN_MS	100
/* The VM is stopped: the second final pass finds what the first one raced. */
#define FINAL_PASSES	16

static bool stop_copy(const struct vmig_channel *ch)
{
	return READ_ONCE(ch->m->stop_copy);
}

/* Receive until a frame of @type comes; PONGs tell that the peer lives. */
static int await(struct vmig_channel *ch, enum vmig_pkt type,
		 struct vmig_frame *frame)
{
	int err;

	do {
		err = vmig_channel_recv(ch, BIT(type) | BIT(VMIG_P_PONG), frame);
	} while (!err && frame->type != type);
	return err;
}

static int ping(struct vmig_channel *ch)
{
	struct vmig_frame frame;
	int err;

	if (time_before(jiffies, ch->last_tx + PING_INTERVAL))
		return 0;
	err = vmig_channel_signal(ch, VMIG_P_PING, 0);
	return err ?: await(ch, VMIG_P_PONG, &frame);
}

/* Wait until @until, the stop of the VM or the end, with heartbeats. */
static int rest(struct vmig_channel *ch, ktime_t until)
{
	struct vmig_migration *m = ch->m;
	s64 ms;
	int err;

	while (!stop_copy(ch)) {
		if (READ_ONCE(m->ending))
			return -ECANCELED;
		ms = ktime_ms_delta(until, ktime_get());
		if (ms <= 0)
			return 0;
		wait_event_idle_timeout(m->wait,
					READ_ONCE(m->ending) || stop_copy(ch),
					msecs_to_jiffies(min_t(s64, ms, 1000)) ?: 1);
		err = ping(ch);
		if (err)
			return err;
	}
	return 0;
}

static int send_hello(struct vmig_channel *ch)
{
	struct vmig_frame frame = {
		.type = VMIG_P_HELLO,
		.len = sizeof(struct vmig_wire_hello),
	};
	struct vmig_migration *m = ch->m;
	struct vmig_hello hello = {
		.channel = ch->index,
		.channels = m->nchannels,
		.regions = m->vm->nregions,
		.verify = m->info.verify,
	};
	struct vmig_wire_hello raw;

	memcpy(hello.token, m->info.token, sizeof(hello.token));
	vmig_wire_encode_hello(&hello, &raw);
	return vmig_channel_send(ch, &frame, &raw, false);
}

static int send_regions(struct vmig_channel *ch)
{
	struct vmig_vm *vm = ch->m->vm;
	unsigned int r;
	int err;

	for (r = 0; r < vm->nregions; r++) {
		const struct vmig_region *region = vm->regions[r];
		struct {
			struct vmig_wire_region region;
			char name[VMIG_WIRE_NAME_MAX];
		} raw;
		struct vmig_frame frame = { .type = VMIG_P_REGION, .region = r };
		size_t len = strlen(region->name);

		raw.region.size = cpu_to_le64(region->size);
		memcpy(raw.name, region->name, len);
		frame.len = sizeof(raw.region) + len;
		err = vmig_channel_send(ch, &frame, &raw, false);
		if (err)
			return err;
	}
	return 0;
}

/* No page leaves before all channels agreed, channel 0 on the regions. */
static int greet(struct vmig_channel *ch)
{
	struct vmig_migration *m = ch->m;
	struct vmig_frame frame;
	int err;

	err = send_hello(ch);
	if (!err && !ch->index)
		err = send_regions(ch);
	if (!err)
		err = await(ch, VMIG_P_HELLO_ACK, &frame);
	if (err)
		return err;

	mutex_lock(&m->lock);
	WRITE_ONCE(m->greeted, m->greeted + 1);
	mutex_unlock(&m->lock);
	wake_up_all(&m->wait);
	wait_event_idle(m->wait, READ_ONCE(m->ending) ||
			READ_ONCE(m->greeted) == m->nchannels);
	return READ_ONCE(m->ending) ? -ECANCELED : 0;
}

/* Sort pages [@page, @end) of a folio into runs; keep it if any has data. */
static int sort_folio(struct vmig_channel *ch, unsigned int r,
		      struct folio *folio, pgoff_t base, unsigned int page,
		      unsigned int end)
{
	struct vmig_region *region = ch->m->vm->regions[r];
	struct vmig_scratch *scratch = ch->scratch;
	bool data, kept = false;
	int err = 0;
	void *addr;

	if (folio_nr_pages(folio) == VMIG_CHUNK_PAGES)
		scratch->huge = true;
	for (; page < end; page++) {
		pgoff_t index = base + page;

		err = vmig_channel_check_page(ch, region, folio, index);
		if (err)
			break;
		addr = kmap_local_folio(folio, (index - folio->index) << PAGE_SHIFT);
		data = !vmig_runs_page_is_zero(addr);
		if (ch->in_final)
			vmig_digest_page(&ch->digest, r, index,
					 data ? addr : NULL);
		kunmap_local(addr);
		vmig_runs_add(&scratch->runs, page, 1,
			      data ? VMIG_RUN_DATA : VMIG_RUN_ZERO);
		if (data) {
			vmig_channel_add_page(ch, folio, index);
			kept = true;
		}
	}
	if (kept)
		scratch->folio[scratch->nfolios++] = folio;
	else
		folio_put(folio);
	return err;
}

static void add_hole(struct vmig_channel *ch, unsigned int r, pgoff_t base,
		     unsigned int page, unsigned int end)
{
	vmig_runs_add(&ch->scratch->runs, page, end - page, VMIG_RUN_HOLE);
	for (; ch->in_final && page < end; page++)
		vmig_digest_page(&ch->digest, r, base + page, NULL);
}

/*
 * Sort the harvested pages of a chunk into runs.
 * @first: the chunk is visited for the first time. What is not harvested then
 *	was never allocated, and the destination is told so: it may have
 *	something there.
 */
static int sort_chunk(struct vmig_channel *ch, unsigned int r,
		      unsigned long chunk, const unsigned long *pages,
		      bool first)
{
	struct vmig_region *region = ch->m->vm->regions[r];
	unsigned int npages = vmig_channel_chunk_pages(region, chunk);
	pgoff_t base = (pgoff_t)chunk * VMIG_CHUNK_PAGES;
	unsigned int page = 0, end;
	struct folio *folio;
	int err = 0;

	vmig_runs_init(&ch->scratch->runs);
	ch->scratch->huge = false;
	while (!err && page < npages) {
		end = find_next_bit(pages, npages, page);
		if (end > page) {
			if (first)
				add_hole(ch, r, base, page, end);
			page = end;
			continue;
		}
		folio = vmig_region_find_folio(region, base + page);
		if (!folio) {
			add_hole(ch, r, base, page, page + 1);
			page++;
			continue;
		}
		end = min_t(pgoff_t, npages,
			    folio->index + folio_nr_pages(folio) - base);
		end = find_next_zero_bit(pages, end, page);
		err = sort_folio(ch, r, folio, base, page, end);
		page = end;
	}
	return err;
}

static int send_chunk(struct vmig_channel *ch, unsigned int r,
		      unsigned long chunk)
{
	struct vmig_scratch *scratch = ch->scratch;
	size_t data = (size_t)scratch->runs.pages[VMIG_RUN_DATA] << PAGE_SHIFT;
	struct vmig_frame frame = {
		.type = VMIG_P_CHUNK,
		.region = r,
		.count = scratch->runs.nruns,
		.first = (u64)chunk * VMIG_CHUNK_PAGES,
		.flags = scratch->huge ? VMIG_CHUNK_HUGE : 0,
	};
	int err;

	frame.len = frame.count * sizeof(struct vmig_wire_run) + data;
	vmig_wire_encode_runs(scratch->runs.run, frame.count, scratch->table);
	err = vmig_channel_send(ch, &frame, scratch->table, true);
	if (!err && data)
		err = vmig_channel_send_pages(ch, data);
	if (!err)
		vmig_channel_count(ch);
	return err;
}

/*
 * Tell the destination of the chunks up to @until that this channel has never
 * visited: vmig_track_next() skipped them, as they are holes.
 */
static int push_holes(struct vmig_channel *ch, unsigned int r,
		      unsigned long until)
{
	struct vmig_region *region = ch->m->vm->regions[r];
	unsigned long chunk;
	int err;

	for (; r == ch->seen_region && ch->seen_chunk < until;
	     ch->seen_chunk = chunk + ch->m->nchannels) {
		chunk = ch->seen_chunk;
		if (READ_ONCE(ch->m->ending))
			return -ECANCELED;
		vmig_runs_init(&ch->scratch->runs);
		add_hole(ch, r, (pgoff_t)chunk * VMIG_CHUNK_PAGES, 0,
			 vmig_channel_chunk_pages(region, chunk));
		err = send_chunk(ch, r, chunk);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/* Return: whether this is the first visit of a chunk. */
static bool visit(struct vmig_channel *ch, unsigned int r, unsigned long chunk)
{
	if (r != ch->seen_region || chunk != ch->seen_chunk)
		return false;
	ch->seen_chunk += ch->m->nchannels;
	return true;
}

static int push_chunk(struct vmig_channel *ch, unsigned int r,
		      unsigned long chunk)
{
	struct vmig_region *region = ch->m->vm->regions[r];
	DECLARE_BITMAP(pages, VMIG_CHUNK_PAGES);
	ktime_t began;
	int err;

	bitmap_zero(pages, VMIG_CHUNK_PAGES);
	vmig_track_harvest(region, chunk, pages, ch->in_final);
	err = sort_chunk(ch, r, chunk, pages, visit(ch, r, chunk));
	if (!err && ch->scratch->runs.nruns) {
		began = ktime_get();
		err = send_chunk(ch, r, chunk);
		WRITE_ONCE(ch->sending, ktime_add(ch->sending,
						  ktime_sub(ktime_get(), began)));
		WRITE_ONCE(ch->round_data, ch->round_data +
			   ch->scratch->runs.pages[VMIG_RUN_DATA]);
	}
	vmig_channel_put_folios(ch);
	return err;
}

/* Hold back until the bandwidth limit, shared by all channels, allows more. */
static int pace(struct vmig_channel *ch, u64 bytes)
{
	u64 share = div_u64(ch->m->info.bandwidth, ch->m->nchannels) ?: 1;
	ktime_t now = ktime_get();
	int err;

	if (!ch->m->info.bandwidth || stop_copy(ch))
		return 0;
	/* An idle time saves up nothing: the limit is one at any moment. */
	if (ktime_before(ch->paced_until, now))
		ch->paced_until = now;
	ch->paced_until = ktime_add_ns(ch->paced_until,
				       mul_u64_u64_div_u64(bytes, NSEC_PER_SEC,
							   share));
	err = rest(ch, ch->paced_until);
	ch->pacing = ktime_add(ch->pacing, ktime_sub(ktime_get(), now));
	return err;
}

/* As push_pass(), for one region. */
static long push_region(struct vmig_channel *ch, unsigned int r)
{
	struct vmig_migration *m = ch->m;
	struct vmig_region *region = m->vm->regions[r];
	unsigned long end = DIV_ROUND_UP(m->region_pages[r], VMIG_CHUNK_PAGES);
	unsigned long chunk = 0;
	long visited = 0;
	u64 sent;
	int err;

	for (;; chunk++) {
		if (READ_ONCE(m->ending))
			return -ECANCELED;
		if (!ch->in_final && stop_copy(ch))
			return visited;
		chunk = vmig_track_next(region, chunk, ch->index, m->nchannels);
		err = push_holes(ch, r, min(chunk, end));
		if (err)
			return err;
		if (chunk == ULONG_MAX)
			break;
		sent = ch->link->sent;
		err = push_chunk(ch, r, chunk) ?:
		      pace(ch, ch->link->sent - sent);
		if (err)
			return err;
		visited++;
		cond_resched();
	}
	if (r == ch->seen_region) {
		ch->seen_region++;
		ch->seen_chunk = ch->index;
	}
	return visited;
}

/*
 * Visit every chunk of the channel that has something to send.
 * Return: chunks visited, or a negative errno. A pass before the final one ends
 * early when the VM is stopped.
 */
static long push_pass(struct vmig_channel *ch)
{
	long visited = 0, ret;
	unsigned int r;

	for (r = 0; r < ch->m->vm->nregions; r++) {
		ret = push_region(ch, r);
		if (ret < 0)
			return ret;
		visited += ret;
		if (!ch->in_final && stop_copy(ch))
			break;
	}
	return visited;
}

static u64 pages_told(const struct vmig_channel *ch)
{
	u64 pages = 0;
	unsigned int kind;

	for (kind = 0; kind < VMIG_RUN_KINDS; kind++)
		pages += ch->tally.pages[kind];
	return pages;
}

/*
 * Pass, and wait until the receiver has consumed it: then no socket buffer
 * refers to a page any more, which the next harvest would take for a device's
 * reference, and the time is that of delivery.
 */
static int push_round(struct vmig_channel *ch)
{
	ktime_t began = ktime_get(), before_ack;
	u64 told = pages_told(ch);
	struct vmig_frame frame;
	long visited;
	int err;

	WRITE_ONCE(ch->round_data, 0);
	WRITE_ONCE(ch->sending, 0);
	ch->pacing = 0;
	visited = push_pass(ch);
	if (visited < 0)
		return visited;
	/* The final pass follows at once; its references do not matter. */
	if (stop_copy(ch))
		return 0;
	ch->round_pages = pages_told(ch) - told;
	before_ack = ktime_get();
	err = vmig_channel_signal(ch, VMIG_P_ROUND, ch->rounds + 1);
	if (!err)
		err = await(ch, VMIG_P_ROUND_ACK, &frame);
	if (err)
		return err;
	if (frame.first != ch->rounds + 1)
		return vmig_channel_bad_frame(ch, "ROUND_ACK: first is not the round");
	WRITE_ONCE(ch->sending, ktime_add(ch->sending,
					  ktime_sub(ktime_get(), before_ack)));
	if (stop_copy(ch))
		return 0;
	vmig_stats_round(ch, began);
	return rest(ch, ktime_add_ms(began, ROUND_MIN_MS));
}

static int push_last_pages(struct vmig_channel *ch)
{
	unsigned int passes = 0;
	long visited;
	int err;

	vmig_digest_init(&ch->digest);
	ch->in_final = true;
	err = vmig_channel_signal(ch, VMIG_P_FINAL_BEGIN, 0);
	if (err)
		return err;
	do {
		if (passes++ == FINAL_PASSES)
			return vmig_channel_fail(ch, -EBUSY,
				"VM %s still writes to its memory after it was stopped: drain its I/O before stop-copy",
				ch->m->info.vm);
		visited = push_pass(ch);
	} while (visited > 0);
	ch->in_final = false;
	ch->tally.final_digest = vmig_digest_value(&ch->digest);
	return visited;
}

/* Both ends digest at the same time: the blackout has it once. */
static int push_digest(struct vmig_channel *ch)
{
	struct vmig_frame frame = {
		.type = VMIG_P_VERIFY,
		.len = sizeof(__le64),
	};
	__le64 raw;
	int err;

	if (!ch->m->info.verify)
		return 0;
	err = vmig_channel_digest_memory(ch, VMIG_P_PING,
					 &ch->tally.memory_digest);
	if (err)
		return err;
	raw = cpu_to_le64(ch->tally.memory_digest);
	return vmig_channel_send(ch, &frame, &raw, false);
}

static int prove(struct vmig_channel *ch)
{
	struct vmig_frame frame = {
		.type = VMIG_P_FINAL_END,
		.len = sizeof(struct vmig_wire_tally),
	};
	struct vmig_wire_tally raw;
	struct vmig_tally got;
	char why[VMIG_WIRE_WHY_MAX];
	int err;

	vmig_wire_encode_tally(&ch->tally, &raw);
	err = vmig_channel_send(ch, &frame, &raw, false) ?:
	      push_digest(ch) ?:
	      await(ch, VMIG_P_FINAL_ACK, &frame) ?:
	      vmig_channel_recv_payload(ch, &raw, sizeof(raw));
	if (err)
		return err;
	vmig_wire_decode_tally(&raw, &got);
	err = vmig_wire_compare_tally(&ch->tally, &got, why, sizeof(why));
	return err ? vmig_channel_fail(ch, err, "Channel %u: %s", ch->index,
				       why) : 0;
}

/*
 * Watch the peer until the end. After the commit began a lost peer is no
 * failure, but the destination still wants the heartbeats.
 */
static int watch(struct vmig_channel *ch)
{
	struct vmig_migration *m = ch->m;
	int err;

	do {
		wait_event_idle_timeout(m->wait, READ_ONCE(m->ending),
					PING_INTERVAL);
		if (READ_ONCE(m->ending))
			return 0;
		err = ping(ch);
	} while (!err);
	return err;
}

int vmig_push_thread(void *channel)
{
	struct vmig_channel *ch = channel;
	struct vmig_migration *m = ch->m;
	int err;

	err = vmig_channel_open(ch) ?: greet(ch);
	while (!err && !stop_copy(ch))
		err = push_round(ch);
	if (!err)
		err = push_last_pages(ch);
	if (!err)
		err = prove(ch);
	if (!err) {
		vmig_migration_acked(ch);
		err = watch(ch);
	}
	wait_event_idle(m->wait, READ_ONCE(m->ending));
	vmig_channel_farewell(ch);
	return 0;
}

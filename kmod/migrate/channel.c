// SPDX-License-Identifier: GPL-2.0
/*
 * Frames over a connection, and what both ends do with a chunk.
 *
 * Every function that can fail has told vmig_end_begin() why when it
 * returns: callers only unwind.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "migrate/engine.h"

/*
 * How long a thread whose connection broke waits for another channel to say
 * why: the peer says it on channels that are not in the middle of a frame.
 */
#define REASON_GRACE	(HZ / 2)
/*
 * How long, and for how many bytes, a thread listens to a peer that closed: as
 * many as the largest receive buffer that hosts are tuned to may hold.
 */
#define LAST_WORDS_MAX		(5 * HZ)
#define LAST_WORDS_BYTES	(64ULL << 20)

/**
 * vmig_channel_fail() - End the migration as FAILED.
 * @ch: the channel
 * @err: negative errno
 * @fmt: why, as a sentence without a full stop
 *
 * Return: @err.
 */
int vmig_channel_fail(struct vmig_channel *ch, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmig_end_vbegin(ch->m, VMIG_STATE_FAILED, -err, false, fmt, args);
	va_end(args);
	return err;
}

static int lost(struct vmig_channel *ch, int err)
{
	struct vmig_migration *m = ch->m;
	const char *node = m->info.node;
	struct vmig_link *link = ch->link;
	char text[256];

	if (err == -ECANCELED)
		return err;
	wait_event_idle_timeout(m->wait, READ_ONCE(m->ending), REASON_GRACE);
	if (link->ops->explain &&
	    link->ops->explain(link, err, node, ch->index, text, sizeof(text)))
		return vmig_channel_fail(ch, err, "%s", text);
	switch (err) {
	case -ENODATA:
		return vmig_channel_fail(ch, -ECONNRESET,
			"Node %s closed channel %u", node, ch->index);
	case -EPIPE:
		return vmig_channel_fail(ch, -ECONNRESET,
			"Node %s closed channel %u in the middle of a frame",
			node, ch->index);
	case -ETIMEDOUT:
		return vmig_channel_fail(ch, err,
			"Node %s was silent for %u seconds on channel %u",
			node, link->patience, ch->index);
	case -ETIME:
		return vmig_channel_fail(ch, err,
			"Node %s took longer than %u seconds for a frame on channel %u",
			node, link->limit, ch->index);
	default:
		return vmig_channel_fail(ch, err,
			"The connection to node %s broke on channel %u (error %d)",
			node, ch->index, -err);
	}
}

static int take_abort(struct vmig_channel *ch, const struct vmig_frame *frame)
{
	char text[VMIG_WIRE_TEXT_MAX + 1];
	unsigned int i;
	int err;

	err = ch->link->ops->recv(ch->link, text, frame->len);
	if (err)
		return lost(ch, err);
	for (i = 0; i < frame->len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	}
	text[frame->len] = '\0';
	if (frame->count == ECANCELED)
		vmig_end_begin(ch->m, VMIG_STATE_CANCELLED, 0, false,
			       "Node %s: %s", ch->m->info.node, text);
	else
		vmig_channel_fail(ch, -(int)min_t(u32, frame->count ?: EIO,
						  MAX_ERRNO),
				  "Node %s: %s", ch->m->info.node, text);
	return -ECANCELED;
}

static void seek_abort(struct vmig_channel *ch)
{
	const u64 most = ch->link->received + LAST_WORDS_BYTES;
	const unsigned long end = jiffies + LAST_WORDS_MAX;
	struct vmig_frame frame = { .len = 0 };
	struct vmig_wire_header header;
	char why[VMIG_WIRE_WHY_MAX];
	size_t len;

	while (ch->link->received < most && time_before(jiffies, end)) {
		if (frame.len) {
			len = min_t(size_t, frame.len,
				    sizeof(ch->scratch->table));
			if (ch->link->ops->recv(ch->link, ch->scratch->table, len))
				return;
			frame.len -= len;
			continue;
		}
		if (ch->link->ops->recv(ch->link, &header, sizeof(header)) ||
		    vmig_wire_decode(&header, &frame, why, sizeof(why)))
			return;
		/* Its pages, if there are any, are not in the stream. */
		if (frame.type == VMIG_P_CHUNK && ch->link->ops->pages_apart)
			frame.len = frame.count * sizeof(struct vmig_wire_run);
		if (frame.type == VMIG_P_ABORT &&
		    frame.len <= VMIG_WIRE_TEXT_MAX) {
			take_abort(ch, &frame);
			return;
		}
	}
}

/*
 * The peer closed, or gave up, while something else was expected of it. What it
 * said before is still to be received, and the last of it may be an ABORT that
 * tells why. All of it is here already: a peer that goes on talking is not worth
 * a wait.
 */
static void hear_last_words(struct vmig_channel *ch)
{
	struct vmig_link *link = ch->link;
	const unsigned int patience = link->patience, limit = link->limit;

	link->patience = 1;
	link->limit = 1;
	seek_abort(ch);
	link->patience = patience;
	link->limit = limit;
}

static int lost_sending(struct vmig_channel *ch, int err)
{
	if (err != -ECANCELED && err != -ETIMEDOUT && err != -ETIME &&
	    err != -EKEYEXPIRED)
		hear_last_words(ch);
	return lost(ch, err == -EPIPE ? -ENODATA : err);
}

/*
 * Where pages travel beside the frames, who gives up has an ABORT to say: instead
 * of them, or behind them, and then closes while they are still being received.
 */
static int lost_receiving(struct vmig_channel *ch, int err)
{
	if (ch->link->ops->pages_apart &&
	    (err == -ENOMSG || err == -ENODATA || err == -ECONNRESET ||
	     err == -EIO))
		hear_last_words(ch);
	if (err == -ENOMSG)
		return vmig_channel_bad_frame(ch,
			"it came before pages that were announced before");
	return lost(ch, err == -ENODATA ? -EPIPE : err);
}

/**
 * vmig_channel_open() - Wait until the channel is connected.
 * @ch: the channel
 *
 * The first call of its thread.
 */
int vmig_channel_open(struct vmig_channel *ch)
{
	struct vmig_migration *m = ch->m;
	struct vmig_link *link = ch->link;
	int err;

	err = link->ops->open ? link->ops->open(link) : 0;
	/* It closed, and may have spoken, before this node knew it connected. */
	if (err == -ENODATA || err == -ECONNRESET)
		hear_last_words(ch);
	if (err)
		return lost(ch, err);
	mutex_lock(&m->lock);
	m->opened++;
	mutex_unlock(&m->lock);
	return 0;
}

/* Give back what a channel has; no thread is left. */
void vmig_channel_detach(struct vmig_channel *ch)
{
	ch->link->ops->detach(ch->link);
	kvfree(ch->scratch);
	kvfree(ch->other);
}

/**
 * vmig_channel_send() - Send a frame.
 * @ch: the channel
 * @frame: its sequence number is filled in
 * @payload: frame->len bytes, or as many of them as vmig_channel_send_pages()
 *	does not send
 * @more: something follows at once
 */
int vmig_channel_send(struct vmig_channel *ch, struct vmig_frame *frame,
		      const void *payload, bool more)
{
	struct vmig_link *link = ch->link;
	struct vmig_wire_header header;
	size_t len = frame->len;
	int err;

	if (frame->type == VMIG_P_CHUNK)
		len = frame->count * sizeof(struct vmig_wire_run);
	err = link->ops->ready ? link->ops->ready(link, more) : 0;
	if (err)
		return lost_sending(ch, err);
	frame->seq = ch->tx_seq++;
	vmig_wire_encode(frame, &header);
	ch->torn = true;
	err = link->ops->send(link, &header, sizeof(header), payload, len,
			      more);
	if (err)
		return lost_sending(ch, err);
	ch->torn = len < frame->len && !link->ops->pages_apart;
	ch->last_tx = jiffies;
	return 0;
}

/* Send the pages in @ch->scratch, the rest of the frame before. */
int vmig_channel_send_pages(struct vmig_channel *ch, size_t len)
{
	struct vmig_scratch *scratch = ch->scratch;
	struct vmig_link *link = ch->link;
	int err;

	err = link->ops->send_pages(link, scratch->bvec, scratch->nbvecs, len,
				    true);
	if (err)
		return lost_sending(ch, err);
	ch->torn = false;
	ch->last_tx = jiffies;
	return 0;
}

/* Send a frame that is only a header. */
int vmig_channel_signal(struct vmig_channel *ch, enum vmig_pkt type, u64 first)
{
	struct vmig_frame frame = { .type = type, .first = first };

	return vmig_channel_send(ch, &frame, NULL, false);
}

int vmig_channel_bad_frame(struct vmig_channel *ch, const char *why)
{
	return vmig_channel_fail(ch, -EPROTO,
				 "Node %s sent a bad frame on channel %u: %s",
				 ch->m->info.node, ch->index, why);
}

/**
 * vmig_channel_recv() - Receive the header of the next frame.
 * @ch: the channel
 * @allowed: bit n is set if type n may come now; ABORT always may
 * @frame: filled in on success
 *
 * Return: 0 with a frame whose type, sequence, region, range and length are
 * right; its payload is to be received next.
 */
int vmig_channel_recv(struct vmig_channel *ch, u32 allowed,
		      struct vmig_frame *frame)
{
	struct vmig_migration *m = ch->m;
	struct vmig_wire_rules rules = {
		.allowed = allowed | BIT(VMIG_P_ABORT),
		.seq = ch->rx_seq++,
		.channel = ch->index,
		.channels = m->nchannels,
		.regions = m->vm->nregions,
		.region_pages = m->region_pages,
	};
	struct vmig_wire_header header;
	char why[VMIG_WIRE_WHY_MAX];
	int err;

	err = ch->link->ops->recv(ch->link, &header, sizeof(header));
	if (err)
		return lost(ch, err);
	err = vmig_wire_decode(&header, frame, why, sizeof(why)) ?:
	      vmig_wire_check(frame, &rules, why, sizeof(why));
	if (err)
		return vmig_channel_bad_frame(ch, why);
	if (frame->type == VMIG_P_ABORT)
		return take_abort(ch, frame);
	return 0;
}

int vmig_channel_recv_payload(struct vmig_channel *ch, void *buf, size_t len)
{
	int err = ch->link->ops->recv(ch->link, buf, len);

	/* The header has come: the peer closed in the middle of a frame. */
	return err ? lost(ch, err == -ENODATA ? -EPIPE : err) : 0;
}

/* Offer the peer the pages in @ch->scratch. */
int vmig_channel_offer_pages(struct vmig_channel *ch, size_t len)
{
	struct vmig_scratch *scratch = ch->scratch;
	struct vmig_link *link = ch->link;
	int err;

	err = link->ops->offer_pages(link, scratch->bvec, scratch->nbvecs, len);
	return err ? lost_receiving(ch, err) : 0;
}

/* Receive into the pages in @ch->scratch. */
int vmig_channel_recv_pages(struct vmig_channel *ch, size_t len)
{
	struct vmig_scratch *scratch = ch->scratch;
	struct vmig_link *link = ch->link;
	int err;

	err = link->ops->recv_pages(link, scratch->bvec, scratch->nbvecs, len);
	return err ? lost_receiving(ch, err) : 0;
}

/**
 * vmig_channel_farewell() - Tell the peer how it ended, if that is not obvious.
 * @ch: the channel
 *
 * For the channel's thread after vmig_end_begin(), or for whoever joined it.
 */
void vmig_channel_farewell(struct vmig_channel *ch)
{
	struct vmig_migration *m = ch->m;
	struct {
		struct vmig_wire_header header;
		char text[VMIG_WIRE_TEXT_MAX];
	} bye;
	struct vmig_frame frame = { .type = VMIG_P_ABORT, .seq = ch->tx_seq };
	size_t len = 0;

	if (ch->torn)
		return;
	mutex_lock(&m->lock);
	if (m->end_state != VMIG_STATE_DONE) {
		frame.len = strnlen(m->info.reason, sizeof(bye.text));
		frame.count = m->info.error ?: ECANCELED;
		memcpy(bye.text, m->info.reason, frame.len);
		vmig_wire_encode(&frame, &bye.header);
		len = sizeof(bye.header) + frame.len;
	}
	mutex_unlock(&m->lock);
	ch->link->ops->farewell(ch->link, &bye, len);
}

/**
 * vmig_channel_check_page() - Fail the migration over a page in broken memory.
 * @ch: the channel
 * @region: the region
 * @folio: that page @index of the region is in
 * @index: of the page within the region
 *
 * To read such a page may take the whole machine down.
 *
 * Return: 0 if the page is sound, or -EHWPOISON.
 */
int vmig_channel_check_page(struct vmig_channel *ch,
			    const struct vmig_region *region,
			    struct folio *folio, pgoff_t index)
{
	if (!PageHWPoison(folio_page(folio, index - folio->index)))
		return 0;
	return vmig_channel_fail(ch, -EHWPOISON,
		"Page %lu of memory region %s of VM %s is lost to a hardware error of this node's memory",
		index, region->name, ch->m->info.vm);
}

/* Pages of a chunk, which only the last of a region has fewer of. */
unsigned int vmig_channel_chunk_pages(const struct vmig_region *region,
				      unsigned long chunk)
{
	u64 first = (u64)chunk * VMIG_CHUNK_PAGES;
	u64 pages = (u64)region->size >> PAGE_SHIFT;

	return min_t(u64, pages - first, VMIG_CHUNK_PAGES);
}

/**
 * vmig_channel_add_page() - Add a page to those that travel next.
 * @ch: the channel
 * @folio: that page @index of the region is in; the caller keeps a reference
 *	until the pages are through
 * @index: of the page within the region
 */
void vmig_channel_add_page(struct vmig_channel *ch, struct folio *folio,
			   pgoff_t index)
{
	struct vmig_scratch *scratch = ch->scratch;
	struct page *page = folio_page(folio, index - folio->index);
	struct bio_vec *last = NULL;

	/* Neighbours in memory may be one piece only within a folio: a socket
	 * takes one reference a piece.
	 */
	if (scratch->nbvecs)
		last = &scratch->bvec[scratch->nbvecs - 1];
	if (last && page_folio(last->bv_page) == folio &&
	    nth_page(last->bv_page, last->bv_len >> PAGE_SHIFT) == page)
		last->bv_len += PAGE_SIZE;
	else
		bvec_set_page(&scratch->bvec[scratch->nbvecs++], page,
			      PAGE_SIZE, 0);
}

void vmig_channel_put_folios(struct vmig_channel *ch)
{
	struct vmig_scratch *scratch = ch->scratch;

	while (scratch->nfolios)
		folio_put(scratch->folio[--scratch->nfolios]);
	scratch->nbvecs = 0;
}

/* Count the runs of a chunk that went through. */
void vmig_channel_count(struct vmig_channel *ch)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	struct vmig_tally *tally = &ch->tally;
	unsigned int kind;

	for (kind = 0; kind < VMIG_RUN_KINDS; kind++) {
		WRITE_ONCE(tally->pages[kind],
			   tally->pages[kind] + runs->pages[kind]);
		if (ch->in_final)
			WRITE_ONCE(tally->final_pages,
				   tally->final_pages + runs->pages[kind]);
	}
}

bool vmig_channel_is_hole(const struct vmig_region *region, pgoff_t index,
			  unsigned int npages)
{
	loff_t from = (loff_t)index << PAGE_SHIFT;

	return !filemap_range_has_page(region->inode->i_mapping, from,
				       from + ((loff_t)npages << PAGE_SHIFT) - 1);
}

static int digest_chunk(struct vmig_channel *ch, unsigned int r,
			struct vmig_region *region, unsigned long chunk)
{
	pgoff_t index = (pgoff_t)chunk * VMIG_CHUNK_PAGES;
	pgoff_t end = index + vmig_channel_chunk_pages(region, chunk);
	struct folio *folio;
	pgoff_t last;
	int err = 0;
	void *page;

	if (vmig_channel_is_hole(region, index, end - index))
		return 0;
	while (!err && index < end) {
		folio = vmig_region_find_folio(region, index);
		if (!folio) {
			index++;
			continue;
		}
		last = min_t(pgoff_t, end, folio->index + folio_nr_pages(folio));
		for (; index < last; index++) {
			err = vmig_channel_check_page(ch, region, folio, index);
			if (err)
				break;
			page = kmap_local_folio(folio, (index - folio->index) << PAGE_SHIFT);
			if (!vmig_runs_page_is_zero(page))
				vmig_digest_page(&ch->digest, r, index, page);
			kunmap_local(page);
		}
		folio_put(folio);
	}
	return err;
}

/**
 * vmig_channel_digest_memory() - Digest all pages of the channel's chunks that
 *	are not zero, while the VM is stopped.
 * @ch: the channel
 * @alive: frame to send once a second meanwhile
 * @digest: filled in on success
 */
int vmig_channel_digest_memory(struct vmig_channel *ch, enum vmig_pkt alive,
			       u64 *digest)
{
	struct vmig_migration *m = ch->m;
	unsigned long chunk, chunks;
	unsigned int r;
	int err;

	vmig_digest_init(&ch->digest);
	for (r = 0; r < m->vm->nregions; r++) {
		struct vmig_region *region = m->vm->regions[r];

		chunks = DIV_ROUND_UP(m->region_pages[r], VMIG_CHUNK_PAGES);
		for (chunk = ch->index; chunk < chunks; chunk += m->nchannels) {
			err = digest_chunk(ch, r, region, chunk);
			if (err)
				return err;
			if (READ_ONCE(m->ending))
				return -ECANCELED;
			if (time_after(jiffies, ch->last_tx + HZ)) {
				err = vmig_channel_signal(ch, alive, 0);
				if (err)
					return err;
			}
			cond_resched();
		}
	}
	*digest = vmig_digest_value(&ch->digest);
	return 0;
}

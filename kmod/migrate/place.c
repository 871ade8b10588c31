// SPDX-License-Identifier: GPL-2.0
/*
 * A chunk at the destination: straight into the regions of the incoming VM.
 *
 * The peer is not trusted. What passes vmig_wire_check() and
 * vmig_wire_decode_runs() is within a chunk of this channel in a region of this
 * VM, and nothing else is written to.
 *
 * Over a transport with offers the pages of one chunk are offered before those of
 * the chunk before are here; marks are applied, and pages counted and digested, in
 * the order of the chunks all the same.
 */
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/pagemap.h>

#include "compat/compat.h"
#include "migrate/engine.h"

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
static int prepare_folios(struct vmig_channel *ch, struct vmig_region *region,
			  bool huge)
{
	const struct vmig_scratch *scratch = ch->scratch;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < scratch->runs.nruns; i++) {
		const struct vmig_run *run = &scratch->runs.run[i];
		pgoff_t index = scratch->base + run->first;

		if (run->kind == VMIG_RUN_DATA)
			err = prepare_run(ch, region, index,
					  index + run->npages, huge);
	}
	return err;
}

/* Copy the data of a chunk from a folio that nobody else will see. */
static int copy_into_folios(struct vmig_channel *ch,
			    struct vmig_region *region, struct folio *from)
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
			pgoff_t index = ch->scratch->base + page;

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
 * Receive a whole chunk into a huge folio that is not zeroed first if all that is
 * received is written: it would double the memory traffic of the first round. It
 * becomes the region's when it is filled: who touches the chunk before does not
 * have to wait for the peer.
 *
 * Return: whether there is such a folio to be had.
 */
static bool prepare_fresh(struct vmig_channel *ch, struct vmig_region *region)
{
	/* What a peer only says it has written must not be another's memory. */
	const bool zero = ch->link->ops->claims;
	struct vmig_scratch *scratch = ch->scratch;
	struct folio *folio;
	unsigned int i, page;

	folio = vmig_region_new_chunk(region, scratch->base, zero);
	if (!folio)
		return false;
	for (i = 0; i < scratch->runs.nruns; i++) {
		const struct vmig_run *run = &scratch->runs.run[i];

		if (!zero && run->kind != VMIG_RUN_DATA)
			folio_zero_range(folio, (size_t)run->first << PAGE_SHIFT,
					 (size_t)run->npages << PAGE_SHIFT);
		if (run->kind != VMIG_RUN_DATA)
			continue;
		for (page = run->first; page < run->first + run->npages; page++)
			vmig_channel_add_page(ch, folio, scratch->base + page);
	}
	scratch->fresh = folio;
	return true;
}

/* Find or allocate what the data of a chunk is received into. */
static int prepare(struct vmig_channel *ch, struct vmig_region *region, bool huge)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int covered = runs->pages[VMIG_RUN_DATA] +
			       runs->pages[VMIG_RUN_ZERO];

	if (huge && covered == VMIG_CHUNK_PAGES && prepare_fresh(ch, region))
		return 0;
	return prepare_folios(ch, region, huge);
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

static int apply_marks(struct vmig_channel *ch, struct vmig_region *region)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < runs->nruns; i++) {
		const struct vmig_run *run = &runs->run[i];
		pgoff_t index = ch->scratch->base + run->first;

		if (run->kind == VMIG_RUN_ZERO)
			err = zero_run(ch, region, index, index + run->npages);
		else if (run->kind == VMIG_RUN_HOLE &&
			 !vmig_channel_is_hole(region, index, run->npages))
			vmig_region_punch(region, index, run->npages);
	}
	return err;
}

/* Digest what is in memory now, not what came over the wire. */
static int digest_runs(struct vmig_channel *ch, struct vmig_region *region)
{
	const struct vmig_runs *runs = &ch->scratch->runs;
	unsigned int i, page, r = ch->scratch->region;
	struct folio *folio;
	void *addr;
	int err;

	for (i = 0; i < runs->nruns; i++) {
		for (page = 0; page < runs->run[i].npages; page++) {
			pgoff_t index = ch->scratch->base + runs->run[i].first +
					page;

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

/* The chunk's data is here, or there was none. */
static int finish(struct vmig_channel *ch)
{
	struct vmig_scratch *scratch = ch->scratch;
	struct vmig_region *region = ch->m->vm->regions[scratch->region];
	struct folio *fresh = scratch->fresh;
	int err = 0;

	scratch->fresh = NULL;
	vmig_channel_put_folios(ch);
	if (fresh) {
		if (vmig_region_add_chunk(region, fresh, scratch->base))
			err = copy_into_folios(ch, region, fresh);
		folio_put(fresh);
	}
	if (!err)
		err = apply_marks(ch, region);
	if (err)
		return err;
	vmig_channel_count(ch);
	return ch->in_final ? digest_runs(ch, region) : 0;
}

static size_t data_bytes(const struct vmig_scratch *scratch)
{
	return (size_t)scratch->runs.pages[VMIG_RUN_DATA] << PAGE_SHIFT;
}

static int recv_table(struct vmig_channel *ch, const struct vmig_frame *frame)
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
	scratch->region = frame->region;
	scratch->base = frame->first;
	scratch->runs.nruns = frame->count;
	for (i = 0; i < frame->count; i++)
		scratch->runs.pages[scratch->runs.run[i].kind] +=
			scratch->runs.run[i].npages;
	return 0;
}

/**
 * vmig_place_rest() - Receive the chunk that is only offered, if there is one.
 * @ch: the channel
 *
 * Return: 0, or a negative errno; the migration has failed then.
 */
int vmig_place_rest(struct vmig_channel *ch)
{
	int err;

	if (!ch->other || !ch->other->offered)
		return 0;
	swap(ch->scratch, ch->other);
	err = vmig_channel_recv_pages(ch, data_bytes(ch->scratch));
	ch->scratch->offered = false;
	if (!err)
		err = finish(ch);
	swap(ch->scratch, ch->other);
	return err;
}

/*
 * Has the chunk pages to offer before those of the one before are here? Not if it
 * is the same chunk again: its earlier marks come before these pages.
 */
static bool may_go_ahead(const struct vmig_channel *ch)
{
	const struct vmig_scratch *this = ch->scratch, *before = ch->other;

	return data_bytes(this) && before &&
	       (this->region != before->region || this->base != before->base);
}

/* Offer the chunk's pages, then receive those of the one before. */
static int go_ahead(struct vmig_channel *ch)
{
	int err;

	err = vmig_channel_offer_pages(ch, data_bytes(ch->scratch)) ?:
	      vmig_place_rest(ch);
	if (err)
		return err;
	ch->scratch->offered = true;
	swap(ch->scratch, ch->other);
	return 0;
}

/**
 * vmig_place_chunk() - Receive a chunk, or offer its pages and receive the one
 *	before.
 * @ch: the channel
 * @frame: the chunk's, of which the header was received
 *
 * Return: 0, or a negative errno; the migration has failed then.
 */
int vmig_place_chunk(struct vmig_channel *ch, const struct vmig_frame *frame)
{
	struct vmig_region *region = ch->m->vm->regions[frame->region];
	size_t data;
	int err;

	err = recv_table(ch, frame);
	if (!err && !may_go_ahead(ch))
		err = vmig_place_rest(ch);
	if (err)
		return err;
	data = data_bytes(ch->scratch);
	if (!data)
		return finish(ch);
	err = prepare(ch, region, frame->flags & VMIG_CHUNK_HUGE);
	if (err)
		return err;
	if (ch->other)
		return go_ahead(ch);
	return vmig_channel_recv_pages(ch, data) ?: finish(ch);
}

static void drop(struct vmig_channel *ch)
{
	struct vmig_scratch *scratch = ch->scratch;

	vmig_channel_put_folios(ch);
	if (scratch->fresh)
		folio_put(scratch->fresh);
	scratch->fresh = NULL;
}

/**
 * vmig_place_drop() - Let go of the chunks that will not be received any more.
 * @ch: the channel
 */
void vmig_place_drop(struct vmig_channel *ch)
{
	drop(ch);
	if (!ch->other)
		return;
	swap(ch->scratch, ch->other);
	drop(ch);
}

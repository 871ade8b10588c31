// SPDX-License-Identifier: GPL-2.0
/*
 * What a migration tells about itself, and what it concludes from it: whether
 * it has converged, and whether writers must be slowed.
 *
 * Convergence: the pages that are left, at the rate at which pages were really
 * delivered, plus what even an empty pass costs, must fit into the blackout
 * that is allowed. When rounds stop getting smaller, only a slower VM helps:
 * its first writes to clean pages are limited to half of what was measured, and
 * to half of that for each round that still does not shrink. Since the rate at
 * which pages get dirty then falls below any bandwidth, the end is certain.
 *
 * Unless the network alone is slower than the target: then no throttle helps,
 * and there is none, but a warning; limit.c ends what cannot end well.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "compat/compat.h"
#include "migrate/engine.h"

/* A round with fewer pages of data says little about the bandwidth. */
#define RATE_PAGES	64
/* Until a round says more: less than any network that VMs are moved over. */
#define RATE_GUESS	(32ULL << 20)
/* Writers are never limited to fewer pages a second. */
#define THROTTLE_MIN	64

static u64 channels_wire(const struct vmig_migration *m)
{
	u64 wire = 0;
	unsigned int i;

	for (i = 0; i < m->nchannels; i++)
		wire += READ_ONCE(m->channels[i].link->sent) +
			READ_ONCE(m->channels[i].link->received);
	return wire;
}

static void refresh_channels(struct vmig_migration *m)
{
	u64 pages[VMIG_RUN_KINDS] = {};
	unsigned int i, kind;
	u64 final = 0;

	for (i = 0; i < m->nchannels; i++) {
		const struct vmig_tally *tally = &m->channels[i].tally;

		for (kind = 0; kind < VMIG_RUN_KINDS; kind++)
			pages[kind] += READ_ONCE(tally->pages[kind]);
		final += READ_ONCE(tally->final_pages);
	}
	m->info.counters.data_pages = pages[VMIG_RUN_DATA];
	m->info.counters.zero_pages = pages[VMIG_RUN_ZERO];
	m->info.counters.hole_pages = pages[VMIG_RUN_HOLE];
	m->info.counters.final_pages = final;
	m->info.counters.wire_bytes = channels_wire(m);
}

static void refresh_memory(struct vmig_migration *m)
{
	u64 memory = 0, allocated = 0;
	unsigned int r;

	for (r = 0; r < m->vm->nregions; r++) {
		memory += m->vm->regions[r]->size;
		allocated += atomic64_read(&m->vm->regions[r]->pages);
	}
	m->info.counters.memory_bytes = memory;
	m->info.counters.allocated_bytes = allocated << PAGE_SHIFT;
}

static void refresh_tracking(struct vmig_migration *m)
{
	struct vmig_track_stats track;

	if (!m->tracking)
		return;
	vmig_track_stats(m->vm, &track);
	m->info.counters.remaining_bytes = track.remaining << PAGE_SHIFT;
	m->info.counters.tracked_faults = track.faults;
	m->info.counters.sticky_pages = track.sticky;
	m->info.counters.tracking_bytes = track.bytes;
	m->info.counters.throttle = vmig_throttle_waited_us(m->vm);
}

/* Bring m->info up to date. After the end it stays as it was last. */
void vmig_stats_refresh(struct vmig_migration *m)
{
	enum vmig_stage stage = m->info.stage;
	ktime_t now = ktime_get();

	lockdep_assert_held(&m->lock);
	if (!m->channels)
		return;
	refresh_channels(m);
	refresh_memory(m);
	refresh_tracking(m);
	m->info.elapsed = ktime_us_delta(now, m->created);
	m->info.stages[stage].duration = ktime_us_delta(now, m->stage_began);
}

/* Once a second: rates over the last one. */
void vmig_stats_tick(struct vmig_migration *m)
{
	ktime_t now = ktime_get();
	u64 us, wire, faults;

	mutex_lock(&m->lock);
	if (!m->ending) {
		vmig_stats_refresh(m);
		us = max_t(s64, ktime_us_delta(now, m->tick_at), 1);
		wire = m->info.counters.wire_bytes;
		faults = m->info.counters.tracked_faults;
		m->info.counters.throughput =
			div64_u64((wire - m->tick_wire) * USEC_PER_SEC, us);
		m->info.counters.dirty_rate =
			div64_u64((faults - m->tick_faults) * USEC_PER_SEC, us);
		m->tick_at = now;
		m->tick_wire = wire;
		m->tick_faults = faults;
	}
	mutex_unlock(&m->lock);
}

/* Return: bytes a second that @pages in @blocked show. */
static u64 rate_of(u64 pages, ktime_t blocked)
{
	return mul_u64_u64_div_u64(pages << PAGE_SHIFT, NSEC_PER_SEC,
				   max_t(s64, ktime_to_ns(blocked), 1));
}

/* Return: bytes a second that a channel delivers, 0 if that is not known. */
static u64 channel_rate(const struct vmig_channel *ch)
{
	u64 pages = READ_ONCE(ch->round_data);
	ktime_t blocked = READ_ONCE(ch->sending);

	/* What counts is a whole round, until then the one under way. */
	if (ch->bytes_per_s || pages < RATE_PAGES || !blocked)
		return ch->bytes_per_s;
	return rate_of(pages, blocked);
}

/* Return: bytes a second that all channels deliver together. */
static u64 delivery_rate(const struct vmig_migration *m)
{
	unsigned int i, known = 0;
	u64 rate = 0;

	for (i = 0; i < m->nchannels; i++) {
		u64 bytes_per_s = channel_rate(&m->channels[i]);

		known += !!bytes_per_s;
		rate += bytes_per_s;
	}
	return known ? rate * m->nchannels / known : RATE_GUESS;
}

/* Return: us that the VM would stand still if it were stopped now. */
u64 vmig_stats_predict(const struct vmig_migration *m)
{
	/* The quotient of what any memory holds fits 64 bits, as it must. */
	u64 rate = max_t(u64, delivery_rate(m), PAGE_SIZE);
	u64 fixed = 0;
	unsigned int i;

	for (i = 0; i < m->nchannels; i++)
		fixed = max(fixed, m->channels[i].shortest_pass_us);
	return fixed + mul_u64_u64_div_u64(m->info.counters.remaining_bytes,
					   USEC_PER_SEC, rate);
}

static void throttle_writers(struct vmig_migration *m)
{
	u64 faults = m->info.counters.tracked_faults - m->round_faults;
	u64 us = max_t(s64, ktime_us_delta(ktime_get(), m->round_at), 1);
	u64 remaining = m->info.counters.remaining_bytes;

	if (remaining < m->best_remaining - m->best_remaining / 8) {
		m->best_remaining = remaining;
		m->stuck_rounds = 0;
		return;
	}
	if (++m->stuck_rounds < VMIG_STUCK_ROUNDS && !m->throttle)
		return;
	if (m->throttle)
		m->throttle /= 2;
	else
		m->throttle = div64_u64(faults * USEC_PER_SEC, us) / 2;
	m->throttle = max_t(u64, m->throttle, THROTTLE_MIN);
	vmig_throttle_set(m->vm, m->throttle);
}

static void let_go(struct vmig_migration *m)
{
	m->futile_since = 0;
	*m->info.warning = '\0';
}

/*
 * Whether even a round with next to nothing to send takes longer than the VM
 * may stand still. The round trip is known before any such round.
 */
static bool is_futile(struct vmig_migration *m)
{
	struct vmig_migration_info *info = &m->info;
	u64 round_us = 0, trip_us = 0, target_ms = info->max_blackout_ms;
	unsigned int i;

	for (i = 0; i < m->nchannels; i++) {
		struct vmig_channel *ch = &m->channels[i];
		struct vmig_link *link = ch->link;

		round_us = max(round_us, ch->small_pass_us);
		trip_us = max_t(u64, trip_us, link->ops->round_trip_us(link));
	}
	round_us = max(round_us, trip_us);
	if (round_us <= target_ms * USEC_PER_MSEC)
		return false;
	if (!m->futile_since)
		m->futile_since = ktime_get();
	snprintf(info->warning, sizeof(info->warning),
		 "The blackout target of %llu ms cannot be met: the smallest round takes %llu ms, of which %llu ms are the round trip to node %s; ask for %llu ms or more",
		 target_ms, round_us / USEC_PER_MSEC, trip_us / USEC_PER_MSEC,
		 info->node, roundup(2 * round_us / USEC_PER_MSEC, 100));
	if (m->throttle)
		vmig_throttle_set(m->vm, 0);
	m->throttle = 0;
	m->stuck_rounds = 0;
	return true;
}

/* A round has ended on all channels of the source. */
static void conclude(struct vmig_migration *m)
{
	struct vmig_migration_info *info = &m->info;
	bool fits;

	info->counters.predicted_blackout = vmig_stats_predict(m);
	/* Of a VM that stands still nothing is left after a round. */
	fits = info->quick ||
	       info->counters.predicted_blackout <=
	       (u64)info->max_blackout_ms * USEC_PER_MSEC;
	if (fits || !is_futile(m)) {
		let_go(m);
		info->converged |= fits;
		if (!fits)
			throttle_writers(m);
	}
	m->round_at = ktime_get();
	m->round_faults = info->counters.tracked_faults;
}

static void note_pass(struct vmig_channel *ch, ktime_t began)
{
	/* The bandwidth limit ends with the stop. */
	u64 us = ktime_us_delta(ktime_get(), ktime_add(began, ch->pacing));

	if (!ch->shortest_pass_us || us < ch->shortest_pass_us)
		ch->shortest_pass_us = us;
	if (ch->round_data >= RATE_PAGES)
		ch->bytes_per_s = rate_of(ch->round_data, ch->sending);
	/*
	 * Zero pages and holes cost time as well, and the first pass has most of
	 * them: only a pass without either shows what an empty one costs.
	 */
	if (ch->rounds > 1 && ch->round_pages < RATE_PAGES &&
	    (!ch->small_pass_us || us < ch->small_pass_us))
		ch->small_pass_us = us;
}

/* A round that moved nothing and concluded nothing is no news. */
static bool is_news(struct vmig_migration *m, bool was_converged,
		    bool was_warned)
{
	u64 pages = m->info.counters.data_pages + m->info.counters.zero_pages +
		    m->info.counters.hole_pages;
	bool news = pages != m->round_pages ||
		    m->info.converged != was_converged ||
		    !*m->info.warning == was_warned;

	m->round_pages = pages;
	return news;
}

/**
 * vmig_stats_round() - A channel has ended a round.
 * @ch: the channel
 * @began: when; 0 on the destination, which draws no conclusions
 */
void vmig_stats_round(struct vmig_channel *ch, ktime_t began)
{
	struct vmig_migration *m = ch->m;
	u32 rounds = U32_MAX;
	bool converged, warned;
	unsigned int i;

	mutex_lock(&m->lock);
	converged = m->info.converged;
	warned = *m->info.warning;
	ch->rounds++;
	for (i = 0; i < m->nchannels; i++)
		rounds = min(rounds, m->channels[i].rounds);
	if (began)
		note_pass(ch, began);
	/* The round under way is the one after those that all have ended. */
	if (!m->ending && !m->stop_copy && rounds >= m->info.counters.round) {
		m->info.counters.round = rounds + 1;
		vmig_stats_refresh(m);
		if (began)
			conclude(m);
		if (is_news(m, converged, warned))
			vmig_migration_notify(m);
	}
	mutex_unlock(&m->lock);
}

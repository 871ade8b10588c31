/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A channel: a connection of a migration, its frames, and the thread that
 * serves it.
 *
 * All fields belong to the channel's thread unless said otherwise. Counters are
 * read by others with READ_ONCE().
 */
#ifndef _VMIG_CHANNEL_H
#define _VMIG_CHANNEL_H

#include <linux/bvec.h>
#include <linux/ktime.h>
#include <linux/types.h>

#include "migrate/digest.h"
#include "migrate/runs.h"
#include "migrate/wire.h"
#include "transport/link.h"

struct folio;
struct task_struct;
struct vmig_migration;
struct vmig_region;

#define VMIG_PAGES_MAX VMIG_WIRE_CHUNK_PAGES

/*
 * What one chunk needs on its way, the largest part of a migration's memory.
 * @huge: the source has it in one folio
 * @region: destination: number
 * @base: destination: the chunk's first page within the region
 * @fresh: destination: the whole chunk's folio, not the region's yet; referenced
 * @offered: destination: the pages are offered to the peer, and not received yet
 */
struct vmig_scratch {
	struct vmig_runs runs;
	struct vmig_wire_run table[VMIG_PAGES_MAX];
	struct bio_vec bvec[VMIG_PAGES_MAX];
	unsigned int nbvecs;
	struct folio *folio[VMIG_PAGES_MAX];
	unsigned int nfolios;
	bool huge;
	unsigned int region;
	pgoff_t base;
	struct folio *fresh;
	bool offered;
};

/**
 * struct vmig_channel - one of a migration's connections
 * @task: NULL until the migration is started; referenced
 * @torn: a frame was sent in part, nothing can follow it
 * @last_tx: jiffies of the last frame sent
 * @tally: what was sent or received
 * @in_final: between FINAL_BEGIN and FINAL_END: pages count as final and
 *	enter @digest
 * @rounds: source: passes ended, guarded by the migration's lock
 * @paced_until: source: when the bandwidth limit lets the next chunk go
 * @m: the migration
 * @index: of the page within the region
 * @link: the connection; owned
 * @tx_seq: number of the next frame to send
 * @rx_seq: number of the next frame to receive
 * @digest: filled in on success
 * @seen_region: source: where @seen_chunk is
 * @seen_chunk: source: the channel's first chunk that the destination was told
 *	nothing about yet
 * @bytes_per_s: source: what the last rounds showed, guarded by the migration's
 *	lock
 * @shortest_pass_us: the same
 * @small_pass_us: the same, of passes after the first that told of fewer than
 *	RATE_PAGES pages, zero pages and holes included; 0 before one
 * @round_pages: source: pages of any kind that this pass told of
 * @round_data: source: data pages of this pass; read by others
 * @sending: source: the time for which this pass was blocked in sending; the
 *	same
 * @pacing: source: the time for which the bandwidth limit held this pass back
 * @scratch: of the chunk at hand; owned
 * @other: destination, with a transport that has offers: of the chunk before;
 *	owned
 */
struct vmig_channel {
	struct vmig_migration *m;
	unsigned int index;
	struct task_struct *task;
	struct vmig_link *link;

	u32 tx_seq;
	u32 rx_seq;
	bool torn;
	unsigned long last_tx;

	struct vmig_tally tally;
	bool in_final;
	struct vmig_digest digest;

	unsigned int seen_region;
	unsigned long seen_chunk;
	u32 rounds;
	u64 bytes_per_s;
	u64 shortest_pass_us;
	u64 small_pass_us;
	u64 round_pages;
	u64 round_data;
	ktime_t sending;
	ktime_t paced_until;
	ktime_t pacing;

	struct vmig_scratch *scratch;
	struct vmig_scratch *other;
};

int vmig_channel_open(struct vmig_channel *ch);
void vmig_channel_detach(struct vmig_channel *ch);
int vmig_channel_send(struct vmig_channel *ch, struct vmig_frame *frame,
		      const void *payload, bool more);
int vmig_channel_send_pages(struct vmig_channel *ch, size_t len);
int vmig_channel_recv(struct vmig_channel *ch, u32 allowed,
		      struct vmig_frame *frame);
int vmig_channel_recv_payload(struct vmig_channel *ch, void *buf, size_t len);
int vmig_channel_offer_pages(struct vmig_channel *ch, size_t len);
int vmig_channel_recv_pages(struct vmig_channel *ch, size_t len);
__printf(3, 4)
int vmig_channel_fail(struct vmig_channel *ch, int err, const char *fmt, ...);
int vmig_channel_bad_frame(struct vmig_channel *ch, const char *why);
int vmig_channel_signal(struct vmig_channel *ch, enum vmig_pkt type, u64 first);
void vmig_channel_farewell(struct vmig_channel *ch);

void vmig_channel_add_page(struct vmig_channel *ch, struct folio *folio,
			   pgoff_t index);
void vmig_channel_put_folios(struct vmig_channel *ch);
void vmig_channel_count(struct vmig_channel *ch);
int vmig_channel_check_page(struct vmig_channel *ch,
			    const struct vmig_region *region,
			    struct folio *folio, pgoff_t index);
bool vmig_channel_is_hole(const struct vmig_region *region, pgoff_t index,
			  unsigned int npages);
unsigned int vmig_channel_chunk_pages(const struct vmig_region *region,
				      unsigned long chunk);
int vmig_channel_digest_memory(struct vmig_channel *ch, enum vmig_pkt alive,
			       u64 *digest);

#endif /* _VMIG_CHANNEL_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * Digest of guest memory by xxHash64: it finds what hardware, the network and
 * our own mistakes do to memory, not what an attacker does.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/byteorder.h>

#include "migrate/digest.h"
#include "migrate/runs.h"
#include "migrate/wire.h"

void vmig_digest_init(struct vmig_digest *digest)
{
	xxh64_reset(&digest->xxh, 0);
}

/**
 * vmig_digest_page() - Add a page.
 * @digest: filled in on success
 * @region: number of the region
 * @index: of the page within the region
 * @page: its bytes, or NULL for a hole; zeroes are taken for a hole
 */
void vmig_digest_page(struct vmig_digest *digest, u16 region, u64 index,
		      const void *page)
{
	bool data = page && !vmig_runs_page_is_zero(page);
	__le64 head[2] = {
		cpu_to_le64(region | (data ? 1ULL << 16 : 0)),
		cpu_to_le64(index),
	};

	/* Fails on a NULL buffer only. */
	xxh64_update(&digest->xxh, head, sizeof(head));
	if (data)
		xxh64_update(&digest->xxh, page, VMIG_WIRE_PAGE_SIZE);
}

u64 vmig_digest_value(const struct vmig_digest *digest)
{
	return xxh64_digest(&digest->xxh);
}

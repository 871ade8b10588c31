/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A digest of guest memory that does not depend on how it is stored: a hole
 * and a page of zeroes are the same.
 *
 * Pure: also compiled into the user-space tests.
 */
#ifndef _VMIG_DIGEST_H
#define _VMIG_DIGEST_H

#include <linux/types.h>
#include <linux/xxhash.h>

struct vmig_digest {
	struct xxh64_state xxh;
};

void vmig_digest_init(struct vmig_digest *digest);
void vmig_digest_page(struct vmig_digest *digest, u16 region, u64 index,
		      const void *page);
u64 vmig_digest_value(const struct vmig_digest *digest);

#endif /* _VMIG_DIGEST_H */

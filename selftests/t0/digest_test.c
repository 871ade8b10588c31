// SPDX-License-Identifier: GPL-2.0
/*
 * What the digest must tell apart and what it must not.
 */
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "migrate/digest.h"
#include "migrate/wire.h"

static u8 *page_of(int value)
{
	u8 *page = aligned_alloc(VMIG_WIRE_PAGE_SIZE, VMIG_WIRE_PAGE_SIZE);

	memset(page, value, VMIG_WIRE_PAGE_SIZE);
	return page;
}

static u64 digest_of(u16 region, u64 index, const void *page)
{
	struct vmig_digest digest;
	u64 value;

	vmig_digest_init(&digest);
	vmig_digest_page(&digest, region, index, page);
	value = vmig_digest_value(&digest);
	free(digest.xxh.input);
	return value;
}

/* Vectors of the xxHash specification: the shim computes the real thing. */
TEST(shim_is_xxhash64)
{
	struct xxh64_state state;
	u8 sanity[101];
	u32 generator = 2654435761U;
	size_t i;

	xxh64_reset(&state, 0);
	EXPECT_EQ(0xEF46DB3751D8E999ULL, xxh64_digest(&state));
	for (i = 0; i < sizeof(sanity); i++) {
		sanity[i] = generator >> 24;
		generator *= generator;
	}
	xxh64_update(&state, sanity, 1);
	EXPECT_EQ(0x4FCE394CC88952D8ULL, xxh64_digest(&state));
	xxh64_update(&state, sanity + 1, 13);
	EXPECT_EQ(0xCFFA8DB881BC3A3DULL, xxh64_digest(&state));
	xxh64_update(&state, sanity + 14, 87);
	EXPECT_EQ(0x0EAB543384F878ADULL, xxh64_digest(&state));
	free(state.input);
}

TEST(hole_equals_zero_page)
{
	u8 *zero = page_of(0);

	EXPECT_EQ(digest_of(1, 7, NULL), digest_of(1, 7, zero));
	free(zero);
}

TEST(tells_apart)
{
	u8 *page = page_of(1), *zero = page_of(0);
	u64 base = digest_of(1, 7, page);

	EXPECT_NE(base, digest_of(2, 7, page));
	EXPECT_NE(base, digest_of(1, 8, page));
	EXPECT_NE(base, digest_of(1, 7, zero));
	EXPECT_NE(digest_of(1, 7, NULL), digest_of(1, 8, NULL));
	page[VMIG_WIRE_PAGE_SIZE - 1] ^= 0x80;
	EXPECT_NE(base, digest_of(1, 7, page));
	free(page);
	free(zero);
}

TEST(order_matters)
{
	u8 *a = page_of(1), *b = page_of(2);
	struct vmig_digest ab, ba;

	vmig_digest_init(&ab);
	vmig_digest_page(&ab, 0, 1, a);
	vmig_digest_page(&ab, 0, 2, b);
	vmig_digest_init(&ba);
	vmig_digest_page(&ba, 0, 2, b);
	vmig_digest_page(&ba, 0, 1, a);
	EXPECT_NE(vmig_digest_value(&ab), vmig_digest_value(&ba));
	free(ab.xxh.input);
	free(ba.xxh.input);
	free(a);
	free(b);
}

TEST_HARNESS_MAIN

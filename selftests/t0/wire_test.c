// SPDX-License-Identifier: GPL-2.0
/*
 * The wire codec: what is encoded reads back the same, every bit of a header
 * that is turned over is noticed or means something else, and every field that
 * is wrong is named.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <asm/byteorder.h>

#include "kselftest_harness.h"
#include "migrate/wire.h"

static const u64 region_pages[] = { 2048, 512 + 7, 1 };

static const struct vmig_wire_rules rules = {
	.allowed = ~0U,
	.seq = 5,
	.channel = 1,
	.channels = 2,
	.regions = ARRAY_SIZE(region_pages),
	.region_pages = region_pages,
};

/* A CHUNK of two runs and three pages, as good as it can be. */
static const struct vmig_frame good = {
	.type = VMIG_P_CHUNK,
	.region = 1,
	.seq = 5,
	.count = 2,
	.first = 512,
	.len = 2 * sizeof(struct vmig_wire_run) + 3 * VMIG_WIRE_PAGE_SIZE,
};

static char why[VMIG_WIRE_WHY_MAX];

static int judge(const struct vmig_frame *frame)
{
	struct vmig_wire_header header;
	struct vmig_frame out;
	int err;

	why[0] = '\0';
	vmig_wire_encode(frame, &header);
	err = vmig_wire_decode(&header, &out, why, sizeof(why));
	return err ? err : vmig_wire_check(&out, &rules, why, sizeof(why));
}

#define EXPECT_BAD(frame, text) do {					\
	EXPECT_EQ(-EPROTO, judge(&(frame)));				\
	EXPECT_NE(NULL, strstr(why, text))				\
		TH_LOG("said: %s", why);				\
} while (0)

TEST(layout)
{
	EXPECT_EQ(32, sizeof(struct vmig_wire_header));
	EXPECT_EQ(32, sizeof(struct vmig_wire_hello));
	EXPECT_EQ(8, sizeof(struct vmig_wire_run));
	EXPECT_EQ(48, sizeof(struct vmig_wire_tally));
}

TEST(header_round_trip)
{
	struct vmig_wire_header header;
	struct vmig_frame out;

	vmig_wire_encode(&good, &header);
	ASSERT_EQ(0, vmig_wire_decode(&header, &out, why, sizeof(why)));
	EXPECT_EQ(good.type, out.type);
	EXPECT_EQ(good.region, out.region);
	EXPECT_EQ(good.seq, out.seq);
	EXPECT_EQ(good.count, out.count);
	EXPECT_EQ(good.first, out.first);
	EXPECT_EQ(good.len, out.len);
	EXPECT_EQ(0, judge(&good));
}

/* The bytes themselves: a changed layout must take a new version. */
TEST(header_bytes)
{
	static const u8 bytes[32] = {
		'v', 'm', 'i', 'g', 1, 4, 1, 0, 5, 0, 0, 0, 2, 0, 0, 0,
		0, 2, 0, 0, 0, 0, 0, 0, 0x10, 0x30, 0, 0, 0, 0, 0, 0,
	};
	struct vmig_wire_header header;

	vmig_wire_encode(&good, &header);
	EXPECT_EQ(0, memcmp(bytes, &header, sizeof(bytes)));
}

TEST(every_flipped_bit)
{
	struct vmig_wire_header header;
	struct vmig_frame out;
	unsigned int bit;

	for (bit = 0; bit < sizeof(header) * 8; bit++) {
		bool same = false;
		int err;

		vmig_wire_encode(&good, &header);
		((u8 *)&header)[bit / 8] ^= 1 << (bit % 8);
		err = vmig_wire_decode(&header, &out, why, sizeof(why));
		if (!err)
			err = vmig_wire_check(&out, &rules, why, sizeof(why));
		/*
		 * A region, count, length or first page may be another legal
		 * one; then it must at least not read as the same frame.
		 */
		if (!err)
			same = out.type == good.type &&
			       out.region == good.region &&
			       out.count == good.count &&
			       out.first == good.first &&
			       out.len == good.len && out.flags == good.flags;
		EXPECT_FALSE(same) TH_LOG("bit %u went unnoticed", bit);
		if (!err)
			EXPECT_LT(out.region, rules.regions);
	}
}

TEST(foreign_header)
{
	struct vmig_wire_header header;
	struct vmig_frame out;

	memset(&header, 0, sizeof(header));
	EXPECT_EQ(-EPROTO, vmig_wire_decode(&header, &out, why, sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "magic"));
	memcpy(&header, "GET / HTTP/1.1\r\nHost: localhost\r\n", 32);
	EXPECT_EQ(-EPROTO, vmig_wire_decode(&header, &out, why, sizeof(why)));

	vmig_wire_encode(&good, &header);
	header.version++;
	EXPECT_EQ(-EPROTONOSUPPORT,
		  vmig_wire_decode(&header, &out, why, sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "version is 2"));

	vmig_wire_encode(&good, &header);
	header.type = VMIG_P_MAX + 1;
	EXPECT_EQ(-EPROTO, vmig_wire_decode(&header, &out, why, sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "type 14"));

	header.type = 0;
	EXPECT_EQ(-EPROTO, vmig_wire_decode(&header, &out, why, sizeof(why)));
}

TEST(every_bad_field_of_a_chunk)
{
	struct vmig_frame bad;

	bad = good, bad.seq = 4;
	EXPECT_BAD(bad, "seq is 4 instead of 5");
	bad = good, bad.flags = 2;
	EXPECT_BAD(bad, "flags 2");
	bad = good, bad.region = 3;
	EXPECT_BAD(bad, "region is 3");
	bad = good, bad.first = 513;
	EXPECT_BAD(bad, "first is 513");
	bad = good, bad.first = 3 * 512;
	EXPECT_BAD(bad, "region 1 has 519 pages");
	bad = good, bad.first = ~0ULL & ~511ULL;
	EXPECT_BAD(bad, "first is");
	bad = good, bad.first = 0;
	EXPECT_BAD(bad, "channel 0 on channel 1");
	bad = good, bad.count = 0;
	EXPECT_BAD(bad, "count is 0");
	bad = good, bad.count = 513;
	EXPECT_BAD(bad, "count is 513");
	bad = good, bad.count = ~0U;
	EXPECT_BAD(bad, "count");
	bad = good, bad.len += 1;
	EXPECT_BAD(bad, "len");
	bad = good, bad.len = sizeof(struct vmig_wire_run);
	EXPECT_BAD(bad, "len");
	bad = good, bad.len = VMIG_WIRE_CHUNK_MAX + 4096;
	EXPECT_BAD(bad, "len");
	bad = good, bad.len = 0;
	EXPECT_BAD(bad, "len is 0");
}

TEST(fields_a_type_does_not_use)
{
	unsigned int type;

	for (type = 1; type <= VMIG_P_MAX; type++) {
		struct vmig_frame frame = { .type = type, .seq = 5 };
		struct vmig_frame bad;

		if (type == VMIG_P_CHUNK)
			continue;
		if (type == VMIG_P_HELLO)
			frame.len = sizeof(struct vmig_wire_hello);
		if (type == VMIG_P_REGION)
			frame.len = sizeof(struct vmig_wire_region) + 3;
		if (type == VMIG_P_FINAL_END || type == VMIG_P_FINAL_ACK)
			frame.len = sizeof(struct vmig_wire_tally);
		if (type == VMIG_P_VERIFY)
			frame.len = 8;
		EXPECT_EQ(0, judge(&frame)) TH_LOG("%s", why);

		bad = frame, bad.len = VMIG_WIRE_TEXT_MAX + 1;
		EXPECT_BAD(bad, "len");
		bad = frame, bad.region = 2;
		if (type != VMIG_P_REGION)
			EXPECT_BAD(bad, "region is not 0");
		bad = frame, bad.count = 1;
		if (type != VMIG_P_ABORT)
			EXPECT_BAD(bad, "count is not 0");
		bad = frame, bad.first = 1;
		if (type != VMIG_P_ROUND && type != VMIG_P_ROUND_ACK)
			EXPECT_BAD(bad, "first is not 0");
		bad = frame, bad.flags = 1;
		EXPECT_BAD(bad, "flags is not 0");
	}
}

TEST(type_out_of_turn)
{
	struct vmig_wire_rules strict = rules;
	unsigned int type;

	strict.allowed = 1U << VMIG_P_PING;
	for (type = 1; type <= VMIG_P_MAX; type++) {
		struct vmig_frame frame = { .type = type, .seq = 5 };
		int err = vmig_wire_check(&frame, &strict, why, sizeof(why));

		EXPECT_EQ(type == VMIG_P_PING ? 0 : -EPROTO, err);
		if (err)
			EXPECT_NE(NULL, strstr(why, "not expected now"));
	}
}

/* Runs */

static int decode_one(struct vmig_wire_run raw, unsigned int chunk_pages,
		      u32 data_len)
{
	struct vmig_run run;

	return vmig_wire_decode_runs(&raw, 1, chunk_pages, data_len, &run,
				     why, sizeof(why));
}

static struct vmig_wire_run raw_run(u16 first, u16 npages, u16 kind)
{
	return (struct vmig_wire_run){
		cpu_to_le16(first), cpu_to_le16(npages), cpu_to_le16(kind), 0,
	};
}

TEST(runs_round_trip)
{
	struct vmig_run in[3] = {
		{ 0, 3, VMIG_RUN_DATA }, { 3, 1, VMIG_RUN_ZERO },
		{ 500, 12, VMIG_RUN_HOLE },
	};
	struct vmig_wire_run raw[3];
	struct vmig_run out[3];

	vmig_wire_encode_runs(in, 3, raw);
	ASSERT_EQ(0, vmig_wire_decode_runs(raw, 3, 512, 3 * 4096, out, why,
					   sizeof(why)));
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));
}

TEST(runs_bad)
{
	struct vmig_wire_run raw = raw_run(0, 1, VMIG_RUN_KINDS);
	struct vmig_wire_run two[2];
	struct vmig_run out[2];

	EXPECT_EQ(-EPROTO, decode_one(raw, 512, 0));
	EXPECT_NE(NULL, strstr(why, "kind 3"));
	raw = raw_run(0, 1, VMIG_RUN_ZERO);
	raw.reserved = cpu_to_le16(1);
	EXPECT_EQ(-EPROTO, decode_one(raw, 512, 0));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(0, 0, VMIG_RUN_ZERO), 512, 0));
	EXPECT_NE(NULL, strstr(why, "0 pages"));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(512, 1, VMIG_RUN_ZERO), 512, 0));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(0, 513, VMIG_RUN_ZERO), 512, 0));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(1, 65535, VMIG_RUN_ZERO), 512, 0));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(6, 2, VMIG_RUN_HOLE), 7, 0));
	EXPECT_NE(NULL, strstr(why, "chunk has 7"));
	EXPECT_EQ(0, decode_one(raw_run(6, 1, VMIG_RUN_HOLE), 7, 0));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(0, 2, VMIG_RUN_DATA), 512, 4096));
	EXPECT_EQ(-EPROTO, decode_one(raw_run(0, 2, VMIG_RUN_ZERO), 512, 8192));
	EXPECT_NE(NULL, strstr(why, "runs have 0 bytes, frame has 8192"));

	two[0] = raw_run(4, 2, VMIG_RUN_ZERO);
	two[1] = raw_run(5, 2, VMIG_RUN_HOLE);
	EXPECT_EQ(-EPROTO, vmig_wire_decode_runs(two, 2, 512, 0, out, why,
						 sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "run 1: first is 5, run before ends at 6"));
	two[1] = raw_run(6, 2, VMIG_RUN_HOLE);
	EXPECT_EQ(0, vmig_wire_decode_runs(two, 2, 512, 0, out, why,
					   sizeof(why)));
}

/* HELLO and tallies */

TEST(hello)
{
	struct vmig_hello in = {
		.token = "0123456789abcde", .channel = 3, .channels = 4,
		.regions = 2, .verify = true,
	};
	struct vmig_wire_hello raw, bad;
	struct vmig_hello out;

	vmig_wire_encode_hello(&in, &raw);
	ASSERT_EQ(0, vmig_wire_decode_hello(&raw, &out, why, sizeof(why)));
	EXPECT_EQ(0, memcmp(in.token, out.token, sizeof(in.token)));
	EXPECT_EQ(3, out.channel);
	EXPECT_EQ(4, out.channels);
	EXPECT_EQ(2, out.regions);
	EXPECT_TRUE(out.verify);

	bad = raw, bad.page_size = cpu_to_le32(65536);
	EXPECT_EQ(-EPROTO, vmig_wire_decode_hello(&bad, &out, why, sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "page_size is 65536"));
	bad = raw, bad.chunk_pages = cpu_to_le32(1);
	EXPECT_EQ(-EPROTO, vmig_wire_decode_hello(&bad, &out, why, sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "chunk_pages"));
	bad = raw, bad.flags = cpu_to_le16(2);
	EXPECT_EQ(-EPROTO, vmig_wire_decode_hello(&bad, &out, why, sizeof(why)));
	EXPECT_NE(NULL, strstr(why, "flags"));
}

TEST(tally)
{
	struct vmig_tally in = { { 1, 2, 3 }, 4, 5, 6 }, out, bad;
	struct vmig_wire_tally raw;

	vmig_wire_encode_tally(&in, &raw);
	vmig_wire_decode_tally(&raw, &out);
	EXPECT_EQ(0, vmig_wire_compare_tally(&in, &out, why, sizeof(why)));

	bad = out, bad.pages[VMIG_RUN_DATA]++;
	EXPECT_EQ(-EPROTO, vmig_wire_compare_tally(&in, &bad, why, sizeof(why)));
	EXPECT_STREQ("1 data pages sent, 2 received", why);
	bad = out, bad.pages[VMIG_RUN_ZERO]--;
	EXPECT_EQ(-EPROTO, vmig_wire_compare_tally(&in, &bad, why, sizeof(why)));
	bad = out, bad.pages[VMIG_RUN_HOLE] = 0;
	EXPECT_EQ(-EPROTO, vmig_wire_compare_tally(&in, &bad, why, sizeof(why)));
	bad = out, bad.final_pages++;
	EXPECT_EQ(-EPROTO, vmig_wire_compare_tally(&in, &bad, why, sizeof(why)));
	bad = out, bad.final_digest++;
	EXPECT_EQ(-EBADMSG, vmig_wire_compare_tally(&in, &bad, why, sizeof(why)));
	bad = out, bad.memory_digest++;
	EXPECT_EQ(-EBADMSG, vmig_wire_compare_tally(&in, &bad, why, sizeof(why)));
}

TEST_HARNESS_MAIN

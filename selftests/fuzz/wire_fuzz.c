// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target: a channel's stream of frames, read the way receive.c reads
 * it. Whatever the checks let through must stay within bounds.
 *
 *	make -C selftests/fuzz && build/selftests/fuzz/wire_fuzz -max_total_time=60
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <asm/byteorder.h>

#include "migrate/wire.h"

#define REGIONS 3

static const u64 region_pages[REGIONS] = { 4096, 512 + 7, 1 };

static void require(int condition)
{
	if (!condition)
		abort();
}

/* Touch one byte a page of an imaginary chunk, as the receiver would. */
static void apply_runs(const struct vmig_run *runs, unsigned int nruns,
		       unsigned int chunk_pages, u32 data_len)
{
	u8 *chunk = calloc(1, chunk_pages);
	unsigned int i, page, data = 0;

	for (i = 0; i < nruns; i++) {
		for (page = 0; page < runs[i].npages; page++) {
			require(!chunk[runs[i].first + page]);
			chunk[runs[i].first + page] = 1;
		}
		if (runs[i].kind == VMIG_RUN_DATA)
			data += runs[i].npages;
	}
	require(data * VMIG_WIRE_PAGE_SIZE == data_len);
	free(chunk);
}

static void take_chunk(const struct vmig_frame *frame, const u8 *payload)
{
	u32 table = frame->count * sizeof(struct vmig_wire_run);
	u64 left = region_pages[frame->region] - frame->first;
	unsigned int chunk_pages = left < VMIG_WIRE_CHUNK_PAGES ?
		left : VMIG_WIRE_CHUNK_PAGES;
	struct vmig_wire_run raw[VMIG_WIRE_CHUNK_PAGES];
	struct vmig_run runs[VMIG_WIRE_CHUNK_PAGES];
	char why[VMIG_WIRE_WHY_MAX];

	require(frame->count <= VMIG_WIRE_CHUNK_PAGES && table <= frame->len);
	memcpy(raw, payload, table);
	if (vmig_wire_decode_runs(raw, frame->count, chunk_pages,
				  frame->len - table, runs, why, sizeof(why)))
		require(why[0]);
	else
		apply_runs(runs, frame->count, chunk_pages, frame->len - table);
}

static void take_payload(const struct vmig_frame *frame, const u8 *payload)
{
	char why[VMIG_WIRE_WHY_MAX];
	struct vmig_wire_hello raw_hello;
	struct vmig_wire_tally raw_tally;
	struct vmig_hello hello;
	struct vmig_tally tally;

	switch (frame->type) {
	case VMIG_P_HELLO:
		require(frame->len == sizeof(raw_hello));
		memcpy(&raw_hello, payload, sizeof(raw_hello));
		vmig_wire_decode_hello(&raw_hello, &hello, why, sizeof(why));
		break;
	case VMIG_P_CHUNK:
		take_chunk(frame, payload);
		break;
	case VMIG_P_FINAL_END:
	case VMIG_P_FINAL_ACK:
		require(frame->len == sizeof(raw_tally));
		memcpy(&raw_tally, payload, sizeof(raw_tally));
		vmig_wire_decode_tally(&raw_tally, &tally);
		vmig_wire_compare_tally(&tally, &tally, why, sizeof(why));
		break;
	case VMIG_P_REGION:
		require(frame->len > sizeof(struct vmig_wire_region));
		require(frame->region < REGIONS);
		break;
	default:
		require(frame->len <= VMIG_WIRE_TEXT_MAX);
	}
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned int seed);

/* What a frame of its type must be like; what else is in it stays random. */
static void mend(struct vmig_frame *frame, u32 seq)
{
	u32 len = frame->len;

	frame->type = 1 + frame->type % VMIG_P_MAX;
	frame->seq = seq;
	frame->region = 0;
	frame->flags &= VMIG_CHUNK_FLAGS;
	frame->len = 0;
	switch (frame->type) {
	case VMIG_P_HELLO:
		frame->len = sizeof(struct vmig_wire_hello);
		break;
	case VMIG_P_REGION:
		frame->len = sizeof(struct vmig_wire_region) + 1 + len % 63;
		break;
	case VMIG_P_CHUNK:
		frame->region = len % REGIONS;
		frame->count = 1 + frame->count % 4;
		frame->first = frame->first % 4 * VMIG_WIRE_CHUNK_PAGES;
		frame->len = frame->count * sizeof(struct vmig_wire_run) +
			     len / REGIONS % 4 * VMIG_WIRE_PAGE_SIZE;
		return;
	case VMIG_P_FINAL_END:
	case VMIG_P_FINAL_ACK:
		frame->len = sizeof(struct vmig_wire_tally);
		break;
	case VMIG_P_VERIFY:
		frame->len = sizeof(__le64);
		break;
	case VMIG_P_ABORT:
		frame->len = len % VMIG_WIRE_TEXT_MAX;
		return;
	}
	frame->flags = 0;
	frame->count = 0;
}

/*
 * Most mutants get whole frames, or few of them would be more than a bad
 * header. Some stay as they are.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned int seed)
{
	struct vmig_wire_header header;
	struct vmig_frame frame;
	char why[VMIG_WIRE_WHY_MAX];
	size_t at = 1;
	u32 seq;

	size = LLVMFuzzerMutate(data, size, max);
	for (seq = 0; seed % 4 && at + sizeof(header) <= size; seq++) {
		memcpy(&header, data + at, sizeof(header));
		header.magic = cpu_to_le32(VMIG_WIRE_MAGIC);
		header.version = VMIG_WIRE_VERSION;
		if (vmig_wire_decode(&header, &frame, why, sizeof(why)))
			break;
		mend(&frame, seq);
		vmig_wire_encode(&frame, &header);
		memcpy(data + at, &header, sizeof(header));
		at += sizeof(header) + frame.len;
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmig_wire_rules rules = {
		.channels = 2,
		.regions = REGIONS,
		.region_pages = region_pages,
	};
	struct vmig_wire_header header;
	struct vmig_frame frame;
	char why[VMIG_WIRE_WHY_MAX];

	if (size < 1)
		return 0;
	rules.channel = data[0] & 1;
	rules.allowed = data[0] & 2 ? ~0U : 1U << VMIG_P_CHUNK;
	data++, size--;
	for (; size >= sizeof(header); rules.seq++) {
		memcpy(&header, data, sizeof(header));
		data += sizeof(header), size -= sizeof(header);
		why[0] = '\0';
		if (vmig_wire_decode(&header, &frame, why, sizeof(why)) ||
		    vmig_wire_check(&frame, &rules, why, sizeof(why))) {
			require(why[0]);
			return 0;
		}
		if (frame.len > size)
			return 0;
		take_payload(&frame, data);
		data += frame.len, size -= frame.len;
	}
	return 0;
}

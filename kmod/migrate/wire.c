// SPDX-License-Identifier: GPL-2.0
/*
 * Frames of the wire protocol, encoded and checked. Nothing that arrives is
 * believed: each function that takes bytes of the peer says in @why which
 * field is wrong.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/byteorder.h>

#include "migrate/wire.h"

/* Which fields of the header a type uses; all others must be 0. */
#define USES_REGION	0x1
#define USES_COUNT	0x2
#define USES_FIRST	0x4

static const struct vmig_wire_type {
	const char *name;
	unsigned int uses;
	u32 len_min;
	u32 len_max;
} types[VMIG_P_MAX + 1] = {
	[VMIG_P_HELLO] = {
		"HELLO", 0,
		sizeof(struct vmig_wire_hello), sizeof(struct vmig_wire_hello),
	},
	[VMIG_P_REGION] = {
		"REGION", USES_REGION,
		sizeof(struct vmig_wire_region) + 1,
		sizeof(struct vmig_wire_region) + VMIG_WIRE_NAME_MAX,
	},
	[VMIG_P_HELLO_ACK] = { "HELLO_ACK", 0, 0, 0 },
	[VMIG_P_CHUNK] = {
		"CHUNK", USES_REGION | USES_COUNT | USES_FIRST,
		sizeof(struct vmig_wire_run), VMIG_WIRE_CHUNK_MAX,
	},
	[VMIG_P_ROUND] = { "ROUND", USES_FIRST, 0, 0 },
	[VMIG_P_ROUND_ACK] = { "ROUND_ACK", USES_FIRST, 0, 0 },
	[VMIG_P_FINAL_BEGIN] = { "FINAL_BEGIN", 0, 0, 0 },
	[VMIG_P_FINAL_END] = {
		"FINAL_END", 0,
		sizeof(struct vmig_wire_tally), sizeof(struct vmig_wire_tally),
	},
	[VMIG_P_VERIFY] = { "VERIFY", 0, sizeof(__le64), sizeof(__le64) },
	[VMIG_P_FINAL_ACK] = {
		"FINAL_ACK", 0,
		sizeof(struct vmig_wire_tally), sizeof(struct vmig_wire_tally),
	},
	[VMIG_P_PING] = { "PING", 0, 0, 0 },
	[VMIG_P_PONG] = { "PONG", 0, 0, 0 },
	[VMIG_P_ABORT] = { "ABORT", USES_COUNT, 0, VMIG_WIRE_TEXT_MAX },
};

const char *vmig_wire_name(unsigned int type)
{
	if (type > VMIG_P_MAX || !types[type].name)
		return "unknown";
	return types[type].name;
}

void vmig_wire_encode(const struct vmig_frame *f, struct vmig_wire_header *h)
{
	h->magic = cpu_to_le32(VMIG_WIRE_MAGIC);
	h->version = VMIG_WIRE_VERSION;
	h->type = f->type;
	h->region = cpu_to_le16(f->region);
	h->seq = cpu_to_le32(f->seq);
	h->count = cpu_to_le32(f->count);
	h->first = cpu_to_le64(f->first);
	h->len = cpu_to_le32(f->len);
	h->flags = cpu_to_le32(f->flags);
}

/**
 * vmig_wire_decode() - Read a header, judging only what any header must be.
 * @h: as it came
 * @f: the header, decoded
 * @why: filled in on failure
 * @size: of @why
 *
 * Return: 0, -EPROTO, or -EPROTONOSUPPORT if the peer speaks another version.
 */
int vmig_wire_decode(const struct vmig_wire_header *h, struct vmig_frame *f,
		     char *why, size_t size)
{
	if (le32_to_cpu(h->magic) != VMIG_WIRE_MAGIC) {
		snprintf(why, size, "magic is %08x instead of %08x",
			 le32_to_cpu(h->magic), VMIG_WIRE_MAGIC);
		return -EPROTO;
	}
	if (h->version != VMIG_WIRE_VERSION) {
		snprintf(why, size,
			 "version is %u, this node speaks %u: run the same vmig on both",
			 h->version, VMIG_WIRE_VERSION);
		return -EPROTONOSUPPORT;
	}
	if (h->type > VMIG_P_MAX || !types[h->type].name) {
		snprintf(why, size, "type %u is unknown", h->type);
		return -EPROTO;
	}
	f->type = h->type;
	f->region = le16_to_cpu(h->region);
	f->seq = le32_to_cpu(h->seq);
	f->count = le32_to_cpu(h->count);
	f->first = le64_to_cpu(h->first);
	f->len = le32_to_cpu(h->len);
	f->flags = le32_to_cpu(h->flags);
	return 0;
}

static int check_fields(const struct vmig_frame *f, char *why, size_t size)
{
	const struct vmig_wire_type *type = &types[f->type];
	const char *field = NULL;

	if (f->region && !(type->uses & USES_REGION))
		field = "region";
	else if (f->count && !(type->uses & USES_COUNT))
		field = "count";
	else if (f->first && !(type->uses & USES_FIRST))
		field = "first";
	else if (f->flags && f->type != VMIG_P_CHUNK)
		field = "flags";
	if (field) {
		snprintf(why, size, "%s: %s is not 0", type->name, field);
		return -EPROTO;
	}
	if (f->len < type->len_min || f->len > type->len_max) {
		snprintf(why, size, "%s: len is %u, not %u to %u",
			 type->name, f->len, type->len_min, type->len_max);
		return -EPROTO;
	}
	return 0;
}

static int check_chunk(const struct vmig_frame *f,
		       const struct vmig_wire_rules *rules,
		       char *why, size_t size)
{
	u64 chunk = f->first / VMIG_WIRE_CHUNK_PAGES;
	u32 table = f->count * (u32)sizeof(struct vmig_wire_run);

	if (f->flags & ~VMIG_CHUNK_FLAGS) {
		snprintf(why, size, "CHUNK: flags %x are unknown", f->flags);
		return -EPROTO;
	}
	if (f->first % VMIG_WIRE_CHUNK_PAGES) {
		snprintf(why, size, "CHUNK: first is %llu, not a chunk's first page",
			 (unsigned long long)f->first);
		return -EPROTO;
	}
	if (f->first >= rules->region_pages[f->region]) {
		snprintf(why, size,
			 "CHUNK: first is %llu, region %u has %llu pages",
			 (unsigned long long)f->first, f->region,
			 (unsigned long long)rules->region_pages[f->region]);
		return -EPROTO;
	}
	if (chunk % rules->channels != rules->channel) {
		snprintf(why, size,
			 "CHUNK: first is %llu, a chunk of channel %u on channel %u",
			 (unsigned long long)f->first,
			 (unsigned int)(chunk % rules->channels),
			 rules->channel);
		return -EPROTO;
	}
	if (!f->count || f->count > VMIG_WIRE_CHUNK_PAGES) {
		snprintf(why, size, "CHUNK: count is %u, not 1 to %u runs",
			 f->count, VMIG_WIRE_CHUNK_PAGES);
		return -EPROTO;
	}
	if (f->len < table || (f->len - table) % VMIG_WIRE_PAGE_SIZE) {
		snprintf(why, size,
			 "CHUNK: len is %u, not a table of %u runs and whole pages",
			 f->len, f->count);
		return -EPROTO;
	}
	return 0;
}

/**
 * vmig_wire_check() - Judge a decoded header against what may come now.
 * @f: the header, decoded
 * @rules: what may come now
 * @why: filled in on failure
 * @size: of @why
 *
 * After success f->len and f->region are within bounds.
 *
 * Return: 0 or -EPROTO.
 */
int vmig_wire_check(const struct vmig_frame *f,
		    const struct vmig_wire_rules *rules, char *why, size_t size)
{
	const char *name = vmig_wire_name(f->type);

	if (f->type > VMIG_P_MAX || !types[f->type].name ||
	    !(rules->allowed & (1U << f->type))) {
		snprintf(why, size, "%s: not expected now", name);
		return -EPROTO;
	}
	if (f->seq != rules->seq) {
		snprintf(why, size, "%s: seq is %u instead of %u",
			 name, f->seq, rules->seq);
		return -EPROTO;
	}
	if (f->region && f->region >= rules->regions) {
		snprintf(why, size, "%s: region is %u, there are %u",
			 name, f->region, rules->regions);
		return -EPROTO;
	}
	if (check_fields(f, why, size))
		return -EPROTO;
	if (f->type == VMIG_P_CHUNK)
		return check_chunk(f, rules, why, size);
	return 0;
}

void vmig_wire_encode_runs(const struct vmig_run *runs, unsigned int nruns,
			   struct vmig_wire_run *raw)
{
	unsigned int i;

	for (i = 0; i < nruns; i++) {
		raw[i].first = cpu_to_le16(runs[i].first);
		raw[i].npages = cpu_to_le16(runs[i].npages);
		raw[i].kind = cpu_to_le16(runs[i].kind);
		raw[i].reserved = 0;
	}
}

/**
 * vmig_wire_decode_runs() - Read and judge the table of a CHUNK.
 * @raw: as it came
 * @nruns: header.count, checked by vmig_wire_check()
 * @chunk_pages: pages of this chunk within its region
 * @data_len: bytes that follow the table
 * @runs: room for @nruns
 * @why: filled in on failure
 * @size: of @why
 *
 * Return: 0 if the runs ascend, do not overlap, stay within the chunk and
 * describe @data_len bytes exactly; -EPROTO otherwise.
 */
int vmig_wire_decode_runs(const struct vmig_wire_run *raw, unsigned int nruns,
			  unsigned int chunk_pages, u32 data_len,
			  struct vmig_run *runs, char *why, size_t size)
{
	unsigned int i, end = 0;
	u32 data = 0;

	for (i = 0; i < nruns; i++) {
		struct vmig_run *run = &runs[i];

		run->first = le16_to_cpu(raw[i].first);
		run->npages = le16_to_cpu(raw[i].npages);
		run->kind = le16_to_cpu(raw[i].kind);
		if (run->kind >= VMIG_RUN_KINDS || raw[i].reserved) {
			snprintf(why, size, "CHUNK: run %u: kind %u is unknown",
				 i, run->kind);
			return -EPROTO;
		}
		if (run->first < end) {
			snprintf(why, size,
				 "CHUNK: run %u: first is %u, run before ends at %u",
				 i, run->first, end);
			return -EPROTO;
		}
		end = run->first + run->npages;
		if (!run->npages || end > chunk_pages) {
			snprintf(why, size,
				 "CHUNK: run %u: %u pages from %u, chunk has %u",
				 i, run->npages, run->first, chunk_pages);
			return -EPROTO;
		}
		if (run->kind == VMIG_RUN_DATA)
			data += run->npages * VMIG_WIRE_PAGE_SIZE;
	}
	if (data != data_len) {
		snprintf(why, size, "CHUNK: runs have %u bytes, frame has %u",
			 data, data_len);
		return -EPROTO;
	}
	return 0;
}

void vmig_wire_encode_hello(const struct vmig_hello *hello,
			    struct vmig_wire_hello *raw)
{
	memcpy(raw->token, hello->token, sizeof(raw->token));
	raw->channel = cpu_to_le16(hello->channel);
	raw->channels = cpu_to_le16(hello->channels);
	raw->regions = cpu_to_le16(hello->regions);
	raw->flags = cpu_to_le16(hello->verify ? VMIG_HELLO_VERIFY : 0);
	raw->page_size = cpu_to_le32(VMIG_WIRE_PAGE_SIZE);
	raw->chunk_pages = cpu_to_le32(VMIG_WIRE_CHUNK_PAGES);
}

/* Return: 0, or -EPROTO with @why filled in. */
int vmig_wire_decode_hello(const struct vmig_wire_hello *raw,
			   struct vmig_hello *hello, char *why, size_t size)
{
	u16 flags = le16_to_cpu(raw->flags);

	if (le32_to_cpu(raw->page_size) != VMIG_WIRE_PAGE_SIZE) {
		snprintf(why, size, "HELLO: page_size is %u instead of %u",
			 le32_to_cpu(raw->page_size), VMIG_WIRE_PAGE_SIZE);
		return -EPROTO;
	}
	if (le32_to_cpu(raw->chunk_pages) != VMIG_WIRE_CHUNK_PAGES) {
		snprintf(why, size, "HELLO: chunk_pages is %u instead of %u",
			 le32_to_cpu(raw->chunk_pages), VMIG_WIRE_CHUNK_PAGES);
		return -EPROTO;
	}
	if (flags & ~VMIG_HELLO_VERIFY) {
		snprintf(why, size, "HELLO: flags %x are unknown", flags);
		return -EPROTO;
	}
	memcpy(hello->token, raw->token, sizeof(hello->token));
	hello->channel = le16_to_cpu(raw->channel);
	hello->channels = le16_to_cpu(raw->channels);
	hello->regions = le16_to_cpu(raw->regions);
	hello->verify = flags & VMIG_HELLO_VERIFY;
	return 0;
}

void vmig_wire_encode_tally(const struct vmig_tally *tally,
			    struct vmig_wire_tally *raw)
{
	unsigned int kind;

	for (kind = 0; kind < VMIG_RUN_KINDS; kind++)
		raw->pages[kind] = cpu_to_le64(tally->pages[kind]);
	raw->final_pages = cpu_to_le64(tally->final_pages);
	raw->final_digest = cpu_to_le64(tally->final_digest);
	raw->memory_digest = cpu_to_le64(tally->memory_digest);
}

void vmig_wire_decode_tally(const struct vmig_wire_tally *raw,
			    struct vmig_tally *tally)
{
	unsigned int kind;

	for (kind = 0; kind < VMIG_RUN_KINDS; kind++)
		tally->pages[kind] = le64_to_cpu(raw->pages[kind]);
	tally->final_pages = le64_to_cpu(raw->final_pages);
	tally->final_digest = le64_to_cpu(raw->final_digest);
	tally->memory_digest = le64_to_cpu(raw->memory_digest);
}

/**
 * vmig_wire_compare_tally() - Tell whether both ends carried the same.
 * @sent: what the source says
 * @got: what the destination says
 * @why: filled in on failure
 * @size: of @why
 *
 * Return: 0, -EPROTO if a page count differs, -EBADMSG if a digest does.
 */
int vmig_wire_compare_tally(const struct vmig_tally *sent,
			    const struct vmig_tally *got,
			    char *why, size_t size)
{
	static const char *const kinds[VMIG_RUN_KINDS] = {
		"data", "zero", "hole",
	};
	unsigned int kind;

	for (kind = 0; kind < VMIG_RUN_KINDS; kind++) {
		if (sent->pages[kind] == got->pages[kind])
			continue;
		snprintf(why, size, "%llu %s pages sent, %llu received",
			 (unsigned long long)sent->pages[kind], kinds[kind],
			 (unsigned long long)got->pages[kind]);
		return -EPROTO;
	}
	if (sent->final_pages != got->final_pages) {
		snprintf(why, size, "%llu pages sent in the final pass, %llu received",
			 (unsigned long long)sent->final_pages,
			 (unsigned long long)got->final_pages);
		return -EPROTO;
	}
	if (sent->final_digest != got->final_digest) {
		snprintf(why, size,
			 "memory of the final pass differs (digest %016llx, received %016llx)",
			 (unsigned long long)sent->final_digest,
			 (unsigned long long)got->final_digest);
		return -EBADMSG;
	}
	if (sent->memory_digest != got->memory_digest) {
		snprintf(why, size, "memory differs (digest %016llx, received %016llx)",
			 (unsigned long long)sent->memory_digest,
			 (unsigned long long)got->memory_digest);
		return -EBADMSG;
	}
	return 0;
}

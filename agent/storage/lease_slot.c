// SPDX-License-Identifier: GPL-2.0
/* The bytes of a lease file, without input or output. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lease_slot.h"

#define COVERED		508
#define SIZE		512

struct slot_bytes {
	char magic[8];
	uint32_t version;
	uint32_t size;
	uint64_t epoch;
	uint64_t time;
	uint32_t action;
	uint8_t zero1[28];
	char vm[64];
	char holder[64];
	char before[64];
	uint8_t zero2[252];
	uint32_t crc;
};

_Static_assert(sizeof(struct slot_bytes) == SIZE, "the layout is fixed");
_Static_assert(offsetof(struct slot_bytes, crc) == COVERED, "the layout is fixed");
_Static_assert(VMIG_NAME_MAX + 1 == 64, "the layout is fixed");

static const char magic[8] = "VMIGLEAS";

enum slot_state {
	SLOT_WHOLE,
	SLOT_TORN,		/* half written, or damaged later */
	SLOT_OTHER,		/* never was a slot */
	SLOT_NEWER,
};

/* Castagnoli's, reflected, bit by bit: there are 512 bytes now and then. */
uint32_t vmig_lease_crc(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = ~0u;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

void vmig_lease_slot_encode(const struct vmig_lease_slot *slot,
			    uint8_t bytes[VMIG_LEASE_SLOT_SIZE])
{
	struct slot_bytes b = {
		.version = htole32(VMIG_LEASE_VERSION),
		.size = htole32(SIZE),
		.epoch = htole64(slot->record.epoch),
		.time = htole64(slot->time),
		.action = htole32(slot->action),
	};

	memcpy(b.magic, magic, sizeof(magic));
	strcpy(b.vm, slot->vm);
	strcpy(b.holder, slot->record.holder);
	strcpy(b.before, slot->before);
	b.crc = htole32(vmig_lease_crc(&b, COVERED));
	memset(bytes, 0, VMIG_LEASE_SLOT_SIZE);
	memcpy(bytes, &b, sizeof(b));
}

static bool is_name(const char text[64], bool may_be_empty)
{
	return memchr(text, '\0', 64) && (may_be_empty || *text);
}

static enum slot_state decode(const uint8_t *bytes,
			      struct vmig_lease_slot *slot, uint32_t *newer)
{
	struct slot_bytes b;

	memcpy(&b, bytes, sizeof(b));
	if (memcmp(b.magic, magic, sizeof(magic)))
		return SLOT_OTHER;
	/* The checksum stays where it is in every version. */
	if (le32toh(b.crc) != vmig_lease_crc(&b, COVERED))
		return SLOT_TORN;
	if (le32toh(b.version) > VMIG_LEASE_VERSION) {
		*newer = le32toh(b.version);
		return SLOT_NEWER;
	}
	if (le32toh(b.version) != VMIG_LEASE_VERSION || le32toh(b.size) != SIZE ||
	    !is_name(b.vm, false) || !is_name(b.holder, true) ||
	    !is_name(b.before, true))
		return SLOT_OTHER;
	strcpy(slot->vm, b.vm);
	strcpy(slot->record.holder, b.holder);
	strcpy(slot->before, b.before);
	slot->record.epoch = le64toh(b.epoch);
	slot->time = le64toh(b.time);
	slot->action = le32toh(b.action);
	return SLOT_WHOLE;
}

/* Under a lock only a writer that died leaves two records, of two epochs. */
static bool fit(const struct vmig_lease_slot *a, const struct vmig_lease_slot *b,
		const uint8_t *bytes)
{
	if (strcmp(a->vm, b->vm))
		return false;
	if (a->record.epoch == b->record.epoch)
		return !memcmp(bytes, bytes + VMIG_LEASE_SLOT_SIZE, SIZE);
	return a->record.epoch + 1 == b->record.epoch ||
	       b->record.epoch + 1 == a->record.epoch;
}

int vmig_lease_slots_decode(const uint8_t bytes[VMIG_LEASE_FILE_SIZE],
			    struct vmig_lease_slot *slot, unsigned int *spare,
			    unsigned int *whole, struct vmig_err *err)
{
	struct vmig_lease_slot slots[2] = { };
	enum slot_state state[2];
	uint32_t newer = 0;
	unsigned int i;

	for (i = 0; i < 2; i++)
		state[i] = decode(bytes + i * VMIG_LEASE_SLOT_SIZE, &slots[i],
				  &newer);
	*whole = (state[0] == SLOT_WHOLE) + (state[1] == SLOT_WHOLE);
	if (state[0] == SLOT_NEWER || state[1] == SLOT_NEWER)
		return vmig_err_set(err, EBADMSG,
				    "it is of version %u, and this vmig-agent knows version %d: update vmig-agent on this node",
				    newer, VMIG_LEASE_VERSION);
	if (!*whole && state[0] == SLOT_OTHER && state[1] == SLOT_OTHER)
		return vmig_err_set(err, EBADMSG, "it is no lease file");
	if (!*whole)
		return vmig_err_set(err, EBADMSG,
				    "both its records are damaged");
	if (*whole == 2 && !fit(&slots[0], &slots[1], bytes))
		return vmig_err_set(err, EBADMSG,
				    "its two records contradict each other (\"%s\" %llu, \"%s\" %llu): locks do not work between the nodes on this file system",
				    slots[0].record.holder,
				    (unsigned long long)slots[0].record.epoch,
				    slots[1].record.holder,
				    (unsigned long long)slots[1].record.epoch);
	/* The second one is written first, unless it is the newer or only one. */
	*spare = 1;
	if (state[1] == SLOT_WHOLE &&
	    (state[0] != SLOT_WHOLE ||
	     slots[1].record.epoch > slots[0].record.epoch))
		*spare = 0;
	*slot = slots[!*spare];
	return 0;
}

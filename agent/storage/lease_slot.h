/* SPDX-License-Identifier: GPL-2.0 */
/* The bytes of a lease file, without input or output. */
#ifndef VMIG_LEASE_SLOT_H
#define VMIG_LEASE_SLOT_H

#include "lease.h"

/*
 * Two slots with the same record, each of a size that any device and any
 * O_DIRECT takes. All numbers are little-endian.
 *
 *	offset	size
 *	0	8	"VMIGLEAS"
 *	8	4	version of this layout, 1
 *	12	4	bytes that the checksum covers and its own, 512
 *	16	8	epoch
 *	24	8	when it was written, seconds since 1970 UTC
 *	32	4	enum vmig_lease_action that wrote it, 0 for the first one
 *	36	28	zero
 *	64	64	VM, padded with zeros
 *	128	64	holder, "" for nobody
 *	192	64	the holder before
 *	256	252	zero
 *	508	4	CRC-32C of bytes 0 to 507
 *	512	3584	zero, not looked at
 */
#define VMIG_LEASE_SLOT_SIZE	4096
#define VMIG_LEASE_FILE_SIZE	(2 * VMIG_LEASE_SLOT_SIZE)
#define VMIG_LEASE_VERSION	1

struct vmig_lease_slot {
	char vm[VMIG_NAME_MAX + 1];
	char before[VMIG_NAME_MAX + 1];
	struct vmig_lease_record record;
	uint64_t time;
	uint32_t action;
};

uint32_t vmig_lease_crc(const void *data, size_t len);

void vmig_lease_slot_encode(const struct vmig_lease_slot *slot,
			    uint8_t bytes[VMIG_LEASE_SLOT_SIZE]);

/**
 * vmig_lease_slots_decode() - What a lease file says.
 * @bytes: both slots
 * @slot: filled in
 * @spare: the slot to overwrite first; the other one is @slot, whole
 * @whole: how many slots are
 * @err: a sentence without the name of the file
 *
 * One whole slot is enough: a writer that dies leaves one that is not. Slots
 * that cannot both have been written under a lock are refused, and so is
 * a newer layout in either of them.
 *
 * Return: 0, or -EBADMSG without anything that can be trusted.
 */
int vmig_lease_slots_decode(const uint8_t bytes[VMIG_LEASE_FILE_SIZE],
			    struct vmig_lease_slot *slot, unsigned int *spare,
			    unsigned int *whole, struct vmig_err *err);

#endif /* VMIG_LEASE_SLOT_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk whose data lands late: a null_blk device with memory. Reads of this
 * process wait in the block layer, with their pages held, until it is their
 * turn. (The throttle of null_blk itself, its mbps, can wait for ever.)
 */
#ifndef VMIG_T1_SLOW_DISK_H
#define VMIG_T1_SLOW_DISK_H

#include <stddef.h>

/* Returns the disk opened with O_DIRECT, or a negative errno. */
int slow_disk_open(unsigned int mib);

/* From now on so many reads a second. Returns 0 or a negative errno. */
int slow_disk_slow(int fd, unsigned int iops);

void slow_disk_close(int fd);

#endif /* VMIG_T1_SLOW_DISK_H */

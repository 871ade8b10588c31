/* SPDX-License-Identifier: GPL-2.0 */
/* Memory of this node that nobody has been promised. */
#ifndef VMIG_ROOM_H
#define VMIG_ROOM_H

#include <stdint.h>

struct vmig_daemon;

/* Free now, but for what VMs that are arriving have still to bring. */
uint64_t vmig_room_now(struct vmig_daemon *daemon);
/* ... and but for what no VM here has touched so far of its own. */
uint64_t vmig_room_lasting(struct vmig_daemon *daemon);

#endif /* VMIG_ROOM_H */

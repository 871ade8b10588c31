/* SPDX-License-Identifier: GPL-2.0 */
/* What a new daemon does with what an earlier one left. */
#ifndef VMIG_RECOVER_H
#define VMIG_RECOVER_H

#include "../daemon.h"

void vmig_recover(struct vmig_daemon *daemon);

#endif /* VMIG_RECOVER_H */

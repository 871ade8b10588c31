/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An RDMA device in software, with two addresses of the initial namespace, and
 * the transport that uses it; for as long as a test takes. With VMIG_RDMA=siw it
 * speaks iWARP, else RoCE.
 */
#ifndef VMIG_T1_SOFT_ROCE_H
#define VMIG_T1_SOFT_ROCE_H

#define SOFT_ROCE_A	"10.1.2.1"
#define SOFT_ROCE_B	"10.1.2.2"

/* What both ends of a migration know of each other. */
#define SOFT_ROCE_SECRET	"an agreed secret of 32 characters"
#define SOFT_ROCE_SECRET_LEN	32

/* Return 0 or -1; what went wrong is on stderr. */
int soft_roce_up(void);
int soft_roce_down(void);
/* The device's name. */
const char *soft_roce_device(void);
/* The device goes, as a card that is pulled out. */
int soft_roce_unplug(void);
/* The transport's module goes, or is refused. */
int soft_roce_unload(void);

#endif /* VMIG_T1_SOFT_ROCE_H */

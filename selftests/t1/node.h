/* SPDX-License-Identifier: GPL-2.0 */
/* A network namespace as a node: its vmigfs, its VMs, its connections. */
#ifndef VMIG_T1_NODE_H
#define VMIG_T1_NODE_H

#include <stddef.h>

/* Into new network and mount namespaces with a loopback device. -1 and errno. */
int node_enter(void);

/* vmigfs at node_mountpoint(), for this network namespace. */
int node_mount(const char *options);
const char *node_mountpoint(void);

/* A VM with one region `ram`, all holes. */
int node_make_vm(const char *name, size_t size);
int node_remove_vm(const char *name);

/* Both ends of a TCP connection over the loopback device. */
int node_connect(int fds[2]);

#endif /* VMIG_T1_NODE_H */

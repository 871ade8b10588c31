/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The network of VMs: taps on bridges, and telling the switches where a VM is.
 *
 * All link functions are quick and blocking, return 0 or a negative errno, and
 * then a sentence in @err.
 */
#ifndef VMIG_NET_H
#define VMIG_NET_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "../definition.h"
#include "../err.h"

struct sd_event;
struct vmig_announce;

/* link.c APIs: */

/*
 * Name of the tap of @vm's NIC @nic, the same on every host: up to six bytes
 * of the VM's name, a dash and a digest of both names.
 */
void vmig_tap_name(const char *vm, const char *nic, char ifname[IFNAMSIZ]);
/*
 * Make a persistent tap that is down and a port of @bridge. One that is left
 * over is taken over and set down. QEMU opens it by name
 * (-netdev tap,ifname=,script=no,downscript=no).
 */
int vmig_tap_create(const char *ifname, const char *bridge,
		    struct vmig_err *err);
/* Not an error if there is none. */
int vmig_tap_delete(const char *ifname, struct vmig_err *err);
int vmig_link_up(const char *ifname, struct vmig_err *err);
int vmig_link_down(const char *ifname, struct vmig_err *err);
/* -ENODEV if there is no such link, -EINVAL if it is no bridge. */
int vmig_bridge_check(const char *bridge, struct vmig_err *err);
/*
 * Point the bridge of @ifname to it for @mac, as if the VM had sent a frame:
 * what the bridge learned while the VM ran elsewhere is wrong now.
 */
int vmig_bridge_learn(const char *ifname, const uint8_t mac[6],
		      struct vmig_err *err);

/* announce.c APIs: */

/* @error is 0 or a negative errno, then with a sentence in @err. */
typedef void vmig_announce_fn(void *arg, int error, const struct vmig_err *err);

/**
 * vmig_announce_start() - Tell all switches and neighbours where a VM is.
 * @event: loop that the timers run on
 * @def: read during the call only
 * @done: called once after the last round or at the first error, from the
 *	loop and never from within this call; the handle is freed by then.
 *	May be NULL.
 * @announce: handle for vmig_announce_stop()
 *
 * Sends RARP for each NIC, gratuitous ARP (request and reply) or an
 * unsolicited neighbour advertisement for each of its addresses, from its
 * MAC, out of its bridge, at 0, 50, 150, 250 and 350 ms, and points the
 * bridge's own table to the NIC's tap.
 *
 * Return: 0 if @done will be called, or a negative errno with nothing sent.
 */
int vmig_announce_start(struct sd_event *event,
			const struct vmig_definition *def,
			vmig_announce_fn *done, void *arg,
			struct vmig_announce **announce, struct vmig_err *err);
/* End it early; @done is not called any more. NULL is allowed. */
void vmig_announce_stop(struct vmig_announce *announce);

/* frame.c APIs: pure; each returns the frame's length. */

#define VMIG_FRAME_MAX	128

enum vmig_arp_op {
	VMIG_ARP_REQUEST = 1,
	VMIG_ARP_REPLY = 2,
};

size_t vmig_frame_rarp(uint8_t frame[VMIG_FRAME_MAX], const uint8_t mac[6]);
size_t vmig_frame_arp(uint8_t frame[VMIG_FRAME_MAX], const uint8_t mac[6],
		      const struct in_addr *ip, enum vmig_arp_op op);
size_t vmig_frame_na(uint8_t frame[VMIG_FRAME_MAX], const uint8_t mac[6],
		     const struct in6_addr *ip);

#endif /* VMIG_NET_H */

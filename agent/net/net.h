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

struct json_object;
struct sd_event;
struct vmig_announce;

/* link.c APIs: */

/*
 * Name of the tap of @vm's NIC @nic, the same on every host: up to six bytes
 * of the VM's name, a dash and a digest of both names.
 */
void vmig_tap_name(const char *vm, const char *nic, char ifname[IFNAMSIZ]);
/*
 * Make a persistent tap that is down and a port of @bridge, in @vlan if that is
 * not 0. One that is left over is taken over and set down. QEMU opens it by name
 * (-netdev tap,ifname=,script=no,downscript=no).
 */
int vmig_tap_create(const char *ifname, const char *bridge, unsigned int vlan,
		    struct vmig_err *err);
/* Not an error if there is none. */
int vmig_tap_delete(const char *ifname, struct vmig_err *err);
int vmig_link_up(const char *ifname, struct vmig_err *err);
int vmig_link_down(const char *ifname, struct vmig_err *err);
/*
 * -ENODEV if there is no such link, -EINVAL if it is no bridge, or cannot have
 * a NIC in @vlan.
 */
int vmig_bridge_check(const char *bridge, unsigned int vlan,
		      struct vmig_err *err);
/*
 * Point the bridge of @ifname to it for @mac, as if the VM had sent a frame:
 * what the bridge learned while the VM ran elsewhere is wrong now.
 */
int vmig_bridge_learn(const char *ifname, const uint8_t mac[6],
		      struct vmig_err *err);

/* neighbours.c APIs: */

/*
 * What NICs without addresses in the definition use, as far as this host has
 * talked to them: into @def, and marked there as learned. What was learned
 * before stays if there is nothing better.
 */
void vmig_neighbours_learn(struct vmig_definition *def);

/* announce.c APIs: */

/* Who showed that the network has found a NIC, by a frame on its tap. */
enum vmig_ack_by {
	VMIG_ACK_NONE,		/* nobody within all rounds */
	VMIG_ACK_VM,		/* the VM has sent one */
	VMIG_ACK_OUTSIDE,	/* one came for it that is not of this host */
};

/**
 * struct vmig_ack - what became of the announcement of a NIC
 * @nic: its name
 * @by: who acknowledged it
 * @ms: after how long from the first round; if nobody did, how long it took
 * @rounds: how many rounds of frames were sent until then
 */
struct vmig_ack {
	char nic[VMIG_DEVICE_NAME_MAX + 1];
	enum vmig_ack_by by;
	unsigned int ms;
	unsigned int rounds;
};

/* One for each NIC of a VM. */
struct vmig_acks {
	unsigned int n;
	struct vmig_ack nic[VMIG_NICS_MAX];
};

/* A NIC is announced for so long if nothing shows that it was heard. */
#define VMIG_ANNOUNCE_MS	5000

/* @error is 0 or a negative errno, then with a sentence in @err. */
typedef void vmig_announce_fn(void *arg, int error, const struct vmig_err *err,
			      const struct vmig_acks *acks);

/**
 * vmig_announce_start() - Tell all switches and neighbours where a VM is.
 * @event: loop that the timers run on
 * @def: read during the call only
 * @done: called once when all NICs are acknowledged, after the last round, or
 *	at the first error, from the loop and never from within this call; the
 *	handle is freed by then. May be NULL.
 * @announce: handle for vmig_announce_stop()
 *
 * Sends RARP for each NIC, gratuitous ARP (request and reply) or an
 * unsolicited neighbour advertisement for each of its addresses, from its
 * MAC, out of its bridge or, in a VLAN, the bridge's ports in that VLAN, and
 * points the bridge's own table to the NIC's tap. Each NIC is announced at 0,
 * 50, 150, 250 and 350 ms and then at doubling distances, until a frame on its
 * tap acknowledges it or VMIG_ANNOUNCE_MS are over.
 *
 * Return: 0 if @done will be called, or a negative errno with nothing sent.
 */
int vmig_announce_start(struct sd_event *event,
			const struct vmig_definition *def,
			vmig_announce_fn *done, void *arg,
			struct vmig_announce **announce, struct vmig_err *err);
/* End it early; @done is not called any more. NULL is allowed. */
void vmig_announce_stop(struct vmig_announce *announce);
/*
 * End it early because of @why, a sentence; @done is called with -ECANCELED
 * before this returns. NULL is allowed.
 */
void vmig_announce_cancel(struct vmig_announce *announce, const char *why);

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
/* Put the tag of a VLAN, of ethertype @protocol, into a frame of @len. */
size_t vmig_frame_tag(uint8_t frame[VMIG_FRAME_MAX], size_t len,
		      uint16_t protocol, unsigned int vlan);

/* encode.c APIs: what agents tell each other, and users. */

struct json_object *vmig_ack_encode(const struct vmig_ack *ack);
struct json_object *vmig_acks_encode(const struct vmig_acks *acks);
/* -EPROTO unless @json is an answer for NICs of @def, each at most once. */
int vmig_acks_decode(struct json_object *json,
		     const struct vmig_definition *def, struct vmig_acks *acks);
/* NULL if nothing was learned. */
struct json_object *vmig_learned_encode(const struct vmig_definition *def);
/* -EPROTO, and @def is as before, unless @json was made of such a VM. */
int vmig_learned_decode(struct json_object *json, struct vmig_definition *def);

#endif /* VMIG_NET_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * Ethernet frames by which a VM says where it is. The source address is the
 * VM's, so that every switch on the way learns the port.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <string.h>

#include "net.h"

/* Without the checksum that the driver appends. */
#define FRAME_MIN	60

struct arp_frame {
	struct ether_header eth;
	struct ether_arp arp;
} __attribute__((packed));

struct na_frame {
	struct ether_header eth;
	struct ip6_hdr ip6;
	struct nd_neighbor_advert na;
	struct nd_opt_hdr option;
	uint8_t mac[ETH_ALEN];
} __attribute__((packed));

_Static_assert(sizeof(struct na_frame) <= VMIG_FRAME_MAX, "frame too long");

static const uint8_t broadcast[ETH_ALEN] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff
};

static void fill_ethernet(struct ether_header *eth, const uint8_t *to,
			  const uint8_t *from, uint16_t type)
{
	memcpy(eth->ether_dhost, to, ETH_ALEN);
	memcpy(eth->ether_shost, from, ETH_ALEN);
	eth->ether_type = htons(type);
}

static size_t fill_arp(uint8_t *frame, const uint8_t *mac, uint16_t ethertype,
		       uint16_t op, const uint8_t *target, const void *ip)
{
	struct arp_frame *f = (struct arp_frame *)frame;

	memset(frame, 0, FRAME_MIN);
	fill_ethernet(&f->eth, broadcast, mac, ethertype);
	f->arp.arp_hrd = htons(ARPHRD_ETHER);
	f->arp.arp_pro = htons(ETHERTYPE_IP);
	f->arp.arp_hln = ETH_ALEN;
	f->arp.arp_pln = sizeof(struct in_addr);
	f->arp.arp_op = htons(op);
	memcpy(f->arp.arp_sha, mac, ETH_ALEN);
	memcpy(f->arp.arp_tha, target, ETH_ALEN);
	if (ip) {
		memcpy(f->arp.arp_spa, ip, sizeof(struct in_addr));
		memcpy(f->arp.arp_tpa, ip, sizeof(struct in_addr));
	}
	return FRAME_MIN;
}

size_t vmig_frame_rarp(uint8_t frame[VMIG_FRAME_MAX], const uint8_t mac[6])
{
	return fill_arp(frame, mac, ETHERTYPE_REVARP, ARPOP_RREQUEST, mac,
			NULL);
}

/* Some neighbours take only requests for a reason to update, some replies. */
size_t vmig_frame_arp(uint8_t frame[VMIG_FRAME_MAX], const uint8_t mac[6],
		      const struct in_addr *ip, enum vmig_arp_op op)
{
	static const uint8_t nobody[ETH_ALEN];

	return fill_arp(frame, mac, ETHERTYPE_ARP, op,
			op == VMIG_ARP_REPLY ? mac : nobody, ip);
}

size_t vmig_frame_tag(uint8_t frame[VMIG_FRAME_MAX], size_t len,
		      uint16_t protocol, unsigned int vlan)
{
	const uint16_t tag[2] = { htons(protocol), htons(vlan) };
	uint8_t *type = frame + 2 * ETH_ALEN;

	memmove(type + sizeof(tag), type, len - 2 * ETH_ALEN);
	memcpy(type, tag, sizeof(tag));
	return len + sizeof(tag);
}

static uint32_t sum_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len > 1; p += 2, len -= 2)
		sum += p[0] << 8 | p[1];
	return sum;
}

static uint16_t checksum(const struct na_frame *f, size_t len)
{
	uint32_t sum = len + IPPROTO_ICMPV6;

	sum = sum_words(sum, &f->ip6.ip6_src, 2 * sizeof(struct in6_addr));
	sum = sum_words(sum, &f->na, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

size_t vmig_frame_na(uint8_t frame[VMIG_FRAME_MAX], const uint8_t mac[6],
		     const struct in6_addr *ip)
{
	static const struct in6_addr all_nodes = {
		.s6_addr = { 0xff, 0x02, [15] = 1 }
	};
	/* 33:33 and the last four bytes of all_nodes. */
	static const uint8_t all_nodes_mac[ETH_ALEN] = {
		0x33, 0x33, 0, 0, 0, 1
	};
	struct na_frame *f = (struct na_frame *)frame;
	size_t len = sizeof(*f) - offsetof(struct na_frame, na);

	memset(f, 0, sizeof(*f));
	fill_ethernet(&f->eth, all_nodes_mac, mac, ETHERTYPE_IPV6);
	f->ip6.ip6_flow = htonl(6u << 28);
	f->ip6.ip6_plen = htons(len);
	f->ip6.ip6_nxt = IPPROTO_ICMPV6;
	/* What came through a router is ignored. */
	f->ip6.ip6_hlim = 255;
	f->ip6.ip6_src = *ip;
	f->ip6.ip6_dst = all_nodes;
	f->na.nd_na_type = ND_NEIGHBOR_ADVERT;
	f->na.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	f->na.nd_na_target = *ip;
	f->option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	f->option.nd_opt_len = 1;
	memcpy(f->mac, mac, ETH_ALEN);
	f->na.nd_na_cksum = checksum(f, len);
	return sizeof(*f);
}

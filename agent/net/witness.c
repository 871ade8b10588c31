// SPDX-License-Identifier: GPL-2.0
/*
 * The witness of an announcement: a packet socket on a NIC's tap whose filter
 * lets only such frames through as show that the network has found the VM.
 *
 * Not the announcements, which a bridge floods to the tap as well; not the
 * RARPs, which QEMU sends in the name of a guest that may say nothing; not what
 * this host says to the VM, which knows nothing of the switches outside.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "witness.h"

static uint32_t high(const uint8_t mac[6])
{
	return mac[0] << 8 | mac[1];
}

static uint32_t low(const uint8_t mac[6])
{
	return (uint32_t)mac[2] << 24 | mac[3] << 16 | mac[4] << 8 | mac[5];
}

static int set_filter(int fd, const uint8_t vm[6], const uint8_t host[6])
{
	/* Addresses are compared as their last four bytes, then the first two. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 9),
		/* To the tap: to the VM, and not from this host. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(vm), 0, 13),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high(vm), 0, 11),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(host), 0, 8),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high(host), 7, 6),
		BPF_STMT(BPF_RET | BPF_K, 0),
		/* From the tap: from the VM, and no RARP. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low(vm), 0, 4),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high(vm), 0, 2),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_RARP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, ETH_HLEN),
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program));
}

static int get_mac(int fd, const char *ifname, uint8_t mac[6])
{
	struct ifreq ifr = { };

	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		return -1;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return 0;
}

int vmig_witness_open(const char *tap, const char *bridge,
		      const uint8_t mac[6], struct vmig_err *err)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(tap),
	};
	uint8_t host[6];
	int fd;

	if (!at.sll_ifindex)
		return vmig_err_set(err, ENODEV, "there is no tap %s", tap);
	/* Protocol 0: nothing comes in before the filter is there. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !get_mac(fd, bridge, host) &&
	    !set_filter(fd, mac, host) &&
	    !bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	vmig_err_set(err, errno, "cannot watch tap %s: %m", tap);
	if (fd >= 0)
		close(fd);
	return -EIO;
}

enum vmig_ack_by vmig_witness_read(int fd)
{
	struct sockaddr_ll from = { };
	socklen_t len = sizeof(from);
	char byte;

	/* Truncated to what nobody needs. An error (the tap went) is no frame. */
	if (recvfrom(fd, &byte, sizeof(byte), 0, (struct sockaddr *)&from,
		     &len) < 0)
		return VMIG_ACK_NONE;
	return from.sll_pkttype == PACKET_OUTGOING ? VMIG_ACK_OUTSIDE :
	       VMIG_ACK_VM;
}

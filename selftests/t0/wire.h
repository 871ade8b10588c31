/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of agent/net: a network namespace a test, with
 *
 *	br0 --- port ===veth=== wire		the world outside
 *	 `----- the VM's tap, which the test holds as QEMU does
 */
#ifndef VMIG_T0_WIRE_H
#define VMIG_T0_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "net/net.h"
#include "net/vlan.h"

/* A protocol of nobody: no firewall judges it on its way over a bridge. */
#define ETHERTYPE	ETH_P_802_EX1
#define FRAME	60
/* What QEMU puts before each frame. */
#define VNET	10
#define WAIT_MS	5000

static const uint8_t vm[6] = { 0x52, 0x54, 0x00, 0x77, 0x01, 0x01 };
static const uint8_t other[6] = { 0x52, 0x54, 0x00, 0x77, 0x01, 0x02 };
static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static struct vmig_err err;

FIXTURE(net) {
	int wire;
	int host;
	int tap_fd;
	uint8_t host_mac[6];
	sd_event *event;
	struct vmig_definition *def;
	char tap[IFNAMSIZ];
	struct vmig_announce *announce;
	int done;
	struct vmig_acks acks;
};

static bool says(const char *command)
{
	return !system(command);
}

static int open_link(const char *name, uint8_t mac[6])
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	struct ifreq ifr = { };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	strcpy(ifr.ifr_name, name);
	if (fd >= 0 &&
	    (bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	     setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	     ioctl(fd, SIOCGIFHWADDR, &ifr))) {
		close(fd);
		return -1;
	}
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return fd;
}

static int open_tap(const char *name)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
	};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	strcpy(ifr.ifr_name, name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

FIXTURE_SETUP(net)
{
	struct vmig_nic *nic;
	uint8_t mac[6];

	if (geteuid())
		SKIP(return, "a network namespace needs root");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_TRUE(says("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && "
			 "ip link add br0 type bridge mcast_snooping 0 forward_delay 0 && "
			 "ip link add port type veth peer name wire && "
			 "ip link set port master br0 && "
			 "ip link set port up && ip link set wire up && "
			 "ip link set br0 up"));
	self->wire = open_link("wire", mac);
	ASSERT_LE(0, self->wire);
	self->host = open_link("br0", self->host_mac);
	ASSERT_LE(0, self->host);
	self->tap_fd = -1;
	ASSERT_EQ(0, sd_event_new(&self->event));
	self->def = calloc(1, sizeof(*self->def));
	ASSERT_NE(NULL, self->def);
	strcpy(self->def->name, "web1");
	self->def->nnics = 1;
	nic = &self->def->nics[0];
	strcpy(nic->name, "net0");
	strcpy(nic->bridge, "br0");
	memcpy(nic->mac, vm, sizeof(vm));
	vmig_tap_name("web1", "net0", self->tap);
	self->announce = NULL;
	self->done = 0;
	err.text[0] = '\0';
}

FIXTURE_TEARDOWN(net)
{
	vmig_announce_stop(self->announce);
	free(self->def);
	sd_event_unref(self->event);
	close(self->wire);
	close(self->host);
	if (self->tap_fd >= 0)
		close(self->tap_fd);
}

static void on_done(void *arg, int error, const struct vmig_err *why,
		    const struct vmig_acks *acks)
{
	FIXTURE_DATA(net) *self = arg;

	self->announce = NULL;
	self->done = error ? error : 1;
	self->acks = *acks;
	err = *why;
	sd_event_exit(self->event, 0);
}

/* A new port forwards a moment after its link is up. */
static bool forwards(const char *port)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "for i in $(seq 100); do bridge link show dev %s | grep -q 'state forwarding' && exit 0; sleep 0.05; done; exit 1",
		 port);
	return says(command);
}

/* The VM's tap, and the first round of its announcement. */
static int begin(FIXTURE_DATA(net) *self)
{
	int i;

	if (vmig_tap_create(self->tap, "br0", self->def->nics[0].vlan, &err))
		return -1;
	self->tap_fd = open_tap(self->tap);
	if (self->tap_fd < 0 || vmig_link_up(self->tap, &err) ||
	    !forwards(self->tap) || !forwards("port") ||
	    vmig_announce_start(self->event, self->def, on_done, self,
				&self->announce, &err))
		return -1;
	/* The timer, then whatever the round itself has made. */
	for (i = 0; i < 3; i++)
		if (sd_event_run(self->event, i ? 0 : 1000000) < 0)
			return -1;
	return 0;
}

static void make_frame(uint8_t *frame, const uint8_t *to, const uint8_t *from,
		       uint16_t type)
{
	memset(frame, 0, FRAME);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = type >> 8;
	frame[13] = type;
}

static bool vm_sends(FIXTURE_DATA(net) *self, const uint8_t *to, uint16_t type)
{
	uint8_t frame[VNET + FRAME] = { };

	make_frame(frame + VNET, to, vm, type);
	return write(self->tap_fd, frame, sizeof(frame)) == sizeof(frame);
}

/* The next frame on a link with this source and type: its VLAN, or -1. */
static int capture(int fd, const uint8_t *from, uint16_t type)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	uint8_t frame[256];
	struct iovec io = { frame, sizeof(frame) };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1 };
	struct tpacket_auxdata *aux;

	while (poll(&poll_fd, 1, WAIT_MS) == 1) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		if (recvmsg(fd, &msg, 0) < 14 || memcmp(frame + 6, from, 6) ||
		    (frame[12] << 8 | frame[13]) != type)
			continue;
		aux = (struct tpacket_auxdata *)CMSG_DATA(&control.head);
		return aux->tp_status & TP_STATUS_VLAN_VALID ?
		       aux->tp_vlan_tci : 0;
	}
	return -1;
}

/* Until the VM's side of the tap has seen a frame of @from. */
static __attribute__((unused)) bool vm_receives(FIXTURE_DATA(net) *self, const uint8_t *from)
{
	struct pollfd fd = { .fd = self->tap_fd, .events = POLLIN };
	uint8_t frame[256];

	while (poll(&fd, 1, WAIT_MS) == 1) {
		if (read(self->tap_fd, frame, sizeof(frame)) > VNET + 12 &&
		    !memcmp(frame + VNET + 6, from, 6))
			return true;
	}
	return false;
}

#endif /* VMIG_T0_WIRE_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking of vhost: a kernel thread that borrows the VMM's address space
 * delivers packets into guest memory.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_ring.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "ram.h"

#define SIZE		(8UL << 20)
#define LIMIT		60
#define BUFFERS		16U
#define FRAME		512
#define HEADER		10		/* struct virtio_net_hdr */
#define DESC_PAGE	0
#define AVAIL_PAGE	1
#define USED_PAGE	2

FIXTURE(vhost)
{
	struct ram ram;
	uint8_t *written;
	int tap, net, kick, call, out;
	struct sockaddr_ll to;
};

FIXTURE_VARIANT(vhost)
{
	const char *options;
};

FIXTURE_VARIANT_ADD(vhost, huge) { .options = "huge=always" };
FIXTURE_VARIANT_ADD(vhost, small) { .options = "huge=never" };

static unsigned int page_of(unsigned int buffer)
{
	return 100 + buffer * 73;
}

/* A tap device in a network of its own; out sends what comes out of it. */
static int open_tap(int *tap, int *out, struct sockaddr_ll *to)
{
	struct ifreq ifr = { .ifr_name = "tap0" };
	int ipv6 = -1;

	if (unshare(CLONE_NEWNET))
		return -errno;
	ipv6 = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (ipv6 >= 0 && write(ipv6, "1", 1) != 1)
		return -errno;
	close(ipv6);
	*tap = open("/dev/net/tun", O_RDWR);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	*out = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (*tap < 0 || *out < 0 || ioctl(*tap, TUNSETIFF, &ifr))
		return -errno;
	ifr.ifr_flags = IFF_UP;
	if (ioctl(*out, SIOCSIFFLAGS, &ifr))
		return -errno;
	*to = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex("tap0"),
		.sll_halen = ETH_ALEN,
	};
	return 0;
}

/* The receive queue, with every buffer offered. */
static void fill_ring(struct ram *ram)
{
	struct vring_desc *desc = (void *)(ram->mem + DESC_PAGE * RAM_PAGE);
	struct vring_avail *avail = (void *)(ram->mem + AVAIL_PAGE * RAM_PAGE);
	unsigned int i;

	for (i = 0; i < BUFFERS; i++) {
		desc[i] = (struct vring_desc){
			.addr = page_of(i) * RAM_PAGE, .len = 2048,
			.flags = VRING_DESC_F_WRITE,
		};
		avail->ring[i] = i;
	}
	__atomic_store_n(&avail->idx, BUFFERS, __ATOMIC_RELEASE);
}

/* Return: 0 or the negative errno of the first step that fails. */
static int start_vhost(struct ram *ram, int net, int tap, int kick, int call)
{
	struct vhost_memory *memory;
	struct vhost_vring_state num = { .index = 0, .num = BUFFERS };
	struct vhost_vring_state base = { .index = 0 };
	struct vhost_vring_addr addr = {
		.desc_user_addr = (uintptr_t)ram->mem + DESC_PAGE * RAM_PAGE,
		.avail_user_addr = (uintptr_t)ram->mem + AVAIL_PAGE * RAM_PAGE,
		.used_user_addr = (uintptr_t)ram->mem + USED_PAGE * RAM_PAGE,
	};
	struct vhost_vring_file kick_file = { .fd = kick };
	struct vhost_vring_file call_file = { .fd = call };
	struct vhost_vring_file backend = { .fd = tap };
	uint64_t features = 0;
	int err = 0;

	memory = calloc(1, sizeof(*memory) + sizeof(memory->regions[0]));
	memory->nregions = 1;
	memory->regions[0].memory_size = SIZE;
	memory->regions[0].userspace_addr = (uintptr_t)ram->mem;
	if (ioctl(net, VHOST_SET_OWNER) ||
	    ioctl(net, VHOST_SET_FEATURES, &features) ||
	    ioctl(net, VHOST_SET_MEM_TABLE, memory) ||
	    ioctl(net, VHOST_SET_VRING_NUM, &num) ||
	    ioctl(net, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(net, VHOST_SET_VRING_ADDR, &addr) ||
	    ioctl(net, VHOST_SET_VRING_KICK, &kick_file) ||
	    ioctl(net, VHOST_SET_VRING_CALL, &call_file) ||
	    ioctl(net, VHOST_NET_SET_BACKEND, &backend))
		err = -errno;
	free(memory);
	return err;
}

FIXTURE_SETUP(vhost)
{
	self->net = open("/dev/vhost-net", O_RDWR);
	if (self->net < 0 && !system("modprobe -a tun vhost_net"))
		self->net = open("/dev/vhost-net", O_RDWR);
	if (self->net < 0)
		SKIP(return, "no /dev/vhost-net");
	self->kick = eventfd(0, 0);
	self->call = eventfd(0, EFD_NONBLOCK);
	/* The VM before the namespace: its name is that of debugfs's file. */
	ASSERT_EQ(0, ram_open(&self->ram, SIZE, variant->options));
	ASSERT_EQ(0, open_tap(&self->tap, &self->out, &self->to));
	self->written = calloc(self->ram.pages, 1);
	memset(self->ram.mem, 0, SIZE);
	fill_ring(&self->ram);
	ASSERT_EQ(0, start_vhost(&self->ram, self->net, self->tap, self->kick,
				 self->call));
	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ((int)self->ram.pages, ram_harvest(&self->ram, false));
	ram_harvest(&self->ram, false);
}

FIXTURE_TEARDOWN(vhost)
{
	close(self->net);
	close(self->tap);
	close(self->out);
	close(self->kick);
	close(self->call);
	EXPECT_EQ(0, ram_close(&self->ram));
	free(self->written);
}

/* Wait until the used ring says that @n packets came. */
static bool came(struct ram *ram, int call, unsigned int n)
{
	struct vring_used *used = (void *)(ram->mem + USED_PAGE * RAM_PAGE);
	struct pollfd event = { .fd = call, .events = POLLIN };
	uint64_t count;

	while (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != n) {
		if (poll(&event, 1, 10000) != 1)
			return false;
		if (read(call, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(vhost, finds_what_was_delivered, LIMIT)
{
	unsigned char frame[FRAME];
	unsigned int i;

	memset(frame, 0xff, ETH_ALEN);
	for (i = 0; i < BUFFERS; i++) {
		memset(frame + ETH_ALEN, i + 1, FRAME - ETH_ALEN);
		ASSERT_EQ(FRAME, sendto(self->out, frame, FRAME, 0,
					(struct sockaddr *)&self->to,
					sizeof(self->to)));
		ASSERT_EQ(0, eventfd_write(self->kick, 1));
		ASSERT_TRUE(came(&self->ram, self->call, i + 1));
		memset(self->written, 0, self->ram.pages);
		self->written[USED_PAGE] = 1;
		self->written[page_of(i)] = 1;
		EXPECT_LE(0, ram_harvest(&self->ram, true));
		EXPECT_EQ(0, memcmp(self->written, self->ram.found,
				    self->ram.pages));
		EXPECT_EQ(0, memcmp(frame, self->ram.mem +
				    page_of(i) * RAM_PAGE + HEADER, FRAME));
	}
}

TEST_HARNESS_MAIN

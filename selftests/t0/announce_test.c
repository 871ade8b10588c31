// SPDX-License-Identifier: GPL-2.0
/*
 * Announcements as a switch behind the bridge sees them, byte by byte, and
 * taps. Each test has a network namespace of its own:
 *
 *	br0 --- port ===veth=== wire		what is captured
 *	 `----- the VM's tap
 */
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
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "net/net.h"

#define ROUNDS	9
/* For what comes at once, unless the host is busy. */
#define LIMIT_MS	10000
#define MAC	0x52, 0x54, 0x00, 0x77, 0x01, 0x01
#define IP4	10, 77, 0, 50
#define IP6	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0, 0xff, 0xfe, 0x77, 1, 1

static const uint8_t mac[6] = { MAC };

/* Written out by hand from the RFCs: 903, 826 and 5227, 4861. */
static const uint8_t rarp[60] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, MAC, 0x80, 0x35,
	0, 1, 8, 0, 6, 4, 0, 3, MAC, 0, 0, 0, 0, MAC, 0, 0, 0, 0,
};

static const uint8_t arp_request[60] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, MAC, 0x08, 0x06,
	0, 1, 8, 0, 6, 4, 0, 1, MAC, IP4, 0, 0, 0, 0, 0, 0, IP4,
};

static const uint8_t arp_reply[60] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, MAC, 0x08, 0x06,
	0, 1, 8, 0, 6, 4, 0, 2, MAC, IP4, MAC, IP4,
};

static const uint8_t advertisement[86] = {
	0x33, 0x33, 0, 0, 0, 1, MAC, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 32, 58, 255, IP6,
	0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
	136, 0, 0x64, 0x39, 0x20, 0, 0, 0, IP6, 2, 1, MAC,
};

static const struct {
	const uint8_t *bytes;
	size_t len;
} expected[] = {
	{ rarp, sizeof(rarp) },
	{ arp_request, sizeof(arp_request) },
	{ arp_reply, sizeof(arp_reply) },
	{ advertisement, sizeof(advertisement) },
};

#define A_ROUND	ARRAY_SIZE(expected)

static struct vmig_err err;

FIXTURE(net) {
	int wire;
	sd_event *event;
	struct vmig_definition *def;
	char tap[IFNAMSIZ];
	struct vmig_announce *announce;
	int done;
	int error;
	struct vmig_acks acks;
};

static int open_wire(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex("wire"),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void fill_definition(struct vmig_definition *def)
{
	struct vmig_nic *nic = &def->nics[0];

	strcpy(def->name, "web1");
	def->nnics = 1;
	strcpy(nic->name, "net0");
	strcpy(nic->bridge, "br0");
	memcpy(nic->mac, mac, sizeof(mac));
	nic->naddresses = 2;
	nic->addresses[0].family = AF_INET;
	nic->addresses[0].ip4.s_addr = inet_addr("10.77.0.50");
	nic->addresses[1].family = AF_INET6;
	nic->addresses[1].ip6 = (struct in6_addr){ .s6_addr = { IP6 } };
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static bool says(const char *command)
{
	return !system(command);
}

/* linkwatch lets a bridge see the carrier of a new port late: 1 s, or load. */
static bool forwards(const char *port)
{
	uint64_t end = now_ms() + LIMIT_MS;
	char command[128];

	snprintf(command, sizeof(command),
		 "bridge link show dev %s | grep -q 'state forwarding'", port);
	while (!says(command)) {
		if (now_ms() > end)
			return false;
		usleep(20000);
	}
	return true;
}

FIXTURE_SETUP(net)
{
	if (geteuid())
		SKIP(return, "a network namespace needs root");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	/* No noise of the namespace's own. */
	ASSERT_EQ(0, system("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && "
			    "ip link add br0 type bridge mcast_snooping 0 && "
			    "ip link add port type veth peer name wire && "
			    "ip link set port master br0 && "
			    "ip link set port up && ip link set wire up && "
			    "ip link set br0 up"));
	ASSERT_TRUE(forwards("port"));
	self->wire = open_wire();
	ASSERT_LE(0, self->wire);
	ASSERT_EQ(0, sd_event_new(&self->event));
	self->def = calloc(1, sizeof(*self->def));
	ASSERT_NE(NULL, self->def);
	fill_definition(self->def);
	vmig_tap_name("web1", "net0", self->tap);
	self->announce = NULL;
	self->done = 0;
	self->error = 0;
	err.text[0] = '\0';
}

FIXTURE_TEARDOWN(net)
{
	free(self->def);
	sd_event_unref(self->event);
	close(self->wire);
}

/*
 * The next frame, whoever sent it; < 0 for none. On a busy host a veth's frames
 * arrive when ksoftirqd comes to it, which is after they were sent.
 */
static ssize_t receive(int wire, uint8_t *frame, size_t size, int limit_ms)
{
	struct pollfd fd = { .fd = wire, .events = POLLIN };

	if (poll(&fd, 1, limit_ms) != 1)
		return -1;
	return recv(wire, frame, size, MSG_DONTWAIT);
}

/* The next frame with the VM's source address. Length, or 0 for none. */
static ssize_t capture(int wire, uint8_t *frame, size_t size, int limit_ms)
{
	ssize_t n;

	while ((n = receive(wire, frame, size, limit_ms)) >= 0) {
		if (n > 12 && !memcmp(frame + 6, mac, sizeof(mac)))
			return n;
	}
	return 0;
}

static void on_done(void *arg, int error, const struct vmig_err *why,
		    const struct vmig_acks *acks)
{
	FIXTURE_DATA(net) *self = arg;

	self->done++;
	self->error = error;
	self->acks = *acks;
	err = *why;
	sd_event_exit(self->event, 0);
}

/* As QEMU does: by name, with a header of its own. */
static int open_tap(const char *name)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
	};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

TEST_F(net, frames)
{
	uint8_t frame[256];
	uint64_t start = now_ms();
	unsigned int i;

	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	/* Nothing from within the call. */
	EXPECT_EQ(0, capture(self->wire, frame, sizeof(frame), 0));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(0, self->error);
	/* Nobody has heard of the VM, and it has no tap: no round is left out. */
	EXPECT_LE(VMIG_ANNOUNCE_MS, now_ms() - start);
	EXPECT_EQ(1, self->acks.n);
	EXPECT_STREQ("net0", self->acks.nic[0].nic);
	EXPECT_EQ(VMIG_ACK_NONE, self->acks.nic[0].by);
	EXPECT_EQ(ROUNDS, self->acks.nic[0].rounds);
	EXPECT_LE(VMIG_ANNOUNCE_MS, self->acks.nic[0].ms);
	for (i = 0; i < ROUNDS * A_ROUND; i++) {
		ASSERT_EQ(expected[i % A_ROUND].len,
			  capture(self->wire, frame, sizeof(frame),
				  LIMIT_MS)) {
			TH_LOG("frame %u", i);
		}
		ASSERT_EQ(0, memcmp(expected[i % A_ROUND].bytes, frame,
				    expected[i % A_ROUND].len)) {
			TH_LOG("frame %u", i);
		}
	}
	EXPECT_EQ(0, capture(self->wire, frame, sizeof(frame), 0));
}

TEST_F(net, several_nics)
{
	struct vmig_nic *nic = &self->def->nics[1];
	uint8_t frame[256];
	unsigned int i;

	/* Without addresses there is RARP alone; it has another MAC. */
	*nic = self->def->nics[0];
	strcpy(nic->name, "net1");
	nic->mac[5] = 2;
	nic->naddresses = 0;
	self->def->nnics = 2;
	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	ASSERT_LT(0, sd_event_run(self->event, 1000000));
	vmig_announce_stop(self->announce);
	for (i = 0; i < A_ROUND + 1; i++) {
		ASSERT_LT(0, receive(self->wire, frame, sizeof(frame),
				     LIMIT_MS));
		EXPECT_EQ(i == A_ROUND ? 2 : 1, frame[11]);
	}
	EXPECT_GT(0, receive(self->wire, frame, sizeof(frame), 0));
}

TEST_F(net, stop)
{
	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	/* The first round, no more. */
	ASSERT_LT(0, sd_event_run(self->event, 1000000));
	vmig_announce_stop(self->announce);
	EXPECT_EQ(0, sd_event_run(self->event, 400000));
	EXPECT_EQ(0, self->done);
	vmig_announce_stop(NULL);
}

/* As when the VM stops: whoever waits is told. */
TEST_F(net, cancel)
{
	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	ASSERT_LT(0, sd_event_run(self->event, 1000000));
	vmig_announce_cancel(self->announce, "the VM stands still");
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(-ECANCELED, self->error);
	EXPECT_STREQ("the VM stands still", err.text);
	EXPECT_EQ(1, self->acks.nic[0].rounds);
	vmig_announce_cancel(NULL, "");
}

TEST_F(net, no_bridge)
{
	strcpy(self->def->nics[0].bridge, "br9");
	EXPECT_EQ(-ENODEV, vmig_announce_start(self->event, self->def, on_done,
					       self, &self->announce, &err));
	EXPECT_STREQ("there is no bridge br9 for NIC net0 of VM web1: ip link add br9 type bridge",
		     err.text);
}

TEST_F(net, bridge_vanishes)
{
	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	ASSERT_LT(0, sd_event_run(self->event, 1000000));
	ASSERT_TRUE(says("ip link del br0"));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_GT(0, self->error);
	EXPECT_NE(NULL, strstr(err.text,
			       "cannot announce NIC net0 on br0: "));
}

/* What the bridge believed while the VM ran elsewhere is put right. */
TEST_F(net, bridge_learns)
{
	char command[128];
	int fd;

	ASSERT_EQ(0, vmig_tap_create(self->tap, "br0", 0, &err)) {
		TH_LOG("%s", err.text);
	}
	/* A port without carrier learns nothing. */
	fd = open_tap(self->tap);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vmig_link_up(self->tap, &err));
	ASSERT_TRUE(forwards(self->tap));
	ASSERT_TRUE(says("bridge fdb replace 52:54:00:77:01:01 dev port master dynamic"));
	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	ASSERT_LT(0, sd_event_run(self->event, 1000000));
	vmig_announce_stop(self->announce);
	snprintf(command, sizeof(command),
		 "bridge fdb show | grep -q '52:54:00:77:01:01 dev %s master br0'",
		 self->tap);
	EXPECT_TRUE(says(command)) {
		system("bridge fdb show");
	}
	EXPECT_FALSE(says("bridge fdb show | grep -q '52:54:00:77:01:01 dev port'"));
	close(fd);
	EXPECT_EQ(0, vmig_tap_delete(self->tap, &err));
	EXPECT_EQ(-ENODEV, vmig_bridge_learn(self->tap, mac, &err));
}

TEST_F(net, tap)
{
	char command[128];
	int fd;

	ASSERT_EQ(0, vmig_tap_create(self->tap, "br0", 0, &err)) {
		TH_LOG("%s", err.text);
	}
	/* Down until the VM runs, and already at its place. */
	snprintf(command, sizeof(command),
		 "ip -o link show %s | grep 'master br0' | grep -q 'state DOWN'",
		 self->tap);
	EXPECT_TRUE(says(command));
	fd = open_tap(self->tap);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmig_link_up(self->tap, &err));
	snprintf(command, sizeof(command), "ip -o link show %s | grep -q ,UP",
		 self->tap);
	EXPECT_TRUE(says(command));
	/* While somebody has it open it is not taken over. */
	EXPECT_EQ(-EBUSY, vmig_tap_create(self->tap, "br0", 0, &err));
	close(fd);
	EXPECT_TRUE(says(command));
	/* One that is left over is, and is down again. */
	EXPECT_EQ(0, vmig_tap_create(self->tap, "br0", 0, &err));
	EXPECT_FALSE(says(command));
	EXPECT_EQ(0, vmig_tap_delete(self->tap, &err));
	EXPECT_EQ(0, if_nametoindex(self->tap));
	EXPECT_EQ(0, vmig_tap_delete(self->tap, &err));
	EXPECT_GT(0, vmig_link_up(self->tap, &err));
}

TEST_F(net, tap_refused)
{
	EXPECT_EQ(-ENODEV, vmig_tap_create(self->tap, "br9", 0, &err));
	EXPECT_STREQ("there is no bridge br9: ip link add br9 type bridge",
		     err.text);
	EXPECT_EQ(-EINVAL, vmig_tap_create(self->tap, "wire", 0, &err));
	EXPECT_STREQ("wire is a network link, but no bridge", err.text);
	EXPECT_EQ(0, if_nametoindex(self->tap));
	EXPECT_EQ(-EINVAL, vmig_tap_create("sixteen-bytes-no", "br0", 0, &err));
	/* Not a tap at all. */
	EXPECT_GT(0, vmig_tap_create("wire", "br0", 0, &err));
	EXPECT_NE(0, if_nametoindex("wire"));
	EXPECT_EQ(0, vmig_bridge_check("br0", 0, &err));
}

TEST(tap_names)
{
	char a[IFNAMSIZ], b[IFNAMSIZ];

	vmig_tap_name("web1", "net0", a);
	EXPECT_EQ(0, strncmp("web1-", a, 5));
	EXPECT_EQ(13, strlen(a));
	vmig_tap_name("web1", "net0", b);
	EXPECT_STREQ(a, b);
	vmig_tap_name("web1", "net1", b);
	EXPECT_STRNE(a, b);
	vmig_tap_name("web1n", "et0", b);
	EXPECT_STRNE(a, b);
	vmig_tap_name("a-very-long-name-of-a-vm", "net0", b);
	EXPECT_EQ(IFNAMSIZ - 1, strlen(b));
}

TEST_HARNESS_MAIN

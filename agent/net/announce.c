// SPDX-License-Identifier: GPL-2.0
/*
 * Announcements: rounds of frames out of the bridges of a VM's NICs, on a timer
 * of the event loop. Repeated, because the links that a round crosses may drop
 * it, and a switch may still learn from an older frame; until a witness on the
 * NIC's tap has seen that the network knows.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "net.h"
#include "vlan.h"
#include "witness.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define TRUNKS_MAX	64

/* Milliseconds from the start; the distance doubles from the sixth on. */
static const unsigned int round_ms[] = {
	0, 50, 150, 250, 350, 550, 950, 1750, 3350
};

struct announced {
	struct vmig_announce *a;
	int ifindex;			/* of the bridge */
	char tap[IFNAMSIZ];
	struct vmig_nic nic;
	struct vmig_trunk trunks[TRUNKS_MAX];	/* with a VLAN: its way out */
	int ntrunks;
	int fd;				/* of the witness, -1 without */
	sd_event_source *witness;	/* from the first round on */
};

struct vmig_announce {
	int fd;
	sd_event *event;
	sd_event_source *timer;
	unsigned int round;
	uint64_t start;			/* us, CLOCK_MONOTONIC */
	vmig_announce_fn *done;
	void *arg;
	struct vmig_acks acks;		/* of nics, in their order */
	struct announced nics[];
};

/* A frame out of link @ifindex. */
static int send_on(const struct announced *nic, int ifindex,
		   const uint8_t *frame, size_t len, struct vmig_err *err)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = ifindex,
	};
	ssize_t n;

	/* A full queue is congestion: the next round says it again. */
	n = sendto(nic->a->fd, frame, len, MSG_DONTWAIT,
		   (struct sockaddr *)&to, sizeof(to));
	if (n >= 0 || errno == ENOBUFS || errno == EAGAIN)
		return 0;
	return vmig_err_set(err, errno, "cannot announce NIC %s on %s: %s",
			    nic->nic.name, nic->nic.bridge, strerror(errno));
}

/*
 * The bridge itself need not be in the VLANs of its ports, and then drops what
 * this host sends in one: the ports are served one by one.
 */
static void send_vlan(const struct announced *nic, const uint8_t *frame,
		      size_t len)
{
	uint8_t tagged[VMIG_FRAME_MAX];
	size_t tagged_len;
	int i;

	for (i = 0; i < nic->ntrunks; i++) {
		const struct vmig_trunk *trunk = &nic->trunks[i];

		memcpy(tagged, frame, len);
		tagged_len = trunk->tagged
			? vmig_frame_tag(tagged, len, trunk->protocol,
					 nic->nic.vlan) : len;
		/* A port that is down or full is one of many ways. */
		send_on(nic, trunk->ifindex, tagged, tagged_len, NULL);
	}
}

static int send_frame(const struct announced *nic, const uint8_t *frame,
		      size_t len, struct vmig_err *err)
{
	if (!nic->nic.vlan)
		return send_on(nic, nic->ifindex, frame, len, err);
	send_vlan(nic, frame, len);
	return 0;
}

static int send_address(const struct announced *nic,
			const struct vmig_address *address,
			struct vmig_err *err)
{
	uint8_t frame[VMIG_FRAME_MAX];
	size_t len;
	int ret;

	if (address->family == AF_INET6) {
		len = vmig_frame_na(frame, nic->nic.mac, &address->ip6);
		return send_frame(nic, frame, len, err);
	}
	len = vmig_frame_arp(frame, nic->nic.mac, &address->ip4,
			     VMIG_ARP_REQUEST);
	ret = send_frame(nic, frame, len, err);
	if (ret)
		return ret;
	len = vmig_frame_arp(frame, nic->nic.mac, &address->ip4,
			     VMIG_ARP_REPLY);
	return send_frame(nic, frame, len, err);
}

static int send_nic(struct announced *nic, struct vmig_err *err)
{
	uint8_t frame[VMIG_FRAME_MAX];
	unsigned int i;
	int ret;

	if (nic->nic.vlan) {
		ret = vmig_vlan_trunks(nic->tap, nic->nic.bridge, nic->nic.vlan,
				       nic->trunks, TRUNKS_MAX, err);
		if (ret < 0)
			return ret;
		nic->ntrunks = ret;
	}
	/*
	 * The bridge does not learn from what is sent through it by this host.
	 * Not an error: the tap may have another name if somebody else made it,
	 * and the VM's next frame does it too.
	 */
	vmig_bridge_learn(nic->tap, nic->nic.mac, NULL);
	ret = send_frame(nic, frame, vmig_frame_rarp(frame, nic->nic.mac), err);
	for (i = 0; !ret && i < nic->nic.naddresses; i++)
		ret = send_address(nic, &nic->nic.addresses[i], err);
	return ret;
}

/* For the NICs that nobody has acknowledged. */
static int send_round(struct vmig_announce *a, struct vmig_err *err)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < a->acks.n; i++) {
		if (a->acks.nic[i].by)
			continue;
		a->acks.nic[i].rounds++;
		ret = send_nic(&a->nics[i], err);
		if (a->nics[i].witness)
			sd_event_source_set_enabled(a->nics[i].witness,
						    SD_EVENT_ON);
	}
	return ret;
}

static bool is_acknowledged(const struct vmig_announce *a)
{
	unsigned int i;

	for (i = 0; i < a->acks.n; i++) {
		if (!a->acks.nic[i].by)
			return false;
	}
	return true;
}

static void finish(struct vmig_announce *a, int error,
		   const struct vmig_err *err)
{
	vmig_announce_fn *done = a->done;
	struct vmig_acks acks = a->acks;
	void *arg = a->arg;

	vmig_announce_stop(a);
	if (done)
		done(arg, error, err, &acks);
}

static unsigned int elapsed_ms(const struct vmig_announce *a)
{
	uint64_t now = a->start;

	sd_event_now(a->event, CLOCK_MONOTONIC, &now);
	return (unsigned int)((now - a->start) / 1000);
}

/* At the next round, or when all have been in vain. */
static int set_timer(struct vmig_announce *a, struct vmig_err *err)
{
	unsigned int ms = a->round < ARRAY_SIZE(round_ms) ?
			  round_ms[a->round] : VMIG_ANNOUNCE_MS;
	int ret;

	ret = sd_event_source_set_time(a->timer, a->start + ms * 1000ull);
	if (ret >= 0)
		ret = sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
	if (ret < 0)
		return vmig_err_set(err, -ret, "cannot set a timer: %s",
				    strerror(-ret));
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *arg)
{
	struct vmig_announce *a = arg;
	struct vmig_err err = { };
	unsigned int i;
	int ret;

	(void)source;
	(void)now;
	if (a->round == ARRAY_SIZE(round_ms)) {
		for (i = 0; i < a->acks.n; i++) {
			if (!a->acks.nic[i].by)
				a->acks.nic[i].ms = elapsed_ms(a);
		}
		finish(a, 0, &err);
		return 0;
	}
	ret = send_round(a, &err);
	a->round++;
	if (!ret && !is_acknowledged(a))
		ret = set_timer(a, &err);
	if (ret || is_acknowledged(a))
		finish(a, ret, &err);
	return 0;
}

static int on_witness(sd_event_source *source, int fd, uint32_t events,
		      void *arg)
{
	struct announced *nic = arg;
	struct vmig_announce *a = nic->a;
	struct vmig_ack *ack = &a->acks.nic[nic - a->nics];
	struct vmig_err err = { };

	(void)source;
	(void)events;
	ack->by = vmig_witness_read(fd);
	/* The tap has gone: what it could tell will not come. */
	nic->witness = sd_event_source_disable_unref(nic->witness);
	if (!ack->by)
		return 0;
	ack->ms = elapsed_ms(a);
	if (is_acknowledged(a))
		finish(a, 0, &err);
	return 0;
}

void vmig_announce_stop(struct vmig_announce *a)
{
	unsigned int i;

	if (!a)
		return;
	for (i = 0; i < a->acks.n; i++) {
		sd_event_source_disable_unref(a->nics[i].witness);
		if (a->nics[i].fd >= 0)
			close(a->nics[i].fd);
	}
	sd_event_source_disable_unref(a->timer);
	sd_event_unref(a->event);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

void vmig_announce_cancel(struct vmig_announce *a, const char *why)
{
	struct vmig_err err;
	int ret = vmig_err_set(&err, ECANCELED, "%s", why);

	if (a)
		finish(a, ret, &err);
}

/* A NIC without is announced in all rounds. */
static int add_witness(struct announced *nic, struct vmig_err *err)
{
	int ret;

	nic->fd = vmig_witness_open(nic->tap, nic->nic.bridge, nic->nic.mac,
				    NULL);
	if (nic->fd < 0)
		return 0;
	ret = sd_event_add_io(nic->a->event, &nic->witness, nic->fd, EPOLLIN,
			      on_witness, nic);
	/* Nothing is acknowledged before it has been said. */
	if (ret >= 0)
		ret = sd_event_source_set_enabled(nic->witness, SD_EVENT_OFF);
	if (ret < 0)
		return vmig_err_set(err, -ret, "cannot watch tap %s: %s",
				    nic->tap, strerror(-ret));
	return 0;
}

static int add_nics(struct vmig_announce *a, const struct vmig_definition *def,
		    struct vmig_err *err)
{
	unsigned int i;
	int ret;

	for (i = 0; i < def->nnics; i++) {
		struct announced *nic = &a->nics[i];

		nic->a = a;
		nic->fd = -1;
		nic->nic = def->nics[i];
		strcpy(a->acks.nic[i].nic, nic->nic.name);
		a->acks.n++;
		vmig_tap_name(def->name, nic->nic.name, nic->tap);
		nic->ifindex = if_nametoindex(nic->nic.bridge);
		if (!nic->ifindex)
			return vmig_err_set(err, ENODEV,
					    "there is no bridge %s for NIC %s of VM %s: ip link add %s type bridge",
					    nic->nic.bridge, nic->nic.name,
					    def->name, nic->nic.bridge);
		ret = add_witness(nic, err);
		if (ret)
			return ret;
	}
	return 0;
}

int vmig_announce_start(struct sd_event *event,
			const struct vmig_definition *def,
			vmig_announce_fn *done, void *arg,
			struct vmig_announce **announce, struct vmig_err *err)
{
	struct vmig_announce *a;
	int ret;

	a = calloc(1, sizeof(*a) + def->nnics * sizeof(a->nics[0]));
	if (!a)
		return vmig_err_set(err, ENOMEM, "out of memory");
	a->event = sd_event_ref(event);
	a->done = done;
	a->arg = arg;
	/* Protocol 0: the socket receives nothing. */
	a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		ret = vmig_err_set(err, errno,
				   "cannot open a packet socket: %s",
				   strerror(errno));
		goto err_stop;
	}
	ret = add_nics(a, def, err);
	if (ret)
		goto err_stop;
	ret = sd_event_now(event, CLOCK_MONOTONIC, &a->start);
	if (ret >= 0)
		ret = sd_event_add_time(event, &a->timer, CLOCK_MONOTONIC,
					a->start, 1000, on_timer, a);
	if (ret < 0) {
		vmig_err_set(err, -ret, "cannot set a timer: %s",
			     strerror(-ret));
		goto err_stop;
	}
	*announce = a;
	return 0;

err_stop:
	vmig_announce_stop(a);
	return ret;
}

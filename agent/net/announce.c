// SPDX-License-Identifier: GPL-2.0
/*
 * Announcements: several rounds of frames out of the bridges of a VM's NICs,
 * on a timer of the event loop. Repeated, because the links that a round
 * crosses may drop it, and a switch may still learn from an older frame.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Milliseconds from the start. */
static const unsigned int round_ms[] = { 0, 50, 150, 250, 350 };

struct announced {
	int ifindex;			/* of the bridge */
	char tap[IFNAMSIZ];
	struct vmig_nic nic;
};

struct vmig_announce {
	int fd;
	sd_event_source *timer;
	unsigned int round;
	uint64_t start;			/* us, CLOCK_MONOTONIC */
	vmig_announce_fn *done;
	void *arg;
	unsigned int nnics;
	struct announced nics[];
};

static int send_frame(const struct vmig_announce *a,
		      const struct announced *nic, const uint8_t *frame,
		      size_t len, struct vmig_err *err)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = nic->ifindex,
	};
	ssize_t n;

	/* A full queue is congestion: the next round says it again. */
	n = sendto(a->fd, frame, len, MSG_DONTWAIT, (struct sockaddr *)&to,
		   sizeof(to));
	if (n >= 0 || errno == ENOBUFS || errno == EAGAIN)
		return 0;
	return vmig_err_set(err, errno, "cannot announce NIC %s on %s: %s",
			    nic->nic.name, nic->nic.bridge, strerror(errno));
}

static int send_address(const struct vmig_announce *a,
			const struct announced *nic,
			const struct vmig_address *address,
			struct vmig_err *err)
{
	uint8_t frame[VMIG_FRAME_MAX];
	size_t len;
	int ret;

	if (address->family == AF_INET6) {
		len = vmig_frame_na(frame, nic->nic.mac, &address->ip6);
		return send_frame(a, nic, frame, len, err);
	}
	len = vmig_frame_arp(frame, nic->nic.mac, &address->ip4,
			     VMIG_ARP_REQUEST);
	ret = send_frame(a, nic, frame, len, err);
	if (ret)
		return ret;
	len = vmig_frame_arp(frame, nic->nic.mac, &address->ip4,
			     VMIG_ARP_REPLY);
	return send_frame(a, nic, frame, len, err);
}

static int send_nic(const struct vmig_announce *a, const struct announced *nic,
		    struct vmig_err *err)
{
	uint8_t frame[VMIG_FRAME_MAX];
	unsigned int i;
	int ret;

	ret = send_frame(a, nic, frame, vmig_frame_rarp(frame, nic->nic.mac),
			 err);
	for (i = 0; !ret && i < nic->nic.naddresses; i++)
		ret = send_address(a, nic, &nic->nic.addresses[i], err);
	return ret;
}

static int send_round(const struct vmig_announce *a, struct vmig_err *err)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < a->nnics; i++) {
		/*
		 * The bridge does not learn from what is sent through it by
		 * this host. Not an error: the tap may have another name if
		 * somebody else made it, and the VM's next frame does it too.
		 */
		vmig_bridge_learn(a->nics[i].tap, a->nics[i].nic.mac, NULL);
		ret = send_nic(a, &a->nics[i], err);
	}
	return ret;
}

static int on_timer(sd_event_source *source, uint64_t now, void *arg)
{
	struct vmig_announce *a = arg;
	vmig_announce_fn *done = a->done;
	void *done_arg = a->arg;
	struct vmig_err err = { };
	int ret;

	(void)now;
	ret = send_round(a, &err);
	if (!ret && ++a->round < ARRAY_SIZE(round_ms)) {
		ret = sd_event_source_set_time(source,
					       a->start +
					       round_ms[a->round] * 1000);
		if (ret >= 0)
			ret = sd_event_source_set_enabled(source,
							  SD_EVENT_ONESHOT);
		if (ret >= 0)
			return 0;
		vmig_err_set(&err, -ret, "cannot set a timer: %s",
			     strerror(-ret));
	}
	vmig_announce_stop(a);
	if (done)
		done(done_arg, ret, &err);
	return 0;
}

void vmig_announce_stop(struct vmig_announce *a)
{
	if (!a)
		return;
	sd_event_source_disable_unref(a->timer);
	close(a->fd);
	free(a);
}

static int add_nics(struct vmig_announce *a, const struct vmig_definition *def,
		    struct vmig_err *err)
{
	for (; a->nnics < def->nnics; a->nnics++) {
		struct announced *nic = &a->nics[a->nnics];

		nic->nic = def->nics[a->nnics];
		vmig_tap_name(def->name, nic->nic.name, nic->tap);
		nic->ifindex = if_nametoindex(nic->nic.bridge);
		if (!nic->ifindex)
			return vmig_err_set(err, ENODEV,
					    "there is no bridge %s for NIC %s of VM %s: ip link add %s type bridge",
					    nic->nic.bridge, nic->nic.name,
					    def->name, nic->nic.bridge);
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
	a->done = done;
	a->arg = arg;
	/* Protocol 0: the socket receives nothing. */
	a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		ret = vmig_err_set(err, errno,
				   "cannot open a packet socket: %s",
				   strerror(errno));
		goto err_free;
	}
	ret = add_nics(a, def, err);
	if (ret)
		goto err_close;
	ret = sd_event_now(event, CLOCK_MONOTONIC, &a->start);
	if (ret >= 0)
		ret = sd_event_add_time(event, &a->timer, CLOCK_MONOTONIC,
					a->start, 1000, on_timer, a);
	if (ret < 0) {
		vmig_err_set(err, -ret, "cannot set a timer: %s",
			     strerror(-ret));
		goto err_close;
	}
	*announce = a;
	return 0;

err_close:
	close(a->fd);
err_free:
	free(a);
	return ret;
}

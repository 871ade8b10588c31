// SPDX-License-Identifier: GPL-2.0
/*
 * A peer that never pauses: each of its frames is in order, and there is always
 * another one. It must not be able to hold off the end of a migration.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "migrate/digest.h"
#include "pair.h"
#include "peer.h"

#define SIZE	(4UL << 20)
#define BATCH	8192
/* Of the flood, so that a kernel that fails the test recovers from it. */
#define FLOOD_S	40
/* The end takes a farewell of 5 s at most. */
#define END_S	12

struct flood {
	pthread_t thread;
	struct peer *peer;
	enum vmig_pkt type;
};

FIXTURE(flood)
{
	struct pair *pair;
	struct peer *peer;
	struct flood flood;
};

FIXTURE_SETUP(flood)
{
	self->pair = pair_open("huge=never");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	ASSERT_EQ(0, pair_connect(self->pair, 1));
	self->peer = calloc(1, sizeof(*self->peer));
	ASSERT_NE(NULL, self->peer);
}

FIXTURE_TEARDOWN(flood)
{
	free(self->peer);
	pair_close(self->pair);
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Answers are thrown away, so that the kernel can go on giving them. */
static int send_and_drain(int fd, const char *data, size_t len)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };
	static char waste[1 << 16];
	ssize_t n;

	while (len) {
		if (poll(&poll_fd, 1, 1000) != 1)
			continue;
		if (poll_fd.revents & (POLLERR | POLLHUP))
			return -1;
		if (poll_fd.revents & POLLIN &&
		    recv(fd, waste, sizeof(waste), MSG_DONTWAIT) <= 0)
			return -1;
		if (!(poll_fd.revents & POLLOUT))
			continue;
		n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	return 0;
}

static void *flood_on(void *arg)
{
	static struct vmig_wire_header batch[BATCH];
	struct flood *flood = arg;
	struct vmig_frame frame = { .type = flood->type };
	time_t end = now() + FLOOD_S;
	unsigned int i;

	do {
		for (i = 0; i < BATCH; i++) {
			frame.seq = flood->peer->tx_seq++;
			vmig_wire_encode(&frame, &batch[i]);
		}
	} while (now() < end && !send_and_drain(flood->peer->fd, (char *)batch,
						sizeof(batch)));
	close(flood->peer->fd);
	return NULL;
}

static int start_flood(struct flood *flood, struct peer *peer,
		       enum vmig_pkt type)
{
	flood->peer = peer;
	flood->type = type;
	if (pthread_create(&flood->thread, NULL, flood_on, flood))
		return -1;
	/* Until the receive queue is never empty any more. */
	sleep(2);
	return 0;
}

/* As a destination that never confirms the last pages. */
static int reach_stop_copy(struct pair *pair, struct peer *peer)
{
	struct plan plan = { .channels = 1, .max_blackout = 60000 };

	if (side_new(&pair->a, "b", &plan))
		return -1;
	peer->fd = pair->b.sockets[0];
	if (side_call(&pair->a, VMIG_CMD_MIGRATION_START) ||
	    peer_take_hello(peer, true, 1) ||
	    peer_await(peer, VMIG_P_ROUND) ||
	    peer_signal(peer, VMIG_P_ROUND_ACK, peer->frame.first) ||
	    side_wait_converged(&pair->a) ||
	    side_call(&pair->a, VMIG_CMD_MIGRATION_STOP_COPY))
		return -1;
	do {
		if (peer_recv(peer))
			return -1;
		if (peer->frame.type == VMIG_P_ROUND &&
		    peer_signal(peer, VMIG_P_ROUND_ACK, peer->frame.first))
			return -1;
		if (peer->frame.type == VMIG_P_PING &&
		    peer_signal(peer, VMIG_P_PONG, 0))
			return -1;
	} while (peer->frame.type != VMIG_P_FINAL_END);
	return 0;
}

TEST_F_TIMEOUT(flood, pongs_in_stop_copy, 90)
{
	time_t began;

	memset(self->pair->a.mem, 0x11, SIZE);
	ASSERT_EQ(0, reach_stop_copy(self->pair, self->peer));
	ASSERT_EQ(0, start_flood(&self->flood, self->peer, VMIG_P_PONG));
	began = now();
	ASSERT_EQ(0, side_call(&self->pair->a, VMIG_CMD_MIGRATION_CANCEL));
	EXPECT_EQ(0, side_wait(&self->pair->a, VMIG_STATE_CANCELLED));
	EXPECT_GE(END_S, now() - began);
	/* The VM is the source's again. */
	EXPECT_EQ(0, pair_remove_vm(&self->pair->a));
	pthread_join(self->flood.thread, NULL);
}

/* As a source that moves a VM of holes. */
static int reach_ready(struct pair *pair, struct peer *peer)
{
	struct vmig_frame frame = {
		.type = VMIG_P_FINAL_END, .len = sizeof(struct vmig_wire_tally),
	};
	struct plan plan = { .channels = 1 };
	struct vmig_tally tally = { 0 };
	struct vmig_digest digest;
	struct vmig_wire_tally raw;

	if (side_new(&pair->b, "a", &plan))
		return -1;
	peer->fd = pair->a.sockets[0];
	vmig_digest_init(&digest);
	tally.final_digest = vmig_digest_value(&digest);
	vmig_wire_encode_tally(&tally, &raw);
	return side_call(&pair->b, VMIG_CMD_MIGRATION_START) ||
	       peer_hello(peer, 0, 1, SIZE) ||
	       peer_await(peer, VMIG_P_HELLO_ACK) ||
	       peer_signal(peer, VMIG_P_FINAL_BEGIN, 0) ||
	       peer_send(peer, frame, &raw) ||
	       peer_await(peer, VMIG_P_FINAL_ACK) ||
	       side_wait(&pair->b, VMIG_STATE_READY);
}

TEST_F_TIMEOUT(flood, pings_in_ready, 90)
{
	time_t began;

	ASSERT_EQ(0, reach_ready(self->pair, self->peer));
	ASSERT_EQ(0, side_stage(&self->pair->b, VMIG_STAGE_RESUME));
	ASSERT_EQ(0, start_flood(&self->flood, self->peer, VMIG_P_PING));
	began = now();
	EXPECT_EQ(0, side_call(&self->pair->b, VMIG_CMD_MIGRATION_DONE));
	EXPECT_EQ(0, side_wait(&self->pair->b, VMIG_STATE_DONE));
	EXPECT_GE(END_S, now() - began);
	pthread_join(self->flood.thread, NULL);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel against a peer that never falls silent and never comes to an end:
 * every wait for it has a limit, and nobody else waits with it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "pair.h"
#include "peer.h"

#define SIZE	(32UL << 20)
#define CHUNK	(2UL << 20)

/* One kernel, as source (a) or as destination (b), and its one-channel peer. */
struct scene {
	struct pair *pair;
	struct side *a;
	struct side *b;
	struct peer *peer;
};

static int set_scene(struct scene *scene)
{
	scene->pair = pair_open("huge=always");
	scene->peer = calloc(1, sizeof(*scene->peer));
	if (!scene->pair || pair_make_vm(scene->pair, SIZE))
		return -1;
	scene->a = &scene->pair->a;
	scene->b = &scene->pair->b;
	memset(scene->a->mem, 0x11, SIZE);
	return 0;
}

static void strike_scene(struct scene *scene)
{
	free(scene->peer);
	pair_close(scene->pair);
}

/* The kernel is the source; its peer has the greeting and a small buffer. */
static int meet_source(struct scene *scene, const struct plan *plan)
{
	const int bytes = 64 << 10;

	if (pair_connect(scene->pair, 1) || side_new(scene->a, "b", plan))
		return -1;
	scene->peer->fd = scene->b->sockets[0];
	setsockopt(scene->peer->fd, SOL_SOCKET, SO_RCVBUF, &bytes,
		   sizeof(bytes));
	return side_call(scene->a, VMIG_CMD_MIGRATION_START) ||
	       peer_take_hello(scene->peer, true, 1);
}

static int meet_destination(struct scene *scene)
{
	const struct plan plan = { .channels = 1 };

	if (pair_connect(scene->pair, 1) || side_new(scene->b, "a", &plan))
		return -1;
	scene->peer->fd = scene->a->sockets[0];
	return side_call(scene->b, VMIG_CMD_MIGRATION_START) ||
	       peer_hello(scene->peer, 0, 1, SIZE) ||
	       peer_await(scene->peer, VMIG_P_HELLO_ACK);
}

/* Take frames up to @type as a destination does. */
static int follow(struct peer *peer, enum vmig_pkt type)
{
	do {
		if (peer_recv(peer) || peer->frame.type == VMIG_P_ABORT)
			return -1;
		if (peer->frame.type == VMIG_P_PING &&
		    peer_signal(peer, VMIG_P_PONG, 0))
			return -1;
		if (peer->frame.type == VMIG_P_ROUND &&
		    peer_signal(peer, VMIG_P_ROUND_ACK, peer->frame.first))
			return -1;
	} while (peer->frame.type != type);
	return 0;
}

/* One step of a peer that is never quite silent, every @ms. */
struct habit {
	void (*step)(struct peer *peer);
	unsigned int ms;
};

/*
 * Keep a habit until the side's migration has ended. Return: 0 with its reason
 * in side->message if that was within @seconds.
 */
static int keep(struct side *side, struct peer *peer, const struct habit *habit,
		unsigned int seconds)
{
	unsigned int waited;

	for (waited = 0; waited < seconds * 1000; waited += habit->ms) {
		if (habit->step)
			habit->step(peer);
		usleep(habit->ms * 1000);
		if (side_get(side))
			return -1;
		if (nl_u32(&side->message, VMIG_A_MIGRATION_STATE) ==
		    VMIG_STATE_FAILED)
			return 0;
	}
	return -1;
}

static void say_pong(struct peer *peer)
{
	peer_signal(peer, VMIG_P_PONG, 0);
}

static void take_some(struct peer *peer)
{
	char bytes[32 << 10];

	recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

static void give_some(struct peer *peer)
{
	char bytes[1000] = { 0 };

	send(peer->fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const char *judge(struct side *side, const char *text)
{
	if (nl_u32(&side->message, VMIG_A_MIGRATION_ERROR) == ETIME &&
	    strstr(side_reason(side), text))
		return NULL;
	return side_reason(side);
}

/* The final pass while the peer has a habit. */
static const char *stop_with(struct scene *scene, const struct habit *habit,
			     bool whole)
{
	const struct plan plan = {
		.channels = 1, .max_blackout = 60000, .stop_limit = 3,
	};

	if (meet_source(scene, &plan) || follow(scene->peer, VMIG_P_ROUND) ||
	    side_wait_converged(scene->a))
		return "no convergence";
	if (!whole)
		memset(scene->a->mem, 0x22, SIZE);
	if (side_call(scene->a, VMIG_CMD_MIGRATION_STOP_COPY) ||
	    (whole && follow(scene->peer, VMIG_P_FINAL_END)))
		return "no final pass";
	if (keep(scene->a, scene->peer, habit, 40))
		return "the VM stands still without end";
	return judge(scene->a, "stood still for 3 s, its limit");
}

/* All is taken, and the answer is that the answer will come. */
static const char *stop_for_pongs(struct scene *scene)
{
	return stop_with(scene, &(struct habit){ say_pong, 500 }, true);
}

static const char *stop_for_a_trickle(struct scene *scene)
{
	return stop_with(scene, &(struct habit){ take_some, 1000 }, false);
}

/* The VM runs, so that only the limit of a frame counts. */
static const char *send_to_a_trickle(struct scene *scene)
{
	const struct plan plan = { .channels = 1 };

	if (meet_source(scene, &plan))
		return "no greeting";
	if (keep(scene->a, scene->peer, &(struct habit){ take_some, 2000 }, 150))
		return "sending never ends";
	return judge(scene->a, "took longer than 60 seconds for a frame");
}

static int begin_chunk(struct peer *peer)
{
	static const struct vmig_run run = { 0, 512, VMIG_RUN_DATA };
	struct vmig_frame frame = {
		.type = VMIG_P_CHUNK, .seq = peer->tx_seq++, .count = 1,
		.flags = VMIG_CHUNK_HUGE,
		.len = sizeof(struct vmig_wire_run) + CHUNK,
	};
	char bytes[sizeof(struct vmig_wire_header) +
		   sizeof(struct vmig_wire_run)];

	vmig_wire_encode(&frame, (struct vmig_wire_header *)bytes);
	vmig_wire_encode_runs(&run, 1, (struct vmig_wire_run *)
			      (bytes + sizeof(struct vmig_wire_header)));
	return send(peer->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) !=
	       sizeof(bytes);
}

static const char *receive_a_trickle(struct scene *scene)
{
	if (meet_destination(scene) || begin_chunk(scene->peer))
		return "no greeting";
	if (keep(scene->b, scene->peer, &(struct habit){ give_some, 1000 }, 150))
		return "receiving never ends";
	return judge(scene->b, "took longer than 60 seconds for a frame");
}

/* Switch-over was called for, and no agent does it: a minute and no more. */
static const char *forced_for_nobody(struct scene *scene)
{
	const struct plan plan = {
		.channels = 1, .bandwidth = 1 << 20, .timeout = 3,
		.at_timeout = VMIG_TIMEOUT_ACTION_SWITCH_OVER,
		.stop_limit = 15,
	};

	if (pair_start(scene->pair, &plan) || side_wait_converged(scene->a))
		return "not forced";
	if (!scene->a->message.attrs[VMIG_A_MIGRATION_FORCED])
		return "converged without force";
	if (keep(scene->a, NULL, &(struct habit){ NULL, 500 }, 150))
		return "it is forced for ever";
	return judge(scene->a, "took longer than its limit of 78 s");
}

static const struct {
	const char *name;
	const char *(*play)(struct scene *scene);
} plays[] = {
	{ "stop_for_pongs", stop_for_pongs },
	{ "stop_for_a_trickle", stop_for_a_trickle },
	{ "send_to_a_trickle", send_to_a_trickle },
	{ "receive_a_trickle", receive_a_trickle },
	{ "forced_for_nobody", forced_for_nobody },
};

#define PLAYS (sizeof(plays) / sizeof(plays[0]))

/* In a process of its own: a pair lives in the namespaces of one. */
static pid_t play(unsigned int i)
{
	struct scene scene;
	const char *wrong;
	pid_t pid = fork();

	if (pid)
		return pid;
	wrong = set_scene(&scene) ? "no pair of nodes" : plays[i].play(&scene);
	if (wrong)
		fprintf(stderr, "# %s: %s\n", plays[i].name, wrong);
	_exit(!!wrong);
}

FIXTURE(plays)
{
	pid_t pid[PLAYS];
};

FIXTURE_SETUP(plays)
{
	unsigned int i;

	for (i = 0; i < PLAYS; i++)
		self->pid[i] = play(i);
}

FIXTURE_TEARDOWN(plays)
{
}

/* They wait most of the time, so all of them do at once. */
TEST_F_TIMEOUT(plays, end, 300)
{
	unsigned int i;
	int status;

	for (i = 0; i < PLAYS; i++) {
		ASSERT_EQ(self->pid[i], waitpid(self->pid[i], &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("%s failed", plays[i].name);
		}
	}
}

FIXTURE(peer)
{
	struct scene scene;
};

FIXTURE_SETUP(peer)
{
	ASSERT_EQ(0, set_scene(&self->scene));
}

FIXTURE_TEARDOWN(peer)
{
	strike_scene(&self->scene);
}

struct touch {
	pthread_t thread;
	volatile unsigned char *byte;
	atomic_bool done;
};

static void *touch_byte(void *arg)
{
	struct touch *touch = arg;

	(*touch->byte)++;
	atomic_store(&touch->done, true);
	return NULL;
}

/*
 * Half of a chunk has come, and the other half takes its time: who touches the
 * chunk meanwhile does not wait for it, and what was sent is in its place.
 */
TEST_F_TIMEOUT(peer, touch_what_is_under_way, 60)
{
	static char half[CHUNK / 2];
	struct scene *scene = &self->scene;
	struct touch touch;
	unsigned int i;
	size_t at;

	memset(half, 0x77, sizeof(half));
	ASSERT_EQ(0, meet_destination(scene));
	ASSERT_EQ(0, begin_chunk(scene->peer));
	ASSERT_EQ((ssize_t)sizeof(half),
		  send(scene->peer->fd, half, sizeof(half), 0));
	usleep(300000);
	touch = (struct touch){ .byte = scene->b->mem + CHUNK - 1 };
	ASSERT_EQ(0, pthread_create(&touch.thread, NULL, touch_byte, &touch));
	for (i = 0; i < 30 && !atomic_load(&touch.done); i++)
		usleep(100000);
	EXPECT_TRUE(atomic_load(&touch.done)) {
		TH_LOG("the page cannot be touched while a chunk arrives");
	}
	ASSERT_EQ((ssize_t)sizeof(half),
		  send(scene->peer->fd, half, sizeof(half), 0));
	ASSERT_EQ(0, peer_signal(scene->peer, VMIG_P_ROUND, 1));
	ASSERT_EQ(0, peer_await(scene->peer, VMIG_P_ROUND_ACK));
	pthread_join(touch.thread, NULL);
	for (at = 0; at < CHUNK && scene->b->mem[at] == 0x77; at++)
		;
	EXPECT_EQ(CHUNK, at);
}

TEST_HARNESS_MAIN

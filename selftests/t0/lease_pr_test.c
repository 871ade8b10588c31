// SPDX-License-Identifier: GPL-2.0
/*
 * Leases on several disks, on disks that are made up: every command of every
 * change is the last one of its node, or unanswered, and every order of the
 * commands of two nodes is tried. Not in a host: there are thousands.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_disk.h"
#include "kselftest_harness.h"
#include "storage/pr_disk.h"

/* Shared by all nodes, which are processes or threads. */
static struct world {
	struct fake_disk disks[FAKE_DISKS];
	unsigned int commands;
	struct vmig_lease_result result;
} *world;

/* A node that does one thing, in turns with another one: a command each. */
struct player {
	enum vmig_lease_action action;
	const char *node;
	struct vmig_lease_record expect;
	unsigned int ndisks;
	enum vmig_lease_status status;
	bool ended;
	sem_t turn, done;
	pthread_t thread;
};

static const char * const paths[] = { "disk0", "disk1", "disk2" };
static const char * const nodes[] = { "a", "b", "c" };

static void ask(enum vmig_lease_action action, const char *node,
		const struct vmig_lease_record *expect, unsigned int ndisks,
		struct vmig_lease_result *result)
{
	struct vmig_lease_request request = {
		.kind = VMIG_LEASE_SCSI_PR, .action = action, .vm = "web1",
		.node = node, .paths = paths, .npaths = ndisks,
		.nodes = nodes, .nnodes = 3, .fence_confirmed = true,
		.limit_ms = 1000,
	};

	if (expect)
		request.expect = *expect;
	vmig_lease_run(&request, result);
}

/* In a process whose command number @at is struck. Its commands, 0 if it died. */
static unsigned int ask_struck(enum vmig_lease_action action, const char *node,
			       const struct vmig_lease_record *expect,
			       enum fake_fault kind, unsigned int at)
{
	int status;
	pid_t pid;

	memset(&world->result, 0, sizeof(world->result));
	pid = fork();
	if (!pid) {
		fake_node = (struct fake_node){ .nexus = *node - 'a',
						.fault = kind,
						.fault_at = at };
		ask(action, node, expect, FAKE_DISKS, &world->result);
		world->commands = fake_node.commands;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status && status != 9 << 8)
		abort();
	return world->commands;
}

static struct vmig_lease_result result;

static enum vmig_lease_status now(enum vmig_lease_action action,
				  const char *node,
				  const struct vmig_lease_record *expect)
{
	fake_node.nexus = *node - 'a';
	ask(action, node, expect, FAKE_DISKS, &result);
	return result.status;
}

static void reset(void)
{
	unsigned int i;

	memset(world, 0, sizeof(*world));
	for (i = 0; i < FAKE_DISKS; i++)
		world->disks[i].holder = -1;
}

/* All disks are @node's to write, and nobody else's. */
static bool all_are(const char *node)
{
	unsigned int i;

	for (i = 0; i < FAKE_DISKS; i++)
		if (world->disks[i].holder != (node ? *node - 'a' : -1))
			return false;
	return true;
}

FIXTURE(pr) {
	struct vmig_lease_record a;	/* the lease that node a has */
};

FIXTURE_VARIANT(pr) {
	enum fake_fault kind;
};

FIXTURE_VARIANT_ADD(pr, die_before) { .kind = FAKE_DIE_BEFORE };
FIXTURE_VARIANT_ADD(pr, die_after) { .kind = FAKE_DIE_AFTER };
FIXTURE_VARIANT_ADD(pr, fail) { .kind = FAKE_FAIL_BEFORE };
FIXTURE_VARIANT_ADD(pr, answer_lost) { .kind = FAKE_FAIL_AFTER };

FIXTURE_SETUP(pr)
{
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, world);
	reset();
	fake_disks = world->disks;
}

FIXTURE_TEARDOWN(pr)
{
	munmap(world, sizeof(*world));
}

static void have_a(FIXTURE_DATA(pr) *self)
{
	reset();
	if (now(VMIG_LEASE_ACQUIRE, "a", NULL) != VMIG_LEASE_DONE)
		abort();
	self->a = result.record;
}

/* The destination dies; then the source wants to know, and the other again. */
TEST_F_TIMEOUT(pr, handoff, 60)
{
	unsigned int at, n = 0, kept = 0, moved = 0;
	struct vmig_lease_record b;

	for (at = 1; !n || n >= at - 1; at++) {
		have_a(self);
		n = ask_struck(VMIG_LEASE_HANDOFF, "b", &self->a,
			       variant->kind, at);
		EXPECT_TRUE(world->result.status != VMIG_LEASE_DONE ||
			    all_are("b"));
		b = self->a;
		if (at % 2) {
			/* The source is first. */
			now(VMIG_LEASE_KEEP, "a", &self->a);
			if (result.status == VMIG_LEASE_DONE) {
				kept++;
				EXPECT_TRUE(all_are("a"));
				EXPECT_EQ(VMIG_LEASE_CHANGED,
					  now(VMIG_LEASE_HANDOFF, "b", &b));
				EXPECT_TRUE(all_are("a"));
				continue;
			}
			ASSERT_EQ(VMIG_LEASE_CHANGED, result.status);
			EXPECT_STREQ("b", result.record.holder);
		}
		moved++;
		ASSERT_EQ(VMIG_LEASE_DONE, now(VMIG_LEASE_HANDOFF, "b", &b)) {
			TH_LOG("command %u: %s", at, result.err.text);
		}
		EXPECT_TRUE(all_are("b"));
		EXPECT_EQ(VMIG_LEASE_CHANGED, now(VMIG_LEASE_KEEP, "a", &self->a));
		EXPECT_TRUE(all_are("b"));
	}
	EXPECT_LT(12, at);
	EXPECT_LT(2, kept);
	EXPECT_LT(6, moved);
}

/* What is committed stays so, whatever becomes of the attempts to end it. */
TEST_F_TIMEOUT(pr, handoff_struck_twice, 60)
{
	unsigned int at, again, committed = 0;

	for (at = 1; at <= 16; at++) {
		for (again = 1; again <= 16; again++) {
			have_a(self);
			ask_struck(VMIG_LEASE_HANDOFF, "b", &self->a,
				   variant->kind, at);
			now(VMIG_LEASE_READ, "c", NULL);
			if (*result.record.holder != 'b')
				break;
			committed++;
			ask_struck(VMIG_LEASE_HANDOFF, "b", &self->a,
				   variant->kind, again);
			ASSERT_EQ(VMIG_LEASE_CHANGED,
				  now(VMIG_LEASE_KEEP, "a", &self->a)) {
				TH_LOG("commands %u, %u", at, again);
			}
			ASSERT_EQ(VMIG_LEASE_DONE,
				  now(VMIG_LEASE_HANDOFF, "b", &self->a));
			ASSERT_TRUE(all_are("b"));
		}
	}
	EXPECT_LT(50, committed);
}

/* A node that starts a VM dies: it again, and another one by force. */
TEST_F_TIMEOUT(pr, acquire, 60)
{
	unsigned int at, n = 0;
	struct vmig_lease_record seen;

	for (at = 1; !n || n >= at - 1; at++) {
		reset();
		n = ask_struck(VMIG_LEASE_ACQUIRE, "a", NULL, variant->kind,
			       at);
		if (variant->kind >= FAKE_FAIL_BEFORE && !world->result.unsure &&
		    world->result.status != VMIG_LEASE_DONE) {
			EXPECT_TRUE(all_are(NULL));
		}
		if (at % 2) {
			ASSERT_EQ(VMIG_LEASE_DONE,
				  now(VMIG_LEASE_ACQUIRE, "a", NULL));
			EXPECT_TRUE(all_are("a"));
			continue;
		}
		if (now(VMIG_LEASE_ACQUIRE, "b", NULL) != VMIG_LEASE_DONE) {
			ASSERT_EQ(VMIG_LEASE_HELD, result.status);
			EXPECT_STREQ("a", result.record.holder);
			seen = result.record;
			ASSERT_EQ(VMIG_LEASE_DONE,
				  now(VMIG_LEASE_TAKE_OVER, "b", &seen));
		}
		EXPECT_TRUE(all_are("b"));
	}
	EXPECT_LT(12, at);
}

TEST_F_TIMEOUT(pr, release, 60)
{
	struct vmig_lease_record seen;
	unsigned int at, n = 0, freed = 0;

	for (at = 1; !n || n >= at - 1; at++) {
		have_a(self);
		n = ask_struck(VMIG_LEASE_RELEASE, "a", &self->a,
			       variant->kind, at);
		EXPECT_TRUE(world->result.status != VMIG_LEASE_DONE ||
			    all_are(NULL));
		if (now(VMIG_LEASE_ACQUIRE, "b", NULL) == VMIG_LEASE_DONE) {
			freed++;
			EXPECT_TRUE(all_are("b"));
			continue;
		}
		ASSERT_EQ(VMIG_LEASE_HELD, result.status);
		seen = result.record;
		ASSERT_EQ(VMIG_LEASE_DONE,
			  at % 2 ? now(VMIG_LEASE_TAKE_OVER, "b", &seen) :
				   now(VMIG_LEASE_RELEASE, "a", &self->a));
		EXPECT_TRUE(all_are(at % 2 ? "b" : NULL));
	}
	EXPECT_LT(0, freed);
}

/* The node that keeps its lease has to, whichever command is struck. */
TEST_F_TIMEOUT(pr, keep, 60)
{
	struct vmig_lease_record seen;
	unsigned int at, n = 0;

	for (at = 1; !n || n >= at - 1; at++) {
		have_a(self);
		n = ask_struck(VMIG_LEASE_KEEP, "a", &self->a, variant->kind,
			       at);
		ASSERT_EQ(VMIG_LEASE_DONE, now(VMIG_LEASE_READ, "a", NULL));
		EXPECT_STREQ("a", result.record.holder);
		seen = result.record;
		/* Another session, which the disks do not know. */
		if (at % 2) {
			fake_node.nexus = 3;
			ask(VMIG_LEASE_KEEP, "a", &seen, FAKE_DISKS, &result);
			ASSERT_EQ(VMIG_LEASE_DONE, result.status);
			EXPECT_EQ(3, world->disks[2].holder);
			seen = result.record;
			fake_node.nexus = 2;
			ask(VMIG_LEASE_RELEASE, "a", &seen, FAKE_DISKS, &result);
			ASSERT_EQ(VMIG_LEASE_DONE, result.status) {
				TH_LOG("%s", result.err.text);
			}
			EXPECT_STREQ("", result.err.text);
			EXPECT_TRUE(all_are(NULL));
			continue;
		}
		ASSERT_EQ(VMIG_LEASE_DONE, now(VMIG_LEASE_KEEP, "a", &self->a));
		EXPECT_TRUE(all_are("a"));
	}
}

static void *run_player(void *arg)
{
	struct vmig_lease_result answer;
	struct player *player = arg;

	fake_node = (struct fake_node){ .nexus = *player->node - 'a',
					.turn = &player->turn,
					.done = &player->done };
	ask(player->action, player->node, &player->expect, player->ndisks,
	    &answer);
	/* The end is a turn too. */
	sem_wait(&player->turn);
	player->status = answer.status;
	player->ended = true;
	sem_post(&player->done);
	return NULL;
}

/* Bit i of @order says whose command is number i, as far as both have any. */
static void play(struct player *players, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		sem_init(&players[i].turn, 0, 0);
		sem_init(&players[i].done, 0, 0);
		if (pthread_create(&players[i].thread, NULL, run_player,
				   &players[i]))
			abort();
	}
	while (!players[0].ended || !players[1].ended) {
		i = order & 1;
		order >>= 1;
		if (players[i].ended)
			i = !i;
		sem_post(&players[i].turn);
		sem_wait(&players[i].done);
	}
	for (i = 0; i < 2; i++)
		pthread_join(players[i].thread, NULL);
}

FIXTURE(order) {
	struct vmig_lease_record a;
};

FIXTURE_VARIANT(order) {
	bool held;
	unsigned int ndisks;
	struct {
		enum vmig_lease_action action;
		const char *node;
	} parts[2];
};

#define ORDER_BITS	12

/* A source that takes its lease back, and a destination that is late. */
FIXTURE_VARIANT_ADD(order, keep_handoff) {
	.held = true, .ndisks = 1,
	.parts = { { VMIG_LEASE_KEEP, "a" }, { VMIG_LEASE_HANDOFF, "b" } },
};

FIXTURE_VARIANT_ADD(order, two_handoffs) {
	.held = true, .ndisks = 1,
	.parts = { { VMIG_LEASE_HANDOFF, "b" }, { VMIG_LEASE_HANDOFF, "c" } },
};

FIXTURE_VARIANT_ADD(order, two_starts) {
	.ndisks = 2,
	.parts = { { VMIG_LEASE_ACQUIRE, "a" }, { VMIG_LEASE_ACQUIRE, "b" } },
};

FIXTURE_VARIANT_ADD(order, handoff_release) {
	.held = true, .ndisks = 2,
	.parts = { { VMIG_LEASE_HANDOFF, "b" }, { VMIG_LEASE_RELEASE, "a" } },
};

FIXTURE_VARIANT_ADD(order, keep_handoff_2) {
	.held = true, .ndisks = 2,
	.parts = { { VMIG_LEASE_KEEP, "a" }, { VMIG_LEASE_HANDOFF, "b" } },
};

FIXTURE_VARIANT_ADD(order, handoff_start) {
	.held = true, .ndisks = 2,
	.parts = { { VMIG_LEASE_HANDOFF, "b" }, { VMIG_LEASE_ACQUIRE, "a" } },
};

FIXTURE_SETUP(order)
{
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, world);
	fake_disks = world->disks;
}

FIXTURE_TEARDOWN(order)
{
	munmap(world, sizeof(*world));
}

/* Exactly one of two that start from the same wins, on all disks. */
TEST_F_TIMEOUT(order, one_wins, 120)
{
	unsigned int order, won[2] = { 0 }, i, winner;
	struct player players[2];

	for (order = 0; order < 1u << ORDER_BITS; order++) {
		reset();
		memset(&result, 0, sizeof(result));
		fake_node.nexus = 0;
		if (variant->held)
			ask(VMIG_LEASE_ACQUIRE, "a", NULL, variant->ndisks,
			    &result);
		memset(players, 0, sizeof(players));
		for (i = 0; i < 2; i++) {
			players[i].action = variant->parts[i].action;
			players[i].node = variant->parts[i].node;
			players[i].expect = result.record;
			players[i].ndisks = variant->ndisks;
		}
		/* One disk: all of them; two: some of them, well mixed. */
		play(players, variant->ndisks == 1 ? order :
				      order * 2654435761u >> 8);
		ASSERT_EQ(1, (players[0].status == VMIG_LEASE_DONE) +
				     (players[1].status == VMIG_LEASE_DONE)) {
			TH_LOG("order 0x%x: %s, %s", order,
			       vmig_lease_status_name(players[0].status),
			       vmig_lease_status_name(players[1].status));
		}
		winner = players[1].status == VMIG_LEASE_DONE;
		won[winner]++;
		if (players[winner].action == VMIG_LEASE_RELEASE)
			continue;
		for (i = 0; i < variant->ndisks; i++)
			ASSERT_EQ(*players[winner].node - 'a',
				  world->disks[i].holder);
	}
	EXPECT_LT(10, won[0]);
	EXPECT_LT(10, won[1]);
}

TEST(keys)
{
	static const char * const same[] = { "a", "b", "a" };
	char one[16], other[16];
	const char *clash[] = { one, other };
	struct vmig_err err;
	unsigned int i, j;

	EXPECT_EQ(0x27c0, vmig_pr_tag("web1"));
	EXPECT_EQ(0x27c082e000000007, vmig_pr_key("web1", "a", 7));
	EXPECT_EQ(7, vmig_pr_key_epoch(vmig_pr_key("web1", "a", 7)));
	EXPECT_EQ(0, vmig_lease_nodes_check(same, 3, &err));
	for (i = 0; i < 2000; i++) {
		snprintf(one, sizeof(one), "n%x", i * 2654435761u);
		for (j = 0; j < i; j++) {
			snprintf(other, sizeof(other), "n%x", j * 2654435761u);
			if (vmig_pr_tag(one) == vmig_pr_tag(other))
				goto found;
		}
	}
	ASSERT_TRUE(false);
found:
	EXPECT_EQ(-EINVAL, vmig_lease_nodes_check(clash, 2, &err));
	EXPECT_NE(NULL, strstr(err.text, one));
	EXPECT_NE(NULL, strstr(err.text, "give one of them another name"));
}

TEST_HARNESS_MAIN

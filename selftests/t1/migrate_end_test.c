// SPDX-License-Identifier: GPL-2.0
/*
 * How migrations end before their time: cancelled, failed by an agent, left by
 * a peer, cut off, out of time, in every state of both sides. The VM stays at
 * the source, writable and its own, and nothing is left behind.
 *
 * Over RDMA the kernels meet when the source's connects. Before that only its agent
 * can tell a destination that the source has gone, and a source that comes after
 * the destination has gone is turned down.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "moment.h"

#define SIZE	(16UL << 20)

FIXTURE(migrate)
{
	struct pair *pair;
	struct side *a;
	struct side *b;
	struct plan plan;
};

FIXTURE_SETUP(migrate)
{
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->a = &self->pair->a;
	self->b = &self->pair->b;
	self->plan = (struct plan){ .channels = 2 };
	moment_fill(self->pair);
}

FIXTURE_TEARDOWN(migrate)
{
	pair_close(self->pair);
}

/* A source whose destination has gone is told so, and at once. */
static bool is_turned_down(struct side *a)
{
	if (strstr(side_reason(a), "There is no RDMA connection to node b") &&
	    strstr(side_reason(a), "it is refused") &&
	    a->message.attrs[VMIG_A_MIGRATION_UNCONNECTED] &&
	    nl_u64(&a->message, VMIG_A_MIGRATION_ELAPSED) < 10000000)
		return true;
	fprintf(stderr, "# a: %s\n", side_reason(a));
	return false;
}

/* A destination whose source has gone waits, but not for longer than its agent. */
static int cancel_alone(struct side *b)
{
	if (side_call(b, VMIG_CMD_MIGRATION_CANCEL) ||
	    side_wait(b, VMIG_STATE_CANCELLED))
		return -1;
	if (!strcmp("cancelled on request", side_reason(b)) &&
	    nl_u64(&b->message, VMIG_A_MIGRATION_ELAPSED) < 10000000)
		return 0;
	fprintf(stderr, "# b: %s\n", side_reason(b));
	return -1;
}

/* The nodes have not met yet, and one of them is cancelled. */
static void start_unmet(struct __test_metadata *_metadata, struct side *there)
{
	ASSERT_EQ(0, side_call(there, VMIG_CMD_MIGRATION_START));
	if (there->role == VMIG_ROLE_DESTINATION) {
		EXPECT_EQ(0, cancel_alone(there));
	} else {
		EXPECT_FAILED(there, "nobody listens there");
		EXPECT_TRUE(is_turned_down(there));
	}
}

static void cancel(struct __test_metadata *_metadata, struct pair *pair,
		   struct side *here, struct side *there, enum moment moment)
{
	struct plan plan = { .channels = 2 };

	ASSERT_EQ(0, moment_bring(pair, plan, moment));
	/* The final pass may have ended by now; a cancel is possible still. */
	ASSERT_EQ(0, side_call(here, VMIG_CMD_MIGRATION_CANCEL)) {
		TH_LOG("%s: %s", moment_names[moment], here->result.text);
	}
	ASSERT_EQ(0, side_wait(here, VMIG_STATE_CANCELLED));
	EXPECT_STREQ("cancelled on request", side_reason(here));
	if (moment == SETUP && there->rdma) {
		start_unmet(_metadata, there);
		return;
	}
	if (moment == SETUP) {
		/* The other side has no thread yet to hear of it. */
		ASSERT_EQ(0, side_call(there, VMIG_CMD_MIGRATION_START));
	}
	ASSERT_EQ(0, side_wait(there, VMIG_STATE_CANCELLED)) {
		TH_LOG("cancelled in %s", moment_names[moment]);
	}
	EXPECT_NE(NULL, strstr(side_reason(there), ": cancelled on request")) {
		TH_LOG("%s: %s", moment_names[moment], side_reason(there));
	}
	EXPECT_EQ(ENOENT, side_call(here, VMIG_CMD_MIGRATION_CANCEL));
	EXPECT_NE(NULL, strstr(here->result.text, "has ended as cancelled"));
}

TEST_F_TIMEOUT(migrate, cancel_on_the_source, 180)
{
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++)
		cancel(_metadata, self->pair, self->a, self->b, moment);
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

TEST_F_TIMEOUT(migrate, cancel_on_the_destination, 180)
{
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++)
		cancel(_metadata, self->pair, self->b, self->a, moment);
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* @here is cancelled. Return: 0 if the other side knows, whatever it was doing. */
static int heard(struct side *here, struct side *there)
{
	const bool met = !here->rdma ||
			 side_counter(here, VMIG_A_COUNTERS_WIRE_BYTES);

	if (there->role == VMIG_ROLE_DESTINATION && !met)
		return cancel_alone(there);
	if (!side_wait(there, VMIG_STATE_CANCELLED))
		return strstr(side_reason(there), ": cancelled on request") ?
		       0 : -1;
	/* Of several channels some may have been too late. */
	return there->rdma && there->role == VMIG_ROLE_SOURCE &&
	       is_turned_down(there) ? 0 : -1;
}

static int cancel_after(struct pair *pair, struct side *here,
			struct side *there, const struct plan *plan,
			unsigned int us)
{
	if (pair_start(pair, plan))
		return -1;
	usleep(us);
	if (side_call(here, VMIG_CMD_MIGRATION_CANCEL) ||
	    side_wait(here, VMIG_STATE_CANCELLED))
		return -1;
	return heard(here, there);
}

/*
 * On a slow cable every channel is in the middle of a frame when the end comes,
 * and what tells the peer why can only follow whole frames.
 */
TEST_F_TIMEOUT(migrate, cancel_in_the_middle_of_frames, 180)
{
	unsigned int i;

	ASSERT_EQ(0, pair_impair(self->pair, "rate 60mbit limit 20000"));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, cancel_after(self->pair, i % 2 ? self->b : self->a,
					  i % 2 ? self->a : self->b,
					  &self->plan, 30000 + 50000 * i)) {
			TH_LOG("time %u", i);
		}
	}
}

/* The same at any moment of a fast one; with RDMA it takes a while to connect. */
TEST_F_TIMEOUT(migrate, cancel_at_any_moment, 180)
{
	const unsigned int slower = self->a->rdma ? 8 : 1;
	unsigned int i;

	for (i = 0; i < 40; i++) {
		self->plan.channels = 1 + i % 4;
		ASSERT_EQ(0, cancel_after(self->pair, i % 2 ? self->b : self->a,
					  i % 2 ? self->a : self->b,
					  &self->plan,
					  i * 3701 % 60000 * slower)) {
			TH_LOG("time %u", i);
		}
	}
}

/* After the commit began nobody but an agent that knows can end it. */
TEST_F(migrate, no_cancel_after_the_commit)
{
	ASSERT_EQ(0, moment_bring(self->pair, self->plan, READY));
	EXPECT_EQ(EINVAL, side_call(self->a, VMIG_CMD_MIGRATION_DONE));
	EXPECT_EQ(EINVAL, side_stage(self->a, VMIG_STAGE_NETWORK));
	EXPECT_EQ(EINVAL, side_stage(self->b, VMIG_STAGE_NETWORK));
	ASSERT_EQ(0, side_stage(self->a, VMIG_STAGE_STORAGE));
	EXPECT_EQ(EBUSY, side_call(self->a, VMIG_CMD_MIGRATION_CANCEL));
	EXPECT_NE(NULL, strstr(self->a->result.text, "commit has begun"));
	ASSERT_EQ(0, side_stage(self->b, VMIG_STAGE_RESUME));
	EXPECT_EQ(EBUSY, side_call(self->b, VMIG_CMD_MIGRATION_CANCEL));
	/* Not even the other's end. */
	nl_close(self->a->agent);
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_DONE));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_DONE));
	ASSERT_EQ(0, side_get(self->a));
	EXPECT_EQ(VMIG_STATE_HANDOFF,
		  nl_u32(&self->a->message, VMIG_A_MIGRATION_STATE));
	ASSERT_EQ(0, pair_enter(self->a));
	ASSERT_EQ(0, nl_open(self->a->agent));
	ASSERT_EQ(0, nl_call(self->a->agent, VMIG_CMD_AGENT_REGISTER,
			     (struct nl_attr[]){ STR(AGENT_NODE, "a"), {} },
			     NULL, &self->a->result));
	EXPECT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_DONE));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_DONE));
}

/* The agent of the destination dies; the source is told why. */
TEST_F_TIMEOUT(migrate, agent_dies, 180)
{
	const struct nl_attr attrs[] = { STR(AGENT_NODE, "b"), {} };
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++) {
		ASSERT_EQ(0, moment_bring(self->pair, self->plan, moment));
		if (moment == SETUP)
			ASSERT_EQ(0, side_call(self->a,
					       VMIG_CMD_MIGRATION_START));
		nl_close(self->b->agent);
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		EXPECT_EQ(ENOTCONN, nl_u32(&self->b->message,
					   VMIG_A_MIGRATION_ERROR));
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->a),
				       "Node b: The agent of this node")) {
			TH_LOG("%s: %s", moment_names[moment],
			       side_reason(self->a));
		}
		ASSERT_EQ(0, pair_enter(self->b));
		ASSERT_EQ(0, nl_open(self->b->agent));
		ASSERT_EQ(0, nl_call(self->b->agent, VMIG_CMD_AGENT_REGISTER,
				     attrs, NULL, &self->b->result));
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

static int set_cable(struct side *side, const char *state)
{
	char line[64];

	if (pair_enter(side))
		return -1;
	snprintf(line, sizeof(line), "ip link set v%s %s", side->name, state);
	return system(line);
}

/* The peer falls silent, as a host does that loses its power. */
TEST_F_TIMEOUT(migrate, cable_is_cut, 180)
{
	enum moment moment;

	for (moment = MEMORY; moment < MOMENTS; moment++) {
		if (moment == STOPPED)
			continue;
		ASSERT_EQ(0, moment_bring(self->pair, self->plan, moment));
		ASSERT_EQ(0, set_cable(self->b, "down"));
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->a), "silent")) {
			TH_LOG("%s: %s", moment_names[moment],
			       side_reason(self->a));
		}
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		EXPECT_NE(NULL, strstr(side_reason(self->b), "silent")) {
			TH_LOG("%s: %s", moment_names[moment],
			       side_reason(self->b));
		}
		ASSERT_EQ(0, set_cable(self->b, "up"));
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

TEST_F_TIMEOUT(migrate, time_limit, 180)
{
	char text[32];
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++) {
		if (moment == STOPPED)
			continue;
		/* A debug kernel needs some seconds to be met there. */
		self->plan.timeout = moment == READY ? 15 : 2;
		snprintf(text, sizeof(text), "limit of %u s",
			 self->plan.timeout);
		ASSERT_EQ(0, moment_bring(self->pair, self->plan, moment));
		if (moment == SETUP)
			ASSERT_EQ(0, side_call(self->a,
					       VMIG_CMD_MIGRATION_START));
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
		EXPECT_EQ(ETIME, nl_u32(&self->a->message,
					VMIG_A_MIGRATION_ERROR));
		EXPECT_NE(NULL, strstr(side_reason(self->a), text)) {
			TH_LOG("%s: %s", moment_names[moment],
			       side_reason(self->a));
		}
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

static int fail(struct side *side, int error, const char *reason)
{
	const struct nl_attr attrs[] = {
		U32(MIGRATION_ID, side->id), U32(MIGRATION_ERROR, error),
		STR(MIGRATION_REASON, reason), {}
	};

	return nl_call(side->agent, VMIG_CMD_MIGRATION_FAIL, attrs, NULL,
		       &side->result);
}

TEST_F(migrate, failed_by_its_agent)
{
	ASSERT_EQ(0, moment_bring(self->pair, self->plan, MEMORY));
	ASSERT_EQ(0, fail(self->a, EIO, "QEMU said no"));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_STREQ("QEMU said no", side_reason(self->a));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_STREQ("Node a: QEMU said no", side_reason(self->b));
	EXPECT_EQ(EIO, nl_u32(&self->b->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_EQ(EALREADY, fail(self->a, EIO, "again"));

	/* After the commit, too: the agent has learned the outcome. */
	ASSERT_EQ(0, moment_bring(self->pair, self->plan, READY));
	ASSERT_EQ(0, side_stage(self->a, VMIG_STAGE_STORAGE));
	ASSERT_EQ(0, fail(self->a, EIO, "the lease did not move"));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* Memory of another shape is refused, with a sentence on both sides. */
TEST_F(migrate, regions_that_differ)
{
	ASSERT_EQ(0, pair_remove_vm(self->b));
	ASSERT_EQ(0, side_make_vm(self->b, SIZE / 2));
	ASSERT_EQ(0, pair_start(self->pair, &self->plan));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_NE(NULL, strstr(side_reason(self->b), "has 16777216 bytes on node a and 8388608 here"));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "Node b: Memory region ram of VM web1"));
}

/* The limit holds while the VM runs, and not when it is stopped. */
TEST_F(migrate, bandwidth_limit)
{
	uint64_t us, wire;

	self->plan.bandwidth = 4 << 20;
	self->plan.channels = 4;
	ASSERT_EQ(0, pair_start(self->pair, &self->plan));
	do {
		usleep(100000);
		ASSERT_EQ(0, side_get(self->a));
		us = nl_u64(&self->a->message, VMIG_A_MIGRATION_ELAPSED);
	} while (us < 2000000);
	wire = side_counter(self->a, VMIG_A_COUNTERS_WIRE_BYTES);
	/* Each channel may be a chunk ahead. */
	EXPECT_GE(self->plan.bandwidth * us / 1000000 + (10 << 20), wire);
	EXPECT_LE(4ULL << 20, wire);
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

TEST_HARNESS_MAIN

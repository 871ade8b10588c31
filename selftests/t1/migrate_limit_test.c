// SPDX-License-Identifier: GPL-2.0
/*
 * How long a migration may take, and what happens then: it ends, or the VM is
 * stopped whatever that costs, as was asked for. What cannot converge says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "pair.h"

#define SIZE	(32UL << 20)
#define PAGES	(SIZE / PAIR_PAGE)
/* A round trip is 300 ms, what a VM may stand still for by default. */
#define FAR	"delay 150ms limit 20000"

struct writer {
	pthread_t thread;
	struct side *side;
	unsigned int pages;
	atomic_bool stop;
};

FIXTURE(limit)
{
	struct pair *pair;
	struct side *a;
	struct side *b;
	struct writer writer;
};

FIXTURE_SETUP(limit)
{
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	self->a = &self->pair->a;
	self->b = &self->pair->b;
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	memset(self->a->mem, 0x5a, SIZE);
	self->writer.side = self->a;
	self->writer.pages = PAGES;
}

FIXTURE_TEARDOWN(limit)
{
	pair_close(self->pair);
}

/* A page a millisecond or so: much for a slow cable, nothing for the machine. */
static void *write_on(void *arg)
{
	struct writer *writer = arg;
	unsigned int page = 0;

	while (!atomic_load(&writer->stop)) {
		page = (page + 7) % writer->pages;
		(*(volatile unsigned char *)
		 (writer->side->mem + page * PAIR_PAGE))++;
		usleep(1000);
	}
	return NULL;
}

static int start_writer(struct writer *writer)
{
	return pthread_create(&writer->thread, NULL, write_on, writer);
}

static void stop_writer(struct writer *writer)
{
	atomic_store(&writer->stop, true);
	pthread_join(writer->thread, NULL);
}

/* Wait until the side's migration has an attribute. Return: 0, or -1. */
static int await_attr(struct side *side, int attr, unsigned int seconds)
{
	unsigned int tries;

	for (tries = 0; tries < seconds * 10; tries++) {
		if (side_get(side))
			return -1;
		if (side->message.attrs[attr])
			return 0;
		usleep(100000);
	}
	return -1;
}

static const char *warning(struct side *side)
{
	return nl_string(&side->message, VMIG_A_MIGRATION_WARNING);
}

/* It says what the matter is in the first seconds, and ends by it later. */
TEST_F_TIMEOUT(limit, target_below_the_round_trip, 240)
{
	struct plan plan = { .channels = 2, .max_blackout = 200 };

	ASSERT_EQ(0, pair_impair(self->pair, FAR));
	ASSERT_EQ(0, start_writer(&self->writer));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, await_attr(self->a, VMIG_A_MIGRATION_WARNING, 60));
	EXPECT_NE(NULL, strstr(warning(self->a),
			       "The blackout target of 200 ms cannot be met")) {
		TH_LOG("%s", warning(self->a));
	}
	EXPECT_NE(NULL, strstr(warning(self->a), "the round trip to node b"));
	/* One round, and not three that did not get smaller. */
	EXPECT_GE(3, side_counter(self->a, VMIG_A_COUNTERS_ROUND));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	stop_writer(&self->writer);
	EXPECT_EQ(ETIME, nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "cannot be met")) {
		TH_LOG("%s", side_reason(self->a));
	}
	/* The VM was not slowed down for it. */
	EXPECT_EQ(0, side_counter(self->a, VMIG_A_COUNTERS_THROTTLE));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
}

/* The same distance is none for who asks for more. */
TEST_F_TIMEOUT(limit, target_above_the_round_trip, 240)
{
	struct plan plan = { .channels = 2, .max_blackout = 60000 };

	ASSERT_EQ(0, pair_impair(self->pair, FAR));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	EXPECT_EQ(NULL, self->a->message.attrs[VMIG_A_MIGRATION_WARNING]);
	EXPECT_EQ(NULL, self->a->message.attrs[VMIG_A_MIGRATION_FORCED]);
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/*
 * A round of 48 pages takes longer than the target because of the limit of the
 * bandwidth, and only because of that: the VM's stop knows no such limit.
 */
TEST_F_TIMEOUT(limit, bandwidth_is_not_the_network, 120)
{
	struct plan plan = {
		.channels = 1, .bandwidth = 100 << 10, .max_blackout = 1500,
	};

	ASSERT_EQ(0, fallocate(self->a->fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       64 * PAIR_PAGE, SIZE - 64 * PAIR_PAGE));
	self->writer.pages = 48;
	ASSERT_EQ(0, start_writer(&self->writer));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	EXPECT_EQ(NULL, self->a->message.attrs[VMIG_A_MIGRATION_WARNING]);
	stop_writer(&self->writer);
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

TEST_F_TIMEOUT(limit, switch_over_at_the_timeout, 240)
{
	struct plan plan = {
		.channels = 2, .max_blackout = 200, .timeout = 6,
		.at_timeout = VMIG_TIMEOUT_ACTION_SWITCH_OVER,
		.stop_limit = 300,
	};
	uint64_t us;

	ASSERT_EQ(0, pair_impair(self->pair, FAR));
	ASSERT_EQ(0, start_writer(&self->writer));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	us = nl_u64(&self->a->message, VMIG_A_MIGRATION_ELAPSED);
	EXPECT_LE(6000000, us);
	EXPECT_NE(NULL, self->a->message.attrs[VMIG_A_MIGRATION_FORCED]);
	EXPECT_EQ(300, nl_u32(&self->a->message, VMIG_A_MIGRATION_STOP_LIMIT));
	stop_writer(&self->writer);
	/* Past the timeout the rest goes on as ever, on both nodes. */
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* Nobody stops a VM for longer than it may stand still. */
TEST_F_TIMEOUT(limit, switch_over_would_take_too_long, 240)
{
	struct plan plan = {
		.channels = 2, .timeout = 4, .stop_limit = 1,
		.at_timeout = VMIG_TIMEOUT_ACTION_SWITCH_OVER,
	};

	ASSERT_EQ(0, pair_impair(self->pair, "rate 20mbit limit 20000"));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_EQ(NULL, self->a->message.attrs[VMIG_A_MIGRATION_FORCED]);
	EXPECT_EQ(ETIME, nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "limit of 4 s, and VM web1 would stand still for")) {
		TH_LOG("%s", side_reason(self->a));
	}
}

/* The last pages do not get through in time: the VM is the source's again. */
TEST_F_TIMEOUT(limit, stop_takes_too_long, 240)
{
	struct plan plan = {
		.channels = 2, .stop_limit = 2, .max_blackout = 60000,
	};
	uint64_t us;

	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	ASSERT_EQ(0, pair_impair(self->pair, "rate 10mbit limit 20000"));
	memset(self->a->mem, 0xa5, SIZE);
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_STOP_COPY));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	us = nl_u64(&self->a->message, VMIG_A_MIGRATION_ELAPSED);
	EXPECT_EQ(ETIME, nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "VM web1 stood still for 2 s, its limit")) {
		TH_LOG("%s after %lu us", side_reason(self->a),
		       (unsigned long)us);
	}
	memset(self->a->mem, 0x11, SIZE);
	EXPECT_EQ(0, pair_remove_vm(self->a));
}

/* Of a VM that stands still all is there after one round, however far it is. */
TEST_F_TIMEOUT(limit, quick_has_no_target, 120)
{
	struct plan plan = { .channels = 2, .max_blackout = 100, .quick = true };

	ASSERT_EQ(0, pair_impair(self->pair, FAR));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	EXPECT_EQ(NULL, self->a->message.attrs[VMIG_A_MIGRATION_WARNING]);
	EXPECT_NE(NULL, self->a->message.attrs[VMIG_A_MIGRATION_QUICK]);
	/* That of the whole migration. */
	EXPECT_EQ(3600, nl_u32(&self->a->message, VMIG_A_MIGRATION_STOP_LIMIT));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* It stands still from the first page on. */
TEST_F_TIMEOUT(limit, quick_stop_takes_too_long, 120)
{
	struct plan plan = {
		.channels = 2, .stop_limit = 2, .bandwidth = 100 << 10,
		.quick = true,
	};

	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_EQ(ETIME, nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "VM web1 stood still for 2 s, its limit")) {
		TH_LOG("%s", side_reason(self->a));
	}
	EXPECT_EQ(0, pair_remove_vm(self->a));
}

/* Nor does it stand still for agents that never commit. */
TEST_F_TIMEOUT(limit, handoff_takes_too_long, 120)
{
	struct plan plan = {
		.channels = 2, .stop_limit = 8, .max_blackout = 60000,
	};

	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
	EXPECT_EQ(ETIME, nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(side_reason(self->a), "has not begun the commit")) {
		TH_LOG("%s", side_reason(self->a));
	}
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
	EXPECT_EQ(0, pair_remove_vm(self->a));
}

/* From the commit on the agents have all the time they need. */
TEST_F_TIMEOUT(limit, commit_has_no_limit, 120)
{
	struct plan plan = {
		.channels = 2, .stop_limit = 8, .max_blackout = 60000,
	};

	ASSERT_EQ(0, pair_start(self->pair, &plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	ASSERT_EQ(0, side_stage(self->a, VMIG_STAGE_STORAGE));
	sleep(10);
	ASSERT_EQ(0, side_stage(self->b, VMIG_STAGE_RESUME));
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_DONE));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_DONE));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_DONE));
}

/*
 * The first round takes longer than the target for the holes that it tells of,
 * and no later one is small: that says nothing about the target, a slower VM
 * meets it.
 */
TEST_F_TIMEOUT(limit, holes_are_not_the_network, 240)
{
	struct plan plan = { .channels = 1, .max_blackout = 500 };
	unsigned int tries = 1000;

	ASSERT_EQ(0, pair_remove_vm(self->a));
	ASSERT_EQ(0, pair_remove_vm(self->b));
	ASSERT_EQ(0, pair_make_vm(self->pair, 64UL << 30));
	ASSERT_EQ(0, pair_impair(self->pair, "rate 10mbit limit 20000"));
	ASSERT_EQ(0, pair_start(self->pair, &plan));
	self->writer.pages = 1024;
	/* Behind the round: it has no page of data. */
	do {
		ASSERT_EQ(0, side_get(self->a));
		usleep(1000);
	} while (side_counter(self->a, VMIG_A_COUNTERS_HOLE_PAGES) < 4096 &&
		 --tries);
	ASSERT_LT(0, tries);
	ASSERT_EQ(0, start_writer(&self->writer));
	EXPECT_EQ(0, side_wait_converged(self->a)) {
		TH_LOG("%s", side_reason(self->a));
	}
	stop_writer(&self->writer);
}

TEST_F(limit, defaults)
{
	struct plan plan = { .channels = 1 };

	ASSERT_EQ(0, pair_new(self->pair, &plan));
	ASSERT_EQ(0, side_get(self->a));
	EXPECT_EQ(VMIG_TIMEOUT_ACTION_CANCEL,
		  nl_u32(&self->a->message, VMIG_A_MIGRATION_AT_TIMEOUT));
	EXPECT_EQ(30, nl_u32(&self->a->message, VMIG_A_MIGRATION_STOP_LIMIT));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_CANCEL));
	ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_CANCELLED));
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_CANCEL));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_CANCELLED));
	/* A long blackout that is wanted is not too long. */
	plan.max_blackout = 20000;
	ASSERT_EQ(0, pair_new(self->pair, &plan));
	ASSERT_EQ(0, side_get(self->a));
	EXPECT_EQ(80, nl_u32(&self->a->message, VMIG_A_MIGRATION_STOP_LIMIT));
}

TEST_HARNESS_MAIN

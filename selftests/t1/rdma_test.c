// SPDX-License-Identifier: GPL-2.0
/*
 * What RDMA adds to how a migration can go wrong: who may connect, an adapter
 * that goes, a module that is wanted back, calls of the RDMA core that fail.
 * The VM stays at the source as it was, and can be moved after all. Each test
 * ends with the transport's module unloaded, so that nothing may be left.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "moment.h"
#include "soft_roce.h"

#define SIZE	(16UL << 20)

FIXTURE(rdma)
{
	struct pair *pair;
	struct side *a;
	struct side *b;
	struct plan plan;
};

FIXTURE_SETUP(rdma)
{
	setenv("VMIG_RDMA", "1", 0);
	self->pair = pair_open("huge=always");
	ASSERT_NE(NULL, self->pair);
	ASSERT_EQ(0, pair_make_vm(self->pair, SIZE));
	self->a = &self->pair->a;
	self->b = &self->pair->b;
	self->plan = (struct plan){ .channels = 2 };
	moment_fill(self->pair);
}

FIXTURE_TEARDOWN(rdma)
{
	pair_close(self->pair);
}

static bool unconnected(const struct side *side)
{
	return side->message.attrs[VMIG_A_MIGRATION_UNCONNECTED];
}

TEST_F_TIMEOUT(rdma, tells_what_it_uses, 60)
{
	ASSERT_EQ(0, pair_start(self->pair, &self->plan));
	ASSERT_EQ(0, side_wait_converged(self->a));
	ASSERT_EQ(0, side_get(self->a));
	EXPECT_EQ(VMIG_TRANSPORT_RDMA,
		  nl_u32(&self->a->message, VMIG_A_MIGRATION_TRANSPORT));
	EXPECT_STREQ(soft_roce_device(),
		     nl_string(&self->a->message, VMIG_A_MIGRATION_DEVICE));
	EXPECT_EQ(NULL, self->a->message.attrs[VMIG_A_MIGRATION_SECRET]);
	ASSERT_EQ(0, side_get(self->b));
	EXPECT_EQ(self->b->rdma->port,
		  nl_u16(&self->b->message, VMIG_A_MIGRATION_PORT));
	EXPECT_EQ(NULL, self->b->message.attrs[VMIG_A_MIGRATION_SECRET]);
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* Refused by the destination, and nothing is lost: it goes on waiting. */
TEST_F_TIMEOUT(rdma, wrong_secret, 120)
{
	self->b->secret = "another secret, of 32 characters";
	ASSERT_EQ(0, pair_start(self->pair, &self->plan));
	EXPECT_FAILED(self->a, "secret");
	EXPECT_TRUE(unconnected(self->a));
	EXPECT_EQ(ECONNREFUSED,
		  nl_u32(&self->a->message, VMIG_A_MIGRATION_ERROR));
	/* Not the destination's failure: somebody else may have tried. */
	ASSERT_EQ(0, side_get(self->b));
	EXPECT_NE(VMIG_STATE_FAILED,
		  nl_u32(&self->b->message, VMIG_A_MIGRATION_STATE));
	self->a->secret = self->b->secret;
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	ASSERT_EQ(0, side_wait_converged(self->a));
	ASSERT_EQ(0, pair_stop_copy(self->pair));
	EXPECT_EQ(-1, pair_differs(self->pair));
	ASSERT_EQ(0, pair_finish(self->pair));
}

/* Nobody listens where the source was told. */
TEST_F_TIMEOUT(rdma, nobody_listens, 120)
{
	self->a->rdma->address = SOFT_ROCE_B;
	self->a->rdma->port = 9;
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	EXPECT_FAILED(self->a, "There is no RDMA connection to node b");
	EXPECT_TRUE(unconnected(self->a));
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* The destination listens on its migration address and on no other. */
TEST_F_TIMEOUT(rdma, listens_on_one_address, 120)
{
	ASSERT_EQ(0, side_new(self->b, "a", &self->plan));
	self->a->rdma->address = SOFT_ROCE_A;
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	EXPECT_FAILED(self->a, "There is no RDMA connection to node b");
	EXPECT_TRUE(unconnected(self->a));
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_CANCEL));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_CANCELLED));
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* With a migration that ended, its port is closed. */
TEST_F_TIMEOUT(rdma, too_late, 120)
{
	ASSERT_EQ(0, side_new(self->b, "a", &self->plan));
	ASSERT_EQ(0, side_call(self->b, VMIG_CMD_MIGRATION_CANCEL));
	ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_CANCELLED));
	ASSERT_EQ(0, side_new(self->a, "b", &self->plan));
	ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_START));
	EXPECT_FAILED(self->a, "There is no RDMA connection to node b");
	EXPECT_TRUE(unconnected(self->a));
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* In each state the module stays as long as a migration uses it. */
TEST_F_TIMEOUT(rdma, no_unload_in_use, 120)
{
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++) {
		ASSERT_EQ(0, moment_bring(self->pair, self->plan, moment));
		EXPECT_NE(0, soft_roce_unload()) {
			TH_LOG("the module went in %s", moment_names[moment]);
		}
		if (moment == SETUP)
			ASSERT_EQ(0, side_call(self->b,
					       VMIG_CMD_MIGRATION_START));
		ASSERT_EQ(0, side_call(self->a, VMIG_CMD_MIGRATION_CANCEL));
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_CANCELLED));
		if (moment == SETUP)
			ASSERT_EQ(0, side_call(self->b,
					       VMIG_CMD_MIGRATION_CANCEL));
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_CANCELLED));
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* Both ends lose their device at once. */
TEST_F_TIMEOUT(rdma, device_goes, 180)
{
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++) {
		if (moment == STOPPED)
			continue;
		ASSERT_EQ(0, moment_bring(self->pair, self->plan, moment));
		ASSERT_EQ(0, soft_roce_unplug()) {
			TH_LOG("the device stayed in %s", moment_names[moment]);
		}
		if (moment == SETUP) {
			/* Either may have ended by itself. */
			side_call(self->a, VMIG_CMD_MIGRATION_START);
			side_call(self->b, VMIG_CMD_MIGRATION_START);
		}
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED)) {
			TH_LOG("in %s", moment_names[moment]);
		}
		TH_LOG("%s: %s", moment_names[moment], side_reason(self->a));
		EXPECT_EQ(moment == SETUP, unconnected(self->a));
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED)) {
			TH_LOG("in %s", moment_names[moment]);
		}
		EXPECT_NE(NULL, strstr(side_reason(self->b), "device")) {
			TH_LOG("%s: %s", moment_names[moment],
			       side_reason(self->b));
		}
		ASSERT_EQ(0, soft_roce_up());
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

/* Both agents are one here, and it dies. */
TEST_F_TIMEOUT(rdma, agent_dies, 120)
{
	const struct nl_attr attrs[] = { STR(AGENT_NODE, "a"), {} };
	enum moment moment;

	for (moment = SETUP; moment < MOMENTS; moment++) {
		ASSERT_EQ(0, moment_bring(self->pair, self->plan, moment));
		nl_close(self->a->agent);
		ASSERT_EQ(0, side_wait(self->a, VMIG_STATE_FAILED));
		ASSERT_EQ(0, side_wait(self->b, VMIG_STATE_FAILED));
		ASSERT_EQ(0, nl_open(self->a->agent));
		ASSERT_EQ(0, nl_call(self->a->agent, VMIG_CMD_AGENT_REGISTER,
				     attrs, NULL, &self->a->result));
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

static int ask_transport(struct side *side, const char *address,
			 uint32_t transport)
{
	struct in_addr local;
	const struct nl_attr attrs[] = {
		U32(LINK_TRANSPORT, transport),
		RAW(LINK_LOCAL_ADDRESS, &local, sizeof(local)), {}
	};

	inet_pton(AF_INET, address, &local);
	return nl_call(side->agent, VMIG_CMD_TRANSPORT_GET, attrs,
		       &side->message, &side->result);
}

/* What an agent learns before it offers RDMA. */
TEST_F(rdma, transport_get)
{
	ASSERT_EQ(0, ask_transport(self->a, SOFT_ROCE_A, VMIG_TRANSPORT_RDMA)) {
		TH_LOG("%s", self->a->result.text);
	}
	EXPECT_STREQ(soft_roce_device(),
		     nl_string(&self->a->message, VMIG_A_LINK_DEVICE));
	EXPECT_LE(16, nl_u32(&self->a->message, VMIG_A_LINK_MAX_KEY_PAGES));
	EXPECT_EQ(ENODEV, ask_transport(self->a, "10.9.9.9",
					VMIG_TRANSPORT_RDMA));
	EXPECT_NE(NULL, strstr(self->a->result.text, "10.9.9.9"));
	ASSERT_EQ(0, soft_roce_unload());
	EXPECT_EQ(EPROTONOSUPPORT, ask_transport(self->a, SOFT_ROCE_A,
						 VMIG_TRANSPORT_RDMA));
	EXPECT_NE(NULL, strstr(self->a->result.text, "modprobe vmig_rdma"));
	ASSERT_EQ(-1, side_new(self->b, "a", &self->plan));
	EXPECT_EQ(EPROTONOSUPPORT, self->b->result.error);
	EXPECT_NE(NULL, strstr(self->b->result.text, "modprobe vmig_rdma"));
}

/**
 * struct fault - a call of the RDMA core that fails
 * @function: that is called
 * @value: what it returns
 * @calls: how many there are in a migration of one channel; each fails once
 */
struct fault {
	const char *function;
	long value;
	unsigned int calls;
};

static const struct fault faults[] = {
	{ "__rdma_create_kernel_id", -ENOMEM, 3 },
	{ "rdma_bind_addr", -ENODEV, 2 },
	{ "rdma_listen", -EADDRINUSE, 1 },
	{ "rdma_resolve_addr", -ENODEV, 1 },
	{ "rdma_resolve_route", -ENODEV, 1 },
	{ "__ib_alloc_pd", -ENOMEM, 2 },
	{ "__ib_alloc_cq_any", -ENOMEM, 2 },
	{ "rdma_create_qp", -ENOMEM, 2 },
	{ "ib_alloc_mr", -ENOMEM, 1 },
	{ "rdma_connect", -ENOMEM, 1 },
	{ "rdma_accept", -ENOMEM, 1 },
	{ "ib_map_mr_sg", -ENOMEM, 3 },
	{ "ib_map_mr_sg", 0, 1 },
	{ "rdma_rw_ctx_init", -ENOMEM, 3 },
};

static int fail_call(const struct fault *fault, unsigned int skip)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "insmod ${VMIG_TOP:-../../..}/build/selftests/kmod/$(uname -r)/vmig_fail_call.ko"
		 " function=%s value=%ld skip=%u", fault->function,
		 fault->value, skip);
	return system(line) ? -1 : 0;
}

/* Return: how many calls failed, or -1. */
static int fail_call_end(void)
{
	FILE *file = fopen("/sys/module/vmig_fail_call/parameters/failed", "r");
	int failed = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &failed) != 1)
		failed = -1;
	fclose(file);
	return system("rmmod vmig_fail_call") ? -1 : failed;
}

/* Until the migration of @side, if it has one, has ended: as what. */
static int end_of(struct side *side)
{
	if (!side->id)
		return VMIG_STATE_FAILED;
	/* What waits for a peer that failed before it connected. */
	side_call(side, VMIG_CMD_MIGRATION_CANCEL);
	for (;;) {
		uint32_t state;

		if (side_get(side))
			return -1;
		state = nl_u32(&side->message, VMIG_A_MIGRATION_STATE);
		if (state == VMIG_STATE_FAILED || state == VMIG_STATE_CANCELLED)
			return state;
		usleep(20000);
	}
}

/* Return: whether both sides came through all of it. */
static bool moves(struct pair *pair)
{
	const struct plan plan = { .channels = 1 };

	pair->a.id = 0;
	pair->b.id = 0;
	return !pair_start(pair, &plan) && !side_wait_converged(&pair->a) &&
	       !pair_stop_copy(pair);
}

/* Each call fails once, and with it the migration: one side says why. */
TEST_F_TIMEOUT(rdma, calls_that_fail, 400)
{
	struct side *a = self->a, *b = self->b;
	const struct fault *fault;
	unsigned int skip;
	int end_a, end_b;

	for (fault = faults; fault < faults + ARRAY_SIZE(faults); fault++) {
		for (skip = 0; skip < fault->calls; skip++) {
			ASSERT_EQ(0, fail_call(fault, skip)) {
				TH_LOG("no function %s", fault->function);
			}
			EXPECT_FALSE(moves(self->pair));
			EXPECT_EQ(1, fail_call_end());
			end_a = end_of(a);
			end_b = end_of(b);
			EXPECT_TRUE(end_a == VMIG_STATE_FAILED ||
				    end_b == VMIG_STATE_FAILED);
			TH_LOG("%s, call %u: %s; %s", fault->function, skip,
			       a->id ? side_reason(a) : a->result.text,
			       b->id ? side_reason(b) : b->result.text);
		}
	}
	EXPECT_EQ(0, moment_check_usable(self->pair));
}

TEST_HARNESS_MAIN

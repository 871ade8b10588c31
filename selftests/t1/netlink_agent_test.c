// SPDX-License-Identifier: GPL-2.0
/*
 * The agent of a node and the requests that the kernel relays to it: every
 * request gets exactly one answer, whoever goes away in between.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "nl.h"
#include "node.h"

#define REQUESTS_MAX	64

static const struct nl_attr node_a[] = { STR(AGENT_NODE, "a"), {} };
static const struct nl_attr node_b[] = { STR(AGENT_NODE, "b"), {} };
static const struct nl_attr list_vms[] = {
	U32(REQUEST_OP, VMIG_REQUEST_OP_VM_LIST), {}
};

FIXTURE(agent)
{
	struct nl agent;
	struct nl user;
	struct nl_message *message;
	struct nl_result result;
};

/* Registered as the agent of node a. */
FIXTURE_SETUP(agent)
{
	ASSERT_EQ(0, node_enter());
	self->message = malloc(sizeof(*self->message));
	ASSERT_NE(NULL, self->message);
	ASSERT_EQ(0, nl_open(&self->agent)) {
		TH_LOG("no family vmig: is the module loaded?");
	}
	ASSERT_EQ(0, nl_open(&self->user));
	ASSERT_EQ(0, nl_call(&self->agent, VMIG_CMD_AGENT_REGISTER, node_a,
			     NULL, &self->result));
}

FIXTURE_TEARDOWN(agent)
{
	nl_close(&self->user);
	nl_close(&self->agent);
	free(self->message);
}

/* The id that a request for the list of VMs is given. */
#define ASK(nl)	({							\
	ASSERT_EQ(0, nl_call((nl), VMIG_CMD_REQUEST, list_vms,		\
			     self->message, &self->result));		\
	ASSERT_NE(0, nl_u32(self->message, VMIG_A_REQUEST_ID));		\
	nl_u32(self->message, VMIG_A_REQUEST_ID);			\
})

#define RECEIVE(nl, what)	do {					\
	ASSERT_EQ(0, nl_receive((nl), 20000, self->message));		\
	ASSERT_EQ(VMIG_CMD_##what, self->message->cmd);			\
} while (0)

static int answer(struct nl *agent, uint32_t id, struct nl_result *result)
{
	const struct nl_attr attrs[] = { U32(REQUEST_ID, id), {} };

	return nl_call(agent, VMIG_CMD_ANSWER, attrs, NULL, result);
}

static int module_users(void)
{
	FILE *file = fopen("/sys/module/vmig/refcnt", "r");
	int n = -1;

	if (file) {
		if (fscanf(file, "%d", &n) != 1)
			n = -1;
		fclose(file);
	}
	return n;
}

TEST_F(agent, is_known_by_node_and_port)
{
	ASSERT_EQ(0, nl_call(&self->user, VMIG_CMD_AGENT_GET, NULL,
			     self->message, &self->result));
	EXPECT_STREQ("a", nl_string(self->message, VMIG_A_AGENT_NODE));
	EXPECT_EQ(self->agent.port, nl_u32(self->message, VMIG_A_AGENT_PORT));
}

TEST_F(agent, is_one)
{
	char port[16];

	EXPECT_EQ(EBUSY, nl_call(&self->user, VMIG_CMD_AGENT_REGISTER, node_b,
				 NULL, &self->result));
	snprintf(port, sizeof(port), "%u", self->agent.port);
	EXPECT_NE(NULL, strstr(self->result.text, "Node a has an agent"));
	EXPECT_NE(NULL, strstr(self->result.text, port));
	EXPECT_EQ(EALREADY, nl_call(&self->agent, VMIG_CMD_AGENT_REGISTER,
				    node_b, NULL, &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "node a already"));
}

TEST_F(agent, keeps_the_module_loaded)
{
	int before = module_users();

	EXPECT_LT(0, before);
	nl_close(&self->agent);
	EXPECT_EQ(before - 1, module_users());
}

TEST_F(agent, is_succeeded)
{
	nl_close(&self->agent);
	EXPECT_EQ(ENOTCONN, nl_call(&self->user, VMIG_CMD_AGENT_GET, NULL,
				    NULL, &self->result));
	EXPECT_EQ(0, nl_call(&self->user, VMIG_CMD_AGENT_REGISTER, node_b,
			     NULL, &self->result));
	ASSERT_EQ(0, nl_call(&self->user, VMIG_CMD_AGENT_GET, NULL,
			     self->message, &self->result));
	EXPECT_STREQ("b", nl_string(self->message, VMIG_A_AGENT_NODE));
}

TEST_F(agent, gets_requests_as_they_were_asked)
{
	const struct nl_attr attrs[] = {
		U32(REQUEST_OP, VMIG_REQUEST_OP_MIGRATE),
		STR(REQUEST_VM, "web1"), STR(REQUEST_NODE, "b.example-1_x"),
		U32(REQUEST_CHANNELS, 16), FLAG(REQUEST_VERIFY),
		U64(REQUEST_BANDWIDTH, 1ULL << 40),
		U32(REQUEST_MAX_BLACKOUT, 3600000), U32(REQUEST_TIMEOUT, 604800),
		{}
	};
	uint32_t id;

	ASSERT_EQ(0, nl_call(&self->user, VMIG_CMD_REQUEST, attrs,
			     self->message, &self->result));
	id = nl_u32(self->message, VMIG_A_REQUEST_ID);
	RECEIVE(&self->agent, REQUEST_NTF);
	EXPECT_EQ(id, nl_u32(self->message, VMIG_A_REQUEST_ID));
	EXPECT_EQ(VMIG_REQUEST_OP_MIGRATE,
		  nl_u32(self->message, VMIG_A_REQUEST_OP));
	EXPECT_STREQ("web1", nl_string(self->message, VMIG_A_REQUEST_VM));
	EXPECT_STREQ("b.example-1_x",
		     nl_string(self->message, VMIG_A_REQUEST_NODE));
	EXPECT_EQ(16, nl_u32(self->message, VMIG_A_REQUEST_CHANNELS));
	EXPECT_NE(NULL, self->message->attrs[VMIG_A_REQUEST_VERIFY]);
	EXPECT_EQ(1ULL << 40, nl_u64(self->message, VMIG_A_REQUEST_BANDWIDTH));
	EXPECT_EQ(3600000, nl_u32(self->message, VMIG_A_REQUEST_MAX_BLACKOUT));
	EXPECT_EQ(604800, nl_u32(self->message, VMIG_A_REQUEST_TIMEOUT));
	EXPECT_EQ(NULL, self->message->attrs[VMIG_A_REQUEST_FORCE]);
	EXPECT_EQ(NULL, self->message->attrs[VMIG_A_REQUEST_DATA]);
}

TEST_F(agent, answers_once)
{
	uint32_t id = ASK(&self->user);
	char *data = malloc(VMIG_DATA_MAX + 1);
	const struct nl_attr attrs[] = {
		U32(REQUEST_ID, id), U32(REQUEST_ERROR, ENOSPC),
		STR(REQUEST_MESSAGE, "The disk is full."),
		STR(REQUEST_DATA, data), {}
	};

	ASSERT_NE(NULL, data);
	memset(data, 'x', VMIG_DATA_MAX);
	data[VMIG_DATA_MAX] = 0;
	RECEIVE(&self->agent, REQUEST_NTF);
	ASSERT_EQ(0, nl_call(&self->agent, VMIG_CMD_ANSWER, attrs, NULL,
			     &self->result));
	RECEIVE(&self->user, ANSWER_NTF);
	EXPECT_EQ(id, nl_u32(self->message, VMIG_A_REQUEST_ID));
	EXPECT_EQ(ENOSPC, nl_u32(self->message, VMIG_A_REQUEST_ERROR));
	EXPECT_STREQ("The disk is full.",
		     nl_string(self->message, VMIG_A_REQUEST_MESSAGE));
	EXPECT_STREQ(data, nl_string(self->message, VMIG_A_REQUEST_DATA));
	EXPECT_EQ(ENOENT, answer(&self->agent, id, &self->result));
	EXPECT_EQ(VMIG_A_REQUEST_ID, self->result.bad);
	EXPECT_EQ(-1, nl_receive(&self->user, 0, self->message));
	free(data);
}

TEST_F(agent, may_ask_itself)
{
	uint32_t id = ASK(&self->agent);

	RECEIVE(&self->agent, REQUEST_NTF);
	ASSERT_EQ(0, answer(&self->agent, id, &self->result));
	RECEIVE(&self->agent, ANSWER_NTF);
	EXPECT_EQ(id, nl_u32(self->message, VMIG_A_REQUEST_ID));
}

TEST_F(agent, dies_with_requests)
{
	uint32_t ids[3], id;
	struct nl other;
	int i;

	ASSERT_EQ(0, nl_open(&other));
	ids[0] = ASK(&self->user);
	ids[1] = ASK(&other);
	ids[2] = ASK(&self->user);
	nl_close(&self->agent);
	for (i = 0; i < 3; i++) {
		RECEIVE(i == 1 ? &other : &self->user, ANSWER_NTF);
		id = nl_u32(self->message, VMIG_A_REQUEST_ID);
		EXPECT_EQ(ids[i], id);
		EXPECT_EQ(ENOTCONN, nl_u32(self->message, VMIG_A_REQUEST_ERROR));
		EXPECT_NE(NULL, strstr(nl_string(self->message,
						 VMIG_A_REQUEST_MESSAGE),
				       "agent has gone"));
	}
	EXPECT_EQ(-1, nl_receive(&self->user, 0, self->message));
	EXPECT_EQ(-1, nl_receive(&other, 0, self->message));
	nl_close(&other);
}

TEST_F(agent, is_told_that_an_asker_died)
{
	uint32_t id = ASK(&self->user);

	nl_close(&self->user);
	EXPECT_EQ(ENOENT, answer(&self->agent, id, &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "asker is gone"));
}

TEST_F(agent, is_not_flooded)
{
	uint32_t first = ASK(&self->user);
	int i;

	for (i = 1; i < REQUESTS_MAX; i++)
		ASK(&self->user);
	EXPECT_EQ(EBUSY, nl_call(&self->user, VMIG_CMD_REQUEST, list_vms,
				 NULL, &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "64 requests wait"));
	ASSERT_EQ(0, answer(&self->agent, first, &self->result));
	ASK(&self->user);
	/* Requests of an asker that went leave room for others. */
	nl_close(&self->user);
	ASSERT_EQ(0, nl_open(&self->user));
	ASK(&self->user);
}

/* An agent that reads nothing: the requests it did not get do not count. */
TEST_F(agent, reads_nothing)
{
	static char data[VMIG_DATA_MAX + 1];
	const struct nl_attr attrs[] = {
		U32(REQUEST_OP, VMIG_REQUEST_OP_VM_DEFINE),
		STR(REQUEST_DATA, data), {}
	};
	int i, err = 0;

	memset(data, 'x', VMIG_DATA_MAX);
	for (i = 0; i < REQUESTS_MAX && !err; i++)
		err = nl_call(&self->user, VMIG_CMD_REQUEST, attrs, NULL,
			      &self->result);
	EXPECT_EQ(EAGAIN, err);
	EXPECT_NE(NULL, strstr(self->result.text, "agent is too busy"));
}

TEST_F(agent, of_another_namespace_is_another)
{
	struct nl agent_b, user_b;
	uint32_t id = ASK(&self->user);

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, nl_open(&agent_b));
	ASSERT_EQ(0, nl_open(&user_b));
	EXPECT_EQ(ENOTCONN, nl_call(&user_b, VMIG_CMD_REQUEST, list_vms, NULL,
				    &self->result));
	ASSERT_EQ(0, nl_call(&agent_b, VMIG_CMD_AGENT_REGISTER, node_b, NULL,
			     &self->result));
	/* The same id may be a request there, but never this one. */
	EXPECT_EQ(ENOENT, answer(&agent_b, id, &self->result));
	ASSERT_EQ(0, nl_call(&user_b, VMIG_CMD_AGENT_GET, NULL, self->message,
			     &self->result));
	EXPECT_STREQ("b", nl_string(self->message, VMIG_A_AGENT_NODE));
	nl_close(&agent_b);
	ASSERT_EQ(0, answer(&self->agent, id, &self->result));
	RECEIVE(&self->user, ANSWER_NTF);
	EXPECT_EQ(0, nl_u32(self->message, VMIG_A_REQUEST_ERROR));
	nl_close(&user_b);
}

/* A namespace that goes with its agent and its requests leaves nothing. */
TEST_F(agent, goes_with_its_namespace)
{
	int before = module_users();
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		struct nl agent, user;
		struct nl_result result;

		if (unshare(CLONE_NEWNET) || nl_open(&agent) || nl_open(&user))
			_exit(1);
		if (nl_call(&agent, VMIG_CMD_AGENT_REGISTER, node_b, NULL,
			    &result) ||
		    nl_call(&user, VMIG_CMD_REQUEST, list_vms, NULL, &result))
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(before, module_users());
}

struct race {
	atomic_bool stop;
	atomic_uint asked;
	atomic_uint answered;
	atomic_uint wrong;
};

/* Ask until told to stop; whoever got an id must get one answer. */
static void *ask_on(void *arg)
{
	struct race *race = arg;
	struct nl_message *message = malloc(sizeof(*message));
	struct nl_result result;
	struct nl nl;
	uint32_t id;
	int err;

	if (!message || nl_open(&nl)) {
		race->wrong++;
		free(message);
		return NULL;
	}
	while (!race->stop) {
		err = nl_call(&nl, VMIG_CMD_REQUEST, list_vms, message, &result);
		if (err == ENOTCONN)
			continue;
		id = nl_u32(message, VMIG_A_REQUEST_ID);
		race->asked++;
		if (err || nl_receive(&nl, 20000, message) ||
		    message->cmd != VMIG_CMD_ANSWER_NTF ||
		    nl_u32(message, VMIG_A_REQUEST_ID) != id) {
			race->wrong++;
			break;
		}
		race->answered++;
	}
	nl_close(&nl);
	free(message);
	return NULL;
}

/* Agents come and go; some answer a few requests, all leave some behind. */
TEST_F(agent, comes_and_goes_while_users_ask)
{
	pthread_t askers[3];
	struct race race = {};
	struct nl nl;
	int i, j;

	nl_close(&self->agent);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&askers[i], NULL, ask_on, &race));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, nl_open(&nl));
		ASSERT_EQ(0, nl_call(&nl, VMIG_CMD_AGENT_REGISTER, node_a, NULL,
				     &self->result));
		for (j = 0; j < i % 4; j++) {
			if (nl_receive(&nl, 100, self->message))
				break;
			answer(&nl, nl_u32(self->message, VMIG_A_REQUEST_ID),
			       &self->result);
		}
		nl_close(&nl);
	}
	race.stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(askers[i], NULL);
	TH_LOG("%u requests, %u answers", race.asked, race.answered);
	EXPECT_EQ(0, race.wrong);
	EXPECT_EQ(race.asked, race.answered);
	EXPECT_LT(0, race.asked);
}

TEST_HARNESS_MAIN

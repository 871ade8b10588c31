// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family: what it refuses and how, and who may use it at all.
 *
 * A refusal is checked by errno, by its sentence and by the attribute it
 * blames or misses: all three are what users and the agent rely on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "nl.h"
#include "node.h"

#define NAME_64	"0123456789012345678901234567890123456789012345678901234567890123"
#define TOKEN	RAW(MIGRATION_TOKEN, "0123456789abcdef", 16)
#define BAD_NAME	"A name has 1 to 63 letters"
#define POLICY	"Attribute failed policy validation"
#define REQUEST(op)	U32(REQUEST_OP, VMIG_REQUEST_OP_##op)
#define VM		STR(REQUEST_VM, "web1")
#define NODE		STR(REQUEST_NODE, "b")

static const struct nl_attr node_a[] = { STR(AGENT_NODE, "a"), {} };

FIXTURE(netlink)
{
	struct nl agent;
	struct nl user;
	struct nl_result result;
};

FIXTURE_SETUP(netlink)
{
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, nl_open(&self->agent)) {
		TH_LOG("no family vmig: is the module loaded?");
	}
	ASSERT_EQ(0, nl_open(&self->user));
}

FIXTURE_TEARDOWN(netlink)
{
	nl_close(&self->user);
	nl_close(&self->agent);
}

#define REGISTER()	ASSERT_EQ(0, nl_call(&self->agent, VMIG_CMD_AGENT_REGISTER, \
					     node_a, NULL, &self->result))
static const struct refusal refused_to_all[] = {
	{ "register without node", VMIG_CMD_AGENT_REGISTER, {},
	  EINVAL, "attribute node is missing", 0, VMIG_A_AGENT_NODE },
	{ "register with an empty name", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, "") }, EINVAL, BAD_NAME, VMIG_A_AGENT_NODE },
	{ "register with a space", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, "a b") }, EINVAL, BAD_NAME, VMIG_A_AGENT_NODE },
	{ "register with a slash", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, "a/b") }, EINVAL, BAD_NAME, VMIG_A_AGENT_NODE },
	{ "register with Latin-1", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, "\xe4") }, EINVAL, BAD_NAME, VMIG_A_AGENT_NODE },
	{ "register as .", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, ".") }, EINVAL, BAD_NAME, VMIG_A_AGENT_NODE },
	{ "register as ..", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, "..") }, EINVAL, BAD_NAME, VMIG_A_AGENT_NODE },
	{ "register with 64 bytes", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, NAME_64) }, EINVAL, POLICY, VMIG_A_AGENT_NODE },
	{ "register without NUL", VMIG_CMD_AGENT_REGISTER,
	  { RAW(AGENT_NODE, "aaa", 3) }, EINVAL, POLICY, VMIG_A_AGENT_NODE },
	{ "register with a port", VMIG_CMD_AGENT_REGISTER,
	  { STR(AGENT_NODE, "a"), U32(AGENT_PORT, 1) },
	  EINVAL, "Unknown attribute type", VMIG_A_AGENT_PORT },
	{ "agent-get without agent", VMIG_CMD_AGENT_GET, {},
	  ENOTCONN, "No agent is registered" },
	{ "agent-get with node", VMIG_CMD_AGENT_GET, { STR(AGENT_NODE, "a") },
	  EINVAL, "", VMIG_A_AGENT_NODE },

	{ "vm-get without name", VMIG_CMD_VM_GET, {},
	  EINVAL, "attribute name is missing", 0, VMIG_A_VM_NAME },
	{ "vm-get ../x", VMIG_CMD_VM_GET, { STR(VM_NAME, "../x") },
	  EINVAL, BAD_NAME, VMIG_A_VM_NAME },
	{ "vm-get of none", VMIG_CMD_VM_GET, { STR(VM_NAME, "none") },
	  ENOENT, "VM none is in no vmigfs mount", VMIG_A_VM_NAME },
	{ "vm-get with a number", VMIG_CMD_VM_GET, { U32(VM_NAME, 0x41414141) },
	  EINVAL, POLICY, VMIG_A_VM_NAME },

	{ "request without op", VMIG_CMD_REQUEST, { VM },
	  EINVAL, "attribute op is missing", 0, VMIG_A_REQUEST_OP },
	{ "request 0", VMIG_CMD_REQUEST, { U32(REQUEST_OP, 0) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_OP },
	{ "request after the last", VMIG_CMD_REQUEST,
	  { U32(REQUEST_OP, VMIG_REQUEST_OP_CANCEL + 1) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_OP },
	{ "request with a short op", VMIG_CMD_REQUEST,
	  { RAW(REQUEST_OP, "\1\0", 2) },
	  EINVAL, "invalid attribute length", VMIG_A_REQUEST_OP },
	{ "request with an id", VMIG_CMD_REQUEST,
	  { REQUEST(VM_LIST), U32(REQUEST_ID, 1) }, EINVAL, "",
	  VMIG_A_REQUEST_ID },
	{ "vm-define without data", VMIG_CMD_REQUEST, { REQUEST(VM_DEFINE) },
	  EINVAL, "vm-define needs data", 0, VMIG_A_REQUEST_DATA },
	{ "vm-undefine without vm", VMIG_CMD_REQUEST, { REQUEST(VM_UNDEFINE) },
	  EINVAL, "vm-undefine needs vm", 0, VMIG_A_REQUEST_VM },
	{ "vm-start without vm", VMIG_CMD_REQUEST, { REQUEST(VM_START) },
	  EINVAL, "vm-start needs vm", 0, VMIG_A_REQUEST_VM },
	{ "vm-start by force", VMIG_CMD_REQUEST,
	  { REQUEST(VM_START), VM, FLAG(REQUEST_FORCE) },
	  EINVAL, "vm-start does not take force", VMIG_A_REQUEST_FORCE },
	{ "vm-stop without vm", VMIG_CMD_REQUEST,
	  { REQUEST(VM_STOP), FLAG(REQUEST_FORCE) },
	  EINVAL, "vm-stop needs vm", 0, VMIG_A_REQUEST_VM },
	{ "vm-list of one", VMIG_CMD_REQUEST, { REQUEST(VM_LIST), VM },
	  EINVAL, "vm-list does not take vm", VMIG_A_REQUEST_VM },
	{ "vm-show without vm", VMIG_CMD_REQUEST, { REQUEST(VM_SHOW) },
	  EINVAL, "vm-show needs vm", 0, VMIG_A_REQUEST_VM },
	{ "vm-show of a bad name", VMIG_CMD_REQUEST,
	  { REQUEST(VM_SHOW), STR(REQUEST_VM, "a b") },
	  EINVAL, BAD_NAME, VMIG_A_REQUEST_VM },
	{ "migrate without vm", VMIG_CMD_REQUEST, { REQUEST(MIGRATE), NODE },
	  EINVAL, "migrate needs vm", 0, VMIG_A_REQUEST_VM },
	{ "migrate without node", VMIG_CMD_REQUEST, { REQUEST(MIGRATE), VM },
	  EINVAL, "migrate needs node", 0, VMIG_A_REQUEST_NODE },
	{ "migrate to a bad name", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, STR(REQUEST_NODE, "") },
	  EINVAL, BAD_NAME, VMIG_A_REQUEST_NODE },
	{ "migrate with data", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, STR(REQUEST_DATA, "x") },
	  EINVAL, "migrate does not take data", VMIG_A_REQUEST_DATA },
	{ "migrate on 0 channels", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_CHANNELS, 0) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_CHANNELS },
	{ "migrate on 17 channels", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_CHANNELS, 17) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_CHANNELS },
	{ "migrate without any blackout", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_MAX_BLACKOUT, 0) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_MAX_BLACKOUT },
	{ "migrate with a blackout of more than an hour", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_MAX_BLACKOUT, 3600001) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_MAX_BLACKOUT },
	{ "migrate in no time", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_TIMEOUT, 0) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_TIMEOUT },
	{ "migrate in more than a week", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_TIMEOUT, 604801) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_TIMEOUT },
	{ "migrate with a bandwidth of 32 bits", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_BANDWIDTH, 1) },
	  EINVAL, "invalid attribute length", VMIG_A_REQUEST_BANDWIDTH },
	{ "migrate with a flag that has a value", VMIG_CMD_REQUEST,
	  { REQUEST(MIGRATE), VM, NODE, U32(REQUEST_VERIFY, 1) },
	  ERANGE, POLICY, VMIG_A_REQUEST_VERIFY },
	{ "announce without vm", VMIG_CMD_REQUEST, { REQUEST(ANNOUNCE) },
	  EINVAL, "announce needs vm", 0, VMIG_A_REQUEST_VM },
	{ "node-list of another", VMIG_CMD_REQUEST, { REQUEST(NODE_LIST), NODE },
	  EINVAL, "node-list does not take node", VMIG_A_REQUEST_NODE },
	{ "request without agent", VMIG_CMD_REQUEST, { REQUEST(VM_LIST) },
	  ENOTCONN, "No agent is registered" },

	{ "migration-get of none", VMIG_CMD_MIGRATION_GET, {},
	  EINVAL, "Which migration?", 0, VMIG_A_MIGRATION_ID },
	{ "migration-get of two", VMIG_CMD_MIGRATION_GET,
	  { U32(MIGRATION_ID, 1), STR(MIGRATION_VM, "web1") },
	  EINVAL, "not by both", VMIG_A_MIGRATION_VM },
	{ "migration-get of an unknown id", VMIG_CMD_MIGRATION_GET,
	  { U32(MIGRATION_ID, 4711) },
	  ENOENT, "no migration 4711", VMIG_A_MIGRATION_ID },
	{ "migration-get of an unknown VM", VMIG_CMD_MIGRATION_GET,
	  { STR(MIGRATION_VM, "none") },
	  ENOENT, "VM none has not been migrated", VMIG_A_MIGRATION_VM },
	{ "migration-get of id 0", VMIG_CMD_MIGRATION_GET,
	  { U32(MIGRATION_ID, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_ID },
	{ "migration-get of a bad name", VMIG_CMD_MIGRATION_GET,
	  { STR(MIGRATION_VM, "..") }, EINVAL, BAD_NAME, VMIG_A_MIGRATION_VM },
	{ "migration-cancel of none", VMIG_CMD_MIGRATION_CANCEL, {},
	  EINVAL, "Which migration?", 0, VMIG_A_MIGRATION_ID },
	{ "migration-cancel of id 0", VMIG_CMD_MIGRATION_CANCEL,
	  { U32(MIGRATION_ID, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_ID },
	{ "migration-cancel of an unknown id", VMIG_CMD_MIGRATION_CANCEL,
	  { U32(MIGRATION_ID, 4711) }, ENOENT, "4711", VMIG_A_MIGRATION_ID },
	{ "migration-cancel of an unknown VM", VMIG_CMD_MIGRATION_CANCEL,
	  { STR(MIGRATION_VM, "none") }, ENOENT, "none", VMIG_A_MIGRATION_VM },

	{ "answer by a stranger", VMIG_CMD_ANSWER, { U32(REQUEST_ID, 1) },
	  EPERM, "Only the registered agent" },
	{ "migration-new by a stranger", VMIG_CMD_MIGRATION_NEW, {},
	  EPERM, "Only the registered agent" },
	{ "migration-start by a stranger", VMIG_CMD_MIGRATION_START,
	  { U32(MIGRATION_ID, 1) }, EPERM, "Only the registered agent" },
	{ "migration-stop-copy by a stranger", VMIG_CMD_MIGRATION_STOP_COPY,
	  { U32(MIGRATION_ID, 1) }, EPERM, "Only the registered agent" },
	{ "migration-stage by a stranger", VMIG_CMD_MIGRATION_STAGE,
	  { U32(MIGRATION_ID, 1) }, EPERM, "Only the registered agent" },
	{ "migration-done by a stranger", VMIG_CMD_MIGRATION_DONE,
	  { U32(MIGRATION_ID, 1) }, EPERM, "Only the registered agent" },
	{ "migration-fail by a stranger", VMIG_CMD_MIGRATION_FAIL,
	  { U32(MIGRATION_ID, 1) }, EPERM, "Only the registered agent" },
	{ "request-ntf as a command", VMIG_CMD_REQUEST_NTF, {}, EOPNOTSUPP, "" },
	{ "no such command", 99, {}, EOPNOTSUPP, "" },
};

TEST_F(netlink, refused_to_all)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused_to_all); i++)
		EXPECT_STREQ("", nl_refused(&self->user, &refused_to_all[i]));
}

#define NEW(...)	{ STR(MIGRATION_VM, "web1"), STR(MIGRATION_NODE, "b"),	\
			  U32(MIGRATION_ROLE, VMIG_ROLE_SOURCE), __VA_ARGS__ }
#define FD		U32(MIGRATION_SOCKET, 1)
#define UNKNOWN		U32(MIGRATION_ID, 4711)

static const struct refusal refused_to_agent[] = {
	{ "answer without id", VMIG_CMD_ANSWER, { U32(REQUEST_ERROR, 0) },
	  EINVAL, "attribute id is missing", 0, VMIG_A_REQUEST_ID },
	{ "answer to nothing", VMIG_CMD_ANSWER, { U32(REQUEST_ID, 4711) },
	  ENOENT, "Request 4711 waits for no answer", VMIG_A_REQUEST_ID },
	{ "answer to request 0", VMIG_CMD_ANSWER, { U32(REQUEST_ID, 0) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_ID },
	{ "answer with an errno of 4096", VMIG_CMD_ANSWER,
	  { U32(REQUEST_ID, 1), U32(REQUEST_ERROR, 4096) },
	  ERANGE, "integer out of range", VMIG_A_REQUEST_ERROR },
	{ "answer with a channel count", VMIG_CMD_ANSWER,
	  { U32(REQUEST_ID, 1), U32(REQUEST_CHANNELS, 1) },
	  EINVAL, "", VMIG_A_REQUEST_CHANNELS },

	{ "migration-new without vm", VMIG_CMD_MIGRATION_NEW,
	  { STR(MIGRATION_NODE, "b") },
	  EINVAL, "attribute vm is missing", 0, VMIG_A_MIGRATION_VM },
	{ "migration-new without node", VMIG_CMD_MIGRATION_NEW,
	  { STR(MIGRATION_VM, "web1") },
	  EINVAL, "attribute node is missing", 0, VMIG_A_MIGRATION_NODE },
	{ "migration-new without role", VMIG_CMD_MIGRATION_NEW,
	  { STR(MIGRATION_VM, "web1"), STR(MIGRATION_NODE, "b") },
	  EINVAL, "attribute role is missing", 0, VMIG_A_MIGRATION_ROLE },
	{ "migration-new without token", VMIG_CMD_MIGRATION_NEW, NEW(FD),
	  EINVAL, "attribute token is missing", 0, VMIG_A_MIGRATION_TOKEN },
	{ "migration-new without socket", VMIG_CMD_MIGRATION_NEW, NEW(TOKEN),
	  EINVAL, "attribute socket is missing", 0, VMIG_A_MIGRATION_SOCKET },
	{ "migration-new with role 2", VMIG_CMD_MIGRATION_NEW,
	  { U32(MIGRATION_ROLE, 2) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_ROLE },
	{ "migration-new with a token of 15 bytes", VMIG_CMD_MIGRATION_NEW,
	  NEW(RAW(MIGRATION_TOKEN, "0123456789abcde", 15), FD),
	  ERANGE, "", VMIG_A_MIGRATION_TOKEN },
	{ "migration-new with a token of 17 bytes", VMIG_CMD_MIGRATION_NEW,
	  NEW(RAW(MIGRATION_TOKEN, "0123456789abcdefg", 17), FD),
	  ERANGE, "", VMIG_A_MIGRATION_TOKEN },
	{ "migration-new with a socket of 8 bytes", VMIG_CMD_MIGRATION_NEW,
	  NEW(TOKEN, U64(MIGRATION_SOCKET, 1)),
	  EINVAL, "invalid attribute length", VMIG_A_MIGRATION_SOCKET },
	{ "migration-new with 17 sockets", VMIG_CMD_MIGRATION_NEW,
	  NEW(TOKEN, FD, FD, FD, FD, FD, FD, FD, FD, FD, FD, FD, FD, FD, FD, FD,
	      FD, U32(MIGRATION_SOCKET, 17)),
	  EINVAL, "at most 16 sockets", VMIG_A_MIGRATION_SOCKET },
	{ "migration-new of a bad name", VMIG_CMD_MIGRATION_NEW,
	  { STR(MIGRATION_VM, "a/b"), STR(MIGRATION_NODE, "b"),
	    U32(MIGRATION_ROLE, VMIG_ROLE_SOURCE), TOKEN, FD },
	  EINVAL, BAD_NAME, VMIG_A_MIGRATION_VM },
	{ "migration-new to a bad name", VMIG_CMD_MIGRATION_NEW,
	  { STR(MIGRATION_VM, "a"), STR(MIGRATION_NODE, ".."),
	    U32(MIGRATION_ROLE, VMIG_ROLE_SOURCE), TOKEN, FD },
	  EINVAL, BAD_NAME, VMIG_A_MIGRATION_NODE },
	{ "migration-new with a blackout of 0", VMIG_CMD_MIGRATION_NEW,
	  { U32(MIGRATION_MAX_BLACKOUT, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_MAX_BLACKOUT },
	{ "migration-new with a timeout of 0", VMIG_CMD_MIGRATION_NEW,
	  { U32(MIGRATION_TIMEOUT, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_TIMEOUT },
	{ "migration-new with an unknown action", VMIG_CMD_MIGRATION_NEW,
	  { U32(MIGRATION_AT_TIMEOUT, VMIG_TIMEOUT_ACTION_SWITCH_OVER + 1) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_AT_TIMEOUT },
	{ "migration-new with a stop limit of 0", VMIG_CMD_MIGRATION_NEW,
	  { U32(MIGRATION_STOP_LIMIT, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_STOP_LIMIT },
	{ "migration-new of an unknown VM", VMIG_CMD_MIGRATION_NEW,
	  NEW(TOKEN, FD), ENOENT, "web1", VMIG_A_MIGRATION_VM },

	{ "migration-start of none", VMIG_CMD_MIGRATION_START, {},
	  EINVAL, "attribute id is missing", 0, VMIG_A_MIGRATION_ID },
	{ "migration-start of id 0", VMIG_CMD_MIGRATION_START,
	  { U32(MIGRATION_ID, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_ID },
	{ "migration-start of an unknown one", VMIG_CMD_MIGRATION_START,
	  { UNKNOWN }, ENOENT, "4711", VMIG_A_MIGRATION_ID },
	{ "migration-stop-copy of none", VMIG_CMD_MIGRATION_STOP_COPY, {},
	  EINVAL, "attribute id is missing", 0, VMIG_A_MIGRATION_ID },
	{ "migration-stop-copy of an unknown one", VMIG_CMD_MIGRATION_STOP_COPY,
	  { UNKNOWN }, ENOENT, "4711", VMIG_A_MIGRATION_ID },
	{ "migration-stage of none", VMIG_CMD_MIGRATION_STAGE,
	  { U32(MIGRATION_STAGE, VMIG_STAGE_STORAGE) },
	  EINVAL, "attribute id is missing", 0, VMIG_A_MIGRATION_ID },
	{ "migration-stage without stage", VMIG_CMD_MIGRATION_STAGE,
	  { UNKNOWN },
	  EINVAL, "attribute stage is missing", 0, VMIG_A_MIGRATION_STAGE },
	{ "migration-stage 0", VMIG_CMD_MIGRATION_STAGE,
	  { UNKNOWN, U32(MIGRATION_STAGE, 0) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_STAGE },
	{ "migration-stage 7", VMIG_CMD_MIGRATION_STAGE,
	  { UNKNOWN, U32(MIGRATION_STAGE, 7) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_STAGE },
	{ "migration-stage of an unknown one", VMIG_CMD_MIGRATION_STAGE,
	  { UNKNOWN, U32(MIGRATION_STAGE, VMIG_STAGE_STORAGE) },
	  ENOENT, "4711", VMIG_A_MIGRATION_ID },
	{ "migration-done of none", VMIG_CMD_MIGRATION_DONE, {},
	  EINVAL, "attribute id is missing", 0, VMIG_A_MIGRATION_ID },
	{ "migration-done of an unknown one", VMIG_CMD_MIGRATION_DONE,
	  { UNKNOWN }, ENOENT, "4711", VMIG_A_MIGRATION_ID },
	{ "migration-fail of none", VMIG_CMD_MIGRATION_FAIL,
	  { STR(MIGRATION_REASON, "why not") },
	  EINVAL, "attribute id is missing", 0, VMIG_A_MIGRATION_ID },
	{ "migration-fail without reason", VMIG_CMD_MIGRATION_FAIL,
	  { UNKNOWN },
	  EINVAL, "attribute reason is missing", 0, VMIG_A_MIGRATION_REASON },
	{ "migration-fail with an errno of 4096", VMIG_CMD_MIGRATION_FAIL,
	  { UNKNOWN, U32(MIGRATION_ERROR, 4096) },
	  ERANGE, "integer out of range", VMIG_A_MIGRATION_ERROR },
	{ "migration-fail of an unknown one", VMIG_CMD_MIGRATION_FAIL,
	  { UNKNOWN, STR(MIGRATION_REASON, "why not") },
	  ENOENT, "4711", VMIG_A_MIGRATION_ID },
};

TEST_F(netlink, refused_to_agent)
{
	size_t i;

	REGISTER();
	for (i = 0; i < ARRAY_SIZE(refused_to_agent); i++)
		EXPECT_STREQ("", nl_refused(&self->agent, &refused_to_agent[i]));
}

/* The last of the sockets is one too many, and it is the one to be blamed. */
TEST_F(netlink, blames_the_right_socket)
{
	const struct nl_attr attrs[] = NEW(TOKEN, FD, FD, FD, FD, FD, FD, FD, FD,
					   FD, FD, FD, FD, FD, FD, FD, FD,
					   U32(MIGRATION_SOCKET, 17), {});

	REGISTER();
	EXPECT_EQ(EINVAL, nl_call(&self->agent, VMIG_CMD_MIGRATION_NEW, attrs,
				  NULL, &self->result));
	EXPECT_EQ(17, self->result.bad_value);
}

static void count(const struct nl_message *message, void *arg)
{
	(void)message;
	++*(unsigned int *)arg;
}

TEST_F(netlink, dumps_take_no_attributes)
{
	const struct nl_attr vm[] = { STR(VM_NAME, "web1"), {} };
	const struct nl_attr id[] = { U32(MIGRATION_ID, 1), {} };
	unsigned int n = 0;
	bool intr;

	EXPECT_EQ(EINVAL, nl_dump(&self->user, VMIG_CMD_VM_GET, vm, count, &n,
				  &intr, &self->result));
	EXPECT_EQ(VMIG_A_VM_NAME, self->result.bad);
	EXPECT_STRNE("", self->result.text);
	EXPECT_EQ(EINVAL, nl_dump(&self->user, VMIG_CMD_MIGRATION_GET, id,
				  count, &n, &intr, &self->result));
	EXPECT_EQ(VMIG_A_MIGRATION_ID, self->result.bad);
	EXPECT_STRNE("", self->result.text);
	EXPECT_EQ(EOPNOTSUPP, nl_dump(&self->user, VMIG_CMD_AGENT_GET, NULL,
				      count, &n, &intr, &self->result));
	EXPECT_EQ(0, n);
}

TEST_F(netlink, empty_dumps)
{
	unsigned int n = 0;
	bool intr;

	EXPECT_EQ(0, nl_dump(&self->user, VMIG_CMD_VM_GET, NULL, count, &n,
			     &intr, &self->result));
	EXPECT_EQ(0, nl_dump(&self->user, VMIG_CMD_MIGRATION_GET, NULL, count,
			     &n, &intr, &self->result));
	EXPECT_EQ(0, n);
	EXPECT_FALSE(intr);
}

static int drop_net_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[0].effective &= ~(1U << CAP_NET_ADMIN);
	data[0].permitted &= ~(1U << CAP_NET_ADMIN);
	return syscall(SYS_capset, &header, data);
}

/* How many of the operations are not refused with EPERM. */
static unsigned int allowed(struct nl *nl)
{
	static const uint8_t dumps[] = { VMIG_CMD_VM_GET, VMIG_CMD_MIGRATION_GET,
					 VMIG_CMD_CPUID_FILTER_GET };
	unsigned int n = 0, told = 0;
	struct nl_result result;
	uint8_t cmd;
	bool intr;
	size_t i;

	for (cmd = VMIG_CMD_AGENT_REGISTER; cmd <= VMIG_CMD_MAX; cmd++) {
		if (cmd == VMIG_CMD_REQUEST_NTF || cmd == VMIG_CMD_ANSWER_NTF ||
		    cmd == VMIG_CMD_MIGRATION_NTF)
			continue;
		n += nl_call(nl, cmd, NULL, NULL, &result) != EPERM;
	}
	for (i = 0; i < ARRAY_SIZE(dumps); i++)
		n += nl_dump(nl, dumps[i], NULL, count, &told, &intr,
			     &result) != EPERM;
	return n + told;
}

/* A socket opened with the capability does not lend it, nor without it. */
TEST_F(netlink, needs_net_admin)
{
	struct nl other;

	ASSERT_EQ(0, drop_net_admin());
	EXPECT_EQ(0, allowed(&self->user));
	ASSERT_EQ(0, nl_open(&other));
	EXPECT_EQ(0, allowed(&other));
	EXPECT_EQ(-1, nl_join(&other));
	EXPECT_EQ(EPERM, errno);
	nl_close(&other);
}

/* CAP_NET_ADMIN over a namespace of one's own is not enough. */
TEST_F(netlink, needs_initial_user_namespace)
{
	struct nl other;

	ASSERT_EQ(0, unshare(CLONE_NEWUSER | CLONE_NEWNET));
	ASSERT_EQ(0, nl_open(&other));
	EXPECT_EQ(0, allowed(&other));
	EXPECT_EQ(0, allowed(&self->user));
	nl_close(&other);
}

#define REGIONS_MAX	16
#define NAME_61		"012345678901234567890123456789012345678901234567890123456789_"

/* All regions of the largest VM, with the longest names, fit in one message. */
TEST_F(netlink, tells_a_vm)
{
	const struct nl_attr vm[] = { STR(VM_NAME, NAME_61 "vm"), {} };
	struct nl_message *message = malloc(sizeof(*message));
	const struct nlattr *attr, *field;
	unsigned int n = 0;
	char path[PATH_MAX], name[64];
	int fd, i;

	ASSERT_NE(NULL, message);
	ASSERT_EQ(0, node_mount("huge=always"));
	ASSERT_EQ(0, chdir(node_mountpoint()));
	ASSERT_EQ(0, mkdir(NAME_61 "vm", 0700));
	for (i = 0; i < REGIONS_MAX; i++) {
		snprintf(path, sizeof(path), NAME_61 "vm/" NAME_61 "%02d", i);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ftruncate(fd, (i + 1) * 4096UL));
		/* The first page of even ones is there. */
		if (!(i & 1))
			ASSERT_EQ(1, pwrite(fd, "x", 1, 0));
		close(fd);
	}
	ASSERT_EQ(0, nl_call(&self->user, VMIG_CMD_VM_GET, vm, message,
			     &self->result));
	EXPECT_STREQ(NAME_61 "vm", nl_string(message, VMIG_A_VM_NAME));
	EXPECT_EQ(NULL, message->attrs[VMIG_A_VM_MIGRATION]);
	mnl_attr_for_each(attr, (struct nlmsghdr *)message->buffer,
			  sizeof(struct genlmsghdr)) {
		const struct nlattr *fields[VMIG_A_REGION_MAX + 1] = {};

		if (mnl_attr_get_type(attr) != VMIG_A_VM_REGION)
			continue;
		mnl_attr_for_each_nested(field, attr)
			fields[mnl_attr_get_type(field)] = field;
		snprintf(name, sizeof(name), NAME_61 "%02u", n);
		EXPECT_STREQ(name,
			     mnl_attr_get_str(fields[VMIG_A_REGION_NAME]));
		EXPECT_EQ((n + 1) * 4096,
			  mnl_attr_get_u64(fields[VMIG_A_REGION_SIZE]));
		EXPECT_EQ(n & 1 ? 0 : 4096,
			  mnl_attr_get_u64(fields[VMIG_A_REGION_ALLOCATED]));
		EXPECT_EQ(2 << 20,
			  mnl_attr_get_u32(fields[VMIG_A_REGION_PAGE_SIZE]));
		n++;
	}
	EXPECT_EQ(REGIONS_MAX, n);
	free(message);
}

/* A VM that goes while VMs are dumped makes the dump an interrupted one. */
TEST_F(netlink, dump_of_vms_notices_changes)
{
	const unsigned int vms = 200;
	unsigned int i, n = 0;
	char name[16];
	bool intr;

	ASSERT_EQ(0, node_mount(NULL));
	for (i = 0; i < vms; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		ASSERT_EQ(0, node_make_vm(name, 1 << 20));
	}
	ASSERT_EQ(0, nl_dump(&self->user, VMIG_CMD_VM_GET, NULL, count, &n,
			     &intr, &self->result));
	EXPECT_EQ(vms, n);
	EXPECT_FALSE(intr);

	/* A socket that never read much is first given a part of them only. */
	ASSERT_EQ(0, nl_send(&self->agent, VMIG_CMD_VM_GET, NLM_F_DUMP, NULL));
	for (i = 0; i < vms; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		ASSERT_EQ(0, node_remove_vm(name));
	}
	EXPECT_EQ(0, nl_drain(&self->agent, &intr));
	EXPECT_TRUE(intr);
}

TEST_HARNESS_MAIN

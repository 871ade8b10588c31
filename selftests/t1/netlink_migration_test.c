// SPDX-License-Identifier: GPL-2.0
/*
 * Migrations as netlink shows them: which sockets they take, what each state
 * refuses, how they end, what is told of them, and to whom. Nothing here sends
 * a page.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "nl.h"
#include "node.h"

#define VM_SIZE		(8UL << 20)
#define WAIT_MS		20000
#define RECORDS_MAX	64

static const struct nl_attr node_a[] = { STR(AGENT_NODE, "a"), {} };

FIXTURE(migration)
{
	struct nl agent;
	struct nl user;
	struct nl_message *message;
	struct nl_result result;
	int here[2];	/* connected to each other */
	int foreign[2];	/* in another network namespace */
};

/* Node a with an agent and the VM web1. */
FIXTURE_SETUP(migration)
{
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, node_connect(self->foreign));
	ASSERT_EQ(0, node_enter());
	ASSERT_EQ(0, node_connect(self->here));
	self->message = malloc(sizeof(*self->message));
	ASSERT_NE(NULL, self->message);
	ASSERT_EQ(0, nl_open(&self->agent)) {
		TH_LOG("no family vmig: is the module loaded?");
	}
	ASSERT_EQ(0, nl_open(&self->user));
	ASSERT_EQ(0, nl_join(&self->user));
	ASSERT_EQ(0, nl_call(&self->agent, VMIG_CMD_AGENT_REGISTER, node_a,
			     NULL, &self->result));
	ASSERT_EQ(0, node_mount(NULL));
	ASSERT_EQ(0, node_make_vm("web1", VM_SIZE));
}

FIXTURE_TEARDOWN(migration)
{
	nl_close(&self->user);
	nl_close(&self->agent);
	free(self->message);
}

/* What is told of the claim of @vm: the id of a migration, or 0. */
static uint32_t claim_of(struct nl *nl, const char *vm,
			 struct nl_message *message)
{
	const struct nl_attr attrs[] = { STR(VM_NAME, vm), {} };
	struct nl_result result;

	if (nl_call(nl, VMIG_CMD_VM_GET, attrs, message, &result))
		return UINT32_MAX;
	return nl_u32(message, VMIG_A_VM_MIGRATION);
}

static int new_migration(struct nl *nl, const char *vm, uint32_t role, int fd,
			 int fd2, uint32_t *id, struct nl_message *message,
			 struct nl_result *result)
{
	const struct nl_attr attrs[] = {
		STR(MIGRATION_VM, vm), STR(MIGRATION_NODE, "b"),
		U32(MIGRATION_ROLE, role),
		RAW(MIGRATION_TOKEN, "0123456789abcdef", 16),
		U32(MIGRATION_SOCKET, fd),
		{ fd2 == -1 ? 0 : VMIG_A_MIGRATION_SOCKET, NL_U32, fd2, NULL },
		{}
	};
	int err = nl_call(nl, VMIG_CMD_MIGRATION_NEW, attrs, message, result);

	*id = nl_u32(message, VMIG_A_MIGRATION_ID);
	return err;
}

#define NEW(fd, fd2)	new_migration(&self->agent, "web1",		\
				      VMIG_ROLE_SOURCE, fd, fd2, &id,	\
				      self->message, &self->result)

static int call_id(struct nl *nl, uint8_t cmd, uint32_t id,
		   struct nl_result *result)
{
	const struct nl_attr attrs[] = { U32(MIGRATION_ID, id), {} };

	return nl_call(nl, cmd, attrs, NULL, result);
}

static int set_stage(struct nl *nl, uint32_t id, uint32_t stage,
		     struct nl_result *result)
{
	const struct nl_attr attrs[] = {
		U32(MIGRATION_ID, id), U32(MIGRATION_STAGE, stage), {}
	};

	return nl_call(nl, VMIG_CMD_MIGRATION_STAGE, attrs, NULL, result);
}

/* Wait for the notification of migration @id in @state. */
static int wait_state(struct nl *nl, uint32_t id, uint32_t state,
		      struct nl_message *message)
{
	do {
		if (nl_receive(nl, WAIT_MS, message))
			return -1;
	} while (message->cmd != VMIG_CMD_MIGRATION_NTF ||
		 nl_u32(message, VMIG_A_MIGRATION_ID) != id ||
		 nl_u32(message, VMIG_A_MIGRATION_STATE) != state);
	return 0;
}

/* Wait for the notification that a migration has ended as cancelled. */
static int wait_ended(struct nl *nl, struct nl_message *message)
{
	do {
		if (nl_receive(nl, WAIT_MS, message))
			return -1;
	} while (message->cmd != VMIG_CMD_MIGRATION_NTF ||
		 nl_u32(message, VMIG_A_MIGRATION_STATE) != VMIG_STATE_CANCELLED);
	return 0;
}

static int no_socket(void)
{
	int fds[2];

	return pipe(fds) ? -1 : fds[1];
}

static int region_file(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/web1/ram", node_mountpoint());
	return open(path, O_RDWR);
}

static int closed_fd(void)
{
	return 700;
}

static int negative_fd(void)
{
	return -100;
}

static int udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int connected_udp_socket(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = udp_socket();

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

static int unix_socket(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ? -1 : fds[0];
}

static int netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
}

static int raw_tcp_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
}

static int listening_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return listen(fd, 1) ? -1 : fd;
}

static int unconnected_socket(void)
{
	return socket(AF_INET6, SOCK_STREAM, 0);
}

static int left_socket(void)
{
	int fds[2];
	char byte;

	if (node_connect(fds))
		return -1;
	close(fds[1]);
	/* End of file is read when the peer's FIN is here. */
	return read(fds[0], &byte, 1) ? -1 : fds[0];
}

static const struct {
	const char *what;
	int (*open)(void);
	int error;
	const char *text;
} strange_fds[] = {
	{ "a pipe", no_socket, ENOTSOCK, "not an open socket" },
	{ "guest memory", region_file, ENOTSOCK, "not an open socket" },
	{ "a closed one", closed_fd, EBADF, "not an open socket" },
	{ "a negative one", negative_fd, EBADF, "not an open socket" },
	{ "UDP", udp_socket, EPROTOTYPE, "not a TCP socket" },
	{ "connected UDP", connected_udp_socket, EPROTOTYPE, "not a TCP socket" },
	{ "Unix", unix_socket, EPROTOTYPE, "not a TCP socket" },
	{ "netlink", netlink_socket, EPROTOTYPE, "not a TCP socket" },
	{ "raw TCP", raw_tcp_socket, EPROTOTYPE, "not a TCP socket" },
	{ "listening", listening_socket, ENOTCONN, "not connected" },
	{ "unconnected", unconnected_socket, ENOTCONN, "not connected" },
	{ "left by its peer", left_socket, ENOTCONN, "not connected" },
};

/* As the second channel, so that the first is given back each time. */
TEST_F(migration, refuses_strange_fds)
{
	uint32_t id;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(strange_fds); i++) {
		int fd = strange_fds[i].open();

		ASSERT_NE(-1, fd);
		EXPECT_EQ(strange_fds[i].error, NEW(self->here[0], fd)) {
			TH_LOG("%s: %s", strange_fds[i].what, self->result.text);
		}
		EXPECT_NE(NULL, strstr(self->result.text, strange_fds[i].text)) {
			TH_LOG("%s: %s", strange_fds[i].what, self->result.text);
		}
		EXPECT_EQ(VMIG_A_MIGRATION_SOCKET, self->result.bad);
		EXPECT_EQ((uint32_t)fd, self->result.bad_value);
		EXPECT_EQ(0, claim_of(&self->user, "web1", self->message));
		if (fd >= 0)
			close(fd);
	}
	/* All that was refused has left the good socket and the VM alone. */
	EXPECT_EQ(0, NEW(self->here[0], -1));
}

TEST_F(migration, refuses_sockets_of_another_node)
{
	uint32_t id;

	EXPECT_EQ(EXDEV, NEW(self->foreign[0], -1));
	EXPECT_NE(NULL, strstr(self->result.text, "another network namespace"));
	EXPECT_EQ(VMIG_A_MIGRATION_SOCKET, self->result.bad);
}

TEST_F(migration, refuses_a_socket_twice)
{
	uint32_t id;
	int copy = dup(self->here[0]);

	EXPECT_EQ(EBUSY, NEW(self->here[0], self->here[0]));
	EXPECT_NE(NULL, strstr(self->result.text, "of its own"));
	EXPECT_EQ(VMIG_A_MIGRATION_SOCKET, self->result.bad);
	EXPECT_EQ(EBUSY, NEW(self->here[0], copy));
	EXPECT_EQ((uint32_t)copy, self->result.bad_value);

	ASSERT_EQ(0, node_make_vm("web2", VM_SIZE));
	ASSERT_EQ(0, NEW(self->here[0], -1));
	EXPECT_EQ(EBUSY, new_migration(&self->agent, "web2", VMIG_ROLE_SOURCE,
				       copy, -1, &id, self->message,
				       &self->result));
	EXPECT_EQ(0, claim_of(&self->user, "web2", self->message));
}

TEST_F(migration, claims_its_vm)
{
	char path[PATH_MAX], text[64];
	uint32_t id, second;

	ASSERT_EQ(0, NEW(self->here[0], -1));
	EXPECT_EQ(id, claim_of(&self->user, "web1", self->message));
	second = id;
	EXPECT_EQ(EBUSY, NEW(self->here[1], -1));
	snprintf(text, sizeof(text), "VM web1 takes part in migration %u",
		 second);
	EXPECT_NE(NULL, strstr(self->result.text, text));
	EXPECT_EQ(VMIG_A_MIGRATION_VM, self->result.bad);

	snprintf(path, sizeof(path), "%s/web1/ram", node_mountpoint());
	EXPECT_EQ(-1, unlink(path));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, truncate(path, 2 * VM_SIZE));
	EXPECT_EQ(EBUSY, errno);

	ASSERT_EQ(0, call_id(&self->user, VMIG_CMD_MIGRATION_CANCEL, second,
			     &self->result));
	ASSERT_EQ(0, wait_state(&self->user, second, VMIG_STATE_CANCELLED,
				self->message));
	EXPECT_EQ(0, claim_of(&self->user, "web1", self->message));
	EXPECT_EQ(0, unlink(path));
}

TEST_F(migration, needs_memory)
{
	uint32_t id;

	EXPECT_EQ(ENOENT, new_migration(&self->agent, "none", VMIG_ROLE_SOURCE,
					self->here[0], -1, &id, self->message,
					&self->result));
	EXPECT_EQ(VMIG_A_MIGRATION_VM, self->result.bad);
	ASSERT_EQ(0, node_make_vm("empty", 0));
	EXPECT_EQ(ENODATA, new_migration(&self->agent, "empty",
					 VMIG_ROLE_SOURCE, self->here[0], -1,
					 &id, self->message, &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "VM empty has no memory"));
	EXPECT_EQ(VMIG_A_MIGRATION_VM, self->result.bad);
}

TEST_F(migration, refuses_what_setup_does_not_allow)
{
	uint32_t id, stage;

	ASSERT_EQ(0, NEW(self->here[0], -1));
	EXPECT_EQ(EINVAL, call_id(&self->agent, VMIG_CMD_MIGRATION_STOP_COPY,
				  id, &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "is in state setup"));
	EXPECT_EQ(VMIG_A_MIGRATION_ID, self->result.bad);
	EXPECT_EQ(EINVAL, call_id(&self->agent, VMIG_CMD_MIGRATION_DONE, id,
				  &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "is in state setup"));
	for (stage = VMIG_STAGE_SETUP; stage <= VMIG_STAGE_NETWORK; stage++) {
		EXPECT_EQ(EINVAL, set_stage(&self->agent, id, stage,
					    &self->result));
		EXPECT_NE(NULL, strstr(self->result.text, "is in state setup"));
	}
	EXPECT_EQ(id, claim_of(&self->user, "web1", self->message));
}

static const uint8_t agents_cmds[] = {
	VMIG_CMD_MIGRATION_START, VMIG_CMD_MIGRATION_STOP_COPY,
	VMIG_CMD_MIGRATION_DONE,
};

TEST_F(migration, refuses_all_after_its_end)
{
	const struct nl_attr reason[] = { STR(MIGRATION_REASON, "x"), {} };
	struct nl_attr fail[3] = { {}, reason[0], {} };
	uint32_t id;
	size_t i;

	ASSERT_EQ(0, NEW(self->here[0], -1));
	fail[0] = (struct nl_attr)U32(MIGRATION_ID, id);
	ASSERT_EQ(0, call_id(&self->user, VMIG_CMD_MIGRATION_CANCEL, id,
			     &self->result));
	ASSERT_EQ(0, wait_state(&self->user, id, VMIG_STATE_CANCELLED,
				self->message));
	for (i = 0; i < ARRAY_SIZE(agents_cmds); i++) {
		EXPECT_EQ(EALREADY, call_id(&self->agent, agents_cmds[i], id,
					    &self->result));
		EXPECT_NE(NULL, strstr(self->result.text,
				       "has ended as cancelled"));
		EXPECT_EQ(VMIG_A_MIGRATION_ID, self->result.bad);
	}
	EXPECT_EQ(EALREADY, set_stage(&self->agent, id, VMIG_STAGE_STORAGE,
				      &self->result));
	EXPECT_EQ(EALREADY, nl_call(&self->agent, VMIG_CMD_MIGRATION_FAIL, fail,
				    NULL, &self->result));
	EXPECT_EQ(ENOENT, call_id(&self->user, VMIG_CMD_MIGRATION_CANCEL, id,
				  &self->result));
	EXPECT_STRNE("", self->result.text);
}

TEST_F(migration, tells_what_it_was_given)
{
	const struct nl_attr attrs[] = {
		STR(MIGRATION_VM, "web1"), STR(MIGRATION_NODE, "b"),
		U32(MIGRATION_ROLE, VMIG_ROLE_DESTINATION),
		RAW(MIGRATION_TOKEN, "fedcba9876543210", 16),
		U32(MIGRATION_SOCKET, self->here[0]),
		U32(MIGRATION_SOCKET, self->here[1]), FLAG(MIGRATION_VERIFY),
		U64(MIGRATION_BANDWIDTH, 5ULL << 32),
		U32(MIGRATION_MAX_BLACKOUT, 50), U32(MIGRATION_TIMEOUT, 60), {}
	};
	struct nl_attr get[] = { U32(MIGRATION_ID, 0), {} };
	const struct nl_message *m = self->message;

	ASSERT_EQ(0, nl_call(&self->agent, VMIG_CMD_MIGRATION_NEW, attrs,
			     self->message, &self->result));
	get[0].number = nl_u32(m, VMIG_A_MIGRATION_ID);
	ASSERT_EQ(0, nl_call(&self->user, VMIG_CMD_MIGRATION_GET, get,
			     self->message, &self->result));
	EXPECT_EQ(get[0].number, nl_u32(m, VMIG_A_MIGRATION_ID));
	EXPECT_STREQ("web1", nl_string(m, VMIG_A_MIGRATION_VM));
	EXPECT_STREQ("b", nl_string(m, VMIG_A_MIGRATION_NODE));
	EXPECT_EQ(VMIG_ROLE_DESTINATION, nl_u32(m, VMIG_A_MIGRATION_ROLE));
	EXPECT_EQ(VMIG_STATE_SETUP, nl_u32(m, VMIG_A_MIGRATION_STATE));
	EXPECT_EQ(VMIG_STAGE_SETUP, nl_u32(m, VMIG_A_MIGRATION_STAGE));
	ASSERT_NE(NULL, m->attrs[VMIG_A_MIGRATION_TOKEN]);
	EXPECT_EQ(0, memcmp("fedcba9876543210",
			    mnl_attr_get_payload(m->attrs[VMIG_A_MIGRATION_TOKEN]),
			    VMIG_TOKEN_LEN));
	EXPECT_EQ(2, nl_u32(m, VMIG_A_MIGRATION_CHANNELS));
	EXPECT_NE(NULL, m->attrs[VMIG_A_MIGRATION_VERIFY]);
	EXPECT_EQ(5ULL << 32, nl_u64(m, VMIG_A_MIGRATION_BANDWIDTH));
	EXPECT_EQ(50, nl_u32(m, VMIG_A_MIGRATION_MAX_BLACKOUT));
	EXPECT_EQ(60, nl_u32(m, VMIG_A_MIGRATION_TIMEOUT));
	EXPECT_EQ(NULL, m->attrs[VMIG_A_MIGRATION_CONVERGED]);
	EXPECT_EQ(NULL, m->attrs[VMIG_A_MIGRATION_REASON]);
	EXPECT_NE(NULL, m->attrs[VMIG_A_MIGRATION_COUNTERS]);
	EXPECT_NE(NULL, m->attrs[VMIG_A_MIGRATION_STAGE_TIME]);
}

TEST_F(migration, is_told_only_in_its_namespace)
{
	struct nl stranger;
	uint32_t id;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, nl_open(&stranger));
	ASSERT_EQ(0, nl_join(&stranger));
	ASSERT_EQ(0, NEW(self->here[0], -1));
	ASSERT_EQ(0, wait_state(&self->user, id, VMIG_STATE_SETUP,
				self->message));
	EXPECT_EQ(ENOENT, call_id(&stranger, VMIG_CMD_MIGRATION_GET, id,
				  &self->result));
	EXPECT_EQ(ENOENT, call_id(&stranger, VMIG_CMD_MIGRATION_CANCEL, id,
				  &self->result));
	EXPECT_EQ(UINT32_MAX, claim_of(&stranger, "web1", self->message));
	EXPECT_EQ(-1, nl_receive(&stranger, 0, self->message));
	nl_close(&stranger);
}

TEST_F(migration, fails_with_its_agent)
{
	uint32_t id;
	char byte;

	ASSERT_EQ(0, NEW(self->here[0], -1));
	close(self->here[0]);
	nl_close(&self->agent);
	ASSERT_EQ(0, wait_state(&self->user, id, VMIG_STATE_FAILED,
				self->message));
	EXPECT_EQ(ENOTCONN, nl_u32(self->message, VMIG_A_MIGRATION_ERROR));
	EXPECT_NE(NULL, strstr(nl_string(self->message, VMIG_A_MIGRATION_REASON),
			       "agent"));
	EXPECT_EQ(0, claim_of(&self->user, "web1", self->message));
	/* The kernel's reference of the socket was the last. */
	while (read(self->here[1], &byte, 1) > 0)
		;
}

static void note_ids(const struct nl_message *message, void *arg)
{
	uint32_t *ids = arg;
	uint32_t id = nl_u32(message, VMIG_A_MIGRATION_ID);

	/* Ascending, or the count is spoilt. */
	if (!ids[0] || id > ids[1])
		ids[0]++;
	ids[1] = id;
	if (ids[0] == 1)
		ids[2] = id;
}

#define BATCH	10

/* BATCH migrations of VMs of their own, cancelled; their ids ascend to @id. */
#define CANCEL_BATCH()	do {						\
	char name_[16];							\
	int fds_[BATCH][2], i_;						\
									\
	for (i_ = 0; i_ < BATCH; i_++) {				\
		snprintf(name_, sizeof(name_), "batch%d", i_);		\
		ASSERT_EQ(0, node_connect(fds_[i_]));			\
		ASSERT_EQ(0, new_migration(&self->agent, name_,		\
					   VMIG_ROLE_SOURCE,		\
					   fds_[i_][0], -1, &id,	\
					   self->message,		\
					   &self->result));		\
		ASSERT_EQ(0, call_id(&self->user,			\
				     VMIG_CMD_MIGRATION_CANCEL, id,	\
				     &self->result));			\
	}								\
	for (i_ = 0; i_ < BATCH; i_++) {				\
		ASSERT_EQ(0, wait_ended(&self->user, self->message));	\
		close(fds_[i_][0]);					\
		close(fds_[i_][1]);					\
	}								\
} while (0)

static int make_batch(void)
{
	char name[16];
	int i;

	for (i = 0; i < BATCH; i++) {
		snprintf(name, sizeof(name), "batch%d", i);
		if (node_make_vm(name, VM_SIZE))
			return -1;
	}
	return 0;
}

TEST_F(migration, is_remembered_for_a_while)
{
	const struct nl_attr of_vm[] = { STR(MIGRATION_VM, "batch9"), {} };
	uint32_t id, first = 0, ids[3] = {};
	bool intr;
	int i;

	ASSERT_EQ(0, make_batch());
	for (i = 0; i < RECORDS_MAX + BATCH; i += BATCH) {
		CANCEL_BATCH();
		first = first ?: id - BATCH + 1;
	}
	EXPECT_EQ(ENOENT, call_id(&self->user, VMIG_CMD_MIGRATION_GET, first,
				  &self->result));
	EXPECT_NE(NULL, strstr(self->result.text, "ended too long ago"));
	ASSERT_EQ(0, nl_call(&self->user, VMIG_CMD_MIGRATION_GET, of_vm,
			     self->message, &self->result));
	EXPECT_EQ(id, nl_u32(self->message, VMIG_A_MIGRATION_ID));
	/* The oldest is forgotten after the end of the newest is told. */
	for (i = 0; i < 100 && ids[0] != RECORDS_MAX; i++) {
		memset(ids, 0, sizeof(ids));
		ASSERT_EQ(0, nl_dump(&self->agent, VMIG_CMD_MIGRATION_GET, NULL,
				     note_ids, ids, &intr, &self->result));
	}
	EXPECT_EQ(RECORDS_MAX, ids[0]);
	EXPECT_EQ(id - RECORDS_MAX + 1, ids[2]);
	EXPECT_EQ(id, ids[1]);
	EXPECT_FALSE(intr);
}

/* A migration that begins in the middle of a dump makes it interrupted. */
TEST_F(migration, interrupts_a_dump)
{
	struct nl fresh;
	uint32_t id;
	bool intr;
	int i;

	ASSERT_EQ(0, make_batch());
	for (i = 0; i < 4; i++)
		CANCEL_BATCH();
	/* A socket that never read much is first given a part of them only. */
	ASSERT_EQ(0, nl_open(&fresh));
	ASSERT_EQ(0, nl_send(&fresh, VMIG_CMD_MIGRATION_GET, NLM_F_DUMP, NULL));
	ASSERT_EQ(0, NEW(self->here[0], -1));
	EXPECT_EQ(0, nl_drain(&fresh, &intr));
	EXPECT_TRUE(intr);
	nl_close(&fresh);
}

TEST_HARNESS_MAIN

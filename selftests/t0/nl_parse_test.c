// SPDX-License-Identifier: GPL-2.0
/* Messages of the kernel, as bytes, become the plain structs of nl.h. */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

#include "kselftest_harness.h"
#include "nl_message.h"

FIXTURE(message) {
	struct nl_msg *msg;
	struct nlmsghdr *nlh;
};

FIXTURE_SETUP(message)
{
	self->msg = nlmsg_alloc();
	ASSERT_NE(NULL, self->msg);
	ASSERT_NE(NULL, genlmsg_put(self->msg, 0, 1, 0x20, 0, 0, 1, 1));
	self->nlh = nlmsg_hdr(self->msg);
}

FIXTURE_TEARDOWN(message)
{
	nlmsg_free(self->msg);
}

TEST_F(message, migration)
{
	static const uint8_t token[VMIG_TOKEN_LEN] = "0123456789abcde";
	struct vmig_mig_info info;
	struct nlattr *nest;
	uint32_t stage;

	nla_put_u32(self->msg, VMIG_A_MIGRATION_ID, 7);
	nla_put_string(self->msg, VMIG_A_MIGRATION_VM, "web1");
	nla_put_string(self->msg, VMIG_A_MIGRATION_NODE, "b");
	nla_put_u32(self->msg, VMIG_A_MIGRATION_ROLE, VMIG_ROLE_DESTINATION);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_STATE, VMIG_STATE_FAILED);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_STAGE, VMIG_STAGE_MEMORY);
	nla_put(self->msg, VMIG_A_MIGRATION_TOKEN, VMIG_TOKEN_LEN, token);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_CHANNELS, 2);
	nla_put_flag(self->msg, VMIG_A_MIGRATION_VERIFY);
	nla_put_u64(self->msg, VMIG_A_MIGRATION_BANDWIDTH, 1ull << 40);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_MAX_BLACKOUT, 300);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_TIMEOUT, 3600);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_AT_TIMEOUT,
		    VMIG_TIMEOUT_ACTION_SWITCH_OVER);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_STOP_LIMIT, 30);
	nla_put_flag(self->msg, VMIG_A_MIGRATION_QUICK);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_TRANSPORT, VMIG_TRANSPORT_RDMA);
	nla_put_string(self->msg, VMIG_A_MIGRATION_DEVICE, "rxe0");
	nla_put_u16(self->msg, VMIG_A_MIGRATION_PORT, 54321);
	nla_put_flag(self->msg, VMIG_A_MIGRATION_UNCONNECTED);
	nla_put_flag(self->msg, VMIG_A_MIGRATION_FORCED);
	nla_put_string(self->msg, VMIG_A_MIGRATION_WARNING, "look out");
	nla_put_u32(self->msg, VMIG_A_MIGRATION_ERROR, EPIPE);
	nla_put_string(self->msg, VMIG_A_MIGRATION_REASON, "because");
	nla_put_u64(self->msg, VMIG_A_MIGRATION_ELAPSED, 123456);
	for (stage = VMIG_STAGE_SETUP; stage <= VMIG_STAGE_MEMORY; stage++) {
		nest = nla_nest_start(self->msg, VMIG_A_MIGRATION_STAGE_TIME);
		nla_put_u32(self->msg, VMIG_A_STAGE_TIME_STAGE, stage);
		nla_put_u64(self->msg, VMIG_A_STAGE_TIME_START, stage * 100);
		nla_put_u64(self->msg, VMIG_A_STAGE_TIME_DURATION, stage);
		nla_nest_end(self->msg, nest);
	}
	nest = nla_nest_start(self->msg, VMIG_A_MIGRATION_COUNTERS);
	nla_put_u32(self->msg, VMIG_A_COUNTERS_ROUND, 3);
	nla_put_u64(self->msg, VMIG_A_COUNTERS_WIRE_BYTES, 1ull << 33);
	nla_put_u64(self->msg, VMIG_A_COUNTERS_DIGEST, UINT64_MAX);
	nla_nest_end(self->msg, nest);
	/* A newer kernel may know more. */
	nla_put_u32(self->msg, VMIG_A_MIGRATION_MAX + 9, 1);

	ASSERT_EQ(0, vmig_nl_parse_migration(self->nlh, &info));
	EXPECT_EQ(7, info.id);
	EXPECT_STREQ("web1", info.vm);
	EXPECT_STREQ("b", info.node);
	EXPECT_EQ(VMIG_ROLE_DESTINATION, info.role);
	EXPECT_EQ(VMIG_STATE_FAILED, info.state);
	EXPECT_EQ(VMIG_STAGE_MEMORY, info.stage);
	EXPECT_EQ(0, memcmp(token, info.token, VMIG_TOKEN_LEN));
	EXPECT_EQ(2, info.channels);
	EXPECT_TRUE(info.verify);
	EXPECT_FALSE(info.converged);
	EXPECT_EQ(1ull << 40, info.bandwidth);
	EXPECT_EQ(300, info.max_blackout);
	EXPECT_EQ(3600, info.timeout);
	EXPECT_EQ(VMIG_TIMEOUT_ACTION_SWITCH_OVER, info.at_timeout);
	EXPECT_EQ(30, info.stop_limit);
	EXPECT_TRUE(info.quick);
	EXPECT_EQ(VMIG_TRANSPORT_RDMA, info.transport);
	EXPECT_STREQ("rxe0", info.device);
	EXPECT_EQ(54321, info.port);
	EXPECT_TRUE(info.unconnected);
	EXPECT_TRUE(info.forced);
	EXPECT_STREQ("look out", info.warning);
	EXPECT_EQ(EPIPE, info.error);
	EXPECT_STREQ("because", info.reason);
	EXPECT_EQ(123456, info.elapsed);
	EXPECT_EQ(0, info.blackout);
	EXPECT_TRUE(info.stages[VMIG_STAGE_SETUP].entered);
	EXPECT_EQ(200, info.stages[VMIG_STAGE_MEMORY].start);
	EXPECT_EQ(2, info.stages[VMIG_STAGE_MEMORY].duration);
	EXPECT_FALSE(info.stages[VMIG_STAGE_MODIFIED].entered);
	EXPECT_EQ(3, info.counters.round);
	EXPECT_EQ(1ull << 33, info.counters.wire_bytes);
	EXPECT_EQ(UINT64_MAX, info.counters.digest);
	EXPECT_EQ(0, info.counters.data_pages);
}

TEST_F(message, vm)
{
	struct vmig_vm_info info;
	struct nlattr *nest;
	int i;

	nla_put_string(self->msg, VMIG_A_VM_NAME, "web1");
	for (i = 0; i < VMIG_NL_REGIONS_MAX; i++) {
		nest = nla_nest_start(self->msg, VMIG_A_VM_REGION);
		nla_put_string(self->msg, VMIG_A_REGION_NAME,
			       i ? "dimm" : "ram");
		nla_put_u64(self->msg, VMIG_A_REGION_SIZE, i + 1);
		nla_put_u64(self->msg, VMIG_A_REGION_ALLOCATED, i);
		nla_put_u32(self->msg, VMIG_A_REGION_PAGE_SIZE, 2 << 20);
		nla_nest_end(self->msg, nest);
	}
	nla_put_u32(self->msg, VMIG_A_VM_MIGRATION, 9);
	ASSERT_EQ(0, vmig_nl_parse_vm(self->nlh, &info));
	EXPECT_STREQ("web1", info.name);
	EXPECT_EQ(9, info.migration);
	ASSERT_EQ(VMIG_NL_REGIONS_MAX, info.nregions);
	EXPECT_STREQ("ram", info.regions[0].name);
	EXPECT_STREQ("dimm", info.regions[15].name);
	EXPECT_EQ(16, info.regions[15].size);
	EXPECT_EQ(15, info.regions[15].allocated);
	EXPECT_EQ(2 << 20, info.regions[15].page_size);

	/* One more than there is room for. */
	nest = nla_nest_start(self->msg, VMIG_A_VM_REGION);
	nla_put_string(self->msg, VMIG_A_REGION_NAME, "dimm");
	nla_nest_end(self->msg, nest);
	EXPECT_EQ(-EBADMSG, vmig_nl_parse_vm(self->nlh, &info));
}

TEST_F(message, request)
{
	struct vmig_request request;

	nla_put_u32(self->msg, VMIG_A_REQUEST_ID, 5);
	nla_put_u32(self->msg, VMIG_A_REQUEST_OP, VMIG_REQUEST_OP_MIGRATE);
	nla_put_string(self->msg, VMIG_A_REQUEST_VM, "web1");
	nla_put_string(self->msg, VMIG_A_REQUEST_NODE, "b");
	nla_put_string(self->msg, VMIG_A_REQUEST_DATA, "[vm]\n");
	nla_put_u32(self->msg, VMIG_A_REQUEST_CHANNELS, 4);
	nla_put_u64(self->msg, VMIG_A_REQUEST_BANDWIDTH, 1000000);
	nla_put_u32(self->msg, VMIG_A_REQUEST_MAX_BLACKOUT, 100);
	nla_put_u32(self->msg, VMIG_A_REQUEST_AT_TIMEOUT,
		    VMIG_TIMEOUT_ACTION_SWITCH_OVER);
	nla_put_u32(self->msg, VMIG_A_REQUEST_STOP_LIMIT, 45);
	nla_put_u32(self->msg, VMIG_A_REQUEST_TIMEOUT, 60);
	nla_put_flag(self->msg, VMIG_A_REQUEST_FORCE);
	nla_put_flag(self->msg, VMIG_A_REQUEST_WAIT);
	ASSERT_EQ(0, vmig_nl_parse_request(self->nlh, &request));
	EXPECT_EQ(5, request.id);
	EXPECT_EQ(VMIG_REQUEST_OP_MIGRATE, request.op);
	EXPECT_STREQ("web1", request.vm);
	EXPECT_STREQ("b", request.node);
	EXPECT_STREQ("[vm]\n", request.data);
	EXPECT_EQ(4, request.channels);
	EXPECT_FALSE(request.verify);
	EXPECT_TRUE(request.force);
	EXPECT_TRUE(request.wait);
	EXPECT_FALSE(request.quick);
	EXPECT_FALSE(request.has_transport);
	EXPECT_EQ(1000000, request.bandwidth);
	EXPECT_EQ(100, request.max_blackout);
	EXPECT_EQ(60, request.timeout);
	EXPECT_EQ(VMIG_TIMEOUT_ACTION_SWITCH_OVER, request.at_timeout);
	EXPECT_EQ(45, request.stop_limit);
}

TEST_F(message, request_transport)
{
	struct vmig_request request;

	/* TCP is 0, and something else than nothing. */
	nla_put_u32(self->msg, VMIG_A_REQUEST_TRANSPORT,
		    VMIG_REQUEST_TRANSPORT_TCP);
	ASSERT_EQ(0, vmig_nl_parse_request(self->nlh, &request));
	EXPECT_TRUE(request.has_transport);
	EXPECT_EQ(VMIG_REQUEST_TRANSPORT_TCP, request.transport);
}

TEST_F(message, link)
{
	struct vmig_link_info info;

	nla_put_u32(self->msg, VMIG_A_LINK_TRANSPORT, VMIG_TRANSPORT_RDMA);
	nla_put_string(self->msg, VMIG_A_LINK_DEVICE, "rxe0");
	nla_put_u32(self->msg, VMIG_A_LINK_MAX_KEY_PAGES, 512);
	ASSERT_EQ(0, vmig_nl_parse_link(self->nlh, &info));
	EXPECT_STREQ("rxe0", info.device);
	EXPECT_EQ(512, info.max_key_pages);
}

TEST_F(message, answer)
{
	struct vmig_answer answer;

	nla_put_u32(self->msg, VMIG_A_REQUEST_ID, 5);
	nla_put_u32(self->msg, VMIG_A_REQUEST_ERROR, ENOENT);
	nla_put_string(self->msg, VMIG_A_REQUEST_MESSAGE, "no such VM");
	ASSERT_EQ(0, vmig_nl_parse_answer(self->nlh, &answer));
	EXPECT_EQ(5, answer.id);
	EXPECT_EQ(ENOENT, answer.error);
	EXPECT_STREQ("no such VM", answer.message);
	EXPECT_EQ(NULL, answer.data);
}

TEST_F(message, malformed)
{
	struct vmig_mig_info info;
	struct vmig_answer answer;
	struct nlattr *nest;

	nest = nla_nest_start(self->msg, VMIG_A_MIGRATION_STAGE_TIME);
	nla_put_u32(self->msg, VMIG_A_STAGE_TIME_STAGE, VMIG_STAGE_NETWORK + 1);
	nla_nest_end(self->msg, nest);
	EXPECT_EQ(-EBADMSG, vmig_nl_parse_migration(self->nlh, &info));

	self->nlh->nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	nla_put_u32(self->msg, VMIG_A_MIGRATION_TOKEN, 1);
	EXPECT_EQ(-EBADMSG, vmig_nl_parse_migration(self->nlh, &info));

	/* Text without an end is not read. */
	self->nlh->nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	nla_put(self->msg, VMIG_A_REQUEST_MESSAGE, 4, "abcd");
	EXPECT_EQ(-EBADMSG, vmig_nl_parse_answer(self->nlh, &answer));

	self->nlh->nlmsg_len = NLMSG_LENGTH(0);
	EXPECT_EQ(-EBADMSG, vmig_nl_parse_answer(self->nlh, &answer));
}

/* An acknowledgment as the kernel builds it: capped or with the request. */
struct ack {
	struct nlmsghdr nlh;
	char payload[256];
};

static void build_ack(struct ack *ack, uint16_t type, bool capped,
		      const char *text)
{
	struct nlmsgerr refused = { .error = -EINVAL };
	size_t len = type == NLMSG_DONE ? sizeof(int) : sizeof(refused);
	struct nlattr attr = {
		.nla_len = NLA_HDRLEN + strlen(text) + 1,
		.nla_type = NLMSGERR_ATTR_MSG,
	};

	memset(ack, 0, sizeof(*ack));
	refused.msg.nlmsg_len = NLMSG_LENGTH(5);
	memcpy(ack->payload, &refused, len);
	if (type == NLMSG_ERROR && !capped)
		len += NLMSG_ALIGN(5);
	memcpy(ack->payload + len, &attr, sizeof(attr));
	strcpy(ack->payload + len + NLA_HDRLEN, text);
	ack->nlh.nlmsg_type = type;
	ack->nlh.nlmsg_flags = NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0);
	ack->nlh.nlmsg_len = NLMSG_LENGTH(len + NLA_ALIGN(attr.nla_len));
}

TEST(text)
{
	struct ack ack;
	uint32_t len;

	build_ack(&ack, NLMSG_ERROR, true, "VM web1 is busy");
	EXPECT_STREQ("VM web1 is busy", vmig_nl_parse_text(&ack.nlh));
	build_ack(&ack, NLMSG_ERROR, false, "VM web1 is busy");
	EXPECT_STREQ("VM web1 is busy", vmig_nl_parse_text(&ack.nlh));
	build_ack(&ack, NLMSG_DONE, false, "it changed");
	EXPECT_STREQ("it changed", vmig_nl_parse_text(&ack.nlh));

	ack.nlh.nlmsg_flags = 0;
	EXPECT_EQ(NULL, vmig_nl_parse_text(&ack.nlh));
	/* Cut anywhere there is no text, and nothing is read behind the end. */
	build_ack(&ack, NLMSG_ERROR, false, "VM web1 is busy");
	for (len = ack.nlh.nlmsg_len - 4; len >= NLMSG_HDRLEN; len--) {
		ack.nlh.nlmsg_len = len;
		EXPECT_EQ(NULL, vmig_nl_parse_text(&ack.nlh));
	}
	build_ack(&ack, NLMSG_ERROR, false, "VM web1 is busy");
	((struct nlmsgerr *)ack.payload)->msg.nlmsg_len = 4000000000u;
	EXPECT_EQ(NULL, vmig_nl_parse_text(&ack.nlh));
}

TEST_HARNESS_MAIN

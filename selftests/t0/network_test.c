// SPDX-License-Identifier: GPL-2.0
/* What agents tell each other of a VM's network, and what they believe. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "kselftest_harness.h"
#include "net/net.h"

FIXTURE(message) {
	struct vmig_definition *def;
	struct vmig_acks acks;
};

FIXTURE_SETUP(message)
{
	static const char text[] =
		"[vm]\nname = web1\n"
		"[nic lan]\nmac = 52:54:00:77:01:01\n"
		"[nic dmz]\nmac = 52:54:00:77:01:02\nvlan = 20\n"
		"addresses = 10.78.0.50\n";
	struct vmig_err err;

	self->def = calloc(1, sizeof(*self->def));
	ASSERT_NE(NULL, self->def);
	ASSERT_EQ(0, vmig_definition_parse(text, "test", self->def, &err)) {
		TH_LOG("%s", err.text);
	}
}

FIXTURE_TEARDOWN(message)
{
	free(self->def);
}

static int decode_acks(FIXTURE_DATA(message) *self, const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	int ret = vmig_acks_decode(o, self->def, &self->acks);

	json_object_put(o);
	return ret;
}

static int decode_learned(FIXTURE_DATA(message) *self, const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	int ret = vmig_learned_decode(o, self->def);

	json_object_put(o);
	return ret;
}

TEST_F(message, vlan_of_the_definition)
{
	EXPECT_EQ(0, self->def->nics[0].vlan);
	EXPECT_EQ(20, self->def->nics[1].vlan);
}

TEST_F(message, acks)
{
	struct vmig_acks acks = { .n = 2, .nic = {
		{ .nic = "lan", .by = VMIG_ACK_VM, .ms = 12, .rounds = 1 },
		{ .nic = "dmz", .by = VMIG_ACK_NONE, .ms = 5000, .rounds = 9 },
	} };
	struct json_object *o = vmig_acks_encode(&acks);

	EXPECT_EQ(0, vmig_acks_decode(o, self->def, &self->acks));
	json_object_put(o);
	ASSERT_EQ(2, self->acks.n);
	EXPECT_STREQ("lan", self->acks.nic[0].nic);
	EXPECT_EQ(VMIG_ACK_VM, self->acks.nic[0].by);
	EXPECT_EQ(12, self->acks.nic[0].ms);
	EXPECT_EQ(1, self->acks.nic[0].rounds);
	EXPECT_EQ(VMIG_ACK_NONE, self->acks.nic[1].by);
	EXPECT_EQ(0, decode_acks(self, "[]"));
	EXPECT_EQ(0, self->acks.n);
}

TEST_F(message, acks_refused)
{
	static const char * const bad[] = {
		"{}", "7", "[7]", "[{}]",
		"[{\"nic\":\"wan\",\"acknowledged_by\":\"vm\",\"ms\":1,\"rounds\":1}]",
		"[{\"nic\":\"lan\",\"acknowledged_by\":\"me\",\"ms\":1,\"rounds\":1}]",
		"[{\"nic\":\"lan\",\"acknowledged_by\":\"vm\",\"ms\":99999999,\"rounds\":1}]",
		"[{\"nic\":\"lan\",\"acknowledged_by\":\"vm\",\"ms\":1}]",
		"[{\"nic\":\"lan\",\"acknowledged_by\":\"vm\",\"ms\":1,\"rounds\":1},"
		"{\"nic\":\"lan\",\"acknowledged_by\":\"vm\",\"ms\":1,\"rounds\":1}]",
		"[7,7,7]",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EPROTO, decode_acks(self, bad[i])) {
			TH_LOG("%s", bad[i]);
		}
		EXPECT_EQ(0, self->acks.n);
	}
	EXPECT_EQ(-EPROTO, vmig_acks_decode(NULL, self->def, &self->acks));
}

TEST_F(message, learned)
{
	struct vmig_nic *nic = &self->def->nics[0];
	struct json_object *o;

	EXPECT_EQ(NULL, vmig_learned_encode(self->def));
	ASSERT_EQ(0, decode_learned(self, "{\"lan\":[\"10.77.0.50\",\"fe80::50\"]}"));
	ASSERT_EQ(2, nic->naddresses);
	EXPECT_TRUE(nic->learned);
	EXPECT_EQ(AF_INET, nic->addresses[0].family);
	EXPECT_EQ(inet_addr("10.77.0.50"), nic->addresses[0].ip4.s_addr);
	EXPECT_EQ(AF_INET6, nic->addresses[1].family);
	o = vmig_learned_encode(self->def);
	EXPECT_STREQ("{ \"lan\": [ \"10.77.0.50\", \"fe80::50\" ] }",
		     json_object_to_json_string(o));
	json_object_put(o);
}

TEST_F(message, learned_refused)
{
	static const char * const bad[] = {
		"[]", "7", "{\"wan\":[\"10.77.0.50\"]}", "{\"lan\":\"10.77.0.50\"}",
		"{\"lan\":[7]}", "{\"lan\":[\"host\"]}", "{\"lan\":[\"224.0.0.1\"]}",
		"{\"lan\":[\"::\"]}", "{\"lan\":[\"10.77.0.50\",\"\"]}",
		/* Those of the definition stay. */
		"{\"dmz\":[\"10.77.0.50\"]}",
		"{\"lan\":[\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\","
		"\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\","
		"\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\","
		"\"10.0.0.1\",\"10.0.0.1\",\"10.0.0.1\"]}",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EPROTO, decode_learned(self, bad[i])) {
			TH_LOG("%s", bad[i]);
		}
		EXPECT_EQ(0, self->def->nics[0].naddresses);
		EXPECT_EQ(1, self->def->nics[1].naddresses);
	}
}

TEST_HARNESS_MAIN

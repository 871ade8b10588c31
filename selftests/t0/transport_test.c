// SPDX-License-Identifier: GPL-2.0
/* TCP or RDMA: what the source offers, what the destination takes, and why. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster/message.h"
#include "daemon.h"
#include "kselftest_harness.h"
#include "migrate/preflight.h"
#include "migrate/transport.h"

#define NO_MODULE "The transport rdma needs the module vmig_rdma: modprobe vmig_rdma"

/* What the kernel says. */
static int kernel_error;

int vmig_nl_transport_get(struct vmig_nl *nl, enum vmig_transport transport,
			  const char *local, struct vmig_link_info *info,
			  struct vmig_err *err)
{
	(void)nl;
	if (transport != VMIG_TRANSPORT_RDMA || strcmp(local, "10.77.0.1"))
		return vmig_err_set(err, EINVAL, "asked for something else");
	if (kernel_error)
		return vmig_err_set(err, kernel_error, NO_MODULE);
	strcpy(info->device, "rxe0");
	return 0;
}

FIXTURE(transport) {
	struct vmig_config config;
	struct vmig_daemon daemon;
	struct vmig_preflight p;
	struct json_object *setup;
	struct vmig_err said;
};

FIXTURE_SETUP(transport)
{
	memset(&self->config, 0, sizeof(self->config));
	memset(&self->daemon, 0, sizeof(self->daemon));
	strcpy(self->config.node, "a");
	strcpy(self->config.address, "10.77.0.1");
	/* Any: only whether there is one counts. */
	self->config.tls = (struct vmig_tls *)&self->config;
	self->config.trusted_network = true;
	self->daemon.config = &self->config;
	self->setup = vmig_json_new("setup");
	vmig_preflight_init(&self->p, &self->daemon, NULL, "b", true);
	kernel_error = 0;
}

FIXTURE_TEARDOWN(transport)
{
	vmig_preflight_exit(&self->p);
	json_object_put(self->setup);
}

static const char *offered(FIXTURE_DATA(transport) *self,
			   enum vmig_request_transport wanted)
{
	struct json_object *list;

	self->p.transport = wanted;
	vmig_transport_offer(&self->p, self->setup, &self->said);
	json_object_object_get_ex(self->setup, "transports", &list);
	return json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN);
}

TEST_F(transport, offer)
{
	EXPECT_STREQ("[\"tcp\"]", offered(self, VMIG_REQUEST_TRANSPORT_TCP));
	EXPECT_STREQ("", self->said.text);
	EXPECT_STREQ("[\"rdma\"]", offered(self, VMIG_REQUEST_TRANSPORT_RDMA));
	EXPECT_STREQ("[\"rdma\",\"tcp\"]",
		     offered(self, VMIG_REQUEST_TRANSPORT_AUTO));
}

TEST_F(transport, offer_without_device)
{
	kernel_error = EPROTONOSUPPORT;
	EXPECT_STREQ("[\"tcp\"]", offered(self, VMIG_REQUEST_TRANSPORT_AUTO));
	EXPECT_STREQ(NO_MODULE, self->said.text);
	EXPECT_STREQ("[]", offered(self, VMIG_REQUEST_TRANSPORT_RDMA));
	EXPECT_STREQ("[\"tcp\"]", offered(self, VMIG_REQUEST_TRANSPORT_TCP));
}

/* What is not encrypted wants a network that is trusted, or plain nodes. */
TEST_F(transport, trust)
{
	self->config.trusted_network = false;
	EXPECT_EQ(-EPERM, vmig_transport_rdma(&self->daemon, &self->said));
	EXPECT_NE(NULL, strstr(self->said.text, "trusted-network = yes"));
	EXPECT_STREQ("[\"tcp\"]", offered(self, VMIG_REQUEST_TRANSPORT_AUTO));
	EXPECT_NE(NULL, strstr(self->said.text, "trusted-network = yes"));
	self->config.tls = NULL;
	EXPECT_EQ(0, vmig_transport_rdma(&self->daemon, &self->said));
	EXPECT_STREQ("rxe0", self->said.text);
}

static int choose(FIXTURE_DATA(transport) *self, const char *setup,
		  enum vmig_transport *transport)
{
	json_object_put(self->setup);
	self->setup = json_tokener_parse(setup);
	return vmig_transport_choose(&self->daemon, self->setup, transport,
				     &self->said);
}

TEST_F(transport, choice)
{
	enum vmig_transport transport;

	EXPECT_EQ(0, choose(self, "{}", &transport));
	EXPECT_EQ(VMIG_TRANSPORT_TCP, transport);
	EXPECT_EQ(0, choose(self, "{\"transports\": [\"rdma\", \"tcp\"]}",
			    &transport));
	EXPECT_EQ(VMIG_TRANSPORT_RDMA, transport);
	EXPECT_STREQ("rxe0", self->said.text);
	EXPECT_EQ(0, choose(self, "{\"transports\": [\"rdma\"]}", &transport));
	EXPECT_EQ(VMIG_TRANSPORT_RDMA, transport);
	EXPECT_EQ(0, choose(self, "{\"transports\": [\"tcp\"]}", &transport));
	EXPECT_EQ(VMIG_TRANSPORT_TCP, transport);
	EXPECT_STREQ("", self->said.text);
	/* Of a newer node. */
	EXPECT_EQ(0, choose(self, "{\"transports\": [\"quic\", 5, \"tcp\"]}",
			    &transport));
	EXPECT_EQ(VMIG_TRANSPORT_TCP, transport);
}

TEST_F(transport, choice_without_device)
{
	enum vmig_transport transport;

	kernel_error = EADDRNOTAVAIL;
	EXPECT_EQ(0, choose(self, "{\"transports\": [\"rdma\", \"tcp\"]}",
			    &transport));
	EXPECT_EQ(VMIG_TRANSPORT_TCP, transport);
	EXPECT_STREQ(NO_MODULE, self->said.text);
	EXPECT_EQ(-EADDRNOTAVAIL,
		  choose(self, "{\"transports\": [\"rdma\"]}", &transport));
	EXPECT_STREQ(NO_MODULE, self->said.text);
}

TEST_F(transport, choice_of_nothing)
{
	enum vmig_transport transport;

	EXPECT_EQ(-EOPNOTSUPP,
		  choose(self, "{\"transports\": [\"quic\"]}", &transport));
	EXPECT_EQ(-EOPNOTSUPP,
		  choose(self, "{\"transports\": []}", &transport));
	EXPECT_EQ(-EPROTO,
		  choose(self, "{\"transports\": \"rdma\"}", &transport));
	EXPECT_EQ(-EPROTO,
		  choose(self, "{\"transports\": null}", &transport));
}

static int check(FIXTURE_DATA(transport) *self,
		 enum vmig_request_transport wanted)
{
	self->said.text[0] = '\0';
	self->p.transport = wanted;
	return vmig_check_transport_offer(&self->p, &self->said);
}

TEST_F(transport, lines)
{
	EXPECT_EQ(0, check(self, VMIG_REQUEST_TRANSPORT_TCP));
	EXPECT_STREQ("tcp", self->said.text);
	EXPECT_EQ(0, check(self, VMIG_REQUEST_TRANSPORT_AUTO));
	EXPECT_STREQ("rdma, device rxe0", self->said.text);
	kernel_error = EPROTONOSUPPORT;
	EXPECT_EQ(0, check(self, VMIG_REQUEST_TRANSPORT_AUTO));
	EXPECT_STREQ("tcp: " NO_MODULE, self->said.text);
	EXPECT_EQ(-EPROTONOSUPPORT, check(self, VMIG_REQUEST_TRANSPORT_RDMA));
	EXPECT_STREQ(NO_MODULE, self->said.text);
}

/* An agent that never heard of RDMA takes the setup, and sends TCP sockets. */
TEST_F(transport, older_peer)
{
	struct json_object *list = json_tokener_parse(
		"[{\"name\": \"slot\", \"verdict\": \"ok\", \"text\": \"\"}]");

	vmig_preflight_append(&self->p, "b", list);
	self->p.transport = VMIG_REQUEST_TRANSPORT_AUTO;
	vmig_transport_check_peer(&self->p);
	EXPECT_EQ(0, self->p.failures);
	self->p.transport = VMIG_REQUEST_TRANSPORT_RDMA;
	vmig_transport_check_peer(&self->p);
	EXPECT_EQ(1, self->p.failures);
	EXPECT_EQ(EOPNOTSUPP, self->p.error);
	vmig_preflight_reset(&self->p);
	EXPECT_EQ(0, self->p.failures);
	EXPECT_EQ(0, json_object_array_length(self->p.list));
	/* It did not answer at all: that is said already. */
	vmig_transport_check_peer(&self->p);
	EXPECT_EQ(0, self->p.failures);
	json_object_put(list);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * NICs in VLANs, and what a host knows of a VM's addresses; not every machine
 * that builds has a kernel with VLANs.
 */
#include "../t0/wire.h"

TEST_F(net, vlan)
{
	char command[192];

	ASSERT_TRUE(says("ip link set br0 type bridge vlan_filtering 1 && "
			 "bridge vlan add vid 10-30 dev port"));
	self->def->nics[0].vlan = 20;
	ASSERT_EQ(0, begin(self)) {
		TH_LOG("%s", err.text);
	}
	/* Tagged on the wire, where br0 itself is not in the VLAN. */
	EXPECT_EQ(20, capture(self->wire, vm, ETH_P_RARP));
	EXPECT_TRUE(vm_sends(self, all, ETHERTYPE));
	EXPECT_EQ(20, capture(self->wire, vm, ETHERTYPE));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(VMIG_ACK_VM, self->acks.nic[0].by);
	/* The tap is in that VLAN alone, and forgets it with its owner. */
	snprintf(command, sizeof(command),
		 "test \"$(bridge vlan show dev %s | tail -n +2 | tr -d '\\n' | tr -s ' ')\" = '%s 20 PVID Egress Untagged'",
		 self->tap, self->tap);
	EXPECT_TRUE(says(command)) {
		system("bridge vlan show");
	}
	close(self->tap_fd);
	self->tap_fd = -1;
	EXPECT_EQ(0, vmig_tap_create(self->tap, "br0", 0, &err)) {
		TH_LOG("%s", err.text);
	}
	snprintf(command, sizeof(command),
		 "bridge vlan show dev %s | grep -q ' 1 PVID'", self->tap);
	EXPECT_TRUE(says(command));
}

/* A port that is in the VLAN without tags gets none. */
TEST_F(net, vlan_untagged)
{
	ASSERT_TRUE(says("ip link set br0 type bridge vlan_filtering 1 && "
			 "bridge vlan add vid 20 dev port untagged"));
	self->def->nics[0].vlan = 20;
	ASSERT_EQ(0, begin(self)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(0, capture(self->wire, vm, ETH_P_RARP));
}

/* Nobody outside is in the VLAN: nothing is sent there. */
TEST_F(net, vlan_without_trunk)
{
	struct vmig_trunk trunks[4];

	ASSERT_TRUE(says("ip link set br0 type bridge vlan_filtering 1"));
	EXPECT_EQ(0, vmig_vlan_trunks(self->tap, "br0", 20, trunks, 4, &err));
	EXPECT_EQ(1, vmig_vlan_trunks(self->tap, "br0", 1, trunks, 4, &err));
	EXPECT_EQ(if_nametoindex("port"), trunks[0].ifindex);
	EXPECT_FALSE(trunks[0].tagged);
	EXPECT_EQ(ETH_P_8021Q, trunks[0].protocol);
}

TEST_F(net, vlan_refused)
{
	EXPECT_EQ(-EINVAL, vmig_bridge_check("br0", 20, &err));
	EXPECT_STREQ("bridge br0 does not keep VLANs apart, and a NIC with vlan = needs that: ip link set br0 type bridge vlan_filtering 1",
		     err.text);
	EXPECT_EQ(-EINVAL, vmig_tap_create(self->tap, "br0", 20, &err));
	EXPECT_EQ(0, if_nametoindex(self->tap));
	EXPECT_EQ(-EOPNOTSUPP, vmig_vlan_check("wire", &err));
	EXPECT_EQ(0, vmig_bridge_check("br0", 0, &err));
}

/* What this host has met on the VM's bridge and VLANs of it, and only there. */
TEST_F(net, addresses_learned)
{
	struct vmig_nic *nic = &self->def->nics[0];

	ASSERT_TRUE(says("ip link add link br0 name br0.20 type vlan id 20 && "
			 "ip link set br0.20 up && "
			 "ip neigh add 10.77.0.50 lladdr 52:54:00:77:01:01 dev br0 nud stale && "
			 "ip neigh add 10.78.0.50 lladdr 52:54:00:77:01:01 dev br0.20 nud reachable && "
			 "ip neigh add 10.77.0.51 lladdr 52:54:00:77:01:02 dev br0 nud stale && "
			 "ip neigh add 10.79.0.50 lladdr 52:54:00:77:01:01 dev wire nud stale"));
	vmig_neighbours_learn(self->def);
	ASSERT_EQ(2, nic->naddresses);
	EXPECT_TRUE(nic->learned);
	EXPECT_EQ(inet_addr("10.77.0.50") ^ inet_addr("10.78.0.50"),
		  nic->addresses[0].ip4.s_addr ^ nic->addresses[1].ip4.s_addr);
	/* Known no more: what was known is better than nothing. */
	ASSERT_TRUE(says("ip neigh flush all && ip neigh del 10.77.0.50 dev br0; "
			 "ip neigh del 10.78.0.50 dev br0.20; true"));
	vmig_neighbours_learn(self->def);
	EXPECT_EQ(2, nic->naddresses);
	/* What the definition says needs no help. */
	nic->learned = false;
	nic->naddresses = 1;
	ASSERT_TRUE(says("ip neigh replace 10.77.0.60 lladdr 52:54:00:77:01:01 dev br0 nud stale"));
	vmig_neighbours_learn(self->def);
	EXPECT_EQ(1, nic->naddresses);
	EXPECT_FALSE(nic->learned);
}

TEST_HARNESS_MAIN

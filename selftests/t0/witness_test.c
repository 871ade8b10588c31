// SPDX-License-Identifier: GPL-2.0
/* Who is believed that the network has found a VM. */
#include "wire.h"

TEST_F(net, vm_speaks)
{
	ASSERT_EQ(0, begin(self)) {
		TH_LOG("%s", err.text);
	}
	/* The announcements were flooded to the tap: that is no answer. */
	EXPECT_TRUE(vm_receives(self, vm));
	EXPECT_EQ(0, self->done);
	/* QEMU says RARP for a VM that is silent. */
	EXPECT_TRUE(vm_sends(self, all, ETH_P_RARP));
	EXPECT_EQ(0, capture(self->wire, vm, ETH_P_RARP));
	EXPECT_LE(0, sd_event_run(self->event, 0));
	EXPECT_EQ(0, self->done);
	EXPECT_TRUE(vm_sends(self, other, ETHERTYPE));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(VMIG_ACK_VM, self->acks.nic[0].by);
	EXPECT_LE(1, self->acks.nic[0].rounds);
	EXPECT_GT(VMIG_ANNOUNCE_MS, self->acks.nic[0].ms);
}

TEST_F(net, outside_speaks)
{
	uint8_t frame[FRAME];

	ASSERT_EQ(0, begin(self)) {
		TH_LOG("%s", err.text);
	}
	/* This host is not outside. */
	make_frame(frame, vm, self->host_mac, ETHERTYPE);
	ASSERT_EQ(FRAME, send(self->host, frame, FRAME, 0));
	EXPECT_TRUE(vm_receives(self, self->host_mac));
	EXPECT_LE(0, sd_event_run(self->event, 0));
	EXPECT_EQ(0, self->done);
	/* To everybody is not to the VM. */
	make_frame(frame, all, other, ETHERTYPE);
	ASSERT_EQ(FRAME, send(self->wire, frame, FRAME, 0));
	EXPECT_TRUE(vm_receives(self, other));
	EXPECT_LE(0, sd_event_run(self->event, 0));
	EXPECT_EQ(0, self->done);
	make_frame(frame, vm, other, ETHERTYPE);
	ASSERT_EQ(FRAME, send(self->wire, frame, FRAME, 0));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(VMIG_ACK_OUTSIDE, self->acks.nic[0].by);
}

/* One NIC is heard, the other one is announced on. */
TEST_F(net, each_by_itself)
{
	struct vmig_nic *nic = &self->def->nics[1];

	*nic = self->def->nics[0];
	strcpy(nic->name, "net1");
	memcpy(nic->mac, other, sizeof(other));
	self->def->nnics = 2;
	ASSERT_EQ(0, begin(self)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_TRUE(vm_sends(self, all, ETHERTYPE));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(VMIG_ACK_VM, self->acks.nic[0].by);
	EXPECT_STREQ("net1", self->acks.nic[1].nic);
	EXPECT_EQ(VMIG_ACK_NONE, self->acks.nic[1].by);
	EXPECT_EQ(9, self->acks.nic[1].rounds);
	EXPECT_GT(self->acks.nic[1].rounds, self->acks.nic[0].rounds);
}

/* Without any NIC there is nothing to wait for. */
TEST_F(net, no_nics)
{
	self->def->nnics = 0;
	ASSERT_EQ(0, vmig_announce_start(self->event, self->def, on_done, self,
					 &self->announce, &err));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(0, self->acks.n);
}

TEST_F(net, tap_vanishes)
{
	ASSERT_EQ(0, begin(self)) {
		TH_LOG("%s", err.text);
	}
	close(self->tap_fd);
	self->tap_fd = -1;
	ASSERT_EQ(0, vmig_tap_delete(self->tap, &err));
	ASSERT_EQ(0, sd_event_loop(self->event));
	EXPECT_EQ(1, self->done);
	EXPECT_EQ(VMIG_ACK_NONE, self->acks.nic[0].by);
}

TEST(tag)
{
	uint8_t frame[VMIG_FRAME_MAX], tagged[VMIG_FRAME_MAX];
	static const uint8_t tag[4] = { 0x81, 0x00, 0x00, 0x14 };
	size_t len = vmig_frame_rarp(frame, vm);

	memcpy(tagged, frame, len);
	ASSERT_EQ(len + 4, vmig_frame_tag(tagged, len, ETH_P_8021Q, 20));
	EXPECT_EQ(0, memcmp(frame, tagged, 12));
	EXPECT_EQ(0, memcmp(tag, tagged + 12, 4));
	EXPECT_EQ(0, memcmp(frame + 12, tagged + 16, len - 12));
}

TEST_HARNESS_MAIN

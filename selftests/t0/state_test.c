// SPDX-License-Identifier: GPL-2.0
/*
 * Every arc of the state and stage tables, the legal ones written down a second
 * time by hand and all others refused.
 */
#include <string.h>

#include "kselftest_harness.h"
#include "migrate/state.h"

struct arc {
	enum vmig_role role;
	enum vmig_state from, to;
};

#define S(from, to) \
	{ VMIG_ROLE_SOURCE, VMIG_STATE_##from, VMIG_STATE_##to }
#define D(from, to) \
	{ VMIG_ROLE_DESTINATION, VMIG_STATE_##from, VMIG_STATE_##to }

static const struct arc legal[] = {
	S(SETUP, PRECOPY), S(PRECOPY, STOPCOPY), S(STOPCOPY, HANDOFF),
	S(HANDOFF, DONE),
	S(SETUP, CANCELLED), S(PRECOPY, CANCELLED), S(STOPCOPY, CANCELLED),
	S(HANDOFF, CANCELLED),
	S(SETUP, FAILED), S(PRECOPY, FAILED), S(STOPCOPY, FAILED),
	S(HANDOFF, FAILED),
	D(SETUP, INCOMING), D(INCOMING, READY), D(READY, DONE),
	D(SETUP, CANCELLED), D(INCOMING, CANCELLED), D(READY, CANCELLED),
	D(SETUP, FAILED), D(INCOMING, FAILED), D(READY, FAILED),
};

static bool is_legal(unsigned int role, unsigned int from, unsigned int to)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(legal); i++) {
		if (legal[i].role == role && legal[i].from == from &&
		    legal[i].to == to)
			return true;
	}
	return false;
}

TEST(every_arc)
{
	unsigned int role, from, to, seen = 0;

	/* One past each end: what is not in the enum is refused as well. */
	for (role = 0; role <= VMIG_ROLE_DESTINATION + 1; role++) {
		for (from = 0; from <= VMIG_STATE_FAILED + 1; from++) {
			for (to = 0; to <= VMIG_STATE_FAILED + 1; to++) {
				bool may = vmig_state_may_enter(role, from, to);

				EXPECT_EQ(is_legal(role, from, to), may)
					TH_LOG("role %u: %u to %u", role, from, to);
				seen += may;
			}
		}
	}
	EXPECT_EQ(ARRAY_SIZE(legal), seen);
}

TEST(ended_states_have_no_way_out)
{
	unsigned int role, from, to;

	for (from = 0; from <= VMIG_STATE_FAILED; from++) {
		bool way_out = false;

		for (role = 0; role <= VMIG_ROLE_DESTINATION; role++) {
			for (to = 0; to <= VMIG_STATE_FAILED; to++)
				way_out |= vmig_state_may_enter(role, from, to);
		}
		EXPECT_EQ(!way_out, vmig_state_ended(from));
	}
}

TEST(names)
{
	unsigned int i;

	for (i = 0; i <= VMIG_STATE_FAILED; i++)
		EXPECT_STRNE("unknown", vmig_state_name(i));
	EXPECT_STREQ("precopy", vmig_state_name(VMIG_STATE_PRECOPY));
	EXPECT_STREQ("failed", vmig_state_name(VMIG_STATE_FAILED));
	EXPECT_STREQ("unknown", vmig_state_name(VMIG_STATE_FAILED + 1));
	EXPECT_STREQ("storage", vmig_stage_name(VMIG_STAGE_STORAGE));
	EXPECT_STREQ("network", vmig_stage_name(VMIG_STAGE_NETWORK));
	EXPECT_STREQ("unknown", vmig_stage_name(VMIG_STAGE_NETWORK + 1));
}

/* The stages an agent may report, each written down by hand. */
static bool stage_is_legal(enum vmig_role role, enum vmig_state state,
			   enum vmig_stage from, enum vmig_stage to)
{
	if (to <= from)
		return false;
	if (role == VMIG_ROLE_SOURCE && state == VMIG_STATE_HANDOFF) {
		if (to == VMIG_STAGE_STORAGE)
			return true;
		return from >= VMIG_STAGE_STORAGE &&
		       (to == VMIG_STAGE_RESUME || to == VMIG_STAGE_NETWORK);
	}
	if (role == VMIG_ROLE_DESTINATION && state == VMIG_STATE_READY) {
		if (to == VMIG_STAGE_STORAGE || to == VMIG_STAGE_RESUME)
			return true;
		return from >= VMIG_STAGE_RESUME && to == VMIG_STAGE_NETWORK;
	}
	return false;
}

static void check_stages_of(struct __test_metadata *_metadata,
			    unsigned int role, unsigned int state)
{
	unsigned int from, to;

	for (from = VMIG_STAGE_SETUP; from <= VMIG_STAGE_NETWORK; from++) {
		for (to = 0; to <= VMIG_STAGE_NETWORK + 1; to++) {
			bool expected = to <= VMIG_STAGE_NETWORK &&
				stage_is_legal(role, state, from, to);

			EXPECT_EQ(expected,
				  vmig_stage_may_enter(role, state, from, to)) {
				TH_LOG("role %u state %u: %u to %u",
				       role, state, from, to);
			}
		}
	}
}

TEST(every_stage)
{
	unsigned int role, state;

	for (role = 0; role <= VMIG_ROLE_DESTINATION; role++) {
		for (state = 0; state <= VMIG_STATE_FAILED; state++)
			check_stages_of(_metadata, role, state);
	}
	EXPECT_FALSE(vmig_stage_may_enter(VMIG_ROLE_DESTINATION + 1,
					  VMIG_STATE_HANDOFF,
					  VMIG_STAGE_MODIFIED,
					  VMIG_STAGE_STORAGE));
}

TEST(commit)
{
	EXPECT_FALSE(vmig_stage_committed(VMIG_ROLE_SOURCE,
					  VMIG_STAGE_MODIFIED));
	EXPECT_TRUE(vmig_stage_committed(VMIG_ROLE_SOURCE,
					 VMIG_STAGE_STORAGE));
	EXPECT_FALSE(vmig_stage_committed(VMIG_ROLE_DESTINATION,
					  VMIG_STAGE_STORAGE));
	EXPECT_TRUE(vmig_stage_committed(VMIG_ROLE_DESTINATION,
					 VMIG_STAGE_RESUME));
}

TEST_HARNESS_MAIN

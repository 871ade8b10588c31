// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking of a KVM guest: its writes go through KVM's page tables, which
 * follow the host's by mmu notifiers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "ram.h"
#include "tinykvm.h"

#define SIZE	(16UL << 20)
#define PAGES	(SIZE / RAM_PAGE)
#define LIMIT	120
#define SECONDS	2

FIXTURE(kvm)
{
	struct ram ram;
	struct tinykvm *guest;
	uint8_t *written;
	unsigned char *copy;
};

FIXTURE_VARIANT(kvm)
{
	const char *options;
	unsigned int vcpus;
};

FIXTURE_VARIANT_ADD(kvm, huge_1) { "huge=always", 1 };
FIXTURE_VARIANT_ADD(kvm, huge_4) { "huge=always", 4 };
FIXTURE_VARIANT_ADD(kvm, small_1) { "huge=never", 1 };
FIXTURE_VARIANT_ADD(kvm, small_4) { "huge=never", 4 };

/* A guest that has all its memory mapped for writing, tracked and clean. */
FIXTURE_SETUP(kvm)
{
	struct tinykvm_args all = { .first = 0, .value = 1 };

	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	self->written = calloc(1, PAGES);
	self->copy = calloc(1, SIZE);
	ASSERT_TRUE(self->written && self->copy);
	ASSERT_EQ(0, ram_open(&self->ram, SIZE, variant->options));
	self->guest = tinykvm_create(self->ram.fd, SIZE, variant->vcpus);
	ASSERT_NE(NULL, self->guest);
	ASSERT_EQ(0, tinykvm_run_cmd(self->guest, 0, TINYKVM_WRITE, &all,
				     NULL)) {
		TH_LOG("%s", tinykvm_error(self->guest));
	}
	ASSERT_EQ(0, ram_start(&self->ram));
	ASSERT_EQ((int)PAGES, ram_collect(&self->ram, self->copy, false));
	ASSERT_EQ(0, ram_harvest(&self->ram, false));
}

FIXTURE_TEARDOWN(kvm)
{
	EXPECT_EQ(0, tinykvm_destroy(self->guest));
	EXPECT_EQ(0, ram_close(&self->ram));
	free(self->written);
	free(self->copy);
}

static void note(uint8_t *written, struct tinykvm_args *args)
{
	unsigned int i;

	for (i = 0; i < args->count; i++)
		written[args->first + i * args->stride] = 1;
}

TEST_F_TIMEOUT(kvm, finds_what_the_guest_wrote, LIMIT)
{
	struct tinykvm_args writes[] = {
		{ .first = 5, .count = 100, .stride = 1, .value = 1 },
		{ .first = 511, .count = 2, .stride = 1, .value = 1 },
		{ .first = 1, .count = 150, .stride = 23, .value = 1 },
		{ .first = 0, .count = PAGES, .stride = 1, .value = 9 },
		{ .first = 4000, .count = 1, .stride = 1, .value = 2 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		ASSERT_EQ(0, tinykvm_run_cmd(self->guest, i % variant->vcpus,
					     TINYKVM_WRITE, &writes[i], NULL));
		memset(self->written, 0, PAGES);
		note(self->written, &writes[i]);
		EXPECT_EQ((int)writes[i].count, ram_harvest(&self->ram, false));
		EXPECT_EQ(0, memcmp(self->written, self->ram.found, PAGES));
		EXPECT_EQ(0, ram_harvest(&self->ram, false));
	}
}

TEST_F_TIMEOUT(kvm, reading_dirties_nothing, LIMIT)
{
	struct tinykvm_args all = { .first = 0 };

	ASSERT_EQ(0, tinykvm_run_cmd(self->guest, 0, TINYKVM_SUM, &all, NULL));
	EXPECT_EQ(0, ram_harvest(&self->ram, false));
}

/* The copy that harvests make of a guest that does not stop to write. */
TEST_F_TIMEOUT(kvm, no_write_is_lost, LIMIT)
{
	struct tinykvm_args all = { .first = 0, .delay = 2000 };
	time_t end = time(NULL) + SECONDS;
	struct tinykvm_result result;
	unsigned int i, rounds = 0;
	uint64_t writes = 0;
	uint32_t first_bad;

	for (i = 0; i < variant->vcpus; i++)
		ASSERT_EQ(0, tinykvm_start_async(self->guest, i, TINYKVM_HAMMER,
						 &all));
	do {
		ASSERT_LE(0, ram_collect(&self->ram, self->copy, false));
		rounds++;
	} while (time(NULL) < end);
	for (i = 0; i < variant->vcpus; i++) {
		ASSERT_EQ(0, tinykvm_stop(self->guest, i, &result));
		EXPECT_EQ(0, result.bad);
		writes += result.writes;
	}
	ASSERT_LE(0, ram_collect(&self->ram, self->copy, true));
	TH_LOG("%u rounds, %llu writes", rounds, (unsigned long long)writes);
	EXPECT_LE(2, rounds);
	EXPECT_EQ(0, tinykvm_check_copy(self->guest, self->copy, 0,
					&first_bad));
	EXPECT_EQ(0, memcmp(self->copy, self->ram.mem, SIZE));
	EXPECT_EQ(0, ram_harvest(&self->ram, false));
}

/* Tracking comes and goes, and memory is mapped anew, under a running guest. */
TEST_F_TIMEOUT(kvm, does_not_notice_the_end, LIMIT)
{
	struct tinykvm_args all = { .first = 0, .delay = 200 };
	struct tinykvm_result result;
	unsigned int i;

	for (i = 0; i < variant->vcpus; i++)
		ASSERT_EQ(0, tinykvm_start_async(self->guest, i, TINYKVM_HAMMER,
						 &all));
	for (i = 0; i < 5; i++) {
		ASSERT_LE(0, ram_harvest(&self->ram, false));
		ram_stop(&self->ram);
		ASSERT_EQ(0, ram_start(&self->ram));
		ASSERT_EQ((int)PAGES, ram_harvest(&self->ram, false));
	}
	for (i = 0; i < variant->vcpus; i++) {
		ASSERT_EQ(0, tinykvm_stop(self->guest, i, &result));
		EXPECT_EQ(0, result.bad);
	}
	EXPECT_EQ(0, tinykvm_check_copy(self->guest, self->ram.mem, 0, NULL));
}

TEST_HARNESS_MAIN

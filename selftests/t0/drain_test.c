// SPDX-License-Identifier: GPL-2.0
/* What a drained node remembers, and where it sends VMs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "drain/placement.h"
#include "drain/record.h"
#include "kselftest_harness.h"

#define MIB (1ULL << 20)

static struct vmig_err err;

FIXTURE(record) {
	struct vmig_drain_record record, read;
};

FIXTURE_SETUP(record)
{
	memset(&self->record, 0, sizeof(self->record));
	memset(&self->read, 0, sizeof(self->read));
	vmig_drain_record_put(&self->record, "one", "b", true);
	vmig_drain_record_put(&self->record, "two", "c", false);
	vmig_drain_record_put(&self->record, "three", "b", false);
	self->record.draining = true;
}

FIXTURE_TEARDOWN(record)
{
	vmig_drain_record_exit(&self->record);
	vmig_drain_record_exit(&self->read);
}

TEST_F(record, round_trip)
{
	char *text = vmig_drain_record_format(&self->record);

	ASSERT_EQ(0, vmig_drain_record_parse(text, "x", &self->read, &err));
	EXPECT_TRUE(self->read.draining);
	EXPECT_FALSE(self->read.returning);
	ASSERT_EQ(3, self->read.n);
	EXPECT_STREQ("one", self->read.entries[0].vm);
	EXPECT_STREQ("b", self->read.entries[0].to);
	EXPECT_TRUE(self->read.entries[0].left);
	EXPECT_FALSE(self->read.entries[1].left);
	free(text);
}

TEST_F(record, one_entry_a_vm)
{
	vmig_drain_record_put(&self->record, "two", "d", true);
	ASSERT_EQ(3, self->record.n);
	EXPECT_STREQ("d", vmig_drain_record_find(&self->record, "two")->to);
	vmig_drain_record_remove(&self->record, "one");
	vmig_drain_record_remove(&self->record, "one");
	vmig_drain_record_remove(&self->record, "three");
	ASSERT_EQ(1, self->record.n);
	EXPECT_EQ(NULL, vmig_drain_record_find(&self->record, "one"));
	EXPECT_TRUE(vmig_drain_record_find(&self->record, "two")->left);
}

/* Refused, and nothing of it is believed. */
TEST_F(record, damaged)
{
	static const char * const texts[] = {
		"", "{", "[]", "{}", "null", "{\"version\": 1}",
		"{\"version\": 0, \"vms\": []}",
		"{\"version\": \"1\", \"vms\": []}",
		"{\"version\": 1, \"vms\": {}}",
		"{\"version\": 1, \"vms\": []} {}",
		"{\"version\": 1, \"vms\": [1]}",
		"{\"version\": 1, \"vms\": [{\"vm\": \"one\"}]}",
		"{\"version\": 1, \"vms\": [{\"vm\": \"../x\", \"to\": \"b\"}]}",
		"{\"version\": 1, \"vms\": [{\"vm\": \"one\", \"to\": \"-\"}]}",
		"{\"version\": 1, \"vms\": [{\"vm\": 1, \"to\": \"b\"}]}",
		"{\"version\": 1, \"vms\": [{\"vm\": \"a\", \"to\": \"b\"}, {\"vm\": \"a\", \"to\": \"c\"}]}",
		"{\"version\": 1, \"vms\": [[[[[[[[[[]]]]]]]]]]}",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		EXPECT_EQ(-EBADMSG, vmig_drain_record_parse(texts[i], "d.json",
							    &self->read, &err))
			TH_LOG("took %s", texts[i]);
		EXPECT_NE(NULL, strstr(err.text, "d.json is damaged"));
		EXPECT_EQ(0, self->read.n);
		EXPECT_FALSE(self->read.draining);
	}
}

TEST_F(record, of_a_newer_version)
{
	EXPECT_EQ(-EPROTONOSUPPORT,
		  vmig_drain_record_parse("{\"version\": 2, \"draining\": true}",
					  "d.json", &self->read, &err));
	EXPECT_NE(NULL, strstr(err.text, "version 2"));
}

TEST_F(record, cut_anywhere)
{
	char *text = vmig_drain_record_format(&self->record);
	size_t len = strlen(text);

	while (len--) {
		text[len] = '\0';
		EXPECT_EQ(-EBADMSG, vmig_drain_record_parse(text, "x",
							    &self->read, &err));
	}
	free(text);
}

TEST_F(record, on_disk)
{
	char folder[] = "/tmp/drain_test.XXXXXX", path[64];

	ASSERT_NE(NULL, mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/drain.json", folder);
	EXPECT_EQ(0, vmig_drain_record_load(path, &self->read, &err));
	EXPECT_EQ(0, self->read.n);
	ASSERT_EQ(0, vmig_drain_record_save(path, &self->record, &err));
	ASSERT_EQ(0, vmig_drain_record_load(path, &self->read, &err));
	EXPECT_EQ(3, self->read.n);
	/* Without anything to remember there is no file. */
	vmig_drain_record_exit(&self->record);
	EXPECT_EQ(0, vmig_drain_record_save(path, &self->record, &err));
	EXPECT_EQ(-1, access(path, F_OK));
	EXPECT_EQ(0, vmig_drain_record_save(path, &self->record, &err));
	rmdir(folder);
}

static void read_candidate(struct vmig_candidate *c, const char *node,
			   const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	vmig_candidate_read(c, node, o);
	json_object_put(o);
}

TEST(placement)
{
	struct vmig_candidate c[5];

	read_candidate(&c[0], "b", "{\"memory_room\": 104857600}");
	read_candidate(&c[1], "c", "{\"memory_room\": 314572800}");
	read_candidate(&c[2], "d", "{\"memory_room\": 104857600}");
	read_candidate(&c[3], "e",
		       "{\"memory_room\": 4294967296, \"draining\": true}");
	read_candidate(&c[4], "a", "{\"memory_room\": 1048576}");
	ASSERT_EQ(3, vmig_placement_sort(c, 5, 100 * MIB));
	EXPECT_STREQ("c", c[0].node);
	EXPECT_STREQ("b", c[1].node);
	EXPECT_STREQ("d", c[2].node);
	EXPECT_STREQ("e", c[3].node);
	EXPECT_NE(NULL, strstr(c[3].why, "drained itself"));
	EXPECT_STREQ("a", c[4].node);
	EXPECT_NE(NULL, strstr(c[4].why, "needs 100 MiB"));
}

/* Another node may say anything. */
TEST(placement_by_liars)
{
	static const char * const texts[] = {
		"{}", "{\"memory_room\": -1}", "{\"memory_room\": \"much\"}",
		"{\"memory_room\": [], \"draining\": {}}",
	};
	struct vmig_candidate c;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		read_candidate(&c, "b", texts[i]);
		EXPECT_EQ(0, vmig_placement_sort(&c, 1, MIB))
			TH_LOG("took %s", texts[i]);
	}
	EXPECT_EQ(0, vmig_placement_sort(&c, 0, MIB));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Tables of checks, and the checks that need nobody's answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cluster/message.h"
#include "daemon.h"
#include "kselftest_harness.h"
#include "migrate/disk.h"
#include "migrate/preflight.h"
#include "vmm/types.h"

static unsigned int ran;

static int pass(struct vmig_preflight *p, struct vmig_err *said)
{
	(void)p;
	ran++;
	return vmig_err_set(said, 0, "fine");
}

static int fail(struct vmig_preflight *p, struct vmig_err *said)
{
	(void)p;
	ran++;
	return vmig_err_set(said, ENOSPC, "too full");
}

static int none(struct vmig_preflight *p, struct vmig_err *said)
{
	(void)p;
	(void)said;
	ran++;
	return VMIG_CHECK_NONE;
}

static const struct vmig_check table[] = {
	{ "first", pass },
	{ "does-not-apply", none },
	{ "same-subnet", fail },
	{ "memory", fail },
	{ "slot", fail },
	{ "last", pass },
};

#define NTABLE (sizeof(table) / sizeof(table[0]))

FIXTURE(preflight) {
	struct vmig_config config;
	struct vmig_daemon daemon;
	struct vmig_preflight p;
};

FIXTURE_SETUP(preflight)
{
	memset(&self->config, 0, sizeof(self->config));
	memset(&self->daemon, 0, sizeof(self->daemon));
	strcpy(self->config.node, "a");
	self->daemon.config = &self->config;
	ran = 0;
}

FIXTURE_TEARDOWN(preflight)
{
	vmig_preflight_exit(&self->p);
}

static void start(FIXTURE_DATA(preflight) *self, bool all)
{
	vmig_preflight_init(&self->p, &self->daemon, NULL, "b", all);
	vmig_preflight_run(&self->p, table, NTABLE);
}

static const char *member(struct vmig_preflight *p, size_t i, const char *key)
{
	return vmig_json_string(json_object_array_get_idx(p->list, i), key);
}

TEST_F(preflight, stops_at_the_first_failure)
{
	start(self, false);
	EXPECT_EQ(3, ran);
	EXPECT_EQ(ENOSPC, self->p.error);
	EXPECT_EQ(1, self->p.failures);
	EXPECT_FALSE(self->p.busy);
	/* How to do without the rule. */
	EXPECT_STREQ("too full (rule same-subnet; waive = in agent.conf)",
		     self->p.reason);
}

TEST_F(preflight, tells_all)
{
	start(self, true);
	EXPECT_EQ(NTABLE, ran);
	EXPECT_EQ(3, self->p.failures);
	ASSERT_EQ(NTABLE - 1, json_object_array_length(self->p.list));
	EXPECT_STREQ("first", member(&self->p, 0, "name"));
	EXPECT_STREQ("ok", member(&self->p, 0, "verdict"));
	EXPECT_STREQ("fine", member(&self->p, 0, "text"));
	EXPECT_STREQ("a", member(&self->p, 0, "node"));
	EXPECT_STREQ("same-subnet", member(&self->p, 1, "name"));
	EXPECT_STREQ("failed", member(&self->p, 1, "verdict"));
	EXPECT_STREQ("ok", member(&self->p, 4, "verdict"));
}

TEST_F(preflight, waives_by_name)
{
	self->config.waived = VMIG_WAIVE_SAME_SUBNET;
	start(self, false);
	EXPECT_STREQ("waived", member(&self->p, 1, "verdict"));
	EXPECT_STREQ("too full", self->p.reason);
	EXPECT_STREQ("memory", member(&self->p, 2, "name"));
	EXPECT_EQ(4, ran);
}

/* What fails before the slot would is not worth waiting for. */
TEST_F(preflight, busy_is_the_slot_alone)
{
	vmig_preflight_init(&self->p, &self->daemon, NULL, "b", false);
	vmig_preflight_run(&self->p, table + 4, 2);
	EXPECT_TRUE(self->p.busy);
	EXPECT_EQ(ENOSPC, self->p.error);
}

TEST_F(preflight, lines_of_another_node)
{
	struct json_object *list = json_tokener_parse(
		"[{\"name\": \"memory\", \"verdict\": \"ok\", \"text\": \"t\"},"
		" 5, null, [], {}, {\"name\": \"x\"},"
		" {\"name\": \"x\", \"verdict\": \"perhaps\", \"text\": \"t\"},"
		" {\"name\": 1, \"verdict\": \"ok\", \"text\": \"t\"},"
		" {\"name\": \"slot\", \"verdict\": \"failed\", \"text\": \"no\","
		"  \"node\": \"z\"},"
		" {\"name\": \"same-subnet\", \"verdict\": \"waived\", \"text\": \"\"}]");
	struct json_object *object = json_tokener_parse("{}");

	vmig_preflight_init(&self->p, &self->daemon, NULL, "b", true);
	vmig_preflight_append(&self->p, "b", list);
	vmig_preflight_append(&self->p, "b", object);
	vmig_preflight_append(&self->p, "b", NULL);
	ASSERT_EQ(3, json_object_array_length(self->p.list));
	EXPECT_STREQ("b", member(&self->p, 1, "node"));
	EXPECT_EQ(1, self->p.failures);
	EXPECT_TRUE(self->p.busy);
	EXPECT_STREQ("no", self->p.reason);
	json_object_put(list);
	json_object_put(object);
}

static const char machines[] =
	"Supported machines are:\n"
	"microvm              microvm (i386)\n"
	"pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)\n"
	"pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)\n"
	"q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n"
	"pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)\n"
	"none                 empty machine";

TEST(machine_types)
{
	static const struct {
		const char *machine, *type;
	} known[] = {
		{ "", "pc-i440fx-7.2" }, { "pc", "pc-i440fx-7.2" },
		{ "pc,suppress-vmdesc=on", "pc-i440fx-7.2" },
		{ "q35", "pc-q35-7.2" }, { "microvm", "microvm" },
		{ "pc-q35-7.2", "pc-q35-7.2" }, { "none", "none" },
	};
	static const char * const unknown[] = {
		"pc-i440fx-8.0", "p", "pc-", "Supported", "microvm2", ",",
		"a-machine-whose-name-is-longer-than-any-that-is-known-to-be-one-of-these",
	};
	char type[VMIG_TYPE_MAX];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		EXPECT_EQ(0, vmig_types_find(machines, known[i].machine, type))
			TH_LOG("refused %s", known[i].machine);
		EXPECT_STREQ(known[i].type, type);
	}
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		EXPECT_GT(0, vmig_types_find(machines, unknown[i], type))
			TH_LOG("took %s", unknown[i]);
	}
	EXPECT_EQ(-ENOENT, vmig_types_find(machines, "pc-i440fx-8.0", type));
	EXPECT_EQ(-ENODATA, vmig_types_find("", "pc", type));
	EXPECT_EQ(-ENODATA, vmig_types_find("error\n", "pc", type));
}

FIXTURE(disk) {
	struct vmig_disk disk;
	struct vmig_disk_identity here, there;
	struct vmig_err err;
};

FIXTURE_SETUP(disk)
{
	int fd;

	memset(self, 0, sizeof(*self));
	strcpy(self->disk.name, "root");
	strcpy(self->disk.format, "raw");
	strcpy(self->disk.path, "/tmp/preflight_test.XXXXXX");
	fd = mkstemp(self->disk.path);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 12345));
	close(fd);
	ASSERT_EQ(0, vmig_disk_identify(&self->disk, &self->here, &self->err));
	self->there = self->here;
}

FIXTURE_TEARDOWN(disk)
{
	unlink(self->disk.path);
}

TEST_F(disk, round_trip)
{
	struct json_object *o = vmig_disk_encode(&self->here);

	EXPECT_STREQ("file", self->here.kind);
	EXPECT_EQ(12345, self->here.size);
	vmig_disk_decode(o, &self->there);
	EXPECT_EQ(0, memcmp(&self->here, &self->there, sizeof(self->here)));
	EXPECT_EQ(0, vmig_disk_compare(&self->here, &self->there, "b",
				       &self->err));
	json_object_put(o);
}

#define EXPECT_ANOTHER(word) do {					\
	EXPECT_EQ(-EXDEV, vmig_disk_compare(&self->here, &self->there,	\
					    "b", &self->err));		\
	EXPECT_NE(NULL, strstr(self->err.text, word))			\
		TH_LOG("%s", self->err.text);				\
} while (0)

TEST_F(disk, another_one)
{
	self->there.size++;
	EXPECT_ANOTHER("12346");
	self->there = self->here;
	strcpy(self->there.kind, "block");
	EXPECT_ANOTHER("block");
	self->there = self->here;
	strcpy(self->here.wwid, "naa.1");
	strcpy(self->there.wwid, "naa.2");
	EXPECT_ANOTHER("naa.2");
	self->there = self->here;
	self->here.inode = 1;
	self->there.inode = 2;
	EXPECT_ANOTHER("file 1");
}

/* What one side does not know says nothing. */
TEST_F(disk, not_known)
{
	struct json_object *o = json_tokener_parse(
		"{\"kind\": 1, \"size\": \"x\", \"wwid\": [], \"inode\": {}}");

	vmig_disk_decode(o, &self->there);
	EXPECT_EQ(0, vmig_disk_compare(&self->here, &self->there, "b",
				       &self->err));
	json_object_put(o);
}

/* The size that the guest sees, and not that of a file that grows. */
TEST_F(disk, qcow2)
{
	static const uint8_t head[32] = {
		'Q', 'F', 'I', 0xfb, [27] = 1, [31] = 2,
	};
	FILE *file = fopen(self->disk.path, "w");

	fwrite(head, sizeof(head), 1, file);
	fclose(file);
	strcpy(self->disk.format, "qcow2");
	ASSERT_EQ(0, vmig_disk_identify(&self->disk, &self->here, &self->err));
	EXPECT_EQ((1ULL << 32) + 2, self->here.size);
}

TEST_F(disk, neither_file_nor_block_device)
{
	strcpy(self->disk.path, "/tmp");
	EXPECT_EQ(-EINVAL, vmig_disk_identify(&self->disk, &self->here,
					      &self->err));
	strcpy(self->disk.path, "/nonexistent");
	EXPECT_EQ(-ENOENT, vmig_disk_identify(&self->disk, &self->here,
					      &self->err));
	EXPECT_STREQ("disk root: /nonexistent: No such file or directory",
		     self->err.text);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Leases in files: the record, who gets it, and what a crash leaves of it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "kselftest_harness.h"
#include "storage/lease.h"
#include "storage/lease_slot.h"

#define RACERS	100
#define SLOT	VMIG_LEASE_SLOT_SIZE

FIXTURE(lease) {
	char folder[64];
	char image[128];
	char file[160];
	const char *paths[1];
	struct vmig_lease_request request;
	struct vmig_lease_result result;
};

static void make_image(FIXTURE_DATA(lease) *self, const char *where)
{
	snprintf(self->folder, sizeof(self->folder), "%s/lease.XXXXXX", where);
	if (!mkdtemp(self->folder))
		abort();
	snprintf(self->image, sizeof(self->image), "%s/web1.img", self->folder);
	snprintf(self->file, sizeof(self->file), "%s.lease", self->image);
	close(open(self->image, O_WRONLY | O_CREAT, 0600));
}

static void remove_image(FIXTURE_DATA(lease) *self)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", self->folder);
	if (system(command))
		abort();
}

FIXTURE_SETUP(lease)
{
	const char *tmp = getenv("TMPDIR");

	make_image(self, tmp ? tmp : "/tmp");
	self->paths[0] = self->image;
	memset(&self->request, 0, sizeof(self->request));
	self->request.kind = VMIG_LEASE_FILE;
	self->request.vm = "web1";
	self->request.paths = self->paths;
	self->request.npaths = 1;
	self->request.limit_ms = 60000;
	fault_set(FAULT_NONE, 0, 0);
}

FIXTURE_TEARDOWN(lease)
{
	remove_image(self);
}

/* @holder and @epoch are what is expected. */
static enum vmig_lease_status ask(FIXTURE_DATA(lease) *self,
				  enum vmig_lease_action action,
				  const char *node, const char *holder,
				  uint64_t epoch)
{
	self->request.action = action;
	self->request.node = node;
	memset(&self->request.expect, 0, sizeof(self->request.expect));
	if (holder)
		strcpy(self->request.expect.holder, holder);
	self->request.expect.epoch = epoch;
	vmig_lease_run(&self->request, &self->result);
	return self->result.status;
}

/* What is on record, as a third node sees it. */
static bool holds(FIXTURE_DATA(lease) *self, const char *node, uint64_t epoch)
{
	return ask(self, VMIG_LEASE_READ, "z", NULL, 0) == VMIG_LEASE_DONE &&
	       self->result.known && self->result.complete &&
	       !strcmp(self->result.record.holder, node) &&
	       self->result.record.epoch == epoch;
}

static bool says(FIXTURE_DATA(lease) *self, const char *text)
{
	if (strstr(self->result.err.text, text))
		return true;
	fprintf(stderr, "# said: %s\n", self->result.err.text);
	return false;
}

static void load(FIXTURE_DATA(lease) *self, uint8_t *bytes)
{
	int fd = open(self->file, O_RDONLY);

	if (fd < 0 || read(fd, bytes, VMIG_LEASE_FILE_SIZE) !=
			      VMIG_LEASE_FILE_SIZE)
		abort();
	close(fd);
}

static void store(FIXTURE_DATA(lease) *self, const uint8_t *bytes, size_t len)
{
	int fd = open(self->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

TEST(layout)
{
	static const struct vmig_lease_slot slot = {
		.vm = "web1", .before = "node-c", .time = 0x0102030405060708,
		.record = { .holder = "node-a", .epoch = 0x1112131415161718 },
		.action = VMIG_LEASE_HANDOFF,
	};
	static const uint8_t head[] = {
		'V', 'M', 'I', 'G', 'L', 'E', 'A', 'S', 1, 0, 0, 0, 0, 2, 0, 0,
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
		8, 7, 6, 5, 4, 3, 2, 1, 3, 0, 0, 0,
	};
	uint8_t bytes[SLOT];
	uint32_t crc;

	/* The check value of CRC-32C. */
	EXPECT_EQ(0xe3069283, vmig_lease_crc("123456789", 9));
	vmig_lease_slot_encode(&slot, bytes);
	EXPECT_EQ(0, memcmp(head, bytes, sizeof(head)));
	EXPECT_STREQ("web1", (char *)bytes + 64);
	EXPECT_STREQ("node-a", (char *)bytes + 128);
	EXPECT_STREQ("node-c", (char *)bytes + 192);
	crc = vmig_lease_crc(bytes, 508);
	EXPECT_EQ(crc & 0xff, bytes[508]);
	EXPECT_EQ(crc >> 24, bytes[511]);
}

/* Whatever happens to one record, the other one stands. */
TEST(every_bit)
{
	struct vmig_lease_slot slot = { .vm = "web1" }, seen;
	uint8_t bytes[VMIG_LEASE_FILE_SIZE];
	unsigned int i, whole, spare;
	struct vmig_err err;

	strcpy(slot.record.holder, "a");
	slot.record.epoch = 7;
	vmig_lease_slot_encode(&slot, bytes);
	vmig_lease_slot_encode(&slot, bytes + SLOT);
	ASSERT_EQ(0, vmig_lease_slots_decode(bytes, &seen, &spare, &whole, &err));
	EXPECT_EQ(2, whole);
	for (i = 0; i < 2 * 512 * 8; i++) {
		unsigned int at = i / 4096 * SLOT + i % 4096 / 8;

		bytes[at] ^= 1 << i % 8;
		ASSERT_EQ(0, vmig_lease_slots_decode(bytes, &seen, &spare,
						     &whole, &err)) {
			TH_LOG("bit %u: %s", i, err.text);
		}
		EXPECT_EQ(1, whole);
		EXPECT_EQ(at >= SLOT, spare);
		EXPECT_EQ(7, seen.record.epoch);
		EXPECT_STREQ("a", seen.record.holder);
		bytes[at] ^= 1 << i % 8;
	}
}

TEST_F(lease, one_holder)
{
	ASSERT_TRUE(holds(self, "", 0));
	ASSERT_EQ(-1, access(self->file, F_OK));
	ASSERT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0)) {
		TH_LOG("%s", self->result.err.text);
	}
	EXPECT_EQ(1, self->result.record.epoch);
	EXPECT_TRUE(holds(self, "a", 1));
	EXPECT_EQ(VMIG_LEASE_HELD, ask(self, VMIG_LEASE_ACQUIRE, "b", NULL, 0));
	EXPECT_STREQ("a", self->result.record.holder);
	EXPECT_TRUE(says(self, "node a holds the lease of VM web1 (epoch 1, in "));
	EXPECT_TRUE(says(self, "vmig-agent vm recover web1 --fence-confirmed"));
	/* Ours, from before a crash: what was under way then fails. */
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0));
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_HANDOFF, "b", "a", 1));
	EXPECT_TRUE(holds(self, "a", 2));
}

TEST_F(lease, handoff)
{
	ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0);
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_HANDOFF, "b", "a", 1));
	EXPECT_TRUE(holds(self, "b", 2));
	/* The source, whose lease it was; another destination; once more. */
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_KEEP, "a", "a", 1));
	EXPECT_TRUE(says(self, "is that of b (epoch 2), not that of a (epoch 1)"));
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_HANDOFF, "c", "a", 1));
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_HANDOFF, "b", "a", 1));
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_RELEASE, "a", "a", 1));
	EXPECT_TRUE(holds(self, "b", 2));
	/* A source that keeps it has to be waited for by nobody. */
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_KEEP, "b", "b", 2));
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_HANDOFF, "a", "b", 2));
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_RELEASE, "b", "b", 3));
	EXPECT_TRUE(holds(self, "", 4));
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_RELEASE, "b", "b", 3));
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_HANDOFF, "a", "b", 3));
	EXPECT_TRUE(says(self, "that of nobody (epoch 4)"));
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_ACQUIRE, "c", NULL, 0));
	EXPECT_TRUE(holds(self, "c", 5));
}

TEST_F(lease, take_over)
{
	ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0);
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_TAKE_OVER, "b", "a", 1));
	EXPECT_TRUE(says(self, "--fence-confirmed"));
	self->request.fence_confirmed = true;
	EXPECT_EQ(VMIG_LEASE_CHANGED, ask(self, VMIG_LEASE_TAKE_OVER, "b", "c", 1));
	EXPECT_TRUE(holds(self, "a", 1));
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_TAKE_OVER, "b", "a", 1));
	EXPECT_TRUE(holds(self, "b", 2));
	EXPECT_NE(NULL, strstr(self->result.evidence, "before that a"));
}

TEST_F(lease, bad_requests)
{
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_KEEP, "a", "b", 1));
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_RELEASE, "a", "b", 1));
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_HANDOFF, "a", "", 0));
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, 99, "a", "a", 0));
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_READ, "a/b", NULL, 0));
	self->request.npaths = 0;
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_READ, "a", NULL, 0));
	EXPECT_TRUE(says(self, "VM web1 has 0 disks"));
	self->request.kind = VMIG_LEASE_NONE;
	EXPECT_EQ(VMIG_LEASE_DONE, ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0));
	EXPECT_STREQ("a", self->result.record.holder);
}

/* Refused by name, and not a byte of it changed. */
static void expect_refused(struct __test_metadata *_metadata,
			   FIXTURE_DATA(lease) *self, const uint8_t *bytes,
			   size_t len, enum vmig_lease_status status,
			   const char *text)
{
	static const enum vmig_lease_action actions[] = {
		VMIG_LEASE_READ, VMIG_LEASE_ACQUIRE, VMIG_LEASE_HANDOFF,
		VMIG_LEASE_KEEP, VMIG_LEASE_RELEASE, VMIG_LEASE_TAKE_OVER,
	};
	uint8_t now[VMIG_LEASE_FILE_SIZE + 1];
	unsigned int i;
	int fd;

	store(self, bytes, len);
	self->request.fence_confirmed = true;
	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		EXPECT_EQ(status, ask(self, actions[i], "a", "a", 1));
		EXPECT_TRUE(says(self, text));
		EXPECT_TRUE(says(self, self->file));
	}
	fd = open(self->file, O_RDONLY);
	EXPECT_EQ((ssize_t)len, read(fd, now, sizeof(now)));
	close(fd);
	EXPECT_EQ(0, memcmp(now, bytes, len));
}

TEST_F(lease, bad_files)
{
	uint8_t good[VMIG_LEASE_FILE_SIZE + 1] = { }, bad[sizeof(good)] = { };
	size_t size = VMIG_LEASE_FILE_SIZE;
	uint32_t crc;

	ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0);
	load(self, good);
	expect_refused(_metadata, self, good, 0, VMIG_LEASE_MALFORMED,
		       "it has 0 bytes instead of 8192");
	expect_refused(_metadata, self, good, 1, VMIG_LEASE_MALFORMED,
		       "it has 1 bytes");
	expect_refused(_metadata, self, good, SLOT, VMIG_LEASE_MALFORMED,
		       "it has 4096 bytes");
	expect_refused(_metadata, self, good, size + 1, VMIG_LEASE_MALFORMED,
		       "it has 8193 bytes");
	expect_refused(_metadata, self, bad, size, VMIG_LEASE_MALFORMED,
		       "it is no lease file");
	memcpy(bad, good, size);
	bad[130] ^= 1;
	bad[SLOT + 16] ^= 1;
	expect_refused(_metadata, self, bad, size, VMIG_LEASE_MALFORMED,
		       "both its records are damaged; make sure that the VM runs nowhere");
	/* One record of a version to come is enough. */
	memcpy(bad, good, size);
	bad[8] = 2;
	crc = vmig_lease_crc(bad, 508);
	memcpy(bad + 508, &crc, 4);
	expect_refused(_metadata, self, bad, size, VMIG_LEASE_MALFORMED,
		       "it is of version 2, and this vmig-agent knows version 1");
	/* Two writers at once, neither of which saw the other. */
	memcpy(bad, good, size);
	bad[128] = 'b';
	crc = vmig_lease_crc(bad, 508);
	memcpy(bad + 508, &crc, 4);
	expect_refused(_metadata, self, bad, size, VMIG_LEASE_MALFORMED,
		       "locks do not work between the nodes");
	self->request.vm = "db1";
	expect_refused(_metadata, self, good, size, VMIG_LEASE_FOREIGN,
		       "is the lease of VM web1, not of VM db1");
}

TEST_F(lease, bad_places)
{
	ASSERT_EQ(0, unlink(self->image));
	EXPECT_EQ(VMIG_LEASE_IO_ERROR, ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0));
	EXPECT_TRUE(says(self, "is the shared file system mounted?"));
	ASSERT_EQ(0, mkdir(self->image, 0700));
	EXPECT_EQ(VMIG_LEASE_INVALID, ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0));
	EXPECT_TRUE(says(self, "use lease = scsi-pr for SCSI disks"));
	ASSERT_EQ(0, rmdir(self->image));
	close(open(self->image, O_WRONLY | O_CREAT, 0600));
	/* Somebody else's file is not followed. */
	ASSERT_EQ(0, symlink("/etc/passwd", self->file));
	EXPECT_EQ(VMIG_LEASE_IO_ERROR, ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0));
	EXPECT_TRUE(says(self, "cannot open it"));
}

/* An image by another name has the same lease. */
TEST_F(lease, symlinked_image)
{
	char other[128];

	snprintf(other, sizeof(other), "%s/other.img", self->folder);
	ASSERT_EQ(0, symlink("web1.img", other));
	ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0);
	self->paths[0] = other;
	EXPECT_EQ(VMIG_LEASE_HELD, ask(self, VMIG_LEASE_ACQUIRE, "b", NULL, 0));
}

/* Exit status 0 for who won. */
static void race(FIXTURE_DATA(lease) *self, enum vmig_lease_action action,
		 enum vmig_lease_status other, const char *holder,
		 uint64_t epoch, unsigned int *won, char *winner)
{
	pid_t pids[RACERS];
	unsigned int i;
	int gate[2], status;

	if (pipe(gate))
		abort();
	for (i = 0; i < RACERS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			char node[16], byte;

			snprintf(node, sizeof(node), "n%u", i);
			close(gate[1]);
			(void)!read(gate[0], &byte, 1);
			_exit(ask(self, action, node, holder, epoch) ==
					      VMIG_LEASE_DONE ? 0 :
			      self->result.status == other ? 1 : 2);
		}
	}
	close(gate[0]);
	close(gate[1]);
	*won = 0;
	for (i = 0; i < RACERS; i++) {
		waitpid(pids[i], &status, 0);
		if (!status) {
			(*won)++;
			sprintf(winner, "n%u", i);
		} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
			*won += RACERS;
		}
	}
}

TEST_F_TIMEOUT(lease, race, 120)
{
	char winner[16] = "", next[16] = "";
	unsigned int won, epoch;

	race(self, VMIG_LEASE_ACQUIRE, VMIG_LEASE_HELD, NULL, 0, &won, winner);
	EXPECT_EQ(1, won);
	EXPECT_TRUE(holds(self, winner, 1));
	for (epoch = 1; epoch < 6; epoch++) {
		race(self, VMIG_LEASE_HANDOFF, VMIG_LEASE_CHANGED, winner,
		     epoch, &won, next);
		EXPECT_EQ(1, won);
		EXPECT_TRUE(holds(self, next, epoch + 1));
		strcpy(winner, next);
	}
}

/* Each call of a change is the last one; what is left is one or the other. */
TEST_F_TIMEOUT(lease, killed, 120)
{
	static const size_t torn[] = { 0, 17, 130, 511, 512, SLOT };
	unsigned int at, t, before = 0, after = 0;
	uint64_t epoch = 1;
	int status = -1;
	pid_t pid;

	ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0);
	for (at = 1; status; at++) {
		for (t = 0; t < ARRAY_SIZE(torn); t++) {
			pid = fork();
			if (!pid) {
				fault_set(FAULT_KILL, at, torn[t]);
				ask(self, VMIG_LEASE_HANDOFF, "b", "a", epoch);
				_exit(self->result.status != VMIG_LEASE_DONE);
			}
			waitpid(pid, &status, 0);
			ASSERT_TRUE(!status || WIFSIGNALED(status));
			if (holds(self, "a", epoch)) {
				before++;
				ASSERT_NE(0, status);
				continue;
			}
			ASSERT_TRUE(holds(self, "b", epoch + 1)) {
				TH_LOG("call %u, %zu bytes: %s", at, torn[t],
				       self->result.err.text);
			}
			after++;
			/* And it can go on from there. */
			ASSERT_EQ(VMIG_LEASE_DONE,
				  ask(self, VMIG_LEASE_HANDOFF, "a", "b",
				      epoch + 1));
			epoch += 2;
		}
	}
	/* Two writes and two syncs, and the run that was not killed. */
	EXPECT_EQ(6, at);
	EXPECT_LT(5, before);
	EXPECT_LT(5, after);
}

TEST_F_TIMEOUT(lease, killed_at_birth, 60)
{
	unsigned int at, births = 0;
	int status = -1;
	pid_t pid;

	for (at = 1; status; at++) {
		pid = fork();
		if (!pid) {
			fault_set(FAULT_KILL, at, 100);
			_exit(ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0) !=
			      VMIG_LEASE_DONE);
		}
		waitpid(pid, &status, 0);
		births += !access(self->file, F_OK);
		ASSERT_TRUE(holds(self, "", 0) || holds(self, "a", 1)) {
			TH_LOG("call %u: %s", at, self->result.err.text);
		}
		ASSERT_EQ(VMIG_LEASE_DONE,
			  ask(self, VMIG_LEASE_ACQUIRE, "b", NULL, 0) ==
					  VMIG_LEASE_HELD ?
				  ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0) :
				  self->result.status);
		unlink(self->file);
	}
	EXPECT_LT(8, at);
	EXPECT_LT(3, births);
}

/* A write that ends at any byte is reported, and harmless. */
TEST_F_TIMEOUT(lease, torn, 60)
{
	size_t torn;

	/* Thousands of syncs, and what is on a disk is made up anyway. */
	remove_image(self);
	make_image(self, "/dev/shm");
	for (torn = 0; torn <= 512; torn++) {
		unlink(self->file);
		ask(self, VMIG_LEASE_ACQUIRE, "a", NULL, 0);
		fault_set(FAULT_FAIL, 1, torn);
		ASSERT_EQ(VMIG_LEASE_IO_ERROR,
			  ask(self, VMIG_LEASE_HANDOFF, "b", "a", 1));
		EXPECT_TRUE(self->result.unsure);
		EXPECT_FALSE(self->result.known);
		fault_set(FAULT_NONE, 0, 0);
		ASSERT_TRUE(holds(self, "a", 1) || holds(self, "b", 2));
		/* Repeated, it fails at the second copy: that is done. */
		fault_set(FAULT_FAIL, 3, torn);
		ASSERT_EQ(VMIG_LEASE_DONE,
			  ask(self, VMIG_LEASE_HANDOFF, "b", "a", 1));
		fault_set(FAULT_NONE, 0, 0);
		ASSERT_TRUE(holds(self, "b", 2));
		/* With one copy left, that is not the one to be overwritten. */
		fault_set(FAULT_FAIL, 1, torn);
		ask(self, VMIG_LEASE_HANDOFF, "c", "b", 2);
		fault_set(FAULT_NONE, 0, 0);
		ASSERT_TRUE(holds(self, "b", 2) || holds(self, "c", 3)) {
			TH_LOG("%zu bytes: %s", torn, self->result.err.text);
		}
		ASSERT_EQ(VMIG_LEASE_DONE,
			  ask(self, VMIG_LEASE_HANDOFF, "c", "b", 2));
		ASSERT_TRUE(holds(self, "c", 3));
		EXPECT_EQ(NULL, strstr(self->result.evidence, "damaged"));
	}
}

TEST_HARNESS_MAIN

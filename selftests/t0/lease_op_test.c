// SPDX-License-Identifier: GPL-2.0
/* Leases for an event loop: storage that hangs, helpers that die. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"
#include "kselftest_harness.h"
#include "storage/lease.h"

FIXTURE(op) {
	char folder[64];
	char image[128];
	char file[160];
	const char *paths[1];
	struct vmig_lease_request request;
	struct vmig_lease_result result;
	struct vmig_lease_op *op;
	struct vmig_err err;
	sd_event *event;
	unsigned int answers;
};

FIXTURE_SETUP(op)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(self->folder, sizeof(self->folder), "%s/lease.XXXXXX",
		 tmp ? tmp : "/tmp");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	snprintf(self->image, sizeof(self->image), "%s/web1.img", self->folder);
	snprintf(self->file, sizeof(self->file), "%s.lease", self->image);
	close(open(self->image, O_WRONLY | O_CREAT, 0600));
	self->paths[0] = self->image;
	memset(&self->request, 0, sizeof(self->request));
	self->request.kind = VMIG_LEASE_FILE;
	self->request.action = VMIG_LEASE_ACQUIRE;
	self->request.vm = "web1";
	self->request.node = "a";
	self->request.paths = self->paths;
	self->request.npaths = 1;
	self->request.limit_ms = 20000;
	self->answers = 0;
	fault_set(FAULT_NONE, 0, 0);
	ASSERT_EQ(0, sd_event_new(&self->event));
}

FIXTURE_TEARDOWN(op)
{
	char command[128];

	/* No helper is left, not even dead. */
	EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG));
	sd_event_unref(self->event);
	snprintf(command, sizeof(command), "rm -r %s", self->folder);
	ASSERT_EQ(0, system(command));
}

static void on_answer(void *arg, const struct vmig_lease_result *result)
{
	FIXTURE_DATA(op) *self = arg;

	self->answers++;
	self->result = *result;
}

static bool start(FIXTURE_DATA(op) *self)
{
	return !vmig_lease_start(self->event, &self->request, on_answer, self,
				 &self->op, &self->err);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One answer more, within @limit_ms; milliseconds, or 0. */
static uint64_t wait_answer(FIXTURE_DATA(op) *self, uint64_t limit_ms)
{
	unsigned int answers = self->answers;
	uint64_t start = now_ms(), now = start;

	while (self->answers == answers && now < start + limit_ms) {
		sd_event_run(self->event, 100000);
		now = now_ms();
	}
	return self->answers == answers ? 0 : now - start + 1;
}

/* Helpers that are late end some time after their answer. */
static void reap(FIXTURE_DATA(op) *self)
{
	uint64_t end = now_ms() + 10000;
	siginfo_t info;

	while (now_ms() < end &&
	       !waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG))
		sd_event_run(self->event, 10000);
}

static bool says(FIXTURE_DATA(op) *self, const char *text)
{
	if (strstr(self->result.err.text, text))
		return true;
	fprintf(stderr, "# said: %s\n", self->result.err.text);
	return false;
}

/* What the helper sees of faults is set before it is forked. */
static void start_hanging(struct __test_metadata *_metadata,
			  FIXTURE_DATA(op) *self, unsigned int limit_ms)
{
	self->request.limit_ms = limit_ms;
	fault_set(FAULT_HANG, 2, 0);
	ASSERT_TRUE(start(self));
	fault_set(FAULT_NONE, 0, 0);
}

TEST_F(op, answer)
{
	ASSERT_TRUE(start(self));
	/* Never from within the call. */
	EXPECT_EQ(0, self->answers);
	ASSERT_NE(0, wait_answer(self, 10000));
	EXPECT_EQ(VMIG_LEASE_DONE, self->result.status);
	EXPECT_STREQ("a", self->result.record.holder);
	EXPECT_EQ(1, self->result.record.epoch);
	self->request.node = "b";
	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	EXPECT_EQ(VMIG_LEASE_HELD, self->result.status);
	EXPECT_TRUE(says(self, "node a holds the lease"));
	/* And no other one later. */
	sd_event_run(self->event, 100000);
	EXPECT_EQ(2, self->answers);
}

TEST_F(op, many)
{
	unsigned int i;
	uint64_t end = now_ms() + 20000;

	for (i = 0; i < 20; i++)
		ASSERT_TRUE(start(self));
	while (self->answers < 20 && now_ms() < end)
		sd_event_run(self->event, 100000);
	EXPECT_EQ(20, self->answers);
	self->request.action = VMIG_LEASE_READ;
	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	EXPECT_EQ(20, self->result.record.epoch);
}

/* A process on some node stopped while it had the lock. */
TEST_F(op, lock_held)
{
	struct flock lock = { .l_type = F_WRLCK };
	uint64_t ms;
	int fd;

	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	fd = open(self->file, O_RDWR);
	ASSERT_EQ(0, fcntl(fd, F_OFD_SETLK, &lock));
	self->request.limit_ms = 1000;
	ASSERT_TRUE(start(self));
	ms = wait_answer(self, 10000);
	EXPECT_LE(450, ms);
	EXPECT_GE(1100, ms);
	EXPECT_EQ(VMIG_LEASE_TIMEOUT, self->result.status);
	EXPECT_TRUE(says(self, "is locked by another process for more than 0.5 s"));
	EXPECT_TRUE(says(self, self->file));
	/* It has not begun. */
	EXPECT_FALSE(self->result.unsure);
	close(fd);
	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	EXPECT_EQ(VMIG_LEASE_DONE, self->result.status);
}

TEST_F(op, storage_hangs)
{
	uint64_t ms;

	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	start_hanging(_metadata, self, 700);
	ms = wait_answer(self, 10000);
	EXPECT_LE(700, ms);
	EXPECT_GE(1200, ms);
	EXPECT_EQ(VMIG_LEASE_TIMEOUT, self->result.status);
	EXPECT_TRUE(self->result.unsure);
	EXPECT_FALSE(self->result.known);
	EXPECT_TRUE(says(self, "did not answer within 0.7 s ("));
	EXPECT_TRUE(says(self, ".lease: waiting until record 1 is on the storage)"));
	EXPECT_TRUE(says(self, "is not known until it can be read"));
	/* Its lock goes with it. */
	self->request.limit_ms = 20000;
	self->request.action = VMIG_LEASE_READ;
	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	EXPECT_EQ(VMIG_LEASE_DONE, self->result.status);
	reap(self);
	EXPECT_EQ(3, self->answers);
}

TEST_F(op, abandon)
{
	start_hanging(_metadata, self, 20000);
	sd_event_run(self->event, 50000);
	vmig_lease_abandon(self->op);
	vmig_lease_abandon(NULL);
	reap(self);
	EXPECT_EQ(0, self->answers);
}

TEST_F(op, helper_dies)
{
	fault_set(FAULT_KILL, 1, 0);
	ASSERT_TRUE(start(self));
	ASSERT_NE(0, wait_answer(self, 10000));
	EXPECT_EQ(VMIG_LEASE_IO_ERROR, self->result.status);
	EXPECT_TRUE(self->result.unsure);
	EXPECT_TRUE(says(self, "lease of VM web1: the process that worked on it ended early (signal 9)"));
}

/* A connection that the daemon closes is closed, whatever the storage does. */
TEST_F(op, no_descriptors)
{
	struct pollfd hung_up = { .events = POLLIN };
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	start_hanging(_metadata, self, 5000);
	close(ends[1]);
	hung_up.fd = ends[0];
	EXPECT_EQ(1, poll(&hung_up, 1, 4000));
	EXPECT_EQ(0, self->answers);
	vmig_lease_abandon(self->op);
	reap(self);
	close(ends[0]);
}

TEST_HARNESS_MAIN

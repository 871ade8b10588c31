// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_disk.h"
#include "storage/pr_disk.h"

struct fake_disk *fake_disks;
__thread struct fake_node fake_node;

static struct fake_disk *fake(struct vmig_pr_disk *disk)
{
	return &fake_disks[disk->path[strlen(disk->path) - 1] - '0'];
}

int vmig_pr_open(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	(void)job;
	disk->fd = 0;
	return 0;
}

void vmig_pr_close(struct vmig_pr_disk *disk)
{
	(void)disk;
}

int vmig_pr_check(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	(void)job;
	(void)disk;
	return 0;
}

static int say_failed(struct vmig_lease_job *job)
{
	return vmig_lease_say(job, VMIG_LEASE_IO_ERROR, "the fault");
}

static bool is_struck(enum fake_fault fault)
{
	return fake_node.fault == fault &&
	       fake_node.commands == fake_node.fault_at;
}

static void begin_command(void)
{
	if (fake_node.turn)
		sem_wait(fake_node.turn);
	fake_node.commands++;
	if (is_struck(FAKE_DIE_BEFORE))
		_exit(9);
}

static void end_command(void)
{
	if (is_struck(FAKE_DIE_AFTER))
		_exit(9);
	if (fake_node.done)
		sem_post(fake_node.done);
}

int vmig_pr_read(struct vmig_lease_job *job, struct vmig_pr_disk *disk)
{
	struct fake_disk *d = fake(disk);
	unsigned int i;

	begin_command();
	disk->generation = d->generation;
	disk->holder = d->holder < 0 ? 0 : d->keys[d->holder];
	disk->type = VMIG_PR_WRITE_EXCLUSIVE;
	for (disk->nkeys = 0, i = 0; i < FAKE_NEXUSES; i++)
		disk->nkeys += !!d->keys[i];
	end_command();
	if (is_struck(FAKE_FAIL_BEFORE) || is_struck(FAKE_FAIL_AFTER))
		return say_failed(job);
	return 0;
}

static int preempt(struct fake_disk *d, uint64_t other)
{
	bool found = false, held;
	int i;

	held = d->holder >= 0 && d->keys[d->holder] == other;
	for (i = 0; i < FAKE_NEXUSES; i++) {
		if (d->keys[i] != other)
			continue;
		found = true;
		if (i != fake_node.nexus)
			d->keys[i] = 0;
	}
	if (held)
		d->holder = fake_node.nexus;
	return !found;
}

/* 1 is a conflict; LIO has an error of its own for CLEAR. */
static int carry_out(struct fake_disk *d, enum vmig_pr_action action,
		     uint64_t key, uint64_t other)
{
	uint64_t mine = d->keys[fake_node.nexus];

	if (action != VMIG_PR_REGISTER_AND_IGNORE && mine != key)
		return action == VMIG_PR_CLEAR && !mine ? -1 : 1;
	switch (action) {
	case VMIG_PR_REGISTER:
	case VMIG_PR_REGISTER_AND_IGNORE:
		d->keys[fake_node.nexus] = other;
		if (!other && d->holder == fake_node.nexus)
			d->holder = -1;
		return 0;
	case VMIG_PR_RESERVE:
		if (d->holder >= 0 && d->holder != fake_node.nexus)
			return 1;
		d->holder = fake_node.nexus;
		return 0;
	case VMIG_PR_CLEAR:
		memset(d->keys, 0, sizeof(d->keys));
		d->holder = -1;
		return 0;
	case VMIG_PR_PREEMPT:
		return preempt(d, other);
	}
	abort();
}

int vmig_pr_out(struct vmig_lease_job *job, struct vmig_pr_disk *disk,
		enum vmig_pr_action action, uint64_t key, uint64_t other)
{
	struct fake_disk *d = fake(disk);
	int ret = 0;

	begin_command();
	if (!is_struck(FAKE_FAIL_BEFORE)) {
		ret = carry_out(d, action, key, other);
		d->generation += !ret;
	}
	end_command();
	if (ret < 0 || is_struck(FAKE_FAIL_BEFORE) ||
	    is_struck(FAKE_FAIL_AFTER))
		return say_failed(job);
	return ret;
}

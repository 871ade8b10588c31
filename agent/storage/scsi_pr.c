// SPDX-License-Identifier: GPL-2.0
/*
 * A lease as persistent reservations on the disks of a VM.
 *
 * The type is Write Exclusive: the node whose key holds the reservation writes,
 * all others read. The destination can therefore open the disks and register
 * while the source still runs; with Registrants Only it could write from then
 * on. PREEMPT with the source's key moves the reservation and removes the key
 * in one step of the disk, and fails if that key is not there any more: it is
 * the compare-and-swap, and fences the source, at once.
 *
 * Several disks: the first one decides. In order,
 *
 *	1. all keys are registered, which changes nothing for anybody;
 *	2. the first disk's reservation changes hands: the commit;
 *	3. the others follow. Their old holder may write to them until then, but
 *	   its VM is stopped or dead, and the new one does not start before.
 *
 * A crash before 2 leaves registrations, which the next one overwrites and the
 * release removes. After 2 it leaves disks with an older key of the same VM;
 * only the first one's holder may move them, and whoever repeats the request
 * does. To release goes the other way, the first disk last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pr_disk.h"

#define OTHERS_TRIES	3

struct pr_set {
	struct vmig_lease_job *job;
	unsigned int n;
	struct vmig_pr_disk disks[VMIG_LEASE_DISKS_MAX];
	char where[512];
};

/* Which node's key; one that is in no configuration still gets a name. */
static void name_holder(const struct vmig_lease_request *request, uint64_t key,
			char holder[VMIG_NAME_MAX + 1])
{
	uint16_t tag = vmig_pr_key_node(key);
	unsigned int i;

	snprintf(holder, VMIG_NAME_MAX + 1, "unknown-%04x", tag);
	for (i = 0; i < request->nnodes; i++)
		if (vmig_pr_tag(request->nodes[i]) == tag)
			snprintf(holder, VMIG_NAME_MAX + 1, "%s",
				 request->nodes[i]);
	if (vmig_pr_tag(request->node) == tag)
		snprintf(holder, VMIG_NAME_MAX + 1, "%s", request->node);
}

static void say_disk(struct pr_set *set, const struct vmig_pr_disk *disk)
{
	char holder[VMIG_NAME_MAX + 1];

	if (!disk->holder) {
		vmig_lease_evidence(set->job, "%s: not reserved; %u keys, generation %u",
				    disk->path, disk->nkeys, disk->generation);
		return;
	}
	name_holder(set->job->request, disk->holder, holder);
	vmig_lease_evidence(set->job, "%s: reserved with key 0x%016llx (node %s, epoch %u), type %u; %u keys, generation %u",
			    disk->path, (unsigned long long)disk->holder,
			    holder, vmig_pr_key_epoch(disk->holder), disk->type,
			    disk->nkeys, disk->generation);
}

/* A reservation that no request of ours for this VM has made. */
static int check_foreign(struct pr_set *set, const struct vmig_pr_disk *disk)
{
	const char *vm = set->job->request->vm;

	if (!disk->holder)
		return 0;
	if (vmig_pr_key_vm(disk->holder) != vmig_pr_tag(vm) ||
	    disk->type != VMIG_PR_WRITE_EXCLUSIVE)
		return vmig_lease_say(set->job, VMIG_LEASE_FOREIGN,
				      "lease of VM %s: disk %s is reserved for another VM or by other software (key 0x%016llx, type %u): nothing was changed; see sg_persist -r %s",
				      vm, disk->path,
				      (unsigned long long)disk->holder,
				      disk->type, disk->path);
	return 0;
}

static int read_all(struct pr_set *set)
{
	unsigned int i;

	set->job->result->evidence[0] = '\0';
	for (i = 0; i < set->n; i++) {
		if (vmig_pr_read(set->job, &set->disks[i]))
			return -1;
		say_disk(set, &set->disks[i]);
	}
	for (i = 0; i < set->n; i++)
		if (check_foreign(set, &set->disks[i]))
			return -1;
	return 0;
}

/*
 * The lease is what the first disk says. If that is free and another is not, a
 * release did not end, or the list of disks has changed: its holder counts.
 */
static void find_record(struct pr_set *set, struct vmig_lease_record *now)
{
	struct vmig_lease_result *result = set->job->result;
	uint64_t key = 0;
	unsigned int i;

	memset(now, 0, sizeof(*now));
	for (i = 0; i < set->n && !key; i++) {
		key = set->disks[i].holder;
		snprintf(set->where, sizeof(set->where), "%s",
			 set->disks[key ? i : 0].path);
	}
	if (key) {
		name_holder(set->job->request, key, now->holder);
		now->epoch = vmig_pr_key_epoch(key);
	}
	result->complete = true;
	for (i = 0; i < set->n; i++)
		result->complete &= set->disks[i].holder == key;
	result->record = *now;
	result->known = true;
}

/*
 * A free disk remembers no epoch. Starting from the clock keeps a handoff that
 * is late by more than one life of the VM from finding the epoch it expects.
 */
static int choose_epoch(struct pr_set *set, const struct vmig_lease_record *now,
			struct vmig_lease_record *next)
{
	if (!*now->holder && *next->holder)
		next->epoch = (uint32_t)time(NULL);
	if (next->epoch > UINT32_MAX)
		return vmig_lease_say(set->job, VMIG_LEASE_MALFORMED,
				      "lease of VM %s: the epoch in %s is at its end: stop the VM, and start it again",
				      set->job->request->vm, set->where);
	return 0;
}

/* Keys of holders are changed in place, later: that is the change. */
static int register_all(struct pr_set *set, uint64_t key)
{
	uint16_t self = vmig_pr_key_node(key);
	unsigned int i;
	int ret;

	for (i = 0; i < set->n; i++) {
		struct vmig_pr_disk *disk = &set->disks[i];

		if (disk->holder && vmig_pr_key_node(disk->holder) == self)
			continue;
		ret = vmig_pr_out(set->job, disk, VMIG_PR_REGISTER_AND_IGNORE,
				  0, key);
		if (ret > 0)
			vmig_lease_say(set->job, VMIG_LEASE_IO_ERROR,
				       "lease of VM %s: disk %s refuses a registration (RESERVATION CONFLICT)",
				       set->job->request->vm, disk->path);
		if (ret)
			return -1;
	}
	return 0;
}

/* A key that stays behind after all gives no right to write. */
static void unregister_all(struct pr_set *set, uint64_t key)
{
	struct vmig_lease_result kept = *set->job->result;
	unsigned int i;

	for (i = 0; i < set->n; i++)
		if (set->disks[i].holder != key)
			vmig_pr_out(set->job, &set->disks[i], VMIG_PR_REGISTER,
				    key, 0);
	*set->job->result = kept;
}

/* Return: 0, 1 if the disk is not as it was read, or -1. */
static int take_disk(struct pr_set *set, struct vmig_pr_disk *disk,
		     uint64_t key)
{
	int ret;

	if (disk->holder == key)
		return 0;
	if (!disk->holder)
		return vmig_pr_out(set->job, disk, VMIG_PR_RESERVE, key, 0);
	if (vmig_pr_key_node(disk->holder) == vmig_pr_key_node(key)) {
		ret = vmig_pr_out(set->job, disk, VMIG_PR_REGISTER,
				  disk->holder, key);
		if (ret <= 0)
			return ret;
		/* To the disk a new session is somebody else. */
		ret = vmig_pr_out(set->job, disk, VMIG_PR_REGISTER_AND_IGNORE,
				  0, key);
		if (ret)
			return ret;
	}
	return vmig_pr_out(set->job, disk, VMIG_PR_PREEMPT, key, disk->holder);
}

/* The answer to a change may be lost, or wrong: the disk knows. */
static int take_and_look(struct pr_set *set, struct vmig_pr_disk *disk,
			 uint64_t key)
{
	struct vmig_lease_result *result = set->job->result;
	struct vmig_lease_result said;
	int ret = take_disk(set, disk, key);

	said = *result;
	if (vmig_pr_read(set->job, disk)) {
		if (ret < 0)
			*result = said;
		result->unsure = true;
		result->known = false;
		return -1;
	}
	if (disk->holder == key)
		return 0;
	if (ret < 0) {
		*result = said;
		return -1;
	}
	return 1;
}

/* The first disk was not what it had been a moment ago. */
static void lose(struct pr_set *set, uint64_t key)
{
	struct vmig_lease_record now, next;

	unregister_all(set, key);
	if (read_all(set))
		return;
	find_record(set, &now);
	if (vmig_lease_decide(set->job, set->where, &now, &next) >= 0)
		vmig_lease_say(set->job, VMIG_LEASE_CHANGED,
			       "lease of VM %s: disk %s was reserved and released while it was asked for: try again",
			       set->job->request->vm, set->where);
}

/*
 * A disk that follows the first one. Who lost that one may at this moment be
 * moving or freeing it, and our registration with it, but not for ever.
 */
static int take_other(struct pr_set *set, struct vmig_pr_disk *disk,
		      uint64_t key)
{
	unsigned int tries;
	int ret;

	for (tries = 0; tries < OTHERS_TRIES; tries++) {
		ret = take_and_look(set, disk, key);
		if (ret <= 0)
			return ret;
		if (check_foreign(set, disk))
			return -1;
		ret = vmig_pr_out(set->job, disk, VMIG_PR_REGISTER_AND_IGNORE,
				  0, key);
		if (ret < 0)
			return ret;
	}
	return vmig_lease_say(set->job, VMIG_LEASE_CHANGED,
			      "lease of VM %s: disk %s is being reserved by somebody else (key 0x%016llx)",
			      set->job->request->vm, disk->path,
			      (unsigned long long)disk->holder);
}

static int take_others(struct pr_set *set, uint64_t key)
{
	unsigned int i;

	for (i = 1; i < set->n; i++)
		if (take_other(set, &set->disks[i], key))
			return -1;
	return 0;
}

/*
 * Free a disk that this node holds with @key, or that has been left behind with
 * an older one. CLEAR takes any registered key and would free the disk of
 * somebody who came in between, so only a key which nobody can have preempted
 * is used for it: the holder's, or a new one that has just preempted it.
 *
 * Return: 0, 1 if the disk is not as it was read, or -1.
 */
static int clear_disk(struct pr_set *set, struct vmig_pr_disk *disk,
		      uint64_t key)
{
	const struct vmig_lease_request *request = set->job->request;
	uint64_t next = vmig_pr_key(request->vm, request->node,
				    vmig_pr_key_epoch(key) + 1);
	uint64_t held = disk->holder;
	struct vmig_lease_result said;
	int ret;

	if (held == key &&
	    !vmig_pr_out(set->job, disk, VMIG_PR_CLEAR, key, 0))
		return 0;
	/* Who is not registered is told that by one error or another. */
	if (vmig_pr_read(set->job, disk))
		return -1;
	if (!disk->holder || disk->holder != held)
		return !!disk->holder;
	ret = vmig_pr_out(set->job, disk, VMIG_PR_REGISTER_AND_IGNORE, 0,
			  next) ?:
	      vmig_pr_out(set->job, disk, VMIG_PR_PREEMPT, next, held) ?:
	      vmig_pr_out(set->job, disk, VMIG_PR_CLEAR, next, 0);
	if (!ret)
		return 0;
	said = *set->job->result;
	if (ret > 0)
		vmig_pr_out(set->job, disk, VMIG_PR_REGISTER, next, 0);
	else if (!vmig_pr_read(set->job, disk) && !disk->holder)
		return 0;
	*set->job->result = said;
	return ret;
}

/*
 * What was free is given back if it cannot be had as a whole. What somebody
 * held is not: the first disk has changed hands, which cannot be undone.
 */
static void give_back(struct pr_set *set, uint64_t key, bool was_free)
{
	struct vmig_lease_result *result = set->job->result, kept;
	unsigned int i;
	int ret = 0;

	result->complete = false;
	if (!was_free) {
		result->unsure = true;
		return;
	}
	kept = *result;
	for (i = set->n; i-- > 0 && !ret;)
		if (set->disks[i].holder == key)
			ret = clear_disk(set, &set->disks[i], key);
	*result = kept;
	result->unsure = ret;
	result->known = !ret;
	memset(&result->record, 0, sizeof(result->record));
	unregister_all(set, key);
}

static void take(struct pr_set *set, const struct vmig_lease_record *now,
		 const struct vmig_lease_record *next)
{
	const struct vmig_lease_request *request = set->job->request;
	struct vmig_lease_result *result = set->job->result;
	uint64_t key = vmig_pr_key(request->vm, request->node,
				   (uint32_t)next->epoch);
	struct vmig_lease_record found;
	int ret;

	if (register_all(set, key))
		goto err_unregister;
	ret = take_and_look(set, &set->disks[0], key);
	if (ret > 0) {
		lose(set, key);
		return;
	}
	if (ret)
		goto err_unregister;
	result->record = *next;
	if (take_others(set, key)) {
		give_back(set, key, !*now->holder);
		return;
	}
	if (read_all(set)) {
		result->unsure = true;
		return;
	}
	find_record(set, &found);
	if (set->disks[0].holder != key) {
		lose(set, key);
		return;
	}
	if (result->complete) {
		result->status = VMIG_LEASE_DONE;
		return;
	}
	result->unsure = true;
	vmig_lease_say(set->job, VMIG_LEASE_CHANGED,
		       "lease of VM %s: its disks were reserved by somebody else at this moment: try again",
		       request->vm);
	return;

err_unregister:
	if (!result->unsure)
		unregister_all(set, key);
}

/* The first disk last: while it is reserved, nobody else acquires any. */
static void release(struct pr_set *set, const struct vmig_lease_record *now)
{
	const struct vmig_lease_request *request = set->job->request;
	struct vmig_lease_result *result = set->job->result;
	uint64_t key = vmig_pr_key(request->vm, request->node,
				   (uint32_t)now->epoch);
	struct vmig_lease_record left;
	unsigned int i;
	int ret = 0;

	for (i = set->n; i-- > 0 && !ret;) {
		/* Somebody was faster than the reading of all disks. */
		if (vmig_pr_key_epoch(set->disks[i].holder) > now->epoch)
			ret = 1;
		else if (set->disks[i].holder)
			ret = clear_disk(set, &set->disks[i], key);
	}
	if (ret > 0) {
		lose(set, key);
		return;
	}
	if (ret || read_all(set)) {
		result->unsure = true;
		result->known = false;
		result->complete = false;
		return;
	}
	find_record(set, &left);
	result->status = VMIG_LEASE_DONE;
}

static void run_opened(struct pr_set *set)
{
	enum vmig_lease_action action = set->job->request->action;
	struct vmig_lease_record now, next;
	unsigned int i;
	int todo;

	for (i = 0; action != VMIG_LEASE_READ && i < set->n; i++)
		if (vmig_pr_check(set->job, &set->disks[i]))
			return;
	if (read_all(set))
		return;
	find_record(set, &now);
	if (action == VMIG_LEASE_READ) {
		set->job->result->status = VMIG_LEASE_DONE;
		return;
	}
	todo = vmig_lease_decide(set->job, set->where, &now, &next);
	if (todo < 0)
		return;
	if (todo && action == VMIG_LEASE_RELEASE)
		release(set, &now);
	else if (todo && choose_epoch(set, &now, &next))
		return;
	else if (todo || !set->job->result->complete)
		take(set, &now, &next);
	else
		set->job->result->status = VMIG_LEASE_DONE;
}

void vmig_scsi_pr_run(struct vmig_lease_job *job)
{
	struct pr_set *set = calloc(1, sizeof(*set));
	unsigned int i;

	if (!set) {
		vmig_lease_say(job, VMIG_LEASE_IO_ERROR, "out of memory");
		return;
	}
	set->job = job;
	for (i = 0; i < job->request->npaths; i++) {
		set->disks[i].path = job->request->paths[i];
		if (vmig_pr_open(job, &set->disks[i]))
			break;
		set->n++;
	}
	if (set->n == job->request->npaths)
		run_opened(set);
	for (i = 0; i < set->n; i++)
		vmig_pr_close(&set->disks[i]);
	free(set);
}

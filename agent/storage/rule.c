// SPDX-License-Identifier: GPL-2.0
/*
 * Who may change a lease into what, without a look at where it is kept.
 *
 *	action		asks for		the lease becomes
 *	READ		-			what it is
 *	ACQUIRE		nobody or this node	this node, epoch + 1
 *	HANDOFF		{holder, epoch}		this node, epoch + 1
 *	KEEP		{this node, epoch}	this node, epoch + 1
 *	RELEASE		{this node, epoch}	nobody, epoch + 1
 *	TAKE_OVER	{holder, epoch}		this node, epoch + 1
 *
 * What is based on an expectation may be repeated: a lease that is what the
 * change would have made of it is not changed again. Only this node asks on its
 * own behalf, so that it can only have been itself.
 */
#include <string.h>

#include "../keyfile.h"
#include "job.h"

static const char *holder_name(const struct vmig_lease_record *record)
{
	return *record->holder ? record->holder : "nobody";
}

static bool is_same(const struct vmig_lease_record *a,
		    const struct vmig_lease_record *b)
{
	return a->epoch == b->epoch && !strcmp(a->holder, b->holder);
}

static int say_held(struct vmig_lease_job *job, const char *where,
		    const struct vmig_lease_record *now)
{
	const char *vm = job->request->vm;

	return vmig_lease_say(job, VMIG_LEASE_HELD,
			      "node %s holds the lease of VM %s (epoch %llu, in %s): start it there, or stop it there first; if that node is dead for certain: vmig-agent vm recover %s --fence-confirmed",
			      now->holder, vm, (unsigned long long)now->epoch,
			      where, vm);
}

static int say_changed(struct vmig_lease_job *job, const char *where,
		       const struct vmig_lease_record *now)
{
	const struct vmig_lease_request *request = job->request;

	return vmig_lease_say(job, VMIG_LEASE_CHANGED,
			      "the lease of VM %s in %s is that of %s (epoch %llu), not that of %s (epoch %llu) any more: another migration or a recovery was first, and nothing was changed; see where it runs with: vmig-agent vm show %s",
			      request->vm, where, holder_name(now),
			      (unsigned long long)now->epoch,
			      holder_name(&request->expect),
			      (unsigned long long)request->expect.epoch,
			      request->vm);
}

static int decide_swap(struct vmig_lease_job *job, const char *where,
		       const struct vmig_lease_record *now,
		       struct vmig_lease_record *next)
{
	struct vmig_lease_record wanted;

	if (is_same(now, &job->request->expect))
		return 1;
	strcpy(wanted.holder, job->request->node);
	wanted.epoch = job->request->expect.epoch + 1;
	if (is_same(now, &wanted)) {
		*next = *now;
		return 0;
	}
	return say_changed(job, where, now);
}

static int decide_release(struct vmig_lease_job *job, const char *where,
			  const struct vmig_lease_record *now,
			  struct vmig_lease_record *next)
{
	if (!*now->holder) {
		*next = *now;
		return 0;
	}
	if (!is_same(now, &job->request->expect))
		return say_changed(job, where, now);
	*next->holder = '\0';
	return 1;
}

int vmig_lease_decide(struct vmig_lease_job *job, const char *where,
		      const struct vmig_lease_record *now,
		      struct vmig_lease_record *next)
{
	const char *node = job->request->node;

	*next = *now;
	if (job->request->action == VMIG_LEASE_READ)
		return 0;
	strcpy(next->holder, node);
	next->epoch = now->epoch + 1;
	if (!next->epoch)
		return vmig_lease_say(job, VMIG_LEASE_MALFORMED,
				      "the epoch of the lease of VM %s in %s cannot be counted on: it is %llu",
				      job->request->vm, where,
				      (unsigned long long)now->epoch);
	switch (job->request->action) {
	case VMIG_LEASE_ACQUIRE:
		if (*now->holder && strcmp(now->holder, node))
			return say_held(job, where, now);
		return 1;
	case VMIG_LEASE_RELEASE:
		return decide_release(job, where, now, next);
	default:
		return decide_swap(job, where, now, next);
	}
}

static int check_names(struct vmig_lease_job *job)
{
	const struct vmig_lease_request *request = job->request;
	struct vmig_err why;

	if (vmig_name_check("VM", request->vm, &why) ||
	    vmig_name_check("node", request->node, &why))
		return vmig_lease_say(job, VMIG_LEASE_INVALID, "%s", why.text);
	return 0;
}

/* Expectations that cannot be meant. */
static int check_expect(struct vmig_lease_job *job)
{
	const struct vmig_lease_request *request = job->request;
	const char *expected = request->expect.holder;

	switch (request->action) {
	case VMIG_LEASE_READ:
	case VMIG_LEASE_ACQUIRE:
		return 0;
	case VMIG_LEASE_HANDOFF:
		break;
	case VMIG_LEASE_KEEP:
	case VMIG_LEASE_RELEASE:
		if (strcmp(expected, request->node))
			return vmig_lease_say(job, VMIG_LEASE_INVALID,
					      "node %s cannot keep or release the lease of VM %s for %s",
					      request->node, request->vm,
					      holder_name(&request->expect));
		break;
	case VMIG_LEASE_TAKE_OVER:
		if (!request->fence_confirmed)
			return vmig_lease_say(job, VMIG_LEASE_INVALID,
					      "the lease of VM %s is taken from node %s only if that node is dead for certain (power it off): vmig-agent vm recover %s --fence-confirmed",
					      request->vm,
					      holder_name(&request->expect),
					      request->vm);
		break;
	default:
		return vmig_lease_say(job, VMIG_LEASE_INVALID,
				      "there is no action %d on a lease",
				      request->action);
	}
	/* One without a lease has nobody to expect. */
	if (!*expected && request->kind != VMIG_LEASE_NONE)
		return vmig_lease_say(job, VMIG_LEASE_INVALID,
				      "nobody holds the lease of VM %s to take it from: acquire it",
				      request->vm);
	return 0;
}

int vmig_lease_check(struct vmig_lease_job *job)
{
	const struct vmig_lease_request *request = job->request;

	if (check_names(job) || check_expect(job))
		return -1;
	if (request->kind != VMIG_LEASE_NONE &&
	    (!request->npaths || request->npaths > VMIG_LEASE_DISKS_MAX))
		return vmig_lease_say(job, VMIG_LEASE_INVALID,
				      "VM %s has %u disks, and a lease is kept with 1 to %d: set lease = none if none of them is shared",
				      request->vm, request->npaths,
				      VMIG_LEASE_DISKS_MAX);
	return 0;
}

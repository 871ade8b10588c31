/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of this folder share: one request while it is worked on. */
#ifndef VMIG_LEASE_JOB_H
#define VMIG_LEASE_JOB_H

#include <stdatomic.h>

#include "lease.h"

/*
 * Memory that a helper process shares with the daemon, which reads @doing while
 * the helper hangs: one text is complete while the other one is written.
 */
struct vmig_lease_shared {
	struct vmig_lease_result result;
	atomic_bool done;		/* @result is complete */
	atomic_uint turn;		/* doing[turn % 2] is complete */
	char doing[2][512];
};

struct vmig_lease_job {
	const struct vmig_lease_request *request;
	struct vmig_lease_result *result;
	struct vmig_lease_shared *shared;	/* NULL: nobody watches */
	uint64_t lock_until;			/* ms, CLOCK_MONOTONIC */
};

/* Returns -1, for the caller to return it. */
int vmig_lease_say(struct vmig_lease_job *job, enum vmig_lease_status status,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Before every step that may hang. */
void vmig_lease_doing(struct vmig_lease_job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* One more line for the operator. */
void vmig_lease_evidence(struct vmig_lease_job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Wait a moment for a lock. False once it takes too long. */
bool vmig_lease_lock_wait(struct vmig_lease_job *job, unsigned int *tries);

/*
 * What the rules say about @now, found at @where (rule.c).
 * Return: 1 if the lease becomes @next, 0 if it is already what was asked for,
 * -1 if it is refused and the result says so.
 */
int vmig_lease_decide(struct vmig_lease_job *job, const char *where,
		      const struct vmig_lease_record *now,
		      struct vmig_lease_record *next);
/* Return: 0, or -1 if the request makes no sense and the result says so. */
int vmig_lease_check(struct vmig_lease_job *job);

/* vmig_lease_run(), watched. */
void vmig_lease_job_run(struct vmig_lease_job *job);
/* The kinds; each fills in the result. */
void vmig_lease_file_run(struct vmig_lease_job *job);
void vmig_scsi_pr_run(struct vmig_lease_job *job);

#endif /* VMIG_LEASE_JOB_H */

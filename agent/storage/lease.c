// SPDX-License-Identifier: GPL-2.0
/* Leases: what all kinds have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "job.h"

static const char * const status_names[] = {
	[VMIG_LEASE_DONE] = "done",
	[VMIG_LEASE_HELD] = "held",
	[VMIG_LEASE_CHANGED] = "changed",
	[VMIG_LEASE_FOREIGN] = "foreign",
	[VMIG_LEASE_MALFORMED] = "malformed",
	[VMIG_LEASE_TIMEOUT] = "timeout",
	[VMIG_LEASE_IO_ERROR] = "io-error",
	[VMIG_LEASE_INVALID] = "invalid",
};

static const char * const kind_names[] = {
	[VMIG_LEASE_NONE] = "none",
	[VMIG_LEASE_FILE] = "lease-file",
	[VMIG_LEASE_SCSI_PR] = "scsi-pr",
};

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

const char *vmig_lease_status_name(enum vmig_lease_status status)
{
	if (status < VMIG_LEASE_DONE || status >= COUNT(status_names))
		return "?";
	return status_names[status];
}

bool vmig_lease_kind_parse(const char *text, enum vmig_lease_kind *kind)
{
	unsigned int i;

	for (i = 0; i < COUNT(kind_names); i++) {
		if (!strcmp(text, kind_names[i])) {
			*kind = i;
			return true;
		}
	}
	return false;
}

int vmig_lease_say(struct vmig_lease_job *job, enum vmig_lease_status status,
		   const char *fmt, ...)
{
	struct vmig_lease_result *result = job->result;
	va_list args;

	result->status = status;
	va_start(args, fmt);
	vsnprintf(result->err.text, sizeof(result->err.text), fmt, args);
	va_end(args);
	return -1;
}

void vmig_lease_doing(struct vmig_lease_job *job, const char *fmt, ...)
{
	struct vmig_lease_shared *shared = job->shared;
	unsigned int turn;
	va_list args;

	if (!shared)
		return;
	turn = atomic_load(&shared->turn) + 1;
	va_start(args, fmt);
	vsnprintf(shared->doing[turn % 2], sizeof(shared->doing[0]), fmt, args);
	va_end(args);
	atomic_store(&shared->turn, turn);
}

void vmig_lease_evidence(struct vmig_lease_job *job, const char *fmt, ...)
{
	char *text = job->result->evidence;
	size_t size = sizeof(job->result->evidence), len = strlen(text);
	va_list args;

	if (len && len + 1 < size) {
		text[len++] = '\n';
		text[len] = '\0';
	}
	va_start(args, fmt);
	vsnprintf(text + len, size - len, fmt, args);
	va_end(args);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * No event tells that another host let go of a lock. A waiting lock would be
 * one here, but between hosts its poll grows to half a minute in NFS.
 */
bool vmig_lease_lock_wait(struct vmig_lease_job *job, unsigned int *tries)
{
	unsigned int ms = *tries < 5 ? 1u << *tries : 32;
	struct timespec pause = { .tv_nsec = ms * 1000000 };

	if (now_ms() >= job->lock_until)
		return false;
	(*tries)++;
	nanosleep(&pause, NULL);
	return true;
}

static void run_none(struct vmig_lease_job *job)
{
	const struct vmig_lease_request *request = job->request;
	struct vmig_lease_result *result = job->result;

	result->status = VMIG_LEASE_DONE;
	result->known = true;
	result->complete = true;
	result->record = request->expect;
	if (request->action != VMIG_LEASE_READ &&
	    request->action != VMIG_LEASE_RELEASE)
		strcpy(result->record.holder, request->node);
	vmig_lease_evidence(job, "VM %s has no lease: nothing keeps two nodes from running it",
			    request->vm);
}

void vmig_lease_job_run(struct vmig_lease_job *job)
{
	memset(job->result, 0, sizeof(*job->result));
	/* Half the time for others' work, the other half for ours. */
	job->lock_until = now_ms() + job->request->limit_ms / 2;
	if (vmig_lease_check(job))
		return;
	if (job->request->kind == VMIG_LEASE_FILE)
		vmig_lease_file_run(job);
	else if (job->request->kind == VMIG_LEASE_SCSI_PR)
		vmig_scsi_pr_run(job);
	else
		run_none(job);
	/* What went wrong on the way there is of no interest. */
	if (job->result->status == VMIG_LEASE_DONE)
		job->result->err.text[0] = '\0';
}

void vmig_lease_run(const struct vmig_lease_request *request,
		    struct vmig_lease_result *result)
{
	struct vmig_lease_job job = { .request = request, .result = result };

	vmig_lease_job_run(&job);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Leases for a daemon that must not block.
 *
 * Storage that is gone holds up whoever touches it, unkillably and for minutes.
 * Therefore each request has a process of its own, not a thread: a thread in
 * that state keeps its process from ending, and the agent could not even be
 * restarted. The result is left in memory that both share. A process that is
 * late is killed and, once it really ends, reaped without anybody waiting for
 * it; until then it keeps the lock under which it works, so that the next
 * request on this node or another does not overtake it.
 *
 * The helper is a fork without exec: it closes all descriptors, or it would
 * keep connections of the daemon open for as long as the storage is gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "job.h"

struct vmig_lease_op {
	struct vmig_lease_shared *shared;
	sd_event_source *io;		/* the helper has ended */
	sd_event_source *timer;
	int pidfd;
	vmig_lease_fn fn;		/* NULL once called or abandoned */
	void *arg;
	bool changes;			/* anything but READ */
	unsigned int limit_ms;
	char vm[VMIG_NAME_MAX + 1];
};

static void free_op(struct vmig_lease_op *op)
{
	sd_event_source_disable_unref(op->io);
	sd_event_source_disable_unref(op->timer);
	if (op->pidfd >= 0)
		close(op->pidfd);
	if (op->shared != MAP_FAILED)
		munmap(op->shared, sizeof(*op->shared));
	free(op);
}

static void run_helper(const struct vmig_lease_request *request,
		       struct vmig_lease_shared *shared, pid_t parent)
{
	struct vmig_lease_job job = {
		.request = request,
		.result = &shared->result,
		.shared = shared,
	};
	sigset_t none;

	/* What a daemon that died had asked for, its successor may not expect. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	vmig_lease_job_run(&job);
	atomic_store(&shared->done, true);
	_exit(0);
}

/* The callback may do anything, also start the next one. */
static void answer(struct vmig_lease_op *op,
		   const struct vmig_lease_result *result)
{
	vmig_lease_fn fn = op->fn;

	op->fn = NULL;
	if (fn)
		fn(op->arg, result);
}

static void answer_failed(struct vmig_lease_op *op,
			  enum vmig_lease_status status, const char *text)
{
	struct vmig_lease_result *result = calloc(1, sizeof(*result));

	/* 6 KiB; without them nothing else works either. */
	if (!result)
		abort();
	result->status = status;
	result->unsure = op->changes;
	strcpy(result->err.text, text);
	answer(op, result);
	free(result);
}

static int on_exit_of_helper(sd_event_source *source, int fd, uint32_t revents,
			     void *arg)
{
	struct vmig_lease_op *op = arg;
	struct vmig_err err;
	siginfo_t info = { };

	(void)source;
	(void)revents;
	waitid(P_PIDFD, (id_t)fd, &info, WEXITED);
	if (atomic_load(&op->shared->done)) {
		answer(op, &op->shared->result);
	} else {
		vmig_err_set(&err, EIO,
			     "lease of VM %s: the process that worked on it ended early (%s %d)",
			     op->vm,
			     info.si_code == CLD_EXITED ? "status" : "signal",
			     info.si_status);
		answer_failed(op, VMIG_LEASE_IO_ERROR, err.text);
	}
	free_op(op);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vmig_lease_op *op = arg;
	struct vmig_lease_shared *shared = op->shared;
	unsigned int turn = atomic_load(&shared->turn) % 2;
	struct vmig_err err;

	(void)source;
	(void)usec;
	/* It is done, and only its end was not heard of yet. */
	if (atomic_load(&shared->done))
		return 0;
	pidfd_send_signal(op->pidfd, SIGKILL, NULL, 0);
	vmig_err_set(&err, ETIMEDOUT,
		     "lease of VM %s: the storage did not answer within %.1f s (%.*s): %slook at its network and at dmesg",
		     op->vm, op->limit_ms / 1000.,
		     (int)sizeof(shared->doing[0]) - 1, shared->doing[turn],
		     op->changes ? "whether the lease changed is not known until it can be read; " :
				   "");
	answer_failed(op, VMIG_LEASE_TIMEOUT, err.text);
	return 0;
}

static int watch(struct vmig_lease_op *op, sd_event *event)
{
	struct timespec now;
	int ret;

	/* Not the loop's copy, which may be older than a short limit. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	ret = sd_event_add_io(event, &op->io, op->pidfd, EPOLLIN,
			      on_exit_of_helper, op);
	if (ret >= 0)
		ret = sd_event_add_time(event, &op->timer, CLOCK_MONOTONIC,
					(uint64_t)now.tv_sec * 1000000 +
						(uint64_t)now.tv_nsec / 1000 +
						op->limit_ms * 1000ull,
					1000, on_limit, op);
	return ret;
}

int vmig_lease_start(sd_event *event, const struct vmig_lease_request *request,
		     vmig_lease_fn fn, void *arg, struct vmig_lease_op **op,
		     struct vmig_err *err)
{
	struct vmig_lease_op *new = calloc(1, sizeof(*new));
	pid_t parent = getpid(), pid;
	int ret;

	if (!new)
		return vmig_err_set(err, ENOMEM, "out of memory");
	new->pidfd = -1;
	new->fn = fn;
	new->arg = arg;
	new->changes = request->action != VMIG_LEASE_READ;
	new->limit_ms = request->limit_ms;
	strncpy(new->vm, request->vm, sizeof(new->vm) - 1);
	new->shared = mmap(NULL, sizeof(*new->shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (new->shared == MAP_FAILED) {
		ret = -errno;
		goto err_free;
	}
	pid = fork();
	if (!pid)
		run_helper(request, new->shared, parent);
	if (pid < 0) {
		ret = -errno;
		goto err_free;
	}
	new->pidfd = pidfd_open(pid, 0);
	ret = new->pidfd < 0 ? -errno : watch(new, event);
	if (ret < 0)
		goto err_kill;
	*op = new;
	return 0;

err_kill:
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
err_free:
	free_op(new);
	return vmig_err_set(err, -ret, "lease of VM %s: cannot start a process for it: %s",
			    request->vm, strerror(-ret));
}

void vmig_lease_abandon(struct vmig_lease_op *op)
{
	if (!op || !op->fn)
		return;
	op->fn = NULL;
	pidfd_send_signal(op->pidfd, SIGKILL, NULL, 0);
}

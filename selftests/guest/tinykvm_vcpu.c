// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU and its thread. KVM wants a vCPU to be run by one thread; the test's
 * own thread only waits, with a limit, and can get a vCPU out of the guest by a
 * signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tinykvm_private.h"

#define CPUID_ENTRIES	256

static void on_kick(int sig)
{
	(void)sig;	/* its arrival alone makes KVM_RUN return */
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static struct timespec in_ms(clockid_t clock, unsigned int ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000L;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000L;
	}
	return ts;
}

/* Run until the guest halts. */
static int run_to_halt(struct vcpu *v)
{
	struct kvm_regs regs;
	bool kicked;

	for (;;) {
		if (!ioctl(v->fd, KVM_RUN, 0)) {
			if (v->run->exit_reason == KVM_EXIT_HLT)
				return 0;
			break;
		}
		if (errno != EINTR && errno != EAGAIN) {
			snprintf(v->why, sizeof(v->why), "KVM_RUN: %s",
				 strerror(errno));
			return -errno;
		}
		pthread_mutex_lock(&v->lock);
		kicked = v->kicked;
		pthread_mutex_unlock(&v->lock);
		if (kicked)
			return -EINTR;
	}
	memset(&regs, 0, sizeof(regs));
	ioctl(v->fd, KVM_GET_REGS, &regs);
	snprintf(v->why, sizeof(v->why), "guest stopped at %#llx: exit reason %u",
		 (unsigned long long)regs.rip, v->run->exit_reason);
	return -EIO;
}

static int run_command(struct vcpu *v)
{
	uint64_t began;
	int err;

	if (ioctl(v->fd, KVM_SET_REGS, &v->regs))
		return -errno;
	began = now_us();
	err = run_to_halt(v);
	v->elapsed_us = now_us() - began;
	if (!err && ioctl(v->fd, KVM_GET_REGS, &v->regs))
		err = -errno;
	return err;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	int err;

	pthread_mutex_lock(&v->lock);
	while (v->state != VCPU_QUIT) {
		if (v->state != VCPU_RUNNING) {
			pthread_cond_wait(&v->changed, &v->lock);
			continue;
		}
		pthread_mutex_unlock(&v->lock);
		err = run_command(v);
		pthread_mutex_lock(&v->lock);
		v->err = err;
		if (v->state == VCPU_RUNNING)
			v->state = VCPU_IDLE;
		pthread_cond_broadcast(&v->changed);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

/* Protected mode, no paging, all segments flat: a GPA is an address. */
static int set_flat_mode(int fd)
{
	struct kvm_segment seg = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.ds = seg;
	sregs.es = seg;
	sregs.fs = seg;
	sregs.gs = seg;
	sregs.ss = seg;
	seg.selector = 0x08;
	seg.type = 11;
	sregs.cs = seg;
	sregs.cr0 |= 1;
	return ioctl(fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

static int set_cpuid(int kvm_fd, int fd)
{
	struct kvm_cpuid2 *cpuid;
	int err = 0;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) ||
	    ioctl(fd, KVM_SET_CPUID2, cpuid))
		err = -errno;
	free(cpuid);
	return err;
}

static int start_thread(struct vcpu *v)
{
	struct sigaction act = { .sa_handler = on_kick };
	pthread_condattr_t attr;
	int err;

	sigaction(SIGRTMIN, &act, NULL);
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->changed, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&v->thread, NULL, vcpu_thread, v);
	v->has_thread = !err;
	return -err;
}

/*
 * Make a vCPU with all features that KVM supports, ready for vcpu_start().
 * On failure vcpu_destroy() takes down what there is.
 */
int vcpu_create(struct vcpu *v, int kvm_fd, int vm_fd, unsigned int id)
{
	int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int err;

	if (size < 0)
		return -errno;
	v->fd = ioctl(vm_fd, KVM_CREATE_VCPU, id);
	if (v->fd < 0)
		return -errno;
	v->run_size = size;
	v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return -errno;
	}
	err = set_cpuid(kvm_fd, v->fd);
	if (!err)
		err = set_flat_mode(v->fd);
	return err ? err : start_thread(v);
}

/* Get the vCPU out of the guest and keep it out until the next start. */
static void kick(struct vcpu *v)
{
	v->kicked = true;
	v->run->immediate_exit = 1;
	pthread_kill(v->thread, SIGRTMIN);
}

/*
 * Return: 0, or -ETIMEDOUT if the thread is stuck in the kernel; then it and
 * what it uses must stay as they are.
 */
int vcpu_destroy(struct vcpu *v, unsigned int limit_ms)
{
	struct timespec until = in_ms(CLOCK_MONOTONIC, limit_ms);

	if (v->has_thread) {
		pthread_mutex_lock(&v->lock);
		v->state = VCPU_QUIT;
		kick(v);
		pthread_cond_broadcast(&v->changed);
		pthread_mutex_unlock(&v->lock);
		if (pthread_clockjoin_np(v->thread, NULL, CLOCK_MONOTONIC, &until))
			return -ETIMEDOUT;
		pthread_cond_destroy(&v->changed);
		pthread_mutex_destroy(&v->lock);
	}
	if (v->run)
		munmap(v->run, v->run_size);
	if (v->fd >= 0)
		close(v->fd);
	return 0;
}

bool vcpu_is_running(struct vcpu *v)
{
	bool running;

	pthread_mutex_lock(&v->lock);
	running = v->state == VCPU_RUNNING;
	pthread_mutex_unlock(&v->lock);
	return running;
}

/* Begin at @regs. The vCPU must not be running. */
void vcpu_start(struct vcpu *v, const struct kvm_regs *regs)
{
	pthread_mutex_lock(&v->lock);
	v->regs = *regs;
	v->err = 0;
	v->why[0] = '\0';
	v->kicked = false;
	v->run->immediate_exit = 0;
	v->state = VCPU_RUNNING;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
}

static bool wait_idle(struct vcpu *v, unsigned int limit_ms)
{
	struct timespec until = in_ms(CLOCK_MONOTONIC, limit_ms);
	int err = 0;

	while (v->state == VCPU_RUNNING && !err)
		err = pthread_cond_timedwait(&v->changed, &v->lock, &until);
	return v->state != VCPU_RUNNING;
}

/*
 * Wait for the command to end. When the time is up the vCPU is kicked out of
 * the guest, which ends the command half done.
 *
 * Return: what the command returned, or -ETIMEDOUT.
 */
int vcpu_wait(struct vcpu *v, unsigned int limit_ms)
{
	int err;

	pthread_mutex_lock(&v->lock);
	if (wait_idle(v, limit_ms)) {
		err = v->err;
	} else {
		err = -ETIMEDOUT;
		kick(v);
		snprintf(v->why, sizeof(v->why), "no end after %u ms%s", limit_ms,
			 wait_idle(v, 5000) ? "" : ", and stuck in the kernel");
	}
	pthread_mutex_unlock(&v->lock);
	return err;
}

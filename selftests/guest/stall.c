// SPDX-License-Identifier: GPL-2.0
/*
 * The stall sampler: a real-time thread that sleeps a fixed interval and looks
 * how late it woke. kvm-clock counts on while a guest is paused, so a migration's
 * blackout shows here as one long gap, together with everything else that kept
 * the guest from running (write faults, throttling, a busy host).
 *
 * A thread that spins on the clock would see the same gaps, but on a one-CPU
 * guest it starves the workload.
 *
 * Locking: lock protects seen.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "stall.h"

#define NOTABLE_US	10000
#define SEVERE_US	100000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stall seen;
static unsigned int interval;

uint64_t stall_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static void note_gap(uint64_t gap, uint64_t now)
{
	pthread_mutex_lock(&lock);
	if (gap > seen.recent_us)
		seen.recent_us = gap;
	if (gap > seen.longest_us) {
		seen.longest_us = gap;
		seen.longest_at_us = now;
	}
	if (gap >= NOTABLE_US)
		seen.total_us += gap;
	if (gap >= SEVERE_US)
		seen.over_100ms++;
	pthread_mutex_unlock(&lock);
}

static void *sample(void *unused)
{
	struct timespec ts = { .tv_nsec = interval * 1000L };
	uint64_t last = stall_now_us(), now;

	for (;;) {
		nanosleep(&ts, NULL);
		now = stall_now_us();
		if (now - last > interval)
			note_gap(now - last - interval, now);
		last = now;
	}
	return unused;
}

/**
 * stall_start() - Start the sampler, once.
 * @interval_us: how often to look; every look is a timer interrupt, which costs
 *               an emulated host some 1 ms of CPU
 *
 * Return: 0 or a negative errno.
 */
int stall_start(unsigned int interval_us)
{
	struct sched_param param = { .sched_priority = 50 };
	pthread_t thread;
	int err;

	interval = interval_us;
	err = pthread_create(&thread, NULL, sample, NULL);
	if (err)
		return -err;
	/* Without the privilege the workload's time slices count as stalls. */
	pthread_setschedparam(thread, SCHED_FIFO, &param);
	return 0;
}

struct stall stall_read(void)
{
	struct stall s;

	pthread_mutex_lock(&lock);
	s = seen;
	pthread_mutex_unlock(&lock);
	return s;
}

/** stall_read_recent() - Longest stall since the last call, in us. */
uint64_t stall_read_recent(void)
{
	uint64_t us;

	pthread_mutex_lock(&lock);
	us = seen.recent_us;
	seen.recent_us = 0;
	pthread_mutex_unlock(&lock);
	return us;
}

void stall_reset(void)
{
	pthread_mutex_lock(&lock);
	seen = (struct stall){ 0 };
	pthread_mutex_unlock(&lock);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The thread that dirties and checks the memory under test.
 *
 * It first fills all pages, then works in ticks: write what the rate asks for,
 * read half as many pages in a steady sweep. A page is checked before it is
 * overwritten, so that a lost write is seen and not healed.
 *
 * Locking: the pages and their table are touched by this thread only. Other
 * threads hand it requests; lock protects the requests and answered wakes
 * those who wait for them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "stall.h"
#include "worker.h"

#define TICK_US		10000
#define IDLE_TICK_US	100000
#define IDLE_CHECKS	16	/* pages a tick: 160 a second */
#define FULL_SPEED	64	/* pages a round when there is no rate */
#define VERIFY_BATCH	256	/* pages read between two looks at the clock */

const char * const worker_mode_names[WORKER_MODES] = {
	[WORKER_RANDOM] = "random",
	[WORKER_SWEEP] = "sweep",
	[WORKER_IDLE] = "idle",
};

static struct pages *pages;
static _Atomic enum worker_mode mode;
static _Atomic unsigned int rate;
static atomic_bool filled;
static _Atomic uint64_t sweeps;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static uint64_t verify_asked, verify_done;	/* request numbers */
static uint64_t corrupt_asked, corrupt_done;

/* The thread's own: where it is. */
static uint64_t write_at, check_at;
static uint64_t random_state = 0x2545f4914f6cdd1dULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void write_pages(uint64_t n)
{
	uint64_t page;

	while (n--) {
		if (mode == WORKER_SWEEP) {
			page = write_at;
			write_at = (write_at + 1) % pages->nr;
		} else {
			page = next_random() % pages->nr;
		}
		pages_check(pages, page);
		pages_write(pages, page);
	}
}

static void check_pages(uint64_t n)
{
	while (n--) {
		pages_check(pages, check_at);
		if (++check_at == pages->nr) {
			check_at = 0;
			sweeps++;
		}
	}
}

static void verify_all(uint64_t request)
{
	uint64_t page, last = stall_now_us();

	for (page = 0; page < pages->nr; page++) {
		pages_check(pages, page);
		if (page % VERIFY_BATCH || mode == WORKER_IDLE)
			continue;
		/* The load must not pause because somebody looks. */
		write_pages(rate * (stall_now_us() - last) / 1000000);
		last = stall_now_us();
	}
	pthread_mutex_lock(&lock);
	verify_done = request;
	pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&lock);
}

static void serve_requests(void)
{
	uint64_t verify, corrupt;

	pthread_mutex_lock(&lock);
	verify = verify_asked;
	corrupt = corrupt_asked;
	if (corrupt != corrupt_done) {
		/* The page that the sweep meets last. */
		pages_corrupt(pages, check_at ? check_at - 1 : pages->nr - 1);
		corrupt_done = corrupt;
		pthread_cond_broadcast(&answered);
	}
	pthread_mutex_unlock(&lock);
	if (verify != verify_done)
		verify_all(verify);
}

static void sleep_until(uint64_t when_us)
{
	struct timespec ts = {
		.tv_sec = when_us / 1000000,
		.tv_nsec = when_us % 1000000 * 1000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* One tick of @us; returns how long to sleep after it. */
static uint64_t work_tick(uint64_t us, double *owed)
{
	uint64_t n;

	if (mode == WORKER_IDLE) {
		check_pages(IDLE_CHECKS);
		return IDLE_TICK_US;
	}
	if (!rate) {
		write_pages(FULL_SPEED);
		check_pages(FULL_SPEED / 2);
		return 0;
	}
	/* Work missed during a stall is forgotten: a guest that comes back from
	 * a pause does not write a burst either.
	 */
	*owed += rate * (us < 2 * TICK_US ? us : TICK_US) / 1e6;
	n = *owed;
	*owed -= n;
	write_pages(n);
	check_pages(n / 2 + 1);
	return TICK_US;
}

static void *work(void *unused)
{
	uint64_t page, last, now, nap;
	double owed = 0;

	for (page = 0; page < pages->nr; page++)
		pages_write(pages, page);
	stall_reset();
	pages_reset(pages);
	filled = true;

	for (last = stall_now_us();; last = now) {
		now = stall_now_us();
		nap = work_tick(now - last, &owed);
		serve_requests();
		if (nap)
			sleep_until(now + nap);
	}
	return unused;
}

bool worker_parse_mode(const char *name, enum worker_mode *found)
{
	unsigned int i;

	for (i = 0; i < WORKER_MODES; i++) {
		if (!strcmp(name, worker_mode_names[i])) {
			*found = i;
			return true;
		}
	}
	return false;
}

/**
 * worker_start() - Start the thread, once.
 * @p: memory under test, which belongs to the thread from now on
 * @m: what to write
 * @r: pages a second, 0 for as many as possible
 *
 * Return: 0 or a negative errno.
 */
int worker_start(struct pages *p, enum worker_mode m, unsigned int r)
{
	pthread_condattr_t attr;
	pthread_t thread;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&answered, &attr);
	pages = p;
	worker_set(m, r);
	return -pthread_create(&thread, NULL, work, NULL);
}

void worker_set(enum worker_mode m, unsigned int r)
{
	mode = m;
	rate = r;
}

void worker_get(enum worker_mode *m, unsigned int *r)
{
	*m = mode;
	*r = rate;
}

bool worker_is_filled(void)
{
	return filled;
}

/** worker_sweeps() - How often the steady sweep has met every page. */
uint64_t worker_sweeps(void)
{
	return sweeps;
}

void worker_reset(void)
{
	sweeps = 0;
	pages_reset(pages);
}

/* Hand a request to the thread and wait until it is served. */
static int ask(uint64_t *asked, const uint64_t *done, unsigned int timeout_s)
{
	struct timespec until;
	uint64_t request;
	int err = 0;

	if (!filled)
		return -EAGAIN;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_s;
	pthread_mutex_lock(&lock);
	request = ++*asked;
	while (*done < request && !err)
		err = pthread_cond_timedwait(&answered, &lock, &until);
	pthread_mutex_unlock(&lock);
	return -err;
}

/**
 * worker_verify() - Have every page read once, now.
 *
 * Return: 0 (the counters tell the verdict), -EAGAIN if the memory is not
 * filled yet, -ETIMEDOUT.
 */
int worker_verify(unsigned int timeout_s)
{
	return ask(&verify_asked, &verify_done, timeout_s);
}

/** worker_corrupt() - Have one byte flipped, to prove that it is noticed. */
int worker_corrupt(unsigned int timeout_s)
{
	return ask(&corrupt_asked, &corrupt_done, timeout_s);
}

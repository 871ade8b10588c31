// SPDX-License-Identifier: GPL-2.0
/*
 * memck - memory checker of a guest that is being moved.
 *
 * Fills most of the free memory with known patterns, goes on dirtying and
 * checking it, measures its own stalls, and answers for all of it on a TCP
 * port (see answer()).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "disk.h"
#include "files.h"
#include "pages.h"
#include "stall.h"
#include "worker.h"

#define VERIFY_S	120
#define CORRUPT_S	10

static struct pages pages;

struct options {
	uint64_t bytes;
	enum worker_mode mode;
	unsigned int rate;
	unsigned int port;
	unsigned int stall_us;
	unsigned int report_s;
	const char *disk;
	unsigned int disk_rate;
	const char *files;
	unsigned int files_rate;
};

static void usage(FILE *to)
{
	fprintf(to,
		"usage: memck [options]\n"
		"  -m SIZE  memory: MiB, or N%% of what is available (80%%)\n"
		"  -r RATE  pages written a second, 0 = as many as possible (1000)\n"
		"  -M MODE  random, sweep or idle (random)\n"
		"  -s US    interval of the stall sampler (1000)\n"
		"  -c SECS  seconds between console lines, 0 = none (1)\n"
		"  -p PORT  TCP control port (7001)\n"
		"  -d PATH  check this disk or file too; its content is lost\n"
		"  -D RATE  disk records a second, 0 = as many as possible (100)\n"
		"  -f PATH  check files in this folder too\n"
		"  -F RATE  files a second, 0 = as many as possible (10)\n");
}

static double uptime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static uint64_t available_bytes(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	fclose(f);
	return kib << 10;
}

static int parse_size(const char *text, uint64_t *bytes)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || !n)
		return -EINVAL;
	if (!strcmp(end, "%") && n < 100) {
		*bytes = available_bytes() / 100 * n;
		return *bytes ? 0 : -ENODATA;
	}
	if (*end)
		return -EINVAL;
	*bytes = (uint64_t)n << 20;
	return 0;
}

static int parse_number(const char *text, unsigned int *n)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value > 100000000)
		return -EINVAL;
	*n = value;
	return 0;
}

static int parse_option(struct options *o, int opt, const char *arg)
{
	switch (opt) {
	case 'm':
		return parse_size(arg, &o->bytes);
	case 'r':
		return parse_number(arg, &o->rate);
	case 'M':
		return worker_parse_mode(arg, &o->mode) ? 0 : -EINVAL;
	case 's':
		return parse_number(arg, &o->stall_us);
	case 'c':
		return parse_number(arg, &o->report_s);
	case 'p':
		return parse_number(arg, &o->port);
	case 'd':
		o->disk = arg;
		return 0;
	case 'D':
		return parse_number(arg, &o->disk_rate);
	case 'f':
		o->files = arg;
		return 0;
	case 'F':
		return parse_number(arg, &o->files_rate);
	}
	return -EINVAL;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	int opt, err;

	while ((opt = getopt(argc, argv, "hm:r:M:s:c:p:d:D:f:F:")) != -1) {
		if (opt == 'h') {
			usage(stdout);
			exit(0);
		}
		err = parse_option(o, opt, optarg);
		if (err) {
			if (opt != '?')
				fprintf(stderr, "memck: -%c %s: %s\n", opt,
					optarg, strerror(-err));
			usage(stderr);
			return err;
		}
	}
	if (optind != argc || !o->stall_us || o->port > 65535) {
		usage(stderr);
		return -EINVAL;
	}
	return o->bytes ? 0 : parse_size("80%", &o->bytes);
}

static void print_verdict(char *buf, size_t len)
{
	struct stall s = stall_read();
	enum worker_mode mode;
	unsigned int rate;
	char disk[512], files[256];

	worker_get(&mode, &rate);
	disk_print(disk, sizeof(disk));
	files_print(files, sizeof(files));
	snprintf(buf, len,
		 "{\"pages\":%llu,\"writes\":%llu,\"checks\":%llu,\"bad\":%llu,\"bad_pages\":%llu,\"sweeps\":%llu,\"filled\":%s,\"longest_stall_ms\":%.1f,\"stall_at\":%.3f,\"stalled_ms\":%.1f,\"stalls_over_100ms\":%llu,\"uptime\":%.3f,\"rate\":%u,\"mode\":\"%s\",\"disk\":%s,\"files\":%s}",
		 (unsigned long long)pages.nr,
		 (unsigned long long)pages.writes,
		 (unsigned long long)pages.checks,
		 (unsigned long long)pages.bad_bytes,
		 (unsigned long long)pages.bad_pages,
		 (unsigned long long)worker_sweeps(),
		 worker_is_filled() ? "true" : "false",
		 s.longest_us / 1e3, s.longest_at_us / 1e6, s.total_us / 1e3,
		 (unsigned long long)s.over_100ms, uptime(), rate,
		 worker_mode_names[mode], disk, files);
}

static void print_result(char *reply, size_t len, int err)
{
	if (err)
		snprintf(reply, len, "{\"error\":\"%s\"}",
			 err == -EOPNOTSUPP ?
			 "unknown command; there are verdict, verify, reset, rate N, mode NAME, corrupt, freeze" :
			 strerror(-err));
	else
		snprintf(reply, len, "{\"ok\":true}");
}

/*
 * The commands:
 *   verdict	all counters
 *   verify	read every page once, then all counters
 *   reset	zero the counters and the longest stall
 *   rate N	pages a second from now on, 0 = as many as possible
 *   mode NAME	random, sweep or idle from now on
 *   corrupt	flip one byte, to prove that it is noticed
 *   freeze	write no more files, and bring all to the disk
 * Every answer is one JSON object; {"error": ...} if the command failed.
 */
static void answer(const char *line, char *reply, size_t len)
{
	enum worker_mode mode;
	unsigned int rate;
	int err = 0;

	worker_get(&mode, &rate);
	if (!strcmp(line, "verdict")) {
		print_verdict(reply, len);
		return;
	}
	if (!strcmp(line, "verify")) {
		err = worker_verify(VERIFY_S);
		if (!err) {
			print_verdict(reply, len);
			return;
		}
	} else if (!strcmp(line, "reset")) {
		worker_reset();
		stall_reset();
		disk_reset();
	} else if (!strncmp(line, "rate ", 5)) {
		err = parse_number(line + 5, &rate);
		if (!err)
			worker_set(mode, rate);
	} else if (!strncmp(line, "mode ", 5)) {
		if (worker_parse_mode(line + 5, &mode))
			worker_set(mode, rate);
		else
			err = -EINVAL;
	} else if (!strcmp(line, "corrupt")) {
		err = worker_corrupt(CORRUPT_S);
	} else if (!strcmp(line, "freeze")) {
		err = files_freeze();
	} else {
		err = -EOPNOTSUPP;
	}
	print_result(reply, len, err);
}

static void report_for_ever(unsigned int every_s)
{
	for (;;) {
		if (!every_s) {
			pause();
			continue;
		}
		sleep(every_s);
		printf("MEMCK pages=%llu writes=%llu checks=%llu bad=%llu stall_ms=%llu maxstall_ms=%llu\n",
		       (unsigned long long)pages.nr,
		       (unsigned long long)pages.writes,
		       (unsigned long long)pages.checks,
		       (unsigned long long)pages.bad_bytes,
		       (unsigned long long)stall_read_recent() / 1000,
		       (unsigned long long)stall_read().longest_us / 1000);
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.mode = WORKER_RANDOM, .rate = 1000, .port = 7001,
		.stall_us = 1000, .report_s = 1, .disk_rate = 100,
		.files_rate = 10,
	};
	const char *what;
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (parse_options(&o, argc, argv))
		return 2;

	what = "memory";
	err = pages_alloc(&pages, o.bytes);
	if (err)
		goto err_out;
	what = "disk";
	if (o.disk)
		err = disk_start(o.disk, o.disk_rate);
	if (err)
		goto err_out;
	what = "files";
	if (o.files)
		err = files_start(o.files, o.files_rate);
	if (err)
		goto err_out;
	what = "stall sampler";
	err = stall_start(o.stall_us);
	if (err)
		goto err_out;
	what = "worker";
	err = worker_start(&pages, o.mode, o.rate);
	if (err)
		goto err_out;
	what = "control port";
	err = control_start(o.port, answer);
	if (err)
		goto err_out;
	report_for_ever(o.report_s);

err_out:
	fprintf(stderr, "memck: %s: %s\n", what, strerror(-err));
	return 1;
}

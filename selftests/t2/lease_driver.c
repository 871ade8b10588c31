// SPDX-License-Identifier: GPL-2.0
/*
 * Leases from the command line, through the same event loop as in the agent.
 *
 *   lease_driver [OPTION...] ACTION KIND VM NODE PATH...
 *
 * ACTION is read, acquire, handoff, keep, release or take-over. Prints lines
 * KEY=VALUE; the exit status is 0 if it is done, else the vmig_lease_status.
 *
 *   -e EPOCH:HOLDER   what the lease is expected to be
 *   -f                the fence is confirmed
 *   -l MS             the limit (5000)
 *   -n NODE           a node of the cluster; may be repeated
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storage/lease.h"

#define NODES_MAX	16

static const struct {
	const char *name;
	enum vmig_lease_action action;
} actions[] = {
	{ "read", VMIG_LEASE_READ },
	{ "acquire", VMIG_LEASE_ACQUIRE },
	{ "handoff", VMIG_LEASE_HANDOFF },
	{ "keep", VMIG_LEASE_KEEP },
	{ "release", VMIG_LEASE_RELEASE },
	{ "take-over", VMIG_LEASE_TAKE_OVER },
};

static const char *nodes[NODES_MAX];
static sd_event *event;
static struct timespec begin;
static int status;

static void usage(void)
{
	fprintf(stderr, "usage: lease_driver [-e EPOCH:HOLDER] [-f] [-l MS] [-n NODE]... read|acquire|handoff|keep|release|take-over none|lease-file|scsi-pr VM NODE PATH...\n");
	exit(64);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin.tv_sec) +
	       (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
}

static void on_done(void *arg, const struct vmig_lease_result *result)
{
	(void)arg;
	printf("status=%s\nknown=%d\ncomplete=%d\nunsure=%d\nholder=%s\nepoch=%llu\nseconds=%.3f\n",
	       vmig_lease_status_name(result->status), result->known,
	       result->complete, result->unsure, result->record.holder,
	       (unsigned long long)result->record.epoch, seconds());
	if (*result->err.text)
		printf("error=%s\n", result->err.text);
	printf("%s\n", result->evidence);
	status = result->status == VMIG_LEASE_DONE ? 0 : (int)result->status;
	sd_event_exit(event, 0);
}

static void parse_expect(const char *text, struct vmig_lease_record *expect)
{
	char *end;

	expect->epoch = strtoull(text, &end, 0);
	if (*end != ':' || strlen(end + 1) >= sizeof(expect->holder))
		usage();
	strcpy(expect->holder, end + 1);
}

static enum vmig_lease_action parse_action(const char *text)
{
	unsigned int i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(text, actions[i].name))
			return actions[i].action;
	usage();
	return 0;
}

static void parse(int argc, char **argv, struct vmig_lease_request *request)
{
	int option;

	while ((option = getopt(argc, argv, "e:fl:n:")) >= 0) {
		if (option == 'e')
			parse_expect(optarg, &request->expect);
		else if (option == 'f')
			request->fence_confirmed = true;
		else if (option == 'l')
			request->limit_ms = (unsigned int)atoi(optarg);
		else if (option == 'n' && request->nnodes < NODES_MAX)
			nodes[request->nnodes++] = optarg;
		else
			usage();
	}
	argv += optind;
	if (argc - optind < 4 ||
	    !vmig_lease_kind_parse(argv[1], &request->kind))
		usage();
	request->action = parse_action(argv[0]);
	request->vm = argv[2];
	request->node = argv[3];
	request->paths = (const char * const *)argv + 4;
	request->npaths = (unsigned int)(argc - optind - 4);
}

int main(int argc, char **argv)
{
	struct vmig_lease_request request = { .limit_ms = 5000,
					      .nodes = nodes };
	struct vmig_lease_op *op;
	struct vmig_err err;

	parse(argc, argv, &request);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (sd_event_new(&event) < 0)
		return 1;
	if (vmig_lease_start(event, &request, on_done, NULL, &op, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	sd_event_loop(event);
	sd_event_unref(event);
	return status;
}

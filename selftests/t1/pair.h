/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two nodes on one machine: two network namespaces joined by a cable, each with
 * its vmigfs, its agent, and a listener of what is told.
 *
 * With VMIG_RDMA in the environment they move over RDMA, and have no cable to
 * disturb: soft-RoCE knows the initial namespace only, so that both are there,
 * two addresses of one device, two VMs and one agent. If it is "keep", the
 * device stays when they are gone.
 */
#ifndef VMIG_T1_PAIR_H
#define VMIG_T1_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "nl.h"

#define PAIR_PAGE	4096UL
#define PAIR_CHANNELS	16
#define PAIR_VM		"web1"

/**
 * struct side - a node
 * @vm: name of its VM
 * @address: of its end of the cable
 * @netns: its namespace
 * @agent: registered as its agent; @events is told of its migrations
 * @rdma: where the destination listens, or NULL without RDMA
 * @secret: that joins the channels, with RDMA
 * @fd, @mem: the region `ram` of its VM, @size bytes
 * @id: of its migration
 * @sockets: the channels, until they are handed over
 * @message: the last notification
 */
struct side {
	const char *name;
	const char *vm;
	const char *address;
	int netns;
	struct nl *agent;
	struct nl events;
	struct pair_rdma *rdma;
	const char *secret;
	char dir[32];
	int fd;
	unsigned char *mem;
	size_t size;
	uint32_t role;
	uint32_t id;
	int sockets[PAIR_CHANNELS];
	struct nl_message message;
	struct nl_result result;
};

struct pair_rdma {
	const char *address;
	uint16_t port;
};

struct pair {
	struct side a;	/* moves its VM to b */
	struct side b;
	struct nl agents[2];
	struct pair_rdma rdma;
};

/* How a migration is to be; 0 is the default. */
struct plan {
	unsigned int channels;
	bool verify;
	uint64_t bandwidth;
	uint32_t max_blackout;
	uint32_t timeout;
	uint32_t at_timeout;
	uint32_t stop_limit;
	bool quick;
};

/*
 * All return 0 or -1, and say on stderr what went wrong. A pair lives in
 * namespaces of the calling process and goes with it.
 */
struct pair *pair_open(const char *options);
void pair_close(struct pair *pair);
int side_make_vm(struct side *side, size_t size);
int pair_make_vm(struct pair *pair, size_t size);
int pair_remove_vm(struct side *side);
/* With kernel TLS if VMIG_TLS is in the environment. */
int pair_connect(struct pair *pair, unsigned int channels);
int pair_enter(const struct side *side);
/* What netem shall do to the cable, both ways: "delay 150ms". */
int pair_impair(struct pair *pair, const char *how);

/* Hand over the sockets: both sides in SETUP, or one. */
int pair_new(struct pair *pair, const struct plan *plan);
int side_new(struct side *side, const char *other, const struct plan *plan);
/* And on to PRECOPY and INCOMING. */
int pair_start(struct pair *pair, const struct plan *plan);

/* A command on the side's migration: 0, or a positive errno in side->result. */
int side_call(struct side *side, uint8_t cmd);
int side_stage(struct side *side, uint32_t stage);
int side_get(struct side *side);

/* Wait for the notification; it fails if the migration ends otherwise. */
int side_wait(struct side *side, uint32_t state);
int side_wait_converged(struct side *side);
/* Wait for the end of that many rounds of pre-copy; the same. */
int side_wait_rounds(struct side *side, uint64_t rounds);
const char *side_reason(struct side *side);
uint64_t side_counter(struct side *side, int type);

/* From PRECOPY to HANDOFF and READY. */
int pair_stop_copy(struct pair *pair);
/* And to DONE on both. */
int pair_finish(struct pair *pair);

/* Offset of the first byte that differs, or -1. */
long pair_differs(struct pair *pair);

#endif /* VMIG_T1_PAIR_H */

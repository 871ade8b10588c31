/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A node in user space that connects by RDMA, well or badly, with one queue pair
 * and one buffer for everything.
 */
#ifndef VMIG_T1_VERBS_H
#define VMIG_T1_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <rdma/rdma_cma.h>

/* Of a buffer: messages are received at its beginning, one behind the other. */
#define VERBS_SLOTS	64
#define VERBS_SLOT	8192UL
#define VERBS_RECEIVE	(VERBS_SLOTS * VERBS_SLOT)
#define VERBS_SEND	VERBS_RECEIVE			/* offset */
#define VERBS_PAGES	(VERBS_SEND + VERBS_SLOT)	/* offset */
#define VERBS_BUFFER	(VERBS_PAGES + (2UL << 20))

/**
 * struct verbs - one end of a connection
 * @deaf: it is to have no buffers to receive into
 * @rnr_retry: how often the other is to try again then; 7 is for ever
 * @listener: of a destination, before the connection
 * @event: the last of the connection manager's; @status: of it
 * @private: what came with it, of a rejection the reason
 * @buffer: VERBS_BUFFER bytes
 */
struct verbs {
	bool deaf;
	uint8_t rnr_retry;
	struct rdma_event_channel *events;
	struct rdma_cm_id *listener;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_cq *send_cq;
	struct ibv_cq *recv_cq;
	struct ibv_mr *mr;
	int event;
	int status;
	uint8_t private[256];
	size_t private_len;
	uint8_t *buffer;
};

/*
 * All return 0 or -1, and say on stderr what went wrong. @v is all zeroes, but for
 * the first two, before it is opened, and after it is closed.
 */
int verbs_open(struct verbs *v, const char *from, const char *to,
	       uint16_t port);
void verbs_close(struct verbs *v);
/* 0 when established; 1 if that is refused, or the connection fails. */
int verbs_connect(struct verbs *v, const void *private, size_t len);

/* The port, or -1. */
int verbs_listen(struct verbs *v, const char *address);
/* The next request; then one of these, or nothing. */
int verbs_await_request(struct verbs *v);
int verbs_accept(struct verbs *v, const void *private, size_t len);
int verbs_reject(struct verbs *v, const void *private, size_t len);

/* It answers nothing any more, and does not say so. */
int verbs_die(struct verbs *v);

/*
 * The status of the completion, or -1: of sending @len bytes from VERBS_SEND,
 * of writing them from VERBS_PAGES, of reading them to there.
 */
int verbs_send(struct verbs *v, size_t len);
int verbs_write(struct verbs *v, uint64_t address, uint32_t key, size_t len);
int verbs_read(struct verbs *v, uint64_t address, uint32_t key, size_t len);
/* No message for @ms; one that came all the same is lost. */
bool verbs_is_quiet(struct verbs *v, unsigned int ms);
/* The next message: its length, at *@data until the next call, or -1. */
int verbs_receive(struct verbs *v, const uint8_t **data);

#endif /* VMIG_T1_VERBS_H */

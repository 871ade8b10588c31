// SPDX-License-Identifier: GPL-2.0
/* RDMA from user space. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "verbs.h"

#define WAIT_MS		30000

static int complain(const char *what)
{
	fprintf(stderr, "# %s: %s\n", what, strerror(errno));
	return -1;
}

/* The next event of the connection: 0 if it is @wanted, else 1. */
static int await(struct verbs *v, enum rdma_cm_event_type wanted)
{
	struct pollfd fd = { .fd = v->events->fd, .events = POLLIN };
	struct rdma_cm_event *event;

	if (poll(&fd, 1, WAIT_MS) != 1)
		return complain("no event of the connection");
	if (rdma_get_cm_event(v->events, &event))
		return complain("rdma_get_cm_event");
	v->event = event->event;
	v->status = event->status;
	v->private_len = 0;
	/* Others have something else there. A length of 8 bits: it fits. */
	if (event->event == RDMA_CM_EVENT_REJECTED ||
	    event->event == RDMA_CM_EVENT_CONNECT_REQUEST ||
	    event->event == RDMA_CM_EVENT_ESTABLISHED) {
		v->private_len = event->param.conn.private_data_len;
		memcpy(v->private, event->param.conn.private_data,
		       v->private_len);
	}
	if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST)
		v->id = event->id;
	rdma_ack_cm_event(event);
	return v->event == (int)wanted ? 0 : 1;
}

static int post_receive(struct verbs *v, unsigned int slot)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)v->buffer + slot * VERBS_SLOT,
		.length = VERBS_SLOT, .lkey = v->mr->lkey,
	};
	struct ibv_recv_wr wr = { .wr_id = slot, .sg_list = &sge, .num_sge = 1 };
	struct ibv_recv_wr *bad;

	return ibv_post_recv(v->id->qp, &wr, &bad);
}

static int make_queues(struct verbs *v)
{
	struct ibv_qp_init_attr attr = {
		.cap = { .max_send_wr = 16, .max_recv_wr = VERBS_SLOTS,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
	};
	unsigned int slot;

	v->pd = ibv_alloc_pd(v->id->verbs);
	v->send_cq = ibv_create_cq(v->id->verbs, 16, NULL, NULL, 0);
	v->recv_cq = ibv_create_cq(v->id->verbs, VERBS_SLOTS, NULL, NULL, 0);
	if (!v->pd || !v->send_cq || !v->recv_cq)
		return complain("no queues");
	v->mr = ibv_reg_mr(v->pd, v->buffer, VERBS_BUFFER,
			   IBV_ACCESS_LOCAL_WRITE);
	attr.send_cq = v->send_cq;
	attr.recv_cq = v->recv_cq;
	if (!v->mr || rdma_create_qp(v->id, v->pd, &attr))
		return complain("no queue pair");
	for (slot = 0; !v->deaf && slot < VERBS_SLOTS; slot++) {
		if (post_receive(v, slot))
			return complain("ibv_post_recv");
	}
	return 0;
}

static int make_id(struct verbs *v, struct rdma_cm_id **id)
{
	if (system("modprobe -a rdma_ucm ib_uverbs"))
		return complain("no modules for RDMA from user space");
	v->buffer = aligned_alloc(4096, VERBS_BUFFER);
	v->events = rdma_create_event_channel();
	if (!v->buffer || !v->events ||
	    rdma_create_id(v->events, id, NULL, RDMA_PS_TCP))
		return complain("rdma_create_id");
	memset(v->buffer, 0, VERBS_BUFFER);
	return 0;
}

int verbs_open(struct verbs *v, const char *from, const char *to,
	       uint16_t port)
{
	struct sockaddr_in source = { .sin_family = AF_INET };
	struct sockaddr_in target = {
		.sin_family = AF_INET, .sin_port = htons(port),
	};

	inet_pton(AF_INET, from, &source.sin_addr);
	inet_pton(AF_INET, to, &target.sin_addr);
	if (make_id(v, &v->id))
		return -1;
	if (rdma_resolve_addr(v->id, (struct sockaddr *)&source,
			      (struct sockaddr *)&target, WAIT_MS) ||
	    await(v, RDMA_CM_EVENT_ADDR_RESOLVED))
		return complain("rdma_resolve_addr");
	if (rdma_resolve_route(v->id, WAIT_MS) ||
	    await(v, RDMA_CM_EVENT_ROUTE_RESOLVED))
		return complain("rdma_resolve_route");
	return make_queues(v);
}

void verbs_close(struct verbs *v)
{
	if (v->id) {
		rdma_disconnect(v->id);
		if (v->id->qp)
			rdma_destroy_qp(v->id);
		rdma_destroy_id(v->id);
	}
	if (v->listener)
		rdma_destroy_id(v->listener);
	if (v->mr)
		ibv_dereg_mr(v->mr);
	if (v->send_cq)
		ibv_destroy_cq(v->send_cq);
	if (v->recv_cq)
		ibv_destroy_cq(v->recv_cq);
	if (v->pd)
		ibv_dealloc_pd(v->pd);
	if (v->events)
		rdma_destroy_event_channel(v->events);
	free(v->buffer);
	memset(v, 0, sizeof(*v));
}

int verbs_connect(struct verbs *v, const void *private, size_t len)
{
	struct rdma_conn_param param = {
		.private_data = private, .private_data_len = len,
		.responder_resources = 1, .initiator_depth = 1,
		.retry_count = 7, .rnr_retry_count = v->rnr_retry,
	};

	if (rdma_connect(v->id, &param))
		return complain("rdma_connect");
	return await(v, RDMA_CM_EVENT_ESTABLISHED);
}

int verbs_listen(struct verbs *v, const char *address)
{
	struct sockaddr_in local = { .sin_family = AF_INET };

	inet_pton(AF_INET, address, &local.sin_addr);
	if (make_id(v, &v->listener))
		return -1;
	if (rdma_bind_addr(v->listener, (struct sockaddr *)&local) ||
	    rdma_listen(v->listener, 4))
		return complain("rdma_listen");
	return ntohs(rdma_get_src_port(v->listener));
}

int verbs_await_request(struct verbs *v)
{
	return await(v, RDMA_CM_EVENT_CONNECT_REQUEST) ? -1 : 0;
}

int verbs_accept(struct verbs *v, const void *private, size_t len)
{
	struct rdma_conn_param param = {
		.private_data = private, .private_data_len = len,
		.rnr_retry_count = v->rnr_retry,
	};

	if (make_queues(v))
		return -1;
	if (rdma_accept(v->id, &param))
		return complain("rdma_accept");
	return await(v, RDMA_CM_EVENT_ESTABLISHED) ? -1 : 0;
}

int verbs_reject(struct verbs *v, const void *private, size_t len)
{
	return rdma_reject(v->id, private, len) ? complain("rdma_reject") : 0;
}

int verbs_die(struct verbs *v)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	return ibv_modify_qp(v->id->qp, &attr, IBV_QP_STATE) ?
	       complain("ibv_modify_qp") : 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Once connected, the manager has nothing to tell but the end. */
static int poll_queue(struct verbs *v, struct ibv_cq *cq, struct ibv_wc *wc)
{
	struct pollfd fd = { .fd = v->events->fd, .events = POLLIN };
	int64_t end = now_ms() + WAIT_MS;
	bool ended;

	while (now_ms() < end) {
		ended = poll(&fd, 1, 0);
		if (ibv_poll_cq(cq, 1, wc) == 1)
			return 0;
		if (ended)
			return -1;
		usleep(500);
	}
	errno = ETIMEDOUT;
	return complain("no completion");
}

static int post(struct verbs *v, struct ibv_send_wr *wr, size_t offset,
		size_t len)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)v->buffer + offset, .length = len,
		.lkey = v->mr->lkey,
	};
	struct ibv_send_wr *bad;
	struct ibv_wc wc;

	wr->sg_list = &sge;
	wr->num_sge = 1;
	if (ibv_post_send(v->id->qp, wr, &bad))
		return complain("ibv_post_send");
	return poll_queue(v, v->send_cq, &wc) ? -1 : (int)wc.status;
}

int verbs_send(struct verbs *v, size_t len)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };

	return post(v, &wr, VERBS_SEND, len);
}

static int transfer(struct verbs *v, enum ibv_wr_opcode opcode,
		    uint64_t address, uint32_t key, size_t len)
{
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.wr.rdma = { .remote_addr = address, .rkey = key },
	};

	return post(v, &wr, VERBS_PAGES, len);
}

int verbs_write(struct verbs *v, uint64_t address, uint32_t key, size_t len)
{
	return transfer(v, IBV_WR_RDMA_WRITE, address, key, len);
}

int verbs_read(struct verbs *v, uint64_t address, uint32_t key, size_t len)
{
	return transfer(v, IBV_WR_RDMA_READ, address, key, len);
}

bool verbs_is_quiet(struct verbs *v, unsigned int ms)
{
	const int64_t end = now_ms() + ms;
	struct ibv_wc wc;

	do {
		if (ibv_poll_cq(v->recv_cq, 1, &wc))
			return false;
		usleep(500);
	} while (now_ms() < end);
	return true;
}

int verbs_receive(struct verbs *v, const uint8_t **data)
{
	static uint8_t message[VERBS_SLOT];
	struct ibv_wc wc;

	if (poll_queue(v, v->recv_cq, &wc) || wc.status != IBV_WC_SUCCESS)
		return -1;
	memcpy(message, v->buffer + wc.wr_id * VERBS_SLOT, wc.byte_len);
	if (post_receive(v, wc.wr_id))
		return -1;
	*data = message;
	return wc.byte_len;
}

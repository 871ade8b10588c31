// SPDX-License-Identifier: GPL-2.0
/* The operations of the netlink family. */
#include <arpa/inet.h>
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "nl_message.h"

/* Dumps that the kernel changed under are asked for again, so many times. */
#define DUMP_TRIES	5

/* Builds a message; a failure is remembered and told by send_call(). */
struct builder {
	struct vmig_nl *nl;
	struct nl_msg *msg;
	int error;
};

static struct builder begin(struct vmig_nl *nl, uint8_t cmd, int flags)
{
	struct builder b = { .nl = nl, .msg = vmig_nl_message(nl, cmd, flags) };

	if (!b.msg)
		b.error = -ENOMEM;
	return b;
}

static void put(struct builder *b, int attr, const void *data, size_t len)
{
	if (!b->error && nla_put(b->msg, attr, len, data))
		b->error = -EMSGSIZE;
}

/* Zero, "" and NULL mean absent. */
static void put_u32(struct builder *b, int attr, uint32_t value)
{
	if (value)
		put(b, attr, &value, sizeof(value));
}

static void put_u64(struct builder *b, int attr, uint64_t value)
{
	if (value)
		put(b, attr, &value, sizeof(value));
}

static void put_text(struct builder *b, int attr, const char *text)
{
	if (text && *text)
		put(b, attr, text, strlen(text) + 1);
}

static void put_flag(struct builder *b, int attr, bool flag)
{
	if (flag)
		put(b, attr, NULL, 0);
}

/* A numeric IP address. */
static void put_address(struct builder *b, int attr, const char *text)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, text, &address) == 1)
		put(b, attr, &address, sizeof(struct in_addr));
	else if (inet_pton(AF_INET6, text, &address) == 1)
		put(b, attr, &address, sizeof(address));
	else
		b->error = -EINVAL;
}

static int send_call(struct builder *b, vmig_nl_reply_fn *reply, void *arg,
		     struct vmig_err *err)
{
	if (!b->error)
		return vmig_nl_call(b->nl, b->msg, reply, arg, err);
	if (b->msg)
		nlmsg_free(b->msg);
	return vmig_err_set(err, -b->error, "%s",
			    b->error == -EMSGSIZE
				    ? "the request is too long for netlink" :
			    b->error == -EINVAL
				    ? "an address is no IP address"
				    : "out of memory");
}

int vmig_nl_agent_register(struct vmig_nl *nl, const char *node,
			   struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_AGENT_REGISTER, 0);

	put_text(&b, VMIG_A_AGENT_NODE, node);
	return send_call(&b, NULL, NULL, err);
}

static int take_agent(void *arg, struct nlmsghdr *nlh)
{
	return vmig_nl_parse_agent(nlh, arg);
}

int vmig_nl_agent_get(struct vmig_nl *nl, struct vmig_agent_info *info,
		      struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_AGENT_GET, 0);

	return send_call(&b, take_agent, info, err);
}

static int take_request_id(void *arg, struct nlmsghdr *nlh)
{
	struct vmig_request request;
	int ret = vmig_nl_parse_request(nlh, &request);

	if (!ret)
		*(uint32_t *)arg = request.id;
	return ret;
}

int vmig_nl_request(struct vmig_nl *nl, const struct vmig_request *request,
		    uint32_t *id, struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_REQUEST, 0);
	uint32_t value;

	put_u32(&b, VMIG_A_REQUEST_OP, request->op);
	put_text(&b, VMIG_A_REQUEST_VM, request->vm);
	put_text(&b, VMIG_A_REQUEST_NODE, request->node);
	put_text(&b, VMIG_A_REQUEST_DATA, request->data);
	put_u32(&b, VMIG_A_REQUEST_CHANNELS, request->channels);
	put_flag(&b, VMIG_A_REQUEST_VERIFY, request->verify);
	put_u64(&b, VMIG_A_REQUEST_BANDWIDTH, request->bandwidth);
	put_u32(&b, VMIG_A_REQUEST_MAX_BLACKOUT, request->max_blackout);
	put_u32(&b, VMIG_A_REQUEST_TIMEOUT, request->timeout);
	put_u32(&b, VMIG_A_REQUEST_AT_TIMEOUT, request->at_timeout);
	put_u32(&b, VMIG_A_REQUEST_STOP_LIMIT, request->stop_limit);
	put_flag(&b, VMIG_A_REQUEST_FORCE, request->force);
	put_flag(&b, VMIG_A_REQUEST_WAIT, request->wait);
	put_flag(&b, VMIG_A_REQUEST_QUICK, request->quick);
	value = request->transport;
	if (request->has_transport)
		put(&b, VMIG_A_REQUEST_TRANSPORT, &value, sizeof(value));
	return send_call(&b, take_request_id, id, err);
}

int vmig_nl_answer(struct vmig_nl *nl, const struct vmig_answer *answer,
		   struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_ANSWER, 0);
	uint32_t error = answer->error;

	put_u32(&b, VMIG_A_REQUEST_ID, answer->id);
	put(&b, VMIG_A_REQUEST_ERROR, &error, sizeof(error));
	put_text(&b, VMIG_A_REQUEST_MESSAGE, answer->message);
	put_text(&b, VMIG_A_REQUEST_DATA, answer->data);
	return send_call(&b, NULL, NULL, err);
}

/* A growing array of replies, for dumps. */
struct list {
	void *items;
	size_t n;
	size_t size;
	int (*parse)(struct nlmsghdr *nlh, void *item);
};

static int take_item(void *arg, struct nlmsghdr *nlh)
{
	struct list *list = arg;
	void *items;

	/* Doubled at every power of two. */
	if (!(list->n & (list->n - 1))) {
		items = realloc(list->items,
				(list->n ? 2 * list->n : 1) * list->size);
		if (!items)
			return -ENOMEM;
		list->items = items;
	}
	return list->parse(nlh, (char *)list->items + list->n++ * list->size);
}

static int dump(struct vmig_nl *nl, uint8_t cmd, struct list *list,
		struct vmig_err *err)
{
	int tries, ret = -EAGAIN;

	for (tries = 0; ret == -EAGAIN && tries < DUMP_TRIES; tries++) {
		struct builder b = begin(nl, cmd, NLM_F_DUMP);

		list->n = 0;
		ret = send_call(&b, take_item, list, err);
	}
	if (ret == -EAGAIN)
		vmig_err_set(err, EAGAIN,
			     "the kernel's list kept changing while it was read; try again");
	if (ret) {
		free(list->items);
		list->items = NULL;
	}
	return ret;
}

static int take_vm(void *arg, struct nlmsghdr *nlh)
{
	return vmig_nl_parse_vm(nlh, arg);
}

static int parse_vm_item(struct nlmsghdr *nlh, void *item)
{
	return vmig_nl_parse_vm(nlh, item);
}

int vmig_nl_vm_get(struct vmig_nl *nl, const char *name,
		   struct vmig_vm_info *info, struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_VM_GET, 0);

	put_text(&b, VMIG_A_VM_NAME, name);
	return send_call(&b, take_vm, info, err);
}

int vmig_nl_vm_list(struct vmig_nl *nl, struct vmig_vm_info **list, size_t *n,
		    struct vmig_err *err)
{
	struct list vms = { .size = sizeof(**list), .parse = parse_vm_item };
	int ret = dump(nl, VMIG_CMD_VM_GET, &vms, err);

	*list = vms.items;
	*n = ret ? 0 : vms.n;
	return ret;
}

static int take_migration(void *arg, struct nlmsghdr *nlh)
{
	return vmig_nl_parse_migration(nlh, arg);
}

static int parse_migration_item(struct nlmsghdr *nlh, void *item)
{
	return vmig_nl_parse_migration(nlh, item);
}

int vmig_nl_migration_get(struct vmig_nl *nl, uint32_t id, const char *vm,
			  struct vmig_mig_info *info, struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_MIGRATION_GET, 0);

	put_u32(&b, VMIG_A_MIGRATION_ID, id);
	if (!id)
		put_text(&b, VMIG_A_MIGRATION_VM, vm);
	return send_call(&b, take_migration, info, err);
}

static int compare_ids(const void *a, const void *b)
{
	const struct vmig_mig_info *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int vmig_nl_migration_list(struct vmig_nl *nl, struct vmig_mig_info **list,
			   size_t *n, struct vmig_err *err)
{
	struct list migrations = {
		.size = sizeof(**list),
		.parse = parse_migration_item,
	};
	int ret = dump(nl, VMIG_CMD_MIGRATION_GET, &migrations, err);

	*list = migrations.items;
	*n = ret ? 0 : migrations.n;
	if (*n)
		qsort(*list, *n, sizeof(**list), compare_ids);
	return ret;
}

int vmig_nl_migration_cancel(struct vmig_nl *nl, uint32_t id, const char *vm,
			     const char *reason, struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_MIGRATION_CANCEL, 0);

	put_u32(&b, VMIG_A_MIGRATION_ID, id);
	if (!id)
		put_text(&b, VMIG_A_MIGRATION_VM, vm);
	put_text(&b, VMIG_A_MIGRATION_REASON, reason);
	return send_call(&b, NULL, NULL, err);
}

static int take_link(void *arg, struct nlmsghdr *nlh)
{
	return vmig_nl_parse_link(nlh, arg);
}

int vmig_nl_transport_get(struct vmig_nl *nl, enum vmig_transport transport,
			  const char *local, struct vmig_link_info *info,
			  struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_TRANSPORT_GET, 0);
	uint32_t value = transport;

	put(&b, VMIG_A_LINK_TRANSPORT, &value, sizeof(value));
	put_address(&b, VMIG_A_LINK_LOCAL_ADDRESS, local);
	return send_call(&b, take_link, info, err);
}

/* What RDMA needs instead of sockets. */
static void put_rdma(struct builder *b, const struct vmig_mig_params *params)
{
	put_u32(b, VMIG_A_MIGRATION_TRANSPORT, params->transport);
	put_u32(b, VMIG_A_MIGRATION_CHANNELS, params->channels);
	put_address(b, VMIG_A_MIGRATION_LOCAL_ADDRESS, params->local);
	if (params->role == VMIG_ROLE_SOURCE) {
		put_address(b, VMIG_A_MIGRATION_PEER_ADDRESS, params->remote);
		put(b, VMIG_A_MIGRATION_PORT, &params->port,
		    sizeof(params->port));
	}
	put(b, VMIG_A_MIGRATION_SECRET, params->secret, VMIG_SECRET_LEN);
}

/* What the caller wants of the reply. */
struct created {
	uint32_t *id;
	uint16_t *port;
};

static int take_created(void *arg, struct nlmsghdr *nlh)
{
	struct created *created = arg;
	struct vmig_mig_info info;
	int ret = vmig_nl_parse_migration(nlh, &info);

	if (ret)
		return ret;
	*created->id = info.id;
	if (created->port)
		*created->port = info.port;
	return 0;
}

int vmig_nl_migration_new(struct vmig_nl *nl,
			  const struct vmig_mig_params *params, uint32_t *id,
			  uint16_t *port, struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_MIGRATION_NEW, 0);
	struct created created = { .id = id, .port = port };
	uint32_t value = params->role;
	unsigned int i;

	put_text(&b, VMIG_A_MIGRATION_VM, params->vm);
	put_text(&b, VMIG_A_MIGRATION_NODE, params->node);
	/* Source is 0, and must be said. */
	put(&b, VMIG_A_MIGRATION_ROLE, &value, sizeof(value));
	put(&b, VMIG_A_MIGRATION_TOKEN, params->token, VMIG_TOKEN_LEN);
	for (i = 0; i < params->nsockets; i++) {
		value = params->sockets[i];
		put(&b, VMIG_A_MIGRATION_SOCKET, &value, sizeof(value));
	}
	put_flag(&b, VMIG_A_MIGRATION_VERIFY, params->verify);
	put_u64(&b, VMIG_A_MIGRATION_BANDWIDTH, params->bandwidth);
	put_u32(&b, VMIG_A_MIGRATION_MAX_BLACKOUT, params->max_blackout);
	put_u32(&b, VMIG_A_MIGRATION_TIMEOUT, params->timeout);
	put_u32(&b, VMIG_A_MIGRATION_AT_TIMEOUT, params->at_timeout);
	put_u32(&b, VMIG_A_MIGRATION_STOP_LIMIT, params->stop_limit);
	put_flag(&b, VMIG_A_MIGRATION_QUICK, params->quick);
	if (params->transport == VMIG_TRANSPORT_RDMA)
		put_rdma(&b, params);
	return send_call(&b, take_created, &created, err);
}

static int step(struct vmig_nl *nl, uint8_t cmd, uint32_t id,
		struct vmig_err *err)
{
	struct builder b = begin(nl, cmd, 0);

	put_u32(&b, VMIG_A_MIGRATION_ID, id);
	return send_call(&b, NULL, NULL, err);
}

int vmig_nl_migration_start(struct vmig_nl *nl, uint32_t id,
			    struct vmig_err *err)
{
	return step(nl, VMIG_CMD_MIGRATION_START, id, err);
}

int vmig_nl_migration_stop_copy(struct vmig_nl *nl, uint32_t id,
				struct vmig_err *err)
{
	return step(nl, VMIG_CMD_MIGRATION_STOP_COPY, id, err);
}

int vmig_nl_migration_stage(struct vmig_nl *nl, uint32_t id,
			    enum vmig_stage stage, uint64_t blackout,
			    struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_MIGRATION_STAGE, 0);

	put_u32(&b, VMIG_A_MIGRATION_ID, id);
	put_u32(&b, VMIG_A_MIGRATION_STAGE, stage);
	put_u64(&b, VMIG_A_MIGRATION_BLACKOUT, blackout);
	return send_call(&b, NULL, NULL, err);
}

int vmig_nl_migration_done(struct vmig_nl *nl, uint32_t id, uint64_t blackout,
			   struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_MIGRATION_DONE, 0);

	put_u32(&b, VMIG_A_MIGRATION_ID, id);
	put_u64(&b, VMIG_A_MIGRATION_BLACKOUT, blackout);
	return send_call(&b, NULL, NULL, err);
}

int vmig_nl_migration_fail(struct vmig_nl *nl, uint32_t id, int error,
			   const char *reason, struct vmig_err *err)
{
	struct builder b = begin(nl, VMIG_CMD_MIGRATION_FAIL, 0);

	put_u32(&b, VMIG_A_MIGRATION_ID, id);
	put_u32(&b, VMIG_A_MIGRATION_ERROR, error);
	put_text(&b, VMIG_A_MIGRATION_REASON, reason);
	return send_call(&b, NULL, NULL, err);
}

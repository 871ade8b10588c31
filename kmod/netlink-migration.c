// SPDX-License-Identifier: GPL-2.0
/* Netlink: migrations, for the agent that makes them and for all who watch. */
#include <linux/in.h>
#include <linux/in6.h>
#include <net/sock.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "migrate/migration.h"
#include "netlink.h"
#include "netlink-agent.h"
#include "netlink-gen.h"
#include "netlink-params.h"

/*
 * Changes with every migration that begins or ends, so that a dump in the
 * middle of it knows. One for all namespaces: a dump repeated in vain is
 * cheaper than one more object a namespace.
 */
static atomic_t migrations_seq = ATOMIC_INIT(1);

static bool migration_ended(const struct vmig_migration_info *m)
{
	return m->state == VMIG_STATE_DONE || m->state == VMIG_STATE_FAILED ||
	       m->state == VMIG_STATE_CANCELLED;
}

static int put_stages(struct sk_buff *msg, const struct vmig_migration_info *m)
{
	unsigned int stage;

	for (stage = VMIG_STAGE_SETUP; stage <= VMIG_STAGE_NETWORK; stage++) {
		struct nlattr *nest;

		if (!m->stages[stage].entered)
			continue;
		nest = nla_nest_start(msg, VMIG_A_MIGRATION_STAGE_TIME);
		if (!nest ||
		    nla_put_u32(msg, VMIG_A_STAGE_TIME_STAGE, stage) ||
		    vmig_netlink_put_u64(msg, VMIG_A_STAGE_TIME_START,
					 m->stages[stage].start) ||
		    vmig_netlink_put_u64(msg, VMIG_A_STAGE_TIME_DURATION,
					 m->stages[stage].duration))
			return -EMSGSIZE;
		nla_nest_end(msg, nest);
	}
	return 0;
}

static int put_counters(struct sk_buff *msg, const struct vmig_migration_info *m)
{
	const u64 values[] = {
		[VMIG_A_COUNTERS_MEMORY_BYTES]	= m->counters.memory_bytes,
		[VMIG_A_COUNTERS_ALLOCATED_BYTES] = m->counters.allocated_bytes,
		[VMIG_A_COUNTERS_REMAINING_BYTES] = m->counters.remaining_bytes,
		[VMIG_A_COUNTERS_WIRE_BYTES]	= m->counters.wire_bytes,
		[VMIG_A_COUNTERS_DATA_PAGES]	= m->counters.data_pages,
		[VMIG_A_COUNTERS_ZERO_PAGES]	= m->counters.zero_pages,
		[VMIG_A_COUNTERS_HOLE_PAGES]	= m->counters.hole_pages,
		[VMIG_A_COUNTERS_FINAL_PAGES]	= m->counters.final_pages,
		[VMIG_A_COUNTERS_DIRTY_RATE]	= m->counters.dirty_rate,
		[VMIG_A_COUNTERS_THROUGHPUT]	= m->counters.throughput,
		[VMIG_A_COUNTERS_PREDICTED_BLACKOUT] = m->counters.predicted_blackout,
		[VMIG_A_COUNTERS_TRACKED_FAULTS] = m->counters.tracked_faults,
		[VMIG_A_COUNTERS_STICKY_PAGES]	= m->counters.sticky_pages,
		[VMIG_A_COUNTERS_THROTTLE]	= m->counters.throttle,
		[VMIG_A_COUNTERS_TRACKING_BYTES] = m->counters.tracking_bytes,
		[VMIG_A_COUNTERS_DIGEST]	= m->counters.digest,
	};
	struct nlattr *nest = nla_nest_start(msg, VMIG_A_MIGRATION_COUNTERS);
	int attr;

	if (!nest || nla_put_u32(msg, VMIG_A_COUNTERS_ROUND, m->counters.round))
		return -EMSGSIZE;
	for (attr = VMIG_A_COUNTERS_MEMORY_BYTES; attr <= VMIG_A_COUNTERS_MAX; attr++)
		if (vmig_netlink_put_u64(msg, attr, values[attr]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* What may be unknown or does not apply is absent. */
static int put_options(struct sk_buff *msg, const struct vmig_migration_info *m)
{
	if ((m->verify && nla_put_flag(msg, VMIG_A_MIGRATION_VERIFY)) ||
	    (m->forced && nla_put_flag(msg, VMIG_A_MIGRATION_FORCED)) ||
	    (m->quick && nla_put_flag(msg, VMIG_A_MIGRATION_QUICK)) ||
	    (*m->warning &&
	     nla_put_string(msg, VMIG_A_MIGRATION_WARNING, m->warning)) ||
	    (m->bandwidth &&
	     vmig_netlink_put_u64(msg, VMIG_A_MIGRATION_BANDWIDTH, m->bandwidth)) ||
	    (m->converged && nla_put_flag(msg, VMIG_A_MIGRATION_CONVERGED)) ||
	    (m->error && nla_put_u32(msg, VMIG_A_MIGRATION_ERROR, abs(m->error))) ||
	    (*m->reason &&
	     nla_put_string(msg, VMIG_A_MIGRATION_REASON, m->reason)) ||
	    (m->blackout &&
	     vmig_netlink_put_u64(msg, VMIG_A_MIGRATION_BLACKOUT, m->blackout)))
		return -EMSGSIZE;
	return 0;
}

static int put_address(struct sk_buff *msg, int attr,
		       const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;

	switch (address->ss_family) {
	case AF_INET:
		return nla_put(msg, attr, sizeof(in->sin_addr), &in->sin_addr);
	case AF_INET6:
		return nla_put(msg, attr, sizeof(in6->sin6_addr),
			       &in6->sin6_addr);
	}
	return 0;
}

static int put_transport(struct sk_buff *msg,
			 const struct vmig_migration_info *m)
{
	if (nla_put_u32(msg, VMIG_A_MIGRATION_TRANSPORT, m->transport) ||
	    put_address(msg, VMIG_A_MIGRATION_LOCAL_ADDRESS, &m->local) ||
	    put_address(msg, VMIG_A_MIGRATION_PEER_ADDRESS, &m->peer) ||
	    (m->port && nla_put_u16(msg, VMIG_A_MIGRATION_PORT, m->port)) ||
	    (*m->device &&
	     nla_put_string(msg, VMIG_A_MIGRATION_DEVICE, m->device)) ||
	    (m->unconnected && nla_put_flag(msg, VMIG_A_MIGRATION_UNCONNECTED)))
		return -EMSGSIZE;
	return 0;
}

static int put_migration(struct sk_buff *msg, const struct vmig_migration_info *m)
{
	if (nla_put_u32(msg, VMIG_A_MIGRATION_ID, m->id) ||
	    nla_put_string(msg, VMIG_A_MIGRATION_VM, m->vm) ||
	    nla_put_string(msg, VMIG_A_MIGRATION_NODE, m->node) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_ROLE, m->role) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_STATE, m->state) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_STAGE, m->stage) ||
	    nla_put(msg, VMIG_A_MIGRATION_TOKEN, sizeof(m->token), m->token) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_CHANNELS, m->channels) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_MAX_BLACKOUT, m->max_blackout_ms) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_TIMEOUT, m->timeout_s) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_AT_TIMEOUT, m->at_timeout) ||
	    nla_put_u32(msg, VMIG_A_MIGRATION_STOP_LIMIT, m->stop_limit_s) ||
	    vmig_netlink_put_u64(msg, VMIG_A_MIGRATION_ELAPSED, m->elapsed))
		return -EMSGSIZE;
	return put_options(msg, m) ?: put_transport(msg, m) ?:
	       put_stages(msg, m) ?: put_counters(msg, m);
}

static int send_migration(struct genl_info *info,
			  const struct vmig_migration_info *m)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;
	int err;

	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq, &vmig_nl_family,
			  0, VMIG_CMD_MIGRATION_GET);
	err = hdr ? put_migration(msg, m) : -EMSGSIZE;
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/*
 * Which migration a user means: exactly one of @id and @vm is set.
 * Return: the attribute that says so, or -EINVAL with extack text.
 */
static int which_migration(struct genl_info *info, u32 *id, const char **vm)
{
	struct nlattr *by_id = info->attrs[VMIG_A_MIGRATION_ID];
	struct nlattr *by_vm = info->attrs[VMIG_A_MIGRATION_VM];
	int err;

	*id = 0;
	*vm = NULL;
	if (by_id && by_vm) {
		NL_SET_ERR_MSG_ATTR(info->extack, by_vm,
				    "Name the migration by id or by vm, not by both");
		return -EINVAL;
	}
	if (by_id) {
		*id = nla_get_u32(by_id);
		return VMIG_A_MIGRATION_ID;
	}
	if (!by_vm) {
		NL_SET_ERR_ATTR_MISS(info->extack, NULL, VMIG_A_MIGRATION_ID);
		NL_SET_ERR_MSG(info->extack,
			       "Which migration? The attribute id or vm is missing");
		return -EINVAL;
	}
	err = vmig_netlink_check_name(info, VMIG_A_MIGRATION_VM);
	if (err)
		return err;
	*vm = nla_data(by_vm);
	return VMIG_A_MIGRATION_VM;
}

static int get_migration(struct genl_info *info)
{
	struct vmig_migration_info m;
	const char *vm;
	int attr, err;
	u32 id;

	attr = which_migration(info, &id, &vm);
	if (attr < 0)
		return attr;
	err = vmig_migration_info(genl_info_net(info), id, vm, &m);
	if (!err)
		return send_migration(info, &m);
	if (vm)
		NL_SET_ERR_MSG_FMT(info->extack,
				   "VM %s has not been migrated here, or too long ago",
				   vm);
	else
		NL_SET_ERR_MSG_FMT(info->extack,
				   "There is no migration %u, or it ended too long ago",
				   id);
	return vmig_netlink_blame(info, attr, err);
}

int vmig_nl_migration_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, get_migration);
}

int vmig_nl_migration_get_start(struct netlink_callback *cb)
{
	return vmig_netlink_start_dump(cb);
}

/* In the order of their ids, cb->args[0] being the last one told. */
int vmig_nl_migration_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct net *net = sock_net(skb->sk);
	struct vmig_migration_info m;

	cb->seq = atomic_read(&migrations_seq) ?: 1;
	while (!vmig_migration_next(net, cb->args[0], &m)) {
		void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
					cb->nlh->nlmsg_seq, &vmig_nl_family,
					NLM_F_MULTI, VMIG_CMD_MIGRATION_GET);
		int err = hdr ? put_migration(skb, &m) : -EMSGSIZE;

		if (err) {
			genlmsg_cancel(skb, hdr);
			return skb->len ?: err;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cb->args[0] = m.id;
	}
	return skb->len;
}

/* A migration whose id the agent cannot be told is ended again. */
static int new_migration(struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct vmig_migration_params p = {};
	struct sk_buff *msg;
	void *hdr;
	u16 port;
	u32 id;
	int err;

	err = vmig_netlink_agent_check(info) ?:
	      vmig_netlink_params_read(info, &p);
	if (err)
		return err;
	msg = genlmsg_new(nla_total_size(sizeof(id)) +
			  nla_total_size(sizeof(port)), GFP_KERNEL);
	err = msg ? vmig_migration_new(net, &p, &id, &port, info->extack) :
		    -ENOMEM;
	memzero_explicit(p.secret, sizeof(p.secret));
	if (err) {
		nlmsg_free(msg);
		return vmig_netlink_blame(info, err == -EPROTONOSUPPORT ?
					  VMIG_A_MIGRATION_TRANSPORT :
					  VMIG_A_MIGRATION_VM, err);
	}
	atomic_inc(&migrations_seq);
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq, &vmig_nl_family,
			  0, VMIG_CMD_MIGRATION_NEW);
	if (!hdr || nla_put_u32(msg, VMIG_A_MIGRATION_ID, id) ||
	    (port && nla_put_u16(msg, VMIG_A_MIGRATION_PORT, port))) {
		nlmsg_free(msg);
		err = -EMSGSIZE;
	} else {
		genlmsg_end(msg, hdr);
		err = genlmsg_reply(msg, info);
	}
	if (err)
		vmig_migration_fail(net, id, ENOBUFS,
				    "the agent could not be told the migration's id",
				    NULL);
	return err;
}

int vmig_nl_migration_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, new_migration);
}

/* What all operations of the agent on a migration begin with. */
static int agents_migration(struct genl_info *info, u32 *id)
{
	int err = vmig_netlink_agent_check(info) ?:
		  vmig_netlink_need(info, VMIG_A_MIGRATION_ID, "id");

	if (!err)
		*id = nla_get_u32(info->attrs[VMIG_A_MIGRATION_ID]);
	return err;
}

static u64 blackout_of(struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[VMIG_A_MIGRATION_BLACKOUT];

	return attr ? nla_get_u64(attr) : 0;
}

static int start_migration(struct genl_info *info)
{
	u32 id;
	int err = agents_migration(info, &id);

	if (err)
		return err;
	err = vmig_migration_start(genl_info_net(info), id, info->extack);
	return vmig_netlink_blame(info, VMIG_A_MIGRATION_ID, err);
}

int vmig_nl_migration_start_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, start_migration);
}

static int stop_copy(struct genl_info *info)
{
	u32 id;
	int err = agents_migration(info, &id);

	if (err)
		return err;
	err = vmig_migration_stop_copy(genl_info_net(info), id, info->extack);
	return vmig_netlink_blame(info, VMIG_A_MIGRATION_ID, err);
}

int vmig_nl_migration_stop_copy_doit(struct sk_buff *skb,
				     struct genl_info *info)
{
	return vmig_netlink_run(skb, info, stop_copy);
}

static int enter_stage(struct genl_info *info)
{
	u32 id;
	int err = agents_migration(info, &id) ?:
		  vmig_netlink_need(info, VMIG_A_MIGRATION_STAGE, "stage");

	if (err)
		return err;
	err = vmig_migration_stage(genl_info_net(info), id,
				   nla_get_u32(info->attrs[VMIG_A_MIGRATION_STAGE]),
				   blackout_of(info), info->extack);
	return vmig_netlink_blame(info, VMIG_A_MIGRATION_ID, err);
}

int vmig_nl_migration_stage_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, enter_stage);
}

static int finish_migration(struct genl_info *info)
{
	u32 id;
	int err = agents_migration(info, &id);

	if (err)
		return err;
	err = vmig_migration_done(genl_info_net(info), id, blackout_of(info),
				  info->extack);
	return vmig_netlink_blame(info, VMIG_A_MIGRATION_ID, err);
}

int vmig_nl_migration_done_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, finish_migration);
}

static int fail_migration(struct genl_info *info)
{
	const struct nlattr *error = info->attrs[VMIG_A_MIGRATION_ERROR];
	u32 id;
	int err = agents_migration(info, &id) ?:
		  vmig_netlink_need(info, VMIG_A_MIGRATION_REASON, "reason");

	if (err)
		return err;
	err = vmig_migration_fail(genl_info_net(info), id,
				  error && nla_get_u32(error) ?
				  nla_get_u32(error) : EIO,
				  nla_data(info->attrs[VMIG_A_MIGRATION_REASON]),
				  info->extack);
	return vmig_netlink_blame(info, VMIG_A_MIGRATION_ID, err);
}

int vmig_nl_migration_fail_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, fail_migration);
}

static int cancel_migration(struct genl_info *info)
{
	const struct nlattr *reason = info->attrs[VMIG_A_MIGRATION_REASON];
	const char *vm;
	int attr, err;
	u32 id;

	attr = which_migration(info, &id, &vm);
	if (attr < 0)
		return attr;
	err = vmig_migration_cancel(genl_info_net(info), id, vm,
				    reason ? nla_data(reason) :
				    "cancelled on request",
				    info->extack);
	return vmig_netlink_blame(info, attr, err);
}

int vmig_nl_migration_cancel_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, cancel_migration);
}

void vmig_netlink_migration_ntf(struct net *net,
				const struct vmig_migration_info *m)
{
	struct sk_buff *msg;
	void *hdr;

	if (migration_ended(m))
		atomic_inc(&migrations_seq);
	if (!genl_has_listeners(&vmig_nl_family, net, VMIG_NLGRP_MIGRATIONS))
		return;
	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		goto err_lost;
	hdr = genlmsg_put(msg, 0, 0, &vmig_nl_family, 0,
			  VMIG_CMD_MIGRATION_NTF);
	if (!hdr || put_migration(msg, m))
		goto err_free;
	genlmsg_end(msg, hdr);
	genlmsg_multicast_netns(&vmig_nl_family, net, msg, 0,
				VMIG_NLGRP_MIGRATIONS, GFP_KERNEL);
	return;

err_free:
	nlmsg_free(msg);
err_lost:
	/* Listeners read ENOBUFS, as when they are too slow, and ask anew. */
	genl_set_err(&vmig_nl_family, net, 0, VMIG_NLGRP_MIGRATIONS, -ENOBUFS);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The agent of a node, and the requests that wait for its answer.
 *
 * An agent is a netlink socket, known by its port. It stays registered until
 * it is closed, and while it is registered the module stays loaded, so that no
 * request is left without an answer. A socket is not closed as long as one of
 * its messages is being worked on: what vmig_netlink_agent_check() found holds until
 * the operation returns.
 *
 * Of a request only its id and the asker's port are kept. Messages pass
 * through and are never stored here; they wait in the receiver's socket, which
 * bounds them.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/netns/generic.h>
#include "compat/compat.h"
#include "compat/genetlink.h"
#include "migrate/migration.h"
#include "netlink.h"
#include "netlink-agent.h"
#include "netlink-gen.h"
#include "netlink-request.h"

#define REQUESTS_MAX	64

struct request {
	struct list_head node;
	u32 id;
	u32 portid;	/* of who asked */
};

struct agent {
	/*
	 * Taken outside @lock. Held while the migrations of a closed agent are
	 * ended, so that those of the next one do not end with them.
	 */
	struct mutex registration;

	/*
	 * Protects all below. Held while messages about a request are sent, so
	 * that its id reaches the asker before its answer.
	 */
	struct mutex lock;
	u32 portid;	/* 0 if there is no agent */
	char name[VMIG_NAME_MAX + 1];
	struct list_head requests;
	unsigned int nrequests;
	u32 last_id;
};

static unsigned int agent_net_id;

static struct agent *agent_of(const struct net *net)
{
	return net_generic(net, agent_net_id);
}

static int no_agent(struct genl_info *info)
{
	NL_SET_ERR_MSG(info->extack,
		       "No agent is registered in this network namespace: start 'vmig-agent daemon'");
	return -ENOTCONN;
}

/**
 * vmig_netlink_agent_check() - Let only the registered agent pass.
 * @info: of the operation that only it may do
 *
 * Return: 0, or -EPERM with extack text.
 */
int vmig_netlink_agent_check(struct genl_info *info)
{
	if (READ_ONCE(agent_of(genl_info_net(info))->portid) == info->snd_portid)
		return 0;
	NL_SET_ERR_MSG(info->extack,
		       "Only the registered agent may do this: use the commands of vmig-agent");
	return -EPERM;
}

static int register_agent(struct genl_info *info)
{
	struct agent *agent = agent_of(genl_info_net(info));
	int err;

	err = vmig_netlink_need(info, VMIG_A_AGENT_NODE, "node") ?:
	      vmig_netlink_check_name(info, VMIG_A_AGENT_NODE);
	if (err)
		return err;

	mutex_lock(&agent->registration);
	mutex_lock(&agent->lock);
	if (agent->portid == info->snd_portid) {
		NL_SET_ERR_MSG_FMT(info->extack,
				   "This socket is the agent of node %s already",
				   agent->name);
		err = -EALREADY;
		goto out;
	}
	if (agent->portid) {
		NL_SET_ERR_MSG_FMT(info->extack,
				   "Node %s has an agent already, on netlink port %u: stop it first",
				   agent->name, agent->portid);
		err = -EBUSY;
		goto out;
	}
	if (!try_module_get(THIS_MODULE)) {
		NL_SET_ERR_MSG(info->extack, "The module is being unloaded");
		err = -ENODEV;
		goto out;
	}
	nla_strscpy(agent->name, info->attrs[VMIG_A_AGENT_NODE],
		    sizeof(agent->name));
	WRITE_ONCE(agent->portid, info->snd_portid);
out:
	mutex_unlock(&agent->lock);
	mutex_unlock(&agent->registration);
	return err;
}

int vmig_nl_agent_register_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, register_agent);
}

static int get_agent(struct genl_info *info)
{
	struct agent *agent = agent_of(genl_info_net(info));
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = vmig_netlink_need_none(info);
	if (err)
		return err;
	msg = genlmsg_new(nla_total_size(sizeof(agent->name)) +
			  nla_total_size(sizeof(u32)), GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq, &vmig_nl_family,
			  0, VMIG_CMD_AGENT_GET);

	mutex_lock(&agent->lock);
	if (!agent->portid)
		err = no_agent(info);
	else
		err = !hdr ||
		      nla_put_string(msg, VMIG_A_AGENT_NODE, agent->name) ||
		      nla_put_u32(msg, VMIG_A_AGENT_PORT, agent->portid) ?
		      -EMSGSIZE : 0;
	mutex_unlock(&agent->lock);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

int vmig_nl_agent_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, get_agent);
}

static struct request *find_request(struct agent *agent, u32 id)
{
	struct request *request;

	list_for_each_entry(request, &agent->requests, node)
		if (request->id == id)
			return request;
	return NULL;
}

static struct request *add_request(struct agent *agent, u32 portid)
{
	struct request *request = kmalloc(sizeof(*request), GFP_KERNEL_ACCOUNT);

	if (!request)
		return NULL;
	do {
		agent->last_id++;
	} while (!agent->last_id || find_request(agent, agent->last_id));
	request->id = agent->last_id;
	request->portid = portid;
	list_add_tail(&request->node, &agent->requests);
	agent->nrequests++;
	return request;
}

static void remove_request(struct agent *agent, struct request *request)
{
	list_del(&request->node);
	agent->nrequests--;
	kfree(request);
}

/* A message @cmd with @id and a copy of attributes 1 to @maxattr of @info. */
static struct sk_buff *copy_request(struct genl_info *info, u8 cmd, u32 id,
				    int maxattr)
{
	size_t size = nla_total_size(sizeof(id));
	struct sk_buff *msg;
	void *hdr;
	int attr;

	for (attr = 1; attr <= maxattr; attr++)
		if (info->attrs[attr])
			size += nla_total_size(nla_len(info->attrs[attr]));
	msg = genlmsg_new(size, GFP_KERNEL);
	if (!msg)
		return NULL;
	hdr = genlmsg_put(msg, 0, 0, &vmig_nl_family, 0, cmd);
	if (!hdr || nla_put_u32(msg, VMIG_A_REQUEST_ID, id))
		goto err_free;
	for (attr = 1; attr <= maxattr; attr++) {
		const struct nlattr *nla = info->attrs[attr];

		if (nla && attr != VMIG_A_REQUEST_ID &&
		    nla_put(msg, attr, nla_len(nla), nla_data(nla)))
			goto err_free;
	}
	genlmsg_end(msg, hdr);
	return msg;

err_free:
	nlmsg_free(msg);
	return NULL;
}

static int reply_id(struct genl_info *info, u32 id)
{
	struct sk_buff *msg = genlmsg_new(nla_total_size(sizeof(id)),
					  GFP_KERNEL);
	void *hdr;

	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put(msg, info->snd_portid, info->snd_seq, &vmig_nl_family,
			  0, VMIG_CMD_REQUEST);
	if (!hdr || nla_put_u32(msg, VMIG_A_REQUEST_ID, id)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/*
 * Send the id to the asker, then the request to the agent: an asker that
 * cannot be told the id has asked for nothing.
 */
static int send_request(struct genl_info *info, u32 portid, u32 id)
{
	struct sk_buff *msg;
	int err;

	msg = copy_request(info, VMIG_CMD_REQUEST_NTF, id,
			   VMIG_A_REQUEST_TRANSPORT);
	if (!msg)
		return -ENOMEM;
	err = reply_id(info, id);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	err = genlmsg_unicast(genl_info_net(info), msg, portid);
	if (err == -ECONNREFUSED)
		return no_agent(info);
	if (err == -EAGAIN)
		NL_SET_ERR_MSG(info->extack,
			       "The agent is too busy to read requests: try again later");
	return err;
}

static int relay_request(struct genl_info *info)
{
	struct agent *agent = agent_of(genl_info_net(info));
	struct request *request;
	int err;

	err = vmig_netlink_request_check(info);
	if (err)
		return err;

	mutex_lock(&agent->lock);
	if (!agent->portid) {
		err = no_agent(info);
		goto out;
	}
	if (agent->nrequests >= REQUESTS_MAX) {
		NL_SET_ERR_MSG_FMT(info->extack,
				   "%u requests wait for the agent already: try again when one is answered",
				   agent->nrequests);
		err = -EBUSY;
		goto out;
	}
	request = add_request(agent, info->snd_portid);
	if (!request) {
		err = -ENOMEM;
		goto out;
	}
	err = send_request(info, agent->portid, request->id);
	if (err)
		remove_request(agent, request);
out:
	mutex_unlock(&agent->lock);
	return err;
}

int vmig_nl_request_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, relay_request);
}

/* The request stays if its answer cannot be copied: the agent may try again. */
static int send_answer(struct genl_info *info, struct agent *agent, u32 id)
{
	struct request *request = find_request(agent, id);
	struct sk_buff *msg;
	int err;

	if (!request) {
		NL_SET_BAD_ATTR(info->extack, info->attrs[VMIG_A_REQUEST_ID]);
		NL_SET_ERR_MSG_FMT(info->extack,
				   "Request %u waits for no answer: it has one, or the asker is gone",
				   id);
		return -ENOENT;
	}
	msg = copy_request(info, VMIG_CMD_ANSWER_NTF, id,
			   VMIG_A_REQUEST_MESSAGE);
	if (!msg)
		return -ENOMEM;
	err = genlmsg_unicast(genl_info_net(info), msg, request->portid);
	if (err)
		NL_SET_ERR_MSG_FMT(info->extack,
				   "The answer to request %u is lost: the asker does not read it",
				   id);
	remove_request(agent, request);
	return err;
}

static int relay_answer(struct genl_info *info)
{
	struct agent *agent = agent_of(genl_info_net(info));
	int err;

	err = vmig_netlink_agent_check(info) ?:
	      vmig_netlink_need(info, VMIG_A_REQUEST_ID, "id");
	if (err)
		return err;
	mutex_lock(&agent->lock);
	err = send_answer(info, agent,
			  nla_get_u32(info->attrs[VMIG_A_REQUEST_ID]));
	mutex_unlock(&agent->lock);
	return err;
}

int vmig_nl_answer_doit(struct sk_buff *skb, struct genl_info *info)
{
	return vmig_netlink_run(skb, info, relay_answer);
}

static void forget_requests_of(struct agent *agent, u32 portid)
{
	struct request *request, *next;

	list_for_each_entry_safe(request, next, &agent->requests, node)
		if (request->portid == portid)
			remove_request(agent, request);
}

/* Best effort: an asker without memory or room finds the agent gone as well. */
static void answer_agent_gone(struct net *net, const struct request *request)
{
	static const char text[] =
		"The agent has gone before it answered: look at its log and try again";
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(2 * nla_total_size(sizeof(u32)) +
			  nla_total_size(sizeof(text)), GFP_KERNEL);
	if (!msg)
		return;
	hdr = genlmsg_put(msg, 0, 0, &vmig_nl_family, 0, VMIG_CMD_ANSWER_NTF);
	if (!hdr || nla_put_u32(msg, VMIG_A_REQUEST_ID, request->id) ||
	    nla_put_u32(msg, VMIG_A_REQUEST_ERROR, ENOTCONN) ||
	    nla_put_string(msg, VMIG_A_REQUEST_MESSAGE, text)) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, hdr);
	genlmsg_unicast(net, msg, request->portid);
}

/*
 * A port is free for the next socket before this is told of the last one, so
 * that two that have had the agent's may close at the same time.
 */
static void end_agent(struct net *net, struct agent *agent, u32 portid)
{
	struct request *request, *next;

	mutex_lock(&agent->registration);
	mutex_lock(&agent->lock);
	forget_requests_of(agent, portid);
	if (agent->portid != portid) {
		mutex_unlock(&agent->lock);
		mutex_unlock(&agent->registration);
		return;
	}
	WRITE_ONCE(agent->portid, 0);
	list_for_each_entry_safe(request, next, &agent->requests, node) {
		answer_agent_gone(net, request);
		remove_request(agent, request);
	}
	mutex_unlock(&agent->lock);
	vmig_migration_agent_gone(net);
	mutex_unlock(&agent->registration);
	/* vmig_netlink_agent_exit() waits until the notifier has returned. */
	module_put(THIS_MODULE);
}

static int socket_closed(struct notifier_block *nb, unsigned long event,
			 void *data)
{
	const struct netlink_notify *notify = data;
	struct agent *agent;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;

	agent = agent_of(notify->net);
	if (READ_ONCE(agent->portid) == notify->portid) {
		end_agent(notify->net, agent, notify->portid);
	} else {
		mutex_lock(&agent->lock);
		forget_requests_of(agent, notify->portid);
		mutex_unlock(&agent->lock);
	}
	return NOTIFY_DONE;
}

static struct notifier_block agent_notifier = {
	.notifier_call = socket_closed,
};

static int __net_init init_agent_net(struct net *net)
{
	struct agent *agent = agent_of(net);

	mutex_init(&agent->registration);
	mutex_init(&agent->lock);
	INIT_LIST_HEAD(&agent->requests);
	return 0;
}

/* A namespace goes after its sockets, and with them went agent and requests. */
static void __net_exit exit_agent_net(struct net *net)
{
	struct agent *agent = agent_of(net);

	WARN_ON_ONCE(agent->portid || !list_empty(&agent->requests));
}

static struct pernet_operations agent_net_ops = {
	.init = init_agent_net,
	.exit = exit_agent_net,
	.id = &agent_net_id,
	.size = sizeof(struct agent),
};

int vmig_netlink_agent_init(void)
{
	int err;

	err = register_pernet_subsys(&agent_net_ops);
	if (err)
		return err;
	err = netlink_register_notifier(&agent_notifier);
	if (err)
		unregister_pernet_subsys(&agent_net_ops);
	return err;
}

void vmig_netlink_agent_exit(void)
{
	netlink_unregister_notifier(&agent_notifier);
	unregister_pernet_subsys(&agent_net_ops);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The migrations of a node, which is a network namespace: those that live and
 * the records of those that ended.
 *
 * A live migration holds its namespace, so that only records are left when a
 * namespace goes.
 */
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "compat/compat.h"
#include "migrate/engine.h"

#define RECORDS_MAX	64

/**
 * struct vmig_node - the migrations of a network namespace
 * @lock: protects all below; taken before the lock of a migration
 * @migrations: ascending by id, one reference each
 * @records: how many of them have ended
 * @last_id: the id given last
 */
struct vmig_node {
	struct mutex lock;
	struct list_head migrations;
	unsigned int records;
	u32 last_id;
};

static unsigned int node_id;

static struct vmig_node *node_of(struct net *net)
{
	return net_generic(net, node_id);
}

u32 vmig_node_new_id(struct net *net)
{
	struct vmig_node *node = node_of(net);
	u32 id;

	mutex_lock(&node->lock);
	/* 0 is none, and the last is what a VM claimed by debugfs says. */
	if (++node->last_id >= VMIG_CLAIM_DEBUG)
		node->last_id = 1;
	id = node->last_id;
	mutex_unlock(&node->lock);
	return id;
}

/* Let others find a migration; the list takes a reference. */
void vmig_node_add(struct vmig_migration *m)
{
	struct vmig_node *node = node_of(m->net);

	kref_get(&m->ref);
	mutex_lock(&node->lock);
	list_add_tail(&m->entry, &node->migrations);
	mutex_unlock(&node->lock);
}

/* @m is about to end: it stays as a record until enough others have ended. */
void vmig_node_keep_record(struct vmig_migration *m)
{
	struct vmig_node *node = node_of(m->net);
	struct vmig_migration *old = NULL, *each;

	mutex_lock(&node->lock);
	if (++node->records > RECORDS_MAX) {
		list_for_each_entry(each, &node->migrations, entry) {
			if (vmig_state_ended(READ_ONCE(each->info.state))) {
				old = each;
				break;
			}
		}
	}
	if (old) {
		list_del(&old->entry);
		node->records--;
	}
	mutex_unlock(&node->lock);
	if (old)
		vmig_migration_put(old);
}

/**
 * vmig_node_find() - Find a migration.
 * @net: the node
 * @id: its id, or 0 for the newest of @vm
 * @vm: or its name
 *
 * Return: it with a reference, or NULL.
 */
struct vmig_migration *vmig_node_find(struct net *net, u32 id, const char *vm)
{
	struct vmig_node *node = node_of(net);
	struct vmig_migration *m, *found = NULL;

	mutex_lock(&node->lock);
	list_for_each_entry_reverse(m, &node->migrations, entry) {
		if (id ? m->info.id == id : !strcmp(m->info.vm, vm)) {
			found = m;
			kref_get(&m->ref);
			break;
		}
	}
	mutex_unlock(&node->lock);
	return found;
}

/* Return: the first migration with a larger id, with a reference, or NULL. */
struct vmig_migration *vmig_node_next(struct net *net, u32 after_id)
{
	struct vmig_node *node = node_of(net);
	struct vmig_migration *m, *found = NULL;

	mutex_lock(&node->lock);
	list_for_each_entry(m, &node->migrations, entry) {
		if (m->info.id > after_id) {
			found = m;
			kref_get(&m->ref);
			break;
		}
	}
	mutex_unlock(&node->lock);
	return found;
}

static void read_info(struct vmig_migration *m,
		      struct vmig_migration_info *info)
{
	mutex_lock(&m->lock);
	vmig_stats_refresh(m);
	*info = m->info;
	mutex_unlock(&m->lock);
	vmig_migration_put(m);
}

/* Return: 0, or -ENOENT if there is no such migration. */
int vmig_migration_info(struct net *net, u32 id, const char *vm,
			struct vmig_migration_info *info)
{
	struct vmig_migration *m = vmig_node_find(net, id, vm);

	if (!m)
		return -ENOENT;
	read_info(m, info);
	return 0;
}

/* Return: 0 with the next one in the order of ids, or -ENOENT. */
int vmig_migration_next(struct net *net, u32 after_id,
			struct vmig_migration_info *info)
{
	struct vmig_migration *m = vmig_node_next(net, after_id);

	if (!m)
		return -ENOENT;
	read_info(m, info);
	return 0;
}

static int __net_init init_node(struct net *net)
{
	struct vmig_node *node = node_of(net);

	mutex_init(&node->lock);
	INIT_LIST_HEAD(&node->migrations);
	return 0;
}

static void __net_exit exit_node(struct net *net)
{
	struct vmig_node *node = node_of(net);
	struct vmig_migration *m, *next;

	list_for_each_entry_safe(m, next, &node->migrations, entry) {
		list_del(&m->entry);
		vmig_migration_put(m);
	}
}

static struct pernet_operations node_ops = {
	.init = init_node,
	.exit = exit_node,
	.id = &node_id,
	.size = sizeof(struct vmig_node),
};

int vmig_node_init(void)
{
	return register_pernet_subsys(&node_ops);
}

void vmig_node_exit(void)
{
	unregister_pernet_subsys(&node_ops);
}

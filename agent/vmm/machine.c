// SPDX-License-Identifier: GPL-2.0
/* A VM as this node knows it: its definition, and its QEMU if there is one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../answer.h"
#include "../cluster/token.h"
#include "../daemon.h"
#include "../migrate/checkup.h"
#include "../net/net.h"
#include "cmdline.h"
#include "machine.h"

struct vmig_machine *vmig_machine_find(struct vmig_daemon *daemon,
				       const char *name)
{
	struct vmig_machine *m;

	LIST_FOREACH(m, &daemon->machines, entry) {
		if (!strcmp(m->name, name))
			return m;
	}
	return NULL;
}

/* May a VM of that name be made here? */
static int check_name(struct vmig_daemon *daemon, const char *name,
		      struct vmig_err *err)
{
	const struct vmig_machine *other = vmig_machine_find(daemon, name);
	const char *state;

	if (!other)
		return 0;
	state = vmig_machine_state(other);
	/* As one that was cancelled does, until its QEMU and memory are gone. */
	if (!strcmp(state, VMIG_VM_INCOMING))
		return vmig_err_set(err, EBUSY,
				    "VM %s is arriving here already, or an earlier migration of it is still being cleaned up: try again in a few seconds",
				    name);
	return vmig_err_set(err, EEXIST,
			    "there is a VM %s already (%s): undefine it, or give one another name",
			    name, state);
}

/**
 * vmig_machine_check_arrival() - May @m, which is in no list, arrive here?
 *
 * Over a definition of its name it may if that is of the same lease and nothing
 * of it is going on: then the lease, which is read next, says that the VM is the
 * other node's. Without one nothing tells that both are the same VM.
 */
int vmig_machine_check_arrival(const struct vmig_machine *m,
			       struct vmig_err *err)
{
	const struct vmig_machine *other = vmig_machine_find(m->daemon,
							     m->name);
	uint8_t token[VMIG_TOKEN_LEN];
	char node[VMIG_NAME_MAX + 1];

	if (!other || other->pidfd >= 0 || !other->owned ||
	    !vmig_ownership_is_same(other, m))
		return check_name(m->daemon, m->name, err);
	if (vmig_machine_is_idle(other) &&
	    !vmig_handover_find(other, node, token))
		return 0;
	return vmig_err_set(err, EBUSY,
			    "VM %s is defined here, and what became of it is being found out: try again in a few seconds",
			    m->name);
}

static void discard(struct vmig_machine *m)
{
	free(m->def);
	free(m->text);
	free(m);
}

/* In no list yet. */
static int make(struct vmig_machine **machine, struct vmig_daemon *daemon,
		const char *text, const char *source, struct vmig_err *err)
{
	struct vmig_machine *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return vmig_err_set(err, ENOMEM, "out of memory");
	m->daemon = daemon;
	m->pidfd = -1;
	m->text = strdup(text);
	m->def = calloc(1, sizeof(*m->def));
	if (!m->text || !m->def) {
		ret = vmig_err_set(err, ENOMEM, "out of memory");
		goto err_free;
	}
	ret = vmig_definition_parse(text, source, m->def, err);
	if (ret)
		goto err_free;
	ret = vmig_cmdline_check_extra(m->def, err);
	if (ret)
		goto err_free;
	strcpy(m->name, m->def->name);
	*machine = m;
	return 0;

err_free:
	discard(m);
	return ret;
}

/**
 * vmig_machine_new() - Take a definition's @text into the list of VMs.
 * @source: stands for the text in error sentences
 *
 * Return: 0; -EEXIST if there is a VM of that name, -EBUSY if it is arriving;
 * or what the definition's parser says.
 */
int vmig_machine_new(struct vmig_machine **machine, struct vmig_daemon *daemon,
		     const char *text, const char *source,
		     struct vmig_err *err)
{
	struct vmig_machine *m;
	int ret;

	ret = make(&m, daemon, text, source, err);
	if (ret)
		return ret;
	ret = check_name(daemon, m->name, err);
	if (ret) {
		discard(m);
		return ret;
	}
	LIST_INSERT_HEAD(&daemon->machines, m, entry);
	*machine = m;
	return 0;
}

/**
 * vmig_machine_arrive() - The same for a VM that another node sends.
 *
 * It takes the place of one that this node defines: see
 * vmig_machine_check_arrival(). vmig_machine_end() undoes that.
 */
int vmig_machine_arrive(struct vmig_machine **machine,
			struct vmig_daemon *daemon, const char *text,
			const char *source, struct vmig_err *err)
{
	struct vmig_machine *m, *other;
	int ret;

	ret = make(&m, daemon, text, source, err);
	if (ret)
		return ret;
	ret = vmig_machine_check_arrival(m, err);
	if (ret) {
		discard(m);
		return ret;
	}
	other = vmig_machine_find(daemon, m->name);
	if (other)
		vmig_machine_free(other);
	LIST_INSERT_HEAD(&daemon->machines, m, entry);
	*machine = m;
	return 0;
}

/* vmig_machine_free() - Forget a VM; a QEMU that it has runs on unwatched. */
void vmig_machine_free(struct vmig_machine *m)
{
	LIST_REMOVE(m, entry);
	vmig_checkup_forget(m);
	vmig_resume_stop(m);
	vmig_announce_stop(m->announce);
	vmig_lease_abandon(m->lease.op);
	vmig_qmp_close(m->qmp);
	sd_event_source_disable_unref(m->death);
	sd_event_source_disable_unref(m->stop_limit);
	sd_event_source_disable_unref(m->cleaning);
	if (m->pidfd >= 0)
		close(m->pidfd);
	free(m->cpu);
	free(m->failure);
	free(m->def);
	free(m->text);
	free(m);
}

/* vmig_machine_use() - Who hears of events and death; NULL for nobody. */
void vmig_machine_use(struct vmig_machine *m,
		      const struct vmig_machine_ops *ops, void *arg)
{
	m->ops = ops;
	m->ops_arg = arg;
}

const char *vmig_machine_state(const struct vmig_machine *m)
{
	if (m->pidfd < 0)
		return VMIG_VM_STOPPED;
	if (m->incoming)
		return VMIG_VM_INCOMING;
	if (m->ops)
		return VMIG_VM_OUTGOING;
	return m->running ? VMIG_VM_RUNNING : VMIG_VM_PAUSED;
}

/*
 * vmig_machine_is_leaving() - It is not this node's VM any more, only its
 * QEMU takes a moment to die. Users do not see it.
 */
bool vmig_machine_is_leaving(const struct vmig_machine *m)
{
	return m->ended && !m->owned && !m->incoming;
}

/* vmig_machine_is_idle() - It is off, and nothing is under way about it. */
bool vmig_machine_is_idle(const struct vmig_machine *m)
{
	return m->pidfd < 0 && !m->ops && !m->start_request && !m->cleaning &&
	       !vmig_ownership_is_busy(m);
}

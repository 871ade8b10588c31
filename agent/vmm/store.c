// SPDX-License-Identifier: GPL-2.0
/*
 * What of a VM is on disk.
 *
 *	definitions/NAME.ini		this node may run the VM
 *	definitions/NAME.leaving	another node may run it: handover.c
 *	definitions/NAME.arrived	the migrations that brought it: handover.c
 *	definitions/NAME.cpu		the processor that the VM sees
 *	run/NAME/definition.ini		the VM arrives, or runs
 *	run/NAME/cpu			the processor that it arrives with
 *	run/NAME/handoff		the lease that it waits for: handoff.c
 *	run/NAME/earlier.ini, .cpu	what NAME.ini was before: earlier.c
 *
 * Those in the first folder are the durable half of a commit: a node that was
 * restarted still knows where the VM is, and how it saw the processor.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../daemon.h"
#include "../file.h"
#include "machine.h"

#define STORE_PATH_MAX (PATH_MAX + NAME_MAX + 32)

/* What is frozen at @path; without anything frozen there is no file. */
static int write_cpu(const struct vmig_machine *m, const char *path,
		     struct vmig_err *err)
{
	struct json_object *o;
	int ret;

	if (!vmig_processor_is_frozen(m)) {
		unlink(path);
		return 0;
	}
	o = vmig_cpu_state_encode(m->cpu);
	ret = vmig_file_write(path, json_object_to_json_string_ext(o,
				JSON_C_TO_STRING_PLAIN), err);
	json_object_put(o);
	return ret;
}

/**
 * vmig_store_own() - From now on this node may run the VM, also after a crash.
 * @token: the migration that brought it, or NULL
 */
int vmig_store_own(struct vmig_machine *m, const uint8_t *token,
		   struct vmig_err *err)
{
	const char *folder = m->daemon->config->definitions;
	char path[STORE_PATH_MAX];
	int ret = 0;

	/* What is left of an earlier VM of that name says nothing about it. */
	if (!vmig_store_is_defined(m))
		ret = vmig_handover_stays(m, err);
	if (!ret && token)
		ret = vmig_handover_arrived(m, token, err);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s.cpu", folder, m->name);
	ret = write_cpu(m, path, err);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s.ini", folder, m->name);
	ret = vmig_file_write(path, m->text, err);
	if (!ret)
		ret = vmig_file_sync_folder(folder, err);
	if (!ret)
		m->owned = true;
	return ret;
}

/* vmig_store_is_defined() - Has this node a definition of that name? */
bool vmig_store_is_defined(const struct vmig_machine *m)
{
	char path[STORE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.ini",
		 m->daemon->config->definitions, m->name);
	return !access(path, F_OK);
}

/* vmig_store_disown() - The VM is another node's now, or nobody's. */
void vmig_store_disown(struct vmig_machine *m)
{
	const char *folder = m->daemon->config->definitions;
	char path[STORE_PATH_MAX];
	struct vmig_err err;

	m->owned = false;
	snprintf(path, sizeof(path), "%s/%s.ini", folder, m->name);
	unlink(path);
	/* A definition that comes back without the other would be started. */
	if (vmig_file_sync_folder(folder, &err)) {
		vmig_log("VM %s: %s", m->name, err.text);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s.cpu", folder, m->name);
	unlink(path);
	if (vmig_handover_stays(m, &err))
		vmig_log("VM %s: %s", m->name, err.text);
}

/* vmig_store_return() - It did not arrive: all is as it was before. */
void vmig_store_return(struct vmig_machine *m)
{
	struct vmig_err err;

	if (!vmig_earlier_is_kept(m->daemon, m->name)) {
		vmig_store_disown(m);
		return;
	}
	m->owned = false;
	if (vmig_earlier_restore(m, &err))
		vmig_log("VM %s: its definition here is that of a migration that failed: %s",
			 m->name, err.text);
}

/* vmig_store_incoming() - So that a restarted daemon knows what arrives. */
int vmig_store_incoming(struct vmig_machine *m, struct vmig_err *err)
{
	char path[STORE_PATH_MAX];
	int ret = 0;

	vmig_earlier_forget(m);
	if (!m->owned && vmig_store_is_defined(m))
		ret = vmig_earlier_keep(m, err);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s/cpu", m->daemon->config->run,
		 m->name);
	ret = write_cpu(m, path, err);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s/definition.ini",
		 m->daemon->config->run, m->name);
	return vmig_file_write(path, m->text, err);
}

int vmig_store_folders(struct vmig_daemon *daemon, struct vmig_err *err)
{
	int ret = vmig_file_make_folder(daemon->config->definitions, err);

	return ret ? ret : vmig_file_make_folder(daemon->config->run, err);
}

/* A state of another policy is left of a change that did not end. */
static void load_cpu(struct vmig_machine *m, const char *path)
{
	struct vmig_cpu_state *cpu;
	struct json_object *o;
	struct vmig_err err;
	char *text;

	if (access(path, F_OK))
		return;
	if (vmig_keyfile_read(path, &text, &err)) {
		vmig_log("VM %s: %s", m->name, err.text);
		return;
	}
	o = json_tokener_parse(text);
	cpu = calloc(1, sizeof(*cpu));
	if (cpu && vmig_cpu_state_decode(o, cpu, &err))
		vmig_log("VM %s: %s: %s", m->name, path, err.text);
	else if (cpu && !strcmp(cpu->policy, m->def->cpu_policy))
		m->cpu = cpu;
	if (m->cpu != cpu)
		free(cpu);
	json_object_put(o);
	free(text);
}

/* @path is of the definition and @cpu of the processor. */
static void load_one(struct vmig_daemon *daemon, const char *path,
		     const char *cpu, bool owned)
{
	struct vmig_definition *def = calloc(1, sizeof(*def));
	struct vmig_machine *m;
	struct vmig_err err;
	char *text = NULL;

	if (!def)
		return;
	if (vmig_definition_load(path, def, &text, &err)) {
		vmig_log("%s", err.text);
	} else if (!vmig_machine_find(daemon, def->name)) {
		if (vmig_machine_new(&m, daemon, text, path, &err)) {
			vmig_log("%s", err.text);
		} else {
			m->owned = owned;
			load_cpu(m, cpu);
		}
	}
	free(text);
	free(def);
}

/* vmig_store_reload() - The VM of that name that this node may run, if any. */
void vmig_store_reload(struct vmig_daemon *daemon, const char *vm)
{
	char path[STORE_PATH_MAX], cpu[STORE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.ini", daemon->config->definitions,
		 vm);
	snprintf(cpu, sizeof(cpu), "%s/%s.cpu", daemon->config->definitions,
		 vm);
	if (!access(path, F_OK))
		load_one(daemon, path, cpu, true);
}

/*
 * VMs that have a QEMU, or had one. @earlier: only those that took the place of
 * a definition; they are owned once the commit has begun, see handoff.c.
 */
static int load_run(struct vmig_daemon *daemon, bool earlier,
		    struct vmig_err *err)
{
	char path[STORE_PATH_MAX], cpu[STORE_PATH_MAX];
	char handoff[STORE_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	dir = opendir(daemon->config->run);
	if (!dir)
		return vmig_err_set(err, errno, "%s: %s", daemon->config->run,
				    strerror(errno));
	while ((entry = readdir(dir))) {
		const char *vm = entry->d_name;

		if (*vm == '.' ||
		    (earlier && !vmig_earlier_is_kept(daemon, vm)))
			continue;
		snprintf(path, sizeof(path), "%s/%s/definition.ini",
			 daemon->config->run, vm);
		snprintf(cpu, sizeof(cpu), "%s/%s/cpu", daemon->config->run,
			 vm);
		snprintf(handoff, sizeof(handoff), "%s/%s/handoff",
			 daemon->config->run, vm);
		if (!access(path, F_OK))
			load_one(daemon, path, cpu,
				 earlier && !access(handoff, F_OK));
	}
	closedir(dir);
	return 0;
}

/* vmig_store_load() - What the last daemon left, owned VMs before others. */
int vmig_store_load(struct vmig_daemon *daemon, struct vmig_err *err)
{
	char vm[NAME_MAX + 1];
	struct dirent *entry;
	DIR *dir;
	int ret;

	ret = load_run(daemon, true, err);
	if (ret)
		return ret;
	dir = opendir(daemon->config->definitions);
	if (!dir)
		return vmig_err_set(err, errno, "%s: %s",
				    daemon->config->definitions,
				    strerror(errno));
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len <= 4 || strcmp(entry->d_name + len - 4, ".ini"))
			continue;
		snprintf(vm, sizeof(vm), "%.*s", (int)(len - 4),
			 entry->d_name);
		vmig_store_reload(daemon, vm);
	}
	closedir(dir);
	return load_run(daemon, false, err);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What of a VM is on disk.
 *
 *	definitions/NAME.ini		this node may run the VM
 *	definitions/NAME.arrived	the token of the migration that brought it
 *	run/NAME/definition.ini		the VM arrives, or runs
 *
 * The first two are the durable half of a commit: a node that was restarted
 * still knows that a migration brought it the VM.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cluster/token.h"
#include "../daemon.h"
#include "machine.h"

#define STORE_PATH_MAX (PATH_MAX + NAME_MAX + 32)

static int write_file(const char *path, const char *text, struct vmig_err *err)
{
	size_t left = strlen(text);
	char scratch[STORE_PATH_MAX + 8];
	int fd, ret = 0;

	snprintf(scratch, sizeof(scratch), "%s.new", path);
	fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return vmig_err_set(err, errno, "%s: %s", scratch,
				    strerror(errno));
	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0)
			break;
		text += n;
		left -= (size_t)n;
	}
	if (left || fsync(fd) || rename(scratch, path)) {
		ret = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
		unlink(scratch);
	}
	close(fd);
	return ret;
}

static int sync_folder(const char *path, struct vmig_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0 || fsync(fd))
		ret = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
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
	char text[VMIG_TOKEN_TEXT];
	char path[STORE_PATH_MAX];
	int ret;

	if (token) {
		vmig_token_text(token, text);
		snprintf(path, sizeof(path), "%s/%s.arrived", folder, m->name);
		ret = write_file(path, text, err);
		if (ret)
			return ret;
	}
	snprintf(path, sizeof(path), "%s/%s.ini", folder, m->name);
	ret = write_file(path, m->text, err);
	if (!ret)
		ret = sync_folder(folder, err);
	if (!ret)
		m->owned = true;
	return ret;
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
	snprintf(path, sizeof(path), "%s/%s.arrived", folder, m->name);
	unlink(path);
	if (sync_folder(folder, &err))
		vmig_log("VM %s: %s", m->name, err.text);
}

/* vmig_store_incoming() - So that a restarted daemon knows what arrives. */
int vmig_store_incoming(struct vmig_machine *m, struct vmig_err *err)
{
	char path[STORE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/definition.ini",
		 m->daemon->config->run, m->name);
	return write_file(path, m->text, err);
}

/* vmig_store_arrived() - Did this migration bring the VM here, on record? */
bool vmig_store_arrived(struct vmig_daemon *daemon, const char *vm,
			const uint8_t *token)
{
	char path[STORE_PATH_MAX];
	char text[VMIG_TOKEN_TEXT], found[sizeof(text)] = "";
	FILE *file;

	vmig_token_text(token, text);
	snprintf(path, sizeof(path), "%s/%s.ini", daemon->config->definitions,
		 vm);
	if (access(path, F_OK))
		return false;
	snprintf(path, sizeof(path), "%s/%s.arrived",
		 daemon->config->definitions, vm);
	file = fopen(path, "re");
	if (!file)
		return false;
	(void)!fgets(found, sizeof(found), file);
	fclose(file);
	return !strcmp(text, found);
}

static int make_folder(const char *path, struct vmig_err *err)
{
	char part[PATH_MAX];
	char *slash;

	snprintf(part, sizeof(part), "%s", path);
	for (slash = strchr(part + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			goto err_say;
		*slash = '/';
	}
	if (mkdir(part, 0700) && errno != EEXIST)
		goto err_say;
	return 0;

err_say:
	return vmig_err_set(err, errno, "%s: %s", part, strerror(errno));
}

int vmig_store_folders(struct vmig_daemon *daemon, struct vmig_err *err)
{
	int ret = make_folder(daemon->config->definitions, err);

	return ret ? ret : make_folder(daemon->config->run, err);
}

static void load_one(struct vmig_daemon *daemon, const char *path, bool owned)
{
	struct vmig_definition *def = calloc(1, sizeof(*def));
	struct vmig_machine *m;
	struct vmig_err err;
	char *text = NULL;

	if (!def)
		return;
	if (vmig_definition_load(path, def, &text, &err) ||
	    (!vmig_machine_find(daemon, def->name) &&
	     vmig_machine_new(&m, daemon, text, path, &err)))
		vmig_log("%s", err.text);
	else if (owned)
		vmig_machine_find(daemon, def->name)->owned = true;
	free(text);
	free(def);
}

/* vmig_store_load() - What the last daemon left, owned VMs first. */
int vmig_store_load(struct vmig_daemon *daemon, struct vmig_err *err)
{
	char path[STORE_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	dir = opendir(daemon->config->definitions);
	if (!dir)
		return vmig_err_set(err, errno, "%s: %s",
				    daemon->config->definitions,
				    strerror(errno));
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len <= 4 || strcmp(entry->d_name + len - 4, ".ini"))
			continue;
		snprintf(path, sizeof(path), "%s/%s",
			 daemon->config->definitions, entry->d_name);
		load_one(daemon, path, true);
	}
	closedir(dir);

	dir = opendir(daemon->config->run);
	if (!dir)
		return vmig_err_set(err, errno, "%s: %s", daemon->config->run,
				    strerror(errno));
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/definition.ini",
			 daemon->config->run, entry->d_name);
		if (entry->d_name[0] != '.' && !access(path, F_OK))
			load_one(daemon, path, false);
	}
	closedir(dir);
	return 0;
}

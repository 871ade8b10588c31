// SPDX-License-Identifier: GPL-2.0
/*
 * What of a handover is on disk, beside the definition, so that a host that
 * went down knows it when it is back:
 *
 *	NAME.leaving	"commit" may have been heard: the token, and the node
 *			that may run the VM
 *	NAME.arrived	tokens of the migrations that brought it, newest first
 *
 * The second one outlives the definition. The VM may have moved on when its
 * source comes back and asks, and "aborted" would start it there once more.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../cluster/token.h"
#include "../daemon.h"
#include "../file.h"
#include "machine.h"

#define HANDOVER_PATH_MAX (PATH_MAX + NAME_MAX + 32)
/* A source in doubt asks as long as it is up: so many journeys may pass. */
#define ARRIVED_MAX 256
#define ARRIVED_SIZE (ARRIVED_MAX * VMIG_TOKEN_TEXT + 1)

static void make_path(struct vmig_daemon *daemon, const char *vm,
		      const char *what, char path[HANDOVER_PATH_MAX])
{
	snprintf(path, HANDOVER_PATH_MAX, "%s/%s.%s",
		 daemon->config->definitions, vm, what);
}

static int sync_folder(struct vmig_daemon *daemon, struct vmig_err *err)
{
	return vmig_file_sync_folder(daemon->config->definitions, err);
}

/* vmig_handover_leaving() - On disk before the other node may hear "commit". */
int vmig_handover_leaving(struct vmig_machine *m, const char *node,
			  const uint8_t *token, struct vmig_err *err)
{
	char path[HANDOVER_PATH_MAX];
	char text[VMIG_TOKEN_TEXT + VMIG_NAME_MAX + 2];
	char digits[VMIG_TOKEN_TEXT];
	int ret;

	vmig_token_text(token, digits);
	snprintf(text, sizeof(text), "%s %s\n", digits, node);
	make_path(m->daemon, m->name, "leaving", path);
	ret = vmig_file_write(path, text, err);
	return ret ? ret : sync_folder(m->daemon, err);
}

/**
 * vmig_handover_find() - May another node run the VM?
 * @node: its name, or "?" if the record cannot be read: doubt all the same
 *
 * Return: true if there is a record; @token is zeros if it cannot be read.
 */
bool vmig_handover_find(const struct vmig_machine *m,
			char node[VMIG_NAME_MAX + 1], uint8_t *token)
{
	char text[VMIG_TOKEN_TEXT + VMIG_NAME_MAX + 2] = "";
	char path[HANDOVER_PATH_MAX];
	char *space;
	FILE *file;

	snprintf(node, VMIG_NAME_MAX + 1, "?");
	memset(token, 0, VMIG_TOKEN_LEN);
	make_path(m->daemon, m->name, "leaving", path);
	file = fopen(path, "re");
	if (!file)
		return errno != ENOENT;
	(void)!fgets(text, sizeof(text), file);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	space = strchr(text, ' ');
	if (!space)
		return true;
	*space = '\0';
	if (!vmig_token_parse(text, token))
		snprintf(node, VMIG_NAME_MAX + 1, "%s", space + 1);
	return true;
}

/* vmig_handover_stays() - No other node will run the VM. */
int vmig_handover_stays(struct vmig_machine *m, struct vmig_err *err)
{
	char path[HANDOVER_PATH_MAX];

	make_path(m->daemon, m->name, "leaving", path);
	if (!unlink(path))
		return sync_folder(m->daemon, err);
	if (errno == ENOENT)
		return 0;
	return vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
}

/* Whole lines only; what is not a token is left out when it is written. */
static void read_arrived(const char *path, char text[ARRIVED_SIZE])
{
	FILE *file = fopen(path, "re");
	size_t n = 0;

	if (file) {
		n = fread(text, 1, ARRIVED_SIZE - 1, file);
		fclose(file);
	}
	text[n] = '\0';
}

static int write_arrived(struct vmig_machine *m, const uint8_t *token,
			 bool arrived, struct vmig_err *err)
{
	char old[ARRIVED_SIZE], text[ARRIVED_SIZE] = "";
	char digits[VMIG_TOKEN_TEXT], path[HANDOVER_PATH_MAX];
	unsigned int n = 0;
	char *line, *rest;
	size_t len = 0;

	make_path(m->daemon, m->name, "arrived", path);
	read_arrived(path, old);
	vmig_token_text(token, digits);
	if (arrived) {
		len = (size_t)snprintf(text, sizeof(text), "%s\n", digits);
		n++;
	}
	for (line = strtok_r(old, "\n", &rest); line && n < ARRIVED_MAX;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strlen(line) != VMIG_TOKEN_TEXT - 1 ||
		    !strcmp(line, digits))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n",
					line);
		n++;
	}
	return vmig_file_write(path, text, err);
}

/* vmig_handover_arrived() - The caller makes the folder durable. */
int vmig_handover_arrived(struct vmig_machine *m, const uint8_t *token,
			  struct vmig_err *err)
{
	return write_arrived(m, token, true, err);
}

/* vmig_handover_returned() - Before the source hears "aborted" after all. */
void vmig_handover_returned(struct vmig_machine *m, const uint8_t *token)
{
	struct vmig_err err;

	if (write_arrived(m, token, false, &err) ||
	    sync_folder(m->daemon, &err))
		vmig_log("VM %s: %s", m->name, err.text);
}

/* vmig_handover_has_arrived() - Did this migration ever bring the VM here? */
bool vmig_handover_has_arrived(struct vmig_daemon *daemon, const char *vm,
			       const uint8_t *token)
{
	char text[ARRIVED_SIZE], digits[VMIG_TOKEN_TEXT];
	char path[HANDOVER_PATH_MAX];

	make_path(daemon, vm, "arrived", path);
	read_arrived(path, text);
	vmig_token_text(token, digits);
	return strstr(text, digits);
}

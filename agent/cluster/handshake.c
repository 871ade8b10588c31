// SPDX-License-Identifier: GPL-2.0
/* What two nodes tell each other before anything else. No I/O but /proc. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../definition.h"
#include "handshake.h"
#include "message.h"

/* vmig_memory_free() - MemAvailable in bytes; 0 if /proc does not say. */
uint64_t vmig_memory_free(void)
{
	unsigned long long kib = 0;
	char line[256];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	fclose(file);
	return kib * 1024;
}

static void read_cpu_vendor(char vendor[16])
{
	char line[4096];
	FILE *file = fopen("/proc/cpuinfo", "re");

	strcpy(vendor, "unknown");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "vendor_id : %15s", vendor) == 1)
			break;
	}
	fclose(file);
}

int vmig_hello_local(struct vmig_hello *hello, const struct vmig_config *config,
		     struct vmig_err *err)
{
	struct utsname uts;

	memset(hello, 0, sizeof(*hello));
	if (uname(&uts))
		return vmig_err_set(err, errno, "uname: %s", strerror(errno));
	snprintf(hello->cluster, sizeof(hello->cluster), "%s", config->cluster);
	snprintf(hello->node, sizeof(hello->node), "%s", config->node);
	hello->version = VMIG_PROTOCOL_VERSION;
	hello->memory = vmig_memory_free();
	read_cpu_vendor(hello->cpu_vendor);
	hello->page_size = (unsigned int)sysconf(_SC_PAGESIZE);
	snprintf(hello->kernel, sizeof(hello->kernel), "%s", uts.release);
	return 0;
}

struct json_object *vmig_hello_encode(const struct vmig_hello *hello)
{
	struct json_object *o = vmig_json_new(NULL);

	vmig_json_add_uint(o, "vmig", 1);
	vmig_json_add_uint(o, "version", hello->version);
	vmig_json_add_string(o, "cluster", hello->cluster);
	vmig_json_add_string(o, "node", hello->node);
	vmig_json_add_uint(o, "memory", hello->memory);
	vmig_json_add_string(o, "cpu_vendor", hello->cpu_vendor);
	vmig_json_add_uint(o, "page_size", hello->page_size);
	vmig_json_add_string(o, "kernel", hello->kernel);
	return o;
}

static int copy(struct json_object *msg, const char *key, char *where,
		size_t size, struct vmig_err *err)
{
	const char *value = vmig_json_string(msg, key);

	if (!value || !*value || strlen(value) >= size)
		return vmig_err_set(err, EPROTO,
				    "the greeting's \"%s\" is missing or too long",
				    key);
	strcpy(where, value);
	return 0;
}

/**
 * vmig_hello_decode() - Read a greeting as far as its version allows.
 *
 * Nothing but the version is looked at if that is another one, so that a
 * newer agent can change all the rest and is still refused by its version.
 */
int vmig_hello_decode(struct json_object *msg, struct vmig_hello *hello,
		      struct vmig_err *err)
{
	int ret;

	memset(hello, 0, sizeof(*hello));
	if (vmig_json_uint(msg, "vmig", 0) != 1)
		return vmig_err_set(err, EPROTO,
				    "that is not the vmig agents' protocol: it begins without a greeting");
	hello->version = (unsigned int)vmig_json_uint(msg, "version", 0);
	if (hello->version != VMIG_PROTOCOL_VERSION)
		return 0;
	ret = copy(msg, "node", hello->node, sizeof(hello->node), err);
	if (ret)
		return ret;
	ret = vmig_name_check("the other node's name", hello->node, err);
	if (ret)
		return ret;
	ret = copy(msg, "cluster", hello->cluster, sizeof(hello->cluster), err);
	if (ret)
		return ret;
	ret = vmig_name_check("cluster", hello->cluster, err);
	if (ret)
		return ret;
	ret = copy(msg, "cpu_vendor", hello->cpu_vendor,
		   sizeof(hello->cpu_vendor), err);
	if (ret)
		return ret;
	ret = copy(msg, "kernel", hello->kernel, sizeof(hello->kernel), err);
	if (ret)
		return ret;
	hello->memory = vmig_json_uint(msg, "memory", 0);
	hello->page_size = (unsigned int)vmig_json_uint(msg, "page_size", 0);
	return 0;
}

/* vmig_hello_check() - Can these two nodes work together? */
int vmig_hello_check(const struct vmig_hello *mine,
		     const struct vmig_hello *theirs, struct vmig_err *err)
{
	if (mine->version != theirs->version)
		return vmig_err_set(err, EPROTONOSUPPORT,
				    "node %s speaks version %u of the agents' protocol and the other node version %u: run the same vmig-agent on both",
				    mine->node, mine->version, theirs->version);
	if (strcmp(mine->cluster, theirs->cluster))
		return vmig_err_set(err, EXDEV,
				    "node %s is of cluster %s and node %s of cluster %s: see [cluster] name in agent.conf",
				    mine->node, mine->cluster, theirs->node,
				    theirs->cluster);
	if (!strcmp(mine->node, theirs->node))
		return vmig_err_set(err, EINVAL,
				    "both nodes are named %s: give each its own name in agent.conf, [node] name",
				    mine->node);
	if (mine->page_size != theirs->page_size)
		return vmig_err_set(err, EOPNOTSUPP,
				    "node %s has pages of %u bytes and node %s of %u: they cannot exchange VMs",
				    mine->node, mine->page_size, theirs->node,
				    theirs->page_size);
	return 0;
}

/* vmig_hello_check_vendor() - Can a running VM move between them? */
int vmig_hello_check_vendor(const struct vmig_hello *mine,
			    const struct vmig_hello *theirs,
			    struct vmig_err *err)
{
	if (!strcmp(mine->cpu_vendor, theirs->cpu_vendor))
		return 0;
	return vmig_err_set(err, EOPNOTSUPP,
			    "the processors of node %s are %s and those of node %s are %s: a running VM cannot move between vendors",
			    mine->node, mine->cpu_vendor, theirs->node,
			    theirs->cpu_vendor);
}

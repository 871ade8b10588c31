// SPDX-License-Identifier: GPL-2.0
/* QEMU's command line of a VM: the same on both hosts. Pure but for stat(). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "../net/net.h"
#include "cmdline.h"

#define ARGS_MAX 256

/* A growing argv; @failed once memory or ARGS_MAX was not enough. */
struct args {
	char **argv;
	size_t n;
	bool failed;
};

/*
 * What may not stand in extra=, because it would put guest memory or a device
 * where a migration cannot see it, or take over what the agent controls.
 */
static const struct {
	const char *option;
	const char *value;	/* beginning of the argument; NULL for any */
	const char *why;
} forbidden[] = {
	{ "-m", NULL, "set memory = in [vm]" },
	{ "-mem-path", NULL, "the VM's memory is in vmigfs" },
	{ "-mem-prealloc", NULL, "the VM's memory is in vmigfs" },
	{ "-object", "memory-backend-",
	  "a RAM backend of its own is not in vmigfs and would not be migrated" },
	{ "-object", "{", "write objects as type,id=...: JSON is not looked into" },
	{ "-device", "vfio", "a VFIO device cannot move to another host" },
	{ "-device", "pc-dimm", "memory outside vmigfs would not be migrated" },
	{ "-device", "nvdimm", "memory outside vmigfs would not be migrated" },
	{ "-device", "virtio-mem", "memory outside vmigfs would not be migrated" },
	{ "-device", "virtio-pmem", "memory outside vmigfs would not be migrated" },
	{ "-device", "ivshmem", "memory shared with others cannot be migrated" },
	{ "-device", "{", "write devices as driver,id=...: JSON is not looked into" },
	{ "-numa", NULL, "memory of NUMA nodes would not be in vmigfs" },
	{ "-machine", NULL, "set machine = in [vm]" },
	{ "-M", NULL, "set machine = in [vm]" },
	{ "-incoming", NULL, "the agent says when a VM arrives" },
	{ "-daemonize", NULL, "the agent watches QEMU itself" },
	{ "-pidfile", NULL, "the agent watches QEMU itself" },
	{ "-S", NULL, "the agent starts and stops the VM" },
	{ "-preconfig", NULL, "the agent starts and stops the VM" },
	{ "-no-shutdown", NULL, "a VM that is shut down ends its QEMU" },
	{ "-readconfig", NULL, "write the options into extra =" },
	{ "-cpu", NULL, "set cpu = or cpu-policy = in [vm]" },
	{ "-accel", NULL, "set accel = in agent.conf" },
	{ "-enable-kvm", NULL, "set accel = in agent.conf" },
};

static void add(struct args *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->n == ARGS_MAX)
		a->failed = true;
	if (a->failed)
		return;
	va_start(ap, fmt);
	if (vasprintf(&a->argv[a->n], fmt, ap) < 0) {
		a->argv[a->n] = NULL;
		a->failed = true;
	} else {
		a->n++;
	}
	va_end(ap);
}

/* add_escaped() - An option's value: QEMU wants commas in it doubled. */
static void add_escaped(struct args *a, const char *before, const char *value,
			const char *after)
{
	char *text = malloc(2 * strlen(value) + 1), *to = text;

	if (!text) {
		a->failed = true;
		return;
	}
	for (; *value; value++) {
		*to++ = *value;
		if (*value == ',')
			*to++ = ',';
	}
	*to = '\0';
	add(a, "%s%s%s", before, text, after);
	free(text);
}

void vmig_cmdline_free(char **argv)
{
	size_t i;

	if (!argv)
		return;
	for (i = 0; argv[i]; i++)
		free(argv[i]);
	free(argv);
}

/* Next word of a line in a shell's way: spaces, '...', "...", backslash. */
static const char *next_word(const char *line, char *word)
{
	char quote = 0;

	while (*line == ' ' || *line == '\t')
		line++;
	if (!*line)
		return NULL;
	for (; *line; line++) {
		if (!quote && (*line == ' ' || *line == '\t'))
			break;
		if (*line == quote) {
			quote = 0;
		} else if (!quote && (*line == '\'' || *line == '"')) {
			quote = *line;
		} else {
			if (*line == '\\' && quote != '\'' && line[1])
				line++;
			*word++ = *line;
		}
	}
	*word = '\0';
	return line;
}

/* QEMU takes -option and --option alike. */
static bool is_option(const char *word, const char *option)
{
	return !strcmp(word, option) ||
	       (!strncmp(word, "--", 2) && !strcmp(word + 1, option));
}

static int check_word(const struct vmig_definition *def, const char *last,
		      const char *word, struct vmig_err *err)
{
	size_t i;

	for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		const char *value = forbidden[i].value;

		if (!value && is_option(word, forbidden[i].option))
			return vmig_err_set(err, EINVAL,
					    "VM %s: extra = may not have %s: %s",
					    def->name, word, forbidden[i].why);
		if (value && is_option(last, forbidden[i].option) &&
		    (!strncmp(word, value, strlen(value)) ||
		     strstr(word, "driver=vfio")))
			return vmig_err_set(err, EINVAL,
					    "VM %s: extra = may not have %s %s: %s",
					    def->name, last, word,
					    forbidden[i].why);
	}
	return 0;
}

/* Calls @a's add() for each word unless @a is NULL. */
static int split_extra(const struct vmig_definition *def, struct args *a,
		       struct vmig_err *err)
{
	const char *line = def->extra;
	char word[VMIG_LINE_MAX + 1];
	char last[VMIG_LINE_MAX + 1] = "";
	int ret;

	while ((line = next_word(line, word))) {
		ret = check_word(def, last, word, err);
		if (ret)
			return ret;
		if (a)
			add(a, "%s", word);
		strcpy(last, word);
	}
	return 0;
}

/* vmig_cmdline_check_extra() - Refuse what would break a migration. */
int vmig_cmdline_check_extra(const struct vmig_definition *def,
			     struct vmig_err *err)
{
	return split_extra(def, NULL, err);
}

static bool is_microvm(const struct vmig_definition *def)
{
	return !strncmp(def->machine, "microvm", 7);
}

static void add_json(struct args *a, const char *option, struct json_object *o)
{
	add(a, "%s", option);
	add(a, "%s", json_object_to_json_string_ext(o,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/*
 * Both hosts have the image open during a migration. QEMU's locks keep others
 * out all the same: an incoming QEMU takes them when the VM resumes there,
 * and the source gives them up when its device state has been written.
 */
static void add_disk(struct args *a, const struct vmig_definition *def,
		     const struct vmig_disk *disk)
{
	struct json_object *o = json_object_new_object();
	struct json_object *file = json_object_new_object();
	struct json_object *cache = json_object_new_object();
	bool direct = !strcmp(disk->cache, "none") ||
		      !strcmp(disk->cache, "directsync");
	bool write_cache = strcmp(disk->cache, "writethrough") &&
			   strcmp(disk->cache, "directsync");
	bool block = false;
	struct stat st;

	if (!stat(disk->path, &st))
		block = S_ISBLK(st.st_mode);
	json_object_object_add(cache, "direct", json_object_new_boolean(direct));
	json_object_object_add(file, "driver",
		json_object_new_string(block ? "host_device" : "file"));
	json_object_object_add(file, "filename",
		json_object_new_string(disk->path));
	json_object_object_add(file, "cache", json_object_get(cache));
	json_object_object_add(o, "driver",
		json_object_new_string(disk->format));
	json_object_object_add(o, "node-name",
		json_object_new_string(disk->name));
	json_object_object_add(o, "cache", cache);
	json_object_object_add(o, "file", file);
	add_json(a, "-blockdev", o);
	add(a, "-device");
	add(a, "virtio-blk-%s,id=disk-%s,drive=%s,write-cache=%s",
	    is_microvm(def) ? "device" : "pci", disk->name, disk->name,
	    write_cache ? "on" : "off");
}

static void add_nic(struct args *a, const struct vmig_definition *def,
		    const struct vmig_nic *nic)
{
	char tap[IFNAMSIZ];

	vmig_tap_name(def->name, nic->name, tap);
	add(a, "-netdev");
	add(a, "tap,id=%s,ifname=%s,script=no,downscript=no", nic->name, tap);
	add(a, "-device");
	/* Without a boot ROM there is one block of RAM less outside vmigfs. */
	add(a, "virtio-net-%s,id=nic-%s,netdev=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x%s",
	    is_microvm(def) ? "device" : "pci", nic->name, nic->name,
	    nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4],
	    nic->mac[5], is_microvm(def) ? "" : ",romfile=");
}

static void add_memory(struct args *a, const struct vmig_cmdline_params *p)
{
	const struct vmig_definition *def = p->def;
	char before[128], path[PATH_MAX + VMIG_NAME_MAX + 8];

	add(a, "-m");
	add(a, "size=%lluk", (unsigned long long)def->memory / 1024);
	snprintf(before, sizeof(before),
		 "memory-backend-file,id=ram0,size=%llu,share=on,align=2M,mem-path=",
		 (unsigned long long)def->memory);
	snprintf(path, sizeof(path), "%s/%s/ram", p->config->memory, def->name);
	add(a, "-object");
	add_escaped(a, before, path, "");
	add(a, "-machine");
	/* Nobody reads the description of the stream: 100 KB less to send. */
	add(a, "%s,memory-backend=ram0,suppress-vmdesc=on",
	    *def->machine ? def->machine : "pc");
}

static void add_boot(struct args *a, const struct vmig_definition *def)
{
	if (*def->bios) {
		add(a, "-bios");
		add(a, "%s", def->bios);
	}
	if (!*def->kernel)
		return;
	add(a, "-kernel");
	add(a, "%s", def->kernel);
	if (*def->initrd) {
		add(a, "-initrd");
		add(a, "%s", def->initrd);
	}
	if (*def->cmdline) {
		add(a, "-append");
		add(a, "%s", def->cmdline);
	}
}

static void add_control(struct args *a, const struct vmig_cmdline_params *p)
{
	add(a, "-chardev");
	add(a, "socket,id=vmig-qmp,fd=%d,server=on,wait=off", p->qmp_fd);
	add(a, "-mon");
	add(a, "chardev=vmig-qmp,mode=control");
	add(a, "-pidfile");
	add(a, "%s/%s/pid", p->config->run, p->def->name);
	/*
	 * It runs only when the agent says `cont`: when its processor is set
	 * up, or at the commit.
	 */
	add(a, "-S");
	if (p->incoming) {
		add(a, "-incoming");
		add(a, "defer");
	}
}

/* vmig_cmdline_build() - @argv is for vmig_cmdline_free(). */
int vmig_cmdline_build(const struct vmig_cmdline_params *p, char ***argv,
		       struct vmig_err *err)
{
	const struct vmig_definition *def = p->def;
	struct args a = {};
	unsigned int i;
	int ret;

	a.argv = calloc(ARGS_MAX + 1, sizeof(*a.argv));
	if (!a.argv)
		return vmig_err_set(err, ENOMEM, "out of memory");
	add(&a, "%s", p->config->qemu);
	add(&a, "-name");
	add_escaped(&a, "guest=", def->name, ",debug-threads=on");
	add(&a, "-accel");
	add(&a, "%s", p->config->accel);
	add_memory(&a, p);
	add(&a, "-cpu");
	add(&a, "%s", p->cpu);
	add(&a, "-smp");
	add(&a, "%u", def->vcpus);
	add(&a, "-nodefaults");
	add(&a, "-no-user-config");
	add(&a, "-vga");
	add(&a, "none");
	add(&a, "-display");
	add(&a, "none");
	add_boot(&a, def);
	for (i = 0; i < def->ndisks; i++)
		add_disk(&a, def, &def->disks[i]);
	for (i = 0; i < def->nnics; i++)
		add_nic(&a, def, &def->nics[i]);
	ret = split_extra(def, &a, err);
	add_control(&a, p);
	if (!ret && a.failed)
		ret = vmig_err_set(err, E2BIG,
				   "VM %s: QEMU's command line has more than %d words",
				   def->name, ARGS_MAX);
	if (ret) {
		vmig_cmdline_free(a.argv);
		return ret;
	}
	*argv = a.argv;
	return 0;
}

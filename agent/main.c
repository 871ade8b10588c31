// SPDX-License-Identifier: GPL-2.0
/* vmig-agent: the table of commands. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cluster/dial.h"
#include "cluster/tls.h"
#include "config.h"
#include "daemon.h"

struct command {
	const char *name;	/* one word or two */
	const char *args;
	const char *help;
	int (*run)(int argc, char **argv);
};

static int cmd_daemon(int argc, char **argv);

static const struct command commands[] = {
	{ "vm define", "FILE", "Define a VM on this node", vmig_cmd_vm_define },
	{ "vm start", "VM", "Start it", vmig_cmd_vm_start },
	{ "vm stop", "VM [--force]", "Power it off", vmig_cmd_vm_stop },
	{ "vm recover", "VM [--fence-confirmed --epoch N] [--json]",
	  "Show its lease, or take it over from a node that is dead",
	  vmig_cmd_vm_recover },
	{ "vm list", "[--json]", "List the VMs of this node",
	  vmig_cmd_vm_list },
	{ "vm show", "VM [--json]", "Show one", vmig_cmd_vm_show },
	{ "vm set", "VM cpu-policy=POLICY",
	  "Change what a stopped VM will see of the processor",
	  vmig_cmd_vm_set },
	{ "vm undefine", "VM", "Forget its definition", vmig_cmd_vm_undefine },
	{ "migrate",
	  "VM NODE [--wait] [--watch] [--json] [--verify] [--channels N]\n"
	  "          [--bandwidth RATE] [--max-blackout MS] [--timeout S]\n"
	  "          [--at-timeout cancel|switch-over] [--stop-limit S] [--quick]\n"
	  "          [--transport tcp|rdma|auto]",
	  "Move a running VM to another node", vmig_cmd_migrate },
	{ "cancel", "VM", "End its migration; it stays where it is",
	  vmig_cmd_cancel },
	{ "status", "[VM] [--json] [--watch]", "Show migrations",
	  vmig_cmd_status },
	{ "monitor", "[--json]", "Print migration events as they happen",
	  vmig_cmd_monitor },
	{ "announce", "VM [--json]", "Tell the network where a VM is",
	  vmig_cmd_announce },
	{ "check", "VM NODE [--transport tcp|rdma|auto] [--json]",
	  "Check all that migrate would check, and move nothing",
	  vmig_cmd_check },
	{ "node list", "[--json]", "List all nodes, and how they are",
	  vmig_cmd_node_list },
	{ "node show", "[NODE] [--json]", "Show this node or another one",
	  vmig_cmd_node_show },
	{ "node drain", "[NODE] [--json]",
	  "Move every VM away from a node, and let none in",
	  vmig_cmd_node_drain },
	{ "node undrain", "[NODE] [--json]",
	  "Let VMs in again, and bring back those that left",
	  vmig_cmd_node_undrain },
	{ "cpu show", "[NODE] [--json]", "Show a node's processor",
	  vmig_cmd_cpu_show },
	{ "cpu baseline", "[NODE...] [--json]",
	  "Show what the processors of nodes have in common",
	  vmig_cmd_cpu_baseline },
	{ "cpu check", "VM NODE [--json]",
	  "Tell whether a VM can run on another node's processor",
	  vmig_cmd_cpu_check },
	{ "keygen", "[FILE]", "Make the cluster's key", vmig_cmd_keygen },
	{ "daemon", "[--insecure [--insecure-network]]",
	  "Serve; the other commands need it", cmd_daemon },
};

#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

static const char *config_path = VMIG_CONFIG_PATH;

/* By the key or certificates of agent.conf, or plain where nobody listens. */
static int open_tls(struct vmig_config *config, bool insecure, bool network,
		    struct vmig_err *err)
{
	if (!insecure)
		return vmig_tls_open(&config->tls, config, err);
	if (!network && !vmig_dial_is_loopback(config->address))
		return vmig_err_set(err, EPERM,
				    "--insecure is for tests on one machine: whoever reaches %s could read and take over every VM; --insecure-network is needed too",
				    config->address);
	fprintf(stderr, "warning: --insecure: peers are neither authenticated nor is anything encrypted\n");
	return 0;
}

static int cmd_daemon(int argc, char **argv)
{
	bool insecure = false, network = false;
	const struct vmig_flag flags[] = {
		{ "insecure", &insecure },
		{ "insecure-network", &network },
		{ }
	};
	int ret = vmig_args(argc, argv, flags, 0, 0);
	static struct vmig_config config;
	struct vmig_err err;

	if (ret)
		return ret;
	if (vmig_config_load(config_path, &config, &err) ||
	    open_tls(&config, insecure, network, &err))
		return vmig_fail(&err);
	return vmig_daemon_run(&config) ? VMIG_EXIT_FAILED : VMIG_EXIT_OK;
}

static int print_help(void)
{
	unsigned int i;

	printf("vmig-agent [--config FILE] COMMAND\n\n"
	       "Moves running virtual machines between hosts. See vmig-agent(8).\n\n");
	for (i = 0; i < NCOMMANDS; i++)
		printf("  %s %s\n      %s\n", commands[i].name,
		       commands[i].args, commands[i].help);
	printf("\n  --config FILE is read instead of %s\n",
	       VMIG_CONFIG_PATH);
	return VMIG_EXIT_OK;
}

/* Also takes the command's words from the arguments. */
static const struct command *find_command(int *argc, char ***argv)
{
	char words[64];
	unsigned int i;
	int n;

	for (n = 1; n <= 2 && n <= *argc; n++) {
		if (n == 1)
			snprintf(words, sizeof(words), "%s", (*argv)[0]);
		else
			snprintf(words, sizeof(words), "%s %s", (*argv)[0],
				 (*argv)[1]);
		for (i = 0; i < NCOMMANDS; i++) {
			if (strcmp(commands[i].name, words))
				continue;
			*argc -= n - 1;
			*argv += n - 1;
			return &commands[i];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	const struct command *command;
	int c;

	/* "+": a command's own options are the command's. */
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c == 'h')
			return print_help();
		if (c == 'V') {
			printf("vmig-agent, netlink family version %d\n",
			       VMIG_FAMILY_VERSION);
			return VMIG_EXIT_OK;
		}
		if (c != 'c')
			return vmig_usage("wrong option");
		config_path = optarg;
	}
	argc -= optind;
	argv += optind;
	if (!argc)
		return vmig_usage("no command is given");
	command = find_command(&argc, &argv);
	if (!command)
		return vmig_usage("there is no command %s%s%s", argv[0],
				  argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	/* getopt's messages begin with argv[0]. */
	argv[0] = (char *)command->name;
	optind = 0;
	return command->run(argc, argv);
}

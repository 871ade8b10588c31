/* SPDX-License-Identifier: GPL-2.0 */
/* The commands of vmig-agent, and what they print with. */
#ifndef VMIG_CLI_H
#define VMIG_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../nl.h"

enum vmig_exit {
	VMIG_EXIT_OK,
	VMIG_EXIT_FAILED,	/* a sentence is on stderr */
	VMIG_EXIT_USAGE,
};

struct json_object;

/* Commands: argv[0] is the command's name, its own options follow. */
int vmig_cmd_vm_define(int argc, char **argv);
int vmig_cmd_vm_set(int argc, char **argv);
int vmig_cmd_vm_undefine(int argc, char **argv);
int vmig_cmd_vm_start(int argc, char **argv);
int vmig_cmd_vm_stop(int argc, char **argv);
int vmig_cmd_vm_recover(int argc, char **argv);
int vmig_cmd_vm_list(int argc, char **argv);
int vmig_cmd_vm_show(int argc, char **argv);
int vmig_cmd_migrate(int argc, char **argv);
int vmig_cmd_cancel(int argc, char **argv);
int vmig_cmd_status(int argc, char **argv);
int vmig_cmd_monitor(int argc, char **argv);
int vmig_cmd_announce(int argc, char **argv);
int vmig_cmd_node_show(int argc, char **argv);
int vmig_cmd_node_list(int argc, char **argv);
int vmig_cmd_node_drain(int argc, char **argv);
int vmig_cmd_node_undrain(int argc, char **argv);
int vmig_cmd_check(int argc, char **argv);
int vmig_cmd_cpu_show(int argc, char **argv);
int vmig_cmd_cpu_baseline(int argc, char **argv);
int vmig_cmd_cpu_check(int argc, char **argv);
int vmig_cmd_keygen(int argc, char **argv);

/* say.c APIs: both return the exit status. */
int vmig_fail(const struct vmig_err *err);
int vmig_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A long option without an argument. */
struct vmig_flag {
	const char *name;
	bool *set;
};

/*
 * Parse the options of a command that has none but @flags, a list that ends
 * with one without a name, or NULL. The arguments then start at optind.
 */
int vmig_args(int argc, char **argv, const struct vmig_flag *flags,
	      int min_args, int max_args);

/* ask.c APIs */

/* What the daemon answered; strings are "" if absent. */
struct vmig_reply {
	char *message;
	char *data;
};

/* Ask the daemon and wait for its answer, however long it takes. */
int vmig_ask(const struct vmig_request *request, struct vmig_reply *reply,
	     struct vmig_err *err);
/* ... and for no longer than @limit_ms, unless that is negative. */
int vmig_ask_within(const struct vmig_request *request, int limit_ms,
		    struct vmig_reply *reply, struct vmig_err *err);
void vmig_reply_free(struct vmig_reply *reply);
/* Make an error of an answer that is one. */
int vmig_answer_check(const struct vmig_answer *answer, struct vmig_err *err);
/* The members of the answer's document, or an error. The caller puts it. */
int vmig_reply_json(const char *data, struct json_object **json,
		    struct vmig_err *err);
void vmig_request_init(struct vmig_request *request, enum vmig_request_op op,
		       const char *vm);
/* The word of --transport. Return: 0 or an exit status. */
int vmig_request_take_transport(struct vmig_request *request,
				const char *word);

/* document.c APIs: members of an answer; "", 0 or NULL if absent. */
const char *vmig_document_text(struct json_object *o, const char *key);
uint64_t vmig_document_number(struct json_object *o, const char *key);
bool vmig_document_flag(struct json_object *o, const char *key);
struct json_object *vmig_document_array(struct json_object *o,
					const char *key);
struct json_object *vmig_document_object(struct json_object *o,
					 const char *key);
size_t vmig_document_length(struct json_object *array);
void vmig_document_print_words(const char *head, struct json_object *array);
/* Ask for something that is answered by a document. Return: exit status. */
int vmig_document_ask(const struct vmig_request *request, bool as_json,
		      void (*print)(struct json_object *json));

/*
 * node.c APIs: the migrations that wait, of node-show's document; all, or the
 * one of @vm.
 */
void vmig_queue_print(struct json_object *node, const char *vm);

/* cpu.c APIs */
void vmig_processor_print(struct json_object *processor);

/* lease.c APIs */
void vmig_lease_print(struct json_object *lease, size_t disks);

/* network.c APIs: the acknowledgements of NICs, see answer.h */
void vmig_network_print_nic(FILE *out, struct json_object *nic);
void vmig_network_print(FILE *out, struct json_object *network);

/* format.c APIs: for people. Used in printf() arguments. */
struct vmig_text {
	char s[24];
};

struct vmig_text vmig_text_bytes(uint64_t bytes);	/* "121.6M" */
struct vmig_text vmig_text_seconds(uint64_t us);	/* "4.213 s" */
struct vmig_text vmig_text_ms(uint64_t us);		/* "87 ms" */
struct vmig_text vmig_text_count(uint64_t n);		/* "31,004" */

/* json.c APIs: the caller puts the objects. */
struct json_object *vmig_json_migration(const struct vmig_mig_info *info);
void vmig_json_print(FILE *out, struct json_object *json, bool one_line);

/* report.c APIs */
void vmig_report_print(FILE *out, const struct vmig_mig_info *info);
/* What the parts of a commit took; see migrate in answer.h. */
void vmig_commit_print(FILE *out, struct json_object *commit, bool quick);
void vmig_table_print(FILE *out, const struct vmig_mig_info *list, size_t n);

/* watch.c APIs: progress of one migration as it goes. */
struct vmig_watch {
	FILE *out;
	bool terminal;
	unsigned int columns;
	enum vmig_stage told;	/* the last stage that got its line */
	bool bar;		/* a bar is on the terminal's last line */
	bool warned;
};

void vmig_watch_init(struct vmig_watch *watch, FILE *out);
void vmig_watch_update(struct vmig_watch *watch,
		       const struct vmig_mig_info *info);
void vmig_watch_end(struct vmig_watch *watch);

#endif /* VMIG_CLI_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A stand-in for QEMU: started by the agent with QEMU's command line, speaks
 * the part of QMP that the agent uses, and has a guest that only counts.
 *
 * One thread, one poll loop. It does what QEMU 7.2 does where the agent can
 * see it: the order of events, the states, what is refused when.
 */
#ifndef VMIG_STANDIN_H
#define VMIG_STANDIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum standin_state {
	STANDIN_PRELAUNCH,	/* started with -S, never run */
	STANDIN_INMIGRATE,	/* its state has not been read yet */
	STANDIN_RUNNING,
	STANDIN_PAUSED,
	STANDIN_FINISH_MIGRATE,	/* stopped by its own migration */
	STANDIN_POSTMIGRATE,
};

/* What the command line says. */
struct standin_options {
	char name[128];
	char *ram_path;
	uint64_t ram_size;
	char *pidfile;
	int qmp_fd;
	bool incoming;
};

extern struct standin_options standin_options;
extern enum standin_state standin_state;

/* standin.c APIs: */
/* The end of this process, with QEMU's kind of last words. */
void standin_exit(int status, const char *why) __attribute__((noreturn));

/* guest.c APIs: */
void guest_open(void);
void guest_run(void);
void guest_stop(void);
void guest_tick(void);
void guest_log(const char *event, const char *text);
/* What of the guest is in the device state: where its count stands. */
void guest_save(uint64_t state[2]);
void guest_check(const uint64_t state[2]);

/* qmp.c APIs: */
void qmp_open(int listener);
int qmp_fd(void);
/* Something is to be read at qmp_fd(). */
void qmp_process(void);
void qmp_event(const char *name, struct json_object *data);
/* The descriptor that `getfd` brought under that name, or -1. */
int qmp_take_fd(const char *name);

/* move.c APIs: each command returns its answer, or NULL and says why. */
struct json_object *move_query(void);
struct json_object *move_start(const char *uri, const char **why);
struct json_object *move_continue(const char **why);
struct json_object *move_cancel(void);
struct json_object *move_receive(const char *uri, const char **why);
/* What to poll for the state that arrives, or -1. */
int move_fd(void);
void move_process(void);

#endif /* VMIG_STANDIN_H */

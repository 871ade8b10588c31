// SPDX-License-Identifier: GPL-2.0
/* The start and the end of a VM's QEMU, and what is made and removed with it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../daemon.h"
#include "../net/net.h"
#include "cmdline.h"
#include "machine.h"
#include "process.h"

/* The kernel ends a migration within a second or two. */
#define CLEAN_AGAIN_US	(100 * 1000ULL)
#define CLEAN_TRIES	300

#define LAUNCH_PATH_MAX (PATH_MAX + VMIG_NAME_MAX + 32)

static void run_path(const struct vmig_machine *m, const char *file,
		     char path[LAUNCH_PATH_MAX])
{
	snprintf(path, LAUNCH_PATH_MAX, "%s/%s/%s", m->daemon->config->run,
		 m->name, file);
}

static void memory_path(const struct vmig_machine *m,
			char path[LAUNCH_PATH_MAX])
{
	snprintf(path, LAUNCH_PATH_MAX, "%s/%s", m->daemon->config->memory,
		 m->name);
}

/* Return: 0, -EBUSY while a migration claims it, or another negative errno. */
static int remove_memory(struct vmig_machine *m)
{
	char path[LAUNCH_PATH_MAX];
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	memory_path(m, path);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!ret && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    unlinkat(dirfd(dir), entry->d_name, 0))
			ret = -errno;
	}
	closedir(dir);
	if (!ret && rmdir(path))
		ret = -errno;
	return ret;
}

/*
 * Remove all that a VM without QEMU does not need. Only if an agent launched
 * it, which definition.ini in its run folder tells: memory that somebody else
 * made is not ours to remove.
 */
static int clean(struct vmig_machine *m)
{
	/* The log stays: it is what is left to look at. */
	static const char * const files[] = {
		"qmp.sock", "pid", "cpu", "handoff", "earlier.ini",
		"earlier.cpu", "definition.ini",
	};
	char path[LAUNCH_PATH_MAX], tap[IFNAMSIZ];
	struct vmig_err err;
	unsigned int i;
	int ret;

	run_path(m, "definition.ini", path);
	if (access(path, F_OK))
		return 0;
	for (i = 0; i < m->def->nnics; i++) {
		vmig_tap_name(m->name, m->def->nics[i].name, tap);
		if (vmig_tap_delete(tap, &err))
			vmig_log("VM %s: %s", m->name, err.text);
	}
	ret = remove_memory(m);
	if (ret)
		return ret;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		run_path(m, files[i], path);
		unlink(path);
	}
	return 0;
}

static int on_clean(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	vmig_machine_end(arg);
	return 0;
}

/**
 * vmig_machine_end() - Its QEMU is dead: remove what came with it.
 *
 * A migration that the kernel is still ending claims the memory, so it is
 * tried again until it is gone. A machine that is not owned is freed then, at
 * once or later, and makes room for the one whose place it took.
 */
void vmig_machine_end(struct vmig_machine *m)
{
	struct vmig_daemon *daemon = m->daemon;
	char name[VMIG_NAME_MAX + 1];
	int ret = clean(m);

	vmig_announce_cancel(m->announce, "the VM has ended");
	m->ended = true;
	m->cleaning = sd_event_source_disable_unref(m->cleaning);
	if (ret == -EBUSY && m->clean_tries++ < CLEAN_TRIES) {
		sd_event_add_time_relative(m->daemon->event, &m->cleaning,
					   CLOCK_MONOTONIC, CLEAN_AGAIN_US, 0,
					   on_clean, m);
		return;
	}
	if (ret)
		vmig_log("VM %s: %s/%s: %s", m->name, m->daemon->config->memory,
			 m->name, strerror(-ret));
	m->clean_tries = 0;
	if (m->owned) {
		vmig_ownership_end(m);
		return;
	}
	strcpy(name, m->name);
	vmig_machine_free(m);
	vmig_store_reload(daemon, name);
}

static void say_why(struct vmig_machine *m, char *why, size_t size)
{
	char path[LAUNCH_PATH_MAX], words[512];
	int status = 0;

	if (m->failure) {
		snprintf(why, size, "%s", m->failure);
		waitpid(m->pid, NULL, WNOHANG);
		return;
	}
	/* Not known of a QEMU that an earlier daemon started. */
	if (waitpid(m->pid, &status, WNOHANG) == m->pid && WIFSIGNALED(status)) {
		snprintf(why, size, "QEMU of VM %s was killed by signal %d (%s)",
			 m->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
		return;
	}
	run_path(m, "log", path);
	vmig_process_last_words(path, words, sizeof(words));
	if (words[0])
		snprintf(why, size, "QEMU of VM %s exited: %s", m->name, words);
	else
		snprintf(why, size, "QEMU of VM %s exited", m->name);
}

static void answer_waiting(struct vmig_machine *m, const char *why)
{
	if (m->start_request)
		vmig_daemon_answer(m->daemon, m->start_request, EIO, why, NULL);
	m->start_request = 0;
	/* With a lease it is stopped once that is released. */
	if (!m->stop_request || m->lease.held)
		return;
	if (m->owned)
		vmig_daemon_answer(m->daemon, m->stop_request, 0, NULL, NULL);
	else
		vmig_daemon_answer(m->daemon, m->stop_request, ECANCELED,
				   "it was moved to another node before it powered off",
				   NULL);
	m->stop_request = 0;
}

static void handle_death(struct vmig_machine *m)
{
	const struct vmig_machine_ops *ops = m->ops;
	char why[VMIG_TEXT_MAX + 1];

	say_why(m, why, sizeof(why));
	if (!m->ended)
		vmig_log("%s", why);
	vmig_resume_stop(m);
	vmig_qmp_close(m->qmp);
	m->qmp = NULL;
	m->death = sd_event_source_disable_unref(m->death);
	m->stop_limit = sd_event_source_disable_unref(m->stop_limit);
	close(m->pidfd);
	m->pidfd = -1;
	m->pid = 0;
	m->running = false;
	m->incoming = false;
	free(m->failure);
	m->failure = NULL;
	answer_waiting(m, why);
	/* A migration claims the memory: it has to let go before it can go. */
	if (ops) {
		ops->died(m->ops_arg, why);
		return;
	}
	vmig_machine_end(m);
}

static int on_death(sd_event_source *source, int fd, uint32_t revents,
		    void *arg)
{
	(void)source;
	(void)fd;
	(void)revents;
	handle_death(arg);
	return 0;
}

/* Its QEMU is there and must not stay: users will hear @why. */
static void fail_start(struct vmig_machine *m, const char *why)
{
	vmig_log("VM %s: %s", m->name, why);
	free(m->failure);
	m->failure = strdup(why);
	vmig_machine_kill(m);
}

static void on_event(void *arg, const char *name, struct json_object *data)
{
	struct vmig_machine *m = arg;

	if (!strcmp(name, "STOP")) {
		m->running = false;
		/* It may run elsewhere next. */
		vmig_announce_cancel(m->announce, "the VM stands still");
	} else if (!strcmp(name, "RESUME")) {
		m->running = true;
	}
	if (m->ops)
		m->ops->event(m->ops_arg, name, data);
}

static void on_closed(void *arg, const char *why)
{
	struct vmig_machine *m = arg;

	/* The pidfd tells when it is dead; until then it is only deaf. */
	if (!m->ended)
		vmig_log("VM %s: %s", m->name, why);
}

static const struct vmig_qmp_ops qmp_ops = {
	.event = on_event,
	.closed = on_closed,
};

static void on_started(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_machine *m = arg;
	uint32_t request = m->start_request;

	(void)ret;
	if (why) {
		fail_start(m, why);
		return;
	}
	m->start_request = 0;
	if (request)
		vmig_daemon_answer(m->daemon, request, 0, NULL, NULL);
}

/* QEMU is there; the guest has not run. */
static void on_status(void *arg, struct json_object *ret, const char *why)
{
	struct vmig_machine *m = arg;
	struct vmig_err err;

	(void)ret;
	if (why) {
		/* Dead: on_death() has the better words. Deaf: this is why. */
		if (vmig_qmp_is_open(m->qmp))
			fail_start(m, why);
		else
			vmig_machine_kill(m);
		return;
	}
	if (vmig_processor_install(m, &err)) {
		fail_start(m, err.text);
		return;
	}
	if (!m->incoming)
		vmig_qmp_call(m->qmp, "cont", NULL, on_started, m);
	else if (m->ops && m->ops->ready)
		m->ops->ready(m->ops_arg);
}

static int watch(struct vmig_machine *m, struct vmig_err *err)
{
	char path[LAUNCH_PATH_MAX];
	int ret;

	m->pidfd = vmig_process_watch(m->pid, err);
	if (m->pidfd < 0)
		return m->pidfd;
	ret = sd_event_add_io(m->daemon->event, &m->death, m->pidfd, EPOLLIN,
			      on_death, m);
	if (ret < 0)
		return vmig_err_set(err, -ret, "%s", strerror(-ret));
	if (m->qmp)
		return 0;
	run_path(m, "qmp.sock", path);
	ret = vmig_qmp_open(&m->qmp, m->daemon->event, path, &qmp_ops, m);
	if (ret)
		return vmig_err_set(err, -ret, "%s: %s", path, strerror(-ret));
	return 0;
}

/* QEMU takes it as it is; an arriving VM's memory is received before. */
static int make_region(struct vmig_machine *m, struct vmig_err *err)
{
	char path[LAUNCH_PATH_MAX + 8];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s/ram", m->daemon->config->memory,
		 m->name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)m->def->memory))
		ret = vmig_err_set(err, errno, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/*
 * definition.ini comes before the memory: a new agent finds by it what an
 * earlier one made, see clean(). So what is there already, and is not ours, has
 * to be seen before.
 */
static int make_folders(struct vmig_machine *m, struct vmig_err *err)
{
	char memory[LAUNCH_PATH_MAX], path[LAUNCH_PATH_MAX];
	int ret;

	memory_path(m, memory);
	if (!access(memory, F_OK))
		return vmig_err_set(err, EEXIST,
				    "cannot make %s, the VM's memory: %s; remove it or find out who uses it",
				    memory, strerror(EEXIST));
	run_path(m, "", path);
	if (mkdir(path, 0700) && errno != EEXIST)
		return vmig_err_set(err, errno, "%s: %s", path,
				    strerror(errno));
	ret = vmig_store_incoming(m, err);
	if (!ret && mkdir(memory, 0700))
		ret = vmig_err_set(err, errno,
				   "cannot make %s, the VM's memory: %s; is vmigfs mounted there?",
				   memory, strerror(errno));
	return ret ? ret : make_region(m, err);
}

static int make_taps(struct vmig_machine *m, struct vmig_err *err)
{
	char tap[IFNAMSIZ];
	unsigned int i;
	int ret;

	for (i = 0; i < m->def->nnics; i++) {
		const struct vmig_nic *nic = &m->def->nics[i];

		vmig_tap_name(m->name, nic->name, tap);
		ret = vmig_tap_create(tap, nic->bridge, nic->vlan, err);
		if (ret)
			return ret;
	}
	return 0;
}

/* vmig_machine_taps_up() - The VM may speak from now on. */
int vmig_machine_taps_up(struct vmig_machine *m, struct vmig_err *err)
{
	char tap[IFNAMSIZ];
	unsigned int i;
	int ret;

	for (i = 0; i < m->def->nnics; i++) {
		vmig_tap_name(m->name, m->def->nics[i].name, tap);
		ret = vmig_link_up(tap, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int spawn(struct vmig_machine *m, bool incoming, const char *model,
		 struct vmig_err *err)
{
	struct vmig_cmdline_params params = {
		.config = m->daemon->config,
		.def = m->def,
		.cpu = model,
		.incoming = incoming,
	};
	char path[LAUNCH_PATH_MAX], log[LAUNCH_PATH_MAX];
	char **argv;
	int fd, ret;

	run_path(m, "qmp.sock", path);
	run_path(m, "log", log);
	fd = vmig_process_listen(path, err);
	if (fd < 0)
		return fd;
	params.qmp_fd = fd;
	ret = vmig_cmdline_build(&params, &argv, err);
	if (ret)
		goto out;
	ret = vmig_process_start(argv, log, fd, err);
	vmig_cmdline_free(argv);
	if (ret < 0)
		goto out;
	m->pid = ret;
	m->ended = false;
	ret = watch(m, err);
out:
	close(fd);
	return ret;
}

/**
 * vmig_machine_start() - Start the VM's QEMU.
 * @incoming: with its taps down and waiting for a migration
 *
 * Return: 0 if it was started; ops->ready() or ops->died() or the answer to
 * start_request tells what came of it. Or a negative errno and nothing is left
 * behind.
 */
int vmig_machine_start(struct vmig_machine *m, bool incoming,
		       struct vmig_err *err)
{
	char model[VMIG_CPU_MODEL_MAX];
	int ret;

	ret = vmig_processor_prepare(m, incoming, model, err);
	if (ret)
		return ret;
	ret = make_folders(m, err);
	if (!ret)
		ret = make_taps(m, err);
	if (!ret && !incoming)
		ret = vmig_machine_taps_up(m, err);
	if (!ret)
		ret = spawn(m, incoming, model, err);
	if (ret) {
		if (m->pidfd >= 0)
			vmig_machine_kill(m);
		else
			clean(m);
		return ret;
	}
	m->incoming = incoming;
	vmig_qmp_call_within(m->qmp, "query-status", VMIG_QMP_START_LIMIT_MS,
			     on_status, m);
	return 0;
}

/**
 * vmig_machine_attach() - Find the QEMU that an earlier daemon started.
 *
 * Return: 0; -ENOENT if there is none any more, and all of it is cleaned up.
 */
int vmig_machine_attach(struct vmig_machine *m, struct vmig_err *err)
{
	char path[LAUNCH_PATH_MAX];
	int ret;

	run_path(m, "qmp.sock", path);
	ret = vmig_qmp_open(&m->qmp, m->daemon->event, path, &qmp_ops, m);
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		return -ENOENT;
	if (ret)
		return vmig_err_set(err, -ret, "%s: %s", path, strerror(-ret));
	m->pid = vmig_qmp_peer_pid(m->qmp);
	return watch(m, err);
}

/* vmig_machine_kill() - End its QEMU at once; ops->died() follows. */
void vmig_machine_kill(struct vmig_machine *m)
{
	if (m->pidfd < 0)
		return;
	m->ended = true;
	vmig_process_kill(m->pidfd);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine types that this node's QEMU knows. The binary is asked once
 * (-machine help), and again when it has changed.
 */
#ifndef VMIG_TYPES_H
#define VMIG_TYPES_H

#include <stdbool.h>

#include <systemd/sd-event.h>

struct vmig_types;

#define VMIG_TYPE_MAX	64

struct vmig_types *vmig_types_open(sd_event *event, const char *qemu);
/* Has QEMU answered? If not it is being asked: ask again a moment later. */
bool vmig_types_ready(struct vmig_types *types);
/* Its answer; "" if it gave none. */
const char *vmig_types_text(const struct vmig_types *types);

/**
 * vmig_types_find() - Look up what is given to QEMU as -machine. No I/O.
 * @text: QEMU's answer to -machine help
 * @machine: a type or its alias, options may follow a comma; "" is "pc"
 * @type: the type, of an alias the one that it stands for now
 *
 * Return: 0; -ENOENT if QEMU does not know it; -ENODATA if @text is no answer.
 */
int vmig_types_find(const char *text, const char *machine,
		    char type[VMIG_TYPE_MAX]);

#endif /* VMIG_TYPES_H */

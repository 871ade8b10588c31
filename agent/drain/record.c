// SPDX-License-Identifier: GPL-2.0
/* What a drained node remembers. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../cluster/message.h"
#include "../file.h"
#include "../keyfile.h"
#include "record.h"

#define RECORD_VERSION	1
#define RECORD_DEPTH	4
#define RECORD_MAX	(VMIG_DRAIN_VMS_MAX * 256)

void vmig_drain_record_exit(struct vmig_drain_record *record)
{
	free(record->entries);
	memset(record, 0, sizeof(*record));
}

struct vmig_drain_entry *
vmig_drain_record_find(const struct vmig_drain_record *record, const char *vm)
{
	size_t i;

	for (i = 0; i < record->n; i++)
		if (!strcmp(record->entries[i].vm, vm))
			return &record->entries[i];
	return NULL;
}

void vmig_drain_record_put(struct vmig_drain_record *record, const char *vm,
			   const char *to, bool left)
{
	struct vmig_drain_entry *e = vmig_drain_record_find(record, vm);

	if (!e) {
		e = reallocarray(record->entries, record->n + 1, sizeof(*e));
		if (!e)
			abort();	/* a daemon without memory is restarted */
		record->entries = e;
		e += record->n++;
	}
	snprintf(e->vm, sizeof(e->vm), "%s", vm);
	snprintf(e->to, sizeof(e->to), "%s", to);
	e->left = left;
}

void vmig_drain_record_remove(struct vmig_drain_record *record, const char *vm)
{
	struct vmig_drain_entry *e = vmig_drain_record_find(record, vm);

	if (!e)
		return;
	record->n--;
	memmove(e, e + 1,
		(size_t)(record->entries + record->n - e) * sizeof(*e));
}

char *vmig_drain_record_format(const struct vmig_drain_record *record)
{
	struct json_object *o = vmig_json_new(NULL);
	struct json_object *list = json_object_new_array(), *e;
	char *text;
	size_t i;

	vmig_json_add_uint(o, "version", RECORD_VERSION);
	vmig_json_add_bool(o, "draining", record->draining);
	vmig_json_add_bool(o, "returning", record->returning);
	for (i = 0; i < record->n; i++) {
		e = vmig_json_new(NULL);
		vmig_json_add_string(e, "vm", record->entries[i].vm);
		vmig_json_add_string(e, "to", record->entries[i].to);
		vmig_json_add_bool(e, "left", record->entries[i].left);
		json_object_array_add(list, e);
	}
	json_object_object_add(o, "vms", list);
	text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	if (!text)
		abort();	/* a daemon without memory is restarted */
	json_object_put(o);
	return text;
}

static struct json_object *parse_json(const char *text)
{
	struct json_tokener *tok = json_tokener_new_ex(RECORD_DEPTH);
	size_t len = strlen(text);
	struct json_object *o;

	if (!tok)
		abort();	/* a daemon without memory is restarted */
	o = json_tokener_parse_ex(tok, text, (int)len);
	if (o && (!json_object_is_type(o, json_type_object) ||
		  json_tokener_get_parse_end(tok) != len)) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tok);
	return o;
}

static int parse_entry(struct json_object *o, struct vmig_drain_record *record)
{
	const char *vm = vmig_json_string(o, "vm");
	const char *to = vmig_json_string(o, "to");
	struct vmig_err err;

	if (!vm || !to || vmig_name_check("VM", vm, &err) ||
	    vmig_name_check("node", to, &err) ||
	    vmig_drain_record_find(record, vm))
		return -EBADMSG;
	vmig_drain_record_put(record, vm, to, vmig_json_uint(o, "left", 0));
	return 0;
}

static int parse_entries(struct json_object *o,
			 struct vmig_drain_record *record)
{
	struct json_object *list;
	size_t i, n;
	int ret = 0;

	if (!json_object_object_get_ex(o, "vms", &list) ||
	    !json_object_is_type(list, json_type_array))
		return -EBADMSG;
	n = json_object_array_length(list);
	if (n > VMIG_DRAIN_VMS_MAX)
		return -EBADMSG;
	for (i = 0; i < n && !ret; i++)
		ret = parse_entry(json_object_array_get_idx(list, i), record);
	return ret;
}

int vmig_drain_record_parse(const char *text, const char *source,
			    struct vmig_drain_record *record,
			    struct vmig_err *err)
{
	struct json_object *o = parse_json(text);
	uint64_t version = o ? vmig_json_uint(o, "version", 0) : 0;
	int ret = 0;

	memset(record, 0, sizeof(*record));
	if (version > RECORD_VERSION)
		ret = vmig_err_set(err, EPROTONOSUPPORT,
				   "%s is of version %llu, a newer vmig-agent's: run that one, or undrain the node with it first",
				   source, (unsigned long long)version);
	else if (version != RECORD_VERSION || parse_entries(o, record))
		ret = vmig_err_set(err, EBADMSG,
				   "%s is damaged: it tells which VMs have left this node when it was drained; repair it, or remove it to forget that",
				   source);
	if (ret) {
		vmig_drain_record_exit(record);
	} else {
		record->draining = vmig_json_uint(o, "draining", 0);
		record->returning = vmig_json_uint(o, "returning", 0);
	}
	json_object_put(o);
	return ret;
}

int vmig_drain_record_load(const char *path, struct vmig_drain_record *record,
			   struct vmig_err *err)
{
	char *text;
	int ret;

	memset(record, 0, sizeof(*record));
	if (access(path, F_OK))
		return 0;
	ret = vmig_file_read(path, RECORD_MAX, &text, err);
	if (ret)
		return ret;
	ret = vmig_drain_record_parse(text, path, record, err);
	free(text);
	return ret;
}

int vmig_drain_record_save(const char *path,
			   const struct vmig_drain_record *record,
			   struct vmig_err *err)
{
	char *text, *folder;
	int ret = 0;

	if (!record->draining && !record->returning && !record->n) {
		if (unlink(path) && errno != ENOENT)
			return vmig_err_set(err, errno, "%s: %s", path,
					    strerror(errno));
	} else {
		text = vmig_drain_record_format(record);
		ret = vmig_file_write(path, text, err);
		free(text);
	}
	folder = strdupa(path);
	return ret ? ret : vmig_file_sync_folder(dirname(folder), err);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory under test: a vmigfs of its own with one VM and one region, and
 * its tracking by way of debugfs.
 */
#ifndef VMIG_T1_RAM_H
#define VMIG_T1_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAM_PAGE	4096UL
#define RAM_CHUNK	(2UL << 20)
#define RAM_CHUNK_PAGES	(RAM_CHUNK / RAM_PAGE)

/**
 * struct ram - one region
 * @dir: where its vmigfs is mounted; @vm below is the VM, @file the region
 * @fd: of the region
 * @mem: mapping of all of it
 * @session: debugfs file while it is tracked, or -1
 * @found: what ram_harvest() found, a byte a page
 */
struct ram {
	char dir[64];
	char vm[96];
	char file[128];
	char debug[128];
	int fd;
	unsigned char *mem;
	size_t size;
	unsigned int pages;
	int session;
	uint8_t *found;
};

struct ram_counters {
	unsigned long long remaining, faults, sticky, bytes, waited_us;
};

/*
 * All return 0, or a count, or a negative errno. ram_close() fails if anything
 * is left that keeps the file system busy.
 */
int ram_mount(struct ram *ram, const char *options);
int ram_create(struct ram *ram, size_t size);
int ram_open(struct ram *ram, size_t size, const char *options);
int ram_close(struct ram *ram);

int ram_start(struct ram *ram);
int ram_command(struct ram *ram, const char *command);
int ram_harvest(struct ram *ram, bool final);
int ram_read_found(struct ram *ram);
int ram_counters(struct ram *ram, struct ram_counters *counters);
void ram_stop(struct ram *ram);

/* Harvest, and read the pages found into @copy, which is as large as the RAM. */
int ram_collect(struct ram *ram, unsigned char *copy, bool final);

/* KiB of FilePmdMapped over the mappings of this process. */
long ram_huge_kib(void);

/* Word @i of page @page, to be written and checked by tests. */
static inline volatile uint64_t *ram_word(struct ram *ram, unsigned int page,
					  unsigned int i)
{
	return (volatile uint64_t *)(ram->mem + page * RAM_PAGE) + i;
}

/* A sequence of numbers that looks random and is the same in every run. */
static inline uint32_t ram_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

#endif /* VMIG_T1_RAM_H */

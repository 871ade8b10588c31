// SPDX-License-Identifier: GPL-2.0
/*
 * The memory under test.
 *
 * Each 64-bit word encodes (page, generation, word), multiplied by an odd
 * constant so that every byte varies. The multiplication can be undone: a bad
 * word tells whether it is an old copy of this page, another page's copy, or
 * noise, which are three different faults of a migration.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pages.h"

#define WORD_BITS	9
#define GEN_BITS	27
#define PAGE_BITS	28	/* 1 TiB of guest memory */
#define GEN_MASK	((1U << GEN_BITS) - 1)

#define SCRAMBLE	0x9e3779b97f4a7c15ULL
#define UNSCRAMBLE	0xf1de83e19937733dULL	/* inverse modulo 2^64 */

_Static_assert(SCRAMBLE * UNSCRAMBLE == 1, "words cannot be decoded");
_Static_assert(PAGES_WORDS == 1U << WORD_BITS, "word field does not fit");

/* A flood of lines would hide the first bad page, which says most. */
#define BAD_LINES	8

static uint64_t first_word(uint64_t page, uint32_t gen)
{
	return (page << (GEN_BITS + WORD_BITS)) | ((uint64_t)gen << WORD_BITS);
}

static void explain_bad(uint64_t page, uint32_t gen, unsigned int word,
			uint64_t found)
{
	uint64_t raw = found * UNSCRAMBLE;
	uint64_t other = raw >> (GEN_BITS + WORD_BITS);
	uint32_t other_gen = (raw >> WORD_BITS) & GEN_MASK;
	const char *kind = "noise";

	if (!found)
		kind = "zero";
	else if ((raw & (PAGES_WORDS - 1)) == word && other == page)
		kind = "stale";
	else if ((raw & (PAGES_WORDS - 1)) == word)
		kind = "misplaced";
	printf("MEMCK BAD page=%llu word=%u gen=%u found=%s %#llx (page %llu gen %u)\n",
	       (unsigned long long)page, word, gen, kind,
	       (unsigned long long)found, (unsigned long long)other, other_gen);
}

static unsigned int bad_bytes(uint64_t diff)
{
	unsigned int n = 0;

	for (; diff; diff >>= 8)
		n += !!(diff & 0xff);
	return n;
}

/**
 * pages_alloc() - Reserve the memory under test; it is written later.
 * @p: zeroed
 * @bytes: rounded down to whole pages
 *
 * Return: 0, -EINVAL if @bytes holds no page or more than the pattern can
 * number, -ENOMEM.
 */
int pages_alloc(struct pages *p, uint64_t bytes)
{
	p->nr = bytes / PAGES_SIZE;
	if (!p->nr || p->nr >> PAGE_BITS)
		return -EINVAL;
	p->gen = calloc(p->nr, sizeof(*p->gen));
	if (!p->gen)
		return -ENOMEM;
	p->base = mmap(NULL, p->nr * PAGES_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->base == MAP_FAILED) {
		free(p->gen);
		return -ENOMEM;
	}
	return 0;
}

/** pages_write() - Fill a page with its next generation. */
void pages_write(struct pages *p, uint64_t page)
{
	uint64_t *at = p->base + page * PAGES_WORDS;
	uint32_t gen = (p->gen[page] + 1) & GEN_MASK;
	uint64_t word;
	unsigned int i;

	if (!gen)
		gen = 1;	/* 0 means never written */
	word = first_word(page, gen) * SCRAMBLE;
	for (i = 0; i < PAGES_WORDS; i++, word += SCRAMBLE)
		at[i] = word;
	p->gen[page] = gen;
	atomic_fetch_add_explicit(&p->writes, 1, memory_order_relaxed);
}

/**
 * pages_check() - Compare a page with the table.
 *
 * A bad page is counted once and then written anew, so that one fault is not
 * counted again by every sweep.
 *
 * Return: number of bad bytes.
 */
unsigned int pages_check(struct pages *p, uint64_t page)
{
	const volatile uint64_t *at = p->base + page * PAGES_WORDS;
	uint32_t gen = p->gen[page];
	uint64_t word = first_word(page, gen) * SCRAMBLE;
	unsigned int i, bad = 0;

	atomic_fetch_add_explicit(&p->checks, 1, memory_order_relaxed);
	if (!gen)
		return 0;
	for (i = 0; i < PAGES_WORDS; i++, word += SCRAMBLE) {
		uint64_t found = at[i];

		if (found == word)
			continue;
		if (!bad && atomic_load(&p->bad_pages) < BAD_LINES)
			explain_bad(page, gen, i, found);
		bad += bad_bytes(found ^ word);
	}
	if (bad) {
		atomic_fetch_add(&p->bad_bytes, bad);
		atomic_fetch_add(&p->bad_pages, 1);
		pages_write(p, page);
	}
	return bad;
}

/** pages_corrupt() - Flip one byte behind the table's back. */
void pages_corrupt(struct pages *p, uint64_t page)
{
	volatile uint8_t *at = (uint8_t *)p->base + page * PAGES_SIZE;

	at[PAGES_SIZE / 2] ^= 0xff;
}

/** pages_reset() - Zero the counters; the table stays. */
void pages_reset(struct pages *p)
{
	atomic_store(&p->writes, 0);
	atomic_store(&p->checks, 0);
	atomic_store(&p->bad_bytes, 0);
	atomic_store(&p->bad_pages, 0);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xxHash64 written from its specification, so that a digest computed here
 * checks the kernel's. It keeps all input: tests are small.
 */
#ifndef _SHIM_LINUX_XXHASH_H
#define _SHIM_LINUX_XXHASH_H

#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

#define SHIM_XXH_MAX (1U << 23)

struct xxh64_state {
	u64 seed;
	size_t len;
	u8 *input;
};

#define SHIM_P1 0x9E3779B185EBCA87ULL
#define SHIM_P2 0xC2B2AE3D27D4EB4FULL
#define SHIM_P3 0x165667B19E3779F9ULL
#define SHIM_P4 0x85EBCA77C2B2AE63ULL
#define SHIM_P5 0x27D4EB2F165667C5ULL

static inline u64 shim_rotl(u64 value, unsigned int bits)
{
	return (value << bits) | (value >> (64 - bits));
}

static inline u64 shim_round(u64 acc, u64 input)
{
	return shim_rotl(acc + input * SHIM_P2, 31) * SHIM_P1;
}

static inline u64 shim_word(const u8 *from, size_t bytes)
{
	u64 word = 0;

	memcpy(&word, from, bytes);
	return word;
}

static inline void xxh64_reset(struct xxh64_state *state, u64 seed)
{
	state->seed = seed;
	state->len = 0;
	state->input = malloc(SHIM_XXH_MAX);
}

static inline int xxh64_update(struct xxh64_state *state, const void *input,
			       size_t len)
{
	if (!state->input || state->len + len > SHIM_XXH_MAX)
		abort();
	memcpy(state->input + state->len, input, len);
	state->len += len;
	return 0;
}

static inline u64 shim_stripes(const struct xxh64_state *state, const u8 **at)
{
	u64 acc[4] = {
		state->seed + SHIM_P1 + SHIM_P2, state->seed + SHIM_P2,
		state->seed, state->seed - SHIM_P1,
	};
	const u8 *end = state->input + state->len;
	u64 hash;
	int i;

	for (; end - *at >= 32; *at += 32) {
		for (i = 0; i < 4; i++)
			acc[i] = shim_round(acc[i], shim_word(*at + 8 * i, 8));
	}
	hash = shim_rotl(acc[0], 1) + shim_rotl(acc[1], 7) +
	       shim_rotl(acc[2], 12) + shim_rotl(acc[3], 18);
	for (i = 0; i < 4; i++)
		hash = (hash ^ shim_round(0, acc[i])) * SHIM_P1 + SHIM_P4;
	return hash;
}

static inline u64 xxh64_digest(const struct xxh64_state *state)
{
	const u8 *at = state->input;
	const u8 *end = at + state->len;
	u64 hash = state->seed + SHIM_P5;

	if (state->len >= 32)
		hash = shim_stripes(state, &at);
	hash += state->len;
	for (; end - at >= 8; at += 8) {
		hash ^= shim_round(0, shim_word(at, 8));
		hash = shim_rotl(hash, 27) * SHIM_P1 + SHIM_P4;
	}
	if (end - at >= 4) {
		hash ^= shim_word(at, 4) * SHIM_P1;
		hash = shim_rotl(hash, 23) * SHIM_P2 + SHIM_P3;
		at += 4;
	}
	for (; at < end; at++)
		hash = shim_rotl(hash ^ (*at * SHIM_P5), 11) * SHIM_P1;
	hash = (hash ^ (hash >> 33)) * SHIM_P2;
	hash = (hash ^ (hash >> 29)) * SHIM_P3;
	return hash ^ (hash >> 32);
}

#endif /* _SHIM_LINUX_XXHASH_H */

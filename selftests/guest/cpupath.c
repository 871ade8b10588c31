// SPDX-License-Identifier: GPL-2.0
/*
 * A sum that is computed in as many ways as processors offer: the number of
 * ones in all words, times their sum.
 */
#include <cpuid.h>
#include <immintrin.h>

#include "cpupath.h"

#define POPCNT	(1U << 23)	/* 1.ECX */
#define OSXSAVE	(1U << 27)	/* 1.ECX */
#define SSSE3	(1U << 9)	/* 1.ECX */
#define AVX2	(1U << 5)	/* 7.0.EBX */
#define YMM	6		/* XCR0: SSE and AVX state */

static bool feature(unsigned int leaf, unsigned int reg, unsigned int bit)
{
	unsigned int regs[4] = {};

	/* Asked again each time: what is compiled in would not notice. */
	return __get_cpuid_count(leaf, 0, &regs[0], &regs[1], &regs[2],
				 &regs[3]) && regs[reg] & bit;
}

static bool has_avx2(void)
{
	unsigned int low, high;

	if (!feature(1, 2, OSXSAVE) || !feature(7, 1, AVX2))
		return false;
	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & YMM) == YMM;
}

static bool has_ssse3(void)
{
	return feature(1, 2, SSSE3);
}

static bool has_popcnt(void)
{
	return feature(1, 2, POPCNT);
}

static bool has_nothing(void)
{
	return true;
}

static unsigned int ones_of(uint32_t word)
{
	unsigned int n;

	for (n = 0; word; n++)
		word &= word - 1;
	return n;
}

static uint64_t sum_plain(const uint32_t *words, size_t n)
{
	uint64_t ones = 0, sum = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		ones += ones_of(words[i]);
		sum += words[i];
	}
	return ones * sum;
}

static uint64_t sum_popcnt(const uint32_t *words, size_t n)
{
	uint64_t ones = 0, sum = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t count;

		asm volatile("popcnt %1, %0" : "=r"(count) : "r"(words[i]));
		ones += count;
		sum += words[i];
	}
	return ones * sum;
}

/* How many ones a nibble has, for pshufb. */
#define NIBBLES 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4

__attribute__((target("ssse3")))
static uint64_t sum_ssse3(const uint32_t *words, size_t n)
{
	const __m128i table = _mm_setr_epi8(NIBBLES);
	const __m128i low = _mm_set1_epi8(15);
	__m128i ones = _mm_setzero_si128();
	uint64_t sum = 0, parts[2];
	size_t i, j;

	for (i = 0; i < n; i += 4) {
		__m128i v = _mm_loadu_si128((const __m128i *)(words + i));
		__m128i count = _mm_add_epi8(
			_mm_shuffle_epi8(table, _mm_and_si128(v, low)),
			_mm_shuffle_epi8(table,
				_mm_and_si128(_mm_srli_epi32(v, 4), low)));

		ones = _mm_add_epi64(ones, _mm_sad_epu8(count,
							_mm_setzero_si128()));
		for (j = 0; j < 4; j++)
			sum += words[i + j];
	}
	_mm_storeu_si128((__m128i *)parts, ones);
	return (parts[0] + parts[1]) * sum;
}

__attribute__((target("avx2")))
static uint64_t sum_avx2(const uint32_t *words, size_t n)
{
	const __m256i table = _mm256_setr_epi8(NIBBLES, NIBBLES);
	const __m256i low = _mm256_set1_epi8(15);
	__m256i ones = _mm256_setzero_si256(), sums = ones;
	uint64_t parts[4], totals[4];
	size_t i;

	for (i = 0; i < n; i += 8) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(words + i));
		__m256i count = _mm256_add_epi8(
			_mm256_shuffle_epi8(table, _mm256_and_si256(v, low)),
			_mm256_shuffle_epi8(table,
				_mm256_and_si256(_mm256_srli_epi32(v, 4), low)));

		ones = _mm256_add_epi64(ones, _mm256_sad_epu8(count,
						_mm256_setzero_si256()));
		sums = _mm256_add_epi64(sums, _mm256_add_epi64(
			_mm256_srli_epi64(v, 32),
			_mm256_srli_epi64(_mm256_slli_epi64(v, 32), 32)));
	}
	_mm256_storeu_si256((__m256i *)parts, ones);
	_mm256_storeu_si256((__m256i *)totals, sums);
	return (parts[0] + parts[1] + parts[2] + parts[3]) *
	       (totals[0] + totals[1] + totals[2] + totals[3]);
}

const struct cpupath cpupaths[] = {
	{ "avx2", has_avx2, sum_avx2 },
	{ "ssse3", has_ssse3, sum_ssse3 },
	{ "popcnt", has_popcnt, sum_popcnt },
	{ "plain", has_nothing, sum_plain },
	{ }
};

// SPDX-License-Identifier: GPL-2.0
/* Numbers for people. */
#include "cli.h"

struct vmig_text vmig_text_bytes(uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	struct vmig_text text;
	double value = bytes;
	int unit = -1;

	/* Rounding to one digit must not make 1024.0. */
	while (value >= 1023.95 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text.s, sizeof(text.s), "%u", (unsigned int)bytes);
	else
		snprintf(text.s, sizeof(text.s), "%.1f%c", value, units[unit]);
	return text;
}

struct vmig_text vmig_text_seconds(uint64_t us)
{
	struct vmig_text text;

	snprintf(text.s, sizeof(text.s), "%.3f s", us / 1e6);
	return text;
}

struct vmig_text vmig_text_ms(uint64_t us)
{
	struct vmig_text text;

	snprintf(text.s, sizeof(text.s), "%.*f ms", us < 10000 ? 1 : 0,
		 us / 1e3);
	return text;
}

struct vmig_text vmig_text_count(uint64_t n)
{
	struct vmig_text text;
	char digits[24];
	int len, i, out = 0;

	len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	/* 20 digits and 6 commas would not fit: such counts are not grouped. */
	for (i = 0; i < len && out < (int)sizeof(text.s) - 2; i++) {
		if (i && !((len - i) % 3) && len <= 15)
			text.s[out++] = ',';
		text.s[out++] = digits[i];
	}
	text.s[out] = '\0';
	return text;
}

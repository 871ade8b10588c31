// SPDX-License-Identifier: GPL-2.0
/*
 * Any text is read as a policy, as what a peer tells of its processor and as
 * the processor state of a VM that arrives. What is taken must be whole: it is
 * written again and read back, made into rules, and compared with the other.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cpu/cpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void take_policy(const char *text, const struct vmig_cpu *cpu)
{
	static char model[8192];
	static struct vmig_cpu_state state;
	struct vmig_err err = { "" };

	if (vmig_cpu_policy_check(text, &err)) {
		require(*err.text);
		return;
	}
	memset(&state, 0, sizeof(state));
	if (vmig_cpu_policy_visible(text, cpu, &cpu, 1, &state.visible, &err))
		require(*err.text);
	else
		require(!vmig_cpu_qemu(cpu, &state, model, sizeof(model)));
	vmig_cpu_freeze(text, &cpu->cpuid, &state.visible, &state.frozen);
}

static void take_state(const struct vmig_cpu_state *state,
		       const struct vmig_cpu *cpu)
{
	static struct vmig_cpu_rule rules[VMIG_CPU_RULES_MAX];
	static struct vmig_cpu_reasons reasons;
	static struct vmig_cpu_state again;
	struct json_object *o = vmig_cpu_state_encode(state);

	require(!vmig_cpu_state_decode(o, &again, NULL));
	json_object_put(o);
	require(again.frozen.n == state->frozen.n);
	require(vmig_cpu_set_equal(&again.visible, &state->visible));
	vmig_cpu_rules(&state->frozen, &state->hidden, rules);
	require(vmig_cpu_check(state, "b", cpu, &reasons) == !reasons.n);
	require(reasons.n <= VMIG_CPU_REASONS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmig_cpu_state state;
	static struct vmig_cpu cpu, again;
	struct vmig_err err = { "" };
	struct json_object *o;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	memset(&cpu, 0, sizeof(cpu));
	o = json_tokener_parse(text);
	if (vmig_cpu_decode(o, &cpu, &err)) {
		require(*err.text);
		memset(&cpu, 0, sizeof(cpu));
	} else {
		struct json_object *copy = vmig_cpu_encode(&cpu);

		require(!vmig_cpu_decode(copy, &again, NULL));
		require(vmig_cpu_set_equal(&cpu.features, &again.features));
		json_object_put(copy);
	}
	err.text[0] = '\0';
	if (vmig_cpu_state_decode(o, &state, &err))
		require(*err.text);
	else
		take_state(&state, &cpu);
	json_object_put(o);
	take_policy(text, &cpu);
	free(text);
	return 0;
}

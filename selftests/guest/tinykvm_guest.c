// SPDX-License-Identifier: GPL-2.0
/*
 * The tiny guest's code: one piece a command, position-independent, without a
 * stack. A piece finds its arguments in registers, which the host sets before
 * it starts the vCPU at the piece's entry, and ends with HLT, which without an
 * in-kernel interrupt controller is an exit to the host.
 *
 *	esi	address of the first word
 *	edi	bytes to the next word
 *	ecx	number of words
 *	eax	value
 *	ebx	list of pages, or the mailbox
 */
#include <stddef.h>

#include "tinykvm_private.h"

#define AT(member)	offsetof(struct mailbox, member)

/* The offsets below are written as numbers in the code. */
_Static_assert(AT(stop) == 0 && AT(bad) == 4 && AT(writes) == 8 &&
	       AT(state) == 16 && AT(owned) == 20 && AT(step) == 24 &&
	       AT(index) == 28 && AT(base) == 32 && AT(table) == 36 &&
	       AT(delay) == 40 && AT(wrong) == 44 && AT(answer) == 48,
	       "the guest code and struct mailbox differ");

_Static_assert(offsetof(struct tinykvm_cpuid, eax) == 8 &&
	       sizeof(struct tinykvm_cpuid) == 24,
	       "the guest code and struct tinykvm_cpuid differ");

asm(".pushsection .rodata\n"
"	.code32\n"
"	.global tinykvm_code_start, tinykvm_code_end\n"
"tinykvm_code_start:\n"

"guest_write:\n"
"1:	movl	%eax, (%esi)\n"
"	incl	%eax\n"
"	addl	%edi, %esi\n"
"	decl	%ecx\n"
"	jnz	1b\n"
"	hlt\n"

"guest_write_list:\n"
"1:	movl	(%ebx), %edx\n"
"	shll	$12, %edx\n"
"	movl	%eax, (%esi,%edx)\n"
"	incl	%eax\n"
"	addl	$4, %ebx\n"
"	decl	%ecx\n"
"	jnz	1b\n"
"	hlt\n"

/* All words the same: value is not counted up. */
"guest_fill:\n"
"	movl	%esi, %edi\n"
"	cld\n"
"	rep stosl\n"
"	hlt\n"

"guest_sum:\n"
"	xorl	%eax, %eax\n"
"	xorl	%edx, %edx\n"
"1:	addl	(%esi), %eax\n"
"	adcl	$0, %edx\n"
"	addl	%edi, %esi\n"
"	decl	%ecx\n"
"	jnz	1b\n"
"	hlt\n"

/*
 * The page gets its new sequence number before the table does: whoever stops
 * the vCPU in between finds a page that is ahead of the table by one, never
 * behind it.
 */
"guest_hammer:\n"
"1:	cmpl	$0, 0(%ebx)\n"
"	jne	4f\n"
"	imull	$1664525, 16(%ebx), %eax\n"
"	addl	$1013904223, %eax\n"
"	movl	%eax, 16(%ebx)\n"
"	mull	20(%ebx)\n"		/* edx = state * owned >> 32 */
"	imull	24(%ebx), %edx\n"
"	addl	28(%ebx), %edx\n"	/* edx = page */
"	movl	%edx, %esi\n"
"	shll	$12, %esi\n"
"	addl	32(%ebx), %esi\n"	/* esi = its word */
"	movl	36(%ebx), %edi\n"
"	leal	(%edi,%edx,4), %edi\n"	/* edi = its table entry */
"	movl	(%edi), %ecx\n"
"	testl	%ecx, %ecx\n"		/* 0: not written by TINYKVM_HAMMER yet */
"	jz	2f\n"
"	cmpl	%ecx, (%esi)\n"
"	je	2f\n"
"	incl	4(%ebx)\n"
"2:	incl	%ecx\n"
"	movl	%edx, 4(%esi)\n"
"	movl	%ecx, (%esi)\n"
"	movl	%ecx, (%edi)\n"
"	addl	$1, 8(%ebx)\n"
"	adcl	$0, 12(%ebx)\n"
"	movl	40(%ebx), %ecx\n"
"	jecxz	1b\n"
"3:	decl	%ecx\n"
"	jnz	3b\n"
"	jmp	1b\n"
"4:	hlt\n"

"guest_cpuid:\n"
"	cpuid\n"
"	hlt\n"

/* KVM's prefix for instructions that it shall emulate. */
"guest_cpuid_emulated:\n"
"	ud2\n"
"	.ascii	\"kvm\"\n"
"	cpuid\n"
"	hlt\n"

/* esp to ebp: the questions, edi: the mailbox; CPUID leaves no more registers. */
"guest_cpuid_check:\n"
"1:	movl	%esp, %esi\n"
"2:	movl	0(%esi), %eax\n"
"	movl	4(%esi), %ecx\n"
"	cpuid\n"
"	cmpl	8(%esi), %eax\n"
"	jne	5f\n"
"	cmpl	12(%esi), %ebx\n"
"	jne	5f\n"
"	cmpl	16(%esi), %ecx\n"
"	jne	5f\n"
"	cmpl	20(%esi), %edx\n"
"	jne	5f\n"
"3:	addl	$1, 8(%edi)\n"
"	adcl	$0, 12(%edi)\n"
"	cmpl	$0, 0(%edi)\n"
"	jne	4f\n"
"	addl	$24, %esi\n"
"	cmpl	%ebp, %esi\n"
"	jb	2b\n"
"	decl	16(%edi)\n"
"	jnz	1b\n"
"4:	hlt\n"
"5:	cmpl	$0, 4(%edi)\n"
"	jne	6f\n"
"	movl	%esi, 44(%edi)\n"
"	movl	%eax, 48(%edi)\n"
"	movl	%ebx, 52(%edi)\n"
"	movl	%ecx, 56(%edi)\n"
"	movl	%edx, 60(%edi)\n"
"6:	incl	4(%edi)\n"
"	jmp	3b\n"

"tinykvm_code_end:\n"
"	.code64\n"
"	.popsection\n");

extern const uint8_t guest_write[], guest_write_list[], guest_fill[],
	guest_sum[], guest_hammer[], guest_cpuid[], guest_cpuid_emulated[],
	guest_cpuid_check[];

/** tinykvm_code_entry() - Guest address where a command begins. */
uint32_t tinykvm_code_entry(enum tinykvm_cmd cmd)
{
	static const uint8_t * const entries[] = {
		[TINYKVM_WRITE] = guest_write,
		[TINYKVM_WRITE_LIST] = guest_write_list,
		[TINYKVM_FILL] = guest_fill,
		[TINYKVM_SUM] = guest_sum,
		[TINYKVM_SUM_ALL] = guest_sum,
		[TINYKVM_HAMMER] = guest_hammer,
		[TINYKVM_CPUID] = guest_cpuid,
		[TINYKVM_CPUID_EMULATED] = guest_cpuid_emulated,
		[TINYKVM_CPUID_CHECK] = guest_cpuid_check,
	};

	return CODE_GPA + (entries[cmd] - tinykvm_code_start);
}

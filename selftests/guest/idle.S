/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smallest guest: fills a part of its memory and
 * sleeps for ever. For tests that need many VMs and no work of them.
 */
#define XEN_ELFNOTE_PHYS32_ENTRY 18	/* where QEMU enters by the PVH note */
#define FILL_START	0x200000
#define FILL_WORDS	0x100000	/* 4 MiB */

	.section .note.Xen, "a", @note
	.long	4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl	start
start:
	cld
	mov	$FILL_START, %edi
	mov	$FILL_WORDS, %ecx
	mov	$0x76696d67, %eax
	rep stosl
sleep:
	hlt
	jmp	sleep

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest for a VM of 64 MiB, where no distribution's kernel fits: it fills its
 * memory, then looks at each page over and over and counts in it. When one is not
 * as it was left, the guest switches itself off.
 */
#define XEN_ELFNOTE_PHYS32_ENTRY 18	/* where QEMU enters by the PVH note */
#define FILL_START	0x200000
#define FILL_END	0x3c00000	/* above it may be tables of the firmware */
#define PAGE_WORDS	1024
#define PM1_CONTROL	0x604		/* where the firmware puts it */
#define SLEEP_OFF	0x2000

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
fill:					/* each word of a page is its address */
	mov	%edi, %eax
	mov	$PAGE_WORDS, %ecx
	rep stosl
	movl	$0, -4(%edi)		/* but the last one counts */
	cmp	$FILL_END, %edi
	jb	fill
	xor	%ebx, %ebx		/* how often */
again:
	mov	$FILL_START, %edi
page:
	mov	%edi, %eax
	mov	$PAGE_WORDS - 1, %ecx
	repe scasl
	jne	off
	cmp	%ebx, (%edi)
	jne	off
	incl	(%edi)
	add	$4, %edi
	cmp	$FILL_END, %edi
	jb	page
	inc	%ebx
	jmp	again
off:
	mov	$PM1_CONTROL, %dx
	mov	$SLEEP_OFF, %ax
	outw	%ax, %dx
	hlt
	jmp	off

	.section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: GPL-2.0
/*
 * kvm_guest EXITS SECTION: run a guest of one CPU that counts, and compares all its
 * registers at each turn. Compare them also here, at each of EXITS exits to this program.
 *
 * The guest executes at the addresses around SECTION, which is a critical section of the
 * host: it looks like the host to code that does not look at the exception level.
 */
#include "nolibc.h"
#include <linux/kvm.h>

#include "../../guest/say.h"

#define PAGE		4096
#define MEMORY		(32 * PAGE)
/* The guest's physical addresses: its code, its exception vectors, its tables */
#define CODE		(1 * PAGE)
#define CODE_PAGES	3
#define VECTORS		(4 * PAGE)
#define TABLES		(8 * PAGE)
/* and what is no memory, so that a store is an exit: the count, and what was wrong. */
#define MMIO		0x400000
#define MMIO_COUNT	MMIO
#define MMIO_WRONG	(MMIO + 8)

/* What is in x5 to x30, in d0 to d31, and in others, plus the number of the register. */
#define X_VALUE		0x100
#define D_VALUE		0x200
#define ELR_VALUE	0x320
#define SPSR_VALUE	0x3c5
#define TPIDR_VALUE	0x330
#define SP_VALUE	0x340
#define PSTATE		0x3c5	/* EL1h, all masked */
#define NZCV		0xf0000000

/* Turns of the guest between two exits to this program; a power of 2. */
#define TURNS		64

#define STR_(x)		#x
#define STR(x)		STR_(x)

/*
 * The guest. x0 counts turns, x1 collects the bits that were wrong, x4 is MMIO, x2 and x3
 * are free. Most of the time is spent at guest_wait, which is in the section.
 */
asm(
"	.pushsection .rodata\n"
"	.balign	8\n"
"guest_code:\n"
"guest_turn:\n"
"	add	x0, x0, #1\n"
"	lsl	x2, x0, #28\n"
"	msr	nzcv, x2\n"
"	mov	x3, #400\n"
"	b	guest_wait\n"
"guest_behind_section:\n"
/* An exit to the host's kernel, which reads this register for the guest. */
"	mrs	x3, id_aa64pfr0_el1\n"
"	mrs	x3, nzcv\n"
"	and	x2, x2, #" STR(NZCV) "\n"
"	eor	x3, x3, x2\n"
"	orr	x1, x1, x3\n"
"	.irp	reg, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, "
"		25, 26, 27, 28, 29, 30\n"
"	sub	x3, x\\reg, #" STR(X_VALUE) " + \\reg\n"
"	orr	x1, x1, x3\n"
"	.endr\n"
"	.irp	reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, "
"		21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
"	fmov	x3, d\\reg\n"
"	sub	x3, x3, #" STR(D_VALUE) " + \\reg\n"
"	orr	x1, x1, x3\n"
"	.endr\n"
"	.macro	guest_compare, reg, value\n"
"	mrs	x3, \\reg\n"
"	sub	x3, x3, #\\value\n"
"	orr	x1, x1, x3\n"
"	.endm\n"
"	guest_compare	elr_el1, " STR(ELR_VALUE) "\n"
"	guest_compare	spsr_el1, " STR(SPSR_VALUE) "\n"
"	guest_compare	tpidr_el1, " STR(TPIDR_VALUE) "\n"
"	mov	x3, sp\n"
"	sub	x3, x3, #" STR(SP_VALUE) "\n"
"	orr	x1, x1, x3\n"
"	tst	x0, #" STR(TURNS) " - 1\n"
"	b.ne	guest_turn\n"
"guest_store:\n"
"	str	x0, [x4]\n"
"	cbz	x1, guest_turn\n"
"	str	x1, [x4, #8]\n"
"	mov	x1, #0\n"
"	b	guest_turn\n"
"	nop\n"
/* At the second and third instruction of the section. */
"guest_wait:\n"
"	sub	x3, x3, #1\n"
"	cbnz	x3, guest_wait\n"
"	b	guest_behind_section\n"
"guest_code_end:\n"
/* An exception: one of the 16 vectors. */
"guest_vector:\n"
"	movz	x4, #(" STR(MMIO) " >> 16), lsl #16\n"
"	mrs	x3, esr_el1\n"
"	str	x3, [x4, #16]\n"
"	b	.\n"
"guest_vector_end:\n"
"	.popsection\n");
extern const char guest_code[], guest_wait[], guest_store[], guest_code_end[];
extern const char guest_vector[], guest_vector_end[];

static char memory[MEMORY] __attribute__((aligned(4096)));
static unsigned long nr_tables;
static int vcpu = -1;
static unsigned long long wrong;

static int must(int ret, const char *what)
{
	if (ret < 0) {
		say("srseq: kvm failed: %s (error %d)\n", what, errno);
		exit(1);
	}
	return ret;
}

static unsigned long new_table(void)
{
	return TABLES + PAGE * nr_tables++;
}

/* Map a page of the guest's, with tables of four levels. */
static void map(unsigned long table, unsigned long address, unsigned long to)
{
	for (int level = 0; ; level++) {
		unsigned long *entry = (unsigned long *)(memory + table) +
				       (address >> (39 - 9 * level)) % 512;

		if (level == 3) {
			/* Valid, accessed, inner shareable, normal memory (MAIR's 0) */
			*entry = to | 0x703;
			return;
		}
		if (!*entry)
			*entry = new_table() | 3;
		table = *entry & ~(PAGE - 1);
	}
}

#define REG_CORE(field)							\
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define REG_X(n)	(REG_CORE(regs.regs[0]) + 2 * (n))
#define REG_V(n)	((KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |	\
			  KVM_REG_ARM_CORE_REG(fp_regs.vregs[0])) + 4 * (n))

enum { WIDE = 2 };

static void access_reg(unsigned long request, unsigned long id, unsigned long *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (unsigned long)value };

	must(ioctl(vcpu, request, &reg), "access a register");
}

static void set(unsigned long id, unsigned long value)
{
	unsigned long values[WIDE] = { value };

	access_reg(KVM_SET_ONE_REG, id, values);
}

static void expect(unsigned long id, unsigned long value)
{
	unsigned long values[WIDE] = { 0 };

	access_reg(KVM_GET_ONE_REG, id, values);
	if (values[0] == value && !values[1])
		return;
	if (!wrong++)
		say("srseq: kvm wrong: register %lx is %lx, not %lx\n", id, values[0], value);
}

/* Do with each register: set it, or expect it to be as it was set. */
static void each(void (*what)(unsigned long id, unsigned long value))
{
	for (unsigned long n = 5; n <= 30; n++)
		what(REG_X(n), X_VALUE + n);
	for (unsigned long n = 0; n <= 31; n++)
		what(REG_V(n), D_VALUE + n);
	what(REG_X(4), MMIO);
	what(REG_CORE(sp_el1), SP_VALUE);
	what(REG_CORE(elr_el1), ELR_VALUE);
	what(REG_CORE(spsr[0]), SPSR_VALUE);
	what(ARM64_SYS_REG(3, 0, 13, 0, 4), TPIDR_VALUE);	/* TPIDR_EL1 */
}

/* Returns how many exits there were. */
static unsigned long run(const struct kvm_run *run, unsigned long exits, unsigned long code)
{
	unsigned long n = 0, count = 0;
	unsigned long long value;

	while (n < exits) {
		must(ioctl(vcpu, KVM_RUN, 0), "run");
		if (run->exit_reason != KVM_EXIT_MMIO || !run->mmio.is_write ||
		    run->mmio.len != 8) {
			wrong++;
			say("srseq: kvm wrong: exit for reason %u\n", run->exit_reason);
			return n;
		}
		memcpy(&value, run->mmio.data, sizeof(value));
		switch (run->mmio.phys_addr) {
		case MMIO_COUNT:
			n++;
			count += TURNS;
			if (value != count && !wrong++)
				say("srseq: kvm wrong: turn %llu is not %lu\n", value, count);
			count = value;
			each(expect);
			expect(REG_X(0), count);
			expect(REG_CORE(regs.pc), code + (guest_store - guest_code));
			/* Of TST: TURNS divides the count. */
			expect(REG_CORE(regs.pstate), PSTATE | 1UL << 30);
			break;
		case MMIO_WRONG:
			if (!wrong++)
				say("srseq: kvm wrong: bits %llx, says the guest\n", value);
			break;
		default:
			wrong++;
			say("srseq: kvm wrong: an exception in the guest, ESR %llx\n", value);
			return n;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY,
		.userspace_addr = (unsigned long)memory,
	};
	unsigned long exits, section, code, low, high;
	struct kvm_vcpu_init init;
	void *shared;
	int kvm, vm;

	if (argc != 3)
		return 2;
	exits = strtoul(argv[1], NULL, 0);
	section = strtoul(argv[2], NULL, 0);

	kvm = must(open("/dev/kvm", O_RDWR), "open /dev/kvm");
	vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "create a machine");
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "give it memory");
	vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "create a CPU");
	must(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "ask for the kind of CPU");
	must(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "initialise the CPU");
	shared = mmap(NULL, must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "ask for a size"),
		      PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	must(shared == MAP_FAILED ? -1 : 0, "map");

	/* So that guest_wait is at the second instruction of the section. */
	code = section + 4 - (guest_wait - guest_code);
	low = new_table();
	high = new_table();
	memcpy(memory + CODE + code % PAGE, guest_code, guest_code_end - guest_code);
	for (unsigned long n = 0; n < CODE_PAGES; n++)
		map(high, (code & ~(PAGE - 1)) + n * PAGE, CODE + n * PAGE);
	for (unsigned long n = 0; n < 16; n++)
		memcpy(memory + VECTORS + 0x80 * n, guest_vector, guest_vector_end - guest_vector);
	map(low, VECTORS, VECTORS);
	map(low, MMIO, MMIO);

	each(set);
	set(REG_X(0), 0);
	set(REG_X(1), 0);
	set(REG_CORE(regs.pc), code);
	set(REG_CORE(regs.pstate), PSTATE);
	set(ARM64_SYS_REG(3, 0, 1, 0, 2), 3 << 20);		/* CPACR_EL1: FPEN */
	set(ARM64_SYS_REG(3, 0, 2, 0, 0), low);			/* TTBR0_EL1 */
	set(ARM64_SYS_REG(3, 0, 2, 0, 1), high);		/* TTBR1_EL1 */
	/* TCR_EL1: 48 bits of 4K pages, both halves, inner shareable, write-back */
	set(ARM64_SYS_REG(3, 0, 2, 0, 2), 0xb5103510);
	set(ARM64_SYS_REG(3, 0, 10, 2, 0), 0xff);		/* MAIR_EL1 */
	set(ARM64_SYS_REG(3, 0, 12, 0, 0), VECTORS);		/* VBAR_EL1 */
	set(ARM64_SYS_REG(3, 0, 1, 0, 0), 0x30d01805);		/* SCTLR_EL1: M, C, I */

	exits = run(shared, exits, code);
	say("srseq: kvm exits=%lu wrong=%llu\n", exits, wrong);
	return wrong ? 1 : 0;
}

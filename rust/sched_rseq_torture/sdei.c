// SPDX-License-Identifier: GPL-2.0

#include <linux/arm_sdei.h>
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/math64.h>
#include <linux/ptrace.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/time64.h>

#include <asm/alternative.h>
#include <asm/arch_timer.h>
#include <asm/cpufeature.h>
#include <asm/cputype.h>
#include <asm/daifflags.h>
#include <asm/sdei.h>
#include <asm/sysreg.h>
#include <asm/virt.h>

#include "sdei.h"
#include "var.h"

/* The one event that software can signal to any CPU. */
#define SRT_SDEI_EVENT		0
/* A critical one, by the physical timer of EL1: tools/firmware/critical-event.patch */
#define SRT_CRITICAL_EVENT	1000

static struct {
	struct hrtimer		timer;
	u32			delay_ns;
	u64			target;
	/* The handler has signalled the event to its own CPU, to come when it returns. */
	bool			again;
	/* A critical event is to interrupt the handler, or its way back. */
	bool			critical;
	/* What the handler runs instead of its own operation, and for which shot */
	void			(*loop)(struct srt_shot *shot);
	struct srt_shot		*shot;
	/* The normal event hit a section, so that it returns by the stub. */
	bool			restarts;
	/* The time from the end of the handler to the stub, as the last shots had it */
	u32			return_ns;
	/*
	 * Calls of the handler, those that interrupted the kernel with interrupts masked,
	 * and those that interrupted the stub that restarts a section.
	 */
	u64			events, masked, stub;
	/* The instructions of the stub that were interrupted, as bits */
	unsigned long		stub_insns;
} sdei;

/* Return the instruction of the stub at @pc, as a number, or -1. Counts it. */
static int srt_note_stub(unsigned long pc)
{
	char name[KSYM_SYMBOL_LEN];
	unsigned int offset;

	sprint_symbol(name, pc);
	if (sscanf(name, "__sdei_restart_section+%x", &offset) != 1)
		return -1;
	offset = offset % SDEI_RESTART_STRIDE / AARCH64_INSN_SIZE;
	sdei.stub++;
	sdei.stub_insns |= BIT(offset);
	return offset;
}

/*
 * The physical timer of EL1. Kernels at EL2 do not use it. A kernel at EL1 uses it only if
 * firmware started that kernel at EL2.
 */
static bool srt_timer_is_used(void)
{
	u64 ctl = is_kernel_in_hyp_mode() ? read_sysreg_s(SYS_CNTP_CTL_EL02) :
					    read_sysreg_s(SYS_CNTP_CTL_EL0);

	return ctl & ARCH_TIMER_CTRL_ENABLE;
}

/* Start it, or stop it if @ns is 0. */
static void srt_set_critical_timer(u64 ns)
{
	u64 ticks = div_u64(ns * arch_timer_get_cntfrq(), NSEC_PER_SEC);
	u64 ctl = ns ? ARCH_TIMER_CTRL_ENABLE : 0;

	if (is_kernel_in_hyp_mode()) {
		write_sysreg_s(ticks, SYS_CNTP_TVAL_EL02);
		write_sysreg_s(ctl, SYS_CNTP_CTL_EL02);
	} else {
		write_sysreg_s(ticks, SYS_CNTP_TVAL_EL0);
		write_sysreg_s(ctl, SYS_CNTP_CTL_EL0);
	}
	isb();
}

static bool srt_hit_masked(struct pt_regs *regs)
{
	return !user_mode(regs) && regs_irqs_disabled(regs);
}

static int srt_sdei_handler(u32 event, struct pt_regs *regs, void *arg)
{
	int ret;

	sdei.events++;
	if (sdei.loop) {
		srt_set_critical_timer(sdei.shot->delay_ns);
		sdei.loop(sdei.shot);
		return 0;
	}
	if (sdei.again) {
		sdei.again = false;
		srt_note_stub(regs->pc);
		return srt_sdei_hit(NULL);
	}
	if (srt_hit_masked(regs)) {
		sdei.masked++;
		if (!sdei.critical)
			sdei.again = !sdei_event_signal(SRT_SDEI_EVENT, sdei.target);
	}
	ret = srt_sdei_hit(regs);
	if (sdei.critical) {
		sdei.restarts = within_module(regs->pc, THIS_MODULE) && srt_is_section(regs->pc);
		srt_set_critical_timer(sdei.return_ns);
	}
	return ret;
}

/*
 * Interrupts the loop in the normal event's handler, or the way back of that event. In
 * the second case firmware delays it as long as it runs itself, so most events hit the
 * first instruction of the stub. The time is adjusted so that all are hit.
 */
static int srt_critical_handler(u32 event, struct pt_regs *regs, void *arg)
{
	unsigned long stack = (unsigned long)task_stack_page(current);
	int insn = srt_note_stub(regs->pc);

	srt_set_critical_timer(0);
	sdei.events++;
	sdei.masked += srt_hit_masked(regs);
	if (sdei.loop)
		return srt_sdei_last(regs);
	if (insn > 0)
		sdei.return_ns += 1;
	else if (insn == 0 || regs->sp - stack >= THREAD_SIZE)
		sdei.return_ns += 7;
	else if (sdei.restarts)
		sdei.return_ns = max(sdei.return_ns, 20) - 10;
	return srt_sdei_last(NULL);
}

static enum hrtimer_restart srt_sdei_timer(struct hrtimer *timer)
{
	WARN_ON_ONCE(sdei_event_signal(SRT_SDEI_EVENT, sdei.target));
	return HRTIMER_NORESTART;
}

static void srt_sdei_start_timer(void *unused)
{
	hrtimer_start(&sdei.timer, ns_to_ktime(sdei.delay_ns), HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * srt_sdei_arm - have a CPU signal an event to this one
 * @shot:	the shot; its delay begins when the other CPU starts its timer
 * @away:	the other CPU
 *
 * QEMU runs one CPU at a time, and goes on to the next when this one sleeps.
 *
 * Context: Task context of a task that stays on this CPU.
 *
 * Return: 0 or an error.
 */
int srt_sdei_arm(struct srt_shot *shot, int away)
{
	static call_single_data_t csd = CSD_INIT(srt_sdei_start_timer, NULL);
	int ret;

	sdei.shot = shot;
	sdei.delay_ns = shot->delay_ns;
	sdei.target = read_cpuid_mpidr() & MPIDR_HWID_BITMASK;
	ret = smp_call_function_single_async(away, &csd);
	if (!ret)
		usleep_range(10, 10);
	return ret;
}

/**
 * srt_sdei_disarm - wait for the event, if it has not come
 * @done:	what its handler sets
 */
void srt_sdei_disarm(const bool *done)
{
	for (unsigned int i = 0; i < 1000 && !READ_ONCE(*done); i++)
		usleep_range(100, 100);
	hrtimer_cancel(&sdei.timer);
	sdei.loop = NULL;
	if (sdei.critical)
		srt_set_critical_timer(0);
}

/**
 * srt_sdei_run - run a loop in the handler of a normal event, until a critical one
 * @loop:	ends after the critical event
 * @shot:	its argument; @shot->delay_ns is the time from here to the critical event
 *
 * srt_sdei_disarm() waits for the events.
 *
 * Context: Task context of a task that stays on this CPU.
 *
 * Return: 0 or an error.
 */
int srt_sdei_run(void (*loop)(struct srt_shot *shot), struct srt_shot *shot)
{
	sdei.shot = shot;
	sdei.loop = loop;
	return sdei_event_signal(SRT_SDEI_EVENT, read_cpuid_mpidr() & MPIDR_HWID_BITMASK);
}

u64 srt_sdei_events(void)
{
	return sdei.events;
}

u64 srt_sdei_masked(void)
{
	return sdei.masked;
}

u64 srt_sdei_stub(void)
{
	return sdei.stub;
}

/* Return how many instructions of the stub were interrupted. */
unsigned int srt_sdei_stub_insns(void)
{
	return hweight_long(sdei.stub_insns);
}

static int srt_sdei_take(u32 event, sdei_event_callback *handler)
{
	int ret = sdei_event_register(event, handler, NULL);

	if (ret)
		return ret;
	ret = sdei_event_enable(event);
	if (ret)
		sdei_event_unregister(event);
	return ret;
}

static void srt_sdei_leave(u32 event)
{
	sdei_event_disable(event);
	sdei_event_unregister(event);
}

/**
 * srt_sdei_start - register the event
 * @critical:	whether to register the critical event as well
 *
 * Return: 0; -EBUSY if the kernel uses the timer of the critical event; or another error
 * if firmware does not have an event or another user has registered it.
 */
int srt_sdei_start(bool critical)
{
	int ret;

	if (critical && srt_timer_is_used()) {
		pr_err("torture_type=critical: this kernel uses the physical timer of EL1\n");
		return -EBUSY;
	}
	hrtimer_setup(&sdei.timer, srt_sdei_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	sdei.critical = critical;
	sdei.return_ns = 2000;
	ret = srt_sdei_take(SRT_SDEI_EVENT, srt_sdei_handler);
	if (ret || !critical)
		return ret;
	ret = srt_sdei_take(SRT_CRITICAL_EVENT, srt_critical_handler);
	if (ret)
		srt_sdei_leave(SRT_SDEI_EVENT);
	return ret;
}

/**
 * srt_sdei_stop - undo srt_sdei_start()
 */
void srt_sdei_stop(void)
{
	if (sdei.critical)
		srt_sdei_leave(SRT_CRITICAL_EVENT);
	srt_sdei_leave(SRT_SDEI_EVENT);
}

/*
 * An addition whose section must leave all alone but its own registers: what
 * goes into it, and what comes out.
 */
struct srt_exact {
	u64	base, nzcv, elr, spsr;
	/* All exceptions are masked, so that ELR and SPSR last. */
	u64	masked;
	u64	sp, fp, x18;
	/* Out: the flags, and the bits of other registers that are not as they were */
	u64	nzcv_out, wrong;
};

#define SRT_REGS	"3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "	\
			"19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30"
#define SRT_EACH_REG(insns)						\
	"	.irp	reg, " SRT_REGS "\n"				\
	insns "\n"							\
	"	.endr\n"
/* wrong (x2) |= @reg ^ the value of a field; x4 is free */
#define SRT_WRONG(reg, field)						\
	"	ldr	x4, [x0, %[" field "]]\n"			\
	"	eor	x4, x4, " reg "\n"				\
	"	orr	x2, x2, x4\n"

#define SRT_EXACT(reg)							\
static noinline void srt_exact_x##reg(struct srt_exact *exact)		\
{									\
	register struct srt_exact *e asm("x0") = exact;			\
									\
	asm volatile(							\
	"	ldr	x1, [x0, %[base]]\n"				\
	"	mov	x2, sp\n"					\
	"	str	x2, [x0, %[sp]]\n"				\
	"	str	x29, [x0, %[fp]]\n"				\
	"	str	x18, [x0, %[x18]]\n"				\
	SRT_EACH_REG("	mov	x\\reg, #0x100 + \\reg")		\
	"	ldr	x2, [x0, %[masked]]\n"				\
	"	cbz	x2, 775f\n"					\
	"	ldr	x2, [x0, %[elr]]\n"				\
	"	msr	elr_el1, x2\n"					\
	"	ldr	x2, [x0, %[spsr]]\n"				\
	"	msr	spsr_el1, x2\n"					\
	"775:	ldr	x2, [x0, %[nzcv]]\n"				\
	"	msr	nzcv, x2\n"					\
	"771:\n"							\
	ALTERNATIVE("mrs	x" #reg ", tpidr_el1",			\
		    "mrs	x" #reg ", tpidr_el2",			\
		    ARM64_HAS_VIRT_HOST_EXTN)				\
	"	ldr	x2, [x1, x" #reg "]\n"				\
	"	add	x2, x2, #1\n"					\
	"	str	x2, [x1, x" #reg "]\n"				\
	"772:\n"							\
	__RSEQ_RECORD_PLAIN						\
	"	mrs	x2, nzcv\n"					\
	"	str	x2, [x0, %[nzcv_out]]\n"			\
	"	mov	x" #reg ", #0x100 + " #reg "\n"			\
	"	mov	x2, #0\n"					\
	SRT_EACH_REG("	sub	x\\reg, x\\reg, #0x100 + \\reg\n"	\
		     "	orr	x2, x2, x\\reg")			\
	SRT_WRONG("x1", "base")						\
	"	mov	x3, sp\n"					\
	SRT_WRONG("x3", "sp")						\
	SRT_WRONG("x29", "fp")						\
	SRT_WRONG("x18", "x18")						\
	"	ldr	x3, [x0, %[masked]]\n"				\
	"	cbz	x3, 776f\n"					\
	"	mrs	x3, elr_el1\n"					\
	SRT_WRONG("x3", "elr")						\
	"	mrs	x3, spsr_el1\n"					\
	SRT_WRONG("x3", "spsr")						\
	"776:	str	x2, [x0, %[wrong]]\n"				\
	: "+r" (e)							\
	: [base] "i" (offsetof(struct srt_exact, base)),		\
	  [nzcv] "i" (offsetof(struct srt_exact, nzcv)),		\
	  [elr] "i" (offsetof(struct srt_exact, elr)),			\
	  [spsr] "i" (offsetof(struct srt_exact, spsr)),		\
	  [masked] "i" (offsetof(struct srt_exact, masked)),		\
	  [sp] "i" (offsetof(struct srt_exact, sp)),			\
	  [fp] "i" (offsetof(struct srt_exact, fp)),			\
	  [x18] "i" (offsetof(struct srt_exact, x18)),			\
	  [nzcv_out] "i" (offsetof(struct srt_exact, nzcv_out)),	\
	  [wrong] "i" (offsetof(struct srt_exact, wrong))		\
	: "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",	\
	  "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x19", "x20", \
	  "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", \
	  "cc", "memory");						\
}
SRT_EXACT_OPS(SRT_EXACT)

/* Bits of PSTATE that have a register of their own; the kernel leaves DIT alone. */
#define SRT_REG_PAN	sys_reg(3, 0, 4, 2, 3)
#define SRT_REG_DIT	sys_reg(3, 3, 4, 2, 5)
#define SRT_REG_SSBS	sys_reg(3, 3, 4, 2, 6)
#define SRT_REG_TCO	sys_reg(3, 3, 4, 2, 7)

static bool srt_has_pan(void)
{
	return FIELD_GET(ID_AA64MMFR1_EL1_PAN_MASK, read_sysreg(id_aa64mmfr1_el1));
}

static bool srt_has_dit(void)
{
	return FIELD_GET(ID_AA64PFR0_EL1_DIT_MASK, read_sysreg(id_aa64pfr0_el1));
}

static bool srt_has_ssbs(void)
{
	return FIELD_GET(ID_AA64PFR1_EL1_SSBS_MASK, read_sysreg(id_aa64pfr1_el1)) ==
		ID_AA64PFR1_EL1_SSBS_SSBS2;
}

static bool srt_has_tco(void)
{
	return FIELD_GET(ID_AA64PFR1_EL1_MTE_MASK, read_sysreg(id_aa64pfr1_el1)) >=
		ID_AA64PFR1_EL1_MTE_MTE2;
}

static u64 srt_pstate(void)
{
	u64 bits = read_sysreg(daif);

	if (srt_has_pan())
		bits |= read_sysreg_s(SRT_REG_PAN);
	if (srt_has_dit())
		bits |= read_sysreg_s(SRT_REG_DIT);
	if (srt_has_ssbs())
		bits |= read_sysreg_s(SRT_REG_SSBS);
	if (srt_has_tco())
		bits |= read_sysreg_s(SRT_REG_TCO);
	/* The priority mask is no part of PSTATE, and has to stay as well. */
	if (system_uses_irq_prio_masking())
		bits |= read_sysreg_s(SYS_ICC_PMR_EL1) << 32;
	return bits;
}

/*
 * A task that masks interrupts masks all exceptions, as the handler of an event does.
 * It sets what firmware clears in PSTATE. An exception sets TCO, so it is set in one
 * shot and clear in another.
 */
static void srt_loop_exact(struct srt_shot *shot, void (*add)(struct srt_exact *exact))
{
	struct srt_exact exact = {
		.base = (__force unsigned long)srt_variable(64),
		/* As of a guest that KVM is about to enter */
		.elr = 0x0000ffff12345678,
		.spsr = PSR_MODE_EL1h | PSR_F_BIT | PSR_Z_BIT | PSR_C_BIT,
		.masked = shot->event == SRT_SDEI_MASKED || shot->event >= SRT_CRITICAL_HANDLER,
	};
	unsigned long flags = read_sysreg(daif);
	bool dit = srt_has_dit(), tco = srt_has_tco();
	u64 n, bad = 0, pstate, elr, spsr;

	if (exact.masked)
		asm volatile("msr daifset, #0xf" : : : "memory");
	/* The handler of an event needs them. */
	elr = read_sysreg(elr_el1);
	spsr = read_sysreg(spsr_el1);
	if (dit)
		write_sysreg_s(PSR_DIT_BIT, SRT_REG_DIT);
	if (tco)
		write_sysreg_s(shot->delay_ns % 2 ? PSR_TCO_BIT : 0, SRT_REG_TCO);
	pstate = srt_pstate();
	for (n = 0; srt_go_on(n); n++) {
		exact.nzcv = (n % 16) << 28;
		add(&exact);
		bad += exact.wrong || exact.nzcv_out != exact.nzcv || srt_pstate() != pstate;
	}
	if (dit)
		write_sysreg_s(0, SRT_REG_DIT);
	if (tco)
		write_sysreg_s(0, SRT_REG_TCO);
	if (exact.masked) {
		write_sysreg(elr, elr_el1);
		write_sysreg(spsr, spsr_el1);
	}
	write_sysreg(flags, daif);
	shot->ops = n;
	shot->sum = n;
	shot->bad_return = bad;
}

#define SRT_EXACT_LOOP(reg)						\
void srt_loop_exact_x##reg##_64(struct srt_shot *shot)			\
{									\
	srt_loop_exact(shot, srt_exact_x##reg);				\
}
SRT_EXACT_OPS(SRT_EXACT_LOOP)

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

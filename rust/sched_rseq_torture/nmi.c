// SPDX-License-Identifier: GPL-2.0

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/perf_event.h>
#include <linux/preempt.h>
#include <linux/printk.h>

#include "nmi.h"

static struct {
	struct perf_event	*event;
	/* What the handler of the first overflow finds out */
	bool			tried, is_nmi;
} nmi;

static void srt_overflow(struct perf_event *event, struct perf_sample_data *data,
			 struct pt_regs *regs)
{
	if (nmi.tried) {
		srt_nmi_hit(regs);
		return;
	}
	nmi.is_nmi = in_nmi();
	WRITE_ONCE(nmi.tried, true);
}

/**
 * srt_nmi_arm - Have an NMI hit the CPU of srt_nmi_start(), once
 * @delay_ns:	when; a cycle of QEMU's counter takes a nanosecond
 *
 * Context: Task context.
 *
 * Return: 0 or an error.
 */
int srt_nmi_arm(u32 delay_ns)
{
	int ret = perf_event_period(nmi.event, delay_ns);

	return ret ?: perf_event_refresh(nmi.event, 1);
}

/**
 * srt_nmi_disarm - Undo srt_nmi_arm()
 *
 * Context: Task context.
 */
void srt_nmi_disarm(void)
{
	perf_event_disable(nmi.event);
}

/**
 * srt_nmi_start - Prepare for NMIs
 * @cpu:	the CPU that they are to hit
 *
 * Return: 0, -ENODEV if the kernel takes the overflow as an interrupt, or another error.
 */
int srt_nmi_start(int cpu)
{
	struct perf_event_attr attr = {
		.type		= PERF_TYPE_HARDWARE,
		.config		= PERF_COUNT_HW_CPU_CYCLES,
		.size		= sizeof(attr),
		.sample_period	= 1000,
		.pinned		= 1,
		.disabled	= 1,
	};
	int ret;

	nmi.tried = false;
	nmi.is_nmi = false;
	nmi.event = perf_event_create_kernel_counter(&attr, cpu, NULL, srt_overflow, NULL);
	if (IS_ERR(nmi.event)) {
		pr_err("torture_type=nmi: no counter of cycles (error %pe)\n", nmi.event);
		return PTR_ERR(nmi.event);
	}
	ret = srt_nmi_arm(attr.sample_period);
	for (unsigned int i = 0; !ret && i < 1000 && !READ_ONCE(nmi.tried); i++)
		usleep_range(100, 200);
	srt_nmi_disarm();
	if (!ret && nmi.is_nmi)
		return 0;
	if (ret)
		pr_err("torture_type=nmi: the counter cannot be started (error %d)\n", ret);
	else if (!nmi.tried)
		pr_err("torture_type=nmi: the counter of cycles did not overflow\n");
	else
		pr_err("torture_type=nmi: boot with irqchip.gicv3_pseudo_nmi=1, on a GICv3\n");
	perf_event_release_kernel(nmi.event);
	return ret ?: -ENODEV;
}

/**
 * srt_nmi_stop - Undo srt_nmi_start()
 */
void srt_nmi_stop(void)
{
	perf_event_release_kernel(nmi.event);
}

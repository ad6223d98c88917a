// SPDX-License-Identifier: GPL-2.0
/* The functions of samecode_main.rs in C */
#include <linux/percpu.h>

static DEFINE_PER_CPU(u64, counter);
static DEFINE_PER_CPU(u32, level);

void samecode_c_inc(void);
void samecode_c_inc(void)
{
	this_cpu_inc(counter);
}

void samecode_c_dec(void);
void samecode_c_dec(void)
{
	this_cpu_dec(level);
}

void samecode_c_add(u64 n);
void samecode_c_add(u64 n)
{
	this_cpu_add(counter, n);
}

u64 samecode_c_read(void);
u64 samecode_c_read(void)
{
	return this_cpu_read(counter);
}

void samecode_c_write(u32 n);
void samecode_c_write(u32 n)
{
	this_cpu_write(level, n);
}

u32 samecode_c_add_return(u32 n);
u32 samecode_c_add_return(u32 n)
{
	return this_cpu_add_return(level, n);
}

u64 samecode_c_xchg(u64 n);
u64 samecode_c_xchg(u64 n)
{
	return this_cpu_xchg(counter, n);
}

/* With the address in a register */
void samecode_c_inc_at(u64 __percpu *counter_at);
void samecode_c_inc_at(u64 __percpu *counter_at)
{
	this_cpu_inc(*counter_at);
}

// SPDX-License-Identifier: GPL-2.0

//! The rules that need only the instructions of a section.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{ensure, Result};

use crate::code::{Code, Publication};
use crate::decide::{Section, Table};
use crate::disasm::Disassembler;
use crate::flow::{Access, Body, What};
use crate::image::{Function, Image};
use crate::insn::{Flow, Insn};
use crate::isa::{AddsOffset, Offset, Stored};
use crate::mistake::Mistake;

/// A broken rule, the address of the instruction, and a message.
pub type Broken = (&'static str, u64, String);

/// Checks these rules.
pub fn look(code: &Code) -> Vec<Broken> {
    let mut broken: Vec<Broken> = Vec::new();
    let inside = code.inside();
    let Some((last, rest)) = inside.split_last() else {
        return broken;
    };

    let stores: Vec<_> = inside
        .iter()
        .filter(|i| i.stores && i.mark.is_none())
        .collect();
    let prepares = code.prepares();
    if let Some(store) = stores.get(prepares + 1) {
        broken.push((
            "one-commit",
            store.address,
            match prepares {
                0 => "a second store or atomic".into(),
                _ => format!("another store than {prepares} prepare stores and the commit"),
            },
        ));
    }
    if stores.is_empty() && !inside.iter().any(|i| i.loads) {
        broken.push(("one-commit", last.address, "no access to memory".into()));
    }
    // Only a branch that is too far for one instruction contains a jump, see look_at_restart().
    let is_far = |jump: &Insn| {
        let mut before = code.insns.iter();
        code.is_plain()
            && before.any(|i| i.address + i.len as u64 == jump.address && i.goes_over(jump))
    };
    let away = |i: &&Insn| i.flow == Flow::Away || i.jumps && !is_far(i);
    for insn in code.insns.iter().filter(away) {
        broken.push((
            "straight-line",
            insn.address,
            "an instruction that no section has: a call, a return, a trap, or another".into(),
        ));
    }
    if code.is_restart() {
        look_at_restart(code, last, rest, &mut broken);
        if code.is_plain() {
            broken.extend(look_at_plain(code, inside, last));
        }
    } else {
        look_at_fixup(code, inside, &mut broken);
    }
    if let Some(publication) = &code.publication {
        broken.extend(look_at_publication(code, publication));
    }
    broken
}

/// A mistake, and how it is made.
type Made = (Mistake, fn(&mut Publication));

/// Mistakes that [`look_at_publication`] must find.
pub const UNPUBLISHED: [Made; 3] = [
    (Mistake::NotPublished, |p| p.front[2] = 0),
    (Mistake::AnotherPublished, |p| p.descriptor ^= 8),
    (Mistake::NotTakenBack, |p| p.behind = [0; 2]),
];

/// Checks the code around a section of publish mode. The kernel resumes a task only if the task
/// has published its section. When the section's module is gone, no published pointer may be left.
pub fn look_at_publication(code: &Code, publication: &Publication) -> Option<Broken> {
    let begin = code.section.begin;
    let [first, second, store] = publication.front;
    let formed = code.arch.formed([first, second], begin.wrapping_sub(12));
    let (Some((reg, descriptor)), Some(stored)) = (formed, code.arch.stored(store)) else {
        return Some((
            "publish",
            begin,
            "the instructions in front do not publish it".into(),
        ));
    };
    if stored.source != Some(reg) || descriptor != publication.descriptor {
        return Some((
            "publish",
            begin,
            format!(
                "what is published in front is not its descriptor, which is at {:#x}",
                publication.descriptor
            ),
        ));
    }
    let overwrites = |insn: &&Insn| insn.writes.iter().any(|r| [stored.base, reg].contains(r));
    if let Some(insn) = code.insns.iter().find(overwrites) {
        return Some((
            "publish",
            insn.address,
            "it overwrites a register that publishes the section".into(),
        ));
    }
    let back = Some(Stored {
        source: None,
        ..stored
    });
    let behind = publication.behind.map(|insn| code.arch.stored(insn));
    let taken_back = behind.contains(&back);
    (!taken_back).then(|| {
        (
            "publish",
            code.end(),
            "what was published is not taken back behind it".into(),
        )
    })
}

fn look_at_restart(code: &Code, last: &Insn, rest: &[Insn], broken: &mut Vec<Broken>) {
    let (begin, end) = (code.section.begin, code.end());
    let before = rest.iter().filter(|i| i.stores).count();
    if before > code.prepares() || !(last.stores || last.loads) {
        broken.push((
            "commit-last",
            last.address,
            "the commit is not the last instruction before the end".into(),
        ));
    }
    let forms = code.arch.forms_address(&code.bytes);
    if forms.is_none() {
        broken.push((
            "address",
            begin,
            "the first instruction does not get this CPU's offset: a restart keeps the old one"
                .into(),
        ));
    }
    if let Some(insn) = forms.and_then(|reg| elsewhere(code, reg)) {
        broken.push((
            "address",
            insn.address,
            "it accesses memory other than by this CPU's offset".into(),
        ));
    }
    for insn in &code.insns {
        let Flow::Branch(to) = insn.flow else {
            continue;
        };
        // A task that leaves a plain section has committed nothing. So it may go anywhere. Where
        // that is too far for a branch, the opposite branch goes over a jump.
        let is_out = |to: u64| to >= end || code.is_plain() && to < begin;
        let skipped = code
            .insns
            .iter()
            .find(|next| next.address == insn.address + insn.len as u64);
        let skips_jump = skipped.is_some_and(|jump| {
            let jumps_out = matches!(jump.flow, Flow::Branch(to) if is_out(to));
            code.is_plain() && jump.jumps && jumps_out && insn.goes_over(jump)
        });
        let leaves = is_out(to) || skips_jump;
        if (begin..end).contains(&insn.address) && (!leaves || insn.address == last.address) {
            broken.push((
                "straight-line",
                insn.address,
                match code.is_plain() {
                    true => "a branch, but not out of the section".into(),
                    false => "a branch, but not out of the section forwards".into(),
                },
            ));
        }
        if insn.address >= end && to != code.retry_point() {
            let why = match code.publication {
                Some(_) if to == begin => "it retries without publishing the section again",
                _ => "it retries with the address that was formed before",
            };
            broken.push(("retry", insn.address, why.into()));
        }
    }
    let mut written: Vec<u8> = Vec::new();
    let mut inputs: Vec<u8> = Vec::new();
    for insn in code.inside() {
        inputs.extend(insn.reads.iter().filter(|r| !written.contains(r)));
        written.extend(&insn.writes);
    }
    for insn in rest {
        if let Some(reg) = insn.writes.iter().find(|r| inputs.contains(r)) {
            broken.push((
                "inputs",
                insn.address,
                format!("it overwrites register {reg}, which a restart needs"),
            ));
        }
    }
}

/// Returns the first access of a section that is to memory of another kind than this CPU's, where
/// no emulator finds it. `offset` is the register that has the offset of this CPU.
fn elsewhere(code: &Code, offset: u8) -> Option<&Insn> {
    if code.arch.facts().machine.is_some() {
        return None;
    }
    let inside = code.inside();
    let leaves = inside.iter().any(|i| matches!(i.flow, Flow::Branch(_)));
    // A pointer in memory of this CPU counts as an address of this CPU.
    let mut derived = vec![offset];
    let gets_offset = usize::from(inside.first()?.writes.contains(&offset));
    for insn in &inside[gets_offset..] {
        let is_derived = |r: &u8| derived.contains(r);
        let own = insn
            .memory
            .is_some_and(|place| place.registers().any(|r| is_derived(&r)));
        // A section that leaves may load a word of no CPU to test it.
        if !own && (insn.stores || insn.loads && !leaves) {
            return Some(insn);
        }
        let derives = own || insn.adds && insn.reads.iter().any(is_derived);
        derived.retain(|r| !insn.writes.contains(r));
        derived.extend(insn.writes.iter().filter(|_| derives));
    }
    None
}

/// Checks the stores of a plain section. Only a single access stores at once, so that no other CPU
/// reads half of it. The descriptor has the number of the prepare stores.
fn look_at_plain(code: &Code, inside: &[Insn], last: &Insn) -> Option<Broken> {
    let mut stores = inside.iter().filter(|i| i.stores).peekable();
    if stores.peek().is_none() {
        let why = "it is plain and stores nothing";
        return Some(("one-commit", last.address, why.into()));
    }
    for store in stores {
        let why = if store.pair {
            "the store of a pair: an interrupt may come when one half is stored, and a restart \
             then works on that"
        } else if store.exclusive {
            "an exclusive store in a plain section: every interrupt makes it fail, and nothing \
             retries"
        } else if store.atomic {
            "an atomic in a plain section, which needs none"
        } else {
            continue;
        };
        return Some(("one-commit", store.address, why.into()));
    }
    let before = inside.iter().filter(|i| i.stores).count() - 1;
    (before < code.prepares()).then(|| {
        let why = format!(
            "its descriptor has {} prepare stores, and {before} are before the commit: what the \
             commit publishes may not be written yet",
            code.prepares()
        );
        ("prepare", last.address, why)
    })
}

fn look_at_fixup(code: &Code, inside: &[Insn], broken: &mut Vec<Broken>) {
    let reg = code.section.reg;
    let unmarked: Vec<_> = inside.iter().filter(|i| i.mark.is_none()).collect();
    let bytes_at = |insn: &Insn| &code.bytes[(insn.address - code.section.begin) as usize..];
    let Some((first, rest)) = unmarked.split_first() else {
        return;
    };
    let forms = code.arch.forms_address(bytes_at(first));
    if forms != Some(reg) || code.arch.facts().adds != AddsOffset::First {
        broken.push((
            "register",
            first.address,
            format!("it does not form the address in register {reg}"),
        ));
    }
    let marks: Vec<_> = inside.iter().filter_map(|i| i.mark).collect();
    if !marks.is_empty() && marks != [reg, 0] {
        broken.push((
            "mark",
            code.section.begin,
            format!("it marks {marks:?}, not register {reg} and then none"),
        ));
    }
    for insn in rest {
        if insn.writes.contains(&reg) {
            broken.push((
                "register",
                insn.address,
                format!("it overwrites register {reg}"),
            ));
        }
        if let Flow::Branch(to) = insn.flow {
            if to <= first.address || to > code.end() {
                broken.push((
                    "straight-line",
                    insn.address,
                    "a branch that is neither a retry nor an exit".into(),
                ));
            }
        }
    }
    let after_store = rest.iter().skip_while(|i| !i.stores).skip(1);
    for insn in after_store {
        if !matches!(insn.flow, Flow::Branch(to) if to < insn.address) {
            broken.push((
                "commit-last",
                insn.address,
                "it is behind the commit, and no retry".into(),
            ));
        }
    }
}

/// Checks that the search in the table finds the section at each of its instructions, and not
/// behind.
pub fn look_up(table: &Table<'_>, code: &Code) -> Option<Broken> {
    let wrong = code
        .inside()
        .iter()
        .find(|i| table.find(i.address) != Some(code.section));
    if let Some(insn) = wrong {
        return Some((
            "search",
            insn.address,
            "the table's search does not find the section here".into(),
        ));
    }
    (table.find(code.end()) == Some(code.section)).then(|| {
        (
            "search",
            code.end(),
            "the table's search finds the section at its end".into(),
        )
    })
}

/// Functions of Linux 7.3 whose callers have disabled preemption or interrupts, by the reason.
/// They access per-CPU memory other than by `this_cpu_*()`, in places where rule `outside` looks.
pub const CALLERS_DISABLE: [(&str, &[&str]); 23] = [
    (
        "an interrupt handler, or called by the code of interrupts",
        &[
            "ccw_device_change_cmfstate",
            "ccw_device_update_cmfblock",
            "clock_comparator_interrupt",
            "do_cio_interrupt",
            "do_ext_call_interrupt",
            "do_ext_irq",
            "do_interrupt_handler",
            "do_io_irq",
            "flush_smp_call_function_queue",
            "generic_smp_call_function_single_interrupt",
            "handle_bad_irq",
            "handle_edge_irq",
            "handle_fasteoi_irq",
            "handle_fasteoi_nmi",
            "handle_level_irq",
            "handle_nested_irq",
            "handle_percpu_devid_irq",
            "handle_percpu_irq",
            "handle_simple_irq",
            "icp_hv_eoi",
            "icp_hv_get_irq",
            "icp_native_eoi",
            "io_subchannel_irq",
            "ipi_mux_mask",
            "ipi_mux_process",
            "ipi_mux_unmask",
            "irq_work_run",
            "irq_work_tick",
            "kstat_incr_irq_this_cpu",
            "sched_ttwu_pending",
            "sclp_check_handler",
            "sclp_interrupt_handler",
            "set_irq_regs",
            "timer_broadcast_interrupt",
            "timing_alert_interrupt",
            "wti_interrupt",
            "__do_IRQ",
            "__do_irq",
            "__flush_smp_call_function_queue",
            "__perf_event_account_interrupt",
        ],
    ),
    (
        "called by the timer interrupt",
        &[
            "account_guest_time",
            "account_idle_time",
            "account_idle_time_irq",
            "account_process_tick",
            "account_steal_time",
            "account_system_index_time",
            "account_system_time",
            "account_user_time",
            "hrtimer_interrupt",
            "rcu_sched_clock_irq",
            "tick_check_oneshot_change",
            "tick_irq_enter",
            "tick_nohz_irq_exit",
            "timer_base_is_idle",
            "timer_interrupt",
            "update_timer_idle",
        ],
    ),
    (
        "an exception handler, or entry code, with interrupts disabled",
        &[
            "aggr_post_handler",
            "aggr_pre_handler",
            "ct_kernel_enter",
            "ct_kernel_enter_state",
            "ct_kernel_exit",
            "ct_kernel_exit_state",
            "ct_nmi_enter",
            "ct_nmi_exit",
            "die_mce",
            "irq_exit",
            "irq_exit_rcu",
            "irqentry_exit",
            "irqentry_exit_norestart",
            "irqentry_nmi_enter",
            "irqentry_nmi_exit_norestart",
            "kprobe_breakpoint_handler",
            "kprobe_post_handler",
            "kretprobe_rethook_handler",
            "opt_pre_handler",
            "report_bug",
            "report_bug_entry",
            "s390_do_machine_check",
            "sched_rseq_boundary_inc",
            "sched_rseq_stat_inc",
            "setup_singlestep",
            "system_reset_exception",
            "__do_pgm_check",
            "__kretprobe_trampoline_handler",
            "__sched_rseq_note_exit",
        ],
    ),
    (
        "of the idle task, which disables preemption or interrupts",
        &[
            "calc_load_nohz_start",
            "cpuhp_online_idle",
            "dedicated_cede_loop",
            "get_next_timer_interrupt",
            "pseries_lpar_idle",
            "shared_cede_loop",
            "snooze_loop",
            "tick_nohz_idle_got_tick",
            "__get_next_timer_interrupt",
        ],
    ),
    (
        "of a CPU that comes up or goes down, or of stop_machine(), with interrupts disabled",
        &[
            "arch_timer_check_ool_workaround",
            "cpuhp_ap_sync_alive",
            "handle_misaligned_load",
            "hrtimers_cpu_dying",
            "its_cpu_init",
            "rcutree_report_cpu_starting",
            "smp_start_secondary",
            "smpcfd_dying_cpu",
            "spectre_bhb_enable_mitigation",
            "stp_sync_clock",
            "tmigr_cpu_activate",
        ],
    ),
    (
        "of softirqs, or says that its callers disable interrupts",
        &[
            "handle_softirqs",
            "hrtimer_next_event_without",
            "hrtimer_run_softirq",
            "irq_matrix_assign_system",
            "raise_ktimers_thread",
            "rcu_momentary_eqs",
            "retrigger_next_event",
            "run_ksoftirqd",
            "run_ktimerd",
            "sched_balance_softirq",
            "takeover_tasklets",
            "tasklet_action",
            "tasklet_action_common",
            "tasklet_hi_action",
            "__do_softirq",
            "__hrtimer_rearm_deferred",
            "__queue_work",
            "__raise_softirq_irqoff",
        ],
    ),
    (
        "include/linux/vmstat.h: for callers that have disabled interrupts, or preemption if no \
         interrupt handler updates that counter",
        &[
            "__dec_node_page_state",
            "__dec_node_state",
            "__dec_zone_page_state",
            "__dec_zone_state",
            "__inc_node_page_state",
            "__inc_node_state",
            "__inc_zone_page_state",
            "__inc_zone_state",
            "__mod_node_page_state",
            "__mod_zone_page_state",
        ],
    ),
    (
        "include/linux/vmstat.h: the counters of events may be racy",
        &[
            "alloc_pages_bulk_noprof",
            "drop_caches_sysctl_handler",
            "free_frozen_page_commit",
            "make_alloc_exact",
            "refresh_cpu_vm_stats",
            "try_to_free_pages",
        ],
    ),
    (
        "called by way of a pointer, with the lock of the LRU lists and interrupts disabled",
        &[
            "lru_activate",
            "lru_add",
            "lru_deactivate",
            "lru_deactivate_file",
            "lru_lazyfree",
            "lru_move_tail",
            "mlock_folio_batch",
        ],
    ),
    (
        "radix_tree_preload() and idr_preload() disable preemption by a local lock",
        &["idr_get_free", "radix_tree_extend", "radix_tree_insert"],
    ),
    (
        "with a spinlock, up to the instruction that releases it",
        &[
            "check_and_switch_context",
            "copy_process",
            "osq_unlock",
            "percpu_counter_add_batch",
            "percpu_counter_sync",
            "queued_spin_lock_slowpath",
            "release_task",
            "select_task_rq_fair",
            "__percpu_counter_limited_add",
            "_raw_spin_unlock",
            "_raw_spin_unlock_irq",
            "_raw_spin_unlock_irq_enable",
            "_raw_spin_unlock_irqrestore",
        ],
    ),
    (
        "kernel/futex/core.c: the references disable preemption, and are then what an operation \
         would be",
        &[
            "exit_pi_state_list",
            "futex_hash",
            "futex_private_hash",
            "futex_private_hash_put",
        ],
    ),
    (
        "lockdep, which disables interrupts or is called with interrupts disabled",
        &[
            "lockdep_hardirqs_on_prepare",
            "lockdep_lock",
            "lockdep_softirqs_on",
            "lockdep_unlock",
        ],
    ),
    (
        "the scheduler, which disables preemption around the switch to another task",
        &["finish_task_switch"],
    ),
    (
        "kernel/rcu/srcutree.c: an atomic, on the copy of any CPU",
        &[
            "srcu_barrier",
            "srcu_gp_start_if_needed",
            "synchronize_srcu",
            "__srcu_check_read_flavor",
            "__srcu_read_lock_nmisafe",
            "__srcu_read_unlock_nmisafe",
        ],
    ),
    (
        "kernel/rcu: the caller, or a lock, disables interrupts",
        &[
            "rcu_gp_init",
            "rcu_note_context_switch",
            "rcu_preempt_deferred_qs_irqrestore",
            "rcu_softirq_qs",
        ],
    ),
    (
        "mm: a local lock, which disables preemption, or a look at a CPU that may change",
        &[
            "folio_rotate_reclaimable",
            "kmem_cache_free_bulk",
            "__kmalloc_nolock_noprof",
            "__pcs_replace_full_main",
            "__sheaf_flush_main_batch",
        ],
    ),
    (
        "arch/powerpc: on the CPU that is asked, by its interrupt or its worker",
        &["process_dtl_buffer", "read_idle_purr", "read_idle_spurr"],
    ),
    (
        "lib/radix-tree.c: radix_tree_preload() of the caller, which disables preemption",
        &["radix_tree_node_alloc"],
    ),
    (
        "the copy of any CPU will do",
        &[
            "cpumask_any_and_distribute",
            "cpumask_any_distribute",
            "mpol_misplaced",
        ],
    ),
    (
        "mm/vmalloc.c: the list of any CPU will do",
        &["vfree_atomic"],
    ),
    (
        "sock_gen_cookie() disables preemption around it",
        &["__sock_gen_cookie"],
    ),
    (
        "the generic form of percpu_sections.h disables interrupts, and has the instructions of a \
         section between",
        &["psk_add_if"],
    ),
];

/// Prefixes of functions that return with preemption disabled, or may do so.
const DISABLE: [&str; 7] = [
    "_raw_read_lock",
    "_raw_read_trylock",
    "_raw_spin_lock",
    "_raw_spin_trylock",
    "_raw_write_lock",
    "__local_bh_disable",
    "preempt_count_add",
];

/// The code of a function, and the position from which preemption or interrupts are disabled.
struct Scanned<'a> {
    address: u64,
    body: Body<'a>,
    disabled_from: usize,
}

impl<'a> Scanned<'a> {
    fn new(image: &'a Image, function: &Function) -> Option<Self> {
        let body = Body::new(image, function)?;
        let disables = |&(at, pos): &(u64, usize)| {
            image.arch.disables(body.text(), pos)
                || image
                    .callee(at, &body.text()[pos..])
                    .is_some_and(|name| DISABLE.iter().any(|d| name.starts_with(d)))
        };
        let from = body.insns().find(disables);
        Some(Scanned {
            address: function.address,
            disabled_from: from.map_or(usize::MAX, |(_, pos)| pos),
            body,
        })
    }
}

/// Returns the functions that are called only where preemption or interrupts are disabled: behind
/// an instruction that disables them, or in another such function. Calls through a pointer are
/// invisible.
fn called_disabled(image: &Image, functions: &[Scanned<'_>]) -> HashSet<u64> {
    // For each called function, the functions that call it elsewhere.
    let mut callers: HashMap<u64, HashSet<u64>> = HashMap::new();
    for function in functions {
        for (at, pos) in function.body.insns() {
            let (_, distance) = image.arch.decode(&function.body.text()[pos..]);
            let Some(to) = distance.map(|d| at.wrapping_add_signed(d)) else {
                continue;
            };
            let to = image.function_called(to);
            let elsewhere = callers.entry(to).or_default();
            if pos < function.disabled_from && to != function.address {
                elsewhere.insert(function.address);
            }
        }
    }
    let mut found = HashSet::new();
    loop {
        let before = found.len();
        let more = callers.iter().filter(|(_, from)| from.is_subset(&found));
        let more: Vec<u64> = more.map(|(to, _)| *to).collect();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Guesses the place of this CPU's offset in the thread_info, for a file without a section that
/// would tell. Most operations load it from there.
fn guess_offset_at(
    image: &Image,
    disassembler: &Disassembler,
    functions: &[Scanned<'_>],
) -> Option<i64> {
    /// This many do not agree by chance.
    const ENOUGH: usize = 3;
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for body in functions.iter().map(|f| &f.body) {
        for (_, pos) in body.insns() {
            let Some((reg, at)) = image.arch.load_from_thread(&body.text()[pos..]) else {
                continue;
            };
            let operation = body.operation(disassembler, pos, reg);
            *counts.entry(at).or_default() += usize::from(operation.is_some());
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.filter(|(_, count)| *count >= ENOUGH).map(|(at, _)| at)
}

/// Finds operations on per-CPU memory that are in no section. `marked` are the sections without a
/// descriptor. `offset_at` is the place of the offset in the thread_info, if it is there.
///
/// There are two kinds: a read, modify and write within a few instructions from the one that gets
/// the offset of this CPU; and, in a kernel that has sections, the exact instructions of
/// `this_cpu_*()`.
///
/// A read, modify and write is right in two cases. Preemption or interrupts are disabled before it
/// in the same function, or in each function that calls it. If the function is called through a
/// pointer there, the rule cannot tell it from a wrong one.
pub fn look_outside(
    image: &Image,
    disassembler: &Disassembler,
    table: Option<Table<'_>>,
    marked: &[Section],
    offset_at: Option<i64>,
) -> Result<Vec<Access>> {
    let mut found = Vec::new();
    let in_section = |at: u64| {
        table.is_some_and(|t| t.find(at).is_some()) || marked.iter().any(|s| s.contains(at))
    };
    let functions: Vec<_> = image
        .functions()
        .filter_map(|function| Scanned::new(image, function))
        .collect();
    let has_sections = image.has_sections();
    let offset_at = offset_at.or_else(|| {
        (image.linked || has_sections).then(|| guess_offset_at(image, disassembler, &functions))?
    });
    let machine = image.arch.facts().machine.as_ref();
    let in_thread = machine.is_some_and(|machine| matches!(machine.offset, Offset::Thread(_)));
    ensure!(
        !image.linked || !in_thread || offset_at.is_some(),
        "no section, and no field from which operations load the offset of this CPU: code outside \
         of sections cannot be judged"
    );
    let called_disabled = called_disabled(image, &functions);
    for function in &functions {
        let mut from = BTreeMap::new();
        for (at, pos) in function.body.insns() {
            let code = &function.body.text()[pos..];
            if let (Some(reg), false) = (image.arch.gets_offset(code, offset_at), in_section(at)) {
                from.insert(pos, reg);
            }
        }
        if from.is_empty() {
            continue;
        }
        let mut here = BTreeMap::new();
        for (&pos, &reg) in from.iter().filter(|_| has_sections) {
            let operation = function.body.operation(disassembler, pos, reg);
            let disabled = pos >= function.disabled_from;
            // GCC makes the same instructions of `__this_cpu_*()`.
            let looks_right = |access: &Access| match access.what {
                What::Atomic => true,
                What::LoadAndStore => !image.by_gcc,
                What::Load | What::Store => !image.by_gcc && !disabled,
            };
            if let Some(access) = operation.filter(looks_right) {
                here.insert(access.origin, access);
            }
        }
        if !called_disabled.contains(&function.address) {
            from.retain(|&pos, _| pos < function.disabled_from);
            let updates = function.body.updates(disassembler, &from);
            let updates = updates.into_iter().filter(|u| !in_section(u.at));
            here.extend(updates.map(|update| (update.origin, update)));
        }
        found.extend(here.into_values());
    }
    Ok(found)
}

// SPDX-License-Identifier: GPL-2.0

//! The check at load: the engine must find each section, and nothing else.

use kernel::{
    prelude::*,
    sched_rseq::{
        self,
        INSN_BYTES, //
    },
};

/// Looks up the first and the last instruction of each section, and the one behind it.
pub(crate) fn run() -> Result {
    let mut sections = 0u32;
    sched_rseq::walk_sections(&mut 0, |place, section| {
        // The descriptor is left over from freed init text, or from text that the kernel no longer
        // runs.
        if !sched_rseq::is_text(section.begin) {
            return Ok(());
        }
        let end = section.begin + u64::from(section.len);
        let found = |addr| sched_rseq::section_at(addr);
        let right = found(section.begin) == Some(section)
            && found(end - INSN_BYTES) == Some(section)
            && found(end) != Some(section);
        if !right {
            pr_err!(
                "self-check: the engine does not find the section at {:#x} of {}\n",
                section.begin,
                place.owner
            );
            return Err(EINVAL);
        }
        sections += 1;
        Ok(())
    })?;
    if sections == 0 {
        pr_err!("self-check: the kernel has no critical sections\n");
        return Err(EINVAL);
    }
    pr_info!("self-check passed: {sections} critical sections, each is found\n");
    Ok(())
}

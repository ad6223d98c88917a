// SPDX-License-Identifier: GPL-2.0

//! Visits each section of the kernel and of its modules.

use super::{
    section_of,
    Entry,
    Section, //
};
use crate::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    fmt,
    prelude::*,
    str::CStr, //
};

/// The place of a section in words.
pub struct Place<'a> {
    /// `vmlinux` or the name of a module.
    pub owner: &'a CStr,
    place: &'a bindings::sched_rseq_place,
    begin: u64,
}

impl Place<'_> {
    /// Enough for the longest symbol with offset, size and module, and a NUL.
    const MAX_LEN: usize = bindings::KSYM_NAME_LEN as usize + 256;
}

fn text(s: &CStr) -> Result<&str, fmt::Error> {
    s.to_str().map_err(|_| fmt::Error)
}

impl fmt::Display for Place<'_> {
    /// Writes symbol, offset and size, and the module, as the format `%pS` of C does.
    // Inline, so that only a module that prints places contains it.
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.symbol.is_null() {
            let mut name = [0u8; Self::MAX_LEN];
            // SAFETY: The length is that of the buffer.
            unsafe {
                bindings::sched_rseq_symbol(name.as_mut_ptr(), name.len(), self.begin as usize)
            };
            let name = CStr::from_bytes_until_nul(&name).map_err(|_| fmt::Error)?;
            return f.write_str(text(name)?);
        }
        // SAFETY: By the type's construction, this is a string that lives as long as the place.
        let symbol = unsafe { CStr::from_char_ptr(self.place.symbol) };
        let (offset, size) = (self.place.offset, self.place.size);
        write!(
            f,
            "{}+{offset:#x}/{size:#x} [{}]",
            text(symbol)?,
            text(self.owner)?
        )
    }
}

/// Calls `f` for each section of the kernel and of its modules, from a position on, until `f`
/// returns an error. The position is 0 at the start. Afterwards it is that of the section for
/// which `f` returned the error, or the end. Another walk can continue there.
///
/// If a module is loaded or unloaded between two walks, sections may be visited twice or not at
/// all. `f` may sleep, but must not load or unload modules.
pub fn walk_sections<F>(pos: &mut usize, mut f: F) -> Result
where
    F: FnMut(&Place<'_>, Section) -> Result,
{
    /// # Safety
    ///
    /// `place` and `entry` are valid, and `f` points at an `F` that nothing else uses.
    unsafe extern "C" fn visit<F: FnMut(&Place<'_>, Section) -> Result>(
        place: *const bindings::sched_rseq_place,
        entry: *const bindings::sched_rseq_entry,
        f: *mut c_void,
    ) -> c_int {
        // SAFETY: By the safety requirements of this function.
        let (place, entry, f) = unsafe { (&*place, &*entry.cast::<Entry>(), &mut *f.cast::<F>()) };
        let section = section_of(entry);
        let place = Place {
            // SAFETY: The owner is a string that lives as long as the place.
            owner: unsafe { CStr::from_char_ptr(place.owner) },
            place,
            begin: section.begin,
        };
        f(&place, section).map_or_else(|e| e.to_errno(), |()| 0)
    }

    // SAFETY: `visit::<F>` is passed an `F`, and C passes it on unchanged.
    let ret =
        unsafe { bindings::sched_rseq_walk_sections(pos, Some(visit::<F>), (&raw mut f).cast()) };
    crate::error::to_result(ret)
}

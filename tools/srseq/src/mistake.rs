// SPDX-License-Identifier: GPL-2.0

//! Mistakes that an implementation of sections could make.
//!
//! The model, the emulator and the rules make them on purpose. None may go unnoticed.

/// A mistake. Not each can be made everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mistake {
    /// The section is in no table, or the kernel ignores the mark.
    NoResume,
    /// The kernel looks for plain sections only on the way out of a preemption.
    PreemptedOnly,
    /// An NMI restarts no plain section.
    NoNmi,
    /// The end is one instruction too early.
    EndShort,
    /// The end is one instruction too late.
    EndLong,
    /// The restart point is one instruction too late.
    RestartLate,
    /// A retry keeps the address that was formed before.
    StaleRetry,
    /// The entry does not save and clear what the task published or marked.
    NoSave,
    /// Sections of modules are not found.
    ModuleNotSearched,
    /// Fixup before the address is formed.
    FixupEarly,
    /// Fixup in the wrong direction.
    FixupSign,
    /// Fixup as if the task came from another CPU.
    FixupCpu,
    /// Fixup of another register.
    FixupRegister,
    /// The CPU of the exit is compared with itself, so no task was ever moved.
    WrongCpu,
    /// After a fault, the CPU at the end of its handler is taken for the CPU of the fault.
    InnerCpu,
    /// The preemption of a fault moves the register, and the return from the fault moves it again.
    BothExits,
    /// Nothing publishes the descriptor.
    NotPublished,
    /// The descriptor that is published belongs to another section.
    AnotherPublished,
    /// The descriptor stays published behind the section.
    NotTakenBack,
    /// A section has no descriptor.
    NoDescriptor,
    /// A section has no descriptor and is not in the list of operations.
    NotListed,
    /// A reader tests the word before its section begins.
    WordOutside,
}

impl Mistake {
    /// All of them, in order, and what each is called.
    pub const ALL: [(Mistake, &'static str); 22] = {
        use Mistake::*;
        [
            (NoResume, "no resume"),
            (PreemptedOnly, "no look if nothing was preempted"),
            (NoNmi, "no look on the way out of NMIs"),
            (EndShort, "end one instruction short"),
            (EndLong, "end one instruction long"),
            (RestartLate, "restart one instruction late"),
            (StaleRetry, "LL/SC retry to the stale address"),
            (NoSave, "entry does not save what is published or marked"),
            (ModuleNotSearched, "module table not searched"),
            (FixupEarly, "fixup before the address is formed"),
            (FixupSign, "fixup with the wrong sign"),
            (FixupCpu, "fixup from the wrong old CPU"),
            (FixupRegister, "fixup of another register"),
            (WrongCpu, "the CPU of the exit compared with itself"),
            (InnerCpu, "a fault that compares from its handler's end"),
            (
                BothExits,
                "a fault whose preemption moves the register, too",
            ),
            (NotPublished, "not published"),
            (AnotherPublished, "another one published"),
            (NotTakenBack, "not taken back"),
            (NoDescriptor, "no descriptor"),
            (NotListed, "no descriptor, and not in the list"),
            (WordOutside, "the word tested before the section"),
        ]
    };

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order() {
        for (nr, (mistake, name)) in Mistake::ALL.into_iter().enumerate() {
            assert_eq!((mistake as usize, mistake.name()), (nr, name));
        }
    }
}

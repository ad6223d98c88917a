// SPDX-License-Identifier: GPL-2.0

//! Finds out what leads an operation of more than one step to its commit.
//!
//! Such an operation tests flags, follows pointers and computes addresses with indices. In random
//! memory it leaves early, or accesses memory that is not there. This module changes one loaded
//! value after the other, until the operation comes further, and in the end to its commit.

use crate::emulate::{Access, Reached, Subject};

/// What a loaded value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address. An interruption changes it to another valid one.
    Pointer,
    /// A number of words. An interruption changes it to another small number.
    Index,
    /// A number with which the operation goes on. An interruption changes it to any number.
    Value(u64),
}

/// A piece of memory that is of a kind.
#[derive(Clone, Debug)]
pub struct Item {
    /// The number of its page, in the emulator's order: two CPUs' copies, two heaps, shared.
    pub page: usize,
    pub offset: u64,
    pub size: usize,
    pub kind: Kind,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub items: Vec<Item>,
    /// The registers that point to memory of no CPU.
    pub shared: Vec<usize>,
}

impl Layout {
    /// More items than any operation has.
    const MOST: usize = 8;

    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.shared.is_empty()
    }

    /// Finds the layout with which an operation commits. `reach` runs the operation.
    pub fn find(subject: &Subject, mut reach: impl FnMut(&Layout) -> Reached) -> Option<Self> {
        let mut layout = Layout::default();
        let mut now = reach(&layout);
        for _ in 0..Self::MOST {
            if now.committed {
                return Some(layout);
            }
            let better = layout
                .candidates(subject, &now)
                .into_iter()
                .find_map(|next| {
                    let then = reach(&next);
                    (then.committed || then.steps > now.steps).then_some((next, then))
                });
            (layout, now) = better?;
        }
        None
    }

    /// The layouts with one item more: of the last load first.
    fn candidates(&self, subject: &Subject, now: &Reached) -> Vec<Layout> {
        let mut candidates = Vec::new();
        let mut add = |item: Option<Item>, shared: Option<usize>| {
            let mut next = self.clone();
            next.items.extend(item);
            next.shared.extend(shared);
            candidates.push(next);
        };
        if let Some(reg) = now.shared.filter(|reg| !self.shared.contains(reg)) {
            add(None, Some(reg));
        }
        let known = |access: &Access| {
            let place = Item::at(access, Kind::Pointer);
            let place = place.map(|i| (i.page / 2, i.offset));
            let mut items = self.items.iter().map(|i| (i.page / 2, i.offset));
            items.any(|item| Some(item) == place)
        };
        for load in now.loads.iter().rev().filter(|load| !known(load)) {
            if load.size == 8 {
                add(Item::at(load, Kind::Pointer), None);
            }
            let of_cpu = |item: &Item| item.page < 4;
            let index = Item::at(load, Kind::Index).filter(of_cpu);
            if index.is_some() && load.size >= 4 {
                add(index, None);
            }
            for value in [0, u64::MAX].into_iter().chain(subject.constants()) {
                add(Item::at(load, Kind::Value(value)), None);
            }
        }
        candidates
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Fields of instructions and of data, in little-endian files. Relocations fill them in.

/// The pieces of a branch's offset: the bit in the instruction, the bit in the offset, and the
/// number of bits. The last piece has the sign.
pub type Pieces = [(u32, u32, u32)];

/// Returns the offset of a branch.
pub fn gather(insn: u32, pieces: &Pieces) -> i64 {
    let piece = |&(at, to, bits): &(u32, u32, u32)| (insn >> at & ((1 << bits) - 1)) << to;
    let offset: u32 = pieces.iter().map(piece).sum();
    let sign = pieces.iter().map(|(_, to, bits)| to + bits).max();
    let unused = 32 - sign.unwrap_or(0);
    i64::from((offset << unused) as i32 >> unused)
}

/// Returns the instruction with another offset.
fn scatter(insn: u32, pieces: &Pieces, offset: u64) -> u32 {
    pieces.iter().fold(insn, |insn, &(at, to, bits)| {
        let mask = (1 << bits) - 1;
        insn & !(mask << at) | ((offset >> to) as u32 & mask) << at
    })
}

/// Changes a number of `len` bytes at the start of some data.
pub fn field(data: &mut [u8], len: usize, change: impl Fn(u64) -> u64) -> Option<()> {
    let field = data.get_mut(..len)?;
    let mut bytes = [0; 8];
    bytes[..len].copy_from_slice(field);
    let value = change(u64::from_le_bytes(bytes));
    field.copy_from_slice(&value.to_le_bytes()[..len]);
    Some(())
}

/// Sets the offset of the branch at the start of some code, which is `len` bytes long.
pub fn set_offset(data: &mut [u8], len: usize, pieces: &Pieces, offset: u64) -> Option<()> {
    field(data, len, |insn| {
        scatter(insn as u32, pieces, offset).into()
    })
}

/// Changes a number of DWARF, which keeps its length.
pub fn uleb128(data: &mut [u8], change: impl Fn(u64) -> u64) -> Option<()> {
    let len = 1 + data.iter().position(|byte| byte & 0x80 == 0)?;
    let place = |nr: usize| 7 * nr as u32;
    let seven = |(nr, byte): (usize, &u8)| u64::from(byte & 0x7f).checked_shl(place(nr));
    let old = data[..len].iter().enumerate().filter_map(seven);
    let value = change(old.fold(0, |value, seven| value | seven));
    for (nr, byte) in data[..len].iter_mut().enumerate() {
        let seven = value.checked_shr(place(nr)).unwrap_or(0) as u8 & 0x7f;
        *byte = *byte & 0x80 | seven;
    }
    Some(())
}

// SPDX-License-Identifier: GPL-2.0

//! Decodes instructions.

use anyhow::{anyhow, Result};
use capstone::Capstone;

use crate::insn::Insn;
use crate::isa::Arch;

/// A disassembler.
pub struct Disassembler {
    arch: Arch,
    capstone: Option<Capstone>,
}

impl Disassembler {
    pub fn new(arch: Arch) -> Result<Self> {
        let capstone = arch
            .capstone()
            .map_err(|e| anyhow!("no disassembler for {arch:?}: {e}"))?;
        Ok(Disassembler { arch, capstone })
    }

    /// Decodes the instructions of some code. An error names the first bytes that are no
    /// instruction.
    pub fn decode(&self, code: &[u8], address: u64) -> Result<Vec<Insn>> {
        let mut insns = Vec::new();
        let mut pos = 0;
        while pos < code.len() {
            let at = address.wrapping_add(pos as u64);
            let len = self.arch.insn_len(&code[pos..]);
            let bytes = code
                .get(pos..pos + len)
                .ok_or_else(|| anyhow!("the instruction at {at:#x} is cut off"))?;
            insns.push(self.one(bytes, at)?);
            pos += len;
        }
        Ok(insns)
    }

    /// Decodes the instructions at the start of some code, up to the first bytes that are no
    /// instruction.
    pub fn prefix<'a>(&'a self, code: &'a [u8], address: u64) -> impl Iterator<Item = Insn> + 'a {
        let mut pos = 0;
        std::iter::from_fn(move || {
            let len = self.arch.insn_len(code.get(pos..)?);
            let insn = self.one(code.get(pos..pos + len)?, address.wrapping_add(pos as u64));
            pos += len;
            insn.ok()
        })
    }

    /// The instruction that some bytes are.
    pub fn one(&self, bytes: &[u8], address: u64) -> Result<Insn> {
        let bad = || anyhow!("no instruction at {address:#x}: {bytes:02x?}");
        let mut insn = Insn {
            address,
            len: bytes.len(),
            ..Insn::default()
        };
        let described = match &self.capstone {
            Some(capstone) => {
                let decoded = capstone.disasm_count(bytes, address, 1);
                let decoded = decoded.map_err(|_| bad())?;
                let decoded = decoded.iter().next().ok_or_else(bad)?;
                let mnemonic = decoded.mnemonic().unwrap_or_default();
                let operands = decoded.op_str().unwrap_or_default();
                insn.text = format!("{mnemonic} {operands}").trim_end().to_owned();
                let known = Some((capstone, decoded));
                self.arch.describe(&mut insn, bytes, known)
            }
            None => self.arch.describe(&mut insn, bytes, None),
        };
        described.ok_or_else(bad)?;
        Ok(insn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_instruction() {
        for arch in crate::arch::ALL {
            let disassembler = Disassembler::new(arch).unwrap();
            // All ones are FNMADD. on powerpc.
            let none = [0x00, 0xff].map(|byte| disassembler.decode(&[byte; 4], 0));
            assert!(none.iter().any(Result::is_err));
            let nop = arch.facts().nop;
            assert!(disassembler.decode(nop, 0).is_ok());
            assert!(disassembler.decode(&nop[1..], 0).is_err());
        }
    }
}

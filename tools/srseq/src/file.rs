// SPDX-License-Identifier: GPL-2.0

//! Reads kernels and modules. Distributions compress their modules.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{anyhow, Context, Result};

/// Reads a file, and decompresses it if it is compressed by gzip, xz or zstd.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    decompress(data).with_context(|| path.display().to_string())
}

fn decompress(data: Vec<u8>) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    match data[..] {
        [0x1f, 0x8b, ..] => {
            flate2::read::MultiGzDecoder::new(&data[..])
                .read_to_end(&mut plain)
                .context("it looks like a gzip file, but is damaged")?;
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            lzma_rs::xz_decompress(&mut &data[..], &mut plain)
                .map_err(|e| anyhow!("it looks like an xz file, but is damaged: {e:?}"))?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ruzstd::StreamingDecoder::new(&data[..])
                .map_err(|e| anyhow!("it looks like a zstd file, but is damaged: {e}"))?
                .read_to_end(&mut plain)
                .context("it looks like a zstd file, but is damaged")?;
        }
        _ => return Ok(data),
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `printf 'srseq\n' | COMPRESSOR`, with the options of the kernel's build for
    /// xz.
    const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03+.*N-\xe4\x02\0s\xca\x01^\x06\0\0\0";
    const XZ: &[u8] =
        b"\xfd7zXZ\0\0\x01i\x22\xde6\x02\0!\x01\x10\0\0\0\xa8p\x8e\x86\x01\0\x05srseq\
        \n\0\0\0s\xca\x01^\0\x01\x1a\x06\xc5\xea\xc8y\x90B\x99\x0d\x01\0\0\0\0\x01YZ";
    const ZSTD: &[u8] = b"(\xb5/\xfd\x04X1\0\0srseq\n\xa6\xf6c\x93";

    #[test]
    fn decompressed() {
        for data in [GZIP, XZ, ZSTD, b"srseq\n"] {
            assert_eq!(decompress(data.to_vec()).unwrap(), b"srseq\n");
        }
    }

    /// A damaged file ends in an error. The decompressor ignores the checksum of zstd, so a
    /// damaged header may be valid by chance.
    #[test]
    fn damaged() {
        for data in [GZIP, XZ, ZSTD] {
            for len in 6..data.len() - 4 {
                assert!(decompress(data[..len].to_vec()).is_err(), "{len}");
            }
        }
        let mut data = XZ.to_vec();
        data[30] ^= 1;
        let error = decompress(data).unwrap_err().to_string();
        assert!(error.starts_with("it looks like an xz file"), "{error}");
    }
}

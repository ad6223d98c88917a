// SPDX-License-Identifier: GPL-2.0

//! The results of a benchmark, and the lines and sizes that they come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};

use crate::cli::Sources;
use crate::image::Image;
use crate::isa::Arch;

/// One number with a limit.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Headline {
    pub name: String,
    pub value: f64,
    pub at_most: f64,
}

impl Headline {
    pub fn reached(&self) -> bool {
        self.value <= self.at_most
    }
}

/// All measured numbers. For each of them, less is better.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub arch: String,
    pub about: BTreeMap<String, String>,
    pub headline: Vec<Headline>,
    /// The keys have the form `what/of which/...`.
    pub numbers: BTreeMap<String, f64>,
    /// The numbers that could not be measured, with reasons.
    pub missing: Vec<String>,
}

impl Results {
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is no result of srseq bench", path.display()))
    }

    /// Whether no number of the headline exceeds its limit.
    pub fn reached(&self) -> bool {
        self.headline.iter().all(Headline::reached)
    }

    pub fn get(&self, key: &str) -> Option<f64> {
        self.numbers.get(key).copied()
    }

    /// Adds a number. Two runs that measure the same number must agree.
    pub fn put(&mut self, key: String, value: f64) -> Result<()> {
        match self.numbers.insert(key.clone(), value) {
            Some(before) if before != value => bail!("{key} is {before} and {value}"),
            _ => Ok(()),
        }
    }

    /// Adds the sizes of the kernels. Returns their architecture.
    pub fn put_kernels(&mut self, sources: &Sources) -> Result<Arch> {
        let mut arch = None;
        for (name, dir) in &sources.kernels {
            let dir = Path::new(dir);
            let vmlinux = Image::read(&dir.join("vmlinux"))?;
            arch = Some(vmlinux.arch);
            let mut put =
                |what: &str, value: u64| self.put(format!("kernel/{what}/{name}"), value as f64);
            for (what, value) in vmlinux.report(&sources.ignore)? {
                put(what, value)?;
            }
            let file = dir.join(&sources.image);
            let size =
                fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
            put("image_bytes", size.len())?;
        }
        arch.context("no kernel")
    }

    /// Adds the memory that is not available in the running kernel, from its log. The initramfs
    /// does not count.
    pub fn put_reserved(&mut self, kernel: &str, log: &str) -> Result<()> {
        let key = format!("kernel/reserved_kib/{kernel}");
        if let (None, Some(reserved)) = (self.get(&key), reserved_kib(log)) {
            let initramfs = initramfs_kib(log).context("the kernel frees no initramfs")?;
            self.put(key, reserved.saturating_sub(initramfs) as f64)?;
        }
        Ok(())
    }

    /// Adds the remaining facts, and writes the file.
    pub fn write(&mut self, sources: &Sources, arch: Arch) -> Result<()> {
        self.arch = arch.facts().name.to_owned();
        self.missing.sort();
        self.missing.dedup();
        self.about = sources.about.iter().cloned().collect();
        fs::write(&sources.out, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", sources.out.display()))
    }
}

/// Returns the reserved memory that the kernel's log reports.
pub fn reserved_kib(log: &str) -> Option<u64> {
    log.lines().find_map(|line| {
        let (_, rest) = line.split_once("K bss, ")?;
        rest.split_once("K reserved")?.0.parse().ok()
    })
}

/// Returns the size of the initramfs, which the kernel's log reports when it is not needed any more.
pub fn initramfs_kib(log: &str) -> Option<u64> {
    log.lines().find_map(|line| {
        let (_, size) = line.split_once("Freeing initrd memory: ")?;
        size.strip_suffix('K')?.parse().ok()
    })
}

/// The fields `name=value` of a line of a module.
pub struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    pub fn of(text: &'a str) -> Self {
        Fields(
            text.split_whitespace()
                .filter_map(|field| field.split_once('='))
                .collect(),
        )
    }

    pub fn text(&self, name: &str) -> Result<&'a str> {
        self.0
            .get(name)
            .copied()
            .with_context(|| format!("no {name}="))
    }

    pub fn number(&self, name: &str) -> Result<u64> {
        let text = self.text(name)?;
        text.parse()
            .with_context(|| format!("{name}={text} is no number"))
    }
}

/// An operation in one kernel's module.
#[derive(Clone)]
pub struct Op {
    /// The prefix of the names of its functions.
    pub unit: String,
    pub name: String,
    pub bits: u64,
    /// Its scheme and its kind of atomics, as part of keys.
    pub scheme: String,
    pub atomics: String,
    pub in_loop: u64,
    pub once: u64,
}

impl Op {
    /// Returns the key of some number of this operation.
    pub fn key(&self, what: &str) -> String {
        let Op {
            name,
            bits,
            scheme,
            atomics,
            ..
        } = self;
        format!("{what}/{name}/{bits}/{scheme}/{atomics}")
    }

    pub fn function(&self, which: &str) -> String {
        format!("{}_{}_{}_{which}", self.unit, self.name, self.bits)
    }
}

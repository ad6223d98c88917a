// SPDX-License-Identifier: GPL-2.0

//! Variants of the kernel: scenarios, one on top of the other, as `table+selftests`.

use std::iter::once;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::lab::{is_set_up, Lab};
use crate::sys::{read_or_none, Result};

/// What a line `#NAME# value` of a scenario says: its name and value.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('#')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name, value.trim_start_matches(' ')))
}

/// Whether a line says something about the build, and not only about the guest.
fn is_about_build(line: &str) -> bool {
    let about = |(name, _): (&str, &str)| {
        let is_arch = name.chars().all(|c| !c.is_ascii_uppercase());
        is_arch || ["BASE", "CC", "FROM", "KVER", "MAKE"].contains(&name)
    };
    line.starts_with("CONFIG_") || directive(line).is_some_and(about)
}

/// Options, each with its last value.
fn merge(lines: impl Iterator<Item = String>) -> String {
    let mut options: Vec<(String, String)> = Vec::new();
    for line in lines.filter(|line| line.starts_with("CONFIG_")) {
        let name = line.split('=').next().unwrap_or_default().to_owned();
        match options.iter_mut().find(|(other, _)| *other == name) {
            Some(option) => option.1 = line,
            None => options.push((name, line)),
        }
    }
    options.into_iter().map(|(_, line)| line + "\n").collect()
}

impl Lab {
    /// The files of a variant.
    pub fn scenarios(&self, variant: &str) -> Vec<PathBuf> {
        let file = |name| self.file("tools/scenarios").join(format!("{name}.config"));
        variant.split('+').map(file).collect()
    }

    /// The values of the lines `#NAME# value` of the architecture's file for kunit.py, and of the
    /// scenarios.
    pub fn directive(&self, wanted: &str, variant: &str) -> Vec<String> {
        let files = once(self.kunit("config")).chain(self.scenarios(variant));
        let text: String = files.map(|file| read_or_none(file) + "\n").collect();
        let lines = text.lines().filter_map(directive);
        lines.filter(|(name, _)| *name == wanted).map(|(_, value)| value.into()).collect()
    }

    /// The last one of these.
    pub fn last_directive(&self, wanted: &str, variant: &str) -> Option<String> {
        self.directive(wanted, variant).pop()
    }

    /// Checks that a variant is one, and for this architecture.
    pub fn check_variant(&self, variant: &str) -> Result {
        for (name, file) in variant.split('+').zip(self.scenarios(variant)) {
            let short = file.strip_prefix(&self.top).unwrap_or(&file).display();
            ensure!(file.exists(), "{variant} is no scenario: {short} does not exist");
            ensure!(
                self.is_for_arch(name),
                "scenario {name} is for ARCH={}",
                self.directive("ARCH", name).join(" ").replace(' ', " or ARCH=")
            );
        }
        Ok(())
    }

    /// Whether a scenario is for this architecture.
    pub fn is_for_arch(&self, name: &str) -> bool {
        let only = self.directive("ARCH", name).join(" ");
        only.is_empty() || only.split(' ').any(|arch| arch == self.arch.name)
    }

    /// The same variant without the scenarios that only say how to boot a kernel: `plain+smp8`
    /// boots the kernel `plain`.
    pub fn kernel_variant(&self, variant: &str) -> Result<String> {
        let names = variant.split('+').zip(self.scenarios(variant));
        let kernel: Vec<_> = names
            .filter(|(_, file)| read_or_none(file).lines().any(is_about_build))
            .map(|(name, _)| name)
            .collect();
        if kernel.is_empty() {
            bail!("scenario {variant} is no kernel: boot another with it, as in {}+{variant}", self.mode);
        }
        Ok(kernel.join("+"))
    }

    /// Where that kernel is built. Modules build against it, too.
    pub fn kernel_dir(&self, variant: &str) -> Result<PathBuf> {
        let variant = self.kernel_variant(variant)?;
        let mut name = format!("{}-{variant}", self.arch.name);
        let own = if self.ksrc.is_some() { "-ksrc" } else { "" };
        if self.kver != self.base_kver || !own.is_empty() {
            name += &format!("-{}{own}", self.kver);
        }
        Ok(self.out.join(name))
    }

    /// The wanted options, those that are for this architecture only (`#ARCH-NAME# option`)
    /// among them. They come on top of nothing, or of the configuration of `#BASE#`.
    pub fn merged_config(&self, variant: &str) -> String {
        let mut files = Vec::new();
        if self.directive("BASE", variant).is_empty() {
            files.push(self.file(".config.fragment"));
            files.push(self.kunit("config"));
        }
        files.extend(self.scenarios(variant));
        let text: Vec<_> = files.iter().map(read_or_none).collect();
        let lines = text.iter().flat_map(|text| text.lines()).map(str::to_owned);
        merge(lines.chain(self.directive(&self.arch.name, variant)))
    }

    /// The architecture's file for kunit.py.
    pub fn kunit(&self, ending: &str) -> PathBuf {
        self.file("tools/kunit").join(format!("{}.{ending}", self.arch.name))
    }

    /// The compiler of a kernel and its modules. `#CC# gcc` in a scenario asks for gcc.
    pub fn compiler(&self, variant: &str) -> Result<String> {
        match (self.last_directive("CC", variant).as_deref(), &self.arch.cross) {
            (None | Some("" | "clang"), _) => Ok("clang".into()),
            (Some("gcc"), Some(cross)) => Ok(format!("{cross}-gcc")),
            _ => bail!("scenario {variant}: #CC# is for gcc or clang"),
        }
    }

    /// What make gets for that kernel and its modules. `@TOP@` in a line `#MAKE#` is the project's
    /// directory, `@MODE@` the first scenario, and `@NAME@` the name of the configuration.
    pub fn make_options(&self, variant: &str) -> Result<Vec<String>> {
        let mut options = vec!["LLVM=1".to_owned()];
        let compiler = self.compiler(variant)?;
        if compiler != "clang" {
            options.push(format!("CC={compiler}"));
        }
        let top = self.top.display().to_string();
        let mode = variant.split('+').next().unwrap_or_default();
        let replaced = |option: &String| {
            let option = option.replace("@TOP@", &top).replace("@MODE@", mode);
            option.replace("@NAME@", &self.config_name)
        };
        options.extend(self.directive("MAKE", variant).iter().map(replaced));
        Ok(options)
    }

    /// Installs what the build of that kernel needs. `#PACKAGE# packages|reason` in a scenario asks
    /// for more than all need.
    pub fn setup_for(&self, variant: &str) -> Result {
        let packages = self.directive("PACKAGE", variant);
        if packages.is_empty() && is_set_up() {
            return Ok(());
        }
        let mut script = self.script("setup.sh");
        if self.compiler(variant)? != "clang" {
            script.arg("gcc");
        }
        script.env("PACKAGES", packages.join("\n"));
        self.foreground(&mut script)
    }
}

/// What compilers said about files of this project.
pub fn warnings(log: &Path) -> String {
    const OWN: [&str; 9] = [
        "sched_rseq",
        "percpu_rseq",
        "kernel/percpu",
        "rust_percpu",
        "samecode",
        "churn",
        "malformed",
        "tests/big",
        "workloads",
    ];
    // FILE:LINE:COLUMN with such a FILE.
    let names_own = |text: &str| {
        text.split(' ').any(|word| {
            let mut parts = word.split(':');
            let file = parts.next().unwrap_or_default();
            let place = parts.take(2).filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
            place.count() == 2 && OWN.iter().any(|own| file.contains(own))
        })
    };
    let is_own = |line: &&str| {
        let c = line.split_once(": warning: ").is_some_and(|(place, _)| names_own(place));
        let rust = line.split_once("--> ").is_some_and(|(_, place)| names_own(place));
        c || rust || line.starts_with("WARNING: modpost")
    };
    let text = read_or_none(log);
    text.lines().filter(is_own).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(directive("#SMP# 8"), Some(("SMP", "8")));
        assert_eq!(directive("# SPDX#"), None);
        assert!(is_about_build("CONFIG_A=y"));
        assert!(is_about_build("#s390# CONFIG_A=n"));
        assert!(is_about_build("#KVER# 7.2.13"));
        assert!(!is_about_build("#SMP# 8"));
        assert!(!is_about_build("# CONFIG_A"));
    }

    #[test]
    fn last_word_counts() {
        let lines = ["CONFIG_A=y", "# c", "CONFIG_B=y", "CONFIG_A=n", "CONFIG_AB=y"];
        assert_eq!(merge(lines.iter().map(|s| s.to_string())), "CONFIG_A=n\nCONFIG_B=y\nCONFIG_AB=y\n");
    }

    #[test]
    fn own_warnings() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let own = "kernel/sched_rseq.c:1:2: warning: x\n  --> ../rust/kernel/percpu/a.rs:3:4\nWARNING: modpost: y\n";
        let other = "mm/slub.c:1:2: warning: x\nkernel/sched_rseq.c: fine\n";
        std::fs::write(&log, format!("{other}{own}")).unwrap();
        assert_eq!(warnings(&log), own);
    }
}

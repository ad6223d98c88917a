// SPDX-License-Identifier: GPL-2.0

//! Programs of Debian for the guest, out of packages that are unpacked and never installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cmd;
use crate::lab::Lab;
use crate::source::tmp;
use crate::sys::{copy, name, read_or_none, remove, skip, walk, write, Result, Run, SKIPPED};
use crate::text::Text;

/// Debian's packages, and their programs that the guest gets.
pub struct Userland<'a> {
    /// The cache keeps them under this name.
    pub name: &'a str,
    pub packages: &'a [&'a str],
    pub programs: &'a [&'a str],
}

/// What `llvm-readelf` says of a program or library.
fn readelf(option: &str, file: &Path, pattern: &str) -> Result<Vec<String>> {
    let text = Text(cmd!("llvm-readelf", option, file).text()?);
    Ok(text.groups(pattern).iter().map(|groups| groups[0].to_owned()).collect())
}

/// A file of that name somewhere in unpacked packages.
fn find(tree: &Path, wanted: &str) -> Result<PathBuf> {
    let found = cmd!("find", tree, "-name", wanted).text()?;
    // A link to an absolute name leads out of the packages.
    let mut files = found.lines().map(PathBuf::from).filter(|file| file.is_file() && !is_absolute(file));
    files.next().with_context(|| format!("the packages have no {wanted}"))
}

fn is_absolute(file: &Path) -> bool {
    fs::read_link(file).is_ok_and(|to| to.is_absolute())
}

/// Copies the programs from unpacked packages to `to`, with the libraries that they need and their
/// loader, each to where the guest has it.
fn gather(programs: &[&str], tree: &Path, to: &Path) -> Result {
    // The C library opens it where a thread ends or is cancelled.
    let unwinder = to.join("lib/libgcc_s.so.1");
    copy(find(tree, "libgcc_s.so.1")?, &unwinder)?;
    let mut missing = vec![unwinder];
    for program in programs {
        let (from, file) = (find(&tree.join("usr/bin"), program)?, to.join("bin").join(program));
        copy(from, &file)?;
        for loader in readelf("--program-headers", &file, r"program interpreter: /(.*)\]")? {
            copy(find(tree, &name(Path::new(&loader)))?, to.join(loader))?;
        }
        missing.push(file);
    }
    while let Some(file) = missing.pop() {
        for library in readelf("--dynamic", &file, r"\(NEEDED\) .*\[(.*)\]")? {
            // The loader finds these in /lib, and itself wherever it is.
            let place = to.join("lib").join(&library);
            if !library.starts_with("ld") && !place.exists() {
                copy(find(tree, &library)?, &place)?;
                missing.push(place);
            }
        }
    }
    Ok(())
}

impl Lab {
    /// Gets the programs, with the file `packages` of their versions. Returns their lines for
    /// gen_init_cpio. Ends as a check that is skipped if Debian's packages cannot be had.
    pub fn userland(&self, wanted: &Userland) -> Result<String> {
        let Userland { packages, programs, .. } = wanted;
        let log = format!("{}-{}", wanted.name, self.arch.name);
        let dir = self.cache.join(&log);
        let asked = format!("{packages:?} {programs:?}");
        if read_or_none(dir.join("asked")) != asked {
            self.setup("")?;
            let new = tmp(&dir);
            remove(&new)?;
            let unpacked = new.join("unpacked");
            let mut fetch = self.script("fetch.sh");
            fetch.arg("userland").arg(&unpacked).args(*packages);
            let title = format!("packages: {}", packages.join(", "));
            let step = self.step(&title, &log, |log| log.rc(&mut fetch))?;
            if step.rc == i32::from(SKIPPED) {
                remove(&new)?;
                return skip(&format!(
                    "skipped: the download of Debian's packages {} for {} failed; is the network there? log: {}",
                    packages.join(" and "),
                    self.arch.debian_arch,
                    step.log.display()
                ));
            }
            step.must("")?;
            gather(programs, &unpacked, &new.join("root"))?;
            copy(unpacked.join("packages"), new.join("packages"))?;
            write(new.join("asked"), asked)?;
            remove(&unpacked)?;
            remove(&dir)?;
            fs::rename(&new, &dir)?;
        }
        let root = dir.join("root");
        let mut files = String::new();
        walk(&root, &mut |file| {
            let inside = file.strip_prefix(&root)?;
            let dir = inside.parent().context("no directory")?.display();
            files +=
                &format!("dir /{dir} 0755 0 0\nfile /{} {} 0755 0 0\n", inside.display(), file.display());
            Ok(())
        })?;
        Ok(files)
    }
}

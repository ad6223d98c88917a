// SPDX-License-Identifier: GPL-2.0

//! `make deb`: Debian packages of a kernel by its own `bindeb-pkg`, and one of the modules.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::cmd;
use crate::lab::{var, which, Lab};
use crate::sys::{list, name, read, read_or_none, remove, write, Log, Result, Run};
use crate::text::Text;

/// The modules that the packages have.
pub const PACKED: [&str; 3] = ["sched_rseq", "sched_rseq_torture", "sched_rseq_bench"];

/// The packages of a kernel.
pub struct Packages {
    /// What `uname -r` says.
    pub release: String,
    pub files: Vec<PathBuf>,
}

/// A kernel to make packages of.
struct Kernel<'a> {
    lab: &'a Lab,
    variant: &'a str,
    dir: PathBuf,
    release: String,
    /// The version of the packages.
    version: String,
    /// Debian's name of the architecture.
    arch: String,
}

impl Lab {
    /// Makes packages of the kernel with sections of that kind, or `off`.
    pub fn deb(&self, mode: &str) -> Result {
        let Some(wanted) = var("CONFIG") else {
            let variant = format!("{mode}+deb");
            let packages = self.packages(&variant, &self.out.join("deb"))?;
            println!(
                "This kernel is small, for QEMU. For a machine: make deb CONFIG=debian, or CONFIG=running."
            );
            return self.tell(&variant, &packages);
        };
        let lab = self.with_config(&wanted)?;
        let variant = format!("{mode}+distro+deb");
        lab.tell(&variant, &lab.packages(&variant, &self.out.join("deb"))?)
    }

    /// The lab whose kernels have the configuration that `CONFIG=` names.
    pub fn with_config(&self, wanted: &str) -> Result<Self> {
        let is_file = wanted != "running" && !self.arch.debian_configs.contains_key(wanted);
        let config_name = if is_file { "custom" } else { wanted };
        Ok(Lab { config: Some(self.config(wanted)?), config_name: config_name.into(), ..self.clone() })
    }

    fn tell(&self, variant: &str, packages: &Packages) -> Result {
        for file in &packages.files {
            println!("{:>8} KiB  {}", file.metadata()?.len() / 1024, file.display());
        }
        let files: Vec<_> = packages.files.iter().map(|file| file.display().to_string()).collect();
        println!("On the machine, as root: apt install {}", files.join(" "));
        let (count, release) = (packages.files.len(), &packages.release);
        println!("deb: PASS arch={} mode={variant} release={release} packages={count}", self.arch.name);
        Ok(())
    }

    /// The configuration that `CONFIG=` names.
    fn config(&self, wanted: &str) -> Result<PathBuf> {
        if let Some(flavour) = self.arch.debian_configs.get(wanted) {
            return self.debian_config(flavour);
        }
        let file = match wanted {
            "running" => format!("/boot/config-{}", cmd!("uname", "-r").text()?.trim()),
            file => file.into(),
        };
        let Ok(text) = read(&file) else {
            let names: Vec<_> = self.arch.debian_configs.keys().map(String::as_str).collect();
            bail!(
                "CONFIG={wanted}: {file} cannot be read; use a file, running{}{}",
                if names.is_empty() { "" } else { ", " },
                names.join(", ")
            );
        };
        let text = Text(text);
        let of = text.groups("^# Linux/([a-z0-9_]+) .* Kernel Configuration$").pop();
        let of = of.map_or(String::new(), |groups| groups[0].to_owned());
        let arch = &self.arch.name;
        ensure!(of == *arch, "CONFIG={wanted}: {file} is no configuration of a kernel for ARCH={arch}");
        Ok(fs::canonicalize(file)?)
    }

    /// One of Debian's, by its name in the package linux-config-X.Y.
    fn debian_config(&self, flavour: &str) -> Result<PathBuf> {
        self.setup("")?;
        let file = self.cache.join("config").join(format!("{}.{flavour}", self.kver));
        if !file.exists() {
            let mut fetch = self.script("fetch.sh");
            fetch.args(["config", &self.kver]).arg(&file).arg(flavour);
            self.step("Debian's configuration", "config-debian", |log| log.rc(&mut fetch))?
                .must("is the network there?")?;
        }
        Ok(file)
    }

    /// Makes the packages of a kernel, which has the scenario deb, in that directory.
    pub fn packages(&self, variant: &str, to: &Path) -> Result<Packages> {
        self.setup("deb")?;
        if self.config.is_some() {
            // Debug information of all modules
            self.need_space(40_000)?;
        }
        let dir = self.kernel(variant)?;
        let release = read_or_none(dir.join("include/config/kernel.release"));
        let upstream = release.split("-sched-rseq").next().unwrap_or_default();
        // Later commits have higher numbers.
        let count = cmd!("git", "-C", &self.top, "rev-list", "--count", "HEAD").both()?;
        let count: u32 = count.1.trim().parse().unwrap_or(0);
        let commit = self.commit()?.replace('-', ".");
        let kernel = Kernel {
            lab: self,
            variant,
            version: format!("{upstream}-1+{count}.g{commit}"),
            release,
            arch: self.arch.debian_arch.clone(),
            dir,
        };
        fs::create_dir_all(to)?;
        let title = |what: &str| format!("{variant} packages: {what}");
        let log = format!("deb-{}-{variant}", self.arch.name);
        self.step(&title("kernel"), &log, |log| kernel.pack(log))?.must("")?;
        self.module(variant, &PACKED)?;
        let log = format!("{log}-modules");
        self.step(&title("modules"), &log, |log| kernel.pack_modules(log))?.must("")?;

        let release = kernel.release.clone();
        let mut files = Vec::new();
        for package in ["linux-image", "linux-headers", "sched-rseq-modules"] {
            let start = format!("{package}-{release}_");
            let end = format!("_{}.deb", kernel.arch);
            let is_it = |file: &Path| name(file).starts_with(&start) && name(file).ends_with(&end);
            for old in list(to).iter().filter(|file| is_it(file)) {
                remove(old)?;
            }
            // bindeb-pkg puts them beside the build directory.
            let new = self.out.join(format!("{start}{}{end}", kernel.version));
            ensure!(new.exists(), "bindeb-pkg did not make {}", new.display());
            files.push(to.join(name(&new)));
            fs::rename(&new, files.last().unwrap())?;
        }
        Ok(Packages { release, files })
    }
}

/// Who makes the packages, by the variables of Debian's tools.
fn maintainer() -> (String, String) {
    let or = |name: &str, default: &str| var(name).unwrap_or_else(|| default.into());
    (or("DEBFULLNAME", "sched_rseq"), or("DEBEMAIL", "sched_rseq@localhost"))
}

impl Kernel<'_> {
    /// The package of the image, and that of the headers. There is none of the C library's.
    fn pack(&self, log: &Log) -> Result<i32> {
        let mut make = self.lab.kernel_make(&self.lab.src);
        make.arg(format!("O={}", self.dir.display())).args(self.lab.make_options(self.variant)?);
        // Not everything that its rules ask for is needed for these two targets.
        make.arg("DPKG_FLAGS=--target=binary-image,binary-headers --no-check-builddeps");
        make.arg(format!("-j{}", self.lab.jobs));
        make.env("KDEB_PKGVERSION", &self.version).env("KDEB_CHANGELOG_DIST", "unstable");
        // Otherwise the programs among the headers are those of the host. They are linked by lld,
        // which a cross compiler looks for by another name.
        let host = cmd!("dpkg", "--print-architecture").text()?;
        if let Some(cross) = self.lab.arch.cross.as_ref().filter(|_| host.trim() != self.arch) {
            let linker = self.lab.cache.join("bin").join(format!("{cross}-ld.lld"));
            remove(&linker)?;
            symlink(which("ld.lld"), linker)?;
            make.env("CROSS_COMPILE", format!("{cross}-"));
        }
        let (name, email) = maintainer();
        make.env("DEBFULLNAME", name).env("DEBEMAIL", email);
        log.rc(make.arg("bindeb-pkg"))
    }

    /// The package of this project's modules.
    fn pack_modules(&self, log: &Log) -> Result<i32> {
        let (lab, release) = (self.lab, &self.release);
        let root = self.dir.join("debian/sched-rseq-modules");
        remove(&root)?;
        for module in PACKED {
            let mut make = lab.kernel_make(&self.dir);
            make.args(lab.make_options(self.variant)?).arg("INSTALL_MOD_STRIP=1");
            make.arg(format!("INSTALL_MOD_PATH={}", root.display())).arg("DEPMOD=true");
            make.arg(format!("M={}", lab.file("rust").join(module).display()));
            make.arg(format!("MO={}", self.dir.join("modules").join(module).display()));
            log.ok(make.arg("modules_install"))?;
        }
        let (name, email) = maintainer();
        let control = format!(
            "Package: sched-rseq-modules-{release}\nVersion: {version}\nArchitecture: {arch}\n\
            Maintainer: {name} <{email}>\nSection: kernel\nPriority: optional\n\
            Depends: linux-image-{release} (= {version}), kmod\n\
            Description: modules of sched_rseq for Linux {release}\n \
            sched_rseq counts how often the kernel resumed critical sections, sched_rseq_torture\n \
            tests them, and sched_rseq_bench measures per-CPU operations.\n",
            version = self.version,
            arch = self.arch,
        );
        write(root.join("DEBIAN/control"), control)?;
        for script in ["postinst", "postrm"] {
            let file = root.join("DEBIAN").join(script);
            // The kernel's package may be removed before this one.
            let text = format!(
                "#!/bin/sh\nset -e\n[ ! -e /lib/modules/{release}/modules.order ] || depmod {release}\n"
            );
            write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        // Whatever the umask is, or the directory above
        log.ok(&mut cmd!("chmod", "-R", "u=rwX,go=rX,g-s", &root))?;
        let mut pack = cmd!("dpkg-deb", "--root-owner-group", "--build", &root);
        let deb = format!("sched-rseq-modules-{release}_{}_{}.deb", self.version, self.arch);
        log.rc(pack.arg(lab.out.join(deb)))
    }
}

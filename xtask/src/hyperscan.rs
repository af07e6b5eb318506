//! The scanner of regular expressions, linked statically: Debian's package of the dynamic library can
//! be replaced by another one that misses matches, and a program that holds its own cannot.
//!
//! `pkg-config` refuses static linking from `/usr`, so the build script is shown a folder that holds
//! nothing but links to the static library and its headers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{aptitude, paths};

/// The folder that `HYPERSCAN_ROOT` names.
#[derive(Debug, Clone)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// Makes `command`, a cargo command, link this library.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.env("HYPERSCAN_ROOT", &self.0);
    }
}

/// Makes the folder of links, or takes the one that `HYPERSCAN_ROOT` names.
///
/// # Errors
///
/// If the static library or its headers are not where Debian puts them.
pub(crate) fn provide() -> Result<Root> {
    if let Some(folder) = std::env::var_os("HYPERSCAN_ROOT") {
        return Ok(Root(std::path::absolute(folder)?));
    }
    let folder = paths::cache()?.join("hyperscan");
    for (link, to) in [("lib/libhs.a", library()?), ("include/hs", "/usr/include/hs".into())] {
        if !to.exists() {
            bail!("there is no `{}`: install `{}` again", to.display(), aptitude::scanner());
        }
        let link = folder.join(link);
        if fs::read_link(&link).is_ok_and(|found| found == to) {
            continue;
        }
        let above = link.parent().unwrap_or(&folder);
        fs::create_dir_all(above).with_context(|| format!("cannot make `{}`", above.display()))?;
        // A link that leads elsewhere is from another machine or another release.
        drop(fs::remove_file(&link));
        symlink(&to, &link).with_context(|| format!("cannot make `{}`", link.display()))?;
    }
    Ok(Root(folder))
}

fn library() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib").context("cannot read `/usr/lib`")?;
    let found = folders.filter_map(Result::ok).map(|entry| entry.path().join("libhs.a"));
    found
        .chain([Path::new("/usr/lib/libhs.a").to_path_buf()])
        .find(|path| path.is_file())
        .with_context(|| format!("there is no `libhs.a`: install `{}`", aptitude::scanner()))
}
